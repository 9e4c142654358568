"""What is alarmed on (R6.2), with thresholds from the configuration.

What each alarm makes of silence is a decision: of a job that reports regularly it is trouble, of failures it is peace,
and of ages it is nothing new, because the job that reports them has an alarm on its own silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from components.aws import log_metrics as logs
from components.aws.alarms import RESTORE_GUIDE, Alarm, Expression, Metric
from components.aws.channels import Severity
from components.aws.log_metrics import LogMetric
from settings.plan import EnvironmentPlan, InstancePlan

# Every disk may grow, and RDS grows one that has less than 10 % free, so `thresholds.disk` would only tell of that.
# Half of it, of the size that the disk began with, means that growth does not keep up, or is at `disk_limit_gb`.
FREE_DISK_SHARE: Final = 0.05

_GB: Final = 2**30
_HOUR: Final = 3600
# An age is reported every hour; two hours bridge one run that was late.
_AGE_PERIOD: Final = 2 * _HOUR


def instance_alarms(environment: EnvironmentPlan, instance: InstancePlan, *, muted: bool) -> list[Alarm]:
    """Whether one instance is up, and its limits; muted while its one tenant is suspended (R2.6)."""
    limits = environment.monitoring.thresholds
    scale = "Raise `tier` of the instance in the stack file, or give that tenant an instance of its own."

    def metric(name: str, statistic: str) -> Metric:
        return Metric(
            namespace="AWS/RDS", name=name, statistic=statistic, dimensions={"DBInstanceIdentifier": instance.name}
        )

    return [
        Alarm(
            key=f"database-{instance.key}-down",
            title=f"Database instance {instance.name} is down",
            severity="critical",
            # RDS has no metric for it: one that is up reports every minute
            source=metric("CPUUtilization", "SampleCount"),
            comparison="LessThanThreshold",
            threshold=1,
            period=60,
            periods=5,
            missing="breaching",
            region=instance.region,
            enabled=not muted,
            labels=instance.labels,
            meaning="It has reported nothing for 5 minutes: no tenant of it can connect.",
            first="Look at the instance's state and events in RDS: a failover takes a minute, a full disk stays.",
            guide=RESTORE_GUIDE,
        ),
        Alarm(
            key=f"database-{instance.key}-cpu",
            title=f"Database instance {instance.name} is busy",
            severity="warning",
            source=metric("CPUUtilization", "Average"),
            threshold=round(limits.cpu * 100, 2),
            period=300,
            periods=3,
            missing="ignore",
            region=instance.region,
            enabled=not muted,
            labels=instance.labels,
            meaning=f"Processors above {limits.cpu:.0%} for 15 minutes.",
            first=f"Find the busy tenant in Database Insights. {scale}",
        ),
        Alarm(
            key=f"database-{instance.key}-connections",
            title=f"Database instance {instance.name} runs out of connections",
            severity="warning",
            source=metric("DatabaseConnections", "Maximum"),
            threshold=int(limits.connections * instance.max_connections),
            period=60,
            periods=5,
            missing="ignore",
            region=instance.region,
            enabled=not muted,
            labels=instance.labels,
            meaning=f"Above {limits.connections:.0%} of {instance.max_connections} connections for 5 minutes.",
            first="Find the tenant that holds them; lower its `connection_limit`, or raise `max_connections`.",
        ),
        Alarm(
            key=f"database-{instance.key}-disk",
            title=f"Database instance {instance.name} runs out of disk",
            severity="warning",
            source=metric("FreeStorageSpace", "Minimum"),
            comparison="LessThanThreshold",
            threshold=int(FREE_DISK_SHARE * instance.disk_gb * _GB),
            period=300,
            periods=3,
            missing="ignore",
            region=instance.region,
            enabled=not muted,
            labels=instance.labels,
            meaning="Less is free than growth should leave: the disk is at `disk_limit_gb`, or fills too fast.",
            first="Raise `disk_limit_gb` of the instance in the stack file and deploy; RDS grows the disk.",
        ),
    ]


def _failed(metric: LogMetric, *, title: str, severity: Severity, meaning: str, first: str) -> Alarm:
    return Alarm(
        key=metric.key,
        title=title,
        severity=severity,
        source=metric.metric,
        threshold=0,
        period=300,
        missing="notBreaching",
        events=True,
        meaning=meaning,
        first=first,
    )


def _too_old(
    metric: LogMetric, *, key: str, limit: int, title: str, severity: Severity, meaning: str, first: str
) -> Alarm:
    return Alarm(
        key=key,
        title=title,
        severity=severity,
        source=metric.metric,
        threshold=limit,
        period=_AGE_PERIOD,
        missing="ignore",
        meaning=meaning,
        first=first,
        guide=RESTORE_GUIDE if severity == "critical" else "docs/operations.md",
    )


def backup_alarms(environment: EnvironmentPlan) -> list[Alarm]:
    """Exports, restore drills and secrets: failed, or too old (R3.2, R3.4, R5.3).

    Ages are reported for every tenant of AWS and every guest, whether it was ever exported or not.
    """
    backups, secrets = environment.backups, environment.secrets
    return [
        _failed(
            logs.EXPORT_FAILED,
            title="A tenant's export failed",
            severity="warning",
            meaning="The export of at least one tenant failed; the others went on. Older exports still stand.",
            first="Read `export.result` lines of the jobs' log for the tenant, then start the export task again.",
        ),
        _too_old(
            logs.EXPORT_AGE,
            key="export-stale",
            limit=backups.export_max_age_hours,
            title="A tenant's newest export is too old",
            severity="critical",
            meaning=f"Older than {backups.export_max_age_hours} h: what a loss of the region would cost this tenant.",
            first="Start the export task and watch it end; then find why the schedule did not.",
        ),
        _failed(
            logs.DRILL_FAILED,
            title="A restore drill failed",
            severity="critical",
            meaning="An export could not be restored, or failed the checks: take that tenant's exports as unproved.",
            first="Read `drill.result` lines of the jobs' log for the tenant; run the drill again.",
        ),
        _too_old(
            logs.DRILL_AGE,
            key="drill-stale",
            limit=backups.drill_max_age_days,
            title="A restore drill is overdue",
            severity="warning",
            meaning=f"Older than {backups.drill_max_age_days} days: nobody has proved lately that it can be restored.",
            first="Start the drill task and watch it end; then find why the schedule did not.",
        ),
        _too_old(
            logs.SECRET_AGE,
            key="secret-age",
            limit=secrets.max_age_days,
            title="A secret is due for rotation",
            severity="warning",
            meaning=f"A secret has not been rotated for {secrets.max_age_days} days.",
            first="Raise `secrets.rotation` by one; an external secret is renewed by its issuer.",
        ),
    ]


def replication_alarm() -> Alarm:
    """Uploads that S3 did not copy to the backup region: one query finds every bucket, those of tenants too (R4.1)."""
    return Alarm(
        key="replication-failed",
        title="Uploads were not copied to the backup region",
        severity="warning",
        source=Expression(
            text=(
                'SELECT SUM(OperationsFailedReplication) FROM SCHEMA("AWS/S3", DestinationBucket, RuleId, SourceBucket)'
            ),
            label="Copies that failed",
        ),
        threshold=0,
        period=300,
        missing="notBreaching",
        events=True,
        meaning="S3 does not try these objects again: they are in the home region only.",
        first="Look at the replication role and both keys, then copy what failed by S3 Batch Replication.",
        guide=RESTORE_GUIDE,
    )


def vault_alarms(vault: str) -> list[Alarm]:
    """AWS Backup: a job failed (see `events`), or a day and a half went by without one."""
    return [
        Alarm(
            key="snapshot-missing",
            title="AWS Backup took no snapshot",
            severity="critical",
            source=Metric(
                namespace="AWS/Backup",
                name="NumberOfBackupJobsCompleted",
                statistic="Sum",
                dimensions={"BackupVaultName": vault},
            ),
            comparison="LessThanThreshold",
            threshold=1,
            period=_HOUR,
            periods=36,
            missing="breaching",
            meaning="No snapshot was completed for 36 hours. RDS' own backups still stand, in the home region.",
            first="Look at the backup jobs of the vault, then at the plan's rule and its selection.",
            guide=RESTORE_GUIDE,
        )
    ]


def job_alarms() -> list[Alarm]:
    """Jobs that failed or fell silent. New alarms on silence stand until the job's first run."""
    return [
        _failed(
            logs.SQL_JOB_FAILED,
            title="A tenant is not isolated",
            severity="critical",
            meaning="A tenant's roles, credential or suspension could not be applied. A new tenant has no URL yet.",
            first="Read `sql_job.tenant` lines of the jobs' log; an unchanged tenant keeps working as it is.",
        ),
        Alarm(
            key="sql-job-silent",
            title="The SQL job does not run",
            severity="critical",
            source=logs.SQL_JOB_RUN.metric,
            comparison="LessThanThreshold",
            threshold=1,
            period=_HOUR,
            periods=2,
            missing="breaching",
            meaning="No run for two hours: new tenants are not isolated, rotations and suspensions do not happen.",
            first="Look at the job's schedule, its newest stopped task and its role; start it by hand.",
        ),
        Alarm(
            key="watch-silent",
            title="Nobody watches the backups",
            severity="critical",
            source=logs.WATCH_RUN.metric,
            comparison="LessThanThreshold",
            threshold=1,
            period=_HOUR,
            periods=4,
            missing="breaching",
            meaning="No report for four hours: ages of exports, drills and secrets cannot be alarmed on.",
            first="Look at the schedule of the watch job and its newest stopped task.",
            guide=RESTORE_GUIDE,
        ),
    ]


