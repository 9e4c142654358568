"""A tenant's own database, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pulumi

from components.aws.tenant_external import create_external_database as create_guest_on_aws
from components.aws.tenant_rds import create_rds_database
from components.database import DatabaseFacts, TenantDatabaseArgs
from components.gcp.tenant_cloudsql import create_cloudsql_database
from components.gcp.tenant_external import create_external_database as create_guest_on_gcp
from components.gcp.tenant_firestore import create_firestore_database
from settings.types import Cloud, Kind

_KINDS: Final[Mapping[tuple[Kind, Cloud], Callable[[TenantDatabaseArgs, pulumi.Resource], DatabaseFacts]]] = {
    ("cloudsql", "gcp"): create_cloudsql_database,
    ("firestore", "gcp"): create_firestore_database,
    ("rds", "aws"): create_rds_database,
    ("external", "gcp"): create_guest_on_gcp,
    ("external", "aws"): create_guest_on_aws,
}


class TenantDatabase(pulumi.ComponentResource):
    """Owns the database, its credential and its published URL, and a dedicated tenant's instance.

    Does not own: pools (Environment), roles inside the database (the SQL job), exports (BackupSchedule).
    """

    facts: DatabaseFacts

    def __init__(self, name: str, args: TenantDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        tenant = args.tenant
        super().__init__(
            "tenantry:tenant_database:TenantDatabase",
            name,
            {
                "tenant": tenant.id,
                "kind": tenant.kind,
                **({"placement": tenant.sql.placement} if tenant.on_sql else {}),
            },
            opts,
        )
        self.facts = _KINDS[tenant.kind, tenant.cloud](args, self)
        self.register_outputs(
            {
                "kind": tenant.kind,
                "database": tenant.database,
                **({"instance": tenant.sql.instance_key} if tenant.on_sql else {}),
            }
        )
