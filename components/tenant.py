"""One tenant: its database, its files and its entry in the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.registry import create_entry as publish_on_aws
from components.aws.tenant_files import create_files as create_files_on_aws
from components.clouds import Clouds
from components.database import DatabaseFacts, TenantDatabaseArgs
from components.gcp.registry import create_entry as publish_on_gcp
from components.gcp.tenant_files import create_files as create_files_on_gcp
from components.guard import Guard
from components.registry import tenant_entry
from components.tenant_database import TenantDatabase
from settings.names import TenantNames
from settings.plan import EnvironmentPlan, Plan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class TenantArgs:
    """A tenant's plan and the environment it lives in.

    Attributes:
        external: values of the external secrets by name, for a guest database's URL.
    """

    tenant: TenantPlan
    environment: EnvironmentPlan
    clouds: Clouds
    external: Mapping[str, pulumi.Output[str]]
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
                clouds=args.clouds,
                external=args.external,
                guard=args.guard,
            ),
            pulumi.ResourceOptions(parent=self),
        ).facts
        entry = json.dumps(tenant_entry(tenant, self.database.registry), sort_keys=True)
        name_in_registry = TenantNames(tenant.id).registry_object
        files: Mapping[str, pulumi.CustomResource] = {}
        match tenant.cloud:
            case "gcp":
                google = args.clouds.gcp.platform
                files = create_files_on_gcp(tenant, args.environment, google, guard=args.guard, parent=self)
                publish_on_gcp(f"{tenant.id}-registry", name_in_registry, entry, platform=google, parent=self)
            case "aws":
                amazon = args.clouds.aws.platform
                files = create_files_on_aws(tenant, args.environment, amazon, guard=args.guard, parent=self)
                publish_on_aws(f"{tenant.id}-registry", name_in_registry, entry, platform=amazon, parent=self)
        self.guarded = {**self.database.guarded, **files}
        self.register_outputs({"registryObject": name_in_registry})


def create_tenants(
    plan: Plan,
    clouds: Clouds,
    external: Mapping[str, pulumi.Output[str]],
    guard: Guard,
    opts: pulumi.ResourceOptions,
) -> dict[str, Tenant]:
    """One component per tenant by id, named by its id and never by its place in the list."""
    return {
        tenant.id: Tenant(
            tenant.id,
            TenantArgs(tenant=tenant, environment=plan.environment, clouds=clouds, external=external, guard=guard),
            opts,
        )
        for tenant in plan.tenants
    }
