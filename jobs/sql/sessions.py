"""Ends the sessions of logins, and changes logins whose owner holds on to them.

A tenant may lock its own login's row (`BEGIN; ALTER ROLE tn_acme_a PASSWORD 'x'`), so that any change of that login waits
for it. Ending sessions waits for nobody: so it comes first, and again while a change is kept waiting.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from psycopg import errors

from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, acting_for, rows, run

_END_OF_SESSIONS: Final = 10.0  # seconds until a terminated session has to be gone
_POLL: Final = 0.02
_ATTEMPTS: Final = 20
_ATTEMPT_LOCK_MS: Final = 500


def end_sessions(connection: Connection, logins: Sequence[str], *, database: str | None = None) -> int:
    """End every session of these logins, in whatever database or in just one; return how many there were.

    Raises:
        JobError: one is still there after ten seconds.
    """
    if not logins:
        return 0
    sessions = _sessions(connection, logins, database)
    for pid, login in sessions:
        _terminate(connection, pid, login)
    deadline = time.monotonic() + _END_OF_SESSIONS
    while left := _sessions(connection, logins, database):
        if time.monotonic() > deadline:
            names = ", ".join(sorted({name for _, name in left}))
            raise JobError(f"{len(left)} sessions of {names} did not end; run the job again")
        for pid, login in left:  # also those that came in since
            _terminate(connection, pid, login)
        time.sleep(_POLL)
    return len(sessions)


def _sessions(connection: Connection, logins: Sequence[str], database: str | None) -> list[tuple[int, str]]:
    found = rows(
        connection,
        """
        SELECT pid, usename FROM pg_catalog.pg_stat_activity
        WHERE usename = ANY (%(logins)s) AND (%(database)s::pg_catalog.text IS NULL OR datname = %(database)s)
        """,
        logins=list(logins),
        database=database,
    )
    return [(pid, login) for pid, login in found]


def insist(connection: Connection, logins: Sequence[str], change: Callable[[], None]) -> None:
    """Make a change of logins, ending their sessions whenever one of them keeps it waiting.

    Raises:
        psycopg.errors.LockNotAvailable: somebody else's session holds the lock.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.transaction():
                run(connection, "SET LOCAL lock_timeout = {literal}", literal=_ATTEMPT_LOCK_MS)
                change()
        except errors.LockNotAvailable:
            if attempt == _ATTEMPTS:
                raise
            end_sessions(connection, logins)
        else:
            return


def _terminate(connection: Connection, pid: int, login: str) -> None:
    """The administrator is a member of every tenant's login, so this needs no grant, and so no lock that may be held."""
    query = "SELECT pg_catalog.pg_terminate_backend(%(pid)s)"
    try:
        rows(connection, query, pid=pid)
    except errors.InsufficientPrivilege:
        # a login of before that membership, or somebody else's
        with connection.transaction(), acting_for(connection, login):
            rows(connection, query, pid=pid)
