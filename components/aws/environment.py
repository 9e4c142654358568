"""What tenants share on AWS: keys, roles, network, buckets, audit trail, pools, jobs."""

from __future__ import annotations

import pulumi

from components.aws.audit import create_trail
from components.aws.database_network import create_database_network
from components.aws.jobs import create_cluster, create_task_log_group
from components.aws.keys import create_keys
from components.aws.network import create_network
from components.aws.platform import AwsEnvironment, AwsPlatform
from components.aws.rds import create_instance
from components.aws.roles import create_roles
from components.aws.security_groups import create_database_group, create_workload_groups
from components.aws.shared_buckets import create_shared_buckets
from components.aws.sql_job import create_sql_job
from components.aws.vpc import create_flow_log_role
from components.guard import Guard
from settings.plan import Plan


def create_aws_environment(plan: Plan, *, guard: Guard, parent: pulumi.Resource) -> AwsEnvironment:
    """Everything on AWS that no single tenant owns.

    An empty account is enough: services make the roles that they work with by themselves, and what meets a role or a
    key before it is known everywhere is tried again.
    """
    environment = plan.environment
    keys = create_keys(environment, guard=guard, parent=parent)
    roles = create_roles(environment, parent=parent)
    flow_role = create_flow_log_role(environment, parent=parent)
    network = create_network(environment, flow_role=flow_role, keys=keys, guard=guard, parent=parent)
    groups = create_workload_groups(environment, network.vpc, guests=_has_guests(plan), parent=parent)
    database_group = create_database_group(environment, network.vpc, groups, parent=parent)
    storage = create_shared_buckets(environment, keys, guard=guard, parent=parent)
    platform = AwsPlatform(
        roles=roles.workloads,
        execution_role=roles.execution,
        files_role=roles.files,
        database_monitoring_role=roles.database_monitoring,
        keys=keys,
        vpc=network.vpc,
        private_subnets=network.private_subnets,
        public_subnets=network.public_subnets,
        egress=network.egress,
        security_groups=groups,
        database_network=create_database_network(environment, network.private_subnets, database_group, parent=parent),
        buckets=storage.buckets,
        uploads_replica=storage.uploads_replica,
        replication_role=storage.replication_role,
        cluster=create_cluster(environment, guard=guard, parent=parent),
        task_log_group=create_task_log_group(environment, keys, guard=guard, parent=parent),
    )
    trail, trail_log_group = create_trail(environment, platform, guard=guard, parent=parent)
    return AwsEnvironment(
        platform=platform,
        pools={
            pool.key: create_instance(pool, environment, platform, guard=guard, parent=parent)
            for pool in plan.pools_of("rds")
        },
        sql_job=create_sql_job(environment, platform, guard=guard, parent=parent),
        trail=trail,
        trail_log_group=trail_log_group,
    )


def _has_guests(plan: Plan) -> bool:
    """Whether this cloud's workloads connect to databases outside."""
    return any(tenant.cloud == "aws" for tenant in plan.tenants_of("external"))
