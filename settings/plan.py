"""What will be built: plain data, every decision taken, every name known. Components only translate it.

Nothing here or below it imports Pulumi, so 10,000 tenants resolve in seconds and every rule is tested without a cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from settings.models import BackupSettings, MonitoringSettings, RecoveryTarget, SecretSettings
from settings.types import (
    Availability,
    Edition,
    EnvironmentName,
    FailureScope,
    FilesMode,
    Kind,
    Placement,
    PostgresVersion,
    Ring,
    TenantState,
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
    workload_range: str
    """CIDR of the subnet in the home region."""
    services_range_address: str
    services_range_prefix: int
    """Range of private services access, from which Cloud SQL takes its addresses."""
    billing_account: str | None
    jobs_image: str


@dataclass(frozen=True, kw_only=True)
class BucketNames:
    """Names of the environment's buckets by role."""

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
    gcp: GcpPlan
    buckets: BucketNames
    audit_retention_days: int
    lock: bool
    backups: BackupSettings
    secrets: SecretSettings
    monitoring: MonitoringSettings


@dataclass(frozen=True, kw_only=True)
class InstancePlan:
    """One SQL instance, shared (a pool) or dedicated."""

    key: str
    """Identity in Pulumi names and the registry: `pool-<pool>` or `tenant-<id>`."""
    name: str
    """Cloud name, with its generation."""
    path: str
    """YAML path of what declares it, for messages."""
    placement: Placement
    region: str
    backup_location: str
    """Region of native backups: never the instance's own."""
    tier: str
    edition: Edition
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


@dataclass(frozen=True, kw_only=True)
class FilesPlan:
    """Where a tenant's uploads live."""

    mode: FilesMode
    bucket: str | None
    folder: str | None
    """Folder in the shared bucket, with its trailing slash."""


@dataclass(frozen=True, kw_only=True)
class TenantPlan:
    """One tenant, complete."""

    id: str
    display_name: str
    path: str
    """YAML path of its entry, for messages."""
    plan: str
    state: TenantState
    kind: Kind
    placement: Placement
    pool: str | None
    region: str
    instance_key: str
    instance: InstancePlan | None
    """The dedicated instance; None when the tenant lives on a pool."""
    database: str
    owner_role: str
    logins: tuple[str, str]
    active_login: str
    rotation: int
    credential_secret: str
    url_secret: str
    connection_limit: int
    statement_timeout_seconds: int
    ring: Ring
    files: FilesPlan
    targets: Mapping[FailureScope, RecoveryTarget]
    labels: Mapping[str, str]
    legal_hold: bool
    guarded: bool = True
    """False once the final export is proved: then its data may be deleted."""
    recreate_after_loss: bool = False


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
