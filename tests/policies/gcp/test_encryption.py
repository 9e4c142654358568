import pytest

from policies.gcp.tokens import BUCKET, CRYPTO_KEY, LOG_BUCKET, REGIONAL_SECRET, SECRET, SQL_INSTANCE
from tests.policies.gcp.fixtures import COMPLIANT, REPOSITORY, TOPIC
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
)

_SSL = "settings.ipConfiguration.sslMode"
_SSL_WANTED = "it must be one of ENCRYPTED_ONLY, TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
_ROTATION_WANTED = "it must be a literal between 86400 s and 7776000 s"
_REPLICAS = "replication.userManaged.replicas"
_SECOND_KEY = f"{_REPLICAS}.1.customerManagedEncryption"
_SECOND_MESSAGE = "replication.userManaged.replicas[1] has no customerManagedEncryption.kmsKeyName"


def _key_cases(rule: str, token: str, path: str) -> list[Case]:
    return [
        Case(rule, token, path, UNSET, f"{path} is not set; it must be set"),
        Case(rule, token, path, "", f"{path} is empty; it must be set"),
    ]


CASES = [
    *_key_cases("sql-cmek", SQL_INSTANCE, "encryptionKeyName"),
    *_key_cases("bucket-cmek", BUCKET, "encryption.defaultKmsKeyName"),
    *_key_cases("log-bucket-cmek", LOG_BUCKET, "cmekSettings.kmsKeyName"),
    *_key_cases("topic-cmek", TOPIC, "kmsKeyName"),
    *_key_cases("artifact-repository-cmek", REPOSITORY, "kmsKeyName"),
    *_key_cases("secret-cmek", REGIONAL_SECRET, "customerManagedEncryption.kmsKeyName"),
    Case("secret-cmek", SECRET, _SECOND_KEY, UNSET, _SECOND_MESSAGE),
    Case("secret-cmek", SECRET, f"{_SECOND_KEY}.kmsKeyName", "", _SECOND_MESSAGE),
    Case("secret-cmek", SECRET, f"{_REPLICAS}.1", UNKNOWN_OBJECT_VALUE, _SECOND_MESSAGE),
    Case("secret-cmek", SECRET, _REPLICAS, UNSET, f"{_REPLICAS} is not set; it must list the replicas"),
    Case("secret-cmek", SECRET, _REPLICAS, [], f"{_REPLICAS} is empty; it must list the replicas"),
    Case(
        "secret-cmek",
        SECRET,
        _REPLICAS,
        UNKNOWN_ARRAY_VALUE,
        f"{_REPLICAS} is not known during preview; it must list the replicas",
    ),
    Case(
        "secret-cmek",
        SECRET,
        "replication",
        {"auto": {}},
        "replication.auto.customerManagedEncryption.kmsKeyName is not set; it must be set",
    ),
    Case("sql-tls", SQL_INSTANCE, _SSL, UNSET, f"{_SSL} is not set; {_SSL_WANTED}"),
    Case("sql-tls", SQL_INSTANCE, _SSL, UNKNOWN_STRING_VALUE, f"{_SSL} is not known during preview; {_SSL_WANTED}"),
    Case(
        "sql-tls",
        SQL_INSTANCE,
        _SSL,
        "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        f"{_SSL} is ALLOW_UNENCRYPTED_AND_ENCRYPTED; {_SSL_WANTED}",
    ),
    Case("sql-tls", SQL_INSTANCE, _SSL, True, f"{_SSL} is true; {_SSL_WANTED}"),
    Case("key-rotation", CRYPTO_KEY, "rotationPeriod", UNSET, f"rotationPeriod is not set; {_ROTATION_WANTED}"),
    Case("key-rotation", CRYPTO_KEY, "rotationPeriod", "0s", f"rotationPeriod is 0s; {_ROTATION_WANTED}"),
    Case("key-rotation", CRYPTO_KEY, "rotationPeriod", "7776001s", f"rotationPeriod is 7776001s; {_ROTATION_WANTED}"),
    Case("key-rotation", CRYPTO_KEY, "rotationPeriod", "90d", f"rotationPeriod is another value; {_ROTATION_WANTED}"),
    Case(
        "key-rotation",
        CRYPTO_KEY,
        "rotationPeriod",
        UNKNOWN_STRING_VALUE,
        f"rotationPeriod is not known during preview; {_ROTATION_WANTED}",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props) == [case.message]


def test_automatic_replication_with_a_key_is_encrypted() -> None:
    props = {"replication": {"auto": {"customerManagedEncryption": {"kmsKeyName": UNKNOWN_STRING_VALUE}}}}

    assert judge("secret-cmek", SECRET, props) == []


@pytest.mark.parametrize("mode", ["ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"])
def test_both_tls_modes_are_accepted(mode: str) -> None:
    assert judge("sql-tls", SQL_INSTANCE, changed(COMPLIANT[SQL_INSTANCE], _SSL, mode)) == []


def test_an_asymmetric_key_cannot_rotate_and_is_not_asked_to() -> None:
    assert judge("key-rotation", CRYPTO_KEY, {"purpose": "ASYMMETRIC_SIGN"}) == []


@pytest.mark.parametrize("purpose", [UNSET, UNKNOWN_STRING_VALUE])
def test_a_key_of_no_known_purpose_must_rotate(purpose: object) -> None:
    props = changed(changed(COMPLIANT[CRYPTO_KEY], "purpose", purpose), "rotationPeriod", UNSET)

    assert judge("key-rotation", CRYPTO_KEY, props) == [f"rotationPeriod is not set; {_ROTATION_WANTED}"]


def test_a_policy_config_may_ask_for_faster_rotation() -> None:
    found = judge("key-rotation", CRYPTO_KEY, COMPLIANT[CRYPTO_KEY], config={"maxDays": 30.0})

    assert found == ["rotationPeriod is 7776000s; it must be a literal between 86400 s and 2592000 s"]
