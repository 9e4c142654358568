"""A SQL instance as somebody declares it, and how a mistake in it is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from settings.errors import Findings, Subject
from settings.layers import complete_instance
from settings.types import Placement, SqlKind


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An instance as somebody declares it.

    Attributes:
        written: what is written of it, without the built-in defaults.
        places: option → YAML path of its value; for what is not written, `path` tells where to write it.
    """

    written: Mapping[str, Any]
    places: Mapping[str, str]
    path: str
    subject: Subject
    key: str
    kind: SqlKind
    placement: Placement
    region: str
    region_path: str
    labels: Mapping[str, str]
    recreate_after_loss: bool

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """Every option: the kind's built-in defaults under what is written."""
        return complete_instance(self.written, self.kind)

    def report(self, field: str, message: str, *, fix: str, findings: Findings) -> None:
        """Add a problem with one option; a value that nobody wrote is named as the built-in default."""
        unwritten = field not in self.written
        findings.add(
            self.places.get(field, f"{self.path}.{field}"),
            f"{message}; {self.options[field]} is the built-in default" if unwritten else message,
            fix=fix,
            value=None if unwritten else self.options[field],
            subject=self.subject,
        )
