"""What a database and its backups can promise, per failure scope (R3.3), as plain arithmetic.

The minutes are planning figures, stated so that the restore drill can prove or correct them: Cloud SQL and RDS ship
transaction logs at least every five minutes; a failover to another zone takes about a minute; size dominates a clone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from settings.plan import ExternalPlan, FirestorePlan, InstancePlan
from settings.types import FIRESTORE_MULTI_REGIONS, FailureScope

LOG_SHIPPING_MINUTES: Final = 5
FAILOVER_MINUTES: Final = 5
RESTORE_MINUTES: Final = 60
"""Restore or clone of a whole instance."""
SINGLE_TENANT_RESTORE_MINUTES: Final = 180
"""Clone of a shared instance, export of one database out of it, import: PITR is whole-instance."""
REPLICA_LAG_MINUTES: Final = 5
"""Cloud SQL: a replica in another region, which RDS refuses."""
REPLICA_PROMOTION_MINUTES: Final = 30
REPLICATED_BACKUP_LAG_MINUTES: Final = 30
"""RDS: automated backups are replicated to the backup region, under a key of that region."""
REPLICATED_BACKUP_RESTORE_MINUTES: Final = 120
"""RDS: a new instance in the backup region from the replicated backups."""
EXPORT_INTERVAL_MINUTES: Final = 24 * 60
REBUILD_FROM_EXPORT_MINUTES: Final = 8 * 60
"""A new instance or database in the backup region, then an import of every export."""
FIRESTORE_PITR_MINUTES: Final = 1
"""Firestore keeps a version of every minute for seven days."""
FIRESTORE_RESTORE_MINUTES: Final = 120
"""A new database from a version or a backup, to which the tenant is then pointed: Firestore restores to new ones."""
DUMP_RESTORE_MINUTES: Final = 120
"""One database from its dump into a new one at a provider, and its new URL in the secrets."""


@dataclass(frozen=True, kw_only=True)
class Achievable:
    """RPO and RTO in minutes, who reaches them, and for each the setting that would improve it, where one does."""

    who: str
    rpo_minutes: int
    rto_minutes: int
    improve_rpo: str | None = None
    improve_rto: str | None = None


def of_instance(scope: FailureScope, instance: InstancePlan) -> Achievable:
    """What a tenant on `instance` can count on when `scope` fails."""
    who = "its own instance" if instance.placement == "dedicated" else instance.key.replace("-", " ", 1)
    match scope:
        case "corruption" if instance.placement == "shared":
            return Achievable(
                who=who,
                rpo_minutes=LOG_SHIPPING_MINUTES,
                rto_minutes=SINGLE_TENANT_RESTORE_MINUTES,
                improve_rto="set placement to dedicated (to restore one tenant a shared instance is cloned whole)",
            )
        case "corruption":
            return Achievable(who=who, rpo_minutes=LOG_SHIPPING_MINUTES, rto_minutes=RESTORE_MINUTES)
        case "instance" if instance.availability == "REGIONAL":
            return Achievable(who=who, rpo_minutes=0, rto_minutes=FAILOVER_MINUTES)
        case "instance":
            failover = "set availability to REGIONAL"
            return Achievable(
                who=who,
                rpo_minutes=LOG_SHIPPING_MINUTES,
                rto_minutes=RESTORE_MINUTES,
                improve_rpo=failover,
                improve_rto=failover,
            )
        case "region":
            return _instance_without_its_region(instance, who)


def _instance_without_its_region(instance: InstancePlan, who: str) -> Achievable:
    if instance.kind == "rds":
        return Achievable(
            who=who, rpo_minutes=REPLICATED_BACKUP_LAG_MINUTES, rto_minutes=REPLICATED_BACKUP_RESTORE_MINUTES
        )
    if instance.replica_region is not None:
        return Achievable(who=who, rpo_minutes=REPLICA_LAG_MINUTES, rto_minutes=REPLICA_PROMOTION_MINUTES)
    # Cloud SQL's native backups and their logs are encrypted with a key of the lost region: they do not count.
    replica = "set replica_region (without a replica, the daily export is the only copy elsewhere)"
    return Achievable(
        who=who,
        rpo_minutes=EXPORT_INTERVAL_MINUTES,
        rto_minutes=REBUILD_FROM_EXPORT_MINUTES,
        improve_rpo=replica,
        improve_rto=replica,
    )


def of_firestore(scope: FailureScope, database: FirestorePlan) -> Achievable:
    """What a Firestore tenant can count on when `scope` fails."""
    who = "its Firestore database"
    if scope == "corruption":
        return Achievable(who=who, rpo_minutes=FIRESTORE_PITR_MINUTES, rto_minutes=FIRESTORE_RESTORE_MINUTES)
    if scope == "instance" or database.location in FIRESTORE_MULTI_REGIONS:
        # served from several zones, or regions, at once
        return Achievable(who=who, rpo_minutes=0, rto_minutes=FAILOVER_MINUTES)
    # with a customer-managed key a multi-region is refused, so there it would be no advice
    improve = None if database.cmek else f"set firestore.location to one of {', '.join(FIRESTORE_MULTI_REGIONS)}"
    return Achievable(
        who=who,
        rpo_minutes=EXPORT_INTERVAL_MINUTES,
        rto_minutes=REBUILD_FROM_EXPORT_MINUTES,
        improve_rpo=improve,
        improve_rto=improve,
    )


def of_guest(scope: FailureScope, guest: ExternalPlan) -> Achievable:
    """What an external tenant can count on: the provider's attested recovery, or else the nightly export."""
    attested = guest.attested
    if attested is not None and scope in attested.scopes:
        renew = "set external.attested to what a newer restore at the provider has shown"
        return Achievable(
            who=f"the recovery attested on {attested.verified_on}",
            rpo_minutes=attested.rpo_minutes,
            rto_minutes=attested.rto_minutes,
            improve_rpo=renew,
            improve_rto=renew,
        )
    if attested is None:
        attest = "set external.attested once a restore at the provider has been seen to work"
    else:
        attest = f"add {scope} to external.attested.scopes if the provider's recovery covers it"
    return Achievable(
        who="the nightly export",
        rpo_minutes=EXPORT_INTERVAL_MINUTES,
        rto_minutes=DUMP_RESTORE_MINUTES,
        improve_rpo=attest,
        improve_rto=attest,
    )
