import pytest

from policies.aws.encryption import KEY_PATHS
from policies.aws.tokens import (
    DISTRIBUTION,
    KMS_KEY,
    LISTENERS,
    RDS_CLUSTER,
    RDS_INSTANCE,
    REPOSITORY,
    SECRET,
    TOPIC,
)
from tests.policies.aws.fixtures import COMPLIANT
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
)

HTTPS, HTTP = LISTENERS[:2]
_UNKNOWN = "is not known during preview"
_AWS_KEY = "is a key that AWS manages; it must be a customer-managed one"
_TRUE = "it must be literally true"
_VERSION = "viewerCertificate.minimumProtocolVersion"
_VERSIONS = "it must be one of TLSv1.2_2021, TLSv1.2_2025, TLSv1.3_2025"
_VIEWER = "defaultCacheBehavior.viewerProtocolPolicy"
_VIEWERS = "it must be https-only or redirect-to-https"
_ORIGIN = "origins.1.customOriginConfig"
_ORIGIN_TLS = "origins[1].customOriginConfig.originSslProtocols must list TLSv1.2 and nothing older, as literals"
_POLICY = "it must be a literal that begins at TLS 1.2"
_PLAIN = "protocol is HTTP and defaultActions does more than redirect to HTTPS"
_ECR = "encryptionConfigurations"

