import json

import pytest

from policies.aws.tokens import (
    IAM_ATTACHMENT,
    IAM_POLICY,
    IAM_ROLE,
    IAM_ROLE_POLICY,
    RDS_CLUSTER,
    RDS_INSTANCE,
    TASK_DEFINITION,
)
from tests.policies.aws.fixtures import ACCOUNT, COMPLIANT, CONTAINERS, VERCEL, allow, document, trust
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    Props,
    case_id,
    changed,
    judge,
)

_UNKNOWN = "is not known during preview"
_LITERAL = "it must be a literal"
_TRUST = "statement 0 of assumeRolePolicy"
_EVERYONE = f"{_TRUST} lets everyone take the role"
_BROAD = "the policy reaches everything in a service, or in the account"
_FEDERATED = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{VERCEL}"}
_AUD = {f"{VERCEL}:aud": "https://vercel.com/acme"}
_SUB = {f"{VERCEL}:sub": "owner:acme:project:web:environment:production"}


def _federated(**conditions: Props) -> str:
    return trust(_FEDERATED, Condition=conditions)


def _wide(message: str, *statements: Props) -> Case:
    return Case("iam-wildcard", IAM_ROLE_POLICY, "policy", document(*statements), message)


def _container(**variable: str) -> str:
    containers = json.loads(CONTAINERS)
    containers[0]["environment"].append(variable)
    return json.dumps(containers)


_PLAIN = "containerDefinitions[0].environment[2] holds a secret in plain text"

