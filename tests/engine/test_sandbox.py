"""The sandbox itself, on small programs: packs, secrets, confinement, refusals and what a destroy keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import FaultRule

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.operations import Sandbox
    from tests.engine.conftest import SandboxFactory

    Project = Callable[..., Path]
    RunApart = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

BUCKET = "gcp:storage/bucket:Bucket"
BUCKETS = """
import pulumi, pulumi_gcp as gcp
config = pulumi.Config("tenantry")
google = gcp.Provider("gcp", project="acme-dev", region="europe-west3")
api = gcp.projects.Service("storage", service="storage.googleapis.com", opts=pulumi.ResourceOptions(provider=google))
for name in config.require_object("buckets"):
    gcp.storage.Bucket(
        name, name=f"acme-dev-{name}", location=config.get("location") or "EUROPE-WEST3",
        opts=pulumi.ResourceOptions(
            provider=google, depends_on=[api], protect=name == config.get("protected"),
            delete_before_replace=True))
pulumi.export("names", config.require_object("buckets"))
"""
PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def judge(args, report):
    if args.resource_type == "gcp:storage/bucket:Bucket" and args.props["name"].endswith("-bad"):
        report("no bad buckets")

PolicyPack("test", [ResourceValidationPolicy("no-bad", "No bad buckets", judge, EnforcementLevel.MANDATORY)])
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 0.0.1\n", encoding="utf-8")
    (folder / "__main__.py").write_text(PACK, encoding="utf-8")
    return folder


def test_a_violation_stops_preview_and_up_before_anything_is_created(
    sandbox_factory: SandboxFactory, project: Project, pack: Path
) -> None:
    source = project(BUCKETS, {"tenantry:buckets": ["good", "bad"]})
    sandbox = sandbox_factory(source=source, packs=[pack], fast=True)
    for result in (sandbox.preview(), sandbox.up()):
        assert not result.ok
        assert result.operation == "preview"
        assert [(found.policy, found.level, found.urn) for found in result.violations] == [
            ("no-bad", "mandatory", "urn:pulumi:dev::tenantry::gcp:storage/bucket:Bucket::bad")
        ]
    with sandbox.cloud() as cloud:
        assert cloud.objects() == []

    clean = sandbox_factory(source=project(BUCKETS, {"tenantry:buckets": ["good"]}), packs=[pack], fast=True)
    assert clean.up().require().violations == ()
    assert clean.analyze().ok


def test_up_then_preview_shows_no_change_and_an_edit_shows_its_own(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    source = project(BUCKETS, {"tenantry:buckets": ["a", "b"]})
    sandbox = sandbox_factory(source=source, fast=True)
    assert sandbox.up().require().changes == {"create": 5}
    assert sandbox.outputs() == {"names": ["a", "b"]}
    assert sandbox.preview().require().changes == {"same": 5}
    sandbox.edit = lambda config: config.update({"tenantry:buckets": ["b", "a", "c"]})
    plan = sandbox.preview().require()
    assert [(step.op, step.name, step.outcome) for step in plan.changed] == [("create", "c", "planned")]


def test_encrypted_config_previews_offline_with_synthetic_secrets(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    program = """
import os, pulumi
config = pulumi.Config("tenantry")
token = config.require_secret("token")
nested = config.require_secret_object("monitoring")
pulumi.export("token", token)
pulumi.export("webhook", nested.apply(lambda value: value["webhook"]))
pulumi.export("credentials", sorted(name for name in os.environ if name.startswith(("AWS", "GOOGLE"))))
"""
    config = {"tenantry:token": {"secure": "AAA"}, "tenantry:monitoring": {"webhook": {"secure": "BBB"}, "days": 3}}
    source = project(program, config)
    before = (source / "Pulumi.dev.yaml").read_bytes()
    sandbox = sandbox_factory(source=source, fast=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
        patch.setenv("AWS_PROFILE", "real")
        sandbox.up().require()
    outputs = sandbox.outputs()
    assert outputs == {"token": "[secret]", "webhook": "[secret]", "credentials": []}
    state = json.dumps(sandbox.export())
    assert "sandbox-" not in state
    assert "hooks.sandbox.invalid" not in state
    assert "hooks.sandbox.invalid" in json.dumps(sandbox.export(show_secrets=True))
    assert (source / "Pulumi.dev.yaml").read_bytes() == before
    assert sandbox.preview().require().changes == {"same": 1}


def test_a_stack_reads_its_own_last_outputs_in_every_operation(
    sandbox_factory: SandboxFactory, project: Project, tmp_path: Path
) -> None:
    program = f"""
import pathlib, pulumi
read = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {{"name": "organization/tenantry/dev"}})
with pathlib.Path({str(tmp_path / "seen")!r}).open("a") as seen:
    seen.write(repr(read.value["outputs"]) + chr(10))
try:
    pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {{"name": "organization/tenantry/none"}})
except Exception as error:
    pulumi.export("missing", str(error))
pulumi.export("registry", {{"acme": 1}})
"""
    sandbox = sandbox_factory(source=project(program), fast=True)
    for operation in (sandbox.preview, sandbox.up, sandbox.refresh, sandbox.destroy):
        operation().require()
    seen = (tmp_path / "seen").read_text(encoding="utf-8").splitlines()
    assert seen[:3] == ["{}", "{}", "{}"]  # preview; up's own preview; up
    assert all("'registry': {'acme': 1" in line for line in seen[3:])
    assert len(seen) == 5
    assert 'unknown stack "organization/tenantry/none"' in seen[3]


def test_a_failed_deletion_before_a_replacement_does_not_hang(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart
) -> None:
    config = {"tenantry:buckets": ["a", "b"]}
    sandbox = sandbox_factory(source=project(BUCKETS, config))
    sandbox.up().require()
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="delete", type=BUCKET, name="a", error="500"))
    project(BUCKETS, {**config, "tenantry:location": "EUROPE-WEST4"})
    # Apart, because the SDK abandons the program of an engine that was interrupted.
    stopped = run_apart(sandbox, "s.up(preview=False)")
    assert stopped.returncode == 1
    assert "the engine waits for a replacement whose deletion failed: stopping it" in stopped.stdout
    assert sandbox.up().require().changes["replace"] == 1
    with sandbox.cloud() as cloud:
        places = {item.id: item.outputs["location"] for item in cloud.objects(BUCKET)}
    assert places == {"acme-dev-a": "EUROPE-WEST4", "acme-dev-b": "EUROPE-WEST4"}


def test_destroy_keeps_the_protected_and_what_it_needs_and_says_so(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    config = {"tenantry:buckets": ["a", "b"], "tenantry:protected": "b"}
    sandbox = sandbox_factory(source=project(BUCKETS, config), fast=True)
    sandbox.up().require()
    destroyed = sandbox.destroy().require()
    assert [step.name for step in destroyed.changed if step.op == "delete" and step.type == BUCKET] == ["a"]
    assert [(kept.name, kept.reason) for kept in sandbox.leftovers(destroyed)] == [
        ("acme-dev/storage.googleapis.com", "a protected resource needs it"),
        ("acme-dev-b", "protected: it holds data, or the key to data, that is declared as in use"),
    ]
