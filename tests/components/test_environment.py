"""What the tenants of a stack share: keys and their grants, network, rights, buckets, audit logs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from tests.components.program import STACKS, Built, Document, StackName, build, built
from tests.components.tokens import (
    API,
    BUCKET,
    BUCKET_MEMBER,
    INSTANCE,
    KEY,
    KEY_MEMBER,
    LOG_BUCKET,
    PROJECT_MEMBER,
    SECRET,
    SINK,
)

DAY = 86400
each_stack = pytest.mark.parametrize("stack", STACKS)


def key(stack: StackName, use: str, region: str) -> str:
    return f"projects/ledgerly-{stack}/locations/{region}/keyRings/tenantry/cryptoKeys/{use}"


class TestOrder:
    """An empty project is enough: what needs an API, a grant or a peering waits for it."""

    @pytest.mark.parametrize(
        ("token", "name", "service"),
        [
            ("gcp:compute/network:Network", "network", "compute"),
            ("gcp:servicenetworking/connection:Connection", "services-connection", "servicenetworking"),
            ("gcp:kms/keyRing:KeyRing", "keyring-europe-west1", "cloudkms"),
            ("gcp:serviceaccount/account:Account", "account-gateway", "iam"),
            ("gcp:projects/serviceIdentity:ServiceIdentity", "agent-sql", "sqladmin"),
            ("gcp:projects/serviceIdentity:ServiceIdentity", "agent-secrets", "secretmanager"),
            ("gcp:projects/iAMAuditConfig:IAMAuditConfig", "audit-config", "cloudresourcemanager"),
            (LOG_BUCKET, "audit-logs", "logging"),
            (SINK, "archive-sink", "logging"),
            (INSTANCE, "pool-general-instance", "sqladmin"),
            (SECRET, "acme-credential", "secretmanager"),
            ("gcp:cloudrunv2/job:Job", "sql-job", "run"),
            ("gcp:cloudscheduler/job:Job", "sql-job-schedule", "cloudscheduler"),
            ("gcp:workflows/workflow:Workflow", "workflow-export", "workflows"),
            ("gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig", "monitoring-uptime", "monitoring"),
        ],
    )
    def test_a_resource_waits_for_its_api(self, token: str, name: str, service: str) -> None:
        assert f"api-{service}" in built("dev").waits_for(token, name)

    @each_stack
    def test_every_store_waits_for_the_grant_on_each_of_its_keys(self, stack: StackName) -> None:
        run = built(stack)
        grant_on = {item.inputs["cryptoKeyId"]: name for name, item in run.of(KEY_MEMBER).items()}
        used: dict[str, set[str]] = {}
        for name, item in run.of(BUCKET).items():
            used[f"{BUCKET} {name}"] = {item.inputs["encryption"]["defaultKmsKeyName"]}
        for name, item in run.of(INSTANCE).items():
            used[f"{INSTANCE} {name}"] = {item.inputs["encryptionKeyName"]}
        for name, item in run.of(LOG_BUCKET).items():
            used[f"{LOG_BUCKET} {name}"] = {item.inputs["cmekSettings"]["kmsKeyName"]}
        for name, item in run.of(SECRET).items():
            replicas = item.inputs["replication"]["userManaged"]["replicas"]
            used[f"{SECRET} {name}"] = {each["customerManagedEncryption"]["kmsKeyName"] for each in replicas}
        assert len(used) >= 19
        for store, keys in used.items():
            token, _, name = store.partition(" ")
            assert {grant_on[each] for each in keys} <= run.waits_for(token, name), store

    @each_stack
    def test_instances_wait_for_the_peering(self, stack: StackName) -> None:
        run = built(stack)
        assert all("services-connection" in run.waits_for(INSTANCE, name) for name in run.of(INSTANCE))

    def test_apis_stay_on_when_the_stack_goes(self) -> None:
        apis = built("dev").of(API).values()
        assert {item.inputs["disableOnDestroy"] for item in apis} == {False}
        assert len(apis) == 19


class TestKeys:
    @each_stack
    def test_rotation_and_destruction(self, stack: StackName) -> None:
        for item in built(stack).of(KEY).values():
            wanted = ("7776000s", "2592000s", "PREVENT", "ENCRYPT_DECRYPT")
            found = tuple(
                item.inputs[prop]
                for prop in ("rotationPeriod", "destroyScheduledDuration", "deletionPolicy", "purpose")
            )
            assert found == wanted, item.name

    def test_a_key_a_use_and_region_with_data_in_it(self) -> None:
        assert sorted(built("prod").of(KEY)) == [
            "key-logs-europe-west1",
            "key-secrets-europe-west1",
            "key-secrets-europe-west4",
            "key-sql-europe-west1",
            "key-sql-europe-west3",
            "key-sql-europe-west4",
            "key-storage-europe-west1",
            "key-storage-europe-west4",
        ]

    @each_stack
    def test_only_the_agent_of_its_service_may_use_a_key(self, stack: StackName) -> None:
        agents = {
            "sql": "gcp-sa-cloud-sql",
            "storage": "gs-project-accounts",
            "secrets": "gcp-sa-secretmanager",
            "logs": "gcp-sa-logging",
        }
        run = built(stack)
        assert {f"{name}-agent" for name in run.of(KEY)} == set(run.of(KEY_MEMBER))
        for name, item in run.of(KEY_MEMBER).items():
            use = name.split("-")[1]
            assert item.inputs["role"] == "roles/cloudkms.cryptoKeyEncrypterDecrypter"
            assert item.inputs["member"].endswith(f"@{agents[use]}.iam.gserviceaccount.com")
            assert item.inputs["cryptoKeyId"].endswith(f"/cryptoKeys/{use}")


class TestNetwork:
    def test_half_of_the_range_for_workloads_half_for_databases(self) -> None:
        run = built("dev")
        network = "projects/ledgerly-dev/global/networks/tenantry"
        subnetwork = run.mocks.one("gcp:compute/subnetwork:Subnetwork").inputs
        assert (subnetwork["ipCidrRange"], subnetwork["network"]) == ("10.64.0.0/17", network)
        assert subnetwork["privateIpGoogleAccess"] is True
        services = run.mocks.one("gcp:compute/globalAddress:GlobalAddress").inputs
        assert (services["address"], services["prefixLength"], services["purpose"], services["addressType"]) == (
            "10.64.128.0",
            17,
            "VPC_PEERING",
            "INTERNAL",
        )
        connection = run.mocks.one("gcp:servicenetworking/connection:Connection").inputs
        assert (connection["network"], connection["reservedPeeringRanges"]) == (network, [services["name"]])

    def test_nothing_is_let_in(self) -> None:
        run = built("dev")
        assert run.mocks.one("gcp:compute/network:Network").inputs["autoCreateSubnetworks"] is False
        assert run.of("gcp:compute/firewall:Firewall") == {}
        nat = run.mocks.one("gcp:compute/routerNat:RouterNat").inputs
        assert nat["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"


READ, WRITE, ADD = "roles/storage.objectViewer", "roles/storage.objectUser", "roles/storage.objectCreator"
LIST = "roles/storage.legacyBucketReader"
ACCESS = "roles/secretmanager.secretAccessor"
_APP = [("app-jwt-refresh-secret", ACCESS, ""), ("app-jwt-secret", ACCESS, ""), ("app-nextauth-secret", ACCESS, "")]
_URLS = [(f"tenant-{tenant}-database-url", ACCESS, "") for tenant in ("acme", "birchwood", "cobalt-bank")]
_FILES = [
    ("ledgerly-dev-cobalt-bank-uploads", WRITE, ""),
    ("ledgerly-dev-uploads/acme/", WRITE, ""),
    ("ledgerly-dev-uploads/birchwood/", WRITE, ""),
]
_REGISTRY = "ledgerly-dev-registry"
_EXPORTS = "ledgerly-dev-exports"
_LOGS = ("project", "roles/logging.logWriter", "")

# (where, role, title of the condition), all of them
RIGHTS: dict[str, list[tuple[str, str, str]]] = {
    "gateway": [
        *_APP,
        *_URLS,
        *_FILES,
        ("ledgerly-dev-assets", WRITE, ""),
        (_REGISTRY, READ, ""),
        _LOGS,
        ("project", "roles/monitoring.metricWriter", ""),
    ],
    "worker": [
        *_APP,
        *_URLS,
        *_FILES,
        (_REGISTRY, READ, ""),
        _LOGS,
        ("project", "roles/monitoring.metricWriter", ""),
        ("project", "roles/cloudsql.instanceUser", ""),
    ],
    "migrator": [(_REGISTRY, READ, ""), _LOGS, ("project", "roles/cloudsql.instanceUser", "")],
    "backup": [
        (_EXPORTS, READ, ""),
        (_EXPORTS, ADD, "folder-final"),
        (_REGISTRY, READ, ""),
        (_REGISTRY, WRITE, "folder-drills"),
        _LOGS,
        ("project", "projects/ledgerly-dev/roles/tenantryBackup", ""),
        ("project", "projects/ledgerly-dev/roles/tenantryDrill", "scratch-instances"),
        ("tenantry-sql", "roles/run.jobsExecutorWithOverrides", ""),
    ],
    "sqljob": [
        (_EXPORTS, READ, ""),
        (_REGISTRY, READ, ""),
        (_REGISTRY, WRITE, "folder-status"),
        _LOGS,
        ("project", "roles/cloudsql.instanceUser", ""),
        ("project", ACCESS, "secrets-tenant"),
        ("project", "roles/secretmanager.secretVersionManager", "secrets-tenant"),
    ],
    "watch": [(_EXPORTS, LIST, ""), (_REGISTRY, READ, ""), _LOGS, ("project", "roles/secretmanager.viewer", "")],
    "scheduler": [
        ("project", "roles/workflows.invoker", ""),
        ("tenantry-sql", "roles/run.invoker", ""),
        ("tenantry-watch", "roles/run.invoker", ""),
    ],
}


def rights(run: Built) -> dict[str, list[tuple[str, str, str]]]:
    """Every grant to an account of the stack."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for item in run.resources:
        given: dict[str, Any] = dict(item.inputs)
        for member in given.get("members") or [given.get("member", "")]:
            account, _, project = member.removeprefix("serviceAccount:tenantry-").partition("@")
            if project == f"ledgerly-{run.stack}.iam.gserviceaccount.com":
                where = given.get("bucket") or given.get("secretId") or given.get("name") or "project"
                where += f"/{given['managedFolder']}" if "managedFolder" in given else ""
                found[account].append((where, given["role"], (given.get("condition") or {}).get("title", "")))
    return found


