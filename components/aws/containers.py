"""What every container of the application shares on AWS, service or task: its variables, its secrets, its log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.application import application_secrets, whereabouts
from components.aws.naming import app_secret_arn, log_group_name, role_arn, task_family
from components.aws.platform import AwsPlatform, Workload
from components.aws.roles import FILES
from components.guard import Guard
from components.queues import queue_addresses
from settings.plan import EnvironmentPlan

LOG_DAYS: Final = 90
"""R6.6 asks for 30 days of logs and 90 of errors, which are in the same streams."""
_CPU_UNITS: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of the application.

    Attributes:
        name: of the container, its family and its log streams.
        workload: whose role it has.
        port: that it listens on; None when it does not.
        command: arguments; the image's own when empty.
        secrets: names of application secrets that it reads; all of them when None.
    """

    name: str
    workload: Workload
    image: str
    cpu: int
    memory_mb: int
    variables: Mapping[str, str]
    secrets: Sequence[str] | None
    port: int | None = None
    command: Sequence[str] = ()


def app_name(workload: str) -> str:
    """Last part of the names of a service or task; Tenantry's own jobs have none of these."""
    return f"app-{workload}"


def create_log_group(
    environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> aws.cloudwatch.LogGroup:
    """Create the log group of all services and tasks; each has a stream prefix of its own."""
    return aws.cloudwatch.LogGroup(
        "application-logs",
        name=log_group_name(environment, "application"),
        retention_in_days=LOG_DAYS,
        kms_key_id=platform.keys["logs", environment.aws.region].arn,
        opts=guard.retrying(parent),
    )


def define_container(
    name: str,
    container: Container,
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.ecs.TaskDefinition:
    """Declare a task; ECS reads its secrets when it starts, always in their newest version.

    The rotation's number is one of its variables: a rotation so makes a new revision, whose tasks replace the old ones.

    Args:
        name: Pulumi name.
        container: what runs.
        environment: the environment's plan.
        platform: roles and keys.
        depends_on: the log group, and the secrets' values.
        guard: the retry of creations that meet a new role too early.
        parent: owning component.
    """
    role = platform.roles[container.workload]
    wanted = application_secrets(environment, container.secrets)
    family = task_family(environment, app_name(container.name))
    definition = json.dumps(
        [
            # what ECS would fill in is written out, and no list that it would leave out: the next preview is empty
            {
                **({"command": list(container.command)} if container.command else {}),
                "cpu": 0,
                "environment": _variables(environment, container),
                "essential": True,
                "image": container.image,
                "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": log_group_name(environment, "application"),
                        "awslogs-region": environment.aws.region,
                        "awslogs-stream-prefix": container.name,
                    },
                },
                "mountPoints": [],
                "name": container.name,
                "portMappings": []
                if container.port is None
                else [{"containerPort": container.port, "hostPort": container.port, "protocol": "tcp"}],
                **(
                    {"secrets": [{"name": each, "valueFrom": app_secret_arn(environment, each)} for each in wanted]}
                    if wanted
                    else {}
                ),
                "systemControls": [],
                "volumesFrom": [],
            }
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    return aws.ecs.TaskDefinition(
        name,
        family=family,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(container.cpu * _CPU_UNITS),
        memory=str(container.memory_mb),
        runtime_platform={"cpu_architecture": "X86_64", "operating_system_family": "LINUX"},
        execution_role_arn=platform.execution_role.arn,
        task_role_arn=role.arn,
        container_definitions=definition,
        opts=guard.retrying(parent, depends_on=[*role.ready, *platform.execution_role.ready, *depends_on]),
    )


def _variables(environment: EnvironmentPlan, container: Container) -> list[dict[str, str]]:
    values = {
        **whereabouts(environment, "aws"),
        "TENANTRY_AWS_FILES_ROLE_ARN": role_arn(environment, FILES),
        "TENANTRY_ROTATION": str(environment.secrets.rotation),
        **queue_addresses(environment),
        **container.variables,
    }
    return [{"name": key, "value": value} for key, value in sorted(values.items())]
