"""Firestore: a customer-managed key, point-in-time recovery and both of its backup schedules (R8.1, R8.2, R3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Setting, Severity, StackRule
from policies.frame.values import ABSENT
from policies.gcp.tokens import FIRESTORE_DATABASE, FIRESTORE_SCHEDULE

LONGEST_DAYS = 98
"""Firestore keeps a backup for 14 weeks at most (provider documentation)."""


def _cmek(database: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(database.props, "cmekConfig.kmsKeyName")


def _point_in_time(database: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(database.props, "pointInTimeRecoveryEnablement", wanted="POINT_IN_TIME_RECOVERY_ENABLED")


def _backups(stack: Index, config: Config) -> Iterator[Finding]:
    floors = {
        "dailyRecurrence": ("daily", config.number("dailyMinDays")),
        "weeklyRecurrence": ("weekly", config.number("weeklyMinDays")),
    }
    for database in stack.of(FIRESTORE_DATABASE):
        schedules = stack.siblings(database, (FIRESTORE_SCHEDULE,), "database", database.text("name"))
        for recurrence, (word, days) in floors.items():
            # An empty object is how a daily recurrence is written, so presence is all that there is to see.
            found = [schedule for schedule in schedules if schedule.read(recurrence) is not ABSENT]
            if not found:
                yield Finding(f"the database has no {word} backup schedule", database.urn)
            for schedule in found:
                for message in expect.seconds_between(schedule.props, "retention", days * expect.SECONDS_PER_DAY):
                    yield Finding(f"the {word} schedule's {message}", schedule.urn)


RULES = (
    ResourceRule(
        name="firestore-cmek",
        family=Family.ENCRYPTION,
        refuses="A Firestore database without a customer-managed key.",
        severity=Severity.HIGH,
        remediation=(
            "Set cmek_config.kms_key_name to a key of the database's location; it cannot be added later in place, and "
            "the project's quota for such databases is 0 until Google raises it."
        ),
        requirements=("R8.1",),
        tokens=(FIRESTORE_DATABASE,),
        check=_cmek,
    ),
    ResourceRule(
        name="firestore-point-in-time",
        family=Family.RETENTION,
        refuses="A Firestore database that cannot be restored to a point in time.",
        severity=Severity.HIGH,
        remediation='Set point_in_time_recovery_enablement to "POINT_IN_TIME_RECOVERY_ENABLED", as a literal.',
        requirements=("R8.2", "R3.1"),
        tokens=(FIRESTORE_DATABASE,),
        check=_point_in_time,
    ),
)

STACK_RULES = (
    StackRule(
        name="firestore-backups",
        family=Family.RETENTION,
        refuses="A Firestore database without a daily and a weekly backup schedule, or with backups kept too briefly.",
        severity=Severity.CRITICAL,
        remediation="Give the database a BackupSchedule of each kind, with retention (seconds) as a literal.",
        requirements=("R8.2", "R8.4", "R3.1"),
        settings=(
            Setting(
                name="dailyMinDays",
                default=7,
                maximum=LONGEST_DAYS,
                description="Days for which a daily Firestore backup is kept (R3.1).",
            ),
            Setting(
                name="weeklyMinDays",
                default=98,
                maximum=LONGEST_DAYS,
                description="Days for which a weekly Firestore backup is kept (R3.1: 14 weeks).",
            ),
        ),
        check=_backups,
    ),
)