class TestRights:
    def test_each_workload_has_exactly_these(self) -> None:
        assert {who: sorted(what) for who, what in rights(built("dev")).items()} == {
            who: sorted(what) for who, what in RIGHTS.items()
        }

    @each_stack
    def test_no_basic_role_no_admin_no_public_member_no_key(self, stack: StackName) -> None:
        for item in built(stack).resources:
            role, members = item.inputs.get("role", ""), item.inputs.get("members") or [item.inputs.get("member", "")]
            assert role not in {"roles/owner", "roles/editor", "roles/viewer"}
            assert not role.lower().endswith("admin"), item.name
            assert not {"allUsers", "allAuthenticatedUsers"} & set(members), item.name
        assert built(stack).of("gcp:serviceaccount/key:Key") == {}

    def test_the_sql_job_reaches_tenants_secrets_only(self) -> None:
        conditions = {
            item.inputs["condition"]["expression"]
            for item in built("prod").of(PROJECT_MEMBER).values()
            if item.inputs["role"].startswith("roles/secretmanager.secret")
        }
        # IAM names a secret by the project's number
        assert conditions == {'resource.name.startsWith("projects/481205517303/secrets/tenant-")'}

    @each_stack
    def test_a_grant_waits_for_its_account(self, stack: StackName) -> None:
        run = built(stack)
        waiting = [
            item.name
            for item in run.of(PROJECT_MEMBER).values()
            if f"account-{item.inputs['member'].removeprefix('serviceAccount:tenantry-').partition('@')[0]}"
            not in run.waits_for(PROJECT_MEMBER, item.name)
        ]
        assert waiting == []


