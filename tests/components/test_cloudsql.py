"""Cloud SQL instances as registered: private, encrypted, backed up, guarded."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.components.program import STACKS, Built, Document, StackName, build, built
from tests.components.tokens import INSTANCE, OBJECT, USER

each_stack = pytest.mark.parametrize("stack", STACKS)

FLAGS = {
    "cloudsql.enable_pgaudit": "on",
    "cloudsql.iam_authentication": "on",
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


def settings(run: Built, name: str) -> Mapping[str, Any]:
    found = run.inputs(INSTANCE, name)["settings"]
    assert isinstance(found, dict)
    return found


@each_stack
def test_private_and_encrypted_on_the_way_and_on_disk(stack: StackName) -> None:
    project = f"ledgerly-{stack}"
    for name, item in built(stack).of(INSTANCE).items():
        network = item.inputs["settings"]["ipConfiguration"]
        # unset would mean an address of its own in public
        assert network["ipv4Enabled"] is False, name
        assert network["sslMode"] == "ENCRYPTED_ONLY", name
        assert network["privateNetwork"] == f"projects/{project}/global/networks/tenantry", name
        assert "authorizedNetworks" not in network, name
        region = item.inputs["region"]
        key = f"projects/{project}/locations/{region}/keyRings/tenantry/cryptoKeys/sql"
        assert item.inputs["encryptionKeyName"] == key, name


@each_stack
def test_flags_insights_and_labels(stack: StackName) -> None:
    for name, item in built(stack).of(INSTANCE).items():
        found = item.inputs["settings"]
        flags = {flag["name"]: flag["value"] for flag in found["databaseFlags"]}
        assert int(flags.pop("max_connections")) >= 100, name
        assert flags == FLAGS, name
        assert found["insightsConfig"]["queryInsightsEnabled"] is True, name
        # a client's address is personal data
        assert found["insightsConfig"]["recordClientAddress"] is False, name
        # the provider's default labels do not reach here
        labels = {"environment": stack, "service": "tenantry", "managed-by": "tenantry"}
        assert labels.items() <= found["userLabels"].items(), name
        assert found["userLabels"]["cost-centre"].startswith("cc-"), name


def test_an_order_of_flags_that_never_changes() -> None:
    names = [flag["name"] for flag in settings(built("dev"), "pool-general-instance")["databaseFlags"]]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("stack", "name", "days", "count", "track"),
    [
        ("dev", "pool-general-instance", 7, 14, "stable"),
        ("prod", "pool-personal-instance", 30, 35, "week5"),
        ("prod", "pool-business-1-instance", 35, 35, "week5"),
        ("prod", "tenant-cobalt-bank-instance", 35, 60, "week5"),
    ],
)
def test_backups_and_maintenance(stack: StackName, name: str, days: int, count: int, track: str) -> None:
    found = settings(built(stack), name)
    backup = copy.deepcopy(found["backupConfiguration"])
    assert backup.pop("startTime").endswith(":00")
    assert backup == {
        "enabled": True,
        "location": "europe-west4",
        "pointInTimeRecoveryEnabled": True,
        "transactionLogRetentionDays": days,
        "backupRetentionSettings": {"retainedBackups": count, "retentionUnit": "COUNT"},
    }
    assert found["finalBackupConfig"] == {"enabled": True, "retentionDays": 30}
    assert found["retainBackupsOnDelete"] is True
    assert found["maintenanceWindow"]["updateTrack"] == track


@each_stack
def test_native_backups_are_never_where_the_instance_is(stack: StackName) -> None:
    primaries = [item for item in built(stack).of(INSTANCE).values() if "masterInstanceName" not in item.inputs]
    places = [(item.inputs["region"], item.inputs["settings"]["backupConfiguration"]["location"]) for item in primaries]
    assert [place for place in places if place[0] == place[1]] == []
    assert len(places) >= 2


@pytest.mark.parametrize(
    ("stack", "name", "availability", "edition", "tier", "disk", "limit"),
    [
        ("dev", "pool-general-instance", "ZONAL", "ENTERPRISE", "db-custom-1-3840", 10, None),
        ("staging", "pool-personal-instance", "ZONAL", "ENTERPRISE", "db-custom-1-3840", None, None),
        ("staging", "pool-business-instance", "REGIONAL", "ENTERPRISE", "db-custom-2-7680", None, None),
        ("prod", "pool-personal-instance", "REGIONAL", "ENTERPRISE_PLUS", "db-perf-optimized-N-2", 100, 1000),
        ("prod", "tenant-cobalt-bank-instance", "REGIONAL", "ENTERPRISE_PLUS", "db-perf-optimized-N-4", 100, 2000),
    ],
)
def test_size_and_availability_are_the_plans(
    stack: StackName, name: str, availability: str, edition: str, tier: str, disk: int | None, limit: int | None
) -> None:
    found = settings(built(stack), name)
    assert (found["availabilityType"], found["edition"], found["tier"]) == (availability, edition, tier)
    assert found["diskAutoresize"] is True
    if disk is not None:
        assert found["diskSize"] == disk
    if limit is not None:
        assert found["diskAutoresizeLimit"] == limit


@each_stack
def test_the_guard_is_threefold_and_growth_is_no_change(stack: StackName) -> None:
    for name, item in built(stack).of(INSTANCE).items():
        guards = (
            item.protect,
            item.inputs["deletionProtection"],
            item.inputs["settings"]["deletionProtectionEnabled"],
        )
        assert guards == (True, True, True), name
        # a disk that has grown by itself must not be planned as a replacement
        assert item.ignore_changes == ("settings.diskSize",), name


class TestReplica:
    @pytest.mark.parametrize(
        ("name", "primary", "region"),
        [
            ("pool-business-1-replica", "ledgerly-prod-pool-business-1-1", "europe-west3"),
            ("tenant-granite-funds-replica", "ledgerly-prod-t-granite-funds-1", "europe-west1"),
        ],
    )
    def test_it_follows_its_primary_in_another_region(self, name: str, primary: str, region: str) -> None:
        run = built("prod")
        replica = run.inputs(INSTANCE, name)
        assert (replica["masterInstanceName"], replica["instanceType"]) == (primary, "READ_REPLICA_INSTANCE")
        assert replica["region"] == region
        assert run.inputs(INSTANCE, name.replace("-replica", "-instance"))["region"] != region
        # the API refuses backup settings on a replica
        assert "backupConfiguration" not in replica["settings"]
        assert f"key-sql-{region}-agent" in run.waits_for(INSTANCE, name)

    def test_only_where_the_stack_file_asks(self) -> None:
        replicas = {
            stack: sorted(name for name in built(stack).of(INSTANCE) if name.endswith("-replica")) for stack in STACKS
        }
        assert replicas == {
            "dev": [],
            "staging": [],
            "prod": ["pool-business-1-replica", "tenant-granite-funds-replica"],
        }


class TestUsers:
    @each_stack
    def test_three_identities_an_instance_and_no_password(self, stack: StackName) -> None:
        run = built(stack)
        primaries = [name for name, item in run.of(INSTANCE).items() if "masterInstanceName" not in item.inputs]
        wanted = {f"{name.removesuffix('-instance')}-user-{who}" for name in primaries for who in _LOGINS}
        assert set(run.of(USER)) == wanted
        for name, item in run.of(USER).items():
            who = name.rpartition("-")[2]
            assert item.inputs["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"
            # PostgreSQL knows the address without its last suffix
            assert item.inputs["name"] == f"tenantry-{who}@ledgerly-{stack}.iam"
            assert item.inputs.get("databaseRoles") == _LOGINS[who]
            assert item.inputs["deletionPolicy"] == "ABANDON"
            assert "password" not in item.inputs


_LOGINS: dict[str, list[str] | None] = {"sqljob": ["cloudsqlsuperuser"], "worker": None, "migrator": None}


def test_the_registry_says_how_to_reach_an_instance() -> None:
    run = built("prod")
    assert run.inputs(OBJECT, "pool-personal-registry")["name"] == "instances/pool-personal.json"
    entry = dict(run.entry("pool-personal-registry"))
    assert entry.pop("server_ca_pem").startswith("-----BEGIN CERTIFICATE-----\n")
    outputs = run.of(INSTANCE)["pool-personal-instance"].outputs
    assert entry.pop("host") == outputs["privateIpAddress"]
    assert entry == {
        "schema_version": 1,
        "key": "pool-personal",
        "kind": "cloudsql",
        "name": "ledgerly-prod-pool-personal-1",
        "project": "ledgerly-prod",
        "placement": "shared",
        "region": "europe-west1",
        "connection_name": "ledgerly-prod:europe-west1:ledgerly-prod-pool-personal-1",
        "port": 5432,
        "admin_user": "tenantry-sqljob@ledgerly-prod.iam",
        "platform_users": ["tenantry-worker@ledgerly-prod.iam", "tenantry-migrator@ledgerly-prod.iam"],
    }


def test_roles_that_are_somebody_elses_are_published() -> None:
    def declare(document: Document) -> None:
        document["environment"]["database_roles"] = ["datadog", "dba@ledgerly.example"]

    entry = build("prod", declare).entry("pool-personal-registry")
    assert entry["database_roles"] == ["datadog", "dba@ledgerly.example"]


def test_a_pool_that_nobody_lives_on_may_go() -> None:
    def add(document: Document) -> None:
        document["pools"]["spare"] = document["pools"]["general"]

    run = build("dev", add)
    spare = run.of(INSTANCE)["pool-spare-instance"]
    assert (
        spare.protect,
        spare.inputs["deletionProtection"],
        spare.inputs["settings"]["deletionProtectionEnabled"],
    ) == (False, False, False)
    assert run.of(INSTANCE)["pool-general-instance"].protect is True
