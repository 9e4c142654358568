"""Tenants on AWS: what each is made of, and what becomes of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from tests.components.aws.account import ACCOUNT, AWAY, HOME, IMAGE, build, built, statements
from tests.components.program import Built, Document, external_value

SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
PASSWORD = "random:index/randomPassword:RandomPassword"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
INSTANCE = "aws:rds/instance:Instance"
KEY = "aws:kms/key:Key"
URL = "postgresql://u:p@db.example:5432/app?sslmode=verify-full"
WORKLOADS = {"gateway", "worker", "migrator", "backup", "sqljob", "watch", "scheduler", "execution"}


def _add(entry: dict[str, Any], **secrets: str) -> Built:
    def edit(document: Document) -> None:
        document["tenants"].append(entry)
        document["external_secrets"].update(secrets)

    return build("dev", edit)


@functools.cache
def with_guest() -> Built:
    entry = {"id": "visitor", "kind": "external", "external": {"separate_backup_login": True}}
    return _add(entry, VISITOR_DATABASE_URL=URL, VISITOR_BACKUP_DATABASE_URL=URL.replace("u:p", "b:q"))


def _refused(run: Built, secret: str) -> set[str]:
    """Workloads that a secret's own policy refuses."""
    (found,) = statements(run.inputs(SECRET_POLICY, f"{secret}-policy")["policy"]).values()
    assert (found["Effect"], found["Principal"], found["Action"]) == (
        "Deny",
        {"AWS": "*"},
        "secretsmanager:GetSecretValue",
    )
    prefix = f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-"
    return {arn.removeprefix(prefix) for arn in found["Condition"]["ArnEquals"]["aws:PrincipalArn"]}


def test_a_shared_tenant_is_seven_resources_and_two_components() -> None:
    mine = {item.name: item.type.rpartition(":")[2] for item in built("dev").resources if "acme-co" in item.name}
    assert mine == {
        "acme-co-password": "RandomPassword",
        "acme-co-credential": "Secret",
        "acme-co-credential-policy": "SecretPolicy",
        "acme-co-credential-version": "SecretVersion",
        "acme-co-database-url": "Secret",
        "acme-co-database-url-policy": "SecretPolicy",
        "acme-co-registry": "BucketObjectv2",
    }
    components = [item.type for item in built("dev").components if item.name == "acme-co"]
    assert sorted(components) == ["tenantry:tenant:Tenant", "tenantry:tenant_database:TenantDatabase"]


@pytest.mark.parametrize(("stack", "days"), [("dev", 7), ("staging", 30), ("prod", 30)])
def test_a_secret_is_encrypted_in_both_regions_and_can_be_recovered(stack: str, days: int) -> None:
    run = built(stack)
    keys = {item.outputs["arn"]: name for name, item in run.of(KEY).items()}
    for part in ("credential", "database-url"):
        secret = run.inputs(SECRET, f"acme-co-{part}")
        assert secret["name"] == f"tenant-acme-co-{part}"
        assert keys[secret["kmsKeyId"]] == f"key-secrets-{HOME}"
        (replica,) = secret["replicas"]
        assert (replica["region"], keys[replica["kmsKeyId"]]) == (AWAY, f"key-secrets-{AWAY}")
        assert secret["recoveryWindowInDays"] == days
        assert {key: secret["tags"][key] for key in ("role", "tenant", "plan")} == {
            "role": "database",
            "tenant": "acme-co",
            "plan": "standard",
        }
        assert run.inputs(SECRET_POLICY, f"acme-co-{part}-policy")["blockPublicPolicy"] is True


def test_only_the_sql_job_reads_a_credential_and_the_application_its_url() -> None:
    run = built("dev")
    assert WORKLOADS - _refused(run, "acme-co-credential") == {"sqljob"}
    assert WORKLOADS - _refused(run, "acme-co-database-url") == {"gateway", "worker", "sqljob"}


