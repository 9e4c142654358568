"""What is alerted on (R6.2), with thresholds from the configuration.

The web application's alerts read Cloud Run's own request metrics, which exist with or without a load balancer before
it. While nothing runs there, they have no data and stay silent; the uptime check is what notices then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from components.gcp import log_metrics as logs
from components.gcp.alerts import Alert, Condition, Promql, Threshold, never_seen, promql, threshold
from components.gcp.log_metrics import LogMetric
from components.gcp.slo import LATENCIES, REQUESTS
from settings.plan import EnvironmentPlan, InstancePlan

RESTORE_GUIDE: Final = "docs/restore.md"

REPLICA_LAG_SECONDS: Final = 300  # the shortest RPO of a reference system's database (R3.3, S2: 5 min)
MAX_DISK_GB: Final = 65536  # of a Cloud SQL instance: where growth without a bound ends

_GB: Final = 2**30
# What is the database's fault or its quota's, and not the caller's (response_code of Firestore's metrics).
_FIRESTORE_FAILURES: Final = ("DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
# An age is reported every hour; two hours bridge one run that was late.
_AGE_WINDOW: Final = "7200s"


def service_alerts(environment: EnvironmentPlan) -> list[Alert]:
    """Errors and latency of the application, and what waits in queues."""
    limits = environment.monitoring.thresholds
    service = ["resource.label.service_name"]

    def errors(share: float) -> Condition:
        return threshold(
            f"Server errors above {share:.4g} of the requests",
            f'{REQUESTS} AND metric.labels.response_code_class="5xx"',
            of=REQUESTS,
            above=share,
            aligner="ALIGN_DELTA",
            period="60s",
            reducer="REDUCE_SUM",
            by=service,
            duration="300s",
        )

    return [
        Alert(
            key="error-rate-critical",
            title="the application fails",
            severity="critical",
            conditions=[errors(limits.error_rate_critical)],
            meaning="More requests than tolerable end in a server error, for five minutes.",
            first="Roll the newest release back; then look at the databases' dashboard.",
        ),
        Alert(
            key="error-rate-warning",
            title="the application has errors",
            severity="warning",
            conditions=[errors(limits.error_rate_warning)],
            meaning="Server errors are above their usual level, for five minutes.",
            first="Read the application's errors in the log; compare with the newest release.",
        ),
        Alert(
            key="latency",
            title="the application is slow",
            severity="warning",
            conditions=[
                threshold(
                    f"95th percentile above {limits.latency_p95_seconds:g} s",
                    LATENCIES,
                    above=limits.latency_p95_seconds * 1000,
                    aligner="ALIGN_DELTA",
                    period="300s",
                    reducer="REDUCE_PERCENTILE_95",
                    by=service,
                    duration="300s",
                )
            ],
            meaning="One request in twenty takes longer than the limit.",
            first="Look for one busy tenant in query insights of its instance.",
        ),
        Alert(
            key="queue-backlog",
            title="a queue is not emptied",
            severity="warning",
            conditions=[
                threshold(
                    f"More than {limits.queue_backlog} undelivered messages",
                    'resource.type="pubsub_subscription"'
                    ' AND metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages"',
                    above=limits.queue_backlog,
                    aligner="ALIGN_MAX",
                    period="60s",
                    reducer="REDUCE_SUM",
                    by=["resource.label.subscription_id"],
                    duration="300s",
                )
            ],
            meaning="Work arrives faster than it is done, or the worker of this subscription is down.",
            first="Look at the worker's errors; messages are kept, nothing is lost yet.",
        ),
    ]


def instance_alert(environment: EnvironmentPlan, instance: InstancePlan, *, muted: bool) -> Alert:
    """Processor, connections, disk and replication of one instance.

    One policy per instance, because connections and disk have limits of their own there, and because another tenant's
    instance must not change this one's policy. The disk grows by itself, so what counts is its bound.
    """
    limits = environment.monitoring.thresholds
    disk_gb = instance.disk_limit_gb or MAX_DISK_GB

    def where(cloud_name: str, metric: str) -> str:
        return (
            f'resource.type="cloudsql_database" AND metric.type="cloudsql.googleapis.com/database/{metric}"'
            f' AND resource.labels.database_id="{environment.gcp.project}:{cloud_name}"'
        )

    def load(cloud_name: str, whose: str) -> list[Condition]:
        return [
            threshold(
                f"{whose} processor above {limits.cpu:.0%}",
                where(cloud_name, "cpu/utilization"),
                above=limits.cpu,
                aligner="ALIGN_MEAN",
                period="300s",
                duration="900s",
            ),
            threshold(
                f"{whose} connections above {limits.connections:.0%} of {instance.max_connections}",
                where(cloud_name, "postgresql/num_backends"),
                above=float(int(limits.connections * instance.max_connections)),
                aligner="ALIGN_MAX",
                period="60s",
                # the metric is per database; the limit is the instance's
                reducer="REDUCE_SUM",
                by=["resource.label.database_id"],
                duration="300s",
            ),
        ]

    conditions = [
        *load(instance.name, "Primary"),
        threshold(
            f"Disk above {limits.disk:.0%} of {disk_gb} GB",
            where(instance.name, "disk/bytes_used"),
            above=float(int(limits.disk * disk_gb * _GB)),
            aligner="ALIGN_MAX",
            period="300s",
            duration="300s",
        ),
    ]
    if instance.replica_region is not None:
        conditions += load(instance.replica_name, "Replica")
        conditions.append(
            threshold(
                f"Replica more than {REPLICA_LAG_SECONDS} s behind",
                where(instance.replica_name, "replication/replica_lag"),
                above=REPLICA_LAG_SECONDS,
                aligner="ALIGN_MAX",
                period="60s",
                duration="300s",
            )
        )
    return Alert(
        key=f"database-{instance.key}",
        title=f"database instance {instance.key} is near a limit",
        severity="warning",
        enabled=not muted,
        conditions=conditions,
        meaning=f"`{instance.name}` is near the end of its processor, connections or disk, or its replica lags.",
        first=(
            "Find the busy tenant in query insights. Raise `tier` or `disk_limit_gb` of the instance in the stack file,"
            " or give that tenant an instance of its own. A lagging replica does not meet the region's RPO."
        ),
        guide=RESTORE_GUIDE,
        labels=instance.labels,
    )


def instances_alert(environment: EnvironmentPlan) -> Alert:
    """An instance that is down, whichever: one policy for all of them, which a new instance does not change.

    It knows them by the start of their names, which the drills' scratch instances do not have. An instance of a
    suspended tenant is among them: its backups have to go on (R2.6).
    """
    ours = f"{environment.gcp.project}:{environment.organization}-{environment.name}-.+"
    return Alert(
        key="database-down",
        title="a database instance is down",
        severity="critical",
        conditions=[
            promql(
                "The server of an instance is not up",
                "max by (database_id) (cloudsql_googleapis_com:database_up"
                f'{{monitored_resource="cloudsql_database",database_id=~"{ours}"}}) < 1',
                duration="120s",
            )
        ],
        meaning="No tenant of this instance can connect, and none of them is backed up.",
        first="Look at the instance's operations and its log: a failover takes a minute, a full disk stays.",
        guide=RESTORE_GUIDE,
    )


def firestore_alerts(environment: EnvironmentPlan) -> list[Alert]:
    """Requests that Firestore itself could not serve; it has no processor, disk or connections to watch."""
    share = environment.monitoring.thresholds.error_rate_critical
    requests = (
        'resource.type="firestore.googleapis.com/Database" AND metric.type="firestore.googleapis.com/api/request_count"'
    )
    codes = ", ".join(f'"{code}"' for code in _FIRESTORE_FAILURES)
    return [
        Alert(
            key="firestore-errors",
            title="a Firestore database does not serve",
            severity="critical",
            conditions=[
                threshold(
                    f"Failed Firestore requests above {share:.4g} of a database's requests",
                    f"{requests} AND metric.labels.response_code=one_of({codes})",
                    of=requests,
                    above=share,
                    aligner="ALIGN_DELTA",
                    period="60s",
                    reducer="REDUCE_SUM",
                    by=["resource.label.database_id"],
                    duration="300s",
                )
            ],
            meaning="A tenant's database refuses requests: a quota is used up, a key is gone, or Google is down.",
            first="Look at the database's quotas and its key in the console, then at Google's status page.",
            guide=RESTORE_GUIDE,
        )
    ]


def guest_alerts() -> list[Alert]:
    """Dumps and restore drills of guest databases that failed (R3.2, R3.4); too old ones are with all others."""
    return [
        Alert(
            key="guest-export-failed",
            title="a guest database's dump failed",
            severity="warning",
            events=True,
            conditions=[_failed(logs.GUEST_EXPORT_RESULT, "Dump of a guest failed", ("tenant",))],
            meaning="The nightly dump of at least one guest database failed; the others went on.",
            first="Read the log of the job tenantry-guest-export, then start the job again.",
            guide=RESTORE_GUIDE,
        ),
        Alert(
            key="guest-drill-failed",
            title="a guest database's restore drill failed",
            severity="critical",
            events=True,
            conditions=[_failed(logs.GUEST_DRILL_RESULT, "Drill of a guest failed", ("instance",))],
            meaning="A guest's newest dump could not be restored, or its contents differ: take it as unproved.",
            first="Read the log of the job tenantry-guest-drill; make a new dump and drill again.",
            guide=RESTORE_GUIDE,
        ),
    ]


def _failed(metric: LogMetric, title: str, by: Sequence[str]) -> Condition:
    """Any result but ok: one that nobody thought of is no success."""
    return threshold(
        title,
        f'{metric.where} AND metric.labels.result!="ok"',
        above=0,
        aligner="ALIGN_SUM",
        period="300s",
        reducer="REDUCE_SUM",
        by=[f"metric.label.{label}" for label in by],
    )


def _too_old(metric: LogMetric, title: str, limit: int) -> Condition:
    return threshold(
        title,
        metric.where,
        above=limit,
        aligner="ALIGN_PERCENTILE_99",
        period=_AGE_WINDOW,
        reducer="REDUCE_MAX",
        by=[f"metric.label.{label}" for label in metric.labels],
    )


def backup_alerts(environment: EnvironmentPlan, ages: logs.Ages) -> list[Alert]:
    """Exports, restore drills and secrets: failed, or too old (R3.2, R3.4, R5.3)."""
    backups, secrets = environment.backups, environment.secrets
    return [
        Alert(
            key="export-failed",
            title="a tenant's export failed",
            severity="warning",
            events=True,
            conditions=[
                _failed(logs.EXPORT_RESULT, "Export of a tenant failed", ("instance", "tenant")),
                _failed(logs.EXPORT_SUMMARY, "Export run failed", ("instance",)),
            ],
            meaning="The nightly export of at least one tenant failed; the others went on. Older exports still stand.",
            first="Read the execution of the export workflow, then start it again for that instance.",
            guide=RESTORE_GUIDE,
        ),
        Alert(
            key="export-stale",
            title="a tenant's newest export is too old",
            severity="critical",
            conditions=[
                _too_old(ages.export, f"Older than {backups.export_max_age_hours} h", backups.export_max_age_hours)
            ],
            meaning="If the region were lost now, this tenant would lose more than a day.",
            first="Start the export workflow for the instance and watch it end; then find why the schedule did not.",
            guide=RESTORE_GUIDE,
        ),
        Alert(
            key="drill-failed",
            title="a restore drill failed",
            severity="critical",
            events=True,
            conditions=[_failed(logs.DRILL_RESULT, "Drill of an instance failed", ("instance",))],
            meaning="Backups of this instance could not be restored, or failed the checks: take them as unproved.",
            first="Read the execution of the drill workflow; delete a leftover scratch instance; run the drill again.",
            guide=RESTORE_GUIDE,
        ),
        Alert(
            key="drill-stale",
            title="a restore drill is overdue",
            severity="warning",
            conditions=[
                _too_old(ages.drill, f"Older than {backups.drill_max_age_days} days", backups.drill_max_age_days)
            ],
            meaning="Nobody has proved lately that this instance's backups can be restored.",
            first="Run the drill workflow for the instance.",
            guide=RESTORE_GUIDE,
        ),
        Alert(
            key="secret-age",
            title="a secret is due for rotation",
            severity="warning",
            conditions=[_too_old(ages.secret, f"Older than {secrets.max_age_days} days", secrets.max_age_days)],
            meaning="A secret has not been rotated within the limit of the stack file.",
            first="Raise `secrets.rotation` by one; an external secret is renewed by its issuer.",
        ),
    ]


def job_alerts(ages: logs.Ages) -> list[Alert]:
    """Jobs and workflows that failed or fell silent."""
    return [
        Alert(
            key="worker-failed",
            title="a job or workflow failed",
            severity="warning",
            events=True,
            conditions=[
                threshold(
                    "Execution of a Cloud Run job failed",
                    'resource.type="cloud_run_job" AND metric.type="run.googleapis.com/job/completed_execution_count"'
                    ' AND metric.labels.result="failed"',
                    above=0,
                    aligner="ALIGN_SUM",
                    period="300s",
                    reducer="REDUCE_SUM",
                    by=["resource.label.job_name"],
                ),
                threshold(
                    "Execution of a workflow failed",
                    f'resource.type="{logs.WORKFLOW}"'
                    ' AND metric.type="workflows.googleapis.com/finished_execution_count"'
                    ' AND metric.labels.status!="SUCCEEDED"',
                    above=0,
                    aligner="ALIGN_SUM",
                    period="300s",
                    reducer="REDUCE_SUM",
                    by=["resource.label.workflow_id"],
                ),
            ],
            meaning="A worker ended in failure.",
            first="Read the log of the execution; every job may be started again at any time.",
        ),
        Alert(
            key="sql-job-failed",
            title="a tenant is not isolated",
            severity="critical",
            events=True,
            conditions=[
                _failed(logs.SQL_JOB_TENANT, "A tenant was not served", ("instance", "tenant")),
                _failed(logs.SQL_JOB_SUMMARY, "The run failed", ()),
            ],
            meaning="A tenant's roles, credential or suspension could not be applied. A new tenant has no URL yet.",
            first="Read the job's log for the tenant; an unchanged tenant keeps working with its present credential.",
        ),
        Alert(
            key="sql-job-silent",
            title="the SQL job does not run",
            severity="critical",
            conditions=[
                never_seen(
                    "No run for two hours",
                    logs.SQL_JOB_SUMMARY.promql,
                    resource=logs.SQL_JOB_SUMMARY.resource,
                    window="1h",
                    duration="3600s",
                )
            ],
            meaning="New tenants are not isolated, rotations and suspensions do not happen.",
            first="Look at the job's schedule, its image and its service account; start it by hand.",
        ),
        Alert(
            key="watch-silent",
            title="nobody watches the backups",
            severity="critical",
            conditions=[
                never_seen(
                    "No report of an age for four hours",
                    # the age of secrets has no exception for tenants, and there always is one
                    f"{ages.secret.promql}_count",
                    resource=ages.secret.resource,
                    window="3h",
                    duration="3600s",
                )
            ],
            meaning="Ages of exports, drills and secrets are not reported, so that none of them can be alerted on.",
            first="Look at the schedule of the watch job and its newest execution.",
            guide=RESTORE_GUIDE,
        ),
    ]


def audit_alerts() -> list[Alert]:
    """Changes that an auditor asks about (CIS Google Cloud 2.4 to 2.11), by who has to look."""

    def seen(metric: LogMetric) -> Condition:
        return threshold(
            metric.description.rstrip("."),
            metric.where,
            above=0,
            aligner="ALIGN_SUM",
            period="60s",
            reducer="REDUCE_SUM",
        )

    first = "Find the entry in the audit log: who, from where, and which change request. Undo what nobody asked for."
    return [
        Alert(
            key="audit-identity",
            title="ownership, audit logging or a role changed",
            severity="critical",
            events=True,
            conditions=[seen(logs.OWNERSHIP), seen(logs.AUDIT_CONFIG), seen(logs.CUSTOM_ROLE)],
            meaning="Somebody changed who owns the project, what is logged or what a role may do.",
            first=first,
        ),
        Alert(
            key="audit-network",
            title="the network changed",
            severity="warning",
            events=True,
            conditions=[seen(logs.FIREWALL), seen(logs.ROUTE), seen(logs.NETWORK)],
            meaning="A firewall rule, route or network changed. A deployment may have done it.",
            first=first,
        ),
        Alert(
            key="audit-data",
            title="access to data changed",
            severity="warning",
            events=True,
            conditions=[seen(logs.BUCKET_IAM), seen(logs.SQL_CONFIG)],
            meaning="A bucket's grants or a SQL instance changed. A deployment or the drill may have done it.",
            first=first,
        ),
    ]


def log_metrics_of(alert: Alert, metrics: Collection[LogMetric]) -> list[str]:
    """Keys of the log metrics that an alert reads, so that it is created after them."""
    texts = [_source(condition) for condition in alert.conditions]
    return [metric.key for metric in metrics if any(metric.type in text or metric.promql in text for text in texts)]


def _source(condition: Condition) -> str:
    """What a condition reads, as far as it is a literal: filters on log metrics always are."""
    if isinstance(condition.condition_threshold, Threshold) and isinstance(condition.condition_threshold.filter, str):
        return condition.condition_threshold.filter
    promql = condition.condition_prometheus_query_language
    return promql.query if isinstance(promql, Promql) and isinstance(promql.query, str) else ""
