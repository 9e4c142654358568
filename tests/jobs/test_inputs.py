"""What the job reads from outside: registry objects, secrets, its environment; no server needed."""

import io
import json
import tomllib
from pathlib import Path

import pytest

from jobs.clouds import open_cloud
from jobs.dumps.targets import read_dsn
from jobs.environment import read
from jobs.sql.__main__ import Environment, main
from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.registry import Scope, parse_credential, parse_instance, parse_tenant

ROOT = Path(__file__).parents[2]


def tenant(**changes: object) -> bytes:
    declared = {
        "schema_version": 1,
        "id": "acme-co",
        "kind": "cloudsql",
        "state": "active",
        "instance": "shared-a-1",
        "database": "tn_acme_co",
        "owner_role": "tn_acme_co_owner",
        "logins": ["tn_acme_co_a", "tn_acme_co_b"],
        "active_login": "tn_acme_co_a",
        "rotation": 1,
        "credential_secret": "projects/p/secrets/tenant-acme-co-credential",
        "url_secret": "projects/p/secrets/tenant-acme-co-database-url",
        "connection_limit": 20,
        "statement_timeout_ms": 30000,
        "status": "status/acme-co.json",
    }
    return json.dumps(declared | changes).encode()


def instance(**changes: object) -> bytes:
    declared = {
        "schema_version": 1,
        "key": "shared-a-1",
        "kind": "cloudsql",
        "name": "acme-dev-a-1",
        "project": "p",
        "host": "10.0.0.2",
        "port": 5432,
        "server_ca_pem": "-----BEGIN CERTIFICATE-----",
        "admin_user": "sql-job@p.iam",
        "platform_users": ["worker@p.iam"],
    }
    return json.dumps(declared | changes).encode()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"id": 'x"; DROP DATABASE postgres; --'}, "is not a tenant id"),
        ({"id": "acme--co"}, "is not a tenant id"),
        ({"id": "a" * 31}, "id: "),
        ({"id": "acme-co\n"}, "is not a tenant id"),
        ({"database": 'tn_acme_co"; DROP ROLE x; --'}, "database is"),
        ({"database": "tn_beta"}, "database is 'tn_beta'"),
        ({"owner_role": "cloudsqlsuperuser"}, "owner_role is 'cloudsqlsuperuser'"),
        ({"logins": ["tn_acme_co_b", "tn_acme_co_a"]}, "logins is"),
        ({"active_login": "tn_acme_co_b"}, "active_login is 'tn_acme_co_b'"),
        ({"rotation": 2}, "active_login is 'tn_acme_co_a'"),
        ({"rotation": 0}, "rotation: "),
        ({"rotation": True}, "rotation: "),
        ({"state": "deleted"}, "state: "),
        (
            {"credential_secret": "projects/p/secrets/tenant-beta-credential"},
            "credential_secret must be the secret tenant-acme-co-credential",
        ),
        ({"url_secret": "projects/p/secrets/x:addVersion?/secrets/tenant-acme-co-database-url"}, "url_secret: "),
        ({"status": "tenants/acme-co.json"}, "status is"),
        ({"connection_limit": 0}, "connection_limit: "),
        ({"schema_version": 2}, "schema_version: "),
    ],
)
def test_a_forged_tenant_is_refused(changes: dict[str, object], place: str) -> None:
    with pytest.raises(JobError) as refused:
        parse_tenant("tenants/acme-co.json", tenant(**changes), "cloudsql")
    assert place in str(refused.value)
    assert str(refused.value).startswith("tenants/acme-co.json: ")


def test_fields_of_a_newer_program_are_ignored() -> None:
    assert parse_tenant("tenants/acme-co.json", tenant(colour="red"), "cloudsql").id == "acme-co"


def test_an_object_is_named_after_what_it_holds() -> None:
    with pytest.raises(JobError, match="holds tenant 'acme-co'"):
        parse_tenant("tenants/beta.json", tenant(), "cloudsql")
    with pytest.raises(JobError, match="holds instance 'shared-a-1'"):
        parse_instance("instances/other.json", instance(), Scope(kind="cloudsql", home="p"))


def test_another_projects_instance_is_refused() -> None:
    with pytest.raises(JobError, match="project is 'p', but this job serves 'q' only"):
        parse_instance("instances/shared-a-1.json", instance(), Scope(kind="cloudsql", home="q"))


@pytest.mark.parametrize(
    ("state", "rotation", "enabled"),
    [
        ("active", 1, ["tn_acme_co_a"]),
        ("active", 2, ["tn_acme_co_b", "tn_acme_co_a"]),
        ("active", 3, ["tn_acme_co_a", "tn_acme_co_b"]),
        ("suspended", 2, []),
        ("offboarding", 1, []),
    ],
)
def test_which_logins_may_be_used(state: str, rotation: int, enabled: list[str]) -> None:
    active = "tn_acme_co_a" if rotation % 2 else "tn_acme_co_b"
    found = parse_tenant(
        "tenants/acme-co.json", tenant(state=state, rotation=rotation, active_login=active), "cloudsql"
    )
    assert found.enabled_logins == enabled