def test_the_credential_is_secret_and_the_url_is_the_sql_jobs_to_write() -> None:
    run = built("dev")
    password = run.mocks.one(PASSWORD, "acme-co-password")
    assert (password.inputs["length"], password.inputs["special"]) == (40, False)
    assert password.inputs["keepers"] == {"rotation": "1"}
    version = run.mocks.one(VERSION, "acme-co-credential-version")
    assert version.secret_inputs == {"secretString"}
    assert json.loads(version.inputs["secretString"]) == {
        "login": "tn_acme_co_a",
        "password": password.outputs["result"],
        "rotation": 1,
    }
    assert "acme-co-database-url-version" not in run.of(VERSION)


def test_a_rotation_turns_the_login() -> None:
    def rotate(document: Document) -> None:
        document["secrets"]["rotation"] = 2

    run = build("dev", rotate)
    written = json.loads(run.inputs(VERSION, "acme-co-credential-version")["secretString"])
    assert (written["login"], written["rotation"]) == ("tn_acme_co_b", 2)
    assert run.inputs(PASSWORD, "acme-co-password")["keepers"] == {"rotation": "2"}


def test_the_registry_entry_names_secrets_and_holds_none() -> None:
    run = built("dev")
    entry = run.mocks.one(OBJECT, "acme-co-registry")
    assert entry.inputs["key"] == "tenants/acme-co.json"
    assert entry.inputs["bucket"] == "ledgerly-dev-registry"
    assert entry.inputs["contentType"] == "application/json"
    assert entry.secret_inputs == frozenset()
    assert run.entry("acme-co-registry") == {
        "schema_version": 1,
        "id": "acme-co",
        "name": "acme-co",
        "kind": "rds",
        "state": "active",
        "plan": "standard",
        "ring": "all",
        "region": HOME,
        "files": {"mode": "prefix", "bucket": "ledgerly-dev-uploads", "folder": "acme-co/"},
        "isolated": False,
        "status": "status/acme-co.json",
        "placement": "shared",
        "pool": "general",
        "instance": "pool-general",
        "database": "tn_acme_co",
        "owner_role": "tn_acme_co_owner",
        "logins": ["tn_acme_co_a", "tn_acme_co_b"],
        "active_login": "tn_acme_co_a",
        "rotation": 1,
        "credential_secret": "tenant-acme-co-credential",
        "url_secret": "tenant-acme-co-database-url",
        "connection_limit": 10,
        "statement_timeout_ms": 30000,
        "recreate_after_loss": False,
    }


def _marked_tenant(document: Document) -> None:
    document["tenants"][0]["recreate_after_loss"] = True
    document["tenants"].append({"id": "beta"})


def _marked_pool(document: Document) -> None:
    document["pools"]["general"]["recreate_after_loss"] = True
    document["tenants"].append({"id": "beta"})


@pytest.mark.parametrize(("edit", "beta"), [(_marked_tenant, False), (_marked_pool, True)])
def test_what_may_be_made_anew_empty_is_in_the_entry(edit: Callable[[Document], None], beta: bool) -> None:
    """Of one tenant, or of everybody on an instance that was lost: the SQL job makes databases, so it has to know."""
    run = build("dev", edit)
    assert run.entry("acme-co-registry")["recreate_after_loss"] is True
    assert run.entry("beta-registry")["recreate_after_loss"] is beta


def test_the_secret_for_its_url_is_the_evidence_that_a_database_may_exist() -> None:
    run = built("dev")
    assert run.outputs["guarded"]["acme-co-database"] == run.mocks.one(SECRET, "acme-co-database-url").id


def test_an_active_tenants_entry_cannot_be_removed() -> None:
    before = built("dev").outputs
    with pytest.raises(pulumi.RunError, match="tenant 'acme-co' is active and its entry is gone"):
        build("dev", lambda document: document.update(tenants=[]), previous=before)


def test_an_entry_whose_creation_failed_can_be_removed() -> None:
    before = {**built("dev").outputs, "guarded": {}}
    run = build("dev", lambda document: document.update(tenants=[]), previous=before)
    assert "acme-co-credential" not in run.of(SECRET)


