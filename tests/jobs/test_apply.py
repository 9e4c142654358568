"""The SQL job against real servers: what a tenant can and cannot do, over its whole life."""

import json
import select
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from jobs.sql.tickets import ticket
from tests.jobs.conftest import INSTANCE, Session, World
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, PLATFORM

pytestmark = pytest.mark.postgres


def one(session: Session, query: str, *parameters: object) -> object:
    row = session.execute(query.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]


def snapshot(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the job may write, row versions included: an update that changes nothing shows."""
    shared = ("pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting")
    local = ("pg_namespace", "pg_class", "pg_proc", "pg_type", "pg_default_acl")
    found = {}
    with world.server.bootstrap() as session:
        for table in shared:
            found[table] = session.execute(f"SELECT xmin::text, t::text FROM {table} t ORDER BY 2".encode()).fetchall()
        names = [
            str(name) for (name,) in session.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
        ]
    for name in names:
        with world.server.bootstrap(name) as session:
            for table in local:
                query = f"SELECT xmin::text, t::text FROM {table} t ORDER BY 2"
                found[f"{name}.{table}"] = session.execute(query.encode()).fetchall()
    return found


def enter(world: World, user: str, tenant: str) -> Session:
    """What a workload of the platform does: ask for a ticket with its own identity, and log in with that."""
    with world.server.session(user, ADMIN_PASSWORD, "tenantry") as door:
        asked = ticket(door, tenant)
        return world.server.session(asked.login, asked.password, "tn_" + tenant.replace("-", "_"))


def results(lines: list[dict[str, Any]]) -> dict[str, str]:
    return {line["tenant"]: line["result"] for line in lines if line["event"] == "sql_job.tenant"}


class TestIsolation:
    def test_a_tenant_works_in_its_own_database_as_its_owner(self, world: World) -> None:
        world.add("acme", "umbrella-co")
        world.apply()
        with world.open(world.urls("umbrella-co")[0]) as session:
            assert session.execute("SELECT current_user, session_user").fetchone() == (
                "tn_umbrella_co_owner",
                "tn_umbrella_co_a",
            )
            session.execute("CREATE TABLE invoices (id bigserial PRIMARY KEY)")
            assert (
                one(session, "SELECT tableowner FROM pg_tables WHERE tablename = 'invoices'") == "tn_umbrella_co_owner"
            )

    def test_no_login_connects_to_another_tenants_or_a_common_database(self, world: World) -> None:
        world.add("acme", "beta")
        world.apply()
        for database in ("tn_beta", "postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
                world.login("acme", database=database)
            with world.server.bootstrap() as session:
                allowed = one(session, "SELECT has_database_privilege('tn_acme_a', %s, 'CONNECT')", database)
                assert allowed is False

    def test_before_the_job_every_database_is_open(self, world: World) -> None:
        """What the test above proves is the job's work, not the server's default."""
        world.add("acme", "beta")
        with world.server.bootstrap() as session:
            session.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger-password'")
        with world.server.session("stranger", "stranger-password", "tn_beta") as session:
            assert one(session, "SELECT current_database()") == "tn_beta"

    @pytest.mark.parametrize(
        "role", ["tn_beta_owner", "tn_beta_a", "tn_beta_b", "cloudsqlsuperuser", ADMIN, PLATFORM[0]]
    )
    def test_no_login_can_become_anyone_else(self, world: World, role: str) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.login("acme") as session:
            with pytest.raises(errors.InsufficientPrivilege) as refused:
                session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            assert refused.value.sqlstate == "42501"

    def test_even_inside_another_database_nothing_could_be_read(self, world: World) -> None:
        """The second wall: CONNECT given by mistake still shows no table."""
        world.add("acme", "beta")
        world.apply()
        with world.login("beta") as session:
            session.execute("CREATE TABLE salaries (amount int)")
        with world.server.bootstrap() as session:
            session.execute("GRANT CONNECT ON DATABASE tn_beta TO tn_acme_a")
        with world.login("acme", database="tn_beta") as session, pytest.raises(errors.InsufficientPrivilege) as refused:
            session.execute("SELECT * FROM public.salaries")
        assert refused.value.sqlstate == "42501"

    @pytest.mark.parametrize(("user", "login"), [(PLATFORM[0], "tn_acme_worker"), (PLATFORM[1], "tn_acme_migrator")])
    def test_worker_and_migrator_come_as_a_login_of_the_one_tenant(self, world: World, user: str, login: str) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.login("acme") as session:
            session.execute("CREATE TABLE notes (line text)")
        with enter(world, user, "acme") as session:
            assert session.execute("SELECT current_user, session_user").fetchone() == ("tn_acme_owner", login)
            session.execute(sql.SQL("INSERT INTO notes VALUES ({})").format(user))
            session.execute("SET ROLE NONE")
            with pytest.raises(errors.InsufficientPrivilege):  # without SET ROLE it has no rights at all
                session.execute("SELECT * FROM public.notes")
            for role in ("tn_beta_owner", "tn_beta_worker", user, "cloudsqlsuperuser"):
                with pytest.raises(errors.InsufficientPrivilege):
                    session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        for database in ("tn_acme", "tn_beta", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                world.server.session(user, ADMIN_PASSWORD, database)

    def test_a_grant_made_behind_the_jobs_back_is_taken_back(self, world: World) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.server.session(ADMIN, ADMIN_PASSWORD, "postgres") as session:
            session.execute("SET ROLE cloudsqlsuperuser")
            session.execute("GRANT CONNECT ON DATABASE tn_beta TO PUBLIC")
            session.execute("GRANT CONNECT ON DATABASE tn_beta TO tn_acme_a")
            session.execute("GRANT tn_beta_owner TO tn_acme_a")
            session.execute("ALTER DATABASE tn_beta CONNECTION LIMIT -1")
        world.apply()
        with world.server.bootstrap() as session:
            assert one(session, "SELECT has_database_privilege('tn_acme_a', 'tn_beta', 'CONNECT')") is False
            assert one(session, "SELECT pg_has_role('tn_acme_a', 'tn_beta_owner', 'MEMBER')") is False
            assert one(session, "SELECT datconnlimit FROM pg_database WHERE datname = 'tn_beta'") == 16

    def test_a_fact_that_the_job_cannot_repair_takes_the_status_back(self, world: World) -> None:
        world.add("acme", "beta")
        world.apply()
        assert world.status("acme")["isolated"] is True
        with world.server.bootstrap() as session:
            session.execute("ALTER ROLE tn_acme_a BYPASSRLS")
        code, lines = world.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert world.status("acme")["isolated"] is False
        assert world.status("acme")["error"] == (
            "acme: not isolated: role tn_acme_a has attributes beyond an ordinary role's"
        )

    def test_an_open_database_of_nobody_is_reported_not_touched(self, world: World) -> None:
        world.add("acme")
        with world.server.bootstrap() as session:
            session.execute("CREATE DATABASE scratch OWNER cloudsqladmin")
        lines = world.apply()
        assert [line["message"] for line in lines if line["event"] == "sql_job.open_database"] == [
            "database scratch belongs to no tenant and any login can open it; drop it or revoke CONNECT"
        ]
        with world.server.bootstrap() as session:
            assert one(session, "SELECT datacl IS NULL FROM pg_database WHERE datname = 'scratch'") is True


class TestLimits:
    def test_the_connection_limit_is_per_login_and_leaves_room_for_the_platform(self, world: World) -> None:
        world.add("acme")
        world.apply()
        world.server.settle()  # the job's own session would take one of the four
        held = [world.login("acme") for _ in range(4)]
        with pytest.raises(psycopg.OperationalError, match='too many connections for role "tn_acme_a"'):
            world.login("acme")
        enter(world, PLATFORM[0], "acme").close()
        code, lines = world.job()
        assert (code, results(lines)) == (0, {"acme": "ok"})
        assert [line["severity"] for line in lines if line["event"] == "sql_job.busy"] == ["WARNING"]
        for session in held:
            session.close()

    def test_a_long_statement_is_ended(self, world: World) -> None:
        world.add("acme")
        world.apply()
        with world.login("acme") as session:
            started = time.monotonic()
            with pytest.raises(errors.QueryCanceled) as ended:
                session.execute("SELECT pg_sleep(20)")
            assert ended.value.sqlstate == "57014"
            assert 1.4 < time.monotonic() - started < 20

    def test_an_idle_transaction_is_ended(self, world: World) -> None:
        world.add("acme")
        world.apply(IDLE_IN_TRANSACTION_TIMEOUT_MS="1000")
        with world.login("acme") as session:
            session.execute("BEGIN")
            assert select.select([session], [], [], 30)[0]  # the server has something to say
            with pytest.raises(psycopg.Error) as ended:
                session.execute("SELECT 1")
            assert ended.value.sqlstate == "25P03"


class TestIdempotence:
    def test_a_second_run_writes_nothing(self, world: World) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.login("acme") as session:
            session.execute("CREATE TABLE t (id bigserial PRIMARY KEY)")
        before = snapshot(world)
        lines = world.apply()
        assert snapshot(world) == before
        assert {line["event"] for line in lines} == {"sql_job.tenant", "sql_job.summary"}

    def test_the_dsn_is_added_once_per_rotation(self, world: World) -> None:
        world.add("acme")
        for rotation in (1, 1, 2, 2, 2, 3):
            world.declare("acme", rotation=rotation)
            world.apply()
        urls = world.urls("acme")
        assert [url.partition("//")[2].partition(":")[0] for url in urls] == ["tn_acme_a", "tn_acme_b", "tn_acme_a"]
        assert urls[0].endswith(f"@127.0.0.1:{world.server.port}/tn_acme?sslmode=verify-ca")
        assert urls[0] != urls[2]

    def test_two_runs_do_not_meet_on_an_instance(self, world: World) -> None:
        world.add("acme")
        with world.server.session(ADMIN, ADMIN_PASSWORD, "postgres") as other:
            other.execute("SELECT pg_advisory_lock(%s)", (0x74656E616E747279,))
            code, lines = world.job(LOCK_WAIT_S="0.2")
        assert (code, results(lines)) == (1, {"acme": "failed"})
        assert "another run still holds the lock after 0.2 s" in world.status("acme")["error"]
        world.apply()


class TestRotation:
    def test_tables_stay_the_owners_over_two_rotations(self, world: World) -> None:
        world.add("acme")
        world.apply()
        with world.login("acme") as session:
            session.execute("CREATE TABLE first (id bigserial PRIMARY KEY)")
        for rotation, table in ((2, "second"), (3, "third")):
            world.declare("acme", rotation=rotation)
            world.apply()
            with world.login("acme", rotation=rotation) as session:
                session.execute(sql.SQL("CREATE TABLE {} (id bigserial PRIMARY KEY)").format(sql.Identifier(table)))
                session.execute("INSERT INTO first DEFAULT VALUES")
        with world.login("acme", rotation=3) as session:
            owners = session.execute(
                "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            )
            assert owners.fetchall() == [(name, "tn_acme_owner") for name in ("first", "second", "third")]
            session.execute("ALTER TABLE second ADD COLUMN note text")
            session.execute("DROP TABLE first")

    def test_the_previous_login_works_until_the_next_rotation(self, world: World) -> None:
        world.add("acme")
        world.apply()
        with world.login("acme") as running:
            world.declare("acme", rotation=2)
            world.apply()
            running.execute("CREATE TABLE during (id int)")
        world.open(world.urls("acme")[0]).close()
        world.declare("acme", rotation=3)
        world.apply()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            world.open(world.urls("acme")[0])
        world.open(world.urls("acme")[1]).close()
        world.open(world.urls("acme")[2]).close()

    def test_a_password_that_is_no_longer_the_declared_one_is_set_again(self, world: World) -> None:
        world.add("acme")
        world.apply()
        with world.server.bootstrap() as session:
            session.execute("ALTER ROLE tn_acme_a PASSWORD 'changed-by-hand'")
        world.apply()
        world.open(world.urls("acme")[0]).close()
        assert len(world.urls("acme")) == 1

    def test_passwords_reach_no_server_log(self, world: World) -> None:
        world.add("acme")
        world.apply()
        text = (world.server.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        assert "ALTER ROLE" in text
        assert "PASSWORD 'SCRAM-SHA-256$" in text
        assert world.password("acme", 1).rpartition(":")[2] not in text


class TestLifeCycle:
    @pytest.mark.parametrize("state", ["suspended", "offboarding"])
    def test_suspension_ends_sessions_and_bars_the_logins(self, world: World, state: str) -> None:
        world.add("acme", "beta")
        world.apply()
        world.declare("acme", rotation=2)
        world.apply()
        world.server.settle()
        with world.login("beta") as neighbour, world.login("acme") as old, world.login("acme", rotation=2) as new:
            world.declare("acme", rotation=2, state=state)
            lines = world.apply()
            for session in (old, new):
                with pytest.raises(psycopg.OperationalError):
                    session.execute("SELECT 1")
            neighbour.execute("SELECT 1")
        assert [line["sessions"] for line in lines if line["event"] == "sql_job.sessions_ended"] == [2]
        for rotation in (1, 2):
            with pytest.raises(psycopg.OperationalError, match="is not permitted to log in"):
                world.login("acme", rotation=rotation)
        assert world.status("acme")["isolated"] is True
        # nothing may be left that runs the tenant's code in its database
        with pytest.raises(errors.UndefinedObject, match="no login tn_acme_worker that is switched on"):
            enter(world, PLATFORM[0], "acme")

        world.declare("acme", rotation=2)
        world.apply()
        world.login("acme", rotation=2).close()
        world.login("acme", rotation=1).close()
        assert len(world.urls("acme")) == 2

    def test_a_tenant_suspended_from_the_start_gets_no_dsn(self, world: World) -> None:
        world.add("acme")
        world.declare("acme", state="suspended")
        world.apply()
        assert world.urls("acme") == []
        with pytest.raises(psycopg.OperationalError):
            world.login("acme")


class TestRestore:
    def test_after_an_import_the_owner_owns_everything(self, world: World, tmp_path: Path) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.login("acme") as session:
            for statement in (
                "CREATE SCHEMA ledger",
                'CREATE TABLE ledger."Odd ""name" (id bigserial PRIMARY KEY, kind text)',
                "CREATE SEQUENCE free_standing",
                "CREATE TYPE mood AS ENUM ('up', 'down')",
                "CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0)",
                'CREATE VIEW ledger.names AS SELECT kind FROM ledger."Odd ""name"',
                "CREATE MATERIALIZED VIEW ledger.kept AS SELECT 1 AS one",
                "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'",
                "CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1'",
                "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
                "CREATE TABLE parted (day date) PARTITION BY RANGE (day)",
                "CREATE EXTENSION citext",
                'INSERT INTO ledger."Odd ""name" (kind) VALUES (\'kept\')',
            ):
                session.execute(statement.encode())
        export = tmp_path / "export.sql"
        world.server.dump("tn_acme", export)
        with world.server.bootstrap() as session:
            session.execute("DROP DATABASE tn_acme WITH (FORCE)")
        world.server.create_database("tn_acme")
        target = Path(world.server.ca_file).parent / "export.sql"
        target.write_text(export.read_text(encoding="utf-8"), encoding="utf-8")
        world.server.load("tn_acme", target)

        code, lines = world.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"}), lines
        (moved,) = [line["objects"] for line in lines if line["event"] == "sql_job.objects_moved"]
        assert moved == 11  # what was created above but the extension; the two serial sequences follow their tables
        with world.server.bootstrap("tn_acme") as session:
            left = session.execute(
                """
                SELECT pg_describe_object(classid, objid, 0) FROM pg_shdepend d
                WHERE deptype = 'o' AND dbid = (SELECT oid FROM pg_database WHERE datname = 'tn_acme')
                  AND refobjid <> 'tn_acme_owner'::regrole AND refobjid <> 'cloudsqladmin'::regrole
                  AND NOT EXISTS (SELECT FROM pg_depend e
                                  WHERE (e.classid, e.objid, e.deptype) = (d.classid, d.objid, 'e'))
                  AND classid <> 'pg_extension'::regclass
                """
            ).fetchall()
            assert left == []
            assert one(session, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'postgres'") == (
                "cloudsqlsuperuser"
            )
        with world.open(world.urls("acme")[0]) as session:
            assert session.execute('SELECT id, kind FROM ledger."Odd ""name"').fetchall() == [(1, "kept")]
            session.execute('INSERT INTO ledger."Odd ""name" (kind) VALUES (\'more\')')
            session.execute("ALTER FUNCTION twice(int) RENAME TO doubled")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            world.login("beta", database="tn_acme")
        assert len(world.urls("acme")) == 1

    def test_what_a_login_made_under_its_own_name_becomes_the_owners(self, world: World) -> None:
        world.add("acme")
        world.apply()
        with world.server.bootstrap("tn_acme") as session:
            session.execute("CREATE TABLE stray (id int)")
            session.execute("ALTER TABLE stray OWNER TO tn_acme_b")
        world.apply()
        with world.login("acme") as session:
            assert one(session, "SELECT tableowner FROM pg_tables WHERE tablename = 'stray'") == "tn_acme_owner"


class TestFailures:
    def test_one_tenants_failure_stops_nobody_else(self, world: World) -> None:
        world.add("acme", "beta", "gamma")
        (world.secrets / "tenant-beta-credential" / "1").unlink()
        code, lines = world.job()
        assert code == 1
        assert results(lines) == {"acme": "ok", "beta": "failed", "gamma": "ok"}
        assert lines[-1]["event"] == "sql_job.summary"
        assert (lines[-1]["severity"], lines[-1]["failed"], lines[-1]["tenants"]) == ("ERROR", 1, 3)
        status = world.status("beta")
        assert (status["isolated"], status["rotation"]) == (False, 1)
        assert status["error"] == (
            "projects/tenantry-test/secrets/tenant-beta-credential: "
            "has no readable version; run the program's `up` first"
        )
        assert world.urls("beta") == []
        assert world.status("acme")["isolated"] is True

    def test_a_missing_database_fails_its_tenant_only(self, world: World) -> None:
        world.add("acme")
        world.declare("beta")
        code, lines = world.job()
        assert (code, results(lines)) == (1, {"acme": "ok", "beta": "failed"})
        assert world.status("beta")["error"] == "beta: no database tn_beta on shared-a-1; run the program's `up` first"

    def test_an_outage_keeps_what_was_proved_for_the_same_declaration(self, world: World) -> None:
        world.add("acme")
        world.apply()
        credential = world.secrets / "tenant-acme-credential" / "1"
        content = credential.read_text(encoding="utf-8")
        credential.unlink()
        assert world.job()[0] == 1
        assert world.status("acme")["isolated"] is True
        assert "no readable version" in world.status("acme")["error"]
        world.declare("acme", connection_limit=5)  # another declaration: nothing has been proved for it yet
        credential.unlink()
        assert world.job()[0] == 1
        assert world.status("acme")["isolated"] is False
        credential.write_text(content, encoding="utf-8")
        world.apply()
        assert (world.status("acme")["isolated"], world.status("acme")["error"]) == (True, None)

    def test_a_credential_of_another_rotation_is_refused(self, world: World) -> None:
        world.add("acme")
        world.declare("acme", rotation=2)
        (world.secrets / "tenant-acme-credential" / "2").unlink()
        assert world.job()[0] == 1
        assert (
            "is for 'tn_acme_a', rotation 1; the registry says 'tn_acme_b', rotation 2" in world.status("acme")["error"]
        )
        assert world.urls("acme") == []

    def test_an_unproved_login_gets_no_dsn(self, world: World) -> None:
        """The DSN comes last: here the login works, but something else about the tenant does not hold."""
        world.add("acme", "beta")
        world.declare("acme")
        with world.server.bootstrap() as session:
            session.execute("CREATE ROLE tn_acme_a LOGIN NOINHERIT REPLICATION")
            session.execute("GRANT tn_acme_a TO cloudsqlsuperuser WITH ADMIN OPTION")
        code, lines = world.job()
        assert (code, results(lines)["acme"], world.urls("acme")) == (1, "failed", [])
        assert results(lines)["beta"] == "ok"

    def test_an_unreachable_instance_fails_its_tenants_only(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.sql.postgres._FIRST_PAUSE", 0.01)
        world.add("acme")
        world.declare("beta", instance="gone")
        world.declare_instance("gone", port=1)
        world.declare("gamma", instance="nowhere")
        code, lines = world.job()
        assert (code, results(lines)) == (1, {"acme": "ok", "beta": "failed", "gamma": "failed"})
        assert "no session after 4 attempts" in world.status("beta")["error"]
        assert "instances/nowhere.json: no such object" in world.status("gamma")["error"]

    def test_a_server_with_another_ca_is_not_trusted(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobs.sql.postgres._FIRST_PAUSE", 0.01)
        import trustme

        world.add("acme")
        world.declare_instance(INSTANCE, server_ca_pem=trustme.CA().cert_pem.bytes().decode())
        assert world.job()[0] == 1
        assert "certificate verify failed" in world.status("acme")["error"]

    def test_an_administrator_without_the_role_is_told_so(self, world: World) -> None:
        world.add("acme")
        with world.server.bootstrap() as session:
            session.execute(sql.SQL("REVOKE cloudsqlsuperuser FROM {}").format(sql.Identifier(ADMIN)))
        assert world.job()[0] == 1
        assert 'give the instance\'s IAM user database_roles=["cloudsqlsuperuser"]' in world.status("acme")["error"]


class TestVerify:
    def test_every_tenant_gets_a_line(self, world: World) -> None:
        world.add("acme", "beta")
        world.apply()
        with world.login("acme") as session:
            session.execute("CREATE TABLE t AS SELECT generate_series(1, 1234) AS n")
        code, lines = world.job("verify", "--instance", INSTANCE)
        assert code == 0
        found = [(x["tenant"], x["result"], x["tables"], x["rows"]) for x in lines if x["event"] == "sql_job.verify"]
        assert found == [("acme", "ok", 1, 1234), ("beta", "ok", 0, 0)]
        assert (lines[-1]["event"], lines[-1]["tenants"], lines[-1]["failed"]) == ("sql_job.verify_summary", 2, 0)

    def test_a_copy_elsewhere_is_checked_at_its_own_address(self, world: World) -> None:
        world.add("acme")
        world.apply()
        world.declare_instance(INSTANCE, host="192.0.2.1", server_ca_pem="-----BEGIN CERTIFICATE-----")
        code, _ = world.job(
            "verify", "--instance", INSTANCE, "--host", world.server.host, SERVER_CA_PEM=world.server.ca_pem
        )
        assert code == 0

    def test_a_lost_database_or_an_open_door_fails(self, world: World) -> None:
        world.add("acme", "beta", "gamma")
        world.apply()
        with world.server.bootstrap() as session:
            session.execute("DROP DATABASE tn_acme WITH (FORCE)")
            session.execute("GRANT CONNECT ON DATABASE tn_beta TO PUBLIC")
        code, lines = world.job("verify", "--instance", INSTANCE)
        found = {line["tenant"]: line["error"] for line in lines if line["event"] == "sql_job.verify"}
        assert code == 1
        assert 'database "tn_acme" does not exist' in found["acme"]
        assert found["beta"] == "tn_beta is open to PUBLIC (CONNECT by tn_beta_owner)"
        assert found["gamma"] is None
        assert world.job("verify", "--instance", INSTANCE, "--data-only")[0] == 1
        world.server.create_database("tn_acme")
        assert world.job("verify", "--instance", INSTANCE, "--data-only")[0] == 0

    def test_an_unknown_instance_is_not_a_success(self, world: World) -> None:
        code, lines = world.job("verify", "--instance", "typo")
        assert code == 1
        assert "--instance typo: no such instance" in lines[-1]["message"]


def test_statuses_name_the_declaration_they_hold_for(world: World) -> None:
    import hashlib

    world.add("acme")
    world.apply()
    declared = (world.registry / "tenants" / "acme.json").read_bytes()
    status = world.status("acme")
    applied_at = status.pop("applied_at")
    assert status == {
        "id": "acme",
        "isolated": True,
        "generation": hashlib.sha256(declared).hexdigest(),
        "rotation": 1,
        "error": None,
        "state": "active",
        "logins_off_since": None,
        "final_export": None,
    }
    assert applied_at.endswith("Z")
    assert json.loads(declared)["isolated"] is False
