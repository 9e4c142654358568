"""Logical exports and restore drills of the environment's Cloud SQL instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp import backup_access, backup_workflows
from components.gcp.environment import GoogleEnvironment
from components.gcp.export_job import create_export_jobs
from components.gcp.firestore_backups import create_firestore_backups
from components.gcp.watch import watch_job
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan


@dataclass(frozen=True, kw_only=True)
class GoogleBackups:
    """Workflows, clocks and rights, and the job that watches their results."""

    export_workflow: gcp.workflows.Workflow
    drill_workflow: gcp.workflows.Workflow
    export_jobs: Mapping[str, gcp.cloudscheduler.Job]
    """By instance key."""
    drill_job: gcp.cloudscheduler.Job
    environment_grants: Mapping[str, pulumi.Resource]
    """Rights of the environment's workloads, whatever its instances are."""
    instance_grants: Mapping[str, gcp.storage.BucketIAMMember]
    """Each instance's own right to add exports, by instance key."""
    watch: gcp.cloudrunv2.Job


def create_google_backups(
    environment: EnvironmentPlan,
    instances: Sequence[InstancePlan],
    resources: Mapping[str, gcp.sql.DatabaseInstance],
    google: GoogleEnvironment,
    *,
    guests: bool,
    firestore: bool,
    guard: Guard,
    parent: pulumi.Resource,
) -> GoogleBackups:
    """One export per instance and night, one drill per environment and week.

    Cloud SQL runs one administrative operation per instance at a time, so one schedule per tenant would only collide
    (R3.2, R3.4).

    Args:
        environment: the environment's plan.
        instances: every Cloud SQL instance, shared and dedicated.
        resources: their resources by `InstancePlan.key`.
        google: the environment on Google Cloud.
        guests: whether databases that somebody else runs are backed up from here.
        firestore: whether there are Firestore databases.
        guard: the retry of creations that meet a grant too early.
        parent: the component that owns them.
    """
    platform, sql_job = google.platform, google.sql_job
    environment_grants = backup_access.grant_workloads(environment, platform, sql_job, guard=guard, parent=parent)
    export_role = backup_access.create_export_role(environment, platform, guard=guard, parent=parent)
    instance_grants = {
        plan.key: backup_access.grant_instance(
            plan, resources[plan.key], environment, platform, export_role, guard=guard, parent=parent
        )
        for plan in instances
    }
    if guests:
        create_export_jobs(environment, platform, guard=guard, parent=parent)
    agent = backup_workflows.service_agent(environment, platform, parent=parent)
    if firestore:
        create_firestore_backups(
            environment, google, depends_on=[agent, *environment_grants.values()], guard=guard, parent=parent
        )
    workflows = {
        role: backup_workflows.create_workflow(
            role,
            environment,
            platform,
            sql_job,
            depends_on=[agent, *environment_grants.values()],
            guard=guard,
            parent=parent,
        )
        for role in backup_workflows.ROLES
    }
    return GoogleBackups(
        export_workflow=workflows["export"],
        drill_workflow=workflows["drill"],
        export_jobs={
            plan.key: backup_workflows.schedule_export(
                plan,
                environment,
                platform,
                depends_on=[workflows["export"], instance_grants[plan.key], resources[plan.key]],
                guard=guard,
                parent=parent,
            )
            for plan in instances
        },
        drill_job=backup_workflows.schedule_drill(
            environment, platform, depends_on=[workflows["drill"]], guard=guard, parent=parent
        ),
        environment_grants=environment_grants,
        instance_grants=instance_grants,
        watch=watch_job(environment, platform, guard=guard, parent=parent),
    )
