"""A small, sound configuration for each environment, and ways to change it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from settings.errors import ConfigError, Problem
from settings.plan import Plan, TenantPlan
from settings.resolve import load

DELETE: Final = object()
"""As a change: take the key away."""

_DEV: Final[dict[str, Any]] = {
    "environment": {"name": "dev", "organization": "ledgerly", "cost_centre": "cc-1"},
    "gcp": {
        "project": "ledgerly-dev",
        "project_number": "481205517301",
        "region": "europe-west1",
        "backup_region": "europe-west4",
        "jobs_image": "europe-west1-docker.pkg.dev/ledgerly-dev/tenantry/jobs@sha256:" + "0" * 64,
    },
    "plans": {
        "standard": {"pool": "general"},
        "enterprise": {"placement": "dedicated", "instance": {"max_connections": 100}},
    },
    "pools": {"general": {"capacity": 3}},
    "tenants": [{"id": "acme"}, {"id": "birchwood"}, {"id": "cobalt", "plan": "enterprise"}],
    "monitoring": {"app_host": "app.ledgerly.example", "channels": {"email": ["ops@ledgerly.example"]}},
}
_AWS: Final[dict[str, Any]] = {
    "account_id": "111122223333",
    "region": "eu-central-1",
    "backup_region": "eu-west-1",
    "jobs_image": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/tenantry/jobs@sha256:" + "0" * 64,
}
_PROD_INSTANCE: Final = {
    "tier": "db-perf-optimized-N-2",
    "edition": "ENTERPRISE_PLUS",
    "availability": "REGIONAL",
    "pitr_days": 30,
    "retained_backups": 30,
}


def dev(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The dev document with `changes`: dotted path (`tenants.0.id`) → value, or DELETE."""
    return _changed(copy.deepcopy(_DEV), changes or {})


def prod(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same on the floors of prod, exactly."""
    document = copy.deepcopy(_DEV)
    document["environment"]["name"] = "prod"
    document["pools"]["general"] |= _PROD_INSTANCE
    document["plans"]["enterprise"]["instance"] |= _PROD_INSTANCE
    document["backups"] = {"export_retention_days": 30}
    return _changed(document, changes or {})


def staging(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same for staging, whose floors lie between; the built-in defaults meet them."""
    return _changed(copy.deepcopy(_DEV), {"environment.name": "staging", **(changes or {})})


def aws(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The dev document on AWS instead."""
    document = copy.deepcopy(_DEV)
    del document["gcp"]
    return _changed(document, {"aws": copy.deepcopy(_AWS), **(changes or {})})


def aws_prod(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same on the floors of prod, exactly."""
    document = aws({"environment.name": "prod"})
    instance = {key: value for key, value in _PROD_INSTANCE.items() if key not in {"tier", "edition"}}
    document["pools"]["general"] |= instance
    document["plans"]["enterprise"]["instance"] |= instance
    return _changed(document, changes or {})


def both(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The dev document on two clouds, at home on Google Cloud."""
    document = _changed(copy.deepcopy(_DEV), {"aws": copy.deepcopy(_AWS), "environment.home": "gcp"})
    return _changed(document, changes or {})


VERCEL: Final[dict[str, Any]] = {"team": "ledgerly", "team_id": "team_a1b2c3d4e5", "project": "ledgerly-app"}
"""The least section of a web application."""
SERVICE: Final[dict[str, Any]] = {"image": "registry.ledgerly.example/app/api@sha256:" + "1" * 64}
"""The least service."""
TASK: Final[dict[str, Any]] = {**SERVICE, "schedule": "0 6 * * *"}
"""The least task."""


def web(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The dev document with an application on Vercel, its gateway, a worker, a task, a queue and delivered assets."""
    document = copy.deepcopy(_DEV) | {
        "vercel": {**VERCEL, "domains": [{"name": "app.ledgerly.example"}]},
        "services": {
            "gateway": {**SERVICE, "host": "api.ledgerly.example"},
            "worker": {**SERVICE, "account": "worker"},
        },
        "tasks": {"quotes": dict(TASK)},
        "queues": {"orders": {"service": "worker"}},
        "delivery": {"host": "files.ledgerly.example"},
        "secrets": {"external": ["SENTRY_DSN"]},
    }
    return _changed(document, changes or {})


def web_aws(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The same on AWS."""
    zone = "Z0123456789ABC"
    document = web({"aws": copy.deepcopy(_AWS), "gcp": DELETE, "delivery.zone": zone, "services.gateway.zone": zone})
    return _changed(document, changes or {})


def problems(document: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What is wrong with the document; empty when nothing is."""
    try:
        load(document, _stack(document))
    except ConfigError as error:
        return error.problems
    return ()


def plan(document: Mapping[str, Any]) -> Plan:
    return load(document, _stack(document))


def tenants(document: Mapping[str, Any]) -> dict[str, TenantPlan]:
    return {tenant.id: tenant for tenant in plan(document).tenants}


def _stack(document: Mapping[str, Any]) -> str:
    environment = document.get("environment")
    return str(environment.get("name", "dev")) if isinstance(environment, dict) else "dev"


def _changed(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, last = path.split(".")
        holder: Any = document
        for part in parents:
            holder = holder[int(part)] if isinstance(holder, list) else holder.setdefault(part, {})
        if isinstance(holder, list):
            position = int(last)
            holder[position : position + 1] = [] if value is DELETE else [value]
        elif value is DELETE:
            del holder[last]
        else:
            holder[last] = value
    return document