def test_a_dedicated_tenant_has_an_instance_of_its_own() -> None:
    run = _add({"id": "big-bank", "plan": "enterprise"})
    assert run.entry("big-bank-registry")["instance"] == "tenant-big-bank"
    assert run.entry("big-bank-registry")["files"] == {
        "mode": "bucket",
        "bucket": "ledgerly-dev-big-bank-uploads",
        "folder": None,
    }
    instance = run.mocks.one(INSTANCE, "tenant-big-bank-instance")
    guarded = run.outputs["guarded"]
    assert {name for name in guarded if "big-bank" in name} == {
        "big-bank-database",
        "big-bank-uploads",
        "tenant-big-bank-instance",
    }
    assert guarded["tenant-big-bank-instance"] == instance.id


def test_a_guests_urls_are_kept_and_its_exports_log_in_by_themselves() -> None:
    run = with_guest()
    for part, value in (("database-url", URL), ("backup-url", URL.replace("u:p", "b:q"))):
        version = run.mocks.one(VERSION, f"visitor-{part}-version")
        assert version.inputs["secretString"] == value
        assert version.secret_inputs == {"secretString"}
    assert WORKLOADS - _refused(run, "visitor-database-url") == {"gateway", "worker"}
    assert WORKLOADS - _refused(run, "visitor-backup-url") == {"backup"}
    entry = run.entry("visitor-registry")
    assert (entry["kind"], entry["url_secret"], entry["backup_url_secret"]) == (
        "external",
        "tenant-visitor-database-url",
        "tenant-visitor-backup-url",
    )
    assert URL not in json.dumps(entry)


def test_a_guest_without_a_login_for_exports_shares_its_url_with_them() -> None:
    run = _add({"id": "visitor", "kind": "external"}, VISITOR_DATABASE_URL=URL)
    assert WORKLOADS - _refused(run, "visitor-database-url") == {"gateway", "worker", "backup"}
    assert "visitor-backup-url" not in run.of(SECRET)


def test_the_web_application_reads_a_guests_url_and_nothing_private() -> None:
    def edit(document: Document) -> None:
        document["tenants"].append({"id": "visitor", "kind": "external", "external": {"separate_backup_login": True}})
        document["external_secrets"].update(
            VISITOR_DATABASE_URL=URL, VISITOR_BACKUP_DATABASE_URL=URL.replace("u:p", "b:q")
        )
        document["services"] = {"gateway": {"image": IMAGE, "host": "api.ledgerly.example", "zone": "Z0123456789ABC"}}
        document["vercel"] = {"team": "ledgerly", "team_id": "team_a1B2c3D4e5", "project": "ledgerly-dev"}

    run = build("dev", edit)
    assert "web" not in _refused(run, "visitor-database-url")
    for secret in ("visitor-backup-url", "acme-co-credential", "acme-co-database-url", "app-jwt-secret"):
        assert "web" in _refused(run, secret)


def test_a_suspended_guests_url_is_taken_from_the_application() -> None:
    run = _add({"id": "visitor", "kind": "external", "state": "suspended"}, VISITOR_DATABASE_URL=URL)
    assert WORKLOADS - _refused(run, "visitor-database-url") == {"backup"}


def test_application_secrets_are_read_by_the_application_and_injected() -> None:
    run = built("dev")
    names = ("jwt-secret", "jwt-refresh-secret", "nextauth-secret", "smtp-password")
    assert {name for name in run.of(SECRET) if name.startswith("app-")} == {f"app-{name}" for name in names}
    for name in names:
        assert run.inputs(SECRET, f"app-{name}")["name"] == f"app-{name}-value"
        assert WORKLOADS - _refused(run, f"app-{name}") == {"gateway", "worker", "execution"}
        version = run.mocks.one(VERSION, f"app-{name}-version")
        assert version.secret_inputs == {"secretString"}
    assert run.inputs(VERSION, "app-smtp-password-version")["secretString"] == external_value("SMTP_PASSWORD")
    generated = run.mocks.one(PASSWORD, "app-jwt-secret").outputs["result"]
    assert run.inputs(VERSION, "app-jwt-secret-version")["secretString"] == generated
    assert len(generated) == 48
