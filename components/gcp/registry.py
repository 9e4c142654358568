"""The registry: one small JSON object per tenant and per SQL instance, read by the app and the jobs (R2.4)."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform


def create_entry(
    name: str, object_name: str, content: pulumi.Input[str], *, platform: Platform, parent: pulumi.Resource
) -> gcp.storage.BucketObject:
    """Publish one entry; its content holds names of secrets and never a secret."""
    return gcp.storage.BucketObject(
        name,
        bucket=platform.buckets["registry"].name,
        name=object_name,
        content=content,
        content_type="application/json",
        opts=pulumi.ResourceOptions(parent=parent),
    )