def event_alarm(key: str, group: str, *, title: str, severity: Severity, meaning: str, first: str) -> Alarm:
    """An alarm on a log group that only ever holds what should not happen."""
    return Alarm(
        key=key,
        title=title,
        severity=severity,
        source=Metric(
            namespace="AWS/Logs", name="IncomingLogEvents", statistic="Sum", dimensions={"LogGroupName": group}
        ),
        threshold=0,
        period=300,
        missing="notBreaching",
        events=True,
        meaning=meaning,
        first=first,
    )


def _waiting(queue: str) -> Metric:
    return Metric(
        namespace="AWS/SQS",
        name="ApproximateNumberOfMessagesVisible",
        statistic="Maximum",
        dimensions={"QueueName": queue},
    )


def queue_alarms(environment: EnvironmentPlan, key: str, queue: str, dead_letters: str) -> list[Alarm]:
    """One queue's backlog, and messages that were given up."""
    limit = environment.monitoring.thresholds.queue_backlog
    return [
        Alarm(
            key=f"queue-{key}-backlog",
            title=f"Queue {queue} is not emptied",
            severity="warning",
            source=_waiting(queue),
            threshold=limit,
            period=60,
            periods=5,
            missing="notBreaching",
            meaning=f"More than {limit} messages wait: work arrives faster than it is done, or the worker is down.",
            first="Look at the worker's errors; messages are kept, nothing is lost yet.",
        ),
        dead_letter_alarm(f"queue-{key}-dead-letters", dead_letters),
    ]


