"""kill -9 in the middle of the whole program's `up`: recovered, and then everything is there exactly once."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from sandbox.cloud import FaultRule
from tests.engine.product.support import ALERT, INSTANCE, SECRET, lost_if_interrupted, resources, unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.operations import Sandbox
    from tests.engine.conftest import SandboxFactory
    from tests.engine.product.support import Boot

RunApart = Callable[["Sandbox", str], subprocess.CompletedProcess[str]]


class Blow(NamedTuple):
    type: str
    name: str
    kill: str
    when: str


BLOWS = {
    "engine after an instance": Blow(INSTANCE, "pool-general-instance", "engine", "after"),
    "program before a secret": Blow(SECRET, "acme-credential", "program", "before"),
    "program after an alert": Blow(ALERT, "*", "program", "after"),
    "program after a service": Blow("gcp:monitoring/customService:CustomService", "*", "program", "after"),
    "engine after the last": Blow("gcp:cloudscheduler/job:Job", "pool-general-export-schedule", "engine", "after"),
}


def identities(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """Type and telling name of each object in the cloud: server-assigned ids differ from run to run, names do not."""
    with sandbox.cloud() as cloud:
        found: Counter[tuple[str, str]] = Counter(
            (item.type, item.urn.rpartition("::")[2]) for item in cloud.objects() if item.urn
        )
    return found


def custom(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [item for item in resources(sandbox) if item.get("custom")]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_each_interrupted_creation_is_found_again(booted: Callable[[str], Boot], stack: str) -> None:
    assert lost_if_interrupted(booted(stack).sandbox) == []


@pytest.mark.parametrize("case", BLOWS)
def test_everything_exists_exactly_once_after_a_crash(
    booted: Callable[[str], Boot], sandbox_factory: SandboxFactory, run_apart: RunApart, tmp_path: Path, case: str
) -> None:
    blow = BLOWS[case]
    whole = identities(booted("dev").sandbox)
    assert max(whole.values()) == 1
    sandbox = sandbox_factory("dev", home=tmp_path / "crash")
    with sandbox.cloud() as cloud:
        cloud.faults.add(
            FaultRule(op="create", type=blow.type, name=blow.name, kill=blow.kill, when=blow.when)  # type: ignore[arg-type]
        )

    crashed = run_apart(sandbox, "s.up(preview=False, packs=False)")
    assert crashed.returncode != 0, crashed.stdout
    checkpointed = {(item["urn"], item["id"]) for item in custom(sandbox)}
    assert 0 < len(checkpointed) < len(whole) + 20

    said: list[str] = []
    report = sandbox.recover(say=said.append)
    assert report.backup is not None
    assert [found for found in report.findings if found.outcome in ("orphan", "unknown")] == []
    assert checkpointed <= {(item["urn"], item["id"]) for item in custom(sandbox)}

    finished = sandbox.up(preview=False, packs=False)
    assert finished.ok, (finished.errors, said)
    assert identities(sandbox) == whole, said
    ids = Counter((item["type"], item["id"]) for item in custom(sandbox) if not item["type"].startswith("random:"))
    assert max(ids.values()) == 1
    assert unchanged(sandbox.preview(packs=False))
