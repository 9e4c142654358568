"""What a database holds, row by row, and what else a restore needs to know: read without running anything in it.

Rows are read as plain `COPY ... TO STDOUT`, which PostgreSQL does not plan: no index expression, policy, default or
rule is evaluated, and values are written by PostgreSQL's own output functions. Everything else is in the catalog.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from jobs.dumps.layout import Contents, Extension, Locale, SequenceState, Table
from jobs.dumps.store import MEBIBYTE
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, rows

_PIECE: Final = 4 * MEBIBYTE  # of a large object, at a time
_CHECKED: Final = 8  # bytes of a row's SHA-256
_BUILTIN_PROVIDERS: Final = 170_000  # PostgreSQL 17 has the provider `builtin` and calls the ICU locale `datlocale`
_ICU_RULES: Final = 160_000
# Everything that can hold rows and that somebody has made (16384 is the first number that PostgreSQL gives out), but
# other sessions' temporary tables. What belongs to an extension is dumped only if the extension has registered it; so
# is the sequence of an identity column by its table.
_RELATIONS: Final = """
    SELECT c.oid::pg_catalog.int8, n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname),
           c.relkind::pg_catalog.text, c.relfilenode::pg_catalog.int8,
           ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                 ORDER BY a.attname),
           CASE WHEN n.nspname = 'information_schema' OR pg_catalog.starts_with(n.nspname, 'pg_') THEN 'no'
                WHEN e.oid IS NULL THEN 'yes'
                WHEN e.condition IS NULL THEN 'no'
                WHEN e.condition = '' THEN 'yes'
                ELSE 'partly' END,
           CASE WHEN c.relkind IN ('r', 'm', 'p') THEN pg_catalog.row_security_active(c.oid) ELSE false END,
           c.relowner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER),
           coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                    AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), true)
    FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN LATERAL (
        SELECT x.oid, x.extcondition[pg_catalog.array_position(x.extconfig, c.oid)] AS condition
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND (d.objid = c.oid
               OR d.objid IN (SELECT i.refobjid FROM pg_catalog.pg_depend i
                              WHERE i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objid = c.oid
                                AND i.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.deptype = 'i'
                                AND c.relkind = 'S'))
        LIMIT 1
      ) e ON true
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 'f', 'S') AND c.relpersistence <> 't'
      AND n.nspname <> 'pg_toast'
      AND (%(schemas)s::pg_catalog.text[] IS NULL OR n.nspname = ANY (%(schemas)s::pg_catalog.text[]))
    ORDER BY n.nspname, c.relname
"""
# A value that names a role cannot be read in before there is such a role.
_ROLE_VALUES: Final = """
    WITH RECURSIVE parts (part, whole) AS (
        SELECT typelem, oid FROM pg_catalog.pg_type
        UNION ALL SELECT typbasetype, oid FROM pg_catalog.pg_type
        UNION ALL SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a
                  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND c.reltype <> 0
    ), named AS (
        SELECT 'pg_catalog.regrole'::pg_catalog.regtype::pg_catalog.oid AS oid
        UNION SELECT p.whole FROM parts p JOIN named ON named.oid = p.part
    )
    SELECT r.rolname FROM pg_catalog.pg_roles r
    WHERE NOT pg_catalog.starts_with(r.rolname, 'pg_')
      AND EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN named ON named.oid = a.atttypid
                  WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
                    AND (%(schemas)s::pg_catalog.text[] IS NULL OR n.nspname = ANY (%(schemas)s::pg_catalog.text[])))
