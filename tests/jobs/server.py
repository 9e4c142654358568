"""Throwaway PostgreSQL servers on loopback, with the roles that Cloud SQL and RDS have before anybody does anything.

What is imitated, and from where:

- Cloud SQL: "About PostgreSQL users and roles" in Google's documentation (system users and roles; the built-in user
  `postgres`; IAM users get no role but those of IAM), and the list of roles that users of instances print:
  `cloudsqlsuperuser` has LOGIN (without a password), CREATEROLE and CREATEDB and is a member of `pg_monitor` and
  `pg_signal_backend` without ADMIN OPTION (measured by others on 16.15); `cloudsqlagent`, `cloudsqlimportexport` and
  `cloudsqllogical` are members of it, as `postgres` is.
- RDS: "Understanding the rds_superuser role" in the user guide of RDS, and what `pg_dumpall` prints of instances of
  15.3 and of 17: names, attributes, memberships with their ADMIN OPTION, settings of the roles of RDS itself.

What cannot be imitated: that RDS lets rds_superuser grant `rds_iam` and itself without an ADMIN OPTION (a change of its
own server), which stands here as an ADMIN OPTION on `rds_iam`; and what Cloud SQL lets cloudsqlsuperuser do beyond its
attributes (extensions, event triggers).
"""

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pg0
import psycopg
import trustme
from psycopg import sql

from tests.jobs import majors

ADMIN = "sql-job@tenantry-test.iam"
PLATFORM = ("worker@tenantry-test.iam", "migrator@tenantry-test.iam")
ADMIN_PASSWORD = "admin-token-Zk3vQ8"
MASTER = "tenantry_admin"
BOOTSTRAP = "cloudsqladmin"
RDS_BOOTSTRAP = "rdsadmin"
BOOTSTRAP_PASSWORD = "bootstrap-Jd92mX"
_PATIENCE = 30.0  # seconds; nothing here takes one, but on a busy machine
# Below the ports that systems give to outgoing connections, so that none of those takes one that was found free.
_PORTS = range(15_000, 32_000)
# A grant depends on its grantor, so these roles go last, in this order.
_LAST = (ADMIN, "postgres", "cloudsqlsuperuser", MASTER, "rds_superuser")
_CLOUD_SQL = """
    CREATE ROLE cloudsqlsuperuser LOGIN CREATEROLE CREATEDB;
    GRANT pg_monitor, pg_signal_backend TO cloudsqlsuperuser;
    CREATE ROLE cloudsqlagent LOGIN CREATEROLE CREATEDB;
    CREATE ROLE cloudsqlimportexport LOGIN CREATEROLE CREATEDB;
    CREATE ROLE cloudsqllogical LOGIN REPLICATION;
    CREATE ROLE cloudsqlreplica LOGIN REPLICATION;
    CREATE ROLE cloudsqlobservability LOGIN;
    CREATE ROLE cloudsqlconnpooladmin LOGIN;
    CREATE ROLE postgres LOGIN CREATEROLE CREATEDB;
    GRANT cloudsqlsuperuser TO cloudsqlagent, cloudsqlimportexport, cloudsqllogical, postgres;
    GRANT pg_monitor TO cloudsqlreplica, cloudsqlobservability;
    CREATE ROLE cloudsqliamuser;
    CREATE ROLE cloudsqliamserviceaccount;
    CREATE ROLE cloudsqliamgroup;
    CREATE ROLE cloudsqliamgroupuser;
    CREATE ROLE cloudsqliamgroupserviceaccount;
    CREATE ROLE cloudsqlinactiveuser
"""
_RDS = """
    CREATE ROLE rds_superuser;
    CREATE ROLE rds_ad;
    CREATE ROLE rds_iam;
    CREATE ROLE rds_password;
    CREATE ROLE rds_replication;
    GRANT pg_checkpoint, pg_monitor, pg_read_all_data, pg_signal_backend, pg_write_all_data, rds_password,
          rds_replication, rds_iam TO rds_superuser WITH ADMIN OPTION;
    ALTER ROLE rdsadmin SET "TimeZone" TO 'utc';
    ALTER ROLE rdsadmin SET statement_timeout TO '0';
    ALTER ROLE rdsadmin SET role TO 'rdsadmin'
"""
# The key is the release that brought them; those of 15 were gone from the dump of 17.
_RDS_UNTIL_15 = """
    CREATE ROLE rdsrepladmin NOINHERIT REPLICATION;
    CREATE ROLE rdstopmgr LOGIN;
    GRANT pg_checkpoint, pg_monitor TO rdstopmgr;
    ALTER ROLE rdstopmgr SET statement_timeout TO '0';
    ALTER ROLE rdstopmgr SET role TO 'rdstopmgr'
"""
_RDS_SINCE = {
    16: """
        CREATE ROLE rds_extension NOINHERIT;
        CREATE ROLE rds_reserved NOINHERIT;
        GRANT pg_create_subscription, pg_use_reserved_connections TO rds_superuser WITH ADMIN OPTION
    """,
    17: "GRANT pg_maintain TO rds_superuser WITH ADMIN OPTION",
}


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """Where the programs of one PostgreSQL release are, and whom to run them as (root may not).

    Attributes:
        newer: a later release with `pg_dump`, `pg_restore` and `psql`, for one that comes without them.
    """

    folder: Path
    libraries: Path | None
    newer: "Binaries | None" = None

    @property
    def clients(self) -> "Binaries":
        return self.newer or self

    def run(self, program: str, *arguments: str, **variables: str) -> str:
        # The server outlives the call, so it must not hold a pipe open: output goes to a file.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", **variables}
        if self.libraries is not None:
            environment["LD_LIBRARY_PATH"] = str(self.libraries)
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [*_prefix(), str(self.folder / program), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                env=environment,
                cwd="/",
            )
            output.seek(0)
            text = output.read()
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {text}")
        return text


