"""A tenant's database on Firestore: a named database, its backup schedules, and the one identity that reaches it."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.database import DatabaseFacts, TenantDatabaseArgs
from components.guard import deletion_policy

_DAY: Final = 86400
WEEKLY_DAY: Final = "SUNDAY"


def create_firestore_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Create the database with its schedules and its own service account.

    Point-in-time recovery always keeps seven days. Backups stay in the database's location and outlive it; what must
    leave the region or be older is the nightly export (R3.1, R3.2). No security rules are deployed: without a release
    Firestore turns every mobile and web client away, so only identities with a grant get in.
    """
    tenant, firestore = args.tenant, args.tenant.firestore
    project, platform = args.environment.gcp.project, args.clouds.gcp.platform
    key = platform.keys["firestore", firestore.location] if firestore.cmek else None
    needs = [*platform.ready("firestore.googleapis.com")]
    if key is not None:
        needs.append(platform.key_grants["firestore", firestore.location])
    database = gcp.firestore.Database(
        f"{tenant.id}-database",
        project=project,
        name=tenant.database,
        location_id=firestore.location,
        type="FIRESTORE_NATIVE",
        database_edition="STANDARD",
        concurrency_mode="PESSIMISTIC",
        point_in_time_recovery_enablement="POINT_IN_TIME_RECOVERY_ENABLED",
        delete_protection_state="DELETE_PROTECTION_ENABLED" if tenant.guarded else "DELETE_PROTECTION_DISABLED",
        # the provider's default, ABANDON, would leave a database without an owner behind
        deletion_policy=deletion_policy(guarded=tenant.guarded),
        cmek_config=None if key is None else {"kms_key_name": key.id},
        opts=args.guard.options(parent, guarded=tenant.guarded, depends_on=needs),
    )
    gcp.firestore.BackupSchedule(
        f"{tenant.id}-backup-daily",
        project=project,
        database=database.name,
        retention=f"{firestore.daily_retention_days * _DAY}s",
        daily_recurrence={},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    gcp.firestore.BackupSchedule(
        f"{tenant.id}-backup-weekly",
        project=project,
        database=database.name,
        retention=f"{firestore.weekly_retention_weeks * 7 * _DAY}s",
        weekly_recurrence={"day": WEEKLY_DAY},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    email = _create_identity(args, parent)
    return DatabaseFacts(
        guarded={f"{tenant.id}-database": database},
        registry={"database": tenant.database, "location": firestore.location, "service_account": email},
    )


def _create_identity(args: TenantDatabaseArgs, parent: pulumi.Resource) -> str:
    """The tenant's own account: the application takes its place, one tenant at a time, so none sees another's data.

    Suspension and offboarding switch the account off and take both grants away (R2.6). One alone would not do: Google
    creates every account switched on, whatever was asked for, and the final export looks whether it is off.
    """
    tenant, platform = args.tenant, args.clouds.gcp.platform
    project = args.environment.gcp.project
    active = tenant.state == "active"
    email = f"{tenant.firestore.service_account}@{project}.iam.gserviceaccount.com"
    account = gcp.serviceaccount.Account(
        f"{tenant.id}-account",
        project=project,
        account_id=tenant.firestore.service_account,
        display_name=f"tenantry tenant {tenant.id}",
        disabled=not active,
        opts=args.guard.retrying(parent, depends_on=platform.ready("iam.googleapis.com")),
    )
    if not active:
        return email
    gcp.projects.IAMMember(
        f"{tenant.id}-database-user",
        project=project,
        role="roles/datastore.user",
        member=f"serviceAccount:{email}",
        condition={
            "title": f"database-{tenant.database}",
            "description": f"Only the Firestore database {tenant.database}",
            "expression": f'resource.name == "projects/{project}/databases/{tenant.database}"',
        },
        opts=args.guard.retrying(parent, depends_on=[account]),
    )
    users = platform.application
    gcp.serviceaccount.IAMBinding(
        f"{tenant.id}-account-users",
        service_account_id=account.name,
        role="roles/iam.serviceAccountTokenCreator",
        members=[user.member for user in users],
        opts=args.guard.retrying(parent, depends_on=[user.resource for user in users]),
    )
    return email
