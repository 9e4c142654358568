"""A violation stops preview and up before anything exists; a wrong configuration does so with all its errors."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.operations import Sandbox

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("__main__.py", "Pulumi.yaml", "Pulumi.dev.yaml")


@pytest.fixture
def patched(tmp_path: Path) -> Callable[[str], Sandbox]:
    """The project with lines added to the end of its program, judged by its own policies."""

    def make(lines: str) -> Sandbox:
        source = tmp_path / "source"
        source.mkdir()
        for name in SOURCES:
            shutil.copyfile(ROOT / name, source / name)
        with (source / "__main__.py").open("a", encoding="utf-8") as program:
            program.write(lines)
        return Sandbox(stack="dev", source=source, home=tmp_path / "home", packs=[ROOT / "policies"], fast=True)

    return make


OPEN_INSTANCE = """
import pulumi_gcp as gcp
gcp.sql.DatabaseInstance(
    "rogue", name="rogue-1", region="europe-west1", project=shared.gcp.project, database_version="POSTGRES_17",
    settings={
        "tier": "db-custom-1-3840",
        "ip_configuration": {"ipv4_enabled": True, "ssl_mode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"},
    },
    opts=pulumi.ResourceOptions(provider=providers.gcp),
)
"""
OPEN_BUCKET = """
import pulumi_gcp as gcp
gcp.storage.Bucket(
    "rogue", name="ledgerly-rogue", location="EUROPE-WEST1", project=shared.gcp.project,
    opts=pulumi.ResourceOptions(provider=providers.gcp),
)
"""


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        (OPEN_INSTANCE, {"sql-tls", "sql-cmek"}),
        (OPEN_BUCKET, {"bucket-cmek", "bucket-public-access", "bucket-uniform-access"}),
    ],
    ids=["instance", "bucket"],
)
def test_a_violation_stops_before_anything_is_created(
    patched: Callable[[str], Sandbox], lines: str, rules: set[str]
) -> None:
    sandbox = patched(lines)
    stopped = sandbox.up()
    assert stopped.operation == "preview"
    assert not stopped.ok
    said = [found.message.splitlines()[1] for found in stopped.violations if found.level == "mandatory"]
    mandatory = {text.partition(":")[0] for text in said}
    assert rules <= mandatory
    assert {str(found.urn).rpartition("::")[2] for found in stopped.violations if found.level == "mandatory"} == {
        "rogue"
    }
    with sandbox.cloud() as cloud:
        assert cloud.operations() == []
        assert cloud.objects() == []


def test_a_wrong_configuration_creates_nothing_and_says_everything(tmp_path: Path) -> None:
    def wrong(config: dict[str, object]) -> None:
        config["tenantry:tenants"] = [{"id": "acme"}, {"id": "acme"}, {"id": "Beta"}, {"id": "gamma", "plan": "gold"}]
        config["tenantry:backups"] = {"export_retention_days": 1, "lock": False}

    sandbox = Sandbox(stack="dev", home=tmp_path / "home", edit=wrong, fast=True)
    result = sandbox.up()
    assert not result.ok
    # An inline program's error is repeated by the SDK that runs it.
    said = result.errors.partition("an unhandled error occurred")[0]
    count = re.search(r"(\d+) problems in the stack configuration; nothing was changed\.", said)
    assert count is not None, said
    assert said.count("fix: ") == int(count.group(1))
    for part in ("tenantry:tenants[2].id", "tenantry:tenants[3].plan", "gold", "export_retention_days"):
        assert part in said, part
    with sandbox.cloud() as cloud:
        assert cloud.operations() == []
