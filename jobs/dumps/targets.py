"""The databases that the export job dumps: RDS with a token of the backup login, guests with their DSN."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.clouds import Cloud
from jobs.dumps.layout import DUMPED_KINDS, EXTERNAL
from jobs.dumps.tools import Endpoint
from jobs.sql.catalog import kind_of
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

LoginState = Literal["off", "not-enforced"]
Endpoints = Callable[[], Endpoint]
"""A fresh way in each time: a token is good for 15 minutes, a dump takes longer."""

_TENANT: Final = re.compile(TENANT_ID)
_APPLICATION: Final = "tenantry-export"
_VERIFYING_MODES: Final = ("verify-ca", "verify-full")
_SAFE_MODES: Final = ("require", *_VERIFYING_MODES)


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

    def endpoints(self) -> AbstractContextManager[Endpoints]:
        """How to connect.

        Raises:
            JobError: the credentials are missing or not good enough.
        """

    def logins(self, connection: Connection) -> LoginState:
        """Whether the tenant's own logins are off, as they have to be before its final export.

        Raises:
            JobError: one can log in or is logged in.
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
    def endpoints(self) -> Iterator[Endpoints]:
        with ca_file(self.place.server_ca_pem, self.place.ca_bundle) as ca:
            parameters = {
                "host": self.place.host,
                "port": str(self.place.port),
                "user": BACKUP_LOGIN,
                "dbname": self.declared.database,
                "sslmode": self.place.SSLMODE,
                "sslrootcert": str(ca),
                "application_name": _APPLICATION,
            }

            def fresh() -> Endpoint:
                token = self.cloud.login_token(self.place, BACKUP_LOGIN)
                self.log.protect(token)
                return Endpoint(parameters=parameters, password=token)

            yield fresh

    def logins(self, connection: Connection) -> LoginState:
        found = rows(
            connection,
            """
            SELECT rolname FROM pg_roles WHERE rolname = ANY (%(logins)s) AND rolcanlogin
            UNION SELECT usename FROM pg_stat_activity WHERE usename = ANY (%(logins)s) ORDER BY 1
            """,
            logins=self.declared.logins,
        )
        if found:
            names = ", ".join(name for (name,) in found)
            raise JobError(f"{names} can still log in or is logged in; the SQL job has to end that first")
        return "off"


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
    def endpoints(self) -> Iterator[Endpoints]:
        secret = self.declared.backup_url_secret or self.declared.url_secret
        url = self.cloud.secrets.latest(secret)
        if url is None:
            raise JobError(f"{secret}: has no readable version")
        self.log.protect(url)
        endpoint = read_dsn(secret, url)
        self.log.protect(endpoint.password)
        yield lambda: endpoint

    def logins(self, connection: Connection) -> LoginState:  # noqa: ARG002 - there is nothing to look at
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
        content = cloud.registry.read(name)
        if content is None:  # removed between the listing and the reading
            continue
        kind = kind_of(content)
        if kind is not None and kind not in DUMPED_KINDS:
            other_kinds += 1
            continue
        try:
            if kind == EXTERNAL:
                targets.append(_guest(name, content, cloud, log))
            else:
                targets.append(_on_rds(name, content, cloud, log))
        except JobError as error:
            damaged.append((name, str(error)))
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
