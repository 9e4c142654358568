"""Restores each tenant's newest dump into a scratch server inside this container: `python -m jobs.drill` (R3.4).

The data leaves the environment nowhere: the server listens on a socket in a temporary folder and goes with the run.
What came back is compared, table by table, with the manifest that was made in the dump's own snapshot.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from jobs.clouds import Cloud, open_cloud
from jobs.deadline import Clock
from jobs.dumps.layout import Manifest, drill_object, dump_prefix, manifest_time, parse_manifest
from jobs.dumps.night import NAMED, Limits, Night, listed
from jobs.dumps.restore import Restored, restored
from jobs.dumps.store import Dumps
from jobs.dumps.targets import Target, load
from jobs.dumps.tools import Tools
from jobs.environment import read as read_variables
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log, Severity

_NEW: Final = timedelta(hours=48)  # a tenant younger than this may not have seen a night yet
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
Result = Literal["ok", "skipped", "failed", "not_reached"]
_SEVERITIES: Final[Mapping[Result, Severity]] = {
    "ok": "INFO",
    "skipped": "WARNING",
    "failed": "ERROR",
    "not_reached": "ERROR",
}


class _Previous(BaseModel):
    model_config = ConfigDict(extra="ignore")

    succeeded_at: AwareDatetime | None = None
    timed_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One run over all tenants that the export job dumps."""

    cloud: Cloud
    store: Dumps
    tools: Tools
    log: Log
    night: Night

    def all(self) -> bool:
        """Drill everything; return whether nothing failed. One failing tenant stops no other."""
        found = load(self.cloud, self.log)
        failed = skipped = 0
        for name, problem in found.damaged:
            self._log(name, "", "failed", error=problem)
            failed += 1
        not_reached: list[str] = []
        for target in self._in_order(found.targets):
            clock = self.night.turn()
            if clock is None:
                not_reached.append(target.tenant)
                problem = "the run's time was up before its turn came"
                self._log(target.tenant, target.instance, "not_reached", error=problem)
                continue
            result = self._one(target, clock)
            failed += result == "failed"
            skipped += result == "skipped"
        wrong = failed + len(not_reached)
        succeeded = len(found.targets) + len(found.damaged) - wrong - skipped
        self.log.event(
            "ERROR" if wrong else "INFO",
            "drill.summary",
            f"{succeeded} drills succeeded, {failed} failed, {skipped} too new, {len(not_reached)} not reached",
            instance="all",
            result="failed" if wrong else "ok",
            drilled=len(found.targets) + len(found.damaged) - skipped - len(not_reached),
            failed=failed,
            skipped=skipped,
            not_reached=listed(not_reached[:NAMED]),
            not_reached_count=len(not_reached),
        )
        return wrong == 0

    def _in_order(self, targets: Sequence[Target]) -> list[Target]:
        """By the age of the last success; whoever last took too long comes last."""

        def key(target: Target) -> tuple[bool, datetime]:
            try:
                before = _previous(self.cloud.registry.read(drill_object(target.tenant)))
            except JobError:  # its own turn will say so
                return False, _NEVER
            return before.timed_out, before.succeeded_at or _NEVER

        return sorted(targets, key=key)

    def _one(self, target: Target, clock: Clock) -> Result:
        started = datetime.now(UTC)
        begun = time.monotonic()
        drilled = None
        error = None
        try:
            manifest = self._newest(target)
            if manifest is None:
                self._log(target.tenant, target.instance, "skipped")
                return "skipped"
            drilled = restored(self.store, self.tools, manifest, clock)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other tenants come next
            error = self.log.redact(explain(problem))
        minutes = int((time.monotonic() - begun) / 60)
        timed_out = error is not None and clock.is_up() and not self.night.over
        try:
            self._record(target, started, minutes, drilled, error, timed_out=timed_out)
        except Exception as problem:  # noqa: BLE001 - the log line still says what happened
            error = f"{f'{error}; ' if error else ''}result not recorded: {explain(problem)}"
        result: Result = "failed" if error else "ok"
        self._log(target.tenant, target.instance, result, drilled=drilled, minutes=minutes, error=error)
        return result

    def _newest(self, target: Target) -> Manifest | None:
        """The newest manifest; None when the tenant is too new to have one.

        Raises:
            JobError: there is none.
        """
        store = self.store
        names = [name for name in store.names(dump_prefix(target.tenant)) if manifest_time(name) is not None]
        if not names:
            created = self.cloud.ages.created(f"tenants/{target.tenant}.json")
            if created is not None and datetime.now(UTC) - created < _NEW:
                return None
            raise JobError(f"{store.uri(dump_prefix(target.tenant))}: holds no dump with a manifest")
        content = store.read(names[-1])
        if content is None:
            raise JobError(f"{store.uri(names[-1])}: vanished")
        manifest = parse_manifest(names[-1], content)
        if manifest.tenant != target.tenant:
            raise JobError(f"{store.uri(names[-1])}: is {manifest.tenant}'s")
        return manifest

    def _record(
        self,
        target: Target,
        started: datetime,
        minutes: int,
        drilled: Restored | None,
        error: str | None,
        *,
        timed_out: bool,
    ) -> None:
        """Write the result as the drill of instances does; a failure keeps the time of the last success."""
        name = drill_object(target.tenant)
        finished = datetime.now(UTC)
        before = self.cloud.registry.read(name)
        result = {
            "schema_version": 1,
            "tenant": target.tenant,
            "instance": target.instance,
            "result": "failed" if error else "ok",
            "minutes": minutes,
            "export": None if drilled is None else drilled.uri,
            "tables": None if drilled is None else len(drilled.found.tables),
            "rows": None if drilled is None else drilled.found.rows,
            "compared": None if drilled is None else drilled.compared,
            "locale": None if drilled is None else drilled.locale,
            "error": error,
            "timed_out": timed_out,
            "started_at": started.isoformat(),
            "finished_at": finished.isoformat(),
            "succeeded_at": _last_success(before) if error else finished.isoformat(),
        }
        self.cloud.registry.write(name, json.dumps(result, sort_keys=True).encode())

    def _log(
        self,
        tenant: str,
        instance: str,
        result: Result,
        *,
        drilled: Restored | None = None,
        minutes: int = 0,
        error: str | None = None,
    ) -> None:
        rows = None if drilled is None else drilled.found.rows
        text = error or ("has no dump yet" if result == "skipped" else f"{rows} rows came back")
        self.log.event(
            _SEVERITIES[result],
            "drill.result",
            f"{tenant}: {text}",
            tenant=tenant,
            instance=instance,
            result=result,
            minutes=minutes,
            export=None if drilled is None else drilled.uri,
            rows=rows,
            missing_extensions=None if drilled is None else listed(drilled.missing_extensions),
            left_out=None if drilled is None else listed(drilled.left_out),
            compared=None if drilled is None else drilled.compared,
            locale=None if drilled is None else drilled.locale,
            error=error,
        )


def _previous(content: bytes | None) -> _Previous:
    try:
        return _Previous() if content is None else _Previous.model_validate_json(content)
    except ValidationError:
        return _Previous()


def _last_success(content: bytes | None) -> str | None:
    succeeded = _previous(content).succeeded_at
    return None if succeeded is None else succeeded.isoformat()


def main(variables: Mapping[str, str], log: Log) -> int:
    """Drill once; return the exit code: 1 when anything failed."""
    try:
        night = Night.of(read_variables(Limits, variables))
        cloud = open_cloud(variables)
        tools = Tools(path=variables.get("PATH", os.defpath))
        return 0 if Drill(cloud=cloud, store=cloud.exports, tools=tools, log=log, night=night).all() else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", "drill.summary", text, instance="all", result="failed", error=text)
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
