"""Brings a tenant's data back, with that tenant's rights and no more: `python -m jobs.restore` (R3.4).

Whoever restores runs what the tenant wrote: checks, triggers, index expressions. So the session that restores logs in
as a login that belongs to this one tenant, into a database that nobody else can enter. What each command does, and the
order that people follow, is in docs/restore.md.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jobs.clouds import Cloud, open_cloud
from jobs.deadline import Clock, limited
from jobs.dumps import tables
from jobs.dumps.layout import Contents
from jobs.environment import Variables, read
from jobs.restores import compare, database
from jobs.restores.database import Locale
from jobs.restores.programs import Programs
from jobs.restores.replay import Replay, Rules
from jobs.restores.sources import Place, Source, exported, place_of
from jobs.restores.way import Way, open_way
from jobs.sql import cluster as cluster_module
from jobs.sql import isolation
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, rows
from jobs.sql.registry import Instance, Tenant, parse_instance, parse_tenant
from jobs.sql.verify import count

TIME_LIMIT_S: Final = 7_000.0
_LEAVING_S: Final = 10.0  # until a session that was closed has to be gone
"""Below the two hours that a workflow gives the job, so that the restore still tidies up after itself."""
_MAJOR: Final = 10_000  # of `server_version`: 180001 is a release 18


class _Environment(Variables):
    server_ca_pem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a command; fields of its log line.

    Attributes:
        database: where it is now.
        left_out: what an ordinary role could not have, one statement each.
    """

    database: str
    message: str
    tables: int | None = None
    rows: int | None = None
    left_out: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a new database is to hold; `locale` is its tenant's present one unless it is given."""

    tenant: Tenant
    name: str
    source: Source
    locale: Locale | None = None


