"""What a person writes in `Pulumi.<stack>.yaml`: frozen, strict, described; no defaults that depend on anything else.

Layering (`resolve`) is `built-in defaults < plan < tenant`. In `TenantOptions` and `InstanceOptions` a field that was
not written stays unset, so that the next layer decides; zero and false are values, not absence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from settings.types import (
    AcmCertificate,
    Availability,
    AwsAccountId,
    AwsRegion,
    AwsZone,
    BillingAccount,
    CanaryPercent,
    Cloud,
    ContainerImage,
    CronSchedule,
    DatabaseRoles,
    Day,
    Edition,
    EmailAddress,
    EnvironmentName,
    FailureScope,
    FilesMode,
    FirestoreLocation,
    GcpProjectId,
    GcpProjectNumber,
    GcpRegion,
    GitRepository,
    GuestProvider,
    HostedZone,
    Hostname,
    HttpsUrl,
    Kind,
    LabelValue,
    MachineType,
    OrganizationName,
    Placement,
    PlanName,
    PoolName,
    PostgresVersion,
    PrivateNetwork,
    PublicKeyPem,
    Region,
    RegionalCertificate,
    Ring,
    SchemaNames,
    SecretName,
    ServiceAccount,
    SqlKind,
    TenantId,
    TenantState,
    TimeZone,
    TlsVersion,
    UrlPath,
    VariableName,
    VercelProjectName,
    VercelProtection,
    VercelTarget,
    VercelTeamId,
    VercelTeamSlug,
    WorkloadName,
)


class Model(BaseModel):
    """Base of all settings: unknown keys are errors, values are not coerced, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class EnvironmentSettings(Model):
    """Who this environment is. One stack, own cloud project and account, nothing shared with another (R1.1)."""

    name: EnvironmentName
    """The environment; it must be the stack's name."""
    organization: OrganizationName
    """Short name that makes bucket names globally unique; it can never change afterwards."""
    cost_centre: LabelValue
    """Cost centre of everything that no tenant's own cost centre overrides (R1.4)."""
    service: LabelValue = "tenantry"
    """Value of the `service` label on every resource (R1.4)."""
    home: Cloud | None = None
    """Cloud of application secrets, services and external tenants; needed only where there are two."""
    default_plan: PlanName = "standard"
    """Plan of a tenant that names none."""
    sox: bool = False
    """Keep audit logs for 7 years instead of 365 days (R6.6). One-way: a locked retention only grows."""
    minimum_tls: TlsVersion = "1.2"
    """Oldest TLS that public services and delivery accept, in quotes; a client without 1.3 stays outside then. Vercel's
    domains take 1.2 and newer, whatever this says."""
    database_roles: DatabaseRoles = ()
    """Roles that somebody else makes on SQL instances, a monitoring agent's for one, each once. Any other with powers
    that nobody declared counts as a violation of every tenant's isolation there."""


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
    firestore_databases: Annotated[int, Field(ge=0, le=1000)] = 100
    """The project's quota of Firestore databases: 100 unless Google has raised it."""
    firestore_cmek_databases: Annotated[int, Field(ge=0, le=1000)] = 0
    """The project's quota of Firestore databases with a customer-managed key: 0 until Google has granted one. With a
    quota every Firestore database gets such a key."""


class AwsSettings(Model):
    """The AWS account that holds the environment."""

    account_id: AwsAccountId
    """Account number, in quotes; the provider refuses to work in any other."""
    region: AwsRegion
    """Home region of databases, buckets and jobs."""
    backup_region: AwsRegion
    """Region of exports, archives and copies of backups; never the home region (R1.5, R3.2)."""
    network: PrivateNetwork = "10.96.0.0/16"
    """Range of the VPC: the lower half for private subnets, a part of the upper half for public ones."""
    zones: Annotated[tuple[AwsZone, ...], Field(min_length=2, max_length=3)] | None = None
    """Availability zones; two that every account of the region has when unset."""
    jobs_image: ContainerImage
    """Image of the data-plane jobs (jobs/Dockerfile), by digest, in a registry that the account can read."""


