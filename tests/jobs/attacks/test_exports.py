"""What a tenant may plant, change or hold while it is exported: nothing of it runs, and no dump says what never was."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs import drill, export
from jobs.deadline import Clock, DeadlineError
from jobs.dumps import restore as restore_module
from jobs.dumps import scratch as scratch_module
from jobs.dumps.layout import drill_object
from jobs.dumps.night import Night
from jobs.dumps.session import session
from jobs.dumps.snapshot import Snapshot
from jobs.dumps.targets import Targets
from jobs.dumps.tools import Tools
from jobs.sql import __main__ as sql_job
from jobs.sql.log import Log
from tests.jobs.amazon import Account, of
from tests.jobs.books import fill
from tests.jobs.test_export import COUNTS, dump_of, exported, manifest_of, meanwhile, run, stock_restore

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("_impatient")]

# It writes who ran it to the server's log, which no rollback undoes and which a read-only transaction can.
CANARY = """
    CREATE FUNCTION public.sing(label text) RETURNS int LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS $$
    BEGIN
        RAISE LOG 'CANARY<<% % %>>', label, session_user, current_user;
        BEGIN EXECUTE 'CREATE ROLE pwned SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
        RETURN 1;
    END $$;
    CREATE FUNCTION public.caught() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.sing('trigger'); RETURN NEW; END $$;
"""
# Every place from which PostgreSQL may call a function while somebody only reads or dumps a table.
PLANTED = """
    CREATE DOMAIN public.watched AS int CHECK (public.sing('domain') = 1);
    CREATE TYPE public.pair AS (a public.watched, b int);
    CREATE FUNCTION public.cast_pair(public.pair) RETURNS text LANGUAGE sql AS
        $$ SELECT 'x' || public.sing('cast') $$;
    CREATE CAST (public.pair AS text) WITH FUNCTION public.cast_pair(public.pair) AS IMPLICIT;
    CREATE FUNCTION public.equal_pair(public.pair, public.pair) RETURNS boolean LANGUAGE sql AS
        $$ SELECT public.sing('operator') = 1 $$;
    CREATE OPERATOR public.= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.equal_pair);
    CREATE TABLE public.trap (
        id int DEFAULT public.sing('default') CHECK (public.sing('check') = 1),
        w public.watched, p public.pair, made int GENERATED ALWAYS AS (public.sing('generated')) STORED
    );
    INSERT INTO public.trap (w, p) VALUES (1, ROW(1, 2)), (2, ROW(3, 4));
    CREATE INDEX ON public.trap (public.sing('index')) WHERE public.sing('predicate') = 1;
    CREATE STATISTICS public.trap_statistics ON (public.sing('statistics')), id FROM public.trap;
    CREATE TRIGGER caught BEFORE INSERT OR UPDATE ON public.trap FOR EACH ROW EXECUTE FUNCTION public.caught();
    CREATE VIEW public.seen AS SELECT public.sing('view') FROM public.trap;
    CREATE MATERIALIZED VIEW public.kept AS SELECT public.sing('matview') AS n FROM public.trap;
    CREATE RULE noted AS ON UPDATE TO public.trap DO ALSO SELECT public.sing('rule');
    ALTER TABLE public.trap ENABLE ROW LEVEL SECURITY;
    CREATE POLICY hidden ON public.trap USING (public.sing('policy') = 1 AND id < 0);
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS
        $$ SELECT 'x' || public.sing('format') $$;
    CREATE FUNCTION evil.starts_with(name, text) RETURNS boolean LANGUAGE sql AS $$ SELECT public.sing('starts') = 1 $$;
    CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS
        $$ SELECT 'x' || public.sing('set_config') $$;
    CREATE FUNCTION evil.pg_export_snapshot() RETURNS text LANGUAGE sql AS $$ SELECT 'x' || public.sing('snapshot') $$;
    CREATE TABLE evil.pg_class AS SELECT 1 AS oid;
    CREATE FUNCTION evil.sung(name, name) RETURNS boolean LANGUAGE sql AS $$ SELECT public.sing('equals') = 1 $$;
    CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.sung);
