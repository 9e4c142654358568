"""What a server knows of all its databases at once, read in the maintenance database, where no tenant has a say.

Roles, memberships, databases and settings are shared by all databases of a server ("cluster" is PostgreSQL's word for
that). Four queries serve any number of tenants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from jobs.sql.postgres import Connection, has_grant_options, rows

PUBLIC: Final = "PUBLIC"
BOOTSTRAP_OID: Final = 10
"""The superuser that initdb makes has this number on every server (pg_authid.dat); the provider's own, in the cloud."""
SettingKey = tuple[str | None, str | None]
"""Role and database of a setting; None: every one."""
_POWERS: Final = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role; `powers` are its attributes beyond an ordinary role's."""

    name: str
    bootstrap: bool
    can_login: bool
    inherits: bool
    limit: int
    powers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A grant of `role` to `member`, with the options ADMIN, INHERIT and SET."""

    role: str
    member: str
    grantor: str
    admin: bool
    inherit: bool
    may_set: bool


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """A privilege on a database; `grantee` may be PUBLIC."""

    grantee: str
    privilege: str
    grantor: str
    grantable: bool


@dataclass(frozen=True, kw_only=True)
class Database:
    name: str
    owner: str
    limit: int
    allows_connections: bool
    is_template: bool
    grants: tuple[Grant, ...]

    def open_to_public(self) -> bool:
        return any(grant.grantee == PUBLIC for grant in self.grants)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One look at a server.

    Attributes:
        roles, databases: by name.
        by_role, by_member: memberships, by the role that was granted and by the one that got it.
        settings: `name=value` texts by role and database, each None where the setting is for all.
    """

    roles: Mapping[str, Role]
    databases: Mapping[str, Database]
    by_role: Mapping[str, tuple[Membership, ...]]
    by_member: Mapping[str, tuple[Membership, ...]]
    settings: Mapping[SettingKey, tuple[str, ...]]

    @cached_property
    def _settings_by(self) -> tuple[dict[str, list[SettingKey]], dict[str, list[SettingKey]]]:
        by_role: dict[str, list[SettingKey]] = {}
        by_database: dict[str, list[SettingKey]] = {}
        for role, database in self.settings:
            if role is not None:
                by_role.setdefault(role, []).append((role, database))
            if database is not None:
                by_database.setdefault(database, []).append((role, database))
        return by_role, by_database

    def settings_touching(
        self, roles: Iterable[str], database: str | None = None
    ) -> list[tuple[str | None, str | None, str]]:
        """Role, database and text of every setting of one of the roles, or in the database."""
        by_role, by_database = self._settings_by
        keys = dict.fromkeys(key for role in roles for key in by_role.get(role, ()))
        keys |= dict.fromkeys(by_database.get(database, ()) if database is not None else ())
        return [(*key, setting) for key in keys for setting in self.settings[key]]

    def settings_of(self, role: str | None, database: str | None) -> tuple[str, ...]:
        return self.settings.get((role, database), ())


def read(connection: Connection) -> Cluster:
    """Read everything; linear in the number of tenants."""
    names: dict[int, str] = {}
    roles: dict[str, Role] = {}
    for oid, name, can_login, inherits, limit, *powers in rows(
        connection,
        """
        SELECT oid, rolname, rolcanlogin, rolinherit, rolconnlimit,
               rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
        FROM pg_catalog.pg_roles ORDER BY rolname
        """,
    ):
        names[oid] = name
        roles[name] = Role(
            name=name,
            bootstrap=oid == BOOTSTRAP_OID,
            can_login=can_login,
            inherits=inherits,
            limit=limit,
            powers=tuple(power for power, has in zip(_POWERS, powers, strict=True) if has),
        )
    by_role: dict[str, list[Membership]] = {}
    by_member: dict[str, list[Membership]] = {}
    for membership in _memberships(connection, names, roles):
        by_role.setdefault(membership.role, []).append(membership)
        by_member.setdefault(membership.member, []).append(membership)
    databases, database_names = _databases(connection, names)
    settings: dict[SettingKey, list[str]] = {}
    # A tenant writes these: what is compared is short, and the beginning of a long one is enough to name it.
    for role, database, setting in rows(
        connection,
        """
        SELECT setrole, setdatabase, pg_catalog.left(pg_catalog.unnest(setconfig[1:50]), 200)
        FROM pg_catalog.pg_db_role_setting ORDER BY 1, 2, 3
        """,
    ):
        key = (_name(names, role) if role else None, _name(database_names, database) if database else None)
        settings.setdefault(key, []).append(setting)
    return Cluster(
        roles=roles,
        databases=databases,
        by_role={name: tuple(found) for name, found in by_role.items()},
        by_member={name: tuple(found) for name, found in by_member.items()},
        settings={key: tuple(found) for key, found in settings.items()},
    )


def _memberships(connection: Connection, names: Mapping[int, str], roles: Mapping[str, Role]) -> list[Membership]:
    if has_grant_options(connection):
        found = rows(
            connection,
            """
            SELECT roleid, member, grantor, admin_option, inherit_option, set_option
            FROM pg_catalog.pg_auth_members ORDER BY roleid, member, grantor
            """,
        )
        return [
            Membership(
                role=_name(names, role),
                member=_name(names, member),
                grantor=_name(names, grantor),
                admin=admin,
                inherit=inherit,
                may_set=may_set,
            )
            for role, member, grantor, admin, inherit, may_set in found
        ]
    found = rows(
        connection,
        "SELECT roleid, member, grantor, admin_option FROM pg_catalog.pg_auth_members ORDER BY roleid, member",
    )
    return [
        Membership(
            role=_name(names, role),
            member=(name := _name(names, member)),
            grantor=_name(names, grantor),
            admin=admin,
            # before PostgreSQL 16 whether rights come along is the member's own attribute
            inherit=name in roles and roles[name].inherits,
            may_set=True,
        )
        for role, member, grantor, admin in found
    ]


def _databases(connection: Connection, names: Mapping[int, str]) -> tuple[dict[str, Database], dict[int, str]]:
    grants: dict[int, list[Grant]] = {}
    for database, grantee, privilege, grantor, grantable in rows(
        connection,
        """
        SELECT d.oid, acl.grantee, acl.privilege_type, acl.grantor, acl.is_grantable
        FROM pg_catalog.pg_database d,
             pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) acl
        """,
    ):
        grants.setdefault(database, []).append(
            Grant(
                grantee=_name(names, grantee) if grantee else PUBLIC,
                privilege=privilege,
                grantor=_name(names, grantor),
                grantable=grantable,
            )
        )
    found: dict[str, Database] = {}
    database_names: dict[int, str] = {}
    for oid, name, owner, limit, allows, template in rows(
        connection,
        """
        SELECT oid, datname, datdba, datconnlimit, datallowconn, datistemplate
        FROM pg_catalog.pg_database ORDER BY datname
        """,
    ):
        database_names[oid] = name
        found[name] = Database(
            name=name,
            owner=_name(names, owner),
            limit=limit,
            allows_connections=allows,
            is_template=template,
            grants=tuple(sorted(grants.get(oid, ()))),
        )
    return found, database_names


def _name(names: Mapping[int, str], oid: int) -> str:
    """A role may have gone since; its number is then all that is left of it."""
    return names.get(oid, f"(number {oid})")
