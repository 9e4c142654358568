"""What is watched, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.clouds import Clouds
from components.gcp.monitoring import GoogleMonitoring, create_google_monitoring
from components.guard import Guard
from settings.plan import Plan


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What there is to watch.

    Attributes:
        external_secrets: the channels' tokens by name, as secret outputs.
    """

    plan: Plan
    clouds: Clouds
    external_secrets: Mapping[str, pulumi.Output[str]]
    guard: Guard


class Monitoring(pulumi.ComponentResource):
    """Owns channels, the uptime check, metrics, alerts, objectives, dashboards and the budget of each cloud.

    Does not own the jobs that report what the metrics count, nor audit logging.
    """

    gcp: GoogleMonitoring | None

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        plan, environment = args.plan, args.plan.environment
        super().__init__(
            "tenantry:monitoring:Monitoring",
            name,
            {"environment": environment.name, "host": environment.monitoring.app_host},
            opts,
        )
        self.gcp = None
        if args.clouds.on_gcp is not None:
            self.gcp = create_google_monitoring(
                name,
                environment,
                plan.instances_of("cloudsql"),
                tuple(tenant for tenant in plan.tenants if tenant.cloud == "gcp"),
                args.clouds.gcp,
                external_secrets=args.external_secrets,
                guard=args.guard,
                parent=self,
            )
        self.register_outputs({})