"""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """Something that can hold rows, as the catalog has it.

    Attributes:
        name: quoted, with its schema.
        kind: `r` table or partition, `m` materialized view, `f` foreign table, `S` sequence.
        file: number of the file that holds its rows: TRUNCATE and whatever rewrites a table give it another one.
        columns: those that hold values of their own, by name.
        dumped: whether pg_dump writes its rows; `partly`: those that its extension has not put there itself.
        hidden: whether policies hide rows from this session.
        own: whether it belongs to the session's role.
        readable: whether that may read it.
    """

    oid: int
    schema: str
    table: str
    name: str
    kind: str
    file: int
    columns: tuple[str, ...]
    dumped: str
    hidden: bool
    own: bool
    readable: bool


def contents(connection: Connection, schemas: Sequence[str] | None = None) -> Contents:
    """Read everything that the database holds; only what is in `schemas`, unless that is None.

    The session is in autocommit mode, opened with the options `jobs.sql.postgres.PINNED` and no statement time-out (as
    `jobs.dumps.session.session` does), as a role that owns the tables or may read every row of them.

    A table's checksum is the sum, over all rows, of the first 64 bits of the SHA-256 of the row as COPY writes it, in
    the database's encoding, with its columns sorted by name: it does not depend on the order of rows or columns, nor on
    the server's release, and counts equal rows one by one.

    Raises:
        JobError: something cannot be read in full, or a schema does not exist.
    """
    found = relations(connection, schemas)
    return summary(
        connection,
        found,
        lambda relation: read_table(connection, relation),
        read_sequences(connection, found),
        read_large_objects(connection) if schemas is None else NOTHING,
    )


def summary(
    connection: Connection,
    found: Sequence[Relation],
    read: Callable[[Relation], Table],
    sequences: dict[str, SequenceState],
    large_objects: Table,
) -> Contents:
    """Put together what is read of each relation; `read` reads one."""
    tables = {relation.name: read(relation) for relation in found if relation.kind == "r" and relation.dumped == "yes"}
    others = [relation for relation in found if relation.kind == "r" and relation.dumped != "yes"]
    counted = {relation: _count(connection, relation, read) for relation in others}
    used = {
        relation.name: 1
        for relation in found
        if relation.kind == "S" and relation.dumped != "yes" and sequences[relation.name].is_called
    }
    return Contents(
        tables=tables,
        sequences={
            relation.name: sequences[relation.name]
            for relation in found
            if relation.kind == "S" and relation.dumped == "yes"
        },
        large_objects=large_objects,
        derived=tuple(relation.name for relation in found if relation.kind == "m"),
        elsewhere=tuple(relation.name for relation in found if relation.kind == "f"),
        partly={relation.name: held for relation, held in counted.items() if relation.dumped == "partly"},
        not_dumped={relation.name: held for relation, held in counted.items() if relation.dumped == "no" and held != 0}
        | used,
    )


def relations(connection: Connection, schemas: Sequence[str] | None = None) -> list[Relation]:
    """List what can hold rows, without a lock on any of it.

    Raises:
        JobError: a schema does not exist, something may not be read, or policies hide rows.
    """
    _check_schemas(connection, schemas)
    found = listed(connection, schemas)
    _check_readable(found)
    return found


def listed(connection: Connection, schemas: Sequence[str] | None = None) -> list[Relation]:
    """The same, whether it can be read or not."""
    return [
        Relation(
            oid=oid,
            schema=schema,
            table=table,
            name=name,
            kind=kind,
            file=file,
            columns=tuple(columns),
            dumped=dumped,
            hidden=hidden,
            own=own,
            readable=readable,
        )
        for oid, schema, table, name, kind, file, columns, dumped, hidden, own, readable in rows(
            connection, _RELATIONS, schemas=_array(schemas)
        )
    ]


def read_table(connection: Connection, relation: Relation) -> Table:
    """Count and sum up a table's rows.

    Raises:
        psycopg.errors.LockNotAvailable, UndefinedTable, UndefinedColumn: it is not to be had as the catalog said.
        JobError: it cannot be read for another reason.
    """
    counted = total = 0
    try:
        with connection.cursor().copy(_copy(relation)) as copy:
            for row in _lines(copy):
                counted += 1
                total += int.from_bytes(hashlib.sha256(row).digest()[:_CHECKED])
    except (
        psycopg.errors.LockNotAvailable,
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidSchemaName,
    ):
        raise
    except psycopg.Error as error:
        raise JobError(f"cannot read {relation.name}: {message_of(error)}") from None
    return Table(rows=counted, checksum=str(total))


def _copy(relation: Relation) -> sql.Composed:
    # Without a list COPY writes every column that is not generated, also when there is none. The encoding is the
    # database's own: for COPY, SQL_ASCII means that bytes stay as they are.
    columns = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, relation.columns)))
    return sql.SQL("COPY {} {} TO STDOUT WITH (FORMAT text, ENCODING 'SQL_ASCII')").format(
        sql.Identifier(relation.schema, relation.table), columns if relation.columns else sql.SQL("")
    )


def _lines(copy: psycopg.Copy) -> Iterator[bytes]:
    """Rows; one that breaks off is an error of the protocol. A line feed in a value is written as two characters."""
    for piece in copy:
        *whole, rest = bytes(piece).split(b"\n")
        if rest:
            raise JobError("the server sent half a row")
        yield from whole


def read_sequences(connection: Connection, found: Sequence[Relation]) -> dict[str, SequenceState]:
    """Where each sequence stands now: values of sequences belong to no snapshot."""
    states = {}
    for relation in found:
        if relation.kind != "S":
            continue
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(relation.schema, relation.table))
        try:
            ((last_value, is_called),) = connection.execute(query).fetchall()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
            raise
        except psycopg.errors.InsufficientPrivilege:
            if relation.dumped == "yes":
                raise JobError(f"cannot read {relation.name}: permission denied") from None
            last_value, is_called = 0, True  # an extension's, so it is named among what is not dumped
        except psycopg.Error as error:
            raise JobError(f"cannot read {relation.name}: {message_of(error)}") from None
        states[relation.name] = SequenceState(last_value=last_value, is_called=is_called)
    return states


def read_large_objects(connection: Connection) -> Table:
    """Count and sum up large objects as if each were a row of its number and its content."""
    counted = total = 0
    for (number,) in rows(connection, "SELECT oid::pg_catalog.int8 FROM pg_catalog.pg_largeobject_metadata"):
        digest = hashlib.sha256(f"{number}:".encode())
        offset = 0
        try:
            while piece := connection.execute(
                "SELECT pg_catalog.lo_get(%s::pg_catalog.oid, %s, %s)", (number, offset, _PIECE), binary=True
            ).fetchall()[0][0]:
                digest.update(piece)
                offset += len(piece)
        except psycopg.Error as error:
            raise JobError(f"cannot read large object {number}: {message_of(error)}") from None
        counted += 1
        total += int.from_bytes(digest.digest()[:_CHECKED])
    return Table(rows=counted, checksum=str(total))


def extensions(connection: Connection) -> list[Extension]:
    """What is installed beyond PL/pgSQL, which every database has."""
    found = rows(
        connection,
        """
        SELECT x.extname, n.nspname
        FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
        WHERE x.extname <> 'plpgsql' ORDER BY 1
        """,
    )
    return [Extension(name=name, schema_name=schema) for name, schema in found]


def needed_roles(connection: Connection, schemas: Sequence[str] | None = None) -> list[str]:
    """Roles without which something cannot be restored: those that policies name, all when a column holds names."""
    found = rows(
        connection,
        """
        SELECT DISTINCT pg_catalog.pg_get_userbyid(role)
        FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
             pg_catalog.unnest(p.polroles) role
        WHERE role <> 0
          AND (%(schemas)s::pg_catalog.text[] IS NULL OR n.nspname = ANY (%(schemas)s::pg_catalog.text[]))
        """,
        schemas=_array(schemas),
    )
    found += rows(connection, _ROLE_VALUES, schemas=_array(schemas))
    return sorted({name for (name,) in found})


def locale(connection: Connection) -> Locale:
    """What text is compared, sorted and classified by, unless a column says otherwise."""
    version = connection.info.server_version
    query = "SELECT datlocprovider::pg_catalog.text, datcollate, datctype, {}, {} FROM pg_catalog.pg_database"
    statement = sql.SQL(query + " WHERE datname = pg_catalog.current_database()").format(
        sql.Identifier("datlocale" if version >= _BUILTIN_PROVIDERS else "daticulocale"),
        sql.Identifier("daticurules") if version >= _ICU_RULES else sql.SQL("NULL"),
    )
    provider, collate, ctype, name, rules = connection.execute(statement).fetchall()[0]
    providers = {"c": "libc", "i": "icu", "b": "builtin"}
    return Locale.model_validate(
        {"provider": providers[provider], "collate": collate, "ctype": ctype, "locale": name, "rules": rules}
    )


NOTHING: Final = Table(rows=0, checksum="0")


def _count(connection: Connection, relation: Relation, read: Callable[[Relation], Table]) -> int | None:
    """How many rows a relation holds that is named and not compared; None when this session may not tell."""
    try:
        return read(relation).rows
    except JobError:
        with connection.transaction(force_rollback=True):
            size = rows(connection, "SELECT pg_catalog.pg_relation_size(%(oid)s::pg_catalog.oid)", oid=relation.oid)
        return 0 if size == [(0,)] else None


def _array(schemas: Sequence[str] | None) -> list[str] | None:
    return None if schemas is None else list(schemas)


def _check_schemas(connection: Connection, schemas: Sequence[str] | None) -> None:
    missing = rows(
        connection,
        """
        SELECT name FROM pg_catalog.unnest(%(schemas)s::pg_catalog.text[]) name
        WHERE name NOT IN (SELECT nspname FROM pg_catalog.pg_namespace)
        """,
        schemas=_array(schemas),
    )
    if missing:
        names = ", ".join(name for (name,) in missing)
        raise JobError(f"the database has no schema {names}; external.schemas must name those that it has")


def _check_readable(found: Sequence[Relation]) -> None:
    closed = [relation.name for relation in found if not relation.readable and relation.dumped == "yes"]
    if closed:
        raise JobError(
            f"permission denied: the login may not read {', '.join(closed)}; let it, or name the schemas to dump "
            "(external.schemas)"
        )
    hidden = [relation for relation in found if relation.hidden and relation.dumped == "yes"]
    forced = [relation.name for relation in hidden if relation.own]
    foreign = [relation.name for relation in hidden if not relation.own]
    if forced:
        raise JobError(
            f"row-level security hides rows from the owner itself: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY on "
            f"{', '.join(forced + foreign)}"
        )
    if foreign:
        raise JobError(
            f"row-level security hides rows of {', '.join(foreign)}; the login has to own them, or needs BYPASSRLS"
        )


def differences(expected: Contents, found: Contents, *, rows_only: bool = False) -> list[str]:
    """Say what is not the same; empty when everything is.

    Args:
        expected: what the source had.
        found: what came back.
        rows_only: compare numbers of rows in tables, which is all that a manifest of the first version allows.
    """
    wrong = [f"{name} is missing" for name in sorted(expected.tables.keys() - found.tables.keys())]
    wrong += [f"{name} is not in the manifest" for name in sorted(found.tables.keys() - expected.tables.keys())]
    for name in sorted(expected.tables.keys() & found.tables.keys()):
        before, after = expected.tables[name], found.tables[name]
        if after.rows != before.rows:
            wrong.append(f"{name} has {after.rows} rows instead of {before.rows}")
        elif after.checksum != before.checksum and not rows_only:
            wrong.append(f"{name} has other content in its {after.rows} rows")
    if rows_only:
        return wrong
    for name, state in sorted(expected.sequences.items()):
        now = found.sequences.get(name)
        if now is None:
            wrong.append(f"sequence {name} is missing")
        elif now != state:
            wrong.append(f"sequence {name} stands at {now} instead of {state}")
    wrong += [f"sequence {name} is missing" for name in expected.moved if name not in found.sequences]
    if found.large_objects.rows != expected.large_objects.rows:
        wrong.append(f"there are {found.large_objects.rows} large objects instead of {expected.large_objects.rows}")
    elif found.large_objects != expected.large_objects:
        wrong.append(f"the {found.large_objects.rows} large objects have other content")
    return wrong
