"""What is counted in log groups: results and ages that the jobs report, and changes that an auditor asks about.

No metric has a tenant in its dimensions: each tenant would be a metric to pay for, and an alarm watches one set of
dimensions, so one per tenant. The log lines name the tenant; the dashboard's queries group by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components.aws.alarms import Metric
from components.aws.naming import prefix
from settings.plan import EnvironmentPlan

NAMESPACE: Final = "Tenantry"

# Suspended tenants are silent (R2.6); an event without the field is about no suspended tenant.
_UNMUTED: Final = "(($.muted NOT EXISTS) || ($.muted IS FALSE))"


@dataclass(frozen=True, kw_only=True)
class LogMetric:
    """A metric over the entries of one log group.

    Attributes:
        key: identity, in words joined by hyphens.
        pattern: which entries, in the filter syntax of CloudWatch Logs.
        source: `jobs` is the log group of the data-plane jobs, `trail` that of CloudTrail.
        value: the field whose value is taken; entries are counted when unset.
    """

    key: str
    pattern: str
    source: Literal["jobs", "trail"] = "jobs"
    value: str | None = None

    @property
    def name(self) -> str:
        """The metric's name, like ExportFailed."""
        return "".join(word.capitalize() for word in self.key.split("-"))

    @property
    def metric(self) -> Metric:
        return Metric(namespace=NAMESPACE, name=self.name, statistic="Sum" if self.value is None else "Maximum")


def _failed(*events: str) -> str:
    """Any result but ok: one that nobody thought of is no success."""
    either = " || ".join(f'($.event = "{event}")' for event in events)
    return f'({either}) && ($.result != "ok")'


EXPORT_FAILED: Final = LogMetric(
    key="export-failed", pattern=f"{{ {_failed('export.result', 'export.summary')} && {_UNMUTED} }}"
)
DRILL_FAILED: Final = LogMetric(key="drill-failed", pattern=f"{{ {_failed('drill.result', 'drill.summary')} }}")
# not muted: a suspension that did not take is worth waking somebody
SQL_JOB_FAILED: Final = LogMetric(key="sql-job-failed", pattern=f"{{ {_failed('sql_job.tenant', 'sql_job.summary')} }}")
SQL_JOB_RUN: Final = LogMetric(key="sql-job-run", pattern='{ $.event = "sql_job.summary" }')
WATCH_RUN: Final = LogMetric(key="watch-run", pattern='{ $.event = "freshness.summary" }')
EXPORT_AGE: Final = LogMetric(
    key="export-age-hours", pattern=f'{{ ($.event = "freshness.export") && {_UNMUTED} }}', value="$.age_hours"
)
DRILL_AGE: Final = LogMetric(key="drill-age-days", pattern='{ $.event = "freshness.drill" }', value="$.age_days")
SECRET_AGE: Final = LogMetric(key="secret-age-days", pattern='{ $.event = "freshness.secret" }', value="$.age_days")
JOBS: Final = (
    EXPORT_FAILED,
    DRILL_FAILED,
    SQL_JOB_FAILED,
    SQL_JOB_RUN,
    WATCH_RUN,
    EXPORT_AGE,
    DRILL_AGE,
    SECRET_AGE,
)


def _named(*names: str) -> str:
    return " || ".join(f"($.eventName = {name})" for name in names)


def _audit(key: str, pattern: str) -> LogMetric:
    return LogMetric(key=f"audit-{key}", pattern=f"{{ {pattern} }}", source="trail")


