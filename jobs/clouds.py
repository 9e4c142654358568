"""Where a job runs: `open_cloud` gives it the stores of Google Cloud or AWS, and no job asks which it is."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, Self

from pydantic import Field, model_validator

from jobs.ages import Ages, AmazonAges, GoogleAges
from jobs.dumps.folder import FolderDumps
from jobs.dumps.gcs import CloudStorageDumps
from jobs.dumps.s3 import S3Dumps
from jobs.dumps.store import Dumps
from jobs.environment import Variables, read
from jobs.sql import aws, gcp
from jobs.sql.errors import JobError
from jobs.sql.registry import Instance, Scope
from jobs.sql.stores import AdminPassword, FilePassword, FolderObjects, FolderSecrets, Objects, Secrets

_FOLDER: Final = "file://"


class Cloud(Protocol):
    """What the jobs need of a cloud. Each part is made when it is first asked for, with this job's own rights."""

    @property
    def scope(self) -> Scope:
        """Which instances this job may touch."""

    @property
    def registry(self) -> Objects:
        """The registry bucket."""

    @property
    def exports(self) -> Dumps:
        """The exports bucket."""

    def exports_in(self, bucket: str) -> Dumps:
        """Exports in a bucket by its URL, which another environment may have written.

        Raises:
            JobError: it is another cloud's.
        """

    @property
    def markers(self) -> Objects | None:
        """The same bucket for a job that only reads markers in it; None when it is not told."""

    @property
    def secrets(self) -> Secrets:
        """The secret store."""

    @property
    def admin_password(self) -> AdminPassword:
        """The way in for the administrator of an instance."""

    @property
    def ages(self) -> Ages:
        """Times that only the cloud knows."""

    def login_token(self, instance: Instance, login: str) -> str:
        """What a login of the platform's own opens a session with."""


class Google(Variables):
    """Google Cloud, or, when all three are folders and files, no cloud at all (as the SQL job's tests do)."""

    project: Annotated[str, Field(min_length=1)]
    registry_bucket: Annotated[str, Field(min_length=1)]
    exports_bucket: str | None = None
    secrets_folder: Annotated[str | None, Field(pattern=f"^{_FOLDER}/")] = None
    admin_password_file: Path | None = None

    @model_validator(mode="after")
    def _local_is_wholly_local(self) -> Self:
        local = [
            self.registry_bucket.startswith(_FOLDER),
            self.secrets_folder is not None,
            self.admin_password_file is not None,
            *([] if self.exports_bucket is None else [self.exports_bucket.startswith(_FOLDER)]),
        ]
        if any(local) and not all(local):
            raise ValueError(
                "REGISTRY_BUCKET=file://..., SECRETS_FOLDER and ADMIN_PASSWORD_FILE go together, and an EXPORTS_BUCKET "
                "has to be file://... then"
            )
        return self

    @property
    def scope(self) -> Scope:
        return Scope(kind="cloudsql", home=self.project)

    @cached_property
    def registry(self) -> Objects:
        if self.secrets_folder is not None:
            return FolderObjects(_path(self.registry_bucket))
        return gcp.BucketObjects(self._session, self.registry_bucket)

    @cached_property
    def exports(self) -> Dumps:
        if self.exports_bucket is None:
            raise JobError("environment variables: EXPORTS_BUCKET must be set")
        if self.secrets_folder is not None:
            return FolderDumps(_path(self.exports_bucket))
        return CloudStorageDumps(self._session, self.exports_bucket)

    def exports_in(self, bucket: str) -> Dumps:
        if bucket.startswith(_FOLDER) and self.secrets_folder is not None:
            return FolderDumps(_path(bucket))
        return CloudStorageDumps(self._session, _name(bucket, "gs://"))

    @cached_property
    def markers(self) -> Objects | None:
        if self.exports_bucket is None:
            return None
        if self.secrets_folder is not None:
            return FolderObjects(_path(self.exports_bucket))
        return gcp.BucketObjects(self._session, self.exports_bucket)

    @cached_property
    def secrets(self) -> Secrets:
        if self.secrets_folder is not None:
            return FolderSecrets(_path(self.secrets_folder))
        return gcp.ManagedSecrets(self._session)

    @cached_property
    def admin_password(self) -> AdminPassword:
        return gcp.AccessToken() if self.admin_password_file is None else FilePassword(self.admin_password_file)

    @cached_property
    def ages(self) -> Ages:
        return GoogleAges(self._session, project=self.project, registry_bucket=self.registry_bucket)

    def login_token(self, instance: Instance, login: str) -> str:
        raise JobError(f"{instance.key}: {login} does not log in to Cloud SQL, whose exports are the service's own")

    @cached_property
    def _session(self) -> gcp.Session:
        return gcp.Session()


