"""The drill against real dumps: what came back is compared, and nothing less counts as a success."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import drill, export
from jobs.ages import AmazonAges
from jobs.dumps.layout import Manifest, drill_object
from tests.jobs.amazon import Account, of
from tests.jobs.books import fill
from tests.jobs.test_export import broken, manifest_of

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("server", ["packaged"], indirect=True, scope="session"),
]

RESULT = ("tenant", "instance", "result")
# What only some restores can do: roles in policies, an extension in a schema of its own, a column computed on the way
MORE = """
    CREATE ROLE reader;
    CREATE SCHEMA extensions;
    CREATE EXTENSION citext SCHEMA extensions;
    CREATE EXTENSION pg_trgm;
    CREATE TABLE public.people (
        email extensions.citext PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED
    );
    CREATE INDEX ON public.people USING gin ((email::text) gin_trgm_ops);
    INSERT INTO public.people VALUES ('A@x', 1), ('b@x', 2);
    ALTER TABLE public.people ENABLE ROW LEVEL SECURITY;
    ALTER TABLE public.people FORCE ROW LEVEL SECURITY;
    CREATE POLICY readers ON public.people TO reader USING (n > 1);
    CREATE PUBLICATION everything FOR ALL TABLES;
    CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
    CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION public.noted();
    ALTER TABLE public.people OWNER TO guest;
    GRANT SELECT ON public.people TO reader;
"""

# An application's schema amid those of its provider, as the application's own migrations write it
AROUND = """
    CREATE SCHEMA auth;
    CREATE SCHEMA extensions;
    CREATE EXTENSION pgcrypto SCHEMA extensions;
    CREATE TABLE auth.users (id uuid PRIMARY KEY, at timestamptz);
    INSERT INTO auth.users VALUES ('00000000-0000-4000-8000-000000000001', now());
    CREATE FUNCTION auth."Uid"() RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT min(id::text)::uuid FROM auth.users $$;
    CREATE FUNCTION auth.allowed(who uuid, VARIADIC roles text[]) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION auth.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE FUNCTION auth.unused() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE public.profiles (
        id uuid PRIMARY KEY DEFAULT extensions.gen_random_uuid(),
        user_id uuid DEFAULT auth."Uid"() REFERENCES auth.users ON DELETE CASCADE,
        parent uuid REFERENCES public.profiles
    );
    INSERT INTO public.profiles (parent) VALUES (NULL), (NULL), (NULL);
    COMMENT ON TABLE public.profiles IS 'one for each login';
    CREATE POLICY own ON public.profiles USING (user_id = auth."Uid"() AND auth.allowed(user_id, 'reader'));
    CREATE POLICY known ON public.profiles USING (EXISTS (SELECT FROM auth.users WHERE id = user_id));
    COMMENT ON POLICY known ON public.profiles IS 'of the provider';
    CREATE TRIGGER touched BEFORE UPDATE ON public.profiles FOR EACH ROW EXECUTE FUNCTION auth.touch();
    CREATE VIEW public.logins AS SELECT p.id, at FROM public.profiles p JOIN auth.users u ON u.id = user_id;
    CREATE VIEW public.recent AS SELECT id FROM public.logins WHERE at > '2026-01-01Z';
    CREATE VIEW public.mine AS SELECT id FROM public.profiles WHERE user_id = auth."Uid"();
    CREATE MATERIALIZED VIEW public.kept AS SELECT id FROM public.logins;
    CREATE INDEX ON public.kept (id);
    ALTER TABLE public.profiles OWNER TO guest;
    ALTER VIEW public.logins OWNER TO guest;
    ALTER VIEW public.recent OWNER TO guest;
    ALTER VIEW public.mine OWNER TO guest;
    ALTER MATERIALIZED VIEW public.kept OWNER TO guest;
