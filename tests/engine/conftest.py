"""The real engine for tests: sandboxes of their own, in folders of their own, on any stack or on a stand-in program."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

from sandbox import engine
from sandbox.operations import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.workspace import StackConfig

    SandboxFactory = Callable[..., Sandbox]

ROOT = Path(__file__).resolve().parent.parent.parent
_NOT_OURS = (
    r"(aws|gcp|s3)\..* has been deprecated in favor of:DeprecationWarning",  # the provider's SDK, of its own aliases
    r"unclosed event loop:ResourceWarning",  # the Pulumi SDK opens one per thread that serves the engine, and its
    r"unclosed <socket.socket fd=\d+, family=1,:ResourceWarning",  # self-pipe; neither is ever closed
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.engine)
            for warning in _NOT_OURS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{warning}"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect the SDK's abandoned event loops here, where their warnings are expected, not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def connections_of_their_own() -> None:
    """No engine is answered for by a dead one that had its port: gRPC shares connections, and failures, by address.

    The SDK closes no channel, and this process sees hundreds of engines.
    """
    _GRPC_CHANNEL_OPTIONS.append(("grpc.use_local_subchannel_pool", 1))


@pytest.fixture(scope="session", autouse=True)
def booted_engine() -> Path:
    """The engine's executable, found or built once."""
    return engine.ensure()


@pytest.fixture
def sandbox_factory(tmp_path: Path) -> SandboxFactory:
    """Makes sandboxes: `sandbox_factory("prod", edit=lambda config: ..., fast=True)`.

    Each has an empty cloud of its own unless `home` names that of another. `edit` changes the stack's config in place;
    `fast` saves the state only at the end, for tests in which nothing crashes; `program` stands in for the project's.
    """
    made = 0

    def make(
        stack: str = "dev",
        *,
        edit: Callable[[StackConfig], None] | None = None,
        fast: bool = False,
        home: Path | None = None,
        source: Path = ROOT,
        program: Callable[[], object] | None = None,
        packs: Sequence[Path] | None = None,
    ) -> Sandbox:
        nonlocal made
        made += 1
        return Sandbox(
            stack=stack,
            source=source,
            home=home or tmp_path / f"sandbox-{made}",
            edit=edit,
            fast=fast,
            program=program,
            packs=packs,
        )

    return make


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small stand-in project and returns its folder: `project("import pulumi ...", config={...})`."""

    def write(program: str, config: dict[str, Any] | None = None) -> Path:
        import yaml

        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "Pulumi.yaml").write_text("name: tenantry\nruntime: python\n", encoding="utf-8")
        settings = {"pulumi:disable-default-providers": ["*"], **(config or {})}
        (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": settings}), encoding="utf-8")
        (folder / "__main__.py").write_text(program, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def run_apart() -> Callable[[Sandbox, str], subprocess.CompletedProcess[str]]:
    """Runs an operation of a sandbox in a process of its own: for faults that kill the program."""

    def run(sandbox: Sandbox, operation: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; from pathlib import Path; from sandbox.operations import Sandbox\n"
            "s = Sandbox(stack=sys.argv[1], source=Path(sys.argv[2]), home=Path(sys.argv[3]), packs=())\n"
            f"result = {operation}\n"
            "print(result.stdout, result.stderr)\n"
            "sys.exit(0 if result.ok else 1)\n"
        )
        layout = sandbox.layout
        return subprocess.run(
            [sys.executable, "-c", code, layout.stack, str(layout.source), str(layout.home)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run
