"""The registry's objects as the program declares them, checked before any of their values comes near SQL."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.sql.errors import JobError

TENANT_ID = r"^[a-z](?:[a-z0-9]|-(?!-)){0,28}[a-z0-9]$"
INSTANCE_KEY = r"^[a-z](?:[a-z0-9-]{0,96}[a-z0-9])?$"
# An IAM user is a service account's e-mail address without its last suffix.
_IAM_USER = r"^[a-z0-9][a-z0-9._@-]{0,62}$"
# On RDS it is an ordinary role that the job makes: no tenant's (tn_), none of PostgreSQL's (pg_) or of RDS (rds).
_RDS_USER = r"^[a-z][a-z0-9_]{0,62}$"
_TAKEN = ("tn_", "pg_", "rds")
_SECRET = r"^projects/([a-z0-9:.-]+)/secrets/([A-Za-z0-9_-]{1,255})$"  # noqa: S105 - a pattern of names, no value
_SECRET_NAME = r"^[A-Za-z0-9_-]{1,255}$"  # noqa: S105 - the same, in Secrets Manager
_MASTER_SECRET = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+$"  # noqa: S105

_TENANT = re.compile(TENANT_ID)

# Cloud SQL's own administrative role. It is no superuser: it has CREATEROLE and CREATEDB and owns what the API creates.
CLOUD_SQL_ADMIN: Final = "cloudsqlsuperuser"
BACKUP_LOGIN: Final = "tenantry_backup"
"""On RDS, the login of the export job: it takes tickets for the tenants' own backup logins."""

IamUser = Annotated[str, Field(pattern=_IAM_USER, max_length=63)]
RdsUser = Annotated[str, Field(pattern=_RDS_USER)]
_Model = TypeVar("_Model", bound=BaseModel)
State = Literal["active", "suspended", "offboarding"]
SqlKind = Literal["cloudsql", "rds"]
Workload = Literal["worker", "migrator", "backup", "restore"]
WORKLOADS: Final[tuple[Workload, ...]] = ("worker", "migrator", "backup", "restore")
"""What the platform does with a tenant's rights, each by a login of its own for every tenant. The one for restores runs
all that a dump holds, so it may enter the database that is being restored, and not the tenant's present one."""

ROLE_NAME: Final = re.compile(r"tn_(.+)_(?:owner|a|b|worker|migrator|backup|restore)")
"""A tenant's role. Ids hold no underscore, so each name leads back to one id, and has exactly one ending: the role
`tn_team_a` is a login of `team`, the database `tn_team_a` is that of `team-a`."""

