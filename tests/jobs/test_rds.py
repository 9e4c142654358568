"""The SQL job on RDS, as far as a server that knows no IAM can show it: Secrets Manager and S3 answer on loopback."""

import json
from typing import Any

import psycopg
import pytest
from psycopg import sql

from jobs.sql.__main__ import main
from jobs.sql.tickets import ticket
from tests.jobs.amazon import BACKUP, INSTANCE, PLATFORM, Account, of
from tests.jobs.server import ADMIN_PASSWORD, MASTER
from tests.jobs.test_apply import one

pytestmark = pytest.mark.postgres


def apply(account: Account) -> tuple[int, list[dict[str, Any]]]:
    return account.run(main, ["apply"])


def applied(account: Account) -> list[dict[str, Any]]:
    code, lines = apply(account)
    assert code == 0, lines
    return lines


def test_a_tenant_is_made_isolated_and_published(account: Account) -> None:
    for tenant in ("acme", "umbrella-co"):
        account.declare(tenant)
    lines = applied(account)
    assert of(lines, "sql_job.database_made", "tenant") == [("acme",), ("umbrella-co",)]
    assert account.url("umbrella-co").endswith(f"@localhost:{account.server.port}/tn_umbrella_co?sslmode=verify-full")
    with psycopg.connect(account.url("umbrella-co"), sslrootcert=str(account.server.ca_file)) as session:
        assert session.execute("SELECT current_user, session_user, current_database()").fetchone() == (
            "tn_umbrella_co_owner",
            "tn_umbrella_co_a",
            "tn_umbrella_co",
        )
    status = account.get("status/acme.json")
    assert (status["isolated"], status["rotation"], status["error"]) == (True, 1, None)


