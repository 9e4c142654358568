"""Who may export, clone and delete what: the rights behind exports and drills, each as narrow as the service allows."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import BucketRole, Platform, Workload
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan

SCRATCH_PREFIX: Final = "drill-"
"""Every scratch instance's name starts so, and no other's: those start with the organization's name and `-`."""

_EXPORT_ROLE: Final = "tenantryExport"

# Clones are read from any instance, but made, changed and deleted only below the scratch prefix (_SCRATCH_PERMISSIONS).
_BACKUP_PERMISSIONS: Final = (
    "cloudsql.databases.list",
    "cloudsql.instances.clone",
    "cloudsql.instances.export",
    "cloudsql.instances.get",
    "cloudsql.instances.list",
    "run.executions.get",
    "run.operations.get",
)
_SCRATCH_PERMISSIONS: Final = (
    "cloudsql.instances.create",
    "cloudsql.instances.delete",
    "cloudsql.instances.update",
)
# Cloud SQL has refused exports of accounts that may not delete ("permissions missing are: [storage.objects.delete]");
# the bucket's retention refuses every deletion nevertheless. The rest is what roles/storage.objectCreator writes with.
_EXPORT_PERMISSIONS: Final = (
    "storage.multipartUploads.abort",
    "storage.multipartUploads.create",
    "storage.multipartUploads.listParts",
    "storage.objects.create",
    "storage.objects.delete",
)


def grant_workloads(
    environment: EnvironmentPlan,
    platform: Platform,
    sql_job: gcp.cloudrunv2.Job,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> dict[str, pulumi.Resource]:
    """Grant what the backup, scheduler, SQL job and watch accounts need, by a stable name."""
    plan = environment.gcp
    api = platform.ready("iam.googleapis.com")

    custom_roles: dict[str, gcp.projects.IAMCustomRole] = {}

    def role(name: str, role_id: str, title: str, permissions: tuple[str, ...]) -> str:
        """Create a role and return its full name as a literal, so that its grants can be judged in a preview."""
        full_name = f"projects/{plan.project}/roles/{role_id}"
        custom_roles[full_name] = gcp.projects.IAMCustomRole(
            name,
            project=plan.project,
            role_id=role_id,
            title=title,
            permissions=list(permissions),
            opts=guard.retrying(parent, depends_on=api),
        )
        return full_name

    def on_project(
        name: str,
        workload: Workload,
        granted: str,
        condition: gcp.projects.IAMMemberConditionArgsDict | None = None,
    ) -> gcp.projects.IAMMember:
        account = platform.accounts[workload]
        needs = [account.resource, *([custom_roles[granted]] if granted in custom_roles else [])]
        return gcp.projects.IAMMember(
            name,
            project=plan.project,
            role=granted,
            member=account.member,
            condition=condition,
            opts=guard.retrying(parent, depends_on=needs),
        )

    def on_bucket(
        name: str, workload: Workload, bucket: BucketRole, granted: str, folder: str | None = None
    ) -> gcp.storage.BucketIAMMember:
        account = platform.accounts[workload]
        return gcp.storage.BucketIAMMember(
            name,
            bucket=platform.buckets[bucket].name,
            role=granted,
            member=account.member,
            condition=None
            if folder is None
            else {
                "title": f"folder-{folder.rstrip('/')}",
                "description": f"Only objects below {folder}",
                "expression": (
                    f'resource.name.startsWith("projects/_/buckets/{getattr(environment.buckets, bucket)}'
                    f'/objects/{folder}")'
                ),
            },
            opts=guard.retrying(parent, depends_on=[account.resource]),
        )

    backup_role = role("role-backup", "tenantryBackup", "Tenantry backup", _BACKUP_PERMISSIONS)
    scratch_role = role("role-drill", "tenantryDrill", "Tenantry restore drill", _SCRATCH_PERMISSIONS)
    backup = platform.accounts["backup"]
    return {
        "backup": on_project("backup-cloudsql", "backup", backup_role),
        "drill": on_project(
            "backup-scratch",
            "backup",
            scratch_role,
            {
                "title": "scratch-instances",
                "description": f"Only SQL instances named {SCRATCH_PREFIX}*",
                "expression": (
                    'resource.service == "sqladmin.googleapis.com" && '
                    f'resource.name.startsWith("projects/{plan.project}/instances/{SCRATCH_PREFIX}")'
                ),
            },
        ),
        "logs": on_project("backup-logs", "backup", "roles/logging.logWriter"),
        # Workflows has no policy on a single workflow; the account starts nothing else in this project
        "start-workflows": on_project("scheduler-workflows", "scheduler", "roles/workflows.invoker"),
        "watch-secrets": on_project("watch-secrets", "watch", "roles/secretmanager.viewer"),
        "run-sql-job": gcp.cloudrunv2.JobIamMember(
            "backup-sql-job",
            project=plan.project,
            location=plan.region,
            name=sql_job.name,
            role="roles/run.jobsExecutorWithOverrides",
            member=backup.member,
            opts=guard.retrying(parent, depends_on=[backup.resource]),
        ),
        "read-exports": on_bucket("backup-exports", "backup", "exports", "roles/storage.objectViewer"),
        "final-markers": on_bucket("backup-final", "backup", "exports", "roles/storage.objectCreator", "final/"),
        "drill-results": on_bucket("backup-drills", "backup", "registry", "roles/storage.objectUser", "drills/"),
        # the restore check reads the dump with the job's own account, which is in every tenant's database anyway; a
        # clone would need a new grant on the bucket each week
        "restore-check": on_bucket("sqljob-exports", "sqljob", "exports", "roles/storage.objectViewer"),
    }


def create_export_role(
    environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> gcp.projects.IAMCustomRole:
    """Create the role that instances' own accounts have on the exports bucket."""
    return gcp.projects.IAMCustomRole(
        "role-export",
        project=environment.gcp.project,
        role_id=_EXPORT_ROLE,
        title="Tenantry export",
        permissions=list(_EXPORT_PERMISSIONS),
        opts=guard.retrying(parent, depends_on=platform.ready("iam.googleapis.com")),
    )


def grant_instance(
    plan: InstancePlan,
    instance: gcp.sql.DatabaseInstance,
    environment: EnvironmentPlan,
    platform: Platform,
    role: gcp.projects.IAMCustomRole,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.storage.BucketIAMMember:
    """Let an instance's own service account add exports to the bucket, below its own folder, and read none.

    The condition also holds for the bucket itself: Cloud SQL asks there whether its account has the permissions, before
    it exports. They are all about objects, so they give nothing on a bucket.
    """
    bucket = f"projects/_/buckets/{environment.buckets.exports}"
    return gcp.storage.BucketIAMMember(
        f"{plan.key}-exports",
        bucket=platform.buckets["exports"].name,
        # a literal, so that the grant can be judged in a preview
        role=f"projects/{environment.gcp.project}/roles/{_EXPORT_ROLE}",
        member=instance.service_account_email_address.apply(lambda email: f"serviceAccount:{email}"),
        condition={
            "title": f"exports-{plan.key}",
            "description": f"Only objects below sql/{plan.key}/",
            "expression": (
                f'resource.name == "{bucket}" || resource.name.startsWith("{bucket}/objects/sql/{plan.key}/")'
            ),
        },
        opts=guard.retrying(parent, depends_on=[role]),
    )
