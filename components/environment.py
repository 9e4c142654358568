"""What the tenants of a stack share, on each of its clouds."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.aws.environment import create_aws_environment
from components.clouds import Clouds
from components.gcp.environment import create_google_environment
from components.guard import Guard
from settings.plan import Plan


@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs:
    """The stack's plan, of which the shared part is built here, and the deletion guard."""

    plan: Plan
    guard: Guard


class Environment(pulumi.ComponentResource):
    """Owns everything that no single tenant owns: network, keys, identities, buckets, audit logs, pools, jobs.

    Each cloud is complete by itself, so that nothing on one depends on the other. Does not own application secrets,
    schedules or alerts.
    """

    clouds: Clouds

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        plan = args.plan.environment
        super().__init__(
            "tenantry:environment:Environment", name, {"environment": plan.name, "cloudNames": list(plan.clouds)}, opts
        )

        self.clouds = Clouds(
            on_gcp=None
            if plan.on_gcp is None
            else create_google_environment(
                plan,
                args.plan.pools_of("cloudsql"),
                firestore_keys={
                    tenant.firestore.location for tenant in args.plan.tenants_of("firestore") if tenant.firestore.cmek
                },
                guard=args.guard,
                parent=self,
            ),
            on_aws=None if plan.on_aws is None else create_aws_environment(args.plan, guard=args.guard, parent=self),
        )
        self.register_outputs({"registry": plan.buckets.registry})