@dataclass(frozen=True, kw_only=True)
class _Filled:
    """A new database with everything in it, which `login` alone can enter."""

    wanted: _Wanted
    login: str
    left_out: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Restore:
    """One command of the module, for one tenant."""

    cloud: Cloud
    log: Log
    programs: Programs
    clock: Clock
    options: argparse.Namespace
    server_ca_pem: str | None

    def run(self) -> Outcome:
        """Run the command that was given.

        Raises:
            JobError, psycopg.Error, OSError: it failed; what it had begun is gone again.
        """
        instance, tenant = self._declared(self.options.instance, self.options.tenant)
        command: str = self.options.command
        if command == "restore":
            return self._restore(instance, tenant)
        if command == "put-in-place":
            return self._put_in_place(instance, tenant)
        if command == "discard":
            return self._discard(instance, tenant)
        if command == "final":
            return self._final(instance, tenant)
        return self._check(instance, tenant)

    def _restore(self, instance: Instance, tenant: Tenant) -> Outcome:
        given = self.options
        name = self._name(tenant, given.into)
        if given.from_host is None:
            source = self._exported(tenant)
            with (
                open_way(self.cloud, self.log, instance, **self._copy(given.host, given.admin_secret)) as way,
                way.admin() as admin,
            ):
                return self._kept(way, admin, _Wanted(tenant=tenant, name=name, source=source))
        if given.host is not None:
            raise JobError("--host and --from-host: a copy is restored into the instance itself")
        giver = tenant if given.from_tenant is None else self._tenant(given.from_tenant)
        from_instance = instance if giver is tenant else self._instance(giver.instance)
        with (
            open_way(
                self.cloud, self.log, from_instance, **self._copy(given.from_host, given.from_admin_secret)
            ) as copy,
            copy.admin() as copys_admin,
            open_way(self.cloud, self.log, instance) as way,
            way.admin() as admin,
        ):
            source, locale = self._copied(copy, copys_admin, giver)
            return self._kept(way, admin, _Wanted(tenant=tenant, name=name, source=source, locale=locale))

    def _kept(self, way: Way, admin: Connection, wanted: _Wanted) -> Outcome:
        tenant, name = wanted.tenant, wanted.name
        with database.alone(admin, tenant):
            if database.owner_of(admin, name) == tenant.owner_role:
                raise JobError(f"database {name} holds a restore that is whole; put it in place, or discard it first")
            filled = self._fill(way, admin, wanted)
            try:
                outcome = self._look(way, admin, filled)
                database.close_for(admin, name, filled.login)
                database.finish(admin, name, tenant)
            except BaseException:
                database.drop(admin, name, tenant)
                raise
            return outcome

    def _check(self, instance: Instance, tenant: Tenant) -> Outcome:
        given = self.options
        if given.host == instance.host:
            raise JobError(
                f"--host {given.host}: is the instance itself; a restore is only tried on a scratch instance"
            )
        source = self._exported(tenant)
        name = f"{database.restored_name(tenant)}_check"
        with (
            open_way(self.cloud, self.log, instance, **self._copy(given.host, given.admin_secret)) as way,
            way.admin() as admin,
            database.alone(admin, tenant),
        ):
            filled = self._fill(way, admin, _Wanted(tenant=tenant, name=name, source=source))
            try:
                return self._look(way, admin, filled)
            finally:
                database.drop(admin, name, tenant)

    def _final(self, instance: Instance, tenant: Tenant) -> Outcome:
        if tenant.state != "offboarding":
            raise JobError(f"{tenant.id}: is {tenant.state}; only what an offboarding tenant has is final")
        source = self._exported(tenant)
        name = f"final_{tenant.database}"
        with (
            open_way(self.cloud, self.log, instance) as way,
            way.admin() as admin,
            database.alone(admin, tenant),
        ):
            self._logins_are_off(admin, tenant)
            filled = self._fill(way, admin, _Wanted(tenant=tenant, name=name, source=source))
            try:
                found = self._everything(way, admin, tenant, filled.login, name)
                # What the dump has run could let its login into the tenant's database, which belongs to the same owner.
                database.shut_login(admin, filled.login)
                present = cluster_module.read(admin).databases.get(tenant.database)
                isolation.ensure_database(admin, present, tenant, way.instance)
                self._nobody_is_in(admin, tenant)
                there = self._everything(way, admin, tenant, tenant.platform_logins["backup"], tenant.database)
                self._nobody_is_in(admin, tenant)
                self._logins_are_off(admin, tenant)
            finally:
                database.drop(admin, name, tenant)
        if wrong := compare.missing(there, found):
            raise JobError(f"{self.options.export}: {'; '.join(wrong)}")
        return Outcome(
            database=name,
            message=f"all {found.rows} rows of {tenant.database} come back from {self.options.export}",
            tables=len(found.tables),
            rows=found.rows,
            left_out=filled.left_out,
        )

    @staticmethod
    def _nobody_is_in(admin: Connection, tenant: Tenant) -> None:
        """Wait for this command's own session to go, and refuse whoever is left: it could still write."""
        deadline = time.monotonic() + _LEAVING_S
        while found := database.users_in(admin, [tenant.database]):
            if time.monotonic() > deadline:
                raise JobError(f"{tenant.id}: sessions of {', '.join(found)} are in {tenant.database}")
            time.sleep(0.05)

    def _put_in_place(self, instance: Instance, tenant: Tenant) -> Outcome:
        name = self._name(tenant, self.options.source)
        if tenant.state == "active":
            raise JobError(f"{tenant.id}: is active; set its state to suspended, run `up` and the SQL job, then this")
        with (
            open_way(self.cloud, self.log, instance, **self._copy(self.options.host, self.options.admin_secret)) as way,
            way.admin() as admin,
            database.alone(admin, tenant),
        ):
            self._logins_are_off(admin, tenant)
            damaged = database.put_in_place(admin, name, tenant, way.instance)
        aside = "" if damaged is None else f"; what was there is {damaged} now"
        return Outcome(database=tenant.database, message=f"{name} is {tenant.database} now{aside}")

    def _discard(self, instance: Instance, tenant: Tenant) -> Outcome:
        name: str = self.options.name
        database.check_discarded(tenant, name, self._ids())
        with (
            open_way(self.cloud, self.log, instance, **self._copy(self.options.host, self.options.admin_secret)) as way,
            way.admin() as admin,
            database.alone(admin, tenant),
        ):
            if database.owner_of(admin, name) is None:
                raise JobError(f"{tenant.id}: there is no database {name}")
            database.drop(admin, name, tenant)
        return Outcome(database=name, message=f"{name} is gone")

    def _fill(self, way: Way, admin: Connection, wanted: _Wanted) -> _Filled:
        """Make a closed database and restore into it; after a failure it is gone."""
        tenant, name, source = wanted.tenant, wanted.name, wanted.source
        # It runs all that the dump holds, and may enter no other database: whoever took it over would be alone with it.
        login = tenant.platform_logins["restore"]
        if not rows(admin, "SELECT FROM pg_catalog.pg_roles WHERE rolname = %(name)s", name=tenant.owner_role):
            raise JobError(f"{tenant.id}: no role {tenant.owner_role} on {way.instance.key}; run the SQL job first")
        allowed = self._allowed(way, admin, tenant, source)
        database.ensure_login(admin, tenant, login)
        database.drop(admin, name, tenant)  # what is left of a run that was killed
        database.make_closed(admin, name, wanted.locale or database.locale_of(admin, tenant.database), way.instance)
        try:
            with way.admin(name) as own:
                database.prepare(own, tenant)
                made, without = database.make_extensions(own, tenant, source.extensions, allowed)
            database.open_for(admin, name, login)
            roles = ["public", tenant.owner_role, *tenant.every_login]
            rules = Rules(roles=roles, owner=tenant.owner_role, made=made, without=without)
            with (
                way.tenants(admin, tenant, login, name) as session,
                limited(session, self._left(), f"restore of {tenant.id}"),
                source.open() as pieces,
            ):
                replay = Replay(connection=session, rules=rules)
                replay.run(pieces)
        except BaseException:
            database.drop(admin, name, tenant)
            raise
        return _Filled(wanted=wanted, login=login, left_out=replay.left_out)

    def _look(self, way: Way, admin: Connection, filled: _Filled) -> Outcome:
        """Count what came back, or compare it where there is something to compare it with."""
        tenant, name, expected = filled.wanted.tenant, filled.wanted.name, filled.wanted.source
        with (
            way.tenants(admin, tenant, filled.login, name) as session,
            limited(session, self._left(), f"comparison of {tenant.id}"),
        ):
            if expected.contents is None:
                counted, total = count(session)
            else:
                found = tables.contents(session)
                if wrong := tables.differences(expected.contents, found, rows_only=expected.rows_only):
                    raise JobError(f"{name}: {'; '.join(wrong)}")
                counted, total = len(found.tables), found.rows
        message = f"{tenant.id}: {counted} tables with {total} rows came back into {name}"
        return Outcome(database=name, message=message, tables=counted, rows=total, left_out=filled.left_out)

    def _everything(self, way: Way, admin: Connection, tenant: Tenant, login: str, name: str) -> Contents:
        with (
            way.tenants(admin, tenant, login, name) as session,
            limited(session, self._left(), f"comparison of {tenant.id}"),
        ):
            return tables.contents(session)

    def _copied(self, copy: Way, admin: Connection, tenant: Tenant) -> tuple[Source, Locale | None]:
        """The source that a tenant's database in a copy is."""
        login = tenant.platform_logins["backup"]
        locale = database.locale_of(admin, tenant.database)
        if locale is None:
            raise JobError(f"the copy at {copy.server.host} has no database {tenant.database}")
        database.ensure_login(admin, tenant, login)
        database.open_for(admin, tenant.database, login)
        with copy.tenants(admin, tenant, login, tenant.database) as session:
            found, extensions = tables.contents(session), database.installed(session)
        major = admin.info.server_version // _MAJOR
        return (
            Source(
                open=lambda: self.programs.dumped(copy.endpoint(admin, tenant, login, tenant.database), major),
                extensions=extensions,
                vouched=True,
                contents=found,
            ),
            locale,
        )

    def _exported(self, tenant: Tenant) -> Source:
        given = self.options
        place = place_of(given.export)
        giver = getattr(given, "from_tenant", None) or tenant.id
        if place.tenant != giver:
            raise JobError(f"--export {place.uri}: is no export of {giver}")
        self._on_its_instance(place, tenant if giver == tenant.id else self._tenant(giver))
        return exported(self.cloud.exports_in(place.bucket), place, self.programs)

    @staticmethod
    def _on_its_instance(place: Place, giver: Tenant) -> None:
        if place.instance not in (None, giver.instance):
            raise JobError(f"--export {place.uri}: is no export of {giver.instance}, where {giver.id} is")

    def _allowed(self, way: Way, admin: Connection, tenant: Tenant, source: Source) -> Collection[str]:
        """The extensions that the administrator may make for this dump."""
        if source.vouched:
            return source.extensions
        present: Collection[str] = ()
        if database.owner_of(admin, tenant.database) is not None:
            with way.admin(tenant.database) as own:
                present = database.installed(own)
        return {*present, *getattr(self.options, "extension", ())}

    def _logins_are_off(self, admin: Connection, tenant: Tenant) -> None:
        off = tenant.off_logins
        if found := rows(
            admin,
            """
            SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles
            WHERE rolname = ANY (%(logins)s::pg_catalog.name[]) AND rolcanlogin
            UNION SELECT usename::pg_catalog.text FROM pg_catalog.pg_stat_activity
            WHERE usename = ANY (%(logins)s::pg_catalog.name[])
            ORDER BY 1
            """,
            logins=off,
        ):
            names = ", ".join(name for (name,) in found)
            raise JobError(f"{tenant.id}: {names} can still log in or is logged in; run the SQL job first")

    def _left(self) -> float:
        left = self.clock.remaining()
        return threading.TIMEOUT_MAX if left is None else left

    def _copy(self, host: str | None, admin_secret: str | None) -> dict[str, str | None]:
        """Where a server is; only a copy has another CA than its instance."""
        return {"host": host, "admin_secret": admin_secret, "ca_pem": None if host is None else self.server_ca_pem}

    def _name(self, tenant: Tenant, given: str | None) -> str:
        return database.check_name(tenant, given or database.restored_name(tenant), self._ids())

    def _ids(self) -> list[str]:
        names = self.cloud.registry.names("tenants/")
        return [name.removeprefix("tenants/").removesuffix(".json") for name in names]

    def _declared(self, key: str, tenant_id: str | None) -> tuple[Instance, Tenant]:
        tenant = self._tenant(tenant_id or place_of(self.options.export).tenant)
        if tenant.instance != key:
            raise JobError(f"--instance {key}: {tenant.id} is on {tenant.instance}")
        return self._instance(key), tenant

    def _tenant(self, tenant_id: str) -> Tenant:
        name = f"tenants/{tenant_id}.json"
        return parse_tenant(name, self._read(name), self.cloud.scope.kind)

    def _instance(self, key: str) -> Instance:
        name = f"instances/{key}.json"
        return parse_instance(name, self._read(name), self.cloud.scope)

    def _read(self, name: str) -> bytes:
        content = self.cloud.registry.read(name)
        if content is None:
            raise JobError(f"{name}: no such object in the registry")
        return content


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.restore", description="Brings a tenant's data back.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *, tenant: bool = True, copy: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--instance", required=True, metavar="KEY", help="the instance's key in the registry")
        if tenant:
            made.add_argument("--tenant", required=True, metavar="ID", help="whose data it is")
        else:
            made.set_defaults(tenant=None)
        if copy:
            made.add_argument("--host", help="where a copy of it listens; its CA comes from SERVER_CA_PEM")
            made.add_argument("--admin-secret", metavar="ARN", help="the copy's managed secret (RDS)")
        made.add_argument(
            "--time-limit", type=float, default=TIME_LIMIT_S, metavar="SECONDS", help="end after so long (%(default)s)"
        )
        return made

    restore = command("restore", "restore into a new database beside the tenant's")
    source = restore.add_mutually_exclusive_group(required=True)
    source.add_argument("--export", metavar="URI", help="an export or a dump in the exports bucket")
    source.add_argument("--from-host", metavar="HOST", help="where a restored copy of the instance listens")
    restore.add_argument("--from-admin-secret", metavar="ARN", help="that copy's managed secret (RDS)")
    restore.add_argument("--from-tenant", metavar="ID", help="whose data it was, when a tenant moves to a new id")
    restore.add_argument("--into", metavar="NAME", help="the new database (default: restored_ and the tenant's)")
    restore.add_argument(
        "--extension",
        action="append",
        default=[],
        metavar="NAME",
        help="one that only an administrator may make, and that the export needs",
    )
    place = command("put-in-place", "let the restored database take the place of the damaged one")
    place.add_argument("--from", dest="source", metavar="NAME", help="the restored database")
    discard = command("discard", "drop a restored or a damaged database")
    discard.add_argument("--name", required=True, metavar="NAME", help="its name")
    check = command("check", "try an export on a scratch instance", tenant=False, copy=False)
    check.add_argument("--host", required=True, help="where the scratch instance listens")
    check.add_argument("--admin-secret", metavar="ARN", help="its managed secret (RDS)")
    check.add_argument("--export", required=True, metavar="URI", help="the export to try")
    final = command("final", "prove an offboarding tenant's last export", copy=False)
    final.add_argument("--export", required=True, metavar="URI", help="that export")
    return parser


def main(arguments: Sequence[str], variables: Mapping[str, str], log: Log) -> int:
    """Run a command; return the exit code: 0 when it did all that it says."""
    options = _parser().parse_args(arguments)
    event = "restore.check" if options.command == "check" else "restore.result"
    uri = getattr(options, "export", None) or getattr(options, "from_host", None)
    said = {"tenant": options.tenant, "instance": options.instance, "command": options.command, "uri": uri}
    try:
        clock = Clock(limit_s=options.time_limit)
        command = Restore(
            cloud=open_cloud(variables),
            log=log,
            programs=Programs(path=variables.get("PATH", os.defpath), clock=clock),
            clock=clock,
            options=options,
            server_ca_pem=read(_Environment, variables).server_ca_pem,
        )
        outcome = command.run()
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", event, text, **said, result="failed", error=log.redact(text))
        return 1
    log.event(
        "INFO",
        event,
        outcome.message,
        **said,
        database=outcome.database,
        result="ok",
        tables=outcome.tables,
        rows=outcome.rows,
        left_out="; ".join(outcome.left_out) or None,
        error=None,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Log()))
