"""Retention on AWS: what must be kept, for how long, and that nothing is thrown away by a slip (R8.2, R3)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.aws.tokens import (
    BACKUP_PLAN,
    BACKUP_VAULT,
    KMS_KEY,
    KMS_REPLICA_KEY,
    RDS_BACKUP_REPLICATION,
    RDS_CLUSTER,
    RDS_INSTANCE,
    S3_BUCKETS,
    SECRET,
    is_replica,
)
from policies.frame import expect
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Setting, Severity
from policies.frame.values import ABSENT, Missing, items, read

CONTINUOUS_DAYS = 35
"""AWS Backup and RDS keep continuous backups for 35 days at most (provider documentation)."""


def _rds_backups(database: Resource, config: Config) -> Iterator[str]:
    if not is_replica(database):
        yield from expect.at_least(database.props, "backupRetentionPeriod", config.number("minDays"))


def _rds_kept(database: Resource, _: Config) -> Iterator[str]:
    if is_replica(database):
        return
    yield from expect.equals(database.props, "deleteAutomatedBackups", wanted=False)
    yield from expect.equals(database.props, "copyTagsToSnapshot", wanted=True)
    yield from expect.absent_or(database.props, "skipFinalSnapshot", allowed=False)
    yield from expect.is_set(database.props, "finalSnapshotIdentifier")


def _backup_copy(copy: Resource, config: Config) -> Iterator[str]:
    yield from expect.at_least(copy.props, "retentionPeriod", config.number("minDays"))


def _force_destroy(store: Resource, _: Config) -> Iterator[str]:
    yield from expect.absent_or(store.props, "forceDestroy", allowed=False)


def _key_kept(key: Resource, config: Config) -> Iterator[str]:
    if not key.protect:
        yield "the key is not protected"
    # Without a window the service waits 30 days.
    if key.read("deletionWindowInDays") is not ABSENT:
        yield from expect.at_least(key.props, "deletionWindowInDays", config.number("minDays"))
    yield from expect.absent_or(key.props, "enabled" if key.token == KMS_REPLICA_KEY else "isEnabled", allowed=True)


def _secret_recovery(secret: Resource, config: Config) -> Iterator[str]:
    # Without a window the service waits 30 days; 0 deletes at once.
    if secret.read("recoveryWindowInDays") is not ABSENT:
        yield from expect.at_least(secret.props, "recoveryWindowInDays", config.number("minDays"))


def _backup_plan(plan: Resource, config: Config) -> Iterator[str]:
    rules = plan.items("rules")
    if isinstance(rules, Missing) or not rules:
        found = "is empty" if not rules else expect.state(rules)
        yield f"rules {found}; it must be a literal"
        return
    floor = config.number("minDays")
    for position, rule in enumerate(rules):
        continuous = read(rule, "enableContinuousBackup") is True
        wanted = min(floor, CONTINUOUS_DAYS) if continuous else floor
        for message in expect.at_least(rule, "lifecycle.deleteAfter", wanted):
            yield f"rules[{position}].{message}"
        copies = items(rule, "copyActions")
        for number, copy in enumerate([] if isinstance(copies, Missing) else copies):
            for message in expect.at_least(copy, "lifecycle.deleteAfter", floor):
                yield f"rules[{position}].copyActions[{number}].{message}"


RULES = (
    ResourceRule(
        name="rds-backups",
        family=Family.RETENTION,
        refuses="A database whose automated backups are off, or kept too briefly.",
        severity=Severity.CRITICAL,
        remediation="Set backup_retention_period (days, at most 35) as a literal: the default is 0, which is none.",
        requirements=("R8.2", "R3.1"),
        settings=(
            Setting(
                name="minDays",
                default=30,
                maximum=CONTINUOUS_DAYS,
                description="Days of automated backups, and of recovery to a point in time.",
            ),
        ),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_rds_backups,
    ),
    ResourceRule(
        name="rds-kept",
        family=Family.RETENTION,
        refuses="A database whose backups go with it, or that goes without a last snapshot.",
        severity=Severity.HIGH,
        remediation=(
            "Set delete_automated_backups=False, copy_tags_to_snapshot=True, skip_final_snapshot=False and "
            "final_snapshot_identifier, as literals: the defaults delete."
        ),
        requirements=("R8.2", "R2.6"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_rds_kept,
    ),
    ResourceRule(
        name="rds-backup-copy",
        family=Family.RETENTION,
        refuses="Backups that are kept too briefly in the other region.",
        severity=Severity.HIGH,
        remediation="Set retention_period (days) as a literal.",
        requirements=("R8.2", "R1.5"),
        settings=(
            Setting(
                name="minDays",
                default=7,
                maximum=CONTINUOUS_DAYS,
                description="Days for which the copies of automated backups are kept.",
            ),
        ),
        tokens=(RDS_BACKUP_REPLICATION,),
        check=_backup_copy,
    ),
    ResourceRule(
        name="aws-force-destroy",
        family=Family.RETENTION,
        refuses="A bucket or vault that may be deleted with everything in it.",
        severity=Severity.HIGH,
        remediation="Remove force_destroy, or set it to False.",
        requirements=("R8.2",),
        tokens=(*S3_BUCKETS, BACKUP_VAULT),
        check=_force_destroy,
    ),
    ResourceRule(
        name="kms-kept",
        family=Family.RETENTION,
        refuses="A key that can be destroyed by a slip; with it goes all the data that it encrypts.",
        severity=Severity.CRITICAL,
        remediation="Set protect=True, leave the key enabled, and leave deletion_window_in_days at 30.",
        requirements=("R8.2",),
        settings=(
            Setting(
                name="minDays",
                default=30,
                minimum=7,
                maximum=30,
                description="Days between scheduling a key's deletion and the deletion.",
            ),
        ),
        tokens=(KMS_KEY, KMS_REPLICA_KEY),
        check=_key_kept,
    ),
    ResourceRule(
        name="secret-recovery",
        family=Family.RETENTION,
        refuses="A secret that is gone as soon as it is deleted.",
        severity=Severity.MEDIUM,
        remediation="Leave recovery_window_in_days unset (30), or set it to at least 7, as a literal.",
        requirements=("R8.2",),
        settings=(
            Setting(
                name="minDays",
                default=7,
                minimum=0,
                maximum=30,
                description="Days for which a deleted secret can be restored; 0 where stacks come and go.",
            ),
        ),
        tokens=(SECRET,),
        check=_secret_recovery,
    ),
    ResourceRule(
        name="backup-plan",
        family=Family.RETENTION,
        refuses="A backup plan that keeps backups, or their copies, too briefly.",
        severity=Severity.HIGH,
        remediation="Set lifecycle.delete_after (days) of every rule and copy action as a literal.",
        requirements=("R8.2", "R3.1", "R3.5"),
        settings=(Setting(name="minDays", default=30, description="Days for which AWS Backup keeps a backup."),),
        tokens=(BACKUP_PLAN,),
        check=_backup_plan,
    ),
)
