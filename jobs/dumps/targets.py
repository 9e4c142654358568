"""The databases that the export job dumps: RDS with a ticket for a tenant's own backup login, guests with their DSN."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.clouds import Cloud
from jobs.deadline import Clock, limited
from jobs.dumps.layout import DUMPED_KINDS, EXTERNAL
from jobs.dumps.session import pinned_options, session
from jobs.dumps.tools import Endpoint, seconds_left
from jobs.sql.catalog import KINDS, kind_of
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, ca_file, rows
from jobs.sql.registry import (
    BACKUP_LOGIN,
    TENANT_ID,
    Instance,
    State,
    Tenant,
    check_final_export,
    parse_instance,
    parse_tenant,
)
from jobs.sql.tickets import TICKETS_DATABASE, ticket

LoginState = Literal["off", "not-enforced"]

_TENANT: Final = re.compile(TENANT_ID)
_APPLICATION: Final = "tenantry-export"
_VERIFYING_MODES: Final = ("verify-ca", "verify-full")
_SAFE_MODES: Final = ("require", *_VERIFYING_MODES)
_FRESH_S: Final = 30.0  # a ticket opens sessions for a minute
# The SQL job enters every tenant's database for a moment, every ten minutes; the cloud's own roles come and go.
_ADMIN_WAIT_S: Final = 60.0
_ADMIN_PAUSE_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way into a database.

    Attributes:
        endpoint: good for the sessions that are opened next; ask again for later ones.
        opened: says that no more sessions will be opened.
    """

    endpoint: Callable[[], Endpoint]
    opened: Callable[[], None]


class Target(Protocol):
    """A database to dump."""

    @property
    def tenant(self) -> str:
        """Whose it is."""

    @property
    def instance(self) -> str:
        """Its instance's key, or `external`."""

    @property
    def state(self) -> State:
        """What the registry declares."""

    @property
    def final_export(self) -> str | None:
        """Name of the marker that is to prove its final export; None when none is asked for."""

    @property
    def generation(self) -> str:
        """SHA-256 of the declared object."""

    @property
    def schemas(self) -> tuple[str, ...] | None:
        """What to dump, and nothing else; None for every schema."""

    def way(self, clock: Clock) -> AbstractContextManager[Way]:
        """How to connect, as a login that has this tenant's rights and no others.

        Raises:
            JobError: the credentials are missing or not good enough.
            DeadlineError: the clock has run out.
        """

    def logins(self, clock: Clock) -> LoginState:
        """Whether nobody can write any more, as it has to be before and after a final export.

        Raises:
            JobError: somebody can log in or is logged in.
            DeadlineError: the clock has run out.
        """