class TestBuckets:
    @each_stack
    def test_private_encrypted_where_they_are_and_slow_to_forget(self, stack: StackName) -> None:
        for name, item in built(stack).of(BUCKET).items():
            bucket = item.inputs
            assert bucket["publicAccessPrevention"] == "enforced", name
            assert bucket["uniformBucketLevelAccess"] is True, name
            assert bucket["forceDestroy"] is False, name
            assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 30 * DAY}, name
            assert bucket["deletionPolicy"] == "PREVENT", name
            location = bucket["location"].lower()
            assert bucket["encryption"]["defaultKmsKeyName"] == key(stack, "storage", location), name

    @each_stack
    def test_versions_or_retention_and_never_both(self, stack: StackName) -> None:
        kept = {
            name: ("versions" if "versioning" in item.inputs else "", "retentionPolicy" in item.inputs)
            for name, item in built(stack).of(BUCKET).items()
        }
        tenants_own = {name for name in kept if name.endswith("-uploads")}
        assert kept == {
            "uploads": ("versions", False),
            "assets": ("versions", False),
            "registry": ("versions", False),
            "exports": ("", True),
            "audit": ("", True),
            **dict.fromkeys(tenants_own, ("versions", False)),
        }
        on = {
            item.inputs["versioning"]["enabled"]
            for item in built(stack).of(BUCKET).values()
            if "versioning" in item.inputs
        }
        assert on == {True}

    @pytest.mark.parametrize(
        ("stack", "exports_days", "audit_days", "locked"),
        [("dev", 35, 365, False), ("staging", 35, 365, True), ("prod", 90, 2555, True)],
    )
    def test_retention_is_the_environments(
        self, stack: StackName, exports_days: int, audit_days: int, locked: bool
    ) -> None:
        run = built(stack)
        assert [run.inputs(BUCKET, role)["retentionPolicy"] for role in ("exports", "audit")] == [
            {"retentionPeriod": str(exports_days * DAY), "isLocked": locked},
            {"retentionPeriod": str(audit_days * DAY), "isLocked": locked},
        ]

    @each_stack
    def test_exports_and_archive_are_outside_the_home_region(self, stack: StackName) -> None:
        places = {name: item.inputs["location"] for name, item in built(stack).of(BUCKET).items()}
        assert (places["exports"], places["audit"]) == ("EUROPE-WEST4", "EUROPE-WEST4")
        assert (places["uploads"], places["assets"], places["registry"]) == ("EUROPE-WEST1",) * 3

    def test_labels(self) -> None:
        run = built("prod")
        assert run.inputs(BUCKET, "exports")["labels"] == {"role": "exports"}
        assert run.inputs(BUCKET, "cobalt-bank-uploads")["labels"] == {
            "role": "uploads",
            "tenant": "cobalt-bank",
            "plan": "enterprise",
            "cost-centre": "cc-7001",
        }

    def test_objects_age_into_cheaper_classes_that_pay_back(self) -> None:
        run = built("prod")

        def steps(name: str, field: str) -> list[tuple[int, str]]:
            return [
                (rule["condition"][field], rule["action"].get("storageClass", rule["action"]["type"]))
                for rule in run.inputs(BUCKET, name)["lifecycleRules"]
            ]

        assert steps("exports", "age") == [(30, "NEARLINE"), (97, "Delete")]
        assert steps("audit", "age") == [(30, "NEARLINE"), (90, "COLDLINE"), (365, "ARCHIVE"), (2562, "Delete")]
        superseded = [(30, "NEARLINE"), (90, "COLDLINE"), (365, "Delete")]
        assert steps("uploads", "daysSinceNoncurrentTime") == superseded
        # without this, a rule about superseded versions would age the live ones as well
        states = {rule["condition"].get("withState") for rule in run.inputs(BUCKET, "uploads")["lifecycleRules"]}
        assert states == {"ARCHIVED"}


