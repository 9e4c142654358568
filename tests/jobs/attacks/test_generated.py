"""Hostile objects by the dozen, drawn anew for each example, and then every session of the jobs that has more rights.

The property: whatever one tenant leaves in its database, nothing of it runs with rights beyond the tenant's, nothing on
the server changes that nobody declared, the other tenant is served, and what is said about the hostile one is true.
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from jobs import export
from jobs.sql.__main__ import main
from tests.jobs.amazon import INSTANCE as RDS_INSTANCE
from tests.jobs.amazon import Account
from tests.jobs.attacks.canaries import OWN, Garden, Plant, Session, gardens, plant, signatures, sung
from tests.jobs.conftest import INSTANCE, World
from tests.jobs.server import ADMIN, ADMIN_PASSWORD, Postgres

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(3600)]

Lines = list[dict[str, Any]]

# A tenant's failure is a sentence about the tenant, not the name of a Python exception that nobody expected.
_UNEXPECTED = re.compile(r"^(Attribute|Type|Key|Index|Name|Assertion|Value|Unicode\w*|Recursion)Error\b")
_ROLES = """
    SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin, rolconnlimit
    FROM pg_roles ORDER BY 1
"""
_MEMBERS = """
    SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text, admin_option FROM pg_auth_members
    ORDER BY 1, 2, 3
"""
# What the tenant sets for its own database and logins is its own affair, unless the job says otherwise.
_SETTINGS = """
    SELECT coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), setconfig FROM pg_db_role_setting s
    LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE NOT coalesce(r.rolname ~ '^tn_acme_' OR d.datname = 'tn_acme', false) OR r.rolname ~ '^tn_beta_'
    ORDER BY 1, 2
"""
_DATABASES = """
    SELECT datname::text, datdba::regrole::text, datacl::text, datconnlimit, datallowconn, datistemplate
    FROM pg_database
    WHERE datname <> 'tn_acme' ORDER BY 1
