"""Log-based metrics: what the jobs and workflows report about each tenant, and changes that an auditor asks about.

A tenant is a label of a series, never an object of its own, so one more tenant costs no quota and touches nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

from settings.plan import EnvironmentPlan

WORKFLOW: Final = "workflows.googleapis.com/Workflow"
RUN_JOB: Final = "cloud_run_job"
RUN_SERVICE: Final = "cloud_run_revision"
LOG_BUCKET: Final = "logging_bucket"
"""What the points of a log bucket's own metric are written against, whatever the entries are about."""

# Suspended tenants are silent (R2.6). `NOT x=true` also keeps events that carry no such field; `x!=true` would not.
UNMUTED: Final = "NOT jsonPayload.muted=true"


@dataclass(frozen=True, kw_only=True)
class LogMetric:
    """A metric over log entries of one monitored resource type.

    `value` makes it a distribution of that field; without it, it counts entries. `bounds` are the distribution's
    buckets: a threshold must be one of them, so that a percentile falls on the right side of it.

    `audit` counts in the audit log bucket: audit entries are about types that only Logging knows (`iam_role`,
    `gce_route`), and the API refuses an alert on those ("unknown resource type").
    """

    key: str
    description: str
    resource: str
    query: str
    labels: tuple[str, ...] = ()
    value: str | None = None
    unit: str = "1"
    bounds: tuple[float, ...] = ()
    audit: bool = False

    @property
    def name(self) -> str:
        return f"tenantry_{self.key}"

    @property
    def type(self) -> str:
        return f"logging.googleapis.com/user/{self.name}"

    @property
    def promql(self) -> str:
        """The metric's name in PromQL: the first slash becomes a colon, everything else an underscore."""
        return f"logging_googleapis_com:user_{self.name}"

    @property
    def where(self) -> str:
        """Start of a monitoring filter; both types are required in an alert's filter."""
        monitored = LOG_BUCKET if self.audit else self.resource
        return f'resource.type="{monitored}" AND metric.type="{self.type}"'

    @property
    def log_filter(self) -> str:
        return f'resource.type="{self.resource}" AND {self.query}'


def _event(name: str, *conditions: str) -> str:
    return " AND ".join([f'jsonPayload.event="{name}"', *conditions])


EXPORT_RESULT: Final = LogMetric(
    key="export_result",
    description="Exports of tenant databases by result (R3.2).",
    resource=WORKFLOW,
    query=_event("export.result", UNMUTED),
    labels=("database", "instance", "result", "tenant"),
)
EXPORT_SUMMARY: Final = LogMetric(
    key="export_summary",
    description="Finished export runs by instance and result; a run without a single tenant reports here alone.",
    resource=WORKFLOW,
    query=_event("export.summary"),
    labels=("instance", "result"),
)
DRILL_RESULT: Final = LogMetric(
    key="drill_result",
    description="Restore drills by instance and result (R3.4).",
    resource=WORKFLOW,
    query=_event("drill.result"),
    labels=("instance", "result"),
)
SQL_JOB_TENANT: Final = LogMetric(
    key="sql_job_tenant",
    description="Tenants served by the SQL job, by result: isolation, credentials, suspension (R2.5).",
    resource=RUN_JOB,
    # not muted: a suspension that did not take is worth waking somebody
    query=_event("sql_job.tenant"),
    labels=("instance", "result", "tenant"),
)
SQL_JOB_SUMMARY: Final = LogMetric(
    key="sql_job_summary",
    description="Finished runs of the SQL job by result.",
    resource=RUN_JOB,
    query=_event("sql_job.summary"),
    labels=("result",),
)
# A metric is of one monitored type, so what the container jobs report of guests is counted apart from the workflows.
GUEST_EXPORT_RESULT: Final = LogMetric(
    key="guest_export_result",
    description="Dumps of guest databases by result (R3.2).",
    resource=RUN_JOB,
    query=_event("export.result", UNMUTED),
    labels=("result", "tenant"),
)
GUEST_DRILL_RESULT: Final = LogMetric(
    key="guest_drill_result",
    description="Restore drills of guest databases by result (R3.4).",
    resource=RUN_JOB,
    query=_event("drill.result"),
    labels=("instance", "result"),
)
# Cloud Run's own words, in the log that the containers do not write; there is no metric for it.
MEMORY_KILLED: Final = LogMetric(
    key="memory_killed",
    description="Instances of services that were killed because they took more memory than they have.",
    resource=RUN_SERVICE,
    query='log_id("run.googleapis.com/varlog/system") AND textPayload:"Memory limit of" AND textPayload:"exceeded"',
)
GUEST_EVENTS: Final = (GUEST_EXPORT_RESULT, GUEST_DRILL_RESULT)
EVENTS: Final = (EXPORT_RESULT, EXPORT_SUMMARY, DRILL_RESULT, SQL_JOB_TENANT, SQL_JOB_SUMMARY)


