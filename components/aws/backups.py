"""Backups of the tenants on AWS: snapshots that AWS Backup takes, and exports that a job of ours makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.backup_vault import Vaults, create_restore_test, create_vaults, schedule_snapshots
from components.aws.export_job import ExportJobs, create_export_jobs
from components.aws.platform import AwsEnvironment, RdsInstance
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class AwsBackups:
    """Vaults, the snapshot plan where there are instances, and the exports."""

    vaults: Vaults
    snapshots: aws.backup.Plan | None
    restore_test: Mapping[str, pulumi.Resource]
    jobs: ExportJobs


def create_aws_backups(
    environment: EnvironmentPlan,
    instances: Sequence[InstancePlan],
    tenants: Sequence[TenantPlan],
    resources: Mapping[str, RdsInstance],
    amazon: AwsEnvironment,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> AwsBackups:
    """Snapshots of every RDS instance daily, an export of every database nightly, both tried weekly (R3.1 to R3.5).

    Args:
        environment: the environment's plan.
        instances: every RDS instance, shared and dedicated.
        tenants: the tenants on AWS.
        resources: the instances' resources by `InstancePlan.key`.
        amazon: the environment on AWS.
        guard: the deletion guard.
        parent: the component that owns them.
    """
    platform = amazon.platform
    vaults = create_vaults(environment, platform, guard=guard, parent=parent)
    jobs = create_export_jobs(
        environment,
        platform,
        guests=any(tenant.kind == "external" for tenant in tenants),
        guard=guard,
        parent=parent,
    )
    if not instances:
        return AwsBackups(vaults=vaults, snapshots=None, restore_test={}, jobs=jobs)
    plan, role, rights = schedule_snapshots(
        environment,
        instances,
        vaults,
        depends_on=[resources[instance.key].resource for instance in instances],
        guard=guard,
        parent=parent,
    )
    tested = create_restore_test(environment, platform, vaults, role, depends_on=rights, parent=parent)
    return AwsBackups(vaults=vaults, snapshots=plan, restore_test=tested, jobs=jobs)
