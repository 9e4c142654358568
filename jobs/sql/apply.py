"""Brings every tenant's database in line with the registry, instance by instance, and writes down what holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Final

import psycopg
from pydantic import ValidationError

from jobs.deadline import Clock, limited
from jobs.sql import cluster as cluster_module
from jobs.sql import isolation, locks, tickets
from jobs.sql.catalog import Catalog, Group
from jobs.sql.cluster import Cluster, Database
from jobs.sql.errors import ConnectError, IsolationError, JobError
from jobs.sql.facts import (
    Login,
    OpenDoorError,
    UnreachableError,
    content_violations,
    open_doors,
    undeclared,
    violations,
)
from jobs.sql.log import Log, Severity
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, message_of, open_server, rows
from jobs.sql.registry import Credential, Instance, Status, Tenant, parse_credential
from jobs.sql.removal import Removal
from jobs.sql.sessions import OTHER_DOORS, end_sessions, end_waiting
from jobs.sql.stores import AdminPassword, Objects, Secrets

# Any number will do as long as it never changes: it keeps two runs on one instance apart.
_LOCK: Final = 0x74656E616E747279
RESTORE_GUIDE: Final = "docs/restore.md"
_LOCK_PAUSE: Final = 1.0  # seconds between two attempts
_TEXT: Final = 4_000  # characters of an error
_NAMED: Final = 100  # ids in a list that a log line can still hold
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Apply:
    """One run over all tenants.

    Attributes:
        idle_in_transaction_ms: after so many milliseconds an idle transaction of a tenant's login is ended.
        lock_wait_s: how many seconds to wait for another run on the same instance.
        clock: when this run has to be over; whoever is not reached by then is named.
        tenant_limit_s: how many seconds one tenant may take for one step.
        started: before any login is switched off by this run.
    """

    objects: Objects
    markers: Objects | None
    secrets: Secrets
    admin_password: AdminPassword
    log: Log
    idle_in_transaction_ms: int
    lock_wait_s: float
    clock: Clock
    tenant_limit_s: float
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
            self.report(tenant, JobError(problem), self.status(tenant))
        removal = Removal(
            objects=self.objects,
            markers=self.markers,
            admin_password=self.admin_password,
            log=self.log,
            clock=self.clock,
        )
        missed: list[str] = []
        for group in catalog.groups:
            run = _OnInstance(job=self, group=group, removal=removal)
            run.serve()
            failed += len(run.failed)
            missed += run.missed
        for key, problem in catalog.unusable:
            removal.unseen(key, JobError(problem))
        for instance in catalog.idle:
            _OnInstance(job=self, group=Group(instance=instance, tenants=()), removal=removal).serve()
        removal.finish()
        self.log.event(
            "ERROR" if failed else "INFO",
            "sql_job.summary",
            f"{catalog.count - failed} of {catalog.count} tenants done, {failed} failed"
            + (f", {len(missed)} of them not reached in time" if missed else ""),
            result="failed" if failed else "ok",
            tenants=catalog.count,
            failed=failed,
            not_reached_count=len(missed),
            not_reached=", ".join(missed[:_NAMED]),
            other_kinds=catalog.other_kinds,
            duration_s=round(time.monotonic() - started, 3),
        )
        return failed == 0

    def report(self, tenant: Tenant, error: Exception | None, before: Status | None) -> bool:
        """Log the result and write the status that readers of the registry go by; return whether all went well."""
        # a tenant may have written some of it, so it is cut to what a log takes
        text = None if error is None else self.log.redact(explain(error))[:_TEXT]
        try:
            same = before if before is not None and before.generation == tenant.generation else None
            self._write_status(
                tenant, isolated=_isolated(error, same), off_since=self._off_since(tenant, error, before), error=text
            )
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other tenants come next
            text = (
                f"{f'{text}; and ' if text else ''}its status could not be written: {self.log.redact(explain(problem))}"
            )
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
        return text is None

    def status(self, tenant: Tenant) -> Status | None:
        """The last run's status, whatever declaration it was for; None where there is none that can be read."""
        try:
            content = self.objects.read(tenant.status)
            return None if content is None else Status.model_validate_json(content)
        except (ValidationError, JobError, OSError):
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


