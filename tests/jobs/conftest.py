import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs.sql import aws
from jobs.sql.__main__ import main
from jobs.sql.log import Log
from tests.jobs import amazon, majors
from tests.jobs.books import BOOKS, fill
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, PLATFORM, Postgres, Servers

PROJECT = "tenantry-test"
INSTANCE = "shared-a-1"

Session = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with Servers() as found:
        yield found


@pytest.fixture(scope="session", params=[majors.NAMES[major] for major in majors.chosen()])
def server(request: pytest.FixtureRequest, servers: Servers) -> Postgres:
    """Two releases or those of POSTGRES_MAJORS: before 16 CREATEROLE rules over every role, since then over its own."""
    return servers.get(request.param)


class World:
    """A registry, a secret store and an instance; what the program does and what an application does, as methods."""

    def __init__(self, server: Postgres, root: Path) -> None:
        self.server = server
        self.registry = root / "registry"
        self.secrets = root / "secrets"
        self.token = root / "token"
        self.token.write_text(ADMIN_PASSWORD, encoding="utf-8")
        for folder in ("tenants", "instances", "status"):
            (self.registry / folder).mkdir(parents=True)
        self.secrets.mkdir()
        self.declare_instance(INSTANCE)

    def declare_instance(self, key: str, **changes: object) -> None:
        declared = {
            "schema_version": 1,
            "key": key,
            "kind": "cloudsql",
            "name": f"acme-dev-{key}",
            "project": PROJECT,
            "connection_name": f"{PROJECT}:europe-west3:acme-dev-{key}",
            "host": self.server.host,
            "port": self.server.port,
            "server_ca_pem": self.server.ca_pem,
            "region": "europe-west3",
            "admin_user": ADMIN,
            "platform_users": list(PLATFORM),
            "tenants_pool": "shared",
        }
        (self.registry / "instances" / f"{key}.json").write_text(json.dumps(declared | changes), encoding="utf-8")

    def declare(self, tenant: str, **changes: object) -> None:
        """Write the tenant's registry object, and its credential when the rotation is new, as the program does."""
        rotation = changes.get("rotation", 1)
        assert isinstance(rotation, int)
        stem = "tn_" + tenant.replace("-", "_")
        active = f"{stem}_{'a' if rotation % 2 else 'b'}"
        declared = {
            "schema_version": 1,
            "id": tenant,
            "kind": "cloudsql",
            "state": "active",
            "plan": "business",
            "placement": "shared",
            "pool": "a",
            "instance": INSTANCE,
            "database": stem,
            "owner_role": f"{stem}_owner",
            "logins": [f"{stem}_a", f"{stem}_b"],
            "active_login": active,
            "rotation": rotation,
            "credential_secret": f"projects/{PROJECT}/secrets/tenant-{tenant}-credential",
            "url_secret": f"projects/{PROJECT}/secrets/tenant-{tenant}-database-url",
            "connection_limit": 4,
            "statement_timeout_ms": 1500,
            "ring": "all",
            "region": "europe-west3",
            "isolated": False,
            "status": f"status/{tenant}.json",
            "final_export": f"final/{tenant}.json" if changes.get("state") == "offboarding" else None,
        }
        (self.registry / "tenants" / f"{tenant}.json").write_text(json.dumps(declared | changes), encoding="utf-8")
        for kind in ("credential", "database-url"):
            (self.secrets / f"tenant-{tenant}-{kind}").mkdir(exist_ok=True)
        version = self.secrets / f"tenant-{tenant}-credential" / str(rotation)
        if not version.exists():
            credential = {"login": active, "password": self.password(tenant, rotation), "rotation": rotation}
            version.write_text(json.dumps(credential), encoding="utf-8")

    def add(self, *tenants: str) -> None:
        for tenant in tenants:
            self.declare(tenant)
            self.server.create_database("tn_" + tenant.replace("-", "_"))

    @staticmethod
    def password(tenant: str, rotation: int) -> str:
        # Characters that a URL has to escape and SQL has to quote.
        return f"p@ss/{tenant}'\"%\\{rotation}:" + hashlib.sha256(f"{tenant}{rotation}".encode()).hexdigest()[:16]

    def variables(self, **changes: str) -> dict[str, str]:
        return {
            "PROJECT": PROJECT,
            "REGISTRY_BUCKET": f"file://{self.registry}",
            "SECRETS_FOLDER": f"file://{self.secrets}",
            "ADMIN_PASSWORD_FILE": str(self.token),
            "LOCK_WAIT_S": "20",  # the last run's session may still be ending
        } | changes

    def job(self, *arguments: str, **changes: str) -> tuple[int, list[dict[str, Any]]]:
        """Run the job; return its exit code and its log lines."""
        stream = io.StringIO()
        code = main(arguments, self.variables(**changes), Log(stream))
        text = stream.getvalue()
        for value in self.secret_values():
            assert value not in text
        return code, [json.loads(line) for line in text.splitlines()]

    def apply(self, **changes: str) -> list[dict[str, Any]]:
        code, lines = self.job(**changes)
        assert code == 0, lines
        return lines

    def secret_values(self) -> list[str]:
        """Every secret there is: DSNs, passwords, the administrator's token."""
        values = [ADMIN_PASSWORD]
        for path in self.secrets.glob("tenant-*/*"):
            text = path.read_text(encoding="utf-8")
            values += [text] if text.startswith("postgresql://") else [json.loads(text)["password"]]
        return values

    def urls(self, tenant: str) -> list[str]:
        folder = self.secrets / f"tenant-{tenant}-database-url"
        return [(folder / str(n)).read_text(encoding="utf-8") for n in range(1, len(list(folder.iterdir())) + 1)]

    def status(self, tenant: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.registry / "status" / f"{tenant}.json").read_text(encoding="utf-8"))
        return found

    def open(self, url: str) -> Session:
        """Connect as an application does: with the DSN, and the CA where it keeps it."""
        return psycopg.connect(url, sslrootcert=str(self.server.ca_file), autocommit=True)

    def login(self, tenant: str, *, rotation: int = 1, database: str | None = None) -> Session:
        stem = "tn_" + tenant.replace("-", "_")
        name = f"{stem}_{'a' if rotation % 2 else 'b'}"
        return self.server.session(name, self.password(tenant, rotation), database or stem)


