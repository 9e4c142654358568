import pytest

from policies.gcp.tokens import FIRESTORE_DATABASE, FIRESTORE_SCHEDULE
from tests.policies.gcp.fixtures import COMPLIANT
from tests.policies.support import (
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    Props,
    Stack,
    case_id,
    changed,
    judge,
)

_UNKNOWN = "is not known during preview"
_KEY = "cmekConfig.kmsKeyName"
_PITR = "pointInTimeRecoveryEnablement"

CASES = [
    Case("firestore-cmek", FIRESTORE_DATABASE, _KEY, UNSET, f"{_KEY} is not set; it must be set"),
    Case("firestore-cmek", FIRESTORE_DATABASE, "cmekConfig", UNSET, f"{_KEY} is not set; it must be set"),
    *(
        Case(
            "firestore-point-in-time",
            FIRESTORE_DATABASE,
            _PITR,
            value,
            f"{_PITR} {found}; it must be literally POINT_IN_TIME_RECOVERY_ENABLED",
        )
        for value, found in [
            (UNSET, "is not set"),
            ("POINT_IN_TIME_RECOVERY_DISABLED", "is POINT_IN_TIME_RECOVERY_DISABLED"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


@pytest.fixture
def stack() -> Stack:
    whole = Stack()
    whole.add(FIRESTORE_DATABASE, "database", COMPLIANT[FIRESTORE_DATABASE], protect=True)
    whole.add(
        FIRESTORE_SCHEDULE, "daily", {"database": "acme-prod-acme", "dailyRecurrence": {}, "retention": "604800s"}
    )
    weekly = {"database": UNKNOWN_STRING_VALUE, "weeklyRecurrence": {"day": "SUNDAY"}, "retention": "8467200s"}
    whole.add(FIRESTORE_SCHEDULE, "weekly", weekly, built_from={"database": ["database"]})
    return whole


def test_a_database_with_both_schedules_passes(stack: Stack) -> None:
    assert stack.judge("firestore-backups") == []


@pytest.mark.parametrize("word", ["daily", "weekly"])
def test_a_schedule_is_missed(stack: Stack, word: str) -> None:
    stack.remove(word)

    assert stack.judge("firestore-backups") == [("database", f"the database has no {word} backup schedule")]


def test_a_schedule_of_another_database_does_not_count(stack: Stack) -> None:
    stack.add(FIRESTORE_SCHEDULE, "daily", {"database": "(default)", "dailyRecurrence": {}, "retention": "604800s"})

    assert stack.judge("firestore-backups") == [("database", "the database has no daily backup schedule")]


@pytest.mark.parametrize(
    ("changes", "found", "floor"),
    [
        ({"retention": None}, "retention is not set", 604800),
        ({"retention": "0s"}, "retention is 0s", 604800),
        ({"retention": "604799s"}, "retention is 604799s", 604800),
        ({"retention": UNKNOWN_STRING_VALUE}, f"retention {_UNKNOWN}", 604800),
    ],
)
def test_backups_are_kept_for_long_enough(stack: Stack, changes: Props, found: str, floor: int) -> None:
    daily = {"database": "acme-prod-acme", "dailyRecurrence": {}, "retention": "604800s"}
    stack.add(FIRESTORE_SCHEDULE, "daily", daily | changes)

    message = f"the daily schedule's {found}; it must be a literal at least {floor} s"
    assert stack.judge("firestore-backups") == [("daily", message)]


def test_the_weekly_floor_is_fourteen_weeks(stack: Stack) -> None:
    weekly = {"database": "acme-prod-acme", "weeklyRecurrence": {"day": "SUNDAY"}, "retention": "8467199s"}
    stack.add(FIRESTORE_SCHEDULE, "weekly", weekly)

    message = "the weekly schedule's retention is 8467199s; it must be a literal at least 8467200 s"
    assert stack.judge("firestore-backups") == [("weekly", message)]
    assert stack.judge("firestore-backups", {"weeklyMinDays": 90}) == []
