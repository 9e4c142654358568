"""Logical exports and restore drills of every tenant database of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.backups import AwsBackups, create_aws_backups
from components.clouds import Clouds
from components.database import DatabaseFacts
from components.gcp.backups import GoogleBackups, create_google_backups
from components.guard import Guard
from settings.plan import Plan


@dataclass(frozen=True, kw_only=True)
class BackupScheduleArgs:
    """What is exported and drilled.

    Attributes:
        databases: what each tenant's database said of itself, by tenant id.
        guard: the retry of creations that meet a grant too early.
    """

    plan: Plan
    clouds: Clouds
    databases: Mapping[str, DatabaseFacts]
    guard: Guard


class BackupSchedule(pulumi.ComponentResource):
    """Owns exports, drills, their clocks and rights, and the jobs that watch their results (R3.2, R3.4).

    On AWS also the vaults of snapshots. Does not own native backups of an instance (the instance does) nor the exports
    buckets (the environment does).
    """

    gcp: GoogleBackups | None
    aws: AwsBackups | None

    def __init__(self, name: str, args: BackupScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        plan = args.plan
        super().__init__(
            "tenantry:backup_schedule:BackupSchedule", name, {"instances": [each.key for each in plan.instances]}, opts
        )
        self.gcp = None
        if args.clouds.on_gcp is not None:
            self.gcp = create_google_backups(
                plan.environment,
                plan.instances_of("cloudsql"),
                args.clouds.gcp.sql_instances(facts.cloudsql for facts in args.databases.values()),
                args.clouds.gcp,
                guests=plan.environment.home == "gcp" and bool(plan.tenants_of("external")),
                firestore=bool(plan.tenants_of("firestore")),
                guard=args.guard,
                parent=self,
            )
        self.aws = None
        if args.clouds.on_aws is not None:
            self.aws = create_aws_backups(
                plan.environment,
                plan.instances_of("rds"),
                tuple(tenant for tenant in plan.tenants if tenant.cloud == "aws"),
                args.clouds.aws.rds_instances(facts.rds for facts in args.databases.values()),
                args.clouds.aws,
                guard=args.guard,
                parent=self,
            )
        self.register_outputs({})
