"""Connections: TLS against the instance's own CA, bounded retries, refusals told apart from outages."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from jobs.sql.errors import ConnectError, JobError, RejectedError
from jobs.sql.log import first_line
from jobs.sql.registry import Instance

Connection = psycopg.Connection[TupleRow]

MAINTENANCE_DATABASE: Final = "postgres"

# libpq reports no SQLSTATE for a refused session, only the server's text (the clouds' servers speak English).
REJECTIONS: Final = {
    "password": re.compile("password authentication failed"),
    "no-login": re.compile("is not permitted to log in"),
    "no-connect": re.compile("permission denied for database"),
    "no-database": re.compile('database ".+" does not exist'),
    "no-entry": re.compile("no pg_hba.conf entry"),
    "limit": re.compile("too many connections for role"),
    # asked after CONNECT (CheckMyDatabase in postinit.c): whoever hears it may connect
    "full": re.compile("too many connections for database"),
}
# What a session of a job rests on. A database's owner may set any of these for everybody who enters (ALTER DATABASE ...
# SET); options in the start-up packet win over that, while a first statement would come too late: `search_path` decides
# whose function a name means, `row_security` whether a policy's function runs, the rest how text is read and written.
PINNED: Final[Mapping[str, str]] = {
    "search_path": "pg_catalog,pg_temp",
    "row_security": "off",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "transform_null_equals": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "5000",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
    "quote_all_identifiers": "off",
    "exit_on_error": "off",
}
_ATTEMPTS = 4
_FIRST_PAUSE = 0.5  # seconds; doubles
_CONNECT_TIMEOUT = 10  # seconds, per attempt
_SINCE_GRANT_OPTIONS = 160000  # PostgreSQL 16: memberships carry INHERIT and SET of their own


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a PostgreSQL server listens, and how it is trusted.

    Attributes:
        ca_file: the CA that signed its certificate.
        sslmode: `verify-ca`, or `verify-full` where the certificate names the host.
        group_role: what `admin` becomes after the log-in, if anything.
    """

    host: str
    port: int
    ca_file: Path
    sslmode: str
    group_role: str | None
    pause: Callable[[float], None] = time.sleep

    def connect(
        self,
        *,
        user: str,
        password: str,
        database: str,
        statement_timeout_ms: int = 60_000,
        default_role: bool = False,
        row_security: bool = False,
    ) -> Connection:
        """Open a session in autocommit mode, with its settings pinned.

        Args:
            user: who logs in.
            password: or token.
            database: where to.
            statement_timeout_ms: the server's limit for one statement.
            row_security: whether policies decide which rows there are; without, a table that has some is an error.
            default_role: whether to act as the role that the login's own settings name, as a tenant's logins do.

        Raises:
            RejectedError: the server refused the session; trying again would not help.
            ConnectError: the server could not be reached in the bounded number of attempts.
        """
        wait = _FIRST_PAUSE
        settings = {**PINNED, "statement_timeout": str(statement_timeout_ms)}
        if row_security:
            settings["row_security"] = "on"
        if not default_role:
            settings["role"] = "none"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                connection = psycopg.connect(
                    host=self.host,
                    port=self.port,
                    user=user,
                    password=password,
                    dbname=database,
                    sslmode=self.sslmode,
                    sslrootcert=str(self.ca_file),
                    connect_timeout=_CONNECT_TIMEOUT,
                    keepalives_idle=30,
                    application_name="tenantry-sql-job",
                    options=startup_options(settings),
                    autocommit=True,
                )
            except psycopg.OperationalError as error:
                text = str(error)
                reason = next((key for key, words in REJECTIONS.items() if words.search(text)), None)
                if reason is not None:
                    raise RejectedError(reason, f"{user} on {database}: {first_line(text.splitlines())}") from None
                # a server that takes a session and does not answer would be left with one more each time
                if attempt == _ATTEMPTS or isinstance(error, psycopg.errors.ConnectionTimeout):
                    message = f"{self.host}:{self.port}/{database}: no session after {attempt} attempts"
                    raise ConnectError(f"{message}: {first_line(text.splitlines())}") from None
                self.pause(wait)
                wait *= 2
            else:
                return connection
        raise AssertionError("the last attempt returns or raises")

    def admin(self, *, user: str, password: str, database: str, statement_timeout_ms: int = 60_000) -> Connection:
        """Open a session that acts as the administrative role, if there is one: its attributes are not inherited.

        Raises:
            JobError: the user is not a member of that role.
        """
        connection = self.connect(
            user=user, password=password, database=database, statement_timeout_ms=statement_timeout_ms
        )
        if self.group_role is None:
            return connection
        try:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.group_role)))
        except psycopg.Error as error:
            connection.close()
            raise JobError(
                f"{user} cannot act as {self.group_role} ({message_of(error)}); give the instance's IAM user "
                f'database_roles=["{self.group_role}"]'
            ) from None
        return connection

    def url(self, *, login: str, password: str, database: str) -> str:
        """The DSN that applications get.

        It names no CA file: where an application keeps the CA (`server_ca_pem` in the registry, or the bundle of RDS)
        is the application's choice (`PGSSLROOTCERT` for libpq), and a client without it refuses to connect rather than
        trust anyone.
        """
        return (
            f"postgresql://{quote(login, safe='')}:{quote(password, safe='')}"
            f"@{self.host}:{self.port}/{quote(database, safe='')}?sslmode={self.sslmode}"
        )


