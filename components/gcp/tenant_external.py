"""A guest database, run by somebody else, whose URL is kept in Secret Manager."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from components.database import DatabaseFacts, TenantDatabaseArgs
from components.gcp.platform import Account
from components.gcp.secret import create_secret, grant_accessors
from components.registry import external_entry


def create_external_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Keep the database's URL, and that of the exports' own login where there is one.

    Suspension and offboarding take the application's access to the URL away; the login itself can only be switched off
    at the provider.
    """
    tenant, external, platform = args.tenant, args.tenant.external, args.clouds.gcp.platform
    app = platform.application if tenant.state == "active" else ()
    exports = (platform.accounts["backup"],)
    if external.backup_dsn is None:
        _store(
            args, f"{tenant.id}-database-url", tenant.url_secret, external.dsn, readers=(*app, *exports), parent=parent
        )
    else:
        _store(args, f"{tenant.id}-database-url", tenant.url_secret, external.dsn, readers=app, parent=parent)
        _store(
            args,
            f"{tenant.id}-backup-url",
            str(external.backup_url_secret),
            external.backup_dsn,
            readers=exports,
            parent=parent,
        )
    project = args.environment.gcp.project
    return DatabaseFacts(guarded={}, registry=external_entry(tenant, secret_path=f"projects/{project}/secrets/{{}}"))


def _store(
    args: TenantDatabaseArgs,
    name: str,
    secret_id: str,
    value: str,
    *,
    readers: Sequence[Account],
    parent: pulumi.Resource,
) -> None:
    platform = args.clouds.gcp.platform
    secret = create_secret(
        name,
        secret_id=secret_id,
        environment=args.environment,
        platform=platform,
        labels={"role": "database", **args.tenant.labels},
        guard=args.guard,
        parent=parent,
    )
    gcp.secretmanager.SecretVersion(
        f"{name}-version",
        secret=secret.id,
        secret_data=args.external[value],
        opts=pulumi.ResourceOptions(parent=parent),
    )
    if readers:
        grant_accessors(f"{name}-readers", secret, readers, parent=parent)
