"""One secret of Secret Manager, encrypted with the environment's own keys, in both of its regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Account, Platform
from components.guard import Guard
from settings.plan import EnvironmentPlan


def create_secret(
    name: str,
    *,
    secret_id: str,
    environment: EnvironmentPlan,
    platform: Platform,
    labels: Mapping[str, str],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.secretmanager.Secret:
    """Create a secret without a version.

    Replicas are named, each under a key of its own region: automatic replication would need a global key, and a secret
    in the home region alone would be lost with it. Replication cannot change later.
    """
    regions = (environment.gcp.region, environment.gcp.backup_region)
    return gcp.secretmanager.Secret(
        name,
        project=environment.gcp.project,
        secret_id=secret_id,
        replication={
            "user_managed": {
                "replicas": [
                    {
                        "location": region,
                        "customer_managed_encryption": {"kms_key_name": platform.keys["secrets", region].id},
                    }
                    for region in regions
                ]
            }
        },
        labels=dict(labels),
        opts=guard.retrying(
            parent,
            depends_on=[
                *platform.ready("secretmanager.googleapis.com"),
                *(platform.key_grants["secrets", region] for region in regions),
            ],
        ),
    )


def grant_accessors(
    name: str, secret: gcp.secretmanager.Secret, readers: Sequence[Account], *, parent: pulumi.Resource
) -> gcp.secretmanager.SecretIamBinding:
    """Let exactly these workloads read this secret: a binding, so that a grant made by hand is seen and undone."""
    return gcp.secretmanager.SecretIamBinding(
        name,
        project=secret.project,
        secret_id=secret.secret_id,
        role="roles/secretmanager.secretAccessor",
        members=[reader.member for reader in readers],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[reader.resource for reader in readers]),
    )
