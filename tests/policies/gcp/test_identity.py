import pytest

from policies.gcp.tokens import RUN_JOB, RUN_SERVICE, RUN_WORKER_POOL, SCHEDULER_JOB, SQL_INSTANCE, SQL_USER, WORKFLOW
from tests.policies.gcp.fixtures import ACCOUNT, BUCKET_POLICY, COMPLIANT, FEDERATION, PROJECT_BINDING, PROJECT_MEMBER
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
    judge_all,
)

_UNKNOWN_ROLE = "role is not known during preview; it must be a literal"
_IAM_TYPES = (
    "it must be one of CLOUD_IAM_GROUP, CLOUD_IAM_GROUP_SERVICE_ACCOUNT, CLOUD_IAM_GROUP_USER, "
    "CLOUD_IAM_SERVICE_ACCOUNT, CLOUD_IAM_USER"
)
_DEFAULT = "123-compute@developer.gserviceaccount.com"
_DEFAULT_GRANT = "the grant is to a default service account, which every careless workload shares"
_FLAG = "the database flag cloudsql.iam_authentication"
_FLAGS = "settings.databaseFlags"
_NO_IDENTITY = "httpTarget has neither an oauthToken nor an oidcToken with a service account"


def _account_cases(rule: str, token: str, path: str) -> list[Case]:
    return [
        Case(rule, token, path, UNSET, f"{path} is not set; it must be set"),
        Case(rule, token, path, "", f"{path} is empty; it must be set"),
        Case(rule, token, path, _DEFAULT, f"{path} is a default service account"),
    ]


_POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/vercel"
_WHOLE_POOL = "the member is everyone in a workload identity pool"
_NAMED = "it must be a literal that names who may come in"

CASES = [
    *(
        Case("iam-primitive-role", token, "role", f"roles/{role}", f"the grant gives roles/{role}")
        for token in (PROJECT_MEMBER, PROJECT_BINDING)
        for role in ("owner", "editor", "viewer")
    ),
    Case("iam-primitive-role", PROJECT_MEMBER, "role", UNKNOWN_STRING_VALUE, _UNKNOWN_ROLE),
    Case(
        "iam-primitive-role",
        BUCKET_POLICY,
        "policyData",
        '{"bindings": [{"role": "roles/editor"}]}',
        "the grant gives roles/editor",
    ),
    *(
        Case(
            "iam-impersonation",
            PROJECT_MEMBER,
            "role",
            f"roles/iam.{role}",
            f"roles/iam.{role} here reaches every service account in scope",
        )
        for role in (
            "serviceAccountKeyAdmin",
            "serviceAccountOpenIdTokenCreator",
            "serviceAccountTokenCreator",
            "serviceAccountUser",
            "workloadIdentityUser",
        )
    ),
    Case("iam-impersonation", PROJECT_BINDING, "role", UNKNOWN_STRING_VALUE, _UNKNOWN_ROLE),
    *(
        Case(
            "iam-wide-admin",
            token,
            "role",
            role,
            f"{role} is an administrator's role over everything in scope",
        )
        for token in (PROJECT_MEMBER, PROJECT_BINDING)
        for role in ("roles/cloudsql.admin", "roles/storage.objectAdmin")
    ),
    Case("iam-wide-admin", PROJECT_MEMBER, "role", UNKNOWN_STRING_VALUE, _UNKNOWN_ROLE),
    Case("iam-default-account", PROJECT_MEMBER, "member", f"serviceAccount:{_DEFAULT}", _DEFAULT_GRANT),
    Case(
        "iam-default-account",
        PROJECT_BINDING,
        "members",
        ["serviceAccount:p@appspot.gserviceaccount.com"],
        _DEFAULT_GRANT,
    ),
    *_account_cases("run-own-account", RUN_SERVICE, "template.serviceAccount"),
    *_account_cases("run-own-account", RUN_JOB, "template.template.serviceAccount"),
    *_account_cases("run-own-account", RUN_WORKER_POOL, "template.serviceAccount"),
    *_account_cases("workflow-own-account", WORKFLOW, "serviceAccount"),
    Case("scheduler-identity", SCHEDULER_JOB, "httpTarget.oauthToken", UNSET, _NO_IDENTITY),
    Case("scheduler-identity", SCHEDULER_JOB, "httpTarget.oauthToken.serviceAccountEmail", "", _NO_IDENTITY),
    Case("sql-iam-authentication", SQL_INSTANCE, _FLAGS, UNSET, f"{_FLAG} is not set; it must be on"),
    Case("sql-iam-authentication", SQL_INSTANCE, _FLAGS, [], f"{_FLAG} is not set; it must be on"),
    Case(
        "sql-iam-authentication",
        SQL_INSTANCE,
        _FLAGS,
        UNKNOWN_ARRAY_VALUE,
        f"{_FLAG} is not known during preview; it must be on",
    ),
    Case("sql-iam-authentication", SQL_INSTANCE, f"{_FLAGS}.0.value", "off", f"{_FLAG} is off; it must be on"),
    Case("sql-iam-authentication", SQL_INSTANCE, f"{_FLAGS}.0.value", UNSET, f"{_FLAG} is not set; it must be on"),
    Case(
        "sql-iam-authentication",
        SQL_INSTANCE,
        f"{_FLAGS}.0.value",
        UNKNOWN_STRING_VALUE,
        f"{_FLAG} is not known during preview; it must be on",
    ),
    Case("sql-iam-authentication", SQL_INSTANCE, f"{_FLAGS}.0", UNSET, f"{_FLAG} is not set; it must be on"),
    Case("sql-user", SQL_USER, "type", UNSET, f"type is not set; {_IAM_TYPES}"),
    Case("sql-user", SQL_USER, "type", "BUILT_IN", f"type is BUILT_IN; {_IAM_TYPES}"),
    Case("sql-user", SQL_USER, "type", UNKNOWN_STRING_VALUE, f"type is not known during preview; {_IAM_TYPES}"),
    Case("sql-user", SQL_USER, "password", "hunter2", "password is set"),
    Case("sql-user", SQL_USER, "password", UNKNOWN_STRING_VALUE, "password is set"),
    Case("sql-user", SQL_USER, "passwordWo", "hunter2", "passwordWo is set"),
    Case("iam-whole-pool", PROJECT_MEMBER, "member", f"{_POOL}/*", _WHOLE_POOL),
    Case("iam-whole-pool", PROJECT_BINDING, "members", [ACCOUNT, f"{_POOL}/*"], _WHOLE_POOL),
    *(
        Case("federation-condition", FEDERATION, "attributeCondition", value, f"attributeCondition {found}; {_NAMED}")
        for value, found in [
            (UNSET, "is not set"),
            ("", "lets everyone in"),
            (" true ", "lets everyone in"),
            (UNKNOWN_STRING_VALUE, "is not known during preview"),
        ]
    ),
    Case("federation-condition", FEDERATION, "oidc.issuerUri", "http://oidc", "oidc.issuerUri is not an https address"),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props) == [case.message]


