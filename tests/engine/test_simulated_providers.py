"""The simulated providers under the real engine: plans, replacement, drift, protection and secrets of one program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import FaultRule

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.engine.conftest import SandboxFactory

    Project = Callable[..., Path]
    RunApart = Callable[..., subprocess.CompletedProcess[str]]

# When an update fails, the engine goes away while the SDK's program still waits for it.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <coroutine object run_in_stack:pytest.PytestUnraisableExceptionWarning"
)
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
OBJECT = "gcp:storage/bucketObject:BucketObject"
PROGRAM = """
import pulumi, pulumi_gcp as gcp, pulumi_random as random
config = pulumi.Config("test")
region = config.require("region")
protect = config.require_bool("protect")
google = gcp.Provider("gcp", project="acme-dev", region=region, default_labels={"env": "dev"})
chance = random.Provider("random")
opts = pulumi.ResourceOptions(provider=google)
enabled = [
    gcp.projects.Service(name, service=f"{name}.googleapis.com", opts=opts)
    for name in ("cloudkms", "sqladmin", "secretmanager")]
opts = pulumi.ResourceOptions(provider=google, depends_on=enabled)
ring = gcp.kms.KeyRing("ring", name=f"ring-{region}", location=region, opts=opts)
key = gcp.kms.CryptoKey("key", name="sql", key_ring=ring.id, rotation_period="7776000s", opts=opts)
agent = gcp.projects.ServiceIdentity("agent", service="sqladmin.googleapis.com", opts=opts)
grant = gcp.kms.CryptoKeyIAMMember(
    "grant", crypto_key_id=key.id, role="roles/cloudkms.cryptoKeyEncrypterDecrypter", member=agent.member, opts=opts)
instance = gcp.sql.DatabaseInstance(
    "instance", name="main", database_version="POSTGRES_17", region=region, encryption_key_name=key.id,
    deletion_protection=protect,
    settings={"tier": "db-custom-2-7680", "edition": "ENTERPRISE", "ip_configuration": {"ssl_mode": "ENCRYPTED_ONLY"}},
    opts=pulumi.ResourceOptions(provider=google, depends_on=[grant]))
