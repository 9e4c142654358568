"""The database that a restore fills: closed before it can be entered, the tenant's own only when it is whole.

While a restore fills it, it belongs to the administrator. So nothing that the dump holds can open it to anybody (GRANT
CONNECT takes its owner), and who owns it tells a whole one from the remains of a run that was killed.
"""

import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, LiteralString

import psycopg
from psycopg import errors, sql

from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, acting_for, has_grant_options, message_of, rows, run
from jobs.sql.registry import Instance, Tenant
from jobs.sql.sessions import end_sessions, insist

_LOCKS: Final = 0x746E7273  # any number that never changes
_DATLOCALE: Final = 170000  # PostgreSQL 17 renamed the column, and has a provider of its own
_LONGEST: Final = 63
_PROVIDERS: Final = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True, kw_only=True)
class Locale:
    """How a database sorts and folds: indexes, generated columns and checks depend on it."""

    encoding: str
    collate: str
    ctype: str
    provider: str
    name: str | None


def restored_name(tenant: Tenant) -> str:
    return f"restored_{tenant.database}"


def check_name(tenant: Tenant, name: str, ids: Collection[str]) -> str:
    """A name that no other tenant's restore can have; `ids` are all tenants.

    Raises:
        JobError: it is not of that form.
    """
    if re.fullmatch(rf"{re.escape(restored_name(tenant))}(_[a-z0-9_]+)?", name) is None or len(name) > _LONGEST:
        raise JobError(f"database {name}: is not {restored_name(tenant)}, alone or with _ and more of a-z, 0-9 and _")
    return _unambiguous(tenant, name, ids)


def check_discarded(tenant: Tenant, name: str, ids: Collection[str]) -> str:
    """A name that a restore gives, to what it makes or to what it sets aside.

    Raises:
        JobError: it is no such name, so it is nobody's to drop here.
    """
    if re.fullmatch(rf"(restored|damaged|final)_{re.escape(tenant.database)}(_[a-z0-9_]+)?", name) is None:
        raise JobError(f"database {name}: is no restored or damaged database of {tenant.id}")
    return _unambiguous(tenant, name, ids)


def _unambiguous(tenant: Tenant, name: str, ids: Collection[str]) -> str:
    """Refuse what is also another tenant's: restored_tn_team_a is that of `team-a`, and a suffix `_a` of `team`."""
    _, _, rest = name.partition("_")
    for other in ids:
        stem = "tn_" + other.replace("-", "_")
        if len(stem) > len(tenant.database) and (rest == stem or rest.startswith(f"{stem}_")):
            raise JobError(f"database {name}: is one of {other}")
    return name


@contextmanager
def alone(admin: Connection, tenant: Tenant) -> Iterator[None]:
    """Keep other restores of this tenant out, until the session ends at the latest.

    Raises:
        JobError: there is one.
    """
    key = zlib.crc32(tenant.database.encode()) - (1 << 31)
    found = rows(
        admin, "SELECT pg_catalog.pg_try_advisory_lock(%(a)s::pg_catalog.int4, %(b)s::pg_catalog.int4)", a=_LOCKS, b=key
    )
    if not found[0][0]:
        raise JobError(f"{tenant.id}: another restore of it is at work on this server; let it finish")
    try:
        yield
    finally:
        if not admin.closed:
            shut_login(admin, tenant.platform_logins["restore"])
            rows(
                admin,
                "SELECT pg_catalog.pg_advisory_unlock(%(a)s::pg_catalog.int4, %(b)s::pg_catalog.int4)",
                a=_LOCKS,
                b=key,
            )


def owner_of(admin: Connection, name: str) -> str | None:
    """Who a database belongs to; None when there is none."""
    found = rows(
        admin, "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = %(n)s", n=name
    )
    return str(found[0][0]) if found else None


def locale_of(admin: Connection, name: str) -> Locale | None:
    """A database's locale; None when there is no such database."""
    column = "datlocale" if admin.info.server_version >= _DATLOCALE else "daticulocale"
    found = admin.execute(
        sql.SQL(
            """
            SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::pg_catalog.text, {}
            FROM pg_catalog.pg_database WHERE datname = %s
            """
        ).format(sql.Identifier(column)),
        (name,),
    ).fetchall()
    if not found:
        return None
    encoding, collate, ctype, provider, locale = found[0]
    return Locale(encoding=encoding, collate=collate, ctype=ctype, provider=provider, name=locale)


