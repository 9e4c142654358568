"""Audit logging: everything is recorded, kept in a locked log bucket, and archived outside the home region (R6.6)."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.guard import Guard, deletion_policy
from settings.plan import EnvironmentPlan

AUDIT_FILTER: Final = 'log_id("cloudaudit.googleapis.com/activity") OR log_id("cloudaudit.googleapis.com/data_access")'
"""Who did and who read what; system events and policy denials stay in Google's own unbillable `_Required` bucket."""
ERROR_RETENTION_DAYS: Final = 90
"""R6.6: application logs stay 30 days in `_Default`, errors 90."""


def create_audit_logs(
    plan: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> gcp.logging.ProjectBucketConfig:
    """Turn on data-access logs, keep audit logs for the required time, and archive them; returns the log bucket."""
    project, region = plan.gcp.project, plan.gcp.region
    opts = pulumi.ResourceOptions(parent=parent, depends_on=platform.ready("logging.googleapis.com"))
    gcp.projects.IAMAuditConfig(
        "audit-config",
        project=project,
        service="allServices",
        audit_log_configs=[{"log_type": kind} for kind in ("ADMIN_READ", "DATA_READ", "DATA_WRITE")],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=platform.ready("cloudresourcemanager.googleapis.com")),
    )
    key = platform.keys["logs", region]
    ready = [*platform.ready("logging.googleapis.com"), platform.key_grants["logs", region]]
    audit = gcp.logging.ProjectBucketConfig(
        "audit-logs",
        project=project,
        location=region,
        bucket_id="audit",
        description="Audit logs; retention is locked where the environment locks",
        retention_days=plan.audit_retention_days,
        locked=plan.lock,
        cmek_settings={"kms_key_name": key.id},
        deletion_policy=deletion_policy(guarded=True),
        opts=guard.options(parent, guarded=True, depends_on=ready),
    )
    errors = gcp.logging.ProjectBucketConfig(
        "error-logs",
        project=project,
        location=region,
        bucket_id="errors",
        description="Errors of the application and the jobs",
        retention_days=ERROR_RETENTION_DAYS,
        locked=False,
        cmek_settings={"kms_key_name": key.id},
        deletion_policy=deletion_policy(guarded=True),
        # a deleted log bucket's id stays taken for a week
        opts=guard.options(parent, guarded=True, depends_on=ready),
    )
    for name, bucket, log_filter in (
        ("audit", audit, AUDIT_FILTER),
        ("errors", errors, f"severity>=ERROR AND NOT ({AUDIT_FILTER})"),
    ):
        # a sink into a log bucket of its own project needs no grant
        gcp.logging.ProjectSink(
            f"{name}-sink",
            name=f"tenantry-{name}",
            project=project,
            destination=bucket.id.apply(lambda bucket_id: f"logging.googleapis.com/{bucket_id}"),
            filter=log_filter,
            unique_writer_identity=True,
            opts=opts,
        )
    archive = platform.buckets["audit"]
    sink = gcp.logging.ProjectSink(
        "archive-sink",
        name="tenantry-archive",
        project=project,
        destination=archive.name.apply(lambda name: f"storage.googleapis.com/{name}"),
        filter=AUDIT_FILTER,
        unique_writer_identity=True,
        opts=opts,
    )
    gcp.storage.BucketIAMMember(
        "archive-sink-writer",
        bucket=archive.name,
        role="roles/storage.objectCreator",
        member=sink.writer_identity,
        opts=guard.retrying(parent),
    )
    return audit
