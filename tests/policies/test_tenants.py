"""Tenants of the kinds that have no SQL instance on Google Cloud: Firestore, and servers of others."""

import json

import pytest

from policies.aws import tokens as aws
from policies.gcp import tokens as gcp
from policies.tokens import TENANT_DATABASE
from tests.policies.gcp.fixtures import COMPLIANT
from tests.policies.support import UNKNOWN_STRING_VALUE, UNSET, Props, Stack, changed

ROOT = "tenantry-prod"
GUEST = {"id": "guest", "kind": "external", "state": "active", "not_enforced": ["connection_limit"]}
OWN = {"id": "own", "kind": "firestore", "state": "active"}


def _entry(whole: Stack, entry: Props) -> None:
    tenant = entry["id"]
    whole.add(gcp.BUCKET_OBJECT, f"{tenant}-entry", {"name": f"tenants/{tenant}.json", "content": json.dumps(entry)})


@pytest.fixture
def stack() -> Stack:
    whole = Stack()
    whole.add(gcp.BUCKET, "exports", COMPLIANT[gcp.BUCKET], protect=True)
    whole.add(TENANT_DATABASE, "guest", {"database": "guest"})
    whole.add(gcp.SECRET, "guest-url", {"secretId": "tenant-guest-database-url"})
    _entry(whole, GUEST)
    whole.add(TENANT_DATABASE, "own", {"kind": "firestore"})
    whole.add(gcp.FIRESTORE_DATABASE, "own-database", COMPLIANT[gcp.FIRESTORE_DATABASE], protect=True, parent="own")
    _entry(whole, OWN)
    uri = "https://run.googleapis.com/v2/projects/p/locations/l/jobs/tenantry-export:run"
    whole.add(gcp.SCHEDULER_JOB, "guests", {"name": "tenantry-nightly", "httpTarget": {"uri": uri}})
    whole.add(gcp.SCHEDULER_JOB, "firestore", {"name": "tenantry-firestore-export", "httpTarget": {}})
    for topic in ("Firestore errors", "Export missing", "Drill missing"):
        whole.add(gcp.ALERT_POLICY, topic, {"displayName": topic})
    return whole


def test_a_complete_stack_passes(stack: Stack) -> None:
    assert stack.judge("tenant-complete") == []
    assert stack.judge("data-protected") == []


@pytest.mark.parametrize(
    ("removed", "findings"),
    [
        ("guest-url", [("guest-entry", "tenant guest has no secret tenant-guest-database-url")]),
        (
            "own-entry",
            [("own-database", "tenant own has a database but no registry object tenants/own.json")],
        ),
        (
            "own-database",
            [
                ("own-entry", "tenant own is in the registry but has no database"),
                ("own", "the tenant database component has no database in it"),
            ],
        ),
        ("exports", [(ROOT, "the stack has tenant databases but no bucket with the role exports")]),
        ("guests", [(ROOT, "no running schedule exports the external databases")]),
        ("firestore", [(ROOT, "no running schedule exports the Firestore databases")]),
        ("Firestore errors", [(ROOT, "no enabled alert policy watches Firestore")]),
        ("Export missing", [(ROOT, "no enabled alert policy watches exports")]),
        ("Drill missing", [(ROOT, "no enabled alert policy watches restore drills")]),
    ],
)
def test_every_part_is_missed(stack: Stack, removed: str, findings: list[tuple[str, str]]) -> None:
    stack.remove(removed)

    assert stack.judge("tenant-complete") == findings


@pytest.mark.parametrize("name", ["guests", "firestore"])
def test_a_paused_schedule_exports_nothing(stack: Stack, name: str) -> None:
    stack.add(gcp.SCHEDULER_JOB, name, {"name": "tenantry-firestore-export", "paused": True})

    assert len(stack.judge("tenant-complete")) == 1


def test_an_instances_own_schedule_exports_no_guest(stack: Stack) -> None:
    stack.add(
        gcp.SCHEDULER_JOB,
        "guests",
        # the argument is {"instance": "business-1"}, in base64
        {"name": "business-1-export", "httpTarget": {"body": "eyJpbnN0YW5jZSI6ICJidXNpbmVzcy0xIn0="}},
    )

    assert stack.judge("tenant-complete") == [(ROOT, "no running schedule exports the external databases")]


