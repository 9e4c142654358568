"""The contract between `TenantDatabase` and the kinds of database behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.platform import RdsInstance
from components.clouds import Clouds
from components.gcp.cloudsql import SqlInstance
from components.guard import Guard
from settings.plan import EnvironmentPlan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class TenantDatabaseArgs:
    """A tenant's plan and where it lives.

    Attributes:
        external: values of the external secrets by name, for a guest database's URL.
    """

    tenant: TenantPlan
    environment: EnvironmentPlan
    clouds: Clouds
    external: Mapping[str, pulumi.Output[str]]
    guard: Guard


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """What every kind of database tells the registry, the backups and the guard.

    Attributes:
        guarded: its data-bearing resources by Pulumi name.
        registry: the kind's own part of the tenant's registry entry; names of secrets, no secret.
        cloudsql: the dedicated Cloud SQL instance, when there is one.
        rds: the dedicated RDS instance, when there is one.
    """

    guarded: Mapping[str, pulumi.CustomResource]
    registry: Mapping[str, object]
    cloudsql: SqlInstance | None = None
    rds: RdsInstance | None = None
