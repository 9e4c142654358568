from __future__ import annotations

from typing import Any

import pytest

from sandbox.cloud.diff import changes
from sandbox.cloud.provider import ProviderConfig
from sandbox.cloud.tables import rule_for
from sandbox.cloud.values import UNKNOWN, Value
from tests.unit.sandbox.project import BUCKET_TYPE, INSTANCE_TYPE

Found = list[tuple[str, str, bool]]


def diff(
    token: str, state: dict[str, Any], new: dict[str, Any], old: dict[str, Any] | None = None, **more: Value
) -> Found:
    config = more.pop("config", ProviderConfig())
    found = changes(
        token,
        rule_for(token),
        state=state,
        old_inputs=old or {},
        new_inputs=new,
        config=config,
        ignore=more.get("ignore", ()),
    )
    return [(change.path, change.kind, change.replace) for change in found]


def test_what_the_state_has_beyond_the_inputs_is_no_change() -> None:
    state = {"region": "r", "settings": {"tier": "t", "diskSize": 10}, "selfLink": "x"}
    assert diff(INSTANCE_TYPE, state, {"region": "r", "settings": {"tier": "t"}}) == []


@pytest.mark.parametrize(
    ("state", "new", "expected"),
    [
        ({"region": "a"}, {"region": "b"}, [("region", "update", True)]),
        ({"region": "a"}, {"region": UNKNOWN}, [("region", "update", True)]),
        ({"settings": {"tier": "a"}}, {"settings": {"tier": "b"}}, [("settings.tier", "update", False)]),
        ({"settings": {"diskSize": 20}}, {"settings": {"diskSize": 10}}, [("settings.diskSize", "update", True)]),
        ({"settings": {"diskSize": 10}}, {"settings": {"diskSize": 20}}, [("settings.diskSize", "update", False)]),
        ({}, {"encryptionKeyName": "k"}, [("encryptionKeyName", "add", True)]),
        ({"settings": {}}, {"settings": {"collation": "c"}}, [("settings.collation", "add", True)]),
        (
            {"settings": {"diskAutoresize": True}},
            {"settings": {"diskAutoresize": False}},
            [("settings.diskAutoresize", "update", False)],
        ),
        ({"settings": {"version": 1}}, {"settings": {"version": True}}, [("settings.version", "update", False)]),
    ],
)
def test_changes_and_what_they_replace(state: dict[str, Any], new: dict[str, Any], expected: Found) -> None:
    assert diff(INSTANCE_TYPE, state, new) == expected


def test_withdrawing_a_declaration() -> None:
    network = {"settings": {"ipConfiguration": {"privateNetwork": "n", "ipv4Enabled": True}}}
    without = {"settings": {"ipConfiguration": {"ipv4Enabled": True}}}
    assert diff(INSTANCE_TYPE, network, without, network) == [
        ("settings.ipConfiguration.privateNetwork", "delete", True)
    ]
    # What the cloud would fill in keeps its value.
    assert diff(INSTANCE_TYPE, {"settings": {"diskSize": 10}}, {"settings": {}}, {"settings": {"diskSize": 10}}) == []


def test_a_set_has_no_order_and_a_list_has_one() -> None:
    flags = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    state = {"settings": {"databaseFlags": flags}}
    assert diff(INSTANCE_TYPE, state, {"settings": {"databaseFlags": flags[::-1]}}) == []
    assert diff(INSTANCE_TYPE, state, {"settings": {"databaseFlags": flags[:1]}}) == [
        ("settings.databaseFlags", "update", False)
    ]
    token = "gcp:servicenetworking/connection:Connection"
    assert diff(token, {"reservedPeeringRanges": ["a", "b"]}, {"reservedPeeringRanges": ["b", "a", "c"]}) == [
        ("reservedPeeringRanges[0]", "update", False),
        ("reservedPeeringRanges[1]", "update", False),
        ("reservedPeeringRanges[2]", "add", False),
    ]


@pytest.mark.parametrize(("locked", "replace"), [(True, True), (False, False)])
def test_only_unlocking_a_retention_replaces_the_bucket(locked: bool, replace: bool) -> None:
    found = diff(BUCKET_TYPE, {"retentionPolicy": {"isLocked": locked}}, {"retentionPolicy": {"isLocked": not locked}})
    assert found == [("retentionPolicy.isLocked", "update", replace)]


def test_ignored_paths_are_no_change() -> None:
    state = {"settings": {"diskSize": 20, "tier": "a"}}
    new = {"settings": {"diskSize": 10, "tier": "b"}}
    assert diff(INSTANCE_TYPE, state, new, ignore=["settings.diskSize"]) == [("settings.tier", "update", False)]


def test_json_is_compared_as_json() -> None:
    token = "gcp:monitoring/dashboard:Dashboard"
    assert diff(token, {"dashboardJson": '{"a": 1, "b": 2}'}, {"dashboardJson": '{"b":2,"a":1}'}) == []
    assert diff(token, {"dashboardJson": "{}"}, {"dashboardJson": '{"a":1}'}) == [("dashboardJson", "update", False)]


def test_new_default_labels_of_the_provider_are_a_change() -> None:
    state = {"name": "b", "pulumiLabels": {"goog-pulumi-provisioned": "true", "env": "dev"}}
    assert diff(BUCKET_TYPE, state, {"name": "b"}, config=ProviderConfig(default_labels={"env": "dev"})) == []
    assert diff(BUCKET_TYPE, state, {"name": "b"}, config=ProviderConfig(default_labels={"env": "prod"})) == [
        ("pulumiLabels", "update", False)
    ]


@pytest.mark.parametrize("empty", [{}, [], "", False, 0])
def test_empty_and_unset_are_the_same_to_an_api(empty: object) -> None:
    assert diff(INSTANCE_TYPE, {}, {"settings": empty}) == []
