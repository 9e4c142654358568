"""Options of the whole test run."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden inventories in tests/components/golden"
    )


@pytest.fixture(scope="module", autouse=True)
def collected_between_modules() -> Iterator[None]:
    """Collect what the SDK abandons where it was made: a coroutine closed while another module compiles breaks that."""
    gc.collect()
    yield
    gc.collect()