class InstanceOptions(Model):
    """Size and protection of a SQL instance. Unset fields take the built-in defaults of `settings.defaults`."""

    tier: MachineType | None = None
    """Machine type of Cloud SQL, which must fit the edition, or instance class of RDS."""
    edition: Edition | None = None
    """Cloud SQL only: ENTERPRISE keeps transaction logs up to 7 days, ENTERPRISE_PLUS up to 35."""
    version: PostgresVersion | None = None
    """Major version; changing it upgrades the instance in place, at that `up`; there is no way back."""
    availability: Availability | None = None
    """REGIONAL fails over to another zone (RDS: Multi-AZ)."""
    disk_gb: Annotated[int, Field(ge=10, le=65536)] | None = None
    """Initial SSD size in GB; it grows by itself and never shrinks."""
    disk_limit_gb: Annotated[int, Field(ge=0, le=65536)] | None = None
    """Upper bound of growth in GB; 0 is no bound."""
    pitr_days: Annotated[int, Field(ge=1, le=35)] | None = None
    """Days of point-in-time recovery."""
    retained_backups: Annotated[int, Field(ge=1, le=365)] | None = None
    """Daily backups kept (RDS: days that AWS Backup keeps a snapshot)."""
    backup_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    """UTC hour in which the daily backup starts."""
    maintenance_day: Annotated[int, Field(ge=1, le=7)] | None = None
    """Day of the maintenance window, 1 is Monday (R2.7). It is for the cloud's own updates: `up` never waits for it."""
    maintenance_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    """UTC hour of the maintenance window."""
    max_connections: Annotated[int, Field(ge=25, le=5000)] | None = None
    """PostgreSQL's max_connections; the connection limits promised to tenants must fit in. On RDS a change waits for a
    restart."""
    replica_region: Region | None = None
    """Cloud SQL only: region of a read replica, which is what survives the loss of the home region (R1.5, R3.3)."""
    generation: Annotated[int, Field(ge=1, le=999)] | None = None
    """Part of the instance's name; raised when an instance is rebuilt: Cloud SQL reserves a deleted name, and RDS keeps
    final snapshots under it."""


class PoolSettings(InstanceOptions):
    """A shared SQL instance on which several tenants have a database each (R2.2)."""

    capacity: Annotated[int, Field(ge=1, le=500)]
    """Most tenants that this pool takes; one more is an error that names the pool."""
    kind: SqlKind | None = None
    """Cloud SQL or RDS; the home cloud's when unset. It can never change."""
    region: Region | None = None
    """Region of the instance; its cloud's home region when unset. It can never change."""
    recreate_after_loss: bool = False
    """Allow `up` to create this instance anew and empty after it vanished from the cloud (docs/restore.md)."""


class RecoveryTarget(Model):
    """What may be lost and how long recovery may take, in minutes (R3.3)."""

    rpo_minutes: Annotated[int, Field(ge=0)]
    """Most data that may be lost, in minutes before the failure."""
    rto_minutes: Annotated[int, Field(ge=1)]
    """Longest time until the tenant works again."""


class AttestedRecovery(Model):
    """What the provider of an external database promises and somebody has verified (R3.3)."""

    rpo_minutes: Annotated[int, Field(ge=0)]
    """Most data that a point-in-time restore at the provider loses, in minutes."""
    rto_minutes: Annotated[int, Field(ge=1)]
    """Longest time that it takes, in minutes."""
    scopes: Annotated[tuple[FailureScope, ...], Field(min_length=1)] = ("corruption", "instance")
    """Failures that it covers; `region` only if the provider keeps the logs in another region."""
    verified_on: Day
    """When a restore at the provider was last seen to work, in quotes."""


class ExternalOptions(Model):
    """A PostgreSQL database that somebody else runs. Its URL is the external secret `<ID>_DATABASE_URL`."""

    provider: GuestProvider | None = None
    """Who runs it."""
    separate_backup_login: bool | None = None
    """Export with a login of its own, whose URL is the external secret `<ID>_BACKUP_DATABASE_URL` (R5.4)."""
    schemas: SchemaNames | None = None
    """The schemas to export, each once; all when unset. For providers with schemas that no login may read."""
    attested: AttestedRecovery | None = None
    """The provider's own point-in-time recovery; without it the nightly export is all that counts."""


class FirestoreOptions(Model):
    """A Firestore database."""

    location: FirestoreLocation | None = None
    """Region or multi-region; the home region when unset. It can never change."""
    daily_retention_days: Annotated[int, Field(ge=1, le=98)] | None = None
    """Days that daily backups are kept; at most 14 weeks (R3.1: 7)."""
    weekly_retention_weeks: Annotated[int, Field(ge=1, le=14)] | None = None
    """Weeks that weekly backups are kept (R3.1: 14)."""


