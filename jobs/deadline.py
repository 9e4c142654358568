"""Limits on the client's side: whatever a server does, a step ends in time and the next tenant has its turn.

A statement time-out is the server's, and a tenant's code may swallow it (`EXCEPTION WHEN query_canceled`). So a
watchdog here closes the connection instead, which needs nothing from the server.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import Popen
from typing import Any, Final

from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection

_EARLY_S: Final = 0.25


class DeadlineError(JobError):
    """A step took longer than it may; what it was working on is left as it is."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The limit of a whole run, in seconds from its start; None: there is none."""

    limit_s: float | None
    started: float = field(default_factory=time.monotonic)

    def remaining(self) -> float | None:
        """Seconds that are left, never below zero; None without a limit."""
        return None if self.limit_s is None else max(0.0, self.started + self.limit_s - time.monotonic())

    def is_up(self) -> bool:
        """Whether nothing is left, but for the moment by which a watchdog may wake too early."""
        return not self.allows(_EARLY_S)

    def allows(self, seconds: float) -> bool:
        """Whether so much time is left."""
        left = self.remaining()
        return left is None or left >= seconds


def limited(connection: Connection, seconds: float, what: str) -> AbstractContextManager[None]:
    """Give a session so many seconds from now; then its socket is shut down and whatever waits for it fails.

    The session is of no use afterwards. Its backend notices when it next writes, or is ended by another session.

    Raises:
        DeadlineError: the time was up, also when the work failed because of that.
    """
    return _within(seconds, what, lambda: _shut_down(connection))


def limited_process(process: Popen[Any], seconds: float, what: str) -> AbstractContextManager[None]:
    """Kill a child at its deadline.

    Raises:
        DeadlineError: the time was up, also when the work failed because of that.
    """
    return _within(seconds, what, process.kill)


@contextmanager
def _within(seconds: float, what: str, act: Callable[[], None]) -> Iterator[None]:
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with suppress(OSError):
            act()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not expired.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()
    if expired.is_set():
        raise DeadlineError(f"{what}: not done after {seconds:g} s")


def _shut_down(connection: Connection) -> None:
    """Shut the socket itself down: closing libpq's connection from another thread would race with its user."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