class TestAuditLogs:
    @pytest.mark.parametrize(
        ("stack", "days", "locked"), [("dev", 365, False), ("staging", 365, True), ("prod", 2555, True)]
    )
    def test_kept_and_locked_as_the_environment_asks(self, stack: StackName, days: int, locked: bool) -> None:
        logs = built(stack).inputs(LOG_BUCKET, "audit-logs")
        assert (logs["retentionDays"], logs["locked"], logs["location"]) == (days, locked, "europe-west1")
        assert logs["cmekSettings"] == {"kmsKeyName": key(stack, "logs", "europe-west1")}

    def test_sox_is_what_makes_it_seven_years(self) -> None:
        def plain(document: Document) -> None:
            document["environment"]["sox"] = False

        run = build("prod", plain)
        assert run.inputs(LOG_BUCKET, "audit-logs")["retentionDays"] == 365
        assert run.inputs(BUCKET, "audit")["retentionPolicy"]["retentionPeriod"] == str(365 * DAY)

    def test_everything_is_recorded(self) -> None:
        config = built("dev").inputs("gcp:projects/iAMAuditConfig:IAMAuditConfig", "audit-config")
        assert config["service"] == "allServices"
        assert [each["logType"] for each in config["auditLogConfigs"]] == ["ADMIN_READ", "DATA_READ", "DATA_WRITE"]

    def test_sinks_and_who_writes_the_archive(self) -> None:
        run = built("prod")
        assert {name: item.inputs["destination"] for name, item in run.of(SINK).items()} == {
            "audit-sink": "logging.googleapis.com/projects/ledgerly-prod/locations/europe-west1/buckets/audit",
            "errors-sink": "logging.googleapis.com/projects/ledgerly-prod/locations/europe-west1/buckets/errors",
            "archive-sink": "storage.googleapis.com/ledgerly-prod-audit",
        }
        assert {item.inputs["uniqueWriterIdentity"] for item in run.of(SINK).values()} == {True}
        audit = 'log_id("cloudaudit.googleapis.com/activity") OR log_id("cloudaudit.googleapis.com/data_access")'
        assert [run.inputs(SINK, name)["filter"] for name in ("audit-sink", "archive-sink")] == [audit, audit]
        grant = run.inputs(BUCKET_MEMBER, "archive-sink-writer")
        writer = run.of(SINK)["archive-sink"].outputs["writerIdentity"]
        assert (grant["bucket"], grant["role"], grant["member"]) == (
            "ledgerly-prod-audit",
            "roles/storage.objectCreator",
            writer,
        )


def test_a_key_stays_when_what_it_was_made_for_is_gone() -> None:
    """It is guarded: a removal that took it along would be refused for ever."""
    plain = build("dev")
    again = build("dev", previous={"keys": {"gcp": ["firestore/us-east1", "queues/europe-west1", "sql/europe-west1"]}})
    added = again.of(KEY).keys() - plain.of(KEY).keys()
    assert added == {"key-firestore-us-east1", "key-queues-europe-west1"}
    assert again.of(KEY).keys() > plain.of(KEY).keys()
    assert again.inputs("gcp:kms/keyRing:KeyRing", "keyring-us-east1")["location"] == "us-east1"
    assert again.of(KEY_MEMBER).keys() - plain.of(KEY_MEMBER).keys() == {f"{name}-agent" for name in added}


def test_the_next_operation_is_told_of_every_key() -> None:
    built = build("dev")
    told = built.outputs["keys"]
    assert told.keys() == {"gcp"}
    assert {"key-" + key.replace("/", "-") for key in told["gcp"]} == built.of(KEY).keys()
    assert build("dev", previous=built.outputs).of(KEY).keys() == built.of(KEY).keys()
