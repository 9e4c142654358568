"""Application secrets in Secret Manager."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.gcp.secret import create_secret, grant_accessors
from components.guard import Guard
from settings.names import app_secret, slug
from settings.plan import EnvironmentPlan


def store_app_secrets(
    name: str,
    values: Mapping[str, pulumi.Output[str]],
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> dict[str, gcp.secretmanager.Secret]:
    """One secret per value, readable by gateway and worker.

    The superseded version stays readable (`ABANDON`), so that running instances keep working until they restart, and
    tokens signed with it can be checked.
    """
    readers = [platform.accounts["gateway"], platform.accounts["worker"]]
    secrets = {}
    for key, value in sorted(values.items()):
        secret = create_secret(
            f"{name}-{slug(key)}",
            secret_id=app_secret(key),
            environment=environment,
            platform=platform,
            labels={"role": "app"},
            guard=guard,
            parent=parent,
        )
        gcp.secretmanager.SecretVersion(
            f"{name}-{slug(key)}-version",
            secret=secret.id,
            secret_data=value,
            deletion_policy="ABANDON",
            opts=pulumi.ResourceOptions(parent=parent),
        )
        grant_accessors(f"{name}-{slug(key)}-readers", secret, readers, parent=parent)
        secrets[key] = secret
    return secrets
