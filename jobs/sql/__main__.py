"""The job's command: `python -m jobs.sql [apply | verify | end-sessions]`; see jobs/README.md."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from jobs.clouds import open_cloud
from jobs.deadline import Clock
from jobs.environment import Variables, read
from jobs.sql import catalog
from jobs.sql.apply import Apply, explain
from jobs.sql.log import Log
from jobs.sql.sessions import end_of_tenant
from jobs.sql.verify import Verify

_VERIFY_LIMIT_S: Final = 3_600.0  # counting reads whole tables; a drill's copy has no users to protect


class Environment(Variables):
    """What is the same on every cloud; where the job runs is `jobs.clouds`' business."""

    idle_in_transaction_timeout_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] = 300_000
    lock_wait_s: Annotated[float, Field(ge=0, le=3_600)] = 300.0
    server_ca_pem: str | None = None
    time_limit_s: Annotated[float, Field(ge=1, le=86_400)] = 1_500.0
    tenant_time_limit_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0


def main(arguments: Sequence[str], variables: Mapping[str, str], log: Log) -> int:
    """Run a command; return the exit code: 0 all well, 1 something failed (each failure has its own log line)."""
    parser = argparse.ArgumentParser(prog="python -m jobs.sql")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("apply", help="isolate every tenant of the registry (the default)")
    ending = commands.add_parser("end-sessions", help="end every session of one tenant's logins, now")
    ending.add_argument("--instance", required=True, metavar="KEY", help="the instance's key in the registry")
    ending.add_argument("--tenant", required=True, metavar="ID", help="whose sessions")
    verifying = commands.add_parser("verify", help="check a restored copy of an instance, or the instance itself")
    verifying.add_argument("--instance", required=True, metavar="KEY", help="the instance's key in the registry")
    verifying.add_argument("--host", help="where the restored copy listens; its CA comes from SERVER_CA_PEM")
    verifying.add_argument("--admin-secret", metavar="ARN", help="the managed secret of a restored RDS copy")
    verifying.add_argument("--data-only", action="store_true", help="do not compare roles (an import brings none)")
    options = parser.parse_args(arguments or ["apply"])
    try:
        environment = read(Environment, variables)
        cloud = open_cloud(variables)
        found = catalog.load(cloud.registry, cloud.scope)
        if options.command == "end-sessions":
            end_of_tenant(found, options.instance, options.tenant, cloud.admin_password, log)
            return 0
        if options.command == "verify":
            check = Verify(
                admin_password=cloud.admin_password,
                log=log,
                host=options.host,
                admin_secret=options.admin_secret,
                server_ca_pem=environment.server_ca_pem,
                data_only=options.data_only,
                tenant_limit_s=_VERIFY_LIMIT_S,
            )
            return 0 if check.run(found, options.instance) else 1
        job = Apply(
            objects=cloud.registry,
            markers=cloud.markers,
            secrets=cloud.secrets,
            admin_password=cloud.admin_password,
            log=log,
            idle_in_transaction_ms=environment.idle_in_transaction_timeout_ms,
            lock_wait_s=environment.lock_wait_s,
            clock=Clock(limit_s=environment.time_limit_s),
            tenant_limit_s=environment.tenant_time_limit_s,
        )
        return 0 if job.run(found) else 1
    except Exception as error:  # noqa: BLE001 - the last line of a run is a log line like all others
        log.event("ERROR", "sql_job.summary", explain(error), result="failed", error=explain(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Log()))