gcp.sql.Database("database", name="tn_acme", instance=instance.name, opts=opts)
password = random.RandomPassword("password", length=32, opts=pulumi.ResourceOptions(provider=chance))
secret = gcp.secretmanager.Secret("secret", secret_id="credential", replication={"auto": {}}, opts=opts)
gcp.secretmanager.SecretVersion("version", secret=secret.id, secret_data=password.result, opts=opts)
bucket = gcp.storage.Bucket("bucket", name="acme-registry", location=region, opts=opts)
gcp.storage.BucketObject("entry", bucket=bucket.name, name="tenants/acme.json", content='{"id": "acme"}', opts=opts)
pulumi.export("connection", instance.connection_name)
"""


def settings(region: str = "europe-west1", *, protect: bool = True) -> dict[str, object]:
    return {"test:region": region, "test:protect": protect}


def test_a_program_is_created_once_and_then_left_alone(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    assert sandbox.preview().require().changes == {"create": 17}
    with sandbox.cloud() as cloud:
        assert cloud.objects() == []
    assert sandbox.up().require().changes == {"create": 17}
    assert sandbox.outputs()["connection"] == "acme-dev:europe-west1:main"
    assert sandbox.preview().require().changes == {"same": 17}
    assert sandbox.refresh().require().changes == {"same": 17}
    assert sandbox.preview().require().changes == {"same": 17}


def test_a_generated_secret_reaches_its_secret_and_nothing_else(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    result = sandbox.up().require()
    with sandbox.cloud() as cloud:
        (version,) = cloud.objects("gcp:secretmanager/secretVersion:SecretVersion")
        secret = version.outputs["secretData"]
        assert len(secret) == 32
        assert secret not in json.dumps([entry.__dict__ for entry in cloud.operations()])
    assert secret not in json.dumps(sandbox.export())
    assert secret not in result.stdout + result.stderr
    kept = [
        json.loads(resource["outputs"]["secretData"]["plaintext"])
        for resource in sandbox.export(show_secrets=True)["deployment"]["resources"]
        if resource["type"] == version.type
    ]
    assert kept == [secret]


def test_a_new_region_is_a_replacement_that_protection_stops(sandbox_factory: SandboxFactory, project: Project) -> None:
    first = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    first.up().require()
    moved = sandbox_factory(source=project(PROGRAM, settings("europe-west4")), home=first.layout.home, packs=())
    planned = {step.name: step.diffs for step in moved.preview().require().changed if step.op == "replace"}
    # A literal name means delete first, and deleting the key first takes everything that stands on it along.
    assert {*planned} == {"ring", "key", "grant", "instance", "database", "bucket", "entry"}
    assert planned["key"] == ("keyRing",)
    result = moved.up(preview=False)
    assert not result.ok
    assert "deletion_protection is set to true" in result.errors
    with moved.cloud() as cloud:
        (instance,) = cloud.objects(INSTANCE)
        assert instance.outputs["region"] == "europe-west1"


def test_drift_shows_in_a_refresh_and_is_repaired(sandbox_factory: SandboxFactory, project: Project) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    sandbox.up().require()
    with sandbox.cloud() as cloud:
        cloud.drift(INSTANCE, "main", "settings.ipConfiguration.sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED")
        cloud.put_object("acme-registry", "tenants/acme.json", '{"id": "mallory"}')
        cloud.remove("gcp:sql/database:Database", "tn_acme")
    assert sandbox.refresh().require().changes == {"update": 2, "delete": 1, "same": 15}
    repaired = {step.name: step.op for step in sandbox.up().require().changed}
    assert repaired == {"instance": "update", "entry": "update", "database": "create"}
    with sandbox.cloud() as cloud:
        assert cloud.find(INSTANCE, "main").outputs["settings"]["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
        assert cloud.object_content("acme-registry", "tenants/acme.json") == '{"id": "acme"}'
    assert sandbox.preview().require().changes == {"same": 17}


def test_destroy_is_refused_until_protection_is_lifted(sandbox_factory: SandboxFactory, project: Project) -> None:
    first = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    first.up().require()
    refused = first.destroy()
    assert not refused.ok
    assert "deletion_protection is set to true" in refused.errors
    lifted = sandbox_factory(source=project(PROGRAM, settings(protect=False)), home=first.layout.home, packs=())
    lifted.up().require()
    lifted.destroy().require()
    with lifted.cloud() as cloud:
        left = {item.type for item in cloud.objects()}
    # Rings have no delete, an agent's identity stays, and a disabled API would take down what else calls it.
    assert left == {
        "gcp:kms/keyRing:KeyRing",
        "gcp:projects/service:Service",
        "gcp:projects/serviceIdentity:ServiceIdentity",
    }


def test_an_injected_error_names_its_resource_and_the_rest_finishes(
    sandbox_factory: SandboxFactory, project: Project
) -> None:
    sandbox = sandbox_factory(source=project(PROGRAM, settings()), packs=())
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=OBJECT, error="500"))
    result = sandbox.up(preview=False)
    assert not result.ok
    assert "Error 500: Internal error encountered." in result.errors
    assert [str(found.urn).rpartition("::")[2] for found in result.diagnostics if "500" in found.message] == ["entry"]
    with sandbox.cloud() as cloud:
        assert cloud.objects(OBJECT) == []
        assert len(cloud.objects(INSTANCE)) == 1
    assert sandbox.up().require().changes == {"create": 1, "same": 16}


def test_what_the_sdk_does_not_know_stops_the_preview(sandbox_factory: SandboxFactory, project: Project) -> None:
    typo = PROGRAM.replace('"ssl_mode"', '"sslmode"')
    result = sandbox_factory(source=project(typo, settings()), packs=()).preview()
    assert not result.ok
    assert "settings.ipConfiguration.sslmode: unknown property" in result.errors


AWS_PROGRAM = """
import json, pulumi, pulumi_aws as aws
config = pulumi.Config("test")
generation, days, env = config.require("generation"), config.require_int("days"), config.require("env")
amazon = aws.Provider(
    "aws", region="eu-central-1", allowed_account_ids=["111122223333"], default_tags={"tags": {"env": env}})
opts = pulumi.ResourceOptions(provider=amazon)
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", opts=opts)
subnets = [
    aws.ec2.Subnet(f"subnet-{zone}", vpc_id=vpc.id, cidr_block=f"10.0.{number}.0/24",
                   availability_zone=f"eu-central-1{zone}", opts=opts)
    for number, zone in enumerate("ab")]
group = aws.ec2.SecurityGroup("group", name="db", vpc_id=vpc.id, opts=opts)
aws.vpc.SecurityGroupIngressRule(
    "rule", security_group_id=group.id, ip_protocol="tcp", from_port=5432, to_port=5432, cidr_ipv4="10.0.0.0/16",
    opts=opts)
key = aws.kms.Key("key", enable_key_rotation=True, opts=opts)
far = aws.kms.Key("far", enable_key_rotation=True, region="eu-west-1", opts=opts)
for name, found in (("home", key), ("backup", far)):
    aws.kms.Alias(f"{name}-alias", name="alias/data", target_key_id=found.key_id, region=found.region, opts=opts)
subnet_group = aws.rds.SubnetGroup("subnets", name="db", subnet_ids=[found.id for found in subnets], opts=opts)
instance = aws.rds.Instance(
    "instance", identifier=f"main-{generation}", instance_class="db.t4g.micro", engine="postgres", engine_version="17",
    allocated_storage=20, username=f"admin{generation}", manage_master_user_password=True, storage_encrypted=True,
    kms_key_id=key.arn, db_subnet_group_name=subnet_group.name, vpc_security_group_ids=[group.id],
    backup_retention_period=days, final_snapshot_identifier=f"main-{generation}-final", opts=opts)
aws.rds.InstanceAutomatedBackupsReplication(
    "replicated", source_db_instance_arn=instance.arn, kms_key_id=far.arn, region="eu-west-1", opts=opts)
bucket = aws.s3.Bucket("registry", bucket="acme-registry", opts=opts)
aws.s3.BucketVersioning(
    "versions", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=opts)
