"""Names, reservations, refusals to delete, reads and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import Cloud, CloudError, ProviderError
from sandbox.cloud.provider import ProviderConfig
from sandbox.cloud.values import UNKNOWN
from tests.unit.sandbox.project import (
    BUCKET_TYPE,
    INSTANCE_TYPE,
    KEY,
    NUMBER,
    OBJECT_TYPE,
    PROJECT,
    Google,
    instance,
    target,
)

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
SECRET = "gcp:secretmanager/secret:Secret"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"


def test_a_taken_name_is_a_conflict(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    with pytest.raises(CloudError, match="Error 409: b already exists") as caught:
        google.make(BUCKET_TYPE, "other", name="b", location="EU")
    assert caught.value.status == 409
    assert google.ids(BUCKET_TYPE) == ["b"]


def test_a_second_create_of_a_server_assigned_thing_is_a_silent_duplicate(google: Google) -> None:
    first, _ = google.make(CHANNEL, type="email", displayName="ops")
    second, _ = google.make(CHANNEL, type="email", displayName="ops")
    assert first != second
    assert google.ids(CHANNEL) == [first, second]


def test_a_repeated_grant_is_the_same_grant(google: Google) -> None:
    token = "gcp:projects/iAMMember:IAMMember"
    facts = {"project": PROJECT, "role": "roles/viewer", "member": "user:a@example.com"}
    assert google.make(token, **facts)[0] == google.make(token, **facts)[0]
    assert len(google.ids(token)) == 1


def test_the_name_of_a_deleted_instance_stays_taken_for_a_week(google: Google) -> None:
    google.ready_for_sql()
    object_id, state = google.make(INSTANCE_TYPE, **instance())
    google.drop(INSTANCE_TYPE, object_id, state)
    google.later(days=6, hours=23)
    with pytest.raises(CloudError, match=r"instance main already exists. When you delete"):
        google.make(INSTANCE_TYPE, **instance())
    google.later(hours=2)
    assert google.make(INSTANCE_TYPE, **instance())[0] == "main"


def test_the_name_of_a_deleted_bucket_is_free_at_once(google: Google) -> None:
    object_id, state = google.make(BUCKET_TYPE, name="b", location="EU")
    assert state["softDeletePolicy"] == {"retentionDurationSeconds": 604800}
    google.drop(BUCKET_TYPE, object_id, state)
    assert google.make(BUCKET_TYPE, name="b", location="EU")[0] == "b"


def test_a_deleted_secret_frees_its_name_at_once(google: Google) -> None:
    google.apis("secretmanager")
    facts = {"secretId": "s", "replication": {"auto": {}}}
    object_id, state = google.make(SECRET, **facts)
    google.drop(SECRET, object_id, state)
    assert google.make(SECRET, **facts)[0] == object_id


def test_a_key_ring_cannot_be_deleted_and_a_key_name_never_comes_back(google: Google) -> None:
    google.apis("cloudkms")
    key = google.key()
    ring = KEY.rpartition("/cryptoKeys/")[0]
    google.drop("gcp:kms/cryptoKey:CryptoKey", key, google.read("gcp:kms/cryptoKey:CryptoKey", key)[1])
    google.drop("gcp:kms/keyRing:KeyRing", ring, {})
    assert google.ids("gcp:kms/keyRing:KeyRing") == [ring]
    google.later(days=10_000)
    with pytest.raises(CloudError, match="can never be used again"):
        google.key()


@pytest.mark.parametrize("declared", [True, None])
def test_the_provider_protects_an_instance_unless_told_otherwise(google: Google, declared: bool | None) -> None:
    google.ready_for_sql()
    object_id, state = google.make(INSTANCE_TYPE, **instance(deletionProtection=declared))
    assert state["deletionProtection"] is True
    with pytest.raises(ProviderError, match="deletion_protection is set to true"):
        google.drop(INSTANCE_TYPE, object_id, state)
    assert google.ids(INSTANCE_TYPE) == ["main"]


def test_the_api_protects_an_instance_by_its_own_flag(google: Google) -> None:
    google.ready_for_sql()
    object_id, state = google.make(INSTANCE_TYPE, **instance(settings={"deletionProtectionEnabled": True}))
    with pytest.raises(CloudError, match="The instance is protected"):
        google.drop(INSTANCE_TYPE, object_id, state)


def test_deletion_policies(google: Google) -> None:
    token = "gcp:logging/metric:Metric"
    for policy in ("PREVENT", "ABANDON", "DELETE"):
        google.make(token, policy, name=policy, filter="x", deletionPolicy=policy)
    with pytest.raises(ProviderError, match="cannot destroy PREVENT"):
        google.drop(token, "PREVENT", {"deletionPolicy": "PREVENT"})
    google.drop(token, "ABANDON", {"deletionPolicy": "ABANDON"})
    google.drop(token, "DELETE", {"deletionPolicy": "DELETE"})
    assert google.ids(token) == ["PREVENT", "ABANDON"]


def test_children_block_a_network_and_go_with_an_instance(google: Google) -> None:
    google.ready_for_sql()
    network = f"projects/{PROJECT}/global/networks/vpc"
    with pytest.raises(CloudError, match="still used by gcp:"):
        google.drop("gcp:compute/network:Network", network, {})
    _, state = google.make(INSTANCE_TYPE, **instance())
    google.make("gcp:sql/database:Database", name="d", instance="main")
    google.drop(INSTANCE_TYPE, "main", state)
    assert google.ids("gcp:sql/database:Database") == []


def test_a_used_private_connection_cannot_be_deleted_unless_only_the_peering_goes(google: Google) -> None:
    google.ready_for_sql()
    google.make(INSTANCE_TYPE, **instance())
    token = "gcp:servicenetworking/connection:Connection"
    with pytest.raises(CloudError, match=r"Producer services .* using this connection: main"):
        google.drop(token, google.ids(token)[0], {"deletionPolicy": ""})
    google.drop(token, google.ids(token)[0], {"deletionPolicy": "REMOVE_PEERING"})
    assert google.ids(token) == []


def test_a_bucket_with_objects_goes_only_by_force(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    google.make(OBJECT_TYPE, bucket="b", name="o", content="x")
    with pytest.raises(ProviderError, match="without `force_destroy`"):
        google.drop(BUCKET_TYPE, "b", {"forceDestroy": False})
    google.drop(BUCKET_TYPE, "b", {"forceDestroy": True})
    assert google.ids(OBJECT_TYPE) == []


def test_a_retention_policy_holds_objects_until_the_period_is_over(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU", retentionPolicy={"retentionPeriod": "86400", "isLocked": True})
    google.cloud.put_object("b", "o", "first")
    held = r"retention policy and cannot be deleted, overwritten or archived until"
    with pytest.raises(CloudError, match=held):
        google.cloud.put_object("b", "o", "second")
    with pytest.raises(CloudError, match=held):
        google.drop(OBJECT_TYPE, "b-o", {})
    with pytest.raises(CloudError, match=held):
        google.drop(BUCKET_TYPE, "b", {"forceDestroy": True})
    assert google.cloud.object_content("b", "o") == "first"
    google.later(days=1, minutes=1)
    google.drop(OBJECT_TYPE, "b-o", {})
    assert google.ids(OBJECT_TYPE) == []


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        ({"retentionPeriod": "172800", "isLocked": True}, True),
        ({"retentionPeriod": "3600", "isLocked": True}, False),
        ({"retentionPeriod": "86400", "isLocked": False}, False),
    ],
)
def test_a_locked_retention_only_grows(google: Google, policy: dict[str, object], accepted: bool) -> None:
    locked = {"retentionPeriod": "86400", "isLocked": True}
    _, state = google.make(BUCKET_TYPE, name="b", location="EU", retentionPolicy=locked)
    if accepted:
        assert (
            google.change(BUCKET_TYPE, "b", state, name="b", location="EU", retentionPolicy=policy)["retentionPolicy"]
            == policy
        )
    else:
        with pytest.raises(CloudError, match="Cannot reduce retention"):
            google.change(BUCKET_TYPE, "b", state, name="b", location="EU", retentionPolicy=policy)


def test_a_locked_log_bucket_neither_changes_nor_goes(google: Google) -> None:
    token = "gcp:logging/projectBucketConfig:ProjectBucketConfig"
    facts = {"project": PROJECT, "location": "global", "bucketId": "audit", "locked": True}
    object_id, state = google.make(token, **facts, retentionDays=365)
    with pytest.raises(CloudError, match="its retention cannot change"):
        google.change(token, object_id, state, **facts, retentionDays=400)
    with pytest.raises(CloudError, match="is locked: it can be deleted only after"):
        google.drop(token, object_id, state)


def test_secret_versions_count_up_per_secret(google: Google) -> None:
    google.apis("secretmanager")
    for name in ("a", "b"):
        google.make(SECRET, name, secretId=name, replication={"auto": {}})
    made = [
        google.make(VERSION, secret=f"projects/{PROJECT}/secrets/{name}", secretData="x")[0] for name in ("a", "a", "b")
    ]
    assert made == [f"projects/{NUMBER}/secrets/{rest}" for rest in ("a/versions/1", "a/versions/2", "b/versions/1")]


def test_reading_by_id_alone_fills_state_and_inputs(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU", forceDestroy=True, versioning={"enabled": True})
    object_id, state = google.read(BUCKET_TYPE, "b")
    assert object_id == "b"
    assert state["url"] == "gs://b"
    assert state["forceDestroy"] is False, "only a state knows the provider's own flags"
    assert google.cloud.imported_inputs(BUCKET_TYPE, "b", state) == {
        "name": "b",
        "location": "EU",
        "versioning": {"enabled": True},
        "storageClass": "STANDARD",
        "forceDestroy": False,
    }


def test_reading_what_is_gone_is_none(google: Google) -> None:
    assert google.is_gone(BUCKET_TYPE, "b")
    assert google.is_gone(BUCKET_TYPE, "b", {"name": "b"})


def test_an_import_needs_the_import_id(google: Google) -> None:
    token = "gcp:projects/iAMMember:IAMMember"
    object_id, state = google.make(token, project=PROJECT, role="roles/viewer", member="user:a@example.com")
    with pytest.raises(ProviderError, match="is the id in the state, not an import id"):
        google.read(token, object_id)
    assert google.read(token, f"{PROJECT} roles/viewer user:a@example.com")[0] == object_id
    assert google.read(token, object_id, state)[0] == object_id


def test_a_bucket_object_cannot_be_imported_but_read_with_its_state(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    object_id, state = google.make(OBJECT_TYPE, bucket="b", name="o", content="x")
    with pytest.raises(ProviderError, match="cannot be imported"):
        google.read(OBJECT_TYPE, object_id)
    assert google.read(OBJECT_TYPE, object_id, state) == (object_id, state)


def test_a_read_finds_content_that_somebody_else_wrote(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    object_id, state = google.make(OBJECT_TYPE, bucket="b", name="o", content="ours")
    google.cloud.put_object("b", "o", "theirs")
    _, found = google.read(OBJECT_TYPE, object_id, state)
    assert found["content"] == "ours"
    assert found["detectMd5hash"] != state["detectMd5hash"]


def test_drift_shows_in_a_read_and_is_checked_like_an_input(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    google.cloud.drift(BUCKET_TYPE, "b", "versioning.enabled", True)
    assert google.read(BUCKET_TYPE, "b", {"name": "b"})[1]["versioning"] == {"enabled": True}
    with pytest.raises(ValueError, match=r"versioning.enabled: expected a boolean"):
        google.cloud.drift(BUCKET_TYPE, "b", "versioning.enabled", "yes")
    with pytest.raises(KeyError, match=r"0 objects of .* there are: b"):
        google.cloud.drift(BUCKET_TYPE, "c", "versioning.enabled", True)


def test_remove_takes_what_is_under_it_and_asks_nobody(google: Google) -> None:
    google.ready_for_sql()
    google.make(INSTANCE_TYPE, **instance(deletionProtection=True, settings={"deletionProtectionEnabled": True}))
    google.make("gcp:sql/database:Database", name="d", instance="main")
    google.cloud.remove(INSTANCE_TYPE, "main")
    assert google.ids(INSTANCE_TYPE) == google.ids("gcp:sql/database:Database") == []


def test_a_plan_knows_what_the_provider_knows_and_nothing_more(google: Google) -> None:
    planned = google.cloud.plan_create(
        INSTANCE_TYPE, google.checked(INSTANCE_TYPE, "it", **instance(deletionProtection=None)), google.config
    )
    assert (planned["project"], planned["deletionPolicy"], planned["deletionProtection"]) == (PROJECT, "DELETE", True)
    assert planned["connectionName"] is planned["serverCaCerts"] is planned["selfLink"] is UNKNOWN
    account = google.cloud.plan_create("gcp:serviceaccount/account:Account", {"accountId": "sql"}, google.config)
    assert account["email"] == f"sql@{PROJECT}.iam.gserviceaccount.com"
    assert account["uniqueId"] is UNKNOWN


def test_schema_defaults_are_inputs_and_do_not_invent_blocks(google: Google) -> None:
    checked = google.checked(
        INSTANCE_TYPE, "it", databaseVersion="POSTGRES_17", settings={"tier": "t", "ipConfiguration": {}}
    )
    assert checked["settings"]["ipConfiguration"] == {"ipv4Enabled": True}
    assert checked["deletionProtection"] is True
    bare = google.checked(INSTANCE_TYPE, "it", databaseVersion="POSTGRES_17", settings={"tier": "t"})
    assert "ipConfiguration" not in bare["settings"]
    off = google.checked(INSTANCE_TYPE, "it", databaseVersion="P", settings={"tier": "t", "diskAutoresize": False})
    assert off["settings"]["diskAutoresize"] is False


def test_what_the_cloud_fills_in_is_in_the_state_alone(google: Google) -> None:
    checked = google.checked(BUCKET_TYPE, "it", name="b", location="EU")
    assert "publicAccessPrevention" not in checked
    _, state = google.make(BUCKET_TYPE, name="b", location="EU")
    assert (state["publicAccessPrevention"], state["softDeletePolicy"]) == (
        "inherited",
        {"retentionDurationSeconds": 604800},
    )


def test_a_missing_name_is_made_up_from_the_pulumi_name_and_the_seed(google: Google) -> None:
    made, _ = google.cloud.check(target(BUCKET_TYPE, "logs"), {"location": "EU"}, b"seed")
    again, _ = google.cloud.check(target(BUCKET_TYPE, "logs"), {"location": "EU"}, b"seed")
    other, _ = google.cloud.check(target(BUCKET_TYPE, "logs"), {"location": "EU"}, b"tree")
    assert made["name"] == again["name"] != other["name"]
    assert made["name"].startswith("logs-")
    assert len(made["name"]) == len("logs-") + 7


def test_default_labels_end_up_on_the_object(google: Google) -> None:
    _, state = google.make(BUCKET_TYPE, name="b", location="EU", labels={"env": "own", "team": "x"})
    assert state["effectiveLabels"] == {"goog-pulumi-provisioned": "true", "env": "own", "team": "x"}
    assert state["labels"] == {"env": "own", "team": "x"}


def test_computed_values_stay_as_created_and_contents_are_hashed_again(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    _, state = google.make(OBJECT_TYPE, bucket="b", name="o", content="one")
    changed = google.change(OBJECT_TYPE, "b-o", state, bucket="b", name="o", content="two")
    assert changed["selfLink"] == state["selfLink"]
    assert changed["md5hash"] == "uKn3Fdu2T9XFbneDxoIKYQ==" != state["md5hash"]


def test_everything_survives_in_the_file(tmp_path: Path) -> None:
    config = ProviderConfig(project=PROJECT)
    first = Cloud.open(tmp_path / "deep" / "cloud.db")
    checked, _ = first.check(target(BUCKET_TYPE, "b"), {"name": "b", "location": "EU"})
    first.create(target(BUCKET_TYPE, "b"), checked, config)
    second = Cloud.open(tmp_path / "deep" / "cloud.db")
    assert [item.id for item in second.objects()] == ["b"]
    with pytest.raises(CloudError, match="already exists"):
        second.create(target(BUCKET_TYPE, "b"), checked, config)
    assert [(entry.op, entry.name, entry.result[:20]) for entry in first.operations()] == [
        ("create", "b", "ok"),
        ("create", "b", "googleapi: Error 409"),
    ]
    first.close()
    second.close()
