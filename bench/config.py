"""Stack files with as many tenants as wanted, made from the production stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.engine import ROOT
from settings.defaults import RESERVED_CONNECTIONS

STACK: Final = "prod"
"""Production has every floor, every alert and the strictest policy configuration."""

TENANTS_PER_POOL: Final = 100
_SOURCE: Final = ROOT / f"Pulumi.{STACK}.yaml"
SHARED_PLAN: Final = "standard"


def stack_config(tenants: list[dict[str, Any]], *, per_pool: int = TENANTS_PER_POOL) -> dict[str, Any]:
    """The production stack file with these tenants; those of the standard plan fill pools of `per_pool`.

    Pools are sized so that the capacity and the connections promised to their tenants fit exactly. A pool that no
    tenant uses is left out: its deletion guard would be lifted, which the policy pack refuses in production.
    """
    document: dict[str, Any] = yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))
    config = document["config"]
    plans, pools = config["tenantry:plans"], config["tenantry:pools"]
    connections = plans[SHARED_PLAN]["connection_limit"] * per_pool + RESERVED_CONNECTIONS
    shared_pool = pools[plans[SHARED_PLAN]["pool"]] | {"capacity": per_pool, "max_connections": connections}
    shared = [tenant for tenant in tenants if tenant.get("plan", SHARED_PLAN) == SHARED_PLAN]
    others = [tenant for tenant in tenants if tenant.get("plan", SHARED_PLAN) != SHARED_PLAN]
    own_pools = {pool for tenant in others if (pool := plans[tenant["plan"]].get("pool"))}
    numbers = range(1, max(1, -(-len(shared) // per_pool)) + 1)
    plans[SHARED_PLAN]["pool"] = "shared-1"
    config["tenantry:plans"] = {
        name: plan for name, plan in plans.items() if plan.get("pool") in {None, "shared-1", *own_pools}
    }
    config["tenantry:pools"] = {name: pool for name, pool in pools.items() if name in own_pools} | {
        f"shared-{number}": shared_pool for number in numbers
    }
    config["tenantry:tenants"] = [
        *(tenant | {"pool": f"shared-{index // per_pool + 1}"} for index, tenant in enumerate(shared)),
        *others,
    ]
    return document


def shared_tenants(count: int) -> list[dict[str, Any]]:
    """`count` tenants that set nothing but their id."""
    return [{"id": f"tenant-{number:05d}"} for number in range(1, count + 1)]


def write_config(path: Path, tenants: list[dict[str, Any]], *, per_pool: int = TENANTS_PER_POOL) -> Path:
    path.write_text(yaml.safe_dump(stack_config(tenants, per_pool=per_pool), sort_keys=False), encoding="utf-8")
    return path


def plan_placements() -> dict[str, str]:
    """The plans that the production stack sells, each with its placement."""
    config = yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))["config"]
    return {name: plan.get("placement", "shared") for name, plan in config["tenantry:plans"].items()}
