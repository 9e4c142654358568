"""Locks that a dead engine left on a self-managed backend, read from the engine's own message."""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCKED: Final = "the stack is currently locked by"
CONFLICT: Final = "[409] Conflict: Another update is currently in progress"
_LOCK: Final = re.compile(
    r"^\s*(?P<url>\S+): created by (?P<user>.*)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<time>\S+)$"
)
_CLOCK_SLACK: Final = dt.timedelta(seconds=2)  # a process's start is known to the tick, the lock's time to the second


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One lock: who holds it, and since when."""

    url: str
    user: str
    host: str
    pid: int
    time: dt.datetime

    @property
    def name(self) -> str:
        """The lock's own id: the last part of its address."""
        return self.url.partition("?")[0].rpartition("/")[2].removesuffix(".json")

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid} of {self.user} on {self.host}, since {self.time.isoformat()})"


class LockedError(Exception):
    """The stack is locked and the lock must not be taken; the message says by whom and what to do."""


def parse(message: str) -> list[Lock]:
    """The locks that the engine's refusal names; none where the message is about something else."""
    return [
        Lock(
            url=match["url"],
            user=match["user"],
            host=match["host"],
            pid=int(match["pid"]),
            time=dt.datetime.fromisoformat(match["time"]),
        )
        for match in map(_LOCK.match, message.splitlines())
        if match
    ]


def check_dead(locks: Iterable[Lock], *, confirmed: Iterable[str] = (), host: str | None = None) -> None:
    """Refuse unless every lock may be taken.

    A lock of this host is dead when its process is gone. One of another host cannot be examined from here: the person
    who knows that its process is dead says so by naming the lock.

    Raises:
        LockedError: a lock's process lives, or its host is another one and the lock is not `confirmed`.
    """
    here = host or socket.gethostname()
    for lock in locks:
        if lock.host == here:
            if is_alive(lock.pid, since=lock.time):
                raise LockedError(
                    f"process {lock.pid} of {lock.user} is running and holds the lock {lock.name} since "
                    f"{lock.time.isoformat()}. Wait for it to end, or end it, and run the recovery again."
                )
        elif lock.name not in confirmed:
            raise LockedError(
                f"the lock {lock} was made on another host, whose processes cannot be seen from here. Make sure that "
                f"process {lock.pid} on {lock.host} is dead, then run the recovery with --dead-lock {lock.name}."
            )


def is_alive(pid: int, *, since: dt.datetime | None = None) -> bool:
    """Whether the process that had this id at `since` still runs.

    A zombie does not run, and a process that started after `since` has only inherited the number.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # After the name, which is in parentheses and may hold anything: state is field 3, the start time field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        booted = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration):
        return True  # no /proc: the process exists, and nothing more can be known
    if fields[0] == "Z":
        return False
    started = dt.datetime.fromtimestamp(booted + int(fields[19]) / os.sysconf("SC_CLK_TCK"), tz=dt.UTC)
    return since is None or started <= since + _CLOCK_SLACK
