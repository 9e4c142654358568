"""Dumps that attack whoever restores them: all that they get is the rights of the one tenant that they are of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.jobs.conftest import World
from tests.jobs.restoring import END, HEAD, Shelf, one, owners

pytestmark = pytest.mark.postgres

# It tries to become more with all that a role can be made more with, and writes down who it was each time it ran.
CANARY = """
CREATE TABLE public.canary (who text, login text, became text);
CREATE FUNCTION public.louder(x integer) RETURNS integer LANGUAGE plpgsql AS $_$
DECLARE
  attempt text;
  became text := '';
BEGIN
  FOREACH attempt IN ARRAY ARRAY[
    'GRANT tn_beta_owner TO tn_acme_a', 'CREATE ROLE intruder LOGIN',
    'SET ROLE cloudsqlsuperuser; GRANT tn_beta_owner TO tn_acme_b',
    'SET ROLE cloudsqlsuperuser; CREATE ROLE intruder2 LOGIN',
    'RESET ROLE', 'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'SET ROLE cloudsqlsuperuser',
    'SET ROLE tn_beta_owner', 'RESET ROLE; GRANT tn_beta_owner TO tn_acme_a',
    'RESET ROLE; GRANT cloudsqlsuperuser TO tn_acme_a', 'RESET ROLE; CREATE ROLE intruder SUPERUSER LOGIN',
    'RESET ROLE; CREATE ROLE intruder LOGIN', 'RESET ROLE; ALTER ROLE tn_beta_a PASSWORD ''x''',
    'RESET ROLE; GRANT CONNECT ON DATABASE tn_beta TO tn_acme_a',
    'RESET ROLE; GRANT CONNECT ON DATABASE restored_tn_acme TO PUBLIC',
    'SET ROLE tn_acme_owner; GRANT CONNECT ON DATABASE restored_tn_acme TO PUBLIC',
    'SET ROLE tn_acme_owner; GRANT CONNECT ON DATABASE restored_tn_acme TO tn_beta_a',
    'SET ROLE tn_acme_owner; ALTER DATABASE restored_tn_acme SET search_path = evil',
    'RESET ROLE; COPY public.canary FROM PROGRAM ''id'''
  ] LOOP
    BEGIN
      EXECUTE attempt;
      -- of a right that it has not it can pass nothing on, which is a warning only
      IF attempt !~ '^(RE)?SET [A-Z ]+$' AND attempt !~ 'CONNECT ON DATABASE restored' THEN
        became := became || attempt || ';';
      END IF;
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END LOOP;
  BEGIN
    EXECUTE 'SET ROLE tn_acme_owner';
    INSERT INTO public.canary VALUES (current_user, session_user, became);
  EXCEPTION WHEN OTHERS THEN
    NULL;  -- where no row may be written, what it became is looked for from outside
  END;
  RETURN x;
