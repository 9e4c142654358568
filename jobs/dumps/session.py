"""Sessions for reading whole databases."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from jobs.dumps.tables import prepare
from jobs.dumps.tools import WATCHED, Endpoint
from jobs.sql.postgres import Connection

_ATTEMPTS: Final = 3
_PAUSE = 2.0  # seconds before the second attempt; doubles


@contextmanager
def session(endpoint: Endpoint, *, attempts: int = _ATTEMPTS) -> Iterator[Connection]:
    """Open a session that reads tables in a comparable form, in autocommit mode.

    Raises:
        psycopg.OperationalError: the server cannot be reached, or refuses.
    """
    with _connect(endpoint, attempts) as connection:
        prepare(connection)
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
