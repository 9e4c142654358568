"""A tenant's database on Cloud SQL: on a pool's instance, or on one of its own."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from components.database import DatabaseFacts, TenantDatabaseArgs, create_password
from components.gcp.cloudsql import create_instance
from components.gcp.secret import create_secret, grant_accessors
from components.registry import sql_entry


def create_cloudsql_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Create the database and its credential; roles and grants inside it are the SQL job's work.

    The credential names the login of the current rotation. The SQL job sets it, proves it, and only then publishes the
    database URL, so an application never meets a password that does not work, nor a database that is not isolated.
    """
    tenant, google = args.tenant, args.clouds.gcp
    guarded: dict[str, pulumi.CustomResource] = {}
    dedicated = None
    if tenant.instance is not None:
        dedicated = create_instance(tenant.instance, args.environment, google.platform, guard=args.guard, parent=parent)
        guarded[f"{dedicated.plan.key}-instance"] = dedicated.resource
    instance = dedicated or google.pools[tenant.sql.instance_key]
    guarded[f"{tenant.id}-database"] = gcp.sql.Database(
        f"{tenant.id}-database",
        project=args.environment.gcp.project,
        instance=instance.resource.name,
        name=tenant.database,
        # ABANDON leaves the data in place even if every other guard were taken away
        deletion_policy="ABANDON" if tenant.guarded else "DELETE",
        opts=args.guard.options(parent, guarded=tenant.guarded),
    )
    _create_credential(args, parent)
    project = args.environment.gcp.project
    return DatabaseFacts(
        guarded=guarded,
        registry=sql_entry(tenant, instance.plan, secret_path=f"projects/{project}/secrets/{{}}"),
        cloudsql=dedicated,
    )


def _create_credential(args: TenantDatabaseArgs, parent: pulumi.Resource) -> None:
    tenant, platform = args.tenant, args.clouds.gcp.platform
    password = create_password(tenant, parent)
    labels = {"role": "database", **tenant.labels}
    credential = create_secret(
        f"{tenant.id}-credential",
        secret_id=tenant.sql.credential_secret,
        environment=args.environment,
        platform=platform,
        labels=labels,
        guard=args.guard,
        parent=parent,
    )
    gcp.secretmanager.SecretVersion(
        f"{tenant.id}-credential-version",
        secret=credential.id,
        secret_data=pulumi.Output.json_dumps(
            {"login": tenant.sql.active_login, "password": password.result, "rotation": tenant.sql.rotation}
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    url = create_secret(
        f"{tenant.id}-database-url",
        secret_id=tenant.url_secret,
        environment=args.environment,
        platform=platform,
        labels=labels,
        guard=args.guard,
        parent=parent,
    )
    grant_accessors(
        f"{tenant.id}-database-url-readers",
        url,
        [platform.accounts["gateway"], platform.accounts["worker"]],
        parent=parent,
    )
