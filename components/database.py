"""The contract between `TenantDatabase` and the kinds of database behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.gcp.cloudsql import SqlInstance
from components.gcp.platform import Platform
from components.guard import Guard
from settings.plan import EnvironmentPlan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class TenantDatabaseArgs:
    """A tenant's plan and where it lives; `pool` is None for a dedicated instance, which the kind then creates."""

    tenant: TenantPlan
    environment: EnvironmentPlan
    platform: Platform
    pool: SqlInstance | None
    guard: Guard


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """What every kind of database tells the backups and the guard.

    Attributes:
        guarded: its data-bearing resources by Pulumi name.
        instance: the dedicated SQL instance, when there is one.
    """

    guarded: Mapping[str, pulumi.CustomResource]
    instance: SqlInstance | None = None
