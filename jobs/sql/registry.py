"""The registry's objects as the program declares them, checked before any of their values comes near SQL."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.sql.errors import JobError

TENANT_ID = r"^[a-z](?:[a-z0-9]|-(?!-)){0,28}[a-z0-9]$"
INSTANCE_KEY = r"^[a-z](?:[a-z0-9-]{0,96}[a-z0-9])?$"
# An IAM user is a service account's e-mail address without its last suffix.
_IAM_USER = r"^[a-z0-9][a-z0-9._@-]{0,62}$"
_SECRET = r"^projects/([a-z0-9:.-]+)/secrets/([A-Za-z0-9_-]{1,255})$"  # noqa: S105 - a pattern of names, no value

_TENANT = re.compile(TENANT_ID)

IamUser = Annotated[str, Field(pattern=_IAM_USER, max_length=63)]
_Model = TypeVar("_Model", bound=BaseModel)
State = Literal["active", "suspended", "offboarding"]


class _Declared(BaseModel):
    # A newer program may add fields that this job does not need; what it does need has to be exact.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    schema_version: Literal[1] = 1


class Tenant(_Declared):
    """A tenant on a SQL instance, as declared in `tenants/{id}.json`.

    Every database-level name must equal the name derived from the id, so a forged or damaged object can neither inject
    SQL nor point one tenant at the roles, the database or the secrets of another.
    """

    id: Annotated[str, Field(pattern=r"^[a-z]", min_length=2, max_length=30)]
    kind: Literal["cloudsql"]
    state: State
    instance: Annotated[str, Field(pattern=INSTANCE_KEY)]
    database: str
    owner_role: str
    logins: Annotated[list[str], Field(min_length=2, max_length=2)]
    active_login: str
    rotation: Annotated[int, Field(ge=1)]
    credential_secret: Annotated[str, Field(pattern=_SECRET)]
    url_secret: Annotated[str, Field(pattern=_SECRET)]
    connection_limit: Annotated[int, Field(ge=1, le=10_000)]
    statement_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)]
    status: str
    generation: str = ""  # SHA-256 of the declared object's bytes; set by `parse_tenant`

    @model_validator(mode="after")
    def _names_follow_from_the_id(self) -> Self:
        if _TENANT.fullmatch(self.id) is None:
            raise ValueError(f"id {self.id!r} is not a tenant id (2 to 30 of a-z, 0-9 and single hyphens)")
        stem = "tn_" + self.id.replace("-", "_")
        logins = [f"{stem}_a", f"{stem}_b"]
        expected: dict[str, object] = {
            "database": stem,
            "owner_role": f"{stem}_owner",
            "logins": logins,
            "active_login": logins[(self.rotation - 1) % 2],
            "status": f"status/{self.id}.json",
        }
        for field, value in expected.items():
            if getattr(self, field) != value:
                raise ValueError(f"{field} is {getattr(self, field)!r}; id and rotation make it {value!r}")
        for field, suffix in (("credential_secret", "credential"), ("url_secret", "database-url")):
            if not getattr(self, field).endswith(f"/secrets/tenant-{self.id}-{suffix}"):
                raise ValueError(f"{field} must end in /secrets/tenant-{self.id}-{suffix}")
        return self

    @property
    def other_login(self) -> str:
        return next(login for login in self.logins if login != self.active_login)

    @property
    def enabled_logins(self) -> list[str]:
        """The logins that may be used: none unless active, and the previous one only once a rotation has made it so."""
        if self.state != "active":
            return []
        return [self.active_login] if self.rotation == 1 else [self.active_login, self.other_login]


class Instance(_Declared):
    """A SQL instance, as declared in `instances/{key}.json`."""

    key: Annotated[str, Field(pattern=INSTANCE_KEY)]
    kind: Literal["cloudsql"]
    name: Annotated[str, Field(min_length=1)]
    project: Annotated[str, Field(min_length=1)]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    server_ca_pem: Annotated[str, Field(pattern=r"-----BEGIN CERTIFICATE-----")]
    admin_user: IamUser
    platform_users: list[IamUser]


class Credential(BaseModel):
    """The value of a tenant's credential secret. Its password is kept out of `repr`."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    login: str
    password: Annotated[str, Field(min_length=16, repr=False)]
    rotation: int


class Status(BaseModel):
    """What the job found, in `status/{id}.json`; true only for the declared object whose hash is `generation`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    isolated: bool
    generation: str
    rotation: int
    applied_at: datetime
    error: str | None


def parse_tenant(name: str, content: bytes) -> Tenant:
    """Read the object `tenants/{id}.json`.

    Raises:
        JobError: it is not a tenant, or not the tenant that its name says; no value of a secret can be in the text.
    """
    generation = hashlib.sha256(content).hexdigest()
    tenant = _parse(Tenant, name, content).model_copy(update={"generation": generation})
    if name != f"tenants/{tenant.id}.json":
        raise JobError(f"{name}: holds tenant {tenant.id!r}; an object is named after its tenant")
    return tenant


def parse_instance(name: str, content: bytes, *, project: str) -> Instance:
    """Read the object `instances/{key}.json` and refuse an instance of another project (R1.1).

    Raises:
        JobError: it is not an instance, not the one that its name says, or not this project's.
    """
    instance = _parse(Instance, name, content)
    if name != f"instances/{instance.key}.json":
        raise JobError(f"{name}: holds instance {instance.key!r}; an object is named after its instance")
    if instance.project != project:
        raise JobError(f"{name}: project is {instance.project!r}, but this job serves {project!r} only")
    return instance


def parse_credential(tenant: Tenant, content: str) -> Credential:
    """Read a credential and refuse one that belongs to another login or rotation.

    Raises:
        JobError: the secret and the registry do not describe the same rotation.
    """
    try:
        credential = Credential.model_validate_json(content)
    except ValidationError as error:
        # The error's own text would quote the secret.
        places = sorted({".".join(str(part) for part in item["loc"]) or "(whole)" for item in error.errors()})
        raise JobError(f"{tenant.credential_secret}: is not a credential (wrong: {', '.join(places)})") from None
    if (credential.login, credential.rotation) != (tenant.active_login, tenant.rotation):
        raise JobError(
            f"{tenant.credential_secret}: is for {credential.login!r}, rotation {credential.rotation}; the registry "
            f"says {tenant.active_login!r}, rotation {tenant.rotation}; run the program's `up` to the end, then this"
        )
    return credential


def _parse(model: type[_Model], name: str, content: bytes) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'object'}: {item['msg']}" for item in error.errors()
        )
        raise JobError(f"{name}: {wrong}") from None
