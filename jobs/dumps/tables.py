"""Row counts and checksums of every table, and what else a restore needs to know, read in one snapshot."""

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from jobs.dumps.layout import Extension, Table
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, rows

# How a value reads as text depends on these; both sides of a comparison set them, so that only the data matters.
_TEXT_SETTINGS: Final = {
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "search_path": "pg_catalog",
    "TimeZone": "UTC",
    "xmloption": "content",
}
# Reading whole tables takes its time. `row_security = off` makes a policy that would hide rows an error.
_LONG_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "60000",
    "row_security": "off",
    "statement_timeout": "0",
}
_TABLES: Final = """
    SELECT nspname, relname, format('%%I.%%I', nspname, relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
      AND (%(schemas)s::text[] IS NULL OR nspname = ANY (%(schemas)s))
      AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    ORDER BY 1, 2
"""


def prepare(connection: Connection) -> None:
    """Set up a session that reads whole tables in a form that can be compared."""
    for name, value in {**_TEXT_SETTINGS, **_LONG_SETTINGS}.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def contents(connection: Connection, schemas: Sequence[str] | None = None) -> dict[str, Table]:
    """Count and sum up every table but extensions' and the system's own; partitions stand for themselves.

    Only tables of `schemas` count, unless that is None.

    The checksum is the sum, over all rows, of the first 64 bits of the SHA-256 of the row's text in UTF-8: it does not
    depend on the order of rows, nor on the server's release, and counts equal rows one by one.

    Raises:
        JobError: a table cannot be read in full, or a schema does not exist.
    """
    _check_schemas(connection, schemas)
    found = {}
    for schema, table, name in rows(connection, _TABLES, schemas=_array(schemas)):
        # `record_out` and not a cast to text, for which the table's owner could have put a function of its own
        query = sql.SQL(
            """
            SELECT count(*), coalesce(sum(('x' || encode(substr(sha256(convert_to(
                     textin(record_out("row".*)), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint), 0)::text
            FROM ONLY {} AS "row"
            """
        ).format(sql.Identifier(schema, table))
        try:
            counted = connection.execute(query).fetchone()
        except psycopg.Error as error:
            raise JobError(f"cannot read {name}: {message_of(error)}") from None
        if counted is not None:
            found[name] = Table(rows=counted[0], checksum=counted[1])
    return found


def extensions(connection: Connection) -> list[Extension]:
    """What is installed beyond PL/pgSQL, which every database has."""
    found = rows(
        connection,
        """
        SELECT extname, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
        WHERE extname <> 'plpgsql' ORDER BY 1
        """,
    )
    return [Extension(name=name, schema_name=schema) for name, schema in found]


def policy_roles(connection: Connection, schemas: Sequence[str] | None = None) -> list[str]:
    """Roles that policies name: without them a policy cannot be created."""
    found = rows(
        connection,
        """
        SELECT DISTINCT pg_get_userbyid(role)
        FROM pg_policy JOIN pg_class c ON c.oid = polrelid JOIN pg_namespace n ON n.oid = relnamespace,
             unnest(polroles) role
        WHERE role <> 0 AND (%(schemas)s::text[] IS NULL OR nspname = ANY (%(schemas)s)) ORDER BY 1
        """,
        schemas=_array(schemas),
    )
    return [name for (name,) in found]


def _array(schemas: Sequence[str] | None) -> list[str] | None:
    return None if schemas is None else list(schemas)


def _check_schemas(connection: Connection, schemas: Sequence[str] | None) -> None:
    missing = rows(
        connection,
        "SELECT name FROM unnest(%(schemas)s::text[]) name WHERE name NOT IN (SELECT nspname FROM pg_namespace)",
        schemas=_array(schemas),
    )
    if missing:
        names = ", ".join(name for (name,) in missing)
        raise JobError(f"the database has no schema {names}; external.schemas must name those that it has")


def differences(expected: dict[str, Table], found: dict[str, Table]) -> list[str]:
    """Say what is not the same; empty when everything is."""
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    wrong += [f"{name} is not in the manifest" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        before, after = expected[name], found[name]
        if after.rows != before.rows:
            wrong.append(f"{name} has {after.rows} rows instead of {before.rows}")
        elif after.checksum != before.checksum:
            wrong.append(f"{name} has other content in its {after.rows} rows")
    return wrong
