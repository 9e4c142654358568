"""Reports how old each newest export, drill and version of a secret is, for every tenant, instance and secret.

Absence raises no event of its own, so this job looks every hour and writes one log line each; alerts read the numbers.
What is missing altogether is as old as the thing that should have it: it never stays silent, and never starts at zero.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobs.ages import Ages
from jobs.clouds import open_cloud
from jobs.dumps.layout import DUMPED_KINDS, EXTERNAL, drill_object, dump_prefix, manifest_time
from jobs.sql.apply import explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.stores import Objects

_HOUR: Final = 3600.0
_DAY: Final = 86400.0
_STAMP: Final = re.compile(r"/(\d{4}-\d{2}-\d{2}T\d{6}Z)-[^/]+\.sql\.gz$")

_FIRESTORE_STAMP: Final = re.compile(
    r"^firestore/[^/]+/(\d{4}-\d{2}-\d{2}T\d{6}Z)-[^/]+/[^/]+\.overall_export_metadata$"
)


class _Listing(Protocol):
    """What this job needs of the exports bucket."""

    def names(self, prefix: str) -> list[str]: ...


class _Tenant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    kind: str
    state: str
    instance: str = EXTERNAL  # a guest has no instance of ours
    database: str = ""


class _Instance(BaseModel):
    model_config = ConfigDict(extra="ignore")

    kind: str


class _Drill(BaseModel):
    model_config = ConfigDict(extra="ignore")

    succeeded_at: AwareDatetime | None = Field(default=None)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One look at everything.

    Attributes:
        registry: the registry bucket.
        exports: the exports bucket.
        now: the current time, with its zone.
    """

    registry: Objects
    exports: _Listing
    ages: Ages
    log: Log
    now: datetime

    def run(self) -> bool:
        """Report every age; return whether all could be told. One damaged object hides nobody else's age."""
        reported = failed = 0
        for part in (self._tenants, self._instances, self._secrets):
            done, wrong = part()
            reported, failed = reported + done, failed + wrong
        self.log.event(
            "ERROR" if failed else "INFO",
            "freshness.summary",
            f"{reported} ages reported, {failed} could not be told",
            result="failed" if failed else "ok",
            reported=reported,
            failed=failed,
        )
        return failed == 0

    def _tenants(self) -> tuple[int, int]:
        return self._each(self.registry.names("tenants/"), self._tenant)

    def _tenant(self, name: str) -> int:
        content = self.registry.read(name)
        if content is None:  # removed since it was listed
            return 0
        tenant = _Tenant.model_validate_json(content)
        if tenant.kind == "cloudsql":  # drilled with its instance
            found = self.exports.names(f"sql/{tenant.instance}/{tenant.database}/")
            stamps = [_time(stamp[1]) for path in found if (stamp := _STAMP.search(path))]
            return self._export(name, tenant, stamps, instance=tenant.instance)
        if tenant.kind == "firestore":
            # an export's last object: one that was cut off has none
            found = self.exports.names(f"firestore/{tenant.id}/")
            stamps = [_time(stamp[1]) for path in found if (stamp := _FIRESTORE_STAMP.search(path))]
            key = f"firestore-{tenant.id}"
            return self._export(name, tenant, stamps, instance="firestore") + self._drill(
                name, f"drills/{key}.json", instance=key, tenant=tenant.id
            )
        if tenant.kind in DUMPED_KINDS:
            # the manifest and not the dump: it is written when the store has confirmed the upload
            found = self.exports.names(dump_prefix(tenant.id))
            stamps = [time for path in found if (time := manifest_time(path)) is not None]
            result = drill_object(tenant.id)
            return self._export(name, tenant, stamps, instance=tenant.instance) + self._drill(
                name, result, instance=tenant.instance, tenant=tenant.id
            )
        return 0  # a kind that only a newer program knows; the jobs that serve tenants fail for it by name

    def _export(self, name: str, tenant: _Tenant, stamps: list[datetime], *, instance: str) -> int:
        newest = max(stamps, default=None) or self.ages.created(name)
        if newest is None:
            return 0
        age = round((self.now - newest).total_seconds() / _HOUR, 2)
        self.log.event(
            "INFO",
            "freshness.export",
            f"{tenant.id}: {age} hours" + ("" if stamps else ", never exported"),
            tenant=tenant.id,
            instance=instance,
            age_hours=age,
            missing=not stamps,
            # a suspended tenant is exported as before; only its alerts are quiet
            muted=tenant.state == "suspended",
        )
        return 1

    def _instances(self) -> tuple[int, int]:
        return self._each(self.registry.names("instances/"), self._instance)

    def _instance(self, name: str) -> int:
        content = self.registry.read(name)
        if content is None or _Instance.model_validate_json(content).kind != "cloudsql":
            return 0
        key = name.removeprefix("instances/").removesuffix(".json")
        return self._drill(name, f"drills/{key}.json", instance=key, tenant=None)

    def _drill(self, declared: str, result: str, *, instance: str, tenant: str | None) -> int:
        content = self.registry.read(result)
        succeeded = None if content is None else _Drill.model_validate_json(content).succeeded_at
        since = succeeded or self.ages.created(declared)
        if since is None:
            return 0
        age = round((self.now - since).total_seconds() / _DAY, 2)
        self.log.event(
            "INFO",
            "freshness.drill",
            f"{tenant or instance}: {age} days" + ("" if succeeded else ", never drilled with success"),
            instance=instance,
            tenant=tenant,
            age_days=age,
            missing=succeeded is None,
        )
        return 1

    def _secrets(self) -> tuple[int, int]:
        try:
            found = self.ages.secrets()
        except (JobError, OSError) as error:
            self._problem("secrets", error)
            return 0, 1
        for secret, created in found:
            age = round((self.now - created).total_seconds() / _DAY, 2)
            self.log.event("INFO", "freshness.secret", f"{secret}: {age} days", secret=secret, age_days=age)
        return len(found), 0

    def _each(self, names: Sequence[str], report: Callable[[str], int]) -> tuple[int, int]:
        """Report on each; return how many ages were told, and how many objects could not be judged."""
        told = failed = 0
        for name in names:
            try:
                told += report(name)
            except (JobError, OSError, ValueError) as error:
                self._problem(name, error)
                failed += 1
        return told, failed

    def _problem(self, name: str, error: Exception) -> None:
        text = f"{name} is damaged ({type(error).__name__})" if isinstance(error, ValueError) else str(error)
        self.log.event("ERROR", "freshness.problem", text, object=name, error=text)


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)


def main(variables: Mapping[str, str], log: Log) -> int:
    """Look once; return the exit code: 1 when an age could not be told."""
    try:
        cloud = open_cloud(variables)
        watch = Watch(registry=cloud.registry, exports=cloud.exports, ages=cloud.ages, log=log, now=datetime.now(UTC))
        return 0 if watch.run() else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        text = explain(error)
        log.event("ERROR", "freshness.summary", text, result="failed", error=text)
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
