"""Exports and drills that die in the middle (signal 9) and are run again: nothing half-made counts as a proof.

A job's container goes with everything in it. Here nobody ends the programs that a killed job has started, and its
folders stay: the next run has to work beside them.
"""

import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import drill, export
from jobs.dumps.layout import drill_object
from jobs.sql import __main__ as sql_job
from tests.jobs.amazon import Account, of
from tests.jobs.attacks.conftest import EVERYTHING
from tests.jobs.attacks.sites import Rds
from tests.jobs.books import fill
from tests.jobs.server import Postgres
from tests.jobs.test_kills import killed

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

TENANTS = ["acme", "beta", "guesthouse"]
# Too much for a pipe, so that pg_dump waits in the midst of it
LARGE = "CREATE TABLE large AS SELECT n, md5(n::text) AS text FROM generate_series(1, 40000) n"
# Where the export is killed, and then the drill. acme leaves, so it is dumped, restored and proved before the others.
STREAMS = "^read 2 of pg_dump"
RESTORES = "^write 1 to pg_restore"
SAMPLE = [(STREAMS, RESTORES)]
POINTS = [
    *SAMPLE,
    ("^after execute .*ticket", "^start initdb"),
    ("^after execute BEGIN ISOLATION", "^execute CREATE ROLE"),
    ("^after start pg_dump --format", "^execute CREATE DATABASE"),
    ("^after CreateMultipartUpload dump/acme", "^after start pg_restore"),
    ("^after UploadPart dump/acme", "^close 2 of pg_restore"),
    ("^after CompleteMultipartUpload dump/acme", "^PutObject drills/tenants/"),
    ("^PutObject dump/acme/.*manifest", "^after PutObject drills/tenants/"),
    ("^after PutObject dump/acme/.*manifest", RESTORES),
    (RESTORES, RESTORES),
    ("^PutObject final/acme", RESTORES),
    ("^after PutObject final/acme", RESTORES),
    ("^CompleteMultipartUpload dump/beta", RESTORES),
    ("^PutObject dump/guesthouse/.*manifest", RESTORES),
]
# What those of the first that are past an upload's completion leave: a dump that nothing describes
UNDESCRIBED = {"^after CompleteMultipartUpload dump/acme", "^PutObject dump/acme/.*manifest",
               "^PutObject dump/guesthouse/.*manifest"}  # fmt: skip
BEGUN = {"^after CreateMultipartUpload dump/acme", "^after UploadPart dump/acme", "^CompleteMultipartUpload dump/beta",
         STREAMS}  # fmt: skip
# When the drill dies, its scratch server is there, or has gone before the result was recorded
RUNNING = {
    RESTORES,
    "^execute CREATE ROLE",
    "^execute CREATE DATABASE",
    "^after start pg_restore",
    "^close 2 of pg_restore",
}
RECORDED = {"^PutObject drills/tenants/", "^after PutObject drills/tenants/"}
_PATIENCE = 5.0  # seconds, in which a killed job's sessions have to end
_STOP = 20.0


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The jobs' temporary folder, in which killed ones leave their servers; ends these."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name:  # pytest's own folders are closed to the server's user
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", name)
        yield folder
        deadline = time.monotonic() + _STOP
        for found in folder.glob("drill-*/data/postmaster.pid"):
            os.kill(int(found.read_text(encoding="utf-8").partition("\n")[0]), signal.SIGQUIT)
            while found.exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.fixture
def leaving(books: Account) -> Account:
    """A tenant that waits for its final export, one that stays, and a guest."""
    fill(books, "acme", LARGE)
    books.declare("acme", state="offboarding")
    code, lines = books.run(sql_job.main, ["apply"])
    assert code == 0, lines
    return books


