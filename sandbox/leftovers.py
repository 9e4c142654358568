"""What a destroy leaves behind: protected resources, and what locked retention holds, and until when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.cloud import CloudObject

_BUCKET: Final = "gcp:storage/bucket:Bucket"
_OBJECT: Final = "gcp:storage/bucketObject:BucketObject"
_LOG_BUCKET: Final = "gcp:logging/projectBucketConfig:ProjectBucketConfig"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One resource that is still there. `until` is when its lock ends; None where no lock holds it."""

    type: str
    name: str
    reason: str
    until: dt.datetime | None = None

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{self.type} {self.name}: {self.reason}{until}"


def leftovers(
    resources: Sequence[Mapping[str, Any]],
    objects: Sequence[CloudObject],
    refusals: Mapping[str, str],
    now: dt.datetime,
) -> list[Leftover]:
    """Why each resource that the state still has was kept.

    Args:
        resources: the deployment's `resources` after the destroy.
        objects: what the cloud still has.
        refusals: the engine's error per URN, for deletions that were tried.
        now: the cloud's time; a retention that has ended holds nothing.
    """
    held = _held(objects, now)
    needed = _needed_by_protected(resources)
    found = []
    for resource in resources:
        if not resource.get("custom") or str(resource["type"]).startswith("pulumi:"):
            continue
        urn, kind, identity = resource["urn"], resource["type"], resource.get("id", "")
        lock = held.pop((kind, identity), None)
        if lock is not None:
            reason, until = lock
        elif resource.get("protect"):
            reason, until = "protected, it holds data that the configuration declares as in use", None
        elif urn in needed:
            reason, until = "a protected resource needs it", None
        else:
            reason, until = refusals.get(urn, "the destroy did not reach it").splitlines()[0], None
        found.append(Leftover(type=kind, name=identity, reason=reason, until=until))
    found += [
        Leftover(type=kind, name=identity, reason=reason, until=until)
        for (kind, identity), (reason, until) in held.items()
    ]
    return found


def _held(objects: Iterable[CloudObject], now: dt.datetime) -> dict[tuple[str, str], tuple[str, dt.datetime]]:
    """Buckets under locked retention and the end of the youngest object's term (the bucket's own where it is empty)."""
    youngest: dict[str, str] = {}
    everything = list(objects)
    for item in everything:
        if item.type == _OBJECT:
            bucket = str(item.outputs.get("bucket"))
            youngest[bucket] = max(youngest.get(bucket, ""), item.created)
    held: dict[tuple[str, str], tuple[str, dt.datetime]] = {}
    for item in everything:
        if item.type == _BUCKET:
            policy = item.outputs.get("retentionPolicy") or {}
            if not policy.get("isLocked") or item.id not in youngest:
                continue
            until = _time(youngest[item.id]) + dt.timedelta(seconds=int(policy.get("retentionPeriod") or 0))
            reason = "its locked retention holds objects"
        elif item.type == _LOG_BUCKET and item.outputs.get("locked"):
            until = _time(item.created) + dt.timedelta(days=int(item.outputs.get("retentionDays") or 0))
            reason = "a locked log bucket, its entries are retained at least"
        else:
            continue
        if until > now:
            held[item.type, item.id] = (reason, until)
    return held


def _needed_by_protected(resources: Sequence[Mapping[str, Any]]) -> set[str]:
    """URNs that protected resources depend on, directly or through others."""
    by_urn = {resource["urn"]: resource for resource in resources}
    waiting = [resource for resource in resources if resource.get("protect")]
    needed: set[str] = set()
    while waiting:
        resource = waiting.pop()
        for urn in [*(resource.get("dependencies") or ()), resource.get("parent")]:
            if urn in by_urn and urn not in needed:
                needed.add(urn)
                waiting.append(by_urn[urn])
    return needed


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
