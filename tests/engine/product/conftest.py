"""The project's own program on a stack that has been brought up once: each test starts from a copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.operations import Sandbox
from tests.engine.conftest import _NOT_OURS
from tests.engine.product.support import Boot, boot

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.workspace import StackConfig
    from tests.engine.product.support import Upped


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.engine)
            for warning in _NOT_OURS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{warning}"))


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Boot]:
    """Brings a stack up from nothing, once per session, and remembers what was said."""
    boots: dict[str, Boot] = {}

    def get(stack: str) -> Boot:
        if stack not in boots:
            boots[stack] = boot(stack, tmp_path_factory.mktemp(stack) / "home")
        return boots[stack]

    return get


@pytest.fixture
def upped(booted: Callable[[str], Boot], tmp_path: Path) -> Upped:
    """Makes sandboxes that start from an upped stack: `upped()`, `upped("staging", edit=..., fast=False)`.

    Each has its own copy of the state and of the cloud; `edit` changes the stack's config in place.
    """
    made = 0

    def make(stack: str = "dev", *, edit: Callable[[StackConfig], None] | None = None, fast: bool = True) -> Sandbox:
        nonlocal made
        made += 1
        home = tmp_path / f"home-{made}"
        shutil.copytree(booted(stack).sandbox.layout.home, home)
        return Sandbox(stack=stack, home=home, edit=edit, fast=fast)

    return make