def dead_letter_alarm(key: str, queue: str) -> Alarm:
    """Messages that nobody could deliver; they stay for two weeks."""
    return Alarm(
        key=key,
        title=f"Undelivered messages in {queue}",
        severity="warning",
        source=_waiting(queue),
        threshold=0,
        period=300,
        missing="notBreaching",
        meaning="Something was tried as often as allowed and given up; it did not happen.",
        first="Read the messages' error attributes, repair the cause, start the work again, purge the queue.",
    )


@dataclass(frozen=True, kw_only=True)
class LoadBalanced:
    """A service behind a load balancer: what its metrics are known by.

    Attributes:
        key: the service's name in the stack file.
        load_balancer: `arn_suffix` of the load balancer.
        target_group: `arn_suffix` of the service's target group.
    """

    key: str
    load_balancer: pulumi.Input[str]
    target_group: pulumi.Input[str]


def service_alarms(environment: EnvironmentPlan, service: LoadBalanced) -> list[Alarm]:
    """Errors and latency of one service (R6.2). Without requests there is nothing to say: the uptime check says it."""
    limits = environment.monitoring.thresholds
    dimensions = {"LoadBalancer": service.load_balancer, "TargetGroup": service.target_group}

    def metric(name: str, statistic: str) -> Metric:
        return Metric(namespace="AWS/ApplicationELB", name=name, statistic=statistic, dimensions=dimensions)

    def errors(severity: Severity, share: float, first: str) -> Alarm:
        return Alarm(
            key=f"service-{service.key}-error-rate-{severity}",
            title=f"Service {service.key} fails",
            severity=severity,
            source=Expression(
                text="100 * failed / requests",
                label="Server errors, percent of the requests",
                metrics={
                    "failed": metric("HTTPCode_Target_5XX_Count", "Sum"),
                    "requests": metric("RequestCount", "Sum"),
                },
            ),
            threshold=round(share * 100, 4),
            period=60,
            periods=5,
            missing="notBreaching",
            meaning=f"More than {share:.4g} of the requests end in a server error, for five minutes.",
            first=first,
        )

    return [
        errors(
            "critical",
            limits.error_rate_critical,
            "Roll the newest release back; then look at the databases' dashboard.",
        ),
        errors("warning", limits.error_rate_warning, "Read the service's errors; compare with the newest release."),
        Alarm(
            key=f"service-{service.key}-latency",
            title=f"Service {service.key} is slow",
            severity="warning",
            source=metric("TargetResponseTime", "p95"),
            threshold=limits.latency_p95_seconds,
            period=300,
            missing="notBreaching",
            meaning=f"One request in twenty takes longer than {limits.latency_p95_seconds:g} s.",
            first="Look for one busy tenant in Database Insights of its instance.",
        ),
    ]


