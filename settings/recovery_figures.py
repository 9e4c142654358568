"""The figures of `recovery_targets` for each kind of database, as docs/configuration.md shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from settings.defaults import INSTANCE_DEFAULTS
from settings.plan import ExternalPlan, FirestorePlan, InstancePlan
from settings.recovery_targets import Achievable, of_firestore, of_guest, of_instance
from settings.types import FailureScope, Placement, SqlKind


def _instance(kind: SqlKind, placement: Placement) -> InstancePlan:
    return InstancePlan(
        key="any",
        name="any",
        path="any",
        kind=kind,
        placement=placement,
        region="home",
        backup_location="away",
        labels={},
        **dict(INSTANCE_DEFAULTS[kind]),
    )


def _redundant(kind: SqlKind, replica_region: str | None = None) -> InstancePlan:
    return replace(_instance(kind, "dedicated"), availability="REGIONAL", replica_region=replica_region)


def _firestore(location: str) -> FirestorePlan:
    return FirestorePlan(
        location=location, cmek=False, daily_retention_days=7, weekly_retention_weeks=14, service_account="any"
    )


def _guest(scope: FailureScope) -> Achievable:
    unattested = ExternalPlan(
        provider="postgres",
        dsn="ANY",
        backup_dsn=None,
        backup_url_secret=None,
        schemas=None,
        attested=None,
        not_enforced=(),
    )
    return of_guest(scope, unattested)


_ROWS: Final[dict[str, Callable[[FailureScope], Achievable]]] = {
    "cloudsql, on a pool": lambda scope: of_instance(scope, _instance("cloudsql", "shared")),
    "cloudsql, dedicated": lambda scope: of_instance(scope, _instance("cloudsql", "dedicated")),
    "cloudsql, dedicated, with availability REGIONAL and a replica_region": lambda scope: of_instance(
        scope, _redundant("cloudsql", "away")
    ),
    "rds, on a pool": lambda scope: of_instance(scope, _instance("rds", "shared")),
    "rds, dedicated": lambda scope: of_instance(scope, _instance("rds", "dedicated")),
    "rds, dedicated, with availability REGIONAL": lambda scope: of_instance(scope, _redundant("rds")),
    "firestore, in a region": lambda scope: of_firestore(scope, _firestore("europe-west1")),
    "firestore, in a multi-region": lambda scope: of_firestore(scope, _firestore("eur3")),
    "external, nothing attested": _guest,
}


def figures(scopes: Sequence[FailureScope]) -> Iterator[tuple[str, ...]]:
    """For each database: its name, then `RPO / RTO` in minutes for each scope."""
    for name, achievable in _ROWS.items():
        reached = [achievable(scope) for scope in scopes]
        yield name, *(f"{can.rpo_minutes} / {can.rto_minutes}" for can in reached)
