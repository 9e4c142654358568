"""RDS instances: shared and dedicated, setting by setting."""

from __future__ import annotations

import functools

import pytest

from tests.components.aws.account import ACCOUNT, AWAY, HOME, build, built
from tests.components.program import Built, Document

INSTANCE = "aws:rds/instance:Instance"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
COPIES = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
KEY = "aws:kms/key:Key"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
POOL = "pool-general-instance"


@functools.cache
def with_dedicated() -> Built:
    def edit(document: Document) -> None:
        document["plans"]["enterprise"]["instance"] = {
            "availability": "REGIONAL",
            "pitr_days": 35,
            "retained_backups": 35,
            "disk_limit_gb": 0,
            "tier": "db.r7g.xlarge",
            "version": "POSTGRES_16",
        }
        document["tenants"].append({"id": "big-bank", "plan": "enterprise"})

    return build("prod", edit)


def _key(run: Built, arn: str) -> str:
    return {item.outputs["arn"]: name for name, item in run.of(KEY).items()}[arn]


def _pool(option: str, value: object) -> Built:
    return build("dev", lambda document: document["pools"]["general"].update({option: value}))


def test_an_instance_is_private_encrypted_and_logged_in_to_by_identity() -> None:
    run = built("prod")
    instance = run.inputs(INSTANCE, POOL)
    assert instance["identifier"] == "ledgerly-prod-pool-general-1"
    assert instance["region"] == HOME
    assert instance["publiclyAccessible"] is False
    assert instance["dbSubnetGroupName"] == "ledgerly-prod"
    assert instance["vpcSecurityGroupIds"] == [run.mocks.one(GROUP, "group-database").id]
    assert instance["storageEncrypted"] is True
    assert _key(run, instance["kmsKeyId"]) == f"key-sql-{HOME}"
    assert instance["iamDatabaseAuthenticationEnabled"] is True
    assert instance["caCertIdentifier"] == "rds-ca-rsa2048-g1"
    assert instance["port"] == 5432


def test_rds_keeps_the_master_password_and_pulumi_never_has_it() -> None:
    run = built("prod")
    instance = run.inputs(INSTANCE, POOL)
    assert instance["username"] == "tenantry_admin"
    assert instance["manageMasterUserPassword"] is True
    assert _key(run, instance["masterUserSecretKmsKeyId"]) == f"key-secrets-{HOME}"
    assert "password" not in instance
    assert "passwordWo" not in instance


def test_backups_outlive_the_instance_and_reach_the_backup_region() -> None:
    run = built("prod")
    instance = run.inputs(INSTANCE, POOL)
    assert instance["backupRetentionPeriod"] == 30
    assert instance["copyTagsToSnapshot"] is True
    assert instance["deleteAutomatedBackups"] is False
    assert instance["skipFinalSnapshot"] is False
    assert instance["finalSnapshotIdentifier"] == "ledgerly-prod-pool-general-1-final"
    copies = run.inputs(COPIES, "pool-general-backup-copies")
    assert copies["region"] == AWAY
    assert copies["retentionPeriod"] == 30
    assert copies["sourceDbInstanceArn"] == f"arn:aws:rds:{HOME}:{ACCOUNT}:db:ledgerly-prod-pool-general-1"
    assert _key(run, copies["kmsKeyId"]) == f"key-sql-{AWAY}"
    assert POOL in run.waits_for(COPIES, "pool-general-backup-copies")
    # RDS takes one replication of an instance to a region, and its retention cannot change
    assert run.mocks.one(COPIES, "pool-general-backup-copies").delete_before_replace


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_what_is_declared_is_what_runs_once_up_returns(stack: str) -> None:
    """Nothing waits for the window: RDS refuses to delete a parameter group that an instance is still to leave."""
    assert built(stack).inputs(INSTANCE, POOL)["applyImmediately"] is True


def test_versions_are_major_and_minor_ones_come_by_themselves() -> None:
    instance = built("prod").inputs(INSTANCE, POOL)
    assert (instance["engine"], instance["engineVersion"]) == ("postgres", "17")
    assert instance["autoMinorVersionUpgrade"] is True
    assert instance["allowMajorVersionUpgrade"] is True


def test_the_disk_grows_and_its_size_is_no_difference() -> None:
    registered = built("prod").mocks.one(INSTANCE, POOL)
    assert registered.inputs["storageType"] == "gp3"
    assert (registered.inputs["allocatedStorage"], registered.inputs["maxAllocatedStorage"]) == (20, 500)
    assert registered.ignore_changes == ("allocatedStorage",)


def test_no_bound_is_the_services_own() -> None:
    assert _pool("disk_limit_gb", 0).inputs(INSTANCE, POOL)["maxAllocatedStorage"] == 65536


