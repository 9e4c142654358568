"""Brings every tenant's database in line with the registry, instance by instance, and writes down what holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

import psycopg
from pydantic import ValidationError

from jobs.sql import isolation
from jobs.sql.catalog import Catalog, Group
from jobs.sql.errors import IsolationError, JobError
from jobs.sql.facts import Login, violations
from jobs.sql.log import Log
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, message_of, open_server, rows
from jobs.sql.registry import Instance, Status, Tenant, parse_credential
from jobs.sql.removal import Removal
from jobs.sql.stores import AdminPassword, Objects, Secrets

# Any number will do as long as it never changes: it keeps two runs on one instance apart.
_LOCK: Final = 0x74656E616E747279
RESTORE_GUIDE: Final = "docs/restore.md"
_LOCK_PAUSE: Final = 1.0  # seconds between two attempts


@dataclass(frozen=True, kw_only=True)
class Apply:
    """One run over all tenants.

    Attributes:
        idle_in_transaction_ms: after so many milliseconds an idle transaction of a tenant's login is ended.
        lock_wait_s: how many seconds to wait for another run on the same instance.
        started: before any login is switched off by this run.
    """

    objects: Objects
    markers: Objects | None
    secrets: Secrets
    admin_password: AdminPassword
    log: Log
    idle_in_transaction_ms: int
    lock_wait_s: float
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self, catalog: Catalog) -> bool:
        """Serve every tenant; return whether all of them are done. One failure stops nobody else."""
        started = time.monotonic()
        failed = len(catalog.damaged) + len(catalog.homeless)
        for name, problem in catalog.damaged:
            # No status: an object that is not a tenant does not get to say where its status goes.
            self.log.event(
                "ERROR", "sql_job.tenant", problem, tenant=name, instance=None, result="failed", error=problem
            )
        for tenant, problem in catalog.homeless:
            self._report(tenant, JobError(problem))
        removal = Removal(objects=self.objects, markers=self.markers, log=self.log)
        for group in catalog.groups:
            failed += self._instance(group, removal)
        for key, problem in catalog.unusable:
            removal.unseen(key, JobError(problem))
        for instance in catalog.idle:
            self._instance(Group(instance=instance, tenants=()), removal)
        removal.finish()
        self.log.event(
            "ERROR" if failed else "INFO",
            "sql_job.summary",
            f"{catalog.count - failed} of {catalog.count} tenants done, {failed} failed",
            result="failed" if failed else "ok",
            tenants=catalog.count,
            failed=failed,
            other_kinds=catalog.other_kinds,
            duration_s=round(time.monotonic() - started, 3),
        )
        return failed == 0

    def _instance(self, group: Group, removal: Removal) -> int:
        """Serve an instance's tenants, then drop what removed ones have left; return how many failed."""
        instance = group.instance
        waiting = list(group.tenants)
        failed = 0
        try:
            with open_server(instance) as server, self._admin(instance, server, MAINTENANCE_DATABASE) as lock:
                self._take_lock(lock, instance)
                isolation.ensure_made_logins(lock, instance)
                self._close_common_databases(lock, group)
                prepared: list[Tenant] = []
                for tenant in group.tenants:
                    if self._attempt(lock, tenant, partial(self._prepare, tenant, instance, server)):
                        prepared.append(tenant)
                    else:
                        waiting.remove(tenant)
                        failed += 1
                # Only now is every door closed: what is proved for one tenant holds against all the others.
                for tenant in prepared:
                    foreign = next((other for other in prepared if other is not tenant), None)
                    if not self._attempt(lock, tenant, partial(self._finish, tenant, foreign, instance, server)):
                        failed += 1
                    waiting.remove(tenant)
                removal.on_instance(lock, instance)
        except (JobError, psycopg.Error) as error:
            for tenant in waiting:
                self._report(tenant, error)
            if not group.tenants:
                removal.unseen(instance.key, error)
            failed += len(waiting)
        return failed

    def _attempt(self, lock: Connection, tenant: Tenant, step: Callable[[], None]) -> bool:
        """Run a step for one tenant and report its failure; a lost lock fails the whole instance."""
        rows(lock, "SELECT 1")
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tenants come next, and exit code 1 at the end
            self._report(tenant, error)
            return False
        return True

    def _prepare(self, tenant: Tenant, instance: Instance, server: Server) -> None:
        """Close the tenant's doors and shut out the logins that may not be used."""
        with self._admin(instance, server, MAINTENANCE_DATABASE) as common:
            isolation.ensure_roles(common, tenant, instance)
            ended = isolation.end_disabled_sessions(common, tenant)
            self._make_database(common, tenant, instance)
            isolation.ensure_database(common, tenant, instance)
            isolation.ensure_limits(common, tenant, idle_in_transaction_ms=self.idle_in_transaction_ms)
        if ended:
            message = f"ended {ended} sessions of logins that are disabled while {tenant.state}"
            self.log.event(
                "INFO", "sql_job.sessions_ended", message, tenant=tenant.id, instance=instance.key, sessions=ended
            )
        with self._admin(instance, server, tenant.database) as own:
            moved = isolation.ensure_ownership(own, tenant, instance)
        if moved:
            message = f"gave {moved} objects of {tenant.database} to {tenant.owner_role}"
            self.log.event(
                "INFO", "sql_job.objects_moved", message, tenant=tenant.id, instance=instance.key, objects=moved
            )

    def _make_database(self, common: Connection, tenant: Tenant, instance: Instance) -> None:
        """Create a new tenant's database where the cloud's API does not.

        Raises:
            JobError: the tenant had one. A database that has vanished is restored, and replaced by an empty one only
                when its entry says so.
        """
        if not instance.MAKES_DATABASES or isolation.database_exists(common, tenant):
            return
        before = self._status(tenant)
        lost = (before is not None and before.isolated) or self.secrets.latest(tenant.url_secret) is not None
        if lost and not tenant.recreate_after_loss:
            raise JobError(
                f"{tenant.id}: no database {tenant.database} on {instance.key}, and it was in use before; restore it "
                f"({RESTORE_GUIDE}), or set recreate_after_loss on its entry for an empty one"
            )
        isolation.make_database(common, tenant)
        message = f"made the database {tenant.database}{', empty, after its loss' if lost else ''}"
        self.log.event(
            "WARNING" if lost else "INFO",
            "sql_job.database_made",
            message,
            tenant=tenant.id,
            instance=instance.key,
            after_loss=lost,
        )

    def _finish(self, tenant: Tenant, foreign: Tenant | None, instance: Instance, server: Server) -> None:
        """Check every fact, let the logins in, prove them, publish the DSN, write the status: in this order."""
        with self._admin(instance, server, tenant.database) as own:
            if wrong := violations(own, tenant, instance):
                raise IsolationError(f"{tenant.id}: not isolated: {'; '.join(wrong)}")
        if tenant.state == "active":
            self._publish(tenant, foreign, instance, server)
        self._report(tenant, None)

    def _publish(self, tenant: Tenant, foreign: Tenant | None, instance: Instance, server: Server) -> None:
        content = self.secrets.latest(tenant.credential_secret)
        if content is None:
            raise JobError(f"{tenant.credential_secret}: has no readable version; run the program's `up` first")
        password = parse_credential(tenant, content).password
        url = server.url(login=tenant.active_login, password=password, database=tenant.database)
        self.log.protect(password, url)
        login = Login(server=server, name=tenant.active_login, password=password)
        with self._admin(instance, server, MAINTENANCE_DATABASE) as common:
            isolation.enable_logins(common, tenant)
            works = login.password_works(tenant.database)
            if works == "no":
                isolation.set_password(common, login.name, password)
        published = self.secrets.latest(tenant.url_secret) == url
        if works == "busy" and published:
            # The password is right and was proved before; using every connection is no failure of isolation.
            message = f"{login.name} holds all of its {tenant.connection_limit} connections: checked, not tried"
            self.log.event("WARNING", "sql_job.busy", message, tenant=tenant.id, instance=instance.key)
            return
        login.prove(tenant, foreign=foreign, admin_role=instance.admin_role)
        if not published:
            self.secrets.add(tenant.url_secret, url)
            message = f"published the DSN of rotation {tenant.rotation}"
            self.log.event(
                "INFO",
                "sql_job.url_published",
                message,
                tenant=tenant.id,
                instance=instance.key,
                rotation=tenant.rotation,
            )

    @contextmanager
    def _admin(self, instance: Instance, server: Server, database: str) -> Iterator[Connection]:
        token = self.admin_password(instance)
        self.log.protect(token)
        with server.admin(user=instance.admin_user, password=token, database=database) as connection:
            yield connection

    def _take_lock(self, connection: Connection, instance: Instance) -> None:
        """Hold the instance's lock until the session ends.

        Raises:
            JobError: another run holds it for longer than this run may wait.
        """
        deadline = time.monotonic() + self.lock_wait_s
        while not rows(connection, "SELECT pg_try_advisory_lock(%(key)s)", key=_LOCK)[0][0]:
            if time.monotonic() >= deadline:
                raise JobError(
                    f"{instance.key}: another run still holds the lock after {self.lock_wait_s:g} s; let it finish, "
                    "or end its session (application_name tenantry-sql-job)"
                )
            time.sleep(min(_LOCK_PAUSE, self.lock_wait_s))

    def _close_common_databases(self, connection: Connection, group: Group) -> None:
        for database in isolation.close_common_databases(connection, group.instance, list(group.tenants)):
            message = f"database {database} belongs to no tenant and any login can open it; drop it or revoke CONNECT"
            self.log.event("WARNING", "sql_job.open_database", message, instance=group.instance.key)

    def _report(self, tenant: Tenant, error: Exception | None) -> None:
        """Log the result and write the status that readers of the registry go by."""
        text = None if error is None else self.log.redact(explain(error))
        try:
            before = self._status(tenant)
            same = before if before is not None and before.generation == tenant.generation else None
            self._write_status(
                tenant, isolated=_isolated(error, same), off_since=self._off_since(tenant, error, before), error=text
            )
        except Exception as problem:
            if error is None:
                raise
            text = f"{text}; and its status could not be written: {self.log.redact(explain(problem))}"
        self.log.event(
            "INFO" if text is None else "ERROR",
            "sql_job.tenant",
            f"{tenant.id}: {'isolated' if text is None else text}",
            tenant=tenant.id,
            instance=tenant.instance,
            result="ok" if text is None else "failed",
            state=tenant.state,
            rotation=tenant.rotation,
            error=text,
        )

    def _status(self, tenant: Tenant) -> Status | None:
        """The last run's status, whatever declaration it was for."""
        content = self.objects.read(tenant.status)
        try:
            return None if content is None else Status.model_validate_json(content)
        except ValidationError:
            return None

    def _off_since(self, tenant: Tenant, error: Exception | None, before: Status | None) -> datetime | None:
        """Since when nobody could log in; an outage neither begins nor ends that time, a violated fact ends it."""
        if tenant.state == "active" or isinstance(error, IsolationError):
            return None
        since = before.logins_off_since if before is not None else None
        return since if since is not None or error is not None else self.started

    def _write_status(self, tenant: Tenant, *, isolated: bool, off_since: datetime | None, error: str | None) -> None:
        status = Status(
            id=tenant.id,
            isolated=isolated,
            generation=tenant.generation,
            rotation=tenant.rotation,
            applied_at=datetime.now(UTC),
            error=error,
            state=tenant.state,
            logins_off_since=off_since,
            final_export=tenant.final_export,
        )
        self.objects.write(tenant.status, status.model_dump_json().encode())


def explain(error: Exception) -> str:
    """One line for a log or a status, without the statement that failed."""
    if isinstance(error, psycopg.Error):
        return message_of(error)
    return str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}"


def _isolated(error: Exception | None, before: Status | None) -> bool:
    """An outage takes nothing back that was proved for the same declaration; a violated fact does, at once."""
    if error is None:
        return True
    return not isinstance(error, IsolationError) and before is not None and before.isolated
