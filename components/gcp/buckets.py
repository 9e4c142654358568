"""Buckets by role: what each keeps, for how long, and in which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import BucketRole
from components.guard import Guard, deletion_policy

_DAY: Final = 86400
_SOFT_DELETE_DAYS: Final = 30
# Storage classes bill a minimum stay: 30 days nearline, 90 coldline, 365 archive.
_NONCURRENT_STEPS: Final = ((30, "NEARLINE"), (90, "COLDLINE"))
_NONCURRENT_DELETE_DAYS: Final = 365
_ARCHIVE_STEPS: Final = ((30, "NEARLINE"), (90, "COLDLINE"), (365, "ARCHIVE"))
_LATE_DELETE_DAYS: Final = 7


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """One bucket.

    Attributes:
        name: global name, at most 63 characters.
        role: decides versioning, lock and lifecycle.
        location: region.
        retention_days: for exports and audit: how long nothing can be deleted.
        lock: make that retention irrevocable.
        labels: beyond the provider's default labels.
        guarded: whether its deletion is refused.
    """

    name: str
    role: BucketRole
    location: str
    retention_days: int | None = None
    lock: bool = False
    labels: Mapping[str, str]
    guarded: bool = True


def create_bucket(
    name: str,
    spec: BucketSpec,
    *,
    project: str,
    key: gcp.kms.CryptoKey,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.storage.Bucket:
    """Create a private, encrypted bucket with either versions or a retention lock, never both.

    Args:
        name: Pulumi name.
        spec: what to create.
        project: project id.
        key: key in the bucket's own region.
        depends_on: the storage agent's grant on the key.
        guard: the deletion guard.
        parent: owning component.
    """
    retained = spec.retention_days is not None
    return gcp.storage.Bucket(
        name,
        name=spec.name,
        project=project,
        location=spec.location.upper(),
        storage_class="STANDARD",
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        force_destroy=False,
        encryption={"default_kms_key_name": key.id},
        versioning=None if retained else {"enabled": True},
        retention_policy={"retention_period": str((spec.retention_days or 0) * _DAY), "is_locked": spec.lock}
        if retained
        else None,
        soft_delete_policy={"retention_duration_seconds": _SOFT_DELETE_DAYS * _DAY},
        lifecycle_rules=_lifecycle(spec),
        labels={"role": spec.role, **spec.labels},
        deletion_policy=deletion_policy(guarded=spec.guarded),
        opts=guard.options(parent, guarded=spec.guarded, depends_on=depends_on),
    )


def _lifecycle(spec: BucketSpec) -> list[gcp.storage.BucketLifecycleRuleArgsDict]:
    """Classes by age; a kept bucket ages its objects, a versioned one its superseded versions."""
    if spec.retention_days is not None:
        steps = [step for step in _ARCHIVE_STEPS if step[0] < spec.retention_days]
        rules: list[gcp.storage.BucketLifecycleRuleArgsDict] = [
            {"action": {"type": "SetStorageClass", "storage_class": storage}, "condition": {"age": age}}
            for age, storage in steps
        ]
        rules.append({"action": {"type": "Delete"}, "condition": {"age": spec.retention_days + _LATE_DELETE_DAYS}})
        return rules
    rules = [
        {
            "action": {"type": "SetStorageClass", "storage_class": storage},
            "condition": {"days_since_noncurrent_time": days, "with_state": "ARCHIVED"},
        }
        for days, storage in _NONCURRENT_STEPS
    ]
    rules.append(
        {
            "action": {"type": "Delete"},
            "condition": {"days_since_noncurrent_time": _NONCURRENT_DELETE_DAYS, "with_state": "ARCHIVED"},
        }
    )
    return rules
