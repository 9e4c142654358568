from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.sandbox.account import Amazon
from tests.unit.sandbox.project import Google

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            # Loading a module of the provider's SDK warns of the module's own deprecated aliases.
            item.add_marker(
                pytest.mark.filterwarnings(r"ignore:gcp\..* has been deprecated in favor of:DeprecationWarning")
            )


@pytest.fixture
def google() -> Iterator[Google]:
    """An empty simulated project with the provider configured for it."""
    made = Google()
    yield made
    made.cloud.close()


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    """An empty simulated account with the provider configured for it."""
    made = Amazon()
    yield made
    made.cloud.close()
