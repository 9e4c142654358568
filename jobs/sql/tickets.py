"""One-time passwords for the logins that the platform's workloads have in a tenant's database.

A worker or a migration runs a tenant's code: a trigger, a policy, a default. That code may become whoever logged in
(`SET ROLE NONE`), so whoever logs in may belong to that one tenant only. Each tenant therefore has a login for each
workload (`tn_acme_worker`), a member of its owner role and of nothing else, which has no standing password. The
workload logs in with its cloud identity to the database `tenantry`, where no tenant has a say, and asks for a ticket.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from psycopg import sql

from jobs.sql.postgres import Connection, rows, run
from jobs.sql.registry import TENANT_ID, Instance

TICKETS_DATABASE: Final = "tenantry"
"""The platform's own database on every instance; its only schema has this name, too."""
LIFETIME_S: Final = 60
"""How long a ticket opens sessions; those that it has opened go on."""
_LIFETIME: Final = f"{LIFETIME_S} seconds"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A login of one tenant and its password, good for the sessions that are opened within a minute."""

    login: str
    password: str = field(repr=False)


def ticket(connection: Connection, tenant: str) -> Ticket:
    """Ask for a ticket, in a session of a platform's user in the database `tenantry`.

    The login's next ticket waits until that session ends: keep it until yours are open, and no longer.

    Raises:
        psycopg.Error: the tenant has no such login, or it is switched off (offboarding).
    """
    login, password = rows(connection, "SELECT login, password FROM tenantry.ticket(%(tenant)s)", tenant=tenant)[0]
    return Ticket(login=login, password=password)


def mint(connection: Connection, login: str) -> str:
    """Give a login a password for a minute, in a session of the administrator; returns the password.

    It reaches the server as a verifier that is computed here, because the server logs DDL.
    """
    password = secrets.token_urlsafe(32)
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    until: datetime = rows(
        connection, "SELECT pg_catalog.clock_timestamp() + %(lifetime)s::pg_catalog.interval", lifetime=_LIFETIME
    )[0][0]
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {} VALID UNTIL {}").format(
            sql.Identifier(login), sql.Literal(verifier), sql.Literal(until.isoformat())
        )
    )
    return password


def body(workloads: Mapping[str, str]) -> str:
    """The function's text for these users, each with its workload.

    The password is made and hashed by the server, so that a client in any language needs no more than a SELECT. No log
    has it: `log_statement` shows what a client sends, and pgaudit cuts what follows PASSWORD.
    """
    cases = " ".join(f"WHEN {_quoted(user)} THEN {_quoted(workload)}" for user, workload in sorted(workloads.items()))
    workload = f"CASE session_user::pg_catalog.text {cases} END" if cases else "NULL"
    return f"""
DECLARE
  workload CONSTANT text := {workload};
BEGIN
  IF workload IS NULL THEN
    RAISE EXCEPTION '% has no tickets', session_user USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF tenant IS NULL OR tenant !~ {_quoted(TENANT_ID)} THEN
    RAISE EXCEPTION 'no tenant id' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  login := 'tn_' || pg_catalog.replace(tenant, '-', '_') || '_' || workload;
  PERFORM pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended(login::pg_catalog.text, 0));
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = login AND rolcanlogin) THEN
    RAISE EXCEPTION 'no login % that is switched on', login USING ERRCODE = 'undefined_object';
  END IF;
  password := pg_catalog.replace(
    pg_catalog.gen_random_uuid()::pg_catalog.text || pg_catalog.gen_random_uuid()::pg_catalog.text, '-', '');
  EXECUTE pg_catalog.format('ALTER ROLE %I PASSWORD %L VALID UNTIL %L', login, password,
                            pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => {LIFETIME_S}));
END
"""


def install(connection: Connection, instance: Instance) -> None:
    """Make the function what it should be, in the administrator's session in the database `tenantry`."""
    users = instance.workloads
    wanted = body(users)
    found = rows(
        connection,
        """
        SELECT p.prosrc, p.prosecdef, pg_catalog.pg_get_userbyid(p.proowner) = current_user,
               array(SELECT coalesce(pg_catalog.pg_get_userbyid(nullif(acl.grantee, 0)), 'PUBLIC')
                     FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) acl
                     WHERE acl.grantee <> p.proowner)::pg_catalog.text[],
               array(SELECT pg_catalog.pg_get_userbyid(acl.grantee)
                     FROM pg_catalog.aclexplode(n.nspacl) acl
                     WHERE acl.grantee <> n.nspowner)::pg_catalog.text[]
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'tenantry' AND p.proname = 'ticket'
        """,
    )
    if [(source, definer, own, sorted(may), sorted(see)) for source, definer, own, may, see in found] == [
        (wanted, True, True, sorted(users), sorted(users))
    ]:
        return
    with connection.transaction():
        run(connection, "DROP SCHEMA IF EXISTS tenantry CASCADE")
        run(connection, "CREATE SCHEMA tenantry")
        connection.execute(
            sql.SQL(
                """
                CREATE FUNCTION tenantry.ticket(tenant text, OUT login name, OUT password text)
                LANGUAGE plpgsql VOLATILE SECURITY DEFINER
                SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, MDY' SET "TimeZone" = 'UTC'
                SET password_encryption = 'scram-sha-256'
                AS {}
                """
            ).format(sql.Literal(wanted))
        )
        run(connection, "REVOKE ALL ON FUNCTION tenantry.ticket(text) FROM PUBLIC")
        for user in sorted(users):
            run(connection, "GRANT USAGE ON SCHEMA tenantry TO {user}", user=user)
            run(connection, "GRANT EXECUTE ON FUNCTION tenantry.ticket(text) TO {user}", user=user)


def _quoted(text: str) -> str:
    """A literal; the texts are names that the registry has checked, without a backslash."""
    return "'" + text.replace("'", "''") + "'"
