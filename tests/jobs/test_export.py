"""The export job against real servers: what it stores, what it refuses to count, and what a stock restore gets back."""

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobs import export
from jobs.dumps import proof as proof_module
from jobs.dumps import restore as restore_module
from jobs.dumps import s3 as s3_module
from jobs.dumps import tables
from jobs.dumps.layout import Manifest, contents_digest, parse_manifest
from jobs.dumps.s3 import S3Dumps, part_size
from jobs.dumps.store import MEBIBYTE
from jobs.dumps.tools import Tools
from jobs.sql import __main__ as sql_job
from jobs.sql.errors import JobError
from tests.jobs.amazon import GUEST, GUEST_PASSWORD, KEY, Account, of
from tests.jobs.books import fill
from tests.jobs.server import BOOTSTRAP_PASSWORD

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("_at_once")]
newest = pytest.mark.parametrize("server", ["packaged"], indirect=True, scope="session")

RESULT = ("tenant", "result", "final")
HIDDEN = "row-level security hides rows from the owner itself: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY on"
CLOSED = "let it, or name the schemas to dump (external.schemas)"
ABLE = "can still log in or is logged in; the SQL job has to end that first"
SAFE = "use verify-full, or require where the provider has no more"
# A guest's own schemas, one with a name that would be a pattern, and those of its provider
PROVIDED = """
    CREATE TABLE rooms AS SELECT n FROM generate_series(1, 4) n;
    CREATE SCHEMA "Pub.*";
    CREATE TABLE "Pub.*".odd AS SELECT 1 AS n;
    CREATE SCHEMA books;
    CREATE TABLE books.pages AS SELECT 1 AS n;
"""
INTERNAL = """
    CREATE ROLE reader;
    CREATE POLICY readers ON books.pages TO reader USING (true);
    CREATE SCHEMA auth;
    CREATE TABLE auth.users (id int PRIMARY KEY);
"""
COUNTS = {'"Ledger x"."Odd name"': 3, "public.accounts": 502, "public.empty": 0, "public.parted_2026": 1}


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without a pause."""
    monkeypatch.setattr(export, "_PAUSE_S", 0.0)


def run(account: Account, **changes: str) -> tuple[int, list[dict[str, Any]]]:
    return account.run(export.main, **changes)


def exported(account: Account) -> list[dict[str, Any]]:
    code, lines = run(account)
    assert code == 0, lines
    return lines


def manifest_of(account: Account, tenant: str) -> dict[str, Any]:
    (name,) = [name for name in account.objects(f"dump/{tenant}/") if name.endswith(".manifest.json")]
    found: dict[str, Any] = account.get(name, bucket=account.exports)
    return found


def dump_of(account: Account, tenant: str) -> bytes:
    name = manifest_of(account, tenant)["object"]
    content: bytes = account.s3.get_object(Bucket=account.exports, Key=name)["Body"].read()
    return content


def stock_restore(account: Account, dump: bytes, folder: Path) -> psycopg.Connection[tuple[object, ...]]:
    """What a person does: create a database and run the distribution's pg_restore, without any program of ours."""
    with account.server.bootstrap() as session:
        session.execute("DROP DATABASE IF EXISTS restored")
        session.execute("CREATE DATABASE restored")
    path = folder / "acme.dump"
    path.write_bytes(dump)
    done = subprocess.run(
        ["pg_restore", "--no-owner", "--no-acl", "--exit-on-error", "--dbname",
         f"host=127.0.0.1 port={account.server.port} user={account.server.superuser} dbname=restored sslmode=require",
         str(path)],
        env={"PATH": account.path, "PGPASSWORD": BOOTSTRAP_PASSWORD},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return account.server.bootstrap("restored")


def contents_of(account: Account, dump: bytes) -> list[str]:
    """The archive's table of contents."""
    listed = subprocess.run(
        ["pg_restore", "--list"], input=dump, env={"PATH": account.path}, capture_output=True, check=True
    )
    return listed.stdout.decode().splitlines()


def broken(account: Account, folder: Path, **programs: str) -> str:
    """A PATH on which some programs are scripts of the test's own."""
    folder.mkdir()
    for name, text in programs.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        script.chmod(0o755)
    return f"{folder}:{account.path}"


class TestDumps:
    def test_every_database_of_the_registry_is_dumped(self, books: Account) -> None:
        books.put("tenants/fire.json", {"id": "fire", "kind": "firestore"})
        books.put("tenants/cloud.json", {"id": "cloud", "kind": "cloudsql"})
        lines = exported(books)
        assert of(lines, "export.result", *RESULT, "instance", "database", "rows") == [
            ("acme", "ok", "none", "shared-a-1", "tn_acme", 506),
            ("beta", "ok", "none", "shared-a-1", "tn_beta", 1),
            ("guesthouse", "ok", "none", "external", "guesthouse", 30),
        ]
        assert of(lines, "export.summary", "result", "exported", "failed", "other_kinds") == [("ok", 3, 0, 2)]
        names = books.objects()
        assert [name.split("/")[1] for name in names] == ["acme"] * 2 + ["beta"] * 2 + ["guesthouse"] * 2
        assert [name.partition(".")[2] for name in names] == ["dump", "manifest.json"] * 3
        assert books.uploads() == []

    def test_the_manifest_describes_the_dump(self, acme: Account) -> None:
        (line,) = [line for line in exported(acme) if line.get("tenant") == "acme"]
        manifest, dump = manifest_of(acme, "acme"), dump_of(acme, "acme")
        assert (manifest["bytes"], manifest["sha256"]) == (len(dump), hashlib.sha256(dump).hexdigest())
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == COUNTS
        assert (manifest["tenant"], manifest["database"], manifest["encoding"]) == ("acme", "tn_acme", "UTF8")
        assert int(manifest["pg_dump"].split(".")[0]) >= acme.server.major
        assert (line["bytes"], line["uri"]) == (len(dump), f"s3://{acme.exports}/{manifest['object']}")

    def test_dumps_are_compressed_and_encrypted_with_the_key(self, acme: Account) -> None:
        exported(acme)
        head = acme.s3.head_object(Bucket=acme.exports, Key=manifest_of(acme, "acme")["object"])
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY)
        dump = dump_of(acme, "acme")
        assert dump[:5] == b"PGDMP"
        assert "Näme 499".encode() not in dump

    def test_a_stock_restore_has_the_same_rows_and_checksums(self, acme: Account, tmp_path: Path) -> None:
        exported(acme)
        expected = Manifest.model_validate(manifest_of(acme, "acme"))
        with stock_restore(acme, dump_of(acme, "acme"), tmp_path) as restored:
            found = tables.contents(restored)
            assert tables.differences(expected, found) == []
            assert contents_digest(found) == contents_digest(expected)
            restored.execute("UPDATE public.accounts SET name = 'nAme 7' WHERE id = 7")
            restored.execute('DELETE FROM "Ledger x"."Odd name" WHERE t IS NULL')
            restored.execute("DROP TABLE public.empty")
            restored.execute("SELECT nextval('public.accounts_id_seq'), lo_from_bytea(0, 'x')")
            assert tables.differences(expected, tables.contents(restored)) == [
                "public.empty is missing",
                '"Ledger x"."Odd name" has 2 rows instead of 3',
                "public.accounts has other content in its 502 rows",
                "sequence public.accounts_id_seq stands at 503 instead of 502",
                "there are 1 large objects instead of 0",
            ]

    def test_dump_and_manifest_are_of_one_moment(
        self, acme: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows that come between the snapshot and the dump are in neither."""
        meanwhile(monkeypatch, lambda: fill(acme, "acme", "INSERT INTO accounts (name) VALUES ('late')"))
        exported(acme)
        monkeypatch.undo()
        expected = Manifest.model_validate(manifest_of(acme, "acme"))
        assert expected.tables["public.accounts"].rows == 502
        # its sequence went on meanwhile, which no snapshot knows
        assert (expected.sequences, expected.moved) == ({}, ("public.accounts_id_seq",))
        with stock_restore(acme, dump_of(acme, "acme"), tmp_path) as restored:
            assert tables.differences(expected, tables.contents(restored)) == []

    def test_a_second_run_adds_and_overwrites_nothing(self, acme: Account) -> None:
        exported(acme)
        first = set(acme.objects())
        exported(acme)
        assert first < set(acme.objects())
        assert len(acme.objects()) == 4


@newest
class TestFailures:
    def test_one_tenants_failure_stops_nobody_else(self, books: Account) -> None:
        with books.server.bootstrap() as session:
            session.execute("DROP DATABASE tn_acme WITH (FORCE)")
        books.put("tenants/bad.json", {"id": "bad", "kind": "rds"})
        code, lines = run(books)
        assert code == 1
        assert of(lines, "export.result", *RESULT) == [
            ("tenants/bad.json", "failed", "none"),
            ("acme", "failed", "none"),
            ("beta", "ok", "none"),
            ("guesthouse", "ok", "none"),
        ]
        assert 'database "tn_acme" does not exist' in of(lines, "export.result", "error")[1][0]
        assert of(lines, "export.summary", "severity", "result", "exported", "failed") == [("ERROR", "failed", 2, 2)]
        assert books.objects("dump/acme/") == []

    def test_a_dump_that_breaks_off_is_no_object(self, acme: Account, tmp_path: Path) -> None:
        """pg_dump writes something and fails: nothing of it may stay, as a part or as a whole."""
        real = Path(acme.path.split(":")[0]) / "pg_dump"
        text = f"[ $1 = --version ] && exec {real} $1; head -c 40000000 /dev/zero; echo gone >&2; exit 3"
        code, lines = run(acme, PATH=broken(acme, tmp_path / "bin", pg_dump=text))
        assert (code, acme.objects(), acme.uploads()) == (1, [], [])
        assert of(lines, "export.result", "error")[0] == ("pg_dump ended with 3: gone (3 attempts)",)

    @pytest.mark.parametrize(
        ("change", "covered", "problem"),
        [
            (lambda body: body[:-100], False, "cannot complete the upload"),
            (lambda body: body[:-100], True, "bytes of the"),
            (lambda body: body[:-1] + bytes([body[-1] ^ 1]), True, "has checksum"),
        ],
        ids=["truncated", "truncated-unnoticed-by-the-store", "changed-unnoticed-by-the-store"],
    )
    def test_an_upload_that_is_not_what_was_sent_is_not_counted(
        self,
        acme: Account,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[bytes], bytes],
        covered: bool,
        problem: str,
    ) -> None:
        tamper(monkeypatch, change, covered=covered)
        code, lines = run(acme)
        assert code == 1
        assert problem in of(lines, "export.result", "error")[0][0]
        assert [name for name in acme.objects() if "manifest" in name] == []
        assert acme.uploads() == []

    def test_an_unencrypted_bucket_is_refused(self, acme: Account) -> None:
        acme.s3.delete_bucket_encryption(Bucket=acme.exports)
        code, lines = run(acme)
        assert code == 1
        assert "not with a key of KMS; set TENANTRY_EXPORTS_KEY" in of(lines, "export.result", "error")[0][0]
        assert [name for name in acme.objects() if "manifest" in name] == []

    def test_the_named_key_is_used(self, acme: Account) -> None:
        acme.s3.delete_bucket_encryption(Bucket=acme.exports)
        code, _ = run(acme, TENANTRY_EXPORTS_KEY="another-key")
        assert code == 0
        head = acme.s3.head_object(Bucket=acme.exports, Key=manifest_of(acme, "acme")["object"])
        assert head["SSEKMSKeyId"] == "another-key"

    def test_rows_that_policies_hide_from_the_owner_itself_are_refused_by_name(self, acme: Account) -> None:
        for table in ("accounts", "empty"):
            fill(acme, "acme", f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            fill(acme, "acme", f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        code, lines = run(acme)
        assert code == 1
        assert of(lines, "export.result", "error") == [
            (f"{HIDDEN} public.accounts, public.empty",),
        ]

    @pytest.mark.parametrize("variable", ["TENANTRY_REGISTRY", "TENANTRY_EXPORTS", "TENANTRY_REGION"])
    def test_a_missing_variable_is_named(self, account: Account, variable: str) -> None:
        account.declare("acme")
        code, lines = run(account, **{variable: ""})
        assert code == 1
        assert variable in json.dumps(lines)


@newest
class TestGuests:
    @pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
    def test_a_guest_without_tls_is_refused(self, account: Account, mode: str) -> None:
        account.make_guest("guesthouse", "SELECT 1")
        account.declare_guest("guesthouse", account.guest_url("guesthouse", mode))
        code, lines = run(account)
        assert code == 1
        assert of(lines, "export.result", "error") == [(f"tenant-guesthouse-database-url: sslmode is {mode}; {SAFE}",)]

    def test_the_backup_url_comes_first(self, account: Account) -> None:
        account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n")
        account.secret("tenant-guesthouse-backup-url", account.guest_url("guesthouse", "require"))
        account.declare_guest(
            "guesthouse", "postgresql://wrong@nowhere/x", backup_url_secret="tenant-guesthouse-backup-url"
        )
        assert of(exported(account), "export.result", *RESULT) == [("guesthouse", "ok", "none")]

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("mysql://a:b@c/d", "is no PostgreSQL URL"),
            (f"postgresql://u:{GUEST_PASSWORD}@h/d?sslmode=require&nonsense=1", "is no PostgreSQL URL"),
            ("postgresql://u@h/d?sslmode=require", "the URL has no password"),
            ("postgresql://:p@h?sslmode=require", "the URL has no user and no dbname"),
            ("postgresql://u:p@h/d", "sslmode is none"),
        ],
    )
    def test_a_wrong_url_is_not_quoted(self, account: Account, url: str, problem: str) -> None:
        account.declare_guest("guesthouse", url)
        code, lines = run(account)
        assert code == 1
        assert of(lines, "export.result", "error")[0][0].startswith("tenant-guesthouse-database-url: ")
        assert problem in of(lines, "export.result", "error")[0][0]

    def test_another_tenants_secret_is_refused(self, account: Account) -> None:
        account.declare_guest("guesthouse", url_secret="tenant-acme-database-url")
        code, lines = run(account)
        assert code == 1
        assert "must be the secret tenant-guesthouse-database-url" in of(lines, "export.result", "error")[0][0]

    def test_a_schema_that_may_not_be_read_fails_the_dump_unless_others_are_chosen(self, account: Account) -> None:
        account.make_guest("guesthouse", PROVIDED)
        with account.server.bootstrap("guesthouse") as session:
            session.execute(INTERNAL.encode())
        account.declare_guest("guesthouse")
        code, lines = run(account)
        assert (code, account.objects()) == (1, [])
        assert of(lines, "export.result", "error") == [
            (f"permission denied: the login may not read auth.users; {CLOSED}",),
        ]
        account.declare_guest("guesthouse", schemas=["public", "Pub.*"])
        assert of(exported(account), "export.result", *RESULT, "rows") == [("guesthouse", "ok", "none", 5)]
        manifest = manifest_of(account, "guesthouse")
        assert manifest["schemas"] == ["public", "Pub.*"]
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
            '"Pub.*".odd': 1,
            "public.rooms": 4,
        }
        assert manifest["roles"] == []  # the policy of `books` names one, and is not exported
        listed = contents_of(account, dump_of(account, "guesthouse"))
        assert {line.split(" TABLE DATA ")[1] for line in listed if " TABLE DATA " in line} == {
            "Pub.* odd guest",
            "public rooms guest",
        }

    def test_a_schema_that_does_not_exist_is_named(self, account: Account) -> None:
        account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n")
        account.declare_guest("guesthouse", schemas=["public", "Public", "pub%"])
        code, lines = run(account)
        assert (code, account.objects()) == (1, [])
        assert of(lines, "export.result", "error") == [
            ("the database has no schema Public, pub%; external.schemas must name those that it has",)
        ]

    def test_no_schemas_are_not_all_schemas(self, account: Account) -> None:
        account.declare_guest("guesthouse", schemas=[])
        code, lines = run(account)
        assert code == 1
        assert of(lines, "export.result", "error") == [
            ("tenants/guesthouse.json: schemas: Tuple should have at least 1 item after validation, not 0",)
        ]

    def test_passwords_are_in_no_arguments(self, books: Account, tmp_path: Path) -> None:
        seen = tmp_path / "seen"
        real = Path(books.path.split(":")[0]) / "pg_dump"
        text = f'tr "\\0" " " < /proc/$$/cmdline >> {seen}; env >> {seen}.env; exec {real} "$@"'
        code, _ = run(books, PATH=broken(books, tmp_path / "bin", pg_dump=text))
        assert code == 0
        arguments = seen.read_text(encoding="utf-8")
        assert "user=tn_acme_backup" in arguments
        assert f"user={GUEST}" in arguments
        assert [value for value in books.secret_values() if value in arguments] == []
        variables = Path(f"{seen}.env").read_text(encoding="utf-8")
        assert "AWS_SECRET_ACCESS_KEY" in os.environ
        assert "AWS_" not in variables


@newest
class TestFinal:
    def test_an_offboarding_tenant_gets_its_marker(self, acme: Account) -> None:
        acme.declare("acme", state="offboarding")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        lines = exported(acme)
        assert of(lines, "export.result", *RESULT)[0] == ("acme", "ok", "written")
        manifest = manifest_of(acme, "acme")
        marker = acme.get("final/acme.json", bucket=acme.exports)
        head = acme.s3.head_object(Bucket=acme.exports, Key=manifest["object"])
        assert marker == {
            "schema_version": 1,
            "tenant": "acme",
            "uri": f"s3://{acme.exports}/{manifest['object']}",
            "generation": head["VersionId"],
            "size": manifest["bytes"],
            "sha256": manifest["sha256"],
            "rows": 506,
            "contents": contents_digest(Manifest.model_validate(manifest)),
            "exported_at": marker["exported_at"],
            "execution": marker["execution"],
            "logins": "off",
        }
        assert acme.objects("final/") == ["final/acme.json"]
        assert of(exported(acme), "export.result", *RESULT)[0] == ("acme", "ok", "exists")
        assert acme.get("final/acme.json", bucket=acme.exports) == marker

    def test_the_marker_of_a_former_offboarding_proves_nothing(self, acme: Account) -> None:
        acme.s3.put_object(Bucket=acme.exports, Key="final/acme.json", Body=b"{}")
        acme.declare("acme", state="offboarding", final_export="final/acme.2.json")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        assert of(exported(acme), "export.result", *RESULT)[0] == ("acme", "ok", "written")
        assert acme.get("final/acme.2.json", bucket=acme.exports)["tenant"] == "acme"
        assert acme.get("final/acme.json", bucket=acme.exports) == {}

    def test_no_marker_when_the_entry_asks_for_none(self, acme: Account) -> None:
        """An entry that an earlier version of the program has written."""
        acme.declare("acme", state="offboarding", final_export=None)
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert "does not name its final export" in of(lines, "export.result", "error")[0][0]

    @pytest.mark.parametrize("name", ["final/acme-2.json", "final/acme.0.json", "dump/acme.json", "final/acmeX2.json"])
    def test_no_marker_of_another_name(self, acme: Account, name: str) -> None:
        acme.declare("acme", state="offboarding", final_export=name)
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert f"final_export is '{name}'" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_while_a_login_is_on(self, acme: Account) -> None:
        acme.declare("acme", state="offboarding")  # and the SQL job has not run since
        code, lines = run(acme)
        assert (code, of(lines, "export.result", *RESULT)[0]) == (1, ("acme", "failed", "failed"))
        ((error,),) = of(lines, "export.result", "error")
        assert error == f"final export not proved: tn_acme_a, tn_acme_migrator, tn_acme_worker {ABLE}"
        assert acme.objects("final/") == []
        assert manifest_of(acme, "acme")["tables"].keys() == COUNTS.keys()  # the nightly dump is there all the same

    def test_no_marker_when_a_login_was_on_as_the_dump_began(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it wrote between the snapshot and its end would be lost with the tenant."""

        def apply() -> None:
            assert acme.run(sql_job.main, ["apply"])[0] == 0

        acme.declare("acme", state="offboarding")
        meanwhile(monkeypatch, apply)
        code, lines = run(acme)
        assert (code, of(lines, "export.result", *RESULT), acme.objects("final/")) == (
            1,
            [("acme", "failed", "failed")],
            [],
        )

    def test_no_marker_while_a_session_lasts(self, acme: Account) -> None:
        """Barring the logins ends no session that is open already."""
        acme.declare("acme", state="offboarding")
        with (
            acme.server.session("tn_acme_a", acme.password("acme", 1), "tn_acme") as writing,
            acme.server.bootstrap() as session,
        ):
            for login in ("a", "migrator", "worker"):
                session.execute(f"ALTER ROLE tn_acme_{login} NOLOGIN".encode())
            code, lines = run(acme)
            writing.execute("SELECT 1")
        assert (code, acme.objects("final/")) == (1, [])
        assert "proved: tn_acme_a can still log in or is logged in" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_for_a_damaged_dump(self, acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        acme.declare("acme", state="offboarding")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        pieces = S3Dumps._pieces

        def damaged(self: S3Dumps, name: str, body: Any) -> Iterator[bytes]:  # noqa: ANN401
            for piece in pieces(self, name, body):
                yield piece[:-1] + bytes([piece[-1] ^ 1])

        monkeypatch.setattr(S3Dumps, "_pieces", damaged)
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert "has SHA-256" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_when_pg_restore_cannot_restore_it(self, acme: Account, tmp_path: Path) -> None:
        acme.declare("acme", state="offboarding")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        path = broken(acme, tmp_path / "bin", pg_restore="cat > /dev/null; echo 'unsupported version' >&2; exit 1")
        code, lines = run(acme, PATH=path)
        assert (code, acme.objects("final/")) == (1, [])
        assert "pg_restore ended with 1: unsupported version" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_when_the_declaration_changed_meanwhile(
        self, acme: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acme.declare("acme", state="offboarding")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        proof = proof_module.prove

        def prove_then_change(*arguments: Any) -> Any:  # noqa: ANN401
            contents = proof(*arguments)
            acme.declare("acme", state="offboarding", connection_limit=7)
            return contents

        monkeypatch.setattr(restore_module, "prove", prove_then_change)
        code, lines = run(acme)
        assert (code, acme.objects("final/")) == (1, [])
        assert "tenants/acme.json changed during the export" in of(lines, "export.result", "error")[0][0]

    def test_a_guests_logins_cannot_be_switched_off_and_the_marker_says_so(self, account: Account) -> None:
        account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n")
        account.declare_guest("guesthouse", state="offboarding")
        lines = exported(account)
        assert of(lines, "export.result", *RESULT) == [("guesthouse", "ok", "written")]
        assert [line["severity"] for line in lines if line["event"] == "export.final_not_enforced"] == ["WARNING"]
        assert account.get("final/guesthouse.json", bucket=account.exports)["logins"] == "not-enforced"

    def test_a_suspended_tenant_is_dumped_as_ever(self, acme: Account) -> None:
        acme.declare("acme", state="suspended")
        assert acme.run(sql_job.main, ["apply"])[0] == 0
        assert of(exported(acme), "export.result", *RESULT)[0] == ("acme", "ok", "none")
        assert acme.objects("final/") == []


@newest
class TestStreaming:
    def test_one_part_is_asked_for_at_a_time(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        """A source larger than any part: what is read and what is held at once stays one part."""
        monkeypatch.setattr(s3_module, "_FIRST_PART", 5 * MEBIBYTE)
        asked: list[int] = []
        left = 23 * MEBIBYTE

        def source(size: int) -> bytes:
            nonlocal left
            asked.append(size)
            piece = os.urandom(min(size, left))
            left -= len(piece)
            return piece

        stored = S3Dumps(account.s3, account.exports, key=None).upload("dump/x/large.dump", source)
        assert asked == [5 * MEBIBYTE] * 6
        assert stored.size == 23 * MEBIBYTE
        head = account.s3.head_object(Bucket=account.exports, Key="dump/x/large.dump")
        assert (head["ContentLength"], head["ETag"].strip('"').endswith("-5")) == (23 * MEBIBYTE, True)

    def test_a_source_that_fails_leaves_no_upload(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_module, "_FIRST_PART", 5 * MEBIBYTE)
        pieces = [bytes(5 * MEBIBYTE), bytes(5 * MEBIBYTE)]

        def source(_: int) -> bytes:
            if not pieces:
                raise JobError("lost")
            return pieces.pop()

        with pytest.raises(JobError, match="lost"):
            S3Dumps(account.s3, account.exports, key=None).upload("dump/x/lost.dump", source)
        assert (account.objects(), account.uploads()) == ([], [])

    def test_an_object_is_never_overwritten(self, account: Account) -> None:
        store = S3Dumps(account.s3, account.exports, key=None)
        assert store.create("final/x.json", b"1") is True
        assert store.create("final/x.json", b"2") is False
        assert store.read("final/x.json") == b"1"
        pieces = [b"first"]
        store.upload("dump/x/a.dump", lambda _: pieces.pop() if pieces else b"")
        pieces = [b"second"]
        with pytest.raises(JobError, match="PreconditionFailed"):
            store.upload("dump/x/a.dump", lambda _: pieces.pop() if pieces else b"")
        assert store.read("dump/x/a.dump") == b"first"


def meanwhile(monkeypatch: pytest.MonkeyPatch, something: Callable[[], None]) -> None:
    """Let something happen between the snapshot and pg_dump's start, in each attempt."""
    dump = Tools.dump

    def later(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        something()
        return dump(*arguments, **named)

    monkeypatch.setattr(Tools, "dump", later)


def tamper(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes], *, covered: bool) -> None:
    """Put something between the job and the store that changes every part; `covered`: and what it vouches for."""
    make = S3Dumps.__init__

    def tampered(self: S3Dumps, s3: Any, bucket: str, *, key: str | None) -> None:  # noqa: ANN401
        make(self, _Proxy(s3, change, covered=covered), bucket, key=key)

    monkeypatch.setattr(S3Dumps, "__init__", tampered)


class _Proxy:
    def __init__(self, real: Any, change: Callable[[bytes], bytes], *, covered: bool) -> None:  # noqa: ANN401
        self._real = real
        self._change = change
        self._covered = covered
        self._parts: list[dict[str, Any]] = []

    def upload_part(self, *, Body: bytes, ChecksumSHA256: str, **given: Any) -> Any:  # noqa: ANN401, ARG002, N803
        body = self._change(Body)
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        answer = self._real.upload_part(Body=body, ChecksumSHA256=checksum, **given)
        self._parts.append({"PartNumber": given["PartNumber"], "ETag": answer["ETag"], "ChecksumSHA256": checksum})
        return answer

    def complete_multipart_upload(self, *, MultipartUpload: Any, **given: Any) -> Any:  # noqa: ANN401, N803
        parts = {"Parts": self._parts} if self._covered else MultipartUpload
        return self._real.complete_multipart_upload(MultipartUpload=parts, **given)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._real, name)


def test_a_manifest_is_of_the_dump_beside_it() -> None:
    with pytest.raises(JobError, match="is no manifest"):
        parse_manifest("dump/acme/x.manifest.json", b"{}")


def test_parts_are_small_and_enough_for_a_large_database() -> None:
    assert [part_size(number) for number in (1, 1000, 1001, 10_000)] == [
        16 * MEBIBYTE, 16 * MEBIBYTE, 32 * MEBIBYTE, 160 * MEBIBYTE,
    ]  # fmt: skip
    assert sum(map(part_size, range(1, 10_001))) == 880_000 * MEBIBYTE
