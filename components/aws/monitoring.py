"""What is watched on AWS, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import alarm_rules, log_metrics
from components.aws.alarm_rules import LoadBalanced
from components.aws.alarms import Alarm, Conjunction, create_alarm, create_conjunction
from components.aws.budget import create_budget
from components.aws.channels import Channels, create_channels
from components.aws.dashboard import create_dashboards
from components.aws.dead_letters import dead_letters_name
from components.aws.events import record_events, unwanted
from components.aws.jobs import jobs_log_group
from components.aws.log_metrics import create_log_metrics
from components.aws.naming import GLOBAL_REGION, prefix
from components.aws.platform import AwsEnvironment
from components.aws.queue_names import dead_letter_queue_name, queue_name
from components.aws.uptime import burn_alarms, create_health_check, uptime_alarm
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan, TenantPlan

# What RDS itself has to say of an instance and no metric does: growth that failed, a failover, a disk that is full.
_RDS_EVENTS = ("failover", "failure", "low storage")


@dataclass(frozen=True, kw_only=True)
class AwsMonitoring:
    """Channels, alarms and dashboards."""

    channels: Channels
    alarms: Mapping[str, aws.cloudwatch.MetricAlarm | aws.cloudwatch.CompositeAlarm]
    """By the key of their rule; parts of composite alarms are not among them."""
    dashboards: Mapping[str, aws.cloudwatch.Dashboard]


def create_aws_monitoring(
    name: str,
    environment: EnvironmentPlan,
    instances: Sequence[InstancePlan],
    tenants: Sequence[TenantPlan],
    amazon: AwsEnvironment,
    *,
    services: Sequence[LoadBalanced] = (),
    external_secrets: Mapping[str, pulumi.Output[str]],
    guard: Guard,
    parent: pulumi.Resource,
) -> AwsMonitoring:
    """Topics, health check, log metrics, recorded events, alarms, dashboards and budget.

    No tenant has an object here: only an instance has, its alarms, which tell nobody while its one tenant is suspended
    (R2.6).

    Args:
        name: prefix of the Pulumi names.
        environment: the environment's plan.
        instances: the RDS instances.
        tenants: the tenants on AWS.
        amazon: the environment on AWS; changes are counted in its trail, results in its jobs' log.
        services: what runs behind a load balancer.
        external_secrets: the channels' tokens by name, as secret outputs.
        guard: the retry of creations that come before what they need is seen everywhere.
        parent: the component that owns them.
    """
    platform = amazon.platform
    home = environment.aws.region
    # one application, watched from its home
    watched = environment.home == "aws"
    regions = {home, *([GLOBAL_REGION] if watched else [])}
    channels = create_channels(name, environment, external_secrets, regions=regions, guard=guard, parent=parent)
    create_log_metrics(
        name,
        environment,
        [*log_metrics.JOBS, *log_metrics.AUDIT],
        {"jobs": platform.task_log_group, "trail": amazon.trail_log_group},
        parent=parent,
    )
    record_events(name, environment, platform, guard=guard, parent=parent)
    silent = {
        tenant.sql.instance_key for tenant in tenants if tenant.instance is not None and tenant.state == "suspended"
    }
    rules: list[Alarm] = [
        *alarm_rules.backup_alarms(environment),
        alarm_rules.replication_alarm(),
        *(alarm_rules.vault_alarms(prefix(environment)) if instances else []),
        *alarm_rules.job_alarms(),
        alarm_rules.dead_letter_alarm("schedules-dead-letters", dead_letters_name(environment)),
        *(event.alarm(environment) for event in unwanted(environment)),
        *alarm_rules.audit_alarms(),
        *(
            alarm
            for instance in instances
            for alarm in alarm_rules.instance_alarms(environment, instance, muted=instance.key in silent)
        ),
        *(alarm for service in services for alarm in alarm_rules.service_alarms(environment, service)),
        *(alarm for queue in (environment.queues if watched else ()) for alarm in _queue_alarms(environment, queue)),
    ]
    burning: list[Conjunction] = []
    if watched:
        check = create_health_check(name, environment, parent=parent)
        rules.append(uptime_alarm(check))
        burning = burn_alarms(environment, check)
    alarms: dict[str, aws.cloudwatch.MetricAlarm | aws.cloudwatch.CompositeAlarm] = {
        rule.key: create_alarm(name, rule, environment, channels, parent=parent) for rule in rules
    }
    for conjunction in burning:
        alarms[conjunction.key] = create_conjunction(name, conjunction, environment, channels, parent=parent)
    if instances:
        aws.rds.EventSubscription(
            f"{name}-database-events-{home}",
            name=f"{prefix(environment)}-databases",
            sns_topic=channels.topics[home, "warning"].arn,
            source_type="db-instance",
            event_categories=list(_RDS_EVENTS),
            enabled=True,
            region=home,
            opts=guard.retrying(parent, depends_on=channels.ready),
        )
    dashboards = create_dashboards(name, environment, jobs_group=jobs_log_group(environment), parent=parent)
    create_budget(name, environment, channels, parent=parent)
    return AwsMonitoring(channels=channels, alarms=alarms, dashboards=dashboards)


def _queue_alarms(environment: EnvironmentPlan, queue: str) -> list[Alarm]:
    return alarm_rules.queue_alarms(
        environment, queue, queue_name(environment, queue), dead_letter_queue_name(environment, queue)
    )
