"""The mistakes of a first `up` on an empty project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.cloud import CloudError
from tests.unit.sandbox.project import (
    BUCKET_TYPE,
    INSTANCE_TYPE,
    KEY,
    NETWORK,
    NUMBER,
    PROJECT,
    REGION,
    SQL_AGENT,
    STORAGE_AGENT,
    Google,
    instance,
)

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

ROLE = "roles/viewer"


def test_an_api_must_be_enabled_first(google: Google) -> None:
    facts = {"secretId": "s", "replication": {"auto": {}}}
    with pytest.raises(CloudError, match=r"secretmanager.googleapis.com has not been used .* SERVICE_DISABLED"):
        google.make("gcp:secretmanager/secret:Secret", **facts)
    google.apis("secretmanager")
    google.make("gcp:secretmanager/secret:Secret", **facts)


def test_logging_monitoring_and_storage_are_on_in_a_new_project(google: Google) -> None:
    google.make(BUCKET_TYPE, name="b", location="EU")
    google.make("gcp:logging/metric:Metric", name="m", filter="x")
    google.make("gcp:monitoring/notificationChannel:NotificationChannel", type="email")


def test_a_service_agent_can_be_granted_only_once_it_exists(google: Google) -> None:
    google.apis("cloudkms")
    google.key()
    with pytest.raises(CloudError, match=f"Service account {SQL_AGENT} does not exist"):
        google.grant(KEY, SQL_AGENT)
    google.make("gcp:projects/serviceIdentity:ServiceIdentity", service="sqladmin.googleapis.com")
    google.grant(KEY, SQL_AGENT)
    with pytest.raises(CloudError, match=f"{STORAGE_AGENT} does not exist"):
        google.grant(KEY, STORAGE_AGENT)
    answer = google.cloud.invoke("gcp:storage/getProjectServiceAccount:getProjectServiceAccount", {}, google.config)
    assert answer["emailAddress"] == STORAGE_AGENT
    google.grant(KEY, STORAGE_AGENT)


def test_some_agents_come_with_their_api(google: Google) -> None:
    member = f"serviceAccount:service-{NUMBER}@serverless-robot-prod.iam.gserviceaccount.com"
    token = "gcp:projects/iAMMember:IAMMember"
    with pytest.raises(CloudError, match="does not exist"):
        google.make(token, project=PROJECT, role=ROLE, member=member)
    google.apis("run")
    google.make(token, project=PROJECT, role=ROLE, member=member)


@pytest.mark.parametrize("member", ["user:a@example.com", "allUsers", "serviceAccount:x@other.iam.gserviceaccount.com"])
def test_members_outside_the_project_are_taken_on_trust(google: Google, member: str) -> None:
    google.make("gcp:projects/iAMMember:IAMMember", project=PROJECT, role=ROLE, member=member)


def test_an_unknown_account_of_the_project_cannot_be_granted(google: Google) -> None:
    facts = {"project": PROJECT, "role": ROLE, "member": f"serviceAccount:worker@{PROJECT}.iam.gserviceaccount.com"}
    with pytest.raises(CloudError, match="does not exist"):
        google.make("gcp:projects/iAMMember:IAMMember", **facts)
    google.make("gcp:serviceaccount/account:Account", accountId="worker")
    google.make("gcp:projects/iAMMember:IAMMember", **facts)


def test_a_key_must_be_granted_before_the_store_is_made(google: Google) -> None:
    google.apis("cloudkms", "sqladmin", "compute", "servicenetworking")
    google.private_network()
    google.key()
    google.make("gcp:projects/serviceIdentity:ServiceIdentity", service="sqladmin.googleapis.com")
    with pytest.raises(CloudError, match=f"{SQL_AGENT} does not have permission to use the key"):
        google.make(INSTANCE_TYPE, **instance())
    google.grant(KEY, SQL_AGENT)
    google.make(INSTANCE_TYPE, **instance())


def test_a_key_must_be_in_the_region_of_the_store(google: Google) -> None:
    google.ready_for_sql()
    far = google.key("europe-west4")
    google.grant(far, SQL_AGENT)
    with pytest.raises(CloudError, match="is in europe-west4, but main is in europe-west1"):
        google.make(INSTANCE_TYPE, **instance(encryptionKeyName=far))
    with pytest.raises(CloudError, match=r"CryptoKey .*nope not found"):
        google.make(INSTANCE_TYPE, **instance(encryptionKeyName=KEY.replace("/sql", "/nope")))


@pytest.mark.parametrize(("replication", "wanted"), [("auto", "global"), ("userManaged", REGION)])
def test_a_secret_needs_a_key_where_its_replica_is(google: Google, replication: str, wanted: str) -> None:
    google.apis("cloudkms", "secretmanager")
    google.make("gcp:projects/serviceIdentity:ServiceIdentity", service="secretmanager.googleapis.com")
    agent = f"service-{NUMBER}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    keys = {location: google.key(location) for location in ("global", REGION)}
    for key in keys.values():
        google.grant(key, agent)

    def secret(name: str, key: str) -> None:
        encryption = {"customerManagedEncryption": {"kmsKeyName": key}}
        replica = {"replicas": [{"location": REGION, **encryption}]}
        google.make(
            "gcp:secretmanager/secret:Secret",
            name,
            secretId=name,
            replication={replication: encryption if replication == "auto" else replica},
        )

    secret("right", keys[wanted])
    with pytest.raises(CloudError, match="they must be the same"):
        secret("wrong", keys[REGION if wanted == "global" else "global"])


def test_a_private_instance_needs_its_connection(google: Google) -> None:
    google.apis("sqladmin", "compute")
    google.make("gcp:compute/network:Network", name="vpc")
    with pytest.raises(CloudError, match="SERVICE_NETWORKING_NOT_ENABLED"):
        google.make(INSTANCE_TYPE, **instance(encryptionKeyName=None))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ipConfiguration": {"ipv4Enabled": False}}, "At least one of Public IP, Private IP"),
        ({"edition": "ENTERPRISE_PLUS"}, r"Invalid Tier \(db-custom-2-7680\) for \(ENTERPRISE_PLUS\)"),
        ({"edition": None}, r"Invalid Tier \(db-custom-2-7680\) for \(ENTERPRISE_PLUS\)"),
        ({"availabilityType": "REGIONAL"}, "REGIONAL instance needs automated backups"),
        ({"backupConfiguration": {"transactionLogRetentionDays": 8}}, "from 1 to 7 for ENTERPRISE"),
        ({"ipConfiguration": {"ipv4Enabled": False, "privateNetwork": NETWORK, "allocatedIpRange": "x"}}, "IP range x"),
    ],
)
def test_settings_that_the_api_refuses(google: Google, settings: dict[str, Any], message: str) -> None:
    google.ready_for_sql()
    with pytest.raises(CloudError, match=message):
        google.make(INSTANCE_TYPE, **instance(settings=settings))
    assert google.ids(INSTANCE_TYPE) == []


def test_a_child_needs_its_parent(google: Google) -> None:
    google.apis("sqladmin")
    with pytest.raises(CloudError, match=r"Error 404: .* main was not found"):
        google.make("gcp:sql/database:Database", name="d", instance="main")


def test_a_schedule_needs_an_account_that_exists(google: Google) -> None:
    google.apis("cloudscheduler")
    email = f"backup@{PROJECT}.iam.gserviceaccount.com"
    target = {"uri": "https://x", "oauthToken": {"serviceAccountEmail": email}}
    with pytest.raises(CloudError, match=f"service account {email} was not found"):
        google.make("gcp:cloudscheduler/job:Job", name="j", httpTarget=target)
    google.make("gcp:serviceaccount/account:Account", accountId="backup")
    google.make("gcp:cloudscheduler/job:Job", name="j", httpTarget=target)


def test_an_alert_needs_its_metric_and_its_channel(google: Google) -> None:
    def policy(**more: Value) -> None:
        condition = {
            "displayName": "c",
            "conditionThreshold": {
                "comparison": "COMPARISON_GT",
                "duration": "60s",
                "filter": 'metric.type="logging.googleapis.com/user/exports" AND resource.type="global"',
            },
        }
        google.make(
            "gcp:monitoring/alertPolicy:AlertPolicy", combiner="OR", displayName="a", conditions=[condition], **more
        )

    with pytest.raises(
        CloudError, match=r"conditions\[0\].conditionThreshold.filter: Cannot find a metric .*user/exports"
    ):
        policy()
    google.make("gcp:logging/metric:Metric", name="exports", filter="x")
    with pytest.raises(CloudError, match="Cannot find NotificationChannel projects/x"):
        policy(notificationChannels=["projects/x"])
    policy()


def test_a_managed_folder_needs_uniform_access(google: Google) -> None:
    google.make(BUCKET_TYPE, name="plain", location="EU")
    with pytest.raises(CloudError, match="uniform bucket-level access"):
        google.make("gcp:storage/managedFolder:ManagedFolder", bucket="plain", name="a/")
    google.make(BUCKET_TYPE, "uniform", name="uniform", location="EU", uniformBucketLevelAccess=True)
    google.make("gcp:storage/managedFolder:ManagedFolder", bucket="uniform", name="a/")


def test_a_dashboard_must_be_json(google: Google) -> None:
    token = "gcp:monitoring/dashboard:Dashboard"
    with pytest.raises(CloudError, match="dashboardJson is not JSON"):
        google.make(token, dashboardJson="{")
    google.make(token, dashboardJson=json.dumps({"displayName": "d"}))


def test_the_user_of_an_account_has_no_domain_suffix(google: Google) -> None:
    google.ready_for_sql()
    google.make(INSTANCE_TYPE, **instance())
    facts = {"instance": "main", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    with pytest.raises(CloudError, match=r"without .gserviceaccount.com"):
        google.make("gcp:sql/user:User", **facts, name=f"worker@{PROJECT}.iam.gserviceaccount.com")
    object_id, state = google.make("gcp:sql/user:User", **facts, name=f"worker@{PROJECT}.iam")
    assert object_id == f"worker@{PROJECT}.iam//main"
    assert state["iamEmail"] == f"worker@{PROJECT}.iam.gserviceaccount.com"
