"""What a person writes in `Pulumi.<stack>.yaml`: frozen, strict, described; no defaults that depend on anything else.

Layering (`resolve`) is `built-in defaults < plan < tenant`. In `TenantOptions` and `InstanceOptions` a field that was
not written stays unset, so that the next layer decides; zero and false are values, not absence.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from settings.types import (
    Availability,
    BillingAccount,
    ContainerImage,
    CronSchedule,
    Edition,
    EmailAddress,
    EnvironmentName,
    FailureScope,
    FilesMode,
    GcpProjectId,
    GcpProjectNumber,
    GcpRegion,
    Hostname,
    Kind,
    LabelValue,
    OrganizationName,
    Placement,
    PlanName,
    PoolName,
    PostgresVersion,
    PrivateNetwork,
    Ring,
    SecretName,
    SqlTier,
    TenantId,
    TenantState,
    TimeZone,
)


class Model(BaseModel):
    """Base of all settings: unknown keys are errors, values are not coerced, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class EnvironmentSettings(Model):
    """Who this environment is. One stack, one cloud project, nothing shared with another environment (R1.1)."""

    name: EnvironmentName
    """The environment; it must be the stack's name."""
    organization: OrganizationName
    """Short name that makes bucket names globally unique; it can never change afterwards."""
    cost_centre: LabelValue
    """Cost centre of everything that no tenant's own cost centre overrides (R1.4)."""
    service: LabelValue = "tenantry"
    """Value of the `service` label on every resource (R1.4)."""
    default_plan: PlanName = "standard"
    """Plan of a tenant that names none."""
    sox: bool = False
    """Keep audit logs for 7 years instead of 365 days (R6.6). One-way: a locked retention only grows."""


class GcpSettings(Model):
    """The Google Cloud project that holds the environment."""

    project: GcpProjectId
    """Project id."""
    project_number: GcpProjectNumber
    """Project number, as a string; budgets and Google's service agents are named by it."""
    region: GcpRegion
    """Home region of databases, buckets and jobs."""
    backup_region: GcpRegion
    """Region of exports, archives and native backups; never the home region (R1.5, R3.2)."""
    network: PrivateNetwork = "10.64.0.0/16"
    """Private range: the lower half for workloads, the upper half for private services access."""
    billing_account: BillingAccount | None = None
    """Billing account of the budget; needed when `monitoring.budget` is set."""
    jobs_image: ContainerImage
    """Image of the data-plane jobs (jobs/Dockerfile), by digest, in a registry that the project can read."""


class InstanceOptions(Model):
    """Size and protection of a SQL instance. Unset fields take the built-in defaults of `settings.defaults`."""

    tier: SqlTier | None = None
    """Machine type; must fit the edition."""
    edition: Edition | None = None
    """ENTERPRISE keeps transaction logs up to 7 days, ENTERPRISE_PLUS up to 35."""
    version: PostgresVersion | None = None
    """Major version; changing it upgrades the instance in place."""
    availability: Availability | None = None
    """REGIONAL fails over to another zone."""
    disk_gb: Annotated[int, Field(ge=10, le=65536)] | None = None
    """Initial SSD size in GB; it grows by itself and never shrinks."""
    disk_limit_gb: Annotated[int, Field(ge=0, le=65536)] | None = None
    """Upper bound of growth in GB; 0 is no bound."""
    pitr_days: Annotated[int, Field(ge=1, le=35)] | None = None
    """Days of point-in-time recovery."""
    retained_backups: Annotated[int, Field(ge=1, le=365)] | None = None
    """Daily automated backups kept."""
    backup_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    """UTC hour in which the daily backup starts."""
    maintenance_day: Annotated[int, Field(ge=1, le=7)] | None = None
    """Day of the maintenance window, 1 is Monday (R2.7)."""
    maintenance_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    """UTC hour of the maintenance window."""
    max_connections: Annotated[int, Field(ge=25, le=5000)] | None = None
    """PostgreSQL's max_connections; the connection limits promised to tenants must fit in."""
    replica_region: GcpRegion | None = None
    """Region of a read replica, which is what survives the loss of the home region (R1.5, R3.3)."""
    generation: Annotated[int, Field(ge=1, le=999)] | None = None
    """Part of the instance's name; raised when an instance is rebuilt, because Cloud SQL reserves a deleted name."""