@pytest.fixture
def world(server: Postgres, tmp_path: Path) -> World:
    server.wipe()
    return World(server, tmp_path)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with amazon.s3_server() as address:
        yield address


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with amazon.moto_server() as address:
        yield address


@pytest.fixture(scope="session")
def path(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    return amazon.programs(server.binaries.clients, tmp_path_factory.mktemp("programs") / "bin")


@pytest.fixture
def cloud(s3: str, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS on loopback, for this process and those that it starts."""
    for name, value in amazon.environment(s3, moto).items():
        monkeypatch.setenv(name, value)
    # the server knows nothing of IAM, so that a password stands for the token
    monkeypatch.setattr(aws.IamToken, "__call__", lambda *_: amazon.BACKUP_TOKEN)


@pytest.fixture
def account(server: Postgres, path: str, cloud: None) -> Iterator[amazon.Account]:
    del cloud
    server.wipe_as_rds()
    made = amazon.Account(server, path)
    yield made
    made.forget()


@pytest.fixture
def acme(account: amazon.Account) -> amazon.Account:
    """A tenant on RDS, served by the SQL job, with something in its database."""
    account.declare("acme")
    _served(account)
    fill(account, "acme", BOOKS)
    return account


@pytest.fixture
def books(account: amazon.Account) -> amazon.Account:
    """Two tenants on RDS and a guest, with something in their databases."""
    for tenant in ("acme", "beta"):
        account.declare(tenant)
    account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT n FROM generate_series(1, 30) n")
    account.declare_guest("guesthouse")
    _served(account)
    fill(account, "acme", BOOKS)
    fill(account, "beta", "CREATE TABLE notes AS SELECT 'hello' AS line")
    return account


def _served(account: amazon.Account) -> None:
    code, lines = account.run(main, ["apply"])
    assert code == 0, lines
    account.let_backup_in()
