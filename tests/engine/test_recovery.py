"""kill -9 of the engine and of the program, before and after the cloud commits: all of it exists once in the end."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from recovery.__main__ import Cli
from recovery.locks import LockedError
from recovery.procedure import recover
from sandbox import workspace
from sandbox.cloud import FaultRule
from sandbox.providers import serve

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.operations import Sandbox
    from tests.engine.conftest import SandboxFactory

    Project = Callable[..., Path]
    RunApart = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

TOPIC = "gcp:pubsub/topic:Topic"
CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
PROGRAM = """
import pulumi, pulumi_gcp as gcp, pulumi_random as random
google = gcp.Provider("gcp", project="acme-dev", region="europe-west3")
chance = random.Provider("random")
group = pulumi.ComponentResource("tenantry:test:Group", "group")
apis = [
    gcp.projects.Service(name, service=f"{name}.googleapis.com", opts=pulumi.ResourceOptions(provider=google))
    for name in ("pubsub", "monitoring")]
opts = pulumi.ResourceOptions(parent=group, provider=google, depends_on=apis)
last = None
for number in range(4):
    last = gcp.pubsub.Topic(
        f"topic-{number}", name=f"topic-{number}",
        labels={"last": last.name} if last else None, opts=opts)
    gcp.monitoring.NotificationChannel(
        f"channel-{number}", type="email", display_name=f"channel {number}",
        labels={"email_address": f"ops{number}@example.com"},
        opts=pulumi.ResourceOptions(parent=group, provider=google, depends_on=[last, *apis]))
random.RandomPassword("password", length=24, opts=pulumi.ResourceOptions(parent=group, provider=chance))
"""


def names(sandbox: Sandbox) -> tuple[list[str], list[str]]:
    """Topics and channels that exist in the cloud, by the names that tell them apart."""
    with sandbox.cloud() as cloud:
        topics = sorted(str(item.outputs["name"]) for item in cloud.objects(TOPIC))
        channels = sorted(str(item.outputs["displayName"]) for item in cloud.objects(CHANNEL))
    return topics, channels


def resources(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.export()["deployment"]["resources"]
    return found


EVERYTHING = ([f"topic-{n}" for n in range(4)], [f"channel {n}" for n in range(4)])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kill", ["engine", "program"])
@pytest.mark.parametrize(("kind", "nth"), [(TOPIC, 1), (TOPIC, 3), (CHANNEL, 2)])
def test_after_kill_everything_exists_exactly_once(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart, kind: str, nth: int, kill: str, when: str
) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM))
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=kind, nth=nth, kill=kill, when=when))  # type: ignore[arg-type]

    crashed = run_apart(sandbox, "s.up(preview=False)")
    assert crashed.returncode != 0
    checkpointed = {(item["urn"], item.get("id")) for item in resources(sandbox) if item.get("custom")}

    said: list[str] = []
    sandbox.recover(say=said.append)
    kept = {(item["urn"], item.get("id")) for item in resources(sandbox) if item.get("custom")}
    assert checkpointed <= kept

    result = sandbox.up(preview=False)
    assert result.ok, result.errors
    assert names(sandbox) == EVERYTHING, said
    assert max(Counter(item["urn"] for item in resources(sandbox)).values()) == 1
    again = sandbox.preview()
    assert again.changes == {"same": len(resources(sandbox))}


def test_without_recovery_a_second_up_is_refused_or_duplicates(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart
) -> None:
    """Why the recovery exists: the engine alone stops at the lock, and past it makes a second channel."""
    sandbox = sandbox_factory(source=project(PROGRAM))
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=CHANNEL, nth=2, kill="engine", when="after"))
    run_apart(sandbox, "s.up(preview=False)")
    assert "the stack is currently locked by 1 lock(s)" in sandbox.up(preview=False).stderr
    sandbox.command(["cancel", "--yes"]).require()
    sandbox.up(preview=False)
    assert max(Counter(names(sandbox)[1]).values()) == 2


def test_recovery_refuses_the_lock_of_a_living_process(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM), fast=True)
    sandbox.up(preview=False).require()
    lock = sandbox.layout.locks / "11111111-2222-3333-4444-555555555555.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = {
        "pid": os.getpid(),
        "username": "ops",
        "hostname": socket.gethostname(),
        "timestamp": "2999-01-01T00:00:00Z",
    }
    lock.write_text(json.dumps(holder), encoding="utf-8")
    before = resources(sandbox)
    with pytest.raises(LockedError, match=f"process {os.getpid()} of ops is running and holds the lock 11111111"):
        sandbox.recover(say=lambda _: None)
    assert lock.exists()

    lock.write_text(json.dumps({**holder, "hostname": "other-host"}), encoding="utf-8")
    with pytest.raises(LockedError, match=r"made on another host.*--dead-lock 11111111-2222-3333-4444-555555555555"):
        sandbox.recover(say=lambda _: None)
    assert lock.exists()

    report = sandbox.recover(dead_locks=[lock.stem], say=lambda _: None)
    assert [found.name for found in report.locks] == [lock.stem]
    assert not lock.exists()
    assert [item["urn"] for item in resources(sandbox)] == [item["urn"] for item in before]


def test_recovery_on_a_backend_of_ones_own_goes_by_the_plain_cli(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart, booted_engine: Path
) -> None:
    """`python -m recovery`: no lookup in the cloud, so a server-assigned id ends as a possible orphan."""
    sandbox = sandbox_factory(source=project(PROGRAM))
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=CHANNEL, name="channel-1", kill="engine", when="after"))
    run_apart(sandbox, "s.up(preview=False)")

    said: list[str] = []
    variables = workspace.environment(sandbox.layout)
    variables["PATH"] = f"{booted_engine.parent}:{variables['PATH']}"
    with workspace.confined(variables), sandbox.cloud() as cloud, serve(cloud) as providers:
        os.environ["PULUMI_DEBUG_PROVIDERS"] = providers
        report = recover(Cli("dev", sandbox.layout.work), backups=sandbox.layout.home / "kept", say=said.append)

    assert len(report.locks) == 1
    assert report.backup is not None
    kept = json.loads(report.backup.read_text(encoding="utf-8"))
    assert kept["deployment"]["pending_operations"]
    orphan = next(finding for finding in report.findings if finding.outcome == "orphan")
    assert (orphan.type, orphan.hint) == (CHANNEL, "look for displayName 'channel 1'")
    assert any("delete each one that exists, or import it" in line for line in said)
    state = resources(sandbox)
    assert {item["id"] for item in state if item["type"] == TOPIC} == {
        f"projects/acme-dev/topics/{name}" for name in names(sandbox)[0]
    }


def test_nothing_to_recover(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM), fast=True)
    sandbox.up(preview=False).require()
    report = sandbox.recover(say=lambda _: None)
    assert report.nothing_to_do
    assert list((sandbox.layout.home / "recovery").iterdir()) == []