class TenantOptions(Model):
    """What a plan decides and a tenant may override."""

    kind: Kind | None = None
    """Database engine and cloud; the home cloud's SQL service when unset."""
    placement: Placement | None = None
    """`shared`: a database on a pool; `dedicated`: an instance of its own. For SQL kinds."""
    pool: PoolName | None = None
    """Pool of a shared tenant. An existing tenant never moves because another arrived: placement is declared."""
    region: Region | None = None
    """Region of a dedicated instance; the home region when unset. A shared tenant lives where its pool is."""
    instance: InstanceOptions | None = None
    """Size and protection of a dedicated instance; a shared tenant has its pool's."""
    external: ExternalOptions | None = None
    """For kind external: who runs the database, and what they promise."""
    firestore: FirestoreOptions | None = None
    """For kind firestore: where it is and how long its backups are kept."""
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
    compliance_vault: bool = False
    """AWS: lock the backup vault in compliance mode instead of governance mode. One-way: three days after `up` not even
    AWS can remove the lock or delete a backup before its retention ends."""


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
    """A Slack channel. Google posts with a bot's token, the external secret SLACK_TOKEN; AWS through its own app."""

    channel: Annotated[str, Field(pattern=r"^#[a-z0-9_-]{1,79}$")]
    """Name of the channel with its #, in quotes."""
    workspace_id: Annotated[str, Field(pattern=r"^T[0-9A-Z]{5,20}$")] | None = None
    """AWS only: id of the workspace, in which the app Amazon Q Developer has been authorised once by hand."""
    channel_id: Annotated[str, Field(pattern=r"^[CG][0-9A-Z]{5,20}$")] | None = None
    """AWS only: id of the channel, into which the app has been invited."""


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
    cold_start_rate: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Google Cloud: starts of instances per request, of services with min_instances."""
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
    """ISO 4217 code; it must be the billing account's own currency. AWS budgets are in USD."""


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


class Canary(Model):
    """A new revision that takes a part of the traffic (R7.1: 10, 50, then 100 %)."""

    image: ContainerImage
    """Image of the new revision, by digest."""
    percent: CanaryPercent
    """Its share. After 100 make it the service's image and remove the canary."""


class ServiceSettings(Model):
    """A container that answers requests: Cloud Run on Google Cloud, Fargate on AWS, always on the home cloud (R7.1)."""

    image: ContainerImage
    """Image, by digest."""
    account: ServiceAccount = "gateway"
    """Identity that it runs as: which secrets and databases it reaches (R5.4)."""
    host: Hostname | None = None
    """Public host name behind the load balancer; without one only the environment's own network reaches it, and on AWS
    nothing does: such a service works off queues."""
    certificate: RegionalCertificate | None = None
    """AWS: an issued certificate of the host in the home region; or zone."""
    zone: HostedZone | None = None
    """AWS: Route 53 zone of the host, in which a new certificate is validated and the host is created."""
    health_path: UrlPath = "/api/health"
    """Path that answers 200 when the service is healthy."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port that the container listens on."""
    cpu: Literal[1, 2, 4] = 1
    """Processors of one instance."""
    memory_mb: Annotated[int, Field(ge=512, le=16384, multiple_of=512)] = 2048
    """Memory of one instance, in MB; what fits the processors differs between the clouds."""
    min_instances: Annotated[int, Field(ge=0, le=100)] = 1
    """Instances that are always there; on AWS at least 1."""
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 10
    """Most instances."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 80
    """Simultaneous requests of one instance (S4: 80)."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    """Longest request (S4: 300)."""
    rate_limit_per_minute: Annotated[int, Field(ge=10, le=100000)] = 600
    """Requests that one client address may make before it is turned away; for public services."""
    variables: dict[VariableName, str] = Field(default_factory=dict)
    """Plain environment variables."""
    secrets: tuple[SecretName, ...] | None = None
    """Application secrets that it reads, as environment variables; all of them when unset."""
    canary: Canary | None = None
    """A new revision on trial; none when unset."""


class TaskSettings(Model):
    """A container that runs to its end, on a schedule (R7.2)."""

    image: ContainerImage
    """Image, by digest."""
    schedule: CronSchedule
    """When it runs, in five fields of unix-cron, in `backups.time_zone`."""
    command: tuple[str, ...] = ()
    """Arguments of the container; its own when empty."""
    cpu: Literal[1, 2, 4] = 1
    """Processors."""
    memory_mb: Annotated[int, Field(ge=512, le=16384, multiple_of=512)] = 2048
    """Memory in MB; what fits the processors differs between the clouds."""
    timeout_seconds: Annotated[int, Field(ge=60, le=86400)] = 1800
    """Longest run; a task on AWS has to end itself."""
    variables: dict[VariableName, str] = Field(default_factory=dict)
    """Plain environment variables."""
    secrets: tuple[SecretName, ...] | None = None
    """Application secrets that it reads, as environment variables; all of them when unset."""


class QueueSettings(Model):
    """A queue whose messages a service works off: Pub/Sub on Google Cloud, SQS on AWS (R7.2)."""

    service: WorkloadName
    """Service of `services` that gets the messages."""
    path: UrlPath = "/"
    """Google Cloud: path that messages are pushed to. On AWS the service polls."""
    max_attempts: Annotated[int, Field(ge=5, le=100)] = 10
    """Deliveries after which a message goes to the dead-letter queue."""
    ack_seconds: Annotated[int, Field(ge=10, le=600)] = 60
    """Time that the service has for a message."""


class DeliverySettings(Model):
    """A content delivery network in front of a bucket of the home cloud (R4.1)."""

    host: Hostname
    """Public host name of the files."""
    bucket: Literal["assets", "uploads"] = "assets"
    """What is delivered. Uploads are private: they need signed URLs, so signing_key."""
    signing_key: PublicKeyPem | None = None
    """Public half of the key with which the application signs URLs (CloudFront)."""
    certificate: AcmCertificate | None = None
    """AWS: an issued certificate of the host in us-east-1; or zone."""
    zone: HostedZone | None = None
    """AWS: Route 53 zone of the host, in which a new certificate is validated and the host is created."""
    waf: bool = False
    """AWS: a web application firewall in front of it."""


class VercelDomain(Model):
    """A domain of the Vercel project."""

    name: Hostname
    """The host name."""
    branch: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Git branch that it shows; production when unset."""
    redirect: Hostname | None = None
    """Another domain of the project to redirect to."""


