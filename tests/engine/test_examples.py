"""The command on an example's stack: its own config, its own state, its own cloud."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sandbox import __main__ as command
from sandbox.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    Project = Callable[..., Path]

ROOT = Path(__file__).resolve().parent.parent.parent
BUCKET = "gcp:storage/bucket:Bucket"
PROGRAM = """
import pulumi, pulumi_gcp as gcp
google = gcp.Provider("gcp", project="acme", region="europe-west3")
name = pulumi.Config("test").require("bucket")
gcp.storage.Bucket("bucket", name=name, location="EU", opts=pulumi.ResourceOptions(provider=google))
"""


@pytest.fixture
def source(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose root stack dev, and whose example S2 with stacks dev and prod, each name a bucket."""
    folder = project(PROGRAM, {"test:bucket": "root"})
    for stack in ("dev", "prod"):
        path = folder / "examples" / "S2" / f"Pulumi.{stack}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"config": {"test:bucket": f"s2-{stack}"}}), encoding="utf-8")
    monkeypatch.setattr(command, "ROOT", folder)
    return folder


def buckets(home: Path) -> list[str]:
    cloud = Cloud.open(home / "cloud.db")
    try:
        return [item.id for item in cloud.objects(BUCKET)]
    finally:
        cloud.close()


def test_an_example_goes_up_and_down_beside_the_root_stack(source: Path) -> None:
    example = ["--example", "S2", "--stack", "prod"]
    assert command.main(["up", "--stack", "dev"]) == 0
    assert command.main(["preview", *example]) == 0
    assert command.main(["up", *example]) == 0
    homes = {name: source / ".sandbox" / name for name in ("dev", "examples/S2/prod")}
    assert {name: buckets(home) for name, home in homes.items()} == {"dev": ["root"], "examples/S2/prod": ["s2-prod"]}
    for operation in ("refresh", "recover", "destroy"):
        assert command.main([operation, *example]) == 0
    assert {name: buckets(home) for name, home in homes.items()} == {"dev": ["root"], "examples/S2/prod": []}
    assert sorted(path.name for path in (source / "examples" / "S2").iterdir()) == [
        "Pulumi.dev.yaml",
        "Pulumi.prod.yaml",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--example", "S3"], "sandbox: example 'S3' does not exist (there are: S2)\n"),
        (
            ["--example", "S2", "--stack", "staging"],
            "sandbox: example 'S2' has no stack 'staging' (there are: dev, prod)\n",
        ),
    ],
)
def test_a_missing_example_or_stack_is_an_error(
    source: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert command.main(["preview", *arguments]) == 1
    assert capsys.readouterr().err == message
    assert not (source / ".sandbox").exists()


@pytest.mark.parametrize("target", ["preview", "up", "refresh", "recover", "destroy"])
@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, "--stack dev"),
        ({"STACK": "prod"}, "--stack prod"),
        ({"EXAMPLE": "S2", "STACK": "prod"}, "--stack prod --example S2"),
    ],
)
def test_make_passes_the_example_on(target: str, variables: dict[str, str], options: str) -> None:
    given = [f"{name}={value}" for name, value in variables.items()]
    planned = _make("-n", target, *given).stdout.splitlines()
    assert planned[-1] == f".venv/bin/python -m sandbox {target} {options}"


def test_make_help_names_the_example() -> None:
    assert "EXAMPLE=S2 takes the stack from examples/S2" in _make("help").stdout


def _make(*arguments: str) -> subprocess.CompletedProcess[Any]:
    # A make that runs the tests tells its own ones of itself, and they then print which folder they enter and leave.
    apart = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=apart, capture_output=True, text=True, check=True)
