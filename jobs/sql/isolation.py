"""The SQL that isolates a tenant. Every step reads the catalog first, so a run with nothing to do changes nothing."""

import time
from typing import Final

from psycopg import sql

from jobs.sql.errors import JobError
from jobs.sql.postgres import (
    Connection,
    acting_for,
    has_grant_options,
    rows,
    run,
)
from jobs.sql.registry import Instance, Tenant

# Connections that a tenant's own logins can never use up: worker, migrator, export and this job. Each of the two logins
# may hold `connection_limit` connections, because both are in use while a rotation reaches the applications.
PLATFORM_CONNECTIONS: Final = 8
_MAKER: Final = "tenantry_maker"
_END_OF_SESSIONS = 10.0  # seconds until a terminated session has to be gone

# How ALTER ... OWNER TO calls what `pg_identify_object` reports. What is not listed has no owner of its own (a row
# type, an index) or cannot be given to an ordinary role (an event trigger, a foreign-data wrapper).
_ALTER: Final = {
    "aggregate": sql.SQL("ROUTINE"),
    "collation": sql.SQL("COLLATION"),
    "conversion": sql.SQL("CONVERSION"),
    "foreign table": sql.SQL("FOREIGN TABLE"),
    "function": sql.SQL("ROUTINE"),
    "large object": sql.SQL("LARGE OBJECT"),
    "materialized view": sql.SQL("MATERIALIZED VIEW"),
    "operator": sql.SQL("OPERATOR"),
    "operator class": sql.SQL("OPERATOR CLASS"),
    "operator family": sql.SQL("OPERATOR FAMILY"),
    "procedure": sql.SQL("ROUTINE"),
    "publication": sql.SQL("PUBLICATION"),
    "schema": sql.SQL("SCHEMA"),
    "sequence": sql.SQL("SEQUENCE"),
    "server": sql.SQL("SERVER"),
    "statistics object": sql.SQL("STATISTICS"),
    "table": sql.SQL("TABLE"),
    "text search configuration": sql.SQL("TEXT SEARCH CONFIGURATION"),
    "text search dictionary": sql.SQL("TEXT SEARCH DICTIONARY"),
    "type": sql.SQL("TYPE"),
    "view": sql.SQL("VIEW"),
}


def database_limit(tenant: Tenant) -> int:
    return 2 * tenant.connection_limit + PLATFORM_CONNECTIONS


def may_connect(tenant: Tenant, instance: Instance) -> list[str]:
    """The roles that may open the tenant's database; nobody else may."""
    return [tenant.owner_role, *tenant.logins, *instance.platform_users, *instance.readers, *_admins(instance)]


def close_common_databases(connection: Connection, instance: Instance, tenants: list[Tenant]) -> list[str]:
    """Take PUBLIC's way into every database that belongs to no tenant; return the names of those that stayed open.

    A database is open to every login until someone says otherwise; `postgres` and `template1` always exist.
    """
    own = [tenant.database for tenant in tenants]
    found = rows(
        connection,
        """
        SELECT datname, pg_has_role(current_user, datdba, 'USAGE') FROM pg_database
        WHERE datallowconn AND datname <> ALL (%(own)s) AND NOT starts_with(datname, %(system)s)
          AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
                      WHERE grantee = 0 AND privilege_type IN ('CONNECT', 'TEMPORARY'))
        ORDER BY datname
        """,
        own=own,
        system=instance.SYSTEM_PREFIX,
    )
    for database, ours in found:
        if ours:
            with connection.transaction():
                for role in _admins(instance):
                    run(connection, "GRANT CONNECT ON DATABASE {database} TO {role}", database=database, role=role)
                run(connection, "REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC", database=database)
    return [database for database, ours in found if not ours]


