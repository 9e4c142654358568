"""One face for both clouds' forms of a server, so that an attack is written once."""

from __future__ import annotations

from typing import Any, Final, Protocol

from jobs.sql.__main__ import main
from jobs.sql.tickets import ticket
from tests.jobs.amazon import BACKUP_TOKEN, Account
from tests.jobs.amazon import INSTANCE as RDS_INSTANCE
from tests.jobs.amazon import PLATFORM as RDS_PLATFORM
from tests.jobs.conftest import INSTANCE, Session, World
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, MASTER, PLATFORM, Postgres

FORMS: Final = ("cloudsql", "rds")


class Site(Protocol):
    """What an attack needs of a server and its registry."""

    server: Postgres
    instance: str
    admin_role: str

    def add(self, *tenants: str) -> None: ...

    def declare(self, tenant: str, **changes: object) -> None: ...

    def declare_instance(self, key: str, **changes: object) -> None: ...

    def put(self, name: str, content: bytes) -> None: ...

    def job(self, *arguments: str, **variables: str) -> tuple[int, list[dict[str, Any]]]: ...

    def status(self, tenant: str) -> dict[str, Any]: ...

    def login(self, tenant: str, *, rotation: int = 1, database: str | None = None) -> Session: ...

    def admin(self, database: str = "postgres") -> Session: ...

    def enter(self, workload: str, tenant: str) -> Session: ...

    def platform_user(self, workload: str) -> str: ...

    def platform(self, workload: str, database: str) -> Session: ...


class CloudSql:
    """A Cloud SQL instance."""

    instance = INSTANCE
    admin_role = "cloudsqlsuperuser"

    def __init__(self, world: World) -> None:
        self._world = world
        self.server = world.server

    def add(self, *tenants: str) -> None:
        self._world.add(*tenants)

    def declare(self, tenant: str, **changes: object) -> None:
        self._world.declare(tenant, **changes)

    def declare_instance(self, key: str, **changes: object) -> None:
        self._world.declare_instance(key, **changes)

    def put(self, name: str, content: bytes) -> None:
        (self._world.registry / name).write_bytes(content)

    def job(self, *arguments: str, **variables: str) -> tuple[int, list[dict[str, Any]]]:
        return self._world.job(*arguments, **variables)

    def status(self, tenant: str) -> dict[str, Any]:
        return self._world.status(tenant)

    def login(self, tenant: str, *, rotation: int = 1, database: str | None = None) -> Session:
        return self._world.login(tenant, rotation=rotation, database=database)

    def admin(self, database: str = "postgres") -> Session:
        session = self.server.session(ADMIN, ADMIN_PASSWORD, database)
        session.execute("SET ROLE cloudsqlsuperuser")
        return session

    def platform_user(self, workload: str) -> str:
        return PLATFORM[("worker", "migrator").index(workload)]

    def platform(self, workload: str, database: str) -> Session:
        return self.server.session(self.platform_user(workload), ADMIN_PASSWORD, database)

    def enter(self, workload: str, tenant: str) -> Session:
        return _enter(self, workload, tenant)


class Rds:
    """An RDS instance."""

    instance = RDS_INSTANCE
    admin_role = MASTER

    def __init__(self, account: Account) -> None:
        self._account = account
        self.server = account.server

    def add(self, *tenants: str) -> None:
        for tenant in tenants:
            self._account.declare(tenant)

    def declare(self, tenant: str, **changes: object) -> None:
        self._account.declare(tenant, **changes)

    def declare_instance(self, key: str, **changes: object) -> None:
        self._account.declare_instance(key, **changes)

    def put(self, name: str, content: bytes) -> None:
        self._account.s3.put_object(Bucket=self._account.registry, Key=name, Body=content)

    def job(self, *arguments: str, **variables: str) -> tuple[int, list[dict[str, Any]]]:
        return self._account.run(main, list(arguments), **variables)

    def status(self, tenant: str) -> dict[str, Any]:
        found: dict[str, Any] = self._account.get(f"status/{tenant}.json")
        return found

    def login(self, tenant: str, *, rotation: int = 1, database: str | None = None) -> Session:
        stem = "tn_" + tenant.replace("-", "_")
        name = f"{stem}_{'a' if rotation % 2 else 'b'}"
        return self.server.session(name, self._account.password(tenant, rotation), database or stem)

    def admin(self, database: str = "postgres") -> Session:
        return self.server.session(MASTER, ADMIN_PASSWORD, database)

    def platform_user(self, workload: str) -> str:
        return RDS_PLATFORM[("worker", "migrator").index(workload)]

    def platform(self, workload: str, database: str) -> Session:
        """The server knows nothing of IAM, so a password stands for the token."""
        user = self.platform_user(workload)
        with self.server.bootstrap() as session:
            session.execute(f"ALTER ROLE {user} PASSWORD '{BACKUP_TOKEN}'".encode())
        return self.server.session(user, BACKUP_TOKEN, database)

    def enter(self, workload: str, tenant: str) -> Session:
        return _enter(self, workload, tenant)


def _enter(site: CloudSql | Rds, workload: str, tenant: str) -> Session:
    with site.platform(workload, "tenantry") as door:
        asked = ticket(door, tenant)
        return site.server.session(asked.login, asked.password, "tn_" + tenant.replace("-", "_"))


def results(lines: list[dict[str, Any]]) -> dict[str, str]:
    return {line["tenant"]: line["result"] for line in lines if line["event"] == "sql_job.tenant"}


def errors_of(lines: list[dict[str, Any]]) -> dict[str, str | None]:
    return {line["tenant"]: line["error"] for line in lines if line["event"] == "sql_job.tenant"}
