"""Firestore, Pub/Sub, workload identity and grants on services and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import CloudError, ProviderError
from sandbox.cloud.tables.gcp import DELETED_TOPIC, POOL, SUBSCRIPTION, TOPIC
from sandbox.cloud.tables.gcp_firestore import DATABASE, SCHEDULE
from tests.unit.sandbox.project import NUMBER, PROJECT, REGION, Google

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

PROVIDER = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
SERVICE = "gcp:cloudrunv2/service:Service"


def database(**more: Value) -> dict[str, Value]:
    return {"name": "tn-acme", "locationId": REGION, "type": "FIRESTORE_NATIVE", **more}


# --- Firestore -------------------------------------------------------------------------------------------------------


def test_a_database_shows_its_defaults(google: Google) -> None:
    google.apis("firestore")
    object_id, state = google.make(DATABASE, **database())
    assert object_id == f"projects/{PROJECT}/databases/tn-acme"
    assert state["deletionPolicy"] == "ABANDON"
    assert state["deleteProtectionState"] == "DELETE_PROTECTION_DISABLED"
    assert state["pointInTimeRecoveryEnablement"] == "POINT_IN_TIME_RECOVERY_DISABLED"
    assert state["versionRetentionPeriod"] == "3600s"
    on = google.change(
        DATABASE, object_id, state, **database(pointInTimeRecoveryEnablement="POINT_IN_TIME_RECOVERY_ENABLED")
    )
    assert on["versionRetentionPeriod"] == "604800s"
    with pytest.raises(CloudError, match="Error 409"):
        google.make(DATABASE, "again", **database())


def test_deleting_a_database_forgets_it_unless_the_policy_says_delete(google: Google) -> None:
    google.apis("firestore")
    object_id, state = google.make(DATABASE, **database())
    google.drop(DATABASE, object_id, state)
    assert google.ids(DATABASE) == [object_id]
    with pytest.raises(CloudError, match="Error 409"):
        google.make(DATABASE, **database())
    with pytest.raises(ProviderError, match=r"cannot destroy .* without setting deletion_policy"):
        google.drop(DATABASE, object_id, {**state, "deletionPolicy": "PREVENT"})
    google.drop(DATABASE, object_id, {**state, "deletionPolicy": "DELETE"})
    assert google.ids(DATABASE) == []


def test_the_id_of_a_deleted_database_is_free_after_five_minutes(google: Google) -> None:
    google.apis("firestore")
    object_id, state = google.make(DATABASE, **database(deletionPolicy="DELETE"))
    google.drop(DATABASE, object_id, state)
    google.later(minutes=4, seconds=50)
    with pytest.raises(CloudError, match=f"Database ID 'tn-acme' is not available in project '{PROJECT}'"):
        google.make(DATABASE, **database())
    google.later(seconds=20)
    google.make(DATABASE, **database())


def test_a_protected_database_is_not_deleted_by_the_provider_nor_by_the_api(google: Google) -> None:
    google.apis("firestore")
    protected = database(deletionPolicy="DELETE", deleteProtectionState="DELETE_PROTECTION_ENABLED")
    object_id, state = google.make(DATABASE, **protected)
    with pytest.raises(ProviderError) as caught:
        google.drop(DATABASE, object_id, state)
    assert str(caught.value) == (
        "Cannot delete Firestore database tn-acme: Delete Protection is enabled. Set delete_protection_state to"
        " DELETE_PROTECTION_DISABLED for this resource and run `pulumi up` before attempting to delete it."
    )
    with pytest.raises(CloudError, match="has delete protection enabled, failedPrecondition"):
        google.drop(DATABASE, object_id, {**state, "deleteProtectionState": "DELETE_PROTECTION_DISABLED"})
    off = database(deletionPolicy="DELETE", deleteProtectionState="DELETE_PROTECTION_DISABLED")
    google.drop(DATABASE, object_id, google.change(DATABASE, object_id, state, **off))
    assert google.ids(DATABASE) == []


@pytest.mark.parametrize("name", ["abc", "1abc", "abcd-", "Abcd", "a" * 64, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"])
def test_a_database_id_that_the_api_refuses(google: Google, name: str) -> None:
    google.apis("firestore")
    with pytest.raises(CloudError, match=f"Invalid database id: {name}"):
        google.make(DATABASE, **database(name=name))


@pytest.mark.parametrize("path", ["name", "locationId", "cmekConfig", "databaseEdition"])
def test_what_replaces_a_database(google: Google, path: str) -> None:
    old = database(**{path: "old"})
    changes = google.cloud.diff(
        DATABASE, state=old, old_inputs=old, new_inputs={**old, path: "new"}, config=google.config
    )
    assert [(change.path, change.replace) for change in changes] == [(path, True)]


@pytest.mark.parametrize(("place", "key_place"), [("eur3", "europe"), (REGION, REGION)])
def test_the_key_of_a_database_is_where_the_database_is(google: Google, place: str, key_place: str) -> None:
    google.apis("firestore", "cloudkms")
    google.make("gcp:projects/serviceIdentity:ServiceIdentity", service="firestore.googleapis.com")
    agent = f"service-{NUMBER}@gcp-sa-firestore.iam.gserviceaccount.com"
    right, wrong = google.key(key_place), google.key("asia-east1")
    google.grant(wrong, agent)
    with pytest.raises(CloudError, match=f"{agent} does not have permission to use the key"):
        google.make(DATABASE, **database(locationId=place, cmekConfig={"kmsKeyName": right}))
    with pytest.raises(CloudError, match="they must be the same"):
        google.make(DATABASE, **database(locationId=place, cmekConfig={"kmsKeyName": wrong}))
    google.grant(right, agent)
    google.make(DATABASE, **database(locationId=place, cmekConfig={"kmsKeyName": right}))


def test_a_database_has_one_daily_and_one_weekly_schedule(google: Google) -> None:
    google.apis("firestore")
    google.make(DATABASE, **database(deletionPolicy="DELETE"))
    daily = {"database": "tn-acme", "retention": "604800s", "dailyRecurrence": {}}
    weekly = {"database": "tn-acme", "retention": "8467200s", "weeklyRecurrence": {"day": "SUNDAY"}}
    object_id, state = google.make(SCHEDULE, **daily)
    assert object_id == f"projects/{PROJECT}/databases/tn-acme/backupSchedules/{state['name']}"
    google.make(SCHEDULE, "weekly", **weekly)
    with pytest.raises(CloudError, match="already has a weekly backup schedule: a database has at most one daily"):
        google.make(SCHEDULE, "again", **weekly)
    changed = google.change(SCHEDULE, object_id, state, **{**daily, "retention": "86400s"})
    assert changed["retention"] == "86400s"
    google.drop(DATABASE, f"projects/{PROJECT}/databases/tn-acme", {"deletionPolicy": "DELETE"})
    assert google.ids(SCHEDULE) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"retention": "8467201s", "dailyRecurrence": {}}, "8467201s is longer than 14 weeks"),
        ({"retention": "86400s"}, "exactly one of daily and weekly recurrence"),
        ({"retention": "86400s", "dailyRecurrence": {}, "weeklyRecurrence": {"day": "SUNDAY"}}, "exactly one of daily"),
        (
            {"retention": "86400s", "dailyRecurrence": {}, "database": "none"},
            r"Error 404: .*databases/none was not found",
        ),
    ],
)
def test_a_schedule_that_the_api_refuses(google: Google, facts: dict[str, Value], message: str) -> None:
    google.apis("firestore")
    google.make(DATABASE, **database())
    with pytest.raises(CloudError, match=message):
        google.make(SCHEDULE, **{"database": "tn-acme", **facts})


# --- Pub/Sub ---------------------------------------------------------------------------------------------------------


def test_a_subscription_needs_its_topic_and_outlives_it(google: Google) -> None:
    google.apis("pubsub")
    with pytest.raises(CloudError, match=r"Resource not found \(resource=files\)\., notFound"):
        google.make(SUBSCRIPTION, name="s", topic="files")
    topic, _ = google.make(TOPIC, name="files")
    object_id, state = google.make(SUBSCRIPTION, name="s", topic=topic)
    assert (state["ackDeadlineSeconds"], state["messageRetentionDuration"]) == (10, "604800s")
    with pytest.raises(CloudError, match=r"resource=dead"):
        google.make(SUBSCRIPTION, "two", name="two", topic=topic, deadLetterPolicy={"deadLetterTopic": "dead"})
    google.make(
        "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember",
        subscription="s",
        role="roles/pubsub.subscriber",
        member="user:a@example.com",
    )
    google.drop(TOPIC, topic, {})
    assert google.read(SUBSCRIPTION, object_id, state)[1]["topic"] == DELETED_TOPIC
    google.drop(SUBSCRIPTION, object_id, state)
    assert google.ids("gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember") == []


# --- workload identity -----------------------------------------------------------------------------------------------


def provider(**more: Value) -> dict[str, Value]:
    return {
        "workloadIdentityPoolId": "vercel",
        "workloadIdentityPoolProviderId": "vercel",
        "attributeMapping": {"google.subject": "assertion.sub"},
        "oidc": {"issuerUri": "https://oidc.vercel.com/acme"},
        **more,
    }


def test_a_pool_is_named_by_the_number_of_its_project(google: Google) -> None:
    object_id, state = google.make(POOL, workloadIdentityPoolId="vercel")
    assert object_id == f"projects/{PROJECT}/locations/global/workloadIdentityPools/vercel"
    assert state["name"] == f"projects/{NUMBER}/locations/global/workloadIdentityPools/vercel"
    assert state["state"] == "ACTIVE"
    _, made = google.make(PROVIDER, **provider())
    assert made["name"] == f"{state['name']}/providers/vercel"


@pytest.mark.parametrize("token", [POOL, PROVIDER])
def test_a_deleted_id_stays_taken_for_thirty_days(google: Google, token: str) -> None:
    pool, state = google.make(POOL, workloadIdentityPoolId="vercel")
    facts = provider() if token == PROVIDER else {"workloadIdentityPoolId": "vercel"}
    object_id, state = google.make(token, **facts) if token == PROVIDER else (pool, state)
    google.drop(token, object_id, state)
    google.later(days=29)
    with pytest.raises(CloudError, match=r"Error 409: Requested entity already exists: .* its id stays taken for 30"):
        google.make(token, **facts)
    google.later(days=2)
    google.make(token, **facts)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"workloadIdentityPoolProviderId": "gcp-vercel"}, "'gcp-vercel' must have 4 to 32 .* not start with gcp-"),
        ({"workloadIdentityPoolProviderId": "abc"}, "'abc' must have 4 to 32"),
        ({"attributeMapping": {"attribute.x": "assertion.x"}}, "Attribute mapping must contain google.subject"),
        ({"workloadIdentityPoolId": "none"}, "workloadIdentityPools/none was not found"),
    ],
)
def test_a_pool_provider_that_the_api_refuses(google: Google, facts: dict[str, Value], message: str) -> None:
    google.make(POOL, workloadIdentityPoolId="vercel")
    with pytest.raises(CloudError, match=message):
        google.make(PROVIDER, **provider(**facts))


# --- grants ----------------------------------------------------------------------------------------------------------


def test_bindings_belong_to_their_service_and_account(google: Google) -> None:
    google.apis("run")
    account, account_state = google.make("gcp:serviceaccount/account:Account", accountId="web")
    object_id, state = google.make(SERVICE, **service())
    members = ["user:a@example.com"]
    binding = "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding"
    assert google.make(binding, name="web", location=REGION, role="roles/run.invoker", members=members)[0] == (
        f"{object_id}/roles/run.invoker"
    )
    on_account = "gcp:serviceaccount/iAMBinding:IAMBinding"
    assert google.make(on_account, serviceAccountId=account, role="roles/x", members=members)[0] == f"{account}/roles/x"
    google.drop(SERVICE, object_id, state)
    google.drop("gcp:serviceaccount/account:Account", account, account_state)
    assert google.ids(binding) == google.ids(on_account) == []


@pytest.fixture
def run(google: Google) -> Google:
    google.apis("run")
    return google


def service(image: str = "a", revision: str | None = None, **shares: int) -> dict[str, Value]:
    traffics = [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": name, "percent": share}
        for name, share in shares.items()
    ]
    template = {"containers": [{"image": image}], **({"revision": revision} if revision else {})}
    return {"name": "web", "location": REGION, "deletionProtection": False, "template": template, "traffics": traffics}


def test_a_canary_shares_traffic_with_the_revision_before(run: Google) -> None:
    object_id, state = run.make(SERVICE, **service("a", "v1", v1=100))
    assert state["latestReadyRevision"] == "v1"
    state = run.change(SERVICE, object_id, state, **service("b", "v2", v1=90, v2=10))
    assert state["latestCreatedRevision"] == "v2"
    state = run.change(SERVICE, object_id, state, **service("b", "v2", v2=100))
    back = run.change(SERVICE, object_id, state, **service("a", "v1", v1=100))
    assert back["latestCreatedRevision"] == "v1", "the same revision can be asked for again"


def test_a_revision_never_changes(run: Google) -> None:
    object_id, state = run.make(SERVICE, **service("a", "v1", v1=100))
    with pytest.raises(CloudError) as caught:
        run.change(SERVICE, object_id, state, **service("b", "v1", v1=100))
    assert str(caught.value) == (
        "googleapi: Error 409: Revision named 'v1' with different configuration already exists., alreadyExists"
    )
    state = run.change(SERVICE, object_id, state, **service("b", "v2", v2=100))
    with pytest.raises(CloudError, match="Revision named 'v1' with different configuration"):
        run.change(SERVICE, object_id, state, **service("c", "v1", v1=100))
    run.drop(SERVICE, object_id, state)
    run.make(SERVICE, **service("c", "v1", v1=100))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"v1": 90, "v2": 5}, "percentages of its traffic must add up to 100"),
        ({"v0": 10, "v2": 90}, "traffic is sent to revision 'v0', which does not exist"),
    ],
)
def test_traffic_that_the_api_refuses(run: Google, shares: dict[str, int], message: str) -> None:
    object_id, state = run.make(SERVICE, **service("a", "v1", v1=100))
    with pytest.raises(CloudError, match=message):
        run.change(SERVICE, object_id, state, **service("b", "v2", **shares))
    run.change(SERVICE, object_id, state, **service("c", "v2", v1=50, v2=50))


def test_a_service_without_a_name_for_its_revision_gets_new_ones(run: Google) -> None:
    object_id, state = run.make(SERVICE, **service("a"))
    assert state["latestReadyRevision"].startswith("web-00001-")
    changed = run.change(SERVICE, object_id, state, **service("b"))
    assert changed["latestReadyRevision"] != state["latestReadyRevision"]


def test_a_service_is_protected_unless_told_otherwise(google: Google) -> None:
    google.apis("run")
    object_id, state = google.make(SERVICE, name="web", location=REGION, template={"containers": []})
    with pytest.raises(ProviderError, match="cannot destroy service without setting deletion_protection=false"):
        google.drop(SERVICE, object_id, state)