class PoolSettings(InstanceOptions):
    """A shared SQL instance on which several tenants have a database each (R2.2)."""

    capacity: Annotated[int, Field(ge=1, le=500)]
    """Most tenants that this pool takes; one more is an error that names the pool."""
    region: GcpRegion | None = None
    """Region of the instance; the home region when unset. It can never change."""
    recreate_after_loss: bool = False
    """Allow `up` to create this instance anew and empty after it vanished from the cloud (docs/restore.md)."""


class RecoveryTarget(Model):
    """What may be lost and how long recovery may take, in minutes (R3.3)."""

    rpo_minutes: Annotated[int, Field(ge=0)]
    """Most data that may be lost, in minutes before the failure."""
    rto_minutes: Annotated[int, Field(ge=1)]
    """Longest time until the tenant works again."""


class TenantOptions(Model):
    """What a plan decides and a tenant may override."""

    kind: Kind | None = None
    """Database engine and cloud."""
    placement: Placement | None = None
    """`shared`: a database on a pool; `dedicated`: an instance of its own."""
    pool: PoolName | None = None
    """Pool of a shared tenant. An existing tenant never moves because another arrived: placement is declared."""
    region: GcpRegion | None = None
    """Region of a dedicated instance; the home region when unset. A shared tenant lives where its pool is."""
    instance: InstanceOptions | None = None
    """Size and protection of a dedicated instance; a shared tenant has its pool's."""
    connection_limit: Annotated[int, Field(ge=1, le=5000)] | None = None
    """Most simultaneous connections of the tenant (R2.5)."""
    statement_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Longest statement of the tenant (R2.5)."""
    files: FilesMode | None = None
    """Uploads: a folder of the shared bucket with its own grant, an own bucket, or none (R4.2)."""
    ring: Ring | None = None
    """Schema-migration ring (R2.8)."""
    targets: dict[FailureScope, RecoveryTarget] | None = None
    """Recovery targets by failure scope; a target that the settings cannot meet is refused (R3.3)."""


class PlanSettings(TenantOptions):
    """A tier that tenants are sold: a named set of options."""


class TenantSettings(TenantOptions):
    """One tenant. `- id: acme` is complete (R1.3)."""

    id: TenantId
    """Identity of the tenant, for good: names of databases, roles, secrets and folders follow from it."""
    plan: PlanName | None = None
    """Plan; `environment.default_plan` when unset."""
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """Display name, for dashboards and the registry."""
    state: TenantState = "active"
    """Life cycle (R2.6): active, suspended (logins off, backups on), offboarding (final export, then removable)."""
    cost_centre: LabelValue | None = None
    """Cost centre of the tenant's own resources (R1.4)."""
    legal_hold: bool = False
    """Refuse offboarding as long as it stands (R2.6)."""
    extra_rotations: Annotated[int, Field(ge=0)] = 0
    """Rotations of this tenant's credential beyond `secrets.rotation`; raise it by one to rotate this tenant alone."""
    recreate_after_loss: bool = False
    """Allow `up` to create the tenant's database anew and empty after it vanished (docs/restore.md)."""


class BackupSettings(Model):
    """Logical exports and restore drills of the environment (R3.2, R3.4)."""

    export_schedule: CronSchedule = "0 2 * * *"
    """When every tenant database is exported, in five fields of unix-cron; at least daily (R3.2; S1: 02:00)."""
    export_retention_days: Annotated[int, Field(ge=1, le=3650)] = 35
    """How long the exports bucket refuses to delete an export (R3.5)."""
    export_max_age_hours: Annotated[int, Field(ge=24, le=168)] = 26
    """Alert when the newest export of any tenant database is older."""
    drill_schedule: CronSchedule = "0 4 * * 0"
    """When each instance is restored into a scratch instance and checked; at least weekly (R3.4)."""
    drill_max_age_days: Annotated[int, Field(ge=1, le=45)] = 8
    """Alert when the newest successful drill of any instance is older (R3.4)."""
    time_zone: TimeZone = "Etc/UTC"
    """Time zone of both schedules, by its IANA name."""
    lock: bool = True
    """Lock the retention of exports and audit archives. One-way: nobody can shorten it afterwards (R3.5)."""


