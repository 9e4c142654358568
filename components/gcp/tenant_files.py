"""Where a tenant's uploads live on Google Cloud (R4.2)."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from components.gcp.buckets import BucketSpec, create_bucket
from components.gcp.platform import Platform
from components.guard import Guard
from settings.plan import EnvironmentPlan, TenantPlan


def create_files(
    tenant: TenantPlan, environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, pulumi.CustomResource]:
    """An own bucket, or a folder of the shared one; either way the grant is the tenant's own and goes with it.

    A managed folder and not an IAM condition on the shared bucket: a bucket's policy takes at most 20 conditional
    bindings of one role to one member, so the twenty-first tenant would be refused.
    """
    users = platform.application
    members = [user.member for user in users]
    opts = pulumi.ResourceOptions(parent=parent, depends_on=[user.resource for user in users])
    role = "roles/storage.objectUser"
    if tenant.files.mode == "bucket":
        region = environment.gcp.region
        name = f"{tenant.id}-uploads"
        bucket = create_bucket(
            name,
            BucketSpec(
                name=str(tenant.files.bucket),
                role="uploads",
                location=region,
                labels=tenant.labels,
                guarded=tenant.guarded,
            ),
            project=environment.gcp.project,
            key=platform.keys["storage", region],
            depends_on=[platform.key_grants["storage", region]],
            guard=guard,
            parent=parent,
        )
        gcp.storage.BucketIAMBinding(f"{name}-users", bucket=bucket.name, role=role, members=members, opts=opts)
        return {name: bucket}
    if tenant.files.mode == "prefix":
        folder = gcp.storage.ManagedFolder(
            f"{tenant.id}-files",
            bucket=platform.buckets["uploads"].name,
            name=str(tenant.files.folder),
            # takes away the folder's own grants and leaves its objects; without it a folder in use could never go
            force_destroy=True,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        gcp.storage.ManagedFolderIamBinding(
            f"{tenant.id}-files-users",
            bucket=folder.bucket,
            managed_folder=folder.name,
            role=role,
            members=members,
            opts=opts,
        )
    return {}
