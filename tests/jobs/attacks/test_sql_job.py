"""What a tenant with its own login, or an operator's slip, tries on the SQL job: on either cloud's form of a server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors, sql

from jobs.sql import isolation, locks, sessions, tickets
from tests.jobs.attacks.sites import FORMS, CloudSql, Rds, Site, errors_of, results
from tests.jobs.conftest import Session, World
from tests.jobs.server import Postgres

pytestmark = pytest.mark.postgres

# Whoever runs it leaves a trace that no rollback takes away, and tries what a tenant may not do.
_CANARY = """
    CREATE SCHEMA IF NOT EXISTS evil;
    CREATE SEQUENCE evil.tenants; CREATE SEQUENCE evil.others;
    CREATE FUNCTION evil.canary() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
      IF session_user ~ '^tn_acme_' THEN PERFORM pg_catalog.nextval('evil.tenants');
      ELSE PERFORM pg_catalog.nextval('evil.others'); END IF;
      BEGIN
        EXECUTE 'CREATE ROLE mallory LOGIN CREATEROLE CREATEDB';
      EXCEPTION WHEN OTHERS THEN NULL; END;
      RETURN 1;
    END $$;
    GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA evil TO PUBLIC;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evil TO PUBLIC;
"""


@pytest.fixture(params=FORMS)
def site(request: pytest.FixtureRequest, server: Postgres) -> Iterator[Site]:
    del server  # its releases are this fixture's, too
    if request.param == "cloudsql":
        yield CloudSql(request.getfixturevalue("world"))
    else:
        yield Rds(request.getfixturevalue("account"))


def served(site: Site, *tenants: str) -> None:
    site.add(*tenants)
    code, lines = site.job()
    assert code == 0, lines


def ran(site: Site) -> tuple[bool, bool]:
    """Whether the canary ran in sessions of the tenant's own, and in anybody else's."""
    with site.server.bootstrap("tn_acme") as session:
        found = session.execute("SELECT (SELECT is_called FROM evil.tenants), (SELECT is_called FROM evil.others)")
        own, others = found.fetchall()[0]
    return bool(own), bool(others)


def exists(site: Site, role: str) -> bool:
    with site.server.bootstrap() as session:
        return bool(session.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall())


class TestNames:
    @pytest.mark.parametrize(
        "plant",
        [
            (
                "CREATE FUNCTION public.starts_with(name, text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
                " AS 'BEGIN PERFORM evil.canary(); RETURN true; END'"
            ),
            (
                "CREATE FUNCTION evil.pg_get_userbyid(oid) RETURNS name LANGUAGE plpgsql"
                " AS 'BEGIN PERFORM evil.canary(); RETURN ''tn_acme_owner''; END';"
                "ALTER DATABASE tn_acme SET search_path = evil, pg_catalog"
            ),
            (
                "CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM evil.canary(); RAISE insufficient_privilege; END';"
                "CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM evil.canary(); RETURN ''x''; END';"
                "ALTER DATABASE tn_acme SET search_path = evil, pg_catalog"
            ),
            (
                "CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE plpgsql"
                " AS 'BEGIN PERFORM evil.canary(); RETURN true; END';"
                "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.same);"
                "ALTER DATABASE tn_acme SET search_path = evil, pg_catalog"
            ),
            (
                "CREATE VIEW evil.pg_roles AS SELECT r.*, evil.canary() FROM pg_catalog.pg_roles r;"
                "CREATE VIEW evil.pg_shdepend AS SELECT d.*, evil.canary() FROM pg_catalog.pg_shdepend d;"
                "CREATE VIEW evil.pg_namespace AS SELECT d.*, evil.canary() FROM pg_catalog.pg_namespace d;"
                "ALTER DATABASE tn_acme SET search_path = evil, pg_catalog"
            ),
        ],
        ids=["overload", "userbyid", "set_config", "operator", "views"],
    )
    def test_nothing_that_the_tenant_named_is_called(self, site: Site, plant: str) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute(_CANARY.encode())
            session.execute(plant.encode())
        site.job()
        _, lines = site.job()
        assert ran(site) == (False, False)
        assert not exists(site, "mallory")
        assert results(lines)["beta"] == "ok"
        if "ALTER DATABASE" in plant:
            assert errors_of(lines)["acme"] == (
                "acme: not isolated: database tn_acme sets search_path=evil, pg_catalog, which nobody declared"
            )
        else:
            assert results(lines)["acme"] == "ok"

    @pytest.mark.parametrize(
        ("setting", "named"),
        [
            ("ALTER DATABASE tn_acme SET role = tn_acme_owner", "database tn_acme sets role=tn_acme_owner"),
            ("ALTER DATABASE tn_acme SET statement_timeout = 1", "database tn_acme sets statement_timeout=1"),
            ("ALTER DATABASE tn_acme SET lock_timeout = 1", "database tn_acme sets lock_timeout=1"),
            (
                "ALTER DATABASE tn_acme SET default_transaction_read_only = on",
                "database tn_acme sets default_transaction_read_only=on",
            ),
            ("ALTER DATABASE tn_acme SET client_encoding = LATIN1", "database tn_acme sets client_encoding=latin1"),
            ("SET ROLE NONE; ALTER ROLE tn_acme_a SET search_path = evil", "role tn_acme_a sets search_path=evil"),
            (
                "SET ROLE NONE; ALTER ROLE tn_acme_a IN DATABASE tn_acme SET standard_conforming_strings = off",
                "role tn_acme_a in database tn_acme sets standard_conforming_strings=off",
            ),
        ],
    )
    def test_a_setting_that_nobody_declared_names_itself_and_harms_nobody_else(
        self, site: Site, setting: str, named: str
    ) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute(setting.encode())
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert errors_of(lines)["acme"] == f"acme: not isolated: {named}, which nobody declared"
        assert (site.status("acme")["isolated"], site.status("beta")["isolated"]) == (False, True)

    def test_a_setting_that_keeps_the_job_out_names_itself(self, site: Site) -> None:
        served(site, "acme", "beta")
        # the one limit that start-up options do not pin, since servers before 17 refuse whoever names it
        setting = b"ALTER DATABASE tn_acme SET transaction_timeout = 1"
        with site.login("acme") as session:
            if site.server.major < 17:
                with pytest.raises(errors.UndefinedObject, match="unrecognized configuration parameter"):
                    session.execute(setting)
                return
            session.execute(setting)
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert (errors_of(lines)["acme"] or "").startswith(
            "acme: not isolated: database tn_acme sets transaction_timeout=1, which nobody declared"
        )


class TestNobodysRoles:
    @pytest.mark.parametrize(
        ("statement", "named"),
        [
            ("CREATE ROLE mallory LOGIN CREATEROLE CREATEDB", "has CREATEROLE, CREATEDB"),
            ("CREATE ROLE mallory LOGIN; GRANT pg_read_all_data TO mallory", "has the rights of pg_read_all_data"),
            (
                "CREATE ROLE helper; GRANT pg_signal_backend TO helper; CREATE ROLE mallory LOGIN IN ROLE helper",
                "has the rights of pg_signal_backend",
            ),
        ],
    )
    def test_a_role_with_powers_that_nobody_declared_is_everybodys_violation(
        self, site: Site, statement: str, named: str
    ) -> None:
        served(site, "acme", "beta")
        with site.server.bootstrap() as session:
            session.execute(statement.encode())
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "failed"})
        assert f"role mallory, which nobody declared, {named}" in (errors_of(lines)["beta"] or "")
        assert site.status("beta")["isolated"] is False

    def test_the_administrators_own_rights_are_named_too(self, site: Site) -> None:
        served(site, "acme")
        with site.server.bootstrap() as session:
            session.execute("CREATE ROLE mallory LOGIN")
            session.execute(sql.SQL("GRANT {} TO mallory").format(sql.Identifier(site.admin_role)))
        _, lines = site.job()
        text = errors_of(lines)["acme"] or ""
        assert text.startswith("acme: not isolated: role mallory, which nobody declared, has the rights of ")
        assert f"the rights of {site.admin_role}" in text

    def test_a_role_that_can_do_nothing_is_named_and_no_violation(self, site: Site) -> None:
        served(site, "acme")
        with site.server.bootstrap() as session:
            session.execute("CREATE ROLE visitor LOGIN")
        code, lines = site.job()
        assert code == 0
        named = [(x["severity"], x["message"]) for x in lines if x["event"] == "sql_job.undeclared"]
        assert named == [("WARNING", "role visitor is nobody's that was declared")]

    def test_a_role_that_was_declared_is_nobodys_violation(self, site: Site) -> None:
        served(site, "acme")
        with site.server.bootstrap() as session:
            session.execute("CREATE ROLE agent LOGIN; GRANT pg_monitor TO agent")
        assert site.job()[0] == 1
        site.declare_instance(site.instance, database_roles=["agent"])
        code, lines = site.job()
        assert (code, [x for x in lines if x["event"] == "sql_job.undeclared"]) == (0, [])

    def test_a_name_like_the_clouds_own_hides_nobody(self, site: Site) -> None:
        served(site, "acme")
        name = "cloudsqlhelper" if isinstance(site, CloudSql) else "rds_helper"
        with site.server.bootstrap() as session:
            session.execute(f"CREATE ROLE {name} LOGIN CREATEROLE".encode())
        _, lines = site.job()
        assert errors_of(lines)["acme"] == (f"acme: not isolated: role {name}, which nobody declared, has CREATEROLE")


class TestDoors:
    def test_a_grant_that_was_passed_on_goes_with_everything_that_came_of_it(self, site: Site) -> None:
        served(site, "acme", "beta", "cobalt")
        with site.login("acme") as session:
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO tn_acme_a WITH GRANT OPTION")
            session.execute("SET ROLE NONE")
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO PUBLIC")
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO tn_beta_a")
        site.login("beta", database="tn_acme").close()  # the door is open
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok", "cobalt": "ok"})
        for neighbour in ("beta", "cobalt"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                site.login(neighbour, database="tn_acme")
        with site.server.bootstrap() as session:
            grantors = session.execute(
                "SELECT DISTINCT pg_get_userbyid(grantor), is_grantable FROM pg_database, aclexplode(datacl)"
                " WHERE datname = 'tn_acme' AND grantee <> datdba"
            ).fetchall()
        assert grantors == [("tn_acme_owner", False)]

    @pytest.mark.parametrize("open_one", ["acme", "beta", "cobalt"])
    def test_the_open_database_is_the_one_that_is_reported(
        self, site: Site, open_one: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whichever it is, first or last, and even if the job could not close it."""
        served(site, "acme", "beta", "cobalt")
        monkeypatch.setattr(isolation, "_granted_exactly", lambda *_: True)
        with site.login(open_one) as session:
            session.execute(f"GRANT CONNECT ON DATABASE tn_{open_one} TO PUBLIC".encode())
        code, lines = site.job()
        others = {"acme", "beta", "cobalt"} - {open_one}
        assert (code, results(lines)) == (1, {open_one: "failed", **dict.fromkeys(others, "ok")})
        assert f"tn_{open_one} is open to PUBLIC (CONNECT by tn_{open_one}_owner)" in (errors_of(lines)[open_one] or "")
        assert {tenant: site.status(tenant)["isolated"] for tenant in others} == dict.fromkeys(others, True)

    def test_a_database_that_is_full_and_open_is_open(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """CONNECT is looked at before the limit, so whoever hears of the limit may connect."""
        served(site, "acme", "beta")
        monkeypatch.setattr(isolation, "ensure_database", lambda *_: None)
        monkeypatch.setattr("jobs.sql.facts._connect_violations", lambda *_: [])
        with site.login("acme") as session:
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO PUBLIC")
        with site.server.bootstrap() as session:
            session.execute("ALTER DATABASE tn_acme CONNECTION LIMIT 0")
        _, lines = site.job()
        assert errors_of(lines) == {
            "acme": "acme: not isolated: tn_beta_a can connect to tn_acme",
            "beta": None,
        }

    def test_a_login_that_was_lent_is_its_owners_fault_and_taken_back(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.server.bootstrap() as session:
            session.execute("GRANT tn_acme_a TO tn_beta_a WITH ADMIN OPTION")
            session.execute("GRANT tn_acme_owner TO tn_beta_owner")
        code, lines = site.job()
        found = errors_of(lines)
        if code:  # a superuser's grant, which nobody else may take back from PostgreSQL 16 on
            assert found["beta"] is None
            assert "tn_beta_a is a member of tn_acme_a" in (found["acme"] or "")
            assert "tn_beta_owner is a member of tn_acme_owner" in (found["acme"] or "")
        else:
            with site.login("beta") as session, pytest.raises(errors.InsufficientPrivilege):
                session.execute("SET ROLE tn_acme_a")

    def test_a_schema_that_was_opened_by_another_grantor_is_closed(self, site: Site) -> None:
        served(site, "acme")
        with site.login("acme") as session:
            session.execute("GRANT ALL ON SCHEMA public TO tn_acme_a WITH GRANT OPTION")
            session.execute("SET ROLE NONE")
            session.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok"})
        with site.server.bootstrap("tn_acme") as session:
            found = session.execute(
                "SELECT count(*) FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public' AND grantee = 0"
            ).fetchall()
        assert found == [(0,)]

    def test_a_stranger_who_was_inside_before_the_door_closed_is_put_out(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO PUBLIC")
        stranger = site.login("beta", database="tn_acme")
        neighbour = site.login("beta")
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})
        with pytest.raises(psycopg.OperationalError):
            stranger.execute("SELECT 1")
        neighbour.execute("SELECT 1")
        neighbour.close()

    def test_a_database_that_was_made_a_template_is_none_afterwards(self, site: Site) -> None:
        """Whoever may create databases copies a template, and nobody can drop one."""
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute("ALTER DATABASE tn_acme IS_TEMPLATE true")
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})
        with site.server.bootstrap() as session:
            found = session.execute("SELECT datistemplate FROM pg_database WHERE datname = 'tn_acme'").fetchall()
        assert found == [(False,)]

    def test_a_setting_in_a_neighbours_database_is_no_fault_of_the_neighbour(self, site: Site) -> None:
        served(site, "acme", "beta", "cobalt")
        with site.login("acme") as session:
            session.execute("SET ROLE NONE")
            for neighbour in ("beta", "cobalt"):
                session.execute(f"ALTER ROLE tn_acme_a IN DATABASE tn_{neighbour} SET work_mem = '4MB'".encode())
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok", "cobalt": "ok"})
        with site.server.bootstrap() as session:
            found = session.execute(
                "SELECT count(*) FROM pg_db_role_setting WHERE array_to_string(setconfig, ',') ~ 'work_mem'"
            ).fetchall()
        assert found == [(0,)]

    def test_who_keeps_the_job_from_closing_its_door_is_not_isolated(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO PUBLIC")

        def contended(*_: object, **__: object) -> None:
            raise errors.InternalError_("tuple concurrently updated")

        monkeypatch.setattr(isolation, "_grant_exactly", contended)
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert (site.status("acme")["isolated"], site.status("beta")["isolated"]) == (False, True)
        assert "tn_acme is open to PUBLIC" in site.status("acme")["error"]

    def test_a_row_that_somebody_else_keeps_changing_is_changed_in_the_end(self, site: Site) -> None:
        served(site, "acme", "beta")
        stop = threading.Event()

        def change() -> None:
            with contextlib.suppress(psycopg.Error), site.login("acme") as session:
                while not stop.is_set():
                    with contextlib.suppress(errors.InternalError_):
                        session.execute("ALTER DATABASE tn_acme CONNECTION LIMIT 16")

        with site.login("acme") as session:
            session.execute("GRANT CONNECT ON DATABASE tn_acme TO PUBLIC")
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(0.2)
        code, lines = site.job()
        stop.set()
        thread.join()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})