def test_no_login_gets_to_another_tenant(account: Account) -> None:
    for tenant in ("acme", "beta"):
        account.declare(tenant)
    applied(account)
    for database in ("tn_beta", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
            account.server.session("tn_acme_a", account.password("acme", 1), database)
    with account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme") as session:
        for role in ("tn_beta_owner", MASTER, "rds_superuser", PLATFORM[0], BACKUP):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def test_platform_logins_are_made_for_iam_and_nothing_else(account: Account) -> None:
    account.declare("acme")
    applied(account)
    with account.server.bootstrap() as session:
        found = session.execute(
            """
            SELECT r.rolname, rolcanlogin, rolpassword IS NULL, rolsuper OR rolcreaterole OR rolcreatedb,
                   array_agg(pg_get_userbyid(roleid)::text ORDER BY pg_get_userbyid(roleid)::text)
                     FILTER (WHERE pg_get_userbyid(roleid) !~ '^tn_')
            FROM pg_authid r JOIN pg_auth_members m ON m.member = r.oid
            WHERE r.rolname = ANY (%s) GROUP BY 1, 2, 3, 4 ORDER BY 1
            """,
            ([*PLATFORM, BACKUP],),
        ).fetchall()
    assert found == [
        (BACKUP, True, True, False, ["rds_iam"]),
        ("tenantry_migrator", True, True, False, ["rds_iam"]),
        ("tenantry_worker", True, True, False, ["rds_iam"]),
    ]


def test_the_master_keeps_his_password(account: Account) -> None:
    # a member of a login that is in rds_iam, with whatever options, is asked for a token by RDS and not for a password
    account.declare("acme")
    applied(account)
    with account.server.bootstrap() as session:
        found = session.execute(
            """
            WITH RECURSIVE held AS (
                SELECT roleid FROM pg_auth_members WHERE member = %s::regrole AND roleid <> 'rds_superuser'::regrole
                UNION SELECT m.roleid FROM pg_auth_members m JOIN held h ON h.roleid = m.member
            )
            SELECT roleid::regrole::text FROM held ORDER BY 1
            """,
            (MASTER,),
        ).fetchall()
        assert one(session, "SELECT count(*) FROM pg_roles WHERE rolname = 'tenantry_maker'") == 0
    assert not {name for (name,) in found} & {"rds_iam", *PLATFORM, BACKUP}


def test_the_backup_login_of_one_tenant_reads_that_one_tenant(account: Account) -> None:
    for tenant in ("acme", "beta"):
        account.declare(tenant)
    applied(account)
    account.let_backup_in()
    with account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme") as session:
        session.execute("CREATE SCHEMA ledger")
        session.execute("CREATE TABLE ledger.entries AS SELECT 1 AS n")
    with account.server.session(BACKUP, "backup-token-8Vw2Lk", "tenantry") as door:
        asked = ticket(door, "acme")
        session = account.server.session(asked.login, asked.password, "tn_acme")
    with session:
        assert one(session, "SELECT n FROM ledger.entries") == 1
        assert one(session, "SELECT session_user") == "tn_acme_backup"
        for role in ("tn_beta_owner", BACKUP, MASTER, "pg_read_all_data"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    for database in ("postgres", "tn_acme", "tn_beta"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            account.server.session(BACKUP, "backup-token-8Vw2Lk", database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        account.server.session(asked.login, asked.password, "tn_beta")


def test_a_second_run_changes_nothing(account: Account) -> None:
    account.declare("acme")
    applied(account)
    versions = account.versions("acme")
    assert len(versions) == 1
    assert {line["event"] for line in applied(account)} == {"sql_job.tenant", "sql_job.summary"}
    assert account.versions("acme") == versions


def test_rotation_and_suspension(account: Account) -> None:
    account.declare("acme")
    applied(account)
    account.declare("acme", rotation=2)
    applied(account)
    assert account.url("acme").startswith("postgresql://tn_acme_b:")
    account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme").close()
    account.declare("acme", rotation=2, state="suspended")
    account.server.settle()
    with account.server.session("tn_acme_b", account.password("acme", 2), "tn_acme"):
        assert of(applied(account), "sql_job.sessions_ended", "sessions") == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="is not permitted to log in"):
        account.server.session("tn_acme_b", account.password("acme", 2), "tn_acme")


def test_a_lost_database_is_not_replaced_by_an_empty_one(account: Account) -> None:
    account.declare("acme")
    account.declare("beta")
    applied(account)
    with account.server.bootstrap() as session:
        session.execute("DROP DATABASE tn_acme WITH (FORCE)")
    account.declare("acme", connection_limit=5)  # a new declaration is no new tenant
    code, lines = apply(account)
    assert (code, of(lines, "sql_job.tenant", "tenant", "result")) == (1, [("acme", "failed"), ("beta", "ok")])
    assert (
        "no database tn_acme on shared-a-1, and it was in use before; restore it (docs/restore.md)"
        in account.get("status/acme.json")["error"]
    )
    with account.server.bootstrap() as session:
        assert session.execute("SELECT FROM pg_database WHERE datname = 'tn_acme'").fetchall() == []


def test_a_lost_database_is_made_anew_when_its_entry_says_so(account: Account) -> None:
    for tenant in ("acme", "beta"):
        account.declare(tenant)
    lines = applied(account)
    assert of(lines, "sql_job.database_made", "after_loss", "severity") == [(False, "INFO")] * 2
    with account.server.session("tn_beta_a", account.password("beta", 1), "tn_beta") as session:
        session.execute("CREATE TABLE notes (n int)")
    with account.server.bootstrap() as session:
        session.execute("DROP DATABASE tn_acme WITH (FORCE)")
    for tenant in ("acme", "beta"):
        account.declare(tenant, recreate_after_loss=True)
    lines = applied(account)
    assert of(lines, "sql_job.database_made", "tenant", "after_loss", "severity") == [("acme", True, "WARNING")]
    with psycopg.connect(account.url("acme"), sslrootcert=str(account.server.ca_file)) as session:
        assert one(session, "SELECT current_database()") == "tn_acme"
    # a database that is there is never replaced
    with account.server.session("tn_beta_a", account.password("beta", 1), "tn_beta") as session:
        assert one(session, "SELECT count(*) FROM notes") == 0
    assert account.get("status/acme.json")["isolated"] is True


def test_other_kinds_are_not_its_business(account: Account) -> None:
    account.declare("acme")
    account.declare_guest("guesthouse")
    account.put("tenants/fire.json", {"id": "fire", "kind": "firestore"})
    lines = applied(account)
    assert of(lines, "sql_job.summary", "tenants", "failed", "other_kinds") == [(1, 0, 2)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"account_id": "210987654321"}, "account_id is '210987654321', but this job serves '123456789012' only"),
        ({"admin_user": "somebody"}, "is for 'tenantry_admin', but instances/shared-a-1.json says 'somebody'"),
        ({"host": "127.0.0.1"}, "no session after 4 attempts"),  # not the name on the certificate
        ({"platform_users": ["tn_acme_owner"]}, "'tn_acme_owner' starts like a tenant's or a system's role"),
        ({"admin_secret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:none"}, "has no readable version"),
    ],
)
def test_a_wrong_instance_fails_its_tenants(
    account: Account, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], problem: str
) -> None:
    monkeypatch.setattr("jobs.sql.postgres._FIRST_PAUSE", 0.01)
    account.declare("acme")
    account.declare_instance(INSTANCE, **changes)
    code, _ = apply(account)
    assert code == 1
    assert problem in account.get("status/acme.json")["error"]


def test_a_damaged_master_secret_is_not_quoted(account: Account) -> None:
    account.declare("acme")
    account.secrets.put_secret_value(SecretId=account.master, SecretString=json.dumps({"password": ADMIN_PASSWORD}))
    code, lines = apply(account)
    assert code == 1
    assert "is no master user's secret (username, password)" in of(lines, "sql_job.tenant", "error")[0][0]


def test_a_copy_is_verified_with_a_secret_of_its_own(account: Account) -> None:
    account.declare("acme")
    applied(account)
    copy = account.secret("master-of-the-copy", json.dumps({"username": MASTER, "password": ADMIN_PASSWORD}))
    account.declare_instance(INSTANCE, admin_secret=account.secret("master-gone"))
    arguments = ["verify", "--instance", INSTANCE, "--host", "localhost"]
    code, lines = account.run(main, arguments)
    assert (code, "has no readable version" in lines[-1]["message"]) == (1, True)
    assert account.run(main, [*arguments, "--admin-secret", copy])[0] == 0
