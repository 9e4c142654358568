"""A Firestore tenant: its database, its schedules, and the one identity that reaches it."""

from __future__ import annotations

import json

import pytest

from tests.components.program import Built, Document, build

pytestmark = pytest.mark.filterwarnings(r"ignore:gcp\.\w+\.\w+ has been deprecated:DeprecationWarning")

DATABASE = "gcp:firestore/database:Database"
SCHEDULE = "gcp:firestore/backupSchedule:BackupSchedule"
ACCOUNT = "gcp:serviceaccount/account:Account"
PROJECT = "ledgerly-dev"


def with_tenant(document: Document, **options: object) -> None:
    document["tenants"].append({"id": "dune", "kind": "firestore", **options})
    document["plans"]["documents"] = {}
    document["tenants"][-1].setdefault("plan", "documents")


@pytest.fixture(scope="module")
def dune() -> Built:
    return build("dev", with_tenant)


def test_the_database_is_protected_and_recoverable(dune: Built) -> None:
    assert dune.inputs(DATABASE, "dune-database") == {
        "project": PROJECT,
        "name": "tn-dune",
        "locationId": "europe-west1",
        "type": "FIRESTORE_NATIVE",
        "databaseEdition": "STANDARD",
        "concurrencyMode": "PESSIMISTIC",
        "pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_ENABLED",
        "deleteProtectionState": "DELETE_PROTECTION_ENABLED",
        "deletionPolicy": "PREVENT",
    }
    assert dune.mocks.one(DATABASE, "dune-database").protect is True
    assert "api-firestore" in dune.waits_for(DATABASE, "dune-database")


def test_daily_backups_for_a_week_and_weekly_ones_for_fourteen(dune: Built) -> None:
    schedules = {name: item.inputs for name, item in dune.of(SCHEDULE).items()}
    assert schedules == {
        "dune-backup-daily": {
            "project": PROJECT, "database": "tn-dune", "retention": "604800s", "dailyRecurrence": {},
        },
        "dune-backup-weekly": {
            "project": PROJECT, "database": "tn-dune", "retention": "8467200s",
            "weeklyRecurrence": {"day": "SUNDAY"},
        },
    }  # fmt: skip


def test_only_its_own_account_reaches_it(dune: Built) -> None:
    assert dune.inputs(ACCOUNT, "dune-account")["accountId"] == "tn-dune"
    assert dune.inputs(ACCOUNT, "dune-account")["disabled"] is False
    grant = dune.inputs("gcp:projects/iAMMember:IAMMember", "dune-database-user")
    assert (grant["role"], grant["member"]) == (
        "roles/datastore.user",
        f"serviceAccount:tn-dune@{PROJECT}.iam.gserviceaccount.com",
    )
    assert grant["condition"]["expression"] == f'resource.name == "projects/{PROJECT}/databases/tn-dune"'
    users = dune.inputs("gcp:serviceaccount/iAMBinding:IAMBinding", "dune-account-users")
    assert users["role"] == "roles/iam.serviceAccountTokenCreator"
    assert users["members"] == [
        f"serviceAccount:tenantry-{workload}@{PROJECT}.iam.gserviceaccount.com" for workload in ("gateway", "worker")
    ]