"""


def run(account: Account, **changes: str) -> tuple[int, list[dict[str, Any]]]:
    return account.run(drill.main, **changes)


def exported(account: Account) -> None:
    code, lines = account.run(export.main)
    assert code == 0, lines


def rewrite(account: Account, tenant: str, change: Callable[[dict[str, Any]], None], dump: bytes | None = None) -> None:
    """Put another manifest, and perhaps another dump, in the place of the newest ones."""
    manifest = manifest_of(account, tenant)
    change(manifest)
    name = manifest["object"]
    account.s3.put_object(
        Bucket=account.exports,
        Key=f"{name.removesuffix('.dump')}.manifest.json",
        Body=Manifest.model_validate(manifest).model_dump_json().encode(),
    )
    if dump is not None:
        account.s3.put_object(Bucket=account.exports, Key=name, Body=dump)


def test_every_dump_comes_back_whole(books: Account) -> None:
    exported(books)
    code, lines = run(books)
    assert code == 0, lines
    assert of(lines, "drill.result", *RESULT, "rows") == [
        ("acme", "shared-a-1", "ok", 506),
        ("beta", "shared-a-1", "ok", 1),
        ("guesthouse", "external", "ok", 30),
    ]
    assert of(lines, "drill.summary", "result", "drilled", "failed", "skipped") == [("ok", 3, 0, 0)]
    result = books.get(drill_object("acme"))
    assert result == {
        "schema_version": 1,
        "tenant": "acme",
        "instance": "shared-a-1",
        "result": "ok",
        "minutes": result["minutes"],
        "export": f"s3://{books.exports}/{manifest_of(books, 'acme')['object']}",
        "tables": 4,
        "rows": 506,
        "compared": "content",
        "locale": None,
        "error": None,
        "timed_out": False,
        "started_at": result["started_at"],
        "finished_at": result["finished_at"],
        "succeeded_at": result["finished_at"],
    }


def test_the_newest_dump_is_drilled(acme: Account) -> None:
    exported(acme)
    fill(acme, "acme", "INSERT INTO accounts (name) VALUES ('later')")
    time.sleep(1)  # names of dumps have seconds
    exported(acme)
    code, lines = run(acme)
    assert (code, of(lines, "drill.result", "rows")) == (0, [(507,)])


def test_what_an_ordinary_restore_stumbles_over(acme: Account) -> None:
    acme.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT n FROM generate_series(1, 30) n")
    acme.declare_guest("guesthouse")
    with acme.server.bootstrap("guesthouse") as session:
        session.execute(MORE.encode())
        session.execute("ALTER ROLE guest BYPASSRLS")
    exported(acme)
    code, lines = run(acme)
    assert code == 0, lines
    assert of(lines, "drill.result", *RESULT, "rows", "missing_extensions") == [
        ("acme", "shared-a-1", "ok", 506, ""),
        ("guesthouse", "external", "ok", 32, ""),
    ]


def test_a_dump_of_chosen_schemas_comes_back_without_the_others(account: Account) -> None:
    """A provider's schemas are part of an application's: it has keys to their tables and calls their functions."""
    account.make_guest("guesthouse", "SELECT 1")
    with account.server.bootstrap("guesthouse") as session:
        session.execute(AROUND.encode())
    account.declare_guest("guesthouse", schemas=["public"])
    exported(account)
    code, lines = run(account)
    assert code == 0, lines
    ((*result, left_out),) = of(lines, "drill.result", *RESULT, "rows", "left_out")
    assert result == ["guesthouse", "external", "ok", 3]
    assert left_out.split(", ") == [
        "constraint profiles_user_id_fkey on table public.profiles",
        "index public.kept_id_idx",
        "materialized view public.kept",
        "policy known on table public.profiles",
        "rule _RETURN on materialized view public.kept",
        "rule _RETURN on view public.logins",
        "rule _RETURN on view public.recent",
        "view public.logins",
        "view public.recent",
    ]
    manifest = manifest_of(account, "guesthouse")
    assert [
        (found["schema_name"], found["name"], found["arguments"], found["result"]) for found in manifest["functions"]
    ] == [
        ("auth", "Uid", "", "uuid"),
        ("auth", "allowed", "who uuid, VARIADIC roles text[]", "boolean"),
        ("auth", "touch", "", "trigger"),
    ]


def test_a_lost_row_of_a_chosen_schema_fails(account: Account) -> None:
    account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n; CREATE SCHEMA other")
    account.declare_guest("guesthouse", schemas=["public"])
    exported(account)
    rewrite(account, "guesthouse", lambda manifest: manifest["tables"]["public.rooms"].update(rows=2))
    code, lines = run(account)
    assert code == 1
    assert "public.rooms has 1 rows instead of 2" in of(lines, "drill.result", "error")[0][0]


def test_an_extension_that_is_not_installed_is_named(acme: Account) -> None:
    """A guest's provider has more extensions than the image; that alone fails nothing."""
    exported(acme)
    rewrite(acme, "acme", lambda m: m["extensions"].append({"name": "from_the_provider", "schema_name": "public"}))
    code, lines = run(acme)
    assert (code, of(lines, "drill.result", "result", "missing_extensions")) == (0, [("ok", "from_the_provider")])


