"""Options that nobody would hear: each kind and each placement takes its own, and any other is refused."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from settings.errors import Findings, Subject, either
from settings.models import PlanSettings, TenantSettings
from settings.types import Kind

_SQL: Final[tuple[Kind, ...]] = ("cloudsql", "rds")
_KINDS_WITH: Final[dict[str, tuple[Kind, ...]]] = {
    "placement": _SQL,
    "pool": _SQL,
    "region": _SQL,
    "instance": _SQL,
    "connection_limit": _SQL,
    "statement_timeout_seconds": _SQL,
    "external": ("external",),
    "firestore": ("firestore",),
}
_WITHOUT_ROTATION: Final[dict[Kind, str]] = {
    "external": "whose password is rotated at its provider",
    "firestore": "which has no password",
}


def check_kind_options(  # noqa: PLR0917
    options: PlanSettings | TenantSettings, kind: Kind, by: str, path: str, subject: Subject, findings: Findings
) -> None:
    """Add the options that the kind would ignore; `by` says who chose the kind, where the options do not."""
    for field, kinds in _KINDS_WITH.items():
        value = getattr(options, field)
        if value is not None and kind not in kinds:
            findings.add(
                f"{path}.{field}",
                f"kind is {kind}{by}, which has no {field}",
                fix=f"remove {field}, or set kind to {either(kinds)}",
                value=None if isinstance(value, BaseModel) else value,
                subject=subject,
            )
    if isinstance(options, TenantSettings):
        _check_tenant_options(options, kind, by, path, subject, findings)


def _check_tenant_options(  # noqa: PLR0917
    entry: TenantSettings, kind: Kind, by: str, path: str, subject: Subject, findings: Findings
) -> None:
    if entry.extra_rotations and kind in _WITHOUT_ROTATION:
        findings.add(
            f"{path}.extra_rotations",
            f"kind is {kind}{by}, {_WITHOUT_ROTATION[kind]}",
            fix="remove extra_rotations",
            value=entry.extra_rotations,
            subject=subject,
        )
    if entry.recreate_after_loss and kind == "external":
        findings.add(
            f"{path}.recreate_after_loss",
            f"kind is {kind}{by}, whose database is never created from here",
            fix="remove recreate_after_loss",
            value=entry.recreate_after_loss,
            subject=subject,
        )


def check_placement_options(
    options: PlanSettings | TenantSettings, why: str, path: str, subject: Subject, findings: Findings
) -> None:
    """Add the options of an own instance where there is none."""
    for field in ("instance", "region"):
        if getattr(options, field) is not None:
            findings.add(
                f"{path}.{field}",
                f"{why}, so the pool decides the {field}",
                fix=f"remove {field}, or set placement to dedicated",
                subject=subject,
            )


def check_no_pool(
    options: PlanSettings | TenantSettings, why: str, path: str, subject: Subject, findings: Findings
) -> None:
    """Add a pool where there is an own instance."""
    if options.pool is not None:
        findings.add(
            f"{path}.pool",
            f"{why}, so there is no pool",
            fix="remove pool, or set placement to shared",
            value=options.pool,
            subject=subject,
        )
