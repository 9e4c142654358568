"""Customer-managed keys: one ring per region, one key per use, and the grant that each service agent needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, cast

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import KeyUse
from components.guard import Guard, deletion_policy
from settings.plan import GcpPlan

ROTATION_PERIOD: Final = f"{90 * 86400}s"
"""90 days, the longest that CIS GCP 1.11 accepts."""
DESTROY_DELAY: Final = f"{30 * 86400}s"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys and the grants on them, by use and region."""

    keys: Mapping[tuple[KeyUse, str], gcp.kms.CryptoKey]
    grants: Mapping[tuple[KeyUse, str], gcp.kms.CryptoKeyIAMMember]


def create_keys(
    plan: GcpPlan,
    *,
    agents: Mapping[str, pulumi.Output[str]],
    api: pulumi.Resource,
    firestore_locations: Collection[str],
    queues: bool,
    guard: Guard,
    parent: pulumi.Resource,
) -> Keys:
    """Create the keys that the environment's data needs, in each region where data is.

    Key rings can never be deleted and their names never be used again, so ring and keys are guarded: `destroy` keeps
    them in the state, and a later `up` finds them.
    """
    uses: dict[str, tuple[KeyUse, ...]] = dict.fromkeys(plan.key_regions, ("sql",))
    uses[plan.region] = ("sql", "storage", "secrets", "logs")
    # exports and archives are encrypted where they are, so that they survive the home region
    uses[plan.backup_region] = ("sql", "storage", "secrets")
    if queues:
        uses[plan.region] = (*uses[plan.region], "queues")
    for location in firestore_locations:
        uses[location] = (*uses.get(location, ()), "firestore")
    for use, region in keys_made(guard):
        if use not in uses.get(region, ()):
            uses[region] = (*uses.get(region, ()), use)
    keys: dict[tuple[KeyUse, str], gcp.kms.CryptoKey] = {}
    grants: dict[tuple[KeyUse, str], gcp.kms.CryptoKeyIAMMember] = {}
    for region, wanted in sorted(uses.items()):
        ring = gcp.kms.KeyRing(
            f"keyring-{region}",
            name="tenantry",
            project=plan.project,
            location=region,
            opts=guard.options(parent, guarded=True, depends_on=[api]),
        )
        for use in wanted:
            key = gcp.kms.CryptoKey(
                f"key-{use}-{region}",
                name=use,
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=ROTATION_PERIOD,
                destroy_scheduled_duration=DESTROY_DELAY,
                deletion_policy=deletion_policy(guarded=True),
                opts=guard.options(parent, guarded=True),
            )
            keys[use, region] = key
            grants[use, region] = gcp.kms.CryptoKeyIAMMember(
                f"key-{use}-{region}-agent",
                crypto_key_id=key.id,
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=agents[use],
                opts=guard.retrying(parent),
            )
    return Keys(keys=keys, grants=grants)


def keys_made(guard: Guard) -> list[tuple[KeyUse, str]]:
    """Use and region of the keys that exist."""
    return [(cast(KeyUse, use), region) for use, _, region in (key.partition("/") for key in guard.keys.get("gcp", ()))]
