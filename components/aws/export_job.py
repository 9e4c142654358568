"""The tasks that export RDS and guest databases nightly, rehearse their restore weekly, and report ages hourly.

One run takes every database that the registry names, one after the other, so that a tenant more is no object more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.dead_letters import create_dead_letters
from components.aws.jobs import define_task, schedule_task
from components.aws.naming import bucket_arn, secret_arn
from components.aws.platform import AwsPlatform, Workload
from components.aws.policy_document import Statement, allow, document, use_key
from components.guard import Guard
from settings.aws_cron import to_aws
from settings.plan import EnvironmentPlan

WATCH_SCHEDULE: Final = "23 * * * *"
"""Hourly: ages are alarmed on in hours at the least (`backups.export_max_age_hours`)."""
RESTORE_CPU: Final = 2048
RESTORE_MEMORY: Final = 8192
"""MiB, for a server inside the task; an upload holds one part at a time, at most 160 MiB, beside pg_dump's own."""
TIMEOUT_SECONDS: Final = 4 * 3600
"""One run takes all databases, one after the other: as long as the exports on Google Cloud."""
RESTORE_DISK_GB: Final = 200
"""The most that Fargate has: a drill, and a leaving tenant's export, restore one database at a time in the task."""


@dataclass(frozen=True, kw_only=True)
class ExportJobs:
    """The tasks, their clocks, and where failed starts are kept."""

    tasks: dict[str, aws.ecs.TaskDefinition]
    schedules: dict[str, aws.scheduler.Schedule]
    dead_letters: aws.sqs.Queue


def create_export_jobs(
    environment: EnvironmentPlan, platform: AwsPlatform, *, guests: bool, guard: Guard, parent: pulumi.Resource
) -> ExportJobs:
    """Create export, drill and watch: tasks, clocks, and rights beyond what their roles have anyway.

    Args:
        environment: buckets and schedules.
        platform: roles, network, cluster.
        guests: whether there are external databases, whose URLs the export has to read.
        guard: the retry of creations that meet a new role too early.
        parent: the component that owns them.
    """
    dead_letters, right = create_dead_letters(environment, platform, guard=guard, parent=parent)
    rights: dict[Workload, pulumi.Resource] = {
        "backup": _grant("backup", _export_rights(environment, guests=guests), platform, parent),
        "watch": _grant("watch", _watch_rights(environment), platform, parent),
    }
    backups = environment.backups
    export = define_task(
        "export-job",
        task="export",
        command=["-m", "jobs.export"],
        workload="backup",
        environment=environment,
        platform=platform,
        cpu=RESTORE_CPU,
        memory=RESTORE_MEMORY,
        ephemeral_gb=RESTORE_DISK_GB,
        timeout_seconds=TIMEOUT_SECONDS,
        guard=guard,
        parent=parent,
    )
    drill = define_task(
        "drill-job",
        task="drill",
        command=["-m", "jobs.drill"],
        workload="backup",
        environment=environment,
        platform=platform,
        cpu=RESTORE_CPU,
        memory=RESTORE_MEMORY,
        ephemeral_gb=RESTORE_DISK_GB,
        timeout_seconds=TIMEOUT_SECONDS,
        guard=guard,
        parent=parent,
    )
    watch = define_task(
        "watch-job",
        task="watch",
        command=["-m", "jobs.watch"],
        workload="watch",
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    clocks: Sequence[tuple[str, aws.ecs.TaskDefinition, Workload, str, str]] = (
        ("export", export, "backup", backups.export_schedule, backups.time_zone),
        ("drill", drill, "backup", backups.drill_schedule, backups.time_zone),
        ("watch", watch, "watch", WATCH_SCHEDULE, "Etc/UTC"),
    )
    schedules = {
        key: schedule_task(
            f"{key}-job",
            definition,
            task=key,
            expression=to_aws(schedule),
            workload=workload,
            environment=environment,
            platform=platform,
            time_zone=time_zone,
            dead_letters=dead_letters,
            depends_on=[rights[workload], right],
            guard=guard,
            parent=parent,
        )
        for key, definition, workload, schedule, time_zone in clocks
    }
    return ExportJobs(
        tasks={"export": export, "drill": drill, "watch": watch}, schedules=schedules, dead_letters=dead_letters
    )


def _grant(
    workload: Workload, statements: Sequence[Statement], platform: AwsPlatform, parent: pulumi.Resource
) -> aws.iam.RolePolicy:
    role = platform.roles[workload]
    return aws.iam.RolePolicy(
        f"{workload}-job-rights",
        name="backups",
        role=role.name,
        policy=document(statements),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[role.resource]),
    )


def _export_rights(environment: EnvironmentPlan, *, guests: bool) -> list[Statement]:
    """Add dumps, manifests and final markers, read them back for the drill, and keep its results in the registry.

    Neither overwriting nor deleting is possible: the bucket keeps every version for its retention.
    """
    home, away = environment.aws.region, environment.aws.backup_region
    exports, registry = bucket_arn(environment.buckets.exports), bucket_arn(environment.buckets.registry)
    folders = [f"{exports}/dump/*", f"{exports}/final/*"]
    statements = [
        # of the whole bucket: only who may list it is told that an object is missing instead of refused
        allow("ListExports", "s3:ListBucket", exports),
        allow("AddExports", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], folders),
        use_key(environment, "storage", away, "s3", sid="EncryptExports", encrypt=True),
        # a tenant's age, which is its entry's oldest version, tells a new tenant from a lost dump
        allow("ListRegistryVersions", "s3:ListBucketVersions", registry),
        allow("KeepDrills", "s3:PutObject", f"{registry}/drills/tenants/*"),
        use_key(environment, "storage", home, "s3", sid="EncryptDrills", encrypt=True),
    ]
    if guests:
        # a tenant's secret refuses whoever is no reader of its own, and the backup is one of guests' secrets only
        names = [secret_arn(environment, f"tenant-*-{kind}") for kind in ("backup-url", "database-url")]
        statements += [
            allow("ReadGuestUrls", "secretsmanager:GetSecretValue", names),
            use_key(environment, "secrets", home, "secretsmanager", sid="DecryptGuestUrls"),
        ]
    return statements


def _watch_rights(environment: EnvironmentPlan) -> list[Statement]:
    """Names and times; no export and no secret's value."""
    exports, registry = bucket_arn(environment.buckets.exports), bucket_arn(environment.buckets.registry)
    return [
        allow("ListExports", "s3:ListBucket", exports),
        allow("ListRegistryVersions", "s3:ListBucketVersions", registry),
        # takes no resource
        allow("ListSecrets", "secretsmanager:ListSecrets", "*"),
        allow(
            "ListSecretVersions",
            "secretsmanager:ListSecretVersionIds",
            [secret_arn(environment, "app-*"), secret_arn(environment, "tenant-*")],
        ),
    ]
