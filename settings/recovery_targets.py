"""What a placement and its backups can promise, per failure scope (R3.3), as plain arithmetic.

The minutes are planning figures, stated so that the restore drill can prove or correct them: Cloud SQL ships
transaction logs at least every five minutes; a regional failover takes about a minute; size dominates a clone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from settings.plan import InstancePlan
from settings.types import FailureScope

LOG_SHIPPING_MINUTES: Final = 5
FAILOVER_MINUTES: Final = 5
RESTORE_MINUTES: Final = 60
"""Restore or clone of a whole instance."""
SINGLE_TENANT_RESTORE_MINUTES: Final = 180
"""Clone of a shared instance, export of one database out of it, import: PITR is whole-instance."""
REPLICA_LAG_MINUTES: Final = 5
REPLICA_PROMOTION_MINUTES: Final = 30
EXPORT_INTERVAL_MINUTES: Final = 24 * 60
REBUILD_FROM_EXPORT_MINUTES: Final = 8 * 60
"""A new instance in the backup region, then an import of every export."""


@dataclass(frozen=True, kw_only=True)
class Achievable:
    """RPO and RTO in minutes, and for each the setting that would improve it, where one does."""

    rpo_minutes: int
    rto_minutes: int
    improve_rpo: str | None = None
    improve_rto: str | None = None


def achievable(scope: FailureScope, instance: InstancePlan) -> Achievable:
    """What `instance` can promise when `scope` fails."""
    match scope:
        case "corruption":
            if instance.placement == "shared":
                return Achievable(
                    rpo_minutes=LOG_SHIPPING_MINUTES,
                    rto_minutes=SINGLE_TENANT_RESTORE_MINUTES,
                    improve_rto="set placement to dedicated (to restore one tenant a shared instance is cloned whole)",
                )
            return Achievable(rpo_minutes=LOG_SHIPPING_MINUTES, rto_minutes=RESTORE_MINUTES)
        case "instance":
            if instance.availability == "REGIONAL":
                return Achievable(rpo_minutes=0, rto_minutes=FAILOVER_MINUTES)
            failover = "set availability to REGIONAL"
            return Achievable(
                rpo_minutes=LOG_SHIPPING_MINUTES,
                rto_minutes=RESTORE_MINUTES,
                improve_rpo=failover,
                improve_rto=failover,
            )
        case "region":
            # Native backups and their logs are encrypted with a key of the lost region: they do not count.
            if instance.replica_region is not None:
                return Achievable(rpo_minutes=REPLICA_LAG_MINUTES, rto_minutes=REPLICA_PROMOTION_MINUTES)
            replica = "set replica_region (without a replica, the daily export is the only copy elsewhere)"
            return Achievable(
                rpo_minutes=EXPORT_INTERVAL_MINUTES,
                rto_minutes=REBUILD_FROM_EXPORT_MINUTES,
                improve_rpo=replica,
                improve_rto=replica,
            )
