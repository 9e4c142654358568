"""A bucket of the environment and who may use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_gcp as gcp

from components.gcp.buckets import BucketSpec, create_bucket
from components.guard import Guard


@dataclass(frozen=True, kw_only=True)
class BucketGrant:
    """A role on the bucket for one member, optionally below one folder."""

    role: str
    member: str
    depends_on: pulumi.Resource
    folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class StorageBucketArgs:
    """What a bucket is made of; `grants` are keyed by a stable name."""

    spec: BucketSpec
    project: str
    key: gcp.kms.CryptoKey
    depends_on: Sequence[pulumi.Resource]
    guard: Guard
    grants: Mapping[str, BucketGrant] = field(default_factory=dict)


class StorageBucket(pulumi.ComponentResource):
    """Owns one bucket and the grants on it. Does not own the key, nor a tenant's folder (see Tenant)."""

    bucket: gcp.storage.Bucket

    def __init__(self, name: str, args: StorageBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("tenantry:storage_bucket:StorageBucket", name, {"role": args.spec.role}, opts)
        self.bucket = create_bucket(
            name,
            args.spec,
            project=args.project,
            key=args.key,
            depends_on=args.depends_on,
            guard=args.guard,
            parent=self,
        )
        for grant_name, grant in args.grants.items():
            gcp.storage.BucketIAMMember(
                f"{name}-{grant_name}",
                bucket=self.bucket.name,
                role=grant.role,
                member=grant.member,
                condition=None if grant.folder is None else _folder_condition(args.spec.name, grant.folder),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[grant.depends_on]),
            )
        self.register_outputs({"bucketName": self.bucket.name})


def _folder_condition(bucket: str, folder: str) -> gcp.storage.BucketIAMMemberConditionArgsDict:
    return {
        "title": f"folder-{folder.rstrip('/')}",
        "description": f"Only objects below {folder}",
        "expression": f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{folder}")',
    }