def ensure_made_logins(connection: Connection, instance: Instance) -> None:
    """Make the platform's own logins where the cloud's API makes none; they have no password and need none."""
    for login, groups in instance.made_logins.items():
        with connection.transaction():
            found = rows(connection, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %(login)s", login=login)
            if not found:
                _make_login(connection, login)
            elif not found[0][0]:
                run(connection, "ALTER ROLE {login} LOGIN", login=login)
            for group in groups:
                # not pg_has_role(): a superuser is a member of everything without a grant
                if not rows(
                    connection,
                    """
                    SELECT FROM pg_auth_members
                    WHERE pg_get_userbyid(roleid) = %(group)s AND pg_get_userbyid(member) = %(login)s
                    """,
                    group=group,
                    login=login,
                ):
                    run(connection, "GRANT {group} TO {login}", group=group, login=login)


def _make_login(connection: Connection, login: str) -> None:
    """Create a login that the administrator is no member of.

    From PostgreSQL 16 on whoever creates a role is a member of it for good. Being a member of one that is in rds_iam,
    however far away, RDS would take the administrator's password no more and ask for a token of IAM. So a role that is
    gone afterwards creates the login.
    """
    if not has_grant_options(connection):
        run(connection, "CREATE ROLE {login} LOGIN", login=login)
        return
    run(connection, "CREATE ROLE {maker} NOLOGIN CREATEROLE", maker=_MAKER)
    run(connection, "GRANT {maker} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE", maker=_MAKER)
    run(connection, "SET LOCAL ROLE {maker}", maker=_MAKER)
    run(connection, "CREATE ROLE {login} LOGIN", login=login)
    run(connection, "RESET ROLE")
    run(connection, "DROP ROLE {maker}", maker=_MAKER)


def ensure_roles(connection: Connection, tenant: Tenant, instance: Instance) -> None:
    """Make the owner and the logins, and nobody else, what they should be; passwords are `set_password`'s."""
    _ensure_platform_users_exist(connection, instance)
    existing = {
        name: (can_login, inherits, limit)
        for name, can_login, inherits, limit in rows(
            connection,
            "SELECT rolname, rolcanlogin, rolinherit, rolconnlimit FROM pg_roles WHERE rolname = ANY (%(names)s)",
            names=[tenant.owner_role, *tenant.logins],
        )
    }
    with connection.transaction():
        if tenant.owner_role not in existing:
            run(connection, "CREATE ROLE {owner} NOLOGIN", owner=tenant.owner_role)
        elif existing[tenant.owner_role][0]:
            run(connection, "ALTER ROLE {owner} NOLOGIN", owner=tenant.owner_role)
        for login in tenant.logins:
            limit = tenant.connection_limit
            if login not in existing:
                run(
                    connection,
                    "CREATE ROLE {login} NOLOGIN NOINHERIT CONNECTION LIMIT {literal}",
                    login=login,
                    literal=limit,
                )
            elif existing[login][1:] != (False, limit):
                run(connection, "ALTER ROLE {login} NOINHERIT CONNECTION LIMIT {literal}", login=login, literal=limit)
            if login in existing and existing[login][0] and login not in tenant.enabled_logins:
                run(connection, "ALTER ROLE {login} NOLOGIN", login=login)
        _ensure_memberships(connection, tenant, instance)
        for login in tenant.logins:
            # What an application creates belongs to the owner from the start, so the login can change at any time.
            if f"role={tenant.owner_role}" not in _settings(connection, login, None):
                run(connection, "ALTER ROLE {login} SET role = {owner}", login=login, owner=tenant.owner_role)


def enable_logins(connection: Connection, tenant: Tenant) -> None:
    """Let the logins in that the state and the rotation allow: the last step, when everything else holds."""
    for login in tenant.enabled_logins:
        if not rows(connection, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %(login)s", login=login)[0][0]:
            run(connection, "ALTER ROLE {login} LOGIN", login=login)


def set_password(connection: Connection, login: str, password: str) -> None:
    """Set a password as a SCRAM verifier computed here: the server logs DDL, and must not log a password."""
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    run(connection, "ALTER ROLE {login} PASSWORD {literal}", login=login, literal=verifier.decode())


def end_disabled_sessions(connection: Connection, tenant: Tenant) -> int:
    """End the sessions of logins that may not be used (suspended, offboarding); return how many there were.

    Raises:
        JobError: a session is still there after ten seconds.
    """
    disabled = [login for login in tenant.logins if login not in tenant.enabled_logins]
    query = "SELECT pid, usename FROM pg_stat_activity WHERE usename = ANY (%(disabled)s)"
    sessions = rows(connection, query, disabled=disabled)
    for login in sorted({login for _, login in sessions}):
        with connection.transaction(), acting_for(connection, login):
            ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %(login)s"
            rows(connection, ending, login=login)
    deadline = time.monotonic() + _END_OF_SESSIONS
    while left := rows(connection, query, disabled=disabled):
        if time.monotonic() > deadline:
            raise JobError(f"{tenant.id}: {len(left)} sessions of disabled logins did not end; run the job again")
        time.sleep(0.05)
    return len(sessions)


def database_exists(connection: Connection, tenant: Tenant) -> bool:
    return bool(rows(connection, "SELECT FROM pg_database WHERE datname = %(name)s", name=tenant.database))


def make_database(connection: Connection, tenant: Tenant) -> None:
    """Create the tenant's empty database; everything about it is `ensure_database`'s."""
    run(connection, "CREATE DATABASE {database} TEMPLATE template0", database=tenant.database)


def ensure_database(connection: Connection, tenant: Tenant, instance: Instance) -> None:
    """Give the database to the owner and close it to everybody else.

    Raises:
        JobError: there is no such database.
    """
    found = rows(
        connection,
        "SELECT pg_get_userbyid(datdba), datconnlimit FROM pg_database WHERE datname = %(name)s",
        name=tenant.database,
    )
    if not found:
        raise JobError(f"{tenant.id}: no database {tenant.database} on {instance.key}; run the program's `up` first")
    owner, limit = found[0]
    with connection.transaction():
        if owner != tenant.owner_role:
            run(
                connection,
                "ALTER DATABASE {database} OWNER TO {owner}",
                database=tenant.database,
                owner=tenant.owner_role,
            )
        if limit != database_limit(tenant):
            run(
                connection,
                "ALTER DATABASE {database} CONNECTION LIMIT {literal}",
                database=tenant.database,
                literal=database_limit(tenant),
            )
        _ensure_database_privileges(connection, tenant, instance)


def ensure_limits(connection: Connection, tenant: Tenant, *, idle_in_transaction_ms: int) -> None:
    """Set the defaults of the logins' sessions in their database (an application may shorten or lengthen its own)."""
    wanted = {
        "statement_timeout": str(tenant.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(idle_in_transaction_ms),
    }
    for login in tenant.logins:
        current = _settings(connection, login, tenant.database)
        for name, value in wanted.items():
            if f"{name}={value}" not in current:
                run(
                    connection,
                    "ALTER ROLE {login} IN DATABASE {database} SET {name} = {literal}",
                    login=login,
                    database=tenant.database,
                    name=name,
                    literal=value,
                )


def ensure_ownership(connection: Connection, tenant: Tenant, instance: Instance) -> int:
    """In the tenant's database: give every object to the owner and close `public`; return the number of objects moved.

    After an import everything belongs to the user that imported it. REASSIGN OWNED is no help: it would also hand over
    that user's other databases.

    Raises:
        JobError: an object belongs to a role whose objects the administrative role may not take.
    """
    moved = 0
    with connection.transaction():
        # `public` is part of no extension and of no dump, and before PostgreSQL 15 every role may create objects in it.
        public = rows(
            connection,
            """
            SELECT pg_get_userbyid(nspowner),
                   EXISTS (SELECT FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE grantee = 0)
            FROM pg_namespace WHERE nspname = 'public'
            """,
        )
        for holder, open_to_all in public:
            if holder != tenant.owner_role:
                run(connection, "ALTER SCHEMA public OWNER TO {owner}", owner=tenant.owner_role)
            if open_to_all:
                run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        # Schemas first, because an owner must be allowed to create there what it is given; then tables, because they
        # take the sequences of their own columns along, which cannot be moved alone; then everything else.
        for stage in range(3):
            for kind, identity, holder in foreign_objects(connection, tenant.owner_role):
                if {"schema": 0, "table": 1}.get(kind, 2) == stage:
                    _give(connection, (kind, identity, holder), tenant, instance)
                    moved += 1
    return moved


def foreign_objects(connection: Connection, owner: str) -> list[tuple[str, str, str]]:
    """Kind, quoted identity and owner of this database's objects that do not belong to `owner`, extensions' apart."""
    found = rows(
        connection,
        """
        SELECT object.type, object.identity, pg_get_userbyid(d.refobjid)
        FROM pg_shdepend d, pg_identify_object(d.classid, d.objid, 0) object
        WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass
          AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND pg_get_userbyid(d.refobjid) <> %(owner)s
          AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
        ORDER BY object.type, object.identity
        """,
        owner=owner,
    )
    return [(kind, identity, holder) for kind, identity, holder in found if kind in _ALTER]


def _give(connection: Connection, found: tuple[str, str, str], tenant: Tenant, instance: Instance) -> None:
    kind, identity, holder = found
    system = holder.startswith(instance.SYSTEM_PREFIX) and holder != instance.admin_role
    if system:
        raise JobError(f"{tenant.id}: {kind} {identity} belongs to {holder}; import again as {instance.admin_role}")
    # `pg_identify_object` quotes what it returns for exactly this use, signatures and operator names included.
    name = sql.SQL(identity)
    statement = sql.SQL("ALTER {} {} OWNER TO {}").format(_ALTER[kind], name, sql.Identifier(tenant.owner_role))
    with acting_for(connection, holder):
        connection.execute(statement)


def _admins(instance: Instance) -> list[str]:
    return sorted({instance.admin_role, instance.admin_user})


def _ensure_platform_users_exist(connection: Connection, instance: Instance) -> None:
    users = [*instance.platform_users, instance.admin_user]
    found = {name for (name,) in rows(connection, "SELECT rolname FROM pg_roles WHERE rolname = ANY (%(u)s)", u=users)}
    if missing := [user for user in users if user not in found]:
        raise JobError(f"{instance.key}: no IAM user {', '.join(missing)}; run the program's `up` first")


def _ensure_memberships(connection: Connection, tenant: Tenant, instance: Instance) -> None:
    """Let logins and platform users become the owner, give the administrative role its rights, end all else."""
    options = has_grant_options(connection)
    members = [*tenant.logins, *instance.platform_users]
    right: set[str] = set()
    for role, member, grantor, admin, inherit, may_set in memberships(connection, tenant):
        if member == instance.admin_role and role in (tenant.owner_role, *tenant.logins):
            continue
        wanted = role == tenant.owner_role and member in members and not admin
        if wanted and (not options or (grantor == instance.admin_role and may_set and not inherit)):
            right.add(member)
        elif options:
            run(connection, "REVOKE {role} FROM {member} GRANTED BY {by}", role=role, member=member, by=grantor)
        else:
            run(connection, "REVOKE {role} FROM {member}", role=role, member=member)
    for member in members:
        if member in right:
            continue
        if options:
            # Only SET: inherited rights would show the tables of every tenant to a worker that forgot to choose one.
            statement = "GRANT {owner} TO {member} WITH INHERIT FALSE, SET TRUE"
            run(connection, statement, owner=tenant.owner_role, member=member)
        else:
            run(connection, "GRANT {owner} TO {member}", owner=tenant.owner_role, member=member)
    # The administrative role gives objects to the owner and works for it: exports and imports run with these rights.
    if not rows(connection, "SELECT pg_has_role(current_user, %(owner)s, 'USAGE')", owner=tenant.owner_role)[0][0]:
        if options:
            statement = "GRANT {owner} TO {admin} WITH INHERIT TRUE, SET TRUE"
            run(connection, statement, owner=tenant.owner_role, admin=instance.admin_role)
        else:
            run(connection, "GRANT {owner} TO {admin}", owner=tenant.owner_role, admin=instance.admin_role)


def memberships(connection: Connection, tenant: Tenant) -> list[tuple[str, str, str, bool, bool, bool]]:
    """Role, member, grantor, and the options ADMIN, INHERIT and SET, of every grant that touches the tenant's roles."""
    ours = [tenant.owner_role, *tenant.logins]
    if has_grant_options(connection):
        found = rows(
            connection,
            """
            SELECT pg_get_userbyid(roleid), pg_get_userbyid(member), pg_get_userbyid(grantor),
                   admin_option, inherit_option, set_option
            FROM pg_auth_members
            WHERE pg_get_userbyid(roleid) = ANY (%(ours)s) OR pg_get_userbyid(member) = ANY (%(ours)s)
            ORDER BY 1, 2, 3
            """,
            ours=ours,
        )
    else:
        found = rows(
            connection,
            """
            SELECT pg_get_userbyid(roleid), pg_get_userbyid(m.member), pg_get_userbyid(grantor),
                   admin_option, r.rolinherit, true
            FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
            WHERE pg_get_userbyid(roleid) = ANY (%(ours)s) OR r.rolname = ANY (%(ours)s)
            ORDER BY 1, 2, 3
            """,
            ours=ours,
        )
    return [(role, member, by, admin, inherit, may_set) for role, member, by, admin, inherit, may_set in found]


def _ensure_database_privileges(connection: Connection, tenant: Tenant, instance: Instance) -> None:
    allowed = may_connect(tenant, instance)
    granted = rows(
        connection,
        """
        SELECT grantee, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END, privilege_type
        FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = %(name)s
        """,
        name=tenant.database,
    )
    if any(oid == 0 for oid, _, _ in granted):
        run(connection, "REVOKE ALL ON DATABASE {database} FROM PUBLIC", database=tenant.database)
    named = {(name, privilege) for oid, name, privilege in granted if oid != 0}
    for name in sorted({name for name, _ in named} - set(allowed)):
        if not name.startswith(instance.SYSTEM_PREFIX):
            run(connection, "REVOKE ALL ON DATABASE {database} FROM {name}", database=tenant.database, name=name)
    for name in allowed:
        if (name, "CONNECT") not in named:
            run(connection, "GRANT CONNECT ON DATABASE {database} TO {name}", database=tenant.database, name=name)


def _settings(connection: Connection, role: str, database: str | None) -> list[str]:
    found = rows(
        connection,
        """
        SELECT unnest(setconfig) FROM pg_db_role_setting
        WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
          AND setdatabase = coalesce((SELECT oid FROM pg_database WHERE datname = %(database)s), 0)
        """,
        role=role,
        database=database,
    )
    return [setting for (setting,) in found]
