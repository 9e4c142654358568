"""Sessions for reading whole databases: every setting that matters is in the start-up packet."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from jobs.dumps.tools import WATCHED, Endpoint
from jobs.sql.postgres import PINNED, Connection, startup_options

LOCK_LIMIT_S: Final = 10
"""Seconds that a session of an export waits for a lock, and so what an application may have to wait behind it."""

_ATTEMPTS: Final = 3
_PAUSE = 2.0  # seconds before the second attempt; doubles
_TRANSACTION_TIMEOUT: Final = 170_000  # PostgreSQL 17 has one more limit


def pinned_options(server_version: int, **more: str) -> str:
    """Settings of a session that reads whole tables, on a server of that version; `more` go last."""
    settings = {**PINNED, "lock_timeout": f"{LOCK_LIMIT_S}s", "statement_timeout": "0"}
    if server_version >= _TRANSACTION_TIMEOUT:
        settings["transaction_timeout"] = "0"
    return startup_options({**settings, **more})


@contextmanager
def session(endpoint: Endpoint, *, attempts: int = _ATTEMPTS) -> Iterator[Connection]:
    """Open a session in autocommit mode.

    Raises:
        psycopg.OperationalError: the server cannot be reached, or refuses.
    """
    with _connect(endpoint, attempts) as connection:
        yield connection


def _connect(endpoint: Endpoint, attempts: int) -> Connection:
    wait = _PAUSE
    for _ in range(attempts - 1):
        try:
            return _once(endpoint)
        except psycopg.OperationalError:
            time.sleep(wait)
            wait *= 2
    return _once(endpoint)


def _once(endpoint: Endpoint) -> Connection:
    given: dict[str, Any] = {**WATCHED, **endpoint.parameters}
    return psycopg.connect(**given, password=endpoint.password, autocommit=True)
