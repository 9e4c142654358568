"""Reports how old the newest export of each tenant, drill of each instance and version of each secret is.

Absence raises no event of its own, so this job looks every hour and writes one log line each; alerts read the numbers.
What is missing altogether is as old as the thing that should have it: it never stays silent, and never starts at zero.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobs.sql import gcp
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.stores import Objects

_HOUR: Final = 3600.0
_DAY: Final = 86400.0
_STAMP: Final = re.compile(r"/(\d{4}-\d{2}-\d{2}T\d{6}Z)-[^/]+\.sql\.gz$")
_LABEL: Final = "labels.managed-by=tenantry"
_STORAGE: Final = "https://storage.googleapis.com/storage/v1"
_SECRETS: Final = "https://secretmanager.googleapis.com/v1"


class Ages(Protocol):
    """Times that only the cloud knows."""

    def created(self, name: str) -> datetime | None:
        """When a registry object was first declared; None when it is gone."""

    def secrets(self) -> list[tuple[str, datetime]]:
        """The project's own secrets: short name, and when its newest enabled version (else the secret) was made."""


class _Tenant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    kind: str
    state: str
    instance: str
    database: str


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
    exports: Objects
    ages: Ages
    log: Log
    now: datetime

    def run(self) -> bool:
        """Report every age; return whether all could be told. One damaged object hides nobody else's age."""
        reported = failed = 0
        for part in (self._exports, self._drills, self._secrets):
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

    def _exports(self) -> tuple[int, int]:
        return self._each(self.registry.names("tenants/"), self._export)

    def _export(self, name: str) -> None:
        content = self.registry.read(name)
        if content is None:  # removed since it was listed
            return
        tenant = _Tenant.model_validate_json(content)
        if tenant.kind != "cloudsql":
            return
        stamps = [
            datetime.strptime(found[1], "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
            for path in self.exports.names(f"sql/{tenant.instance}/{tenant.database}/")
            if (found := _STAMP.search(path))
        ]
        newest = max(stamps, default=None) or self.ages.created(name)
        if newest is None:
            return
        age = round((self.now - newest).total_seconds() / _HOUR, 2)
        self.log.event(
            "INFO",
            "freshness.export",
            f"{tenant.id}: {age} hours" + ("" if stamps else ", never exported"),
            tenant=tenant.id,
            instance=tenant.instance,
            age_hours=age,
            missing=not stamps,
            # a suspended tenant is exported as before; only its alerts are quiet
            muted=tenant.state == "suspended",
        )

    def _drills(self) -> tuple[int, int]:
        return self._each(self.registry.names("instances/"), self._drill)

    def _drill(self, name: str) -> None:
        key = name.removeprefix("instances/").removesuffix(".json")
        content = self.registry.read(f"drills/{key}.json")
        succeeded = None if content is None else _Drill.model_validate_json(content).succeeded_at
        since = succeeded or self.ages.created(name)
        if since is None:
            return
        age = round((self.now - since).total_seconds() / _DAY, 2)
        self.log.event(
            "INFO",
            "freshness.drill",
            f"{key}: {age} days" + ("" if succeeded else ", never drilled with success"),
            instance=key,
            age_days=age,
            missing=succeeded is None,
        )

    def _secrets(self) -> tuple[int, int]:
        try:
            found = self.ages.secrets()
        except JobError as error:
            self._problem("secrets", error)
            return 0, 1
        for secret, created in found:
            age = round((self.now - created).total_seconds() / _DAY, 2)
            self.log.event("INFO", "freshness.secret", f"{secret}: {age} days", secret=secret, age_days=age)
        return len(found), 0

    def _each(self, names: Sequence[str], report: Callable[[str], None]) -> tuple[int, int]:
        failed = 0
        for name in names:
            try:
                report(name)
            except (JobError, ValueError) as error:
                self._problem(name, error)
                failed += 1
        return len(names) - failed, failed

    def _problem(self, name: str, error: Exception) -> None:
        text = str(error) if isinstance(error, JobError) else f"{name} is damaged ({type(error).__name__})"
        self.log.event("ERROR", "freshness.problem", text, object=name, error=text)


class CloudAges:
    """Times from Cloud Storage and Secret Manager; no secret's value is ever read."""

    def __init__(self, session: gcp.Session, *, project: str, registry_bucket: str) -> None:
        self._session = session
        self._project = project
        self._bucket = registry_bucket

    def created(self, name: str) -> datetime | None:
        """The oldest generation's time: the bucket keeps versions, and each `up` may write a new one."""
        answer = self._session.get(
            f"{_STORAGE}/b/{self._bucket}/o",
            f"list the versions of {name}",
            prefix=name,
            versions="true",
            fields="items(name,timeCreated)",
        )
        items = answer.json().get("items", []) if answer is not None else []
        times = [datetime.fromisoformat(item["timeCreated"]) for item in items if item["name"] == name]
        return min(times, default=None)

    def secrets(self) -> list[tuple[str, datetime]]:
        url = f"{_SECRETS}/projects/{self._project}/secrets"
        return [
            (secret["name"].rpartition("/")[2], self._newest(secret))
            for secret in self._pages(url, "secrets", filter=_LABEL)
        ]

    def _newest(self, secret: Mapping[str, Any]) -> datetime:
        versions = self._pages(f"{_SECRETS}/{secret['name']}/versions", "versions", filter="state:ENABLED")
        times = [datetime.fromisoformat(version["createTime"]) for version in versions]
        return max(times, default=datetime.fromisoformat(secret["createTime"]))

    def _pages(self, url: str, items: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = self._session.get(url, f"list {url}", absent=(), pageToken=token, **query)
            page = answer.json() if answer is not None else {}
            found += page.get(items, [])
            token = page.get("nextPageToken", "")
            if not token:
                return found


def main(variables: Mapping[str, str], log: Log) -> int:
    """Look once; return the exit code: 1 when an age could not be told."""
    missing = [name for name in ("PROJECT", "REGISTRY_BUCKET", "EXPORTS_BUCKET") if not variables.get(name)]
    if missing:
        text = f"environment variables: {', '.join(missing)} must be set"
        log.event("ERROR", "freshness.summary", text, result="failed", error=text)
        return 1
    session = gcp.Session()
    registry = variables["REGISTRY_BUCKET"]
    watch = Watch(
        registry=gcp.BucketObjects(session, registry),
        exports=gcp.BucketObjects(session, variables["EXPORTS_BUCKET"]),
        ages=CloudAges(session, project=variables["PROJECT"], registry_bucket=registry),
        log=log,
        now=datetime.now(UTC),
    )
    try:
        return 0 if watch.run() else 1
    except JobError as error:
        log.event("ERROR", "freshness.summary", str(error), result="failed", error=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(os.environ, Log()))
