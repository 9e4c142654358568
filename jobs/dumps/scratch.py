"""A PostgreSQL server of this job's own: in a temporary folder, on a socket, gone at the end with all its data."""

import re
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from jobs.deadline import Clock, DeadlineError
from jobs.dumps.layout import Locale, Manifest
from jobs.dumps.session import pinned_options, session
from jobs.dumps.tools import Endpoint, Tools, seconds_left
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, run

_SUPERUSER: Final = "drill"
_OWNER: Final = "restorer"
_DATABASE: Final = "restored"
_START: Final = 60.0  # seconds until the server has to answer
_STOP: Final = 5.0
_BUILTIN_PROVIDER: Final = 170_000  # PostgreSQL 17
_ICU_RULES: Final = 160_000
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
class Empty:
    """A database to restore into.

    Attributes:
        owner: the way in of its owner, an ordinary role.
        missing: the extensions that this server does not have.
        locale: what stands in for the source's collation; None when that one is there.
    """

    owner: Endpoint
    missing: tuple[str, ...]
    locale: str | None


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A running server. Dumps are restored as an ordinary role: what a tenant has written never runs as superuser.

    Attributes:
        passwords: of the superuser, and of the owner of what is restored.
    """

    folder: Path
    passwords: Mapping[str, str]

    def endpoint(self, user: str, database: str) -> Endpoint:
        where = {"host": str(self.folder), "user": user, "dbname": database, "options": pinned_options(0)}
        return Endpoint(parameters=where, password=self.passwords[user])

    def database(self, manifest: Manifest) -> Empty:
        """Make an empty database of the source's encoding and collation, with what a restore takes for granted."""
        with session(self.endpoint(_SUPERUSER, "postgres")) as server:
            for role in manifest.roles:
                _ensure_role(server, role)
            locale = _create(server, manifest)
        missing = self._extend(manifest)
        self._stand_in(manifest)
        return Empty(owner=self.endpoint(_OWNER, _DATABASE), missing=tuple(missing), locale=locale)

    def _extend(self, manifest: Manifest) -> list[str]:
        missing = []
        with session(self.endpoint(_SUPERUSER, _DATABASE)) as own:
            for extension in manifest.extensions:
                if not own.execute(
                    "SELECT FROM pg_catalog.pg_available_extensions WHERE name = %s", (extension.name,)
                ).fetchall():
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
            # rows of these are in dumps
            for schema, table in own.execute(
                """
                SELECT n.nspname, c.relname FROM pg_catalog.pg_extension x, pg_catalog.unnest(x.extconfig) part
                  JOIN pg_catalog.pg_class c ON c.oid = part JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                """
            ).fetchall():
                own.execute(
                    sql.SQL("GRANT ALL ON {} TO {}").format(sql.Identifier(schema, table), sql.Identifier(_OWNER))
                )
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
def scratch_server(tools: Tools, clock: Clock) -> Iterator[Scratch]:
    """Start a server and stop it.

    Raises:
        JobError: it does not start; the message has its last words.
        DeadlineError: the clock has run out.
    """
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        passwords = {user: secrets.token_urlsafe(24) for user in (_SUPERUSER, _OWNER)}
        data = folder / "data"
        _make(tools, folder, data, passwords[_SUPERUSER], clock)
        with (folder / "server.log").open("wb") as log:
            settings = [f"-c{key}={value}" for key, value in _SETTINGS.items()]
            server = subprocess.Popen(  # noqa: S603 - a program of ours; every argument is one string
                [tools.program("postgres"), "-D", str(data), "-k", str(folder), *settings],
                env=tools.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        try:
            scratch = Scratch(folder=folder, passwords=passwords)
            _await(scratch, server, folder / "server.log")
            yield scratch
        finally:
            # at once, whatever runs in it: nothing of it is needed any more
            server.send_signal(signal.SIGQUIT)
            try:
                server.wait(_STOP)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _make(tools: Tools, folder: Path, data: Path, password: str, clock: Clock) -> None:
    pwfile = folder / "password"
    pwfile.touch(mode=0o600)
    pwfile.write_text(password, encoding="ascii")
    left = seconds_left(clock)
    try:
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
            timeout=left,
        )
    except subprocess.TimeoutExpired:
        raise DeadlineError(f"initdb: not done after {left:g} s") from None
    if made.returncode:
        raise JobError(f"initdb ended with {made.returncode}: {_last_words(made.stderr)}")