def test_what_happens_inside_is_seen() -> None:
    run = built("prod")
    instance = run.inputs(INSTANCE, POOL)
    assert instance["performanceInsightsEnabled"] is True
    assert _key(run, instance["performanceInsightsKmsKeyId"]) == f"key-sql-{HOME}"
    assert instance["performanceInsightsRetentionPeriod"] == 7
    assert instance["databaseInsightsMode"] == "standard"
    assert instance["monitoringInterval"] == 60
    assert instance["monitoringRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-prod-rds-monitoring"
    assert instance["enabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    waits = run.waits_for(INSTANCE, POOL)
    assert {"role-rds-monitoring", "role-rds-monitoring-rights"} <= waits
    for log in ("postgresql", "upgrade"):
        group = run.inputs(LOG_GROUP, f"{POOL}-{log}-log")
        assert group["name"] == f"/aws/rds/instance/ledgerly-prod-pool-general-1/{log}"
        assert group["retentionInDays"] == 90
        assert _key(run, group["kmsKeyId"]) == f"key-logs-{HOME}"
        assert f"{POOL}-{log}-log" in waits


def test_parameters_force_tls_and_log_what_the_benchmarks_ask() -> None:
    group = built("prod").inputs(PARAMETERS, f"{POOL}-parameters")
    assert group["family"] == "postgres17"
    assert group["name"] == "ledgerly-prod-pool-general-1-postgres17"
    assert built("prod").inputs(INSTANCE, POOL)["parameterGroupName"] == group["name"]
    assert {each["name"]: (each["value"], each["applyMethod"]) for each in group["parameters"]} == {
        "log_connections": ("1", "immediate"),
        "log_disconnections": ("1", "immediate"),
        "log_lock_waits": ("1", "immediate"),
        "log_min_duration_statement": ("-1", "immediate"),
        "log_min_error_statement": ("error", "immediate"),
        "log_min_messages": ("warning", "immediate"),
        "log_statement": ("ddl", "immediate"),
        "log_temp_files": ("0", "immediate"),
        "max_connections": ("400", "pending-reboot"),
        "password_encryption": ("scram-sha-256", "immediate"),
        "pgaudit.log": ("ddl,role", "immediate"),
        "rds.accepted_password_auth_method": ("scram", "immediate"),
        "rds.force_ssl": ("1", "immediate"),
        "shared_preload_libraries": ("pg_stat_statements,pgaudit", "pending-reboot"),
    }


@pytest.mark.parametrize(
    ("day", "hour", "window"),
    [(7, 23, "sun:23:30-mon:00:00"), (1, 0, "mon:00:30-mon:01:00"), (6, 3, "sat:03:30-sat:04:00")],
)
def test_windows_take_half_an_hour_each(day: int, hour: int, window: str) -> None:
    def edit(document: Document) -> None:
        document["pools"]["general"].update(maintenance_day=day, maintenance_hour=hour, backup_hour=9)

    instance = build("dev", edit).inputs(INSTANCE, POOL)
    assert instance["maintenanceWindow"] == window
    assert instance["backupWindow"] == "09:00-09:30"


@pytest.mark.parametrize(("availability", "multi"), [("REGIONAL", True), ("ZONAL", False)])
def test_availability_is_multi_az(availability: str, multi: bool) -> None:
    assert _pool("availability", availability).inputs(INSTANCE, POOL)["multiAz"] is multi


def test_an_instance_with_tenants_is_guarded_in_every_way() -> None:
    registered = built("prod").mocks.one(INSTANCE, POOL)
    assert registered.protect
    assert registered.inputs["deletionProtection"] is True
    assert ("before_delete", "tenantry-refuse-delete") in registered.hooks
    assert ("before_create", "tenantry-refuse-empty-recreate") in registered.hooks
    assert built("prod").outputs["guarded"][POOL] == registered.id


def test_the_registry_tells_the_jobs_how_to_reach_it() -> None:
    run = built("prod")
    registered = run.mocks.one(INSTANCE, POOL)
    entry = run.mocks.one(OBJECT, "pool-general-registry")
    assert entry.inputs["key"] == "instances/pool-general.json"
    assert run.entry("pool-general-registry") == {
        "schema_version": 1,
        "key": "pool-general",
        "kind": "rds",
        "name": "ledgerly-prod-pool-general-1",
        "account_id": ACCOUNT,
        "arn": f"arn:aws:rds:{HOME}:{ACCOUNT}:db:ledgerly-prod-pool-general-1",
        "placement": "shared",
        "region": HOME,
        "host": registered.outputs["address"],
        "port": 5432,
        "server_ca_pem": None,
        "admin_secret": registered.outputs["masterUserSecrets"][0]["secretArn"],
        "admin_user": "tenantry_admin",
        "platform_users": ["tenantry_worker", "tenantry_migrator"],
    }
    assert {"registry-policy", "registry-encryption"} <= run.waits_for(OBJECT, "pool-general-registry")


def test_roles_that_are_somebody_elses_are_published() -> None:
    def declare(document: Document) -> None:
        document["environment"]["database_roles"] = ["datadog"]

    assert build("prod", declare).entry("pool-general-registry")["database_roles"] == ["datadog"]


def test_a_dedicated_instance_is_the_tenants_own() -> None:
    run = with_dedicated()
    instance = run.inputs(INSTANCE, "tenant-big-bank-instance")
    assert instance["identifier"] == "ledgerly-prod-t-big-bank-1"
    assert instance["instanceClass"] == "db.r7g.xlarge"
    assert instance["engineVersion"] == "16"
    assert instance["backupRetentionPeriod"] == 35
    assert instance["maxAllocatedStorage"] == 65536
    assert instance["tags"] == {"tenant": "big-bank"}
    assert run.inputs(PARAMETERS, "tenant-big-bank-instance-parameters")["family"] == "postgres16"
