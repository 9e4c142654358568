"""Each stack from nothing: what the policies allow is created, and then there is nothing left to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import engine
from sandbox.operations import Sandbox
from tests.engine.product.support import Boot, changed, preview, resources, unchanged

ROOT = Path(__file__).resolve().parents[3]
STACKS = ("dev", "staging", "prod")


def verdicts(events: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (event["policyName"], event["enforcementLevel"], event["resourceUrn"])
        for event in (event["policyEvent"] for event in events if "policyEvent" in event)
    }


def analyzed(sandbox: Sandbox, state: dict[str, Any], folder: Path) -> tuple[bool, set[tuple[str, str, str]]]:
    """What `pulumi policy analyze` says of an exported state: the exit, and (policy, level, resource) per violation."""
    file = folder / "state.json"
    file.write_text(json.dumps(state), encoding="utf-8")
    pack = ROOT / "policies"
    result = sandbox.run(
        [
            "policy", "analyze", "--json", "--file", str(file),
            "--policy-pack", str(pack),
            "--policy-pack-config", str(pack / "config" / f"{sandbox.layout.stack}.json"),
        ]
    )  # fmt: skip
    events = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return result.ok, verdicts(events)


@pytest.mark.parametrize("stack", STACKS)
def test_up_from_nothing_leaves_nothing_to_do(booted: Callable[[str], Boot], tmp_path: Path, stack: str) -> None:
    boot = booted(stack)
    count = len(resources(boot.sandbox))
    assert boot.preview.changes == boot.up.changes == {"create": count}

    again = preview(boot.sandbox)
    assert unchanged(again), changed(again)
    assert again.changes == {"same": count}
    refreshed = boot.sandbox.refresh()
    assert refreshed.ok, refreshed.errors
    assert refreshed.changes == {"same": count}, changed(refreshed)

    seen = {(found.policy, found.level, found.urn or "") for found in boot.preview.violations}
    ok, judged = analyzed(boot.sandbox, boot.sandbox.export(), tmp_path)
    assert ok
    assert judged == seen
    assert {found.level for found in boot.preview.violations} <= {"advisory"}


def test_analysis_of_a_state_sees_a_violation(booted: Callable[[str], Boot], tmp_path: Path) -> None:
    """The comparison above could not fail if the analysis judged nothing."""
    sandbox = booted("dev").sandbox
    state = sandbox.export()
    pool = next(item for item in state["deployment"]["resources"] if item["urn"].endswith("::pool-general-instance"))
    for part in ("inputs", "outputs"):
        pool[part]["settings"]["ipConfiguration"]["ipv4Enabled"] = True
    ok, judged = analyzed(sandbox, state, tmp_path)
    assert not ok
    assert {(level, urn) for _, level, urn in judged} == {("mandatory", pool["urn"])}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of its own with the files as they are now, set up: packages and engine are there."""

    def git(*arguments: str, where: Path) -> str:
        return subprocess.run(["git", *arguments], cwd=where, capture_output=True, text=True, check=True).stdout

    folder = tmp_path / "checkout"
    for name in git("ls-files", "--cached", "--others", "--exclude-standard", where=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git("init", "--quiet", where=folder)
    git("add", "--all", where=folder)
    git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "now", where=folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    (folder / ".tools" / "bin").mkdir(parents=True)
    (folder / ".tools" / "bin" / "pulumi").symlink_to(engine.ensure())
    for stamp in ("packages.stamp", "engine.stamp"):
        (folder / ".tools" / stamp).touch()
    return folder


def test_commands_say_how_it_went_and_leave_the_tree_clean(checkout: Path) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def untracked_or_changed() -> str:
        return run("git", "status", "--porcelain", "--untracked-files=all").stdout

    planned = run("make", "preview")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "tenantry@v" in planned.stdout
    assert "to create" in planned.stdout
    assert untracked_or_changed() == ""

    stack_file = checkout / "Pulumi.dev.yaml"
    good = stack_file.read_text(encoding="utf-8")
    stack_file.write_text(good.replace("- id: acme", "- id: Acme"), encoding="utf-8")
    refused = run(sys.executable, "-m", "sandbox", "preview", "--stack", "dev")
    assert refused.returncode == 1
    assert "tenantry:tenants[0].id" in refused.stdout + refused.stderr
    stack_file.write_text(good, encoding="utf-8")

    unknown = run(sys.executable, "-m", "sandbox", "preview", "--stack", "nowhere")
    assert unknown.returncode == 1
    assert "Pulumi.nowhere.yaml does not exist (there are: Pulumi.dev.yaml, Pulumi.prod.yaml" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    assert untracked_or_changed() == ""
