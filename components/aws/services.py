"""The application's services on Fargate: private tasks that only the load balancer reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.alarm_rules import LoadBalanced
from components.aws.containers import Container, app_name, define_container
from components.aws.load_balancer import LoadBalancer, name_host, route_host
from components.aws.naming import cluster_name, prefix, task_family
from components.aws.platform import AwsPlatform
from components.guard import Guard
from settings.models import ServiceSettings
from settings.plan import EnvironmentPlan

CPU_TARGET: Final = 60.0
"""Percent of its processors that a service uses on average before another task starts."""
_START_SECONDS: Final = 150
_DRAIN_SECONDS: Final = 30
_NAME_LIMIT: Final = 20


def create_service(
    name: str,
    settings: ServiceSettings,
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    balancer: LoadBalancer | None,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> tuple[LoadBalanced, ...]:
    """Create a service and, beside it, its canary: a second service with a share of the requests.

    Without a host nothing reaches it: it works off queues. Returns what its alarms watch.

    Args:
        name: name of the service in the settings.
        settings: what it is.
        environment: the environment's plan.
        platform: what it attaches to.
        balancer: the way in; None when no service has a host.
        depends_on: what its tasks need.
        guard: the retry of creations that meet a new role too early.
        parent: owning component.
    """
    images, shares = {name: settings.image}, {name: 100}
    if settings.canary is not None:
        canary = f"{name}-canary"
        images[canary] = settings.canary.image
        shares = {name: 100 - settings.canary.percent, canary: settings.canary.percent}
    groups: dict[str, aws.lb.TargetGroup] = {}
    reached: list[pulumi.Resource] = []
    if settings.host is not None and balancer is not None:
        groups = {
            each: _target_group(each, settings, environment, platform, guard=guard, parent=parent) for each in images
        }
        weights = {each: (group, shares[each]) for each, group in groups.items()}
        reached = [
            route_host(name, settings.host, weights, balancer=balancer, guard=guard, parent=parent),
            *balancer.opened,
        ]
        name_host(name, settings, balancer, guard=guard, parent=parent)
    for each, image in images.items():
        definition = define_container(
            f"service-{each}-task",
            Container(
                name=each,
                workload=settings.account,
                image=image,
                cpu=settings.cpu,
                memory_mb=settings.memory_mb,
                variables=settings.variables,
                secrets=settings.secrets,
                port=settings.port,
            ),
            environment=environment,
            platform=platform,
            depends_on=depends_on,
            guard=guard,
            parent=parent,
        )
        _run(
            each,
            settings,
            definition,
            group=groups.get(each),
            environment=environment,
            platform=platform,
            depends_on=reached,
            guard=guard,
            parent=parent,
        )
    if balancer is None:
        return ()
    return tuple(
        LoadBalanced(key=each, load_balancer=balancer.resource.arn_suffix, target_group=group.arn_suffix)
        for each, group in groups.items()
    )


def _run(
    name: str,
    settings: ServiceSettings,
    definition: aws.ecs.TaskDefinition,
    *,
    group: aws.lb.TargetGroup | None,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> None:
    """Keep tasks running, as many as their load needs; a deployment that does not become healthy is rolled back."""
    service_name = task_family(environment, app_name(name))
    opts = guard.retrying(parent, depends_on=[*platform.egress, *depends_on])
    opts.ignore_changes = ["desiredCount"]  # the scaling below changes it all day
    service = aws.ecs.Service(
        f"service-{name}",
        name=service_name,
        cluster=platform.cluster.arn,
        task_definition=definition.arn,
        launch_type="FARGATE",
        platform_version="LATEST",
        desired_count=settings.min_instances,
        deployment_minimum_healthy_percent=100,
        deployment_maximum_percent=200,
        deployment_circuit_breaker={"enable": True, "rollback": True},
        availability_zone_rebalancing="ENABLED",
        enable_ecs_managed_tags=True,
        enable_execute_command=False,
        propagate_tags="SERVICE",
        health_check_grace_period_seconds=None if group is None else _START_SECONDS,
        load_balancers=None
        if group is None
        else [{"container_name": name, "container_port": settings.port, "target_group_arn": group.arn}],
        network_configuration={
            "assign_public_ip": False,
            "security_groups": [platform.security_groups[settings.account].id],
            "subnets": [subnet.id for subnet in platform.private_subnets],
        },
        # `up` ends when the tasks are healthy, or fails when they have been rolled back
        wait_for_steady_state=True,
        opts=opts,
    )
    target = aws.appautoscaling.Target(
        f"service-{name}-capacity",
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=service.name.apply(lambda made: f"service/{cluster_name(environment)}/{made}"),
        min_capacity=settings.min_instances,
        max_capacity=settings.max_instances,
        opts=guard.retrying(parent),
    )
    aws.appautoscaling.Policy(
        f"service-{name}-scaling",
        name="cpu",
        policy_type="TargetTrackingScaling",
        service_namespace=target.service_namespace,
        scalable_dimension=target.scalable_dimension,
        resource_id=target.resource_id,
        target_tracking_scaling_policy_configuration={
            "predefined_metric_specification": {"predefined_metric_type": "ECSServiceAverageCPUUtilization"},
            "target_value": CPU_TARGET,
            "scale_in_cooldown": 300,
            "scale_out_cooldown": 60,
        },
        opts=guard.retrying(parent),
    )


def _target_group(
    name: str,
    settings: ServiceSettings,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.lb.TargetGroup:
    """A group that is replaced gets another name: the old one is in use until the new one takes over."""
    made_of = f"{prefix(environment)}/{name}/{settings.port}"
    return aws.lb.TargetGroup(
        f"service-{name}-targets",
        name=f"{name[:_NAME_LIMIT]}-{hashlib.sha256(made_of.encode()).hexdigest()[:10]}",
        port=settings.port,
        protocol="HTTP",
        target_type="ip",
        vpc_id=platform.vpc.id,
        deregistration_delay=_DRAIN_SECONDS,
        health_check={
            "enabled": True,
            "path": settings.health_path,
            "protocol": "HTTP",
            "matcher": "200",
            "interval": 15,
            "timeout": 5,
            "healthy_threshold": 2,
            "unhealthy_threshold": 3,
        },
        opts=guard.retrying(parent),
    )
