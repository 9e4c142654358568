"""The registry: one small JSON object per tenant and per SQL instance, read by the app and the jobs (R2.4)."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.platform import AwsPlatform


def create_entry(
    name: str, object_name: str, content: pulumi.Input[str], *, platform: AwsPlatform, parent: pulumi.Resource
) -> aws.s3.BucketObjectv2:
    """Publish one entry; its content holds names of secrets and never a secret."""
    bucket = platform.buckets["registry"]
    return aws.s3.BucketObjectv2(
        name,
        bucket=bucket.resource.bucket,
        key=object_name,
        content=content,
        content_type="application/json",
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(bucket.ready)),
    )