class LogDrainSettings(Model):
    """Where Vercel sends its logs."""

    endpoint: HttpsUrl
    """Address that answers Vercel's verification request."""
    format: Literal["json", "ndjson"] = "ndjson"
    """How entries are written."""
    secret: SecretName | None = None
    """External secret with which deliveries are signed."""


class VercelSettings(Model):
    """The web application on Vercel (R7.1). It holds no cloud key: its identity token is trusted instead (R5.4)."""

    team: VercelTeamSlug
    """Slug of the team; tokens are issued by https://oidc.vercel.com/<team>."""
    team_id: VercelTeamId
    """Id of the team."""
    project: VercelProjectName
    """Name of the project; one per environment (R1.1)."""
    framework: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$")] = "nextjs"
    """Framework preset."""
    repository: GitRepository | None = None
    """Repository that is deployed, as owner/name; without one deployments come from the command line."""
    repository_host: Literal["github", "gitlab", "bitbucket"] = "github"
    """Where the repository is."""
    production_branch: Annotated[str, Field(min_length=1, max_length=250)] = "main"
    """Branch of the production target."""
    root_directory: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Folder of the application in the repository."""
    protection: VercelProtection = "standard"
    """Who may open deployments: `standard` asks for a Vercel login on all but production domains."""
    domains: tuple[VercelDomain, ...] = ()
    """Domains of the project."""
    variables: dict[VercelTarget, dict[VariableName, str]] = Field(default_factory=dict)
    """Plain environment variables by target."""
    secrets: dict[VercelTarget, dict[VariableName, SecretName]] | None = None
    """Variable → application secret, by target; every application secret on production when unset (R5.2). No secret
    serves two targets, and none serves development, whose values anybody in the team can read."""
    log_drain: LogDrainSettings | None = None
    """Where logs go; nowhere when unset."""


class Settings(Model):
    """One stack's configuration: each field is a key `tenantry:<field>` of the stack file."""

    environment: EnvironmentSettings
    """Who this environment is."""
    gcp: GcpSettings | None = None
    """The Google Cloud project; a stack has one, an AWS account, or both."""
    aws: AwsSettings | None = None
    """The AWS account."""
    vercel: VercelSettings | None = None
    """The web application on Vercel; none when unset."""
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
    services: dict[WorkloadName, ServiceSettings] = Field(default_factory=dict)
    """Containers that answer requests, by name. Vercel reaches private databases through the one named gateway."""
    tasks: dict[WorkloadName, TaskSettings] = Field(default_factory=dict)
    """Containers that run on a schedule, by name."""
    queues: dict[WorkloadName, QueueSettings] = Field(default_factory=dict)
    """Queues by name."""
    delivery: DeliverySettings | None = None
    """Content delivery network; none when unset."""
