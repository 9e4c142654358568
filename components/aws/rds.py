"""An RDS for PostgreSQL instance, shared or dedicated: private, encrypted, backed up, logged."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import database_arn
from components.aws.platform import AwsPlatform, RdsInstance
from components.aws.registry import create_entry
from components.aws.roles import ADMIN_USER, DATABASE_USERS
from components.aws.security_groups import POSTGRES_PORT
from components.guard import Guard
from components.registry import SCHEMA_VERSION, declared_roles
from settings import names
from settings.plan import EnvironmentPlan, InstancePlan

CA: Final = "rds-ca-rsa2048-g1"
"""The certificate authority that RDS renews by itself; its bundle is in the jobs image."""
LOG_EXPORTS: Final = ("postgresql", "upgrade")
LOG_DAYS: Final = 90
"""R6.6 asks for 30 days of logs and 90 of errors, which are in the same stream."""
MONITORING_SECONDS: Final = 60
INSIGHTS_DAYS: Final = 7
"""What Database Insights keeps without a charge, in its standard mode."""
_LARGEST_DISK_GB: Final = 65536
_LAST_HOUR: Final = 23
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# What needs a restart says so, or the provider would see a difference for ever.
_STATIC: Final = frozenset({"max_connections", "shared_preload_libraries"})
# CIS PostgreSQL and what Checkov adds to it (CKV2_AWS_27, 30, 69), as far as RDS lets a customer set it.
_PARAMETERS: Final = {
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "error",
    "log_min_messages": "warning",
    "log_statement": "ddl",
    "log_temp_files": "0",
    "password_encryption": "scram-sha-256",
    "pgaudit.log": "ddl,role",
    "rds.accepted_password_auth_method": "scram",
    "rds.force_ssl": "1",
    "shared_preload_libraries": "pg_stat_statements,pgaudit",
}


def create_instance(
    plan: InstancePlan,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> RdsInstance:
    """Create the instance and the copies of its backups in the backup region.

    RDS manages the master password, which Pulumi never sees. Everything inside the instance is the SQL job's work.
    """
    name, arn = f"{plan.key}-instance", database_arn(environment, plan.name)
    log_groups = _log_groups(name, plan, platform, guard=guard, parent=parent)
    key, network = platform.keys["sql", plan.region], platform.database_network
    monitoring = platform.database_monitoring_role
    instance = aws.rds.Instance(
        name,
        region=plan.region,
        identifier=plan.name,
        engine="postgres",
        # a major version: AWS keeps the minor one up to date, which is no difference to this
        engine_version=plan.major_version,
        allow_major_version_upgrade=True,
        auto_minor_version_upgrade=True,
        instance_class=plan.tier,
        multi_az=plan.availability == "REGIONAL",
        allocated_storage=plan.disk_gb,
        max_allocated_storage=plan.disk_limit_gb or _LARGEST_DISK_GB,
        storage_type="gp3",
        storage_encrypted=True,
        kms_key_id=key.arn,
        username=ADMIN_USER,
        manage_master_user_password=True,
        master_user_secret_kms_key_id=platform.keys["secrets", plan.region].arn,
        iam_database_authentication_enabled=True,
        db_subnet_group_name=network.subnet_group.name,
        vpc_security_group_ids=[network.security_group.id],
        network_type="IPV4",
        publicly_accessible=False,
        port=POSTGRES_PORT,
        ca_cert_identifier=CA,
        parameter_group_name=_parameter_group(name, plan, parent).name,
        backup_retention_period=plan.pitr_days,
        backup_window=f"{plan.backup_hour:02d}:00-{plan.backup_hour:02d}:30",
        maintenance_window=_maintenance_window(plan),
        copy_tags_to_snapshot=True,
        delete_automated_backups=False,
        deletion_protection=plan.guarded,
        skip_final_snapshot=False,
        final_snapshot_identifier=f"{plan.name}-final",
        # what waits for the maintenance window would show as a difference until then, and RDS would not delete the
        # parameter group of an older major version that the instance has not left yet
        apply_immediately=True,
        database_insights_mode="standard",
        performance_insights_enabled=True,
        performance_insights_kms_key_id=key.arn,
        performance_insights_retention_period=INSIGHTS_DAYS,
        monitoring_interval=MONITORING_SECONDS,
        monitoring_role_arn=monitoring.arn,
        enabled_cloudwatch_logs_exports=list(LOG_EXPORTS),
        tags=dict(plan.labels),
        opts=guard.options(
            parent,
            guarded=plan.guarded,
            depends_on=[*log_groups, *monitoring.ready],
            ignore_changes=["allocatedStorage"],
        ),
    )
    aws.rds.InstanceAutomatedBackupsReplication(
        f"{plan.key}-backup-copies",
        region=plan.backup_location,
        source_db_instance_arn=arn,
        kms_key_id=platform.keys["sql", plan.backup_location].arn,
        retention_period=plan.pitr_days,
        # an instance has one such replication in a region, so another retention cannot begin beside it
        opts=pulumi.ResourceOptions.merge(
            guard.retrying(parent, depends_on=[instance]), pulumi.ResourceOptions(delete_before_replace=True)
        ),
    )
    create_entry(
        f"{plan.key}-registry",
        names.instance_object(plan.key),
        pulumi.Output.json_dumps(_registry_entry(plan, environment, instance, arn), sort_keys=True),
        platform=platform,
        parent=parent,
    )
    return RdsInstance(plan=plan, resource=instance, arn=arn)


def _log_groups(
    name: str, plan: InstancePlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> list[aws.cloudwatch.LogGroup]:
    """What RDS would create by itself: without a key, and to be kept for ever."""
    return [
        aws.cloudwatch.LogGroup(
            f"{name}-{log}-log",
            region=plan.region,
            name=f"/aws/rds/instance/{plan.name}/{log}",
            retention_in_days=LOG_DAYS,
            kms_key_id=platform.keys["logs", plan.region].arn,
            opts=guard.retrying(parent),
        )
        for log in LOG_EXPORTS
    ]


def _parameter_group(name: str, plan: InstancePlan, parent: pulumi.Resource) -> aws.rds.ParameterGroup:
    """Named after the major version: another one is another group, made before the instance leaves the old one."""
    parameters = {**_PARAMETERS, "max_connections": str(plan.max_connections)}
    return aws.rds.ParameterGroup(
        f"{name}-parameters",
        region=plan.region,
        name=f"{plan.name}-postgres{plan.major_version}",
        family=f"postgres{plan.major_version}",
        description=f"{plan.name}, PostgreSQL {plan.major_version}",
        parameters=[
            {"name": key, "value": value, "apply_method": "pending-reboot" if key in _STATIC else "immediate"}
            for key, value in sorted(parameters.items())
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _maintenance_window(plan: InstancePlan) -> str:
    """The second half of its hour: backups take the first half of theirs, and the two must not overlap."""
    day, hour = plan.maintenance_day - 1, plan.maintenance_hour
    end_day, end_hour = (day, hour + 1) if hour < _LAST_HOUR else ((day + 1) % 7, 0)
    return f"{_DAYS[day]}:{hour:02d}:30-{_DAYS[end_day]}:{end_hour:02d}:00"


def _registry_entry(
    plan: InstancePlan, environment: EnvironmentPlan, instance: aws.rds.Instance, arn: str
) -> dict[str, object]:
    """How the jobs and the platform's workloads reach the instance."""
    return {
        "schema_version": SCHEMA_VERSION,
        "key": plan.key,
        "kind": "rds",
        "name": plan.name,
        "account_id": environment.aws.account_id,
        "arn": arn,
        "placement": plan.placement,
        "region": plan.region,
        "host": instance.address,
        "port": POSTGRES_PORT,
        # one bundle for all of RDS, which the jobs image holds
        "server_ca_pem": None,
        "admin_secret": instance.master_user_secrets.apply(lambda secrets: secrets[0].secret_arn),
        "admin_user": ADMIN_USER,
        "platform_users": [DATABASE_USERS["worker"], DATABASE_USERS["migrator"]],
        **declared_roles(environment),
    }
