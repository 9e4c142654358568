import pytest

from policies.gcp.tokens import BUCKET, CRYPTO_KEY, SQL_INSTANCE
from tests.policies.gcp.fixtures import COMPLIANT
from tests.policies.support import (
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
    judge_all,
)

_BACKUPS = "settings.backupConfiguration"
_COUNT = f"{_BACKUPS}.backupRetentionSettings.retainedBackups"
_UNIT = f"{_BACKUPS}.backupRetentionSettings.retentionUnit"
_LOCATION = f"{_BACKUPS}.location"
_PITR = f"{_BACKUPS}.pointInTimeRecoveryEnabled"
_DAYS = f"{_BACKUPS}.transactionLogRetentionDays"
_PERIOD = "retentionPolicy.retentionPeriod"
_SOFT = "softDeletePolicy.retentionDurationSeconds"
_UNKNOWN = "is not known during preview"
_AT_LEAST_30 = "it must be a literal of at least 30"
_TRUE = "it must be literally true"
_ELSEWHERE = "it must be a literal other than the instance's region"
_ONE_EDITION = "it must be one of ENTERPRISE, ENTERPRISE_PLUS"
_30_DAYS = "it must be a literal at least 2592000 s"
_7_DAYS = "it must be a literal at least 604800 s"

CASES = [
    *(
        Case("sql-backups-enabled", SQL_INSTANCE, f"{_BACKUPS}.enabled", value, f"{_BACKUPS}.enabled {found}; {_TRUE}")
        for value, found in [
            (UNSET, "is not set"),
            (False, "is false"),
            (1, "is 1"),
            ("true", "is another value"),
            (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("sql-backup-count", SQL_INSTANCE, _COUNT, value, f"{_COUNT} {found}; {_AT_LEAST_30}")
        for value, found in [
            (UNSET, "is not set"),
            (0, "is 0"),
            (29.0, "is 29"),
            (True, "is true"),
            (UNKNOWN_NUMBER_VALUE, _UNKNOWN),
        ]
    ),
    Case("sql-backup-count", SQL_INSTANCE, _UNIT, "DAYS", f"{_UNIT} is DAYS; it must be literally COUNT"),
    Case(
        "sql-backup-count", SQL_INSTANCE, _UNIT, UNKNOWN_STRING_VALUE, f"{_UNIT} {_UNKNOWN}; it must be literally COUNT"
    ),
    Case("sql-backup-location", SQL_INSTANCE, _LOCATION, UNSET, f"{_LOCATION} is not set; {_ELSEWHERE}"),
    Case("sql-backup-location", SQL_INSTANCE, _LOCATION, "", f"{_LOCATION} is empty; {_ELSEWHERE}"),
    Case("sql-backup-location", SQL_INSTANCE, _LOCATION, UNKNOWN_STRING_VALUE, f"{_LOCATION} {_UNKNOWN}; {_ELSEWHERE}"),
    Case("sql-backup-location", SQL_INSTANCE, _LOCATION, "europe-west1", f"{_LOCATION} is the instance's own region"),
    Case(
        "sql-backup-location",
        SQL_INSTANCE,
        "region",
        UNKNOWN_STRING_VALUE,
        f"region {_UNKNOWN}; it must be a literal other than the backups' location",
    ),
    *(
        Case("sql-point-in-time", SQL_INSTANCE, _PITR, value, f"{_PITR} {found}; {_TRUE}")
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("sql-point-in-time", SQL_INSTANCE, _DAYS, value, f"{_DAYS} {found}; {_AT_LEAST_30}")
        for value, found in [(UNSET, "is not set"), (0, "is 0"), (29, "is 29"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case("sql-edition", SQL_INSTANCE, "settings.edition", value, f"settings.edition {found}; {_ONE_EDITION}")
        for value, found in [(UNSET, "is not set"), ("STANDARD", "is STANDARD"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    Case(
        "bucket-recoverable",
        BUCKET,
        "retentionPolicy",
        UNSET,
        "versioning.enabled is not set and retentionPolicy is not set; one of the two must be",
    ),
    Case(
        "bucket-recoverable",
        BUCKET,
        "versioning.enabled",
        True,
        "versioning and retentionPolicy are both set; a bucket takes one of the two",
    ),
    Case(
        "bucket-recoverable",
        BUCKET,
        "versioning.enabled",
        UNKNOWN_BOOLEAN_VALUE,
        f"versioning.enabled {_UNKNOWN}; it must be a literal",
    ),
    Case(
        "bucket-recoverable",
        BUCKET,
        "retentionPolicy",
        UNKNOWN_OBJECT_VALUE,
        f"retentionPolicy {_UNKNOWN}; it must be a literal",
    ),
    *(
        Case("bucket-locked-retention", BUCKET, _PERIOD, value, f"{_PERIOD} {found}; {_30_DAYS}")
        for value, found in [
            (UNSET, "is not set"),
            ("0", "is another value"),
            (0, "is 0"),
            (2591999, "is 2591999"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case(
            "bucket-locked-retention",
            BUCKET,
            "retentionPolicy.isLocked",
            value,
            f"retentionPolicy.isLocked {found}; {_TRUE}",
        )
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case(
        "bucket-locked-retention",
        BUCKET,
        "labels.role",
        UNKNOWN_STRING_VALUE,
        f"labels.role {_UNKNOWN}; it must be a literal, because it decides the retention",
    ),
    Case(
        "bucket-locked-retention",
        BUCKET,
        "labels.role",
        "audit",
        f"{_PERIOD} is another value; it must be a literal at least 31536000 s",
    ),
    Case("bucket-force-destroy", BUCKET, "forceDestroy", True, "forceDestroy is true; it must be literally false"),
    Case(
        "bucket-force-destroy",
        BUCKET,
        "forceDestroy",
        UNKNOWN_BOOLEAN_VALUE,
        f"forceDestroy {_UNKNOWN}; it must be literally false",
    ),
    *(
        Case("bucket-soft-delete", BUCKET, _SOFT, value, f"{_SOFT} {found}; {_7_DAYS}")
        for value, found in [
            (UNSET, "is not set"),
            (0, "is 0"),
            (604799, "is 604799"),
            (UNKNOWN_NUMBER_VALUE, _UNKNOWN),
        ]
    ),
    Case("key-kept", CRYPTO_KEY, "deletionPolicy", UNSET, "the key is not protected and deletionPolicy is not set"),
    Case("key-kept", CRYPTO_KEY, "deletionPolicy", "DELETE", "the key is not protected and deletionPolicy is DELETE"),
    Case(
        "key-kept",
        CRYPTO_KEY,
        "deletionPolicy",
        UNKNOWN_STRING_VALUE,
        f"the key is not protected and deletionPolicy {_UNKNOWN}",
    ),
    *(
        Case(
            "key-kept",
            CRYPTO_KEY,
            "destroyScheduledDuration",
            value,
            f"destroyScheduledDuration {found}; {_30_DAYS}",
        )
        for value, found in [("0s", "is 0s"), ("86400s", "is 86400s"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props) == [case.message]


@pytest.mark.parametrize(
    "mark",
    [
        {"masterInstanceName": "acme-prod-business-1"},
        {"instanceType": "READ_REPLICA_INSTANCE"},
        {"instanceType": "READ_POOL_INSTANCE"},
    ],
)
def test_a_replica_needs_no_backups_of_its_own(mark: dict[str, str]) -> None:
    props = changed(COMPLIANT[SQL_INSTANCE], _BACKUPS, UNSET) | mark

    assert judge_all(SQL_INSTANCE, props) == {}


def test_an_unknown_master_does_not_excuse_an_instance_from_its_backups() -> None:
    props = changed(COMPLIANT[SQL_INSTANCE], _BACKUPS, UNSET) | {"masterInstanceName": UNKNOWN_STRING_VALUE}

    assert sorted(judge_all(SQL_INSTANCE, props)) == [
        "sql-backup-count",
        "sql-backup-location",
        "sql-backups-enabled",
        "sql-point-in-time",
    ]


def test_the_smaller_edition_is_held_to_the_days_that_it_can_keep() -> None:
    props = changed(changed(COMPLIANT[SQL_INSTANCE], "settings.edition", "ENTERPRISE"), _DAYS, 7)

    assert judge("sql-point-in-time", SQL_INSTANCE, props) == []
    assert judge("sql-point-in-time", SQL_INSTANCE, changed(props, _DAYS, 6)) == [
        f"{_DAYS} is 6; it must be a literal of at least 7"
    ]


def test_an_unknown_edition_is_held_to_the_larger_floor() -> None:
    props = changed(changed(COMPLIANT[SQL_INSTANCE], "settings.edition", UNKNOWN_STRING_VALUE), _DAYS, 7)

    assert judge("sql-point-in-time", SQL_INSTANCE, props) == [f"{_DAYS} is 7; {_AT_LEAST_30}"]


def test_backups_in_the_own_region_pass_where_the_stack_allows_it_but_need_a_location() -> None:
    config = {"requireOtherRegion": False}
    near = changed(COMPLIANT[SQL_INSTANCE], _LOCATION, "europe-west1")

    assert judge("sql-backup-location", SQL_INSTANCE, near, config=config) == []
    assert judge("sql-backup-location", SQL_INSTANCE, changed(near, _LOCATION, UNSET), config=config) == [
        f"{_LOCATION} is not set; it must be set"
    ]


def test_a_versioned_bucket_of_another_role_needs_no_lock() -> None:
    props = changed(COMPLIANT[BUCKET], "retentionPolicy", UNSET) | {
        "labels": {"role": "uploads"},
        "versioning": {"enabled": True},
    }

    assert judge_all(BUCKET, props) == {}


@pytest.mark.parametrize(("versioned", "found"), [(False, "is false"), (UNSET, "is not set")])
def test_a_bucket_with_neither_history_nor_retention_is_refused(versioned: object, found: str) -> None:
    props = changed(COMPLIANT[BUCKET], "retentionPolicy", UNSET)
    if versioned is not UNSET:
        props["versioning"] = {"enabled": versioned}

    assert judge("bucket-recoverable", BUCKET, props) == [
        f"versioning.enabled {found} and retentionPolicy is not set; one of the two must be"
    ]


def test_dev_may_leave_the_lock_open() -> None:
    props = changed(COMPLIANT[BUCKET], "retentionPolicy.isLocked", False)

    assert judge("bucket-locked-retention", BUCKET, props, config={"requireLock": False}) == []


def test_a_bucket_that_does_not_speak_of_forced_destruction_has_none() -> None:
    assert judge("bucket-force-destroy", BUCKET, changed(COMPLIANT[BUCKET], "forceDestroy", UNSET)) == []


def test_protection_keeps_a_key_as_well_as_its_policy_does() -> None:
    props = changed(COMPLIANT[CRYPTO_KEY], "deletionPolicy", UNSET)

    assert judge("key-kept", CRYPTO_KEY, props, protect=True) == []


def test_the_services_own_delay_before_destruction_is_long_enough() -> None:
    assert judge("key-kept", CRYPTO_KEY, changed(COMPLIANT[CRYPTO_KEY], "destroyScheduledDuration", UNSET)) == []
