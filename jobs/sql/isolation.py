"""The SQL that isolates a tenant. Every step reads the catalog first, so a run with nothing to do changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, LiteralString

from psycopg import errors, sql

from jobs.sql.cluster import PUBLIC, Cluster, Database, Grant, Membership
from jobs.sql.errors import JobError
from jobs.sql.postgres import (
    MAINTENANCE_DATABASE,
    Connection,
    acting_for,
    has_grant_options,
    rows,
    run,
)
from jobs.sql.registry import Instance, Tenant, Workload
from jobs.sql.sessions import end_sessions, insist
from jobs.sql.tickets import TICKETS_DATABASE

# Connections that a tenant's own logins can never use up. Each of the two logins may hold `connection_limit`
# connections, because both are in use while a rotation reaches the applications.
WORKLOAD_CONNECTIONS: Final[Mapping[Workload, int]] = {"worker": 3, "migrator": 2, "backup": 2, "restore": 2}
PLATFORM_CONNECTIONS: Final = 8  # worker, migrator and backup, and this job
_MAKER: Final = "tenantry_maker"
# Each object that changes hands holds a few locks until its transaction ends, and a small instance has room for some
# thousands in all (max_locks_per_transaction x max_connections).
_BATCH: Final = 100
_MAY_ASK: Final = "GRANT {role} TO {member} WITH INHERIT FALSE, SET TRUE"
_RULES_OWNER: Final = "GRANT {role} TO {member} WITH INHERIT TRUE, SET TRUE"
_RULES_LOGIN: Final = "GRANT {role} TO {member} WITH INHERIT TRUE, SET FALSE"

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


Change = Callable[[], None]
COMMON_DATABASES: Final = (MAINTENANCE_DATABASE, "template1", TICKETS_DATABASE)
_OPEN_BY_DEFAULT: Final = (Grant(grantee=PUBLIC, privilege="CONNECT", grantor="", grantable=False),)


def database_limit(tenant: Tenant) -> int:
    return 2 * tenant.connection_limit + PLATFORM_CONNECTIONS


def may_connect(tenant: Tenant, instance: Instance) -> list[str]:
    """The roles that may open the tenant's database; nobody else may."""
    outside = tenant.platform_logins["restore"]
    inside = [login for login in tenant.every_login if login != outside]
    return [tenant.owner_role, *inside, *admins(instance)]


def admins(instance: Instance) -> list[str]:
    return sorted({instance.admin_role, instance.admin_user})


def close_common_databases(
    connection: Connection, cluster: Cluster, instance: Instance, tenants: list[Tenant]
) -> list[str]:
    """Close every database that belongs to no tenant; return the names of those that stayed open.

    A database is open to every login until someone says otherwise; `postgres` and `template1` always exist.
    """
    own = {TICKETS_DATABASE, *(tenant.database for tenant in tenants)}
    left = []
    for database in cluster.databases.values():
        strangers = intruders(database)
        if database.name in own or not database.allows_connections or not strangers:
            continue
        if database.name.startswith(instance.SYSTEM_PREFIX):
            continue
        if not rows(
            connection,
            "SELECT pg_catalog.pg_has_role(current_user, %(owner)s::pg_catalog.name, 'USAGE')",
            owner=database.owner,
        )[0][0]:
            left.append(database.name)
            continue
        with connection.transaction():
            for role in admins(instance):
                run(connection, "GRANT CONNECT ON DATABASE {database} TO {role}", database=database.name, role=role)
            for grantee in strangers:
                _take_all(connection, database.name, grantee)
    return left


def intruders(database: Database) -> list[str]:
    """Who may open a database of nobody without having been let in: PUBLIC; in the common ones a tenant's role, too."""
    return sorted(
        {
            grant.grantee
            for grant in database.grants
            if grant.grantee == PUBLIC or (database.name in COMMON_DATABASES and grant.grantee.startswith("tn_"))
        }
    )


