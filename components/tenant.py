"""One tenant: its database, its files and its entry in the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.database import DatabaseFacts, TenantDatabaseArgs
from components.gcp.buckets import BucketSpec, create_bucket
from components.gcp.cloudsql import SqlInstance
from components.gcp.platform import Platform
from components.gcp.registry import SCHEMA_VERSION, create_entry
from components.guard import Guard
from components.tenant_database import TenantDatabase
from settings.names import TenantNames
from settings.plan import EnvironmentPlan, Plan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class TenantArgs:
    """A tenant's plan and the environment it lives in; `pool` is None for a dedicated tenant."""

    tenant: TenantPlan
    environment: EnvironmentPlan
    platform: Platform
    pool: SqlInstance | None
    guard: Guard


class Tenant(pulumi.ComponentResource):
    """Owns the registry entry and the place for uploads; its TenantDatabase owns the rest.

    The registry is one object per tenant, so that one tenant's failure leaves no other's entry stale. Nothing a tenant
    owns is shared with another; what is shared belongs to the Environment.
    """

    database: DatabaseFacts
    guarded: Mapping[str, pulumi.CustomResource]
    """Data-bearing resources by Pulumi name."""

    def __init__(self, name: str, args: TenantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        tenant = args.tenant
        super().__init__("tenantry:tenant:Tenant", name, {"tenant": tenant.id, "plan": tenant.plan}, opts)
        self.database = TenantDatabase(
            name,
            TenantDatabaseArgs(
                tenant=tenant,
                environment=args.environment,
                platform=args.platform,
                pool=args.pool,
                guard=args.guard,
            ),
            pulumi.ResourceOptions(parent=self),
        ).facts
        self.guarded = {**self.database.guarded, **_create_files(args, self)}
        create_entry(
            f"{tenant.id}-registry",
            TenantNames(tenant.id).registry_object,
            json.dumps(_registry_entry(args), sort_keys=True),
            platform=args.platform,
            parent=self,
        )
        self.register_outputs({"registryObject": TenantNames(tenant.id).registry_object})


def create_tenants(
    plan: Plan, platform: Platform, pools: Mapping[str, SqlInstance], guard: Guard, opts: pulumi.ResourceOptions
) -> list[Tenant]:
    """One component per tenant, named by its id and never by its place in the list."""
    return [
        Tenant(
            tenant.id,
            TenantArgs(
                tenant=tenant,
                environment=plan.environment,
                platform=platform,
                pool=pools.get(tenant.instance_key),
                guard=guard,
            ),
            opts,
        )
        for tenant in plan.tenants
    ]


def _create_files(args: TenantArgs, parent: pulumi.Resource) -> dict[str, pulumi.CustomResource]:
    """An own bucket, or a folder of the shared one; either way the grant is the tenant's own and goes with it.

    A managed folder and not an IAM condition on the shared bucket: a bucket's policy takes at most 20 conditional
    bindings of one role to one member, so the twenty-first tenant would be refused.
    """
    tenant, platform = args.tenant, args.platform
    users = [platform.accounts["gateway"], platform.accounts["worker"]]
    members = [user.member for user in users]
    opts = pulumi.ResourceOptions(parent=parent, depends_on=[user.resource for user in users])
    role = "roles/storage.objectUser"
    if tenant.files.mode == "bucket":
        region = args.environment.gcp.region
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
            project=args.environment.gcp.project,
            key=platform.keys["storage", region],
            depends_on=[platform.key_grants["storage", region]],
            guard=args.guard,
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


def _registry_entry(args: TenantArgs) -> dict[str, object]:
    """What the application, the migration runner and the jobs need to know of a tenant; names of secrets, no secret.

    `isolated` is always false here: the SQL job says in the status object when it has made it true for exactly this
    entry, and a reader that knows nothing of status objects errs on the safe side (R2.5).
    """
    tenant, project = args.tenant, args.environment.gcp.project
    return {
        "schema_version": SCHEMA_VERSION,
        "id": tenant.id,
        "name": tenant.display_name,
        "kind": tenant.kind,
        "state": tenant.state,
        "plan": tenant.plan,
        "ring": tenant.ring,
        "placement": tenant.placement,
        "pool": tenant.pool,
        "region": tenant.region,
        "instance": tenant.instance_key,
        "database": tenant.database,
        "owner_role": tenant.owner_role,
        "logins": list(tenant.logins),
        "active_login": tenant.active_login,
        "rotation": tenant.rotation,
        "credential_secret": f"projects/{project}/secrets/{tenant.credential_secret}",
        "url_secret": f"projects/{project}/secrets/{tenant.url_secret}",
        "connection_limit": tenant.connection_limit,
        "statement_timeout_ms": tenant.statement_timeout_seconds * 1000,
        "files": {"mode": tenant.files.mode, "bucket": tenant.files.bucket, "folder": tenant.files.folder},
        "isolated": False,
        "status": TenantNames(tenant.id).status_object,
    }
