"""Times that only the cloud knows: when an entry was first declared, how old each secret's newest version is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from jobs.sql import aws, gcp

_TAG: Final = ("managed-by", "tenantry")
_LABEL: Final = f"labels.{_TAG[0]}={_TAG[1]}"
_STORAGE: Final = "https://storage.googleapis.com/storage/v1"
_SECRETS: Final = "https://secretmanager.googleapis.com/v1"


class Ages(Protocol):
    """What the cloud tells; no secret's value is ever read."""

    def created(self, name: str) -> datetime | None:
        """When a registry object was first declared; None when it is gone."""

    def secrets(self) -> list[tuple[str, datetime]]:
        """The environment's own secrets: short name, and when its newest version (else the secret) was made."""


class GoogleAges:
    """Times from Cloud Storage and Secret Manager."""

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


class AmazonAges:
    """Times from S3 and Secrets Manager."""

    def __init__(self, s3: Any, secrets_manager: Any, *, registry_bucket: str) -> None:  # noqa: ANN401 - see `aws.client`
        self._s3 = s3
        self._manager = secrets_manager
        self._bucket = registry_bucket

    def created(self, name: str) -> datetime | None:
        """The oldest version's time: the bucket keeps versions, and each `up` may write a new one."""
        with aws.explained(f"list the versions of {name}"):
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=name)
            versions = [version for page in pages for version in page.get("Versions", []) if version["Key"] == name]
        return min((version["LastModified"] for version in versions), default=None)

    def secrets(self) -> list[tuple[str, datetime]]:
        key, value = _TAG
        with aws.explained("list secrets"):
            pages = self._manager.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-key", "Values": [key]}])
            own = [
                secret
                for page in pages
                for secret in page["SecretList"]
                if {"Key": key, "Value": value} in secret.get("Tags", [])
            ]
        return [(secret["Name"], self._newest(secret)) for secret in own]

    def _newest(self, secret: Mapping[str, Any]) -> datetime:
        with aws.explained(f"list the versions of {secret['Name']}"):
            versions = self._manager.list_secret_version_ids(SecretId=secret["ARN"]).get("Versions", [])
        times: list[datetime] = [
            version["CreatedDate"] for version in versions if "AWSCURRENT" in version.get("VersionStages", [])
        ]
        return max(times, default=secret["CreatedDate"])
