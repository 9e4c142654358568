import pytest

from policies.frame.names import holds_cloud_key, looks_like_cloud_key, looks_secret
from policies.vercel import PROJECT, SHARED_VARIABLE, VARIABLE, VARIABLES
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

COMPLIANT: dict[str, Props] = {
    PROJECT: {
        "name": "web",
        "vercelAuthentication": {"deploymentType": "standard_protection_new"},
        "oidcTokenConfig": {"issuerMode": "team"},
        "environments": [{"key": "LOG_LEVEL", "value": "info", "sensitive": False, "targets": ["production"]}],
    },
    VARIABLE: {
        "projectId": UNKNOWN_STRING_VALUE,
        "key": "JWT_SECRET",
        "value": UNKNOWN_STRING_VALUE,
        "sensitive": True,
        "targets": ["production"],
    },
    VARIABLES: {
        "projectId": "prj",
        "variables": [
            {"key": "NEXT_PUBLIC_SENTRY_DSN", "value": "https://x", "sensitive": False, "targets": ["production"]},
            {"key": "DATABASE_URL", "value": "postgres://x", "sensitive": True, "targets": ["preview"]},
        ],
    },
    SHARED_VARIABLE: {"key": "REGION", "value": "eu", "sensitive": False, "targets": ["production", "preview"]},
}
_UNKNOWN = "is not known during preview"
_SECRET = "the name says secret and sensitive"
_TOGETHER = "a secret has the target production together with another"
_READABLE = "a secret has the target development, which cannot keep it from being read back"
_NAMED = "the name says that it holds a long-lived key of a cloud"
_TYPE = "vercelAuthentication.deploymentType"
_TYPES = "it must be one of all_deployments, only_preview_deployments, standard_protection, standard_protection_new"
_MODE = "oidcTokenConfig.issuerMode"

