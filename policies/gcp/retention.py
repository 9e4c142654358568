"""Retention: what must be kept, for how long, and that nothing can be thrown away by a slip (R8.2, R3)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Setting, Severity
from policies.frame.values import ABSENT, UNKNOWN
from policies.gcp.tokens import BUCKET, CRYPTO_KEY, SQL_INSTANCE, is_replica

_BACKUPS = "settings.backupConfiguration"
_EDITIONS = ("ENTERPRISE", "ENTERPRISE_PLUS")
_ROLE_SETTINGS = {"exports": "exportsMinDays", "audit": "auditMinDays"}
"""The bucket roles whose content must be immutable for its retention, and the setting with each one's floor."""


def _sql_backups_enabled(instance: Resource, _: Config) -> Iterator[str]:
    if not is_replica(instance):
        yield from expect.equals(instance.props, f"{_BACKUPS}.enabled", wanted=True)


def _sql_backup_count(instance: Resource, config: Config) -> Iterator[str]:
    if is_replica(instance):
        return
    settings = f"{_BACKUPS}.backupRetentionSettings"
    yield from expect.at_least(instance.props, f"{settings}.retainedBackups", config.number("minBackups"))
    yield from expect.absent_or(instance.props, f"{settings}.retentionUnit", "COUNT")


def _sql_backup_location(instance: Resource, config: Config) -> Iterator[str]:
    if is_replica(instance):
        return
    location = instance.read(f"{_BACKUPS}.location")
    if not config.flag("requireOtherRegion"):
        yield from expect.is_set(instance.props, f"{_BACKUPS}.location")
    elif not isinstance(location, str) or not location:
        yield f"{_BACKUPS}.location {expect.state(location)}; it must be a literal other than the instance's region"
    elif instance.text("region") is None:
        yield f"region {expect.state(instance.read('region'))}; it must be a literal other than the backups' location"
    elif location == instance.text("region"):
        yield f"{_BACKUPS}.location is the instance's own region"


def _sql_point_in_time(instance: Resource, config: Config) -> Iterator[str]:
    if is_replica(instance):
        return
    yield from expect.equals(instance.props, f"{_BACKUPS}.pointInTimeRecoveryEnabled", wanted=True)
    # ENTERPRISE keeps 7 days of logs at most, ENTERPRISE_PLUS 35 (provider documentation). An edition that is not
    # literally the smaller one is held to the larger floor.
    smaller = instance.read("settings.edition") == "ENTERPRISE"
    floor = config.number("enterpriseMinDays" if smaller else "enterprisePlusMinDays")
    yield from expect.at_least(instance.props, f"{_BACKUPS}.transactionLogRetentionDays", floor)


