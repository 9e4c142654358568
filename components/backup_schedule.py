"""Logical exports and restore drills of every SQL instance of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp import backup_access, backup_workflows
from components.gcp.platform import Platform
from components.gcp.watch import watch_job
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan


@dataclass(frozen=True, kw_only=True)
class BackupScheduleArgs:
    """What is exported and drilled.

    Attributes:
        instances: every SQL instance, shared and dedicated.
        sql_instances: their resources by `InstancePlan.key`.
        sql_job: the job that switches logins off before a final export and checks restored instances.
        guard: the retry of creations that meet a grant too early.
    """

    environment: EnvironmentPlan
    instances: tuple[InstancePlan, ...]
    sql_instances: Mapping[str, gcp.sql.DatabaseInstance]
    platform: Platform
    sql_job: gcp.cloudrunv2.Job
    guard: Guard


class BackupSchedule(pulumi.ComponentResource):
    """Owns the export and drill workflows, their clocks and rights, and the job that watches their results.

    One export per instance and night, one drill per environment and week: Cloud SQL runs one administrative operation
    per instance at a time, so one schedule per tenant would only collide (R3.2, R3.4). Does not own native backups (the
    instance does) nor the exports bucket (the environment does).
    """

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

    def __init__(self, name: str, args: BackupScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            "tenantry:backup_schedule:BackupSchedule", name, {"instances": [plan.key for plan in args.instances]}, opts
        )
        environment, platform, guard = args.environment, args.platform, args.guard
        self.environment_grants = backup_access.grant_workloads(
            environment, platform, args.sql_job, guard=guard, parent=self
        )
        export_role = backup_access.create_export_role(environment, platform, guard=guard, parent=self)
        self.instance_grants = {
            plan.key: backup_access.grant_instance(
                plan, args.sql_instances[plan.key], environment, platform, export_role, guard=guard, parent=self
            )
            for plan in args.instances
        }
        agent = backup_workflows.service_agent(environment, platform, parent=self)
        workflows = {
            role: backup_workflows.create_workflow(
                role,
                environment,
                platform,
                args.sql_job,
                depends_on=[agent, *self.environment_grants.values()],
                guard=guard,
                parent=self,
            )
            for role in backup_workflows.ROLES
        }
        self.export_workflow, self.drill_workflow = workflows["export"], workflows["drill"]
        self.export_jobs = {
            plan.key: backup_workflows.schedule_export(
                plan,
                environment,
                platform,
                depends_on=[self.export_workflow, self.instance_grants[plan.key], args.sql_instances[plan.key]],
                guard=guard,
                parent=self,
            )
            for plan in args.instances
        }
        self.drill_job = backup_workflows.schedule_drill(
            environment, platform, depends_on=[self.drill_workflow], guard=guard, parent=self
        )
        self.watch = watch_job(environment, platform, guard=guard, parent=self)
        self.register_outputs({"exportWorkflow": self.export_workflow.name, "drillWorkflow": self.drill_workflow.name})