def left_alone(server: Postgres) -> None:
    """Wait for the end of a killed job's sessions."""
    deadline = time.monotonic() + _PATIENCE
    with server.bootstrap() as session:
        while found := session.execute(
            "SELECT usename, state, query FROM pg_stat_activity WHERE application_name = 'tenantry-export'"
        ).fetchall():
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


def proofs(account: Account) -> dict[str, dict[str, Any]]:
    """Every manifest under the name of its dump, which is there and what the manifest says."""
    found: dict[str, dict[str, Any]] = {}
    for name in account.objects("dump/"):
        if not name.endswith(".manifest.json"):
            assert name.endswith(".dump")
            continue
        manifest = account.get(name, bucket=account.exports)
        dump = account.s3.get_object(Bucket=account.exports, Key=manifest["object"])["Body"].read()
        assert (manifest["bytes"], manifest["sha256"]) == (len(dump), hashlib.sha256(dump).hexdigest())
        assert manifest["object"] == f"{name.removesuffix('.manifest.json')}.dump"
        found[manifest["object"]] = manifest
    return found


def described(account: Account, before: dict[str, dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    """The second run has made one dump of each tenant; the marker is of one that is proved."""
    uri = f"s3://{account.exports}/"
    made = proofs(account)
    new = {name: manifest["tenant"] for name, manifest in made.items() if name not in before}
    assert sorted(new.values()) == TENANTS
    assert dict(of(lines, "export.result", "tenant", "uri")) == {tenant: uri + name for name, tenant in new.items()}
    assert account.objects("final/") == ["final/acme.json"]
    versions = account.s3.list_object_versions(Bucket=account.exports, Prefix="final/")["Versions"]
    assert [version["Key"] for version in versions] == ["final/acme.json"]
    marker = account.get("final/acme.json", bucket=account.exports)
    proof = made[marker["uri"].removeprefix(uri)]
    assert (marker["tenant"], marker["sha256"], marker["size"]) == ("acme", proof["sha256"], proof["bytes"])


@pytest.mark.parametrize(("export_point", "drill_point"), POINTS if EVERYTHING else SAMPLE)
def test_killed_exports_and_drills_are_made_good_by_the_next(
    leaving: Account, scratch: Path, export_point: str, drill_point: str
) -> None:
    site, place = Rds(leaving), {"TMPDIR": str(scratch)}
    assert killed(site, export_point, "jobs.export", **place)[0] == -signal.SIGKILL
    left_alone(leaving.server)
    before = proofs(leaving)
    undescribed = {name for name in leaving.objects("dump/") if name.endswith(".dump")} - set(before)
    assert len(undescribed) == (export_point in UNDESCRIBED)
    assert len(leaving.uploads()) == (export_point in BEGUN)
    marked = leaving.objects("final/") != []
    left = set(scratch.iterdir())
    code, lines = leaving.run(export.main)
    assert (code, sorted(of(lines, "export.result", "tenant", "result", "final"))) == (
        0,
        [("acme", "ok", "exists" if marked else "written"), ("beta", "ok", "none"), ("guesthouse", "ok", "none")],
    ), lines
    described(leaving, before, lines)

    assert killed(site, drill_point, "jobs.drill", **place)[0] == -signal.SIGKILL
    ended = set(scratch.iterdir()) - left
    assert len(ended) == (drill_point not in RECORDED)
    assert len(list(scratch.glob("drill-*/data/postmaster.pid"))) == (
        (export_point == RESTORES) + (drill_point in RUNNING)
    )
    code, lines = leaving.run(drill.main)
    assert (code, sorted(of(lines, "drill.result", "tenant", "result"))) == (0, [(name, "ok") for name in TENANTS])
    assert set(scratch.iterdir()) == left | ended
    newest = {manifest["tenant"]: name for name, manifest in sorted(proofs(leaving).items())}
    for tenant in TENANTS:
        result = leaving.get(drill_object(tenant))
        assert (result["result"], result["export"]) == ("ok", f"s3://{leaving.exports}/{newest[tenant]}")
