"""Files that installed packages ship, read without importing the packages: that would take most of a minute."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any


def shipped(package: str, path: str) -> Path:
    """A file of a package's folder.

    Raises:
        LookupError: the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(package)
    for folder in [] if spec is None else spec.submodule_search_locations or []:
        found = Path(folder) / path
        if found.is_file():
            return found
    raise LookupError(f"{package} ships no {path}")


def read_json(package: str, path: str) -> dict[str, Any]:
    """A JSON object of a package's folder."""
    found: dict[str, Any] = json.loads(shipped(package, path).read_text(encoding="utf-8"))
    return found
