import pytest

from policies.gcp.audit import LOG_FLAGS
from policies.gcp.tokens import LOG_BUCKET, SQL_INSTANCE, SUBNETWORK
from tests.policies.gcp.fixtures import COMPLIANT
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    case_id,
    changed,
    judge,
)

_FLAGS = "settings.databaseFlags"
_UNKNOWN = "is not known during preview"
_POSITIONS = {flag["name"]: at for at, flag in enumerate(COMPLIANT[SQL_INSTANCE]["settings"]["databaseFlags"])}
_365 = "it must be a literal of at least 365"

CASES = [
    *(
        Case(
            "sql-log-flags",
            SQL_INSTANCE,
            f"{_FLAGS}.{_POSITIONS[name]}.value",
            value,
            f"the database flag {name} {found}; it must be {' or '.join(allowed)}",
        )
        for name, allowed in LOG_FLAGS.items()
        for value, found in [
            ("off", "is off"),
            ("none", "is another value"),
            (UNSET, "is not set"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("log-bucket-retention", LOG_BUCKET, "retentionDays", value, f"retentionDays {found}; {_365}")
        for value, found in [
            (UNSET, "is not set"),
            (0, "is 0"),
            (364, "is 364"),
            ("365", "is another value"),
            (UNKNOWN_NUMBER_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("log-bucket-retention", LOG_BUCKET, "locked", value, f"locked {found}; it must be literally true")
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    Case("subnetwork-flow-logs", SUBNETWORK, "logConfig", UNSET, "logConfig is not set; it must be"),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    props = changed(COMPLIANT[case.token], case.path, case.value)

    assert judge(case.rule, case.token, props) == [case.message]


@pytest.mark.parametrize("statements", ["ddl", "mod", "all"])
def test_every_useful_level_of_statement_logging_is_accepted(statements: str) -> None:
    path = f"{_FLAGS}.{_POSITIONS['log_statement']}.value"

    assert judge("sql-log-flags", SQL_INSTANCE, changed(COMPLIANT[SQL_INSTANCE], path, statements)) == []


@pytest.mark.parametrize(("flags", "found"), [([], "is not set"), (UNKNOWN_ARRAY_VALUE, _UNKNOWN)])
def test_each_missing_flag_is_named(flags: object, found: str) -> None:
    assert judge("sql-log-flags", SQL_INSTANCE, changed(COMPLIANT[SQL_INSTANCE], _FLAGS, flags)) == [
        f"the database flag {name} {found}; it must be {' or '.join(allowed)}" for name, allowed in LOG_FLAGS.items()
    ]


def test_application_logs_are_kept_shorter_where_the_config_names_their_bucket() -> None:
    props = {"bucketId": "app", "retentionDays": 30, "locked": False}
    config = {"applicationBuckets": ["app"]}

    assert judge("log-bucket-retention", LOG_BUCKET, props, config=config) == []
    assert judge("log-bucket-retention", LOG_BUCKET, props | {"retentionDays": 29}, config=config) == [
        "retentionDays is 29; it must be a literal of at least 30"
    ]
    assert judge("log-bucket-retention", LOG_BUCKET, props | {"bucketId": UNKNOWN_STRING_VALUE}, config=config) == [
        f"retentionDays is 30; {_365}",
        "locked is false; it must be literally true",
    ]


def test_dev_may_leave_its_log_bucket_unlocked() -> None:
    props = changed(COMPLIANT[LOG_BUCKET], "locked", False)

    assert judge("log-bucket-retention", LOG_BUCKET, props, config={"requireLock": False}) == []
