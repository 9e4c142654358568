"""A Cloud SQL for PostgreSQL instance, shared or dedicated: private, encrypted, backed up, logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform, Workload
from components.gcp.registry import create_entry
from components.guard import Guard
from components.registry import SCHEMA_VERSION, declared_roles
from settings import names
from settings.plan import EnvironmentPlan, InstancePlan

FINAL_BACKUP_DAYS: Final = 30

# CIS GCP 6.2 and what Checkov adds to it, as far as Cloud SQL lets a customer set it.
_LOG_FLAGS: Final[Mapping[str, str]] = {
    "cloudsql.enable_pgaudit": "on",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_lock_waits": "on",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "error",
    "log_min_messages": "warning",
    "log_statement": "ddl",
    "log_temp_files": "0",
    "pgaudit.log": "ddl,role",
}

# The SQL job must own databases and roles; the others are granted into tenants' roles by that job.
_DATABASE_USERS: Final[Mapping[Workload, tuple[str, ...] | None]] = {
    "sqljob": ("cloudsqlsuperuser",),
    "worker": None,
    "migrator": None,
}


@dataclass(frozen=True, kw_only=True)
class SqlInstance:
    """An instance and the database users of the platform's own workloads on it."""

    plan: InstancePlan
    resource: gcp.sql.DatabaseInstance
    users: Mapping[Workload, gcp.sql.User]
    replica: gcp.sql.DatabaseInstance | None


def create_instance(
    plan: InstancePlan,
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> SqlInstance:
    """Create the instance, its platform users and, when the plan asks for one, its replica in another region."""
    project = environment.gcp.project
    instance = gcp.sql.DatabaseInstance(
        f"{plan.key}-instance",
        name=plan.name,
        project=project,
        region=plan.region,
        database_version=plan.version,
        encryption_key_name=platform.keys["sql", plan.region].id,
        settings={
            **_settings(plan, environment, platform),
            "availability_type": plan.availability,
            "backup_configuration": {
                "enabled": True,
                "start_time": f"{plan.backup_hour:02d}:00",
                "location": plan.backup_location,
                "point_in_time_recovery_enabled": True,
                "transaction_log_retention_days": plan.pitr_days,
                "backup_retention_settings": {"retained_backups": plan.retained_backups, "retention_unit": "COUNT"},
            },
            "final_backup_config": {"enabled": True, "retention_days": FINAL_BACKUP_DAYS},
            "maintenance_window": {
                "day": plan.maintenance_day,
                "hour": plan.maintenance_hour,
                "update_track": "week5" if environment.name == "prod" else "stable",
            },
            "retain_backups_on_delete": True,
        },
        deletion_protection=plan.guarded,
        opts=_options(plan, platform, plan.region, guard, parent),
    )
    replica = None
    if plan.replica_region is not None:
        replica = gcp.sql.DatabaseInstance(
            f"{plan.key}-replica",
            name=plan.replica_name,
            project=project,
            region=plan.replica_region,
            database_version=plan.version,
            instance_type="READ_REPLICA_INSTANCE",
            master_instance_name=instance.name,
            encryption_key_name=platform.keys["sql", plan.replica_region].id,
            settings={**_settings(plan, environment, platform), "availability_type": "ZONAL"},
            deletion_protection=plan.guarded,
            opts=_options(plan, platform, plan.replica_region, guard, parent),
        )
    users = {
        workload: gcp.sql.User(
            f"{plan.key}-user-{workload}",
            project=project,
            instance=instance.name,
            name=platform.accounts[workload].database_user,
            type="CLOUD_IAM_SERVICE_ACCOUNT",
            database_roles=None if roles is None else list(roles),
            # a role that owns objects cannot be dropped: it stays or goes with its instance
            deletion_policy="ABANDON",
            opts=guard.options(parent, guarded=plan.guarded, depends_on=[platform.accounts[workload].resource]),
        )
        for workload, roles in _DATABASE_USERS.items()
    }
    create_entry(
        f"{plan.key}-registry",
        names.instance_object(plan.key),
        pulumi.Output.json_dumps(_registry_entry(plan, environment, instance, users), sort_keys=True),
        platform=platform,
        parent=parent,
    )
    return SqlInstance(plan=plan, resource=instance, users=users, replica=replica)


def _registry_entry(
    plan: InstancePlan,
    environment: EnvironmentPlan,
    instance: gcp.sql.DatabaseInstance,
    users: Mapping[Workload, gcp.sql.User],
) -> dict[str, object]:
    """How the jobs and the platform's workloads reach the instance."""
    return {
        "schema_version": SCHEMA_VERSION,
        "key": plan.key,
        "kind": "cloudsql",
        "name": plan.name,
        "project": environment.gcp.project,
        "placement": plan.placement,
        "region": plan.region,
        "connection_name": instance.connection_name,
        "host": instance.private_ip_address,
        "port": 5432,
        # the last certificate is the newest; during a rotation of the authority both are valid
        "server_ca_pem": instance.server_ca_certs.apply(
            lambda certificates: certificates[-1].cert if certificates else None
        ),
        "admin_user": users["sqljob"].name,
        "platform_users": [users["worker"].name, users["migrator"].name],
        **declared_roles(environment),
    }


def _options(
    plan: InstancePlan, platform: Platform, region: str, guard: Guard, parent: pulumi.Resource
) -> pulumi.ResourceOptions:
    return guard.options(
        parent,
        guarded=plan.guarded,
        depends_on=[
            *platform.ready("sqladmin.googleapis.com"),
            platform.services_connection,
            platform.key_grants["sql", region],
        ],
        # the disk grows by itself; shrinking it back would replace the instance
        ignore_changes=["settings.diskSize"],
    )


def _settings(
    plan: InstancePlan, environment: EnvironmentPlan, platform: Platform
) -> gcp.sql.DatabaseInstanceSettingsArgsDict:
    """Settings that an instance and its replica share."""
    flags = {**_LOG_FLAGS, "cloudsql.iam_authentication": "on", "max_connections": str(plan.max_connections)}
    return {
        "tier": plan.tier,
        "edition": plan.edition,
        # C4A machines take no other kind of disk, the others no such
        "disk_type": "HYPERDISK_BALANCED" if plan.tier.startswith("db-c4a-") else "PD_SSD",
        "disk_size": plan.disk_gb,
        "disk_autoresize": True,
        "disk_autoresize_limit": plan.disk_limit_gb,
        "deletion_protection_enabled": plan.guarded,
        "ip_configuration": {
            "ipv4_enabled": False,
            "private_network": platform.network.id,
            "ssl_mode": "ENCRYPTED_ONLY",
            "server_ca_mode": "GOOGLE_MANAGED_INTERNAL_CA",
            "enable_private_path_for_google_cloud_services": False,
        },
        "database_flags": [{"name": name, "value": value} for name, value in sorted(flags.items())],
        "insights_config": {
            "query_insights_enabled": True,
            "query_plans_per_minute": 5,
            "query_string_length": 1024,
            "record_application_tags": True,
            "record_client_address": False,
        },
        # the provider's default labels do not reach into settings
        "user_labels": {**environment.labels, **plan.labels},
    }
