"""What two databases hold, compared relation by relation, whoever the relation belongs to.

`tables.contents` reads what a dump has to hold. A final export has to account for more: rows in tables of extensions,
which a dump leaves out, large objects, and where sequences stand.
"""

import hashlib

import psycopg
from psycopg import sql

from jobs.dumps import tables
from jobs.dumps.layout import Table
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, rows

_OF_EXTENSIONS = """
    SELECT n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema'
      AND EXISTS (SELECT FROM pg_catalog.pg_depend e
                  WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
    ORDER BY 1, 2
"""
_PIECE = 1 << 20


def everything(connection: Connection) -> dict[str, Table]:
    """All that holds rows or a state, by a name for people.

    Raises:
        JobError: something cannot be read in full.
    """
    return {
        **tables.contents(connection),
        **_extensions(connection),
        **_large_objects(connection),
        **_sequences(connection),
        **_views(connection),
    }


def _extensions(connection: Connection) -> dict[str, Table]:
    found = {}
    for schema, table, name in rows(connection, _OF_EXTENSIONS):
        total = count = 0
        query = sql.SQL("COPY (SELECT * FROM ONLY {}) TO STDOUT").format(sql.Identifier(schema, table))
        try:
            with connection.cursor().copy(query) as copy:
                for line in copy:
                    count += 1
                    total += int.from_bytes(hashlib.sha256(bytes(line)).digest()[:8], "big")
        except psycopg.Error as error:
            raise JobError(f"cannot read {name}, which belongs to an extension: {message_of(error)}") from None
        found[f"{name} (of an extension)"] = Table(rows=count, checksum=str(total))
    return found


def _large_objects(connection: Connection) -> dict[str, Table]:
    count = total = 0
    for (oid,) in rows(connection, "SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY oid"):
        digest = hashlib.sha256(str(oid).encode())
        offset = 0
        try:
            while piece := rows(
                connection, "SELECT pg_catalog.lo_get(%(oid)s, %(at)s, %(size)s)", oid=oid, at=offset, size=_PIECE
            )[0][0]:
                digest.update(piece)
                offset += len(piece)
        except psycopg.Error as error:
            raise JobError(f"cannot read large object {oid}: {message_of(error)}") from None
        count += 1
        total += int.from_bytes(digest.digest()[:8], "big")
    return {"large objects": Table(rows=count, checksum=str(total))}


def _sequences(connection: Connection) -> dict[str, Table]:
    found = rows(
        connection,
        """
        SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname), pg_catalog.pg_sequence_last_value(c.oid)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND c.relpersistence <> 't'
        """,
    )
    return {f"sequence {name}": Table(rows=1, checksum=str(last)) for name, last in found}


def _views(connection: Connection) -> dict[str, Table]:
    """Materialized views are made anew from their query, so only that they are there can be compared."""
    found = rows(
        connection,
        """
        SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm'
        """,
    )
    return {f"materialized view {name}": Table(rows=0, checksum="") for (name,) in found}


def differences(source: dict[str, Table], restored: dict[str, Table]) -> list[str]:
    """What the dump does not bring back; empty when it brings back everything."""
    wrong = [
        f"{name} ({source[name].rows} rows) is not in the dump" for name in sorted(source.keys() - restored.keys())
    ]
    wrong += [f"{name} is in the dump only" for name in sorted(restored.keys() - source.keys())]
    for name in sorted(source.keys() & restored.keys()):
        before, after = source[name], restored[name]
        if after.rows != before.rows:
            wrong.append(f"{name} has {after.rows} rows in the dump instead of {before.rows}")
        elif after.checksum != before.checksum:
            wrong.append(f"{name} has other content in the dump")
    return wrong