def _take_all(connection: Connection, database: str, grantee: str) -> None:
    if grantee == PUBLIC:
        run(connection, "REVOKE ALL ON DATABASE {database} FROM PUBLIC CASCADE", database=database)
    else:
        run(connection, "REVOKE ALL ON DATABASE {database} FROM {grantee} CASCADE", database=database, grantee=grantee)


def ensure_tickets_database(connection: Connection, cluster: Cluster, instance: Instance) -> None:
    """Make the platform's own database, closed to all but its users; the function in it is `tickets.install`'s."""
    if TICKETS_DATABASE not in cluster.databases:
        run(connection, "CREATE DATABASE {name} TEMPLATE template0 CONNECTION LIMIT 0", name=TICKETS_DATABASE)
    database = cluster.databases.get(TICKETS_DATABASE)
    wanted = [*admins(instance), *sorted(instance.workloads)]
    if database is None or not _granted_exactly(database, wanted, instance):
        grants, owner = ((), None) if database is None else (database.grants, database.owner)
        with connection.transaction():
            _grant_exactly(connection, TICKETS_DATABASE, grants, owner=owner, wanted=wanted, instance=instance)
    if database is None or database.limit != -1:
        run(connection, "ALTER DATABASE {name} CONNECTION LIMIT -1", name=TICKETS_DATABASE)


def ensure_made_logins(connection: Connection, cluster: Cluster, instance: Instance) -> None:
    """Make the platform's own logins where the cloud's API makes none; they have no password and need none."""
    for login, groups in instance.made_logins.items():
        with connection.transaction():
            role = cluster.roles.get(login)
            if role is None:
                _make_login(connection, login)
            elif not role.can_login:
                run(connection, "ALTER ROLE {login} LOGIN", login=login)
            held = {membership.role for membership in cluster.by_member.get(login, ())}
            for group in groups:
                if group not in held:
                    run(connection, "GRANT {group} TO {login}", group=group, login=login)
            for membership in cluster.by_member.get(login, ()):
                if membership.role not in groups:
                    _revoke(connection, membership)


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


def shut_out(connection: Connection, cluster: Cluster, tenant: Tenant) -> int:
    """End the sessions of logins that may not be used and switch them off; return how many sessions there were.

    Sessions end first, whatever else may fail: their owner may hold what the change of a login waits for. And again
    afterwards, for one that came in between.
    """
    off = [login for login in tenant.off_logins if login in cluster.roles]
    ended = end_sessions(connection, off, patience_s=0)
    _insist_on(connection, tenant, [_log_out(connection, login) for login in off if cluster.roles[login].can_login])
    # one that is deep in a single function dies when that returns; by now nobody can come after it
    return len(ended | end_sessions(connection, off))


def ensure_roles(connection: Connection, cluster: Cluster, tenant: Tenant, instance: Instance) -> None:
    """Make the owner and the logins, and nobody else, what they should be; passwords are `set_password`'s."""
    changes: list[Change] = [
        *_role_changes(connection, cluster, tenant),
        *_membership_changes(connection, cluster, tenant, instance),
    ]
    # What an application creates belongs to the owner from the start, so the login can change at any time.
    changes += [
        _set_role(connection, login, tenant.owner_role)
        for login in tenant.every_login
        if f"role={tenant.owner_role}" not in cluster.settings_of(login, None)
    ]
    _insist_on(connection, tenant, changes)


def _insist_on(connection: Connection, tenant: Tenant, changes: list[Change]) -> None:
    def make() -> None:
        for change in changes:
            change()

    if changes:
        insist(connection, tenant.every_login, make)


