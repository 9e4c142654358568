"""The web application on Vercel, and the clouds' trust in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumiverse_vercel as vercel

from components.application import application_secrets, whereabouts
from components.aws.vercel_identity import trust_vercel as trust_on_aws
from components.clouds import Clouds
from components.gcp.vercel_identity import trust_vercel as trust_on_gcp
from components.guard import Guard
from components.queues import queue_addresses
from components.vercel.project import create_domains, create_log_drain, create_project, create_variable
from settings.models import VercelSettings
from settings.plan import EnvironmentPlan
from settings.types import VercelTarget


@dataclass(frozen=True, kw_only=True)
class WebAppArgs:
    """The environment that the application belongs to.

    Attributes:
        secrets: values of the application's secrets by name, as secret outputs.
        external: values of the external secrets by name, for the log drain and the URLs of guest databases.
    """

    vercel: VercelSettings
    environment: EnvironmentPlan
    clouds: Clouds
    secrets: Mapping[str, pulumi.Output[str]]
    external: Mapping[str, pulumi.Output[str]]
    guard: Guard


class WebApp(pulumi.ComponentResource):
    """Owns the Vercel project, its domains, variables and log drain, and the trust of each cloud in it (R7.1, R5.4).

    Does not own deployments: Vercel makes them from the repository. A variable's new value, a rotated secret above all,
    reaches production with the next deployment (docs/web-application.md).
    """

    project: vercel.Project

    def __init__(self, name: str, args: WebAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = args.vercel
        super().__init__("tenantry:web:WebApp", name, {"team": settings.team, "project": settings.project}, opts)
        self.project = create_project(name, settings, parent=self)
        create_domains(name, settings, self.project, parent=self)
        if settings.log_drain is not None:
            create_log_drain(
                f"{name}-logs", settings, settings.log_drain, self.project, external=args.external, parent=self
            )
        self._set_plain(name, args, "production", self._wiring(name, args), "where the environment is")
        for target, plain in sorted(settings.variables.items()):
            self._set_plain(name, args, target, plain, "from the stack's configuration")
        for target, chosen in sorted(_secrets(args).items()):
            for key, secret in sorted(chosen.items()):
                create_variable(
                    f"{name}-{target}-{key}",
                    settings=settings,
                    project=self.project,
                    key=key,
                    target=target,
                    value=args.secrets[secret] if secret in args.secrets else args.external[secret],
                    sensitive=True,
                    comment=f"Tenantry: secret {secret}",
                    parent=self,
                )
        self.register_outputs({"projectId": self.project.id})

    def _set_plain(
        self, name: str, args: WebAppArgs, target: VercelTarget, variables: Mapping[str, str], origin: str
    ) -> None:
        for key, value in sorted(variables.items()):
            create_variable(
                f"{name}-{target}-{key}",
                settings=args.vercel,
                project=self.project,
                key=key,
                target=target,
                value=value,
                sensitive=False,
                comment=f"Tenantry: {origin}",
                parent=self,
            )

    def _wiring(self, name: str, args: WebAppArgs) -> dict[str, str]:
        """Where the registry is, whom to be, and whom to ask for private databases; production alone is trusted."""
        environment, clouds = args.environment, args.clouds
        variables = whereabouts(environment, environment.home)
        if clouds.on_gcp is not None:
            variables |= trust_on_gcp(
                name, args.vercel, environment.gcp, clouds.gcp.platform, guard=args.guard, parent=self
            )
        if clouds.on_aws is not None:
            variables |= trust_on_aws(name, args.vercel, environment, guard=args.guard, parent=self)
        variables |= queue_addresses(environment)
        gateway = environment.services.get("gateway")
        if gateway is not None and gateway.host is not None:
            variables["TENANTRY_GATEWAY_URL"] = f"https://{gateway.host}"
        return variables


def _secrets(args: WebAppArgs) -> Mapping[VercelTarget, Mapping[str, str]]:
    """Variable → secret by target: what the settings say, or every secret of the application on production (R5.2)."""
    if args.vercel.secrets is not None:
        return args.vercel.secrets
    return {"production": {key: key for key in application_secrets(args.environment)}}
