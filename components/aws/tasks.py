"""The application's scheduled work on AWS: a Fargate task for each, started by the clock (R7.2).

Fargate has no limit on a run: a task on AWS ends itself, or goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.aws.containers import Container, app_name, define_container
from components.aws.jobs import schedule_task
from components.aws.platform import AwsPlatform
from components.guard import Guard
from settings.aws_cron import to_aws
from settings.models import TaskSettings
from settings.plan import EnvironmentPlan


def create_task(
    name: str,
    settings: TaskSettings,
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.scheduler.Schedule:
    """Create a task under the worker's role and its schedule."""
    definition = define_container(
        f"task-{name}-task",
        Container(
            name=name,
            workload="worker",
            image=settings.image,
            cpu=settings.cpu,
            memory_mb=settings.memory_mb,
            variables=settings.variables,
            secrets=settings.secrets,
            command=settings.command,
        ),
        environment=environment,
        platform=platform,
        depends_on=depends_on,
        guard=guard,
        parent=parent,
    )
    return schedule_task(
        f"task-{name}",
        definition,
        task=app_name(name),
        expression=to_aws(settings.schedule),
        workload="worker",
        environment=environment,
        platform=platform,
        time_zone=environment.backups.time_zone,
        parent=parent,
        guard=guard,
    )
