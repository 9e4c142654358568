"""Identity on AWS: who may do what. No wildcards, no users, no trust without a condition (R8.3, R5.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policies.aws.documents import Statement, statements
from policies.aws.tokens import (
    IAM_ATTACHMENT,
    IAM_POLICY,
    IAM_ROLE,
    IAM_ROLE_POLICY,
    RDS_CLUSTER,
    RDS_INSTANCE,
    TASK_DEFINITION,
    is_replica,
)
from policies.frame import expect
from policies.frame.names import holds_cloud_key, looks_secret
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity
from policies.frame.values import ABSENT, UNKNOWN, Missing, read

BROAD_POLICIES = ("AdministratorAccess", "PowerUserAccess", "SecretsManagerReadWrite", "SystemAdministrator")
_USERS = {
    "aws:iam/accessKey:AccessKey": "an access key is a secret that nobody rotates",
    "aws:iam/group:Group": "a group is for users, and there are none",
    "aws:iam/serviceSpecificCredential:ServiceSpecificCredential": "a credential that nobody rotates",
    "aws:iam/sshKey:SshKey": "a key that nobody rotates",
    "aws:iam/user:User": "a user lives by long-lived credentials",
    "aws:iam/userLoginProfile:UserLoginProfile": "a user lives by long-lived credentials",
}
_ACCOUNT_ROOT = ":root"
_PASS_ROLE = "iam:passrole"  # noqa: S105 - an action


def _documents(resource: Resource) -> Iterator[tuple[str, Any]]:
    """The policy documents of a role or policy, with where each is."""
    if resource.token != IAM_ROLE:
        yield "policy", resource.read("policy")
        return
    inline = resource.items("inlinePolicies")
    if inline is UNKNOWN:
        yield "inlinePolicies", UNKNOWN
    elif not isinstance(inline, Missing):
        yield from ((f"inlinePolicies[{position}]", read(one, "policy")) for position, one in enumerate(inline))


def _too_wide(statement: Statement) -> Iterator[str]:
    if not statement.allows:
        return
    everywhere = "*" in statement.resources
    if statement.by_exclusion:
        yield "allows all but what it names"
    for action in statement.actions:
        service, _, verb = action.partition(":")
        if action == "*" or service == "*":
            yield "allows every action"
        elif verb == "*" and everywhere:
            yield "allows a whole service on every resource"
        elif action.lower() == _PASS_ROLE and everywhere:
            yield "allows any role to be passed"


def _wildcards(resource: Resource, _: Config) -> Iterator[str]:
    for path, document in _documents(resource):
        found = statements(document)
        if found is UNKNOWN:
            yield f"{path} is not known during preview; it must be a literal"
        elif found is not ABSENT:
            for position, statement in enumerate(found):
                yield from (f"statement {position} of {path} {fault}" for fault in _too_wide(statement))


def _managed_policies(resource: Resource, _: Config) -> Iterator[str]:
    if resource.token == IAM_ROLE:
        listed = resource.items("managedPolicyArns")
        arns = [] if isinstance(listed, Missing) else listed
    else:
        arns = [resource.read("policyArn")]
    # An ARN that is not known yet is that of a policy of our own, whose document is judged.
    for name in (str(arn).rpartition("/")[2] for arn in arns):
        if name in BROAD_POLICIES or name.endswith("FullAccess"):
            yield "the policy reaches everything in a service, or in the account"


def _trust(role: Resource, _: Config) -> Iterator[str]:
    found = statements(role.read("assumeRolePolicy"))
    if isinstance(found, Missing):
        yield f"assumeRolePolicy {expect.state(found)}; it must be a literal"
        return
    for position, statement in enumerate(found):
        if not statement.allows:
            continue
        place = f"statement {position} of assumeRolePolicy"
        if statement.by_exclusion or any(value == "*" for _, value in statement.principals):
            yield f"{place} lets everyone take the role"
        if any(kind == "Federated" for kind, _ in statement.principals):
            yield from (f"{place} {fault}" for fault in _federated(statement))
        elif not statement.conditions and any(value.endswith(_ACCOUNT_ROOT) for _, value in statement.principals):
            yield f"{place} lets a whole account take the role without a condition"


def _federated(statement: Statement) -> Iterator[str]:
    """A token must be for us (`aud`) and from a subject that we name (`sub`): else all its customers come in."""
    for claim in ("aud", "sub"):
        values = [
            value
            for operator in ("stringequals", "stringlike")
            for key, given in statement.conditions.get(operator, {}).items()
            if key.endswith(f":{claim}")
            for value in given
        ]
        if not values:
            yield f"trusts an issuer without a condition on {claim}"
        elif any(not value.strip("*:") for value in values):
            yield f"trusts an issuer with a condition on {claim} that anything meets"


def _by_presence(resource: Resource, _: Config) -> Iterator[str]:
    yield _USERS[resource.token]


def _master_password(database: Resource, _: Config) -> Iterator[str]:
    if is_replica(database):
        return
    yield from expect.equals(database.props, "manageMasterUserPassword", wanted=True)
    for prop in ("password", "passwordWo", "masterPassword", "masterPasswordWo"):
        if database.read(prop) is not ABSENT:
            yield f"{prop} is set"


def _database_login(database: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(database.props, "iamDatabaseAuthenticationEnabled", wanted=True)


def _task_secrets(task: Resource, _: Config) -> Iterator[str]:
    definitions = task.read("containerDefinitions")
    if isinstance(definitions, Missing):
        yield f"containerDefinitions {expect.state(definitions)}; it must be a literal"
        return
    for container, definition in enumerate(json.loads(definitions)):
        for position, variable in enumerate(definition.get("environment") or []):
            if looks_secret(str(variable["name"])) or holds_cloud_key(str(variable.get("value", ""))):
                yield f"containerDefinitions[{container}].environment[{position}] holds a secret in plain text"


def _task_roles(task: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(task.props, "taskRoleArn")
    yield from expect.is_set(task.props, "executionRoleArn")


RULES = (
    ResourceRule(
        name="iam-wildcard",
        family=Family.IDENTITY,
        refuses="A policy that allows every action, a whole service everywhere, or any role to be passed.",
        severity=Severity.CRITICAL,
        remediation="List the actions that are used and the resources that they are used on, as literals.",
        requirements=("R8.3", "R5.4"),
        tokens=(
            IAM_ROLE,
            IAM_ROLE_POLICY,
            IAM_POLICY,
            "aws:iam/groupPolicy:GroupPolicy",
            "aws:iam/userPolicy:UserPolicy",
        ),
        check=_wildcards,
    ),
    ResourceRule(
        name="iam-broad-policy",
        family=Family.IDENTITY,
        refuses="An AWS-managed policy that reaches everything.",
        severity=Severity.CRITICAL,
        remediation="Write a policy with what is used.",
        requirements=("R8.3", "R5.4"),
        tokens=(
            IAM_ATTACHMENT,
            IAM_ROLE,
            "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
            "aws:iam/policyAttachment:PolicyAttachment",
            "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        ),
        check=_managed_policies,
    ),
    ResourceRule(
        name="iam-trust",
        family=Family.IDENTITY,
        refuses="A role that anyone, a whole account, or any token of an issuer may take.",
        severity=Severity.CRITICAL,
        remediation="Name the principal; for an issuer, add conditions on aud and sub; as a literal.",
        requirements=("R8.3", "R5.4"),
        tokens=(IAM_ROLE,),
        check=_trust,
    ),
    ResourceRule(
        name="iam-user",
        family=Family.IDENTITY,
        refuses="A user, or a long-lived credential of one.",
        severity=Severity.CRITICAL,
        remediation="Remove it: workloads have roles, people and pipelines take roles by federation.",
        requirements=("R8.3", "R5.4"),
        tokens=tuple(_USERS),
        check=_by_presence,
    ),
    ResourceRule(
        name="rds-master-password",
        family=Family.IDENTITY,
        refuses="A database whose master password is in the program's state.",
        severity=Severity.CRITICAL,
        remediation="Set manage_master_user_password to True, as a literal, and no password.",
        requirements=("R5.1", "R8.3"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_master_password,
    ),
    ResourceRule(
        name="rds-iam-authentication",
        family=Family.IDENTITY,
        refuses="A database that workloads cannot log in to by their own identity.",
        severity=Severity.HIGH,
        remediation="Set iam_database_authentication_enabled to True, as a literal.",
        requirements=("R8.3", "R2.3"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_database_login,
    ),
    ResourceRule(
        name="ecs-plain-secret",
        family=Family.IDENTITY,
        refuses="A task definition with a secret in plain text, which everyone who may describe it reads.",
        severity=Severity.CRITICAL,
        remediation="Pass it by the container's secrets, or let the task read it, and keep the definitions a literal.",
        requirements=("R5.1", "R8.3"),
        tokens=(TASK_DEFINITION,),
        check=_task_secrets,
    ),
    ResourceRule(
        name="ecs-own-role",
        family=Family.IDENTITY,
        refuses="A task without a role of its own.",
        severity=Severity.HIGH,
        remediation="Set task_role_arn and execution_role_arn.",
        requirements=("R8.3", "R5.4"),
        tokens=(TASK_DEFINITION,),
        check=_task_roles,
    ),
)