@dataclass(frozen=True, kw_only=True)
class RdsTarget:
    """A tenant on an RDS instance."""

    declared: Tenant
    place: Instance
    cloud: Cloud
    log: Log
    schemas: None = None

    @property
    def tenant(self) -> str:
        return self.declared.id

    @property
    def instance(self) -> str:
        return self.place.key

    @property
    def state(self) -> State:
        return self.declared.state

    @property
    def final_export(self) -> str | None:
        return self.declared.final_export

    @property
    def generation(self) -> str:
        return self.declared.generation

    @contextmanager
    def way(self, clock: Clock) -> Iterator[Way]:
        """The backup login of this tenant alone, which acts as the owner: with a ticket, which it takes as itself."""
        with self._platform() as (platform, where):
            given: list[tuple[float, Endpoint]] = []

            def endpoint() -> Endpoint:
                if not given or time.monotonic() - given[-1][0] > _FRESH_S:
                    what = "asking for a ticket"
                    with limited(platform, seconds_left(clock), what):
                        mine = ticket(platform, self.tenant)
                    self.log.protect(mine.password)
                    options = pinned_options(platform.info.server_version, role=self.declared.owner_role)
                    parameters = {**where, "user": mine.login, "dbname": self.declared.database, "options": options}
                    given.append((time.monotonic(), Endpoint(parameters=parameters, password=mine.password)))
                return given[-1][1]

            yield Way(endpoint=endpoint, opened=platform.close)

    def logins(self, clock: Clock) -> LoginState:
        """Asked in the platform's own database, in which no tenant has a say."""
        until = time.monotonic() + _ADMIN_WAIT_S
        what = "looking at the logins"
        passing = {self.place.admin_user, *self.place.SYSTEM_ROLES}
        with self._platform() as (platform, _):
            while True:
                with limited(platform, seconds_left(clock), what):
                    able, inside = self._who(platform)
                if able or inside - passing:
                    names = ", ".join(sorted(able | inside))
                    raise JobError(f"{names} can still log in or is logged in; the SQL job has to end that first")
                if not inside:
                    return "off"
                if time.monotonic() > until:
                    raise JobError(f"{', '.join(sorted(inside))} is logged in; wait for its work to end")
                time.sleep(_ADMIN_PAUSE_S)

    def _who(self, platform: Connection) -> tuple[set[str], set[str]]:
        """Logins that are on, and who is in the database or has left a prepared transaction there."""
        backup = self.declared.platform_logins["backup"]
        able = rows(
            platform,
            "SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles WHERE rolcanlogin AND rolname = ANY (%(logins)s)",
            # what is left runs nothing of the tenant's here: exports, and restores, which may not enter
            logins=[login for login in self.declared.every_login if not login.endswith(("_backup", "_restore"))],
        )
        inside = rows(
            platform,
            """
            SELECT usename::pg_catalog.text FROM pg_catalog.pg_stat_activity
            WHERE datname = %(database)s AND usename IS NOT NULL AND usename <> %(backup)s
            UNION SELECT owner::pg_catalog.text FROM pg_catalog.pg_prepared_xacts WHERE database = %(database)s
            """,
            database=self.declared.database,
            backup=backup,
        )
        return {name for (name,) in able}, {name for (name,) in inside}

    @contextmanager
    def _platform(self) -> Iterator[tuple[Connection, dict[str, str]]]:
        """A session of the platform's backup user in its own database, and where that is."""
        token = self.cloud.login_token(self.place, BACKUP_LOGIN)
        self.log.protect(token)
        with ca_file(self.place.server_ca_pem, self.place.ca_bundle) as ca:
            where = {
                "host": self.place.host,
                "port": str(self.place.port),
                "sslmode": self.place.SSLMODE,
                "sslrootcert": str(ca),
                "application_name": _APPLICATION,
            }
            # release 15 has no setting that others lack, and in this database nobody sets any
            parameters = {**where, "user": BACKUP_LOGIN, "dbname": TICKETS_DATABASE, "options": pinned_options(0)}
            with session(Endpoint(parameters=parameters, password=token)) as platform:
                yield platform, where


class _Guest(BaseModel):
    """A tenant whose database is at another provider, as declared in `tenants/{id}.json`."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    schema_version: Literal[1] = 1
    id: str
    kind: Literal["external"]
    state: State
    url_secret: str
    backup_url_secret: str | None
    final_export: str | None = None
    schemas: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _secrets_are_its_own(self) -> Self:
        if _TENANT.fullmatch(self.id) is None:
            raise ValueError(f"id {self.id!r} is not a tenant id (2 to 30 of a-z, 0-9 and single hyphens)")
        for name, suffix in ((self.url_secret, "database-url"), (self.backup_url_secret, "backup-url")):
            if name is not None and name.rpartition("/")[2] != f"tenant-{self.id}-{suffix}":
                raise ValueError(f"{name!r} must be the secret tenant-{self.id}-{suffix}")
        check_final_export(self.id, self.final_export)
        return self


@dataclass(frozen=True, kw_only=True)
class ExternalTarget:
    """A guest: its provider keeps the logins, so nothing here can switch them off."""

    declared: _Guest
    generation: str
    cloud: Cloud
    log: Log

    @property
    def tenant(self) -> str:
        return self.declared.id

    @property
    def instance(self) -> str:
        return EXTERNAL

    @property
    def state(self) -> State:
        return self.declared.state

    @property
    def final_export(self) -> str | None:
        return self.declared.final_export

    @property
    def schemas(self) -> tuple[str, ...] | None:
        return self.declared.schemas

    @contextmanager
    def way(self, clock: Clock) -> Iterator[Way]:
        secret = self.declared.backup_url_secret or self.declared.url_secret
        url = self.cloud.secrets.latest(secret)
        if url is None:
            raise JobError(f"{secret}: has no readable version")
        self.log.protect(url)
        given = read_dsn(secret, url)
        self.log.protect(given.password)
        # which settings there are depends on the release, and an unknown one is refused
        what = "connecting"
        with session(given.with_options(pinned_options(0))) as first, limited(first, seconds_left(clock), what):
            version = first.info.server_version
        endpoint = given.with_options(pinned_options(version))
        yield Way(endpoint=lambda: endpoint, opened=lambda: None)

    def logins(self, clock: Clock) -> LoginState:  # noqa: ARG002 - there is nothing to look at
        return "not-enforced"


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Everything that the registry has for this job.

    Attributes:
        damaged: names of tenant objects that cannot be used, each with the reason.
        other_kinds: how many tenants are exported by their services themselves.
    """

    targets: tuple[Target, ...]
    damaged: tuple[tuple[str, str], ...]
    other_kinds: int