@dataclass(frozen=True, kw_only=True)
class Ages:
    """How old the newest export, drill and secret are, as the watch job reports them every hour."""

    export: LogMetric
    drill: LogMetric
    secret: LogMetric

    @property
    def all(self) -> tuple[LogMetric, ...]:
        return (self.export, self.drill, self.secret)


def age_metrics(environment: EnvironmentPlan) -> Ages:
    """The age metrics, with the configured limits among their buckets."""
    return Ages(
        export=LogMetric(
            key="export_age",
            description="Hours since the newest export of each tenant database (R3.2).",
            resource=RUN_JOB,
            query=_event("freshness.export", UNMUTED),
            labels=("instance", "tenant"),
            value="EXTRACT(jsonPayload.age_hours)",
            unit="h",
            bounds=_bounds((0, 6, 12, 24, 36, 48, 72, 168, 336), environment.backups.export_max_age_hours),
        ),
        drill=LogMetric(
            key="drill_age",
            description="Days since the newest successful restore drill of each instance (R3.4).",
            resource=RUN_JOB,
            query=_event("freshness.drill"),
            labels=("instance",),
            value="EXTRACT(jsonPayload.age_days)",
            unit="d",
            bounds=_bounds((0, 1, 3, 7, 14, 30, 60, 90), environment.backups.drill_max_age_days),
        ),
        secret=LogMetric(
            key="secret_age",
            description="Days since each secret's newest version (R5.3).",
            resource=RUN_JOB,
            query=_event("freshness.secret"),
            labels=("secret",),
            value="EXTRACT(jsonPayload.age_days)",
            unit="d",
            bounds=_bounds((0, 7, 30, 60, 90, 180, 365, 730), environment.secrets.max_age_days),
        ),
    )


def _bounds(usual: Sequence[int], limit: int) -> tuple[float, ...]:
    return tuple(float(bound) for bound in sorted({*usual, limit}))


def _audit(key: str, description: str, resource: str, query: str) -> LogMetric:
    return LogMetric(key=f"audit_{key}", description=description, resource=resource, query=query, audit=True)


