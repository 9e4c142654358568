from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import Cloud, CloudError, FaultRule
from sandbox.cloud.faults import engine_processes
from tests.unit.sandbox.project import BUCKET_TYPE, Google

if TYPE_CHECKING:
    from pathlib import Path


def buckets(google: Google, count: int) -> list[str]:
    """Try to make buckets b1, b2 ...; returns what each attempt gave."""
    results = []
    for number in range(1, count + 1):
        try:
            google.make(BUCKET_TYPE, f"b{number}", name=f"b{number}", location="EU")
        except CloudError as error:
            results.append(str(error.status))
        else:
            results.append("ok")
    return results


def test_the_nth_call_fails_as_often_as_the_rule_says(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", type="gcp:storage/*", nth=2, times=2, error="429"))
    assert buckets(google, 5) == ["ok", "429", "429", "ok", "ok"]
    assert google.ids(BUCKET_TYPE) == ["b1", "b4", "b5"]


def test_a_rule_counts_only_what_it_matches(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", name="b3", error="500"))
    google.cloud.faults.add(FaultRule(op="delete", error="500"))
    assert buckets(google, 4) == ["ok", "ok", "500", "ok"]


def test_after_commit_the_thing_exists_though_the_answer_is_an_error(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", error="timeout", when="after"))
    assert buckets(google, 1) == ["504"]
    assert google.ids(BUCKET_TYPE) == ["b1"]
    assert [entry.result for entry in google.cloud.operations()] == ["ok"]


def test_before_commit_nothing_exists_and_the_log_says_why(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", error="timeout"))
    assert buckets(google, 1) == ["504"]
    assert google.ids(BUCKET_TYPE) == []
    assert [entry.result for entry in google.cloud.operations()] == ["fault: timeout before commit"]


def test_cleared_rules_are_gone(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", error="500"))
    google.cloud.faults.clear()
    assert buckets(google, 1) == ["ok"]


def test_a_rule_has_one_effect() -> None:
    with pytest.raises(ValueError, match="exactly one of error and kill"):
        FaultRule(op="create")
    with pytest.raises(ValueError, match="exactly one of error and kill"):
        FaultRule(op="create", error="500", kill="engine")


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["b"])])
def test_killing_the_program_keeps_what_was_committed(tmp_path: Path, when: str, left: list[str]) -> None:
    script = textwrap.dedent(f"""
        from pathlib import Path
        from sandbox.cloud import Cloud, FaultRule
        from sandbox.cloud.cloud import Target
        from sandbox.cloud.provider import ProviderConfig
        cloud = Cloud.open(Path({str(tmp_path / "cloud.db")!r}))
        cloud.faults.add(FaultRule(op="create", kill="program", when={when!r}))
        target = Target({BUCKET_TYPE!r}, "b", "urn")
        cloud.create(target, {{"name": "b", "location": "EU"}}, ProviderConfig())
    """)
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    cloud = Cloud.open(tmp_path / "cloud.db")
    assert [item.id for item in cloud.objects()] == left
    assert cloud.faults.due("create", BUCKET_TYPE, "b") is None, "a rule that has fired stays fired after a crash"
    cloud.close()


def test_only_engines_below_this_process_are_found(tmp_path: Path) -> None:
    fake = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", fake)
    before = engine_processes()
    child = subprocess.Popen([fake, "60"])
    try:
        deadline = time.monotonic() + 5
        while child.pid not in engine_processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert engine_processes() == [*before, child.pid]
        assert child.pid not in engine_processes(of=child.pid)
        assert os.getpid() not in engine_processes(of=1)
    finally:
        child.kill()
        child.wait()


def test_of_calls_at_the_same_time_exactly_one_is_the_nth(google: Google) -> None:
    google.cloud.faults.add(FaultRule(op="create", nth=3, error="500"))
    together = threading.Barrier(8)

    def call(_number: int) -> bool:
        together.wait()
        return google.cloud.faults.due("create", "gcp:x", "x") is not None

    for _ in range(20):
        google.cloud.faults.clear()
        google.cloud.faults.add(FaultRule(op="create", nth=3, error="500"))
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(call, range(8))) == 1
