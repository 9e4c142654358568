"""The two ways into a server: the administrator's, and that of a login which belongs to one tenant alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jobs.clouds import Cloud
from jobs.dumps.tools import Endpoint
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import (
    MAINTENANCE_DATABASE,
    PINNED,
    Connection,
    Server,
    open_server,
    run,
    startup_options,
)
from jobs.sql.registry import Instance, RdsInstance, Tenant
from jobs.sql.tickets import mint


@dataclass(frozen=True, kw_only=True)
class Way:
    """A server that has the tenant's database, or is to have it."""

    instance: Instance
    server: Server
    cloud: Cloud
    log: Log

    @contextmanager
    def admin(self, name: str = MAINTENANCE_DATABASE) -> Iterator[Connection]:
        """A session of the administrator's; in a database that tenants write in it reads PostgreSQL's catalogs only."""
        token = self.cloud.admin_password(self.instance)
        self.log.protect(token)
        with self.server.admin(user=self.instance.admin_user, password=token, database=name) as connection:
            yield connection

    @contextmanager
    def tenants(self, admin: Connection, tenant: Tenant, login: str, name: str) -> Iterator[Connection]:
        """A session with one tenant's rights: whoever takes off its role is a login that has no others."""
        password = mint(admin, login)
        self.log.protect(password)
        with self.server.connect(user=login, password=password, database=name, statement_timeout_ms=0) as connection:
            run(connection, "SET ROLE {owner}", owner=tenant.owner_role)
            yield connection

    def endpoint(self, admin: Connection, tenant: Tenant, login: str, name: str) -> Endpoint:
        """The same for a program of PostgreSQL's, good for a minute."""
        password = mint(admin, login)
        self.log.protect(password)
        settings = {**PINNED, "statement_timeout": "0", "role": tenant.owner_role}
        parameters = {
            "host": self.server.host,
            "port": str(self.server.port),
            "user": login,
            "dbname": name,
            "sslmode": self.server.sslmode,
            "sslrootcert": str(self.server.ca_file),
            "application_name": "tenantry-restore",
            "options": startup_options(settings),
        }
        return Endpoint(parameters=parameters, password=password)


@contextmanager
def open_way(
    cloud: Cloud,
    log: Log,
    instance: Instance,
    *,
    host: str | None = None,
    ca_pem: str | None = None,
    admin_secret: str | None = None,
) -> Iterator[Way]:
    """The instance itself, or a copy of it elsewhere, with the copy's own CA and managed secret.

    Raises:
        JobError: a secret is named for an instance that has none.
    """
    if admin_secret is not None:
        if not isinstance(instance, RdsInstance):
            raise JobError(f"{instance.key}: only RDS keeps the administrator's password in a secret")
        instance = RdsInstance.model_validate({**instance.model_dump(), "admin_secret": admin_secret})
    with open_server(instance, host=host, ca_pem=ca_pem) as server:
        yield Way(instance=instance, server=server, cloud=cloud, log=log)
