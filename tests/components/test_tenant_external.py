"""A guest database: its URL is kept, its dumps are made here, and nothing else is claimed."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from settings.defaults import NOT_ENFORCED_ON_GUESTS
from tests.components.program import Built, Document, build

pytestmark = pytest.mark.filterwarnings(r"ignore:gcp\.\w+\.\w+ has been deprecated:DeprecationWarning")

SECRET = "gcp:secretmanager/secret:Secret"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
READERS = "gcp:secretmanager/secretIamBinding:SecretIamBinding"
PROJECT = "ledgerly-dev"
URL = "postgresql://app:s3cret-app@db.neon.example:5432/dune?sslmode=verify-full"
BACKUP_URL = "postgresql://dump:s3cret-dump@db.neon.example:5432/dune?sslmode=require"


def with_guest(document: Document, *, separate: bool = False, **options: object) -> None:
    document["plans"]["guest"] = {"kind": "external"}
    document["tenants"].append(
        {
            "id": "dune",
            "plan": "guest",
            "external": {"provider": "neon", "separate_backup_login": separate},
            **options,
        }
    )
    values = document.setdefault("external_secrets", {})
    values["DUNE_DATABASE_URL"] = URL
    if separate:
        values["DUNE_BACKUP_DATABASE_URL"] = BACKUP_URL


@pytest.fixture(scope="module")
def dune() -> Built:
    return build("dev", lambda document: with_guest(document, separate=True))


def members(*workloads: str) -> list[str]:
    return [f"serviceAccount:tenantry-{workload}@{PROJECT}.iam.gserviceaccount.com" for workload in workloads]


def test_each_url_is_kept_encrypted_and_secret(dune: Built) -> None:
    secrets = {name: item.inputs["secretId"] for name, item in dune.of(SECRET).items() if name.startswith("dune")}
    assert secrets == {"dune-database-url": "tenant-dune-database-url", "dune-backup-url": "tenant-dune-backup-url"}
    for name, value in (("dune-database-url-version", URL), ("dune-backup-url-version", BACKUP_URL)):
        version = dune.mocks.one(VERSION, name)
        assert version.inputs["secretData"] == value
        assert "secretData" in version.secret_inputs


def test_the_exports_have_a_login_of_their_own(dune: Built) -> None:
    assert dune.inputs(READERS, "dune-database-url-readers")["members"] == members("gateway", "worker")
    assert dune.inputs(READERS, "dune-backup-url-readers")["members"] == members("backup")


def test_without_one_they_read_the_applications() -> None:
    program = build("dev", with_guest)
    assert program.inputs(READERS, "dune-database-url-readers")["members"] == members("gateway", "worker", "backup")
    assert "dune-backup-url" not in program.of(SECRET)
    assert program.entry("dune-registry")["backup_url_secret"] is None


@pytest.mark.parametrize("state", ["suspended", "offboarding"])
def test_a_tenant_that_is_not_active_keeps_its_exports_and_loses_its_application(state: str) -> None:
    program = build("dev", lambda document: with_guest(document, state=state))
    assert program.inputs(READERS, "dune-database-url-readers")["members"] == members("backup")


def test_it_is_dumped_nightly_and_rehearsed_weekly(dune: Built) -> None:
    jobs = dune.of("gcp:cloudrunv2/job:Job")
    export, drill = (jobs[name].inputs["template"]["template"] for name in ("export-job", "drill-job"))
    assert [part["containers"][0]["args"] for part in (export, drill)] == [["-m", "jobs.export"], ["-m", "jobs.drill"]]
    assert {part["serviceAccount"] for part in (export, drill)} == {
        f"tenantry-backup@{PROJECT}.iam.gserviceaccount.com"
    }
    schedules = dune.of("gcp:cloudscheduler/job:Job")
    assert schedules["export-job-schedule"].inputs["schedule"] == "0 2 * * *"
    assert schedules["drill-job-schedule"].inputs["schedule"] == "0 4 * * 0"


def test_the_jobs_add_dumps_markers_and_results_and_read_the_rest(dune: Built) -> None:
    """What jobs/README.md lists for export and drill, and nothing more."""
    (member,) = members("backup")
    granted = {
        (grant["bucket"], grant["role"], (grant.get("condition") or {}).get("expression"))
        for grant in (item.inputs for item in dune.of("gcp:storage/bucketIAMMember:BucketIAMMember").values())
        if grant["member"] == member
    }

    def below(bucket: str, folder: str) -> str:
        return f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{folder}")'

    exports, registry = "ledgerly-dev-exports", "ledgerly-dev-registry"
    assert granted == {
        (exports, "roles/storage.objectViewer", None),
        (exports, "roles/storage.objectCreator", below(exports, "dump/")),
        (exports, "roles/storage.objectCreator", below(exports, "final/")),
        (registry, "roles/storage.objectViewer", None),
        (registry, "roles/storage.objectUser", below(registry, "drills/")),
    }


def test_a_stack_without_guests_has_no_such_jobs() -> None:
    assert not {"export-job", "drill-job"} & build("dev").of("gcp:cloudrunv2/job:Job").keys()


def test_the_registry_says_what_is_not_enforced_and_no_secret(dune: Built) -> None:
    entry = dune.entry("dune-registry")
    assert entry["url_secret"] == f"projects/{PROJECT}/secrets/tenant-dune-database-url"
    assert entry["backup_url_secret"] == f"projects/{PROJECT}/secrets/tenant-dune-backup-url"
    assert (entry["kind"], entry["provider"], entry["attested"]) == ("external", "neon", None)
    assert entry["not_enforced"] == list(NOT_ENFORCED_ON_GUESTS)
    output = dune.outputs["registry"]["tenants"]["dune"]
    assert output["not_enforced"] == list(NOT_ENFORCED_ON_GUESTS)
    for text in (json.dumps(entry), json.dumps(output)):
        assert "s3cret" not in text


def test_the_registry_names_the_schemas_to_export(dune: Built) -> None:
    assert dune.entry("dune-registry")["schemas"] is None
    chosen = build("dev", lambda document: with_guest(document, external={"schemas": ["public", "books"]}))
    assert chosen.entry("dune-registry")["schemas"] == ["public", "books"]


def test_failed_dumps_and_drills_are_alerted_on(dune: Built) -> None:
    alerts = dune.of("gcp:monitoring/alertPolicy:AlertPolicy")
    metrics = {
        name: alerts[f"monitoring-alert-guest-{name}-failed"].inputs["conditions"][0]["conditionThreshold"]["filter"]
        for name in ("export", "drill")
    }
    assert metrics == {
        name: 'resource.type="cloud_run_job" AND '
        f'metric.type="logging.googleapis.com/user/tenantry_guest_{name}_result"'
        ' AND metric.labels.result!="ok"'
        for name in ("export", "drill")
    }
    assert not any("guest" in name for name in build("dev").of("gcp:monitoring/alertPolicy:AlertPolicy"))


@pytest.mark.parametrize(("day", "said"), [("2027-03-01", []), ("2028-03-01", ["tenant 'dune'"])])
def test_an_old_attestation_is_said_and_stops_nothing(
    day: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(document: Document) -> None:
        with_guest(document)
        document["tenants"][-1]["external"]["attested"] = {
            "scopes": ["corruption"],
            "rpo_minutes": 5,
            "rto_minutes": 30,
            "verified_on": "2026-03-01",
        }

    warnings: list[str] = []
    monkeypatch.setattr("components.stack.today", lambda: dt.date.fromisoformat(day))
    monkeypatch.setattr("pulumi.log.warn", warnings.append)
    assert build("dev", edit).entry("dune-registry")["attested"]["verified_on"] == "2026-03-01"
    assert [text.partition(":")[0] for text in warnings] == said