END;
$_$;
CREATE FUNCTION public.sing(x integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
  AS $$BEGIN RETURN public.louder(x); END$$;
"""
ROWS = "COPY public.t (x) FROM stdin;\n1\n2\n\\.\n"
PLACES = {
    "check": f"CREATE TABLE public.t (x integer CHECK (public.sing(x) > 0));\n{ROWS}",
    "default": f"CREATE TABLE public.t (x integer, y integer DEFAULT public.sing(1));\n{ROWS}",
    "generated": f"CREATE TABLE public.t (x integer, y integer GENERATED ALWAYS AS (public.sing(x)) STORED);\n{ROWS}",
    "index": f"CREATE TABLE public.t (x integer);\n{ROWS}CREATE INDEX i ON public.t (public.sing(x));\n",
    "trigger": "CREATE TABLE public.t (x integer);\nCREATE FUNCTION public.pull() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN PERFORM public.sing(1); RETURN NEW; END$$;\n"
    f"CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.pull();\n{ROWS}",
    "domain": "CREATE DOMAIN public.d AS integer CHECK (public.sing(VALUE) > 0);\n"
    f"CREATE TABLE public.t (x public.d);\n{ROWS}",
    "view": f"CREATE TABLE public.t (x integer);\n{ROWS}"
    "CREATE MATERIALIZED VIEW public.m AS SELECT public.sing(x) FROM public.t;\n"
    "CREATE VIEW public.v AS SELECT public.sing(x) AS y FROM public.t;\nSELECT sum(y) FROM public.v;\n",
    "rule": "CREATE TABLE public.t (x integer);\n"
    "CREATE RULE r AS ON UPDATE TO public.t DO ALSO SELECT public.sing(1);\n"
    f"{ROWS}UPDATE public.t SET x = x;\n",
    "policy": f"CREATE TABLE public.t (x integer);\n{ROWS}ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;\n"
    "CREATE POLICY p ON public.t USING (public.sing(x) > 0);\nSELECT count(*) FROM public.t;\n",
    "block": f"CREATE TABLE public.t (x integer);\n{ROWS}DO $$BEGIN PERFORM public.sing(1); END$$;\n",
    "named like PostgreSQL's": f"CREATE TABLE public.t (x integer);\n{ROWS}"
    "CREATE FUNCTION public.count(integer) RETURNS bigint LANGUAGE sql COST 1 AS 'SELECT public.sing(1)::bigint';\n"
    "CREATE FUNCTION public.starts_with(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.sing(1) > 0';\n"
    "CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE sql"
    " AS 'SELECT public.sing(1)::text';\n"
    "SELECT public.set_config('a', 'b', false);\n",
}
SILENT = ("index", "policy")
"""Where it does not run during a restore, or may write nothing down."""


@pytest.fixture
def shelf(world: World, tmp_path: Path, path: str) -> Shelf:
    world.add("acme", "beta")
    world.apply()
    with world.login("acme") as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS n")
    with world.login("beta") as session:
        session.execute("CREATE TABLE secret AS SELECT 'hush' AS line")
    return Shelf(world, tmp_path, path)


@contextmanager
def strangers(world: World) -> Iterator[list[str]]:
    """Try to enter the new database all the while, as beta's login and as one that has nothing but PUBLIC's rights."""
    with world.server.bootstrap() as session:
        session.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger-pw-1'")
    logins = {
        "stranger": "stranger-pw-1",
        "tn_beta_a": world.password("beta", 1),
        "tn_acme_a": world.password("acme", 1),
    }
    entered: list[str] = []
    attempts = [0]
    over = threading.Event()

    def poll(user: str, password: str) -> None:
        while not over.is_set():
            try:
                world.server.session(user, password, "restored_tn_acme").close()
            except psycopg.OperationalError:
                attempts[0] += 1
            else:
                entered.append(user)

    threads = [threading.Thread(target=poll, args=given) for given in logins.items()]
    for thread in threads:
        thread.start()
    try:
        yield entered
    finally:
        over.set()
        for thread in threads:
            thread.join()
        with world.server.bootstrap() as session:
            session.execute("DROP ROLE stranger")
    assert attempts[0] > len(threads)


@pytest.mark.parametrize("place", PLACES)
def test_what_a_dump_runs_has_the_tenants_rights_only(shelf: Shelf, place: str) -> None:
    before = shelf.roles()
    uri = shelf.put("acme", HEAD + CANARY + PLACES[place] + END)
    code, line = shelf.restore("acme", uri)
    assert (code, line["error"]) == (0, None)
    assert shelf.roles() == before
    assert shelf.databases() == {
        "restored_tn_acme": "tn_acme_owner",
        "tn_acme": "tn_acme_owner",
        "tn_beta": "tn_beta_owner",
    }
    with shelf.world.server.bootstrap("restored_tn_acme") as session:
        sung = session.execute("SELECT DISTINCT who, login, became FROM public.canary").fetchall()
        assert sung == ([] if place in SILENT else [("tn_acme_owner", "tn_acme_restore", "")])
        assert one(session, "SELECT count(*) FROM public.t") == 2
        assert owners(session) == {"tn_acme_owner"}
        acl = one(session, "SELECT datacl::text FROM pg_database WHERE datname = 'restored_tn_acme'")
    assert "tn_beta" not in acl
    assert "{=" not in acl
    assert ",=" not in acl
    shelf.world.apply()
    assert shelf.world.status("beta")["isolated"] is True


def test_nobody_enters_the_new_database_from_its_creation_to_its_end(shelf: Shelf) -> None:
    opening = "GRANT CONNECT ON DATABASE restored_tn_acme TO PUBLIC"
    text = (
        f"CREATE TABLE public.t (x integer);\nDO $$BEGIN EXECUTE '{opening}'; EXCEPTION WHEN OTHERS THEN NULL; END$$;\n"
        f"DO $$BEGIN PERFORM pg_catalog.pg_sleep(0.5); END$$;\n{ROWS}"
    )
    uri = shelf.put("acme", HEAD + text + END)
    with strangers(shelf.world) as entered:
        for _ in range(3):
            assert shelf.restore("acme", uri)[0] == 0
            assert (
                shelf.run("discard", "--instance", "shared-a-1", "--tenant", "acme", "--name", "restored_tn_acme")[0]
                == 0
            )
    assert entered == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (r"\connect tn_beta", r"the command \connect of psql"),
        (r"\! touch /tmp/tenantry-was-here", r"the command \! of psql"),
        (r"\copy public.t from program 'id'", r"the command \copy of psql"),
        (r"\i /etc/passwd", r"the command \i of psql"),
        ("COPY public.t FROM PROGRAM 'id';", "SQLSTATE 42501"),
        ("COPY public.t FROM '/etc/passwd';", "SQLSTATE 42501"),
        ("SELECT pg_catalog.pg_read_file('/etc/passwd');", "SQLSTATE 42501"),
        ("CREATE ROLE intruder LOGIN;", "SQLSTATE 42501"),
        ("ALTER ROLE tn_beta_a PASSWORD 'x';", "SQLSTATE 42501"),
        ("SET ROLE cloudsqlsuperuser;", "SQLSTATE 42501"),
        ("SET ROLE tn_beta_owner;", "SQLSTATE 42501"),
        ("DROP DATABASE tn_beta;", "SQLSTATE 42501"),
        ("SET standard_conforming_strings = off;", "backslashes"),
    ],
)
def test_a_statement_that_wants_more_fails_the_restore(shelf: Shelf, text: str, problem: str) -> None:
    before = shelf.roles()
    uri = shelf.put("acme", f"{HEAD}CREATE TABLE public.t (x text);\n{text}\n{END}")
    code, line = shelf.restore("acme", uri)
    assert (code, line["result"]) == (1, "failed")
    assert problem in line["error"]
    assert shelf.roles() == before
    assert "restored_tn_acme" not in shelf.databases()
    assert not Path("/tmp/tenantry-was-here").exists()


def test_what_an_ordinary_role_may_not_do_is_left_out_by_name(shelf: Shelf) -> None:
    statements = [
        "ALTER TABLE public.t OWNER TO cloudsqlsuperuser",
        "COMMENT ON EXTENSION plpgsql IS 'x'",
        "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f()",
        "CREATE PUBLICATION p FOR ALL TABLES",
        "GRANT SELECT ON TABLE public.t TO cloudsqlsuperuser",
        "REVOKE ALL ON TABLE public.t FROM cloudsqladmin",
        "GRANT tn_beta_owner TO tn_acme_a",
        "GRANT CONNECT ON DATABASE restored_tn_acme TO PUBLIC",
        "SET SESSION AUTHORIZATION tn_beta_owner",
        "CREATE EXTENSION IF NOT EXISTS pageinspect WITH SCHEMA public",
    ]
    text = "CREATE TABLE public.t (x integer);\n" + "".join(f"{statement};\n" for statement in statements) + ROWS
    kept = "GRANT SELECT ON TABLE public.t TO tn_acme_a;\nALTER TABLE public.t OWNER TO tn_acme_owner;\n"
    uri = shelf.put("acme", HEAD + statements[-1] + ";\n" + text + kept + END)
    code, line = shelf.restore("acme", uri)
    assert (code, line["error"], line["rows"]) == (0, None, 2)
    assert line["left_out"].split("; ") == [statements[-1], *statements[:-1]]
    with shelf.world.server.bootstrap("restored_tn_acme") as session:
        assert owners(session) == {"tn_acme_owner"}
        assert one(session, "SELECT relacl::text FROM pg_class WHERE relname = 't'") == (
            "{tn_acme_owner=arwdDxtm/tn_acme_owner,tn_acme_a=r/tn_acme_owner}"
            if shelf.world.server.major >= 17
            else "{tn_acme_owner=arwdDxt/tn_acme_owner,tn_acme_a=r/tn_acme_owner}"
        )


def test_a_restore_that_refuses_to_end_is_ended(shelf: Shelf) -> None:
    text = (
        "CREATE TABLE public.t (x integer);\nDO $$BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(60);\n"
        "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$;\n"
    )
    code, line = shelf.restore("acme", shelf.put("acme", HEAD + text + END), "--time-limit", "2")
    assert (code, line["error"]) == (1, line["error"])
    assert line["error"].startswith("restore of acme: not done after ")
    assert "restored_tn_acme" not in shelf.databases()
    with shelf.world.server.bootstrap() as session:
        assert one(session, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tn_acme_restore'") == 0
