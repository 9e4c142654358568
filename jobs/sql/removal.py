"""Drops what a removed tenant has left behind on an instance, once everything says that it may go (R2.6).

On RDS that is the database and the roles, which no resource of the program stands for; on Cloud SQL the roles. A wrong
drop cannot be undone, a leftover costs some disk: whatever is missing, damaged or out of reach, nothing is dropped.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import psycopg
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from jobs.deadline import Clock, limited
from jobs.dumps.layout import contents_digest
from jobs.dumps.tables import contents
from jobs.sql import tickets
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, Server, acting_for, has_grant_options, message_of, rows, run
from jobs.sql.registry import ROLE_NAME, TENANT_ID, Instance, Status
from jobs.sql.sessions import await_end
from jobs.sql.stores import AdminPassword, Objects

_COMPARE_LIMIT_S: Final = 900.0
_HARMLESS: Final = ("_backup", "_restore")  # logins that run nothing of the tenant's in its database
_DROP_TIMEOUT_MS: Final = 600_000  # it waits for a checkpoint and unlinks every file
_TENANT: Final = re.compile(TENANT_ID)
# Ids hold no underscore, so each name leads back to the one id that it came from.
_DATABASE: Final = re.compile(r"tn_(.+)")
_ENTRY: Final = re.compile(r"tenants/(.+)\.json")
_STATUS: Final = re.compile(r"status/([^/]+)\.json")


class UnprovedError(JobError):
    """Something that has to be shown before anything is dropped is not."""


class _Marker(BaseModel):
    """What of a final export's marker counts here; a guest's, whose logins were not off, is none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant: str
    exported_at: AwareDatetime
    contents: str | None = None
    logins: Literal["off"] = "off"


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What an instance has of one tenant.

    Attributes:
        owner: owner of its database; None when there is no database.
        roles: those of its roles that exist, the owner last.
        open: those of the roles that can log in and serve it; the backup login is the one that shows what is left.
    """

    tenant: str
    owner: str | None
    roles: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def database(self) -> str:
        return _stem(self.tenant)

    def __str__(self) -> str:
        return f"{f'database {self.database}' if self.owner else 'roles'} of {self.tenant}"


@dataclass(kw_only=True)
class Removal:
    """The removed tenants of one run, over all of its instances.

    Attributes:
        objects: the registry bucket.
        markers: the exports bucket; None when the job is not told where it is, so that nothing can be proved.
    """

    objects: Objects
    markers: Objects | None
    admin_password: AdminPassword
    log: Log
    clock: Clock
    _seen: set[str] = field(default_factory=set)
    _left: set[str] = field(default_factory=set)

    def on_instance(self, lock: Connection, instance: Instance, server: Server) -> None:
        """Drop what may go and report what may not; `lock` is the session that keeps other runs out."""
        try:
            declared = self._declared()
            found = remains(lock)
        except Exception as error:  # noqa: BLE001 - the tenants that there are have been served, and that counts
            self.unseen(instance.key, error)
            return
        self._seen.add(instance.key)
        for item in found:
            if item.tenant in declared or not (item.roles or instance.MAKES_DATABASES):
                # without a role it is none of this job's on Cloud SQL: `up` makes databases before entries
                continue
            try:
                if not declared:
                    raise UnprovedError("the registry lists no tenant at all")
                self._remove(item, lock, instance, server)
            except Exception as error:  # noqa: BLE001 - see above
                self._left.add(item.tenant)
                self._report(f"{item} has no entry any more and stays", error, item.tenant, instance.key)

    def unseen(self, key: str, error: Exception) -> None:
        """Report an instance that could not be looked at."""
        self._report(f"cannot look for removed tenants on {key}", error, None, key)

    def finish(self) -> None:
        """Delete the statuses of removed tenants of which no instance has anything left.

        They are the proof, so they go last, and only when every instance of the registry has been looked at.
        """
        try:
            keys = {name.removeprefix("instances/").removesuffix(".json") for name in self.objects.names("instances/")}
            declared = self._declared()
            if not declared or not keys <= self._seen:
                return
            statuses = (_STATUS.fullmatch(name) for name in self.objects.names("status/"))
            for tenant in sorted({found[1] for found in statuses if found} - declared - self._left):
                with suppress(UnprovedError):
                    self._prove(tenant)
                    if not self._is_declared(tenant):
                        self.objects.delete(_status(tenant))
        except Exception as error:  # noqa: BLE001 - the next run tries again
            self._report("cannot tidy up the statuses of removed tenants", error, None, None)

    def _remove(self, item: Remains, lock: Connection, instance: Instance, server: Server) -> None:
        marker = self._prove(item.tenant)
        _prove_left(lock, item, instance)
        if item.owner is not None:
            self._prove_unchanged(item, marker, lock, server)
            _prove_left(lock, item, instance)
        # The lock could have gone with its session, and the entry may have come back: both are looked at last.
        rows(lock, "SELECT 1")
        if self._is_declared(item.tenant):
            return
        if item.owner is not None:
            drop_database(lock, item.database, item.owner)
        self._forget_elsewhere(item.roles, lock, instance, server)
        drop_roles(lock, item.roles)
        self.log.event(
            "INFO",
            "sql_job.removed",
            f"dropped {item}, which was removed",
            tenant=item.tenant,
            instance=instance.key,
            database=item.database if item.owner is not None else None,
            roles=len(item.roles),
        )

    def _forget_elsewhere(self, roles: Sequence[str], lock: Connection, instance: Instance, server: Server) -> None:
        """Take back what other databases have granted these roles: any tenant may have, and no role can go before.

        What such a role owns somewhere else is somebody's data, and stays with it.
        """
        places = rows(
            lock,
            """
            SELECT d.datname FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
            WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
              AND s.refobjid IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ANY (%(roles)s))
            GROUP BY d.datname HAVING pg_catalog.bool_and(s.deptype IN ('a', 'r')) ORDER BY 1
            """,
            roles=list(roles),
        )
        for (name,) in places:
            password = self.admin_password(instance)
            self.log.protect(password)
            with server.admin(user=instance.admin_user, password=password, database=name) as own:
                for role in roles:
                    with own.transaction(), acting_for(own, role):
                        run(own, "DROP OWNED BY {role}", role=role)

    def _prove_unchanged(self, item: Remains, marker: _Marker, lock: Connection, server: Server) -> None:
        """Compare the database with what was exported, row by row and with the tenant's own rights only.

        Raises:
            UnprovedError: something was written since, or it cannot be told.
        """
        if marker.contents is None:
            raise UnprovedError("the marker of its final export does not say what was exported; an older job wrote it")
        login = f"{item.database}_backup"
        if login not in item.roles:
            raise UnprovedError(f"it has no {login}, which would show whether anything was written since")
        limit = min(_COMPARE_LIMIT_S, _COMPARE_LIMIT_S if (left := self.clock.remaining()) is None else left)
        password = tickets.mint(lock, login)
        self.log.protect(password)
        try:
            with (
                server.connect(
                    user=login, password=password, database=item.database, statement_timeout_ms=0, default_role=True
                ) as own,
                limited(own, limit, f"reading {item.database}"),
            ):
                found = contents_digest(contents(own))
        except JobError as error:
            raise UnprovedError(f"cannot compare it with its final export: {error}") from None
        await_end(lock, login)
        if found != marker.contents:
            raise UnprovedError("it has other rows than its final export: something was written since")

    def _prove(self, tenant: str) -> _Marker:
        """Have the stores prove that the tenant was offboarded.

        The marker is the one that its last entry asked for, and still younger than the end of its logins: a drop
        cannot be undone, so neither is taken for the other.

        Raises:
            UnprovedError: they do not.
        """
        name, off_since = self._offboarded(tenant)
        if self.markers is None:
            raise UnprovedError("the job is not told the exports bucket, where the final export is proved")
        content = self.markers.read(name)
        if content is None:
            raise UnprovedError(f"{name} is not in the exports bucket, so its final export is not proved")
        try:
            marker = _Marker.model_validate_json(content)
        except ValidationError:
            raise UnprovedError(f"{name} is no marker of a final export") from None
        if marker.tenant != tenant:
            raise UnprovedError(f"{name} is about {marker.tenant!r}")
        if marker.exported_at < off_since:
            raise UnprovedError(
                f"its final export is of {marker.exported_at.isoformat()}, but its logins were on until "
                f"{off_since.isoformat()}"
            )
        return marker

    def _offboarded(self, tenant: str) -> tuple[str, datetime]:
        """Which marker its last entry asked for, and since when its logins have been off."""
        name = _status(tenant)
        content = self.objects.read(name)
        try:
            status = None if content is None else Status.model_validate_json(content)
        except ValidationError:
            status = None
        if status is None or status.id != tenant:
            raise UnprovedError(f"no {name} says that it was offboarding")
        if status.state != "offboarding" or not status.isolated or status.logins_off_since is None:
            raise UnprovedError(f"{name} does not say that it was offboarding with its logins off")
        if status.final_export is None:
            raise UnprovedError(f"{name} does not name its final export")
        return status.final_export, status.logins_off_since

    def _declared(self) -> frozenset[str]:
        """Ids that have an entry, whatever is in it."""
        names = (_ENTRY.fullmatch(name) for name in self.objects.names("tenants/"))
        return frozenset(found[1] for found in names if found)

    def _is_declared(self, tenant: str) -> bool:
        return self.objects.read(f"tenants/{tenant}.json") is not None

    def _report(self, what: str, error: Exception, tenant: str | None, instance: str | None) -> None:
        reason = message_of(error) if isinstance(error, psycopg.Error) else str(error)
        self.log.event(
            "WARNING", "sql_job.leftover", f"{what}: {reason}", tenant=tenant, instance=instance, reason=reason
        )


def remains(connection: Connection) -> list[Remains]:
    """What the server has that is named like a tenant's, sorted by tenant."""
    owners = dict(
        _ours(
            rows(connection, "SELECT datname, pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database"),
            _DATABASE,
        )
    )
    roles: dict[str, dict[str, bool]] = {}
    for name, can_login in rows(connection, "SELECT rolname, rolcanlogin FROM pg_catalog.pg_roles"):
        for tenant, _ in _ours([(name, can_login)], ROLE_NAME):
            roles.setdefault(tenant, {})[name] = can_login
    return [
        Remains(
            tenant=tenant,
            owner=owners.get(tenant),
            roles=tuple(sorted(found := roles.get(tenant, {}))),
            open=tuple(sorted(name for name, can_login in found.items() if can_login and not name.endswith(_HARMLESS))),
        )
        for tenant in sorted(owners.keys() | roles.keys())
    ]


