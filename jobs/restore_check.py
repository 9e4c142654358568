"""Restores one logical export into an empty database of a scratch instance (R3.4).

That an export exists does not show that it restores.

`python -m jobs.restore_check --instance KEY --host ADDRESS --export gs://BUCKET/sql/KEY/DATABASE/STAMP.sql.gz`, with
the scratch instance's CA in SERVER_CA_PEM.
"""

import argparse
import gzip
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import google.auth
import google.auth.transport.requests
import psycopg

from jobs.sql import gcp
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, message_of, open_server, run
from jobs.sql.registry import Scope, parse_instance
from jobs.sql.verify import count

SCRATCH_DATABASE: Final = "restore_check"
_EXPORT: Final = re.compile(
    r"^gs://(?P<bucket>[^/]+)/(?P<path>sql/(?P<instance>[^/]+)/(?P<database>[^/]+)/[^/]+\.sql\.gz)$"
)
_COPY: Final = re.compile(r"^COPY .+ FROM stdin;$")
_END_OF_COPY: Final = "\\."
# pg_dump's last line; an upload that broke off does not have it.
_COMPLETE: Final = "-- PostgreSQL database dump complete"
_STATEMENT_TIMEOUT_MS: Final = 3_600_000
_READ_SECONDS: Final = 300
_READ_ONLY_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_only"


def restore(connection: Connection, lines: Iterable[str]) -> tuple[int, int]:
    """Run a plain dump of pg_dump; return its tables and rows as counted afterwards.

    Raises:
        JobError: a statement failed, or the dump does not end as a whole one does.
    """
    complete = False
    pending: list[str] = []
    source = iter(lines)
    for line in source:
        text = line.rstrip("\n")
        if _COPY.fullmatch(text):
            _execute(connection, pending)
            pending = []
            _copy(connection, text, source)
        elif text == _COMPLETE:
            complete = True
        # psql's own commands (\restrict, \connect) are no SQL
        elif not text.startswith("\\"):
            pending.append(line)
    if not complete:
        raise JobError(f"the dump breaks off: its last line is not {_COMPLETE!r}")
    _execute(connection, pending)
    return count(connection)


def _execute(connection: Connection, lines: Sequence[str]) -> None:
    # without parameters the whole text goes to the server, which finds the ends of statements itself
    statements = "".join(lines)
    if not statements.strip():
        return
    try:
        connection.execute(statements.encode())
    except psycopg.Error as error:
        raise JobError(f"a statement of the dump failed: {message_of(error)}") from None


def _copy(connection: Connection, statement: str, source: Iterator[str]) -> None:
    try:
        with connection.cursor().copy(statement.encode()) as copy:
            for line in source:
                if line.rstrip("\n") == _END_OF_COPY:
                    return
                copy.write(line)
    except psycopg.Error as error:
        raise JobError(f"{statement.partition('(')[0].strip()}: {message_of(error)}") from None
    raise JobError("the dump breaks off inside a table's rows")


def read_export(bucket: str, path: str) -> Iterator[str]:
    """Stream the lines of a compressed export, so that its size does not matter to the job's memory.

    Raises:
        JobError: it cannot be read.
    """
    credentials, _ = google.auth.default(scopes=[_READ_ONLY_SCOPE])
    http = google.auth.transport.requests.AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    url = f"https://storage.googleapis.com/storage/v1/b/{bucket}/o/{quote(path, safe='')}?alt=media"
    with http.get(url, stream=True, timeout=(5, _READ_SECONDS), headers={"Accept-Encoding": "gzip"}) as answer:
        if not answer.ok:
            raise JobError(f"cannot read gs://{bucket}/{path}: HTTP {answer.status_code}")
        with gzip.open(answer.raw, "rt", encoding="utf-8", newline="\n") as lines:
            yield from lines


def main(arguments: Sequence[str], variables: Mapping[str, str], log: Log) -> int:
    """Restore and count; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs.restore_check")
    parser.add_argument("--instance", required=True, metavar="KEY", help="the source's key in the registry")
    parser.add_argument("--host", required=True, help="where the scratch instance listens")
    parser.add_argument("--export", required=True, metavar="URI", help="the export to restore")
    options = parser.parse_args(arguments)
    try:
        found = _EXPORT.fullmatch(options.export)
        if found is None or found["instance"] != options.instance:
            raise JobError(f"--export {options.export}: is no export of {options.instance}")
        tables, rows = _check(options.instance, options.host, found, variables, log)
    except (JobError, psycopg.Error, OSError) as error:
        text = message_of(error) if isinstance(error, psycopg.Error) else str(error)
        log.event(
            "ERROR", "restore.check", text, instance=options.instance, uri=options.export, result="failed", error=text
        )
        return 1
    log.event(
        "INFO",
        "restore.check",
        f"{options.export}: {tables} tables, {rows} rows",
        instance=options.instance,
        database=found["database"],
        uri=options.export,
        result="ok",
        tables=tables,
        rows=rows,
    )
    return 0


def _check(key: str, host: str, export: re.Match[str], variables: Mapping[str, str], log: Log) -> tuple[int, int]:
    missing = [name for name in ("PROJECT", "REGISTRY_BUCKET", "SERVER_CA_PEM") if not variables.get(name)]
    if missing:
        raise JobError(f"environment variables: {', '.join(missing)} must be set")
    name = f"instances/{key}.json"
    content = gcp.BucketObjects(gcp.Session(), variables["REGISTRY_BUCKET"]).read(name)
    if content is None:
        raise JobError(f"{name}: no such object")
    instance = parse_instance(name, content, Scope(kind="cloudsql", home=variables["PROJECT"]))
    if host == instance.host:
        raise JobError(f"--host {host}: is the instance itself; a restore is only tried on a scratch instance")
    token = gcp.AccessToken()(instance)
    log.protect(token)
    with open_server(instance, host=host, ca_pem=variables["SERVER_CA_PEM"]) as server:
        with server.admin(user=instance.admin_user, password=token, database=MAINTENANCE_DATABASE) as connection:
            run(connection, "DROP DATABASE IF EXISTS {name}", name=SCRATCH_DATABASE)
            run(connection, "CREATE DATABASE {name} TEMPLATE template0", name=SCRATCH_DATABASE)
        with server.admin(
            user=instance.admin_user,
            password=token,
            database=SCRATCH_DATABASE,
            statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        ) as connection:
            return restore(connection, read_export(export["bucket"], export["path"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Log()))
