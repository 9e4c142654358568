"""What will be built: plain data, every decision taken, every name known. Components only translate it.

Nothing here or below it imports Pulumi, so 10,000 tenants resolve in seconds and every rule is tested without a cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from settings.models import (
    AttestedRecovery,
    BackupSettings,
    DeliverySettings,
    MonitoringSettings,
    QueueSettings,
    RecoveryTarget,
    SecretSettings,
    ServiceSettings,
    TaskSettings,
    VercelSettings,
)
from settings.types import (
    Availability,
    Cloud,
    Edition,
    EnvironmentName,
    FailureScope,
    FilesMode,
    GuestProvider,
    Kind,
    Placement,
    PostgresVersion,
    Ring,
    SqlKind,
    TenantState,
    TlsVersion,
)


@dataclass(frozen=True, kw_only=True)
class GcpPlan:
    """The environment's project and the ranges and names that follow from it."""

    project: str
    project_number: str
    region: str
    backup_region: str
    key_regions: tuple[str, ...]
    """Every region that holds data, so that needs keys: home, backup, and those of instances and replicas."""
    network: str
    workload_range: str
    """CIDR of the subnet in the home region."""
    services_range_address: str
    services_range_prefix: int
    """Range of private services access, from which Cloud SQL takes its addresses."""
    billing_account: str | None
    jobs_image: str


@dataclass(frozen=True, kw_only=True)
class ZonePlan:
    """An availability zone and its two subnets."""

    name: str
    private_range: str
    public_range: str


@dataclass(frozen=True, kw_only=True)
class AwsPlan:
    """The environment's account and the ranges and names that follow from it."""

    account_id: str
    region: str
    backup_region: str
    network: str
    zones: tuple[ZonePlan, ...]
    jobs_image: str


@dataclass(frozen=True, kw_only=True)
class BucketNames:
    """Names of the environment's buckets by role: the same on each cloud, whose name spaces are apart."""

    uploads: str
    exports: str
    audit: str
    assets: str
    registry: str


@dataclass(frozen=True, kw_only=True)
class EnvironmentPlan:
    """What the tenants of a stack share."""

    name: EnvironmentName
    organization: str
    labels: Mapping[str, str]
    """Default labels of every resource (R1.4)."""
    home: Cloud
    """Cloud of application secrets, services and external tenants."""
    on_gcp: GcpPlan | None
    on_aws: AwsPlan | None
    buckets: BucketNames
    audit_retention_days: int
    minimum_tls: TlsVersion
    """Oldest version that the ways in from the internet accept (R2.3, R8.1)."""
    database_roles: tuple[str, ...]
    """Roles on SQL instances that are somebody else's; the SQL job takes no other with powers for declared."""
    lock: bool
    backups: BackupSettings
    secrets: SecretSettings
    monitoring: MonitoringSettings
    vercel: VercelSettings | None
    services: Mapping[str, ServiceSettings]
    tasks: Mapping[str, TaskSettings]
    queues: Mapping[str, QueueSettings]
    delivery: DeliverySettings | None

    @property
    def gcp(self) -> GcpPlan:
        """The Google Cloud project, for code that only runs where there is one."""
        if self.on_gcp is None:
            raise LookupError(f"environment {self.name} has no Google Cloud project")
        return self.on_gcp

    @property
    def aws(self) -> AwsPlan:
        """The AWS account, for code that only runs where there is one."""
        if self.on_aws is None:
            raise LookupError(f"environment {self.name} has no AWS account")
        return self.on_aws

    @property
    def clouds(self) -> tuple[Cloud, ...]:
        """The clouds of the environment."""
        both: tuple[tuple[Cloud, object], ...] = (("gcp", self.on_gcp), ("aws", self.on_aws))
        return tuple(cloud for cloud, plan in both if plan is not None)

    def region(self, cloud: Cloud) -> str:
        """Home region on `cloud`."""
        return self.gcp.region if cloud == "gcp" else self.aws.region


@dataclass(frozen=True, kw_only=True)
class InstancePlan:
    """One SQL instance, shared (a pool) or dedicated."""

    key: str
    """Identity in Pulumi names and the registry: `pool-<pool>` or `tenant-<id>`."""
    name: str
    """Cloud name, with its generation."""
    path: str
    """YAML path of what declares it, for messages."""
    kind: SqlKind
    placement: Placement
    region: str
    backup_location: str
    """Region of native backups (Cloud SQL) or of their copies (RDS): never the instance's own."""
    tier: str
    edition: Edition | None
    """Cloud SQL only."""
    version: PostgresVersion
    availability: Availability
    disk_gb: int
    disk_limit_gb: int
    pitr_days: int
    retained_backups: int
    backup_hour: int
    maintenance_day: int
    maintenance_hour: int
    max_connections: int
    replica_region: str | None
    generation: int
    labels: Mapping[str, str]
    guarded: bool = True
    """False once the final export of the (dedicated) tenant is proved: then it may be deleted."""
    recreate_after_loss: bool = False

    @property
    def replica_name(self) -> str:
        return f"{self.name}-replica"

    @property
    def major_version(self) -> str:
        """PostgreSQL's major version, as in 17."""
        return self.version.removeprefix("POSTGRES_")


