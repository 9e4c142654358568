"""Rules that see the whole stack. The fixture is a complete stack; each test breaks one thing in it."""

import base64
import json

import pytest

from policies.gcp import tokens
from policies.tokens import TENANT_DATABASE
from tests.policies.gcp.fixtures import ACCOUNT, COMPLIANT, PROJECT_BINDING, PROJECT_MEMBER
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_STRING_VALUE,
    Props,
    Stack,
    changed,
)

INSTANCE = "acme-prod-business-1"
TENANT_ENTRY = {"id": "acme-co", "kind": "cloudsql", "state": "active"}
ROOT = "tenantry-prod"


def _schedule(instance: str) -> Props:
    call = {"argument": json.dumps({"instance": instance})}
    return {"httpTarget": {"body": base64.b64encode(json.dumps(call).encode()).decode()}}


def _alert(topic: str) -> Props:
    return {"displayName": topic, "conditions": [{"displayName": "-"}]}


def _audit_config(*, kinds: tuple[str, ...] = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")) -> Props:
    return {"service": "allServices", "auditLogConfigs": [{"logType": kind} for kind in kinds]}


@pytest.fixture
def stack() -> Stack:
    whole = Stack()
    whole.add(tokens.AUDIT_CONFIG, "audit-config", _audit_config())
    whole.add(tokens.LOG_BUCKET, "audit-logs", COMPLIANT[tokens.LOG_BUCKET])
    archive = COMPLIANT[tokens.BUCKET] | {"name": "acme-prod-audit", "labels": {"role": "audit"}}
    whole.add(tokens.BUCKET, "archive", archive, protect=True)
    whole.add(tokens.BUCKET, "exports", COMPLIANT[tokens.BUCKET], protect=True)
    sink = {"destination": "storage.googleapis.com/acme-prod-audit", "filter": 'logName:"cloudaudit.googleapis.com"'}
    whole.add(tokens.LOG_SINK, "sink", sink)
    whole.add(tokens.SQL_INSTANCE, "instance", COMPLIANT[tokens.SQL_INSTANCE], protect=True)
    whole.add("tenantry:tenant:Tenant", "acme-co", {})
    whole.add(TENANT_DATABASE, "acme-co-database", {"tenant": "acme-co"}, parent="acme-co")
    whole.add(tokens.SQL_DATABASE, "database", COMPLIANT[tokens.SQL_DATABASE], protect=True, parent="acme-co-database")
    whole.add(tokens.SECRET, "credential", {"secretId": "tenant-acme-co-credential"})
    whole.add(tokens.SECRET, "url", {"secretId": "tenant-acme-co-database-url"})
    whole.add(tokens.BUCKET_OBJECT, "entry", {"name": "tenants/acme-co.json", "content": json.dumps(TENANT_ENTRY)})
    whole.add(
        tokens.BUCKET_OBJECT,
        "instance-entry",
        {"name": "instances/business-1.json", "content": json.dumps({"name": INSTANCE})},
    )
    whole.add(tokens.SCHEDULER_JOB, "export", _schedule("business-1"))
    for topic in ("Cloudsql disk", "Export failed", "Drill missing"):
        whole.add(tokens.ALERT_POLICY, topic, _alert(topic))
    return whole


def test_a_complete_stack_passes(stack: Stack) -> None:
    assert stack.judge_all() == {}


def test_a_first_preview_passes_where_content_is_not_known_yet(stack: Stack) -> None:
    """Edges stand in for values: the instance's entry, its schedule, and a database's instance."""
    stack.add(
        tokens.BUCKET_OBJECT,
        "instance-entry",
        {"name": "instances/business-1.json", "content": UNKNOWN_STRING_VALUE},
        built_from={"content": ["instance"]},
    )
    stack.add(
        tokens.SCHEDULER_JOB,
        "export",
        {"httpTarget": {"body": UNKNOWN_STRING_VALUE}},
        built_from={"httpTarget": ["instance"]},
    )
    stack.add(
        tokens.SQL_DATABASE,
        "database",
        COMPLIANT[tokens.SQL_DATABASE] | {"instance": UNKNOWN_STRING_VALUE},
        protect=True,
        parent="acme-co-database",
        built_from={"instance": ["instance"]},
    )
    stack.add(tokens.LOG_SINK, "sink", {"destination": UNKNOWN_STRING_VALUE}, built_from={"destination": ["archive"]})

    assert stack.judge_all() == {}


def test_a_redacted_registry_is_judged_the_same(stack: Stack) -> None:
    stack.add(tokens.BUCKET_OBJECT, "entry", {"name": "tenants/acme-co.json", "content": "[secret]"})
    stack.add(
        tokens.BUCKET_OBJECT,
        "instance-entry",
        {"name": "instances/business-1.json", "content": "[secret]"},
        built_from={"content": ["instance"]},
    )

    assert stack.judge_all() == {}


@pytest.mark.parametrize(
    ("removed", "finding"),
    [
        ("entry", ("database", "tenant acme-co has a database but no registry object tenants/acme-co.json")),
        ("credential", ("entry", "tenant acme-co has no secret tenant-acme-co-credential")),
        ("url", ("entry", "tenant acme-co has no secret tenant-acme-co-database-url")),
        ("instance", ("database", "the database of tenant acme-co is on an instance outside this stack")),
        ("instance-entry", ("instance", "an instance with tenants has no registry object under instances/")),
        ("export", ("instance", "no running schedule exports the databases of an instance with tenants")),
        ("exports", (ROOT, "the stack has tenant databases but no bucket with the role exports")),
        ("Cloudsql disk", (ROOT, "no enabled alert policy watches the databases themselves")),
        ("Export failed", (ROOT, "no enabled alert policy watches exports")),
        ("Drill missing", (ROOT, "no enabled alert policy watches restore drills")),
    ],
)
def test_every_part_of_a_tenant_database_is_missed(stack: Stack, removed: str, finding: tuple[str, str]) -> None:
    stack.remove(removed)

    assert finding in stack.judge("tenant-complete")


def test_a_tenant_without_its_database_is_missed(stack: Stack) -> None:
    stack.remove("database")

    assert stack.judge("tenant-complete") == [
        ("entry", "tenant acme-co is in the registry but has no database tn_acme_co"),
        ("acme-co-database", "the tenant database component has no database in it"),
    ]


@pytest.mark.parametrize(
    "job",
    [
        _schedule("another"),
        _schedule("business-1") | {"paused": True},
        {"httpTarget": {"body": "not base64"}},
        {"httpTarget": {"body": UNKNOWN_STRING_VALUE}},
        {"httpTarget": {"body": base64.b64encode(b"[]").decode()}},
        {"httpTarget": {}},
    ],
)
def test_a_schedule_that_does_not_export_the_instance_does_not_count(stack: Stack, job: Props) -> None:
    stack.add(tokens.SCHEDULER_JOB, "export", job)

    assert stack.judge("tenant-complete") == [
        ("instance", "no running schedule exports the databases of an instance with tenants")
    ]


@pytest.mark.parametrize("paused", [False, UNKNOWN_BOOLEAN_VALUE])
def test_a_schedule_that_nobody_paused_counts(stack: Stack, *, paused: object) -> None:
    stack.add(tokens.SCHEDULER_JOB, "export", _schedule("business-1") | {"paused": paused})

    assert stack.judge("tenant-complete") == []


def test_an_alert_may_speak_of_its_topic_in_its_filter_but_must_be_on(stack: Stack) -> None:
    condition = {"conditionThreshold": {"filter": 'metric.type = "cloudsql.googleapis.com/database/disk/utilization"'}}
    stack.add(tokens.ALERT_POLICY, "Cloudsql disk", {"displayName": "Disk", "conditions": [condition]})
    assert stack.judge("tenant-complete") == []

    stack.add(tokens.ALERT_POLICY, "Cloudsql disk", _alert("Cloudsql disk") | {"enabled": False})
    assert stack.judge("tenant-complete") == [(ROOT, "no enabled alert policy watches the databases themselves")]


@pytest.mark.parametrize(
    ("name", "token", "finding"),
    [
        ("instance", tokens.SQL_INSTANCE, "the instance is not protected"),
        ("database", tokens.SQL_DATABASE, "the database is not protected"),
        ("exports", tokens.BUCKET, "the bucket is not protected"),
    ],
)
def test_data_is_protected(stack: Stack, name: str, token: str, finding: str) -> None:
    stack.add(token, name, COMPLIANT[token], protect=False)

    assert stack.judge("data-protected") == [(name, finding)]


@pytest.mark.parametrize("path", ["deletionProtection", "settings.deletionProtectionEnabled"])
@pytest.mark.parametrize(
    ("value", "found"),
    [(False, "is false"), (None, "is not set"), (UNKNOWN_STRING_VALUE, "is not known during preview")],
)
def test_an_instance_has_both_of_its_own_guards(stack: Stack, path: str, value: object, found: str) -> None:
    stack.add(tokens.SQL_INSTANCE, "instance", changed(COMPLIANT[tokens.SQL_INSTANCE], path, value), protect=True)

    assert stack.judge("data-protected") == [("instance", f"{path} {found}; it must be literally true")]


def test_a_replica_holds_no_data_of_its_own(stack: Stack) -> None:
    stack.add(tokens.SQL_INSTANCE, "replica", {"name": "r", "masterInstanceName": INSTANCE})

    assert stack.judge("data-protected") == []


@pytest.mark.parametrize(
    ("value", "found"),
    [("DELETE", "is DELETE"), (None, "is not set"), (UNKNOWN_STRING_VALUE, "is not known during preview")],
)
def test_a_database_says_that_it_stays(stack: Stack, value: object, found: str) -> None:
    database = COMPLIANT[tokens.SQL_DATABASE] | {"deletionPolicy": value}
    stack.add(tokens.SQL_DATABASE, "database", database, protect=True)

    assert stack.judge("data-protected") == [
        ("database", f"deletionPolicy {found}; it must be one of ABANDON, PREVENT")
    ]


def _lift(stack: Stack, content: str) -> None:
    stack.add(tokens.BUCKET_OBJECT, "entry", {"name": "tenants/acme-co.json", "content": content})
    stack.add(tokens.SQL_DATABASE, "database", COMPLIANT[tokens.SQL_DATABASE] | {"deletionPolicy": "DELETE"})
    lifted = changed(COMPLIANT[tokens.SQL_INSTANCE], "settings.deletionProtectionEnabled", value=False)
    stack.add(tokens.SQL_INSTANCE, "instance", lifted | {"deletionProtection": False})


def test_the_guard_may_be_lifted_while_the_registry_says_offboarding(stack: Stack) -> None:
    _lift(stack, json.dumps(TENANT_ENTRY | {"state": "offboarding"}))

    assert stack.judge("data-protected") == []


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(TENANT_ENTRY),
        json.dumps(TENANT_ENTRY | {"state": "suspended"}),
        json.dumps(["offboarding"]),
        "offboarding",
        "[secret]",
        UNKNOWN_STRING_VALUE,
    ],
)
def test_nothing_else_lifts_the_guard(stack: Stack, content: str) -> None:
    _lift(stack, content)

    assert [name for name, _ in stack.judge("data-protected")] == [
        "database",
        "database",
        "instance",
        "instance",
        "instance",
    ]


