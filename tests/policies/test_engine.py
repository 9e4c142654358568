"""The pack as the real engine runs it, over a state file: no program, no cloud, no backend."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policies import catalogue
from sandbox.engine import ensure
from tests.policies.support import Props, urn

pytestmark = pytest.mark.engine

STACK_URN = urn("pulumi:pulumi:Stack", "tenantry-prod")
PROVIDER = urn("pulumi:providers:gcp", "gcp")
BUCKET = "gcp:storage/bucket:Bucket"


def _resource(token: str, name: str, props: Props, **more: object) -> Props:
    return {
        "urn": urn(token, name),
        "type": token,
        "custom": True,
        "id": name,
        "inputs": props,
        "outputs": props,
    } | more


def _state(path: Path, *resources: Props) -> Path:
    root = {"urn": STACK_URN, "type": "pulumi:pulumi:Stack", "custom": False}
    provider = _resource("pulumi:providers:gcp", "gcp", {"project": "p"})
    manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}
    deployment = {"manifest": manifest, "resources": [root, provider, *resources]}
    path.write_text(json.dumps({"version": 3, "deployment": deployment}), encoding="utf-8")
    return path


def _analyze(tmp_path: Path, stack: str, state: Path) -> tuple[int, set[tuple[str, str, str]], str]:
    """Exit code, (rule, level, resource name) of every violation, and the whole output."""
    # Without the vendor's language host the engine runs this script to serve a Python pack.
    binaries = tmp_path / "bin"
    binaries.mkdir(exist_ok=True)
    script = binaries / "pulumi-analyzer-policy-python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -m pulumi.policy "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    command = [str(ensure()), "policy", "analyze", "--json", "--file", str(state)]
    command += ["--policy-pack", str(catalogue.ROOT), "--policy-pack-config", str(catalogue.config_file(stack))]
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {
        (_rule(event["message"]), event["enforcementLevel"], event["resourceUrn"].rpartition("::")[2])
        for event in (event["policyEvent"] for event in events if "policyEvent" in event)
    }
    return done.returncode, found, done.stdout + done.stderr


def _rule(message: str) -> str:
    """The policy's description comes first, then what the rule says, after its name."""
    return message.splitlines()[1].partition(":")[0]


def _open_bucket(props: Props) -> Props:
    return _resource(BUCKET, "bucket", props, parent=STACK_URN, provider=f"{PROVIDER}::gcp")


AUDIT = ("audit-trail", "mandatory", "tenantry-prod")
MISSING = {
    (rule, "mandatory", "bucket")
    for rule in (
        "bucket-cmek",
        "bucket-public-access",
        "bucket-recoverable",
        "bucket-soft-delete",
        "bucket-uniform-access",
    )
}


def test_the_engine_refuses_a_state_with_an_open_bucket(tmp_path: Path) -> None:
    state = _state(tmp_path / "state.json", _open_bucket({"name": "b", "forceDestroy": True}))

    code, found, output = _analyze(tmp_path, "prod", state)

    guards = {("bucket-force-destroy", "mandatory", "bucket"), ("data-protected", "mandatory", "bucket")}
    assert found == MISSING | guards | {AUDIT}, output
    assert code != 0


def test_devs_config_turns_two_of_them_into_advice(tmp_path: Path) -> None:
    state = _state(tmp_path / "state.json", _open_bucket({"name": "b", "forceDestroy": True}))

    code, found, output = _analyze(tmp_path, "dev", state)

    guards = {("bucket-force-destroy", "advisory", "bucket"), ("data-protected", "advisory", "bucket")}
    assert found == MISSING | guards | {AUDIT}, output
    assert code != 0


def test_the_engine_passes_a_state_with_nothing_to_refuse(tmp_path: Path) -> None:
    code, found, output = _analyze(tmp_path, "prod", _state(tmp_path / "state.json"))

    assert (code, found) == (0, set()), output


def test_the_engine_sees_protection_and_the_provider_of_a_resource(tmp_path: Path) -> None:
    key = {"rotationPeriod": "7776000s"}
    token = "gcp:kms/cryptoKey:CryptoKey"
    provider = f"{PROVIDER}::gcp"
    kept = _resource(token, "kept", key, parent=STACK_URN, provider=provider, protect=True)
    loose = _resource(token, "loose", key, parent=STACK_URN, provider=provider)

    _, found, output = _analyze(tmp_path, "prod", _state(tmp_path / "state.json", kept, loose))

    assert found == {("key-kept", "mandatory", "loose"), AUDIT}, output