@dataclass(kw_only=True)
class Postgres:
    """A running server. `host` and `port` are TLS only; `ca_pem` signed its certificate.

    Attributes:
        superuser: what the cloud calls the server's own superuser.
    """

    binaries: Binaries
    major: int
    port: int
    ca_pem: str
    ca_file: Path
    folder: Path
    host: str = "127.0.0.1"
    superuser: str = BOOTSTRAP

    def bootstrap(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A session of the server's own superuser, which exists in the cloud too but is nobody's to use."""
        return self.session(self.superuser, BOOTSTRAP_PASSWORD, database)

    def session(self, user: str, password: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=user,
            password=password,
            dbname=database,
            sslmode="verify-ca",
            sslrootcert=str(self.ca_file),
            autocommit=True,
        )

    def settle(self) -> None:
        """Wait until no tenant's login has a session: one that its client has closed takes a moment to end."""
        deadline = time.monotonic() + _PATIENCE
        with self.bootstrap() as connection:
            while found := connection.execute(
                "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename ~ '^tn_'"
            ).fetchall():
                assert time.monotonic() < deadline, found
                time.sleep(0.02)

    def dump(self, database: str, path: Path) -> None:
        """A logical export, as the cloud's API makes one: plain SQL without owners and grants."""
        text = self.binaries.clients.run(
            "pg_dump", "--no-owner", "--no-acl", "-d", self._conninfo(self.superuser, database),
            PGPASSWORD=BOOTSTRAP_PASSWORD,
        )  # fmt: skip
        if self.binaries.newer is not None:  # the cloud dumps with the server's own release
            text = text.replace("SET transaction_timeout = 0;\n", "", 1)
        path.write_text(text, encoding="utf-8")

    def load(self, database: str, path: Path) -> None:
        """An import, as the cloud's API makes one: as the administrator, who then owns everything."""
        path.chmod(0o644)
        path.parent.chmod(0o755)
        self.binaries.clients.run(
            "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", self._conninfo(ADMIN, database),
            "-c", "SET ROLE cloudsqlsuperuser", "-f", str(path), PGPASSWORD=ADMIN_PASSWORD,
        )  # fmt: skip

    def create_database(self, name: str) -> None:
        """What the cloud's API does for `sql.Database`."""
        with self.bootstrap() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER cloudsqlsuperuser").format(sql.Identifier(name)))

    def wipe(self) -> None:
        """Back to a Cloud SQL instance just created: no tenant's database or role, all open that is by default."""
        self._clear(BOOTSTRAP)
        with self.bootstrap() as connection:
            connection.execute(_CLOUD_SQL.encode())
            for user in (ADMIN, *PLATFORM):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN IN ROLE cloudsqliamserviceaccount PASSWORD {}").format(
                        sql.Identifier(user), sql.Literal(ADMIN_PASSWORD)
                    )
                )
            connection.execute(sql.SQL("GRANT cloudsqlsuperuser TO {}").format(sql.Identifier(ADMIN)))
            self._open_to_all(connection, "cloudsqlsuperuser")
            self._own_database(connection)

    def wipe_as_rds(self) -> None:
        """Back to an RDS instance just created: the master user has the attributes himself; nobody else is there."""
        self._clear(RDS_BOOTSTRAP)
        with self.bootstrap() as connection:
            connection.execute(_RDS.encode())
            if self.major < min(_RDS_SINCE):
                connection.execute(_RDS_UNTIL_15.encode())
            for since, statements in _RDS_SINCE.items():
                if self.major >= since:
                    connection.execute(statements.encode())
            connection.execute(
                sql.SQL(
                    "CREATE ROLE {} LOGIN CREATEROLE CREATEDB VALID UNTIL 'infinity' IN ROLE rds_superuser PASSWORD {}"
                ).format(sql.Identifier(MASTER), sql.Literal(ADMIN_PASSWORD))
            )
            self._open_to_all(connection, MASTER)
            self._own_database(connection)

    def _clear(self, superuser: str) -> None:
        if self.superuser != superuser:
            self._rename_superuser(superuser)
        with self.bootstrap() as connection:
            for (name,) in connection.execute(
                "SELECT datname FROM pg_database WHERE datname <> ALL ('{postgres,template0,template1}')"
            ).fetchall():
                # its owner may have made it one, and a template cannot be dropped
                connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(str(name))))
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(name))))
            for database in ("postgres", "template1"):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (database, superuser)))
                )
            roles = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname <> %s AND rolname !~ '^pg_'", (superuser,)
            ).fetchall()
            for (name,) in roles:
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(str(name))))
            for (name,) in sorted(roles, key=lambda row: _LAST.index(row[0]) if row[0] in _LAST else -1):
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(str(name))))
            connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(superuser)))

    def _rename_superuser(self, name: str) -> None:
        """Give the server's superuser its name on the other cloud; nobody may rename himself, so a second one does."""
        with self.bootstrap() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE renames SUPERUSER LOGIN PASSWORD {}").format(sql.Literal(BOOTSTRAP_PASSWORD))
            )
        with self.session("renames", BOOTSTRAP_PASSWORD, "postgres") as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} RENAME TO {}").format(*map(sql.Identifier, (self.superuser, name)))
            )
        self.superuser = name
        with self.bootstrap() as connection:
            connection.execute("DROP ROLE renames")

    def _own_database(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Each cloud keeps a database of its own that is called like its superuser and closed to everybody else."""
        name = sql.Identifier(self.superuser)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))

    @staticmethod
    def _open_to_all(connection: psycopg.Connection[tuple[object, ...]], owner: str) -> None:
        for database in ("postgres", "template1"):
            identifier = sql.Identifier(database)
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(identifier, sql.Identifier(owner)))
            connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC").format(identifier))

    def _conninfo(self, user: str, database: str) -> str:
        where = f"host={self.host} port={self.port} user={user} dbname={database}"
        return f"{where} sslmode=verify-ca sslrootcert={self.ca_file}"


def distribution() -> Binaries:
    """The newest server of the distribution's package, or of PATH.

    Raises:
        RuntimeError: there is none; the message says what installs it.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("postgres")
    if folders:
        return Binaries(folder=folders[-1], libraries=None)
    if on_path is not None:
        return Binaries(folder=Path(on_path).resolve().parent, libraries=None)
    raise RuntimeError("no PostgreSQL server found; run tests/jobs/ensure_postgres.sh")


def packaged(scratch: Path) -> Binaries:
    """The release that comes with a Python package: newer, with today's rules for CREATEROLE."""
    program = scratch / "pg0"
    shutil.copy(Path(pg0.__file__).parent / "bin" / "pg0", program)
    home = scratch / "home"
    home.mkdir()
    _give(home)
    launcher = Binaries(folder=scratch, libraries=None)
    # Its only way to unpack is to start a server of its own, which is stopped at once.
    launcher.run("pg0", "start", "--name", "unpack", "--port", str(free_ports(1)[0]), HOME=str(home))
    launcher.run("pg0", "stop", "--name", "unpack", HOME=str(home))
    folder = next(home.glob(".pg0/installation/*/bin"))
    return Binaries(folder=folder, libraries=folder.parent / "lib")


def fetched(major: int, scratch: Path, newest: Callable[[], Binaries]) -> Binaries:
    """A release that `tests.jobs.majors` fetches; without clients of its own, it takes those of the newest one."""
    root = majors.unpack(major, scratch)
    newer = None if majors.PACKAGES[major].own_clients else newest()
    return Binaries(folder=root / "bin", libraries=root / "lib", newer=newer)


class Servers:
    """The servers of a run, each started once, when it is first asked for, and stopped at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, Postgres] = {}
        self._packaged: Binaries | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def get(self, name: str) -> Postgres:
        """The server that `majors.NAMES` calls so.

        Raises:
            RuntimeError: it cannot be had here.
        """
        if name not in self._running:
            started = self._stack.enter_context(running(self._binaries(name), self._scratch()))
            if os.environ.get(majors.VARIABLE) and majors.NAMES.get(started.major) != name:
                wanted = next(major for major, known in majors.NAMES.items() if known == name)
                raise RuntimeError(f"PostgreSQL {wanted} cannot be had here: the {name}'s release is {started.major}")
            self._running[name] = started
        return self._running[name]

    def _binaries(self, name: str) -> Binaries:
        if name == "distribution":
            return distribution()
        if name == "packaged":
            return self._newest()
        major = next(major for major, known in majors.NAMES.items() if known == name)
        return fetched(major, self._scratch(), self._newest)

    def _newest(self) -> Binaries:
        if self._packaged is None:
            self._packaged = packaged(self._scratch())
        return self._packaged

    def _scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="tenantry-pg-"))  # pytest's own folders are closed to the server's user
        folder.chmod(0o755)
        self._stack.callback(shutil.rmtree, folder)
        return folder


@contextmanager
def running(binaries: Binaries, scratch: Path) -> Iterator[Postgres]:
    """Start a server with TLS on a free port of loopback, and stop it at the end."""
    authority = trustme.CA()
    # for Cloud SQL the host is 127.0.0.1, which the certificate does not name; for RDS it is localhost, which it does
    certificate = authority.issue_cert("instance.tenantry-test.invalid", "localhost")
    data, socket_folder = scratch / "data", scratch / "socket"
    for folder in (data, socket_folder):
        folder.mkdir()
        _give(folder)
    password, ca = scratch / "password", scratch / "ca.pem"
    password.write_text(BOOTSTRAP_PASSWORD, encoding="utf-8")
    authority.cert_pem.write_to_path(str(ca))
    binaries.run(
        "initdb", "-D", str(data), "-U", BOOTSTRAP, "--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8",
        "--locale", "C", "--no-sync",
    )  # fmt: skip
    key, chain = data / "server.key", data / "server.crt"
    certificate.private_key_pem.write_to_path(str(key))
    chain.write_bytes(certificate.cert_chain_pems[0].bytes())
    key.chmod(0o600)
    for path in (key, chain):
        _give(path)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    (port,) = free_ports(1)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(socket_folder),
        "ssl": "on",
        "autovacuum": "off",
        "fsync": "off",
        "full_page_writes": "off",
        "log_statement": "ddl",
        "shared_buffers": "32MB",
        "max_connections": "100",
    }
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    log = data / "server.log"
    binaries.run("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", "60", "start")
    try:
        major = int(binaries.run("postgres", "--version").split()[2].split(".")[0])
        yield Postgres(
            binaries=binaries,
            major=major,
            port=port,
            ca_pem=ca.read_text(encoding="ascii"),
            ca_file=ca,
            folder=data,
        )
    finally:
        binaries.run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def _prefix() -> Sequence[str]:
    """Programs of the server refuse to run as root, so root runs them as somebody else."""
    if os.geteuid() != 0:
        return ()
    user = server_user()
    return ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")


def server_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        user = server_user()
        os.chown(path, user.pw_uid, user.pw_gid)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now; at random, so that two runs hardly ever choose the same."""
    probes: list[socket.socket] = []
    try:
        while len(probes) < count:
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", random.choice(_PORTS)))
            except OSError:
                probe.close()
                continue
            probes.append(probe)
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
