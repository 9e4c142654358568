"""The same stores on AWS: S3, Secrets Manager, and the two ways into an RDS instance."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.sql.errors import JobError
from jobs.sql.registry import Instance, RdsInstance
from jobs.sql.stores import Secrets

_ABSENT: Final = {"NoSuchKey", "404"}
_NO_SECRET: Final = "ResourceNotFoundException"  # noqa: S105 - an error's code; also: no version that is current


def client(service: str, region: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """A client with bounded time and retries; its credentials are the task role's."""
    config = Config(
        region_name=region,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 5},
        user_agent_extra="tenantry",
    )
    return boto3.client(service, config=config)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an SDK's error into the job's own, with AWS's reason and without the request."""
    try:
        yield
    except ClientError as error:
        raise JobError(f"cannot {what}: {code_of(error)}: {error.response['Error'].get('Message', '')}") from None
    except BotoCoreError as error:
        raise JobError(f"cannot {what}: {error}") from None


def code_of(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))


class BucketObjects:
    """A bucket of small objects in S3; the bucket's own default encryption applies."""

    def __init__(self, s3: Any, bucket: str) -> None:  # noqa: ANN401 - see `client`
        self._s3 = s3
        self._bucket = bucket

    def names(self, prefix: str) -> list[str]:
        with explained(f"list s3://{self._bucket}/{prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def read(self, name: str) -> bytes | None:
        with explained(f"read s3://{self._bucket}/{name}"):
            try:
                content: bytes = self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            return content

    def write(self, name: str, content: bytes) -> None:
        with explained(f"write s3://{self._bucket}/{name}"):
            self._s3.put_object(Bucket=self._bucket, Key=name, Body=content, ContentType="application/json")

    def delete(self, name: str) -> None:
        with explained(f"delete s3://{self._bucket}/{name}"):
            self._s3.delete_object(Bucket=self._bucket, Key=name)


class ManagedSecrets:
    """Secrets Manager; a name may also be an ARN."""

    def __init__(self, secrets_manager: Any) -> None:  # noqa: ANN401 - see `client`
        self._manager = secrets_manager

    def latest(self, name: str) -> str | None:
        with explained(f"read {name}"):
            try:
                return str(self._manager.get_secret_value(SecretId=name)["SecretString"])
            except ClientError as error:
                if code_of(error) == _NO_SECRET:
                    return None
                raise
            except KeyError:
                raise JobError(f"{name}: holds bytes, not text") from None

    def add(self, name: str, value: str) -> None:
        # The SDK sends a token of its own with each call, so a repetition adds nothing.
        with explained(f"add a version to {name}"):
            self._manager.put_secret_value(SecretId=name, SecretString=value)


class _Master(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    username: str
    password: str = Field(min_length=1, repr=False)


class MasterPassword:
    """The password that RDS itself manages and rotates, read afresh for each session."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, instance: Instance) -> str:
        """Return the administrator's password.

        Raises:
            JobError: the secret cannot be read or is somebody else's.
        """
        if not isinstance(instance, RdsInstance):
            raise JobError(f"{instance.key}: is no RDS instance")
        content = self._secrets.latest(instance.admin_secret)
        if content is None:
            raise JobError(f"{instance.admin_secret}: has no readable version")
        try:
            master = _Master.model_validate_json(content)
        except ValidationError:  # its text would quote the secret
            raise JobError(f"{instance.admin_secret}: is no master user's secret (username, password)") from None
        if master.username != instance.admin_user:
            raise JobError(
                f"{instance.admin_secret}: is for {master.username!r}, but instances/{instance.key}.json says "
                f"{instance.admin_user!r}"
            )
        return master.password


class IamToken:
    """A log-in token, good for 15 minutes, signed here with the task role: nothing is sent and nothing stored."""

    def __call__(self, instance: Instance, login: str) -> str:
        if not isinstance(instance, RdsInstance):
            raise JobError(f"{instance.key}: is no RDS instance")
        with explained(f"sign a token for {login} on {instance.key}"):
            return str(
                client("rds", instance.region).generate_db_auth_token(
                    DBHostname=instance.host, Port=instance.port, DBUsername=login, Region=instance.region
                )
            )


def account(region: str) -> str:
    """The number of the account that this job runs in; every caller may ask."""
    with explained("ask for the account's number"):
        return str(client("sts", region).get_caller_identity()["Account"])
