"""Keys, identities and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Reservation, Rule
from sandbox.cloud.tables.aws.common import KEY, POLICY, ROLE, regional_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.cloud.rules import Synthesis
    from sandbox.cloud.values import Props

SECRET: Final = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a resource type
_ARN_PREFIX: Final = "^arn:aws:secretsmanager:"


def _key_policy(made: Synthesis) -> str:
    return (
        '{"Id":"key-default-1","Statement":[{"Action":"kms:*","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::'
        f'{made.account}:root"}},"Resource":"*","Sid":"Enable IAM User Permissions"}}],"Version":"2012-10-17"}}'
    )


def _key_id_of(target: str) -> str:
    return target.rsplit("/", 1)[-1]


def _secret_arn(made: Synthesis) -> str:
    return f"arn:aws:secretsmanager:{made.region}:{made.account}:secret:{made.inputs['name']}-{made.hex(6)}"


def _days(name: str, *others: int, least: int, most: int) -> Callable[[Props], list[tuple[str, str]]]:
    """The provider's validator of a number of days."""

    def validate(inputs: Props) -> list[tuple[str, str]]:
        days = inputs.get(name)
        if not isinstance(days, int) or days in others or least <= days <= most:
            return []
        return [(name, f"expected {''.join(f'{other} or ' for other in others)}from {least} to {most}, got {days}")]

    return validate


RULES: Final[Mapping[str, Rule]] = {
    KEY: regional_rule(
        "customKeyStoreId",
        "customerMasterKeySpec",
        "keyUsage",
        "multiRegion",
        check_defaults={
            "bypassPolicyLockoutSafetyCheck": False,
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        server_defaults={"multiRegion": False},
        json_text=("policy",),
        id_from=lambda made: made.uuid(),
        computed={
            "arn": "arn:aws:kms:{region}:{account}:key/{id}",
            "keyId": "{id}",
            "policy": _key_policy,
            "rotationPeriodInDays": lambda made: 365 if made.inputs.get("enableKeyRotation") else 0,
        },
        virtual={"bypassPolicyLockoutSafetyCheck": False, "deletionWindowInDays": None},
        validate=_days("deletionWindowInDays", least=7, most=30),
        reservation=Reservation(30, "{arn} is pending deletion.", days_from="deletionWindowInDays", key="{arn}"),
    ),
    "aws:kms/alias:Alias": regional_rule(
        "name",
        "namePrefix",
        regional=True,
        exists_code="AlreadyExistsException",
        computed={
            "arn": "arn:aws:kms:{region}:{account}:{name}",
            "targetKeyArn": lambda made: (
                f"arn:aws:kms:{made.region}:{made.account}:key/{_key_id_of(str(made.inputs['targetKeyId']))}"
            ),
        },
        recomputed=("targetKeyArn",),
        parents=(Parent(KEY, "{targetKeyId|last}"),),
    ),
    ROLE: Rule(
        immutable=("name", "namePrefix", "path"),
        check_defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
        json_text=("assumeRolePolicy",),
        server_defaults={"inlinePolicies": [], "managedPolicyArns": []},
        unordered=("inlinePolicies", "managedPolicyArns"),
        exists_code="EntityAlreadyExists",
        computed={
            "arn": "arn:aws:iam::{account}:role{path}{name}",
            "createDate": "{now}",
            "uniqueId": lambda made: f"AROA{made.hex(17).upper()}",
        },
        virtual={"forceDetachPolicies": False},
    ),
    "aws:iam/rolePolicy:RolePolicy": Rule(
        immutable=("name", "namePrefix", "role"),
        json_text=("policy",),
        on_exists="adopt",
        parents=(Parent(ROLE, "{role}", "block"),),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Rule(
        immutable=("policyArn", "role"),
        on_exists="adopt",
        parents=(
            Parent(ROLE, "{role}", "block"),
            Parent(POLICY, "{policyArn}", "block", pattern=r"^arn:aws:iam::\d{12}:policy/"),
        ),
    ),
    POLICY: Rule(
        immutable=("description", "name", "namePrefix", "path"),
        check_defaults={"path": "/"},
        json_text=("policy",),
        exists_code="EntityAlreadyExists",
        computed={
            "arn": "{id}",
            "attachmentCount": lambda _made: 0,
            "policyId": lambda made: f"ANPA{made.hex(17).upper()}",
        },
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Rule(
        immutable=("url",),
        unordered=("clientIdLists",),
        exists_code="EntityAlreadyExists",
        computed={"arn": "{id}", "thumbprintLists": lambda made: [made.hex(40, "thumbprint")]},
    ),
    SECRET: regional_rule(
        "name",
        "namePrefix",
        check_defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
        json_text=("policy",),
        server_defaults={"replicas": []},
        unordered=("replicas",),
        id_from=_secret_arn,
        unique="{name}",
        exists_code="ResourceExistsException",
        computed={"arn": "{id}"},
        virtual={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
        validate=_days("recoveryWindowInDays", 0, least=7, most=30),
        reservation=Reservation(
            30,
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
            days_from="recoveryWindowInDays",
            key="{name}@{region}",
        ),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": regional_rule(
        "secretBinary",
        "secretId",
        "secretString",
        "secretStringWoVersion",
        id_from=lambda made: f"{made.inputs['secretId']}|{made.uuid('version')}",
        computed={
            "arn": "{secretId}",
            "hasSecretStringWo": lambda made: bool(made.inputs.get("secretStringWoVersion")),
            "secretArn": "{secretId}",
            "versionId": lambda made: made.uuid("version"),
            "versionStages": lambda _made: ["AWSCURRENT"],
        },
        unordered=("versionStages",),
        virtual={"secretStringWo": None, "secretStringWoVersion": None},
        secret_outputs=("secretBinary", "secretString", "secretStringWo"),
        parents=(Parent(SECRET, "{secretId}", pattern=_ARN_PREFIX),),
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": regional_rule(
        "secretArn",
        json_text=("policy",),
        virtual={"blockPublicPolicy": None},
        on_exists="adopt",
        parents=(Parent(SECRET, "{secretArn}", pattern=_ARN_PREFIX),),
    ),
}
