"""A bucket of the environment on AWS, with all its settings."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.aws.buckets import BucketSpec, Replication, create_bucket
from components.aws.platform import Bucket, Key
from components.guard import Guard
from settings.plan import EnvironmentPlan


@dataclass(frozen=True, kw_only=True)
class StorageBucketArgs:
    """What a bucket is made of; `key` is in its own region."""

    spec: BucketSpec
    environment: EnvironmentPlan
    key: Key
    guard: Guard
    replication: Replication | None = None


class StorageBucket(pulumi.ComponentResource):
    """Owns one bucket and its settings. Does not own the key, nor the rights of roles, which are in their policies."""

    bucket: Bucket

    def __init__(self, name: str, args: StorageBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # a stack on two clouds has a bucket of each role on both
        super().__init__(
            "tenantry:storage_bucket:StorageBucket", f"aws-{name}", {"role": args.spec.role, "cloud": "aws"}, opts
        )
        self.bucket = create_bucket(
            name,
            args.spec,
            environment=args.environment,
            key=args.key,
            guard=args.guard,
            parent=self,
            replication=args.replication,
        )
        self.register_outputs({"bucketName": args.spec.name})