def _create(server: Connection, manifest: Manifest) -> str | None:
    """Create the database; return what stands in for a collation that this server does not have.

    The C library's locales are those of the machine. One that is not here is replaced by what knows the same letters:
    the collation of Unicode that comes with PostgreSQL 17, or ICU's. That may order text otherwise, and only that.
    """
    # the first version of the manifest does not say, and its drills had C
    wanted = manifest.locale or Locale(provider="libc", collate="C", ctype="C")
    version = server.info.server_version
    stand_ins = [Locale(provider="icu", collate="C", ctype="C", locale=_language(wanted))]
    if version >= _BUILTIN_PROVIDER and manifest.encoding == "UTF8":
        stand_ins.insert(0, Locale(provider="builtin", collate="C", ctype="C", locale="C.UTF-8"))
    problem = ""
    for locale in (wanted, *stand_ins, Locale(provider="libc", collate="C", ctype="C")):
        try:
            server.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} {}").format(
                    sql.Identifier(_DATABASE),
                    sql.Identifier(_OWNER),
                    sql.Literal(manifest.encoding),
                    _clauses(locale, version),
                )
            )
        except psycopg.Error as error:
            problem = problem or message_of(error)
        else:
            return None if locale == wanted else f"{_named(locale)} instead of {_named(wanted)}"
    raise JobError(f"no database of encoding {manifest.encoding}: {problem}")


def _clauses(locale: Locale, version: int) -> sql.Composable:
    parts = [sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(sql.Literal(locale.collate), sql.Literal(locale.ctype))]
    parts.append(sql.SQL("LOCALE_PROVIDER {}").format(sql.Identifier(locale.provider)))
    if locale.provider == "icu":
        parts.append(sql.SQL("ICU_LOCALE {}").format(sql.Literal(locale.locale)))
        if locale.rules is not None and version >= _ICU_RULES:
            parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(locale.rules)))
    if locale.provider == "builtin":
        parts.append(sql.SQL("BUILTIN_LOCALE {}").format(sql.Literal(locale.locale)))
    return sql.SQL(" ").join(parts)


def _language(locale: Locale) -> str:
    """The language of a locale of the C library, as ICU calls it: `de-AT` of `de_AT.UTF-8`."""
    found = re.match(r"([a-z]{2,3})(?:_([A-Z]{2}))?(?:[.@]|$)", locale.ctype)
    return "und" if found is None else "-".join(part for part in found.groups() if part)


def _named(locale: Locale) -> str:
    return f"{locale.provider} {locale.locale or f'{locale.collate}/{locale.ctype}'}"


def _await(scratch: Scratch, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            with session(scratch.endpoint(_SUPERUSER, "postgres"), attempts=1) as connection:
                # BYPASSRLS, to read back every row of a table whose policies bind its owner too
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS PASSWORD {}").format(
                        sql.Identifier(_OWNER), sql.Literal(scratch.passwords[_OWNER])
                    )
                )
                return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise JobError(f"the scratch server does not start: {_last_words(log.read_text())}") from None
            time.sleep(0.1)


def _ensure_role(server: Connection, role: str) -> None:
    if not server.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).fetchall():
        try:
            run(server, "CREATE ROLE {role}", role=role)
        except psycopg.Error as error:
            raise JobError(f"role {role}: {message_of(error)}") from None


def _last_words(text: str) -> str:
    return " ".join(text.split("\n")[-4:]).strip()
