"""The runbooks of docs/restore.md, run as they stand there against real servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from jobs.export import main as export
from jobs.sql.__main__ import main as sql_job
from tests.docs.documents import ROOT, fences
from tests.jobs.amazon import Account
from tests.jobs.books import BOOKS, fill
from tests.jobs.clones import cloned
from tests.jobs.conftest import INSTANCE, World
from tests.jobs.restoring import Shelf, one, owners
from tests.jobs.server import ADMIN_PASSWORD, MASTER

pytestmark = pytest.mark.postgres
PAGE = ROOT / "docs" / "restore.md"
BLOCKS = [fence for fence in fences(PAGE) if fence.language == "sh"]


def block(*words: str) -> str:
    """The one block of the page that has all these words, and nothing that stands for a value."""
    (found,) = [fence for fence in BLOCKS if all(word in fence.body for word in words)]
    return found.body


class Desk:
    """A person with the page, a shell, and the clouds' programs."""

    def __init__(self, root: Path, settings: dict[str, object], first: str, values: dict[str, str]) -> None:
        self.preamble = first + "".join(f"export {name}={value}\n" for name, value in values.items())
        self.settings = root / "fake.json"
        self.settings.write_text(json.dumps({"root": str(ROOT), **settings}), encoding="utf-8")
        self.programs = root / "desk"
        self.programs.mkdir()
        for name in ("gcloud", "aws"):
            script = self.programs / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/jobs/fake_clouds.py {name} "$@"\n')
            script.chmod(0o755)

    def run(self, *blocks: str, good: bool = True) -> str:
        """Run blocks in one shell, as somebody does who follows the page; return what they print."""
        environment = {
            **os.environ,
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "FAKE_CLOUDS": str(self.settings),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.preamble + "\n".join(blocks)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tenantry-clone-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def shelf(world: World, tmp_path: Path, path: str) -> Shelf:
    world.add("acme", "beta")
    world.apply()
    with world.login("acme") as session:
        session.execute(BOOKS.encode())
    with world.login("beta") as session:
        session.execute("CREATE TABLE notes AS SELECT 'hello' AS line")
    return Shelf(world, tmp_path, path)


def google(shelf: Shelf, tmp_path: Path, **more: object) -> Desk:
    world = shelf.world
    variables = world.variables(EXPORTS_BUCKET=f"file://{shelf.exports}", PATH=f"{shelf.path}:{os.environ['PATH']}")
    settings = {
        "variables": variables,
        "buckets": {"exports": str(shelf.exports), "registry": str(world.registry)},
        **more,
    }
    values = {"KEY": INSTANCE, "TENANT": "acme", "DATABASE": "tn_acme", "EXPORTS": "exports", "REGISTRY": "registry"}
    return Desk(tmp_path, settings, BLOCKS[0].body, values)


def damage(shelf: Shelf) -> None:
    with shelf.world.login("acme") as session:
        session.execute("DELETE FROM accounts WHERE id > 1; CREATE TABLE rubbish (n int)")


def is_whole_again(shelf: Shelf) -> None:
    world = shelf.world
    assert shelf.databases()["tn_acme"] == "tn_acme_owner"
    for tenant in ("acme", "beta"):
        assert world.status(tenant)["isolated"] is True
    with world.login("acme") as session:
        assert one(session, "SELECT count(*) FROM accounts") == 502
        assert one(session, "SELECT to_regclass('rubbish')::text") is None
        assert owners(session) == {"tn_acme_owner"}
    with world.login("beta") as session:
        assert one(session, "SELECT line FROM notes") == "hello"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        world.login("beta", database="tn_acme")


def finish(desk: Desk, shelf: Shelf) -> None:
    """Steps 3 to 6 of one tenant."""
    said = desk.run(place_block())
    (damaged,) = (name for name in shelf.databases() if name.startswith("damaged_"))
    assert damaged in said
    desk.run(block("CA= job jobs.sql apply", "status/$TENANT.json"))
    shelf.world.declare("acme")
    shelf.world.apply()
    is_whole_again(shelf)
    desk.run(block("jobs.restore discard", "DAMAGED").replace("damaged_tn_dana_p_20261122101500", damaged))
    assert list(shelf.databases()) == ["tn_acme", "tn_beta"]


def place_block() -> str:
    (found,) = [fence.body for fence in BLOCKS if fence.body.strip().startswith("CA= job jobs.restore put-in-place")]
    return found


def test_one_tenant_from_a_nightly_export(shelf: Shelf, tmp_path: Path) -> None:
    uri = shelf.export("acme")
    damage(shelf)
    desk = google(shelf, tmp_path)
    shelf.world.declare("acme", state="suspended")
    assert '"isolated":true' in desk.run(BLOCKS[1].body)
    name = uri.rpartition("/")[2]
    chosen = block("one of them").replace("gs://...", f"gs://exports/sql/{INSTANCE}/tn_acme/{name}")
    said = desk.run(
        chosen, block('--tenant "$TENANT" --export "$DUMP"', 'CA= job jobs.restore restore --instance "$KEY"')
    )
    assert '"result": "ok"' in said
    finish(desk, shelf)


def test_one_tenant_from_a_clone(shelf: Shelf, tmp_path: Path, scratch: Path) -> None:
    with cloned(shelf.world.server, scratch / "clone") as clone:
        damage(shelf)
        desk = google(shelf, tmp_path, clone={"host": clone.host, "ca": clone.ca_pem})
        made, looked = block("gcloud sql instances clone"), block("jobs.sql verify", "--host")
        assert desk.run(made, looked).count('"event": "sql_job.verify", "message"') == 2
        shelf.world.declare("acme", state="suspended")
        desk.run(BLOCKS[1].body)
        said = desk.run(made, looked, block("job jobs.restore restore", '--from-host "$HOST"\n'))
        assert '"rows": 506' in said
        finish(desk, shelf)
        desk.run(made, block("--no-deletion-protection"))


def test_moving_a_tenant_to_an_instance_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    world = shelf.world
    world.declare_instance("tenant-acme-private")
    world.declare("acme-private", instance="tenant-acme-private", state="suspended")
    world.server.create_database("tn_acme_private")
    world.declare("acme", state="suspended")
    world.apply()
    uri = shelf.export("acme")
    desk = google(shelf, tmp_path)
    dump = f"export DUMP=gs://exports/sql/{INSTANCE}/tn_acme/{uri.rpartition('/')[2]}\n"
    rehearsal = (
        block("--from-tenant", "discard")
        .replace("dana-private", "acme-private")
        .replace("dana_private", "acme_private")
    )
    desk.run(dump, rehearsal)
    assert "restored_tn_acme_private" not in shelf.databases()
    names = rehearsal.splitlines()[0] + "\n"
    desk.run(names, block("gcloud workflows run tenantry-export"), block("--from-tenant", "put-in-place"))
    world.declare("acme-private", instance="tenant-acme-private")
    world.apply()
    with world.login("acme-private") as session:
        assert one(session, "SELECT count(*) FROM accounts") == 502
        assert owners(session) == {"tn_acme_private_owner"}
    assert world.status("acme-private")["isolated"] is True


@pytest.fixture
def night(account: Account) -> str:
    """Two tenants on RDS, and the first one's nightly dump."""
    for tenant in ("acme", "beta"):
        account.declare(tenant)
    assert account.run(sql_job, ["apply"])[0] == 0
    account.let_backup_in()
    fill(account, "acme", BOOKS)
    fill(account, "beta", "CREATE TABLE notes AS SELECT 'hello' AS line")
    code, lines = account.run(export)
    assert code == 0, lines
    return str(next(line["uri"] for line in lines if line["event"] == "export.result" and line["tenant"] == "acme"))


def amazon(account: Account, tmp_path: Path, **more: object) -> Desk:
    settings = {"variables": account.variables(), "task": str(tmp_path / "task"), **more}
    first = next(fence.body for fence in BLOCKS if "task() {" in fence.body)
    values = {
        "KEY": INSTANCE,
        "TENANT": "acme",
        "EXPORTS": account.exports,
        "REGISTRY": account.registry,
        "INSTANCE": "old",
        "CLONE": "copy",
    }
    return Desk(tmp_path, settings, first, values)


def comes_back_on_rds(account: Account, desk: Desk, restore: str) -> None:
    with account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme") as session:
        session.execute("DELETE FROM accounts WHERE id > 1")
    account.declare("acme", state="suspended")
    desk.run(next(fence.body for fence in BLOCKS if fence.body.startswith("task jobs.sql apply")))
    desk.run(restore)
    said = desk.run(block("task jobs.restore put-in-place"))
    assert '"isolated":true' in said
    account.declare("acme")
    desk.run("task jobs.sql apply\n")
    with account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme") as session:
        assert one(session, "SELECT count(*) FROM accounts") == 502
        assert owners(session) == {"tn_acme_owner"}
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        account.server.session("tn_beta_a", account.password("beta", 1), "tn_acme")
    with account.server.session("tn_beta_a", account.password("beta", 1), "tn_beta") as session:
        assert one(session, "SELECT line FROM notes") == "hello"


def test_rds_from_a_nightly_dump(account: Account, night: str, tmp_path: Path) -> None:
    desk = amazon(account, tmp_path)
    stem = night.rpartition("/")[2]
    listed = block("aws s3 ls", "RUN.dump").replace("2026-11-22T020000Z-RUN.dump", stem)
    restore = block('task jobs.restore restore --instance "$KEY" --tenant "$TENANT" --export "$DUMP"')
    comes_back_on_rds(account, desk, listed + restore)


def test_rds_to_a_point_in_time(account: Account, night: str, tmp_path: Path, scratch: Path) -> None:
    assert night
    with cloned(account.server, scratch / "clone") as clone:
        bundle = scratch / "bundle.pem"
        bundle.write_text(account.server.ca_pem + clone.ca_pem, encoding="ascii")
        secret = account.secret("copys-master", json.dumps({"username": MASTER, "password": ADMIN_PASSWORD}))
        group = {"DBSubnetGroup": {"DBSubnetGroupName": "g"}, "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}]}
        old = {**group, "DBParameterGroups": [{"DBParameterGroupName": "p"}], "MasterUserSecret": {"KmsKeyId": "key-1"}}
        copy = {"Endpoint": {"Address": clone.host}, "MasterUserSecret": {"SecretArn": secret}}
        desk = amazon(account, tmp_path, instances={"old": old, "copy": copy})
        variables = account.variables(TENANTRY_RDS_CA=str(bundle))
        found = json.loads(desk.settings.read_text(encoding="utf-8"))
        desk.settings.write_text(json.dumps({**found, "variables": variables}), encoding="utf-8")
        taken = block("--from-admin-secret")
        comes_back_on_rds(account, desk, block("--restore-time", "ask() {") + taken)
