"""What has to be true for a tenant to be isolated: read from the catalog, then proved with the login itself."""

from dataclasses import dataclass
from typing import Final, Literal

import psycopg

from jobs.sql.errors import IsolationError, JobError, RejectedError
from jobs.sql.isolation import database_limit, foreign_objects, may_connect, memberships
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, message_of, rows
from jobs.sql.registry import Instance, Tenant

INSUFFICIENT_PRIVILEGE: Final = "42501"
_COMMON_DATABASES: Final = [MAINTENANCE_DATABASE, "template1"]


def violations(connection: Connection, tenant: Tenant, instance: Instance) -> list[str]:
    """Return every isolation fact that is false, read in the tenant's own database; empty when all hold."""
    return [
        *_role_violations(connection, tenant),
        *_membership_violations(connection, tenant, instance),
        *_connect_violations(connection, tenant, instance),
        *_content_violations(connection, tenant),
    ]


def _role_violations(connection: Connection, tenant: Tenant) -> list[str]:
    found = {
        row[0]: row[1:]
        for row in rows(
            connection,
            """
            SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
                   rolconnlimit,
                   coalesce('role=' || %(owner)s = ANY
                     (SELECT unnest(setconfig) FROM pg_db_role_setting
                      WHERE setrole = r.oid AND setdatabase = 0), false),
                   coalesce('statement_timeout=' || %(timeout)s = ANY
                     (SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                      WHERE setrole = r.oid AND datname = current_database()), false)
            FROM pg_roles r WHERE rolname = ANY (%(names)s)
            """,
            owner=tenant.owner_role,
            timeout=str(tenant.statement_timeout_ms),
            names=[tenant.owner_role, *tenant.logins],
        )
    }
    wrong = [f"role {name} is missing" for name in (tenant.owner_role, *tenant.logins) if name not in found]
    for name, (can_login, powerful, limit, becomes_owner, timed) in sorted(found.items()):
        if powerful:
            wrong.append(f"role {name} has attributes beyond an ordinary role's")
        if name == tenant.owner_role:
            if can_login:
                wrong.append(f"owner {name} can log in")
            continue
        if can_login and name not in tenant.enabled_logins:
            wrong.append(f"{name} can log in, but must not while the tenant is {tenant.state}")
        if limit != tenant.connection_limit:
            wrong.append(f"{name} has connection limit {limit} instead of {tenant.connection_limit}")
        if not becomes_owner:
            wrong.append(f"{name} does not start as {tenant.owner_role}")
        if not timed:
            wrong.append(f"{name} has no statement time-out of {tenant.statement_timeout_ms} ms")
    return wrong


def _membership_violations(connection: Connection, tenant: Tenant, instance: Instance) -> list[str]:
    members = {*tenant.logins, *instance.platform_users, instance.admin_role}
    grants = memberships(connection, tenant)
    wrong = [
        f"{member} is a member of {role}"
        for role, member, _, admin, _, _ in grants
        if not (member == instance.admin_role and role in (tenant.owner_role, *tenant.logins))
        and not (role == tenant.owner_role and member in members and not admin)
    ]
    # The closure as well: rights also come through roles between. `pg_database_owner` is the owner's by definition.
    for login in tenant.logins:
        beyond = rows(
            connection,
            """
            SELECT r.rolname FROM pg_roles r, pg_roles l
            WHERE l.rolname = %(login)s AND r.rolname <> ALL (%(own)s) AND pg_has_role(l.oid, r.oid, 'MEMBER')
            ORDER BY 1
            """,
            login=login,
            own=[login, tenant.owner_role, "pg_database_owner"],
        )
        wrong += [f"{login} can act as {name}" for (name,) in beyond]
    return wrong


