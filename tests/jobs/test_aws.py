"""AWS's side of the stores against moto: what the jobs read, write and may not guess."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from jobs.ages import AmazonAges
from jobs.clouds import open_cloud
from jobs.sql import aws
from jobs.sql.errors import JobError
from jobs.sql.postgres import ca_file
from jobs.sql.registry import Instance, Scope, parse_instance
from tests.jobs.amazon import ACCOUNT, REGION, environment

BUNDLE = Path("/etc/tenantry/rds-global-bundle.pem")
ADMIN_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-1"


@dataclass(frozen=True, kw_only=True)
class Clients:
    s3: Any
    manager: Any
    bucket: str


@pytest.fixture
def clients(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name, value in environment(moto, moto).items():
        monkeypatch.setenv(name, value)
    s3: Any = boto3.client("s3", region_name=REGION)
    manager: Any = boto3.client("secretsmanager", region_name=REGION)
    bucket = f"registry-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield Clients(s3=s3, manager=manager, bucket=bucket)
    for secret in manager.list_secrets(IncludePlannedDeletion=True)["SecretList"]:
        manager.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


def instance(**changes: object) -> Instance:
    declared = {
        "schema_version": 1,
        "key": "shared-a-1",
        "kind": "rds",
        "name": "acme-dev-pool-a-1",
        "account_id": ACCOUNT,
        "host": "acme.abc.eu-central-1.rds.amazonaws.com",
        "port": 5432,
        "server_ca_pem": None,
        "region": REGION,
        "admin_secret": ADMIN_SECRET,
        "admin_user": "tenantry_admin",
        "platform_users": ["tenantry_worker"],
    }
    scope = Scope(kind="rds", home=ACCOUNT, ca_bundle=BUNDLE)
    return parse_instance("instances/shared-a-1.json", json.dumps(declared | changes).encode(), scope)


def test_objects_are_listed_over_pages_read_and_written(clients: Clients) -> None:
    objects = aws.BucketObjects(clients.s3, clients.bucket)
    assert objects.names("tenants/") == []
    for number in range(1005):  # a page has a thousand
        clients.s3.put_object(Bucket=clients.bucket, Key=f"tenants/{number:04}.json", Body=b"{}")
    objects.write("instances/x.json", b"x")
    assert objects.names("tenants/") == [f"tenants/{number:04}.json" for number in range(1005)]
    assert objects.read("instances/x.json") == b"x"
    assert objects.read("instances/nobody.json") is None
    for _ in range(2):  # none of that name is no error
        objects.delete("instances/x.json")
    assert objects.read("instances/x.json") is None


def test_a_refusal_is_no_absence(clients: Clients) -> None:
    with pytest.raises(JobError, match="cannot read s3://no-such-bucket-anywhere/x: NoSuchBucket: "):
        aws.BucketObjects(clients.s3, "no-such-bucket-anywhere").read("x")


def test_secrets(clients: Clients) -> None:
    secrets = aws.ManagedSecrets(clients.manager)
    assert secrets.latest("tenant-acme-database-url") is None
    clients.manager.create_secret(Name="tenant-acme-database-url")
    assert secrets.latest("tenant-acme-database-url") is None  # a secret, but no version
    secrets.add("tenant-acme-database-url", "first ü")
    secrets.add("tenant-acme-database-url", "second")
    assert secrets.latest("tenant-acme-database-url") == "second"
    with pytest.raises(JobError, match="cannot add a version to nobody: ResourceNotFoundException"):
        secrets.add("nobody", "x")


def test_a_secret_that_is_being_deleted_is_an_error(clients: Clients) -> None:
    clients.manager.create_secret(Name="tenant-acme-credential", SecretString="x")
    clients.manager.delete_secret(SecretId="tenant-acme-credential", RecoveryWindowInDays=7)
    with pytest.raises(JobError, match="cannot read tenant-acme-credential: InvalidRequestException"):
        aws.ManagedSecrets(clients.manager).latest("tenant-acme-credential")


def test_a_token_is_signed_for_one_login_on_one_instance(
    clients: Clients,  # noqa: ARG001 - its credentials sign
) -> None:
    token = aws.IamToken()(instance(), "tenantry_backup")
    address = "acme.abc.eu-central-1.rds.amazonaws.com:5432"
    assert token.startswith(f"{address}/?")
    query = parse_qs(urlsplit(f"https://{token}").query)
    assert (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == (["connect"], ["tenantry_backup"], ["900"])
    assert f"/{REGION}/rds-db/aws4_request" in query["X-Amz-Credential"][0]
    assert aws.IamToken()(instance(), "tenantry_worker") != token


def test_the_bundle_is_the_ca_of_every_instance() -> None:
    with ca_file(instance().server_ca_pem, instance().ca_bundle) as ca:  # no copy: the root file system is read-only
        assert ca == BUNDLE
    with pytest.raises(JobError, match="server_ca_pem"):
        instance(server_ca_pem="-----BEGIN CERTIFICATE-----")


def test_ages(clients: Clients) -> None:
    s3, manager = clients.s3, clients.manager
    ages = AmazonAges(s3, manager, registry_bucket=clients.bucket)
    assert ages.created("tenants/acme.json") is None
    s3.put_object(Bucket=clients.bucket, Key="tenants/acme.json.bak", Body=b"{}")
    time.sleep(1.1)  # its clock has seconds
    s3.put_object(Bucket=clients.bucket, Key="tenants/acme.json", Body=b"{}")
    first = ages.created("tenants/acme.json")
    assert first is not None
    assert timedelta(seconds=-1) < datetime.now(UTC) - first < timedelta(minutes=1)
    time.sleep(1.1)
    s3.put_object(Bucket=clients.bucket, Key="tenants/acme.json", Body=b"{ }")
    assert ages.created("tenants/acme.json") == first
    older = ages.created("tenants/acme.json.bak")
    assert older is not None
    assert older < first
    tag = [{"Key": "managed-by", "Value": "tenantry"}]
    manager.create_secret(Name="app-jwt", SecretString="x", Tags=tag)
    manager.create_secret(Name="tenant-new-database-url", Tags=tag)
    manager.create_secret(Name="somebody-elses", SecretString="x", Tags=[{"Key": "managed-by", "Value": "hand"}])
    manager.create_secret(Name="untagged", SecretString="x")
    before = dict(ages.secrets())
    assert before.keys() == {"app-jwt", "tenant-new-database-url"}
    time.sleep(1.1)
    manager.put_secret_value(SecretId="app-jwt", SecretString="y")
    after = dict(ages.secrets())
    assert after["app-jwt"] > before["app-jwt"]
    assert after["tenant-new-database-url"] == before["tenant-new-database-url"]


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    variables = {
        "TENANTRY_CLOUD": "aws",
        "TENANTRY_REGISTRY": "registry",
        "TENANTRY_REGION": REGION,
        "TENANTRY_RDS_CA": str(tmp_path / "none.pem"),
    }
    with pytest.raises(JobError, match=r"TENANTRY_RDS_CA: cannot read .*none\.pem: No such file or directory"):
        _ = open_cloud(variables).scope
