"""The restore check against a real server: a whole dump comes back, a damaged one is told from it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from psycopg import sql

from jobs.restore_check import main, restore
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.postgres import Server
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, Postgres

_SCHEMA = r"""
CREATE TABLE accounts (id integer PRIMARY KEY, note text);
CREATE TABLE entries (account integer REFERENCES accounts, amount numeric);
INSERT INTO accounts SELECT n, E'line\nbreak; \\. and \ttab' FROM generate_series(1, 500) n;
INSERT INTO entries SELECT n, n * 1.5 FROM generate_series(1, 500) n;
CREATE FUNCTION total() RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT sum(amount) FROM entries);
END;
$$;
CREATE VIEW rich AS SELECT * FROM entries WHERE amount > 600;
"""


@pytest.fixture
def dump(server: Postgres, tmp_path: Path) -> list[str]:
    server.wipe()
    for name in ("source", "target"):
        server.create_database(name)
    with server.bootstrap("source") as connection:
        connection.execute(_SCHEMA)
    path = tmp_path / "dump.sql"
    server.dump("source", path)
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def run(server: Postgres, lines: list[str]) -> tuple[int, int]:
    target = Server(
        host=server.host,
        port=server.port,
        ca_file=server.ca_file,
        sslmode="verify-ca",
        group_role="cloudsqlsuperuser",
    )
    with target.admin(user=ADMIN, password=ADMIN_PASSWORD, database="target") as connection:
        return restore(connection, lines)


@pytest.mark.postgres
def test_a_whole_dump_comes_back(server: Postgres, dump: list[str]) -> None:
    assert run(server, dump) == (2, 1000)
    query = sql.SQL("SELECT (SELECT md5(string_agg(note, '' ORDER BY id)) FROM public.accounts), public.total()")
    found = []
    for database in ("source", "target"):
        with server.bootstrap(database) as connection:
            found.append(connection.execute(query).fetchone())
    assert found[0] == found[1]
    assert found[0] is not None


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("end", "problem"),
    [("COPY public.accounts", "breaks off: its last line"), ("250\t", "breaks off inside a table's rows")],
)
def test_a_dump_that_breaks_off_is_refused(server: Postgres, dump: list[str], end: str, problem: str) -> None:
    cut = next(number for number, line in enumerate(dump) if line.startswith(end))
    with pytest.raises(JobError, match=problem):
        run(server, dump[:cut])


@pytest.mark.postgres
def test_a_statement_that_fails_is_named_by_the_server(server: Postgres, dump: list[str]) -> None:
    broken = [line.replace("CREATE VIEW", "CREATE VIEUX") for line in dump]
    with pytest.raises(JobError, match="SQLSTATE 42601"):
        run(server, broken)


@pytest.mark.parametrize(
    "export", ["gs://b/sql/pool-b/tn_elm/2026-11-22T020000Z-e.sql.gz", "gs://b/final/elm.json", "/etc/passwd"]
)
def test_only_an_export_of_the_instance_is_restored(export: str) -> None:
    stream = io.StringIO()
    arguments = ["--instance", "pool-a", "--host", "10.9.0.7", "--export", export]
    assert main(arguments, {}, Log(stream)) == 1
    assert json.loads(stream.getvalue())["error"] == f"--export {export}: is no export of pool-a"
