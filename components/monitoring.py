"""What is watched, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.aws.alarm_rules import LoadBalanced
from components.aws.monitoring import AwsMonitoring, create_aws_monitoring
from components.clouds import Clouds
from components.gcp.monitoring import GoogleMonitoring, create_google_monitoring
from components.guard import Guard
from settings.plan import Plan


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What there is to watch.

    Attributes:
        external_secrets: the channels' tokens by name, as secret outputs.
        balanced: what answers behind a load balancer on AWS.
    """

    plan: Plan
    clouds: Clouds
    external_secrets: Mapping[str, pulumi.Output[str]]
    balanced: Sequence[LoadBalanced]
    guard: Guard


class Monitoring(pulumi.ComponentResource):
    """Owns channels, the uptime check, metrics, alerts, objectives, dashboards and the budget of each cloud.

    Does not own the jobs that report what the metrics count, nor audit logging.
    """

    gcp: GoogleMonitoring | None
    aws: AwsMonitoring | None

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
        self.aws = None
        if args.clouds.on_aws is not None:
            self.aws = create_aws_monitoring(
                name,
                environment,
                plan.instances_of("rds"),
                tuple(tenant for tenant in plan.tenants if tenant.cloud == "aws"),
                args.clouds.aws,
                services=args.balanced,
                external_secrets=args.external_secrets,
                guard=args.guard,
                parent=self,
            )
        self.register_outputs({})
