"""Dumps every RDS and external database of the registry to the exports bucket: `python -m jobs.export` (R3.2).

Each dump is a custom-format archive, so a stock `pg_restore` is all that a restore needs. It is streamed, compared with
what the store then holds, and described by a manifest made in the same snapshot. One tenant's failure stops no other,
but the run then ends in failure. An offboarding tenant's dump, once proved, lifts its deletion guard (R2.6).
"""

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from jobs.clouds import Cloud, open_cloud
from jobs.dumps import references, tables
from jobs.dumps.layout import Manifest, dump_stem
from jobs.dumps.proof import prove
from jobs.dumps.session import session
from jobs.dumps.store import Dumps, Stored
from jobs.dumps.targets import Endpoints, LoginState, Target, load
from jobs.dumps.tools import Tools
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, rows

Schemas = tuple[str, ...] | None
FinalState = Literal["none", "exists", "written", "failed"]

_RUN: Final = 12  # hexadecimal digits that keep two runs of one second apart


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one tenant; the fields of its log line."""

    result: Literal["ok", "failed"] = "ok"
    database: str | None = None
    uri: str | None = None
    bytes: int | None = None
    rows: int | None = None
    final: FinalState = "none"
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Export:
    """One run over all databases.

    Attributes:
        run: distinguishes this run's objects from another's.
    """

    cloud: Cloud
    store: Dumps
    tools: Tools
    log: Log
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:_RUN])

    def all(self) -> bool:
        """Export everything; return whether nothing failed."""
        found = load(self.cloud, self.log)
        failed = 0
        for name, problem in found.damaged:
            self._report(name, "", Outcome(result="failed", error=problem))
            failed += 1
        for target in found.targets:
            try:
                outcome = self._one(target)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other tenants come next
                outcome = Outcome(result="failed", error=explain(error))
            self._report(target.tenant, target.instance, outcome)
            failed += outcome.result == "failed"
        exported = len(found.targets) + len(found.damaged) - failed
        self.log.event(
            "ERROR" if failed else "INFO",
            "export.summary",
            f"{exported} databases exported, {failed} failed",
            instance="all",
            result="failed" if failed else "ok",
            exported=exported,
            failed=failed,
            other_kinds=found.other_kinds,
        )
        return failed == 0

    def _one(self, target: Target) -> Outcome:
        if target.state != "offboarding":
            return self._dumped(self._dump(target))
        if target.final_export is not None and self.store.read(target.final_export) is not None:
            return self._dumped(self._dump(target), final="exists")
        return self._final(target)

    def _final(self, target: Target) -> Outcome:
        """Dump with the tenant's own logins off, and write the marker when that and the dump are proved."""
        try:
            self._logins(target)
        except Exception as error:  # noqa: BLE001 - the nightly dump is still worth having
            dumped = self._dumped(self._dump(target), final="failed")
            return replace(dumped, result="failed", error=f"final export not proved: {explain(error)}")
        manifest, stored = self._dump(target)
        dumped = self._dumped((manifest, stored), final="failed")
        try:
            logins = self._logins(target)
            prove(self.store, self.tools, manifest)
            return replace(dumped, final=self._mark(target, manifest, stored, logins))
        except Exception as error:  # noqa: BLE001 - see above
            return replace(dumped, result="failed", error=f"final export not proved: {explain(error)}")

    def _logins(self, target: Target) -> LoginState:
        with target.endpoints() as fresh, session(fresh()) as connection:
            return target.logins(connection)

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

    def _dump(self, target: Target) -> tuple[Manifest, Stored]:
        started = datetime.now(UTC)
        stem = dump_stem(target.tenant, started, self.run)
        with target.endpoints() as fresh, session(fresh()) as connection:
            # One snapshot for both: the manifest says what the dump holds, whatever is written meanwhile. Reading
            # comes first, because its locks then keep every table as it is until pg_dump has it.
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            described = self._describe(connection, target.schemas)
            stored = self._upload(f"{stem}.dump", fresh, _snapshot(connection), target.schemas)
        manifest = Manifest(
            tenant=target.tenant,
            object=f"{stem}.dump",
            bytes=stored.size,
            sha256=stored.sha256,
            pg_dump=self.tools.version("pg_dump"),
            started_at=started,
            finished_at=datetime.now(UTC),
            **described,
        )
        if not self.store.create(f"{stem}.manifest.json", manifest.model_dump_json().encode()):
            raise JobError(f"{self.store.uri(stem)}.manifest.json: exists already")
        return manifest, stored

    def _upload(self, name: str, fresh: Endpoints, snapshot: str, schemas: Schemas) -> Stored:
        with self.tools.dump(fresh(), snapshot, schemas) as read:
            return self.store.upload(name, read)

    def _describe(self, connection: Connection, schemas: Schemas) -> dict[str, object]:
        database, encoding, server = rows(
            connection, "SELECT current_database(), getdatabaseencoding(), current_setting('server_version')"
        )[0]
        return {
            "database": database,
            "encoding": encoding,
            "server": server,
            "schemas": schemas,
            "tables": tables.contents(connection, schemas),
            "left_out": () if schemas is None else references.left_out(connection, schemas),
            "functions": () if schemas is None else references.functions(connection, schemas),
            "extensions": tables.extensions(connection),
            "roles": tables.policy_roles(connection, schemas),
        }

    def _dumped(self, dump: tuple[Manifest, Stored], *, final: FinalState = "none") -> Outcome:
        manifest, _ = dump
        return Outcome(
            database=manifest.database,
            uri=self.store.uri(manifest.object),
            bytes=manifest.bytes,
            rows=manifest.rows,
            final=final,
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


def _snapshot(connection: Connection) -> str:
    return str(rows(connection, "SELECT pg_export_snapshot()")[0][0])


def main(variables: Mapping[str, str], log: Log) -> int:
    """Export once; return the exit code: 1 when anything failed."""
    try:
        cloud = open_cloud(variables)
        tools = Tools(path=variables.get("PATH", os.defpath))
        return 0 if Export(cloud=cloud, store=cloud.exports, tools=tools, log=log).all() else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", "export.summary", text, instance="all", result="failed", error=text)
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
