"""The manners of the simulated AWS account: names, regions, refusals and waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from recovery.ids import derive_id
from sandbox.cloud import CloudError, FaultRule, ProviderError
from sandbox.cloud.provider import ProviderConfig, parse_config
from sandbox.cloud.values import UNKNOWN
from tests.unit.sandbox.account import (
    ACCOUNT,
    ALIAS,
    ATTACHMENT,
    BACKUP_REGION,
    BUCKET,
    CERTIFICATE,
    DISTRIBUTION,
    GROUP,
    INGRESS,
    INSTANCE,
    KEY,
    OBJECT,
    OBJECT_LOCK,
    PARAMETERS,
    POLICY,
    REGION,
    REPLICATION,
    ROLE,
    SECRET,
    SUBNET,
    SUBNET_GROUP,
    TRUST,
    VAULT,
    VAULT_LOCK,
    VERSION,
    VERSIONING,
    VPC,
    Amazon,
    instance,
)
from tests.unit.sandbox.project import target

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
TRAIL = "aws:cloudtrail/trail:Trail"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
REPLICATED = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


# --- the provider ----------------------------------------------------------------------------------------------------


def test_the_provider_brings_account_region_and_tags() -> None:
    config = parse_config(
        {"region": REGION, "allowedAccountIds": f'["{ACCOUNT}"]', "defaultTags": '{"tags": {"env": "dev"}}'}
    )
    assert config == ProviderConfig(account=ACCOUNT, region=REGION, default_tags={"env": "dev"})
    assert parse_config({"region": REGION}).account == "123456789012"


def test_region_and_tags_are_in_the_checked_inputs(amazon: Amazon) -> None:
    checked = amazon.checked(SECRET, name="s", tags={"team": "x", "env": "own"})
    assert checked["region"] == REGION
    assert checked["tagsAll"] == {"team": "x", "env": "own"}
    assert amazon.checked(SECRET, name="s", region=BACKUP_REGION)["region"] == BACKUP_REGION
    assert amazon.checked(SECRET, name="s")["tagsAll"] == {"env": "dev"}
    assert amazon.checked(SECRET, name="s", tags={"a": UNKNOWN})["tagsAll"] is UNKNOWN
    # Roles belong to the account, not to a region.
    assert "region" not in amazon.checked(ROLE, name="r", assumeRolePolicy=TRUST)


def test_defaults_that_policies_must_see_and_those_that_they_do_not(amazon: Amazon) -> None:
    checked = amazon.checked(INSTANCE, **instance())
    assert {
        name: checked.get(name)
        for name in (
            "publiclyAccessible",
            "deleteAutomatedBackups",
            "skipFinalSnapshot",
            "backupRetentionPeriod",
            "storageEncrypted",
            "deletionProtection",
        )
    } == {
        "publiclyAccessible": False,
        "deleteAutomatedBackups": True,
        "skipFinalSnapshot": False,
        "backupRetentionPeriod": None,
        "storageEncrypted": None,
        "deletionProtection": None,
    }
    assert amazon.checked(KEY)["enableKeyRotation"] is False
    assert amazon.checked(SECRET, name="s")["recoveryWindowInDays"] == 30
    _, state = amazon.instance()
    assert (state["backupRetentionPeriod"], state["storageEncrypted"]) == (0, False)


def test_names_are_made_up_where_the_program_gives_none(amazon: Amazon) -> None:
    assert amazon.checked(BUCKET, "exports")["bucket"].startswith("exports-")
    assert amazon.checked(SECRET, "s")["name"].startswith("s-")
    assert "name" not in amazon.checked(SECRET, "s", namePrefix="p-")


def test_what_only_the_cloud_decides_is_unknown_in_preview(amazon: Amazon) -> None:
    planned = amazon.cloud.plan_create(
        SUBNET, amazon.checked(SUBNET, vpcId="v", cidrBlock="10.0.0.0/24"), amazon.config
    )
    assert planned["arn"] is planned["availabilityZone"] is UNKNOWN
    assert (planned["region"], planned["tagsAll"]) == (REGION, {"env": "dev"})


@pytest.mark.parametrize(
    ("changed", "replaced"),
    [
        ({"region": BACKUP_REGION}, ["region"]),
        ({"engine": "mysql"}, ["engine"]),
        ({"storageEncrypted": True}, ["storageEncrypted"]),
        ({"kmsKeyId": "arn:aws:kms:eu-central-1:111122223333:key/k"}, ["kmsKeyId"]),
        ({"username": "other"}, ["username"]),
        ({"identifier": "renamed", "backupRetentionPeriod": 7, "multiAz": True, "tags": {"a": "b"}}, []),
    ],
)
def test_what_replaces_a_database(amazon: Amazon, changed: dict[str, Value], replaced: list[str]) -> None:
    old = amazon.checked(INSTANCE, **instance())
    _, state = amazon.instance()
    new = amazon.checked(INSTANCE, **instance(**changed))
    found = amazon.cloud.diff(INSTANCE, state=state, old_inputs=old, new_inputs=new, config=amazon.config)
    assert [change.path for change in found if change.replace] == replaced
    assert found


def test_new_default_tags_are_an_update(amazon: Amazon) -> None:
    inputs = {"bucket": "b"}
    old = amazon.checked(BUCKET, **inputs)
    _, state = amazon.make(BUCKET, **inputs)
    amazon.config = ProviderConfig(account=ACCOUNT, region=REGION, default_tags={"env": "prod"})
    new = amazon.checked(BUCKET, **inputs)
    found = amazon.cloud.diff(BUCKET, state=state, old_inputs=old, new_inputs=new, config=amazon.config)
    assert [(change.path, change.replace) for change in found] == [("tagsAll.env", False)]


# --- names and ids ---------------------------------------------------------------------------------------------------


def test_a_bucket_name_is_taken_in_every_region_and_in_no_other_cloud(amazon: Amazon) -> None:
    amazon.bucket("exports")
    with pytest.raises(CloudError, match=r"StatusCode: 409, api error BucketAlreadyOwnedByYou: exports already exists"):
        amazon.make(BUCKET, "other", bucket="exports", region=BACKUP_REGION)
    google = ProviderConfig(project="fin", region="europe-west1")
    token = "gcp:storage/bucket:Bucket"
    amazon.cloud.create(target(token, "b"), {"name": "exports", "location": "EU"}, google)
    assert [item.id for item in amazon.cloud.objects(token)] == ["exports"]


@pytest.mark.parametrize(
    ("token", "facts", "code"),
    [
        (VAULT, {"name": "main"}, "AlreadyExistsException"),
        (LOG_GROUP, {"name": "/jobs"}, "ResourceAlreadyExistsException"),
        (SECRET, {"name": "tenant-a-credential"}, "ResourceExistsException"),
        (PARAMETERS, {"name": "pg", "family": "postgres17"}, "DBParameterGroupAlreadyExists"),
        (INSTANCE, instance(), "DBInstanceAlreadyExists"),
    ],
)
def test_a_name_is_taken_in_its_region_only(amazon: Amazon, token: str, facts: dict[str, Value], code: str) -> None:
    here_id, here = amazon.make(token, "here", **facts)
    there_id, there = amazon.make(token, "there", **facts, region=BACKUP_REGION)
    assert f":{BACKUP_REGION}:{ACCOUNT}:" in there["arn"]
    for label, region in (("again", REGION), ("again-there", BACKUP_REGION)):
        with pytest.raises(CloudError, match=f"api error {code}: .* already exists"):
            amazon.make(token, label, **facts, region=region)
    # Each is found, changed and deleted where it is.
    assert amazon.read(token, here_id, here)[1]["arn"] == here["arn"]
    assert amazon.read(token, there_id, there)[1]["arn"] == there["arn"]
    amazon.drop(token, there_id, {**there, "skipFinalSnapshot": True})
    assert [item.outputs["region"] for item in amazon.cloud.objects(token)] == [REGION]


def test_a_key_alias_is_a_name_of_its_region(amazon: Amazon) -> None:
    here, there = (amazon.make(KEY, region, region=region)[1] for region in (REGION, BACKUP_REGION))
    for key in (here, there):
        _, state = amazon.make(ALIAS, key["region"], name="alias/data", targetKeyId=key["keyId"], region=key["region"])
        assert state["targetKeyArn"] == key["arn"]
    with pytest.raises(CloudError, match="AlreadyExistsException: alias/data already exists"):
        amazon.make(ALIAS, "again", name="alias/data", targetKeyId=here["keyId"])


def test_a_database_is_imported_by_its_name_and_answers_with_its_id(amazon: Amazon) -> None:
    object_id, state = amazon.instance()
    assert object_id.startswith("db-")
    assert object_id == state["resourceId"]
    inputs = amazon.checked(INSTANCE, **instance())
    name = derive_id(INSTANCE, inputs, {})
    assert name == "fin-dev-pool-a-1"
    assert amazon.read(INSTANCE, name)[0] == object_id
    assert amazon.read(INSTANCE, name, inputs)[0] == object_id
    renamed = amazon.change(INSTANCE, object_id, state, **instance(identifier="renamed"))
    assert renamed["identifier"] == "renamed"
    amazon.make(INSTANCE, "next", **instance())


def test_versions_of_a_secret_and_revisions_of_a_task_are_counted_apart(amazon: Amazon) -> None:
    secret, _ = amazon.make(SECRET, name="s")
    first, second = (amazon.make(VERSION, "v", secretId=secret, secretString=text)[0] for text in "ab")
    assert first != second
    assert first.startswith(f"{secret}|")
    revisions = [amazon.make(TASK, family="sql", containerDefinitions="[]")[1]["revision"] for _ in range(2)]
    assert revisions == [1, 2]
    assert len(amazon.ids(TASK)) == 2


def test_the_same_history_gives_the_same_values() -> None:
    made = []
    for _ in range(2):
        amazon = Amazon()
        vpc, subnets, group = amazon.network()
        made.append([vpc, *subnets, group, amazon.instance()[1]["address"]])
        amazon.cloud.close()
    assert made[0] == made[1]


def test_a_managed_password_is_a_secret_of_the_account(amazon: Amazon) -> None:
    (secret,) = amazon.instance()[1]["masterUserSecrets"]
    assert secret["secretArn"].startswith(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-")


# --- secrets and keys ------------------------------------------------------------------------------------------------


def test_a_deleted_secret_keeps_its_name_for_its_recovery_window(amazon: Amazon) -> None:
    object_id, state = amazon.make(SECRET, name="s", recoveryWindowInDays=7)
    amazon.drop(SECRET, object_id, state)
    amazon.later(days=6, hours=23)
    with pytest.raises(CloudError, match="a secret with this name is already scheduled for deletion"):
        amazon.make(SECRET, name="s")
    amazon.make(SECRET, "there", name="s", region=BACKUP_REGION)
    amazon.later(hours=2)
    amazon.make(SECRET, name="s")


def test_no_recovery_window_frees_the_name_at_once(amazon: Amazon) -> None:
    object_id, state = amazon.make(SECRET, name="s", recoveryWindowInDays=0)
    amazon.drop(SECRET, object_id, state)
    amazon.make(SECRET, name="s")


@pytest.mark.parametrize(
    ("token", "name", "days", "reason"),
    [
        (SECRET, "recoveryWindowInDays", 6, "expected 0 or from 7 to 30, got 6"),
        (SECRET, "recoveryWindowInDays", 0, None),
        (SECRET, "recoveryWindowInDays", 30, None),
        (KEY, "deletionWindowInDays", 0, "expected from 7 to 30, got 0"),
        (KEY, "deletionWindowInDays", 31, "expected from 7 to 30, got 31"),
        (KEY, "deletionWindowInDays", UNKNOWN, None),
    ],
)
def test_windows_have_limits(amazon: Amazon, token: str, name: str, days: Value, reason: str | None) -> None:
    _, failures = amazon.cloud.check(target(token, "it"), {name: days}, config=amazon.config)
    assert [(failure.path, failure.reason) for failure in failures] == ([(name, reason)] if reason else [])


@pytest.mark.parametrize(
    ("error", "message"),
    [("429", "api error ThrottlingException: Rate exceeded"), ("500", "StatusCode: 500, api error InternalFailure")],
)
def test_injected_errors_speak_as_aws_does(amazon: Amazon, error: Literal["429", "500"], message: str) -> None:
    amazon.cloud.faults.add(FaultRule(op="create", type="aws:*", error=error))
    with pytest.raises(CloudError, match=message):
        amazon.make(SECRET, name="s")
    amazon.make(SECRET, name="s")


def test_a_deleted_key_waits_for_its_deletion_and_cannot_be_used(amazon: Amazon) -> None:
    key, state = amazon.make(KEY, deletionWindowInDays=10)
    amazon.make(ALIAS, name="alias/data", targetKeyId=key)
    amazon.drop(KEY, key, state)
    assert amazon.ids(ALIAS) == []
    with pytest.raises(CloudError, match=f"KMSInvalidStateException: {state['arn']} is pending deletion"):
        amazon.make(SECRET, name="s", kmsKeyId=state["arn"])
    amazon.later(days=11)
    with pytest.raises(CloudError, match=r"NotFoundException: Key .* does not exist"):
        amazon.make(SECRET, name="s", kmsKeyId=state["arn"])


@pytest.mark.parametrize("form", ["arn", "keyId", "alias"])
def test_a_key_must_be_in_the_region_of_what_it_encrypts(amazon: Amazon, form: str) -> None:
    _, key = amazon.make(KEY)
    _, alias = amazon.make(ALIAS, name="alias/data", targetKeyId=key["keyId"])
    reference = {"arn": key["arn"], "keyId": key["keyId"], "alias": alias["arn"]}[form]
    amazon.make(SECRET, name="s", kmsKeyId=reference)
    if form != "keyId":
        with pytest.raises(CloudError, match=r"is in eu-central-1, but .* is in eu-west-1: they must be the same"):
            amazon.make(SECRET, "there", name="s", kmsKeyId=reference, region=BACKUP_REGION)


@pytest.mark.parametrize("reference", ["alias/aws/secretsmanager", "arn:aws:kms:us-east-2:999999999999:key/k"])
def test_keys_of_others_are_taken_on_trust(amazon: Amazon, reference: str) -> None:
    amazon.make(SECRET, name="s", kmsKeyId=reference)


def test_logs_and_the_trail_need_policies_that_name_them(amazon: Amazon) -> None:
    _, key = amazon.make(KEY)
    with pytest.raises(CloudError, match=r"is not allowed to be used with Arn '.*:log-group:/jobs'"):
        amazon.make(LOG_GROUP, name="/jobs", kmsKeyId=key["arn"])
    names = [f"logs.{REGION}.amazonaws.com", "cloudtrail.amazonaws.com"]
    _, allowed = amazon.make(KEY, "allowed", policy=json.dumps({"Principal": {"Service": names}}))
    amazon.make(LOG_GROUP, name="/jobs", kmsKeyId=allowed["arn"])
    amazon.bucket("audit")
    trail = {"name": "audit", "s3BucketName": "audit"}
    with pytest.raises(CloudError, match="Incorrect S3 bucket policy is detected for bucket: audit"):
        amazon.make(TRAIL, **trail)
    amazon.make(BUCKET_POLICY, bucket="audit", policy=json.dumps({"Principal": {"Service": names}}))
    with pytest.raises(CloudError, match="InsufficientEncryptionPolicyException"):
        amazon.make(TRAIL, **trail, kmsKeyId=key["arn"])
    amazon.make(TRAIL, **trail, kmsKeyId=allowed["arn"])


def test_the_key_of_a_trail_is_where_its_bucket_is(amazon: Amazon) -> None:
    document = json.dumps({"Principal": {"Service": "cloudtrail.amazonaws.com"}})
    _, home = amazon.make(KEY, "home", policy=document)
    _, away = amazon.make(KEY, "away", policy=document, region="eu-west-1")
    amazon.make(BUCKET, bucket="audit", region="eu-west-1")
    amazon.make(BUCKET_POLICY, bucket="audit", policy=document, region="eu-west-1")
    with pytest.raises(CloudError, match=r"is in eu-central-1, but .* is in eu-west-1: they must be the same"):
        amazon.make(TRAIL, name="audit", s3BucketName="audit", kmsKeyId=home["arn"])
    amazon.make(TRAIL, name="audit", s3BucketName="audit", kmsKeyId=away["arn"])


# --- buckets ---------------------------------------------------------------------------------------------------------


def test_a_bucket_with_objects_is_not_deleted(amazon: Amazon) -> None:
    name, state = amazon.bucket("registry", versioned=True)
    amazon.cloud.put_object("registry", "tenants/a.json", "{}")
    with pytest.raises(CloudError, match="BucketNotEmpty: The bucket you tried to delete is not empty"):
        amazon.drop(BUCKET, name, state)
    amazon.drop(BUCKET, name, {**state, "forceDestroy": True})
    assert [amazon.ids(token) for token in (BUCKET, VERSIONING, OBJECT)] == [[], [], []]


def test_objects_are_written_and_listed_by_prefix(amazon: Amazon) -> None:
    amazon.bucket("exports", region=BACKUP_REGION)
    for key in ("final/b.json", "final/a.json", "dump/a"):
        amazon.cloud.put_object("exports", key, key)
    token = "aws:s3/getObjects:getObjects"
    assert amazon.cloud.invoke(token, {"bucket": "exports", "prefix": "final/"}, amazon.config)["keys"] == [
        "final/a.json",
        "final/b.json",
    ]
    assert len(amazon.cloud.invoke(token, {"bucket": "exports"}, amazon.config)["keys"]) == 3
    assert amazon.cloud.object_content("exports", "dump/a") == "dump/a"
    assert amazon.cloud.object_content("exports", "dump/b") is None
    with pytest.raises(CloudError, match="NoSuchBucket"):
        amazon.cloud.invoke(token, {"bucket": "none"}, amazon.config)


def test_a_bucket_of_two_clouds_must_be_told_apart(amazon: Amazon) -> None:
    amazon.bucket("registry")
    google = ProviderConfig(project="fin", region="europe-west1")
    bucket = target("gcp:storage/bucket:Bucket", "b")
    amazon.cloud.create(bucket, {"name": "registry", "location": "EU"}, google)
    with pytest.raises(ValueError, match="two clouds have a bucket registry: say which, gcp or aws"):
        amazon.cloud.put_object("registry", "a", "x")
    amazon.cloud.put_object("registry", "a", "x", package="aws")
    assert amazon.ids(OBJECT) == ["registry/a"]
    assert amazon.cloud.object_content("registry", "a", package="gcp") is None


def test_an_overwritten_object_shows_only_where_its_etag_is_declared(amazon: Amazon) -> None:
    amazon.bucket("registry")
    facts = {"bucket": "registry", "key": "a.json", "content": "{}", "etag": "99914b932bd37a50b983c5e7c90ae93b"}
    object_id, state = amazon.make(OBJECT, **facts)
    assert state["etag"] == facts["etag"]
    amazon.cloud.put_object("registry", "a.json", '{"id": "mallory"}')
    _, now = amazon.read(OBJECT, object_id, state)
    checked = amazon.checked(OBJECT, **facts)
    found = amazon.cloud.diff(OBJECT, state=now, old_inputs=checked, new_inputs=checked, config=amazon.config)
    assert [change.path for change in found] == ["etag"]


def test_settings_of_a_bucket_are_written_where_it_is(amazon: Amazon) -> None:
    amazon.bucket("exports", region=BACKUP_REGION)
    with pytest.raises(
        CloudError, match=r"PermanentRedirect: The bucket exports is in eu-west-1, but eu-central-1 was"
    ):
        amazon.make("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", bucket="exports")


def test_replication_needs_versions_on_both_sides(amazon: Amazon) -> None:
    amazon.bucket("exports")
    rules = [{"status": "Enabled", "destination": {"bucket": "arn:aws:s3:::exports-replica"}}]
    facts = {"bucket": "exports", "role": "arn:aws:iam::111122223333:role/r", "rules": rules}
    versions = {"versioningConfiguration": {"status": "Enabled"}}
    with pytest.raises(CloudError, match="Versioning must be 'Enabled' on the bucket to apply a replication"):
        amazon.make(REPLICATION, **facts)
    amazon.make(VERSIONING, bucket="exports", **versions)
    with pytest.raises(CloudError, match="Destination bucket exports-replica must exist"):
        amazon.make(REPLICATION, **facts)
    amazon.bucket("exports-replica", region=BACKUP_REGION)
    with pytest.raises(CloudError, match="Destination bucket must have versioning enabled"):
        amazon.make(REPLICATION, **facts)
    amazon.make(VERSIONING, "there", bucket="exports-replica", region=BACKUP_REGION, **versions)
    amazon.make(REPLICATION, **facts)


def test_an_object_lock_needs_versions_and_keeps_them(amazon: Amazon) -> None:
    amazon.bucket("plain")
    rule = {"defaultRetention": {"mode": "COMPLIANCE", "days": 30}}
    with pytest.raises(CloudError, match="InvalidBucketState: Versioning must be 'Enabled' on the bucket"):
        amazon.make(OBJECT_LOCK, bucket="plain", rule=rule)
    amazon.bucket("locked", objectLockEnabled=True)
    amazon.make(OBJECT_LOCK, bucket="locked", rule=rule)
    with pytest.raises(CloudError, match="the versioning state cannot be changed"):
        amazon.make(VERSIONING, bucket="locked", versioningConfiguration={"status": "Suspended"})


@pytest.mark.parametrize(("mode", "bypassed"), [("COMPLIANCE", False), ("GOVERNANCE", True)])
def test_a_locked_object_stays_until_its_term_ends(amazon: Amazon, mode: str, bypassed: bool) -> None:
    name, state = amazon.bucket("exports", objectLockEnabled=True, forceDestroy=True)
    amazon.make(OBJECT_LOCK, bucket="exports", rule={"defaultRetention": {"mode": mode, "days": 30}})
    amazon.cloud.put_object("exports", "dump/a", "1")
    amazon.later(days=10)
    amazon.cloud.put_object("exports", "dump/a", "2")  # a new version, with a term of its own
    (item,) = amazon.cloud.objects(OBJECT)
    amazon.later(days=29)
    with pytest.raises(CloudError, match=f"AccessDenied: .* is held in {mode} mode until"):
        amazon.drop(OBJECT, item.id, {**item.outputs, "forceDestroy": False})
    if not bypassed:
        with pytest.raises(CloudError, match="AccessDenied"):
            amazon.drop(OBJECT, item.id, {**item.outputs, "forceDestroy": True})
        with pytest.raises(CloudError, match="AccessDenied"):
            amazon.drop(BUCKET, name, state)
        amazon.later(days=2)
    amazon.drop(BUCKET, name, state)
    assert amazon.ids(BUCKET) == []


# --- databases and backups -------------------------------------------------------------------------------------------


def test_a_protected_database_is_not_deleted(amazon: Amazon) -> None:
    object_id, state = amazon.instance(deletionProtection=True, finalSnapshotIdentifier="final")
    with pytest.raises(CloudError, match="Cannot delete protected DB Instance, please disable deletion protection"):
        amazon.drop(INSTANCE, object_id, state)
    # It is the cloud's own flag that counts, not what the state remembers of it.
    with pytest.raises(CloudError, match="Cannot delete protected DB Instance"):
        amazon.drop(INSTANCE, object_id, {**state, "deletionProtection": False})


def test_a_final_snapshot_is_required_and_its_name_is_taken_for_ever(amazon: Amazon) -> None:
    object_id, state = amazon.instance()
    with pytest.raises(ProviderError, match="final_snapshot_identifier is required when skip_final_snapshot is false"):
        amazon.drop(INSTANCE, object_id, state)
    amazon.drop(INSTANCE, object_id, {**state, "finalSnapshotIdentifier": "final"})
    object_id, state = amazon.instance(finalSnapshotIdentifier="final")
    amazon.later(days=3650)
    with pytest.raises(CloudError, match=r"DBSnapshotAlreadyExists: .* identifier final already exists"):
        amazon.drop(INSTANCE, object_id, state)
    amazon.drop(INSTANCE, object_id, {**state, "skipFinalSnapshot": True})
    assert amazon.ids(INSTANCE) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"identifier": "Main_1"}, "DBInstanceIdentifier is not a valid identifier: Main_1"),
        ({"backupRetentionPeriod": 36}, "Invalid backup retention period: 36. Must be between 0 and 35"),
        ({"kmsKeyId": "alias/aws/rds"}, "only valid for an instance whose storage is encrypted"),
        ({"manageMasterUserPassword": False}, "The parameter MasterUserPassword must be provided"),
        ({"password": "hunter2hunter2"}, "conflicts with manage_master_user_password"),
        ({"dbSubnetGroupName": "none"}, "SubnetGroup none@eu-central-1 was not found"),
    ],
)
def test_settings_that_rds_refuses(amazon: Amazon, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((CloudError, ProviderError), match=message) as caught:
        amazon.instance(**settings)
    assert "hunter2" not in str(caught.value)
    assert amazon.ids(INSTANCE) == []


def test_storage_does_not_shrink(amazon: Amazon) -> None:
    object_id, state = amazon.instance()
    with pytest.raises(CloudError, match="cannot shrink from 20 GiB"):
        amazon.change(INSTANCE, object_id, state, **instance(allocatedStorage=19))


def test_what_a_database_stands_on_stays_while_it_lives(amazon: Amazon) -> None:
    _, subnets, group = amazon.network()
    amazon.make(SUBNET_GROUP, name="db", subnetIds=subnets)
    amazon.make(PARAMETERS, name="pg", family="postgres17")
    facts = {"dbSubnetGroupName": "db", "parameterGroupName": "pg", "vpcSecurityGroupIds": [group]}
    object_id, state = amazon.instance(**facts)
    for token, name, message in (
        (SUBNET_GROUP, "db", "InvalidDBSubnetGroupStateFault: Cannot delete the subnet group 'db'"),
        (PARAMETERS, "pg", "are still members of this parameter group pg"),
        (GROUP, group, f"DependencyViolation: resource {group} has a dependent object"),
        (SUBNET, subnets[0], "DependencyViolation: The subnet '.*' has dependencies and cannot be deleted"),
    ):
        with pytest.raises(CloudError, match=message):
            amazon.drop(token, name, amazon.cloud.find(token, name).outputs)
    # A change of the instance lets go of what it no longer names.
    amazon.change(INSTANCE, object_id, state, **instance(dbSubnetGroupName="db", vpcSecurityGroupIds=[group]))
    amazon.drop(PARAMETERS, "pg", amazon.cloud.find(PARAMETERS, "pg").outputs)


def test_backups_are_replicated_elsewhere_under_a_key_of_there(amazon: Amazon) -> None:
    _, key = amazon.make(KEY)
    _, far = amazon.make(KEY, "far", region=BACKUP_REGION)
    encrypted = {"storageEncrypted": True, "kmsKeyId": key["arn"]}
    object_id, state = amazon.instance(**encrypted)
    facts = {"sourceDbInstanceArn": state["arn"], "region": BACKUP_REGION}
    with pytest.raises(CloudError, match="Automated backups are not enabled for fin-dev-pool-a-1"):
        amazon.make(REPLICATED, **facts, kmsKeyId=far["arn"])
    amazon.change(INSTANCE, object_id, state, **instance(**encrypted, backupRetentionPeriod=7))
    with pytest.raises(CloudError, match="needs a KMS key of eu-west-1"):
        amazon.make(REPLICATED, **facts)
    with pytest.raises(CloudError, match="The source and the destination region must differ"):
        amazon.make(REPLICATED, sourceDbInstanceArn=state["arn"], kmsKeyId=key["arn"])
    amazon.make(REPLICATED, **facts, kmsKeyId=far["arn"])


@pytest.mark.parametrize(("days", "age", "removable"), [(3, 2, True), (3, 4, False), (None, 400, True)])
def test_a_vault_lock_in_compliance_mode_cannot_be_removed(
    amazon: Amazon, days: int | None, age: int, removable: bool
) -> None:
    amazon.make(VAULT, name="main")
    facts = {"backupVaultName": "main", "minRetentionDays": 7, **({"changeableForDays": days} if days else {})}
    object_id, state = amazon.make(VAULT_LOCK, **facts)
    amazon.later(days=age)
    if removable:
        amazon.drop(VAULT_LOCK, object_id, state)
        assert amazon.ids(VAULT_LOCK) == []
    else:
        with pytest.raises(
            CloudError, match=r"The vault lock of main is in compliance mode since .* cannot be removed"
        ):
            amazon.drop(VAULT_LOCK, object_id, state)


# --- networks and identities -----------------------------------------------------------------------------------------


def test_a_network_is_deleted_last(amazon: Amazon) -> None:
    vpc, subnets, group = amazon.network()
    state = amazon.cloud.find(VPC, vpc).outputs
    with pytest.raises(
        CloudError, match=f"DependencyViolation: The vpc '{vpc}' has dependencies and cannot be deleted"
    ):
        amazon.drop(VPC, vpc, state)
    for token, name in [*((SUBNET, subnet) for subnet in subnets), (GROUP, group)]:
        amazon.drop(token, name, amazon.cloud.find(token, name).outputs)
    amazon.drop(VPC, vpc, state)
    assert amazon.ids(VPC) == []


def test_a_security_group_rule_exists_once_and_goes_with_its_group(amazon: Amazon) -> None:
    group = amazon.network()[2]
    facts = {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "cidrIpv4": "10.0.0.0/16"}
    first, _ = amazon.make(INGRESS, "a", **facts)
    with pytest.raises(CloudError, match=f"InvalidPermission.Duplicate: the specified rule already exists: {first}"):
        amazon.make(INGRESS, "b", **facts)
    amazon.make(INGRESS, "c", **{**facts, "fromPort": 5433, "toPort": 5433})
    amazon.drop(GROUP, group, amazon.cloud.find(GROUP, group).outputs)
    assert amazon.ids(INGRESS) == []


def test_a_role_with_attached_policies_is_not_deleted(amazon: Amazon) -> None:
    role, state = amazon.make(ROLE, name="worker", assumeRolePolicy=TRUST)
    assert state["arn"] == f"arn:aws:iam::{ACCOUNT}:role/worker"
    policy, facts = amazon.make(POLICY, name="read", policy=TRUST)
    assert policy == f"arn:aws:iam::{ACCOUNT}:policy/read"
    amazon.make(ATTACHMENT, "own", role=role, policyArn=policy)
    amazon.make(ATTACHMENT, "managed", role=role, policyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    with pytest.raises(CloudError, match="DeleteConflict: Cannot delete entity, must detach all policies first"):
        amazon.drop(ROLE, role, state)
    with pytest.raises(CloudError, match="DeleteConflict: Cannot delete a policy attached to entities"):
        amazon.drop(POLICY, policy, facts)
    amazon.drop(ROLE, role, {**state, "forceDetachPolicies": True})
    amazon.drop(POLICY, policy, facts)
    assert amazon.ids(ATTACHMENT) == []


def test_a_service_takes_on_a_role_that_exists(amazon: Amazon) -> None:
    task = {"family": "sql", "containerDefinitions": "[]", "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/sql"}
    with pytest.raises(CloudError, match="aws:iam/role:Role sql was not found"):
        amazon.make(TASK, **task)
    amazon.make(ROLE, name="sql", assumeRolePolicy=TRUST)
    amazon.make(TASK, **task)


# --- the edge --------------------------------------------------------------------------------------------------------


def test_a_distribution_needs_a_validated_certificate_of_us_east_1(amazon: Amazon) -> None:
    def distribution(certificate: str) -> str:
        behavior = {
            "allowedMethods": ["GET"],
            "cachedMethods": ["GET"],
            "targetOriginId": "app",
            "viewerProtocolPolicy": "redirect-to-https",
        }
        return amazon.make(
            DISTRIBUTION,
            enabled=True,
            origins=[{"originId": "app", "domainName": "app.example.com"}],
            restrictions={"geoRestriction": {"restrictionType": "none"}},
            viewerCertificate={"acmCertificateArn": certificate},
            defaultCacheBehavior=behavior,
        )[0]

    facts = {"domainName": "app.example.com", "validationMethod": "DNS"}
    here, near = (amazon.make(CERTIFICATE, region, **facts, region=region)[0] for region in (REGION, "us-east-1"))
    amazon.make(VALIDATION, "here", certificateArn=here)
    for certificate in (here, near):
        with pytest.raises(CloudError, match=r"InvalidViewerCertificate: .* isn't in us-east-1 region"):
            distribution(certificate)
    amazon.make(VALIDATION, "near", certificateArn=near, region="us-east-1")
    assert distribution(near).startswith("E")
    with pytest.raises(CloudError, match="ResourceInUseException"):
        amazon.drop(CERTIFICATE, near, amazon.cloud.find(CERTIFICATE, near).outputs)


def test_the_firewall_of_the_content_network_is_in_us_east_1(amazon: Amazon) -> None:
    facts = {
        "name": "edge",
        "defaultAction": {"allow": {}},
        "visibilityConfig": {"cloudwatchMetricsEnabled": True, "metricName": "w", "sampledRequestsEnabled": True},
    }
    token = "aws:wafv2/webAcl:WebAcl"
    with pytest.raises(CloudError, match=r"The scope is not valid., field: SCOPE_VALUE, parameter: CLOUDFRONT"):
        amazon.make(token, **facts, scope="CLOUDFRONT")
    _, state = amazon.make(token, **facts, scope="CLOUDFRONT", region="us-east-1")
    assert state["arn"].startswith(f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/edge/")
    _, state = amazon.make(token, "here", **facts, scope="REGIONAL")
    assert state["arn"].startswith(f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/edge/")