def _sql_edition(instance: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(instance.props, "settings.edition", _EDITIONS)


def _bucket_recoverable(bucket: Resource, _: Config) -> Iterator[str]:
    versioned = bucket.read("versioning.enabled")
    retained = bucket.read("retentionPolicy")
    if versioned is UNKNOWN or retained is UNKNOWN:
        prop = "versioning.enabled" if versioned is UNKNOWN else "retentionPolicy"
        yield f"{prop} is not known during preview; it must be a literal"
    elif versioned is True and retained is not ABSENT:
        yield "versioning and retentionPolicy are both set; a bucket takes one of the two"
    elif versioned is not True and retained is ABSENT:
        yield f"versioning.enabled {expect.state(versioned)} and retentionPolicy is not set; one of the two must be"


def _bucket_locked_retention(bucket: Resource, config: Config) -> Iterator[str]:
    role = bucket.read("labels.role")
    if role is UNKNOWN:
        yield "labels.role is not known during preview; it must be a literal, because it decides the retention"
    elif role in _ROLE_SETTINGS:
        floor = config.number(_ROLE_SETTINGS[role]) * expect.SECONDS_PER_DAY
        yield from expect.seconds_between(bucket.props, "retentionPolicy.retentionPeriod", floor)
        if config.flag("requireLock"):
            yield from expect.equals(bucket.props, "retentionPolicy.isLocked", wanted=True)


def _bucket_force_destroy(bucket: Resource, _: Config) -> Iterator[str]:
    yield from expect.absent_or(bucket.props, "forceDestroy", allowed=False)


def _bucket_soft_delete(bucket: Resource, config: Config) -> Iterator[str]:
    floor = config.number("minDays") * expect.SECONDS_PER_DAY
    yield from expect.seconds_between(bucket.props, "softDeletePolicy.retentionDurationSeconds", floor)


def _key_kept(key: Resource, config: Config) -> Iterator[str]:
    if not key.protect and key.read("deletionPolicy") != "PREVENT":
        yield f"the key is not protected and deletionPolicy {expect.state(key.read('deletionPolicy'))}"
    # The service's own default is 30 days (provider documentation), so unset is safe and a shorter literal is not.
    if key.read("destroyScheduledDuration") is not ABSENT:
        floor = config.number("minDestroyDays") * expect.SECONDS_PER_DAY
        yield from expect.seconds_between(key.props, "destroyScheduledDuration", floor)


RULES = (
    ResourceRule(
        name="sql-backups-enabled",
        family=Family.RETENTION,
        refuses="A Cloud SQL primary without automated backups.",
        severity=Severity.CRITICAL,
        remediation="Set settings.backup_configuration.enabled to True, as a literal.",
        requirements=("R8.2", "R3.1"),
        tokens=(SQL_INSTANCE,),
        check=_sql_backups_enabled,
    ),
    ResourceRule(
        name="sql-backup-count",
        family=Family.RETENTION,
        refuses="A Cloud SQL primary that keeps fewer automated backups than the environment's floor.",
        severity=Severity.HIGH,
        remediation="Raise settings.backup_configuration.backup_retention_settings.retained_backups, counted in COUNT.",
        requirements=("R8.2", "R3.1"),
        settings=(Setting(name="minBackups", default=30, minimum=7, description="Automated backups to keep."),),
        tokens=(SQL_INSTANCE,),
        check=_sql_backup_count,
    ),
    ResourceRule(
        name="sql-backup-location",
        family=Family.RETENTION,
        refuses="A Cloud SQL primary whose backups have no stated location, or stay in its own region.",
        severity=Severity.HIGH,
        remediation="Set settings.backup_configuration.location to a literal multi-region or another region.",
        requirements=("R8.2", "R1.5"),
        settings=(
            Setting(
                name="requireOtherRegion", default=True, description="Whether backups must leave the instance's region."
            ),
        ),
        tokens=(SQL_INSTANCE,),
        check=_sql_backup_location,
    ),
    ResourceRule(
        name="sql-point-in-time",
        family=Family.RETENTION,
        refuses="A Cloud SQL primary without point-in-time recovery over the environment's floor of days.",
        severity=Severity.HIGH,
        remediation=(
            "Set settings.backup_configuration.point_in_time_recovery_enabled and transaction_log_retention_days as "
            "literals; more than 7 days need the ENTERPRISE_PLUS edition."
        ),
        requirements=("R8.2", "R3.1"),
        settings=(
            Setting(name="enterpriseMinDays", default=7, description="Days of logs on ENTERPRISE, which allows 7."),
            Setting(
                name="enterprisePlusMinDays",
                default=30,
                description="Days of logs on ENTERPRISE_PLUS, which allows 35.",
            ),
        ),
        tokens=(SQL_INSTANCE,),
        check=_sql_point_in_time,
    ),
    ResourceRule(
        name="sql-edition",
        family=Family.RETENTION,
        refuses="A Cloud SQL instance that leaves its edition to the provider's default.",
        severity=Severity.MEDIUM,
        remediation="Set settings.edition as a literal: it decides how many days of logs are kept, and the price.",
        requirements=("R8.2",),
        tokens=(SQL_INSTANCE,),
        check=_sql_edition,
    ),
    ResourceRule(
        name="bucket-recoverable",
        family=Family.RETENTION,
        refuses="A bucket with neither versioning nor a retention policy, or with both.",
        severity=Severity.HIGH,
        remediation="Turn versioning on, or give the bucket a retention policy, never both.",
        requirements=("R8.2", "R4.1"),
        tokens=(BUCKET,),
        check=_bucket_recoverable,
    ),
    ResourceRule(
        name="bucket-locked-retention",
        family=Family.RETENTION,
        refuses="A bucket with the role exports or audit whose retention is not locked, or is too short.",
        severity=Severity.CRITICAL,
        remediation="Set retention_policy.retention_period (seconds) and is_locked as literals.",
        requirements=("R8.2", "R3.2", "R3.5", "R6.6"),
        settings=(
            Setting(name="exportsMinDays", default=30, description="Days for which exports are kept (R3.2)."),
            Setting(name="auditMinDays", default=365, description="Days for which audit logs are kept (R6.6)."),
            Setting(name="requireLock", default=True, description="Whether the retention must be locked, for good."),
        ),
        tokens=(BUCKET,),
        check=_bucket_locked_retention,
    ),
    ResourceRule(
        name="bucket-force-destroy",
        family=Family.RETENTION,
        refuses="A bucket that may be deleted with everything in it.",
        severity=Severity.HIGH,
        remediation="Remove force_destroy, or set it to False.",
        requirements=("R8.2",),
        tokens=(BUCKET,),
        check=_bucket_force_destroy,
    ),
    ResourceRule(
        name="bucket-soft-delete",
        family=Family.RETENTION,
        refuses="A bucket that does not keep deleted objects for a while.",
        severity=Severity.MEDIUM,
        remediation="Set soft_delete_policy.retention_duration_seconds to at least 604800 (7 days), as a literal.",
        requirements=("R8.2",),
        settings=(Setting(name="minDays", default=7, minimum=7, description="Days for which deleted objects stay."),),
        tokens=(BUCKET,),
        check=_bucket_soft_delete,
    ),
    ResourceRule(
        name="key-kept",
        family=Family.RETENTION,
        refuses="A key that can be destroyed by a slip; with it goes all the data that it encrypts.",
        severity=Severity.CRITICAL,
        remediation='Set protect=True or deletion_policy="PREVENT", and leave destroy_scheduled_duration at 30 days.',
        requirements=("R8.2",),
        settings=(
            Setting(name="minDestroyDays", default=30, description="Days between scheduling and destroying a version."),
        ),
        tokens=(CRYPTO_KEY,),
        check=_key_kept,
    ),
)