def make_closed(admin: Connection, name: str, locale: Locale | None, instance: Instance) -> None:
    """Create an empty database that nobody but the administrator can ever enter.

    A new database is open to PUBLIC. So it takes no connections at all until that right is gone.
    """
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ALLOW_CONNECTIONS false").format(sql.Identifier(name))
    if locale is not None:
        statement += sql.SQL(" ENCODING {} LC_COLLATE {} LC_CTYPE {} LOCALE_PROVIDER {}").format(
            sql.Literal(locale.encoding),
            sql.Literal(locale.collate),
            sql.Literal(locale.ctype),
            sql.SQL(_PROVIDERS[locale.provider]),
        )
        if locale.name is not None:
            word: LiteralString = " ICU_LOCALE {}" if locale.provider == "i" else " BUILTIN_LOCALE {}"
            statement += sql.SQL(word).format(sql.Literal(locale.name))
    admin.execute(statement)
    with admin.transaction():
        run(admin, "REVOKE ALL ON DATABASE {name} FROM PUBLIC", name=name)
        for role in {instance.admin_role, instance.admin_user}:
            run(admin, "GRANT CONNECT ON DATABASE {name} TO {role}", name=name, role=role)
        run(admin, "ALTER DATABASE {name} ALLOW_CONNECTIONS true", name=name)


def prepare(own: Connection, tenant: Tenant) -> None:
    """In the empty database: let the tenant's owner make what a dump makes."""
    with own.transaction(), acting_for(own, tenant.owner_role):
        database = own.info.dbname
        run(
            own,
            "GRANT CREATE, TEMPORARY ON DATABASE {database} TO {owner}",
            database=database,
            owner=tenant.owner_role,
        )
        run(own, "ALTER SCHEMA public OWNER TO {owner}", owner=tenant.owner_role)
        run(own, "REVOKE ALL ON SCHEMA public FROM PUBLIC")


def make_extensions(
    own: Connection, tenant: Tenant, wanted: dict[str, str], allowed: Collection[str]
) -> tuple[list[str], list[str]]:
    """Make what a tenant may not make itself, before anything of the tenant's is in the database.

    `wanted` are names with their schemas. An extension that an ordinary owner may create (a trusted one) is left to the
    dump. Returns the schemas that are there now, and the extensions that cannot be had.

    Raises:
        JobError: the administrator may not make one that this server has.
    """
    schemas, without = ["public"], []
    available: dict[str, bool] = dict(
        rows(
            own,
            """
            SELECT e.name, pg_catalog.bool_or(v.trusted) FROM pg_catalog.pg_available_extensions() e
            JOIN pg_catalog.pg_available_extension_versions() v
              ON v.name = e.name AND v.version = e.default_version
            GROUP BY 1
            """,
        )
    )
    for name, schema in wanted.items():
        if name not in available or (not available[name] and name not in allowed):
            without.append(name)
            continue
        if available[name]:
            continue
        with own.transaction(), acting_for(own, tenant.owner_role):
            if not schema.startswith("pg_"):
                owner = tenant.owner_role
                run(own, "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}", schema=schema, owner=owner)
                schemas.append(schema)
            try:
                run(own, "CREATE EXTENSION {name} SCHEMA {schema} CASCADE", name=name, schema=schema)
            except psycopg.Error as error:
                raise JobError(f"extension {name}: {message_of(error)}") from None
    return schemas, without


def installed(connection: Connection) -> dict[str, str]:
    """The extensions of a database with their schemas, PL/pgSQL apart."""
    return dict(
        rows(
            connection,
            """
            SELECT e.extname, n.nspname
            FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname <> 'plpgsql' ORDER BY 1
            """,
        )
    )


def ensure_login(admin: Connection, tenant: Tenant, login: str) -> None:
    """Make one of the platform's logins where a copy is older than they are."""
    if rows(admin, "SELECT FROM pg_catalog.pg_roles WHERE rolname = %(login)s AND rolcanlogin", login=login):
        return
    with admin.transaction():
        if not rows(admin, "SELECT FROM pg_catalog.pg_roles WHERE rolname = %(login)s", login=login):
            run(admin, "CREATE ROLE {login} NOLOGIN NOINHERIT", login=login)
            options: LiteralString = " WITH INHERIT FALSE, SET TRUE" if has_grant_options(admin) else ""
            run(admin, "GRANT {owner} TO {login}" + options, owner=tenant.owner_role, login=login)
            run(admin, "ALTER ROLE {login} SET role = {owner}", login=login, owner=tenant.owner_role)
        run(admin, "ALTER ROLE {login} LOGIN NOINHERIT", login=login)


def shut_login(admin: Connection, login: str) -> None:
    """Switch the login for restores off and end whoever is in by it: what it has run may have taken it over."""
    if rows(admin, "SELECT FROM pg_catalog.pg_roles WHERE rolname = %(login)s AND rolcanlogin", login=login):
        insist(admin, [login], lambda: run(admin, "ALTER ROLE {login} NOLOGIN PASSWORD NULL", login=login))
    end_sessions(admin, [login])


def open_for(admin: Connection, name: str, login: str) -> None:
    run(admin, "GRANT CONNECT ON DATABASE {name} TO {login}", name=name, login=login)


def close_for(admin: Connection, name: str, login: str) -> None:
    """Take the way in back and end whoever is in."""
    run(admin, "REVOKE CONNECT ON DATABASE {name} FROM {login}", name=name, login=login)
    end_sessions(admin, [login], database=name)


