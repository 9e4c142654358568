"""What the stack publishes: the registry, and what of the guarded resources exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.clouds import Clouds
from components.tenant import Tenant
from settings.lifecycle import (
    Previous,
    describe,
    describe_generations,
    describe_instances,
    describe_locked,
    describe_places,
)
from settings.plan import Plan


def registry(plan: Plan, previous: Previous) -> dict[str, Any]:
    """Tenants and instances, without any secret (R2.4); the next operation compares itself with it."""
    return {
        "tenants": {tenant.id: describe(tenant) for tenant in plan.tenants},
        "instances": describe_instances(plan),
        "places": describe_places(plan),
        "locked": describe_locked(plan),
        "generations": describe_generations(previous, plan),
    }


def guarded_resources(
    plan: Plan, previous: Previous, clouds: Clouds, tenants: Mapping[str, Tenant]
) -> dict[str, pulumi.Input[str]]:
    """Cloud ids of the data-bearing resources by Pulumi name: the evidence that they have existed.

    What was recorded once stays recorded: when one vanishes, a refresh makes its id unknown, and that must not erase
    the evidence. A creation that failed leaves an unknown id, which `Previous` does not count.
    """
    resources: dict[str, pulumi.CustomResource] = {}
    if clouds.on_gcp is not None:
        resources |= {f"{key}-instance": pool.resource for key, pool in clouds.gcp.pools.items()}
    if clouds.on_aws is not None:
        resources |= {f"{key}-instance": pool.resource for key, pool in clouds.aws.pools.items()}
    for tenant in tenants.values():
        resources |= tenant.guarded
    anew = recreatable(plan)
    return {
        name: resource.id if name in anew else previous.created.get(name, resource.id)
        for name, resource in sorted(resources.items())
    }


def keys(clouds: Clouds) -> dict[str, list[str]]:
    """`use/region` of each key by cloud: the next operation declares them all again."""
    made = {
        "gcp": [] if clouds.on_gcp is None else clouds.gcp.platform.keys,
        "aws": [] if clouds.on_aws is None else clouds.aws.platform.keys,
    }
    return {cloud: sorted(f"{use}/{region}" for use, region in found) for cloud, found in made.items() if found}


def recreatable(plan: Plan) -> set[str]:
    """Pulumi names that may be created anew after their loss, because the configuration says so."""
    names = {f"{instance.key}-instance" for instance in plan.instances if instance.recreate_after_loss}
    lost_instances = {instance.key for instance in plan.instances if instance.recreate_after_loss}
    for tenant in plan.tenants:
        if tenant.recreate_after_loss or (tenant.on_sql and tenant.sql.instance_key in lost_instances):
            names |= {f"{tenant.id}-database", f"{tenant.id}-uploads"}
    return names
