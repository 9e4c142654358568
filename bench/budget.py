"""How many cloud resources one more tenant costs, and why each is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.config import KINDS, kind_tenant, kinds_of
from bench.recording import Registration, read
from settings.types import Cloud

LIMITS: Final = {
    "cloudsql-shared": 10,
    "cloudsql-dedicated": 16,
    "rds-shared": 8,
    # of which 15 are the bucket: on AWS it is seven resources, and once more in the backup region
    "rds-dedicated": 31,
    "firestore": 10,
    "external-gcp": 10,
    "external-aws": 8,
}
"""Most cloud resources of one more tenant, by kind; components are not counted."""

MOST_COMPONENTS: Final = 2

_IN_STATE_ONLY: Final = "random:"

REASONS: Final = {
    "{id}-account": "an identity that reaches this tenant's Firestore database and no other",
    "{id}-account-users": "lets the application act as that identity",
    "{id}-backup-daily": "Firestore's daily backups; a schedule belongs to one database",
    "{id}-backup-url": "a guest's URL with the exports' own login, for the export job alone",
    "{id}-backup-url-policy": "lets the export job, and nobody else, read that secret",
    "{id}-backup-url-readers": "lets the export job read that secret",
    "{id}-backup-url-version": "the value of that secret, as it was entered",
    "{id}-backup-weekly": "Firestore's weekly backups, kept for longer",
    "{id}-credential": "names the login and its password, for the SQL job alone",
    "{id}-credential-policy": "lets the SQL job, and nobody else, read that secret",
    "{id}-credential-version": "the value of that secret; one version per rotation",
    "{id}-database": "the tenant's own database",
    "{id}-database-url": "where the application finds the URL: the SQL job's after proof of isolation, or a guest's",
    "{id}-database-url-policy": "lets the application, and nobody else, read this tenant's URL",
    "{id}-database-url-readers": "lets the application read this tenant's URL; the grant leaves with the tenant",
    "{id}-database-url-version": "a guest's URL, as it was entered",
    "{id}-database-user": "the grant of the tenant's identity, with a condition that names the database",
    "{id}-files": "a folder of its own in the shared bucket, which can carry a grant of its own",
    "{id}-files-users": "lets the application into that folder; a bucket takes too few conditional grants for one each",
    "{id}-password": "the generated password; exists in the encrypted state only, not in the cloud",
    "{id}-registry": "the tenant's entry for the application and the jobs; one each, so a failure stales no other",
    "{id}-uploads": "a bucket of its own: files do not share a bucket where the database does not share an instance",
    "{id}-uploads-replication": "copies every object into the backup region",
    "{id}-uploads-users": "lets the application into that bucket",
    **{
        f"{{id}}-uploads{copy}{setting}": f"{words} of {whose}; S3 has it as a resource beside the bucket"
        for copy, whose in (("", "that bucket"), ("-replica", "the copy"))
        for setting, words in (
            ("-encryption", "the encryption"),
            ("-lifecycle", "the life cycle"),
            ("-ownership", "the end of access lists"),
            ("-policy", "who may do what, TLS demanded,"),
            ("-public-access", "the block of public access"),
            ("-versioning", "the versions"),
        )
    },
    "{id}-uploads-replica": "the bucket in the backup region that the copies go to",
    "monitoring-alarm-database-tenant-{id}-connections": "alarms on connections; an alarm has one metric",
    "monitoring-alarm-database-tenant-{id}-cpu": "alarms on the instance's processor",
    "monitoring-alarm-database-tenant-{id}-disk": "alarms on the instance's free space",
    "monitoring-alarm-database-tenant-{id}-down": "pages when the instance is down; its other alarms do not",
    "monitoring-alert-database-tenant-{id}": "alerts on the instance; its thresholds follow from its size",
    "tenant-{id}-backup-copies": "copies the instance's automated backups into the backup region",
    "tenant-{id}-export-schedule": "starts the nightly export of the instance",
    "tenant-{id}-exports": "lets the instance write its exports, as the identity that only it has",
    "tenant-{id}-instance": "the instance of its own that the plan promises",
    "tenant-{id}-instance-parameters": "TLS forced, and the limits that follow from the instance's size",
    "tenant-{id}-instance-postgresql-log": "PostgreSQL's log, made here so that it is encrypted and ends some day",
    "tenant-{id}-instance-upgrade-log": "the log of upgrades, made here for the same reason",
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
class KindCost:
    """What one more tenant of a kind adds to the stack; `kind` is one of `bench.config.KINDS`."""

    kind: str
    items: tuple[Item, ...]
    components: int

    @property
    def in_cloud(self) -> int:
        return sum(item.in_cloud for item in self.items)

    @property
    def in_state(self) -> int:
        return len(self.items) - self.in_cloud


def kind_costs(record: Callable[[Cloud, int], Path]) -> list[KindCost]:
    """What one more tenant of each kind adds, found as the difference of two runs of the whole program on each cloud.

    So that what a tenant causes elsewhere counts as well: its instance's alerts and schedules.

    Args:
        record: previews a stack of a cloud with so many tenants of each of its kinds, and returns the recording.

    Raises:
        BudgetError: a tenant adds something whose name does not say whose it is.
    """
    clouds = dict.fromkeys(kind.cloud for kind in KINDS.values())
    found = {cost.kind: cost for cloud in clouds for cost in _costs(cloud, record)}
    return [found[kind] for kind in KINDS]


def _costs(cloud: Cloud, record: Callable[[Cloud, int], Path]) -> Iterator[KindCost]:
    before = {(found.type, found.name) for found in read(record(cloud, 1))}
    added = [found for found in read(record(cloud, 2)) if (found.type, found.name) not in before]
    extra = {kind: kind_tenant(kind, 2) for kind in kinds_of(cloud)}
    astray = [found.name for found in added if not any(tenant in found.name for tenant in extra.values())]
    if astray:
        raise BudgetError(f"added by another tenant, and named after none: {', '.join(astray)}")
    for kind, tenant in extra.items():
        yield _cost(kind, tenant, [found for found in added if tenant in found.name])


def check(costs: list[KindCost]) -> None:
    """Refuse what is over its budget.

    Raises:
        BudgetError: too many resources or components, or a resource without a reason.
    """
    problems = []
    for cost in costs:
        limit = LIMITS[cost.kind]
        if cost.in_cloud > limit:
            problems.append(
                f"kind {cost.kind}: one more tenant adds {cost.in_cloud} cloud resources, at most {limit} are allowed; "
                f"remove one, or justify another budget"
            )
        if cost.components > MOST_COMPONENTS:
            problems.append(f"kind {cost.kind}: {cost.components} components a tenant, at most {MOST_COMPONENTS}")
        problems += [
            f"kind {cost.kind}: {item.type} {item.name!r} has no reason; write one in bench/budget.py"
            for item in cost.items
            if not item.reason
        ]
    if problems:
        raise BudgetError("\n".join(problems))


def _cost(kind: str, tenant: str, added: list[Registration]) -> KindCost:
    named = [(found, found.name.replace(tenant, "{id}")) for found in added if found.custom]
    items = [
        Item(
            type=found.type,
            name=name,
            reason=REASONS.get(name, ""),
            in_cloud=not found.type.startswith(_IN_STATE_ONLY),
        )
        for found, name in named
    ]
    return KindCost(
        kind=kind,
        items=tuple(sorted(items, key=lambda item: (item.type, item.name))),
        components=sum(not found.custom for found in added),
    )
