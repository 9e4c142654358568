import pytest

from policies.aws.tokens import (
    BACKUP_PLAN,
    BACKUP_VAULT,
    KMS_KEY,
    KMS_REPLICA_KEY,
    RDS_BACKUP_REPLICATION,
    RDS_CLUSTER,
    RDS_INSTANCE,
    S3_BUCKETS,
    SECRET,
)
from tests.policies.aws.fixtures import COMPLIANT, PROTECTED
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
    judge_all,
)

_UNKNOWN = "is not known during preview"
_DAYS = "backupRetentionPeriod"
_AFTER = "lifecycle.deleteAfter"
_AT_LEAST_30 = "it must be a literal of at least 30"
_AT_LEAST_7 = "it must be a literal of at least 7"

CASES = [
    *(
        Case("rds-backups", token, _DAYS, value, f"{_DAYS} {found}; {_AT_LEAST_30}")
        for token in (RDS_INSTANCE, RDS_CLUSTER)
        for value, found in [
            (UNSET, "is not set"),
            (0, "is 0"),
            (29, "is 29"),
            (True, "is true"),
            (UNKNOWN_NUMBER_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("rds-kept", RDS_INSTANCE, path, value, f"{path} {found}; it must be literally {wanted}")
        for path, bad, wanted in [("deleteAutomatedBackups", True, "false"), ("copyTagsToSnapshot", False, "true")]
        for value, found in [
            (UNSET, "is not set"),
            (bad, f"is {str(bad).lower()}"),
            (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case(
            "rds-kept",
            RDS_INSTANCE,
            "skipFinalSnapshot",
            value,
            f"skipFinalSnapshot {found}; it must be literally false",
        )
        for value, found in [(True, "is true"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("rds-kept", RDS_INSTANCE, path, value, f"{path} {found}; it must be set")
        for path in ("finalSnapshotIdentifier",)
        for value, found in [(UNSET, "is not set"), ("", "is empty")]
    ),
    *(
        Case(
            "rds-backup-copy",
            RDS_BACKUP_REPLICATION,
            "retentionPeriod",
            value,
            f"retentionPeriod {found}; {_AT_LEAST_7}",
        )
        for value, found in [(UNSET, "is not set"), (0, "is 0"), (6, "is 6"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case("aws-force-destroy", token, "forceDestroy", value, f"forceDestroy {found}; it must be literally false")
        for token in (S3_BUCKETS[0], BACKUP_VAULT)
        for value, found in [(True, "is true"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("kms-kept", KMS_KEY, "deletionWindowInDays", value, f"deletionWindowInDays {found}; {_AT_LEAST_30}")
        for value, found in [(7, "is 7"), (0, "is 0"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case("kms-kept", token, path, value, f"{path} {found}; it must be literally true")
        for token, path in [(KMS_KEY, "isEnabled"), (KMS_REPLICA_KEY, "enabled")]
        for value, found in [(False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("secret-recovery", SECRET, "recoveryWindowInDays", value, f"recoveryWindowInDays {found}; {_AT_LEAST_7}")
        for value, found in [(0, "is 0"), (6, "is 6"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case(
            "backup-plan",
            BACKUP_PLAN,
            f"rules.{rule}.{_AFTER}",
            value,
            f"rules[{rule}].{_AFTER} {found}; {_AT_LEAST_30}",
        )
        for rule in (0, 1)
        for value, found in [(UNSET, "is not set"), (0, "is 0"), (29, "is 29"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    Case(
        "backup-plan",
        BACKUP_PLAN,
        f"rules.1.copyActions.0.{_AFTER}",
        7,
        f"rules[1].copyActions[0].{_AFTER} is 7; {_AT_LEAST_30}",
    ),
    Case("backup-plan", BACKUP_PLAN, "rules", UNSET, "rules is not set; it must be a literal"),
    Case("backup-plan", BACKUP_PLAN, "rules", [], "rules is empty; it must be a literal"),
    Case("backup-plan", BACKUP_PLAN, "rules", UNKNOWN_ARRAY_VALUE, f"rules {_UNKNOWN}; it must be a literal"),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props, protect=case.token in PROTECTED) == [case.message]


@pytest.mark.parametrize("token", [KMS_KEY, KMS_REPLICA_KEY])
def test_a_key_is_protected(token: str) -> None:
    assert judge("kms-kept", token, COMPLIANT[token]) == ["the key is not protected"]


def test_the_services_own_windows_are_long_enough() -> None:
    assert judge("kms-kept", KMS_KEY, {}, protect=True) == []
    assert judge("secret-recovery", SECRET, {}) == []


def test_where_stacks_come_and_go_a_secret_may_too() -> None:
    assert judge("secret-recovery", SECRET, {"recoveryWindowInDays": 0.0}, config={"minDays": 0.0}) == []


def test_a_continuous_backup_is_held_to_the_days_that_it_can_keep() -> None:
    """Under a floor of 60 days a continuous rule keeps the 35 that the service allows; the others keep 60."""
    found = judge("backup-plan", BACKUP_PLAN, COMPLIANT[BACKUP_PLAN], config={"minDays": 60.0})

    assert found == []
    shorter = changed(COMPLIANT[BACKUP_PLAN], f"rules.0.{_AFTER}", 34)
    assert judge("backup-plan", BACKUP_PLAN, shorter, config={"minDays": 60.0}) == [
        f"rules[0].{_AFTER} is 34; it must be a literal of at least 35"
    ]


def test_a_replica_has_no_backups_of_its_own() -> None:
    props = changed(COMPLIANT[RDS_INSTANCE], _DAYS, UNSET)
    for path in ("deleteAutomatedBackups", "copyTagsToSnapshot", "finalSnapshotIdentifier"):
        props = changed(props, path, UNSET)

    assert sorted(judge_all(RDS_INSTANCE, props)) == ["rds-backups", "rds-kept"]
    assert judge_all(RDS_INSTANCE, props | {"replicateSourceDb": "acme-prod-pool-business-1"}) == {}
