"""Restores against real servers: what went in comes back, in the tenant's name, and what is damaged is told from it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from jobs.export import main as export
from jobs.restore import main
from jobs.restores.replay import Replay, Rules
from jobs.restores.script import Command, Statement, read
from jobs.restores.sources import unpacked
from jobs.sql.__main__ import main as sql_job
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from tests.jobs.amazon import Account
from tests.jobs.books import BOOKS, fill
from tests.jobs.conftest import INSTANCE, World
from tests.jobs.restoring import END, HEAD, Shelf, one, owners
from tests.jobs.server import BOOTSTRAP_PASSWORD, Postgres

SCHEMA = r"""
CREATE TABLE accounts (id integer PRIMARY KEY, note text);
CREATE TABLE entries (account integer REFERENCES accounts, amount numeric);
INSERT INTO accounts SELECT n, E'line\nbreak; \\. and \ttab' FROM generate_series(1, 500) n;
INSERT INTO entries SELECT n, n * 1.5 FROM generate_series(1, 500) n;
CREATE FUNCTION total() RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
\echo this line begins with a backslash
COPY x FROM stdin;
\.
  RETURN (SELECT sum(amount) FROM entries);
END;
$$;
CREATE FUNCTION many(x integer) RETURNS SETOF integer BEGIN ATOMIC
  SELECT CASE WHEN x > 1 THEN 1 ELSE 2 END; SELECT 3; END;
CREATE VIEW rich AS SELECT * FROM entries WHERE amount > 600;
CREATE EXTENSION citext;
CREATE TABLE words (word citext);
INSERT INTO words VALUES ('One');
"""


@pytest.fixture
def shelf(world: World, tmp_path: Path, path: str) -> Shelf:
    world.add("acme", "beta")
    world.apply()
    with world.login("acme") as session:
        session.execute(f"SET check_function_bodies = off; {SCHEMA}".encode())
    with world.login("beta") as session:
        session.execute("CREATE TABLE secret AS SELECT 'hush' AS line")
    return Shelf(world, tmp_path, path)


HIDDEN = "public.hidden holds rows that no dump has (1000)"
FACTS = """
    SELECT (SELECT md5(string_agg(note, '' ORDER BY id)) FROM public.accounts),
           (SELECT prosrc FROM pg_proc WHERE proname = 'total'),
           (SELECT count(*) FROM public.words WHERE word = 'ONE')
