import os
from typing import Final

import pytest

# `make attacks` says ALL; `make test` runs a sample.
EVERYTHING: Final = os.environ.get("ATTACKS") == "all"


@pytest.fixture(scope="session")
def examples() -> int:
    """How many generated attacks to try on each release in each of the clouds' forms."""
    return 40 if EVERYTHING else 4
