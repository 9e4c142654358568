"""A guest database, run by somebody else, whose URL is kept in Secrets Manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.roles import WEB
from components.aws.secret import create_secret
from components.database import DatabaseFacts, TenantDatabaseArgs
from components.registry import external_entry

KIND_TAG: Final = "kind"
"""Tells URLs that lead to the internet from those of private databases."""


def create_external_database(args: TenantDatabaseArgs, parent: pulumi.Resource) -> DatabaseFacts:
    """Keep the database's URL, and that of the exports' own login where there is one.

    Suspension and offboarding take the application's access to the URL away; the login itself can only be switched off
    at the provider.
    """
    tenant, external = args.tenant, args.tenant.external
    app = ("gateway", "worker", WEB) if tenant.state == "active" else ()
    exports = ("backup",)
    shared = external.backup_dsn is None
    _store(
        args,
        f"{tenant.id}-database-url",
        tenant.url_secret,
        external.dsn,
        readers=(*app, *exports) if shared else app,
        parent=parent,
    )
    if external.backup_dsn is not None:
        _store(
            args,
            f"{tenant.id}-backup-url",
            str(external.backup_url_secret),
            external.backup_dsn,
            readers=exports,
            parent=parent,
        )
    return DatabaseFacts(guarded={}, registry=external_entry(tenant, secret_path="{}"))  # noqa: S106


def _store(
    args: TenantDatabaseArgs,
    name: str,
    secret_name: str,
    value: str,
    *,
    readers: Sequence[str],
    parent: pulumi.Resource,
) -> None:
    secret = create_secret(
        name,
        secret_name=secret_name,
        readers=readers,
        environment=args.environment,
        platform=args.clouds.aws.platform,
        tags={"role": "database", KIND_TAG: "external", **args.tenant.labels},
        guard=args.guard,
        parent=parent,
    )
    aws.secretsmanager.SecretVersion(
        f"{name}-version",
        secret_id=secret.id,
        secret_string=args.external[value],
        opts=pulumi.ResourceOptions(parent=parent),
    )
