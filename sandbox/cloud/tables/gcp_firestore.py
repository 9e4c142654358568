"""Firestore: databases that deletion only forgets by default, and their backup schedules.

Source: the google provider's schema and delete, and Google's documentation of databases, quotas and backups.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sandbox.cloud.errors import CloudError
from sandbox.cloud.rules import Parent, Reservation, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis, World

DATABASE: Final = "gcp:firestore/database:Database"
SCHEDULE: Final = "gcp:firestore/backupSchedule:BackupSchedule"
PROTECTED: Final = "DELETE_PROTECTION_ENABLED"
PITR_ON: Final = "POINT_IN_TIME_RECOVERY_ENABLED"
LONGEST_RETENTION_SECONDS: Final = 14 * 7 * 86400
"""A backup is kept for at most 14 weeks."""
REUSE_DAYS: Final = 5 / (24 * 60)
"""The id of a deleted database can be used again after five minutes."""
_NAME: Final = re.compile(r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RECURRENCES: Final = {"dailyRecurrence": "daily", "weeklyRecurrence": "weekly"}


def _check_database(world: World) -> None:
    name = str(world.outputs.get("name"))
    if not _NAME.fullmatch(name) or _UUID.fullmatch(name):
        raise CloudError(
            400,
            f"Invalid database id: {name}. It has 4 to 63 lowercase letters, digits and hyphens, starts with a letter,"
            " ends with a letter or a digit, and does not look like a UUID",
            "invalid",
        )
    if world.outputs.get("databaseEdition") == "ENTERPRISE" and world.outputs.get("type") != "FIRESTORE_NATIVE":
        raise CloudError(400, "The edition ENTERPRISE needs the type FIRESTORE_NATIVE", "invalid")


def _check_schedule(world: World) -> None:
    mine = _recurrence(world.outputs)
    if len(mine) != 1:
        raise CloudError(400, f"{world.id}: exactly one of daily and weekly recurrence must be set", "invalid")
    seconds = float(str(world.outputs.get("retention")).removesuffix("s"))
    if not 0 < seconds <= LONGEST_RETENTION_SECONDS:
        raise CloudError(400, f"{world.id}: the retention {seconds:.0f}s is longer than 14 weeks", "invalid")
    parent = world.id.rpartition("/backupSchedules/")[0]
    for item in world.store.objects(SCHEDULE):
        if item.id != world.id and item.id.startswith(f"{parent}/") and _recurrence(item.outputs) == mine:
            raise CloudError(
                409,
                f"{parent} already has a {mine[0]} backup schedule: a database has at most one daily and one weekly",
                "alreadyExists",
            )


def _recurrence(outputs: Mapping[str, object]) -> list[str]:
    return [word for name, word in _RECURRENCES.items() if outputs.get(name) is not None]


def _schedule_id(made: Synthesis) -> str:
    database = str(made.outputs.get("database")).rsplit("/", 1)[-1]
    return f"projects/{made.project}/databases/{database}/backupSchedules/{made.uuid('schedule')}"


RULES: Final[Mapping[str, Rule]] = {
    DATABASE: Rule(
        immutable=(
            "cmekConfig",
            "databaseEdition",
            "firestoreDataAccessMode",
            "locationId",
            "mongodbCompatibleDataAccessMode",
            "name",
            "project",
            "realtimeUpdatesMode",
            "tags",
        ),
        check_defaults={"pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_DISABLED"},
        server_defaults={
            "appEngineIntegrationMode": "DISABLED",
            "concurrencyMode": "PESSIMISTIC",
            "databaseEdition": "STANDARD",
            "deleteProtectionState": "DELETE_PROTECTION_DISABLED",
        },
        computed={
            "createTime": "{now}",
            "updateTime": "{now}",
            "earliestVersionTime": "{now}",
            "etag": lambda made: f"{made.hex(10, 'etag')}==",
            "keyPrefix": lambda _made: "e",
            "uid": lambda made: made.uuid("uid"),
            "versionRetentionPeriod": lambda made: (
                "604800s" if made.outputs.get("pointInTimeRecoveryEnablement") == PITR_ON else "3600s"
            ),
        },
        recomputed=("updateTime", "versionRetentionPeriod"),
        virtual={"deletionPolicy": "ABANDON"},
        api="firestore.googleapis.com",
        reservation=Reservation(
            REUSE_DAYS, "Database ID '{name}' is not available in project '{project}'. Please retry in 5 minutes."
        ),
        check=_check_database,
    ),
    SCHEDULE: Rule(
        immutable=("dailyRecurrence", "database", "project", "weeklyRecurrence"),
        check_defaults={"database": "(default)"},
        computed={"name": lambda made: made.id.rsplit("/", 1)[-1]},
        id_from=_schedule_id,
        api="firestore.googleapis.com",
        parents=(Parent(DATABASE, "projects/{project}/databases/{database|last}"),),
        check=_check_schedule,
    ),
}
