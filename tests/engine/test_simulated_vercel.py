"""Vercel and the newer Google types under the real engine: one web application in front of a Firestore database."""

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
    from sandbox.results import Result
    from tests.engine.conftest import SandboxFactory

    Project = Callable[..., Path]
    RunApart = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

# When an update fails, the engine goes away while the SDK's program still waits for it.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <coroutine object run_in_stack:pytest.PytestUnraisableExceptionWarning"
)
VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
CERTIFICATE = "gcp:compute/managedSslCertificate:ManagedSslCertificate"
DATABASE = "gcp:firestore/database:Database"
SECRET = "value-that-nobody-may-see"
PROGRAM = """
import pulumi, pulumi_gcp as gcp, pulumiverse_vercel as vercel
config = pulumi.Config("test")
google = gcp.Provider("gcp", project="acme-dev", region="europe-west1")
edge = vercel.Provider("vercel", team="team_acme", api_token=config.require_secret("token"))
opts = pulumi.ResourceOptions(provider=google)
enabled = [
    gcp.projects.Service(name, service=f"{name}.googleapis.com", opts=opts) for name in ("compute", "firestore")]
opts = pulumi.ResourceOptions(provider=google, depends_on=enabled)
database = gcp.firestore.Database(
    "database", name="tn-acme", location_id="europe-west1", type="FIRESTORE_NATIVE", opts=opts,
    deletion_policy=config.get("deletion"))
gcp.firestore.BackupSchedule("daily", database=database.name, retention="604800s", daily_recurrence={}, opts=opts)
pool = gcp.iam.WorkloadIdentityPool("pool", workload_identity_pool_id="vercel", opts=opts)
gcp.iam.WorkloadIdentityPoolProvider(
    "issuer", workload_identity_pool_id=pool.workload_identity_pool_id, workload_identity_pool_provider_id="vercel",
    attribute_mapping={"google.subject": "assertion.sub"}, oidc={"issuer_uri": "https://oidc.vercel.com/acme"},
    opts=opts)
group = gcp.compute.RegionNetworkEndpointGroup(
    "group", name="web", region="europe-west1", cloud_run={"service": "web"}, opts=opts)
armor = gcp.compute.SecurityPolicy("armor", name="web", opts=opts)
backend = gcp.compute.BackendService(
    "backend", name="web", backends=[{"group": group.id}], security_policy=armor.self_link, opts=opts)
urls = gcp.compute.URLMap("urls", name="web", default_service=backend.id, opts=opts)
name = f"web-{config.require('certificate')}"
certificate = gcp.compute.ManagedSslCertificate(
    "certificate", name=name, managed={"domains": [f"{name}.example.com"]}, opts=opts)
proxy = gcp.compute.TargetHttpsProxy(
    "proxy", name="web", url_map=urls.id, ssl_certificates=[certificate.id], opts=opts)
gcp.compute.GlobalForwardingRule("rule", name="web", target=proxy.id, port_range="443", opts=opts)
opts = pulumi.ResourceOptions(provider=edge)
web = vercel.Project("web", name="web", framework="nextjs", opts=opts)
vercel.ProjectDomain("domain", project_id=web.id, domain="app.example.com", opts=opts)
vercel.ProjectEnvironmentVariable(
    "variable", project_id=web.id, key=config.require("key"), value=config.require_secret("value"),
    sensitive=config.require_bool("sensitive"), targets=["production"],
    opts=pulumi.ResourceOptions(provider=edge, delete_before_replace=config.get_bool("delete_first")))
pulumi.export("team", web.team_id)
pulumi.export("pool", pool.name)
"""
RESOURCES = 19


def settings(**changed: object) -> dict[str, object]:
    facts = {"token": "t", "value": SECRET, "key": "API", "sensitive": True, "certificate": "a", "delete_first": True}
    return {f"test:{name}": value for name, value in {**facts, **changed}.items()}


