"""What the stack publishes: the registry, and what of the guarded resources exists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.environment import Environment
from components.tenant import Tenant
from settings.lifecycle import Previous, describe, describe_instances
from settings.plan import Plan


def registry(plan: Plan) -> dict[str, Any]:
    """Tenants and instances, without any secret (R2.4); the next operation compares itself with it."""
    return {
        "tenants": {tenant.id: describe(tenant) for tenant in plan.tenants},
        "instances": describe_instances(plan),
    }


def sql_instances(environment: Environment, tenants: Iterable[Tenant]) -> dict[str, gcp.sql.DatabaseInstance]:
    """Every SQL instance by key: the pools, then the dedicated ones."""
    dedicated = [tenant.database.instance for tenant in tenants if tenant.database.instance is not None]
    return {instance.plan.key: instance.resource for instance in [*environment.pools.values(), *dedicated]}


def guarded_resources(
    plan: Plan, previous: Previous, environment: Environment, tenants: Iterable[Tenant]
) -> dict[str, pulumi.Input[str]]:
    """Cloud ids of the data-bearing resources by Pulumi name: the evidence that they have existed.

    What was recorded once stays recorded: when one vanishes, a refresh makes its id unknown, and that must not erase
    the evidence. A creation that failed leaves an unknown id, which `Previous` does not count.
    """
    resources: dict[str, pulumi.CustomResource] = {
        f"{key}-instance": pool.resource for key, pool in environment.pools.items()
    }
    for tenant in tenants:
        resources |= tenant.guarded
    anew = recreatable(plan)
    return {
        name: resource.id if name in anew else previous.created.get(name, resource.id)
        for name, resource in sorted(resources.items())
    }


def recreatable(plan: Plan) -> set[str]:
    """Pulumi names that may be created anew after their loss, because the configuration says so."""
    names = {f"{instance.key}-instance" for instance in plan.instances if instance.recreate_after_loss}
    lost_instances = {instance.key for instance in plan.instances if instance.recreate_after_loss}
    for tenant in plan.tenants:
        if tenant.recreate_after_loss or tenant.instance_key in lost_instances:
            names |= {f"{tenant.id}-database", f"{tenant.id}-uploads"}
    return names
