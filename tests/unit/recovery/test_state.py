import copy
from typing import Any

import pytest

from recovery.state import account

STACK = "urn:pulumi:dev::tenantry::pulumi:pulumi:Stack::tenantry-dev"
PROVIDER = "urn:pulumi:dev::tenantry::pulumi:providers:gcp::gcp"
TOPIC = "gcp:pubsub/topic:Topic"
CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::tenantry::{kind}::{name}"


def resource(kind: str, name: str, **more: object) -> dict[str, Any]:
    return {
        "urn": urn(kind, name),
        "type": kind,
        "custom": True,
        "parent": STACK,
        "provider": f"{PROVIDER}::p-1",
        "inputs": {"name": name},
        **more,
    }


def creating(item: dict[str, Any]) -> dict[str, Any]:
    return {"resource": item, "type": "creating"}


def state(*pending: dict[str, Any], resources: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    base = [
        {"urn": STACK, "type": "pulumi:pulumi:Stack", "custom": False},
        {
            "urn": PROVIDER,
            "type": "pulumi:providers:gcp",
            "custom": True,
            "id": "p-1",
            "inputs": {"project": "acme", "region": "europe-west3"},
        },
    ]
    return {"version": 3, "deployment": {"resources": [*base, *resources], "pending_operations": list(pending)}}


def urns(recovered: dict[str, Any]) -> list[str]:
    return [item["urn"] for item in recovered["deployment"]["resources"]]


def test_a_name_keyed_creation_becomes_a_resource_under_its_derived_id() -> None:
    recovered, [finding] = account(state(creating(resource(TOPIC, "events"))))
    assert (finding.outcome, finding.id) == ("assumed", "projects/acme/topics/events")
    added = recovered["deployment"]["resources"][-1]
    assert (added["urn"], added["id"], added["parent"]) == (urn(TOPIC, "events"), finding.id, STACK)
    assert added["outputs"] == {"name": "events"}
    assert "pending_operations" not in recovered["deployment"]


def test_what_the_provider_reads_through_its_name_gets_it() -> None:
    service = resource(
        "gcp:monitoring/customService:CustomService", "app", inputs={"serviceId": "app", "displayName": "App"}
    )
    recovered, [finding] = account(state(creating(service)))
    assert finding.id == "projects/acme/services/app"
    added = recovered["deployment"]["resources"][-1]
    assert added["outputs"] == {"serviceId": "app", "displayName": "App", "name": "projects/acme/services/app"}
    assert added["inputs"] == {"serviceId": "app", "displayName": "App"}


@pytest.mark.parametrize(
    ("kind", "identity", "name"),
    [
        ("gcp:monitoring/alertPolicy:AlertPolicy", "projects/acme/alertPolicies/7", "projects/acme/alertPolicies/7"),
        (
            "gcp:secretmanager/secretVersion:SecretVersion",
            "projects/1/secrets/s/versions/2",
            "projects/1/secrets/s/versions/2",
        ),
        ("gcp:billing/budget:Budget", "billingAccounts/0-1/budgets/uuid", "uuid"),
        ("gcp:firestore/backupSchedule:BackupSchedule", "projects/acme/databases/d/backupSchedules/uuid", "uuid"),
    ],
)
def test_what_was_looked_up_gets_the_name_that_the_provider_reads_it_by(kind: str, identity: str, name: str) -> None:
    created = resource(kind, "it", inputs={"displayName": "It"})
    recovered, [finding] = account(state(creating(created)), lookup=lambda *_: [identity])
    assert (finding.outcome, finding.id) == ("found", identity)
    assert recovered["deployment"]["resources"][-1]["outputs"] == {"displayName": "It", "name": name}


def test_the_export_is_not_changed() -> None:
    exported = state(creating(resource(TOPIC, "events")))
    before = copy.deepcopy(exported)
    account(exported)
    assert exported == before


def test_an_id_that_needs_a_missing_or_secret_input_is_reported() -> None:
    for inputs in ({}, {"name": SECRET}):
        recovered, [finding] = account(state(creating(resource(TOPIC, "events", inputs=inputs))))
        assert finding.outcome == "unknown"
        assert urn(TOPIC, "events") not in urns(recovered)


def test_a_server_assigned_id_is_an_orphan_where_the_cloud_cannot_be_asked() -> None:
    item = resource(CHANNEL, "mail", inputs={"displayName": "On call"})
    recovered, [finding] = account(state(creating(item)))
    assert (finding.outcome, finding.hint) == ("orphan", "look for displayName 'On call'")
    assert urn(CHANNEL, "mail") not in urns(recovered)


def test_a_server_assigned_id_is_found_when_exactly_one_object_is_nobodys() -> None:
    mine = resource(CHANNEL, "other", id="channels/1", inputs={"displayName": "On call"})
    item = resource(CHANNEL, "mail", inputs={"displayName": "On call"})
    for candidates, outcome, identity in (
        (["channels/1", "channels/2"], "found", "channels/2"),
        (["channels/1"], "dropped", ""),
        (["channels/2", "channels/3"], "orphan", ""),
    ):

        def lookup(*_: object, found: list[str] = candidates) -> list[str]:
            return found

        _, [finding] = account(state(creating(item), resources=(mine,)), lookup=lookup)
        assert (finding.outcome, finding.id) == (outcome, identity)


def test_what_exists_only_in_the_state_is_dropped() -> None:
    password = resource("random:index/randomPassword:RandomPassword", "password")
    component = resource("tenantry:tenant:Tenant", "acme", custom=False)
    recovered, findings = account(state(creating(password), creating(component)))
    assert [finding.outcome for finding in findings] == ["dropped", "dropped"]
    assert len(urns(recovered)) == 2


def test_interrupted_updates_and_deletions_are_left_to_the_next_up() -> None:
    there = resource(TOPIC, "events", id="projects/acme/topics/events")
    operations = [{"resource": there, "type": "updating"}, {"resource": there, "type": "deleting"}]
    recovered, findings = account(state(*operations, resources=(there,)))
    assert [finding.outcome for finding in findings] == ["retried", "retried"]
    assert recovered["deployment"]["resources"][-1] == there


def test_references_that_the_state_does_not_have_are_left_out() -> None:
    missing = urn(TOPIC, "never")
    item = resource(TOPIC, "events", parent=missing, dependencies=[missing, PROVIDER])
    item["propertyDependencies"] = {"name": [missing], "labels": [PROVIDER]}
    recovered, _ = account(state(creating(item)))
    added = recovered["deployment"]["resources"][-1]
    assert "parent" not in added
    assert added["dependencies"] == [PROVIDER]
    assert added["propertyDependencies"] == {"name": [], "labels": [PROVIDER]}


def test_two_interrupted_creations_are_ordered_by_what_they_need() -> None:
    topic = resource(TOPIC, "events")
    later = resource(TOPIC, "audit", dependencies=[urn(TOPIC, "events")])
    recovered, _ = account(state(creating(topic), creating(later)))
    assert urns(recovered)[-2:] == [urn(TOPIC, "events"), urn(TOPIC, "audit")]


def test_a_replacement_after_deletion_takes_the_place_of_the_old_one() -> None:
    old = resource(TOPIC, "events", id="projects/acme/topics/events", pendingReplacement=True)
    dependant = resource(TOPIC, "audit", id="projects/acme/topics/audit", dependencies=[urn(TOPIC, "events")])
    recovered, [finding] = account(state(creating(resource(TOPIC, "events")), resources=(old, dependant)))
    assert finding.outcome == "assumed"
    assert urns(recovered)[2:] == [urn(TOPIC, "events"), urn(TOPIC, "audit")]
    assert "pendingReplacement" not in recovered["deployment"]["resources"][2]


def test_a_replacement_before_deletion_leaves_the_old_one_to_be_deleted() -> None:
    old = resource(TOPIC, "events", id="projects/acme/topics/old-name")
    recovered, _ = account(state(creating(resource(TOPIC, "events")), resources=(old,)))
    assert [(item["id"], item.get("delete")) for item in recovered["deployment"]["resources"][2:]] == [
        ("projects/acme/topics/old-name", True),
        ("projects/acme/topics/events", None),
    ]