CASES = [
    *(
        Case("aws-cmek", token, path, value, f"{path} {found}; it must be set")
        for token, path in KEY_PATHS.items()
        if token in COMPLIANT
        for value, found in [(UNSET, "is not set"), ("", "is empty")]
    ),
    Case("aws-cmek", TOPIC, "kmsMasterKeyId", "alias/aws/sns", f"kmsMasterKeyId {_AWS_KEY}"),
    Case(
        "aws-cmek",
        RDS_INSTANCE,
        "kmsKeyId",
        "arn:aws:kms:eu-central-1:123456789012:alias/aws/rds",
        f"kmsKeyId {_AWS_KEY}",
    ),
    Case("aws-cmek", SECRET, "replicas.0.kmsKeyId", UNSET, "replicas[0].kmsKeyId is not set; it must be set"),
    Case("aws-cmek", SECRET, "replicas", UNKNOWN_ARRAY_VALUE, f"replicas {_UNKNOWN}; it must be a literal"),
    Case("ecr-cmek", REPOSITORY, _ECR, UNSET, f"{_ECR} is not set; it must be set"),
    Case("ecr-cmek", REPOSITORY, _ECR, [], f"{_ECR} is empty; it must be set"),
    Case("ecr-cmek", REPOSITORY, _ECR, UNKNOWN_ARRAY_VALUE, f"{_ECR} {_UNKNOWN}; it must be set"),
    Case(
        "ecr-cmek",
        REPOSITORY,
        f"{_ECR}.0.encryptionType",
        "AES256",
        "encryptionType is another value; it must be one of KMS, KMS_DSSE",
    ),
    Case("ecr-cmek", REPOSITORY, f"{_ECR}.0.kmsKey", UNSET, "kmsKey is not set; it must be set"),
    *(
        Case("rds-encrypted", token, "storageEncrypted", value, f"storageEncrypted {found}; {_TRUE}")
        for token in (RDS_INSTANCE, RDS_CLUSTER)
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("rds-derived-keys", RDS_INSTANCE, path, UNSET, f"{path} is not set; it must be set")
        for path in ("performanceInsightsKmsKeyId", "masterUserSecretKmsKeyId")
    ),
    Case(
        "rds-derived-keys",
        RDS_INSTANCE,
        "masterUserSecretKmsKeyId",
        "alias/aws/secretsmanager",
        f"masterUserSecretKmsKeyId {_AWS_KEY}",
    ),
    *(
        Case("kms-rotation", KMS_KEY, "enableKeyRotation", value, f"enableKeyRotation {found}; {_TRUE}")
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case(
            "kms-rotation",
            KMS_KEY,
            "rotationPeriodInDays",
            value,
            f"rotationPeriodInDays {found}; it must be a literal of at most 365",
        )
        for value, found in [(366, "is 366"), (True, "is true"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case("cloudfront-tls", DISTRIBUTION, _VERSION, value, f"{_VERSION} {found}; {_VERSIONS}")
        for value, found in [
            (UNSET, "is not set"),
            ("TLSv1.2_2019", "is another value"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    Case(
        "cloudfront-tls",
        DISTRIBUTION,
        "viewerCertificate.acmCertificateArn",
        UNSET,
        "viewerCertificate.acmCertificateArn is not set; it must be set",
    ),
    *(
        Case(
            "cloudfront-tls",
            DISTRIBUTION,
            "viewerCertificate.cloudfrontDefaultCertificate",
            value,
            "viewerCertificate is CloudFront's own, which accepts TLS 1.0",
        )
        for value in (True, UNKNOWN_BOOLEAN_VALUE)
    ),
    *(
        Case("cloudfront-https", DISTRIBUTION, _VIEWER, value, f"{_VIEWER} {found}; {_VIEWERS}")
        for value, found in [(UNSET, "is not set"), ("allow-all", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case(
        "cloudfront-https",
        DISTRIBUTION,
        "orderedCacheBehaviors.0.viewerProtocolPolicy",
        "allow-all",
        f"orderedCacheBehaviors[0].viewerProtocolPolicy is another value; {_VIEWERS}",
    ),
    Case(
        "cloudfront-https",
        DISTRIBUTION,
        "orderedCacheBehaviors",
        UNKNOWN_ARRAY_VALUE,
        f"orderedCacheBehaviors.viewerProtocolPolicy {_UNKNOWN}; {_VIEWERS}",
    ),
    Case(
        "cloudfront-https",
        DISTRIBUTION,
        f"{_ORIGIN}.originProtocolPolicy",
        "match-viewer",
        "origins[1].customOriginConfig.originProtocolPolicy is another value; it must be literally https-only",
    ),
    Case("cloudfront-https", DISTRIBUTION, f"{_ORIGIN}.originSslProtocols", ["TLSv1.1", "TLSv1.2"], _ORIGIN_TLS),
    Case("cloudfront-https", DISTRIBUTION, f"{_ORIGIN}.originSslProtocols", UNSET, _ORIGIN_TLS),
    *(
        Case("lb-tls", HTTPS, "sslPolicy", value, f"sslPolicy {found}; {_POLICY}")
        for value, found in [
            (UNSET, "is not set"),
            ("ELBSecurityPolicy-2016-08", "is another value"),
            ("ELBSecurityPolicy-TLS13-1-1-2021-06", "is another value"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case(
            "lb-tls",
            HTTPS,
            "protocol",
            value,
            f"protocol {found}; it must be HTTPS or TLS, or HTTP that redirects",
        )
        for value, found in [(UNSET, "is not set"), ("TCP", "is TCP"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case("lb-tls", HTTPS, "protocol", "HTTP", _PLAIN),
    Case("lb-tls", HTTP, "defaultActions.0.redirect.protocol", "HTTP", _PLAIN),
    Case("lb-tls", HTTP, "defaultActions.0", UNKNOWN_OBJECT_VALUE, _PLAIN),
    Case("lb-tls", HTTP, "defaultActions", [], _PLAIN),
    Case("lb-tls", HTTP, "defaultActions", UNKNOWN_ARRAY_VALUE, _PLAIN),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


@pytest.mark.parametrize("token", sorted(KEY_PATHS.keys() - COMPLIANT.keys()))
def test_every_other_store_needs_a_key_too(token: str) -> None:
    path = KEY_PATHS[token]

    assert judge("aws-cmek", token, {}) == [f"{path} is not set; it must be set"]
    assert judge("aws-cmek", token, changed({}, path, UNKNOWN_STRING_VALUE)) == []


def test_a_replica_takes_its_sources_key_unless_it_is_in_another_region() -> None:
    near = {"replicateSourceDb": "acme-prod-pool-business-1"}
    far = {"replicateSourceDb": "arn:aws:rds:eu-central-1:123456789012:db:acme"}

    assert judge("aws-cmek", RDS_INSTANCE, near) == []
    assert judge("aws-cmek", RDS_INSTANCE, far) == ["kmsKeyId is not set; it must be set"]
    assert judge("rds-encrypted", RDS_INSTANCE, far) == []


@pytest.mark.parametrize("rule", ["aws-cmek", "rds-encrypted"])
def test_an_unknown_source_excuses_nothing(rule: str) -> None:
    assert judge(rule, RDS_INSTANCE, {"replicateSourceDb": UNKNOWN_STRING_VALUE}) != []


@pytest.mark.parametrize("prop", [{"keyUsage": "SIGN_VERIFY"}, {"customerMasterKeySpec": "RSA_4096"}])
def test_an_asymmetric_key_cannot_rotate_and_is_not_asked_to(prop: dict[str, str]) -> None:
    assert judge("kms-rotation", KMS_KEY, prop) == []


def test_the_yearly_rotation_of_the_service_is_judged_where_no_period_is_set() -> None:
    assert judge("kms-rotation", KMS_KEY, COMPLIANT[KMS_KEY], config={"maxDays": 90.0}) == [
        "rotationPeriodInDays is not set; it must be a literal of at most 90"
    ]


@pytest.mark.parametrize(
    "policy",
    ["ELBSecurityPolicy-TLS13-1-3-2021-06", "ELBSecurityPolicy-TLS-1-2-2017-01", "ELBSecurityPolicy-FS-1-2-2019-08"],
)
def test_other_policies_that_begin_at_tls_1_2(policy: str) -> None:
    assert judge("lb-tls", HTTPS, changed(COMPLIANT[HTTPS], "sslPolicy", policy)) == []


def test_a_listener_is_known_by_all_of_its_names() -> None:
    assert len({tuple(judge("lb-tls", token, {"protocol": "UDP"})) for token in LISTENERS}) == 1
    assert judge("lb-tls", LISTENERS[3], {"protocol": "UDP"}) != []
