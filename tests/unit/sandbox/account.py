"""A short way to make things in a simulated AWS account, as a checked `up` would."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from sandbox.cloud import Cloud
from sandbox.cloud.provider import ProviderConfig
from tests.unit.sandbox.project import target

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

ACCOUNT = "111122223333"
REGION = "eu-central-1"
BACKUP_REGION = "eu-west-1"
VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INSTANCE = "aws:rds/instance:Instance"
SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
OBJECT_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
VAULT = "aws:backup/vault:Vault"
VAULT_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
CERTIFICATE = "aws:acm/certificate:Certificate"
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


class Amazon:
    def __init__(self) -> None:
        self.cloud = Cloud.in_memory()
        self.config = ProviderConfig(account=ACCOUNT, region=REGION, default_tags={"env": "dev"})

    def checked(self, token: str, label: str = "it", /, **inputs: Value) -> dict[str, Any]:
        found, failures = self.cloud.check(target(token, label), inputs, config=self.config)
        assert failures == []
        return found

    def make(self, token: str, label: str = "it", /, **inputs: Value) -> tuple[str, dict[str, Any]]:
        return self.cloud.create(target(token, label), self.checked(token, label, **inputs), self.config)

    def change(self, token: str, object_id: str, state: dict[str, Any], /, **inputs: Value) -> dict[str, Any]:
        return self.cloud.update(
            target(token, "it"), object_id, self.checked(token, "it", **inputs), state, self.config
        )

    def drop(self, token: str, object_id: str, state: dict[str, Any]) -> None:
        self.cloud.delete(target(token, "it"), object_id, state, self.config)

    def read(self, token: str, object_id: str, state: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        found = self.cloud.read(target(token, "it"), object_id, state or {}, self.config)
        assert found is not None
        return found

    def ids(self, token: str) -> list[str]:
        return [item.id for item in self.cloud.objects(token)]

    def later(self, **duration: float) -> None:
        self.cloud.clock.advance(dt.timedelta(**duration))

    # what most things stand on

    def network(self) -> tuple[str, list[str], str]:
        """A VPC, two subnets and a security group."""
        vpc = self.make(VPC, "vpc", cidrBlock="10.0.0.0/16")[0]
        subnets = [
            self.make(
                SUBNET,
                f"subnet-{zone}",
                vpcId=vpc,
                cidrBlock=f"10.0.{number}.0/24",
                availabilityZone=f"{REGION}{zone}",
            )[0]
            for number, zone in enumerate("ab")
        ]
        return vpc, subnets, self.make(GROUP, "group", name="db", vpcId=vpc)[0]

    def bucket(self, name: str, *, versioned: bool = False, **more: Value) -> tuple[str, dict[str, Any]]:
        made = self.make(BUCKET, name, bucket=name, **more)
        if versioned:
            region = {"region": more["region"]} if "region" in more else {}
            self.make(VERSIONING, name, bucket=name, versioningConfiguration={"status": "Enabled"}, **region)
        return made

    def instance(self, **more: Value) -> tuple[str, dict[str, Any]]:
        return self.make(INSTANCE, **instance(**more))


def instance(**more: Value) -> dict[str, Any]:
    """Inputs of a small database."""
    return {
        "identifier": "fin-dev-pool-a-1",
        "instanceClass": "db.t4g.micro",
        "engine": "postgres",
        "engineVersion": "17",
        "allocatedStorage": 20,
        "username": "tenantry_admin",
        "manageMasterUserPassword": True,
        **more,
    }
