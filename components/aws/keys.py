"""Customer-managed keys: one per use and region, under an alias that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import pulumi
import pulumi_aws as aws

from components.aws.audit import archive_key_statements, trail_key_statements
from components.aws.naming import GLOBAL_REGION, account_root, key_alias
from components.aws.platform import Key, KeyUse
from components.aws.policy_document import Statement, document
from components.guard import Guard
from settings.plan import EnvironmentPlan

ROTATION_DAYS: Final = 365
"""CIS AWS 4.6 asks for yearly rotation, which is also the service's default."""
DELETION_WINDOW_DAYS: Final = 30
"""The longest that KMS offers to think again."""

_PURPOSE: Final[Mapping[KeyUse, str]] = {
    "sql": "databases, their snapshots and their copies",
    "storage": "buckets",
    "secrets": "secrets",
    "logs": "log groups, the audit trail and what schedules could not start",
    "backup": "backup vaults",
}


def create_keys(
    environment: EnvironmentPlan, *, guard: Guard, parent: pulumi.Resource
) -> dict[tuple[KeyUse, str], Key]:
    """Create the keys that the environment's data needs, in each region where data is.

    Keys are guarded: without its key every backup is noise. KMS would keep one for thirty days after its deletion.

    Args:
        environment: its regions.
        guard: the deletion guard.
        parent: owning component.
    """
    home, away = environment.aws.region, environment.aws.backup_region
    # what is copied away is encrypted where it is, so that it survives the home region; so is the audit archive
    uses: dict[str, tuple[KeyUse, ...]] = dict.fromkeys((home, away), ("sql", "storage", "secrets", "logs", "backup"))
    if environment.delivery is not None and environment.home == "aws":
        # CloudFront and its firewall log where they are run from
        uses[GLOBAL_REGION] = tuple(dict.fromkeys((*uses.get(GLOBAL_REGION, ()), "logs")))
    for use, _, region in (key.partition("/") for key in guard.keys.get("aws", ())):
        uses[region] = tuple(dict.fromkeys((*uses.get(region, ()), cast(KeyUse, use))))
    return {
        (use, region): _create_key(environment, use, region, guard=guard, parent=parent)
        for region, wanted in sorted(uses.items())
        for use in wanted
    }


def _create_key(
    environment: EnvironmentPlan, use: KeyUse, region: str, *, guard: Guard, parent: pulumi.Resource
) -> Key:
    alias = key_alias(environment, use)
    key = aws.kms.Key(
        f"key-{use}-{region}",
        region=region,
        description=f"Tenantry {environment.name}: {_PURPOSE[use]}",
        key_usage="ENCRYPT_DECRYPT",
        is_enabled=True,
        enable_key_rotation=True,
        rotation_period_in_days=ROTATION_DAYS,
        deletion_window_in_days=DELETION_WINDOW_DAYS,
        multi_region=False,
        bypass_policy_lockout_safety_check=False,
        policy=document(_statements(environment, use, region)),
        tags={"use": use},
        opts=guard.options(parent, guarded=True),
    )
    aws.kms.Alias(
        f"key-{use}-{region}-alias",
        region=region,
        name=alias,
        target_key_id=key.key_id,
        opts=guard.retrying(parent),
    )
    return Key(resource=key, alias=alias)


def _statements(environment: EnvironmentPlan, use: KeyUse, region: str) -> list[Statement]:
    """The account decides by its IAM policies; services that act without a role of ours are named one by one.

    RDS, Secrets Manager and AWS Backup use a key with the rights of whoever asks them to, so they are not.
    """
    statements: list[Statement] = [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": account_root(environment)},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if use == "logs":
        statements.append(_log_groups(environment, region))
        if region == environment.aws.backup_region:
            statements += trail_key_statements(environment)
    if use == "storage" and region == environment.aws.backup_region:
        statements += archive_key_statements(environment)
    if use == "storage" and region == environment.aws.region and environment.delivery is not None:
        statements.append(_delivery(environment))
    return statements


def _log_groups(environment: EnvironmentPlan, region: str) -> Statement:
    groups = f"arn:aws:logs:{region}:{environment.aws.account_id}:log-group:*"
    return {
        "Sid": "LogGroups",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{region}.amazonaws.com"},
        "Action": ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    }


def _delivery(environment: EnvironmentPlan) -> Statement:
    """CloudFront decrypts what it delivers; a distribution's id is not known before it exists."""
    return {
        "Sid": "Delivery",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{environment.aws.account_id}:distribution/*"}},
    }
