"""Identity: who may do what. No primitive roles, no keys, no borrowed or default accounts (R8.3, R5.4)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, Missing, read
from policies.gcp.exposure import bindings
from policies.gcp.tokens import (
    IAM_GRANTS,
    IAM_POLICIES,
    LOG_SINK,
    RUN_JOB,
    RUN_SERVICE,
    RUN_WORKER_POOL,
    SCHEDULER_JOB,
    SQL_INSTANCE,
    SQL_USER,
    WIDE_IAM_GRANTS,
    WORKFLOW,
)

PRIMITIVE_ROLES = ("roles/owner", "roles/editor", "roles/viewer")
IMPERSONATION_ROLES = (
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
)
IAM_USER_TYPES = (
    "CLOUD_IAM_GROUP",
    "CLOUD_IAM_GROUP_SERVICE_ACCOUNT",
    "CLOUD_IAM_GROUP_USER",
    "CLOUD_IAM_SERVICE_ACCOUNT",
    "CLOUD_IAM_USER",
)
_DEFAULT_ACCOUNTS = ("-compute@developer.gserviceaccount.com", "@appspot.gserviceaccount.com")
_RUN_ACCOUNT_PATHS = {
    RUN_SERVICE: "template.serviceAccount",
    RUN_JOB: "template.template.serviceAccount",
    RUN_WORKER_POOL: "template.serviceAccount",
}
IDENTITY_TOKENS = frozenset(
    {
        "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
        LOG_SINK,
        "gcp:organizations/project:Project",
        "gcp:projects/service:Service",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:serviceaccount/account:Account",
        SQL_INSTANCE,
    }
)
"""Types whose outputs hold a service account or a project number, so that a member built from them is no public one."""
_UNKNOWN_ROLE = "role is not known during preview; it must be a literal"


def _primitive_role(grant: Resource, _: Config) -> Iterator[str]:
    if grant.token.endswith("Policy"):
        found = bindings(grant)
        roles = [] if isinstance(found, Missing) else [read(binding, "role") for binding in found]
    else:
        roles = [grant.read("role")]
    if UNKNOWN in roles:
        yield _UNKNOWN_ROLE
    for role in PRIMITIVE_ROLES:
        if role in roles:
            yield f"the grant gives {role}"


def _impersonation(grant: Resource, _: Config) -> Iterator[str]:
    role = grant.read("role")
    if role is UNKNOWN:
        yield _UNKNOWN_ROLE
    elif role in IMPERSONATION_ROLES:
        yield f"{role} here reaches every service account in scope"


def _wide_admin(grant: Resource, _: Config) -> Iterator[str]:
    role = grant.read("role")
    if role is UNKNOWN:
        yield _UNKNOWN_ROLE
        return
    if not isinstance(role, str) or "admin" not in role.rsplit("/", 1)[-1].lower():
        return
    members = grant.items("members")
    listed = [grant.read("member"), *([members] if isinstance(members, Missing) else members)]
    # People are governed elsewhere, by groups; a member that is not known yet is taken for a service account.
    if any(member is UNKNOWN or str(member).startswith("serviceAccount:") for member in listed):
        yield f"{expect.shown(role)} is an administrator's role over everything in scope"


def _default_account(grant: Resource, _: Config) -> Iterator[str]:
    members = grant.items("members")
    listed = [grant.read("member"), *([] if isinstance(members, Missing) else members)]
    if any(str(member).endswith(_DEFAULT_ACCOUNTS) for member in listed):
        yield "the grant is to a default service account, which every careless workload shares"


def _long_lived_key(_: Resource, __: Config) -> Iterator[str]:
    yield "a long-lived key is a secret that nobody rotates"


def _own_account(resource: Resource, path: str) -> Iterator[str]:
    yield from expect.is_set(resource.props, path)
    if str(resource.read(path)).endswith(_DEFAULT_ACCOUNTS):
        yield f"{path} is a default service account"


def _run_account(resource: Resource, _: Config) -> Iterator[str]:
    yield from _own_account(resource, _RUN_ACCOUNT_PATHS[resource.token])


def _workflow_account(workflow: Resource, _: Config) -> Iterator[str]:
    yield from _own_account(workflow, "serviceAccount")


def _scheduler_account(job: Resource, _: Config) -> Iterator[str]:
    if job.read("httpTarget") is ABSENT:
        return
    tokens = [f"httpTarget.{kind}.serviceAccountEmail" for kind in ("oauthToken", "oidcToken")]
    if all(job.read(path) in (ABSENT, "") for path in tokens):
        yield "httpTarget has neither an oauthToken nor an oidcToken with a service account"


def _sql_iam_flag(instance: Resource, _: Config) -> Iterator[str]:
    yield from database_flag(instance, "cloudsql.iam_authentication", ("on",))


def database_flag(instance: Resource, name: str, allowed: tuple[str, ...]) -> Iterator[str]:
    """Whether a flag is there with one of the values allowed. An unknown list, name or value does not count."""
    flags = instance.items("settings.databaseFlags")
    listed = [] if isinstance(flags, Missing) else flags
    values = [read(flag, "value") for flag in listed if read(flag, "name") == name]
    if not values:
        reason = "is not known during preview" if flags is UNKNOWN or UNKNOWN in listed else "is not set"
        yield f"the database flag {name} {reason}; it must be {' or '.join(allowed)}"
    elif any(value not in allowed for value in values):
        (first, *_) = [value for value in values if value not in allowed]
        yield f"the database flag {name} {expect.state(first)}; it must be {' or '.join(allowed)}"


def _sql_user(user: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(user.props, "type", IAM_USER_TYPES)
    for prop in ("password", "passwordWo"):
        if user.read(prop) is not ABSENT:
            yield f"{prop} is set"


def _whole_pool(grant: Resource, _: Config) -> Iterator[str]:
    members = grant.items("members")
    listed = [grant.read("member"), *([] if isinstance(members, Missing) else members)]
    if any("/workloadIdentityPools/" in str(member) and str(member).endswith("/*") for member in listed):
        yield "the member is everyone in a workload identity pool"


def _federation(provider: Resource, _: Config) -> Iterator[str]:
    condition = provider.read("attributeCondition")
    if not isinstance(condition, str) or condition.strip().lower() in ("", "true"):
        found = "lets everyone in" if isinstance(condition, str) else expect.state(condition)
        yield f"attributeCondition {found}; it must be a literal that names who may come in"
    issuer = provider.read("oidc.issuerUri")
    if isinstance(issuer, str) and not issuer.startswith("https://"):
        yield "oidc.issuerUri is not an https address"


def _grant_origins(stack: Index, _: Config) -> Iterator[Finding]:
    for grant in stack.matching(IAM_GRANTS):
        prop = "members" if grant.token.endswith("Binding") else "member"
        value = grant.read(prop)
        if value is not UNKNOWN and not (isinstance(value, list) and UNKNOWN in value):
            continue
        origins = {source.token for source in stack.sources_of(grant, prop)}
        if not origins or origins - IDENTITY_TOKENS:
            yield Finding(f"{prop} is not known during preview and does not come from an identity alone", grant.urn)


RULES = (
    ResourceRule(
        name="iam-primitive-role",
        family=Family.IDENTITY,
        refuses="A grant of owner, editor or viewer.",
        severity=Severity.CRITICAL,
        remediation="Grant the predefined or custom role that holds only what is needed, as a literal.",
        requirements=("R8.3",),
        tokens=(*IAM_GRANTS, *IAM_POLICIES),
        check=_primitive_role,
    ),
    ResourceRule(
        name="iam-impersonation",
        family=Family.IDENTITY,
        refuses="A role over a whole project, folder or organization that can act as any service account.",
        severity=Severity.CRITICAL,
        remediation="Grant it on the one service account (gcp.serviceaccount.IAMMember).",
        requirements=("R8.3", "R5.4"),
        tokens=WIDE_IAM_GRANTS,
        check=_impersonation,
    ),
    ResourceRule(
        name="iam-wide-admin",
        family=Family.IDENTITY,
        refuses="A service account with an administrator's role over a whole project, folder or organization.",
        severity=Severity.HIGH,
        remediation="Grant on the one resource, or a custom role with the permissions that are used.",
        requirements=("R8.3", "R5.4"),
        tokens=WIDE_IAM_GRANTS,
        check=_wide_admin,
    ),
    ResourceRule(
        name="iam-default-account",
        family=Family.IDENTITY,
        refuses="A grant to a default service account.",
        severity=Severity.HIGH,
        remediation="Give the workload a service account of its own.",
        requirements=("R8.3", "R5.4"),
        tokens=IAM_GRANTS,
        check=_default_account,
    ),
    ResourceRule(
        name="iam-whole-pool",
        family=Family.IDENTITY,
        refuses="A grant to everyone in a workload identity pool.",
        severity=Severity.HIGH,
        remediation="Name one subject (principal://) or one attribute's value (principalSet://.../attribute.x/value).",
        requirements=("R8.3", "R5.4"),
        tokens=IAM_GRANTS,
        check=_whole_pool,
    ),
    ResourceRule(
        name="federation-condition",
        family=Family.IDENTITY,
        refuses="A workload identity provider that lets in every token of its issuer.",
        severity=Severity.CRITICAL,
        remediation="Set attribute_condition to the team, project and environment that are trusted, as a literal.",
        requirements=("R8.3", "R5.4"),
        tokens=("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",),
        check=_federation,
    ),
    ResourceRule(
        name="long-lived-key",
        family=Family.IDENTITY,
        refuses="A service account key, an HMAC key or an API key.",
        severity=Severity.CRITICAL,
        remediation="Remove it: use the workload's own identity, or workload identity federation.",
        requirements=("R8.3", "R5.4"),
        tokens=("gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey", "gcp:projects/apiKey:ApiKey"),
        check=_long_lived_key,
    ),
    ResourceRule(
        name="run-own-account",
        family=Family.IDENTITY,
        refuses="A Cloud Run service, job or worker pool that runs as the default service account.",
        severity=Severity.HIGH,
        remediation="Set service_account in its template to an account made for this workload.",
        requirements=("R8.3", "R5.4"),
        tokens=tuple(_RUN_ACCOUNT_PATHS),
        check=_run_account,
    ),
    ResourceRule(
        name="workflow-own-account",
        family=Family.IDENTITY,
        refuses="A workflow that runs as the default service account.",
        severity=Severity.HIGH,
        remediation="Set service_account to an account made for this workflow.",
        requirements=("R8.3", "R5.4"),
        tokens=(WORKFLOW,),
        check=_workflow_account,
    ),
    ResourceRule(
        name="scheduler-identity",
        family=Family.IDENTITY,
        refuses="A scheduled call that carries no identity.",
        severity=Severity.HIGH,
        remediation="Give http_target an oauth_token (Google APIs) or an oidc_token (Cloud Run).",
        requirements=("R8.3", "R5.4"),
        tokens=(SCHEDULER_JOB,),
        check=_scheduler_account,
    ),
    ResourceRule(
        name="sql-iam-authentication",
        family=Family.IDENTITY,
        refuses="A Cloud SQL instance that workloads cannot log in to by their own identity.",
        severity=Severity.HIGH,
        remediation='Add the database flag cloudsql.iam_authentication with the value "on".',
        requirements=("R8.3", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_iam_flag,
    ),
    ResourceRule(
        name="sql-user",
        family=Family.IDENTITY,
        refuses="A Cloud SQL user with a password, or of the built-in kind, which joins cloudsqlsuperuser.",
        severity=Severity.CRITICAL,
        remediation="Use an IAM user; tenants' logins are made by the SQL job, which knows how to isolate them.",
        requirements=("R8.3", "R2.5"),
        tokens=(SQL_USER,),
        check=_sql_user,
    ),
)

STACK_RULES = (
    StackRule(
        name="grant-origin",
        family=Family.IDENTITY,
        refuses="A grant whose member is not known during preview and could turn out to be anyone.",
        severity=Severity.HIGH,
        remediation="Write the member as a literal, or build it from a service account, an identity or a sink.",
        requirements=("R8.3", "R8.5"),
        check=_grant_origins,
    ),
)
