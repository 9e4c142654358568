"""Jobs that die in the middle (signal 9) and are run again: everything is right in the end, wherever it was.

Each scenario is run once to its end to count what it changes, and then killed before one change after the other, or
before some of them in `make test`. Between two changes it makes no difference where a job was killed.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.jobs.amazon import Account
from tests.jobs.attacks.conftest import EVERYTHING
from tests.jobs.attacks.sites import CloudSql, Rds
from tests.jobs.conftest import World
from tests.jobs.server import Postgres
from tests.jobs.test_removal import mark

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(3600)]

POINTS = 12 if EVERYTHING else 1
_LIMIT = 120  # seconds; a job of two tenants takes one or two
_KINDS = ("owner", "a", "b", "worker", "migrator", "backup", "restore")
_ROLES = {f"tn_{tenant}_{kind}" for tenant in ("acme", "beta") for kind in _KINDS}

Used = CloudSql | Rds


def variables(site: Used) -> dict[str, str]:
    found = site._world.variables() if isinstance(site, CloudSql) else site._account.variables()
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | found


def killed(site: Used, point: int | str, *arguments: str, **more: str) -> tuple[int, int]:
    """Run a job as a process of its own and kill it at one change or step; return exit code and number of changes."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "changes"
        command = [sys.executable, "-m", "tests.jobs.killed", str(point), str(result), *arguments]
        done = subprocess.run(
            command, env=variables(site) | more, capture_output=True, text=True, timeout=_LIMIT, check=False,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.returncode in {0, -signal.SIGKILL}, done.stdout + done.stderr
        return done.returncode, int(result.read_text(encoding="utf-8")) if result.exists() else 0


def dsns(site: Used, tenant: str) -> int:
    return len(site._world.urls(tenant) if isinstance(site, CloudSql) else site._account.versions(tenant))


def refused(site: Used, tenant: str, rotation: int, words: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=words):
        site.login(tenant, rotation=rotation).close()


def served(site: Used) -> None:
    site.add("acme", "beta")
    code, lines = site.job("apply")
    assert code == 0, lines


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is killed.

    Attributes:
        prepare: brings the site to where the job starts.
        command: the job and its arguments.
        check: what has to hold at the end, beside what always has to.
        gone: tenants that are no more at the end.
    """

    prepare: Callable[[Used], None]
    check: Callable[[Used], None]
    command: tuple[str, ...] = ("jobs.sql", "apply")
    gone: tuple[str, ...] = ()


def _first(site: Used) -> None:
    site.add("acme", "beta")


def _first_done(site: Used) -> None:
    assert (dsns(site, "acme"), dsns(site, "beta")) == (1, 1)
    site.login("acme").close()


def _rotate(site: Used) -> None:
    served(site)
    site.declare("acme", rotation=2)


def _rotated(site: Used) -> None:
    assert (dsns(site, "acme"), dsns(site, "beta")) == (2, 1)
    for rotation in (1, 2):
        site.login("acme", rotation=rotation).close()
    refused(site, "beta", 2, "is not permitted to log in|password authentication failed")


def _rotate_again(site: Used) -> None:
    _rotate(site)
    assert site.job("apply")[0] == 0
    site.declare("acme", rotation=3)


def _rotated_again(site: Used) -> None:
    refused(site, "acme", 1, "password authentication failed")
    for rotation in (2, 3):
        site.login("acme", rotation=rotation).close()


def _suspend(site: Used) -> None:
    served(site)
    site.declare("acme", state="suspended")


def _suspended(site: Used) -> None:
    refused(site, "acme", 1, "is not permitted to log in")
    assert site.status("acme")["logins_off_since"] is not None


def _remove(site: Used) -> None:
    assert isinstance(site, Rds)
    served(site)
    site.declare("acme", state="offboarding")
    assert site.job("apply")[0] == 0
    mark(site._account, "acme")
    site._account.s3.delete_object(Bucket=site._account.registry, Key="tenants/acme.json")


def _removed(site: Used) -> None:
    assert isinstance(site, Rds)
    found = site._account.s3.list_objects_v2(Bucket=site._account.registry, Prefix="status/")
    assert [item["Key"] for item in found["Contents"]] == ["status/beta.json"]


def _nothing(_: Used) -> None:
    return


SCENARIOS = {
    "first": Scenario(prepare=_first, check=_first_done),
    "rotation": Scenario(prepare=_rotate, check=_rotated),
    "second rotation": Scenario(prepare=_rotate_again, check=_rotated_again),
    "suspension": Scenario(prepare=_suspend, check=_suspended),
    "removal": Scenario(prepare=_remove, check=_removed, gone=("acme",)),
    "verify": Scenario(prepare=served, check=_nothing, command=("jobs.sql", "verify", "--instance", "shared-a-1")),
}


@contextmanager
def fresh(form: str, server: Postgres, path: str) -> Iterator[Used]:
    """A server just created, with an empty registry."""
    if form == "cloudsql":
        server.wipe()
        with tempfile.TemporaryDirectory() as folder:
            yield CloudSql(World(server, Path(folder)))
    else:
        server.wipe_as_rds()
        account = Account(server, path)
        yield Rds(account)
        account.forget()


def all_is_right(site: Used, scenario: Scenario) -> None:
    """Run the SQL job to its end; then a second run has nothing to do, and nothing half-made is left."""
    code, lines = site.job("apply")
    assert code == 0, lines
    code, lines = site.job("apply")
    assert (code, {line["event"] for line in lines}) == (0, {"sql_job.tenant", "sql_job.summary"}), [
        line["message"] for line in lines
    ]
    tenants = [tenant for tenant in ("acme", "beta") if tenant not in scenario.gone]
    for tenant in tenants:
        status = site.status(tenant)
        assert (status["isolated"], status["error"]) == (True, None)
    site.login("beta").close()
    scenario.check(site)
    with site.server.bootstrap() as session:

        def column(query: str) -> set[Any]:
            return {value for (value,) in session.execute(query.encode()).fetchall()}

        assert column("SELECT rolname FROM pg_roles WHERE rolname ~ '^tn_'") == {
            name for name in _ROLES if name.split("_")[1] in tenants
        }
        assert column("SELECT rolname FROM pg_roles WHERE rolname = 'tenantry_maker'") == set()
        assert column("SELECT datname FROM pg_database WHERE datname ~ '^tn_'") == {f"tn_{name}" for name in tenants}
        assert column("SELECT datname FROM pg_database WHERE datconnlimit = 0 OR NOT datallowconn") == {"template0"}
        assert column("SELECT objid FROM pg_locks WHERE locktype = 'advisory'") == set()
        assert column("SELECT pid FROM pg_stat_activity WHERE application_name = 'tenantry-sql-job'") == set()


# On Cloud SQL the program drops a database and not the job, so a removal is killed where the job does all of it.
@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in SCENARIOS for form in ("cloudsql", "rds") if (name, form) != ("removal", "cloudsql")],
)
def test_a_killed_run_is_made_good_by_the_next(server: Postgres, path: str, cloud: None, form: str, name: str) -> None:
    del cloud
    scenario = SCENARIOS[name]
    with fresh(form, server, path) as site:
        scenario.prepare(site)
        code, changes = killed(site, 0, *scenario.command)
        assert code == 0
        assert changes > 0
        all_is_right(site, scenario)
    count = min(POINTS, changes)
    for point in sorted({1 + changes * number // (count + 1) for number in range(1, count + 1)}):
        with fresh(form, server, path) as site:
            scenario.prepare(site)
            assert killed(site, point, *scenario.command)[0] == -signal.SIGKILL
            all_is_right(site, scenario)
