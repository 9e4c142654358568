"""What a destroy leaves behind: protected resources, and what locked retention holds, and until when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandbox.cloud.object_lock import CONFIGURATION, Lock, default_lock, lock_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.cloud import CloudObject

_BUCKET: Final = "gcp:storage/bucket:Bucket"
_OBJECT: Final = "gcp:storage/bucketObject:BucketObject"
_S3_BUCKET: Final = "aws:s3/bucket:Bucket"
_S3_OBJECT: Final = "aws:s3/bucketObjectv2:BucketObjectv2"
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
            reason, until = "protected: it holds data, or the key to data, that is declared as in use", None
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


def _held(objects: Iterable[CloudObject], now: dt.datetime) -> dict[tuple[str, str], tuple[str, dt.datetime | None]]:
    """What locked retention holds, by type and id, and when the last of it ends; None while a bucket is empty."""
    written: dict[str, list[dt.datetime]] = {}
    everything = list(objects)
    for item in everything:
        if item.type == _OBJECT:
            written.setdefault(str(item.outputs.get("bucket")), []).append(_time(item.created))
    held: dict[tuple[str, str], tuple[str, dt.datetime | None]] = {}
    for item in everything:
        policy = item.outputs.get("retentionPolicy") or {}
        if item.type == _BUCKET and policy.get("isLocked"):
            term = dt.timedelta(seconds=int(policy.get("retentionPeriod") or 0))
            ends = [end for time in written.get(item.id, ()) if (end := time + term) > now]
            reason = f"its retention of {term.days} days is locked, and holds {len(ends)} object(s)"
            held[item.type, item.id] = (reason, max(ends, default=None))
        elif item.type == _LOG_BUCKET and item.outputs.get("locked"):
            term = dt.timedelta(days=int(item.outputs.get("retentionDays") or 0))
            end = _time(item.created) + term
            if end > now:
                held[item.type, item.id] = (f"its retention of {term.days} days is locked, it is kept at least", end)
    return held | _held_by_object_lock(everything, now)


def _held_by_object_lock(
    objects: Sequence[CloudObject], now: dt.datetime
) -> dict[tuple[str, str], tuple[str, dt.datetime | None]]:
    """S3 buckets with an Object Lock: what they hold, and when the last of it ends."""
    configurations = {item.id: item.outputs for item in objects if item.type == CONFIGURATION}
    defaults = {bucket: default for bucket, found in configurations.items() if (default := default_lock(found))}
    locks: dict[str, list[Lock]] = {bucket: [] for bucket in defaults}
    for item in objects:
        bucket = str(item.outputs.get("bucket"))
        lock = lock_of(item, configurations.get(bucket, {})) if item.type == _S3_OBJECT else None
        if lock is not None and lock.until > now:
            locks.setdefault(bucket, []).append(lock)
    held: dict[tuple[str, str], tuple[str, dt.datetime | None]] = {}
    for bucket, found in locks.items():
        modes = " and ".join(sorted({lock.mode for lock in found})) or defaults[bucket][0]
        reason = f"its object lock ({modes}) holds {len(found)} object(s)"
        held[_S3_BUCKET, bucket] = (reason, max((lock.until for lock in found), default=None))
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
