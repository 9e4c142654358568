"""What one run of the SQL job costs when there is nothing to do: every tenant is proved anew, every ten minutes.

The servers are those of the tests: a real PostgreSQL on loopback, which writes to disk without waiting for it. Seconds
are of one machine on one day, so each result is also a multiple of a bare login in the same run (TLS, SCRAM, `SELECT
1`, close).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from sandbox.engine import ROOT
from tests.jobs import majors
from tests.jobs.conftest import World
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, Postgres, Servers

SIZES: Final = (20, 200, 1_000)
_LOGINS: Final = 50
_LIMIT_S: Final = "7200"  # of the first run, which makes everything


class SqlJobError(Exception):
    """The job did not end well, so its time says nothing."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One size.

    Attributes:
        seconds: of a run with nothing to do, as the job itself counts them (median).
        wall: of the whole process, its start included (median).
        login: seconds of one bare login (median).
    """

    tenants: int
    seconds: float
    wall: float
    login: float

    @property
    def per_tenant(self) -> float:
        return self.seconds / self.tenants

    def line(self) -> str:
        return (
            f"{self.tenants:>8,}  {self.seconds:>8.2f}  {self.wall:>8.2f}  {self.per_tenant:>10.4f}"
            f"  {self.login * 1000:>8.1f}  {self.per_tenant / self.login:>8.1f}"
        )


HEADER: Final = f"{'tenants':>8}  {'run s':>8}  {'wall s':>8}  {'s/tenant':>10}  {'login ms':>8}  {'= logins':>8}"


def measure(sizes: Sequence[int], repetitions: int, say: Callable[[str], None]) -> list[Result]:
    """Time the job at growing numbers of tenants of one server.

    Raises:
        SqlJobError: a run failed.
    """
    found: list[Result] = []
    major = majors.chosen()[-1]
    with Servers() as servers, tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        server = servers.get(majors.NAMES[major])
        say(f"PostgreSQL {server.major}")
        server.wipe()
        world = World(server, Path(folder))
        there = 0
        for tenants in sorted(set(sizes)):
            say(f"{tenants} tenants: making them")
            world.add(*(f"t{number:05d}" for number in range(there, tenants)))
            there = tenants
            _run(world)
            runs, walls, logins = [], [], []
            for repetition in range(repetitions):
                logins.append(_login(server))
                seconds, wall = _run(world)
                runs.append(seconds)
                walls.append(wall)
                say(f"{tenants} tenants: run {repetition + 1} of {repetitions}: {seconds:.2f} s")
            logins.append(_login(server))
            found.append(Result(tenants=tenants, seconds=median(runs), wall=median(walls), login=median(logins)))
    return found


def _run(world: World) -> tuple[float, float]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.sql", "apply"],
        env=dict(os.environ) | world.variables(TIME_LIMIT_S=_LIMIT_S),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SqlJobError(f"the job ended with {done.returncode}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    summary = json.loads(done.stdout.splitlines()[-1])
    return float(summary["duration_s"]), wall


def _login(server: Postgres) -> float:
    """Seconds of one bare login."""
    seconds = []
    for _ in range(_LOGINS):
        started = time.monotonic()
        with server.session(ADMIN, ADMIN_PASSWORD, "postgres") as session:
            session.execute("SELECT 1")
        seconds.append(time.monotonic() - started)
    return median(seconds)
