"""Reads every tenant's database of one instance to the end, on a restored copy or on the instance itself (R3.4)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from jobs.deadline import limited
from jobs.dumps import tables
from jobs.sql import cluster as cluster_module
from jobs.sql import isolation, tickets
from jobs.sql.apply import explain
from jobs.sql.catalog import Catalog, Group
from jobs.sql.cluster import Cluster
from jobs.sql.errors import JobError
from jobs.sql.facts import content_violations, undeclared, violations
from jobs.sql.log import Log
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, open_server
from jobs.sql.registry import Instance, Tenant
from jobs.sql.stores import AdminPassword

_STATEMENT_TIMEOUT_MS: Final = 3_600_000  # counting reads whole tables; a drill's copy has no users to protect


@dataclass(frozen=True, kw_only=True)
class Verify:
    """A check of one instance's tenants.

    Attributes:
        host: where the copy listens, or None for the instance itself.
        admin_secret: the managed secret of a copy on RDS, or None for the instance's.
        server_ca_pem: the copy's own CA, or None for the instance's.
        tenant_limit_s: how many seconds the reading of one tenant's database may take.
        data_only: whether only the data came back: an import into an empty instance has no roles to compare.
    """

    admin_password: AdminPassword
    log: Log
    host: str | None
    admin_secret: str | None
    server_ca_pem: str | None
    data_only: bool
    tenant_limit_s: float

    def run(self, catalog: Catalog, key: str) -> bool:
        """Check every tenant of the instance; return whether all of them are sound.

        Raises:
            JobError: the registry has no such instance with tenants, so nothing would have been checked.
        """
        group = next((group for group in catalog.groups if group.instance.key == key), None)
        if group is None:
            known = ", ".join(group.instance.key for group in catalog.groups) or "none"
            raise JobError(f"--instance {key}: no such instance with tenants in the registry; there are: {known}")
        if self.admin_secret is not None:
            copy = group.instance.model_copy(update={"admin_secret": self.admin_secret})
            group = Group(instance=copy, tenants=group.tenants)
        failed = 0
        with open_server(group.instance, host=self.host, ca_pem=self.server_ca_pem) as server:
            with self._admin(group.instance, server, MAINTENANCE_DATABASE) as common:
                cluster = cluster_module.read(common)
            wrong, _ = undeclared(cluster, group.instance, group.tenants)
            for tenant in group.tenants:
                failed += not self._tenant(tenant, group, server, cluster, wrong)
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

    def _tenant(self, tenant: Tenant, group: Group, server: Server, cluster: Cluster, wrong: list[str]) -> bool:
        started = time.monotonic()
        tables = counted = None
        problem = None
        try:
            if not self.data_only:
                found = violations(cluster, tenant, group.instance, idle_in_transaction_ms=None)
                with self._admin(group.instance, server, tenant.database) as own:
                    found += content_violations(own, tenant)
                    problem = "; ".join([*wrong, *found]) or None
            tables, counted = self._count(tenant, group.instance, server, cluster)
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

    def _count(self, tenant: Tenant, instance: Instance, server: Server, cluster: Cluster) -> tuple[int, int]:
        """Count with the tenant's own rights, and evaluate nothing all the same."""
        login = tenant.platform_logins["backup"]
        if tenant.database not in cluster.databases:
            raise JobError(f'database "{tenant.database}" does not exist')
        with self._admin(instance, server, MAINTENANCE_DATABASE) as common:
            if login not in cluster.roles:  # a copy from before there were such logins
                isolation.make_backup_login(common, tenant, instance)
            password = tickets.mint(common, login)
        self.log.protect(password)
        with (
            server.connect(
                user=login,
                password=password,
                database=tenant.database,
                statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
                default_role=True,
            ) as connection,
            limited(connection, self.tenant_limit_s, f"{tenant.id}: reading every row"),
        ):
            return count(connection)

    @contextmanager
    def _admin(self, instance: Instance, server: Server, database: str) -> Iterator[Connection]:
        token = self.admin_password(instance)
        self.log.protect(token)
        with server.admin(user=instance.admin_user, password=token, database=database) as connection:
            yield connection


def count(connection: Connection) -> tuple[int, int]:
    """Read every table to its end with plain COPY, which is not planned; return how many tables and rows there are.

    To plan a SELECT, the server evaluates what a tenant wrote (an index's expressions). Tables of extensions do not
    count, and neither do rows of a table whose policies bind its owner too: only a plan could tell them.
    """
    found = [item for item in tables.listed(connection) if item.kind == "r" and item.dumped == "yes"]
    return len(found), sum(tables.read_table(connection, item).rows for item in found if not item.hidden)
