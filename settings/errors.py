"""What is wrong with a configuration, said once and completely."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST_VALUE = 60
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where it stands, what stands there, and what to do about it.

    Attributes:
        path: YAML path below `config:`, e.g. `tenantry:tenants[3].plan`.
        value: the offending value as it would be written, or None when something is missing or must not be shown.
        message: what is wrong, naming the tenant, plan or pool it concerns.
        fix: what to write instead.
    """

    path: str
    message: str
    fix: str
    value: str | None = None

    def __str__(self) -> str:
        found = "" if self.value is None else f" (found: {self.value})"
        return f"{self.path}: {self.message}{found}\n    fix: {self.fix}"


class ConfigError(Exception):
    """Every problem of a configuration at once, in the order of their paths; nothing has been created by then."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_reading_order))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1))
        super().__init__(f"{count} {noun} in the stack configuration; nothing was changed.\n{lines}")


@dataclass(frozen=True)
class Subject:
    """Whom a problem concerns: `tenant 'acme'`."""

    kind: str
    name: str


class Findings:
    """Collects problems; one mistake in a plan that many tenants have is one problem that names them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str | None], dict[Subject, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: str, message: str, *, fix: str, value: object = None, subject: Subject | None = None) -> None:
        """Add a problem; `value` is shown as YAML would have it, None shows nothing."""
        subjects = self._found.setdefault((path, message, fix, None if value is None else shown(value)), {})
        if subject is not None:
            subjects[subject] = None

    def problems(self) -> list[Problem]:
        return [
            Problem(path=path, message=f"{named(tuple(subjects))}{message}", fix=fix, value=value)
            for (path, message, fix, value), subjects in self._found.items()
        ]


def shown(value: object) -> str:
    """A scalar as it would be written; of a list or mapping only that it is one, for it may hold anything."""
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def named(subjects: tuple[Subject, ...]) -> str:
    if not subjects:
        return ""
    names = ", ".join(repr(subject.name) for subject in subjects[:_MOST_NAMED])
    more = len(subjects) - _MOST_NAMED
    return f"{subjects[0].kind}{'s' if len(subjects) > 1 else ''} {names}{f' and {more} more' if more > 0 else ''}: "


def repeated(values: Iterable[str]) -> list[int]:
    """Positions of what an earlier position holds already."""
    seen: set[str] = set()
    positions = []
    for position, value in enumerate(values):
        if value in seen:
            positions.append(position)
        seen.add(value)
    return positions


def listed(known: Iterable[str]) -> str:
    """The names one may choose from, for a fix."""
    return ", ".join(sorted(known)) or "(none is defined)"


def either(choices: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def _reading_order(problem: Problem) -> tuple[list[tuple[int, str]], str]:
    # numbers by value, so that tenants[10] comes after tenants[2]
    parts = re.split(r"([0-9]+)", problem.path)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], problem.message
