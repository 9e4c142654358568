"""Restores each tenant's newest dump into a scratch server inside this container: `python -m jobs.drill` (R3.4).

The data leaves the environment nowhere: the server listens on a socket in a temporary folder and goes with the run.
What came back is compared, table by table, with the manifest that was made in the dump's own snapshot.
"""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from jobs.clouds import Cloud, open_cloud
from jobs.dumps import tables
from jobs.dumps.layout import Manifest, drill_object, dump_prefix, manifest_time, parse_manifest
from jobs.dumps.proof import prove
from jobs.dumps.scratch import scratch_server
from jobs.dumps.session import session
from jobs.dumps.store import Dumps
from jobs.dumps.targets import Target, load
from jobs.dumps.tools import Tools
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log, Severity

_NEW: Final = timedelta(hours=48)  # a tenant younger than this may not have seen a night yet
Result = Literal["ok", "skipped", "failed"]
_SEVERITIES: Final[Mapping[Result, Severity]] = {"ok": "INFO", "skipped": "WARNING", "failed": "ERROR"}
# Entries that only a superuser may create, or that the scratch database has before the restore.
_LEFT_OUT: Final = re.compile(r"^\d+; \d+ \d+ (?:EXTENSION|EVENT TRIGGER|SCHEMA - (?P<schema>.+) \S+$)")
_PG_CLASS: Final = 1259  # the catalog of relations has this number in every release
_ENTRY: Final = re.compile(r"^\d+; (?P<catalog>\d+) (?P<oid>\d+) ")


class _Previous(BaseModel):
    model_config = ConfigDict(extra="ignore")

    succeeded_at: AwareDatetime | None = None


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """A dump that came back whole."""

    uri: str
    tables: int
    rows: int
    missing_extensions: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One run over all tenants that the export job dumps."""

    cloud: Cloud
    store: Dumps
    tools: Tools
    log: Log

    def all(self) -> bool:
        """Drill everything; return whether nothing failed. One failing tenant stops no other."""
        found = load(self.cloud, self.log)
        failed = skipped = 0
        for name, problem in found.damaged:
            self._log(name, "", "failed", error=problem)
            failed += 1
        for target in found.targets:
            result = self._one(target)
            failed += result == "failed"
            skipped += result == "skipped"
        self.log.event(
            "ERROR" if failed else "INFO",
            "drill.summary",
            f"{len(found.targets) - failed - skipped} drills succeeded, {failed} failed, {skipped} too new",
            instance="all",
            result="failed" if failed else "ok",
            drilled=len(found.targets) + len(found.damaged) - skipped,
            failed=failed,
            skipped=skipped,
        )
        return failed == 0

    def _one(self, target: Target) -> Result:
        started = datetime.now(UTC)
        clock = time.monotonic()
        drilled = None
        error = None
        try:
            manifest = self._newest(target)
            if manifest is None:
                self._log(target.tenant, target.instance, "skipped")
                return "skipped"
            drilled = self._restore(manifest)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other tenants come next
            error = self.log.redact(explain(problem))
        minutes = int((time.monotonic() - clock) / 60)
        try:
            self._record(target, started, minutes, drilled, error)
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

    def _restore(self, manifest: Manifest) -> Drilled:
        contents = prove(self.store, self.tools, manifest)
        # a server for each: what one tenant's dump leaves behind (roles, a crash) is nothing to the next
        with scratch_server(self.tools) as scratch, scratch.database(manifest) as (owner, missing):
            entries = scratch.folder / "entries"
            entries.write_text("\n".join(_wanted(contents, manifest)), encoding="utf-8")
            with self.store.stream(manifest.object) as pieces:
                try:
                    self.tools.restore(owner, pieces, entries)
                except JobError as error:
                    hint = f" (not installed here: {', '.join(missing)})" if missing else ""
                    raise JobError(f"{error}{hint}") from None
            with session(owner) as connection:
                found = tables.contents(connection, manifest.schemas)
        if wrong := tables.differences(manifest.tables, found):
            raise JobError(f"{manifest.object}: {'; '.join(wrong)}")
        return Drilled(
            uri=self.store.uri(manifest.object),
            tables=len(found),
            rows=sum(table.rows for table in found.values()),
            missing_extensions=tuple(missing),
            left_out=tuple(part.what for part in manifest.left_out),
        )

    def _record(
        self, target: Target, started: datetime, minutes: int, drilled: Drilled | None, error: str | None
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
            "tables": None if drilled is None else drilled.tables,
            "rows": None if drilled is None else drilled.rows,
            "error": error,
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
        drilled: Drilled | None = None,
        minutes: int = 0,
        error: str | None = None,
    ) -> None:
        rows = None if drilled is None else drilled.rows
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
            missing_extensions=None if drilled is None else ", ".join(drilled.missing_extensions),
            left_out=None if drilled is None else ", ".join(drilled.left_out),
            error=error,
        )


def _wanted(contents: list[str], manifest: Manifest) -> list[str]:
    """The entries to restore: all but those that the scratch database has already, or may not or cannot have."""
    made = {"public", *(extension.schema_name for extension in manifest.extensions)}
    lost = {(part.catalog, part.oid) for part in manifest.left_out}
    # an archive calls what a relation holds (a materialized view's rows) by the relation's number alone
    lost |= {(0, part.oid) for part in manifest.left_out if part.catalog == _PG_CLASS}
    wanted = []
    for line in contents:
        entry, found = _ENTRY.match(line), _LEFT_OUT.match(line)
        if entry is not None and (int(entry["catalog"]), int(entry["oid"])) in lost:
            continue
        if found is None or (found["schema"] is not None and found["schema"] not in made):
            wanted.append(line)
    return wanted


def _last_success(content: bytes | None) -> str | None:
    if content is None:
        return None
    try:
        succeeded = _Previous.model_validate_json(content).succeeded_at
    except ValidationError:
        return None
    return None if succeeded is None else succeeded.isoformat()


def main(variables: Mapping[str, str], log: Log) -> int:
    """Drill once; return the exit code: 1 when anything failed."""
    try:
        cloud = open_cloud(variables)
        tools = Tools(path=variables.get("PATH", os.defpath))
        return 0 if Drill(cloud=cloud, store=cloud.exports, tools=tools, log=log).all() else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", "drill.summary", text, instance="all", result="failed", error=text)
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
