import pytest

from policies.aws.tokens import ALARM, LOG_GROUP, RDS_CLUSTER_INSTANCE, RDS_INSTANCE, TRAIL
from tests.policies.aws.fixtures import COMPLIANT
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

_UNKNOWN = "is not known during preview"
_TRUE = "it must be literally true"
_AT_LEAST_30 = "it must be a literal of at least 30"
_LOGS = "enabledCloudwatchLogsExports"
_MISSING = "it must be one of breaching, ignore, missing, notBreaching"

CASES = [
    *(
        Case("log-group-retention", LOG_GROUP, "retentionInDays", value, f"retentionInDays {found}; {_AT_LEAST_30}")
        for value, found in [
            (UNSET, "is not set"),
            (0, "is 0"),
            (29, "is 29"),
            (UNKNOWN_NUMBER_VALUE, _UNKNOWN),
        ]
    ),
    Case(
        "log-group-retention",
        LOG_GROUP,
        "tags.role",
        "audit",
        "retentionInDays is 30; it must be a literal of at least 365",
    ),
    Case(
        "log-group-retention",
        LOG_GROUP,
        "tags.role",
        UNKNOWN_STRING_VALUE,
        f"tags.role {_UNKNOWN}; it must be a literal, because it decides the retention",
    ),
    *(
        Case("rds-observed", RDS_INSTANCE, _LOGS, value, f"{_LOGS} {found}; it must include postgresql")
        for value, found in [
            (UNSET, "is not set"),
            ([], "does not"),
            (["upgrade"], "does not"),
            (UNKNOWN_ARRAY_VALUE, _UNKNOWN),
        ]
    ),
    *(
        Case("rds-observed", token, "performanceInsightsEnabled", value, f"performanceInsightsEnabled {found}; {_TRUE}")
        for token in (RDS_INSTANCE, RDS_CLUSTER_INSTANCE)
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case(
            "rds-observed",
            RDS_INSTANCE,
            "monitoringInterval",
            value,
            f"monitoringInterval {found}; it must be a literal of at least 1",
        )
        for value, found in [(UNSET, "is not set"), (0, "is 0"), (UNKNOWN_NUMBER_VALUE, _UNKNOWN)]
    ),
    *(
        Case("alarm-missing-data", ALARM, "treatMissingData", value, f"treatMissingData {found}; {_MISSING}")
        for value, found in [(UNSET, "is not set"), ("maybe", "is another value"), (UNKNOWN_STRING_VALUE, _UNKNOWN)]
    ),
    *(
        Case("trail-complete", TRAIL, path, value, f"{path} {found}; {_TRUE}")
        for path in ("isMultiRegionTrail", "enableLogFileValidation")
        for value, found in [(UNSET, "is not set"), (False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
    *(
        Case("trail-complete", TRAIL, path, value, f"{path} {found}; {_TRUE}")
        for path in ("enableLogging", "includeGlobalServiceEvents")
        for value, found in [(False, "is false"), (UNKNOWN_BOOLEAN_VALUE, _UNKNOWN)]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]