def test_up_no_change_and_destroy(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    assert sandbox.preview().require().changes == {"create": RESOURCES}
    assert sandbox.up().require().changes == {"create": RESOURCES}
    assert sandbox.outputs()["team"] == "team_acme"
    assert sandbox.outputs()["pool"].endswith("/locations/global/workloadIdentityPools/vercel")
    assert sandbox.preview().require().changes == {"same": RESOURCES}
    assert sandbox.refresh().require().changes == {"same": RESOURCES}
    assert sandbox.preview().require().changes == {"same": RESOURCES}
    assert SECRET not in json.dumps(sandbox.export())
    sandbox.destroy().require()
    with sandbox.cloud() as cloud:
        left = [item.type for item in cloud.objects()]
    # A database is only forgotten unless its policy says otherwise, and its schedule is deleted.
    assert left == ["gcp:projects/service:Service"] * 2 + [DATABASE]


def test_a_sensitive_value_drifts_unseen_and_a_plain_one_is_repaired(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    source = project(PROGRAM, settings())
    sandbox = sandbox_factory(source=source, packs=(), fast=True)
    sandbox.up().require()
    (variable,) = _ids(sandbox, VARIABLE)
    with sandbox.cloud() as cloud:
        cloud.drift(VARIABLE, variable, "value", "changed by hand")
    assert sandbox.refresh().require().changes == {"same": RESOURCES}
    project(PROGRAM, settings(sensitive=False))
    assert _changed(sandbox.up().require()) == {"variable": "replace"}
    (variable,) = _ids(sandbox, VARIABLE)
    with sandbox.cloud() as cloud:
        cloud.drift(VARIABLE, variable, "value", "changed by hand")
    assert sandbox.refresh().require().changes == {"update": 1, "same": RESOURCES - 1}
    assert _changed(sandbox.up().require()) == {"variable": "update"}


def test_a_variable_that_is_created_before_the_old_one_is_gone_is_refused(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings(delete_first=False)), packs=())
    sandbox.up().require()
    project(PROGRAM, settings(delete_first=False, sensitive=False))
    refused = sandbox.up(preview=False)
    assert not refused.ok
    assert "ENV_CONFLICT - Another Environment Variable with the same Name and Environment" in refused.errors
    project(PROGRAM, settings(sensitive=False))
    assert _changed(sandbox.up().require()) == {"variable": "replace"}


def test_a_certificate_in_use_is_replaced_under_another_name(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=(), fast=True)
    sandbox.up().require()
    project(PROGRAM, settings(certificate="b"))
    assert _changed(sandbox.up().require()) == {"certificate": "replace", "proxy": "update"}
    assert _ids(sandbox, CERTIFICATE) == ["projects/acme-dev/global/sslCertificates/web-b"]


def test_a_database_goes_with_the_policy_delete(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings(deletion="DELETE")), packs=(), fast=True)
    sandbox.up().require()
    sandbox.destroy().require()
    with sandbox.cloud() as cloud:
        assert [item.type for item in cloud.objects()] == ["gcp:projects/service:Service"] * 2


TWINS = """
import pulumi, pulumi_gcp as gcp, pulumiverse_vercel as vercel
google = gcp.Provider("gcp", project="acme-dev", region="europe-west1")
edge = vercel.Provider("vercel", team="team_acme")
api = gcp.projects.Service("api", service="firestore.googleapis.com", opts=pulumi.ResourceOptions(provider=google))
opts = pulumi.ResourceOptions(provider=google, depends_on=[api])
database = gcp.firestore.Database(
    "database", name="tn-acme", location_id="europe-west1", type="FIRESTORE_NATIVE", opts=opts)
gcp.firestore.BackupSchedule("daily", database=database.name, retention="604800s", daily_recurrence={}, opts=opts)
gcp.firestore.BackupSchedule(
    "weekly", database=database.name, retention="604800s", weekly_recurrence={"day": "SUNDAY"}, opts=opts)
opts = pulumi.ResourceOptions(provider=edge)
for name in ("web", "admin"):
    project = vercel.Project(name, name=name, opts=opts)
    vercel.ProjectEnvironmentVariable(
        name, project_id=project.id, key="API", value=pulumi.Output.secret(name), sensitive=True,
        targets=["production"], opts=pulumi.ResourceOptions(provider=edge, delete_before_replace=True))
"""


@pytest.mark.parametrize(
    "kind", [VARIABLE, "vercel:index/project:Project", "gcp:firestore/backupSchedule:BackupSchedule"]
)
def test_after_a_crash_objects_that_look_alike_are_told_apart(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart, kind: str
) -> None:
    sandbox = sandbox_factory(source=project(TWINS), packs=())
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=kind, nth=2, kill="engine", when="after"))
    assert run_apart(sandbox, "s.up(preview=False)").returncode != 0
    said: list[str] = []
    sandbox.recover(say=said.append)
    sandbox.up().require()
    assert len(_ids(sandbox, kind)) == 2, said
    assert set(sandbox.preview().require().changes) == {"same"}


def test_a_wrong_setting_stops_the_preview(sandbox_factory: SandboxFactory, project: Project) -> None:
    typo = PROGRAM.replace('targets=["production"]', 'targets=["prod"]').replace("framework=", "framwork=", 0)
    result = sandbox_factory(source=project(typo, settings()), packs=()).preview()
    assert not result.ok
    assert "targets: must be one of production, preview, development, got 'prod'" in result.errors


def _ids(sandbox: Sandbox, token: str) -> list[str]:
    with sandbox.cloud() as cloud:
        return [item.id for item in cloud.objects(token)]


def _changed(result: Result) -> dict[str, str]:
    """What happened to each resource; the two halves of a replacement are one."""
    halves = {"create-replacement": "replace", "delete-replaced": "replace"}
    return {step.name: halves.get(step.op, step.op) for step in result.changed}
