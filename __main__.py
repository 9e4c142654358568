"""Composition root: reads top-down like the architecture diagram, and runs afresh on every operation."""

from __future__ import annotations

import pulumi

from components import stack
from components.backup_schedule import BackupSchedule, BackupScheduleArgs
from components.environment import Environment, EnvironmentArgs
from components.guard import register_guard
from components.monitoring import Monitoring, MonitoringArgs
from components.secrets import Secrets, SecretsArgs
from components.stack_outputs import guarded_resources, recreatable, registry, sql_instances
from components.tenant import create_tenants

previous = stack.read_previous()
plan = stack.load_plan(previous)
external = stack.external_secrets(plan.environment)
google, random = stack.create_providers(plan.environment)
plan = stack.lift_proved_guards(plan, previous, google)
guard = register_guard(previous, recreatable(plan))

shared = plan.environment
opts = pulumi.ResourceOptions(providers=[google, random])
environment = Environment(shared.name, EnvironmentArgs(environment=shared, pools=plan.pools, guard=guard), opts)
platform = environment.platform
Secrets("app", SecretsArgs(environment=shared, platform=platform, external=external, guard=guard), opts)
tenants = create_tenants(plan, platform, environment.pools, guard, opts)
BackupSchedule(
    "backups",
    BackupScheduleArgs(
        environment=shared,
        instances=plan.instances,
        sql_instances=sql_instances(environment, tenants),
        platform=platform,
        sql_job=environment.sql_job,
        guard=guard,
    ),
    opts,
)
Monitoring(
    "monitoring",
    MonitoringArgs(
        environment=shared,
        instances=plan.instances,
        tenants=plan.tenants,
        platform=platform,
        audit_logs=environment.audit_logs,
        external_secrets=external,
        guard=guard,
    ),
    opts,
)

pulumi.export("registry", registry(plan))
pulumi.export("guarded", guarded_resources(plan, previous, environment, tenants))