def startup_options(settings: Mapping[str, str]) -> str:
    """Libpq's `options`: one `-c name=value` each, with blanks and backslashes escaped."""
    escaped = {name: re.sub(r"([\\ ])", r"\\\1", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


@contextmanager
def open_server(instance: Instance, *, host: str | None = None, ca_pem: str | None = None) -> Iterator[Server]:
    """An instance's server, or a copy of it elsewhere with a CA of its own."""
    with ca_file(ca_pem or instance.server_ca_pem, instance.ca_bundle) as ca:
        yield Server(
            host=host or instance.host,
            port=instance.port,
            ca_file=ca,
            sslmode=instance.SSLMODE,
            group_role=instance.group_role,
        )


@contextmanager
def ca_file(pem: str | None, bundle: Path | None) -> Iterator[Path]:
    """Hold a CA in a file, because libpq reads it from nowhere else; without one, the bundle that is a file already.

    Raises:
        JobError: there is neither.
    """
    if pem is None:
        if bundle is None:
            raise JobError("the instance declares no CA, and this cloud has no bundle of them")
        yield bundle
        return
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem", prefix="server-ca-") as file:
        file.write(pem)
        file.flush()
        yield Path(file.name)


def message_of(error: psycopg.Error) -> str:
    """The server's one-line message with its SQLSTATE, without the statement and its details."""
    primary = error.diag.message_primary
    if primary is None:
        return first_line(str(error).splitlines())
    return f"{primary} (SQLSTATE {error.diag.sqlstate})"


def run(connection: Connection, statement: LiteralString, /, *, literal: object = None, **names: str) -> None:
    """Run a statement whose `{fields}` are identifiers; `{literal}` is a value, because DDL takes no parameters."""
    parts: dict[str, sql.Composable] = {key: sql.Identifier(name) for key, name in names.items()}
    if literal is not None:
        parts["literal"] = sql.Literal(literal)
    connection.execute(sql.SQL(statement).format(**parts))


def rows(connection: Connection, query: LiteralString, /, **params: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, params).fetchall()


def has_grant_options(connection: Connection) -> bool:
    return connection.info.server_version >= _SINCE_GRANT_OPTIONS


@contextmanager
def acting_for(connection: Connection, role: str) -> Iterator[None]:
    """Hold the rights of a role for a moment, inside a transaction, and give them back.

    Ending another role's sessions or taking its objects needs its rights. CREATEROLE gives them for the asking, but
    from PostgreSQL 16 on only over roles that it administers.
    """
    inherit: LiteralString = " WITH INHERIT TRUE, SET TRUE" if has_grant_options(connection) else ""
    had = rows(
        connection, "SELECT pg_catalog.pg_has_role(current_user, %(role)s::pg_catalog.name, 'USAGE')", role=role
    )[0][0]
    if not had:
        run(connection, "GRANT {role} TO CURRENT_USER" + inherit, role=role)
    yield
    if not had:
        run(connection, "REVOKE {role} FROM CURRENT_USER", role=role)
