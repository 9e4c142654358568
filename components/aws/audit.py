"""Audit logging on AWS: who did what is recorded everywhere, validated, and kept in a locked bucket (R6.6)."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import log_group_arn, log_group_name, prefix, role_name
from components.aws.platform import AwsPlatform
from components.aws.policy_document import Statement, allow, document, trust_caller
from components.guard import Guard
from settings.plan import EnvironmentPlan

# What CloudWatch Logs takes as retention, in days (PutRetentionPolicy).
_LOG_RETENTION: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def log_retention(days: int) -> int:
    """The shortest retention of a log group that is not below `days`.

    Raises:
        ValueError: CloudWatch Logs keeps nothing that long.
    """
    for allowed in _LOG_RETENTION:
        if allowed >= days:
            return allowed
    raise ValueError(f"a log group keeps entries for at most {_LOG_RETENTION[-1]} days, not {days}")


def trail_arn(plan: EnvironmentPlan) -> str:
    """The trail's ARN, a literal: the policies of its bucket and key name it before it exists."""
    return f"arn:aws:cloudtrail:{plan.aws.region}:{plan.aws.account_id}:trail/{prefix(plan)}"


def trail_statements(plan: EnvironmentPlan) -> list[Statement]:
    """Statements of the audit bucket's policy: this account's one trail may write there, and nobody else's."""
    bucket = f"arn:aws:s3:::{plan.buckets.audit}"
    principal = {"Service": "cloudtrail.amazonaws.com"}
    return [
        {
            "Sid": "TrailReadsAcl",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:GetBucketAcl",
            "Resource": bucket,
            "Condition": {"StringEquals": {"aws:SourceArn": trail_arn(plan)}},
        },
        {
            "Sid": "TrailWrites",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/AWSLogs/{plan.aws.account_id}/*",
            "Condition": {
                "StringEquals": {"aws:SourceArn": trail_arn(plan), "s3:x-amz-acl": "bucket-owner-full-control"}
            },
        },
    ]


def trail_key_statements(plan: EnvironmentPlan) -> list[Statement]:
    """Statements of the policy of the `logs` key in the audit bucket's region, with which the trail encrypts."""
    principal = {"Service": "cloudtrail.amazonaws.com"}
    return [
        {
            "Sid": "TrailEncrypts",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "kms:GenerateDataKey*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "aws:SourceArn": trail_arn(plan),
                    "kms:EncryptionContext:aws:cloudtrail:arn": trail_arn(plan),
                }
            },
        },
        {
            "Sid": "TrailDescribesKey",
            "Effect": "Allow",
            "Principal": principal,
            # decrypting is asked for where the bucket has a bucket key (CloudTrail, key policies)
            "Action": ["kms:Decrypt", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": trail_arn(plan)}},
        },
    ]


def archive_key_statements(plan: EnvironmentPlan) -> list[Statement]:
    """Statements of the policy of the audit bucket's own key, without which CloudTrail makes no trail to that bucket.

    A bucket that has a bucket key asks for it even where the trail brings a key of its own (CloudTrail, encrypting log
    files with KMS keys).
    """
    return [
        {
            "Sid": "TrailArchive",
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": trail_arn(plan)}},
        }
    ]


def create_trail(
    plan: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> tuple[aws.cloudtrail.Trail, aws.cloudwatch.LogGroup]:
    """Record all regions, with the reads and writes of the environment's objects, in the audit bucket.

    The same events go to a log group, where changes are counted. The bucket is in the backup region, and a trail's key
    must be where its bucket is.
    """
    account, region = plan.aws.account_id, plan.aws.region
    group_name = log_group_name(plan, "trail")
    group_arn = log_group_arn(plan, group_name)
    group = aws.cloudwatch.LogGroup(
        "trail-logs",
        name=group_name,
        retention_in_days=log_retention(plan.audit_retention_days),
        kms_key_id=platform.keys["logs", region].arn,
        opts=guard.options(parent, guarded=True, depends_on=[platform.keys["logs", region].resource]),
    )
    role = aws.iam.Role(
        "trail-role",
        name=role_name(plan, "trail"),
        description="CloudTrail's events into their log group",
        # CloudTrail names no source when it takes this role (CloudTrail, role policy for CloudWatch Logs)
        assume_role_policy=trust_caller("cloudtrail.amazonaws.com"),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    rights = aws.iam.RolePolicy(
        "trail-role-logs",
        name="write-trail-logs",
        role=role.name,
        policy=document(
            [
                allow(
                    "WriteEvents",
                    ["logs:CreateLogStream", "logs:PutLogEvents"],
                    f"{group_arn}:log-stream:{account}_CloudTrail_{region}*",
                )
            ]
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    bucket = platform.buckets["audit"]
    trail = aws.cloudtrail.Trail(
        "trail",
        name=prefix(plan),
        s3_bucket_name=bucket.name,
        kms_key_id=platform.keys["logs", plan.aws.backup_region].arn,
        is_multi_region_trail=True,
        include_global_service_events=True,
        enable_log_file_validation=True,
        enable_logging=True,
        cloud_watch_logs_group_arn=f"{group_arn}:*",
        cloud_watch_logs_role_arn=role.arn,
        advanced_event_selectors=_selectors(plan),
        opts=guard.options(parent, guarded=True, depends_on=[bucket.resource, *bucket.ready, group, rights]),
    )
    return trail, group


def _selectors(plan: EnvironmentPlan) -> list[aws.cloudtrail.TrailAdvancedEventSelectorArgs]:
    """Every management event; every read and write of the environment's objects, tenants' own buckets included.

    Of the audit bucket only reads: each write there is a delivery of this trail, which would be delivered again.
    """

    def matching(field: str, **operator: list[str]) -> aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs:
        return aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs(field=field, **operator)

    objects = [matching("eventCategory", equals=["Data"]), matching("resources.type", equals=["AWS::S3::Object"])]
    audit = [f"arn:aws:s3:::{plan.buckets.audit}/"]
    return [
        aws.cloudtrail.TrailAdvancedEventSelectorArgs(
            name="Management events", field_selectors=[matching("eventCategory", equals=["Management"])]
        ),
        aws.cloudtrail.TrailAdvancedEventSelectorArgs(
            name="Objects of the environment",
            field_selectors=[
                *objects,
                matching(
                    "resources.ARN",
                    starts_withs=[f"arn:aws:s3:::{plan.organization}-{plan.name}-"],
                    not_starts_withs=audit,
                ),
            ],
        ),
        aws.cloudtrail.TrailAdvancedEventSelectorArgs(
            name="Reads of the audit archive",
            field_selectors=[
                *objects,
                matching("resources.ARN", starts_withs=audit),
                matching("readOnly", equals=["true"]),
            ],
        ),
    ]