def _role_changes(connection: Connection, cluster: Cluster, tenant: Tenant) -> list[Change]:
    changes: list[Change] = []

    def change(statement: LiteralString, role: str, limit: int | None = None) -> None:
        changes.append(lambda: run(connection, statement, role=role, literal=limit))

    owner = cluster.roles.get(tenant.owner_role)
    if owner is None:
        change("CREATE ROLE {role} NOLOGIN", tenant.owner_role)
    elif owner.can_login:
        change("ALTER ROLE {role} NOLOGIN", tenant.owner_role)
    for login, limit in login_limits(tenant).items():
        role = cluster.roles.get(login)
        if role is None:
            change("CREATE ROLE {role} NOLOGIN NOINHERIT CONNECTION LIMIT {literal}", login, limit)
        elif (role.inherits, role.limit) != (False, limit):
            change("ALTER ROLE {role} NOINHERIT CONNECTION LIMIT {literal}", login, limit)
    return changes


def login_limits(tenant: Tenant) -> dict[str, int]:
    """Every login of the tenant, with the connections that it may hold at once."""
    own = dict.fromkeys(tenant.logins, tenant.connection_limit)
    return own | {login: WORKLOAD_CONNECTIONS[workload] for workload, login in tenant.platform_logins.items()}


def _set_role(connection: Connection, login: str, owner: str) -> Change:
    return lambda: run(connection, "ALTER ROLE {login} SET role = {owner}", login=login, owner=owner)


def enable_logins(connection: Connection, cluster: Cluster, tenant: Tenant) -> None:
    """Let the logins in that the state and the rotation allow: the last step, when everything else holds."""
    off = [login for login in tenant.every_login if login not in tenant.off_logins]
    # the one for restores is on while there is one (jobs/restores/database.py)
    outside = tenant.platform_logins["restore"]
    wanted = [login for login in off if login != outside and not cluster.roles[login].can_login]
    _insist_on(connection, tenant, [_log_in(connection, login) for login in wanted])


def _log_out(connection: Connection, login: str) -> Change:
    return lambda: run(connection, "ALTER ROLE {login} NOLOGIN", login=login)


def _log_in(connection: Connection, login: str) -> Change:
    return lambda: run(connection, "ALTER ROLE {login} LOGIN", login=login)


def set_password(connection: Connection, login: str, password: str) -> int:
    """Set a password and end the sessions of the one before; return how many there were.

    It is set as a SCRAM verifier computed here: the server logs DDL, and must not log a password.
    """
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    # Whoever is inside may set the password, too: nobody may be when the new one is set.
    insist(connection, [login], lambda: run(connection, "ALTER ROLE {login} NOLOGIN PASSWORD NULL", login=login))
    ended = len(end_sessions(connection, [login]))
    insist(
        connection,
        [login],
        lambda: run(connection, "ALTER ROLE {login} LOGIN PASSWORD {literal}", login=login, literal=verifier),
    )
    return ended


def make_backup_login(connection: Connection, tenant: Tenant, instance: Instance) -> None:
    """Make the backup login of a tenant on a copy that is older than such logins, or that came without roles."""
    login = tenant.platform_logins["backup"]
    with connection.transaction():
        run(connection, "CREATE ROLE {login} LOGIN NOINHERIT", login=login)
        _giving(connection, tenant.owner_role, login, _MAY_ASK)()
        _giving(connection, login, instance.admin_role, _RULES_LOGIN)()
        _set_role(connection, login, tenant.owner_role)()
        run(connection, "GRANT CONNECT ON DATABASE {database} TO {login}", database=tenant.database, login=login)


def end_strangers(connection: Connection, tenant: Tenant, instance: Instance) -> int:
    """End sessions in the tenant's database of other tenants' and the platform's users, from before it was closed."""
    found = rows(
        connection,
        """
        SELECT DISTINCT usename::pg_catalog.text FROM pg_catalog.pg_stat_activity
        WHERE datname = %(database)s AND usename <> ALL (%(allowed)s)
        """,
        database=tenant.database,
        allowed=may_connect(tenant, instance),
    )
    strangers = [name for (name,) in found if name.startswith("tn_") or name in instance.workloads]
    return len(end_sessions(connection, strangers, database=tenant.database))


