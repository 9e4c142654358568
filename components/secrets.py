"""Application secrets of the environment: generated here, or issued elsewhere and kept here (R5.1, R5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from components.gcp.platform import Platform
from components.gcp.secret import create_secret, grant_accessors
from components.guard import Guard
from settings.plan import EnvironmentPlan

GENERATED_LENGTH: Final = 48
"""Characters of a generated secret; R5.1 asks for at least 32."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """What the environment's application secrets are made of.

    Attributes:
        environment: its plan names the secrets, never their values.
        external: secret values by name, as encrypted by Pulumi.
    """

    environment: EnvironmentPlan
    platform: Platform
    external: Mapping[str, pulumi.Output[str]]
    guard: Guard


class Secrets(pulumi.ComponentResource):
    """Owns each application secret, its current version and its readers. Does not own tenants' credentials.

    Rotation: a higher `secrets.rotation` generates a new value as a new version. The superseded version stays readable
    (`ABANDON`), so that running instances keep working until they restart, and tokens signed with it can be checked.
    """

    secrets: Mapping[str, gcp.secretmanager.Secret]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = args.environment.secrets
        super().__init__("tenantry:secrets:Secrets", name, {"rotation": settings.rotation}, opts)
        values: dict[str, pulumi.Output[str]] = {}
        for key in settings.generated:
            values[key] = random.RandomPassword(
                f"{name}-{_slug(key)}",
                length=GENERATED_LENGTH,
                special=False,
                keepers={"rotation": str(settings.rotation)},
                opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result", "bcryptHash"]),
            ).result
        values |= {key: args.external[key] for key in settings.external}
        readers = [args.platform.accounts["gateway"], args.platform.accounts["worker"]]
        self.secrets = {}
        for key, value in sorted(values.items()):
            secret = create_secret(
                f"{name}-{_slug(key)}",
                secret_id=f"app-{_slug(key)}",
                environment=args.environment,
                platform=args.platform,
                labels={"role": "app"},
                guard=args.guard,
                parent=self,
            )
            gcp.secretmanager.SecretVersion(
                f"{name}-{_slug(key)}-version",
                secret=secret.id,
                secret_data=value,
                deletion_policy="ABANDON",
                opts=pulumi.ResourceOptions(parent=self),
            )
            grant_accessors(f"{name}-{_slug(key)}-readers", secret, readers, parent=self)
            self.secrets = {**self.secrets, key: secret}
        self.register_outputs({"secretIds": {key: secret.id for key, secret in self.secrets.items()}})


def _slug(key: str) -> str:
    return key.lower().replace("_", "-")