@pytest.mark.parametrize("state", ["suspended", "offboarding"])
def test_a_tenant_that_is_not_active_has_its_account_switched_off(state: str) -> None:
    program = build("dev", lambda document: with_tenant(document, state=state))
    assert program.inputs(ACCOUNT, "dune-account")["disabled"] is True
    # an account is born switched on, so its grants wait too
    assert "dune-database-user" not in program.of("gcp:projects/iAMMember:IAMMember")
    assert program.of("gcp:serviceaccount/iAMBinding:IAMBinding") == {}
    assert program.inputs(DATABASE, "dune-database")["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"


def test_a_proved_final_export_lifts_every_guard() -> None:
    first = build("dev", lambda document: with_tenant(document, state="offboarding"))
    program = build(
        "dev",
        lambda document: with_tenant(document, state="offboarding"),
        previous=first.outputs,
        final_exports=["dune"],
    )
    database = program.inputs(DATABASE, "dune-database")
    assert (database["deleteProtectionState"], database["deletionPolicy"]) == ("DELETE_PROTECTION_DISABLED", "DELETE")
    assert program.mocks.one(DATABASE, "dune-database").protect is False


def test_a_quota_of_keys_encrypts_with_the_environments_own(dune: Built) -> None:
    def edit(document: Document) -> None:
        document["gcp"]["firestore_cmek_databases"] = 5
        with_tenant(document)

    program = build("dev", edit)
    key = program.inputs(DATABASE, "dune-database")["cmekConfig"]["kmsKeyName"]
    assert key.endswith("/locations/europe-west1/keyRings/tenantry/cryptoKeys/firestore")
    assert "key-firestore-europe-west1-agent" in program.waits_for(DATABASE, "dune-database")
    assert "cmekConfig" not in dune.inputs(DATABASE, "dune-database")
    assert "key-firestore-europe-west1" not in dune.of("gcp:kms/cryptoKey:CryptoKey")


def test_the_registry_names_what_the_application_needs(dune: Built) -> None:
    entry = dune.entry("dune-registry")
    assert entry == {
        "schema_version": 1,
        "id": "dune",
        "name": "dune",
        "kind": "firestore",
        "state": "active",
        "plan": "documents",
        "ring": "all",
        "region": "europe-west1",
        "files": {"mode": "prefix", "bucket": "ledgerly-dev-uploads", "folder": "dune/"},
        "isolated": False,
        "status": "status/dune.json",
        "database": "tn-dune",
        "location": "europe-west1",
        "service_account": f"tn-dune@{PROJECT}.iam.gserviceaccount.com",
    }
    assert json.dumps(dune.outputs["registry"]["tenants"]["dune"]).count("secret") == 1


def test_another_tenant_changes_nothing(dune: Built) -> None:
    without = build("dev")
    before = {(item.type, item.name): item.inputs for item in without.all}
    after = {(item.type, item.name): item.inputs for item in dune.all}
    changed = {key for key in before if before[key] != after.get(key)}
    assert {name for _, name in changed} <= {"monitoring"}
    # what the first Firestore tenant brings for all of them; the second brings only what is its own
    roles = ("backup", "monitoring-alert", "role", "workflow")
    common = ("firestore-", *(f"{role}-firestore-" for role in roles))
    added = {name for _, name in after.keys() - before.keys()}
    assert {name for name in added if not name.startswith(("dune", *common))} == set()


def test_failed_requests_are_alerted_on_by_database(dune: Built) -> None:
    alert = dune.inputs("gcp:monitoring/alertPolicy:AlertPolicy", "monitoring-alert-firestore-errors")
    (condition,) = (item["conditionThreshold"] for item in alert["conditions"])
    assert condition["filter"] == (
        'resource.type="firestore.googleapis.com/Database"'
        ' AND metric.type="firestore.googleapis.com/api/request_count"'
        ' AND metric.labels.response_code=one_of("DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE")'
    )
    assert condition["thresholdValue"] == 0.05
    assert "monitoring-alert-firestore-errors" not in build("dev").of("gcp:monitoring/alertPolicy:AlertPolicy")


def test_exports_and_drills_run_by_the_clock(dune: Built) -> None:
    schedules = {name: item.inputs["schedule"] for name, item in dune.of("gcp:cloudscheduler/job:Job").items()}
    assert schedules["firestore-export-schedule"] == "0 2 * * *"
    assert schedules["firestore-drill-schedule"] == "0 4 * * 0"
    rights = dune.inputs("gcp:projects/iAMMember:IAMMember", "backup-firestore-drill")
    assert rights["condition"]["expression"] == (f'resource.name.startsWith("projects/{PROJECT}/databases/drill-")')
    role = dune.inputs("gcp:projects/iAMCustomRole:IAMCustomRole", "role-firestore-drill")
    assert role["permissions"] == ["datastore.databases.delete"]
    assert (
        "datastore.databases.delete"
        not in (dune.inputs("gcp:projects/iAMCustomRole:IAMCustomRole", "role-firestore-backup")["permissions"])
    )