def make_database(connection: Connection, tenant: Tenant, instance: Instance) -> Database:
    """Create the tenant's empty database, which nobody can enter yet; all else about it is `ensure_database`'s."""
    run(connection, "CREATE DATABASE {database} TEMPLATE template0 CONNECTION LIMIT 0", database=tenant.database)
    return Database(
        name=tenant.database,
        owner=instance.admin_role,
        limit=0,
        allows_connections=True,
        is_template=False,
        grants=_OPEN_BY_DEFAULT,
    )


def ensure_database(connection: Connection, database: Database | None, tenant: Tenant, instance: Instance) -> None:
    """Give the database to the owner and close it to everybody else.

    Raises:
        JobError: there is no such database.
    """
    if database is None:
        raise JobError(f"{tenant.id}: no database {tenant.database} on {instance.key}; run the program's `up` first")
    changes: list[Change] = []
    if database.owner != tenant.owner_role:
        changes.append(
            lambda: run(
                connection,
                "ALTER DATABASE {database} OWNER TO {owner}",
                database=tenant.database,
                owner=tenant.owner_role,
            )
        )
    if database.limit != database_limit(tenant):
        changes.append(
            lambda: run(
                connection,
                "ALTER DATABASE {database} CONNECTION LIMIT {literal}",
                database=tenant.database,
                literal=database_limit(tenant),
            )
        )
    if database.is_template:
        # whoever may create databases could copy it, and nobody could drop it
        changes.append(lambda: run(connection, "ALTER DATABASE {database} IS_TEMPLATE false", database=tenant.database))
    if not database.allows_connections:
        changes.append(
            lambda: run(connection, "ALTER DATABASE {database} ALLOW_CONNECTIONS true", database=tenant.database)
        )
    wanted = may_connect(tenant, instance)
    if database.owner != tenant.owner_role or not _granted_exactly(database, wanted, instance):
        changes.append(
            lambda: _grant_exactly(
                connection,
                tenant.database,
                database.grants,
                owner=tenant.owner_role,
                wanted=wanted,
                instance=instance,
            )
        )
    _insist_on(connection, tenant, changes)


def ensure_limits(connection: Connection, cluster: Cluster, tenant: Tenant, *, idle_in_transaction_ms: int) -> None:
    """Set the defaults of the logins' sessions in their database (an application may shorten or lengthen its own)."""
    changes = [
        _set_in_database(connection, login, tenant.database, name, value)
        for login in tenant.logins
        for name, value in session_limits(tenant, idle_in_transaction_ms=idle_in_transaction_ms).items()
        if f"{name}={value}" not in cluster.settings_of(login, tenant.database)
    ]
    _insist_on(connection, tenant, changes)


