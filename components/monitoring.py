"""What is watched, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp import alert_rules, log_metrics
from components.gcp.alerts import create_alert
from components.gcp.budget import create_budget
from components.gcp.channels import Channels, create_channels
from components.gcp.dashboard import create_dashboards
from components.gcp.log_metrics import create_log_metrics
from components.gcp.platform import Platform
from components.gcp.slo import burn_alerts, create_objectives
from components.gcp.uptime import create_uptime_check, uptime_alert
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What there is to watch.

    Attributes:
        audit_logs: the log bucket in which changes are counted.
        external_secrets: the channels' tokens by name, as secret outputs.
    """

    environment: EnvironmentPlan
    instances: tuple[InstancePlan, ...]
    tenants: tuple[TenantPlan, ...]
    platform: Platform
    audit_logs: gcp.logging.ProjectBucketConfig
    external_secrets: Mapping[str, pulumi.Output[str]]
    guard: Guard


class Monitoring(pulumi.ComponentResource):
    """Owns channels, the uptime check, log metrics, alert policies, objectives, dashboards and the budget.

    Does not own the jobs that report what the log metrics count, nor audit logging. A tenant is a label here: only an
    instance has an object of its own, its alert policy, which is disabled while its one tenant is suspended (R2.6).
    """

    channels: Channels
    alerts: dict[str, gcp.monitoring.AlertPolicy]
    """Policies by the key of their rule."""
    metric_alerts: tuple[gcp.monitoring.AlertPolicy, ...]
    """Those on metrics of this component: the API may not know such a metric for ten minutes after it was created."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, platform = args.environment, args.platform
        super().__init__(
            "tenantry:monitoring:Monitoring",
            name,
            {"environment": environment.name, "host": environment.monitoring.app_host},
            opts,
        )
        ready = platform.ready("monitoring.googleapis.com")
        self.channels = create_channels(name, environment, args.external_secrets, depends_on=ready, parent=self)
        check = create_uptime_check(name, environment, depends_on=ready, parent=self)
        # the services whose metrics are read: their descriptors come with the API
        sources = platform.ready(
            "monitoring.googleapis.com", "run.googleapis.com", "sqladmin.googleapis.com", "workflows.googleapis.com"
        )
        objectives = create_objectives(name, environment, check, guard=args.guard, depends_on=sources, parent=self)
        ages = log_metrics.age_metrics(environment)
        definitions = [*log_metrics.EVENTS, *ages.all, *log_metrics.AUDIT]
        metrics = create_log_metrics(
            name,
            environment,
            definitions,
            audit_logs=args.audit_logs,
            depends_on=platform.ready("logging.googleapis.com"),
            parent=self,
        )
        silent = {
            tenant.instance_key
            for tenant in args.tenants
            if tenant.placement == "dedicated" and tenant.state == "suspended"
        }
        rules = [
            uptime_alert(check),
            *burn_alerts(objectives),
            *alert_rules.service_alerts(environment),
            *alert_rules.backup_alerts(environment, ages),
            *alert_rules.job_alerts(ages),
            *alert_rules.audit_alerts(),
            *(
                alert_rules.instance_alert(environment, instance, muted=instance.key in silent)
                for instance in args.instances
            ),
        ]
        self.alerts, on_own_metrics = {}, []
        for rule in rules:
            own = [metrics[key] for key in alert_rules.log_metrics_of(rule, definitions)]
            policy = create_alert(
                name, rule, environment, self.channels, guard=args.guard, depends_on=[*sources, *own], parent=self
            )
            self.alerts[rule.key] = policy
            if own:
                on_own_metrics.append(policy)
        self.metric_alerts = tuple(on_own_metrics)
        dashboards = create_dashboards(name, environment, ages, depends_on=ready, parent=self)
        create_budget(
            name,
            environment,
            self.channels,
            depends_on=platform.ready("billingbudgets.googleapis.com"),
            parent=self,
        )
        self.register_outputs(
            {
                "alerts": {key: policy.name for key, policy in self.alerts.items()},
                "dashboards": {key: dashboard.id for key, dashboard in dashboards.items()},
            }
        )
