"""What is watched on Google Cloud, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.gcp import alert_rules, log_metrics
from components.gcp.alerts import create_alert
from components.gcp.budget import create_budget
from components.gcp.channels import Channels, create_channels
from components.gcp.dashboard import create_dashboards
from components.gcp.environment import GoogleEnvironment
from components.gcp.log_metrics import create_log_metrics
from components.gcp.serving_alerts import serving_alerts
from components.gcp.slo import burn_alerts, create_objectives
from components.gcp.uptime import create_uptime_check, uptime_alert
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan, TenantPlan


@dataclass(frozen=True, kw_only=True)
class GoogleMonitoring:
    """Channels, alert policies and dashboards."""

    channels: Channels
    alerts: Mapping[str, gcp.monitoring.AlertPolicy]
    """Policies by the key of their rule."""
    metric_alerts: tuple[gcp.monitoring.AlertPolicy, ...]
    """Those on metrics of their own: the API may not know such a metric for ten minutes after it was created."""
    dashboards: Mapping[str, gcp.monitoring.Dashboard]


def create_google_monitoring(
    name: str,
    environment: EnvironmentPlan,
    instances: Sequence[InstancePlan],
    tenants: Sequence[TenantPlan],
    google: GoogleEnvironment,
    *,
    external_secrets: Mapping[str, pulumi.Output[str]],
    guard: Guard,
    parent: pulumi.Resource,
) -> GoogleMonitoring:
    """Channels, uptime check, log metrics, alert policies, objectives, dashboards and budget.

    A tenant is a label here: only an instance has an object of its own, its alert policy, which is disabled while its
    one tenant is suspended (R2.6).

    Args:
        name: prefix of the Pulumi names.
        environment: the environment's plan.
        instances: the Cloud SQL instances.
        tenants: the tenants on Google Cloud.
        google: the environment on Google Cloud; changes are counted in its audit logs.
        external_secrets: the channels' tokens by name, as secret outputs.
        guard: the retry of creations that come before what they need is seen everywhere.
        parent: the component that owns them.
    """
    platform = google.platform
    ready = platform.ready("monitoring.googleapis.com")
    channels = create_channels(name, environment, external_secrets, depends_on=ready, parent=parent)
    check = create_uptime_check(name, environment, depends_on=ready, parent=parent)
    # the services whose metrics are read: their descriptors come with the API
    sources = platform.ready(
        "monitoring.googleapis.com", "run.googleapis.com", "sqladmin.googleapis.com", "workflows.googleapis.com"
    )
    objectives = create_objectives(name, environment, check, guard=guard, depends_on=sources, parent=parent)
    ages = log_metrics.age_metrics(environment)
    kinds = {tenant.kind for tenant in tenants}
    guests = log_metrics.GUEST_EVENTS if "external" in kinds else ()
    served = (log_metrics.MEMORY_KILLED,) if environment.services and environment.home == "gcp" else ()
    definitions = [*log_metrics.EVENTS, *guests, *served, *ages.all, *log_metrics.AUDIT]
    metrics = create_log_metrics(
        name,
        environment,
        definitions,
        audit_logs=google.audit_logs,
        depends_on=platform.ready("logging.googleapis.com"),
        parent=parent,
    )
    silent = {
        tenant.sql.instance_key for tenant in tenants if tenant.instance is not None and tenant.state == "suspended"
    }
    rules = [
        uptime_alert(check),
        *burn_alerts(objectives),
        *alert_rules.service_alerts(environment),
        *serving_alerts(environment),
        *alert_rules.backup_alerts(environment, ages),
        *alert_rules.job_alerts(ages),
        *alert_rules.audit_alerts(),
        *(alert_rules.firestore_alerts(environment) if "firestore" in kinds else ()),
        *(alert_rules.guest_alerts() if "external" in kinds else ()),
        *([alert_rules.instances_alert(environment)] if instances else ()),
        *(alert_rules.instance_alert(environment, instance, muted=instance.key in silent) for instance in instances),
    ]
    alerts: dict[str, gcp.monitoring.AlertPolicy] = {}
    on_own_metrics = []
    for rule in rules:
        own = [metrics[key] for key in alert_rules.log_metrics_of(rule, definitions)]
        policy = create_alert(
            name, rule, environment, channels, guard=guard, depends_on=[*sources, *own], parent=parent
        )
        alerts[rule.key] = policy
        if own:
            on_own_metrics.append(policy)
    dashboards = create_dashboards(name, environment, ages, depends_on=ready, parent=parent)
    create_budget(
        name,
        environment,
        channels,
        depends_on=platform.ready("billingbudgets.googleapis.com"),
        parent=parent,
    )
    return GoogleMonitoring(
        channels=channels, alerts=alerts, metric_alerts=tuple(on_own_metrics), dashboards=dashboards
    )