def test_drills_are_not_asked_of_firestore_alone(stack: Stack) -> None:
    for name in ("guest", "guest-entry", "guest-url", "guests", "Drill missing"):
        stack.remove(name)

    assert stack.judge("tenant-complete") == []


def test_what_nobody_enforces_on_a_guests_server_is_written_down(stack: Stack) -> None:
    _entry(stack, {key: value for key, value in GUEST.items() if key != "not_enforced"})

    message = "the entry of tenant guest does not say what is not_enforced on its server"
    assert stack.judge("tenant-complete") == [("guest-entry", message)]


def test_a_component_without_an_entry_is_missed(stack: Stack) -> None:
    stack.add(TENANT_DATABASE, "guest", {"kind": "external"})
    stack.remove("guest-entry")

    message = "tenant guest has a component but no registry object tenants/guest.json"
    assert stack.judge("tenant-complete") == [("guest", message)]


def test_the_component_says_the_kind_where_the_registry_is_redacted(stack: Stack) -> None:
    stack.add(TENANT_DATABASE, "guest", {"kind": "external"})
    stack.add(gcp.BUCKET_OBJECT, "guest-entry", {"name": "tenants/guest.json", "content": "[secret]"})

    assert stack.judge("tenant-complete") == []


def test_a_kind_that_nobody_says_is_the_one_that_needs_most(stack: Stack) -> None:
    stack.add(gcp.BUCKET_OBJECT, "guest-entry", {"name": "tenants/guest.json", "content": "[secret]"})

    assert stack.judge("tenant-complete") == [
        ("guest-entry", "tenant guest is in the registry but has no database tn_guest"),
        ("guest", "the tenant database component has no database in it"),
        ("guest-entry", "tenant guest has no secret tenant-guest-credential"),
    ]


def test_a_guest_on_aws_needs_its_export_there(stack: Stack) -> None:
    stack.remove("guest-entry")
    stack.remove("guests")
    stack.remove("guest-url")
    content = json.dumps(GUEST)
    stack.add(aws.S3_OBJECTS[0], "guest-entry", {"key": "tenants/guest.json", "content": content})
    stack.add(aws.SECRET, "guest-url", {"name": "tenant-guest-database-url"})

    assert stack.judge("tenant-complete") == [
        (ROOT, "the stack has tenant databases on AWS but no bucket with the role exports"),
        (ROOT, "no running schedule exports the databases of the tenants on AWS"),
        (ROOT, "no enabled alarm watches exports"),
        (ROOT, "no enabled alarm watches restore drills"),
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        *(
            (
                "deleteProtectionState",
                value,
                f"deleteProtectionState {found}; it must be literally DELETE_PROTECTION_ENABLED",
            )
            for value, found in [
                (UNSET, "is not set"),
                ("DELETE_PROTECTION_DISABLED", "is DELETE_PROTECTION_DISABLED"),
                (UNKNOWN_STRING_VALUE, "is not known during preview"),
            ]
        ),
        *(
            ("deletionPolicy", value, f"deletionPolicy {found}; it must be one of ABANDON, PREVENT")
            for value, found in [("DELETE", "is DELETE"), (UNKNOWN_STRING_VALUE, "is not known during preview")]
        ),
    ],
)
def test_a_firestore_database_is_guarded(stack: Stack, path: str, value: object, message: str) -> None:
    props = changed(COMPLIANT[gcp.FIRESTORE_DATABASE], path, value)
    stack.add(gcp.FIRESTORE_DATABASE, "own-database", props, protect=True, parent="own")

    assert stack.judge("data-protected") == [("own-database", message)]


def test_its_guard_is_lifted_while_its_tenant_is_leaving(stack: Stack) -> None:
    props = changed(COMPLIANT[gcp.FIRESTORE_DATABASE], "deleteProtectionState", "DELETE_PROTECTION_DISABLED")
    stack.add(gcp.FIRESTORE_DATABASE, "own-database", props | {"deletionPolicy": "DELETE"}, parent="own")
    assert len(stack.judge("data-protected")) == 3

    _entry(stack, OWN | {"state": "offboarding"})
    assert stack.judge("data-protected") == []
