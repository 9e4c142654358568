"""How many cloud resources one more tenant costs, and why each is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.config import plan_placements
from bench.recording import Registration, read

LIMITS: Final = {"shared": 10, "dedicated": 16}
"""Most cloud resources of one more tenant, by placement; components are not counted."""

MOST_COMPONENTS: Final = 2

_IN_STATE_ONLY: Final = "random:"

REASONS: Final = {
    "{id}-credential": "names the login and its password, for the SQL job alone",
    "{id}-credential-version": "the value of that secret; one version per rotation",
    "{id}-database": "the tenant's own database",
    "{id}-database-url": "where the SQL job publishes the URL once the isolation is proved",
    "{id}-database-url-readers": "lets the application read this tenant's URL; the grant leaves with the tenant",
    "{id}-files": "a folder of its own in the shared bucket, which can carry a grant of its own",
    "{id}-files-users": "lets the application into that folder; a bucket takes too few conditional grants for one each",
    "{id}-password": "the generated password; exists in the encrypted state only, not in the cloud",
    "{id}-registry": "the tenant's entry for the application and the jobs; one each, so a failure stales no other",
    "{id}-uploads": "a bucket of its own: files do not share a bucket where the database does not share an instance",
    "{id}-uploads-users": "lets the application into that bucket",
    "monitoring-alert-database-tenant-{id}": "alerts on the instance; its thresholds follow from its size",
    "tenant-{id}-export-schedule": "starts the nightly export of the instance",
    "tenant-{id}-exports": "lets the instance write its exports, as the identity that only it has",
    "tenant-{id}-instance": "the instance of its own that the plan promises",
    "tenant-{id}-registry": "the instance's entry for the jobs: address, certificate, users",
    "tenant-{id}-user-migrator": "signs schema migrations in without a password",
    "tenant-{id}-user-sqljob": "signs the SQL job in without a password",
    "tenant-{id}-user-worker": "signs the worker in without a password",
}
"""Why a tenant has each resource, by the resource's name with `{id}` for the tenant's."""


class BudgetError(Exception):
    """A tenant costs more than its budget, or a resource has no reason; the message lists what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One resource of a tenant. `in_cloud` is false for what exists in the state only."""

    type: str
    name: str
    reason: str
    in_cloud: bool


@dataclass(frozen=True, kw_only=True)
class PlanCost:
    """What one more tenant of a plan adds to the stack."""

    plan: str
    placement: str
    items: tuple[Item, ...]
    components: int

    @property
    def in_cloud(self) -> int:
        return sum(item.in_cloud for item in self.items)


def plan_costs(record: Callable[[str, list[dict[str, Any]]], Path]) -> list[PlanCost]:
    """What one more tenant of each plan adds, found as the difference of two runs of the whole program.

    So that what a tenant causes elsewhere counts as well: its instance's alerts and schedules.

    Args:
        record: previews a stack with the given tenants, which a label describes, and returns the recording.

    Raises:
        BudgetError: a tenant adds something whose name does not say whose it is.
    """
    plans = plan_placements()
    base = [{"id": f"base-{plan}", "plan": plan} for plan in plans]
    extra = [{"id": _extra(plan), "plan": plan} for plan in plans]
    before = {(found.type, found.name) for found in read(record("one tenant of every plan", base))}
    recording = record("one more of every plan", [*base, *extra])
    added = [found for found in read(recording) if (found.type, found.name) not in before]
    astray = [found.name for found in added if not any(_extra(plan) in found.name for plan in plans)]
    if astray:
        raise BudgetError(f"added by another tenant, and named after none: {', '.join(astray)}")
    return [
        _cost(plan, placement, [found for found in added if _extra(plan) in found.name])
        for plan, placement in plans.items()
    ]


def _extra(plan: str) -> str:
    return f"{plan}-more"


def check(costs: list[PlanCost]) -> None:
    """Refuse what is over its budget.

    Raises:
        BudgetError: too many resources or components, or a resource without a reason.
    """
    problems = []
    for cost in costs:
        limit = LIMITS[cost.placement]
        if cost.in_cloud > limit:
            problems.append(
                f"plan {cost.plan}: one more {cost.placement} tenant adds {cost.in_cloud} cloud resources, at most "
                f"{limit} are allowed; remove one, or justify another budget"
            )
        if cost.components > MOST_COMPONENTS:
            problems.append(f"plan {cost.plan}: {cost.components} components a tenant, at most {MOST_COMPONENTS}")
        problems += [
            f"plan {cost.plan}: {item.type} {item.name!r} has no reason; write one in bench/budget.py"
            for item in cost.items
            if not item.reason
        ]
    if problems:
        raise BudgetError("\n".join(problems))


def _cost(plan: str, placement: str, added: list[Registration]) -> PlanCost:
    named = [(found, found.name.replace(_extra(plan), "{id}")) for found in added if found.custom]
    items = [
        Item(
            type=found.type,
            name=name,
            reason=REASONS.get(name, ""),
            in_cloud=not found.type.startswith(_IN_STATE_ONLY),
        )
        for found, name in named
    ]
    return PlanCost(
        plan=plan,
        placement=placement,
        items=tuple(sorted(items, key=lambda item: (item.type, item.name))),
        components=sum(not found.custom for found in added),
    )