class TestTickets:
    def test_only_the_platforms_users_get_to_them(self, site: Site) -> None:
        served(site, "acme", "beta")
        for tenant in ("acme", "beta"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                site.login(tenant, database="tenantry")
        with site.server.bootstrap() as session:
            session.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor-password'")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            site.server.session("visitor", "visitor-password", "tenantry")

    def test_a_tenants_code_in_a_workers_session_reaches_no_other_tenant(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute(
                """
                CREATE TABLE orders (n int);
                CREATE TABLE log (line text);
                CREATE FUNCTION attack() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE statement text;
                BEGIN
                  FOREACH statement IN ARRAY ARRAY[
                    'SET ROLE NONE', 'SET ROLE tn_beta_owner', 'GRANT tn_beta_owner TO tn_acme_owner',
                    'GRANT CONNECT ON DATABASE tn_beta TO PUBLIC', 'ALTER ROLE tn_beta_a PASSWORD ''x''',
                    'ALTER ROLE tn_acme_worker VALID UNTIL ''infinity''', 'CREATE ROLE mallory'
                  ] LOOP
                    BEGIN
                      EXECUTE statement;
                      IF statement <> 'SET ROLE NONE' THEN
                        EXECUTE 'SET ROLE tn_acme_owner'; INSERT INTO log VALUES (statement);
                      END IF;
                    EXCEPTION WHEN insufficient_privilege THEN NULL; END;
                  END LOOP;
                  EXECUTE 'SET ROLE tn_acme_owner';
                  INSERT INTO log VALUES (session_user || ' was here');
                  RETURN NEW;
                END $$;
                CREATE TRIGGER attack BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION attack();
                """
            )
        for workload in ("worker", "migrator"):
            with site.enter(workload, "acme") as session:
                session.execute("INSERT INTO orders VALUES (1)")
        with site.login("acme") as session:
            assert session.execute("SELECT line FROM log ORDER BY 1").fetchall() == [
                ("tn_acme_migrator was here",),
                ("tn_acme_worker was here",),
            ]
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})

    def test_no_login_belongs_to_more_than_one_tenant(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.server.bootstrap() as session:
            found = session.execute(
                """
                SELECT l.rolname, count(DISTINCT o.rolname) FROM pg_roles l, pg_roles o
                WHERE l.rolcanlogin AND o.rolname ~ '^tn_.*_owner$' AND pg_has_role(l.oid, o.oid, 'MEMBER')
                  AND NOT l.rolsuper AND NOT pg_has_role(l.oid, %s, 'MEMBER') GROUP BY 1 ORDER BY 1
                """,
                (site.admin_role,),
            ).fetchall()
        assert found == [
            (f"tn_{tenant}_{end}", 1) for tenant in ("acme", "beta") for end in ("a", "backup", "migrator", "worker")
        ]

    def test_what_an_earlier_release_left_is_taken_back(self, site: Site) -> None:
        """There, worker and migrator were members of every owner's role, and the backup login read everything."""
        served(site, "acme", "beta")
        user = site.platform_user("worker")
        backup = isinstance(site, Rds)
        with site.admin() as session:
            session.execute("DROP DATABASE tenantry")
            for tenant in ("acme", "beta"):
                for workload in ("worker", "migrator", "backup", "restore"):
                    session.execute(f"REVOKE ALL ON DATABASE tn_{tenant} FROM tn_{tenant}_{workload}".encode())
                    session.execute(f"DROP ROLE tn_{tenant}_{workload}".encode())
                session.execute(f'GRANT tn_{tenant}_owner TO "{user}"'.encode())
                session.execute(f'GRANT CONNECT ON DATABASE tn_{tenant} TO "{user}"'.encode())
                if backup:
                    session.execute("GRANT pg_read_all_data TO tenantry_backup")
                    session.execute(f"GRANT CONNECT ON DATABASE tn_{tenant} TO tenantry_backup".encode())
        working = site.platform("worker", "tn_acme")
        working.execute("SET ROLE tn_acme_owner")
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})
        with pytest.raises(psycopg.OperationalError):
            working.execute("SELECT 1")
        with site.server.bootstrap() as session:
            found = session.execute(
                """
                SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members
                WHERE pg_get_userbyid(member) = ANY (%s) AND pg_get_userbyid(roleid) !~ 'iam'
                """,
                ([user, "tenantry_backup"],),
            ).fetchall()
        assert found == []
        site.enter("worker", "acme").close()

    def test_the_login_for_restores_enters_no_database_of_its_own_accord(self, site: Site) -> None:
        """It runs all that a dump holds, so a tenant may take it over: then it is nowhere."""
        served(site, "acme", "beta")
        with site.admin() as session:
            password = tickets.mint(session, "tn_acme_restore")
            with pytest.raises(psycopg.OperationalError, match="is not permitted to log in"):
                site.server.session("tn_acme_restore", password, "tn_acme")
            session.execute("ALTER ROLE tn_acme_restore LOGIN")  # as during a restore
        for database in ("tn_acme", "tn_beta", "postgres", "tenantry"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                site.server.session("tn_acme_restore", password, database)

    @pytest.mark.parametrize("tenant", ["", "Acme", "acme_owner", "acme'; DROP ROLE tn_beta_a; --", "nobody", "beta-a"])
    def test_a_ticket_for_nobody_is_refused(self, site: Site, tenant: str) -> None:
        served(site, "acme")
        with (
            site.platform("worker", "tenantry") as door,
            pytest.raises((errors.InvalidParameterValue, errors.UndefinedObject)),
        ):
            tickets.ticket(door, tenant)

    def test_a_ticket_opens_nothing_after_its_minute(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tickets, "LIFETIME_S", 1)
        served(site, "acme")
        with site.platform("worker", "tenantry") as door:
            asked = tickets.ticket(door, "acme")
        site.server.session(asked.login, asked.password, "tn_acme").close()
        time.sleep(1.1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            site.server.session(asked.login, asked.password, "tn_acme")

    def test_tickets_reach_no_log(self, site: Site) -> None:
        served(site, "acme")
        with site.platform("worker", "tenantry") as door:
            asked = tickets.ticket(door, "acme")
        text = (site.server.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        assert asked.password not in text
        assert asked.password not in repr(asked)


class TestShuttingOut:
    @pytest.mark.parametrize("state", ["suspended", "offboarding"])
    def test_a_session_that_holds_its_login_is_ended_in_the_first_run(self, site: Site, state: str) -> None:
        served(site, "acme", "beta")
        holding = site.login("acme")
        holding.execute("SET ROLE NONE")
        holding.execute("BEGIN")
        holding.execute("ALTER ROLE tn_acme_a PASSWORD 'x'")
        site.declare("acme", state=state)
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})
        with pytest.raises(psycopg.OperationalError):
            holding.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="is not permitted to log in"):
            site.login("acme")

    def test_sessions_end_even_if_the_login_cannot_be_closed(self, site: Site) -> None:
        """Somebody else's lock on the login's row: the administrator's own, whose session nobody may end."""
        served(site, "acme", "beta")
        writing = site.login("acme")
        with site.server.bootstrap() as holding:
            holding.execute("BEGIN")
            holding.execute("ALTER ROLE tn_acme_a CONNECTION LIMIT 4")
            site.declare("acme", state="suspended")
            code, lines = site.job()
            holding.execute("ROLLBACK")
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        with pytest.raises(psycopg.OperationalError):
            writing.execute("SELECT 1")
        assert site.job()[0] == 0

    def test_a_new_password_ends_the_sessions_of_the_old_one_and_no_others(self, site: Site) -> None:
        served(site, "acme")
        first = site.login("acme")
        site.declare("acme", rotation=2)
        assert site.job()[0] == 0
        second = site.login("acme", rotation=2)
        first.execute("SELECT 1")  # works on until its login's password is replaced
        site.declare("acme", rotation=3)
        code, lines = site.job()
        assert code == 0
        assert [x["sessions"] for x in lines if x["event"] == "sql_job.sessions_ended"] == [1]
        with pytest.raises(psycopg.OperationalError):
            first.execute("SELECT 1")
        second.execute("SELECT 1")
        second.close()

    def test_an_entry_that_came_back_from_the_past_switches_nothing_off(self, site: Site) -> None:
        served(site, "acme", "beta")
        site.declare("acme", rotation=2)
        assert site.job()[0] == 0
        with site.login("acme", rotation=2) as session:
            site.declare("acme", rotation=1)
            code, lines = site.job()
            session.execute("SELECT 1")
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert errors_of(lines)["acme"] == (
            "tenants/acme.json: is of rotation 1, but rotation 2 has been applied; run the program's `up` to the end, "
            "then this"
        )
        site.login("acme", rotation=2).close()

    def test_an_operator_ends_one_tenants_sessions(self, site: Site) -> None:
        served(site, "acme", "beta")
        hostile, neighbour = site.login("acme"), site.login("beta")
        code, lines = site.job("end-sessions", "--instance", site.instance, "--tenant", "acme")
        assert (code, lines[-1]["event"], lines[-1]["sessions"]) == (0, "sql_job.sessions_ended", 1)
        with pytest.raises(psycopg.OperationalError):
            hostile.execute("SELECT 1")
        neighbour.execute("SELECT 1")
        neighbour.close()
        code, lines = site.job("end-sessions", "--instance", site.instance, "--tenant", "nobody")
        assert (code, lines[-1]["error"]) == (
            1,
            f"--instance {site.instance} --tenant nobody: the registry has no such tenant there",
        )

    def test_a_session_that_cannot_be_interrupted_does_not_keep_its_login_open(self, site: Site) -> None:
        """Between the functions of one list of columns, the server looks for no interrupt."""
        served(site, "acme", "beta")
        with site.login("acme") as busy:
            busy.execute("SET statement_timeout = 0")
            deep = ", ".join(["sha512(x)"] * 130)
            query = f"SELECT {deep} FROM (SELECT convert_to(repeat('x', 40000000), 'UTF8') x OFFSET 0) q"

            def run() -> None:
                with contextlib.suppress(psycopg.Error):
                    busy.execute(query.encode())

            thread = threading.Thread(target=run)
            thread.start()
            time.sleep(0.5)
            site.declare("acme", state="suspended")
            site.job()
            with pytest.raises(psycopg.OperationalError, match="is not permitted to log in"):
                site.login("acme")
            thread.join()
        assert site.job()[0] == 0

    def test_a_rotation_wins_against_whoever_is_inside(self, site: Site) -> None:
        served(site, "acme", "beta")
        site.declare("acme", rotation=2)
        assert site.job()[0] == 0
        inside = [site.login("acme") for _ in range(3)]

        def mine(session: Session, number: int) -> None:
            with contextlib.suppress(psycopg.Error):
                session.execute("SET ROLE NONE")
                while True:
                    with contextlib.suppress(errors.InternalError_):
                        session.execute(f"ALTER ROLE tn_acme_a PASSWORD 'mine-{number}'".encode())

        threads = [threading.Thread(target=mine, args=(session, n)) for n, session in enumerate(inside)]
        for thread in threads:
            thread.start()
        site.declare("acme", rotation=3)
        code, lines = site.job()
        for thread in threads:
            thread.join(10)
        assert (code, results(lines)) == (0, {"acme": "ok", "beta": "ok"})
        for session in inside:
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        site.login("acme", rotation=3).close()

    def test_a_run_that_was_cut_off_after_the_password_leaves_no_session_of_the_old_one(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served(site, "acme")
        old = site.login("acme")
        site.declare("acme", rotation=2)
        assert site.job()[0] == 0
        site.declare("acme", rotation=3)
        with monkeypatch.context() as patched:
            real = sessions.end_sessions

            def cut(connection: object, logins: list[str], **given: object) -> set[int]:
                if logins == ["tn_acme_a"]:
                    return set()  # as if the run had ended here
                return real(connection, logins, **given)  # type: ignore[arg-type]

            patched.setattr(isolation, "end_sessions", cut)
            patched.setattr("jobs.sql.facts.Login.prove_shut", lambda *_, **__: 1 / 0)
            assert site.job()[0] == 1
        old.execute("SELECT 1")
        assert site.job()[0] == 0
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")

    def test_a_session_that_was_kept_by_a_ticket_ends_with_the_tenants_own(self, site: Site) -> None:
        served(site, "acme")
        kept = site.enter("worker", "acme")
        site.declare("acme", state="suspended")
        assert site.job()[0] == 0
        with pytest.raises(psycopg.OperationalError):
            kept.execute("SELECT 1")


class TestStalls:
    def test_locked_catalogs_cost_only_the_tenant_itself(self, site: Site) -> None:
        """Whoever enters such a database may hang before any limit of its session holds."""
        served(site, "acme", "beta", "cobalt")
        with site.login("acme") as reading, site.login("acme") as waiting:
            reading.execute("BEGIN")
            reading.execute("SELECT FROM pg_class LIMIT 1")
            waiting.execute("SET statement_timeout = 0")

            def vacuum() -> None:
                with contextlib.suppress(psycopg.Error):
                    waiting.execute("VACUUM FULL pg_class")

            thread = threading.Thread(target=vacuum)
            thread.start()
            time.sleep(0.5)
            started = time.monotonic()
            code, lines = site.job()
            assert time.monotonic() - started < 15
            reading.execute("ROLLBACK")
            thread.join()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok", "cobalt": "ok"})
        assert "a lock on its system catalogs" in (errors_of(lines)["acme"] or "")
        with site.server.bootstrap() as session:
            assert session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename ~ '^tn_(beta|cobalt)'"
            ).fetchall() == [(0,)]

    @pytest.mark.parametrize("shut", ["tn_beta", "postgres", "tenantry"])
    def test_a_database_that_a_tenant_shut_by_waiting_for_it_opens_again(self, site: Site, shut: str) -> None:
        """Whoever asks to drop a database waits for its lock before it is looked at whether he may."""
        served(site, "acme", "beta")
        with site.login("acme") as holding, site.login("acme") as waiting:
            holding.execute("SET ROLE NONE")
            holding.execute("BEGIN")
            holding.execute(f"ALTER ROLE tn_acme_a IN DATABASE {shut} SET work_mem = '4MB'".encode())
            waiting.execute("SET statement_timeout = 0")

            def drop() -> None:
                with contextlib.suppress(psycopg.Error):
                    waiting.execute(f"DROP DATABASE {shut}".encode())

            thread = threading.Thread(target=drop)
            thread.start()
            time.sleep(0.5)
            code, lines = site.job()
            thread.join(10)
            assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
            assert errors_of(lines)["acme"] == (
                f"acme: a session of tn_acme_a kept everybody out of database {shut}, and was ended"
            )
            site.login("beta").close()
            with contextlib.suppress(psycopg.Error):
                holding.execute("ROLLBACK")
        assert site.job()[0] == 0

    def test_a_setting_of_any_size_is_named_briefly(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute("ALTER DATABASE tn_acme SET application_name = '" + "x" * 2_000_000 + "'")
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        text = errors_of(lines)["acme"] or ""
        assert text.startswith("acme: not isolated: database tn_acme sets application_name=xxxx")
        assert len(text) < 400

    def test_a_login_that_holds_much_of_the_lock_table_is_named(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.server.bootstrap() as session:
            third = locks.capacity(session) // 3
        with site.login("acme") as hostile:
            hostile.execute("SET statement_timeout = 0")
            hostile.execute("SELECT count(pg_advisory_lock(n)) FROM generate_series(1, %s) n", (third,))
            code, lines = site.job()
            assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
            assert (errors_of(lines)["acme"] or "").startswith(f"acme: tn_acme_a holds {third} locks of about ")
            assert site.status("acme")["isolated"] is True  # no fact of isolation is violated
        assert site.job()[0] == 0

    def test_a_login_that_has_filled_the_lock_table_is_ended_as_soon_as_anybody_gives_a_lock_back(
        self, site: Site
    ) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as hostile, site.login("beta") as neighbour:
            neighbour.execute("SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 400) n")
            hostile.execute("SET statement_timeout = 0")
            with pytest.raises(errors.OutOfMemory):
                hostile.execute("SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 100000) n")
            with pytest.raises(psycopg.OperationalError, match="out of shared memory"):
                site.login("beta")
            later = threading.Timer(0.5, lambda: neighbour.execute("SELECT pg_advisory_unlock_all()"))
            later.start()
            code, lines = site.job("end-sessions", "--instance", site.instance, "--tenant", "acme")
            later.join()
            assert (code, lines[-1]["sessions"]) == (0, 1)
            with pytest.raises(psycopg.OperationalError):
                hostile.execute("SELECT 1")
        assert site.job()[0] == 0

    def test_a_lock_inside_its_database_costs_only_the_tenant_itself(self, site: Site) -> None:
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute("CREATE TABLE parted (n int) PARTITION BY LIST (n)")
        with site.server.bootstrap("tn_acme") as session:
            session.execute("ALTER TABLE parted OWNER TO tn_acme_b")
        with site.server.bootstrap("tn_acme") as holding:
            holding.execute("BEGIN")
            holding.execute("LOCK TABLE parted IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            code, lines = site.job()
            assert time.monotonic() - started < 20
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert "lock timeout" in (errors_of(lines)["acme"] or "")

    def test_a_tenants_limit_is_kept_on_the_clients_side(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server is asked for a rest that no cancelling ends: what counts is the other side's patience."""
        served(site, "acme", "beta")
        real = isolation.ensure_ownership

        def slow(connection: psycopg.Connection[tuple[object, ...]], tenant: object, instance: object) -> int:
            if getattr(tenant, "id", "") == "acme":
                connection.execute("SET statement_timeout = 0; SET ROLE NONE")
                connection.execute(
                    "DO $$ BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(60);"
                    " EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
                )
            return real(connection, tenant, instance)  # type: ignore[arg-type]

        monkeypatch.setattr(isolation, "ensure_ownership", slow)
        code, lines = site.job(TENANT_TIME_LIMIT_S="1")
        assert (code, results(lines)) == (1, {"acme": "failed", "beta": "ok"})
        assert errors_of(lines)["acme"] == "acme: its database's objects: not done after 1 s"
        with site.server.bootstrap() as session:
            session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tn_acme'")

    def test_a_run_that_is_cut_short_names_the_rest_and_begins_with_it_the_next_time(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        served(site, "acme", "beta", "cobalt")
        real: Callable[..., int] = isolation.ensure_ownership

        def slow(*arguments: object) -> int:
            time.sleep(1.5)
            return real(*arguments)

        monkeypatch.setattr(isolation, "ensure_ownership", slow)
        done: set[str] = set()
        for _ in range(3):
            code, lines = site.job(TIME_LIMIT_S="3.5")
            assert (code, lines[-1]["event"], lines[-1]["result"]) == (1, "sql_job.summary", "failed")
            missed = set(lines[-1]["not_reached"].split(", "))
            assert lines[-1]["not_reached_count"] == len(missed) > 0
            assert missed == {tenant for tenant, result in results(lines).items() if result == "not_reached"}
            done |= {"acme", "beta", "cobalt"} - missed
        assert done == {"acme", "beta", "cobalt"}

    def test_four_thousand_objects_change_hands(self, site: Site) -> None:
        """More than the server's lock table holds at once."""
        served(site, "acme")
        with site.server.bootstrap("tn_acme") as session:
            session.execute("SET lock_timeout = 0")
            for start in range(0, 4000, 500):
                session.execute(
                    f"""
                    DO $$ BEGIN FOR n IN {start}..{start + 499} LOOP
                      EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY, note text)', n);
                      EXECUTE format('ALTER TABLE public.t%s OWNER TO tn_acme_b', n);
                    END LOOP; END $$
                    """.encode()
                )
        code, lines = site.job()
        assert (code, results(lines)) == (0, {"acme": "ok"}), lines
        assert [x["objects"] for x in lines if x["event"] == "sql_job.objects_moved"] == [4000]


class TestRegistry:
    @pytest.mark.parametrize(
        "content",
        [b"[" * 200_000, b'{"kind": ["rds"]}', b'{"kind": {}}', b'{"kind": "oracle"}', b"\xff\xfe", b"", b"null"],
        ids=["nested", "list", "object", "unknown", "bytes", "empty", "null"],
    )
    def test_an_object_that_nobody_understands_fails_by_name(self, site: Site, content: bytes) -> None:
        site.add("acme", "beta")
        site.put("tenants/bad.json", content)
        code, lines = site.job()
        assert (code, results(lines)) == (1, {"tenants/bad.json": "failed", "acme": "ok", "beta": "ok"})
        assert (errors_of(lines)["tenants/bad.json"] or "").startswith("tenants/bad.json: ")

    def test_an_entry_that_cannot_be_read_fails_by_name(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        from jobs.sql.stores import FolderObjects

        world.add("acme", "beta")
        read = FolderObjects.read

        def refuse(self: FolderObjects, name: str) -> bytes | None:
            if name == "tenants/acme.json":
                raise OSError("connection reset")
            return read(self, name)

        monkeypatch.setattr(FolderObjects, "read", refuse)
        code, lines = world.job()
        assert (code, results(lines)) == (1, {"tenants/acme.json": "failed", "beta": "ok"})
        assert errors_of(lines)["tenants/acme.json"] == "connection reset"


class TestVerify:
    def test_counting_evaluates_nothing_of_a_tenants(self, site: Site) -> None:
        """To plan a SELECT, the server would evaluate what is constant in an index's expressions."""
        served(site, "acme", "beta")
        with site.login("acme") as session:
            session.execute(_CANARY.encode())
            session.execute(
                """
                CREATE FUNCTION evil.constant(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
                  'BEGIN PERFORM evil.canary(); RETURN 1; END';
                CREATE TABLE orders (n int);
                INSERT INTO orders VALUES (1), (2);
                CREATE INDEX ON orders ((n + evil.constant(1)));
                SELECT setval('evil.tenants', 1, false);
                """
            )
        code, lines = site.job("verify", "--instance", site.instance)
        assert code == 0, lines
        assert [x["rows"] for x in lines if x["event"] == "sql_job.verify" and x["tenant"] == "acme"] == [2 + 0]
        assert ran(site) == (False, False)
        assert not exists(site, "mallory")

    def test_policies_that_bind_the_owner_are_no_failure(self, site: Site) -> None:
        served(site, "acme")
        with site.login("acme") as session:
            session.execute("CREATE TABLE orders AS SELECT generate_series(1, 3) AS n")
            session.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
            session.execute("CREATE POLICY part ON orders USING (n > 1)")
        code, lines = site.job("verify", "--instance", site.instance)
        found = [(x["tables"], x["rows"]) for x in lines if x["event"] == "sql_job.verify"]
        assert (code, found) == (0, [(1, 0)])  # to know its rows, the policy would have to run
