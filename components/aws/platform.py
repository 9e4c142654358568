"""What an environment offers on AWS to the tenants and schedules in it: the contract between its halves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from settings.plan import InstancePlan

Workload = Literal["gateway", "worker", "migrator", "backup", "sqljob", "watch", "scheduler"]
BucketRole = Literal["uploads", "exports", "audit", "assets", "registry"]
KeyUse = Literal["sql", "storage", "secrets", "logs", "backup"]


@dataclass(frozen=True, kw_only=True)
class Role:
    """A workload's role; the ARN is a literal, so that grants can be judged in a preview."""

    resource: aws.iam.Role
    name: str
    arn: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """A customer-managed key; grants are in its policy, so whatever uses it depends on nothing else."""

    resource: aws.kms.Key
    alias: str

    @property
    def arn(self) -> pulumi.Output[str]:
        return self.resource.arn


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket with its settings: whatever writes to it depends on `ready`, or it might write before it is safe."""

    resource: aws.s3.Bucket
    name: str
    arn: str
    """A literal."""
    ready: tuple[pulumi.Resource, ...]
    """Its sibling settings: encryption, public access block, policy, versioning, lock."""


@dataclass(frozen=True, kw_only=True)
class AwsPlatform:
    """The environment on AWS."""

    roles: Mapping[Workload, Role]
    keys: Mapping[tuple[KeyUse, str], Key]
    """Keys by use and region."""
    vpc: aws.ec2.Vpc
    private_subnets: tuple[aws.ec2.Subnet, ...]
    public_subnets: tuple[aws.ec2.Subnet, ...]
    egress: tuple[pulumi.Resource, ...]
    """Routes to the internet of the private subnets: a task that needs an outside address depends on them."""
    security_groups: Mapping[Workload, aws.ec2.SecurityGroup]
    """Where a workload's tasks run; a database lets in the groups that need it, never an address range."""
    buckets: Mapping[BucketRole, Bucket]
    cluster: aws.ecs.Cluster
    task_log_group: aws.cloudwatch.LogGroup
    """Log group of the data-plane jobs; one stream prefix per job."""


@dataclass(frozen=True, kw_only=True)
class RdsInstance:
    """An instance, its parameter group and, where configured, its replica in another region."""

    plan: InstancePlan
    resource: aws.rds.Instance
    replica: aws.rds.Instance | None


@dataclass(frozen=True, kw_only=True)
class AwsEnvironment:
    """Everything on AWS that no single tenant owns."""

    platform: AwsPlatform
    pools: Mapping[str, RdsInstance]
    """Shared instances by key."""
    sql_job: aws.ecs.TaskDefinition
    trail: aws.cloudtrail.Trail
    trail_log_group: aws.cloudwatch.LogGroup
    """CloudTrail's events, in which changes are counted."""
