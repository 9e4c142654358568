"""What the environment answers the world with, on its home cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.serving import serve_on_aws
from components.clouds import Clouds
from components.gcp.serving import serve_on_gcp
from components.guard import Guard
from components.secrets import Secrets
from components.serving import Serving
from settings.plan import EnvironmentPlan


@dataclass(frozen=True, kw_only=True)
class ServicesArgs:
    """What is served, and what it reads.

    Attributes:
        secrets: the application's secrets, which must be stored before anything reads them.
        stable: revision of each Cloud Run service that took all traffic after the last `up` without a canary.
    """

    environment: EnvironmentPlan
    clouds: Clouds
    secrets: Secrets
    stable: Mapping[str, str]
    guard: Guard


class Services(pulumi.ComponentResource):
    """Owns services, tasks, queues and the delivery network, with the one way in from the internet (R7.1, R7.2, R4.1).

    Does not own the identities that they run as, nor the buckets and secrets that they read, nor their DNS records.
    """

    serving: Serving

    def __init__(self, name: str, args: ServicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment = args.environment
        super().__init__(
            "tenantry:services:Services",
            name,
            {
                "services": sorted(environment.services),
                "tasks": sorted(environment.tasks),
                "queues": sorted(environment.queues),
            },
            opts,
        )
        match environment.home:
            case "gcp":
                self.serving = serve_on_gcp(
                    name,
                    environment,
                    args.clouds.gcp.platform,
                    stable=args.stable,
                    secrets=[args.secrets],
                    guard=args.guard,
                    parent=self,
                )
            case "aws":
                self.serving = serve_on_aws(
                    name,
                    environment,
                    args.clouds.aws.platform,
                    secrets=[args.secrets],
                    guard=args.guard,
                    parent=self,
                )
        self.register_outputs({"endpoints": dict(self.serving.endpoints)})