"""


@pytest.mark.postgres
def test_a_whole_dump_comes_back(shelf: Shelf) -> None:
    code, line = shelf.restore("acme", uri := shelf.export("acme"))
    assert (code, line["error"]) == (0, None)
    del line["time"]
    assert line == {
        "severity": "INFO",
        "event": "restore.result",
        "message": "acme: 3 tables with 1001 rows came back into restored_tn_acme",
        "tenant": "acme",
        "instance": INSTANCE,
        "command": "restore",
        "uri": uri,
        "database": "restored_tn_acme",
        "result": "ok",
        "tables": 3,
        "rows": 1001,
        "left_out": "COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings'",
        "error": None,
    }
    found = []
    for database in ("tn_acme", "restored_tn_acme"):
        with shelf.world.server.bootstrap(database) as session:
            found.append(one(session, FACTS))
    assert found[0] == found[1]
    assert found[0][2] == 1
    assert "\\echo this line begins with a backslash\nCOPY x FROM stdin;\n\\.\n" in found[1][1]
    with shelf.world.server.bootstrap("restored_tn_acme") as session:
        assert owners(session) - {"cloudsqladmin"} == {"tn_acme_owner"}  # the extension's functions are the server's
        acl = one(session, "SELECT datacl::text[] FROM pg_database WHERE datname = 'restored_tn_acme'")
    assert sorted(str(item).partition("=")[0] for item in acl) == ['"sql-job@tenantry-test.iam"', "tn_acme_owner"]


@pytest.mark.postgres
def test_a_finished_restore_is_never_overwritten_and_a_killed_one_is(shelf: Shelf) -> None:
    uri = shelf.export("acme")
    assert shelf.restore("acme", uri)[0] == 0
    code, line = shelf.restore("acme", uri)
    assert (code, line["error"]) == (
        1,
        "database restored_tn_acme holds a restore that is whole; put it in place, or discard it first",
    )
    assert shelf.restore("acme", uri, "--into", "restored_tn_acme_again")[0] == 0
    with shelf.world.server.bootstrap() as session:  # as after a kill
        session.execute("ALTER DATABASE restored_tn_acme OWNER TO cloudsqlsuperuser")
    code, line = shelf.run("put-in-place", "--instance", INSTANCE, "--tenant", "acme")
    assert code == 1
    shelf.world.declare("acme", state="suspended")
    shelf.world.apply()
    code, line = shelf.run("put-in-place", "--instance", INSTANCE, "--tenant", "acme")
    assert (code, line["error"]) == (
        1,
        "acme: database restored_tn_acme belongs to cloudsqlsuperuser, so its restore has not come to its end",
    )
    assert shelf.restore("acme", uri)[0] == 0


@pytest.mark.postgres
def test_put_in_place(shelf: Shelf) -> None:
    world = shelf.world
    uri = shelf.export("acme")
    assert shelf.restore("acme", uri)[0] == 0
    with world.login("acme") as session:
        session.execute("DELETE FROM entries")
    place = ("put-in-place", "--instance", INSTANCE, "--tenant", "acme")
    code, line = shelf.run(*place)
    assert (code, line["error"]) == (
        1,
        "acme: is active; set its state to suspended, run `up` and the SQL job, then this",
    )
    world.declare("acme", state="suspended")
    code, line = shelf.run(*place)
    assert (code, line["error"]) == (
        1,
        "acme: tn_acme_a, tn_acme_migrator, tn_acme_worker can still log in or is logged in; run the SQL job first",
    )
    world.apply()
    with world.server.bootstrap("tn_acme"):
        code, line = shelf.run(*place)
        assert (code, line["error"]) == (
            1,
            "acme: sessions of cloudsqladmin are in tn_acme or restored_tn_acme; end them first",
        )
    code, line = shelf.run(*place)
    assert (code, line["error"], line["database"]) == (0, None, "tn_acme")
    (damaged,) = (name for name in shelf.databases() if name.startswith("damaged_"))
    assert shelf.databases() == {damaged: "cloudsqlsuperuser", "tn_acme": "tn_acme_owner", "tn_beta": "tn_beta_owner"}
    with world.server.bootstrap() as session:
        acl = one(session, f"SELECT datacl::text FROM pg_database WHERE datname = '{damaged}'")
        assert "tn_" not in acl
        assert "{=" not in acl
        assert ",=" not in acl
        assert (
            one(
                session,
                "SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase "
                "WHERE datname ~ 'damaged'",
            )
            == 0
        )
    world.declare("acme")
    world.apply()
    assert world.status("acme")["isolated"] is True
    assert world.status("beta")["isolated"] is True
    with world.login("acme") as session:
        assert one(session, "SELECT count(*) FROM entries") == 500
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        world.login("acme", database=damaged)
    code, _ = shelf.run("discard", "--instance", INSTANCE, "--tenant", "acme", "--name", damaged)
    assert (code, list(shelf.databases())) == (0, ["tn_acme", "tn_beta"])
    code, line = shelf.run("discard", "--instance", INSTANCE, "--tenant", "acme", "--name", "tn_acme")
    assert (code, line["error"]) == (1, "database tn_acme: is no restored or damaged database of acme")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("end", "problem"),
    [
        ("COPY public.accounts", "the dump breaks off: its last comment is not"),
        ("250\t", "the dump breaks off inside a table's rows"),
        ("  RETURN (SELECT", "the dump breaks off inside a statement"),
    ],
)
def test_a_dump_that_breaks_off_is_refused(shelf: Shelf, end: str, problem: str) -> None:
    lines = shelf.dump("tn_acme").splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if line.startswith(end))
    code, line = shelf.restore("acme", shelf.put("acme", "".join(lines[:cut])))
    assert code == 1
    assert problem in line["error"]
    assert "restored_tn_acme" not in shelf.databases()


@pytest.mark.postgres
def test_a_statement_that_fails_is_named(shelf: Shelf) -> None:
    uri = shelf.put("acme", shelf.dump("tn_acme").replace("CREATE VIEW", "CREATE VIEUX"))
    code, line = shelf.restore("acme", uri)
    assert code == 1
    assert line["error"].startswith("CREATE VIEUX public.rich AS ")
    assert line["error"].endswith("(SQLSTATE 42601)")


@pytest.mark.postgres
def test_a_tenant_that_moves_takes_its_export_along(shelf: Shelf) -> None:
    uri = shelf.export("acme")
    code, line = shelf.restore("beta", uri)
    assert (code, line["error"]) == (1, f"--export {uri}: is no export of beta")
    code, line = shelf.restore("beta", uri, "--from-tenant", "acme")
    assert (code, line["error"], line["rows"]) == (0, None, 1001)
    with shelf.world.server.bootstrap("restored_tn_beta") as session:
        assert owners(session) - {"cloudsqladmin"} == {"tn_beta_owner"}


@pytest.mark.postgres
def test_a_check_leaves_nothing_behind(shelf: Shelf) -> None:
    uri = shelf.export("acme")
    before = shelf.roles()
    check = ("check", "--instance", INSTANCE, "--export", uri)
    code, line = shelf.run(*check, "--host", "127.0.0.1")
    assert (code, line["event"], line["error"]) == (
        1,
        "restore.check",
        "--host 127.0.0.1: is the instance itself; a restore is only tried on a scratch instance",
    )
    code, line = shelf.run(*check, "--host", "localhost", SERVER_CA_PEM=shelf.world.server.ca_pem)
    assert (code, line["result"], line["rows"]) == (0, "ok", 1001)
    assert list(shelf.databases()) == ["tn_acme", "tn_beta"]
    assert shelf.roles() == before


@pytest.mark.postgres
def test_a_final_export_has_to_hold_everything(shelf: Shelf) -> None:
    world = shelf.world
    final = ("final", "--instance", INSTANCE, "--tenant", "acme", "--export")
    uri = shelf.export("acme")
    code, line = shelf.run(*final, uri)
    assert (code, line["error"]) == (1, "acme: is active; only what an offboarding tenant has is final")
    world.declare("acme", state="offboarding")
    code, line = shelf.run(*final, uri)
    assert code == 1
    assert "run the SQL job first" in line["error"]
    world.apply()
    code, line = shelf.run(*final, uri)
    assert (code, line["error"]) == (0, None)
    with world.server.bootstrap("tn_acme") as session:
        session.execute("UPDATE entries SET amount = 0 WHERE account = 7")
        session.execute("CREATE TABLE late AS SELECT 1 AS n")
        session.execute("ALTER TABLE late OWNER TO tn_acme_owner")
        session.execute("CREATE TABLE hidden AS SELECT n FROM generate_series(1, 1000) n")
        session.execute("ALTER TABLE hidden OWNER TO tn_acme_owner; ALTER EXTENSION citext ADD TABLE hidden")
    code, line = shelf.run(*final, uri)
    assert (code, line["error"]) == (
        1,
        f"{uri}: public.late is missing; public.entries has other content in its 500 rows; {HIDDEN}",
    )
    code, line = shelf.run(*final, shelf.export("acme", name="later"))
    assert code == 1
    assert line["error"].endswith(f": {HIDDEN}")
    assert list(shelf.databases()) == ["tn_acme", "tn_beta"]


@pytest.mark.postgres
def test_rds_a_nightly_dump_comes_back(account: Account) -> None:
    account.declare("acme")
    assert account.run(sql_job, ["apply"])[0] == 0
    account.let_backup_in()
    fill(account, "acme", BOOKS)
    code, lines = account.run(export)
    assert code == 0, lines
    uri = next(line["uri"] for line in lines if line["event"] == "export.result")
    command = ["restore", "--instance", INSTANCE, "--tenant", "acme", "--export", uri]
    code, lines = account.run(main, command)
    assert (code, lines[-1]["error"]) == (0, None)
    assert lines[-1]["rows"] == 506
    with account.server.bootstrap("restored_tn_acme") as session:
        assert owners(session) == {"tn_acme_owner"}
    stored = uri.removeprefix(f"s3://{account.exports}/")
    account.s3.put_object(Bucket=account.exports, Key=stored, Body=b"PGDMP")
    code, lines = account.run(main, [*command, "--into", "restored_tn_acme_b"])
    assert code == 1
    assert lines[-1]["error"].startswith(f"{uri}: has 5 bytes instead of ")


@pytest.mark.parametrize(
    ("export", "problem"),
    [
        ("gs://b/final/elm.json", "is no export; one is called BUCKET/sql/"),
        ("/etc/passwd", "is no export; one is called BUCKET/sql/"),
        ("gs://b/sql/pool-b/tn_elm/2026-11-22T020000Z-e.sql.gz", "tenants/elm.json: no such object in the registry"),
    ],
)
def test_only_exports_are_restored(tmp_path: Path, export: str, problem: str) -> None:
    stream = io.StringIO()
    arguments = ["check", "--instance", "pool-a", "--host", "10.9.0.7", "--export", export]
    (tmp_path / "token").touch()
    variables = {
        "PROJECT": "p",
        "REGISTRY_BUCKET": f"file://{tmp_path}",
        "SECRETS_FOLDER": f"file://{tmp_path}",
        "ADMIN_PASSWORD_FILE": str(tmp_path / "token"),
    }
    assert main(arguments, variables, Log(stream)) == 1
    assert problem in json.loads(stream.getvalue())["error"]


def test_compression_that_breaks_off_is_seen() -> None:
    whole = gzip.compress(b"a" * 10_000) + gzip.compress(b"b")
    for size in (1, 7, 100_000):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert b"".join(unpacked(pieces, "x")) == b"a" * 10_000 + b"b"
    assert b"".join(unpacked([b"SELECT", b" 1"], "x")) == b"SELECT 1"
    for damaged in (whole[:20], whole[:-1]):
        with pytest.raises(JobError, match="breaks off"):
            b"".join(unpacked([damaged], "x"))


# What has confused readers of dumps: quotes, ends of copies, commands, tags, comments and every separator of lines.
PIECES = st.sampled_from(
    [
        *("'", "''", '"', "$", "$$", "$_$", "$a$", "E'", "E'\\'", "U&'", "(", ")", ";", ";\n", "--", "-- "),
        *("/*", "*/", "/* */", "\\", "\\.", "\n\\.\n", "\n\\connect x\n", "\nCOPY x FROM stdin;\n"),
        *("BEGIN ", "END;", "CASE ", "\u2028", "\x85", "\x0b", "\r", "\n", "ä", "x", " "),
    ]
)
TEXT = st.lists(PIECES, max_size=12).map("".join)
NAME = TEXT.filter(lambda text: 0 < len(text.encode()) < 60)


@pytest.mark.postgres
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=TEXT, name=NAME, comment=TEXT, value=TEXT, default=TEXT, table=NAME)
def test_whatever_a_tenant_writes_comes_back(
    server: Postgres,
    body: str,
    name: str,
    comment: str,
    value: str,
    default: str,
    table: str,
) -> None:
    quote, ident = sql.Literal, sql.Identifier
    with server.bootstrap() as session:
        session.execute("DROP DATABASE IF EXISTS made WITH (FORCE)")
        session.execute("DROP DATABASE IF EXISTS back WITH (FORCE)")
        session.execute("CREATE DATABASE made TEMPLATE template0")
        session.execute("CREATE DATABASE back TEMPLATE template0")
    try:
        with server.bootstrap("made") as session:
            session.execute("SET check_function_bodies = off")
            for statement in (
                sql.SQL("CREATE FUNCTION {}() RETURNS text LANGUAGE plpgsql AS {}").format(ident(name), quote(body)),
                sql.SQL("COMMENT ON FUNCTION {}() IS {}").format(ident(name), quote(comment)),
                sql.SQL("CREATE TABLE {} ({} text DEFAULT {}, CHECK ({} <> {}))").format(
                    ident(table), ident(name), quote(default), ident(name), quote("no" + body)
                ),
                sql.SQL("INSERT INTO {} VALUES ({}), (DEFAULT)").format(ident(table), quote(value)),
            ):
                session.execute(statement)
        file = server.folder / "made.sql"  # its bytes as they are: a carriage return is part of a name
        server.binaries.run(
            "pg_dump", "-f", str(file), "-d", server._conninfo(server.superuser, "made"), PGPASSWORD=BOOTSTRAP_PASSWORD
        )
        with server.bootstrap("back") as session:
            Replay(connection=session, rules=Rules(roles=["public"], owner=server.superuser)).run([file.read_bytes()])
        found = []
        for database in ("made", "back"):
            with server.bootstrap(database) as session:
                found.append(
                    [
                        session.execute(
                            "SELECT proname, prosrc, obj_description(oid) FROM pg_proc "
                            "WHERE pronamespace = 'public'::regnamespace"
                        ).fetchall(),
                        session.execute(
                            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                        ).fetchall(),
                        session.execute("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef").fetchall(),
                        session.execute(sql.SQL("SELECT * FROM public.{}").format(ident(table))).fetchall(),
                    ]
                )
        assert found[0] == found[1]
        assert found[0][0][0][:2] == (name, body)
    finally:
        with server.bootstrap() as session:
            session.execute("DROP DATABASE made WITH (FORCE)")
            session.execute("DROP DATABASE back WITH (FORCE)")


@given(size=st.integers(1, 64), bodies=st.lists(TEXT.filter(lambda text: "$q$" not in text), max_size=4))
def test_pieces_of_any_size_are_the_same_script(size: int, bodies: list[str]) -> None:
    text = HEAD + "".join(f"CREATE FUNCTION f() AS $q${body}$q$;\nCOPY t FROM stdin;\n1\n\\.\n" for body in bodies)
    whole = (text + "\\unrestrict x\n" + END).encode()
    found = []
    for pieces in ([whole], [whole[at : at + size] for at in range(0, len(whole), size)]):
        found.append(  # noqa: PERF401 - two of them
            [
                part.text if isinstance(part, Statement | Command) else b"".join(part.pieces)
                for part in read(pieces).parts()
            ]
        )
    assert found[0] == found[1]
    assert [text for text in found[0] if str(text).startswith("b'CREATE") or str(text).startswith('b"CREATE')] == [
        f"CREATE FUNCTION f() AS $q${body}$q$".encode() for body in bodies
    ]
    assert found[0].count(b"1\n") == len(bodies)
