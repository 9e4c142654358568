"""The lowest layer: what a tenant or instance gets when neither it nor its plan says anything.

`FLOORS` are not a layer: a value below a floor is refused, never raised in silence (R8.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from settings.models import ExternalOptions, FirestoreOptions, InstanceOptions, TenantOptions
from settings.types import Availability, Cloud, EnvironmentName, SqlKind

_COMMON: Final = InstanceOptions(
    version="POSTGRES_17",
    availability="ZONAL",
    disk_gb=20,
    disk_limit_gb=500,
    pitr_days=7,
    retained_backups=14,
    backup_hour=1,
    maintenance_day=7,
    maintenance_hour=3,
    max_connections=400,
    generation=1,
)

INSTANCE_DEFAULTS: Final[dict[SqlKind, InstanceOptions]] = {
    "cloudsql": _COMMON.model_copy(update={"tier": "db-custom-2-7680", "edition": "ENTERPRISE"}),
    "rds": _COMMON.model_copy(update={"tier": "db.m7g.large"}),
}

# The home cloud's SQL service, for tenants and pools that name no kind.
HOME_KINDS: Final[dict[Cloud, SqlKind]] = {"gcp": "cloudsql", "aws": "rds"}

TENANT_DEFAULTS: Final = TenantOptions(
    placement="shared",
    instance=InstanceOptions(),
    external=ExternalOptions(provider="postgres", separate_backup_login=False),
    firestore=FirestoreOptions(daily_retention_days=7, weekly_retention_weeks=14),
    connection_limit=10,
    statement_timeout_seconds=30,
    files="prefix",
    ring="all",
    targets={},
)


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The least that an environment accepts (R3.1, R3.2, R3.5, R6.6, R8.2)."""

    pitr_days: int
    retained_backups: int
    export_retention_days: int
    lock: bool
    availability: Availability
    daily_retention_days: int
    """Of Firestore."""
    weekly_retention_weeks: int
    """Of Firestore."""
    firestore_cmek: bool
    """Whether every Firestore database needs a customer-managed key, which is Google's to grant."""


_DEV: Final = Floor(
    pitr_days=7,
    retained_backups=7,
    export_retention_days=30,
    lock=False,
    availability="ZONAL",
    daily_retention_days=7,
    weekly_retention_weeks=14,
    firestore_cmek=False,
)
_STAGING: Final = replace(_DEV, retained_backups=14, lock=True, firestore_cmek=True)
FLOORS: Final[dict[EnvironmentName, Floor]] = {
    "dev": _DEV,
    "staging": _STAGING,
    "prod": replace(_STAGING, pitr_days=30, retained_backups=30, availability="REGIONAL"),
}


def below_floor(field: str, floor: object, environment: EnvironmentName) -> tuple[str, str]:
    """Message and fix for a value below what the environment accepts."""
    fix = f"set {field} to {floor}" if isinstance(floor, str) else f"set {field} to at least {floor}"
    return f"{field} is below the floor of {environment}, which is {floor} (R8.2)", fix


AUDIT_RETENTION_DAYS: Final = 365  # R6.6
AUDIT_RETENTION_DAYS_SOX: Final = 2555  # seven years, R6.6

# Connections that PostgreSQL and Cloud SQL keep for themselves, the jobs and the platform's own workloads.
RESERVED_CONNECTIONS: Final = 40

# What Tenantry guarantees on databases that it runs and cannot on a guest: listed in the registry and in the docs.
NOT_ENFORCED_ON_GUESTS: Final = (
    "private network: the database has a public address, which its provider protects",
    "encryption at rest with a key of yours",
    "isolation of tenants inside the server: each guest tenant needs a database and a login of its own",
    "connection limit and statement time-out",
    "suspension of logins and rotation of the password: both are done at the provider",
    "what Vercel was given: running deployments keep a suspended guest's URL",
    "native backups and point-in-time recovery: only what is attested",
)