@dataclass(kw_only=True)
class _OnInstance:
    """The run on one instance.

    Attributes:
        failed: ids of tenants that are not done.
        missed: those of them that were not reached in time.
    """

    job: Apply
    group: Group
    removal: Removal
    failed: set[str] = field(default_factory=set)
    missed: list[str] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    _accused: dict[str, str] = field(default_factory=dict)
    _problems: dict[str, JobError] = field(default_factory=dict)
    _credentials: dict[str, Credential] = field(default_factory=dict)
    _unreachable: set[str] = field(default_factory=set)
    _violated: set[str] = field(default_factory=set)
    _offences: dict[str, str] = field(default_factory=dict)
    _common: Connection | None = None

    @property
    def _instance(self) -> Instance:
        return self.group.instance

    @cached_property
    def _before(self) -> dict[str, Status | None]:
        return {tenant.id: self.job.status(tenant) for tenant in self.group.tenants}

    @cached_property
    def _tenants(self) -> list[Tenant]:
        """Whoever has waited longest comes first, so that a run that is cut short hits others the next time."""

        def since(tenant: Tenant) -> tuple[datetime, str]:
            before = self._before[tenant.id]
            return (_BEGINNING if before is None else before.applied_at, tenant.id)

        return sorted(self.group.tenants, key=since)

    def serve(self) -> None:
        """Serve the instance's tenants, then drop what removed ones have left."""
        try:
            with open_server(self._instance) as server, self._maintenance(server) as lock:
                try:
                    self._serve(server, lock)
                finally:
                    if self._common is not None:
                        self._common.close()
        except (JobError, psycopg.Error, OSError) as error:
            for tenant in self.group.tenants:
                if tenant.id not in self._done | self.failed:
                    self._fail(tenant, error)
            if not self.group.tenants:
                self.removal.unseen(self._instance.key, error)

    def _serve(self, server: Server, lock: Connection) -> None:
        self._take_lock(lock)
        cluster = cluster_module.read(lock)
        self._check()
        # Before anything else, and each on its own: whoever is suspended stops, whatever else may fail.
        for tenant in self._tenants:
            self._attempt(lock, tenant, partial(self._shut_out, tenant, cluster, server))
        self._ensure_platform(server, lock, cluster)
        cluster = cluster_module.read(lock)
        prepared = [
            tenant
            for tenant in self._tenants
            if tenant.id not in self.failed
            and self._attempt(lock, tenant, partial(self._prepare, tenant, cluster, server))
        ]
        # Only now is every door closed: what is proved for one tenant holds against all the others.
        cluster = cluster_module.read(lock)
        for tenant in self._tenants:
            if tenant.id in self.failed and tenant.id not in self.missed:
                self._judge_failed(tenant, cluster)
        wrong, harmless = undeclared(cluster, self._instance, self.group.tenants)
        for text in harmless:
            self._event("WARNING", "sql_job.undeclared", text)
        hoarders = locks.hoarders(lock)
        for number, tenant in enumerate(prepared):
            step = _Finish(
                lock=lock,
                cluster=cluster,
                wrong=wrong,
                hoarders=[text for login, text in hoarders.items() if login in tenant.every_login],
                neighbours=[*prepared[number + 1 :], *prepared[:number]],
            )
            self._attempt(lock, tenant, partial(self._finish, tenant, step, server))
        self.removal.on_instance(lock, self._instance, server)

    def _attempt(self, lock: Connection, tenant: Tenant, step: Callable[[], None]) -> bool:
        """Run a step for one tenant and report its failure; a lost lock fails the whole instance."""
        if not self.job.clock.allows(1):
            # its status stays what it was: nothing has been looked at, and the oldest one comes first in the next run
            self.missed.append(tenant.id)
            self.failed.add(tenant.id)
            text = f"{tenant.id}: not reached in the {self.job.clock.limit_s:g} s of this run"
            self._event("ERROR", "sql_job.tenant", text, tenant=tenant.id, result="not_reached", error=text)
            return False
        self._end_waiting(lock)
        with self.job.log.scope():
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the other tenants come next, and exit code 1 at the end
                self._fail(tenant, error)
                return False
        return True

    def _judge_failed(self, tenant: Tenant, cluster: Cluster) -> None:
        """A tenant that kept the job from its changes may be open: an outage would leave it `isolated`."""
        if tenant.id in self._problems:
            return
        if wrong := open_doors(cluster, tenant, self._instance):
            self._fail(tenant, IsolationError(f"{tenant.id}: not isolated: {'; '.join(wrong)}"))

    def _check(self) -> None:
        """Read what belongs to each tenant before anything of it is changed.

        An entry that came back from an older deployment, or ahead of its secret, would switch off the login in use.
        """
        for tenant in self._tenants:
            before = self._before[tenant.id]
            try:
                if before is not None and before.rotation > tenant.rotation:
                    raise JobError(
                        f"tenants/{tenant.id}.json: is of rotation {tenant.rotation}, but rotation {before.rotation} "
                        "has been applied; run the program's `up` to the end, then this"
                    )
                if tenant.state == "active":
                    content = self.job.secrets.latest(tenant.credential_secret)
                    if content is None:
                        raise JobError(
                            f"{tenant.credential_secret}: has no readable version; run the program's `up` first"
                        )
                    self._credentials[tenant.id] = parse_credential(tenant, content)
            except JobError as error:
                self._problems[tenant.id] = error
            except OSError as error:
                self._problems[tenant.id] = JobError(f"{tenant.credential_secret}: {error}")

    def _shut_out(self, tenant: Tenant, cluster: Cluster, server: Server) -> None:
        if tenant.id in self._problems:
            return
        with self._changing(tenant, server) as common:
            ended = isolation.shut_out(common, cluster, tenant)
        if ended:
            message = f"ended {ended} sessions of logins that are disabled while {tenant.state}"
            self._event("INFO", "sql_job.sessions_ended", message, tenant=tenant.id, sessions=ended)

    def _ensure_platform(self, server: Server, lock: Connection, cluster: Cluster) -> None:
        """The platform's own logins and database, and the databases that are nobody's."""
        isolation.ensure_made_logins(lock, cluster, self._instance)
        isolation.check_platform_users(cluster, self._instance)
        isolation.ensure_tickets_database(lock, cluster, self._instance)
        with self._admin(server, tickets.TICKETS_DATABASE) as own:
            tickets.install(own, self._instance)
        cluster = cluster_module.read(lock)
        for database in isolation.close_common_databases(lock, cluster, self._instance, list(self.group.tenants)):
            message = f"database {database} belongs to no tenant and any login can open it; drop it or revoke CONNECT"
            self._event("WARNING", "sql_job.open_database", message)

    def _prepare(self, tenant: Tenant, cluster: Cluster, server: Server) -> None:
        """Make the tenant's roles and close its doors; nobody is let in yet."""
        with self._changing(tenant, server) as common:
            isolation.ensure_roles(common, cluster, tenant, self._instance)
            database = cluster.databases.get(tenant.database)
            if database is None and self._instance.MAKES_DATABASES:
                database = self._make_database(common, tenant)
            isolation.ensure_database(common, database, tenant, self._instance)
            isolation.ensure_limits(common, cluster, tenant, idle_in_transaction_ms=self.job.idle_in_transaction_ms)
            isolation.reset_elsewhere(common, cluster, tenant)
            ended = isolation.end_strangers(common, tenant, self._instance)
        if ended:
            message = f"ended {ended} sessions in {tenant.database} of logins that have no business there"
            self._event("WARNING", "sql_job.sessions_ended", message, tenant=tenant.id, sessions=ended)

    def _make_database(self, common: Connection, tenant: Tenant) -> Database:
        """Create a new tenant's database where the cloud's API does not.

        Raises:
            JobError: the tenant had one. A database that has vanished is restored, and replaced by an empty one only
                when its entry says so.
        """
        before = self._before[tenant.id]
        lost = (before is not None and before.isolated) or self.job.secrets.latest(tenant.url_secret) is not None
        if lost and not tenant.recreate_after_loss:
            raise JobError(
                f"{tenant.id}: no database {tenant.database} on {self._instance.key}, and it was in use before; "
                f"restore it ({RESTORE_GUIDE}), or set recreate_after_loss on its entry for an empty one"
            )
        database = isolation.make_database(common, tenant, self._instance)
        message = f"made the database {tenant.database}{', empty, after its loss' if lost else ''}"
        self._event("WARNING" if lost else "INFO", "sql_job.database_made", message, tenant=tenant.id, after_loss=lost)
        return database

    def _finish(self, tenant: Tenant, step: "_Finish", server: Server) -> None:
        """Check every fact, let the logins in, prove them, publish the DSN, write the status: in this order."""
        if tenant.id in self._problems:
            raise self._problems[tenant.id]
        wrong = [
            *step.wrong,
            *violations(step.cluster, tenant, self._instance, idle_in_transaction_ms=self.job.idle_in_transaction_ms),
        ]
        try:
            if locks.catalogs_stay_locked(step.lock, tenant.database):
                raise JobError(f"{tenant.id}: a session of its own holds, or waits for, a lock on its system catalogs")
            wrong += self._content(tenant, server)
        except (JobError, psycopg.Error) as error:
            if not wrong:
                raise
            wrong.append(f"and what is inside could not be read: {explain(error)}")
        if tenant.id in self._accused:
            wrong.append(self._accused[tenant.id])
        if wrong:
            raise IsolationError(f"{tenant.id}: not isolated: {'; '.join(wrong)}")
        with self._changing(tenant, server) as common:
            isolation.enable_logins(common, step.cluster, tenant)
        if tenant.state == "active":
            self._publish(tenant, step, server)
        if complaint := self._complaint(tenant, step):
            raise JobError(f"{tenant.id}: {complaint}")
        if self.job.report(tenant, None, self._before[tenant.id]):
            self._done.add(tenant.id)
        else:
            self.failed.add(tenant.id)

    def _complaint(self, tenant: Tenant, step: "_Finish") -> str | None:
        """What an isolated tenant does to the others all the same."""
        if tenant.id in self._offences:
            return self._offences[tenant.id]
        if not step.hoarders:
            return None
        return (
            f"{'; '.join(step.hoarders)}; to end its sessions: "
            f"python -m jobs.sql end-sessions --instance {self._instance.key} --tenant {tenant.id}"
        )

    def _content(self, tenant: Tenant, server: Server) -> list[str]:
        """Give what is inside the tenant's database to its owner, and say what is wrong there."""
        with (
            self._admin(server, tenant.database) as own,
            limited(own, self.job.tenant_limit_s, f"{tenant.id}: its database's objects"),
        ):
            moved = isolation.ensure_ownership(own, tenant, self._instance)
            if moved:
                message = f"gave {moved} objects of {tenant.database} to {tenant.owner_role}"
                self._event("INFO", "sql_job.objects_moved", message, tenant=tenant.id, objects=moved)
            return content_violations(own, tenant)

    def _publish(self, tenant: Tenant, step: "_Finish", server: Server) -> None:
        password = self._credentials[tenant.id].password
        url = server.url(login=tenant.active_login, password=password, database=tenant.database)
        self.job.log.protect(password, url)
        login = Login(server=server, name=tenant.active_login, password=password)
        published = self.job.secrets.latest(tenant.url_secret) == url
        neighbour = self._neighbour(step)
        entered = self._enter(login, tenant, neighbour)
        if entered == "no":
            with self._changing(tenant, server) as common:
                ended = isolation.set_password(common, login.name, password)
            if ended:
                message = f"ended {ended} sessions of the password that {login.name} had before"
                self._event("INFO", "sql_job.sessions_ended", message, tenant=tenant.id, sessions=ended)
            entered = self._enter(login, tenant, neighbour)
        elif not published and not self._was_proved(tenant):
            # a run that was cut off may have set the password and left the sessions of the one before
            with self._changing(tenant, server) as common:
                end_sessions(common, [login.name])
        if entered == "busy" and published:
            # The password is right and was proved before; using every connection is no failure of isolation.
            message = f"{login.name} holds all of its {tenant.connection_limit} connections: checked, not tried"
            self._event("WARNING", "sql_job.busy", message, tenant=tenant.id)
            return
        if entered != "yes":
            raise JobError(f"{login.name}: its password was set and does not open {tenant.database} ({entered})")
        if not published:
            self.job.secrets.add(tenant.url_secret, url)
            message = f"published the DSN of rotation {tenant.rotation}"
            self._event("INFO", "sql_job.url_published", message, tenant=tenant.id, rotation=tenant.rotation)

    def _enter(self, login: Login, tenant: Tenant, neighbour: Tenant | None) -> str:
        """Prove the login where it may be and where it may not; a neighbour that lets it in loses its own proof."""
        try:
            entered = login.enter(tenant, admin_role=self._instance.admin_role, neighbour=neighbour)
            if entered != "yes":
                return entered
            login.prove_shut(neighbour=neighbour)
        except OpenDoorError as error:
            if neighbour is None:
                raise
            self._accuse(neighbour, str(error))
            return self._enter(login, tenant, None)
        except UnreachableError as error:
            # the neighbour's trouble, and not to be tried by anybody else: each try may leave a session behind
            if neighbour is None:
                raise
            self._unreachable.add(neighbour.id)
            self._event("WARNING", "sql_job.unreachable", str(error), tenant=neighbour.id)
            return self._enter(login, tenant, None)
        return entered

    def _was_proved(self, tenant: Tenant) -> bool:
        before = self._before[tenant.id]
        return before is not None and before.isolated and before.generation == tenant.generation

    def _neighbour(self, step: "_Finish") -> Tenant | None:
        """The next tenant whose database answers: in one with locked catalogs a session of this one's would hang."""
        for tenant in step.neighbours:
            if tenant.id not in self._unreachable and not locks.catalogs_locked(step.lock, tenant.database):
                return tenant
        return None

    def _accuse(self, neighbour: Tenant, text: str) -> None:
        self._accused[neighbour.id] = text
        if neighbour.id in (self._done | self.failed) - self._violated:
            self._done.discard(neighbour.id)
            self._fail(neighbour, IsolationError(f"{neighbour.id}: not isolated: {text}"))

    def _fail(self, tenant: Tenant, error: Exception) -> None:
        self.failed.add(tenant.id)
        if isinstance(error, IsolationError):
            self._violated.add(tenant.id)
        self.job.report(tenant, error, self._before[tenant.id])

    @contextmanager
    def _maintenance(self, server: Server) -> Iterator[Connection]:
        """The session that holds the instance's lock; a tenant may have shut this very database."""
        try:
            session = self._session(server, MAINTENANCE_DATABASE)
        except ConnectError:
            for name in OTHER_DOORS:
                with suppress(JobError, psycopg.Error), self._session(server, name) as side:
                    self._end_waiting(side)
                    break
            session = self._session(server, MAINTENANCE_DATABASE)
        with session as connection:
            yield connection

    def _end_waiting(self, connection: Connection) -> None:
        """End sessions that keep others out of a database, and remember whose they are."""
        for login, database in end_waiting(connection):
            text = f"a session of {login} kept everybody out of database {database}, and was ended"
            self._event("WARNING", "sql_job.sessions_ended", text, sessions=1)
            for tenant in self.group.tenants:
                if login in tenant.every_login:
                    self._offences[tenant.id] = text

    def _session(self, server: Server, database: str) -> Connection:
        token = self.job.admin_password(self._instance)
        self.job.log.protect(token)
        return server.admin(user=self._instance.admin_user, password=token, database=database)

    @contextmanager
    def _admin(self, server: Server, database: str) -> Iterator[Connection]:
        with self._session(server, database) as connection:
            yield connection

    @contextmanager
    def _changing(self, tenant: Tenant, server: Server) -> Iterator[Connection]:
        """The administrator's one session for changes in the maintenance database, within a tenant's limit."""
        if self._common is None or self._common.closed or self._common.broken:
            self._common = self._session(server, MAINTENANCE_DATABASE)
        with limited(self._common, self.job.tenant_limit_s, f"{tenant.id}: its roles and database"):
            yield self._common

    def _take_lock(self, connection: Connection) -> None:
        """Hold the instance's lock until the session ends.

        Raises:
            JobError: another run holds it for longer than this run may wait.
        """
        deadline = time.monotonic() + self.job.lock_wait_s
        while not rows(connection, "SELECT pg_catalog.pg_try_advisory_lock(%(key)s)", key=_LOCK)[0][0]:
            if time.monotonic() >= deadline:
                raise JobError(
                    f"{self._instance.key}: another run still holds the lock after {self.job.lock_wait_s:g} s; let it "
                    "finish, or end its session (application_name tenantry-sql-job)"
                )
            time.sleep(min(_LOCK_PAUSE, self.job.lock_wait_s))

    def _event(self, severity: Severity, event: str, message: str, **fields: str | float | bool | None) -> None:
        self.job.log.event(severity, event, message, instance=self._instance.key, **fields)


@dataclass(frozen=True, kw_only=True)
class _Finish:
    """What a tenant's last step goes by: a look at the server after every door was closed."""

    lock: Connection
    cluster: Cluster
    wrong: list[str]
    hoarders: list[str]
    neighbours: list[Tenant]


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
