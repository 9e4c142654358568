"""Cloud CDN in front of the assets bucket, which stays private.

The load balancer's own service agent reads the bucket (Cloud CDN, private bucket access), so nothing is granted to
allUsers and public access prevention stays enforced. Google creates the agent with the project's first backend bucket.
Uploads are not delivered here: the application signs Cloud Storage's own URLs with its account.
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.load_balancer import TRANSPORT_SECURITY, Route
from components.gcp.platform import Platform
from components.guard import Guard
from settings.models import DeliverySettings
from settings.plan import EnvironmentPlan

CACHE_SECONDS: Final = 3600
"""A private bucket's answers say `private`, so the time to keep them is set here and not by the object."""
HEADERS: Final = (
    TRANSPORT_SECURITY,
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "Referrer-Policy: strict-origin-when-cross-origin",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; sandbox",
)


def create_delivery(
    name: str,
    settings: DeliverySettings,
    *,
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
) -> Route:
    """Create the backend bucket and the agent's grant.

    The agent's role may list the bucket, and a bucket lists itself at `/`: that path leads to the application instead.
    """
    bucket = platform.buckets["assets"]
    backend = gcp.compute.BackendBucket(
        f"{name}-backend",
        name="app-assets",
        project=environment.gcp.project,
        bucket_name=environment.buckets.assets,
        enable_cdn=True,
        cdn_policy={
            "cache_mode": "FORCE_CACHE_ALL",
            "default_ttl": CACHE_SECONDS,
            "client_ttl": CACHE_SECONDS,
            "negative_caching": True,
            "serve_while_stale": 0,
        },
        compression_mode="AUTOMATIC",
        custom_response_headers=list(HEADERS),
        opts=guard.retrying(parent, depends_on=[*platform.ready("compute.googleapis.com"), bucket]),
    )
    gcp.storage.BucketIAMMember(
        f"{name}-reader",
        bucket=bucket.name,
        role="roles/storage.objectViewer",
        member=f"serviceAccount:service-{environment.gcp.project_number}@https-lb.iam.gserviceaccount.com",
        opts=guard.retrying(parent, depends_on=[backend]),
    )
    return Route(key="assets", host=settings.host, backend=backend.id, root=environment.monitoring.app_host)
