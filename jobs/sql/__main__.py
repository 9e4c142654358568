"""The job's command: `python -m jobs.sql [apply | verify --instance KEY]`; see jobs/README.md."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.sql import catalog, gcp
from jobs.sql.apply import Apply, explain
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.stores import AdminPassword, FilePassword, FolderObjects, FolderSecrets, Objects, Secrets
from jobs.sql.verify import Verify

_FOLDER = "file://"


class Environment(BaseModel):
    """The job's configuration: environment variables, named like the fields in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    project: Annotated[str, Field(min_length=1)]
    registry_bucket: Annotated[str, Field(min_length=1)]
    secrets_folder: Annotated[str | None, Field(pattern=f"^{_FOLDER}/")] = None
    admin_password_file: Path | None = None
    idle_in_transaction_timeout_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] = 300_000
    lock_wait_s: Annotated[float, Field(ge=0, le=3_600)] = 300.0
    server_ca_pem: str | None = None

    @model_validator(mode="after")
    def _local_is_wholly_local(self) -> Self:
        local = [
            self.registry_bucket.startswith(_FOLDER),
            self.secrets_folder is not None,
            self.admin_password_file is not None,
        ]
        if any(local) and not all(local):
            raise ValueError("REGISTRY_BUCKET=file://..., SECRETS_FOLDER and ADMIN_PASSWORD_FILE go together")
        return self

    def stores(self) -> tuple[Objects, Secrets, AdminPassword]:
        """The cloud's stores, or folders for a run without a cloud."""
        if self.secrets_folder is not None and self.admin_password_file is not None:
            objects = FolderObjects(_path(self.registry_bucket))
            return objects, FolderSecrets(_path(self.secrets_folder)), FilePassword(self.admin_password_file)
        session = gcp.Session()
        return gcp.BucketObjects(session, self.registry_bucket), gcp.ManagedSecrets(session), gcp.AccessToken()


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the configuration.

    Raises:
        JobError: a variable is missing or wrong; it names them all.
    """
    given = {name: variables[name.upper()] for name in Environment.model_fields if variables.get(name.upper())}
    try:
        return Environment.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part).upper() for part in item['loc']) or 'environment'}: {item['msg']}"
            for item in error.errors()
        )
        raise JobError(f"environment variables: {wrong}") from None


def main(arguments: Sequence[str], variables: Mapping[str, str], log: Log) -> int:
    """Run a command; return the exit code: 0 all well, 1 something failed (each failure has its own log line)."""
    parser = argparse.ArgumentParser(prog="python -m jobs.sql")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("apply", help="isolate every tenant of the registry (the default)")
    verifying = commands.add_parser("verify", help="check a restored copy of an instance, or the instance itself")
    verifying.add_argument("--instance", required=True, metavar="KEY", help="the instance's key in the registry")
    verifying.add_argument("--host", help="where the restored copy listens; its CA comes from SERVER_CA_PEM")
    verifying.add_argument("--data-only", action="store_true", help="do not compare roles (an import brings none)")
    options = parser.parse_args(arguments or ["apply"])
    try:
        environment = read_environment(variables)
        objects, secrets, admin_password = environment.stores()
        found = catalog.load(objects, project=environment.project)
        if options.command == "verify":
            check = Verify(
                admin_password=admin_password,
                log=log,
                host=options.host,
                server_ca_pem=environment.server_ca_pem,
                data_only=options.data_only,
            )
            return 0 if check.run(found, options.instance) else 1
        job = Apply(
            objects=objects,
            secrets=secrets,
            admin_password=admin_password,
            log=log,
            idle_in_transaction_ms=environment.idle_in_transaction_timeout_ms,
            lock_wait_s=environment.lock_wait_s,
        )
        return 0 if job.run(found) else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        log.event("ERROR", "sql_job.summary", explain(error), result="failed", error=explain(error))
        return 1


def _path(url: str) -> Path:
    return Path(url.removeprefix(_FOLDER))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Log()))