def session_limits(tenant: Tenant, *, idle_in_transaction_ms: int) -> dict[str, str]:
    return {
        "statement_timeout": str(tenant.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(idle_in_transaction_ms),
    }


def reset_elsewhere(connection: Connection, cluster: Cluster, tenant: Tenant) -> None:
    """Take back what the tenant's logins have set for themselves in databases that are not theirs."""
    places = {
        (role, database)
        for role, database, _ in cluster.settings_touching([tenant.owner_role, *tenant.every_login])
        if role is not None and database in cluster.databases and database != tenant.database
    }
    _insist_on(connection, tenant, [_reset(connection, role, str(database)) for role, database in sorted(places)])


def _reset(connection: Connection, role: str, database: str) -> Change:
    return lambda: run(connection, "ALTER ROLE {role} IN DATABASE {database} RESET ALL", role=role, database=database)


def _set_in_database(connection: Connection, login: str, database: str, name: str, value: str) -> Change:
    return lambda: run(
        connection,
        "ALTER ROLE {login} IN DATABASE {database} SET {name} = {literal}",
        login=login,
        database=database,
        name=name,
        literal=value,
    )


def ensure_ownership(connection: Connection, tenant: Tenant, instance: Instance) -> int:
    """In the tenant's database: give every object to the owner and close `public`; return the number of objects moved.

    After an import everything belongs to the user that imported it. REASSIGN OWNED is no help: it would also hand over
    that user's other databases. A change of owner evaluates nothing that the tenant wrote.

    Raises:
        JobError: an object belongs to a role whose objects the administrative role may not take.
    """
    _ensure_public(connection, tenant)
    moved = 0
    # Schemas first, because an owner must be allowed to create there what it is given; then tables, because they
    # take the sequences of their own columns along, which cannot be moved alone; then everything else.
    for stage in range(3):
        found = [
            item
            for item in foreign_objects(connection, tenant.owner_role)
            if {"schema": 0, "table": 1}.get(item[0], 2) == stage
        ]
        for start in range(0, len(found), _BATCH):
            with connection.transaction():
                for item in found[start : start + _BATCH]:
                    _give(connection, item, tenant, instance)
                    moved += 1
    return moved


def _ensure_public(connection: Connection, tenant: Tenant) -> None:
    """Give `public` to the owner and take it from PUBLIC, whoever granted it.

    It is part of no extension and of no dump, and before PostgreSQL 15 every role may create objects in it.
    """
    for holder, grants in public_schema(connection):
        with connection.transaction():
            if holder != tenant.owner_role:
                run(connection, "ALTER SCHEMA public OWNER TO {owner}", owner=tenant.owner_role)
            by = {grantor for grantee, grantor in grants if grantee == PUBLIC}
            if by:
                run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC CASCADE")
            for grantor in sorted(by - {holder, tenant.owner_role}):
                run(connection, "REVOKE ALL ON SCHEMA public FROM {grantor} CASCADE", grantor=grantor)


def public_schema(connection: Connection) -> list[tuple[str, list[tuple[str, str]]]]:
    """Owner of `public`, and who has something on it by whom; nothing when there is no such schema."""
    found = rows(
        connection,
        """
        SELECT pg_catalog.pg_get_userbyid(nspowner),
               CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(acl.grantee) END,
               pg_catalog.pg_get_userbyid(acl.grantor)
        FROM pg_catalog.pg_namespace
             LEFT JOIN LATERAL pg_catalog.aclexplode(coalesce(nspacl, pg_catalog.acldefault('n', nspowner))) acl ON true
        WHERE nspname = 'public'
        """,
    )
    grants = [(grantee, grantor) for _, grantee, grantor in found if grantor is not None]
    return [(found[0][0], grants)] if found else []


def foreign_objects(connection: Connection, owner: str) -> list[tuple[str, str, str]]:
    """Kind, quoted identity and owner of this database's objects that do not belong to `owner`, extensions' apart."""
    found = rows(
        connection,
        """
        SELECT object.type, object.identity, pg_catalog.pg_get_userbyid(d.refobjid)
        FROM pg_catalog.pg_shdepend d, pg_catalog.pg_identify_object(d.classid, d.objid, 0) object
        WHERE d.deptype = 'o' AND d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
          AND d.refobjid <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %(owner)s)
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                          WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
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


def check_platform_users(cluster: Cluster, instance: Instance) -> None:
    """See that the API's users are there.

    Raises:
        JobError: one is not.
    """
    users = [*(user for user in instance.platform_users if user not in instance.made_logins), instance.admin_user]
    if missing := [user for user in users if user not in cluster.roles]:
        raise JobError(f"{instance.key}: no IAM user {', '.join(missing)}; run the program's `up` first")


def _membership_changes(connection: Connection, cluster: Cluster, tenant: Tenant, instance: Instance) -> list[Change]:
    """Let the tenant's logins become the owner, give the administrative role its rights, end all else."""
    options = has_grant_options(connection)
    changes: list[Change] = []
    right: set[tuple[str, str]] = set()
    ours = [tenant.owner_role, *tenant.every_login]
    for membership in _touching(cluster, ours):
        if membership.member == instance.admin_role and membership.role in ours:
            if membership.inherit:
                right.add((membership.role, membership.member))
        elif declared(membership, tenant) and (
            not options or (membership.grantor == instance.admin_role and membership.may_set and not membership.inherit)
        ):
            right.add((membership.role, membership.member))
        else:
            changes.append(_taking_back(connection, membership))
    # Only SET: a session that did not ask for the owner's rights does not have them.
    changes += [
        _giving(connection, tenant.owner_role, login, _MAY_ASK)
        for login in tenant.every_login
        if (tenant.owner_role, login) not in right
    ]
    for role in ours:
        # The administrative role gives objects to the owner, and ends sessions of the logins without asking anybody.
        if (role, instance.admin_role) not in right:
            statement = _RULES_OWNER if role == tenant.owner_role else _RULES_LOGIN
            changes.append(_giving(connection, role, instance.admin_role, statement))
    return changes


def declared(membership: Membership, tenant: Tenant) -> bool:
    """Whether it is one of the grants that the tenant's own logins have."""
    return membership.role == tenant.owner_role and membership.member in tenant.every_login and not membership.admin


def _touching(cluster: Cluster, ours: list[str]) -> list[Membership]:
    found = {
        membership: None
        for role in ours
        for membership in (*cluster.by_role.get(role, ()), *cluster.by_member.get(role, ()))
    }
    return list(found)


def _giving(connection: Connection, role: str, member: str, statement: LiteralString) -> Change:
    """Grant with options where the server has them; without, membership always lets the member act as the role."""
    text = statement if has_grant_options(connection) else "GRANT {role} TO {member}"
    return lambda: run(connection, text, role=role, member=member)


def _taking_back(connection: Connection, membership: Membership) -> Change:
    return lambda: _revoke(connection, membership)


def _revoke(connection: Connection, membership: Membership) -> None:
    """Take a membership back, and whatever was granted by it; one that may not be is left, and named by the facts."""
    try:
        with connection.transaction():
            if has_grant_options(connection):
                run(
                    connection,
                    "REVOKE {role} FROM {member} GRANTED BY {grantor} CASCADE",
                    role=membership.role,
                    member=membership.member,
                    grantor=membership.grantor,
                )
            else:
                run(connection, "REVOKE {role} FROM {member} CASCADE", role=membership.role, member=membership.member)
    except (errors.InsufficientPrivilege, errors.UndefinedObject):
        return


def _granted_exactly(database: Database, wanted: list[str], instance: Instance) -> bool:
    """Whether just these may connect, by the owner's own grants, and nobody may pass it on."""
    connects = set()
    for grant in database.grants:
        if grant.grantee == database.owner:
            connects.add(database.owner)
        elif grant.grantee in instance.SYSTEM_ROLES - set(wanted):
            continue
        elif (grant.privilege, grant.grantor, grant.grantable) != ("CONNECT", database.owner, False):
            return False
        else:
            connects.add(grant.grantee)
    return connects | {database.owner} == {*wanted, database.owner}


def _grant_exactly(
    connection: Connection,
    name: str,
    grants: Sequence[Grant],
    *,
    owner: str | None,
    wanted: list[str],
    instance: Instance,
) -> None:
    """Let just these connect.

    Whoever could pass a grant on had it from the owner: taking it back with all that follows from it (CASCADE) leaves
    no grant by anybody.
    """
    kept = {PUBLIC, owner, *(instance.SYSTEM_ROLES - set(wanted))}
    for grantee in [PUBLIC, *sorted({grant.grantee for grant in grants} - kept)]:
        _take_all(connection, name, grantee)
    for grantee in wanted:
        run(connection, "GRANT CONNECT ON DATABASE {database} TO {grantee}", database=name, grantee=grantee)
