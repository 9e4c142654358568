"""The list of what nothing outside this project judges; a new gap is written down by hand, never by a tool."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.contract.report import Report

LIST = Path(__file__).with_name("unchecked.txt")
_SEPARATOR = " | "


class Drift(NamedTuple):
    """Lines to add to the list, and lines that no stack needs any more."""

    new: list[str]
    gone: list[str]


def lines_of(report: Report) -> set[str]:
    """One line per type, path and reason, whatever the number of resources."""
    return {f"{path}{_SEPARATOR}{reason}" for path, reason in report.unchecked}


def listed(path: Path = LIST) -> set[str]:
    """The written list, without its comments."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def drift(found: set[str], written: set[str]) -> Drift:
    """Compare what a run could not check with what is written down."""
    return Drift(new=sorted(found - written), gone=sorted(written - found))