# The changes of CIS Google Cloud 2.4 to 2.11; an update of the platform itself shows here as well, and should.
OWNERSHIP: Final = _audit(
    "project_ownership",
    "Grants and removals of project ownership (CIS 2.4).",
    "project",
    '((protoPayload.serviceName="cloudresourcemanager.googleapis.com" AND ProjectOwnership OR projectOwnerInvitee) OR '
    '(protoPayload.serviceData.policyDelta.bindingDeltas.action="REMOVE" AND '
    'protoPayload.serviceData.policyDelta.bindingDeltas.role="roles/owner") OR '
    '(protoPayload.serviceData.policyDelta.bindingDeltas.action="ADD" AND '
    'protoPayload.serviceData.policyDelta.bindingDeltas.role="roles/owner"))',
)
AUDIT_CONFIG: Final = _audit(
    "audit_config",
    "Changes of what is audit-logged (CIS 2.5).",
    "project",
    'protoPayload.methodName="SetIamPolicy" AND protoPayload.serviceData.policyDelta.auditConfigDeltas:*',
)
CUSTOM_ROLE: Final = _audit(
    "custom_role",
    "Changes of custom roles (CIS 2.6).",
    "iam_role",
    '(protoPayload.methodName="google.iam.admin.v1.CreateRole" OR '
    'protoPayload.methodName="google.iam.admin.v1.DeleteRole" OR '
    'protoPayload.methodName="google.iam.admin.v1.UpdateRole")',
)
FIREWALL: Final = _audit(
    "firewall",
    "Changes of firewall rules (CIS 2.7).",
    "gce_firewall_rule",
    '(protoPayload.methodName:"compute.firewalls.patch" OR protoPayload.methodName:"compute.firewalls.insert" OR '
    'protoPayload.methodName:"compute.firewalls.delete" OR protoPayload.methodName:"compute.firewalls.update")',
)
ROUTE: Final = _audit(
    "route",
    "Changes of routes (CIS 2.8).",
    "gce_route",
    '(protoPayload.methodName:"compute.routes.delete" OR protoPayload.methodName:"compute.routes.insert")',
)
NETWORK: Final = _audit(
    "network",
    "Changes of networks and their peerings (CIS 2.9).",
    "gce_network",
    '(protoPayload.methodName:"compute.networks.insert" OR protoPayload.methodName:"compute.networks.patch" OR '
    'protoPayload.methodName:"compute.networks.delete" OR protoPayload.methodName:"compute.networks.removePeering" OR '
    'protoPayload.methodName:"compute.networks.addPeering")',
)
BUCKET_IAM: Final = _audit(
    "bucket_iam",
    "Changes of who may use a bucket (CIS 2.10).",
    "gcs_bucket",
    'protoPayload.methodName="storage.setIamPermissions"',
)
SQL_CONFIG: Final = _audit(
    "sql_config",
    "Changes of SQL instances (CIS 2.11).",
    "cloudsql_database",
    '(protoPayload.methodName="cloudsql.instances.update" OR protoPayload.methodName="cloudsql.instances.create" OR '
    'protoPayload.methodName="cloudsql.instances.delete")',
)
AUDIT: Final = (OWNERSHIP, AUDIT_CONFIG, CUSTOM_ROLE, FIREWALL, ROUTE, NETWORK, BUCKET_IAM, SQL_CONFIG)


def create_log_metrics(
    name: str,
    environment: EnvironmentPlan,
    metrics: Sequence[LogMetric],
    *,
    audit_logs: gcp.logging.ProjectBucketConfig,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Mapping[str, gcp.logging.Metric]:
    """Create the metrics; the result is keyed by `LogMetric.key`.

    Every field that the server would fill in is written out, labels in the order of their names: the next preview is
    empty.
    """
    opts = pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))
    return {
        metric.key: gcp.logging.Metric(
            f"{name}-metric-{metric.key.replace('_', '-')}",
            project=environment.gcp.project,
            name=metric.name,
            description=metric.description,
            bucket_name=audit_logs.id if metric.audit else None,
            filter=metric.log_filter,
            label_extractors={label: f"EXTRACT(jsonPayload.{label})" for label in metric.labels} or None,
            metric_descriptor={
                "metric_kind": "DELTA",
                "value_type": "INT64" if metric.value is None else "DISTRIBUTION",
                "unit": metric.unit,
                "labels": [{"key": label, "value_type": "STRING"} for label in metric.labels],
            },
            value_extractor=metric.value,
            bucket_options={"explicit_buckets": {"bounds": list(metric.bounds)}} if metric.bounds else None,
            opts=opts,
        )
        for metric in metrics
    }