def test_a_corrupted_dump_fails_its_tenant_only(books: Account) -> None:
    exported(books)
    name = manifest_of(books, "acme")["object"]
    dump = books.s3.get_object(Bucket=books.exports, Key=name)["Body"].read()
    middle = len(dump) // 2
    books.s3.put_object(
        Bucket=books.exports, Key=name, Body=dump[:middle] + bytes([dump[middle] ^ 0xFF]) + dump[middle + 1 :]
    )
    code, lines = run(books)
    assert code == 1
    assert of(lines, "drill.result", "tenant", "result") == [
        ("acme", "failed"),
        ("beta", "ok"),
        ("guesthouse", "ok"),
    ]
    assert "has SHA-256" in books.get(drill_object("acme"))["error"]
    assert of(lines, "drill.summary", "severity", "result", "failed") == [("ERROR", "failed", 1)]


def test_a_truncated_dump_fails(acme: Account) -> None:
    exported(acme)
    name = manifest_of(acme, "acme")["object"]
    dump = acme.s3.get_object(Bucket=acme.exports, Key=name)["Body"].read()
    acme.s3.put_object(Bucket=acme.exports, Key=name, Body=dump[:-10])
    code, lines = run(acme)
    assert code == 1
    assert f"has {len(dump) - 10} bytes instead of {len(dump)}" in of(lines, "drill.result", "error")[0][0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": 503}, "public.accounts has 502 rows instead of 503"),
        ({"checksum": "1"}, "public.accounts has other content in its 502 rows"),
    ],
)
def test_a_lost_or_changed_row_fails(acme: Account, change: dict[str, Any], problem: str) -> None:
    """The dump is sound in itself, but the source had something else: the manifest is what tells."""
    exported(acme)
    rewrite(acme, "acme", lambda manifest: manifest["tables"]["public.accounts"].update(change))
    code, lines = run(acme)
    assert code == 1
    assert problem in of(lines, "drill.result", "error")[0][0]


def test_a_lost_table_fails(acme: Account) -> None:
    exported(acme)
    rewrite(acme, "acme", lambda manifest: manifest["tables"].pop("public.empty"))
    code, lines = run(acme)
    assert code == 1
    assert "public.empty is not in the manifest" in of(lines, "drill.result", "error")[0][0]


def test_a_statement_that_fails_fails_the_drill(acme: Account, tmp_path: Path) -> None:
    exported(acme)
    text = 'cat > /dev/null; echo "could not execute query" >&2; exit 1'
    code, lines = run(acme, PATH=broken(acme, tmp_path / "bin", pg_restore=text))
    assert code == 1
    assert "pg_restore ended with 1: could not execute query" in of(lines, "drill.result", "error")[0][0]


def test_a_failure_keeps_the_time_of_the_last_success(acme: Account) -> None:
    exported(acme)
    assert run(acme)[0] == 0
    before = acme.get(drill_object("acme"))
    rewrite(acme, "acme", lambda manifest: manifest["tables"]["public.accounts"].update(rows=1))
    assert run(acme)[0] == 1
    after = acme.get(drill_object("acme"))
    assert (after["result"], after["succeeded_at"], after["export"]) == ("failed", before["succeeded_at"], None)


def test_no_dump_fails_unless_the_tenant_is_new(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    code, lines = run(acme)
    assert (code, of(lines, "drill.result", *RESULT)) == (0, [("acme", "shared-a-1", "skipped")])
    monkeypatch.setattr(AmazonAges, "created", lambda *_: datetime.now(UTC) - timedelta(days=3))
    code, lines = run(acme)
    assert code == 1
    assert of(lines, "drill.result", "error") == [(f"s3://{acme.exports}/dump/acme/: holds no dump with a manifest",)]


def test_nothing_stays_behind(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(acme)
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to the server's user
        Path(name).chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", name)
        assert run(acme)[0] == 0
        assert list(Path(name).iterdir()) == []


def test_a_server_that_does_not_start_is_told_with_its_last_words(acme: Account, tmp_path: Path) -> None:
    exported(acme)
    code, lines = run(acme, PATH=broken(acme, tmp_path / "bin", postgres="echo 'FATAL: no room'; exit 1"))
    assert code == 1
    assert of(lines, "drill.result", "error") == [("the scratch server does not start: FATAL: no room",)]


def test_what_is_restored_is_no_superusers(acme: Account) -> None:
    """A tenant owns its functions; a drill that ran them with more rights would hand them this job's own."""
    fill(
        acme,
        "acme",
        """
        CREATE FUNCTION spy(n int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
          IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'superuser'; END IF;
          RETURN true;
        END $$;
        CREATE TABLE watched (n int CHECK (public.spy(n)));
        INSERT INTO watched VALUES (1);
        """,
    )
    exported(acme)
    code, lines = run(acme)
    assert code == 0, lines
    assert of(lines, "drill.result", "rows") == [(507,)]
