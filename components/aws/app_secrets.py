"""Application secrets in Secrets Manager."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.aws.naming import app_secret_name
from components.aws.platform import AwsPlatform
from components.aws.roles import EXECUTION
from components.aws.secret import create_secret
from components.guard import Guard
from settings.names import slug
from settings.plan import EnvironmentPlan


def store_app_secrets(
    name: str,
    values: Mapping[str, pulumi.Output[str]],
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> dict[str, aws.secretsmanager.Secret]:
    """One secret per value, readable by gateway and worker, and by ECS, which injects it into their tasks.

    The superseded version keeps its label (`retain_on_delete`), so that it stays readable as AWSPREVIOUS: running tasks
    work on until they restart, and tokens signed with it can be checked.
    """
    secrets = {}
    for key, value in sorted(values.items()):
        secret = create_secret(
            f"{name}-{slug(key)}",
            secret_name=app_secret_name(key),
            readers=("gateway", "worker", EXECUTION),
            environment=environment,
            platform=platform,
            tags={"role": "app"},
            guard=guard,
            parent=parent,
        )
        aws.secretsmanager.SecretVersion(
            f"{name}-{slug(key)}-version",
            secret_id=secret.id,
            secret_string=value,
            opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=True),
        )
        secrets[key] = secret
    return secrets
