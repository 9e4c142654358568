"""The environment's own buckets, and the role that copies uploads to the backup region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws import naming
from components.aws.audit import trail_statements
from components.aws.buckets import BucketSpec, Replication
from components.aws.platform import Bucket, BucketRole, Key, KeyUse, Role
from components.aws.policy_document import Statement, allow, trust_caller, use_key
from components.aws.roles import create_role
from components.aws.storage_bucket import StorageBucket, StorageBucketArgs
from components.guard import Guard
from settings.plan import EnvironmentPlan

_REPLICA: Final = "-replica"
_OWN_REPLICA: Final = "-dr"
"""A tenant's own bucket has a name of up to 59 characters, which leaves four of the 63 that S3 takes."""


@dataclass(frozen=True, kw_only=True)
class SharedBuckets:
    """Buckets by role, the uploads' copy, and the role that copies."""

    buckets: Mapping[BucketRole, Bucket]
    uploads_replica: Bucket
    replication_role: Role


def replica_of(spec: BucketSpec, region: str, suffix: str = _OWN_REPLICA) -> BucketSpec:
    """The bucket that another is copied to."""
    return replace(spec, name=f"{spec.name}{suffix}", region=region, statements=())


def create_shared_buckets(
    environment: EnvironmentPlan, keys: Mapping[tuple[KeyUse, str], Key], *, guard: Guard, parent: pulumi.Resource
) -> SharedBuckets:
    """Create the environment's buckets, the account's own block of public access before them."""
    away = environment.aws.backup_region
    aws.s3.AccountPublicAccessBlock(
        "account-public-access",
        account_id=environment.aws.account_id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=guard.options(parent, guarded=True),
    )
    specs = _specs(environment)
    role = _replication_role(environment, parent=parent)

    def create(name: str, spec: BucketSpec, replication: Replication | None = None) -> Bucket:
        return StorageBucket(
            name,
            StorageBucketArgs(
                spec=spec,
                environment=environment,
                key=keys["storage", spec.region],
                guard=guard,
                replication=replication,
            ),
            pulumi.ResourceOptions(parent=parent),
        ).bucket

    uploads = next(spec for spec in specs if spec.role == "uploads")
    replica = create("uploads-replica", replica_of(uploads, away, _REPLICA))
    to_replica = replication_to(replica, keys["storage", away], role)
    return SharedBuckets(
        buckets={spec.role: create(spec.role, spec, to_replica if spec is uploads else None) for spec in specs},
        uploads_replica=replica,
        replication_role=role,
    )


def replication_to(destination: Bucket, key: Key, role: Role) -> Replication:
    """Copy to this bucket, as the environment's one role for it."""
    return Replication(
        destination=destination,
        key=key,
        role_arn=role.arn,
        waits_for=(*role.ready, destination.resource, *destination.ready),
    )


def _specs(environment: EnvironmentPlan) -> Sequence[BucketSpec]:
    home, away = environment.aws.region, environment.aws.backup_region
    names = environment.buckets
    return (
        BucketSpec(
            name=names.uploads,
            role="uploads",
            region=home,
            statements=_delivered(environment, "uploads", names.uploads),
        ),
        BucketSpec(
            name=names.assets, role="assets", region=home, statements=_delivered(environment, "assets", names.assets)
        ),
        BucketSpec(name=names.registry, role="registry", region=home),
        BucketSpec(
            name=names.exports,
            role="exports",
            region=away,
            retention_days=environment.backups.export_retention_days,
            lock=environment.lock,
        ),
        BucketSpec(
            name=names.audit,
            role="audit",
            region=away,
            retention_days=environment.audit_retention_days,
            lock=environment.lock,
            statements=trail_statements(environment),
        ),
    )


def _delivered(environment: EnvironmentPlan, role: BucketRole, bucket: str) -> list[Statement]:
    """CloudFront reads what it delivers, for distributions of this account; their ids are AWS's."""
    if environment.delivery is None or environment.delivery.bucket != role or environment.home != "aws":
        return []
    return [
        {
            "Sid": "Delivery",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"{naming.bucket_arn(bucket)}/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{environment.aws.account_id}:distribution/*"}
            },
        }
    ]


def _replication_role(environment: EnvironmentPlan, *, parent: pulumi.Resource) -> Role:
    """Copies uploads, the shared ones and those of tenants with a bucket of their own."""
    home, away = environment.aws.region, environment.aws.backup_region
    sources = naming.bucket_arn(f"{naming.prefix(environment)}-*uploads")
    copies = [f"{sources}{suffix}/*" for suffix in (_OWN_REPLICA, _REPLICA)]
    return create_role(
        environment,
        "replication",
        description="Copies uploads to the backup region",
        trust=trust_caller("s3.amazonaws.com"),
        statements=[
            allow("ReadRules", ["s3:GetReplicationConfiguration", "s3:ListBucket"], sources),
            allow(
                "ReadVersions",
                [
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionTagging",
                ],
                f"{sources}/*",
            ),
            allow("WriteCopies", ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"], copies),
            use_key(environment, "storage", home, "s3", sid="DecryptSource"),
            # S3 asks for either, with a bucket key and without (S3, replicating encrypted objects)
            {
                **use_key(environment, "storage", away, "s3", sid="EncryptCopy"),
                "Action": ["kms:Encrypt", "kms:GenerateDataKey"],
            },
        ],
        parent=parent,
    )
