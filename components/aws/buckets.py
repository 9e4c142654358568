"""Buckets by role: what each keeps, for how long, and in which class; all settings of a bucket in one place.

Reads and writes are logged by CloudTrail, as data events in the locked audit bucket, and not by S3's server access
logs: a bucket that receives those can have neither a customer-managed key nor a default retention, so the record of who
read what would be the least protected of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import bucket_arn
from components.aws.platform import Bucket, BucketRole, Key
from components.aws.policy_document import Statement, document
from components.guard import Guard
from settings.plan import EnvironmentPlan

_NONCURRENT_DELETE_DAYS: Final = 365
_LATE_DELETE_DAYS: Final = 7
_ABORT_UPLOAD_DAYS: Final = 7
# Storage classes bill a minimum stay: 30 days infrequent access, 90 instant retrieval, 180 deep archive. Exports and
# uploads must be readable within their recovery targets, so only audit logs go where a read takes half a day.
_INSTANT_STEPS: Final = ((30, "STANDARD_IA", 30), (90, "GLACIER_IR", 90))
_ARCHIVE_STEPS: Final = (*_INSTANT_STEPS, (180, "DEEP_ARCHIVE", 180))
_MINIMUM_TLS: Final = "1.2"
_LIFECYCLE_MINIMUM: Final = "all_storage_classes_128K"
"""Smaller objects stay: moving one costs more than it saves (S3's own default, said aloud)."""


@dataclass(frozen=True, kw_only=True)
class Replication:
    """Where a bucket is copied to, and as whom."""

    destination: Bucket
    key: Key
    role_arn: str
    waits_for: tuple[pulumi.Resource, ...]
    """The role's rights, and the destination's versions."""


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """One bucket.

    Attributes:
        name: global name, at most 63 characters.
        role: decides lifecycle.
        region: where it is; its key is there too.
        retention_days: for exports and audit: how long no version can be deleted.
        lock: make that retention irrevocable (compliance mode) instead of revocable by who may (governance mode).
        statements: what its policy says beyond what every bucket's does.
        tags: beyond the provider's default tags.
        guarded: whether its deletion is refused.
    """

    name: str
    role: BucketRole
    region: str
    retention_days: int | None = None
    lock: bool = False
    statements: Sequence[Statement] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    guarded: bool = True


def create_bucket(
    name: str,
    spec: BucketSpec,
    *,
    environment: EnvironmentPlan,
    key: Key,
    guard: Guard,
    parent: pulumi.Resource,
    replication: Replication | None = None,
) -> Bucket:
    """Create a private, encrypted, versioned bucket.

    Nothing in it can be read or written but over TLS, nor encrypted with anything but a key of the account.

    Args:
        name: Pulumi name.
        spec: what to create.
        environment: whose it is.
        key: key in the bucket's own region.
        guard: the deletion guard.
        parent: owning component.
        replication: where every object is copied to; nowhere when None.
    """
    bucket = aws.s3.Bucket(
        name,
        region=spec.region,
        bucket=spec.name,
        force_destroy=False,
        # only a new bucket can be made so without AWS's help
        object_lock_enabled=spec.retention_days is not None,
        tags={"role": spec.role, **spec.tags},
        opts=guard.options(parent, guarded=spec.guarded),
    )

    def setting(depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        # guarded like the bucket: what `destroy` leaves must not stand there open, unversioned or in plaintext
        return guard.options(parent, guarded=spec.guarded, depends_on=depends_on)

    ownership = aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        region=spec.region,
        bucket=bucket.bucket,
        rule={"object_ownership": "BucketOwnerEnforced"},
        opts=setting(),
    )
    block = aws.s3.BucketPublicAccessBlock(
        f"{name}-public-access",
        region=spec.region,
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        # S3 refuses two such changes of one bucket at a time
        opts=setting([ownership]),
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        region=spec.region,
        bucket=bucket.bucket,
        rules=[
            {
                "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn},
                "bucket_key_enabled": True,
            }
        ],
        opts=setting(),
    )
    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning",
        region=spec.region,
        bucket=bucket.bucket,
        versioning_configuration={"status": "Enabled"},
        opts=setting(),
    )
    policy = aws.s3.BucketPolicy(
        f"{name}-policy",
        region=spec.region,
        bucket=bucket.bucket,
        policy=document([*_refusals(spec, environment), *spec.statements]),
        opts=setting([block]),
    )
    lifecycle = aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        region=spec.region,
        bucket=bucket.bucket,
        transition_default_minimum_object_size=_LIFECYCLE_MINIMUM,
        rules=_lifecycle(spec),
        opts=setting([versioning]),
    )
    ready: list[pulumi.Resource] = [ownership, block, encryption, versioning, policy, lifecycle]
    if spec.retention_days is not None:
        ready.append(
            aws.s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                region=spec.region,
                bucket=bucket.bucket,
                object_lock_enabled="Enabled",
                rule={
                    "default_retention": {
                        "mode": "COMPLIANCE" if spec.lock else "GOVERNANCE",
                        "days": spec.retention_days,
                    }
                },
                opts=setting([versioning]),
            )
        )
    if replication is not None:
        ready.append(_replicate(name, bucket, spec, replication, opts=setting([versioning, *replication.waits_for])))
    return Bucket(resource=bucket, name=spec.name, arn=bucket_arn(spec.name), ready=tuple(ready))


