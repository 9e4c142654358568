"""The committed schema and reference are those of the models, and the schema refuses what the models refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from settings import docs, schema
from settings.__main__ import main
from settings.models import Settings
from tests import ROOT
from tests.unit.settings.documents import DELETE, SERVICE, VERCEL, aws, both, dev, problems, web, web_aws

STACKS: Final = ("dev", "staging", "prod")
VALIDATOR: Final = jsonschema.Draft202012Validator(schema.stack_schema())


def stack_file(raw: dict[str, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401 - any YAML
    return {"config": {f"tenantry:{key}": value for key, value in raw.items()} | others}


@pytest.mark.parametrize("command", ["schema", "docs"])
def test_committed_file_is_the_generated_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--check"]) == 0
    assert capsys.readouterr().out.endswith("is up to date\n")


@pytest.mark.parametrize(("command", "render"), [("schema", schema.render), ("docs", docs.render)])
def test_drift_is_found_and_mended(
    command: str,
    render: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "folder" / "file"
    monkeypatch.setattr("settings.__main__.ROOT", tmp_path)
    monkeypatch.setattr("settings.__main__._GENERATED", {command: (file, render)})
    assert main([command, "--check"]) == 1
    assert capsys.readouterr().err == f"folder/file is out of date; run `python -m settings {command}`\n"
    assert not file.exists()
    assert main([command]) == 0
    assert file.read_text() == render()
    assert main([command, "--check"]) == 0


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.stack_schema())


@pytest.mark.parametrize("stack", STACKS)
def test_stack_files_are_valid_and_name_the_schema(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=settings/stack.schema.json"
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "document",
    [
        stack_file(dev()),
        stack_file(dev(), **{"gcp:project": "x", "pulumi:disable-default-providers": ["*"]}),
        stack_file(dev({"tenants.0.pool": None})),
        stack_file(aws()),
        stack_file(both()),
        stack_file(web()),
        stack_file(web_aws()),
        stack_file(dev({"external_secrets": {"SENTRY_DSN": {"secure": "v1:abc"}}})),
        stack_file(dev()) | {"encryptionsalt": "v1:abc", "environment": ["shared"]},
    ],
)
def test_accepted(document: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


REFUSED_BY_BOTH: Final[tuple[dict[str, Any], ...]] = (
    {"tennants": []},
    {"gcp": DELETE},
    {"gcp.project": DELETE},
    {"tenants.0.plann": "standard"},
    {"tenants.0": {}},
    {"tenants.0": "acme"},
    {"tenants.0.id": 1},
    {"tenants.0.id": True},
    {"tenants.0.id": "Acme"},
    {"tenants.0.id": "ac--me"},
    {"tenants.0.id": "a" * 31},
    {"tenants.0.id": "shared"},
    {"tenants.0.state": "gone"},
    {"tenants.0.connection_limit": 0},
    {"tenants.0.targets": {"planet": {"rpo_minutes": 1, "rto_minutes": 1}}},
    {"plans.Gold": {"pool": "general"}},
    {"plans.enterprise.instance.memory": 1},
    {"pools.general.capacity": "3"},
    {"pools.p": {"capacity": 1}},
    {"environment.organization": "googol"},
    {"gcp.network": "10.0.0.0"},
    {"backups.export_schedule": "daily"},
    {"secrets.external": ["lower"]},
    {"monitoring.channels.email": "ops@ledgerly.example"},
    {"gcp.region": "eu-central-1"},
    {"pools.general.region": "Frankfurt"},
    {"pools.general.kind": "external"},
    {"tenants.0.kind": "mysql"},
    {"tenants.0.firestore": {"location": "eur9"}},
    {"tenants.0.external": {"attested": {"rpo_minutes": 5, "rto_minutes": 5, "verified_on": "yesterday"}}},
    {"aws": {"account_id": "1", "region": "eu-central-1", "backup_region": "eu-west-1", "jobs_image": "x"}},
    {"vercel": {**VERCEL, "secrets": {"production": {"AWS KEY": "SENTRY_DSN"}}}},
    {"vercel": {**VERCEL, "secrets": {"stage": {}}}},
    {"services": {"gateway": {"image": "app:latest"}}},
    {"services": {"gateway": {**SERVICE, "canary": {**SERVICE, "percent": 25}}}},
    {"tasks": {"quotes": dict(SERVICE)}},
    {"queues": {"orders": {}}},
    {"delivery": {"host": "https://files.ledgerly.example"}},
)


@pytest.mark.parametrize("changes", REFUSED_BY_BOTH, ids=str)
def test_refused_by_schema_and_models(changes: dict[str, Any]) -> None:
    document = dev(changes)
    assert not VALIDATOR.is_valid(stack_file(document))
    assert problems(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        stack_file(dev()) | {"backend": "x"},
        stack_file(dev(), unspaced=1),
        stack_file(dev({"external_secrets": {"SENTRY_DSN": "in plain text"}})),
        stack_file(dev({"external_secrets": {"sentry": {"secure": "v1:abc"}}})),
        stack_file(dev({"external_secrets": {"SENTRY_DSN": {"secure": "v1:abc", "plain": "x"}}})),
    ],
)
def test_refused_by_schema(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)


def test_reference_names_every_setting() -> None:
    page = docs.render()
    definitions = Settings.model_json_schema()["$defs"]
    for name, definition in definitions.items():
        for field in definition.get("properties", {}):
            assert f"| `{field}` |" in page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    "row",
    [
        "| `availability` | `ZONAL` | `ZONAL` | `REGIONAL` |",
        "| `disk_limit_gb` | whole number from 0 to 65536 | `500` | Upper bound of growth in GB; 0 is no bound. |",
        (
            "| `tier` | text | `db-custom-2-7680` (cloudsql), `db.m7g.large` (rds) "
            "| Machine type of Cloud SQL, which must fit the edition, or instance class of RDS. |"
        ),
        (
            "| `edition` | `ENTERPRISE`, `ENTERPRISE_PLUS` | `ENTERPRISE` (cloudsql) "
            "| Cloud SQL only: ENTERPRISE keeps transaction logs up to 7 days, ENTERPRISE_PLUS up to 35. |"
        ),
        (
            "| `replica_region` | text | unset "
            "| Cloud SQL only: region of a read replica, "
            "which is what survives the loss of the home region (R1.5, R3.3). |"
        ),
        "| `provider` | `neon`, `supabase`, `postgres` | `postgres` | Who runs it. |",
        "| rds, dedicated | 5 / 60 | 5 / 60 | 30 / 120 |",
        "| rds, dedicated, with availability REGIONAL | 5 / 60 | 0 / 5 | 30 / 120 |",
        "| cloudsql, dedicated, with availability REGIONAL and a replica_region | 5 / 60 | 0 / 5 | 5 / 30 |",
        "- connection limit and statement time-out",
        "| `ring` | `canary`, `early`, `all` | the plan's | Schema-migration ring (R2.8). |",
        "| `tenantry:tenants` | list of [TenantSettings](#tenantsettings) | no | The tenants, in any order. |",
    ],
)
def test_reference_says(row: str) -> None:
    assert row in docs.render().splitlines()
