import datetime as dt
import os
import subprocess
import sys
import time

import pytest

from recovery.locks import Lock, LockedError, check_dead, is_alive, parse

MESSAGE = """error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.
  file:///srv/state/.pulumi/locks/organization/tenantry/dev/4a1c.json?metadata=skip&no_tmp_dir=true: created by ops@build-7 (pid 4711) at 2026-03-01T10:00:00+01:00
  gs://acme-state/.pulumi/locks/organization/tenantry/dev/99ff.json: created by Jo Doe@laptop (pid 12) at 2026-03-01T09:00:00Z"""  # noqa: E501 - the engine's own words
NOW = dt.datetime.now(dt.UTC)


def lock(pid: int, *, host: str = "here", time: dt.datetime = NOW) -> Lock:
    return Lock(
        url="file:///s/.pulumi/locks/organization/tenantry/dev/abc.json", user="ops", host=host, pid=pid, time=time
    )


def gone() -> str:
    """The id of a process that has ended and been reaped."""
    return subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True, text=True
    ).stdout


def test_parse_reads_every_lock_of_the_message() -> None:
    first, second = parse(MESSAGE)
    assert (first.name, first.user, first.host, first.pid) == ("4a1c", "ops", "build-7", 4711)
    assert first.time == dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
    assert (second.name, second.user, second.host, second.pid) == ("99ff", "Jo Doe", "laptop", 12)


def test_parse_of_another_error_finds_none() -> None:
    assert parse("error: no stack named 'dev' found") == []


def test_own_process_is_alive() -> None:
    assert is_alive(os.getpid(), since=NOW)


def test_a_process_that_ended_is_dead() -> None:
    assert not is_alive(int(gone()), since=NOW)


def test_a_process_that_started_after_the_lock_only_has_its_number() -> None:
    assert not is_alive(os.getpid(), since=NOW - dt.timedelta(days=365))


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        deadline = time.monotonic() + 30
        while is_alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, 0)  # it is still in the process table
        assert not is_alive(process.pid, since=NOW)


def test_living_process_is_refused_even_when_confirmed() -> None:
    with pytest.raises(LockedError, match=f"process {os.getpid()} of ops is running and holds the lock abc"):
        check_dead([lock(os.getpid())], confirmed=["abc"], host="here")


def test_dead_process_of_this_host_may_be_taken() -> None:
    check_dead([lock(int(gone()))], host="here")


def test_other_host_needs_the_lock_to_be_named() -> None:
    foreign = lock(1, host="there")
    with pytest.raises(LockedError, match=r"made on another host.*process 1 on there is dead.*--dead-lock abc"):
        check_dead([foreign], confirmed=["abd"], host="here")
    check_dead([foreign], confirmed=["abc"], host="here")


def test_one_living_lock_among_dead_ones_refuses() -> None:
    with pytest.raises(LockedError, match="is running"):
        check_dead([lock(int(gone())), lock(os.getpid())], host="here")
