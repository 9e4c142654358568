"""The contract between `TenantDatabase` and the kinds of database behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_random as random

from components.aws.platform import RdsInstance
from components.clouds import Clouds
from components.gcp.cloudsql import SqlInstance
from components.guard import Guard
from settings.plan import EnvironmentPlan, TenantPlan

PASSWORD_LENGTH: Final = 40


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


def create_password(tenant: TenantPlan, parent: pulumi.Resource) -> random.RandomPassword:
    """The password of a SQL tenant's login in its present rotation; a higher rotation makes another."""
    return random.RandomPassword(
        f"{tenant.id}-password",
        length=PASSWORD_LENGTH,
        # a database URL carries it unescaped
        special=False,
        keepers={"rotation": str(tenant.sql.rotation)},
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["result", "bcryptHash"]),
    )
