"""Where a tenant's uploads live on AWS (R4.2)."""

from __future__ import annotations

import pulumi

from components.aws.buckets import BucketSpec, create_bucket
from components.aws.platform import AwsPlatform
from components.aws.shared_buckets import replica_of, replication_to
from components.guard import Guard
from settings.plan import EnvironmentPlan, TenantPlan


def create_files(
    tenant: TenantPlan, environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, pulumi.CustomResource]:
    """An own bucket with its copy in the backup region, or a folder of the shared one, which is no resource.

    Either is reached through the files role alone, whose session carries the tenant's id as a tag (`roles._files`): the
    application takes that role for each request's tenant, so an error in its code cannot reach another's files. A
    statement per tenant would end at the size of a policy, an access point per tenant at 10,000 a region and a name of
    its own to manage, and an access grant per tenant would ask S3 for credentials on each use to no other effect.
    """
    if tenant.files.mode != "bucket":
        return {}
    name, away = f"{tenant.id}-uploads", environment.aws.backup_region
    spec = BucketSpec(
        name=str(tenant.files.bucket),
        role="uploads",
        region=environment.aws.region,
        tags=tenant.labels,
        guarded=tenant.guarded,
    )
    copy = create_bucket(
        f"{name}-replica",
        replica_of(spec, away),
        environment=environment,
        key=platform.keys["storage", away],
        guard=guard,
        parent=parent,
    )
    bucket = create_bucket(
        name,
        spec,
        environment=environment,
        key=platform.keys["storage", environment.aws.region],
        guard=guard,
        parent=parent,
        replication=replication_to(copy, platform.keys["storage", away], platform.replication_role),
    )
    return {name: bucket.resource}
