"""Dumps every RDS and external database of the registry to the exports bucket: `python -m jobs.export` (R3.2).

Each dump is a custom-format archive, so a stock `pg_restore` is all that a restore needs. It is streamed, compared with
what the store then holds, and described by a manifest of the same moment. One tenant's failure stops no other, but the
run then ends in failure. An offboarding tenant's dump, once restored and compared, lifts its deletion guard (R2.6).
"""

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunningError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from jobs.clouds import Cloud, open_cloud
from jobs.deadline import Clock
from jobs.dumps import references, tables
from jobs.dumps.layout import Contents, Manifest, contents_digest, dump_prefix, dump_stem, manifest_time, overdue_time
from jobs.dumps.night import NAMED, Limits, Night, listed
from jobs.dumps.restore import Restored, restored
from jobs.dumps.session import LOCK_LIMIT_S, session
from jobs.dumps.snapshot import ChangedError, Snapshot
from jobs.dumps.store import Dumps, Stored
from jobs.dumps.targets import LoginState, Target, Way, load
from jobs.dumps.tools import ToolError, Tools, when_first
from jobs.environment import read as read_variables
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, rows

FinalState = Literal["none", "exists", "written", "failed"]
Result = Literal["ok", "failed", "not_reached"]

_RUN: Final = 12  # hexadecimal digits that keep two runs of one second apart
_ATTEMPTS: Final = 3
_PAUSE_S = 10.0  # before another attempt: whoever changes a table may be done then
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one tenant; the fields of its log line."""

    result: Result = "ok"
    database: str | None = None
    uri: str | None = None
    bytes: int | None = None
    rows: int | None = None
    final: FinalState = "none"
    not_dumped: str | None = None
    elsewhere: str | None = None
    derived: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Export:
    """One run over all databases.

    Attributes:
        night: how much time there is.
        run: distinguishes this run's objects from another's.
    """

    cloud: Cloud
    store: Dumps
    tools: Tools
    log: Log
    night: Night
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:_RUN])

    def all(self) -> bool:
        """Export everything; return whether nothing failed."""
        found = load(self.cloud, self.log)
        failed = 0
        for name, problem in found.damaged:
            self._report(name, "", Outcome(result="failed", error=problem))
            failed += 1
        not_reached: list[str] = []
        for target in self._in_order(found.targets):
            clock = self.night.turn()
            if clock is None:
                not_reached.append(target.tenant)
                outcome = Outcome(result="not_reached", error="the run's time was up before its turn came")
            else:
                outcome = self._tried(target, clock)
                failed += outcome.result == "failed"
            self._report(target.tenant, target.instance, outcome)
        exported = len(found.targets) + len(found.damaged) - failed - len(not_reached)
        wrong = failed + len(not_reached)
        self.log.event(
            "ERROR" if wrong else "INFO",
            "export.summary",
            f"{exported} databases exported, {failed} failed, {len(not_reached)} not reached",
            instance="all",
            result="failed" if wrong else "ok",
            exported=exported,
            failed=failed,
            other_kinds=found.other_kinds,
            not_reached=listed(not_reached[:NAMED]),
            not_reached_count=len(not_reached),
        )
        return wrong == 0

    def _in_order(self, targets: Sequence[Target]) -> list[Target]:
        """Those who wait to leave, then by the age of the newest proof; whoever last took too long comes last."""

        def key(target: Target) -> tuple[int, datetime]:
            try:
                names = self.store.names(dump_prefix(target.tenant))
                waits = target.state == "offboarding" and not self._has_marker(target)
            except JobError:  # its own turn will say so
                return 1, _NEVER
            newest = max(filter(None, map(manifest_time, names)), default=_NEVER)
            overdue = max(filter(None, map(overdue_time, names)), default=_NEVER)
            return 2 if overdue > newest else 0 if waits else 1, newest

        return sorted(targets, key=key)

    def _has_marker(self, target: Target) -> bool:
        return target.final_export is not None and self.store.read(target.final_export) is not None

    def _tried(self, target: Target, clock: Clock) -> Outcome:
        started = datetime.now(UTC)
        try:
            return self._one(target, clock)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tenants come next
            if clock.is_up() and not self.night.over:
                # nothing in the bucket is overwritten or deleted, so this is a name of its own
                with suppress(Exception):
                    self.store.create(f"{dump_stem(target.tenant, started, self.run)}.overdue.json", b"{}")
            return Outcome(result="failed", error=explain(error))

    def _one(self, target: Target, clock: Clock) -> Outcome:
        if target.state != "offboarding":
            return self._dumped(self._dump(target, clock))
        if self._has_marker(target):
            return self._dumped(self._dump(target, clock), final="exists")
        return self._final(target, clock)

    def _final(self, target: Target, clock: Clock) -> Outcome:
        """Dump with all logins off, restore that very dump, and write the marker when all of it is proved."""
        try:
            target.logins(clock)
        except Exception as error:  # noqa: BLE001 - the nightly dump is still worth having
            dumped = self._dumped(self._dump(target, clock), final="failed")
            return replace(dumped, result="failed", error=f"final export not proved: {explain(error)}")
        manifest, stored = self._dump(target, clock)
        dumped = self._dumped((manifest, stored), final="failed")
        try:
            logins = target.logins(clock)
            _check_complete(manifest)
            _check_partly(manifest, restored(self.store, self.tools, manifest, clock))
            target.logins(clock)
            return replace(dumped, final=self._mark(target, manifest, stored, logins))
        except Exception as error:  # noqa: BLE001 - see above
            return replace(dumped, result="failed", error=f"final export not proved: {explain(error)}")

    def _mark(self, target: Target, manifest: Manifest, stored: Stored, logins: LoginState) -> FinalState:
        if target.final_export is None:
            raise JobError(f"tenants/{target.tenant}.json does not name its final export; run the program's `up`")
        content = self.cloud.registry.read(f"tenants/{target.tenant}.json")
        if content is None or hashlib.sha256(content).hexdigest() != target.generation:
            raise JobError(f"tenants/{target.tenant}.json changed during the export, so its logins may have been on")
        marker = {
            "schema_version": 1,
            "tenant": target.tenant,
            "uri": self.store.uri(manifest.object),
            "generation": stored.generation,
            "size": manifest.bytes,
            "sha256": manifest.sha256,
            "rows": manifest.rows,
            "contents": contents_digest(manifest),
            "exported_at": manifest.started_at.isoformat(),
            "execution": self.run,
            "logins": logins,
        }
        if logins == "not-enforced":
            self.log.event(
                "WARNING",
                "export.final_not_enforced",
                f"{target.tenant}: its provider keeps the logins; rows written after the dump are not in it unless "
                "they were switched off there first",
                tenant=target.tenant,
                instance=target.instance,
            )
        # only if there is none: the first proof stands
        written = self.store.create(target.final_export, json.dumps(marker, sort_keys=True).encode())
        return "written" if written else "exists"

    def _dump(self, target: Target, clock: Clock) -> tuple[Manifest, Stored]:
        """Dump with a few attempts: a tenant may change a table just between the snapshot and pg_dump's lock."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(target, clock, self.run)
            except (ChangedError, ToolError):
                left = clock.remaining()
                time.sleep(_PAUSE_S if left is None else min(_PAUSE_S, left))
        try:
            return self._attempt(target, clock, self.run)
        except (ChangedError, ToolError) as error:
            raise JobError(f"{error} ({_ATTEMPTS} attempts)") from None

    def _attempt(self, target: Target, clock: Clock, run: str) -> tuple[Manifest, Stored]:
        started = datetime.now(UTC)
        stem = dump_stem(target.tenant, started, run)
        with target.way(clock) as way, session(way.endpoint()) as connection:
            tools = self.tools.of_major(connection.info.server_version // 10_000)
            snapshot = Snapshot(connection=connection, schemas=target.schemas)
            described = _describe(connection, target.schemas)
            contents, stored = self._upload(f"{stem}.dump", way, snapshot, tools, clock)
        manifest = Manifest(
            **dict(contents),
            **described,
            schema_version=2,
            tenant=target.tenant,
            object=f"{stem}.dump",
            bytes=stored.size,
            sha256=stored.sha256,
            pg_dump=tools.version("pg_dump"),
            started_at=started,
            finished_at=datetime.now(UTC),
        )
        if not self.store.create(f"{stem}.manifest.json", manifest.model_dump_json().encode()):
            raise JobError(f"{self.store.uri(stem)}.manifest.json: exists already")
        return manifest, stored

    def _upload(self, name: str, way: Way, snapshot: Snapshot, tools: Tools, clock: Clock) -> tuple[Contents, Stored]:
        """Upload what pg_dump writes, and meanwhile read the tables.

        pg_dump never waits for the reading. Only the upload's completion does, when pg_dump has ended: what the tables
        do not agree with is stored nowhere.
        """
        with (
            _reading(snapshot, clock) as (start, result),
            tools.dump(way.endpoint(), snapshot.name, snapshot.schemas, lock_s=LOCK_LIMIT_S, clock=clock) as read,
        ):

            def begin() -> None:
                way.opened()
                start()

            begun = when_first(read, begin)

            def complete(size: int) -> bytes:
                piece = begun(size)
                if len(piece) < size:
                    snapshot.dumped.set()
                    result()
                return piece

            stored = self.store.upload(name, complete)
            return result(), stored

    def _dumped(self, dump: tuple[Manifest, Stored], *, final: FinalState = "none") -> Outcome:
        manifest, _ = dump
        return Outcome(
            database=manifest.database,
            uri=self.store.uri(manifest.object),
            bytes=manifest.bytes,
            rows=manifest.rows,
            final=final,
            not_dumped=listed(_counted(manifest.not_dumped)),
            elsewhere=listed(manifest.elsewhere),
            derived=listed(manifest.derived),
        )

    def _report(self, tenant: str, instance: str, outcome: Outcome) -> None:
        self.log.event(
            "INFO" if outcome.result == "ok" else "ERROR",
            "export.result",
            f"{tenant}: {outcome.error or f'{outcome.rows} rows in {outcome.bytes} bytes'}",
            tenant=tenant,
            instance=instance,
            **vars(outcome),
        )


@contextmanager
def _reading(snapshot: Snapshot, clock: Clock) -> Iterator[tuple[Callable[[], None], Callable[[], Contents]]]:
    """Something that starts the reading in a thread of its own, and something that waits for its result."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        futures: list[Future[Contents]] = []

        def result() -> Contents:
            if not futures:
                raise ToolError("pg_dump wrote nothing")
            return futures[0].result()

        try:
            yield lambda: futures.append(pool.submit(snapshot.contents, clock)), result
        finally:
            # whatever went wrong outside, the thread must not go on with a session that is closed next
            for future in futures:
                while not future.done():
                    snapshot.give_up()
                    with suppress(StillRunningError):
                        future.exception(1)


def _describe(connection: Connection, schemas: tuple[str, ...] | None) -> dict[str, object]:
    database, encoding, server = rows(
        connection,
        """
        SELECT pg_catalog.current_database(), pg_catalog.getdatabaseencoding(),
               pg_catalog.current_setting('server_version')
        """,
    )[0]
    beyond = () if schemas is None else references.left_out(connection, schemas)
    return {
        "database": database,
        "encoding": encoding,
        "locale": tables.locale(connection),
        "server": server,
        "schemas": schemas,
        "left_out": (*beyond, *references.untrusted(connection, schemas)),
        "functions": () if schemas is None else references.functions(connection, schemas),
        "extensions": tables.extensions(connection),
        "roles": tables.needed_roles(connection, schemas),
    }


def _counted(held: Mapping[str, int | None]) -> list[str]:
    return [f"{name} ({'unknown' if count is None else count} rows)" for name, count in held.items()]


def _check_complete(manifest: Manifest) -> None:
    """Refuse a final export that would lose something with the database.

    Raises:
        JobError: it would; it names everything.
    """
    if manifest.not_dumped:
        raise JobError(
            f"no dump holds the rows of {listed(_counted(manifest.not_dumped))}, because an extension owns them: move "
            "them to tables of the tenant's own"
        )
    if manifest.moved:
        raise JobError(f"sequences were in use during the dump, so somebody writes: {listed(manifest.moved)}")


def _check_partly(manifest: Manifest, proof: Restored) -> None:
    """Rows that an extension has put there come back with the extension, and there have to be as many.

    Raises:
        JobError: there are not.
    """
    wrong = [
        f"{name} has {proof.found.partly.get(name)} rows instead of {count}"
        for name, count in manifest.partly.items()
        if proof.found.partly.get(name) != count
    ]
    if wrong:
        raise JobError(f"rows of extensions' tables did not come back: {'; '.join(wrong)}")


def main(variables: Mapping[str, str], log: Log) -> int:
    """Export once; return the exit code: 1 when anything failed."""
    try:
        night = Night.of(read_variables(Limits, variables))
        cloud = open_cloud(variables)
        tools = Tools(path=variables.get("PATH", os.defpath))
        return 0 if Export(cloud=cloud, store=cloud.exports, tools=tools, log=log, night=night).all() else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", "export.summary", text, instance="all", result="failed", error=text)
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
