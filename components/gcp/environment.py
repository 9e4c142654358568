"""What tenants share on Google Cloud: project set-up, network, keys, identities, buckets, audit logs, pools, jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp.apis import enable_apis, service_agents
from components.gcp.audit import create_audit_logs
from components.gcp.buckets import BucketSpec
from components.gcp.cloudsql import SqlInstance, create_instance
from components.gcp.keys import create_keys, keys_made
from components.gcp.network import create_network
from components.gcp.platform import Account, BucketRole, Platform, Workload
from components.gcp.sql_job import create_sql_job
from components.gcp.storage_bucket import BucketGrant, StorageBucket, StorageBucketArgs
from components.gcp.workloads import create_accounts
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan


@dataclass(frozen=True, kw_only=True)
class GoogleEnvironment:
    """Everything on Google Cloud that no single tenant owns."""

    platform: Platform
    pools: Mapping[str, SqlInstance]
    """Shared instances by key."""
    sql_job: gcp.cloudrunv2.Job
    audit_logs: gcp.logging.ProjectBucketConfig

    def sql_instances(self, dedicated: Iterable[SqlInstance | None]) -> dict[str, gcp.sql.DatabaseInstance]:
        """Every Cloud SQL instance by key: the pools, then the dedicated ones."""
        known = [*self.pools.values(), *(instance for instance in dedicated if instance is not None)]
        return {instance.plan.key: instance.resource for instance in known}


def create_google_environment(
    plan: EnvironmentPlan,
    pools: Sequence[InstancePlan],
    *,
    firestore_keys: Collection[str],
    guard: Guard,
    parent: pulumi.Resource,
) -> GoogleEnvironment:
    """Everything on Google Cloud that no single tenant owns.

    An empty project is enough, once `serviceusage`, `cloudresourcemanager` and `iam` are on: each resource depends on
    the API it needs, each store on its agent's grant on the key.

    Args:
        plan: the environment's plan.
        pools: shared Cloud SQL instances.
        firestore_keys: locations of Firestore databases with a customer-managed key.
        guard: the deletion guard.
        parent: the component that owns it all.
    """
    apis = enable_apis(plan.gcp.project, parent)
    accounts = create_accounts(plan.gcp, apis["iam.googleapis.com"], parent, web=plan.vercel is not None)
    queues = plan.home == "gcp" and bool(plan.queues)
    made = {use for use, _ in keys_made(guard)}
    keys = create_keys(
        plan.gcp,
        agents=service_agents(
            plan.gcp.project,
            apis,
            parent,
            firestore=bool(firestore_keys) or "firestore" in made,
            queues=queues or "queues" in made,
        ),
        api=apis["cloudkms.googleapis.com"],
        firestore_locations=firestore_keys,
        queues=queues,
        guard=guard,
        parent=parent,
    )
    network = create_network(plan.gcp, apis, guard=guard, parent=parent)
    buckets = {
        spec.role: StorageBucket(
            spec.role,
            StorageBucketArgs(
                spec=spec,
                project=plan.gcp.project,
                key=keys.keys["storage", spec.location],
                depends_on=[keys.grants["storage", spec.location]],
                guard=guard,
                grants=_grants(spec.role, accounts),
            ),
            pulumi.ResourceOptions(parent=parent),
        ).bucket
        for spec in _bucket_specs(plan)
    }
    platform = Platform(
        apis=apis,
        accounts=accounts,
        keys=keys.keys,
        key_grants=keys.grants,
        network=network.network,
        subnetwork=network.subnetwork,
        services_connection=network.services_connection,
        buckets=buckets,
    )
    return GoogleEnvironment(
        platform=platform,
        audit_logs=create_audit_logs(plan, platform, guard=guard, parent=parent),
        pools={pool.key: create_instance(pool, plan, platform, guard=guard, parent=parent) for pool in pools},
        sql_job=create_sql_job(plan, platform, guard=guard, parent=parent),
    )


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
            readers: tuple[Workload, ...] = ("gateway", "worker", "migrator", "backup", "sqljob", "watch", "web")
            grants = {f"read-{reader}": grant(reader, "objectViewer") for reader in readers if reader in accounts}
            return {**grants, "status-sqljob": grant("sqljob", "objectUser", "status/")}
        case "assets":
            return {"write-gateway": grant("gateway", "objectUser")}
        case "exports":
            # names and times tell how old an export is; what is in one is none of its business
            return {"list-watch": grant("watch", "legacyBucketReader")}
        case "uploads" | "audit":
            return {}