def _connect_violations(connection: Connection, tenant: Tenant, instance: Instance) -> list[str]:
    found = rows(
        connection,
        "SELECT pg_get_userbyid(datdba), datconnlimit FROM pg_database WHERE datname = %(name)s",
        name=tenant.database,
    )
    if not found:
        return [f"database {tenant.database} is missing"]
    owner, limit = found[0]
    wrong = []
    if owner != tenant.owner_role:
        wrong.append(f"database {tenant.database} belongs to {owner}")
    if limit != database_limit(tenant):
        wrong.append(f"database {tenant.database} has connection limit {limit} instead of {database_limit(tenant)}")
    intruders = rows(
        connection,
        """
        SELECT rolname FROM pg_roles
        WHERE rolcanlogin AND NOT rolsuper AND rolname <> ALL (%(allowed)s)
          AND NOT starts_with(rolname, %(system)s)
          AND has_database_privilege(oid, %(database)s, 'CONNECT') AND NOT pg_has_role(oid, %(admin)s, 'MEMBER')
        ORDER BY 1
        """,
        allowed=may_connect(tenant, instance),
        database=tenant.database,
        admin=instance.admin_role,
        system=instance.SYSTEM_PREFIX,
    )
    wrong += [f"{name} can connect to {tenant.database}" for (name,) in intruders]
    for login in tenant.logins:
        reachable = rows(
            connection,
            """
            SELECT d.datname FROM pg_database d, pg_roles l
            WHERE l.rolname = %(login)s AND d.datname = ANY (%(common)s)
              AND has_database_privilege(l.oid, d.oid, 'CONNECT')
            ORDER BY 1
            """,
            login=login,
            common=_COMMON_DATABASES,
        )
        wrong += [f"{login} can connect to {name}" for (name,) in reachable]
    return wrong


def _content_violations(connection: Connection, tenant: Tenant) -> list[str]:
    wrong = [
        f"{kind} {identity} belongs to {holder}"
        for kind, identity, holder in foreign_objects(connection, tenant.owner_role)
    ]
    public = rows(
        connection,
        """
        SELECT pg_get_userbyid(nspowner),
               EXISTS (SELECT FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE grantee = 0)
        FROM pg_namespace WHERE nspname = 'public'
        """,
    )
    for owner, open_to_all in public:
        if owner != tenant.owner_role:
            wrong.append(f"schema public belongs to {owner}")
        if open_to_all:
            wrong.append("schema public is open to PUBLIC")
    return wrong


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login with its password, as an application will use it."""

    server: Server
    name: str
    password: str

    def password_works(self, database: str) -> Literal["yes", "no", "busy"]:
        """Whether the password opens the database; `busy` when it is right but every connection is taken.

        Raises:
            RejectedError: the server refused for another reason than the password.
        """
        try:
            self.server.connect(user=self.name, password=self.password, database=database).close()
        except RejectedError as error:
            if error.reason == "password":
                return "no"
            if error.reason == "limit":
                return "busy"
            raise
        return "yes"

    def prove(self, tenant: Tenant, *, foreign: Tenant | None, admin_role: str) -> None:
        """Prove as the login: it works as the owner in its own database, and gets nowhere else.

        Args:
            tenant: whose login this is.
            foreign: another tenant of the instance whose database and roles have to be out of reach.
            admin_role: the instance's administrative role, out of reach as well.

        Raises:
            IsolationError: it could do what it must not.
            JobError: it could not do what it must.
        """
        with self.server.connect(user=self.name, password=self.password, database=tenant.database) as own:
            current, session = rows(own, "SELECT current_user, session_user")[0]
            if (current, session) != (tenant.owner_role, self.name):
                raise JobError(f"{self.name} works as {current} instead of {tenant.owner_role}")
            for role in (admin_role, *([foreign.owner_role] if foreign else [])):
                self._refused_role(own, role)
        for database in (MAINTENANCE_DATABASE, *([foreign.database] if foreign else [])):
            self._refused_database(database)

    def _refused_role(self, own: Connection, role: str) -> None:
        try:
            rows(own, "SELECT set_config('role', %(role)s, false)", role=role)
        except psycopg.Error as error:
            if error.sqlstate != INSUFFICIENT_PRIVILEGE:
                raise JobError(f"{self.name} as {role}: expected a refusal, got {message_of(error)}") from None
        else:
            raise IsolationError(f"{self.name} can SET ROLE to {role}")

    def _refused_database(self, database: str) -> None:
        try:
            self.server.connect(user=self.name, password=self.password, database=database).close()
        except RejectedError as error:
            if error.reason not in ("no-connect", "no-entry"):
                raise JobError(f"{self.name} on {database}: expected a refusal of CONNECT, got {error}") from None
        else:
            raise IsolationError(f"{self.name} can connect to {database}")
