"""Ends the sessions of logins, and changes logins whose owner holds on to them.

A tenant may lock its own login's row (`BEGIN; ALTER ROLE tn_acme_a PASSWORD 'x'`), so that any change of that login
waits for it. Ending sessions waits for nobody: so it comes first, and again while a change is kept waiting.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import psycopg
from psycopg import errors

from jobs.sql import locks
from jobs.sql.catalog import Catalog
from jobs.sql.errors import ConnectError, JobError
from jobs.sql.log import Log
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, acting_for, open_server, rows, run
from jobs.sql.stores import AdminPassword

_END_OF_SESSIONS: Final = 10.0  # seconds until a terminated session has to be gone
_PATIENCE: Final = 60.0  # seconds of knocking at a server whose lock table is full
_POLL: Final = 0.02
OTHER_DOORS: Final = ("tenantry", "template1")
"""Where the administrator can log in while somebody keeps the maintenance database shut."""
_ATTEMPTS: Final = 20
_ATTEMPT_LOCK_MS: Final = 500


def end_of_tenant(catalog: Catalog, key: str, tenant_id: str, admin_password: AdminPassword, log: Log) -> None:
    """End every session of one tenant, its platform logins' too.

    A login may have filled the lock table that all databases share. Then a new session gets in only when somebody gives
    a lock back, so this knocks for a minute; ending sessions itself takes no lock of that table.

    Raises:
        JobError: the registry has no such tenant on that instance.
        ConnectError: it did not get in; what is left then is to restart the instance.
    """
    group = next((group for group in catalog.groups if group.instance.key == key), None)
    tenant = next((tenant for tenant in (group.tenants if group else ()) if tenant.id == tenant_id), None)
    if group is None or tenant is None:
        raise JobError(f"--instance {key} --tenant {tenant_id}: the registry has no such tenant there")
    token = admin_password(group.instance)
    log.protect(token)
    with (
        open_server(group.instance) as server,
        _knock(server, group.instance.admin_user, token) as connection,
    ):
        ended = len(end_sessions(connection, tenant.every_login))
    log.event(
        "INFO",
        "sql_job.sessions_ended",
        f"ended {ended} sessions of {tenant_id}, as asked",
        tenant=tenant_id,
        instance=key,
        sessions=ended,
    )


def await_end(connection: Connection, login: str) -> None:
    """Wait for a session that its client has closed: its backend takes a moment to go. Nothing is ended here."""
    deadline = time.monotonic() + _END_OF_SESSIONS
    while _sessions(connection, [login], None) and time.monotonic() < deadline:
        time.sleep(_POLL)


def _knock(server: Server, user: str, password: str) -> Connection:
    """Any of the common databases will do: a tenant may keep one of them shut."""
    deadline = time.monotonic() + _PATIENCE
    eager = replace(server, pause=lambda _: time.sleep(_POLL))
    doors = itertools.cycle((MAINTENANCE_DATABASE, *OTHER_DOORS))
    while True:
        try:
            return eager.admin(user=user, password=password, database=next(doors))
        except ConnectError:
            if time.monotonic() > deadline:
                raise


def end_waiting(connection: Connection) -> list[tuple[str, str]]:
    """End tenants' sessions that keep others out of a database; return login and database of each."""
    found = locks.waiting_for_databases(connection)
    for pid, login, _ in found:
        _terminate(connection, pid, login)
    return [(login, database) for _, login, database in found]


def end_sessions(
    connection: Connection,
    logins: Sequence[str],
    *,
    database: str | None = None,
    patience_s: float = _END_OF_SESSIONS,
) -> set[int]:
    """End every session of these logins, in whatever database or in just one; return their process numbers.

    Raises:
        JobError: one is still there after `patience_s` seconds; with 0 nobody looks.
    """
    if not logins:
        return set()
    sessions = _sessions(connection, logins, database)
    for pid, login in sessions:
        _terminate(connection, pid, login)
    deadline = time.monotonic() + patience_s
    while patience_s and (left := _sessions(connection, logins, database)):
        if time.monotonic() > deadline:
            names = ", ".join(sorted({name for _, name in left}))
            raise JobError(f"{len(left)} sessions of {names} did not end; run the job again")
        for pid, login in left:  # also those that came in since
            _terminate(connection, pid, login)
        time.sleep(_POLL)
    return {pid for pid, _ in sessions}


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
        psycopg.Error: somebody else's session holds the lock, or a prepared transaction, which no session has.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with connection.transaction():
                run(connection, "SET LOCAL lock_timeout = {literal}", literal=_ATTEMPT_LOCK_MS)
                change()
        except (errors.LockNotAvailable, errors.InternalError_) as error:
            # XX000 "tuple concurrently updated": somebody changed the same row and committed in between
            if attempt == _ATTEMPTS or not _is_contention(error):
                raise
            end_sessions(connection, logins, patience_s=0)
            time.sleep(_POLL)
        else:
            return


def _is_contention(error: psycopg.Error) -> bool:
    return isinstance(error, errors.LockNotAvailable) or "concurrently updated" in str(error)


def _terminate(connection: Connection, pid: int, login: str) -> None:
    """The administrator is a member of every tenant's login, so this needs no grant, and no lock that may be held."""
    query = "SELECT pg_catalog.pg_terminate_backend(%(pid)s)"
    try:
        rows(connection, query, pid=pid)
    except errors.InsufficientPrivilege:
        # a login of before that membership, or somebody else's
        with connection.transaction(), acting_for(connection, login):
            rows(connection, query, pid=pid)
