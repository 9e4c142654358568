"""Stack files with as many tenants as wanted, made from the production stack, and for each kind from an example's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.engine import ROOT
from settings.defaults import RESERVED_CONNECTIONS
from settings.names import TenantNames
from settings.types import Cloud

STACK: Final = "prod"
"""Production has every floor, every alert and the strictest policy configuration."""

TENANTS_PER_POOL: Final = 100
_SOURCE: Final = ROOT / f"Pulumi.{STACK}.yaml"
SHARED_PLAN: Final = "standard"

_PREFIX: Final = "tenantry:"
_SECURE: Final = "v1:ZXhhbXBsZQ:Zm9yLWV4YW1wbGU="  # the sandbox puts a synthetic value in its place


def stack_config(tenants: list[dict[str, Any]], *, per_pool: int = TENANTS_PER_POOL) -> dict[str, Any]:
    """The production stack file with these tenants; those of the standard plan fill pools of `per_pool`.

    Pools are sized so that the capacity and the connections promised to their tenants fit exactly. A pool that no
    tenant uses is left out: its deletion guard would be lifted, which the policy pack refuses in production.
    """
    document = _read(_SOURCE)
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


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of tenant as it is sold somewhere: its plan comes from there as it is.

    Attributes:
        label: what people call it.
        cloud: where it runs; its stack has no other.
        source: stack file that sells it.
        plan: name of the plan there.
    """

    label: str
    cloud: Cloud
    source: Path
    plan: str


def _example(name: str) -> Path:
    return ROOT / "examples" / name / f"Pulumi.{STACK}.yaml"


KINDS: Final = {
    "cloudsql-shared": Kind(label="cloudsql shared", cloud="gcp", source=_SOURCE, plan="standard"),
    "cloudsql-dedicated": Kind(label="cloudsql dedicated", cloud="gcp", source=_SOURCE, plan="enterprise"),
    "rds-shared": Kind(label="rds shared", cloud="aws", source=_example("S0-rds"), plan="standard"),
    "rds-dedicated": Kind(label="rds dedicated", cloud="aws", source=_example("S0-rds"), plan="enterprise"),
    "firestore": Kind(label="firestore", cloud="gcp", source=_example("S0"), plan="standard"),
    "external-gcp": Kind(label="external, on Google Cloud", cloud="gcp", source=_example("S1"), plan="standard"),
    "external-aws": Kind(label="external, on AWS", cloud="aws", source=_example("S1"), plan="standard"),
}
"""By the name of the plan, which the ids of its tenants begin with."""

_PLATFORMS: Final[Mapping[Cloud, Path]] = {"gcp": _SOURCE, "aws": _example("S0-rds")}
_APPLICATION: Final = ("vercel", "services", "tasks", "queues", "delivery")
"""What is not the tenants' and would only make the previews longer that are compared."""

_POOL: Final = "shared"
_FIRESTORE_QUOTA: Final = 1000  # the most that the settings accept: how many fit is not the question here


def kinds_of(cloud: Cloud) -> list[str]:
    return [name for name, kind in KINDS.items() if kind.cloud == cloud]


def kind_tenant(kind: str, number: int) -> str:
    """The id of a tenant of a kind, the first being number 1."""
    return f"{kind}-{number:03d}"


def kinds_config(cloud: Cloud, counts: Mapping[str, int]) -> dict[str, Any]:
    """A production stack of one cloud with so many tenants of each of its kinds, all shared ones in one pool."""
    document = _read(_PLATFORMS[cloud])
    config = {key: value for key, value in document["config"].items() if key.removeprefix(_PREFIX) not in _APPLICATION}
    tenants = {kind: [kind_tenant(kind, number + 1) for number in range(count)] for kind, count in counts.items()}
    plans, pools = {}, {}
    for name in counts:
        sold = _read(KINDS[name].source)["config"]
        plan = sold[f"{_PREFIX}plans"][KINDS[name].plan]
        if "pool" in plan:
            needed = plan["connection_limit"] * len(tenants[name]) + RESERVED_CONNECTIONS
            source = sold[f"{_PREFIX}pools"][plan["pool"]]
            pools[_POOL] = source | {
                "capacity": max(source["capacity"], len(tenants[name])),
                "max_connections": max(source["max_connections"], needed),
            }
            plan = plan | {"pool": _POOL}
        plans[name] = plan
    guests = [tenant for name in counts if plans[name].get("kind") == "external" for tenant in tenants[name]]
    urls = [url for names in map(TenantNames, guests) for url in (names.external_dsn, names.external_backup_dsn)]
    config[f"{_PREFIX}external_secrets"] |= {url: {"secure": _SECURE} for url in urls}
    config[f"{_PREFIX}environment"]["default_plan"] = next(iter(counts))
    if cloud == "gcp":
        quotas = dict.fromkeys(("firestore_databases", "firestore_cmek_databases"), _FIRESTORE_QUOTA)
        config[f"{_PREFIX}gcp"] |= quotas
    config[f"{_PREFIX}plans"], config[f"{_PREFIX}pools"] = plans, pools
    config[f"{_PREFIX}tenants"] = [{"id": tenant, "plan": name} for name in counts for tenant in tenants[name]]
    return document | {"config": config}


def write_kinds_config(path: Path, cloud: Cloud, counts: Mapping[str, int]) -> Path:
    path.write_text(yaml.safe_dump(kinds_config(cloud, counts), sort_keys=False), encoding="utf-8")
    return path


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document