def _refusals(spec: BucketSpec, environment: EnvironmentPlan) -> list[Statement]:
    """What nobody may do, whatever else they are allowed."""
    bucket = bucket_arn(spec.name)
    everything = [bucket, f"{bucket}/*"]

    def refuse(sid: str, action: str, resource: str | list[str], condition: Mapping[str, object]) -> Statement:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": resource,
            "Condition": condition,
        }

    algorithm, key = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
    own_keys = f"arn:aws:kms:{spec.region}:{environment.aws.account_id}:*"
    return [
        refuse("RefusePlaintext", "s3:*", everything, {"Bool": {"aws:SecureTransport": "false"}}),
        refuse("RefuseOldTls", "s3:*", everything, {"NumericLessThan": {"s3:TlsVersion": _MINIMUM_TLS}}),
        # a request that asks for nothing gets the bucket's default, which is the key
        refuse(
            "RefuseOtherEncryption",
            "s3:PutObject",
            f"{bucket}/*",
            {
                "Null": {algorithm: "false"},
                "StringNotEquals": {algorithm: "aws:kms"},
                # CloudTrail encrypts its digests with S3's keys, whatever the trail's is; who may write is said above
                "Bool": {"aws:PrincipalIsAWSService": "false"},
            },
        ),
        refuse(
            "RefuseForeignKeys",
            "s3:PutObject",
            f"{bucket}/*",
            {"Null": {key: "false"}, "ArnNotLike": {key: own_keys}},
        ),
    ]


def _replicate(
    name: str,
    bucket: aws.s3.Bucket,
    spec: BucketSpec,
    replication: Replication,
    opts: pulumi.ResourceOptions,
) -> aws.s3.BucketReplicationConfig:
    return aws.s3.BucketReplicationConfig(
        f"{name}-replication",
        region=spec.region,
        bucket=bucket.bucket,
        role=replication.role_arn,
        rules=[
            {
                "id": "everything",
                "status": "Enabled",
                "priority": 0,
                "filter": {"prefix": ""},
                # what a user deletes is gone in both; its versions stay in both
                "delete_marker_replication": {"status": "Enabled"},
                "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
                "destination": {
                    "bucket": replication.destination.arn,
                    "storage_class": "STANDARD_IA",
                    "encryption_configuration": {"replica_kms_key_id": replication.key.arn},
                    # replication time control: within 15 minutes, and a metric when not
                    "metrics": {"status": "Enabled", "event_threshold": {"minutes": 15}},
                    "replication_time": {"status": "Enabled", "time": {"minutes": 15}},
                },
            }
        ],
        opts=opts,
    )


def _lifecycle(spec: BucketSpec) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    """Classes by age; a kept bucket ages its objects and ends them, the others end superseded versions only."""
    kept = spec.retention_days
    rule: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "age",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": _ABORT_UPLOAD_DAYS},
    }
    if kept is not None:
        end = kept + _LATE_DELETE_DAYS
        steps = _ARCHIVE_STEPS if spec.role == "audit" else _INSTANT_STEPS
        worthwhile = [(age, storage) for age, storage, stay in steps if age + stay <= end]
        if worthwhile:
            rule["transitions"] = [{"days": age, "storage_class": storage} for age, storage in worthwhile]
        rule["expiration"] = {"days": end}
        rule["noncurrent_version_expiration"] = {"noncurrent_days": _LATE_DELETE_DAYS}
        return [rule, _remove_delete_markers()]
    rule["noncurrent_version_transitions"] = [
        {"noncurrent_days": age, "storage_class": storage} for age, storage, _ in _INSTANT_STEPS
    ]
    rule["noncurrent_version_expiration"] = {"noncurrent_days": _NONCURRENT_DELETE_DAYS}
    if spec.role == "uploads":
        rule["transitions"] = [{"days": age, "storage_class": storage} for age, storage, _ in _INSTANT_STEPS]
    return [rule, _remove_delete_markers()]


def _remove_delete_markers() -> aws.s3.BucketLifecycleConfigurationRuleArgsDict:
    """A delete marker goes once nothing is behind it; S3 takes that in a rule without days only."""
    return {
        "id": "delete-markers",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "expiration": {"expired_object_delete_marker": True},
    }
