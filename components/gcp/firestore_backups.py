"""Nightly exports and weekly restore drills of Firestore databases: their workflows, clocks and rights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.backup_workflows import Role, create_workflow, schedule_workflow
from components.gcp.environment import GoogleEnvironment
from components.guard import Guard
from settings.plan import EnvironmentPlan

ROLES: Final[tuple[Role, ...]] = ("firestore-export", "firestore-drill")
SCRATCH_PREFIX: Final = "drill-"
"""Every scratch database's name starts so; a tenant's starts with `tn-`."""

_READ_PERMISSIONS: Final = (
    # a drill counts documents and reads no more of them than their number
    "datastore.backups.get",
    "datastore.backups.list",
    "datastore.backups.restoreDatabase",
    "datastore.databases.create",
    "datastore.databases.export",
    "datastore.databases.get",
    "datastore.databases.getMetadata",
    "datastore.databases.list",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.operations.get",
    "datastore.operations.list",
    "iam.serviceAccounts.get",
)
_SCRATCH_PERMISSIONS: Final = ("datastore.databases.delete",)


def create_firestore_backups(
    environment: EnvironmentPlan,
    google: GoogleEnvironment,
    *,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> None:
    """Create both workflows; the native backups belong to each database's own schedules.

    The export is written by Firestore's own agent, which reaches the buckets of its project by itself.
    """
    project, platform = environment.gcp.project, google.platform
    account = platform.accounts["backup"]
    grants = []
    for key, permissions, condition in (
        ("Backup", _READ_PERMISSIONS, None),
        ("Drill", _SCRATCH_PERMISSIONS, _scratch_only(project)),
    ):
        role = gcp.projects.IAMCustomRole(
            f"role-firestore-{key.lower()}",
            project=project,
            role_id=f"tenantryFirestore{key}",
            title=f"Tenantry Firestore {key.lower()}",
            permissions=list(permissions),
            opts=guard.retrying(parent, depends_on=platform.ready("iam.googleapis.com")),
        )
        grants.append(
            gcp.projects.IAMMember(
                f"backup-firestore-{key.lower()}",
                project=project,
                # a literal, so that the grant can be judged in a preview
                role=f"projects/{project}/roles/tenantryFirestore{key}",
                member=account.member,
                condition=condition,
                opts=guard.retrying(parent, depends_on=[role, account.resource]),
            )
        )
    for name, schedule in (
        (ROLES[0], environment.backups.export_schedule),
        (ROLES[1], environment.backups.drill_schedule),
    ):
        workflow = create_workflow(
            name,
            environment,
            platform,
            google.sql_job,
            depends_on=[*depends_on, *grants],
            guard=guard,
            parent=parent,
        )
        schedule_workflow(
            f"{name}-schedule",
            job_name=f"tenantry-{name}",
            role=name,
            schedule=schedule,
            # every Firestore tenant that the registry declares
            argument={},
            environment=environment,
            platform=platform,
            depends_on=[workflow],
            guard=guard,
            parent=parent,
        )


def _scratch_only(project: str) -> gcp.projects.IAMMemberConditionArgsDict:
    return {
        "title": "scratch-databases",
        "description": f"Only Firestore databases named {SCRATCH_PREFIX}*",
        "expression": f'resource.name.startsWith("projects/{project}/databases/{SCRATCH_PREFIX}")',
    }
