"""A PostgreSQL server of this job's own: in a temporary folder, on a socket, gone at the end with all its data."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from jobs.dumps.layout import Manifest
from jobs.dumps.session import session
from jobs.dumps.tools import Endpoint, Tools
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, run

_SUPERUSER: Final = "drill"
_OWNER: Final = "restorer"
_DATABASE: Final = "restored"
_START: Final = 60.0  # seconds until the server has to answer
_STOP: Final = 30.0
# Nothing here outlives the drill, so nothing has to survive a crash. Parallel workers share memory through /dev/shm,
# of which a container has 64 MiB, too little for an index of any size.
_SETTINGS: Final = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "maintenance_work_mem": "256MB",
    "max_parallel_maintenance_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_wal_senders": "0",
    "synchronous_commit": "off",
    "wal_level": "minimal",
}


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A running server. Dumps are restored as an ordinary role: what a tenant has written never runs as superuser."""

    folder: Path
    password: str

    def endpoint(self, user: str, database: str) -> Endpoint:
        where = {"host": str(self.folder), "user": user, "dbname": database}
        return Endpoint(parameters=where, password=self.password)

    @contextmanager
    def database(self, manifest: Manifest) -> Iterator[tuple[Endpoint, list[str]]]:
        """An empty database of the source's encoding with what a restore takes for granted; dropped at the end.

        Yields the owner's way in, and the extensions that this server does not have.
        """
        with session(self.endpoint(_SUPERUSER, "postgres")) as server:
            for role in manifest.roles:
                _ensure_role(server, role)
            run(server, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=_DATABASE)
            server.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE 'C'").format(
                    sql.Identifier(_DATABASE), sql.Identifier(_OWNER), sql.Literal(manifest.encoding)
                )
            )
            try:
                missing = self._extend(manifest)
                self._stand_in(manifest)
                yield self.endpoint(_OWNER, _DATABASE), missing
            finally:
                run(server, "DROP DATABASE {name} WITH (FORCE)", name=_DATABASE)

    def _extend(self, manifest: Manifest) -> list[str]:
        missing = []
        with session(self.endpoint(_SUPERUSER, _DATABASE)) as own:
            for extension in manifest.extensions:
                if not own.execute("SELECT FROM pg_available_extensions WHERE name = %s", (extension.name,)).fetchall():
                    missing.append(extension.name)
                    continue
                schema = extension.schema_name
                if not schema.startswith("pg_"):
                    run(own, "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}", schema=schema, owner=_OWNER)
                try:
                    # the schema of some is fixed by the extension itself
                    run(own, "CREATE EXTENSION {name} SCHEMA {schema} CASCADE", name=extension.name, schema=schema)
                except psycopg.errors.DuplicateObject:  # came along with another one
                    continue
        return missing

    def _stand_in(self, manifest: Manifest) -> None:
        """Make functions that a dump of chosen schemas calls in others. No row needs one: each refuses to run."""
        with session(self.endpoint(_OWNER, _DATABASE)) as own:
            for function in manifest.functions:
                run(own, "CREATE SCHEMA IF NOT EXISTS {schema}", schema=function.schema_name)
                try:
                    # as the dump's statements, these two texts are the source's, and run with no more rights
                    own.execute(
                        sql.SQL("CREATE FUNCTION {}({}) RETURNS {} LANGUAGE plpgsql AS {}").format(
                            sql.Identifier(function.schema_name, function.name),
                            sql.SQL(function.arguments),
                            sql.SQL(function.result),
                            sql.Literal("BEGIN RAISE 'stands in for a function of a schema that is not exported'; END"),
                        )
                    )
                except psycopg.Error as error:
                    name = f"{function.schema_name}.{function.name}"
                    raise JobError(f"no stand-in for {name}, which is not exported: {message_of(error)}") from None


@contextmanager
def scratch_server(tools: Tools) -> Iterator[Scratch]:
    """Start a server and stop it.

    Raises:
        JobError: it does not start; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        password = secrets.token_urlsafe(24)
        pwfile = folder / "password"
        pwfile.touch(mode=0o600)
        pwfile.write_text(password, encoding="ascii")
        data = folder / "data"
        made = subprocess.run(  # noqa: S603 - a program of ours; every argument is one string
            [
                tools.program("initdb"),
                f"--pgdata={data}",
                f"--username={_SUPERUSER}",
                f"--pwfile={pwfile}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            env=tools.environment(),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        if made.returncode:
            raise JobError(f"initdb ended with {made.returncode}: {_last_words(made.stderr)}")
        with (folder / "server.log").open("wb") as log:
            settings = [f"-c{key}={value}" for key, value in _SETTINGS.items()]
            server = subprocess.Popen(  # noqa: S603 - the same
                [tools.program("postgres"), "-D", str(data), "-k", str(folder), *settings],
                env=tools.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        try:
            scratch = Scratch(folder=folder, password=password)
            _await(scratch, server, folder / "server.log")
            yield scratch
        finally:
            server.terminate()
            try:
                server.wait(_STOP)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await(scratch: Scratch, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            with session(scratch.endpoint(_SUPERUSER, "postgres"), attempts=1) as connection:
                # BYPASSRLS, to read back every row of a table whose policies bind its owner too
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS PASSWORD {}").format(
                        sql.Identifier(_OWNER), sql.Literal(scratch.password)
                    )
                )
                return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise JobError(f"the scratch server does not start: {_last_words(log.read_text())}") from None
            time.sleep(0.1)


def _ensure_role(server: Connection, role: str) -> None:
    if not server.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
        try:
            run(server, "CREATE ROLE {role}", role=role)
        except psycopg.Error as error:
            raise JobError(f"role {role}: {message_of(error)}") from None


def _last_words(text: str) -> str:
    return " ".join(text.split("\n")[-4:]).strip()
