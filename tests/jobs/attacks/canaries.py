"""What a hostile tenant can leave in its database: names that catch calls, code that runs unasked, settings, grants.

Every function that is planted is a canary. It writes who ran it to the server's log, which no rollback and no read-only
transaction undoes, and then tries to do more than the tenant may.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import psycopg
from hypothesis import strategies as st

import jobs

Session = psycopg.Connection[tuple[object, ...]]

OWN: Final = (
    "tn_acme_owner",
    "tn_acme_a",
    "tn_acme_b",
    "tn_acme_worker",
    "tn_acme_migrator",
    "tn_acme_backup",
    "tn_acme_restore",
)
SCHEMAS: Final = ("public", "evil")
_MARK: Final = "CANARY"
_SUNG: Final = re.compile(rf"LOG:  {_MARK}<<(.*?) ;; (.*?) ;; (.*?) ;; (.*?)>>$", re.MULTILINE)

# Everything that a canary needs is qualified: it has to sing truly under any search path.
NEST: Final = f"""
    CREATE SCHEMA nest;
    CREATE SCHEMA evil;
    GRANT ALL ON SCHEMA nest, evil, public TO PUBLIC;
    CREATE FUNCTION nest.sing(label pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql COST 0.0001 AS $canary$
    DECLARE attempt pg_catalog.text;
    BEGIN
        RAISE LOG '{_MARK}<<% ;; % ;; % ;; %>>', session_user, current_user, label,
            pg_catalog.current_setting('application_name', true);
        FOREACH attempt IN ARRAY ARRAY[
            'CREATE ROLE tn_pwned LOGIN PASSWORD ''x'' CREATEDB',
            'ALTER ROLE tn_acme_a CREATEROLE',
            'GRANT tn_beta_owner TO tn_acme_a',
            'GRANT CONNECT ON DATABASE tn_beta TO tn_acme_a',
            'ALTER DATABASE tn_beta SET search_path = evil',
            'SET LOCAL ROLE tn_beta_owner; GRANT CONNECT ON DATABASE tn_beta TO PUBLIC'
        ] LOOP
            BEGIN
                EXECUTE attempt;
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
        RETURN true;
    END $canary$;
    CREATE FUNCTION nest.constant(label pg_catalog.text) RETURNS pg_catalog.int4 LANGUAGE plpgsql IMMUTABLE COST 0.0001
        AS $canary$ BEGIN PERFORM nest.sing(label); RETURN 1; END $canary$;
    CREATE FUNCTION nest.catch() RETURNS pg_catalog.trigger LANGUAGE plpgsql
        AS $canary$ BEGIN PERFORM nest.sing(TG_NAME); RETURN NEW; END $canary$
"""

# Relations of PostgreSQL that the jobs read.
CATALOGS: Final = (
    "pg_roles", "pg_database", "pg_auth_members", "pg_shdepend", "pg_db_role_setting", "pg_namespace", "pg_class",
    "pg_proc", "pg_depend", "pg_stat_activity", "pg_locks", "pg_type", "pg_attribute", "pg_authid", "pg_extension",
    "pg_constraint", "pg_index", "pg_tables", "pg_settings", "pg_sequence", "pg_largeobject_metadata",
    "pg_description", "pg_seclabel",
)  # fmt: skip
_OPERATORS: Final = ("=", "<>", "||", "~", "!~", "<", ">=", "+", "<=")
_TYPES: Final = ("name", "text", "oid", "int8", "int4", "bool", '"char"', "text[]", "name[]", "oid[]")
_OVERLOADS: Final = 12
# What an argument may be called with, and an overload for which would fit better than PostgreSQL's own function.
_NEARER: Final = {
    "text": ("name", "varchar", '"char"'),
    "name": ("text",),
    "oid": ("int8", "regclass", "regrole"),
    "anyarray": ("name[]", "text[]", "oid[]", "aclitem[]"),
    '"any"': ("name", "text", "oid"),
    "int4": ("int8", "oid"),
    "regclass": ("oid", "text"),
}
SETTINGS: Final = (
    "search_path = evil, pg_catalog", "search_path = evil, public, pg_catalog", "search_path = public, pg_catalog",
    "search_path = pg_temp, evil", "row_security = on", "default_transaction_read_only = on", "statement_timeout = 1",
    "lock_timeout = 1", "idle_in_transaction_session_timeout = 1", "idle_session_timeout = 1",
    "transaction_timeout = 1",
    "client_encoding = LATIN1", "client_encoding = SJIS", "standard_conforming_strings = off", "backslash_quote = on",
    "array_nulls = off", "quote_all_identifiers = on", "DateStyle = 'German, DMY'", "bytea_output = escape",
    "default_transaction_isolation = serializable", "default_transaction_deferrable = on", "transform_null_equals = on",
    "createrole_self_grant = 'set, inherit'", "role = tn_acme_owner", "role = tn_acme_a", "event_triggers = off",
    "check_function_bodies = off", "enable_seqscan = off", "constraint_exclusion = on", "jit = off", "work_mem = 64",
    "plan_cache_mode = force_generic_plan", "xmloption = document", "TimeZone = 'Pacific/Kiritimati'",
    "IntervalStyle = iso_8601", "extra_float_digits = -15", "client_min_messages = error", "from_collapse_limit = 1",
    "application_name = 'tenantry-sql-job'", "temp_buffers = 100", "password_encryption = md5",
    "default_table_access_method = heap", "gin_fuzzy_search_limit = 1", "lc_messages = C", "geqo_threshold = 2",
    "synchronous_commit = off", "default_toast_compression = pglz", "vacuum_cost_delay = 100", "nest.own = 'x'",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One hostile object.

    Attributes:
        label: what its canary calls itself in the log.
        statements: run one by one with the tenant's own rights; what is refused is not there, and that is fine.
        alone: whether a login has to give up the owner's role for them.
    """

    label: str
    statements: tuple[str, ...]
    alone: bool = False

    def __repr__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Garden:
    """Everything that one tenant plants; shown by its labels, because the statements fill pages."""

    plants: tuple[Plant, ...]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002 - hypothesis asks for it so
        printer.text(", ".join(plant.label for plant in self.plants))


@dataclass(frozen=True, kw_only=True)
class Sung:
    """A canary that ran: as whom, which, and in whose session."""

    session_user: str
    current_user: str
    label: str
    application: str

    @property
    def beyond(self) -> bool:
        return self.session_user not in OWN or self.current_user not in OWN


def sung(log: str) -> Iterator[Sung]:
    """Every canary of a server's log."""
    for found in _SUNG.findall(log):
        yield Sung(session_user=found[0], current_user=found[1], label=found[2], application=found[3])


@cache
def called() -> frozenset[str]:
    """Words before a bracket in the jobs' texts: among them every function that their SQL calls."""
    words: set[str] = set()
    for path in Path(jobs.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(re.findall(r"([a-z_][a-z0-9_]*)\s*\(", node.value))
    return frozenset(words)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A function of the server that the jobs call, or that stands behind what they call."""

    name: str
    arguments: tuple[str, ...]
    result: str
    many: bool


def signatures(session: Session) -> list[Signature]:
    """The server's own functions whose names are in the jobs' texts."""
    found = session.execute(
        """
        SELECT p.proname::text, ARRAY(SELECT format_type(a, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY x(a, n)
                                      ORDER BY n),
               format_type(p.prorettype, NULL), p.proretset
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.proname = ANY (%s)
        ORDER BY 1, 2
        """,
        (sorted(called()),),
    ).fetchall()
    return [
        Signature(name=str(name), arguments=tuple(arguments), result=str(result), many=bool(many))  # type: ignore[arg-type]
        for name, arguments, result, many in found
    ]


def functions(known: Sequence[Signature]) -> st.SearchStrategy[Plant]:
    """Functions that a job's call may mean instead: of the same name, for the same arguments and for nearer ones."""

    @st.composite
    def build(draw: st.DrawFn) -> Plant:
        one = draw(st.sampled_from(known))
        schema = draw(st.sampled_from(SCHEMAS))
        kind = draw(st.sampled_from(("", "STRICT ", "IMMUTABLE ", "STABLE ")))
        values = ", ".join(f"${n}::{a}" for n, a in enumerate(one.arguments, 1))
        result = f"SETOF {one.result}" if one.many else one.result
        back = "RETURN" if one.many else f'RETURN pg_catalog."{one.name}"({values})'
        overloads = list(product(*((a, *_NEARER.get(a, ())) for a in one.arguments)))[:_OVERLOADS]
        return Plant(
            label=f"{schema}.{one.name}({', '.join(one.arguments)}) {kind}",
            statements=tuple(
                f'CREATE FUNCTION {schema}."{one.name}"({", ".join(types)}) RETURNS {result} LANGUAGE plpgsql '
                f"{kind}COST 0.0001 AS $f$ BEGIN PERFORM nest.sing('{schema}.{one.name}({', '.join(types)})'); "
                f"{back}; END $f$"
                for types in overloads
            ),
        )

    return build()


@st.composite
def operators(draw: st.DrawFn) -> Plant:
    """An operator for the types that the catalogs have."""
    schema, sign = draw(st.sampled_from(SCHEMAS)), draw(st.sampled_from(_OPERATORS))
    left, right = draw(st.sampled_from(_TYPES)), draw(st.sampled_from(_TYPES))
    result = {"||": "text", "+": "int8"}.get(sign, "bool")
    label = f"{schema}.operator {left} {sign} {right}".replace('"', "")
    name = f'{schema}."op {label}"'
    back = {"||": "$1::text OPERATOR(pg_catalog.||) $2::text", "+": "0"}.get(
        sign, f"$1::text OPERATOR(pg_catalog.{sign}) $2::text"
    )
    return Plant(
        label=label,
        statements=(
            (
                f"CREATE FUNCTION {name}({left}, {right}) RETURNS {result} LANGUAGE plpgsql COST 0.0001 AS "
                f"$f$ BEGIN PERFORM nest.sing('{label}'); RETURN {back}; END $f$"
            ),
            f"CREATE OPERATOR {schema}.{sign} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {name})",
        ),
    )


@st.composite
def relations(draw: st.DrawFn) -> Plant:
    """A view, table or materialized view that is called like one of PostgreSQL's."""
    schema, name = draw(st.sampled_from(SCHEMAS)), draw(st.sampled_from(CATALOGS))
    kind = draw(st.sampled_from(("view", "table", "materialized")))
    label = f"{kind} {schema}.{name}"
    target = f"{schema}.{name}"
    made: tuple[str, ...]
    if kind == "view":
        made = (f"CREATE VIEW {target} AS SELECT * FROM pg_catalog.{name} WHERE nest.sing('{label}')",)
    elif kind == "materialized":
        made = (f"CREATE MATERIALIZED VIEW {target} AS SELECT *, nest.sing('{label}') AS sang FROM pg_catalog.{name}",)
    else:
        made = (
            f"CREATE TABLE {target} (LIKE pg_catalog.{name})",
            f"CREATE POLICY canary ON {target} USING (nest.sing('{label}'))",
            f"ALTER TABLE {target} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {target} FORCE ROW LEVEL SECURITY",
        )
    return Plant(label=label, statements=(*made, f"GRANT ALL ON {target} TO PUBLIC"))


_CODE: Final[dict[str, tuple[str, ...]]] = {
    "policy": (
        "CREATE POLICY canary ON {t} USING (nest.sing('{l}'))",
        "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {t} FORCE ROW LEVEL SECURITY",
    ),
    "constant policy": (
        "CREATE POLICY canary ON {t} USING (n OPERATOR(pg_catalog.>=) nest.constant('{l}'))",
        "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {t} FORCE ROW LEVEL SECURITY",
    ),
    "trigger": (
        'CREATE TRIGGER "{l}" BEFORE INSERT OR UPDATE OR DELETE ON {t} FOR EACH ROW EXECUTE FUNCTION nest.catch()',
        'CREATE TRIGGER "{l} truncate" BEFORE TRUNCATE ON {t} EXECUTE FUNCTION nest.catch()',
        'ALTER TABLE {t} ENABLE ALWAYS TRIGGER "{l}"',
    ),
    "rule": ("CREATE RULE canary AS ON INSERT TO {t} DO ALSO SELECT nest.sing('{l}')",),
    "default": ("ALTER TABLE {t} ADD COLUMN d int DEFAULT nest.constant('{l}')",),
    "generated": ("ALTER TABLE {t} ADD COLUMN g int GENERATED ALWAYS AS (nest.constant('{l}') + n) STORED",),
    "check": ("ALTER TABLE {t} ADD CHECK (nest.constant('{l}') > 0)",),
    # A constant call in these is evaluated by whoever plans a query of the table, before a single row is looked at.
    "index predicate": ("CREATE INDEX ON {t} (n) WHERE n > nest.constant('{l}')",),
    "index expression": ("CREATE INDEX ON {t} ((n + nest.constant('{l}')))",),
    "statistics": ("CREATE STATISTICS {t}_s ON (n + nest.constant('{l}')), n FROM {t}", "ANALYZE {t}"),
    "partition key": (
        "CREATE TABLE {t}_p (n int) PARTITION BY RANGE ((n + nest.constant('{l}')))",
        "CREATE TABLE {t}_p1 PARTITION OF {t}_p FOR VALUES FROM (0) TO (1000)",
    ),
    "domain": (
        "CREATE DOMAIN {t}_d AS int CHECK (nest.constant('{l}') > 0 AND nest.sing('{l}'))",
        "ALTER TABLE {t} ADD COLUMN dom {t}_d",
        "UPDATE {t} SET dom = 1",
    ),
    "cast": (
        "CREATE TYPE {t}_e AS ENUM ('x', 'y')",
        (
            "CREATE FUNCTION {t}_f({t}_e) RETURNS text LANGUAGE plpgsql COST 0.0001 AS "
            "$f$ BEGIN PERFORM nest.sing('{l}'); RETURN 'x'; END $f$"
        ),
        "CREATE CAST ({t}_e AS text) WITH FUNCTION {t}_f({t}_e) AS IMPLICIT",
        "ALTER TABLE {t} ADD COLUMN e {t}_e DEFAULT 'x'",
    ),
    "composite cast": (
        (
            "CREATE FUNCTION {t}_f({t}) RETURNS text LANGUAGE plpgsql COST 0.0001 AS "
            "$f$ BEGIN PERFORM nest.sing('{l}'); RETURN 'x'; END $f$"
        ),
        "CREATE CAST ({t} AS text) WITH FUNCTION {t}_f({t}) AS IMPLICIT",
    ),
    "own comparison": (
        "CREATE TYPE {t}_c AS (n int)",
        (
            "CREATE FUNCTION {t}_lt({t}_c, {t}_c) RETURNS bool LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS "
            "$f$ BEGIN PERFORM nest.sing('{l}'); RETURN false; END $f$"
        ),
        (
            "CREATE FUNCTION {t}_cmp({t}_c, {t}_c) RETURNS int LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS "
            "$f$ BEGIN PERFORM nest.sing('{l}'); RETURN 0; END $f$"
        ),
        "CREATE OPERATOR public.< (LEFTARG = {t}_c, RIGHTARG = {t}_c, FUNCTION = {t}_lt)",
        "ALTER TABLE {t} ADD COLUMN c {t}_c",
    ),
    "view": ("CREATE VIEW {t}_v AS SELECT nest.sing('{l}') AS sang, n FROM {t}",),
    "materialized view": (
        "CREATE MATERIALIZED VIEW {t}_m AS SELECT nest.sing('{l}') AS sang, nest.constant('{l}') + n AS n FROM {t}",
        "CREATE UNIQUE INDEX ON {t}_m (n)",
    ),
    "foreign owner": ("ALTER TABLE {t} OWNER TO tn_acme_a",),
    "sequence default": ("ALTER TABLE {t} ALTER COLUMN n SET DEFAULT nest.constant('{l}')",),
    "inheritance": ("CREATE TABLE {t}_i () INHERITS ({t})", "ALTER TABLE {t}_i ADD CHECK (nest.constant('{l}') > 0)"),
    "partition bound": (
        "CREATE TABLE {t}_b (n int) PARTITION BY LIST (n)",
        "CREATE TABLE {t}_b1 PARTITION OF {t}_b FOR VALUES IN (1)",
        "ALTER TABLE {t}_b1 ADD CHECK (nest.constant('{l}') > 0)",
        "CREATE INDEX ON {t}_b (n) WHERE n > nest.constant('{l}')",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC",
    ),
    "odd names": (
        "CREATE TABLE \"x'; SELECT nest.sing(''{l}''); --\" (n int)",
        'CREATE TABLE "a""b" (n int)',
        'CREATE SCHEMA "s.%s {{}}"',
        'CREATE TABLE "s.%s {{}}"."line\nbreak" (n int)',
        'CREATE TABLE U&"\\2028x\\0085" (n int)',
    ),
}


@st.composite
def code(draw: st.DrawFn) -> Plant:
    """A table with code of the tenant's own about it."""
    kind, number = draw(st.sampled_from(sorted(_CODE))), draw(st.integers(1, 3))
    schema = draw(st.sampled_from(SCHEMAS))
    table, label = f"{schema}.t_{kind.replace(' ', '_')}_{number}", f"{kind} {schema} {number}"
    filled = (
        f"CREATE TABLE {table} AS SELECT n FROM pg_catalog.generate_series(1, 5) n",
        f"GRANT ALL ON {table} TO PUBLIC",
    )
    return Plant(label=label, statements=(*filled, *(text.format(t=table, l=label) for text in _CODE[kind])))


@st.composite
def settings(draw: st.DrawFn) -> Plant:
    """A setting of the database or of a login, for everybody who comes in or for that login."""
    where = draw(
        st.sampled_from(
            ("DATABASE tn_acme", "DATABASE tn_acme", "ROLE tn_acme_a", "ROLE tn_acme_a IN DATABASE tn_acme")
        )
    )
    value = draw(st.sampled_from(SETTINGS))
    return Plant(
        label=f"ALTER {where} SET {value}", statements=(f"ALTER {where} SET {value}",), alone=where.startswith("ROLE")
    )


_DOORS: Final = (
    Plant(
        label="PUBLIC through another grantor",
        statements=(
            "GRANT CONNECT, TEMPORARY, CREATE ON DATABASE tn_acme TO tn_acme_a WITH GRANT OPTION",
            "SET ROLE tn_acme_a",
            "GRANT CONNECT, TEMPORARY ON DATABASE tn_acme TO PUBLIC",
            "GRANT CONNECT ON DATABASE tn_acme TO tn_beta_a",
            "SET ROLE tn_acme_owner",
        ),
    ),
    Plant(label="PUBLIC", statements=("GRANT ALL ON DATABASE tn_acme TO PUBLIC",)),
    Plant(
        label="a chain of grantors",
        statements=(
            "GRANT CONNECT ON DATABASE tn_acme TO tn_acme_b WITH GRANT OPTION",
            "GRANT CONNECT ON DATABASE tn_acme TO tn_acme_a WITH GRANT OPTION",
            "SET ROLE tn_acme_a",
            "GRANT CONNECT ON DATABASE tn_acme TO tn_beta_owner WITH GRANT OPTION",
            "GRANT CONNECT ON DATABASE tn_acme TO tn_beta_b",
            "SET ROLE tn_acme_owner",
        ),
    ),
    Plant(label="beta", statements=("GRANT ALL ON DATABASE tn_acme TO tn_beta_a, tn_beta_owner WITH GRANT OPTION",)),
    Plant(label="no CONNECT for its own", statements=("REVOKE ALL ON DATABASE tn_acme FROM tn_acme_a, tn_acme_b",)),
    Plant(label="no connections", statements=("ALTER DATABASE tn_acme WITH ALLOW_CONNECTIONS false",)),
    Plant(label="no room", statements=("ALTER DATABASE tn_acme CONNECTION LIMIT 0",)),
    Plant(label="no limit", statements=("ALTER DATABASE tn_acme CONNECTION LIMIT -1",)),
    Plant(label="template", statements=("ALTER DATABASE tn_acme WITH IS_TEMPLATE true",)),
    Plant(label="password", statements=("ALTER ROLE tn_acme_a PASSWORD 'mine'",), alone=True),
    Plant(label="no password", statements=("ALTER ROLE tn_acme_a PASSWORD NULL",), alone=True),
    Plant(label="owner of the database", statements=("ALTER DATABASE tn_acme OWNER TO tn_acme_a",)),
    Plant(label="owner of public", statements=("ALTER SCHEMA public OWNER TO tn_acme_a",)),
    Plant(label="public", statements=("GRANT ALL ON SCHEMA public TO PUBLIC",)),
    Plant(label="no public", statements=("DROP SCHEMA public CASCADE",)),
    Plant(
        label="memberships",
        statements=(
            "GRANT tn_acme_owner TO tn_beta_a",
            "GRANT tn_acme_owner TO tn_acme_a WITH ADMIN OPTION",
            "GRANT tn_acme_a TO tn_beta_a",
        ),
    ),
)


def doors() -> st.SearchStrategy[Plant]:
    """Something about who may come in."""
    return st.sampled_from(_DOORS)


def gardens(known: Sequence[Signature]) -> st.SearchStrategy[Garden]:
    """What one tenant does, in this order: objects first, because settings and doors may get in its own way.

    Policies, settings and doors are in every other garden only: a job that stops at one of them sees nothing else.
    """

    @st.composite
    def build(draw: st.DrawFn) -> Garden:
        kinds = st.one_of(functions(known), functions(known), operators(), relations(), code())
        found = draw(st.lists(kinds, min_size=25, max_size=60, unique_by=_label))
        if draw(st.booleans()):
            found = [plant for plant in found if not any("POLICY" in text for text in plant.statements)]
        if draw(st.booleans()):
            found += draw(st.lists(settings(), max_size=3, unique_by=_label))
        if draw(st.booleans()):
            found += draw(st.lists(doors(), max_size=2, unique_by=_label))
        return Garden(tuple(found))

    return build()


def _label(plant: Plant) -> str:
    return plant.label


def plant(session: Session, garden: Garden) -> int:
    """Do what the tenant does, on a session of its login; return how many statements were not refused."""
    session.execute(NEST.encode())
    done = 0
    for one in garden.plants:
        if one.alone:
            session.execute("SET ROLE NONE")
        for statement in one.statements:
            try:
                session.execute(statement.encode())
            except psycopg.Error:
                if session.closed:
                    raise
            else:
                done += 1
        if one.alone:
            session.execute("SET ROLE tn_acme_owner")
    return done
