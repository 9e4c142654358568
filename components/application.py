"""What the application is told wherever it runs: which secrets it reads, and where the environment keeps its things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settings.plan import EnvironmentPlan
from settings.types import Cloud

_CHANNEL_SECRETS: Final = frozenset({"PAGERDUTY_KEY", "SLACK_TOKEN"})
"""External secrets of the alert channels: the application has no use for them."""


def application_secrets(environment: EnvironmentPlan, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of the secrets that a part of the application reads: those it asks for, or all of the application's."""
    if wanted is not None:
        return tuple(wanted)
    own = {*environment.secrets.generated, *environment.secrets.external} - _CHANNEL_SECRETS
    if environment.vercel is not None and environment.vercel.log_drain is not None:
        own.discard(environment.vercel.log_drain.secret or "")
    return tuple(sorted(own))


def queue_variable(queue: str) -> str:
    """Name of the variable with the address of a queue."""
    return f"TENANTRY_QUEUE_{queue.upper().replace('-', '_')}"


def whereabouts(environment: EnvironmentPlan, cloud: Cloud) -> dict[str, str]:
    """Plain variables that lead the application to the registry, and from there to every tenant (R2.4)."""
    return {
        "TENANTRY_CLOUD": cloud,
        "TENANTRY_ENVIRONMENT": environment.name,
        "TENANTRY_REGION": environment.region(cloud),
        "TENANTRY_REGISTRY": environment.buckets.registry,
    }
