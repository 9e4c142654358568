"""A tenant's database on Cloud SQL: on a pool's instance, or on one of its own."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from components.database import DatabaseFacts, TenantDatabaseArgs
from components.gcp.cloudsql import create_instance
from components.gcp.secret import create_secret, grant_accessors

PASSWORD_LENGTH: Final = 40


def create_cloudsql_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Create the database and its credential; roles and grants inside it are the SQL job's work.

    The credential names the login of the current rotation. The SQL job sets it, proves it, and only then publishes the
    database URL, so an application never meets a password that does not work, nor a database that is not isolated.
    """
    tenant = args.tenant
    if tenant.instance is not None:
        instance = create_instance(tenant.instance, args.environment, args.platform, guard=args.guard, parent=parent)
        guarded: dict[str, pulumi.CustomResource] = {f"{instance.plan.key}-instance": instance.resource}
    elif args.pool is not None:
        instance, guarded = args.pool, {}
    else:
        raise ValueError(f"tenant {tenant.id}: a shared tenant needs its pool {tenant.instance_key}")
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
    return DatabaseFacts(
        guarded=guarded,
        instance=None if tenant.instance is None else instance,
    )


def _create_credential(args: TenantDatabaseArgs, parent: pulumi.Resource) -> None:
    tenant, platform = args.tenant, args.platform
    password = random.RandomPassword(
        f"{tenant.id}-password",
        length=PASSWORD_LENGTH,
        # a database URL carries it unescaped
        special=False,
        keepers={"rotation": str(tenant.rotation)},
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["result", "bcryptHash"]),
    )
    labels = {"role": "database", **tenant.labels}
    credential = create_secret(
        f"{tenant.id}-credential",
        secret_id=tenant.credential_secret,
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
            {"login": tenant.active_login, "password": password.result, "rotation": tenant.rotation}
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
