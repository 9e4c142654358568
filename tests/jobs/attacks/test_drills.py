"""Good dumps that once failed a drill, and tenants whose dumps do what they can to hold it up."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import drill, export
from jobs.dumps import archive
from jobs.dumps.layout import drill_object
from jobs.dumps.tools import Tools
from jobs.sql.errors import JobError
from tests.jobs.amazon import GUEST, Account, of
from tests.jobs.books import fill
from tests.jobs.server import Postgres
from tests.jobs.test_drill import exported, rewrite, run
from tests.jobs.test_export import dump_of, manifest_of

pytestmark = pytest.mark.postgres

# What depends on the letters that a collation knows.
LETTERS = """
    CREATE TABLE words (
        w text CHECK (w ~ '^[[:alpha:]]+$'), low text GENERATED ALWAYS AS (lower(w)) STORED,
        big text GENERATED ALWAYS AS (initcap(w)) STORED,
        found tsvector GENERATED ALWAYS AS (to_tsvector('simple', w)) STORED
    );
    INSERT INTO words VALUES ('Éa'), ('é'), ('Straße'), ('ZÜRICH'), ('abc');
    CREATE INDEX ON words (lower(w));
"""
ODD = "a\u2028b\u0085c\x0bd\ne\r\\."
COLLATIONS = {
    "c-utf8": "LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
    "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'",
    "builtin": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
}
_BUILTIN_SINCE = 17


def guest_of(account: Account, collation: str, statements: str) -> None:
    account.make_guest("guesthouse", "SELECT 1")
    with account.server.bootstrap() as session:
        session.execute("DROP DATABASE guesthouse")
        session.execute(
            f"CREATE DATABASE guesthouse OWNER {GUEST} TEMPLATE template0 ENCODING 'UTF8' {collation}".encode()
        )
    with account.server.bootstrap("guesthouse") as session:
        session.execute(f"SET ROLE {GUEST}".encode())
        session.execute(statements.encode())
    account.declare_guest("guesthouse")


def has_icu(account: Account) -> bool:
    with account.server.bootstrap() as session:
        return bool(session.execute("SELECT FROM pg_collation WHERE collname = 'en-x-icu'").fetchall())


class TestGoodDumps:
    @pytest.mark.parametrize("collation", COLLATIONS)
    def test_the_sources_letters_are_the_drills(self, account: Account, collation: str) -> None:
        if collation == "builtin" and account.server.major < _BUILTIN_SINCE:
            pytest.skip("the locale provider `builtin` came with PostgreSQL 17: no older source can have it")
        if collation == "icu" and not has_icu(account):
            pytest.skip("this build has no ICU, so no source on it has such a collation; the one of 15 has it")
        guest_of(account, COLLATIONS[collation], LETTERS)
        exported(account)
        code, lines = run(account)
        assert code == 0, lines
        assert of(lines, "drill.result", "result", "rows", "compared", "locale") == [("ok", 5, "content", None)]

    def test_a_collation_that_is_not_here_is_replaced_and_named(self, account: Account) -> None:
        guest_of(account, COLLATIONS["c-utf8"], LETTERS)
        exported(account)
        rewrite(account, "guesthouse", lambda m: m["locale"].update(collate="xx_XX.UTF-8", ctype="xx_XX.UTF-8"))
        code, lines = run(account)
        assert code == 0, lines
        instead = "builtin C.UTF-8" if account.server.major >= _BUILTIN_SINCE else "icu xx-XX"
        assert of(lines, "drill.result", "result", "locale") == [
            ("ok", f"{instead} instead of libc xx_XX.UTF-8/xx_XX.UTF-8")
        ]

    def test_what_an_ordinary_role_cannot_have_is_left_out_by_name(self, account: Account) -> None:
        account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n")
        with account.server.bootstrap("guesthouse") as session:
            session.execute(
                """
                CREATE ROLE "odd Role";
                CREATE FOREIGN DATA WRAPPER elsewhere;
                CREATE SERVER far FOREIGN DATA WRAPPER elsewhere;
                CREATE USER MAPPING FOR guest SERVER far;
                CREATE FOREIGN TABLE distant (n int) SERVER far;
                CREATE VIEW over_there AS SELECT n FROM distant;
                CREATE TABLE holders (who regrole, several regrole[]);
                INSERT INTO holders VALUES ('"odd Role"', ARRAY['guest'::regrole]);
                CREATE FUNCTION native(float8) RETURNS float8 LANGUAGE internal IMMUTABLE AS 'dsin';
                CREATE CAST (bytea AS text) WITHOUT FUNCTION;
                CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
                CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION noted();
                CREATE OPERATOR CLASS own FOR TYPE int4 USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int4);
                CREATE INDEX by_own ON rooms USING hash (n own);
                ALTER TABLE holders OWNER TO guest;
                GRANT SELECT ON distant TO guest;
                """
            )
        account.declare_guest("guesthouse")
        exported(account)
        assert manifest_of(account, "guesthouse")["elsewhere"] == ["public.distant"]
        code, lines = run(account)
        assert code == 0, lines
        ((result, rows, left_out),) = of(lines, "drill.result", "result", "rows", "left_out")
        assert (result, rows) == ("ok", 2)
        assert set(left_out.split(", ")) == {
            "function public.native(double precision)",
            "foreign data wrapper elsewhere",
            "server far",
            "user mapping USER MAPPING guest SERVER far",
            "foreign table public.distant",
            "view public.over_there",
            "cast CAST (bytea AS text)",
            "event trigger noted",
            "operator family public.own",
            "operator class public.own",
            "index public.by_own",
        }

    def test_names_may_hold_any_separator(self, acme: Account) -> None:
        quoted = ODD.replace('"', '""')
        fill(acme, "acme", f'CREATE SCHEMA "{quoted}"; CREATE TABLE "{quoted}"."{quoted}" AS SELECT 1 AS "{quoted}"')
        fill(acme, "acme", f'CREATE VIEW "; {quoted}" AS SELECT * FROM "{quoted}"."{quoted}"; CREATE SCHEMA "DATA"')
        fill(acme, "acme", 'CREATE TABLE "DATA"."TABLE DATA x" (n int); INSERT INTO "DATA"."TABLE DATA x" VALUES (1)')
        exported(acme)
        code, lines = run(acme)
        assert (code, of(lines, "drill.result", "result", "rows")) == (0, [("ok", 508)]), lines

    def test_the_first_versions_manifest_compares_rows_and_says_so(self, acme: Account) -> None:
        exported(acme)

        def older(manifest: dict[str, Any]) -> None:
            manifest["schema_version"] = 1
            manifest["tables"]["public.accounts"]["checksum"] = "-1"
            for name in ("sequences", "large_objects", "locale"):
                del manifest[name]

        rewrite(acme, "acme", older)
        code, lines = run(acme)
        assert (code, of(lines, "drill.result", "result", "compared")) == (0, [("ok", "rows")]), lines


class TestHeldUp:
    @pytest.mark.parametrize(
        "plant",
        [
            """
            CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN IF current_user = 'restorer' THEN PERFORM pg_sleep(600); END IF; RETURN 1; END $$;
            CREATE MATERIALIZED VIEW sleeps AS SELECT slow();
            """,
            """
            CREATE FUNCTION stubborn(n int) RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
              WHILE current_user = 'restorer' LOOP
                BEGIN PERFORM pg_sleep(0.1); EXCEPTION WHEN query_canceled THEN NULL; END;
              END LOOP;
              RETURN true;
            END $$;
            CREATE TABLE stuck (n int CHECK (stubborn(n)));
            INSERT INTO stuck VALUES (1);
            """,
        ],
        ids=["refresh", "swallows-cancel"],
    )
    def test_one_that_never_ends_costs_its_own_drill_only(self, books: Account, plant: str) -> None:
        fill(books, "acme", plant)
        exported(books)
        started = time.monotonic()
        code, lines = run(books, TENANT_TIME_LIMIT_S="6")
        assert time.monotonic() - started < 30
        assert (code, of(lines, "drill.result", "tenant", "result")) == (
            1,
            [("acme", "failed"), ("beta", "ok"), ("guesthouse", "ok")],
        )
        assert "pg_restore: not done after" in of(lines, "drill.result", "error")[0][0]
        assert books.get(drill_object("acme"))["timed_out"] is True
        # and next time it comes last, although it has no success to show
        _, lines = run(books, TENANT_TIME_LIMIT_S="6")
        assert of(lines, "drill.result", "tenant") == [("beta",), ("guesthouse",), ("acme",)]

    def test_who_was_not_reached_is_named(self, books: Account) -> None:
        fill(books, "acme", "CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0)'")
        exported(books)
        run(books)
        fill(
            books,
            "acme",
            """
            CREATE OR REPLACE FUNCTION slow() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN IF current_user = 'restorer' THEN PERFORM pg_sleep(600); END IF; RETURN 1; END $$;
            CREATE MATERIALIZED VIEW sleeps AS SELECT slow();
            """,
        )
        time.sleep(1)  # names of dumps have seconds
        exported(books)
        code, lines = run(books, TIME_LIMIT_S="5")
        assert (code, of(lines, "drill.result", "tenant", "result", "severity")) == (
            1,
            [("acme", "failed", "ERROR"), ("beta", "not_reached", "ERROR"), ("guesthouse", "not_reached", "ERROR")],
        )
        assert of(lines, "drill.summary", "result", "not_reached", "not_reached_count") == [
            ("failed", "beta, guesthouse", 2)
        ]


class TestArchives:
    def test_the_contents_are_read_from_the_archives_own_bytes(self, acme: Account) -> None:
        exported(acme)
        dump = dump_of(acme, "acme")
        entries = archive.table_of_contents(dump[at : at + 7] for at in range(0, len(dump), 7))
        assert [(entry.schema, entry.name) for entry in entries if entry.kind == "TABLE DATA"] == [
            ("Ledger x", "Odd name"),
            ("public", "accounts"),
            ("public", "empty"),
            ("public", "parted_2026"),
        ]

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "breaks off"),
            (b"PGDMQ" + bytes(100), "is no archive of pg_dump"),
            (b"PGDMP\x01\x63\x00\x04\x08\x01", "version 1.99"),
            (b"PGDMP\x01\x0e\x00\x04\x08\x03" + bytes(9), "custom format"),
            (b"PGDMP\x01\x0e\x00\x04\x08\x01" + bytes(40) + b"\x00\xff\xff\xff\x7f", "damaged"),
        ],
    )
    def test_what_is_none_is_refused(self, content: bytes, problem: str) -> None:
        with pytest.raises(JobError, match=problem):
            archive.table_of_contents([content])

    def test_the_servers_own_release_writes_the_dump(self, server: Postgres, path: str, tmp_path: Path) -> None:
        tools = Tools(path=path, installed=str(tmp_path))
        assert tools.of_major(server.major) == tools
        assert tools.of_major(server.major - 1) == tools
        for major in (server.major - 1, server.major + 1):
            folder = tmp_path / str(major) / "bin"
            folder.mkdir(parents=True)
            (folder / "pg_dump").touch()
            assert tools.of_major(major) == replace(tools, path=f"{folder}:{path}")
        with pytest.raises(
            JobError, match=f"the server is of release {server.major + 2}, but pg_dump of {server.major}"
        ):
            tools.of_major(server.major + 2)


def test_a_limit_has_to_be_one(acme: Account) -> None:
    for job in (export, drill):
        code, lines = acme.run(job.main, TIME_LIMIT_S="0")
        assert (code, "TIME_LIMIT_S" in lines[0]["error"]) == (1, True)