CASES = [
    _wide("statement 0 of policy allows every action", allow("*", "arn:aws:s3:::acme/*")),
    _wide("statement 0 of policy allows every action", allow(["s3:GetObject", "*:*"])),
    _wide("statement 1 of policy allows a whole service on every resource", allow("s3:GetObject"), allow("s3:*", "*")),
    _wide("statement 0 of policy allows any role to be passed", allow("iam:PassRole", ["*"])),
    _wide(
        "statement 0 of policy allows all but what it names",
        {"Effect": "Allow", "NotAction": "iam:CreateUser", "Resource": "arn:aws:s3:::acme/*"},
    ),
    Case("iam-wildcard", IAM_POLICY, "policy", UNKNOWN_STRING_VALUE, f"policy {_UNKNOWN}; {_LITERAL}"),
    Case(
        "iam-wildcard",
        IAM_ROLE,
        "inlinePolicies.0.policy",
        document(allow("*")),
        "statement 0 of inlinePolicies[0] allows every action",
    ),
    Case("iam-wildcard", IAM_ROLE, "inlinePolicies", UNKNOWN_ARRAY_VALUE, f"inlinePolicies {_UNKNOWN}; {_LITERAL}"),
    *(
        Case("iam-broad-policy", IAM_ATTACHMENT, "policyArn", f"arn:aws:iam::aws:policy/{name}", _BROAD)
        for name in ("AdministratorAccess", "PowerUserAccess", "AmazonS3FullAccess")
    ),
    Case("iam-broad-policy", IAM_ROLE, "managedPolicyArns.0", "arn:aws:iam::aws:policy/IAMFullAccess", _BROAD),
    Case("iam-trust", IAM_ROLE, "assumeRolePolicy", trust({"AWS": "*"}), _EVERYONE),
    Case(
        "iam-trust",
        IAM_ROLE,
        "assumeRolePolicy",
        trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        f"{_TRUST} lets a whole account take the role without a condition",
    ),
    *(
        Case("iam-trust", IAM_ROLE, "assumeRolePolicy", value, f"assumeRolePolicy {found}; {_LITERAL}")
        for value, found in [(UNSET, "is not set"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case(
        "iam-trust",
        IAM_ROLE,
        "assumeRolePolicy",
        _federated(StringEquals=_AUD),
        f"{_TRUST} trusts an issuer without a condition on sub",
    ),
    Case(
        "iam-trust",
        IAM_ROLE,
        "assumeRolePolicy",
        _federated(StringEquals=_SUB),
        f"{_TRUST} trusts an issuer without a condition on aud",
    ),
    Case(
        "iam-trust",
        IAM_ROLE,
        "assumeRolePolicy",
        _federated(StringEquals=_AUD, StringLike={f"{VERCEL}:sub": "*"}),
        f"{_TRUST} trusts an issuer with a condition on sub that anything meets",
    ),
    Case(
        "iam-trust",
        IAM_ROLE,
        "assumeRolePolicy",
        _federated(StringEquals=_AUD, StringNotEquals=_SUB),
        f"{_TRUST} trusts an issuer without a condition on sub",
    ),
    *(
        Case(
            "rds-master-password",
            token,
            "manageMasterUserPassword",
            value,
            f"manageMasterUserPassword {found}; it must be literally true",
        )
        for token in (RDS_INSTANCE, RDS_CLUSTER)
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("rds-master-password", token, prop, value, f"{prop} is set")
        for token, prop in [
            (RDS_INSTANCE, "password"),
            (RDS_INSTANCE, "passwordWo"),
            (RDS_CLUSTER, "masterPassword"),
            (RDS_CLUSTER, "masterPasswordWo"),
        ]
        for value in ("hunter2", UNKNOWN_STRING_VALUE)
    ),
    *(
        Case(
            "rds-iam-authentication",
            RDS_INSTANCE,
            "iamDatabaseAuthenticationEnabled",
            value,
            f"iamDatabaseAuthenticationEnabled {found}; it must be literally true",
        )
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case(
        "ecs-plain-secret", TASK_DEFINITION, "containerDefinitions", _container(name="DB_PASSWORD", value="x"), _PLAIN
    ),
    Case(
        "ecs-plain-secret",
        TASK_DEFINITION,
        "containerDefinitions",
        _container(name="NOTE", value="AKIAABCDEFGHIJKLMNOP"),
        _PLAIN,
    ),
    *(
        Case(
            "ecs-plain-secret",
            TASK_DEFINITION,
            "containerDefinitions",
            value,
            f"containerDefinitions {found}; {_LITERAL}",
        )
        for value, found in [(UNSET, "is not set"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case(
        "ecs-plain-secret",
        TASK_DEFINITION,
        "containerDefinitions",
        "{}]",
        "the rule could not be evaluated (JSONDecodeError), so it refuses",
    ),
    *(
        Case("ecs-own-role", TASK_DEFINITION, path, UNSET, f"{path} is not set; it must be set")
        for path in ("taskRoleArn", "executionRoleArn")
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("aws:iam/user:User", "a user lives by long-lived credentials"),
        ("aws:iam/userLoginProfile:UserLoginProfile", "a user lives by long-lived credentials"),
        ("aws:iam/accessKey:AccessKey", "an access key is a secret that nobody rotates"),
        ("aws:iam/sshKey:SshKey", "a key that nobody rotates"),
        ("aws:iam/group:Group", "a group is for users, and there are none"),
        ("aws:iam/serviceSpecificCredential:ServiceSpecificCredential", "a credential that nobody rotates"),
    ],
)
def test_there_are_no_users(token: str, message: str) -> None:
    assert judge("iam-user", token, {}) == [message]


def test_a_service_and_another_role_may_take_a_role() -> None:
    for principal in (
        {"Service": "ecs-tasks.amazonaws.com"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/acme-prod-gateway"},
    ):
        assert judge("iam-trust", IAM_ROLE, {"assumeRolePolicy": trust(principal)}) == []


def test_an_account_may_take_a_role_under_a_condition() -> None:
    document = trust(
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Condition={"StringEquals": {"aws:PrincipalTag/team": "platform"}}
    )

    assert judge("iam-trust", IAM_ROLE, {"assumeRolePolicy": document}) == []


def test_a_replica_has_its_sources_password() -> None:
    assert judge("rds-master-password", RDS_INSTANCE, {"replicateSourceDb": "acme"}) == []
