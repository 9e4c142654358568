"""S3 Object Lock: until when a version of an object cannot be deleted."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, NamedTuple

from sandbox.cloud.values import get_path

if TYPE_CHECKING:
    from sandbox.cloud.store import CloudObject
    from sandbox.cloud.values import Props

CONFIGURATION: Final = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
COMPLIANCE: Final = "COMPLIANCE"
"""The mode that nobody can lift; GOVERNANCE can be bypassed by who may, which `forceDestroy` asks for."""
_DAYS_A_YEAR: Final = 365


class Lock(NamedTuple):
    mode: str
    until: dt.datetime


def default_lock(configuration: Props) -> tuple[str, dt.timedelta] | None:
    """The mode and the term that a bucket gives every new object, or None."""
    rule = get_path(configuration, "rule.defaultRetention") or {}
    days = int(rule.get("days") or 0) + _DAYS_A_YEAR * int(rule.get("years") or 0)
    return (str(rule.get("mode")), dt.timedelta(days=days)) if days else None


def lock_of(item: CloudObject, configuration: Props) -> Lock | None:
    """How long an object's newest version is held: by its own date, or by the default of its bucket."""
    own = item.outputs.get("objectLockRetainUntilDate")
    if own:
        return Lock(str(item.outputs.get("objectLockMode")), dt.datetime.fromisoformat(own))
    default = default_lock(configuration)
    return Lock(default[0], dt.datetime.fromisoformat(item.created) + default[1]) if default else None