class SecretSettings(Model):
    """Names of secrets, never values (R5.1, R5.5)."""

    generated: tuple[SecretName, ...] = ("JWT_SECRET", "JWT_REFRESH_SECRET", "NEXTAUTH_SECRET")
    """Application secrets that Tenantry generates (48 random characters)."""
    external: tuple[SecretName, ...] = ()
    """Secrets issued elsewhere; their values are set with
    `pulumi config set --secret --path 'tenantry:external_secrets.NAME'`."""
    rotation: Annotated[int, Field(ge=1)] = 1
    """Raise it by one to rotate every generated secret and every tenant's credential (R5.3)."""
    max_age_days: Annotated[int, Field(ge=7, le=400)] = 90
    """Alert when a secret is older (S2 rotates monthly, S3 quarterly)."""


class SlackChannel(Model):
    """A Slack channel; the bot's token is the external secret SLACK_TOKEN."""

    channel: Annotated[str, Field(pattern=r"^#[a-z0-9_-]{1,79}$")]
    """Name of the channel with its #, in quotes."""


class ChannelSettings(Model):
    """Where alerts go (R6.4). Critical alerts go to all of them, warnings to e-mail and Slack."""

    email: Annotated[tuple[EmailAddress, ...], Field(max_length=14)] = ()
    """E-mail addresses; an alert policy takes 16 channels in all (Cloud Monitoring quota)."""
    slack: SlackChannel | None = None
    """A Slack channel."""
    pagerduty: bool = False
    """Page through PagerDuty; its integration key is the external secret PAGERDUTY_KEY."""


class ThresholdSettings(Model):
    """Alert thresholds (R6.2); the defaults are the numbers of S4's document."""

    error_rate_critical: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of failed requests that is critical."""
    error_rate_warning: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of failed requests that is worth a warning; below error_rate_critical."""
    latency_p95_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """95th percentile of response time, in seconds."""
    cpu: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of an instance's processors in use."""
    disk: Annotated[float, Field(gt=0, lt=1)] = 0.85
    """Share of an instance's disk in use."""
    connections: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of max_connections in use."""
    queue_backlog: Annotated[int, Field(ge=1)] = 1000
    """Undelivered messages of any subscription."""


class SloSettings(Model):
    """Service level objective of the application (R6.3)."""

    availability: Annotated[float, Field(ge=0.95, le=0.9999)] = 0.999
    """Share of requests that must succeed."""
    rolling_days: Annotated[int, Field(ge=1, le=30)] = 28
    """Days over which it is measured."""


class BudgetSettings(Model):
    """Monthly budget; alerts at 50, 75, 80, 90, 100 % and at a forecast of 100 % (R6.5)."""

    amount: Annotated[int, Field(ge=1)]
    """Whole units of the currency."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """ISO 4217 code; it must be the billing account's own currency."""


class MonitoringSettings(Model):
    """What is watched and who is told."""

    app_host: Hostname
    """Public host name of the application."""
    health_path: Annotated[str, Field(pattern=r"^/\S*$")] = "/api/health"
    """Path of the health check (R6.1)."""
    channels: ChannelSettings
    """Where alerts go; at least one."""
    thresholds: ThresholdSettings = ThresholdSettings()
    """Alert thresholds."""
    slo: SloSettings = SloSettings()
    """Service level objective."""
    budget: BudgetSettings | None = None
    """Monthly budget; none when unset."""


class Settings(Model):
    """One stack's configuration: each field is a key `tenantry:<field>` of the stack file."""

    environment: EnvironmentSettings
    """Who this environment is."""
    gcp: GcpSettings
    """The Google Cloud project."""
    plans: dict[PlanName, PlanSettings] = Field(default_factory=dict)
    """Plans by name."""
    pools: dict[PoolName, PoolSettings] = Field(default_factory=dict)
    """Shared instances by name."""
    tenants: tuple[TenantSettings, ...] = ()
    """The tenants, in any order."""
    backups: BackupSettings = BackupSettings()
    """Exports and restore drills."""
    secrets: SecretSettings = SecretSettings()
    """Names of the application's secrets."""
    monitoring: MonitoringSettings
    """Checks, alerts and who is told."""
