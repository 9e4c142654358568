"""What an environment offers on AWS to the tenants and schedules in it: the contract between its halves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """A role; the ARN is a literal, so that grants can be judged in a preview.

    A role may be refused by a service for some seconds after it was made, and without its rights for longer: whatever
    is given one depends on `ready`.
    """

    resource: aws.iam.Role
    name: str
    arn: str
    rights: tuple[pulumi.Resource, ...] = ()
    """Its policies."""

    @property
    def ready(self) -> tuple[pulumi.Resource, ...]:
        """What to depend on."""
        return (self.resource, *self.rights)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A customer-managed key. Services are granted in its policy; roles in their own, where they name the alias."""

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
class DatabaseNetwork:
    """Where the databases are: private subnets, and a group that lets in other groups only."""

    subnet_group: aws.rds.SubnetGroup
    security_group: aws.ec2.SecurityGroup


@dataclass(frozen=True, kw_only=True)
class AwsPlatform:
    """The environment on AWS."""

    roles: Mapping[Workload, Role]
    """Roles of the workloads with what each needs always; what a schedule needs beyond, it grants itself."""
    execution_role: Role
    """With which ECS itself starts a task: pulls its image, writes its log, injects application secrets."""
    files_role: Role
    """Taken by gateway and worker with the session tag `tenant`: reaches that tenant's uploads and no other's."""
    database_monitoring_role: Role
    """With which RDS publishes enhanced monitoring."""
    keys: Mapping[tuple[KeyUse, str], Key]
    """Keys by use and region."""
    vpc: aws.ec2.Vpc
    private_subnets: tuple[aws.ec2.Subnet, ...]
    public_subnets: tuple[aws.ec2.Subnet, ...]
    egress: tuple[pulumi.Resource, ...]
    """Routes to the internet of the private subnets: a task that needs an outside address depends on them."""
    security_groups: Mapping[Workload, aws.ec2.SecurityGroup]
    """Where a workload's tasks run (the scheduler has none); a database lets in the groups that need it, never an
    address range."""
    database_network: DatabaseNetwork
    buckets: Mapping[BucketRole, Bucket]
    uploads_replica: Bucket
    """The copy of the uploads in the backup region."""
    replication_role: Role
    """With which S3 makes such copies."""
    cluster: aws.ecs.Cluster
    task_log_group: aws.cloudwatch.LogGroup
    """Log group of the data-plane jobs; one stream prefix per job."""


@dataclass(frozen=True, kw_only=True)
class RdsInstance:
    """An instance, shared or dedicated."""

    plan: InstancePlan
    resource: aws.rds.Instance
    arn: str
    """A literal."""


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

    def rds_instances(self, dedicated: Iterable[RdsInstance | None]) -> dict[str, RdsInstance]:
        """Every RDS instance by key: the pools, then the dedicated ones."""
        known = [*self.pools.values(), *(instance for instance in dedicated if instance is not None)]
        return {instance.plan.key: instance for instance in known}
