"""A tenant's database on RDS: on a pool's instance, or on one of its own.

A shared tenant is six resources and its registry entry: a password, and two secrets with a policy each, of which one
gets its value here. There is no seventh for the database: AWS knows instances only, and the SQL job makes databases.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.rds import create_instance
from components.aws.secret import create_secret
from components.database import DatabaseFacts, TenantDatabaseArgs, create_password
from components.registry import sql_entry


def create_rds_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Create the credential, and a dedicated tenant's instance; the database itself is the SQL job's work.

    The credential names the login of the current rotation. The SQL job makes the database, sets the password, proves
    both, and only then publishes the database URL. From the moment on that the secret for it exists, the database may:
    so the secret is the evidence that there is data, and the entry of the tenant cannot be removed any more.
    """
    tenant, amazon = args.tenant, args.clouds.aws
    guarded: dict[str, pulumi.CustomResource] = {}
    dedicated = None
    if tenant.instance is not None:
        dedicated = create_instance(tenant.instance, args.environment, amazon.platform, guard=args.guard, parent=parent)
        guarded[f"{dedicated.plan.key}-instance"] = dedicated.resource
    guarded[f"{tenant.id}-database"] = _create_credential(args, parent)
    instance = (dedicated or amazon.pools[tenant.sql.instance_key]).plan
    entry = sql_entry(tenant, instance, secret_path="{}")  # noqa: S106
    return DatabaseFacts(guarded=guarded, registry=entry, rds=dedicated)


def _create_credential(args: TenantDatabaseArgs, parent: pulumi.Resource) -> aws.secretsmanager.Secret:
    """Create both secrets; returns the one for the database's URL."""
    tenant, platform = args.tenant, args.clouds.aws.platform
    password = create_password(tenant, parent)
    tags = {"role": "database", **tenant.labels}
    credential = create_secret(
        f"{tenant.id}-credential",
        secret_name=tenant.sql.credential_secret,
        readers=("sqljob",),
        environment=args.environment,
        platform=platform,
        tags=tags,
        guard=args.guard,
        parent=parent,
    )
    aws.secretsmanager.SecretVersion(
        f"{tenant.id}-credential-version",
        secret_id=credential.id,
        secret_string=pulumi.Output.json_dumps(
            {"login": tenant.sql.active_login, "password": password.result, "rotation": tenant.sql.rotation}
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return create_secret(
        f"{tenant.id}-database-url",
        secret_name=tenant.url_secret,
        readers=("gateway", "worker", "sqljob"),
        environment=args.environment,
        platform=platform,
        tags=tags,
        guard=args.guard,
        parent=parent,
    )