def finish(admin: Connection, name: str, tenant: Tenant) -> None:
    """Hand a whole database to the tenant; nobody can enter it until it is put in place."""
    with admin.transaction(), acting_for(admin, tenant.owner_role):
        run(admin, "ALTER DATABASE {name} OWNER TO {owner}", name=name, owner=tenant.owner_role)


def drop(admin: Connection, name: str, tenant: Tenant) -> None:
    """Drop a database with everything in it; whoever is in it goes first."""
    owner = owner_of(admin, name)
    if owner is None:
        return
    admin_role = current_role(admin)
    with admin.transaction(), acting_for(admin, tenant.owner_role):
        if owner != admin_role:
            run(admin, "ALTER DATABASE {name} OWNER TO {admin}", name=name, admin=admin_role)
        run(admin, "ALTER DATABASE {name} ALLOW_CONNECTIONS false", name=name)
    end_sessions(admin, tenant.every_login, database=name)
    run(admin, "DROP DATABASE {name}", name=name)


def users_in(admin: Connection, names: list[str]) -> list[str]:
    """Who has a session in these databases."""
    return [
        str(user)
        for (user,) in rows(
            admin,
            """
            SELECT DISTINCT coalesce(usename::pg_catalog.text, backend_type) FROM pg_catalog.pg_stat_activity
            WHERE datname = ANY (%(names)s) AND (backend_type = 'client backend' OR usename IS NOT NULL) ORDER BY 1
            """,
            names=names,
        )
    ]


def current_role(admin: Connection) -> str:
    return str(rows(admin, "SELECT current_user::pg_catalog.text")[0][0])


def damaged_name(tenant: Tenant) -> str:
    return f"damaged_{tenant.database}_{datetime.now(UTC).strftime('%Y%m%d%H%M%S')}"


def put_in_place(admin: Connection, name: str, tenant: Tenant, instance: Instance) -> str | None:
    """Let the restored database take the tenant's place; return what the damaged one is called now, if there was one.

    All of it is one transaction: a run that is killed has done nothing, and one that is repeated finds what is left to
    do.

    Raises:
        JobError: the restored one is not whole, or a session is in either.
    """
    owner = owner_of(admin, name)
    if owner is None:
        raise JobError(f"{tenant.id}: there is no database {name}; `restore` makes it")
    if owner != tenant.owner_role:
        raise JobError(f"{tenant.id}: database {name} belongs to {owner}, so its restore has not come to its end")
    if users := users_in(admin, [name, tenant.database]):
        raise JobError(
            f"{tenant.id}: sessions of {', '.join(users)} are in {tenant.database} or {name}; end them first"
        )
    damaged = damaged_name(tenant) if owner_of(admin, tenant.database) is not None else None
    try:
        with admin.transaction(), acting_for(admin, tenant.owner_role):
            if damaged is not None:
                _set_aside(admin, tenant, damaged, instance)
            run(admin, "ALTER DATABASE {name} RENAME TO {to}", name=name, to=tenant.database)
    except errors.ObjectInUse as error:
        raise JobError(f"{tenant.id}: {message_of(error)}; end that session and try again") from None
    return damaged


def _set_aside(admin: Connection, tenant: Tenant, damaged: str, instance: Instance) -> None:
    """Close the damaged database to everybody but the administrator, who may be asked for it later."""
    database, admin_role = tenant.database, current_role(admin)
    for login in _with_settings(admin, database):
        run(admin, "ALTER ROLE {login} IN DATABASE {database} RESET ALL", login=login, database=database)
    run(admin, "ALTER DATABASE {database} RESET ALL", database=database)
    run(admin, "ALTER DATABASE {database} OWNER TO {admin}", database=database, admin=admin_role)
    kept = {instance.admin_role, instance.admin_user, admin_role}
    for grantee in _grantees(admin, database):
        if grantee is None:
            run(admin, "REVOKE ALL ON DATABASE {database} FROM PUBLIC", database=database)
        elif grantee not in kept and grantee not in instance.SYSTEM_ROLES:
            run(admin, "REVOKE ALL ON DATABASE {database} FROM {grantee} CASCADE", database=database, grantee=grantee)
    run(admin, "ALTER DATABASE {database} RENAME TO {damaged}", database=database, damaged=damaged)


def _with_settings(admin: Connection, database: str) -> list[str]:
    found = rows(
        admin,
        """
        SELECT pg_catalog.pg_get_userbyid(s.setrole)
        FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = %(name)s AND s.setrole <> 0 ORDER BY 1
        """,
        name=database,
    )
    return [str(name) for (name,) in found]


def _grantees(admin: Connection, database: str) -> list[str | None]:
    """Who has a right on a database; None stands for PUBLIC, which has some until they are taken."""
    found = rows(
        admin,
        """
        SELECT DISTINCT CASE WHEN acl.grantee <> 0 THEN pg_catalog.pg_get_userbyid(acl.grantee) END
        FROM pg_catalog.pg_database d,
             pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) acl
        WHERE d.datname = %(name)s ORDER BY 1
        """,
        name=database,
    )
    return [None if name is None else str(name) for (name,) in found]
