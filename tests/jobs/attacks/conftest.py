import os
from typing import Final

import pytest

# `make attacks` says ALL; `make test` runs a sample.
EVERYTHING: Final = os.environ.get("ATTACKS") == "all"


@pytest.fixture(scope="session")
def examples() -> int:
    """How many generated attacks to try on each release in each of the clouds' forms."""
    return 40 if EVERYTHING else 4


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the sample each of two releases has one cloud's form: 15 that of Cloud SQL, 18 that of RDS."""
    if EVERYTHING:
        return
    left = [item for item in items if not _CROSSED.intersection(_parts(item))]
    if len(left) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if _CROSSED.intersection(_parts(item))])
        items[:] = left


_CROSSED: Final = frozenset({("distribution", "rds"), ("packaged", "cloudsql")})


def _parts(item: pytest.Item) -> set[tuple[str, str]]:
    """Release and form of a test here, as its parameters have them."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "attacks" not in item.path.parts:
        return set()
    release = callspec.params.get("server")
    return {(release, form) for form in callspec.params.values() if form in {"cloudsql", "rds"}}
