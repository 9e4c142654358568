"""The registry's entries: what the application, the migration runner and the jobs need to know (R2.4); no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from settings.names import TenantNames
from settings.plan import EnvironmentPlan, InstancePlan, TenantPlan

SCHEMA_VERSION: Final = 1


def tenant_entry(tenant: TenantPlan, database: Mapping[str, object]) -> dict[str, object]:
    """A tenant's entry; `database` is the part that its kind of database adds.

    `isolated` is always false here: the SQL job says in the status object when it has made it true for exactly this
    entry, and a reader who knows nothing of status objects errs on the safe side (R2.5). Only an offboarding tenant has
    `final_export`, the object that is to prove its final export: whatever every entry gained would have every tenant
    wait for the SQL job.
    """
    entry: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "id": tenant.id,
        "name": tenant.display_name,
        "kind": tenant.kind,
        "state": tenant.state,
        "plan": tenant.plan,
        "ring": tenant.ring,
        "region": tenant.region,
        "files": {"mode": tenant.files.mode, "bucket": tenant.files.bucket, "folder": tenant.files.folder},
        "isolated": False,
        "status": TenantNames(tenant.id).status_object,
        **database,
    }
    return entry if tenant.final_export is None else entry | {"final_export": tenant.final_export}


def declared_roles(environment: EnvironmentPlan) -> dict[str, object]:
    """The part of an instance's entry about roles that are somebody else's; nothing where there are none."""
    return {"database_roles": list(environment.database_roles)} if environment.database_roles else {}


def sql_entry(tenant: TenantPlan, instance: InstancePlan, *, secret_path: str) -> dict[str, object]:
    """The part of a database on a SQL instance; `secret_path` turns a secret's name into what readers ask for.

    `recreate_after_loss` is for the SQL job, which makes databases where the cloud's API does not: a lost instance
    takes its tenants' databases along, so what is allowed for the instance is allowed for them.
    """
    sql = tenant.sql
    return {
        "placement": sql.placement,
        "pool": sql.pool,
        "instance": sql.instance_key,
        "database": tenant.database,
        "owner_role": sql.owner_role,
        "logins": list(sql.logins),
        "active_login": sql.active_login,
        "rotation": sql.rotation,
        "credential_secret": secret_path.format(sql.credential_secret),
        "url_secret": secret_path.format(tenant.url_secret),
        "connection_limit": sql.connection_limit,
        "statement_timeout_ms": sql.statement_timeout_seconds * 1000,
        "recreate_after_loss": tenant.recreate_after_loss or instance.recreate_after_loss,
    }


def external_entry(tenant: TenantPlan, *, secret_path: str) -> dict[str, object]:
    """The part of a guest database; `secret_path` as in `sql_entry`."""
    external = tenant.external
    return {
        "database": tenant.database,
        "provider": external.provider,
        "url_secret": secret_path.format(tenant.url_secret),
        "backup_url_secret": (
            None if external.backup_url_secret is None else secret_path.format(external.backup_url_secret)
        ),
        "schemas": None if external.schemas is None else list(external.schemas),
        "attested": None if external.attested is None else external.attested.model_dump(mode="json"),
        "not_enforced": list(external.not_enforced),
    }
