"""Composition root: reads top-down like the architecture diagram, and runs afresh on every operation."""

from __future__ import annotations

import pulumi

from components import stack
from components.backup_schedule import BackupSchedule, BackupScheduleArgs
from components.environment import Environment, EnvironmentArgs
from components.guard import register_guard
from components.monitoring import Monitoring, MonitoringArgs
from components.secrets import Secrets, SecretsArgs
from components.services import Services, ServicesArgs
from components.stack_outputs import guarded_resources, keys, recreatable, registry
from components.tenant import create_tenants
from components.web import WebApp, WebAppArgs

previous = stack.read_previous()
plan = stack.load_plan(previous)
external = stack.external_secrets(plan)
providers = stack.create_providers(plan.environment)
plan = stack.lift_proved_guards(plan, previous, providers)
guard = register_guard(previous, recreatable(plan))

shared, opts = plan.environment, providers.opts
clouds = Environment(shared.name, EnvironmentArgs(plan=plan, guard=guard), opts).clouds
secrets = Secrets("app", SecretsArgs(environment=shared, clouds=clouds, external=external, guard=guard), opts)
tenants = create_tenants(plan, clouds, external, guard, opts)
databases = {tenant_id: tenant.database for tenant_id, tenant in tenants.items()}
BackupSchedule("backups", BackupScheduleArgs(plan=plan, clouds=clouds, databases=databases, guard=guard), opts)
serving = Services(
    "services",
    ServicesArgs(environment=shared, clouds=clouds, secrets=secrets, stable=previous.revisions, guard=guard),
    opts,
).serving
if shared.vercel is not None:
    application = WebAppArgs(
        vercel=shared.vercel,
        environment=shared,
        clouds=clouds,
        secrets=secrets.values,
        external=external,
        guard=guard,
    )
    WebApp("web", application, opts)
watched = MonitoringArgs(plan=plan, clouds=clouds, external_secrets=external, balanced=serving.balanced, guard=guard)
Monitoring("monitoring", watched, opts)

pulumi.export("registry", registry(plan, previous))
pulumi.export("guarded", guarded_resources(plan, previous, clouds, tenants))
pulumi.export("keys", keys(clouds))
pulumi.export("endpoints", serving.endpoints)
pulumi.export("revisions", serving.revisions)