def test_impersonation_of_one_service_account_is_a_grant_like_any_other() -> None:
    props = {"serviceAccountId": "a", "role": "roles/iam.serviceAccountUser", "member": ACCOUNT}

    assert judge_all("gcp:serviceaccount/iAMMember:IAMMember", props) == {}


def test_an_administrator_of_one_bucket_is_a_grant_like_any_other() -> None:
    props = {"bucket": "b", "role": "roles/storage.objectAdmin", "member": ACCOUNT}

    assert judge_all("gcp:storage/bucketIAMMember:BucketIAMMember", props) == {}


def test_an_unknown_member_is_taken_for_a_service_account() -> None:
    props = COMPLIANT[PROJECT_MEMBER] | {"role": "roles/cloudsql.admin", "member": UNKNOWN_STRING_VALUE}

    assert judge("iam-wide-admin", PROJECT_MEMBER, props) == [
        "roles/cloudsql.admin is an administrator's role over everything in scope"
    ]


def test_people_may_administer_through_a_group() -> None:
    props = COMPLIANT[PROJECT_MEMBER] | {"role": "roles/cloudsql.admin", "member": "group:dba@acme.example"}

    assert judge("iam-wide-admin", PROJECT_MEMBER, props) == []


@pytest.mark.parametrize(
    "token", ["gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey", "gcp:projects/apiKey:ApiKey"]
)
def test_no_kind_of_long_lived_key_is_allowed(token: str) -> None:
    assert judge("long-lived-key", token, {}) == ["a long-lived key is a secret that nobody rotates"]


def test_a_scheduled_call_may_carry_an_identity_token() -> None:
    props = changed(
        COMPLIANT[SCHEDULER_JOB], "httpTarget", {"oidcToken": {"serviceAccountEmail": UNKNOWN_STRING_VALUE}}
    )

    assert judge("scheduler-identity", SCHEDULER_JOB, props) == []


def test_a_message_published_by_the_scheduler_needs_no_token() -> None:
    assert judge("scheduler-identity", SCHEDULER_JOB, {"pubsubTarget": {"topicName": "t"}}) == []


@pytest.mark.parametrize(
    "token", ["gcp:storage/bucket:Bucket", "aws:s3/bucket:Bucket", "random:index/randomPassword:RandomPassword"]
)
@pytest.mark.parametrize("provider", [None, "default", "default_10_2_0"])
def test_every_resource_has_an_explicit_provider(token: str, provider: str | None) -> None:
    assert judge("default-provider", token, {}, provider=provider) == ["the resource has no explicit provider"]
    assert judge("default-provider", token, {}, provider="gcp") == []


def test_the_default_provider_itself_is_refused() -> None:
    token = "pulumi:providers:gcp"

    assert judge("default-provider", token, {}, name="default_10_2_0", provider=None) == [
        "the default provider takes project, region and credentials from whoever runs it"
    ]
    assert judge("default-provider", token, {}, name="gcp", provider=None) == []


def test_components_have_no_provider_and_need_none() -> None:
    assert judge("default-provider", "tenantry:tenant:Tenant", {}, provider=None) == []