def audit_alarms() -> list[Alarm]:
    """Changes that an auditor asks about (CIS AWS Foundations 4.1 to 4.14), by who has to look."""
    first = "Find the event in CloudTrail: who, from where, and which change request. Undo what nobody asked for."
    said: Sequence[tuple[LogMetric, Severity, str, str]] = (
        (logs.ROOT_USE, "critical", "The root user was used", "The root user did something; no work needs it."),
        (
            logs.SIGN_IN_WITHOUT_MFA,
            "critical",
            "Somebody signed in without a second factor",
            "A user signed in to the console with a password alone.",
        ),
        (logs.TRAIL_CHANGE, "critical", "The audit trail changed", "What is recorded, or where to, was changed."),
        (logs.KEY_DELETION, "critical", "A key is to be deleted", "A key was disabled or its deletion scheduled."),
        (
            logs.IAM_CHANGE,
            "warning",
            "Rights changed",
            "A policy of a role, user or group changed. A deployment may have done it.",
        ),
        (
            logs.BUCKET_POLICY,
            "warning",
            "Access to a bucket changed",
            "A bucket's policy, replication or life cycle changed. A deployment may have done it.",
        ),
        (
            logs.SECURITY_GROUP,
            "warning",
            "A security group changed",
            "Who may connect to what has changed. A deployment may have done it.",
        ),
        (logs.NETWORK_ACL, "warning", "A network ACL changed", "A subnet's filter changed."),
        (logs.GATEWAY, "warning", "A gateway changed", "A way into or out of the network changed."),
        (logs.ROUTE_TABLE, "warning", "A route changed", "Where traffic goes has changed."),
        (logs.VPC, "warning", "A network changed", "A VPC or a peering changed."),
    )

    def seen(metric: LogMetric, severity: Severity, title: str, meaning: str, *, above: int = 0) -> Alarm:
        return Alarm(
            key=metric.key,
            title=title,
            severity=severity,
            source=metric.metric,
            threshold=above,
            period=300,
            missing="notBreaching",
            events=True,
            meaning=meaning,
            first=first,
        )

    return [
        *(seen(metric, severity, title, meaning) for metric, severity, title, meaning in said),
        # one refusal is a typing error; several in five minutes are somebody trying
        seen(logs.UNAUTHORISED, "warning", "Calls were refused", "More than 5 refused calls in 5 minutes.", above=5),
        seen(logs.SIGN_IN_FAILED, "warning", "Sign-ins failed", "More than 3 failed sign-ins in 5 minutes.", above=3),
    ]