def test_an_instance_stays_guarded_while_anybody_else_lives_on_it(stack: Stack) -> None:
    _lift(stack, json.dumps(TENANT_ENTRY | {"state": "offboarding"}))
    neighbour = COMPLIANT[tokens.SQL_DATABASE] | {"name": "tn_other"}
    stack.add(tokens.SQL_DATABASE, "neighbour", neighbour, protect=True)

    assert {name for name, _ in stack.judge("data-protected")} == {"instance"}


def test_a_tenants_own_bucket_follows_its_tenant(stack: Stack) -> None:
    own = COMPLIANT[tokens.BUCKET] | {"labels": {"role": "uploads", "tenant": "acme-co"}}
    stack.add(tokens.BUCKET, "own", own)
    assert stack.judge("data-protected") == [("own", "the bucket is not protected")]

    offboarding = json.dumps(TENANT_ENTRY | {"state": "offboarding"})
    stack.add(tokens.BUCKET_OBJECT, "entry", {"name": "tenants/acme-co.json", "content": offboarding})
    assert stack.judge("data-protected") == []


@pytest.mark.parametrize(
    ("name", "token", "props", "findings"),
    [
        (
            "audit-config",
            tokens.AUDIT_CONFIG,
            _audit_config(kinds=("ADMIN_READ", "DATA_READ")),
            [
                ("audit-config", "auditLogConfigs lacks DATA_WRITE"),
            ],
        ),
        (
            "audit-config",
            tokens.AUDIT_CONFIG,
            {"service": "allServices", "auditLogConfigs": UNKNOWN_ARRAY_VALUE},
            [
                ("audit-config", "auditLogConfigs lacks ADMIN_READ"),
                ("audit-config", "auditLogConfigs lacks DATA_READ"),
                ("audit-config", "auditLogConfigs lacks DATA_WRITE"),
            ],
        ),
        (
            "audit-config",
            tokens.AUDIT_CONFIG,
            _audit_config() | {"service": "storage.googleapis.com"},
            [
                (ROOT, "no IAMAuditConfig for allServices turns the data access logs on"),
            ],
        ),
        (
            "exempting",
            tokens.AUDIT_CONFIG,
            {
                "service": "storage.googleapis.com",
                "auditLogConfigs": [{"logType": "DATA_READ", "exemptedMembers": [ACCOUNT]}],
            },
            [
                ("exempting", "auditLogConfigs exempts members from the data access logs"),
            ],
        ),
        (
            "sink",
            tokens.LOG_SINK,
            {"destination": "storage.googleapis.com/elsewhere"},
            [
                ("sink", "destination is a bucket outside this stack, whose lock cannot be seen"),
                (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked"),
            ],
        ),
        (
            "sink",
            tokens.LOG_SINK,
            {"destination": UNKNOWN_STRING_VALUE},
            [
                (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked"),
            ],
        ),
        (
            "sink",
            tokens.LOG_SINK,
            {"destination": "storage.googleapis.com/acme-prod-audit", "disabled": True},
            [
                (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked"),
            ],
        ),
        (
            "sink",
            tokens.LOG_SINK,
            {"destination": "storage.googleapis.com/acme-prod-audit", "filter": "severity>=ERROR"},
            [
                (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked"),
            ],
        ),
        (
            "archive",
            tokens.BUCKET,
            changed(COMPLIANT[tokens.BUCKET], "retentionPolicy.isLocked", value=False) | {"name": "acme-prod-audit"},
            [
                ("sink", "destination is a bucket whose retention is not locked"),
                (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked"),
            ],
        ),
        ("audit-logs", tokens.LOG_BUCKET, {"bucketId": "audit", "locked": False}, [(ROOT, "no log bucket is locked")]),
    ],
)
def test_the_audit_trail_has_no_gap(
    stack: Stack, name: str, token: str, props: Props, findings: list[tuple[str, str]]
) -> None:
    stack.add(token, name, props)

    assert stack.judge("audit-trail") == findings


def test_dev_may_leave_the_archive_unlocked_but_must_have_one(stack: Stack) -> None:
    config = {"requireLock": False}
    stack.add(tokens.LOG_BUCKET, "audit-logs", {"bucketId": "audit", "locked": False})
    open_bucket = changed(COMPLIANT[tokens.BUCKET], "retentionPolicy.isLocked", value=False)
    stack.add(tokens.BUCKET, "archive", open_bucket | {"name": "acme-prod-audit"})
    assert stack.judge("audit-trail", config) == []

    stack.remove("sink")
    assert stack.judge("audit-trail", config) == [
        (ROOT, "no enabled log sink archives the audit logs into a bucket whose retention is locked")
    ]


def test_a_stack_with_nothing_on_the_cloud_has_nothing_to_audit() -> None:
    assert Stack().judge_all() == {}


@pytest.mark.parametrize(
    ("token", "prop", "value"),
    [
        (PROJECT_MEMBER, "member", UNKNOWN_STRING_VALUE),
        (PROJECT_BINDING, "members", [ACCOUNT, UNKNOWN_STRING_VALUE]),
        (PROJECT_BINDING, "members", UNKNOWN_ARRAY_VALUE),
    ],
)
def test_an_unknown_member_must_come_from_an_identity(token: str, prop: str, value: object) -> None:
    stack = Stack()
    stack.add("gcp:serviceaccount/account:Account", "account", {})
    stack.add("random:index/randomString:RandomString", "dice", {})
    grant = {"role": "roles/logging.logWriter", prop: value}
    finding = [("grant", f"{prop} is not known during preview and does not come from an identity alone")]

    stack.add(token, "grant", grant, built_from={prop: ["account"]})
    assert stack.judge("grant-origin") == []
    stack.add(token, "grant", grant)
    assert stack.judge("grant-origin") == finding
    stack.add(token, "grant", grant, built_from={prop: ["account", "dice"]})
    assert stack.judge("grant-origin") == finding


def test_a_known_member_is_left_to_the_rules_about_members() -> None:
    stack = Stack()
    stack.add(PROJECT_MEMBER, "grant", {"role": "roles/x", "member": ACCOUNT})

    assert stack.judge("grant-origin") == []


def test_a_pool_without_tenants_holds_nothing_and_needs_no_protection(stack: Stack) -> None:
    unguarded = {"name": "an-empty-pool", "deletionProtection": False}
    stack.add(tokens.SQL_INSTANCE, "empty", COMPLIANT[tokens.SQL_INSTANCE] | unguarded)

    assert stack.judge("data-protected") == []