"""
SETTINGS = """
    ALTER DATABASE tn_acme SET search_path = evil, pg_catalog;
    ALTER DATABASE tn_acme SET default_transaction_read_only = on;
    ALTER DATABASE tn_acme SET statement_timeout = 1;
    ALTER DATABASE tn_acme SET lock_timeout = 1;
    ALTER DATABASE tn_acme SET idle_in_transaction_session_timeout = 1;
    ALTER DATABASE tn_acme SET row_security = on;
    ALTER DATABASE tn_acme SET bytea_output = escape;
    ALTER DATABASE tn_acme SET DateStyle = 'German';
    ALTER DATABASE tn_acme SET quote_all_identifiers = on;
    ALTER DATABASE tn_acme SET exit_on_error = on;
    ALTER DATABASE tn_acme SET TimeZone = 'Asia/Tokyo';
    ALTER DATABASE tn_acme SET extra_float_digits = -5;
    ALTER DATABASE tn_acme SET role = 'pg_database_owner';
"""


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon, and wait a second for a lock."""
    monkeypatch.setattr(export, "_PAUSE_S", 0.1)
    monkeypatch.setattr(export, "LOCK_LIMIT_S", 1)


class Ear:
    """What the canary has written to a server's log since now: label, session's user, current user."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start = log.stat().st_size

    def heard(self) -> set[tuple[str, ...]]:
        text = self._log.read_bytes()[self._start :].decode(errors="replace")
        return {tuple(part.split(">>")[0].split(" ")) for part in text.split("CANARY<<")[1:]}


def offboard(account: Account) -> None:
    account.declare("acme", state="offboarding")
    code, lines = account.run(sql_job.main, ["apply"])
    assert code == 0, lines


class TestNothingRuns:
    def test_an_export_evaluates_nothing(self, acme: Account) -> None:
        fill(acme, "acme", CANARY)
        fill(acme, "acme", PLANTED)
        fill(acme, "acme", SETTINGS)
        ear = Ear(acme.server.folder / "server.log")
        assert of(exported(acme), "export.result", "result", "rows") == [("ok", 509)]
        assert ear.heard() == set()
        code, lines = acme.run(drill.main)  # and no setting has made its way into what is compared
        assert (code, of(lines, "drill.result", "result", "compared")) == (0, [("ok", "content")]), lines
        with acme.server.bootstrap("tn_acme") as singing:  # and the canary can sing
            singing.execute("SET search_path = public; SET statement_timeout = 0; SET exit_on_error = off")
            singing.execute("SET ROLE tn_acme_owner")
            singing.execute("SELECT w + 1 FROM public.trap WHERE id > 0")
        assert ear.heard() >= {("index", acme.server.superuser, "tn_acme_owner")}

    def test_the_restore_of_a_final_export_runs_it_as_nobody(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What has to run for a restore runs in the scratch server only, as a role that may do nothing there."""
        fill(acme, "acme", CANARY)
        fill(acme, "acme", PLANTED)
        offboard(acme)
        ear = Ear(acme.server.folder / "server.log")
        kept = keep_log(monkeypatch)
        lines = exported(acme)
        assert of(lines, "export.result", "result", "final") == [("ok", "written")]
        assert ear.heard() == set()
        assert {user for _, *users in kept[0] for user in users} == {"restorer"}
        assert kept[1] == [("restorer", False, False, False, False)]

    def test_row_level_security_and_large_objects_are_no_obstacle(self, acme: Account) -> None:
        fill(acme, "acme", "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON accounts USING (id = 1)")
        fill(acme, "acme", "SELECT lo_from_bytea(0, 'hello'), lo_from_bytea(0, '')")
        exported(acme)
        manifest = manifest_of(acme, "acme")
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == COUNTS
        assert manifest["large_objects"]["rows"] == 2
        code, lines = acme.run(drill.main)
        assert (code, of(lines, "drill.result", "result", "rows")) == (0, [("ok", 506)]), lines