"""


def facts(server: Postgres) -> dict[str, list[tuple[object, ...]]]:
    """Everything about roles and databases that a tenant has no business changing."""
    with server.bootstrap() as session:
        return {
            name: session.execute(query.encode()).fetchall()
            for name, query in (
                ("roles", _ROLES), ("members", _MEMBERS), ("settings", _SETTINGS), ("databases", _DATABASES)
            )
        }  # fmt: skip


def may_enter(server: Postgres, database: str) -> list[str]:
    """Logins of tenants and of nobody in particular that may open a database."""
    with server.bootstrap() as session:
        found = session.execute(
            """
            SELECT rolname::text FROM pg_roles
            WHERE rolname ~ '^tn_' AND has_database_privilege(oid, %s, 'CONNECT') ORDER BY 1
            """,
            (database,),
        ).fetchall()
    return [str(name) for (name,) in found]


def of_tenant(lines: Lines, event: str, tenant: str) -> tuple[str, str | None]:
    (found,) = [
        (line["result"], line["error"]) for line in lines if (line["event"], line.get("tenant")) == (event, tenant)
    ]
    return found


class Form:
    """One cloud's form: two tenants, served once, and the sessions that have more rights than they."""

    def __init__(
        self,
        server: Postgres,
        job: Callable[..., tuple[int, Lines]],
        exporting: Callable[[], tuple[int, Lines]] | None,
        instance: str,
        password: Callable[[str], str],
        status: Callable[[str], dict[str, Any]],
    ) -> None:
        self.server, self.job, self.exporting, self.instance = server, job, exporting, instance
        self.password, self.status = password, status

    def login(self, tenant: str, database: str | None = None) -> Session:
        return self.server.session(f"tn_{tenant}_a", self.password(tenant), database or f"tn_{tenant}")

    def attack(self, garden: Garden) -> None:
        """Plant, run everything, and look at what became of it."""
        code, lines = self.job("apply")
        assert code == 0, lines
        with self.login("beta") as session:
            session.execute("CREATE TABLE notes AS SELECT 'kept' AS line")
        before = facts(self.server)
        log = self.server.folder / "server.log"
        start = log.stat().st_size
        with self.login("acme") as session:
            assert plant(session, garden) > 0
        self.server.settle()

        told: dict[str, list[tuple[str, str | None]]] = {"acme": [], "beta": []}
        for command in (("apply",), ("apply",), ("verify", "--instance", self.instance)):
            event = "sql_job.verify" if command[0] == "verify" else "sql_job.tenant"
            _, lines = self.job(*command)
            for tenant, results in told.items():
                results.append(of_tenant(lines, event, tenant))
        if self.exporting is not None:
            _, lines = self.exporting()
            for tenant, results in told.items():
                results.append(of_tenant(lines, "export.result", tenant))

        with log.open(encoding="utf-8", errors="replace") as file:
            file.seek(start)
            beyond = {one for one in sung(file.read()) if one.beyond}
        assert beyond == set()
        assert facts(self.server) == before
        assert set(told["beta"]) == {("ok", None)}
        for result, error in told["acme"]:
            assert (result == "ok") == (error is None)
            assert not _UNEXPECTED.match(error or "")
        self._beta_is_well()
        self._acme_is_as_said(told["acme"][1])

    def _beta_is_well(self) -> None:
        status = self.status("beta")
        assert (status["isolated"], status["error"]) == (True, None)
        with self.login("beta") as session:
            assert session.execute("SELECT current_user, line FROM public.notes").fetchone() == (
                "tn_beta_owner",
                "kept",
            )
        assert [name for name in may_enter(self.server, "tn_beta") if not name.startswith("tn_beta_")] == []

    def _acme_is_as_said(self, told: tuple[str, str | None]) -> None:
        status = self.status("acme")
        assert (status["isolated"], status["error"]) in {(True, None), (True, told[1]), (False, told[1])}
        if told[0] != "ok":
            return
        assert [name for name in may_enter(self.server, "tn_acme") if name not in OWN] == []
        with self.server.bootstrap() as session:
            # a template may be copied by whoever may make databases, and can never be dropped
            query = "SELECT datallowconn, datistemplate FROM pg_database WHERE datname = 'tn_acme'"
            assert session.execute(query).fetchone() == (True, False)
        with self.login("acme") as session:  # the declared password, whatever the tenant had set
            assert session.execute("SELECT session_user::text").fetchone() == ("tn_acme_a",)
        for database in ("tn_beta", "postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                self.login("acme", database).close()


def attacked(form: Callable[[Path], Form], server: Postgres, examples: int) -> None:
    """Try so many drawn attacks, the same ones each time."""
    with server.bootstrap() as session:
        known = signatures(session)
    assert len(known) > 20

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given(garden=gardens(known))
    def run(garden: Garden) -> None:
        with tempfile.TemporaryDirectory() as folder:
            form(Path(folder)).attack(garden)

    run()


def test_the_canaries_sing(server: Postgres, tmp_path: Path) -> None:
    """What the property rests on: an administrator that only plans a query of such a table is heard."""
    server.wipe()
    world = World(server, tmp_path)
    world.add("acme")
    world.apply()
    log = server.folder / "server.log"
    start = log.stat().st_size
    with world.login("acme") as session:
        statements = ("CREATE TABLE t (n int)", "CREATE INDEX ON t (n) WHERE n > nest.constant('predicate')")
        plant(session, Garden((Plant(label="t", statements=statements),)))
    with server.session(ADMIN, ADMIN_PASSWORD, "tn_acme") as session:
        session.execute("SET ROLE cloudsqlsuperuser")
        session.execute("SELECT count(*) FROM public.t")
        session.execute("BEGIN READ ONLY")
        session.execute("SELECT nest.sing('read only')")
        session.execute("ROLLBACK")
    heard = {(one.session_user, one.current_user, one.label) for one in sung(log.read_text()[start:]) if one.beyond}
    assert heard == {(ADMIN, "cloudsqlsuperuser", "predicate"), (ADMIN, "cloudsqlsuperuser", "read only")}


def test_on_cloud_sql_nothing_runs_with_more_rights(server: Postgres, examples: int) -> None:
    def form(folder: Path) -> Form:
        server.wipe()
        world = World(server, folder)
        world.add("acme", "beta")

        def job(*arguments: str) -> tuple[int, Lines]:
            return world.job(*arguments)

        return Form(server, job, None, INSTANCE, lambda tenant: world.password(tenant, 1), world.status)

    attacked(form, server, examples)


def test_on_rds_nothing_runs_with_more_rights(account: Account, server: Postgres, path: str, examples: int) -> None:
    made = [account]

    def form(_: Path) -> Form:
        while made:
            made.pop().forget()
        server.wipe_as_rds()
        used = Account(server, path)
        made.append(used)
        for tenant in ("acme", "beta"):
            used.declare(tenant)

        def job(*arguments: str) -> tuple[int, Lines]:
            found = used.run(main, list(arguments))
            used.let_backup_in()
            return found

        return Form(
            server,
            job,
            lambda: used.run(export.main),
            RDS_INSTANCE,
            lambda tenant: used.password(tenant, 1),
            lambda tenant: used.get(f"status/{tenant}.json"),
        )

    attacked(form, server, examples)
