"""Who fills the server's lock table: it is shared by all databases, and PostgreSQL has no limit for a single login."""

import time
from typing import Final

from jobs.sql.postgres import Connection, rows

_PATIENCE_S: Final = 3.0
_POLL_S: Final = 0.1
_SHARE = 4  # a login that holds more than a quarter of the table is named


def capacity(connection: Connection) -> int:
    """How many locks fit (https://www.postgresql.org/docs/current/runtime-config-locks.html)."""
    found = rows(
        connection,
        """
        SELECT pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int4
               * (pg_catalog.current_setting('max_connections')::pg_catalog.int4
                  + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int4)
        """,
    )
    return int(found[0][0])


def hoarders(connection: Connection) -> dict[str, str]:
    """Logins that hold more than a quarter of the table, each with what to say of it."""
    room = capacity(connection)
    found = rows(
        connection,
        """
        SELECT a.usename, pg_catalog.count(*)
        FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
        WHERE NOT l.fastpath AND a.usename IS NOT NULL GROUP BY a.usename
        """,
    )
    return {
        login: f"{login} holds {count} locks of about {room} that all databases of the server share"
        for login, count in found
        if count * _SHARE > room
    }


def waiting_for_databases(connection: Connection) -> list[tuple[int, str, str]]:
    """Process, login and database of tenants' sessions that wait to drop or rename a database.

    They need not own it: PostgreSQL takes the lock before it looks. Everybody who wants to log in there then waits
    behind them. No tenant has a reason to.
    """
    return [
        (pid, login, database)
        for pid, login, database in rows(
            connection,
            """
            SELECT a.pid, a.usename::pg_catalog.text, coalesce(d.datname::pg_catalog.text, '')
            FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                 LEFT JOIN pg_catalog.pg_database d ON d.oid = l.objid
            WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
              AND l.mode = 'AccessExclusiveLock' AND NOT l.granted AND pg_catalog.starts_with(a.usename, 'tn_')
            ORDER BY a.pid
            """,
        )
    ]


def catalogs_locked(connection: Connection, database: str) -> bool:
    """Whether somebody has, or waits for, an exclusive lock on the system catalogs of a database.

    Its owner may (VACUUM FULL pg_class). A session that is opened there then hangs before any limit of its own holds.
    """
    found = rows(
        connection,
        """
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
            WHERE d.datname = %(database)s AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
              AND l.relation < 16384
        )
        """,
        database=database,
    )
    return bool(found[0][0])


def catalogs_stay_locked(connection: Connection, database: str) -> bool:
    """The same, for longer than the server's own vacuum takes to shorten a catalog."""
    deadline = time.monotonic() + _PATIENCE_S
    while catalogs_locked(connection, database):
        if time.monotonic() > deadline:
            return True
        time.sleep(_POLL_S)
    return False
