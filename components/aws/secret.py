"""One secret of Secrets Manager, encrypted with the environment's own keys, in both of its regions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, get_args

import pulumi
import pulumi_aws as aws

from components.aws.naming import role_arn
from components.aws.platform import AwsPlatform, Workload
from components.aws.policy_document import document
from components.aws.roles import EXECUTION, WEB
from components.guard import Guard
from settings.plan import EnvironmentPlan

RECOVERY_DAYS: Final = 30
RECOVERY_DAYS_DEV: Final = 7
"""The least that Secrets Manager offers beside none at all; the name stays taken as long."""


def create_secret(
    name: str,
    *,
    secret_name: str,
    readers: Collection[str],
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    tags: Mapping[str, str],
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.secretsmanager.Secret:
    """Create a secret without a value, with a copy in the backup region, each under a key of its own region.

    Its resource policy refuses every workload of the environment that is not a reader, whatever its role is allowed
    one day by mistake. It names them instead of refusing everybody else, because the deployer reads values back.

    Args:
        name: Pulumi name.
        secret_name: its name in Secrets Manager.
        readers: workloads, or `EXECUTION`, that may read it.
        environment: regions, and how long it can be recovered.
        platform: its keys.
        tags: beyond the provider's default tags.
        guard: the retry of creations.
        parent: owning component.
    """
    home, away = environment.aws.region, environment.aws.backup_region
    secret = aws.secretsmanager.Secret(
        name,
        name=secret_name,
        kms_key_id=platform.keys["secrets", home].arn,
        replicas=[{"region": away, "kms_key_id": platform.keys["secrets", away].arn}],
        force_overwrite_replica_secret=False,
        recovery_window_in_days=RECOVERY_DAYS_DEV if environment.name == "dev" else RECOVERY_DAYS,
        tags=dict(tags),
        opts=guard.retrying(parent),
    )
    everybody = {*get_args(Workload), EXECUTION, *([] if environment.vercel is None else [WEB])}
    others = sorted(everybody - set(readers))
    aws.secretsmanager.SecretPolicy(
        f"{name}-policy",
        secret_arn=secret.arn,
        block_public_policy=True,
        policy=document(
            [
                {
                    "Sid": "RefuseOtherWorkloads",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "secretsmanager:GetSecretValue",
                    "Resource": "*",
                    "Condition": {
                        "ArnEquals": {"aws:PrincipalArn": [role_arn(environment, other) for other in others]}
                    },
                },
            ]
        ),
        opts=guard.retrying(parent),
    )
    return secret