CASES = [
    *(
        Case("vercel-secret-sensitive", VARIABLE, "sensitive", value, f"{_SECRET} {found}; it must be literally true")
        for value, found in [
            (UNSET, "is not set"),
            (False, "is false"),
            (0, "is 0"),
            (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
        ]
    ),
    Case(
        "vercel-secret-sensitive",
        VARIABLES,
        "variables.1.sensitive",
        False,
        f"variables[1]: {_SECRET} is false; it must be literally true",
    ),
    Case(
        "vercel-secret-sensitive",
        VARIABLES,
        "variables",
        UNKNOWN_ARRAY_VALUE,
        f"variables: {_SECRET} {_UNKNOWN}; it must be literally true",
    ),
    Case(
        "vercel-secret-sensitive",
        SHARED_VARIABLE,
        "key",
        UNKNOWN_STRING_VALUE,
        f"{_SECRET} is false; it must be literally true",
    ),
    Case(
        "vercel-secret-sensitive",
        SHARED_VARIABLE,
        "visibility",
        "secret",
        f"{_SECRET} is false; it must be literally true",
    ),
    Case(
        "vercel-secret-sensitive",
        PROJECT,
        "environments.0.key",
        "SMTP_PASSWORD",
        f"environments[0]: {_SECRET} is false; it must be literally true",
    ),
    Case("vercel-secret-target", VARIABLE, "targets", ["production", "preview"], _TOGETHER),
    Case("vercel-secret-target", VARIABLE, "customEnvironmentIds", ["env_1"], _TOGETHER),
    Case("vercel-secret-target", VARIABLE, "targets", ["preview", "development"], _READABLE),
    Case("vercel-secret-target", VARIABLE, "targets", UNKNOWN_ARRAY_VALUE, f"targets {_UNKNOWN}; it must be a literal"),
    Case(
        "vercel-secret-target",
        VARIABLE,
        "targets",
        ["production", UNKNOWN_STRING_VALUE],
        f"targets {_UNKNOWN}; it must be a literal",
    ),
    Case(
        "vercel-secret-target",
        VARIABLES,
        "variables.1.targets",
        ["production", "preview"],
        f"variables[1]: {_TOGETHER}",
    ),
    Case("vercel-cloud-key", VARIABLE, "key", "AWS_SECRET_ACCESS_KEY", _NAMED),
    Case("vercel-cloud-key", VARIABLE, "key", "GOOGLE_APPLICATION_CREDENTIALS", _NAMED),
    Case("vercel-cloud-key", VARIABLE, "value", "AKIAABCDEFGHIJKLMNOP", "value holds a long-lived key of a cloud"),
    Case(
        "vercel-cloud-key",
        VARIABLES,
        "variables.0.value",
        '{"type": "service_account", "private_key_id": "x"}',
        "variables[0]: value holds a long-lived key of a cloud",
    ),
    *(
        Case("vercel-protection", PROJECT, _TYPE, value, f"{_TYPE} {found}; {_TYPES}")
        for value, found in [(UNSET, "is not set"), ("none", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    *(
        Case(
            "vercel-forks", PROJECT, "gitForkProtection", value, f"gitForkProtection {found}; it must be literally true"
        )
        for value, found in [(False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case("vercel-forks", PROJECT, "publicSource", True, "publicSource is true; it must be literally false"),
    *(
        Case("vercel-issuer", PROJECT, _MODE, value, f"{_MODE} {found}; it must be literally team")
        for value, found in [(UNSET, "is not set"), ("global", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


def test_a_secret_of_a_custom_environment_alone_passes() -> None:
    props = changed(COMPLIANT[VARIABLE], "targets", UNSET) | {"customEnvironmentIds": ["env_1"]}

    assert judge("vercel-secret-target", VARIABLE, props) == []


@pytest.mark.parametrize(
    "name",
    [
        "JWT_SECRET",
        "JWT_REFRESH_SECRET",
        "NEXTAUTH_SECRET",
        "DATABASE_URL",
        "NEON_DATABASE_URL",
        "REDIS_URL",
        "SMTP_PASSWORD",
        "SMTP_PASS",
        "SENTRY_DSN",
        "SENTRY_AUTH_TOKEN",
        "STRIPE_API_KEY",
        "SUPABASE_SERVICE_ROLE_KEY",
        "UPSTASH_REDIS_REST_TOKEN",
        "slack_webhook_url",
        "API_KEY_2",
        "AWS_ACCESS_KEY_ID",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "JWT_SECRET_NAME",
        "DATABASE_URL_ARN",
        "TOKEN_TTL",
        "PASSWORD_MIN_LENGTH",
        "LOGROCKET_APP_ID",
        "SMTP_USER",
        "NEXT_PUBLIC_API_KEY",
        "NEXTAUTH_URL",
        "TENANTRY_REGISTRY",
        "AWS_ROLE_ARN",
        "BYPASS",
    ],
)
def test_names_of_no_secrets(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AWS_SESSION_TOKEN", True),
        ("GCP_SERVICE_ACCOUNT_KEY", True),
        ("GOOGLE_CREDENTIALS", True),
        ("FIREBASE_PRIVATE_KEY", True),
        ("AZURE_CLIENT_SECRET", True),
        ("AWS_REGION", False),
        ("GCP_WORKLOAD_IDENTITY_PROVIDER", False),
        ("GCP_SERVICE_ACCOUNT_EMAIL", False),
    ],
)
def test_names_of_cloud_keys(name: str, *, expected: bool) -> None:
    assert looks_like_cloud_key(name) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ASIAABCDEFGHIJKLMNOP", True),
        ("-----BEGIN PRIVATE KEY-----", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("AKIA-is-a-prefix", False),
        ("-----BEGIN CERTIFICATE-----", False),
        ("", False),
    ],
)
def test_texts_of_cloud_keys(text: str, *, expected: bool) -> None:
    assert holds_cloud_key(text) is expected
