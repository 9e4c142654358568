"""IAM policy documents as text: sorted, so that the same rights are the same text in every run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.aws.naming import account_root, key_alias, keys_arn
from components.aws.platform import KeyUse
from settings.plan import EnvironmentPlan

Statement = dict[str, Any]
"""A statement of a policy document, as JSON."""
Condition = Mapping[str, Mapping[str, str | Sequence[str]]]


def document(statements: Sequence[Statement]) -> str:
    """The document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def allow(
    sid: str, actions: str | Sequence[str], resources: str | Sequence[str], condition: Condition | None = None
) -> Statement:
    """A statement of an identity's own policy."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement if condition is None else {**statement, "Condition": condition}


def use_key(
    environment: EnvironmentPlan, use: KeyUse, region: str, service: str, *, sid: str, encrypt: bool = False
) -> Statement:
    """The right to decrypt with a key of the environment, and to encrypt, through one service only.

    The key is named by its alias: its id is not known before it exists, and a policy of literals can be judged.
    """
    return allow(
        sid,
        ["kms:Decrypt", "kms:GenerateDataKey"] if encrypt else "kms:Decrypt",
        keys_arn(environment, region),
        {
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": key_alias(environment, use)},
            "StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"},
        },
    )


def trust_service(environment: EnvironmentPlan, service: str, *, source: str | None = None) -> str:
    """Let a service take the role, for this account's resources only (the confused deputy).

    Args:
        environment: whose account.
        service: as in `ecs-tasks.amazonaws.com`.
        source: pattern of the ARNs on whose behalf it may.
    """
    condition: dict[str, dict[str, str]] = {"StringEquals": {"aws:SourceAccount": environment.aws.account_id}}
    if source is not None:
        condition["ArnLike"] = {"aws:SourceArn": source}
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": condition,
            }
        ]
    )


def trust_caller(service: str) -> str:
    """Let a service take the role that names no source when it does.

    Nobody else's resource can make it take this role: to configure one with it needs `iam:PassRole` in this account.
    """
    return document([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}])


def trust_roles(environment: EnvironmentPlan, roles: Sequence[str], tags: Sequence[str]) -> str:
    """Let roles of the account take the role, with exactly these session tags.

    The roles are a condition and not the principal: IAM would refuse a policy that names a role not made yet, and turn
    the name of a deleted one into an id that no role has.
    """
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"AWS": account_root(environment)},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "ArnEquals": {"aws:PrincipalArn": sorted(roles)},
                    "ForAllValues:StringEquals": {"aws:TagKeys": sorted(tags)},
                    "StringLike": {f"aws:RequestTag/{tag}": "?*" for tag in tags},
                },
            }
        ]
    )