@dataclass(frozen=True, kw_only=True)
class FilesPlan:
    """Where a tenant's uploads live."""

    mode: FilesMode
    bucket: str | None
    folder: str | None
    """Folder in the shared bucket, with its trailing slash."""


@dataclass(frozen=True, kw_only=True)
class SqlPlan:
    """A tenant's database on a SQL instance that Tenantry runs (kinds cloudsql and rds)."""

    placement: Placement
    pool: str | None
    instance_key: str
    instance: InstancePlan | None
    """The dedicated instance; None when the tenant lives on a pool."""
    owner_role: str
    logins: tuple[str, str]
    active_login: str
    rotation: int
    credential_secret: str
    connection_limit: int
    statement_timeout_seconds: int


@dataclass(frozen=True, kw_only=True)
class FirestorePlan:
    """A tenant's Firestore database."""

    location: str
    cmek: bool
    """Whether the project's quota allows a customer-managed key."""
    daily_retention_days: int
    weekly_retention_weeks: int
    service_account: str
    """Account id of the one identity that reaches this database."""


@dataclass(frozen=True, kw_only=True)
class ExternalPlan:
    """A tenant's database that somebody else runs."""

    provider: GuestProvider
    dsn: str
    """Name of the external secret that holds its URL."""
    backup_dsn: str | None
    """Name of the external secret that holds the URL of the exports' own login; None when they use `dsn`."""
    backup_url_secret: str | None
    """Cloud secret of the latter."""
    schemas: tuple[str, ...] | None
    """Schemas that are exported, and no other; None for all."""
    attested: AttestedRecovery | None
    not_enforced: tuple[str, ...]
    """What Tenantry guarantees elsewhere and cannot on a guest."""


@dataclass(frozen=True, kw_only=True)
class TenantPlan:
    """One tenant, complete. Exactly one of `on_sql`, `on_firestore` and `as_guest` is set, by its kind."""

    id: str
    display_name: str
    path: str
    """YAML path of its entry, for messages."""
    plan: str
    state: TenantState
    kind: Kind
    cloud: Cloud
    """Where its database, secrets, files and registry entry are."""
    region: str
    database: str
    """Name of the database; of a guest, the name by which Tenantry knows it."""
    url_secret: str
    on_sql: SqlPlan | None
    on_firestore: FirestorePlan | None
    as_guest: ExternalPlan | None
    ring: Ring
    files: FilesPlan
    targets: Mapping[FailureScope, RecoveryTarget]
    labels: Mapping[str, str]
    legal_hold: bool
    guarded: bool = True
    """False once the final export is proved: then its data may be deleted."""
    final_export: str | None = None
    """While offboarding: the object in the exports bucket that is to prove the final export of this offboarding."""
    recreate_after_loss: bool = False

    @property
    def sql(self) -> SqlPlan:
        if self.on_sql is None:
            raise LookupError(f"tenant {self.id} is of kind {self.kind}, which has no SQL instance")
        return self.on_sql

    @property
    def firestore(self) -> FirestorePlan:
        if self.on_firestore is None:
            raise LookupError(f"tenant {self.id} is of kind {self.kind}, not firestore")
        return self.on_firestore

    @property
    def external(self) -> ExternalPlan:
        if self.as_guest is None:
            raise LookupError(f"tenant {self.id} is of kind {self.kind}, not external")
        return self.as_guest

    @property
    def instance(self) -> InstancePlan | None:
        """The tenant's own SQL instance, when it has one."""
        return None if self.on_sql is None else self.on_sql.instance


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one stack builds."""

    environment: EnvironmentPlan
    pools: tuple[InstancePlan, ...]
    tenants: tuple[TenantPlan, ...]

    @property
    def instances(self) -> tuple[InstancePlan, ...]:
        """Pools, then dedicated instances, each in the order of its name."""
        return (*self.pools, *(tenant.instance for tenant in self.tenants if tenant.instance is not None))

    @property
    def external_secrets(self) -> tuple[str, ...]:
        """Names of every secret issued elsewhere: the application's, and the URLs of guest databases."""
        guests = [tenant.external for tenant in self.tenants if tenant.as_guest is not None]
        urls = [name for guest in guests for name in (guest.dsn, guest.backup_dsn) if name is not None]
        return tuple(sorted({*self.environment.secrets.external, *urls}))

    def instances_of(self, kind: SqlKind) -> tuple[InstancePlan, ...]:
        """The SQL instances of one kind, in the same order."""
        return tuple(instance for instance in self.instances if instance.kind == kind)

    def pools_of(self, kind: SqlKind) -> tuple[InstancePlan, ...]:
        """The pools of one kind, in the same order."""
        return tuple(pool for pool in self.pools if pool.kind == kind)

    def tenants_of(self, *kinds: Kind) -> tuple[TenantPlan, ...]:
        """The tenants of some kinds, in the order of their ids."""
        return tuple(tenant for tenant in self.tenants if tenant.kind in kinds)
