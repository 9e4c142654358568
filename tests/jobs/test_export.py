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
from jobs.dumps import s3 as s3_module
from jobs.dumps import tables
from jobs.dumps.layout import Table, parse_manifest
from jobs.dumps.s3 import S3Dumps, part_size
from jobs.dumps.store import MEBIBYTE
from jobs.sql import __main__ as sql_job
from jobs.sql.errors import JobError
from tests.jobs.amazon import BACKUP, GUEST, GUEST_PASSWORD, KEY, Account, of
from tests.jobs.books import fill
from tests.jobs.server import BOOTSTRAP_PASSWORD

pytestmark = pytest.mark.postgres
newest = pytest.mark.parametrize("server", ["packaged"], indirect=True, scope="session")

RESULT = ("tenant", "result", "final")
SAFE = "use verify-full, or require where the provider has no more"
COUNTS = {'"Ledger x"."Odd name"': 3, "public.accounts": 502, "public.empty": 0, "public.parted_2026": 1}


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
         f"host=127.0.0.1 port={account.server.port} user=cloudsqladmin dbname=restored sslmode=require", str(path)],
        env={"PATH": account.path, "PGPASSWORD": BOOTSTRAP_PASSWORD},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return account.server.bootstrap("restored")


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

    def test_the_manifest_describes_the_dump(self, books: Account) -> None:
        (line,) = [line for line in exported(books) if line.get("tenant") == "acme"]
        manifest, dump = manifest_of(books, "acme"), dump_of(books, "acme")
        assert (manifest["bytes"], manifest["sha256"]) == (len(dump), hashlib.sha256(dump).hexdigest())
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == COUNTS
        assert (manifest["tenant"], manifest["database"], manifest["encoding"]) == ("acme", "tn_acme", "UTF8")
        assert int(manifest["pg_dump"].split(".")[0]) >= books.server.major
        assert (line["bytes"], line["uri"]) == (len(dump), f"s3://{books.exports}/{manifest['object']}")

    def test_dumps_are_compressed_and_encrypted_with_the_key(self, books: Account) -> None:
        exported(books)
        head = books.s3.head_object(Bucket=books.exports, Key=manifest_of(books, "acme")["object"])
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY)
        dump = dump_of(books, "acme")
        assert dump[:5] == b"PGDMP"
        assert "Näme 499".encode() not in dump

    def test_a_stock_restore_has_the_same_rows_and_checksums(self, books: Account, tmp_path: Path) -> None:
        exported(books)
        expected = {name: Table(**table) for name, table in manifest_of(books, "acme")["tables"].items()}
        with stock_restore(books, dump_of(books, "acme"), tmp_path) as restored:
            tables.prepare(restored)
            found = tables.contents(restored)
            assert tables.differences(expected, found) == []
            restored.execute("UPDATE public.accounts SET name = 'nAme 7' WHERE id = 7")
            restored.execute('DELETE FROM "Ledger x"."Odd name" WHERE t IS NULL')
            restored.execute("DROP TABLE public.empty")
            assert tables.differences(expected, tables.contents(restored)) == [
                "public.empty is missing",
                '"Ledger x"."Odd name" has 2 rows instead of 3',
                "public.accounts has other content in its 502 rows",
            ]

    def test_dump_and_manifest_are_of_one_moment(
        self, books: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows that come between the counting and the dump are in neither."""
        alone(books)
        meanwhile(monkeypatch, lambda: fill(books, "acme", "INSERT INTO accounts (name) VALUES ('late')"))
        exported(books)
        monkeypatch.undo()
        expected = {name: Table(**table) for name, table in manifest_of(books, "acme")["tables"].items()}
        assert expected["public.accounts"].rows == 502
        with stock_restore(books, dump_of(books, "acme"), tmp_path) as restored:
            tables.prepare(restored)
            assert tables.differences(expected, tables.contents(restored)) == []

    def test_a_second_run_adds_and_overwrites_nothing(self, books: Account) -> None:
        exported(books)
        first = set(books.objects())
        exported(books)
        assert first < set(books.objects())
        assert len(books.objects()) == 12


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

    def test_a_dump_that_breaks_off_is_no_object(self, books: Account, tmp_path: Path) -> None:
        """pg_dump writes something and fails: nothing of it may stay, as a part or as a whole."""
        text = "head -c 40000000 /dev/zero; echo gone >&2; exit 3"
        code, lines = run(books, PATH=broken(books, tmp_path / "bin", pg_dump=text))
        assert (code, books.objects(), books.uploads()) == (1, [], [])
        assert of(lines, "export.result", "error")[0] == ("pg_dump ended with 3: gone",)

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
        books: Account,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[bytes], bytes],
        covered: bool,
        problem: str,
    ) -> None:
        alone(books)
        tamper(monkeypatch, change, covered=covered)
        code, lines = run(books)
        assert code == 1
        assert problem in of(lines, "export.result", "error")[0][0]
        assert [name for name in books.objects() if "manifest" in name] == []
        assert books.uploads() == []

    def test_an_unencrypted_bucket_is_refused(self, books: Account) -> None:
        books.s3.delete_bucket_encryption(Bucket=books.exports)
        code, lines = run(books)
        assert code == 1
        assert "not with a key of KMS; set TENANTRY_EXPORTS_KEY" in of(lines, "export.result", "error")[0][0]
        assert [name for name in books.objects() if "manifest" in name] == []

    def test_the_named_key_is_used(self, books: Account) -> None:
        books.s3.delete_bucket_encryption(Bucket=books.exports)
        code, _ = run(books, TENANTRY_EXPORTS_KEY="another-key")
        assert code == 0
        head = books.s3.head_object(Bucket=books.exports, Key=manifest_of(books, "acme")["object"])
        assert head["SSEKMSKeyId"] == "another-key"

    def test_rows_hidden_by_a_policy_fail_the_dump(self, books: Account) -> None:
        fill(books, "acme", "ALTER TABLE accounts ENABLE ROW LEVEL SECURITY")
        fill(books, "acme", "CREATE POLICY p ON accounts USING (id = 1)")
        code, lines = run(books)
        assert code == 1
        assert (
            'query would be affected by row-level security policy for table "accounts"'
            in (of(lines, "export.result", "error")[0][0])
        )

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

    def test_passwords_are_in_no_arguments(self, books: Account, tmp_path: Path) -> None:
        seen = tmp_path / "seen"
        real = Path(books.path.split(":")[0]) / "pg_dump"
        text = f'tr "\\0" " " < /proc/$$/cmdline >> {seen}; env >> {seen}.env; exec {real} "$@"'
        code, _ = run(books, PATH=broken(books, tmp_path / "bin", pg_dump=text))
        assert code == 0
        arguments = seen.read_text(encoding="utf-8")
        assert f"user={BACKUP}" in arguments
        assert f"user={GUEST}" in arguments
        assert [value for value in books.secret_values() if value in arguments] == []
        variables = Path(f"{seen}.env").read_text(encoding="utf-8")
        assert "AWS_SECRET_ACCESS_KEY" in os.environ
        assert "AWS_" not in variables


@newest
class TestFinal:
    def test_an_offboarding_tenant_gets_its_marker(self, books: Account) -> None:
        books.declare("acme", state="offboarding")
        assert books.run(sql_job.main, ["apply"])[0] == 0
        lines = exported(books)
        assert of(lines, "export.result", *RESULT)[0] == ("acme", "ok", "written")
        manifest = manifest_of(books, "acme")
        marker = books.get("final/acme.json", bucket=books.exports)
        head = books.s3.head_object(Bucket=books.exports, Key=manifest["object"])
        assert marker == {
            "schema_version": 1,
            "tenant": "acme",
            "uri": f"s3://{books.exports}/{manifest['object']}",
            "generation": head["VersionId"],
            "size": manifest["bytes"],
            "sha256": manifest["sha256"],
            "rows": 506,
            "exported_at": marker["exported_at"],
            "execution": marker["execution"],
            "logins": "off",
        }
        assert books.objects("final/") == ["final/acme.json"]
        assert of(exported(books), "export.result", *RESULT)[0] == ("acme", "ok", "exists")
        assert books.get("final/acme.json", bucket=books.exports) == marker

    def test_no_marker_while_a_login_is_on(self, books: Account) -> None:
        books.declare("acme", state="offboarding")  # and the SQL job has not run since
        code, lines = run(books)
        assert (code, of(lines, "export.result", *RESULT)[0]) == (1, ("acme", "failed", "failed"))
        assert of(lines, "export.result", "error")[0] == (
            "final export not proved: tn_acme_a can still log in or is logged in; the SQL job has to end that first",
        )
        assert books.objects("final/") == []
        assert manifest_of(books, "acme")["tables"].keys() == COUNTS.keys()  # the nightly dump is there all the same

    def test_no_marker_when_a_login_was_on_as_the_dump_began(
        self, books: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it wrote between the snapshot and its end would be lost with the tenant."""

        def apply() -> None:
            assert books.run(sql_job.main, ["apply"])[0] == 0

        alone(books)
        books.declare("acme", state="offboarding")
        meanwhile(monkeypatch, apply)
        code, lines = run(books)
        assert (code, of(lines, "export.result", *RESULT), books.objects("final/")) == (
            1,
            [("acme", "failed", "failed")],
            [],
        )

    def test_no_marker_while_a_session_lasts(self, books: Account) -> None:
        """Barring the logins ends no session that is open already."""
        books.declare("acme", state="offboarding")
        with (
            books.server.session("tn_acme_a", books.password("acme", 1), "tn_acme") as writing,
            books.server.bootstrap() as session,
        ):
            session.execute("ALTER ROLE tn_acme_a NOLOGIN")
            code, lines = run(books)
            writing.execute("SELECT 1")
        assert (code, books.objects("final/")) == (1, [])
        assert "tn_acme_a can still log in or is logged in" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_for_a_damaged_dump(self, books: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        books.declare("acme", state="offboarding")
        assert books.run(sql_job.main, ["apply"])[0] == 0
        pieces = S3Dumps._pieces

        def damaged(self: S3Dumps, name: str, body: Any) -> Iterator[bytes]:  # noqa: ANN401
            for piece in pieces(self, name, body):
                yield piece[:-1] + bytes([piece[-1] ^ 1])

        monkeypatch.setattr(S3Dumps, "_pieces", damaged)
        code, lines = run(books)
        assert (code, books.objects("final/")) == (1, [])
        assert "has SHA-256" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_when_pg_restore_cannot_read_it(self, books: Account, tmp_path: Path) -> None:
        books.declare("acme", state="offboarding")
        assert books.run(sql_job.main, ["apply"])[0] == 0
        path = broken(books, tmp_path / "bin", pg_restore="cat > /dev/null; echo 'unsupported version' >&2; exit 1")
        code, lines = run(books, PATH=path)
        assert (code, books.objects("final/")) == (1, [])
        assert "pg_restore --list ended with 1: unsupported version" in of(lines, "export.result", "error")[0][0]

    def test_no_marker_when_the_declaration_changed_meanwhile(
        self, books: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        books.declare("acme", state="offboarding")
        assert books.run(sql_job.main, ["apply"])[0] == 0
        proof = proof_module.prove

        def prove_then_change(*arguments: Any) -> list[str]:  # noqa: ANN401
            contents = proof(*arguments)
            books.declare("acme", state="offboarding", connection_limit=7)
            return contents

        monkeypatch.setattr("jobs.export.prove", prove_then_change)
        code, lines = run(books)
        assert (code, books.objects("final/")) == (1, [])
        assert "tenants/acme.json changed during the export" in of(lines, "export.result", "error")[0][0]

    def test_a_guests_logins_cannot_be_switched_off_and_the_marker_says_so(self, account: Account) -> None:
        account.make_guest("guesthouse", "CREATE TABLE rooms AS SELECT 1 AS n")
        account.declare_guest("guesthouse", state="offboarding")
        lines = exported(account)
        assert of(lines, "export.result", *RESULT) == [("guesthouse", "ok", "written")]
        assert [line["severity"] for line in lines if line["event"] == "export.final_not_enforced"] == ["WARNING"]
        assert account.get("final/guesthouse.json", bucket=account.exports)["logins"] == "not-enforced"

    def test_a_suspended_tenant_is_dumped_as_ever(self, books: Account) -> None:
        books.declare("acme", state="suspended")
        assert books.run(sql_job.main, ["apply"])[0] == 0
        assert of(exported(books), "export.result", *RESULT)[0] == ("acme", "ok", "none")
        assert books.objects("final/") == []


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


def alone(account: Account) -> None:
    """Leave one tenant in the registry."""
    for tenant in ("beta", "guesthouse"):
        account.s3.delete_object(Bucket=account.registry, Key=f"tenants/{tenant}.json")


def meanwhile(monkeypatch: pytest.MonkeyPatch, something: Callable[[], None]) -> None:
    """Let something happen once the snapshot is taken and the tables are counted."""
    contents = tables.contents

    def count(connection: Any) -> dict[str, Table]:  # noqa: ANN401
        found = contents(connection)
        something()
        return found

    monkeypatch.setattr(tables, "contents", count)


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
