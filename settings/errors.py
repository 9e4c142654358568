"""What is wrong with a configuration, said once and completely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One mistake: where it stands, what stands there, and what to do about it.

    Attributes:
        path: YAML path below `config:`, e.g. `tenantry:tenants[3].plan`.
        value: the offending value as written, or None when something is missing.
        message: what is wrong, naming the tenant or pool it concerns.
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
    """Every problem of a configuration at once; nothing has been created when it is raised."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.path, problem.message)))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1))
        super().__init__(f"{count} {noun} in the stack configuration; nothing was changed.\n{lines}")