def _ours(found: Iterable[tuple[str, str]], pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Tenant and fact of every name that the job would give; `tn_` alone makes no tenant's."""
    named = ((pattern.fullmatch(name), fact) for name, fact in found)
    tenants = ((match[1].replace("_", "-"), fact) for match, fact in named if match)
    return [(tenant, fact) for tenant, fact in tenants if _TENANT.fullmatch(tenant)]


def _prove_left(connection: Connection, item: Remains, instance: Instance) -> None:
    """Have the server agree that the tenant has left.

    Raises:
        UnprovedError: it does not.
    """
    if item.owner is not None and not instance.MAKES_DATABASES:
        raise UnprovedError(f"database {item.database} is still there, which only the program's `up` deletes")
    if item.open:
        raise UnprovedError(f"{', '.join(item.open)} can log in")
    if item.owner not in (None, f"{item.database}_owner"):
        raise UnprovedError(f"database {item.database} belongs to {item.owner}")
    # never by force: a session is somebody at work, or an export
    query = """
        SELECT DISTINCT usename::pg_catalog.text FROM pg_catalog.pg_stat_activity
        WHERE datname = %(name)s AND usename IS NOT NULL
    """
    if users := sorted(name for (name,) in rows(connection, query, name=item.database)):
        raise UnprovedError(f"sessions of {', '.join(users)} are in database {item.database}")


def drop_database(connection: Connection, database: str, owner: str) -> None:
    """Drop a database that nobody is in; needs, and takes, the rights of its owner, who goes next."""
    run(connection, "SET statement_timeout = {literal}", literal=_DROP_TIMEOUT_MS)
    if not rows(
        connection, "SELECT pg_catalog.pg_has_role(current_user, %(owner)s::pg_catalog.name, 'USAGE')", owner=owner
    )[0][0]:
        if has_grant_options(connection):
            run(connection, "GRANT {owner} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE", owner=owner)
        else:
            run(connection, "GRANT {owner} TO CURRENT_USER", owner=owner)
    # its owner may have made it one, and a template cannot be dropped
    run(connection, "ALTER DATABASE {database} IS_TEMPLATE false", database=database)
    run(connection, "DROP DATABASE {database}", database=database)


def drop_roles(connection: Connection, roles: Iterable[str]) -> None:
    """Drop roles with what they were given in common databases; one that owns something elsewhere stops all of it."""
    with connection.transaction():
        for role in roles:
            with acting_for(connection, role):
                run(connection, "DROP OWNED BY {role}", role=role)
            run(connection, "DROP ROLE {role}", role=role)


def _stem(tenant: str) -> str:
    return "tn_" + tenant.replace("-", "_")


def _status(tenant: str) -> str:
    return f"status/{tenant}.json"