class Amazon(Variables):
    """AWS. The exports bucket is in another region than everything else (R3.5)."""

    tenantry_registry: Annotated[str, Field(min_length=3)]
    tenantry_exports: str | None = None
    tenantry_exports_key: str | None = None
    tenantry_exports_region: Annotated[str | None, Field(pattern=r"^[a-z0-9-]+$")] = None
    tenantry_region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    tenantry_rds_ca: Path = Path("/etc/tenantry/rds-global-bundle.pem")

    @cached_property
    def scope(self) -> Scope:
        try:
            self.tenantry_rds_ca.open("rb").close()
        except OSError as error:
            raise JobError(f"TENANTRY_RDS_CA: cannot read {self.tenantry_rds_ca}: {error.strerror}") from None
        return Scope(kind="rds", home=aws.account(self.tenantry_region), ca_bundle=self.tenantry_rds_ca)

    @cached_property
    def registry(self) -> Objects:
        return aws.BucketObjects(aws.client("s3", self.tenantry_region), self.tenantry_registry)

    @cached_property
    def exports(self) -> Dumps:
        if self.tenantry_exports is None:
            raise JobError("environment variables: TENANTRY_EXPORTS must be set")
        return S3Dumps(self._exports_client(), self.tenantry_exports, key=self.tenantry_exports_key)

    def exports_in(self, bucket: str) -> Dumps:
        return S3Dumps(self._exports_client(), _name(bucket, "s3://"), key=None)

    @cached_property
    def markers(self) -> Objects | None:
        if self.tenantry_exports is None:
            return None
        return aws.BucketObjects(self._exports_client(), self.tenantry_exports)

    @cached_property
    def secrets(self) -> Secrets:
        return aws.ManagedSecrets(aws.client("secretsmanager", self.tenantry_region))

    @cached_property
    def admin_password(self) -> AdminPassword:
        return aws.MasterPassword(self.secrets)

    @cached_property
    def ages(self) -> Ages:
        return AmazonAges(
            aws.client("s3", self.tenantry_region),
            aws.client("secretsmanager", self.tenantry_region),
            registry_bucket=self.tenantry_registry,
        )

    def login_token(self, instance: Instance, login: str) -> str:
        return aws.IamToken()(instance, login)

    def _exports_client(self) -> Any:  # noqa: ANN401 - see `aws.client`
        return aws.client("s3", self.tenantry_exports_region or self.tenantry_region)


def open_cloud(variables: Mapping[str, str]) -> Cloud:
    """Read where the job runs.

    Raises:
        JobError: a variable is missing or wrong.
    """
    name = variables.get("TENANTRY_CLOUD") or "gcp"
    if name == "gcp":
        return read(Google, variables)
    if name == "aws":
        return read(Amazon, variables)
    raise JobError(f"environment variables: TENANTRY_CLOUD is {name!r}; set gcp or aws")


def _name(bucket: str, scheme: str) -> str:
    if not bucket.startswith(scheme):
        raise JobError(f"{bucket}: is no bucket of this cloud, whose are called {scheme}NAME")
    return bucket.removeprefix(scheme)


def _path(url: str) -> Path:
    return Path(url.removeprefix(_FOLDER))
