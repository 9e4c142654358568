"""What the tenants of a stack share: project set-up, network, keys, identities, buckets, audit logs, pools, jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp.apis import enable_apis, service_agents
from components.gcp.audit import create_audit_logs
from components.gcp.buckets import BucketSpec
from components.gcp.cloudsql import SqlInstance, create_instance
from components.gcp.keys import create_keys
from components.gcp.network import create_network
from components.gcp.platform import Account, BucketRole, Platform, Workload
from components.gcp.sql_job import create_sql_job
from components.gcp.workloads import create_accounts
from components.guard import Guard
from components.storage_bucket import BucketGrant, StorageBucket, StorageBucketArgs
from settings.plan import EnvironmentPlan, InstancePlan


@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs:
    """The environment's plan, its shared instances and the deletion guard."""

    environment: EnvironmentPlan
    pools: tuple[InstancePlan, ...]
    guard: Guard


class Environment(pulumi.ComponentResource):
    """Owns everything that no single tenant owns. Does not own application secrets, schedules or alerts.

    An empty project is enough, once `serviceusage`, `cloudresourcemanager` and `iam` are on: each resource depends on
    the API it needs, each store on its agent's grant on the key.
    """

    platform: Platform
    pools: Mapping[str, SqlInstance]
    """Shared instances by key."""
    sql_job: gcp.cloudrunv2.Job
    audit_logs: gcp.logging.ProjectBucketConfig

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        plan = args.environment
        super().__init__(
            "tenantry:environment:Environment", name, {"environment": plan.name, "project": plan.gcp.project}, opts
        )
        apis = enable_apis(plan.gcp.project, self)
        accounts = create_accounts(plan.gcp, apis["iam.googleapis.com"], self)
        keys = create_keys(
            plan.gcp,
            agents=service_agents(plan.gcp.project, apis, self),
            api=apis["cloudkms.googleapis.com"],
            guard=args.guard,
            parent=self,
        )
        network = create_network(plan.gcp, apis, guard=args.guard, parent=self)
        buckets = {
            spec.role: StorageBucket(
                spec.role,
                StorageBucketArgs(
                    spec=spec,
                    project=plan.gcp.project,
                    key=keys.keys["storage", spec.location],
                    depends_on=[keys.grants["storage", spec.location]],
                    guard=args.guard,
                    grants=_grants(spec.role, accounts),
                ),
                pulumi.ResourceOptions(parent=self),
            ).bucket
            for spec in _bucket_specs(plan)
        }
        self.platform = Platform(
            apis=apis,
            accounts=accounts,
            keys=keys.keys,
            key_grants=keys.grants,
            network=network.network,
            subnetwork=network.subnetwork,
            services_connection=network.services_connection,
            buckets=buckets,
        )
        self.audit_logs = create_audit_logs(plan, self.platform, guard=args.guard, parent=self)
        self.pools = {
            pool.key: create_instance(pool, plan, self.platform, guard=args.guard, parent=self) for pool in args.pools
        }
        self.sql_job = create_sql_job(plan, self.platform, guard=args.guard, parent=self)
        self.register_outputs({"network": network.network.id, "registry": buckets["registry"].name})


def _bucket_specs(plan: EnvironmentPlan) -> tuple[BucketSpec, ...]:
    home, away = plan.gcp.region, plan.gcp.backup_region
    return (
        BucketSpec(name=plan.buckets.uploads, role="uploads", location=home, labels={}),
        BucketSpec(name=plan.buckets.assets, role="assets", location=home, labels={}),
        BucketSpec(name=plan.buckets.registry, role="registry", location=home, labels={}),
        BucketSpec(
            name=plan.buckets.exports,
            role="exports",
            location=away,
            retention_days=plan.backups.export_retention_days,
            lock=plan.lock,
            labels={},
        ),
        BucketSpec(
            name=plan.buckets.audit,
            role="audit",
            location=away,
            retention_days=plan.audit_retention_days,
            lock=plan.lock,
            labels={},
        ),
    )


def _grants(role: BucketRole, accounts: Mapping[Workload, Account]) -> dict[str, BucketGrant]:
    """Who uses a shared bucket as a whole; tenants' folders are granted with the tenant."""

    def grant(workload: Workload, bucket_role: str, folder: str | None = None) -> BucketGrant:
        account = accounts[workload]
        return BucketGrant(
            role=f"roles/storage.{bucket_role}", member=account.member, depends_on=account.resource, folder=folder
        )

    match role:
        case "registry":
            readers: tuple[Workload, ...] = ("gateway", "worker", "migrator", "backup", "sqljob", "watch")
            grants = {f"read-{workload}": grant(workload, "objectViewer") for workload in readers}
            return {**grants, "status-sqljob": grant("sqljob", "objectUser", "status/")}
        case "assets":
            return {"write-gateway": grant("gateway", "objectUser")}
        case "exports":
            return {"read-watch": grant("watch", "objectViewer")}
        case "uploads" | "audit":
            return {}
