"""What has to be true for a tenant to be isolated: read from the catalog, then proved with the login itself.

The facts are about the door that stands open, not about who could walk through it: a tenant that opens its own database
loses its own proof, and nobody else's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import psycopg
from psycopg import sql

from jobs.sql.cluster import PUBLIC, Cluster, Role
from jobs.sql.errors import ConnectError, IsolationError, JobError, RejectedError
from jobs.sql.isolation import (
    COMMON_DATABASES,
    admins,
    database_limit,
    declared,
    foreign_objects,
    login_limits,
    may_connect,
    public_schema,
    session_limits,
)
from jobs.sql.postgres import MAINTENANCE_DATABASE, Connection, Server, message_of
from jobs.sql.registry import ROLE_NAME, Instance, Tenant

INSUFFICIENT_PRIVILEGE: Final = "42501"
_REACHES_ALL: Final = ("SUPERUSER", "CREATEROLE")


def undeclared(cluster: Cluster, instance: Instance, tenants: Iterable[Tenant]) -> tuple[list[str], list[str]]:
    """What nobody declared on the server as a whole.

    Returns what reaches every tenant (a role with attributes, or with the rights of the administrator or of
    PostgreSQL's own powerful roles), and what is merely there.
    """
    wrong: list[str] = []
    harmless: list[str] = []
    ours = {name for tenant in tenants for name in (tenant.owner_role, *tenant.every_login)}
    for role in cluster.roles.values():
        if _is_declared(role, instance):
            continue
        # an attribute of a declared tenant's role is that tenant's fact, unless it lets it make others' roles its own
        powers = [power for power in role.powers if role.name not in ours or power in _REACHES_ALL]
        reasons = [*powers, *_reach(cluster, role.name, instance)]
        if reasons:
            wrong.append(f"role {role.name}, which nobody declared, has {', '.join(reasons)}")
        elif ROLE_NAME.fullmatch(role.name) is None:
            harmless.append(f"role {role.name} is nobody's that was declared")
    for user in (*instance.platform_users, *instance.made_logins):
        wrong += [
            f"{user} is a member of {membership.role}"
            for membership in cluster.by_member.get(user, ())
            if membership.role not in instance.IDENTITY_GROUPS
        ]
        wrong += [f"role {user} has {power}" for power in cluster.roles[user].powers] if user in cluster.roles else []
        wrong += [f"role {user} sets {setting}" for _, _, setting in cluster.settings_touching([user])]
    for name in COMMON_DATABASES:
        database = cluster.databases.get(name)
        if database is not None and database.open_to_public():
            wrong.append(f"database {name} is open to PUBLIC")
    return sorted(set(wrong)), harmless


def _is_declared(role: Role, instance: Instance) -> bool:
    return (
        role.bootstrap
        or role.name.startswith("pg_")  # PostgreSQL lets nobody choose such a name
        or role.name in instance.SYSTEM_ROLES
        or role.name in (*admins(instance), *instance.platform_users, *instance.made_logins, *instance.database_roles)
    )


def _reach(cluster: Cluster, name: str, instance: Instance) -> list[str]:
    """Powerful roles whose rights a role has, also through roles between.

    A tenant's own roles do not count here: those are its facts, and name the tenant that is open.
    """
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for membership in cluster.by_member.get(waiting.pop(), ()):
            if membership.role not in seen:
                seen.add(membership.role)
                waiting.append(membership.role)
    return [
        f"the rights of {role}"
        for role in sorted(seen - instance.IDENTITY_GROUPS)
        if role.startswith("pg_") or role in instance.SYSTEM_ROLES or role in admins(instance)
    ]


def violations(
    cluster: Cluster, tenant: Tenant, instance: Instance, *, idle_in_transaction_ms: int | None
) -> list[str]:
    """Return every isolation fact of one tenant on the server that is false; empty when all hold.

    Args:
        cluster: read in the maintenance database, so that no setting of the tenant's can keep these facts back.
        tenant: whose facts.
        instance: where it lives.
        idle_in_transaction_ms: the limit that its logins have; None where it is not known (a restored copy).
    """
    return [
        *_connect_violations(cluster, tenant, instance),
        *_membership_violations(cluster, tenant, instance),
        *_role_violations(cluster, tenant),
        *_setting_violations(cluster, tenant, idle_in_transaction_ms),
    ]


def open_doors(cluster: Cluster, tenant: Tenant, instance: Instance) -> list[str]:
    """Return the facts that let somebody in: what is merely not there yet is left out."""
    if tenant.database not in cluster.databases:
        return []
    return [
        *_connect_violations(cluster, tenant, instance),
        *_membership_violations(cluster, tenant, instance),
        *(
            f"{login} can log in, but must not while the tenant is {tenant.state}"
            for login in tenant.off_logins
            if login in cluster.roles and cluster.roles[login].can_login
        ),
    ]


def _role_violations(cluster: Cluster, tenant: Tenant) -> list[str]:
    wrong = []
    limits = login_limits(tenant)
    for name in (tenant.owner_role, *tenant.every_login):
        role = cluster.roles.get(name)
        if role is None:
            wrong.append(f"role {name} is missing")
            continue
        if role.powers:
            wrong.append(f"role {name} has attributes beyond an ordinary role's")
        if name == tenant.owner_role:
            if role.can_login:
                wrong.append(f"owner {name} can log in")
            continue
        if role.can_login and name in tenant.off_logins:
            wrong.append(f"{name} can log in, but must not while the tenant is {tenant.state}")
        if role.inherits:
            wrong.append(f"{name} inherits rights that it has not asked for")
        if role.limit != limits[name]:
            wrong.append(f"{name} has connection limit {role.limit} instead of {limits[name]}")
    return wrong


def _setting_violations(cluster: Cluster, tenant: Tenant, idle_in_transaction_ms: int | None) -> list[str]:
    """Settings that take effect for whoever enters or logs in, beside those that the job makes."""
    becomes = f"role={tenant.owner_role}"
    wrong = [
        f"{login} does not start as {tenant.owner_role}"
        for login in tenant.every_login
        if login in cluster.roles and becomes not in cluster.settings_of(login, None)
    ]
    wrong += [
        f"{login} has no statement time-out of {tenant.statement_timeout_ms} ms"
        for login in tenant.logins
        if login in cluster.roles
        and f"statement_timeout={tenant.statement_timeout_ms}" not in cluster.settings_of(login, tenant.database)
    ]
    limits = session_limits(tenant, idle_in_transaction_ms=idle_in_transaction_ms or 0)
    roles = [tenant.owner_role, *tenant.every_login]
    for role, database, setting in cluster.settings_touching(roles, tenant.database):
        if role is not None and role not in roles and ROLE_NAME.fullmatch(role):
            continue  # a setting of another tenant's login is that one's fact, and has no effect on this one
        name, _, value = setting.partition("=")
        if role in tenant.every_login and database is None and setting == becomes:
            continue
        limited = role in tenant.logins and database == tenant.database and name in limits
        if limited and (idle_in_transaction_ms is None or value == limits[name]):
            continue
        places = [f"role {role}" if role else "", f"database {database}" if database else ""]
        where = " in ".join(place for place in places if place)
        wrong.append(f"{where} sets {setting}, which nobody declared")
    return wrong


def _membership_violations(cluster: Cluster, tenant: Tenant, instance: Instance) -> list[str]:
    """Who has this tenant's rights, and what else its roles have: a foreign tenant's role is that tenant's fact."""
    ours = [tenant.owner_role, *tenant.every_login]
    wrong = [
        f"{membership.member} is a member of {membership.role}"
        for role in ours
        for membership in cluster.by_role.get(role, ())
        if membership.member != instance.admin_role and not declared(membership, tenant)
    ]
    wrong += [
        f"{membership.member} is a member of {membership.role}"
        for member in ours
        for membership in cluster.by_member.get(member, ())
        if ROLE_NAME.fullmatch(membership.role) is None
    ]
    return wrong


def _connect_violations(cluster: Cluster, tenant: Tenant, instance: Instance) -> list[str]:
    database = cluster.databases.get(tenant.database)
    if database is None:
        return [f"database {tenant.database} is missing"]
    wrong = []
    if database.owner != tenant.owner_role:
        wrong.append(f"database {tenant.database} belongs to {database.owner}")
    if database.limit != database_limit(tenant):
        wrong.append(
            f"database {tenant.database} has connection limit {database.limit} instead of {database_limit(tenant)}"
        )
    if database.is_template:
        wrong.append(f"database {tenant.database} is a template, which others may copy")
    allowed = {*may_connect(tenant, instance), *instance.SYSTEM_ROLES}
    for grant in database.grants:
        if grant.grantee == PUBLIC:
            wrong.append(f"{tenant.database} is open to PUBLIC ({grant.privilege} by {grant.grantor})")
        elif grant.grantee not in allowed:
            verb = "can connect to" if grant.privilege == "CONNECT" else f"has {grant.privilege} on"
            wrong.append(f"{grant.grantee} {verb} {tenant.database}")
        elif grant.grantable and grant.grantee != tenant.owner_role:
            wrong.append(f"{grant.grantee} can pass on {grant.privilege} on {tenant.database}")
    for name in COMMON_DATABASES:
        common = cluster.databases.get(name)
        wrong += [
            f"{grant.grantee} can connect to {name}"
            for grant in (common.grants if common is not None else ())
            if grant.grantee in (tenant.owner_role, *tenant.every_login)
        ]
    return sorted(set(wrong))


def content_violations(connection: Connection, tenant: Tenant) -> list[str]:
    """Return what is wrong inside the tenant's database, in the administrator's session there."""
    wrong = [
        f"{kind} {identity} belongs to {holder}"
        for kind, identity, holder in foreign_objects(connection, tenant.owner_role)
    ]
    for owner, grants in public_schema(connection):
        if owner != tenant.owner_role:
            wrong.append(f"schema public belongs to {owner}")
        if any(grantee == PUBLIC for grantee, _ in grants):
            wrong.append("schema public is open to PUBLIC")
    return wrong


class OpenDoorError(IsolationError):
    """A login got to a neighbour: that one is open, and not the one whose login it is."""


class UnreachableError(JobError):
    """A neighbour's database neither let a login in nor refused it."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A login with its password, as an application will use it."""

    server: Server
    name: str
    password: str

    def enter(self, tenant: Tenant, *, admin_role: str, neighbour: Tenant | None) -> Literal["yes", "no", "busy"]:
        """Log in to its own database and prove that it works as the owner and can become nobody else.

        Nothing is asked of a function: SET ROLE is a statement of the server's own, which no tenant can replace.

        Args:
            tenant: whose login this is.
            admin_role: the instance's administrative role, out of reach.
            neighbour: another tenant of the instance, out of reach as well.

        Returns whether the password is right; `busy` when it is but every connection is taken.

        Raises:
            IsolationError: it could do what it must not.
            JobError: it could not do what it must.
        """
        try:
            session = self.server.connect(
                user=self.name, password=self.password, database=tenant.database, default_role=True
            )
        except RejectedError as error:
            if error.reason == "password":
                return "no"
            if error.reason in ("limit", "full"):
                return "busy"
            raise
        with session as own:
            found = own.execute("SELECT current_user, session_user").fetchone()
            if found != (tenant.owner_role, self.name):
                raise JobError(f"{self.name} works as {found and found[0]} instead of {tenant.owner_role}")
            if self._may_become(own, admin_role):
                raise IsolationError(f"{self.name} can SET ROLE to {admin_role}")
            if neighbour is not None and self._may_become(own, neighbour.owner_role):
                raise OpenDoorError(f"{self.name} can SET ROLE to {neighbour.owner_role}")
        return "yes"

    def prove_shut(self, *, neighbour: Tenant | None) -> None:
        """Prove that the maintenance database and a neighbour's refuse it.

        Raises:
            IsolationError: the maintenance database let it in.
            OpenDoorError: the neighbour's did.
            UnreachableError: the neighbour's did not answer.
            JobError: it was refused for another reason, which proves nothing.
        """
        if not self._refused(MAINTENANCE_DATABASE):
            raise IsolationError(f"{self.name} can connect to {MAINTENANCE_DATABASE}")
        if neighbour is None:
            return
        try:
            refused = self._refused(neighbour.database)
        except ConnectError as error:
            raise UnreachableError(str(error)) from None
        if not refused:
            raise OpenDoorError(f"{self.name} can connect to {neighbour.database}")

    def _may_become(self, own: Connection, role: str) -> bool:
        try:
            own.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        except psycopg.Error as error:
            if error.sqlstate != INSUFFICIENT_PRIVILEGE:
                raise JobError(f"{self.name} as {role}: expected a refusal, got {message_of(error)}") from None
            return False
        return True

    def _refused(self, database: str) -> bool:
        try:
            self.server.connect(user=self.name, password=self.password, database=database).close()
        except RejectedError as error:
            if error.reason == "full":
                return False
            if error.reason == "limit":
                return True  # its application holds every connection, so this was not tried; the facts hold
            if error.reason not in ("no-connect", "no-entry"):
                raise JobError(f"{self.name} on {database}: expected a refusal of CONNECT, got {error}") from None
            return True
        return False
