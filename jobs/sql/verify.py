"""Reads every tenant's database of one instance to the end, on a restored copy or on the instance itself (R3.4)."""

import time
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from jobs.sql.apply import explain
from jobs.sql.catalog import Catalog, Group
from jobs.sql.errors import JobError
from jobs.sql.facts import violations
from jobs.sql.log import Log
from jobs.sql.postgres import Connection, Server, open_server, rows
from jobs.sql.registry import Tenant
from jobs.sql.stores import AdminPassword

_STATEMENT_TIMEOUT_MS: Final = 3_600_000  # counting reads whole tables; a drill's copy has no users to protect


@dataclass(frozen=True, kw_only=True)
class Verify:
    """A check of one instance's tenants.

    Attributes:
        host: where the copy listens, or None for the instance itself.
        server_ca_pem: the copy's own CA, or None for the instance's.
        data_only: whether only the data came back: an import into an empty instance has no roles to compare.
    """

    admin_password: AdminPassword
    log: Log
    host: str | None
    server_ca_pem: str | None
    data_only: bool

    def run(self, catalog: Catalog, key: str) -> bool:
        """Check every tenant of the instance; return whether all of them are sound.

        Raises:
            JobError: the registry has no such instance with tenants, so nothing would have been checked.
        """
        group = next((group for group in catalog.groups if group.instance.key == key), None)
        if group is None:
            known = ", ".join(group.instance.key for group in catalog.groups) or "none"
            raise JobError(f"--instance {key}: no such instance with tenants in the registry; there are: {known}")
        failed = 0
        with open_server(group.instance, host=self.host, ca_pem=self.server_ca_pem) as server:
            for tenant in group.tenants:
                failed += not self._tenant(tenant, group, server)
        self.log.event(
            "ERROR" if failed else "INFO",
            "sql_job.verify_summary",
            f"{key}: {len(group.tenants) - failed} of {len(group.tenants)} tenants verified, {failed} failed",
            instance=key,
            result="failed" if failed else "ok",
            tenants=len(group.tenants),
            failed=failed,
        )
        return failed == 0

    def _tenant(self, tenant: Tenant, group: Group, server: Server) -> bool:
        started = time.monotonic()
        tables = counted = None
        problem = None
        try:
            token = self.admin_password(group.instance)
            self.log.protect(token)
            with server.admin(
                user=group.instance.admin_user,
                password=token,
                database=tenant.database,
                statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
            ) as connection:
                tables, counted = count(connection)
                if not self.data_only and (wrong := violations(connection, tenant, group.instance)):
                    problem = "; ".join(wrong)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tenants are checked as well
            problem = explain(error)
        self.log.event(
            "ERROR" if problem else "INFO",
            "sql_job.verify",
            f"{tenant.id}: {problem or f'{tables} tables, {counted} rows'}",
            tenant=tenant.id,
            instance=tenant.instance,
            result="failed" if problem else "ok",
            tables=tables,
            rows=counted,
            duration_s=round(time.monotonic() - started, 3),
            error=problem,
        )
        return problem is None


def count(connection: Connection) -> tuple[int, int]:
    """Count tables and, by reading every page of them, rows; extensions' and the system's own apart."""
    tables = rows(
        connection,
        """
        SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
          AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                          AND e.deptype = 'e')
        ORDER BY 1, 2
        """,
    )
    counted = 0
    for schema, table in tables:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        found = connection.execute(query).fetchone()
        counted += found[0] if found is not None else 0
    return len(tables), counted