# The platform's users are named after their workload: `tenantry_worker`, `tenantry-worker@project.iam`.
_PLATFORM_USER: Final = re.compile(r"(?:tenantry[-_])?(worker|migrator|backup)(?:@.+)?")
# Roles that the clouds make themselves. Named one by one: a prefix alone would hide a stranger who chose it.
# https://cloud.google.com/sql/docs/postgres/users, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
_CLOUD_SQL_ROLES: Final = frozenset(
    {
        "cloudsqladmin",
        "cloudsqlagent",
        "cloudsqlconnpooladmin",
        "cloudsqliamgroup",
        "cloudsqliamgroupserviceaccount",
        "cloudsqliamgroupuser",
        "cloudsqliamserviceaccount",
        "cloudsqliamuser",
        "cloudsqliamworkforceidentity",
        "cloudsqlimportexport",
        "cloudsqlinactiveuser",
        "cloudsqllogical",
        "cloudsqlobservability",
        "cloudsqlobservabilityadmin",
        "cloudsqlobservabilityuser",
        "cloudsqlreplica",
        "cloudsqlsuperuser",
        "postgres",
    }
)
_RDS_ROLES: Final = frozenset(
    {
        "rds_ad",
        "rds_extension",
        "rds_iam",
        "rds_password",
        "rds_replication",
        "rds_reserved",
        "rds_superuser",
        "rdsadmin",
        "rdsrepladmin",
        "rdstopmgr",
        "rdswriteforwarduser",
    }
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What this run may touch: one kind of instance, in one project or account (R1.1).

    Attributes:
        kind: the cloud's kind of SQL instance.
        home: the Google Cloud project, or the AWS account's number.
        ca_bundle: file with the CAs of instances that declare none of their own: RDS has one bundle for all.
    """

    kind: SqlKind
    home: str
    ca_bundle: Path | None = None


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
    kind: SqlKind
    state: State
    instance: Annotated[str, Field(pattern=INSTANCE_KEY)]
    database: str
    owner_role: str
    logins: Annotated[list[str], Field(min_length=2, max_length=2)]
    active_login: str
    rotation: Annotated[int, Field(ge=1)]
    credential_secret: str
    url_secret: str
    connection_limit: Annotated[int, Field(ge=1, le=10_000)]
    statement_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)]
    recreate_after_loss: bool = False
    status: str
    final_export: str | None = None
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
            if getattr(self, field).rpartition("/")[2] != f"tenant-{self.id}-{suffix}":
                raise ValueError(f"{field} must be the secret tenant-{self.id}-{suffix}")
        check_final_export(self.id, self.final_export)
        return self

    @property
    def platform_logins(self) -> dict[Workload, str]:
        """The logins of the platform's workloads, each a member of this tenant's owner role and of nothing else."""
        return {workload: f"{self.database}_{workload}" for workload in WORKLOADS}

    @property
    def every_login(self) -> list[str]:
        return [*self.logins, *self.platform_logins.values()]

    @property
    def off_logins(self) -> list[str]:
        """The logins that may not be used now, whatever else holds.

        Unless the tenant is active, nothing is left that runs its code in its database: that could keep a way in.
        """
        off = [login for login in self.logins if login not in self.enabled_logins]
        if self.state != "active":
            off += [self.platform_logins["worker"], self.platform_logins["migrator"]]
        return off

    @property
    def other_login(self) -> str:
        return next(login for login in self.logins if login != self.active_login)

    @property
    def enabled_logins(self) -> list[str]:
        """The logins that may be used: none unless active, and the previous one only once a rotation has made it so."""
        if self.state != "active":
            return []
        return [self.active_login] if self.rotation == 1 else [self.active_login, self.other_login]


class CloudSqlTenant(Tenant):
    """Its secrets are named by project."""

    kind: Literal["cloudsql"]
    credential_secret: Annotated[str, Field(pattern=_SECRET)]
    url_secret: Annotated[str, Field(pattern=_SECRET)]


class RdsTenant(Tenant):
    """Its secrets are the account's own, so their names are enough."""

    kind: Literal["rds"]
    credential_secret: Annotated[str, Field(pattern=_SECRET_NAME)]
    url_secret: Annotated[str, Field(pattern=_SECRET_NAME)]


class Instance(_Declared, ABC):
    """A SQL instance, as declared in `instances/{key}.json`; a subclass says what its cloud does differently.

    Attributes:
        SYSTEM_PREFIX: the cloud's own roles and databases start so; they are not ours to change.
        SYSTEM_ROLES: the cloud's own roles, by name.
        IDENTITY_GROUPS: groups that say how a user logs in and give nothing else.
        SSLMODE: how far a client can check the server's certificate.
        MAKES_DATABASES: whether this job creates tenants' databases, because the cloud's API does not.
        database_roles: roles that are somebody else's and declared as such.
        ca_bundle: the CAs to trust when the instance declares none; set by `parse_instance`.
    """

    SYSTEM_PREFIX: ClassVar[str]
    SYSTEM_ROLES: ClassVar[frozenset[str]]
    IDENTITY_GROUPS: ClassVar[frozenset[str]]
    SSLMODE: ClassVar[str]
    MAKES_DATABASES: ClassVar[bool]

    key: Annotated[str, Field(pattern=INSTANCE_KEY)]
    kind: SqlKind
    name: Annotated[str, Field(min_length=1)]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    server_ca_pem: str | None
    admin_user: str
    platform_users: list[str]
    database_roles: list[str] = []
    ca_bundle: Path | None = None

    @property
    @abstractmethod
    def home(self) -> tuple[str, str]:
        """The field that says whose instance this is, and its value."""

    @property
    @abstractmethod
    def group_role(self) -> str | None:
        """The role that the administrator has to assume, because role attributes are not inherited; None for none."""

    @property
    def admin_role(self) -> str:
        """Who acts in the administrator's sessions."""
        return self.group_role or self.admin_user

    @property
    @abstractmethod
    def made_logins(self) -> Mapping[str, tuple[str, ...]]:
        """Logins for the platform that this job makes, each with the roles that it is a member of."""

    @property
    def workloads(self) -> dict[str, Workload]:
        """The users that may ask for tickets, each with the workload that its name says."""
        users = dict.fromkeys([*self.platform_users, *self.made_logins])
        named = ((user, _PLATFORM_USER.fullmatch(user)) for user in users)
        known = {workload: workload for workload in WORKLOADS}
        return {user: known[match[1]] for user, match in named if match}  # type: ignore[index]


class CloudSqlInstance(Instance):
    """Users and databases are the API's; its certificate names the instance and not its address."""

    SYSTEM_PREFIX: ClassVar[str] = "cloudsql"
    SYSTEM_ROLES: ClassVar[frozenset[str]] = _CLOUD_SQL_ROLES
    IDENTITY_GROUPS: ClassVar[frozenset[str]] = frozenset(
        name for name in _CLOUD_SQL_ROLES if name.startswith("cloudsqliam")
    )
    SSLMODE: ClassVar[str] = "verify-ca"
    MAKES_DATABASES: ClassVar[bool] = False

    kind: Literal["cloudsql"]
    project: Annotated[str, Field(min_length=1)]
    server_ca_pem: Annotated[str, Field(pattern=r"-----BEGIN CERTIFICATE-----")]
    admin_user: IamUser
    platform_users: list[IamUser]

    @property
    def home(self) -> tuple[str, str]:
        return "project", self.project

    @property
    def group_role(self) -> str | None:
        return CLOUD_SQL_ADMIN

    @property
    def made_logins(self) -> Mapping[str, tuple[str, ...]]:
        return {}


class RdsInstance(Instance):
    """The API knows the administrator alone: he has CREATEROLE and CREATEDB himself, and makes all the rest here."""

    SYSTEM_PREFIX: ClassVar[str] = "rds"
    SYSTEM_ROLES: ClassVar[frozenset[str]] = _RDS_ROLES
    IDENTITY_GROUPS: ClassVar[frozenset[str]] = frozenset({"rds_iam", "rds_password"})
    SSLMODE: ClassVar[str] = "verify-full"
    MAKES_DATABASES: ClassVar[bool] = True

    kind: Literal["rds"]
    account_id: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    server_ca_pem: None = None
    admin_secret: Annotated[str, Field(pattern=_MASTER_SECRET)]
    admin_user: RdsUser
    platform_users: list[RdsUser]

    @model_validator(mode="after")
    def _users_are_the_platforms_own(self) -> Self:
        for user in (self.admin_user, *self.platform_users):
            if user.startswith(_TAKEN):
                raise ValueError(f"user {user!r} starts like a tenant's or a system's role")
        return self

    @property
    def home(self) -> tuple[str, str]:
        return "account_id", self.account_id

    @property
    def group_role(self) -> str | None:
        return None

    @property
    def made_logins(self) -> Mapping[str, tuple[str, ...]]:
        # A member of rds_iam logs in with a token of its IAM role, and with nothing else.
        return dict.fromkeys([*self.platform_users, BACKUP_LOGIN], ("rds_iam",))


_TENANTS: Final[Mapping[SqlKind, type[Tenant]]] = {"cloudsql": CloudSqlTenant, "rds": RdsTenant}
_INSTANCES: Final[Mapping[SqlKind, type[Instance]]] = {"cloudsql": CloudSqlInstance, "rds": RdsInstance}


class Credential(BaseModel):
    """The value of a tenant's credential secret. Its password is kept out of `repr`."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    login: str
    password: Annotated[str, Field(min_length=16, repr=False)]
    rotation: int


class Status(BaseModel):
    """What the job found, in `status/{id}.json`; true only for the declared object whose hash is `generation`.

    Attributes:
        state: the declared one.
        logins_off_since: since when the tenant has not been active, with its logins proved to be off at the end of
            that run; None while it is active, or while they are not. What was exported later is all there is.
        final_export: the declared marker of the final export.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    isolated: bool
    generation: str
    rotation: int
    applied_at: datetime
    error: str | None
    state: State | None = None
    logins_off_since: AwareDatetime | None = None
    final_export: str | None = None


def check_final_export(tenant: str, name: str | None) -> None:
    """Refuse a marker that would prove another tenant's final export.

    Raises:
        ValueError: it is no marker of this tenant.
    """
    if name is not None and re.fullmatch(rf"final/{re.escape(tenant)}(\.[1-9][0-9]*)?\.json", name) is None:
        raise ValueError(
            f"final_export is {name!r}; a marker of {tenant} is final/{tenant}.json or final/{tenant}.2.json"
        )


def parse_tenant(name: str, content: bytes, kind: SqlKind) -> Tenant:
    """Read the object `tenants/{id}.json` of a tenant of that kind.

    Raises:
        JobError: it is not a tenant, or not the tenant that its name says; no value of a secret can be in the text.
    """
    generation = hashlib.sha256(content).hexdigest()
    tenant = _parse(_TENANTS[kind], name, content).model_copy(update={"generation": generation})
    if name != f"tenants/{tenant.id}.json":
        raise JobError(f"{name}: holds tenant {tenant.id!r}; an object is named after its tenant")
    return tenant


def parse_instance(name: str, content: bytes, scope: Scope) -> Instance:
    """Read the object `instances/{key}.json` and refuse an instance of another project or account (R1.1).

    Raises:
        JobError: it is not an instance, not the one that its name says, or not of this scope.
    """
    instance = _parse(_INSTANCES[scope.kind], name, content)
    if name != f"instances/{instance.key}.json":
        raise JobError(f"{name}: holds instance {instance.key!r}; an object is named after its instance")
    field, home = instance.home
    if home != scope.home:
        raise JobError(f"{name}: {field} is {home!r}, but this job serves {scope.home!r} only")
    return instance.model_copy(update={"ca_bundle": scope.ca_bundle})


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