@pytest.mark.parametrize(
    "content", ["hunter2-hunter2-hunter2", '{"login": "tn_acme_co_a", "password": "hunter2-hunter2", "rotation": "1"}']
)
def test_a_damaged_credential_is_not_quoted(content: str) -> None:
    declared = parse_tenant("tenants/acme-co.json", tenant(), "cloudsql")
    with pytest.raises(JobError) as refused:
        parse_credential(declared, content)
    assert "is not a credential" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_damaged_object_fails_the_run_and_writes_no_status(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    (registry / "tenants").mkdir(parents=True)
    (registry / "tenants" / "evil.json").write_bytes(tenant(id="../../evil"))
    (registry / "tenants" / "other.json").write_bytes(tenant(id="other", kind="firestore"))
    (tmp_path / "token").write_text("token", encoding="utf-8")
    stream = io.StringIO()
    variables = {
        "PROJECT": "p",
        "REGISTRY_BUCKET": f"file://{registry}",
        "SECRETS_FOLDER": f"file://{tmp_path}",
        "ADMIN_PASSWORD_FILE": str(tmp_path / "token"),
    }
    assert main([], variables, Log(stream)) == 1
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["result"]) for line in lines] == [
        ("sql_job.tenant", "failed"),
        ("sql_job.summary", "failed"),
    ]
    assert (lines[1]["tenants"], lines[1]["failed"], lines[1]["other_kinds"]) == (1, 1, 1)
    assert sorted(path.name for path in registry.rglob("*.json")) == ["evil.json", "other.json"]


def configure(variables: dict[str, str]) -> None:
    read(Environment, variables)
    open_cloud(variables)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "PROJECT: Field required; REGISTRY_BUCKET: Field required"),
        ({"PROJECT": "p", "REGISTRY_BUCKET": ""}, "REGISTRY_BUCKET: Field required"),
        ({"PROJECT": "p", "REGISTRY_BUCKET": "file:///x"}, "go together"),
        ({"PROJECT": "p", "REGISTRY_BUCKET": "b", "ADMIN_PASSWORD_FILE": "/x"}, "go together"),
        ({"PROJECT": "p", "REGISTRY_BUCKET": "b", "LOCK_WAIT_S": "-1"}, "LOCK_WAIT_S: "),
        ({"TENANTRY_CLOUD": "azure"}, "TENANTRY_CLOUD is 'azure'; set gcp or aws"),
        ({"TENANTRY_CLOUD": "aws"}, "TENANTRY_REGISTRY: Field required; TENANTRY_REGION: Field required"),
        (
            {"TENANTRY_CLOUD": "aws", "TENANTRY_REGISTRY": "bucket", "TENANTRY_REGION": "Frankfurt"},
            "TENANTRY_REGION: String should match",
        ),
        ({"PROJECT": "p", "REGISTRY_BUCKET": "b", "IDLE_IN_TRANSACTION_TIMEOUT_MS": "0"}, "IDLE_IN_TRANSACTION"),
    ],
)
def test_a_wrong_environment_is_named(variables: dict[str, str], place: str) -> None:
    with pytest.raises(JobError) as refused:
        configure(variables)
    assert place in str(refused.value)


def test_the_log_blots_secrets_out_in_every_form() -> None:
    stream = io.StringIO()
    log = Log(stream)
    log.protect("p@ss/word")
    log.event("ERROR", "e", "plain p@ss/word", error="in a URL: p%40ss%2Fword", count=1, missing=None)
    line = json.loads(stream.getvalue())
    assert line["message"] == "plain [secret]"
    assert line["error"] == "in a URL: [secret]"
    assert (line["count"], line["missing"], line["severity"]) == (1, None, "ERROR")


def test_the_image_installs_what_is_locked() -> None:
    locked = {
        package["name"]: package["version"]
        for package in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
        if "version" in package
    }
    text = (ROOT / "jobs" / "requirements.txt").read_text(encoding="utf-8")
    pinned = dict(line.split()[0].split("==") for line in text.splitlines() if "==" in line and line[0].isalpha())
    assert {"psycopg", "psycopg-binary", "google-auth", "boto3", "requests", "pydantic"} <= pinned.keys()
    assert pinned == {name: locked[name] for name in pinned}
    assert text.count("--hash=sha256:") > len(pinned)


@pytest.mark.parametrize(
    ("given", "mode", "authorities"),
    [
        ("sslmode=require", "require", None),
        ("sslmode=verify-ca", "verify-full", "system"),
        ("sslmode=verify-full", "verify-full", "system"),
        ("sslmode=verify-ca&sslrootcert=/own.pem", "verify-ca", "/own.pem"),
    ],
)
def test_a_guest_is_known_by_public_authorities_unless_its_url_names_others(
    given: str, mode: str, authorities: str | None
) -> None:
    parameters = read_dsn("secret", f"postgresql://u:p@db.example/d?{given}").parameters
    assert (parameters["sslmode"], parameters.get("sslrootcert")) == (mode, authorities)
