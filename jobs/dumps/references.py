"""What a dump of chosen schemas refers to in others: without it, a restore of those schemas alone would fail.

A foreign key to a table that was not dumped cannot be made, nor a view that reads one; whatever depends on those goes
with them. A function that was not dumped is only called, so another one of its name can stand in for it.
"""

from collections.abc import Sequence
from typing import Final

from jobs.dumps.layout import Function, LeftOut
from jobs.sql.postgres import Connection, rows

# What depends on something is in another catalog than the table that it belongs to, and only that has a schema.
_OWNED: Final = """
    chosen AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY (%(schemas)s)),
    others AS (SELECT oid, nspname FROM pg_catalog.pg_namespace
               WHERE nspname <> ALL (%(schemas)s) AND nspname <> 'information_schema'
                 AND NOT pg_catalog.starts_with(nspname, 'pg_')),
    objects (classid, objid, namespace) AS (
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, relnamespace FROM pg_catalog.pg_class
        UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, connamespace
                  FROM pg_catalog.pg_constraint
        UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, pronamespace FROM pg_catalog.pg_proc
        UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typnamespace FROM pg_catalog.pg_type
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, relnamespace
                  FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = adrelid
        UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, relnamespace
                  FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = polrelid
        UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, relnamespace
                  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = tgrelid
        UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, relnamespace
                  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = ev_class
    ),
    dumped AS (SELECT classid, objid FROM objects WHERE namespace IN (SELECT oid FROM chosen)),
    extensions AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e')
"""
# A view is what its rule reads: the rule depends on the tables, and views of the view depend on the view.
_LEFT_OUT: Final = f"""
    WITH RECURSIVE {_OWNED},
    depending AS (
        SELECT d.classid, d.objid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend d JOIN dumped USING (classid, objid)
        UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, ev_class,
                     'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid
              FROM pg_catalog.pg_rewrite WHERE rulename = '_RETURN'
    ),
    lost AS (
        SELECT d.classid, d.objid
        FROM depending d
          JOIN pg_catalog.pg_class c ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
        WHERE relnamespace IN (SELECT oid FROM others)
          AND ('pg_catalog.pg_class'::pg_catalog.regclass, c.oid) NOT IN (SELECT classid, objid FROM extensions)
        UNION
        SELECT d.classid, d.objid FROM depending d JOIN lost l ON (d.refclassid, d.refobjid) = (l.classid, l.objid)
    )
    SELECT classid::pg_catalog.oid::pg_catalog.int8, objid::pg_catalog.int8,
           pg_catalog.pg_describe_object(classid, objid, 0)
    FROM lost JOIN dumped USING (classid, objid)
    WHERE classid <> 'pg_catalog.pg_type'::pg_catalog.regclass
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE oid = objid AND tgisinternal)
    ORDER BY 3
"""  # noqa: S608 - two parts of one constant
_FUNCTIONS: Final = f"""
    WITH {_OWNED}
    SELECT DISTINCT nspname, proname, pg_catalog.pg_get_function_identity_arguments(p.oid),
           pg_catalog.pg_get_function_result(p.oid)
    FROM pg_catalog.pg_depend d JOIN dumped USING (classid, objid)
      JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = p.oid
      JOIN others n ON n.oid = pronamespace
    WHERE prokind = 'f'
      AND ('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid) NOT IN (SELECT classid, objid FROM extensions)
    ORDER BY 1, 2, 3
"""  # noqa: S608 - the same
# Only a superuser makes functions in an untrusted language, or a type with functions of its own.
_UNTRUSTED: Final = """
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8, p.oid::pg_catalog.int8,
           pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND NOT l.lanpltrusted AND l.lanname <> 'sql'
      AND (%(schemas)s::pg_catalog.text[] IS NULL OR n.nspname = ANY (%(schemas)s::pg_catalog.text[]))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                        AND d.deptype IN ('e', 'i'))
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8, t.oid::pg_catalog.int8,
           pg_catalog.pg_describe_object('pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 0)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.oid >= 16384 AND t.typtype = 'b' AND t.typelem = 0
      AND (%(schemas)s::pg_catalog.text[] IS NULL OR n.nspname = ANY (%(schemas)s::pg_catalog.text[]))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
                        AND d.deptype IN ('e', 'i'))
    ORDER BY 3
"""


def left_out(connection: Connection, schemas: Sequence[str]) -> list[LeftOut]:
    """Whatever of these schemas needs a table of another one."""
    return [
        LeftOut(catalog=catalog, oid=oid, what=what)
        for catalog, oid, what in rows(connection, _LEFT_OUT, schemas=list(schemas))
    ]


def untrusted(connection: Connection, schemas: Sequence[str] | None) -> list[LeftOut]:
    """Functions and types that only a superuser can make."""
    return [
        LeftOut(catalog=catalog, oid=oid, what=what)
        for catalog, oid, what in rows(connection, _UNTRUSTED, schemas=None if schemas is None else list(schemas))
    ]


def functions(connection: Connection, schemas: Sequence[str]) -> list[Function]:
    """Functions of other schemas that something of these calls; extensions' come with their extension."""
    return [
        Function(schema_name=schema, name=name, arguments=arguments, result=result)
        for schema, name, arguments, result in rows(connection, _FUNCTIONS, schemas=list(schemas))
    ]
