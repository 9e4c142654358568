"""Audit on AWS: what happened can be found out later, and not be erased (R6.6, R8.2)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.aws.tokens import (
    ALARM,
    LOG_GROUP,
    RDS_CLUSTER_INSTANCE,
    RDS_INSTANCE,
    S3_BUCKETS,
    TRAIL,
    bucket_name,
    role_of,
)
from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Setting, Severity, StackRule
from policies.frame.values import UNKNOWN

_MISSING_DATA = ("breaching", "ignore", "missing", "notBreaching")


def _log_group(group: Resource, config: Config) -> Iterator[str]:
    # 0 keeps for ever, which nobody asked for and somebody pays: what is kept is written down.
    role = role_of(group)
    if role is UNKNOWN:
        yield "tags.role is not known during preview; it must be a literal, because it decides the retention"
        return
    floor = config.number("auditMinDays" if role == "audit" else "minDays")
    yield from expect.at_least(group.props, "retentionInDays", floor)


def _rds_observed(database: Resource, _: Config) -> Iterator[str]:
    if database.token == RDS_INSTANCE:
        yield from expect.includes(database.props, "enabledCloudwatchLogsExports", "postgresql")
    yield from expect.equals(database.props, "performanceInsightsEnabled", wanted=True)
    yield from expect.at_least(database.props, "monitoringInterval", 1)


def _alarm(alarm: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(alarm.props, "treatMissingData", _MISSING_DATA)


def _trail(trail: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(trail.props, "isMultiRegionTrail", wanted=True)
    yield from expect.equals(trail.props, "enableLogFileValidation", wanted=True)
    yield from expect.absent_or(trail.props, "enableLogging", allowed=True)
    yield from expect.absent_or(trail.props, "includeGlobalServiceEvents", allowed=True)


def _account_trail(stack: Index, _: Config) -> Iterator[Finding]:
    if not any(token.startswith("aws:") for token in stack.tokens):
        return
    trails = stack.of(TRAIL)
    if not trails:
        yield Finding("no CloudTrail trail records what is done in the account")
    kept: set[str] = set()
    for bucket in stack.of(*S3_BUCKETS):
        found = stack.siblings(bucket, (TRAIL,), "s3BucketName", bucket_name(bucket), bucket.text("id"))
        kept |= {trail.urn for trail in found}
        # Its lock is judged by that role, with every other bucket's.
        if found and role_of(bucket) != "audit":
            yield Finding("a trail writes to the bucket, whose tag role is not literally audit", bucket.urn)
    for trail in trails:
        if trail.urn not in kept:
            yield Finding("s3BucketName is a bucket outside this stack, whose lock cannot be seen", trail.urn)


RULES = (
    ResourceRule(
        name="log-group-retention",
        family=Family.AUDIT,
        refuses="A log group that keeps too few days, or does not say how many.",
        severity=Severity.MEDIUM,
        remediation='Set retention_in_days as a literal; groups with audit logs have the tag role "audit".',
        requirements=("R8.2", "R6.6"),
        settings=(
            Setting(name="minDays", default=30, description="Days for which application logs are kept."),
            Setting(name="auditMinDays", default=365, minimum=30, description="Days for which audit logs are kept."),
        ),
        tokens=(LOG_GROUP,),
        check=_log_group,
    ),
    ResourceRule(
        name="rds-observed",
        family=Family.AUDIT,
        refuses="A database that sends no logs, or whose load cannot be seen.",
        severity=Severity.MEDIUM,
        remediation=(
            'Set enabled_cloudwatch_logs_exports with "postgresql", performance_insights_enabled=True and '
            "monitoring_interval, as literals."
        ),
        requirements=("R6.2", "R6.6"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER_INSTANCE),
        check=_rds_observed,
    ),
    ResourceRule(
        name="alarm-missing-data",
        family=Family.AUDIT,
        refuses="An alarm that leaves open what silence means.",
        severity=Severity.MEDIUM,
        remediation='Set treat_missing_data, for example to "breaching" where silence is the failure, as a literal.',
        requirements=("R6.2",),
        tokens=(ALARM,),
        check=_alarm,
    ),
    ResourceRule(
        name="trail-complete",
        family=Family.AUDIT,
        refuses="A trail that misses regions or events, or whose files could be changed unnoticed.",
        severity=Severity.CRITICAL,
        remediation="Set is_multi_region_trail and enable_log_file_validation to True, as literals.",
        requirements=("R8.2", "R6.6"),
        tokens=(TRAIL,),
        check=_trail,
    ),
)

STACK_RULES = (
    StackRule(
        name="account-trail",
        family=Family.AUDIT,
        refuses="An AWS account whose changes are not recorded, or recorded where they can be erased.",
        severity=Severity.CRITICAL,
        remediation="Keep the environment's trail, and its bucket of the role audit under Object Lock.",
        requirements=("R8.2", "R6.6"),
        check=_account_trail,
    ),
)
