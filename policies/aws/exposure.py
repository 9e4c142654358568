"""Exposure on AWS: nothing answers to the public (R8.3, R2.3)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.aws.documents import statements
from policies.aws.encryption import behaviours
from policies.aws.tokens import (
    BACKUP_VAULT_POLICY,
    DISTRIBUTION,
    ECS_SERVICE,
    KMS_KEY,
    KMS_KEY_POLICY,
    KMS_REPLICA_KEY,
    QUEUE,
    QUEUE_POLICY,
    RDS_CLUSTER,
    RDS_CLUSTER_INSTANCE,
    RDS_CLUSTER_SNAPSHOT,
    RDS_CLUSTER_SNAPSHOT_COPY,
    RDS_INSTANCE,
    RDS_SNAPSHOT,
    RDS_SNAPSHOT_COPY,
    REPOSITORY_POLICY,
    S3_ACLS,
    S3_BUCKETS,
    S3_POLICIES,
    SCHEDULE,
    SECRET,
    SECRET_POLICY,
    SUBNET,
    TASK_DEFINITION,
    TOPIC,
    TOPIC_POLICY,
    is_replica,
)
from policies.frame import expect
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity
from policies.frame.values import ABSENT, UNKNOWN, Missing, read

_NETWORK_PATHS = {
    ECS_SERVICE: "networkConfiguration",
    SCHEDULE: "target.ecsParameters.networkConfiguration",
}
_POLICY_TOKENS = (
    *S3_POLICIES,
    BACKUP_VAULT_POLICY,
    KMS_KEY,
    KMS_KEY_POLICY,
    KMS_REPLICA_KEY,
    QUEUE,
    QUEUE_POLICY,
    REPOSITORY_POLICY,
    SECRET,
    SECRET_POLICY,
    TOPIC,
    TOPIC_POLICY,
)


def _rds_public(database: Resource, _: Config) -> Iterator[str]:
    # An Aurora cluster has no address of its own, so only its instances must say so.
    if database.token == RDS_CLUSTER:
        yield from expect.absent_or(database.props, "publiclyAccessible", allowed=False)
    else:
        yield from expect.equals(database.props, "publiclyAccessible", wanted=False)


def _rds_network(database: Resource, _: Config) -> Iterator[str]:
    if not is_replica(database):
        yield from expect.is_set(database.props, "dbSubnetGroupName")
    yield from expect.is_set(database.props, "vpcSecurityGroupIds")


def _snapshot_shared(snapshot: Resource, _: Config) -> Iterator[str]:
    accounts = snapshot.read("sharedAccounts")
    if accounts not in (ABSENT, []):
        found = expect.state(accounts) if accounts is UNKNOWN else "is set"
        yield f"sharedAccounts {found}; it must not be set"


def _resource_policy(resource: Resource, _: Config) -> Iterator[str]:
    found = statements(resource.read("policy"))
    if found is UNKNOWN:
        yield "policy is not known during preview; it must be a literal"
    elif found is not ABSENT:
        for position, statement in enumerate(found):
            if statement.allows and (statement.is_public or (statement.by_exclusion and not statement.principals)):
                yield f"statement {position} of the policy lets everyone in"
    if resource.token == SECRET_POLICY:
        yield from expect.equals(resource.props, "blockPublicPolicy", wanted=True)
    if resource.token in (KMS_KEY, KMS_KEY_POLICY, KMS_REPLICA_KEY):
        yield from expect.absent_or(resource.props, "bypassPolicyLockoutSafetyCheck", allowed=False)


def _no_acl(_: Resource, __: Config) -> Iterator[str]:
    yield "access control lists bypass policies and are not allowed"


def _inline_acl(bucket: Resource, _: Config) -> Iterator[str]:
    for prop in ("acl", "grants"):
        if bucket.read(prop) not in (ABSENT, [], "private"):
            yield f"{prop} is set on the bucket; access control lists bypass policies and are not allowed"


def _subnet_addresses(subnet: Resource, _: Config) -> Iterator[str]:
    for prop in ("mapPublicIpOnLaunch", "assignIpv6AddressOnCreation"):
        yield from expect.absent_or(subnet.props, prop, allowed=False)


def _task_address(starter: Resource, _: Config) -> Iterator[str]:
    if starter.token == SCHEDULE and starter.read("target.ecsParameters") is ABSENT:
        return
    path = _NETWORK_PATHS[starter.token]
    yield from expect.is_set(starter.props, f"{path}.subnets")
    yield from expect.is_set(starter.props, f"{path}.securityGroups")
    yield from expect.absent_or(starter.props, f"{path}.assignPublicIp", allowed=False)


def _task_network(task: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(task.props, "networkMode", wanted="awsvpc")


def _origin_access(distribution: Resource, _: Config) -> Iterator[str]:
    origins = distribution.items("origins")
    if isinstance(origins, Missing) or not origins:
        found = "is empty" if not origins else expect.state(origins)
        yield f"origins {found}; it must be a literal"
        return
    for position, origin in enumerate(origins):
        elsewhere = any(read(origin, config) is not ABSENT for config in ("customOriginConfig", "vpcOriginConfig"))
        if ".s3-website" in str(read(origin, "domainName")):
            yield f"origins[{position}] is a bucket's public website"
        elif not elsewhere and read(origin, "originAccessControlId") in (ABSENT, ""):
            yield f"origins[{position}] is a bucket without originAccessControlId, which only a public one could serve"


def _security_headers(distribution: Resource, _: Config) -> Iterator[str]:
    for path, behaviour in behaviours(distribution):
        if read(behaviour, "responseHeadersPolicyId") in (ABSENT, ""):
            yield f"{path}.responseHeadersPolicyId is not set; it must be set"


RULES = (
    ResourceRule(
        name="rds-public-address",
        family=Family.EXPOSURE,
        refuses="A database with a public address.",
        severity=Severity.CRITICAL,
        remediation="Set publicly_accessible to False, as a literal.",
        requirements=("R8.3", "R2.3"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER, RDS_CLUSTER_INSTANCE),
        check=_rds_public,
    ),
    ResourceRule(
        name="rds-network",
        family=Family.EXPOSURE,
        refuses="A database in the default network, or behind the default security group.",
        severity=Severity.HIGH,
        remediation="Set db_subnet_group_name and vpc_security_group_ids.",
        requirements=("R8.3", "R2.3"),
        tokens=(RDS_INSTANCE, RDS_CLUSTER),
        check=_rds_network,
    ),
    ResourceRule(
        name="rds-snapshot-shared",
        family=Family.EXPOSURE,
        refuses="A snapshot that other accounts may read.",
        severity=Severity.CRITICAL,
        remediation="Remove shared_accounts.",
        requirements=("R8.3",),
        tokens=(RDS_SNAPSHOT, RDS_CLUSTER_SNAPSHOT, RDS_SNAPSHOT_COPY, RDS_CLUSTER_SNAPSHOT_COPY),
        check=_snapshot_shared,
    ),
    ResourceRule(
        name="aws-public-policy",
        family=Family.EXPOSURE,
        refuses="A key, secret, bucket, queue, topic, vault or repository whose policy lets everyone in.",
        severity=Severity.CRITICAL,
        remediation="Name the principals, or narrow * by aws:SourceArn, aws:SourceAccount or aws:PrincipalOrgID.",
        requirements=("R8.3",),
        tokens=_POLICY_TOKENS,
        check=_resource_policy,
    ),
    ResourceRule(
        name="s3-acl",
        family=Family.EXPOSURE,
        refuses="An access control list of a bucket.",
        severity=Severity.HIGH,
        remediation="Remove it, and grant by the bucket's policy.",
        requirements=("R8.3",),
        tokens=S3_ACLS,
        check=_no_acl,
    ),
    ResourceRule(
        name="s3-inline-acl",
        family=Family.EXPOSURE,
        refuses="A bucket with access control lists of its own.",
        severity=Severity.HIGH,
        remediation="Remove acl and grants, and grant by the bucket's policy.",
        requirements=("R8.3",),
        tokens=S3_BUCKETS,
        check=_inline_acl,
    ),
    ResourceRule(
        name="subnet-public-address",
        family=Family.EXPOSURE,
        refuses="A subnet that gives a public address to whatever starts in it.",
        severity=Severity.HIGH,
        remediation="Leave map_public_ip_on_launch off; load balancers and NAT gateways have addresses of their own.",
        requirements=("R8.3",),
        tokens=(SUBNET,),
        check=_subnet_addresses,
    ),
    ResourceRule(
        name="ecs-public-address",
        family=Family.EXPOSURE,
        refuses="A task that starts with a public address, or in the default security group.",
        severity=Severity.HIGH,
        remediation="Set network_configuration with subnets and security groups, and assign_public_ip=False.",
        requirements=("R8.3",),
        tokens=tuple(_NETWORK_PATHS),
        check=_task_address,
    ),
    ResourceRule(
        name="ecs-network-mode",
        family=Family.EXPOSURE,
        refuses="A task that shares the network of its host.",
        severity=Severity.HIGH,
        remediation='Set network_mode to "awsvpc", as a literal.',
        requirements=("R8.3",),
        tokens=(TASK_DEFINITION,),
        check=_task_network,
    ),
    ResourceRule(
        name="cloudfront-origin-access",
        family=Family.EXPOSURE,
        refuses="A distribution that reads a bucket as the public does.",
        severity=Severity.HIGH,
        remediation="Set origin_access_control_id on the origin, and let only the distribution read the bucket.",
        requirements=("R8.3", "R4.1"),
        tokens=(DISTRIBUTION,),
        check=_origin_access,
    ),
    ResourceRule(
        name="cloudfront-headers",
        family=Family.EXPOSURE,
        refuses="A distribution that sends no security headers.",
        severity=Severity.MEDIUM,
        remediation="Set response_headers_policy_id on every cache behaviour.",
        requirements=("R8.3", "R4.1"),
        tokens=(DISTRIBUTION,),
        check=_security_headers,
    ),
)