entry = aws.s3.BucketObjectv2(
    "entry", bucket=bucket.bucket, key="tenants/acme.json", content='{"id": "acme"}', opts=opts)
secret = aws.secretsmanager.Secret("secret", name=f"credential-{generation}", kms_key_id=key.arn, opts=opts)
aws.secretsmanager.SecretVersion(
    "version", secret_id=secret.id, secret_string=pulumi.Output.secret("hunter2-hunter2"), opts=opts)
pulumi.export("endpoint", instance.endpoint)
pulumi.export("keys", aws.s3.get_objects_output(
    bucket=entry.bucket, prefix="tenants/", opts=pulumi.InvokeOutputOptions(provider=amazon)).keys)
"""
AWS_INSTANCE = "aws:rds/instance:Instance"


def aws_settings(generation: str = "1", *, days: int = 7, env: str = "dev") -> dict[str, object]:
    return {"test:generation": generation, "test:days": days, "test:env": env}


def test_an_aws_account_is_made_changed_replaced_and_emptied(sandbox_factory: SandboxFactory, project: Project) -> None:
    first = sandbox_factory(source=project(AWS_PROGRAM, aws_settings()), packs=())
    assert first.preview().require().changes == {"create": 19}
    assert first.up().require().changes == {"create": 19}
    outputs = first.outputs()
    assert outputs["endpoint"].startswith("main-1.")
    assert outputs["endpoint"].endswith(".eu-central-1.rds.amazonaws.com:5432")
    assert outputs["keys"] == ["tenants/acme.json"]
    assert first.preview().require().changes == {"same": 19}
    assert first.refresh().require().changes == {"same": 19}
    assert "hunter2" not in json.dumps(first.export())

    longer = sandbox_factory(source=project(AWS_PROGRAM, aws_settings(days=35)), home=first.layout.home, packs=())
    changed = {step.name: (step.op, step.diffs) for step in longer.up().require().changed}
    assert changed == {"instance": ("update", ("backupRetentionPeriod",))}
    # Default tags reach everything that has tags, in place.
    tagged = sandbox_factory(
        source=project(AWS_PROGRAM, aws_settings(days=35, env="prod")), home=first.layout.home, packs=()
    )
    ops = {step.name: step.op for step in tagged.up().require().changed}
    assert {*ops.values()} == {"update"}
    assert {*ops} >= {"vpc", "instance", "registry", "secret", "key", "far"}
    assert not {*ops} & {"versions", "version", "home-alias"}

    with tagged.cloud() as cloud:
        cloud.drift(AWS_INSTANCE, "main-1", "backupRetentionPeriod", 0)
        cloud.remove(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            cloud.objects("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")[0].id,
        )
    assert tagged.refresh().require().changes == {"update": 1, "delete": 1, "same": 18}
    repaired = {step.name: step.op for step in tagged.up().require().changed}
    assert repaired == {"instance": "update", "rule": "create"}

    renamed = sandbox_factory(
        source=project(AWS_PROGRAM, aws_settings("2", days=35, env="prod")), home=first.layout.home, packs=()
    )
    steps = {step.name: step.op for step in renamed.up().require().changed}
    # New names: the new ones are made first, and then the old ones go, the database with a final snapshot.
    assert steps == dict.fromkeys(("instance", "replicated", "secret", "version"), "delete-replaced")

    renamed.destroy().require()
    with renamed.cloud() as cloud:
        assert cloud.objects() == []
        assert [(token, name) for token, name, _ in cloud.store.reservations() if "kms" not in token] == [
            ("aws:rds/snapshot:Snapshot", "main-1-final@eu-central-1"),
            ("aws:rds/snapshot:Snapshot", "main-2-final@eu-central-1"),
            ("aws:secretsmanager/secret:Secret", "credential-1@eu-central-1"),
            ("aws:secretsmanager/secret:Secret", "credential-2@eu-central-1"),
        ]


@pytest.mark.parametrize("kind", [AWS_INSTANCE, "aws:ec2/vpc:Vpc", "aws:secretsmanager/secret:Secret"])
def test_an_interrupted_creation_is_found_again(
    sandbox_factory: SandboxFactory, project: Project, run_apart: RunApart, kind: str
) -> None:
    """By its name, where a read takes one; by its tags, or by another property, where only the server knows the id."""
    sandbox = sandbox_factory(source=project(AWS_PROGRAM, aws_settings()), packs=())
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=kind, kill="engine", when="after"))
    run_apart(sandbox, "s.up(preview=False)")
    with sandbox.cloud() as cloud:
        (made,) = cloud.objects(kind)
    sandbox.recover(say=lambda _line: None)
    (recovered,) = [found for found in sandbox.export()["deployment"]["resources"] if found["type"] == kind]
    assert recovered["id"] == made.id
    assert recovered["outputs"]["arn"] == made.outputs["arn"]
    sandbox.up().require()
    with sandbox.cloud() as cloud:
        assert [item.id for item in cloud.objects(kind)] == [made.id]
    assert sandbox.preview().require().changes == {"same": 19}