# The changes of CIS AWS Foundations 4.1 to 4.14 (5.1 to 5.14 of later editions). Left out are AWS Config, which nothing
# here uses, and organizations, which are not this account's.
UNAUTHORISED: Final = _audit(
    "unauthorised-calls",
    '(($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*"))'
    ' && ($.sourceIPAddress != "delivery.logs.amazonaws.com") && ($.eventName != "HeadBucket")',
)
SIGN_IN_WITHOUT_MFA: Final = _audit(
    "sign-in-without-mfa",
    '($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes")'
    ' && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success")',
)
SIGN_IN_FAILED: Final = _audit(
    "sign-in-failed", '($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication")'
)
ROOT_USE: Final = _audit(
    "root-use",
    '($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent")',
)
IAM_CHANGE: Final = _audit(
    "iam-change",
    "($.eventSource = iam.amazonaws.com) && ("
    + _named(
        "DeleteGroupPolicy", "DeleteRolePolicy", "DeleteUserPolicy", "PutGroupPolicy", "PutRolePolicy",
        "PutUserPolicy", "CreatePolicy", "DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion",
        "AttachRolePolicy", "DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy",
        "DetachGroupPolicy",
    )
    + ")",
)  # fmt: skip
TRAIL_CHANGE: Final = _audit(
    "trail-change", _named("CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging")
)
KEY_DELETION: Final = _audit(
    "key-deletion",
    f"($.eventSource = kms.amazonaws.com) && ({_named('DisableKey', 'ScheduleKeyDeletion')})",
)
BUCKET_POLICY: Final = _audit(
    "bucket-policy",
    "($.eventSource = s3.amazonaws.com) && ("
    + _named(
        "PutBucketAcl", "PutBucketPolicy", "PutBucketCors", "PutBucketLifecycle", "PutBucketReplication",
        "DeleteBucketPolicy", "DeleteBucketCors", "DeleteBucketLifecycle", "DeleteBucketReplication",
    )
    + ")",
)  # fmt: skip
SECURITY_GROUP: Final = _audit(
    "security-group",
    _named(
        "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress",
        "RevokeSecurityGroupEgress", "CreateSecurityGroup", "DeleteSecurityGroup",
    ),
)  # fmt: skip
NETWORK_ACL: Final = _audit(
    "network-acl",
    _named(
        "CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry",
        "ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation",
    ),
)  # fmt: skip
GATEWAY: Final = _audit(
    "gateway",
    _named(
        "CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway",
        "DeleteInternetGateway", "DetachInternetGateway",
    ),
)  # fmt: skip
ROUTE_TABLE: Final = _audit(
    "route-table",
    "($.eventSource = ec2.amazonaws.com) && ("
    + _named(
        "CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable",
        "DeleteRoute", "DisassociateRouteTable",
    )
    + ")",
)  # fmt: skip
VPC: Final = _audit(
    "vpc",
    _named(
        "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection", "CreateVpcPeeringConnection",
        "DeleteVpcPeeringConnection", "RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc",
        "DisableVpcClassicLink", "EnableVpcClassicLink",
    ),
)  # fmt: skip
AUDIT: Final = (
    UNAUTHORISED,
    SIGN_IN_WITHOUT_MFA,
    SIGN_IN_FAILED,
    ROOT_USE,
    IAM_CHANGE,
    TRAIL_CHANGE,
    KEY_DELETION,
    BUCKET_POLICY,
    SECURITY_GROUP,
    NETWORK_ACL,
    GATEWAY,
    ROUTE_TABLE,
    VPC,
)


def create_log_metrics(
    name: str,
    environment: EnvironmentPlan,
    metrics: Sequence[LogMetric],
    groups: Mapping[Literal["jobs", "trail"], aws.cloudwatch.LogGroup],
    *,
    parent: pulumi.Resource,
) -> Mapping[str, aws.cloudwatch.LogMetricFilter]:
    """Create the filters; the result is keyed by `LogMetric.key`.

    No default value: silence is what an alarm has to hear.
    """
    return {
        metric.key: aws.cloudwatch.LogMetricFilter(
            f"{name}-metric-{metric.key}",
            name=f"{prefix(environment)}-{metric.key}",
            log_group_name=groups[metric.source].name,
            pattern=metric.pattern,
            metric_transformation={
                "namespace": NAMESPACE,
                "name": metric.name,
                "value": metric.value or "1",
                "unit": "None" if metric.value else "Count",
            },
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for metric in metrics
    }
