"""What a removed tenant leaves on an instance goes with proof, and only with proof; against real servers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from jobs.dumps.layout import contents_digest
from jobs.dumps.tables import contents
from jobs.sql import aws
from jobs.sql.__main__ import main
from jobs.sql.errors import JobError
from jobs.sql.postgres import PINNED
from jobs.sql.removal import drop_database, remains
from jobs.sql.stores import FolderObjects
from tests.jobs.amazon import INSTANCE, Account, of
from tests.jobs.conftest import World
from tests.jobs.server import Postgres
from tests.jobs.test_apply import one

pytestmark = pytest.mark.postgres

LEFTOVER = "sql_job.leftover"


def apply(account: Account, **changes: str) -> list[dict[str, Any]]:
    code, lines = account.run(main, ["apply"], **changes)
    assert code == 0, lines
    return lines


def names(server: Postgres) -> tuple[list[object], list[object]]:
    """The server's databases and roles that are named like a tenant's."""
    with server.bootstrap() as session:
        databases = session.execute("SELECT datname FROM pg_database WHERE datname ~ '^tn_' ORDER BY 1").fetchall()
        roles = session.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^tn_' ORDER BY 1").fetchall()
    return [name for (name,) in databases], [name for (name,) in roles]


def marker(tenant: str, /, **changes: object) -> bytes:
    content = {"schema_version": 1, "tenant": tenant, "exported_at": datetime.now(UTC).isoformat(), "logins": "off"}
    return json.dumps(content | changes).encode()


def mark(account: Account, tenant: str, name: str = "", /, **changes: object) -> None:
    """Write the marker as the export does, with what the database holds now."""
    described = {"contents": digest(account.server, f"tn_{tenant}"), **changes}
    account.s3.put_object(Bucket=account.exports, Key=name or f"final/{tenant}.json", Body=marker(tenant, **described))


def digest(server: Postgres, database: str) -> str:
    with server.bootstrap(database) as session:
        for setting, value in PINNED.items():
            session.execute("SELECT set_config(%s, %s, false)", (setting, value))
        return contents_digest(contents(session))


def roles_of(*stems: str) -> list[object]:
    """All roles of these tenants, sorted."""
    names: list[object] = []
    names += sorted(
        f"{stem}_{end}" for stem in stems for end in ("a", "b", "backup", "migrator", "owner", "restore", "worker")
    )
    return names


def remove(account: Account, tenant: str) -> None:
    account.s3.delete_object(Bucket=account.registry, Key=f"tenants/{tenant}.json")


def statuses(account: Account) -> list[str]:
    found = account.s3.list_objects_v2(Bucket=account.registry, Prefix="status/")
    return sorted(item["Key"] for item in found.get("Contents", []))


@pytest.fixture
def leaving(account: Account) -> Account:
    """`acme` is offboarding and its entry about to be removed; `acme-a`, whose names look alike, stays."""
    for tenant in ("acme", "acme-a"):
        account.declare(tenant)
    apply(account)
    with account.server.session("tn_acme_a", account.password("acme", 1), "tn_acme") as session:
        session.execute("CREATE TABLE notes AS SELECT 'kept' AS line")
    with account.server.session("tn_acme_a_a", account.password("acme-a", 1), "tn_acme_a") as session:
        session.execute("CREATE TABLE notes AS SELECT 'kept' AS line")
    account.declare("acme", state="offboarding")
    apply(account)
    mark(account, "acme")
    return account


ALL = (["tn_acme", "tn_acme_a"], roles_of("tn_acme", "tn_acme_a"))


def stays(account: Account, reason: str, **changes: str) -> None:
    """Run the job; it drops nothing, and says why."""
    lines = apply(account, **changes)
    assert of(lines, "sql_job.removed") == []
    assert [(line["tenant"], line["instance"], line["severity"]) for line in lines if line["event"] == LEFTOVER] == [
        ("acme", INSTANCE, "WARNING")
    ]
    assert reason in of(lines, LEFTOVER, "reason")[0][0]
    assert names(account.server) == ALL
    assert "status/acme.json" in statuses(account)
    with account.server.bootstrap("tn_acme") as session:
        assert one(session, "SELECT line FROM notes") == "kept"


def test_with_proof_the_database_and_its_roles_go_and_nothing_else_does(leaving: Account) -> None:
    remove(leaving, "acme")
    lines = apply(leaving)
    assert of(lines, "sql_job.removed", "tenant", "instance", "database", "roles", "severity") == [
        ("acme", INSTANCE, "tn_acme", 7, "INFO")
    ]
    assert of(lines, LEFTOVER) == []
    assert names(leaving.server) == (["tn_acme_a"], roles_of("tn_acme_a"))
    assert statuses(leaving) == ["status/acme-a.json"]
    with leaving.server.session("tn_acme_a_a", leaving.password("acme-a", 1), "tn_acme_a") as session:
        assert one(session, "SELECT line FROM notes") == "kept"
    assert leaving.objects("final/") == ["final/acme.json"]
    assert {line["event"] for line in apply(leaving)} == {"sql_job.tenant", "sql_job.summary"}


def test_the_marker_that_the_last_entry_asked_for_counts(leaving: Account) -> None:
    leaving.declare("acme", state="offboarding", final_export="final/acme.2.json")
    apply(leaving)
    mark(leaving, "acme")
    remove(leaving, "acme")
    stays(leaving, "final/acme.2.json is not in the exports bucket")
    mark(leaving, "acme", "final/acme.2.json")
    assert len(of(apply(leaving), "sql_job.removed")) == 1


def test_a_status_that_asks_for_no_marker_proves_nothing(leaving: Account) -> None:
    leaving.declare("acme", state="offboarding", final_export=None)
    apply(leaving)
    remove(leaving, "acme")
    stays(leaving, "status/acme.json does not name its final export")


def test_an_entry_keeps_everything(leaving: Account) -> None:
    assert {line["event"] for line in apply(leaving)} == {"sql_job.tenant", "sql_job.summary"}
    leaving.put("tenants/acme.json", {"damaged": True})
    code, lines = leaving.run(main, ["apply"])
    assert (code, of(lines, "sql_job.removed"), of(lines, LEFTOVER)) == (1, [], [])
    assert names(leaving.server) == ALL


def test_without_its_marker_nothing_goes(leaving: Account) -> None:
    leaving.s3.delete_object(Bucket=leaving.exports, Key="final/acme.json")
    remove(leaving, "acme")
    stays(leaving, "final/acme.json is not in the exports bucket")
    stays(leaving, "the job is not told the exports bucket", TENANTRY_EXPORTS="")
    stays(leaving, "NoSuchBucket", TENANTRY_EXPORTS="no-such-bucket-anywhere")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tenant": "acme-a"}, "is about 'acme-a'"),
        ({"exported_at": None}, "is no marker"),
        ({"exported_at": "2026-01-01T00:00:00"}, "is no marker"),  # of which zone?
        ({"logins": "not-enforced"}, "is no marker"),
    ],
)
def test_a_marker_of_something_else_proves_nothing(leaving: Account, changes: dict[str, object], reason: str) -> None:
    mark(leaving, "acme", **changes)
    remove(leaving, "acme")
    stays(leaving, reason)


def test_the_marker_of_an_earlier_offboarding_proves_nothing(leaving: Account) -> None:
    """What was written after the return is in no final export."""
    leaving.declare("acme")
    apply(leaving)
    assert leaving.get("status/acme.json")["logins_off_since"] is None
    leaving.declare("acme", state="offboarding")
    apply(leaving)
    remove(leaving, "acme")
    stays(leaving, "but its logins were on until")


def test_the_time_without_logins_begins_with_suspension_and_goes_on(account: Account) -> None:
    account.declare("acme")
    apply(account)
    before = datetime.now(UTC)
    account.declare("acme", state="suspended")
    apply(account)
    since = account.get("status/acme.json")["logins_off_since"]
    assert before <= datetime.fromisoformat(since) <= before + timedelta(minutes=5)
    account.declare("acme", state="offboarding")
    apply(account)
    assert account.get("status/acme.json")["logins_off_since"] == since
    with account.server.bootstrap() as session:
        session.execute("ALTER ROLE tn_acme_a BYPASSRLS")
    assert account.run(main, ["apply"])[0] == 1
    assert account.get("status/acme.json")["logins_off_since"] is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "active"}, "does not say that it was offboarding"),
        ({"state": None}, "does not say that it was offboarding"),
        ({"isolated": False}, "does not say that it was offboarding"),
        ({"logins_off_since": None}, "does not say that it was offboarding"),
        ({"id": "acme-a"}, "no status/acme.json says"),
        ({"rotation": "x"}, "no status/acme.json says"),
    ],
)
def test_a_status_that_does_not_say_so_proves_nothing(
    leaving: Account, changes: dict[str, object], reason: str
) -> None:
    leaving.put("status/acme.json", leaving.get("status/acme.json") | changes)
    remove(leaving, "acme")
    stays(leaving, reason)


def test_without_its_status_nothing_goes(leaving: Account) -> None:
    status = leaving.get("status/acme.json")
    leaving.s3.delete_object(Bucket=leaving.registry, Key="status/acme.json")
    remove(leaving, "acme")
    lines = apply(leaving)
    assert "no status/acme.json says that it was offboarding" in of(lines, LEFTOVER, "reason")[0][0]
    assert names(leaving.server) == ALL
    leaving.put("status/acme.json", status)
    assert of(apply(leaving), "sql_job.removed", "tenant") == [("acme",)]


def test_an_empty_listing_proves_nothing(leaving: Account) -> None:
    """It looks the same when every tenant is gone and when the registry is."""
    for tenant in ("acme", "acme-a"):
        remove(leaving, tenant)
    lines = apply(leaving)
    assert of(lines, LEFTOVER, "tenant", "reason") == [
        (tenant, "the registry lists no tenant at all") for tenant in ("acme", "acme-a")
    ]
    assert names(leaving.server) == ALL
    assert statuses(leaving) == ["status/acme-a.json", "status/acme.json"]


def test_a_registry_that_cannot_be_listed_proves_nothing(leaving: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    listing = aws.BucketObjects.names

    def refused(self: aws.BucketObjects, prefix: str) -> list[str]:
        calls.append(prefix)
        if prefix == "tenants/" and calls.count(prefix) > 1:
            raise JobError("cannot list s3://registry/tenants/: AccessDenied")
        return listing(self, prefix)

    monkeypatch.setattr(aws.BucketObjects, "names", refused)
    remove(leaving, "acme")
    lines = apply(leaving)
    assert [reason for (reason,) in of(lines, LEFTOVER, "reason")] == [
        "cannot list s3://registry/tenants/: AccessDenied"
    ] * 2
    assert of(lines, "sql_job.removed") == []
    assert names(leaving.server) == ALL
    assert "status/acme.json" in statuses(leaving)


@pytest.mark.parametrize("answer", [b"{}", None])
def test_an_entry_that_came_back_or_cannot_be_read_keeps_everything(
    leaving: Account, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    """The listing is a moment old when it comes to dropping."""
    read = aws.BucketObjects.read

    def late(self: aws.BucketObjects, name: str) -> bytes | None:
        if name != "tenants/acme.json":
            return read(self, name)
        if answer is None:
            raise JobError("cannot read tenants/acme.json: SlowDown")
        return answer

    remove(leaving, "acme")
    monkeypatch.setattr(aws.BucketObjects, "read", late)
    lines = apply(leaving)
    assert of(lines, "sql_job.removed") == []
    assert [reason for (reason,) in of(lines, LEFTOVER, "reason")] == (
        [] if answer else ["cannot read tenants/acme.json: SlowDown"]
    )
    assert names(leaving.server) == ALL
    assert "status/acme.json" in statuses(leaving)


def test_sessions_are_waited_for_and_never_ended(leaving: Account) -> None:
    remove(leaving, "acme")
    with leaving.server.bootstrap("tn_acme") as somebody:
        stays(leaving, "sessions of rdsadmin are in database tn_acme")
        assert one(somebody, "SELECT line FROM public.notes") == "kept"
    assert of(apply(leaving), "sql_job.removed", "tenant") == [("acme",)]


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO notes VALUES ('late')",
        "UPDATE notes SET line = 'late'",
        "CREATE TABLE more AS SELECT 1 AS n",
        "CREATE SEQUENCE numbers; SELECT nextval('numbers')",
        "SELECT lo_from_bytea(0, 'late')",
    ],
)
def test_nothing_goes_that_was_written_after_the_export(leaving: Account, write: str) -> None:
    with leaving.server.bootstrap("tn_acme") as session:
        session.execute("SET ROLE tn_acme_owner")
        session.execute(write.encode())
    remove(leaving, "acme")
    lines = apply(leaving)
    assert of(lines, "sql_job.removed") == []
    assert of(lines, LEFTOVER, "reason") == [("it has other rows than its final export: something was written since",)]
    assert names(leaving.server) == ALL
    mark(leaving, "acme")
    assert of(apply(leaving), "sql_job.removed", "tenant") == [("acme",)]


def test_a_marker_that_does_not_say_what_was_exported_proves_nothing(leaving: Account) -> None:
    mark(leaving, "acme", contents=None)
    remove(leaving, "acme")
    stays(leaving, "does not say what was exported; an older job wrote it")


def test_a_database_that_cannot_be_compared_in_time_stays(leaving: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.sql.removal._COMPARE_LIMIT_S", 0.0)
    remove(leaving, "acme")
    stays(leaving, "cannot compare it with its final export: reading tn_acme: not done after 0 s")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER ROLE tn_acme_b LOGIN", "tn_acme_b can log in"),
        ("ALTER DATABASE tn_acme OWNER TO rdsadmin", "database tn_acme belongs to rdsadmin"),
    ],
)
def test_a_server_that_says_otherwise_is_believed(leaving: Account, change: str, reason: str) -> None:
    remove(leaving, "acme")
    with leaving.server.bootstrap() as session:
        session.execute(change.encode())
    stays(leaving, reason)


def test_a_run_that_was_cut_off_is_finished_by_the_next(leaving: Account) -> None:
    remove(leaving, "acme")
    with leaving.server.bootstrap() as session:
        session.execute("DROP DATABASE tn_acme")
        session.execute("DROP ROLE tn_acme_b")
    lines = apply(leaving)
    assert of(lines, "sql_job.removed", "tenant", "database", "roles") == [("acme", None, 6)]
    assert names(leaving.server) == (["tn_acme_a"], roles_of("tn_acme_a"))
    assert statuses(leaving) == ["status/acme-a.json"]


def test_what_a_neighbour_has_granted_them_keeps_no_roles(leaving: Account) -> None:
    with leaving.server.session("tn_acme_a_a", leaving.password("acme-a", 1), "tn_acme_a") as session:
        session.execute("GRANT SELECT ON notes TO tn_acme_owner, tn_acme_a, tn_acme_backup WITH GRANT OPTION")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO tn_acme_b")
    remove(leaving, "acme")
    assert of(apply(leaving), "sql_job.removed", "tenant") == [("acme",)]
    assert names(leaving.server) == (["tn_acme_a"], roles_of("tn_acme_a"))


def test_roles_that_own_something_elsewhere_stay_together(leaving: Account) -> None:
    remove(leaving, "acme")
    with leaving.server.bootstrap() as session:
        session.execute("CREATE DATABASE elsewhere OWNER tn_acme_owner")
        session.execute("REVOKE ALL ON DATABASE elsewhere FROM PUBLIC")
    lines = apply(leaving)
    assert "2BP01" in of(lines, LEFTOVER, "reason")[0][0]
    assert names(leaving.server)[1] == ALL[1]
    assert "status/acme.json" in statuses(leaving)


def test_the_last_tenant_of_an_instance_goes_too(leaving: Account) -> None:
    """The instance has no tenant then, so no entry leads to it."""
    with leaving.server.bootstrap() as session:
        session.execute("DROP DATABASE tn_acme_a")
        for role in ("a", "b", "worker", "migrator", "backup", "restore", "owner"):
            session.execute(f"DROP ROLE tn_acme_a_{role}".encode())
    remove(leaving, "acme")
    remove(leaving, "acme-a")
    leaving.declare_guest("guesthouse")
    leaving.declare_instance("broken", host=7)
    lines = apply(leaving)
    assert of(lines, "sql_job.removed", "tenant") == [("acme",)]
    ((instance, reason),) = of(lines, LEFTOVER, "instance", "reason")
    assert (instance, "host" in reason) == ("broken", True)
    assert names(leaving.server) == ([], [])
    # what an instance that cannot be looked at has left would need it
    assert "status/acme.json" in statuses(leaving)
    leaving.s3.delete_object(Bucket=leaving.registry, Key="instances/broken.json")
    apply(leaving)
    assert "status/acme.json" not in statuses(leaving)


def test_names_lead_back_to_one_tenant(server: Postgres) -> None:
    server.wipe_as_rds()
    with server.bootstrap() as session:
        for role in ("tn_team_a", "tn_team_owner", "tn_team_a_b", "tn_odd", "tn_Odd_a", "tn_x__y_a"):
            session.execute(f'CREATE ROLE "{role}"'.encode())
        for database in ("tn_team_a", "tn_a", "tn_x__y", "other"):
            session.execute(f'CREATE DATABASE "{database}"'.encode())
        found = remains(session)
    assert [(item.tenant, item.owner, item.roles) for item in found] == [
        ("team", None, ("tn_team_a", "tn_team_owner")),
        ("team-a", "rdsadmin", ("tn_team_a_b",)),
    ]


class TestCloudSql:
    """Its databases are the program's own; the job drops the roles that they leave."""

    def leave(self, world: World) -> FolderObjects:
        world.add("acme", "beta")
        world.apply()
        world.declare("acme", state="offboarding")
        world.apply()
        exports = FolderObjects(world.registry.parent / "exports")
        exports.write("final/acme.json", marker("acme"))
        (world.registry / "tenants" / "acme.json").unlink()
        return exports

    def run(self, world: World) -> list[dict[str, Any]]:
        return world.apply(EXPORTS_BUCKET=f"file://{world.registry.parent / 'exports'}")

    def test_roles_go_when_the_database_has(self, world: World) -> None:
        self.leave(world)
        lines = self.run(world)
        assert of(lines, LEFTOVER, "tenant", "reason") == [
            ("acme", "database tn_acme is still there, which only the program's `up` deletes")
        ]
        assert (names(world.server)[0], len(names(world.server)[1])) == (["tn_acme", "tn_beta"], 14)
        with world.server.bootstrap() as session:
            session.execute("DROP DATABASE tn_acme")
        lines = self.run(world)
        assert of(lines, "sql_job.removed", "tenant", "database", "roles") == [("acme", None, 7)]
        assert names(world.server) == (["tn_beta"], roles_of("tn_beta"))
        assert sorted(path.name for path in (world.registry / "status").iterdir()) == ["beta.json"]
        world.login("beta").close()
        assert {line["event"] for line in self.run(world)} == {"sql_job.tenant", "sql_job.summary"}

    def test_roles_stay_without_the_marker(self, world: World) -> None:
        self.leave(world).delete("final/acme.json")
        with world.server.bootstrap() as session:
            session.execute("DROP DATABASE tn_acme")
        lines = self.run(world)
        assert "final/acme.json is not in the exports bucket" in of(lines, LEFTOVER, "reason")[0][0]
        assert len(names(world.server)[1]) == 14

    def test_a_database_whose_entry_is_not_there_yet_is_no_leftover(self, world: World) -> None:
        world.add("beta")
        world.server.create_database("tn_acme")
        assert of(self.run(world), LEFTOVER) == []
        assert names(world.server)[0] == ["tn_acme", "tn_beta"]


def test_dropping_is_never_forced(leaving: Account) -> None:
    """A session that came after the look makes the server refuse, and that is a leftover like any other."""
    with (
        leaving.server.session("tn_acme_a_a", leaving.password("acme-a", 1), "tn_acme_a"),
        leaving.server.bootstrap() as session,
        pytest.raises(psycopg.errors.ObjectInUse),
    ):
        drop_database(session, "tn_acme_a", "tn_acme_a_owner")