def load(cloud: Cloud, log: Log) -> Targets:
    """Read the registry. A damaged object costs its own tenant, never the run."""
    targets: list[Target] = []
    damaged: list[tuple[str, str]] = []
    other_kinds = 0
    for name in cloud.registry.names("tenants/"):
        try:
            content = cloud.registry.read(name)
            if content is None:  # removed between the listing and the reading
                continue
            kind = kind_of(content)
            if kind in KINDS and kind not in DUMPED_KINDS:
                other_kinds += 1
            elif kind == EXTERNAL:
                targets.append(_guest(name, content, cloud, log))
            else:
                targets.append(_on_rds(name, content, cloud, log))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are served
            damaged.append((name, str(error) if isinstance(error, JobError) else f"{name}: {type(error).__name__}"))
    return Targets(targets=tuple(targets), damaged=tuple(damaged), other_kinds=other_kinds)


def read_dsn(place: str, url: str) -> Endpoint:
    """Take a DSN apart. One that would also work without TLS is refused, whatever the program has checked before.

    Raises:
        JobError: it is no DSN, or not a safe one; nothing of it is quoted.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        raise JobError(f"{place}: is no PostgreSQL URL") from None
    password = given.pop("password", "")
    if missing := [name for name in ("host", "user", "dbname") if not given.get(name)]:
        raise JobError(f"{place}: the URL has no {' and no '.join(missing)}")
    if not password:
        raise JobError(f"{place}: the URL has no password")
    mode = given.get("sslmode", "none")
    if mode not in _SAFE_MODES:
        raise JobError(f"{place}: sslmode is {mode}; use verify-full, or require where the provider has no more")
    if mode in _VERIFYING_MODES and "sslrootcert" not in given:
        # Otherwise libpq looks for a file in a home that a job has not; and it trusts the system's authorities for no
        # less than the host's name, so `verify-ca` alone would never connect.
        given |= {"sslmode": "verify-full", "sslrootcert": "system"}
    return Endpoint(parameters={**given, "application_name": _APPLICATION}, password=password)


def _guest(name: str, content: bytes, cloud: Cloud, log: Log) -> Target:
    try:
        declared = _Guest.model_validate_json(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'object'}: {item['msg']}" for item in error.errors()
        )
        raise JobError(f"{name}: {wrong}") from None
    if name != f"tenants/{declared.id}.json":
        raise JobError(f"{name}: holds tenant {declared.id!r}; an object is named after its tenant")
    return ExternalTarget(declared=declared, generation=hashlib.sha256(content).hexdigest(), cloud=cloud, log=log)


def _on_rds(name: str, content: bytes, cloud: Cloud, log: Log) -> Target:
    declared = parse_tenant(name, content, "rds")
    scope = cloud.scope
    if scope.kind != "rds":
        raise JobError(f"{name}: kind is 'rds', but this registry is of a cloud without RDS")
    place = f"instances/{declared.instance}.json"
    found = cloud.registry.read(place)
    if found is None:
        raise JobError(f"{place}: no such object, but tenants name it; run the program's `up` to the end")
    return RdsTarget(declared=declared, place=parse_instance(place, found, scope), cloud=cloud, log=log)
