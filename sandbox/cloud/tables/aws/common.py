"""What the AWS tables share: ids as the server makes them, and the rule of a type that lives in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.cloud.rules import Parent, Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud.rules import Synthesis

VPC: Final = "aws:ec2/vpc:Vpc"
SUBNET: Final = "aws:ec2/subnet:Subnet"
SECURITY_GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
KEY: Final = "aws:kms/key:Key"
ROLE: Final = "aws:iam/role:Role"
POLICY: Final = "aws:iam/policy:Policy"
BUCKET: Final = "aws:s3/bucket:Bucket"
OBJECT: Final = "aws:s3/bucketObjectv2:BucketObjectv2"
VAULT: Final = "aws:backup/vault:Vault"
TOPIC: Final = "aws:sns/topic:Topic"
DEFAULT_GROUP: Final = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
MANAGED: Final = "Managed by Pulumi"
"""The description that the bridge gives where an API wants one."""


def regional_rule(*immutable: str, **more: Any) -> Rule:  # noqa: ANN401 - the fields of Rule
    """A type of a region: the same name may be taken in each, and moving to another replaces."""
    return Rule(immutable=("region", *immutable), **more)


def server_id(prefix: str, digits: int = 17) -> Callable[[Synthesis], str]:
    """An id that only the server knows: a prefix and hexadecimal digits."""
    return lambda made: f"{prefix}{made.hex(digits)}"


def groups_used(path: str) -> Parent:
    """Security groups that something is attached to; the default group of a network comes with it."""
    return Parent(SECURITY_GROUP, "{each}", "block", each=path)


def subnets_used(path: str) -> Parent:
    return Parent(SUBNET, "{each}", "block", each=path)


def role_used(path: str) -> Parent:
    """The role that a service is to take on; roles can be deleted while they are named."""
    return Parent(ROLE, "{each|last}", "ignore", each=path, pattern=r"^[\w+=,.@-]+$")
