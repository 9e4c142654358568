"""What BackupSchedule registers for the prod stack, value by value."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_gcp as gcp
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from components.backup_schedule import BackupSchedule, BackupScheduleArgs
from components.clouds import Clouds
from components.gcp.backup_workflows import stagger
from components.gcp.cloudsql import SqlInstance
from components.gcp.environment import GoogleEnvironment
from components.gcp.platform import Account, Platform, Workload
from components.guard import register_guard
from settings.lifecycle import Previous
from settings.load import read_stack_file
from settings.plan import Plan
from settings.resolve import load

# the provider's SDK warns of classes of its own when their modules are imported
pytestmark = pytest.mark.filterwarnings(r"ignore:gcp\.\w+\.\w+ has been deprecated:DeprecationWarning")

ROOT = Path(__file__).parents[2]
PROJECT, REGION = "ledgerly-prod", "europe-west1"
WORKLOADS: tuple[Workload, ...] = ("backup", "scheduler", "sqljob", "watch")


@dataclass
class Recorder(Mocks):
    """Answers with inputs and the outputs that the component reads, and keeps every registration."""

    made: dict[str, MockResourceArgs] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        assert args.name not in self.made
        self.made[args.name] = args
        outputs = {"name": args.name, **args.inputs}
        if args.typ == "gcp:sql/databaseInstance:DatabaseInstance":
            outputs["serviceAccountEmailAddress"] = f"{args.name}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
        if args.typ == "gcp:projects/iAMCustomRole:IAMCustomRole":
            outputs["name"] = f"projects/{PROJECT}/roles/{args.inputs['roleId']}"
        return f"{args.name}-id", outputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"unexpected call {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: dict(args.inputs) for name, args in self.made.items() if args.typ == kind}


def email(workload: str) -> str:
    return f"tenantry-{workload}@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load(read_stack_file(ROOT / "Pulumi.prod.yaml"), "prod")


@pytest.fixture(scope="module")
def made(plan: Plan) -> Recorder:
    recorder = Recorder()
    set_mocks(recorder, project="tenantry", stack="prod", preview=False)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[Any]:
        services = (
            "cloudscheduler", "iam", "run", "sqladmin", "workflowexecutions", "workflows",
        )  # fmt: skip
        platform = Platform(
            apis={
                f"{name}.googleapis.com": gcp.projects.Service(f"api-{name}", service=f"{name}.googleapis.com")
                for name in services
            },
            accounts={
                name: Account(
                    resource=gcp.serviceaccount.Account(f"account-{name}", account_id=f"tenantry-{name}"),
                    email=email(name),
                )
                for name in WORKLOADS
            },
            keys={},
            key_grants={},
            network=gcp.compute.Network("network"),
            subnetwork=gcp.compute.Subnetwork("subnetwork", network="n", ip_cidr_range="10.0.0.0/24"),
            services_connection=gcp.servicenetworking.Connection(
                "services", network="n", service="s", reserved_peering_ranges=[]
            ),
            buckets={
                "exports": gcp.storage.Bucket("exports", name="ledgerly-prod-exports", location="EUROPE-WEST4"),
                "registry": gcp.storage.Bucket("registry", name="ledgerly-prod-registry", location="EUROPE-WEST1"),
            },
        )
        instances = {
            each.key: gcp.sql.DatabaseInstance(each.key, name=each.name, database_version=each.version)
            for each in plan.instances
        }
        google = GoogleEnvironment(
            platform=platform,
            pools={
                each.key: SqlInstance(plan=each, resource=instances[each.key], users={}, replica=None)
                for each in plan.instances
            },
            sql_job=gcp.cloudrunv2.Job("sql-job", name="tenantry-sql", location=REGION, template={"template": {}}),
            audit_logs=cast(Any, None),
        )
        schedule = BackupSchedule(
            "backups",
            BackupScheduleArgs(
                plan=plan,
                clouds=Clouds(on_gcp=google, on_aws=None),
                databases={},
                guard=register_guard(Previous.from_outputs({}), ()),
            ),
        )
        backups = schedule.gcp
        assert backups is not None
        everything = [
            *backups.export_jobs.values(), backups.drill_job, backups.watch,
            *backups.instance_grants.values(), *backups.environment_grants.values(),
        ]  # fmt: skip
        return pulumi.Output.all(*(resource.urn for resource in everything))

    program()
    return recorder


def argument(job: dict[str, Any]) -> object:
    body = json.loads(base64.b64decode(job["httpTarget"]["body"]))
    assert list(body) == ["argument"]
    return json.loads(body["argument"])


KEYS = ["pool-business-1", "pool-personal", "tenant-cobalt-bank", "tenant-granite-funds"]


def test_one_export_schedule_per_instance(made: Recorder, plan: Plan) -> None:
    jobs = made.of("gcp:cloudscheduler/job:Job")
    assert sorted(jobs) == sorted([*(f"{key}-export-schedule" for key in KEYS), "drill-schedule", "watch-job-schedule"])
    names = {each.key: each.name for each in plan.instances}
    assert sorted(names) == KEYS
    for key in KEYS:
        job = jobs[f"{key}-export-schedule"]
        assert argument(job) == {"instance": key, "name": names[key]}
        assert job["name"] == f"tenantry-export-{key}"
        assert (job["project"], job["region"], job["timeZone"]) == (PROJECT, REGION, "Europe/Berlin")


def test_schedules_are_spread_by_key_alone(made: Recorder) -> None:
    jobs = made.of("gcp:cloudscheduler/job:Job")
    schedules = {key: jobs[f"{key}-export-schedule"]["schedule"] for key in KEYS}
    assert schedules == {key: stagger("0 2 * * *", key) for key in KEYS}
    assert len(set(schedules.values())) > 1
    assert all(text.split()[1:] == ["2", "*", "*", "*"] for text in schedules.values())
    assert jobs["drill-schedule"]["schedule"] == "0 4 * * 0"
    assert stagger("*/20 2 * * *", "pool-personal") == "*/20 2 * * *"


@pytest.mark.parametrize(
    ("name", "workflow"), [("pool-personal-export-schedule", "tenantry-export"), ("drill-schedule", "tenantry-drill")]
)
def test_schedule_starts_its_workflow_as_the_scheduler(made: Recorder, name: str, workflow: str) -> None:
    job = made.of("gcp:cloudscheduler/job:Job")[name]
    target = job["httpTarget"]
    assert target["uri"] == (
        f"https://workflowexecutions.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/workflows/{workflow}/executions"
    )
    assert target["httpMethod"] == "POST"
    assert target["oauthToken"] == {
        "serviceAccountEmail": email("scheduler"),
        "scope": "https://www.googleapis.com/auth/cloud-platform",
    }
    assert job["retryConfig"]["retryCount"] == 3
    assert job["attemptDeadline"] == "180s"


def test_drill_takes_its_instances_from_the_registry(made: Recorder) -> None:
    assert argument(made.of("gcp:cloudscheduler/job:Job")["drill-schedule"]) == {}


@pytest.mark.parametrize("role", ["export", "drill"])
def test_workflow(made: Recorder, role: str) -> None:
    workflow = made.of("gcp:workflows/workflow:Workflow")[f"workflow-{role}"]
    source = workflow.pop("sourceContents")
    assert source == (ROOT / "components" / "gcp" / "workflows" / f"{role}.yaml").read_text(encoding="utf-8")
    workflow.pop("description")
    assert workflow == {
        "name": f"tenantry-{role}",
        "project": PROJECT,
        "region": REGION,
        "serviceAccount": email("backup"),
        "callLogLevel": "LOG_ERRORS_ONLY",
        "deletionProtection": False,
        "userEnvVars": {
            "EXPORTS_BUCKET": "ledgerly-prod-exports",
            "REGISTRY_BUCKET": "ledgerly-prod-registry",
            "SQL_JOB": f"projects/{PROJECT}/locations/{REGION}/jobs/tenantry-sql",
        },
    }


def test_each_instance_may_only_add_its_own_exports(made: Recorder) -> None:
    grants = made.of("gcp:storage/bucketIAMMember:BucketIAMMember")
    for key in KEYS:
        grant = grants[f"{key}-exports"]
        assert grant["member"] == f"serviceAccount:{key}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
        assert grant["role"] == f"projects/{PROJECT}/roles/tenantryExport"
        assert grant["bucket"] == "ledgerly-prod-exports"
        assert grant["condition"]["expression"] == (
            'resource.name == "projects/_/buckets/ledgerly-prod-exports" || '
            f'resource.name.startsWith("projects/_/buckets/ledgerly-prod-exports/objects/sql/{key}/")'
        )


def test_workload_grants(made: Recorder) -> None:
    projects = {
        name: (grant["role"], grant["member"], grant.get("condition", {}).get("expression"))
        for name, grant in made.of("gcp:projects/iAMMember:IAMMember").items()
    }
    assert projects == {
        "backup-cloudsql": (f"projects/{PROJECT}/roles/tenantryBackup", f"serviceAccount:{email('backup')}", None),
        "backup-scratch": (
            f"projects/{PROJECT}/roles/tenantryDrill",
            f"serviceAccount:{email('backup')}",
            (
                'resource.service == "sqladmin.googleapis.com" && '
                f'resource.name.startsWith("projects/{PROJECT}/instances/drill-")'
            ),
        ),
        "backup-logs": ("roles/logging.logWriter", f"serviceAccount:{email('backup')}", None),
        "scheduler-workflows": ("roles/workflows.invoker", f"serviceAccount:{email('scheduler')}", None),
        "watch-secrets": ("roles/secretmanager.viewer", f"serviceAccount:{email('watch')}", None),
    }
    buckets = {
        name: (grant["bucket"], grant["role"], grant["member"], grant.get("condition", {}).get("expression"))
        for name, grant in made.of("gcp:storage/bucketIAMMember:BucketIAMMember").items()
        if name.removesuffix("-exports") not in KEYS
    }
    exports, registry = "ledgerly-prod-exports", "ledgerly-prod-registry"
    backup = f"serviceAccount:{email('backup')}"
    assert buckets == {
        "backup-exports": (exports, "roles/storage.objectViewer", backup, None),
        "backup-final": (
            exports,
            "roles/storage.objectCreator",
            backup,
            f'resource.name.startsWith("projects/_/buckets/{exports}/objects/final/")',
        ),
        "backup-drills": (
            registry,
            "roles/storage.objectUser",
            backup,
            f'resource.name.startsWith("projects/_/buckets/{registry}/objects/drills/")',
        ),
        "sqljob-exports": (exports, "roles/storage.objectViewer", f"serviceAccount:{email('sqljob')}", None),
    }
    jobs = made.of("gcp:cloudrunv2/jobIamMember:JobIamMember")
    assert {name: (job["name"], job["role"], job["member"]) for name, job in jobs.items()} == {
        "backup-sql-job": ("tenantry-sql", "roles/run.jobsExecutorWithOverrides", backup),
        "watch-job-invoker": ("tenantry-watch", "roles/run.invoker", f"serviceAccount:{email('scheduler')}"),
    }


def test_rights_to_change_instances_are_only_in_the_conditional_role(made: Recorder) -> None:
    roles = {
        role["roleId"]: role["permissions"] for role in made.of("gcp:projects/iAMCustomRole:IAMCustomRole").values()
    }
    assert roles["tenantryExport"] == [
        "storage.multipartUploads.abort",
        "storage.multipartUploads.create",
        "storage.multipartUploads.listParts",
        "storage.objects.create",
        "storage.objects.delete",
    ]
    assert roles["tenantryDrill"] == [
        "cloudsql.instances.create",
        "cloudsql.instances.delete",
        "cloudsql.instances.update",
    ]
    assert roles["tenantryBackup"] == [
        "cloudsql.databases.list",
        "cloudsql.instances.clone",
        "cloudsql.instances.export",
        "cloudsql.instances.get",
        "cloudsql.instances.list",
        "run.executions.get",
        "run.operations.get",
    ]


def test_no_instance_is_named_like_a_scratch_instance(plan: Plan) -> None:
    assert not any(each.name.startswith("drill-") for each in plan.instances)


def test_watch_job(made: Recorder) -> None:
    job = made.of("gcp:cloudrunv2/job:Job")["watch-job"]
    template = job["template"]["template"]
    assert job["name"] == "tenantry-watch"
    assert template["serviceAccount"] == email("watch")
    assert template["containers"][0]["args"] == ["-m", "jobs.watch"]
    schedule = made.of("gcp:cloudscheduler/job:Job")["watch-job-schedule"]
    assert schedule["schedule"] == "23 * * * *"