def keep_log(monkeypatch: pytest.MonkeyPatch) -> tuple[set[tuple[str, ...]], list[tuple[Any, ...]]]:
    """What the canary says in scratch servers, and what rights there the role of restores has."""
    heard: set[tuple[str, ...]] = set()
    rights: list[tuple[Any, ...]] = []
    server = scratch_module.scratch_server

    @contextmanager
    def kept(*arguments: Any) -> Iterator[Any]:  # noqa: ANN401
        with server(*arguments) as scratch:
            ear = Ear(scratch.folder / "server.log")
            yield scratch
            heard.update(ear.heard())
            with session(scratch.endpoint("drill", "postgres")) as superuser:
                rights.extend(
                    superuser.execute(
                        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles "
                        "WHERE rolname IN ('restorer', 'pwned')"
                    ).fetchall()
                )

    monkeypatch.setattr(restore_module, "scratch_server", kept)
    return heard, rights


class TestOneMoment:
    def test_a_table_that_is_truncated_and_refilled_is_exported_again(
        self, acme: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither dump nor manifest hold a state that never was: TRUNCATE takes no notice of snapshots."""
        times: list[int] = []

        def refill() -> None:
            times.append(1)
            if len(times) == 1:
                fill(
                    acme, "acme", "BEGIN; TRUNCATE accounts CASCADE; INSERT INTO accounts (name) VALUES ('new'); COMMIT"
                )

        meanwhile(monkeypatch, refill)
        exported(acme)
        assert len(times) == 2
        manifest = manifest_of(acme, "acme")
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
            **COUNTS,
            '"Ledger x"."Odd name"': 0,
            "public.accounts": 1,
        }
        with stock_restore(acme, dump_of(acme, "acme"), tmp_path) as restored:
            assert restored.execute("SELECT name FROM public.accounts").fetchall() == [("new",)]
        assert [name.partition(".")[2] for name in acme.objects()] == ["dump", "manifest.json"]

    def test_one_that_is_always_truncated_fails_and_says_so(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        meanwhile(monkeypatch, lambda: fill(acme, "acme", "TRUNCATE parted_2026"))
        code, lines = run(acme)
        assert (code, acme.objects(), acme.uploads()) == (1, [], [])
        assert of(lines, "export.result", "error") == [
            ("public.parted_2026 was truncated or rewritten during the export (3 attempts)",)
        ]

    @pytest.mark.parametrize(
        "change",
        ["DROP TABLE parted_2026", "ALTER TABLE accounts DROP COLUMN f", "ALTER TABLE accounts ALTER f TYPE text"],
    )
    def test_what_changes_once_is_exported_as_it_is_then(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        times: list[int] = []

        def once() -> None:
            times.append(1)
            if len(times) == 1:
                fill(acme, "acme", f"DROP VIEW rich; {change}")

        meanwhile(monkeypatch, once)
        exported(acme)
        assert len(times) == 2

    def test_a_change_that_comes_in_between_waits_for_nobody(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It once waited for the counting session, pg_dump behind it, and the application behind both, for ever."""
        waited: list[float] = []

        def change() -> None:
            started = time.monotonic()
            fill(acme, "acme", "SET statement_timeout = '5s'; ALTER TABLE accounts ADD COLUMN later int")
            fill(acme, "acme", "SET statement_timeout = '5s'; SELECT count(*) FROM accounts")
            waited.append(time.monotonic() - started)

        meanwhile(monkeypatch, change)
        assert of(exported(acme), "export.result", "rows") == [(506,)]
        assert max(waited) < 1

    def test_a_lock_that_is_held_costs_its_own_tenant_only(self, books: Account) -> None:
        with books.server.session("tn_acme_a", books.password("acme", 1), "tn_acme") as holding:
            holding.execute("BEGIN; LOCK TABLE accounts")
            code, lines = run(books)
        assert (code, of(lines, "export.result", "tenant", "result")) == (
            1,
            [("acme", "failed"), ("beta", "ok"), ("guesthouse", "ok")],
        )
        assert "canceling statement due to lock timeout" in of(lines, "export.result", "error")[0][0] or (
            "canceling statement due to statement timeout" in of(lines, "export.result", "error")[0][0]
        )

    def test_who_took_too_long_comes_last_the_next_time(self, books: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "LOCK_LIMIT_S", 60)
        with books.server.session("tn_acme_a", books.password("acme", 1), "tn_acme") as holding:
            holding.execute("BEGIN; LOCK TABLE accounts")
            code, lines = run(books, TENANT_TIME_LIMIT_S="3")
        assert (code, of(lines, "export.result", "tenant", "error")) == (
            1,
            [("acme", "pg_dump: not done after 3 s"), ("beta", None), ("guesthouse", None)],
        ) or of(lines, "export.result", "error")[0][0].startswith("pg_dump: not done after 2.")
        assert of(exported(books), "export.result", "tenant") == [("beta",), ("guesthouse",), ("acme",)]

    def test_a_table_that_stays_locked_after_the_dump_is_waited_for(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An ALTER that waits for pg_dump has its turn before this job reads the table: the export starts again."""
        threads: list[threading.Thread] = []
        contents = Snapshot.contents

        def alter(self: Any, clock: Clock) -> Any:  # noqa: ANN401
            if not threads:
                threads.append(
                    threading.Thread(
                        target=fill,
                        args=(
                            acme,
                            "acme",
                            "BEGIN; ALTER TABLE accounts ALTER name TYPE varchar; SELECT pg_sleep(1); COMMIT",
                        ),
                    )
                )
                threads[0].start()
                time.sleep(0.3)
            return contents(self, clock)

        fill(acme, "acme", "DROP VIEW rich")
        monkeypatch.setattr(Snapshot, "contents", alter)
        assert of(exported(acme), "export.result", "rows") == [(506,)]
        threads[0].join()


class TestEverythingIsNamed:
    EXTENSION = """
        CREATE EXTENSION citext;
        CREATE TABLE owned AS SELECT n FROM generate_series(1, 1000) n;
        ALTER EXTENSION citext ADD TABLE owned;
    """

    def test_rows_of_an_extension_are_named(self, acme: Account) -> None:
        fill(acme, "acme", self.EXTENSION)
        lines = exported(acme)
        assert of(lines, "export.result", "result", "rows", "not_dumped") == [("ok", 506, "public.owned (1000 rows)")]
        assert manifest_of(acme, "acme")["not_dumped"] == {"public.owned": 1000}

    def test_a_final_export_without_them_is_refused(self, acme: Account) -> None:
        fill(acme, "acme", self.EXTENSION)
        offboard(acme)
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        ((error,),) = of(lines, "export.result", "error")
        assert error == (
            "final export not proved: no dump holds the rows of public.owned (1000 rows), because an extension owns "
            "them: move them to tables of the tenant's own"
        )

    def test_a_dump_that_cannot_be_restored_lifts_no_guard(self, acme: Account) -> None:
        fill(
            acme,
            "acme",
            """
            CREATE TABLE a_setting (v int);
            INSERT INTO a_setting VALUES (1);
            CREATE FUNCTION allowed(n int) RETURNS boolean LANGUAGE sql AS
                $$ SELECT n = (SELECT max(v) FROM public.a_setting) $$;
            CREATE TABLE guarded (n int CHECK (public.allowed(n)));
            INSERT INTO guarded VALUES (1);
            UPDATE a_setting SET v = 2;
            """,
        )
        offboard(acme)
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert 'violates check constraint "guarded_n_check"' in of(lines, "export.result", "error")[0][0]

    def test_no_marker_while_a_stranger_is_in_the_database(self, acme: Account) -> None:
        offboard(acme)
        with acme.server.bootstrap() as superuser:
            superuser.execute("CREATE ROLE stranger SUPERUSER LOGIN PASSWORD 'strange'")
        with acme.server.session("stranger", "strange", "tn_acme"):
            code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert "proved: stranger can still log in or is logged in" in of(lines, "export.result", "error")[0][0]


class TestRegistry:
    def test_one_bad_object_costs_itself_only(self, acme: Account) -> None:
        for name, body in {
            "deep": b"[" * 200_000,
            "list": b'{"id": "list", "kind": ["rds"]}',
            "number": b'{"id": "number", "kind": 7}',
            "other": b'{"id": "other", "kind": "mysql"}',
            "binary": b"\xff\x00",
        }.items():
            acme.s3.put_object(Bucket=acme.registry, Key=f"tenants/{name}.json", Body=body)
        bad = [f"tenants/{name}.json" for name in ("binary", "deep", "list", "number", "other")]
        code, lines = run(acme)
        assert (code, of(lines, "export.result", "tenant", "result")) == (
            1,
            [*((name, "failed") for name in bad), ("acme", "ok")],
        )
        code, lines = acme.run(drill.main)
        assert (code, of(lines, "drill.result", "tenant", "result")) == (
            1,
            [*((name, "failed") for name in bad), ("acme", "ok")],
        )


class _Shelf:
    """Names of objects in the two buckets, and drill results."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.held if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        return self.held.get(name)


@pytest.mark.parametrize("job", ["export", "drill"])
def test_a_limit_hits_others_each_night(
    job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a limit of 55 % of the work everybody has had a turn after two nights, and who had none is named."""
    shelf = _Shelf()
    done: list[list[str]] = []
    work = 0.2
    tenants = [SimpleNamespace(tenant=name, instance="i", state="active", final_export=None) for name in "abcdef"]
    found = Targets(targets=tuple(tenants), damaged=(), other_kinds=0)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def one(_: object, target: Any, clock: Clock) -> Any:  # noqa: ANN401
        left = clock.remaining()
        assert left is not None
        time.sleep(min(work, left))
        if left < work:
            raise DeadlineError("pg_dump: not done")
        at = start + timedelta(days=len(done), minutes=len(done[-1]))
        done[-1].append(target.tenant)
        if job == "export":
            shelf.held[f"dump/{target.tenant}/{at:%Y-%m-%dT%H%M%SZ}-0123456789ab.manifest.json"] = b""
            return export.Outcome()
        shelf.held[drill_object(target.tenant)] = b'{"succeeded_at": "%s"}' % at.isoformat().encode()
        return "ok"

    def drilled(self: object, target: Any, clock: Clock) -> Any:  # noqa: ANN401
        try:
            return one(self, target, clock)
        except DeadlineError:
            return "failed"

    module: Any = export if job == "export" else drill
    monkeypatch.setattr(module, "load", lambda *_: found)
    monkeypatch.setattr(module.Export if job == "export" else module.Drill, "_one", one if job == "export" else drilled)
    unreached: list[str] = []
    for _ in range(3):
        done.append([])
        night = Night(clock=Clock(limit_s=0.55 * work * len(tenants)), tenant_s=60)
        cloud: Any = SimpleNamespace(registry=shelf)
        given: dict[str, Any] = {"cloud": cloud, "store": shelf, "tools": Tools(path=""), "log": Log(), "night": night}
        assert (export.Export(**given) if job == "export" else drill.Drill(**given)).all() is False
        unreached += [line for line in capsys.readouterr().out.split("\n") if f'"event": "{job}.summary"' in line]
    assert [sorted(names) for names in done] == [["a", "b", "c"], ["d", "e", "f"], ["a", "b", "c"]]
    assert ['"not_reached": "e, f", "not_reached_count": 2' in line for line in unreached[:1]] == [True]
