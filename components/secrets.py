"""Application secrets of the environment: generated here, or issued elsewhere and kept here (R5.1, R5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_random as random

from components.aws.app_secrets import store_app_secrets as store_on_aws
from components.clouds import Clouds
from components.gcp.app_secrets import store_app_secrets as store_on_gcp
from components.guard import Guard
from settings.names import slug
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
    clouds: Clouds
    external: Mapping[str, pulumi.Output[str]]
    guard: Guard


class Secrets(pulumi.ComponentResource):
    """Owns each application secret, its current version and its readers, on the home cloud.

    A higher `secrets.rotation` generates a new value as a new version. Does not own tenants' credentials.
    """

    values: Mapping[str, pulumi.Output[str]]
    """Every application secret by name, as a secret output."""
    secrets: Mapping[str, pulumi.CustomResource]
    """Where each is kept."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, settings = args.environment, args.environment.secrets
        super().__init__("tenantry:secrets:Secrets", name, {"rotation": settings.rotation}, opts)
        generated = {
            key: random.RandomPassword(
                f"{name}-{slug(key)}",
                length=GENERATED_LENGTH,
                special=False,
                keepers={"rotation": str(settings.rotation)},
                opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result", "bcryptHash"]),
            ).result
            for key in settings.generated
        }
        self.values = {**generated, **{key: args.external[key] for key in settings.external}}
        match environment.home:
            case "gcp":
                self.secrets = store_on_gcp(
                    name, self.values, environment, args.clouds.gcp.platform, guard=args.guard, parent=self
                )
            case "aws":
                self.secrets = store_on_aws(
                    name, self.values, environment, args.clouds.aws.platform, guard=args.guard, parent=self
                )
        self.register_outputs({"secretIds": {key: secret.id for key, secret in self.secrets.items()}})
