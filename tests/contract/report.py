"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """An input that Google's API would not take: where it is, what it is, and why not."""

    path: str
    value: Any
    why: str


class Unchecked(NamedTuple):
    """Something that nothing outside this project could judge, and why."""

    path: str
    reason: str


@dataclass
class Report:
    """Findings of one resource or of many; `checked` counts judged values, `unknown` those not known yet.

    `free` are the paths whose values the API takes as any text: only their place and type were checked.
    """

    problems: list[Problem] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    free: set[str] = field(default_factory=set)
    checked: int = 0
    unknown: int = 0

    def add(self, other: Report, *, resource: str, token: str) -> None:
        """Take another report in; problems are placed by resource, gaps by type, so that one line covers a fleet."""
        self.problems += [Problem(f"{resource} {p.path}", p.value, p.why) for p in other.problems]
        self.unchecked += [Unchecked(f"{token} {u.path}", u.reason) for u in other.unchecked]
        self.free |= {f"{token} {path}" for path in other.free}
        self.checked += other.checked
        self.unknown += other.unknown
