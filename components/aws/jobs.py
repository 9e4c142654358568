"""Jobs of the data plane on AWS: Fargate tasks of the jobs image inside the network, started by the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.dead_letters import dead_letters_arn
from components.aws.naming import cluster_arn, cluster_name, log_group_name, task_definition_arn, task_family
from components.aws.platform import AwsPlatform, Key, KeyUse, Workload
from components.guard import Guard
from settings.plan import EnvironmentPlan

JOBS_LOG_GROUP: Final = "jobs"
"""Last part of the name of the log group that all of them write to, each under a prefix of its own."""
DEFAULT_DISK_GB: Final = 20
"""What a task has without asking; Fargate takes 21 to 200 when asked."""

LOG_DAYS: Final = 90
TIMEOUT_SECONDS: Final = 1800
_KILL_AFTER_SECONDS: Final = 30
_USER: Final = "10001"  # the jobs image's own (jobs/Dockerfile)
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 3600


def jobs_log_group(environment: EnvironmentPlan) -> str:
    """Name of the jobs' log group, a literal."""
    return log_group_name(environment, JOBS_LOG_GROUP)


def create_task_log_group(
    environment: EnvironmentPlan, keys: Mapping[tuple[KeyUse, str], Key], *, guard: Guard, parent: pulumi.Resource
) -> aws.cloudwatch.LogGroup:
    """Create the log group; R6.6 asks for 30 days of logs and 90 of errors, which are in the same streams."""
    return aws.cloudwatch.LogGroup(
        "task-logs",
        name=jobs_log_group(environment),
        retention_in_days=LOG_DAYS,
        kms_key_id=keys["logs", environment.aws.region].arn,
        opts=guard.retrying(parent),
    )


def create_cluster(environment: EnvironmentPlan, *, guard: Guard, parent: pulumi.Resource) -> aws.ecs.Cluster:
    """Create the cluster of all tasks; Fargate needs no machine in it."""
    return aws.ecs.Cluster(
        "cluster",
        name=cluster_name(environment),
        settings=[{"name": "containerInsights", "value": "enabled"}],
        opts=guard.retrying(parent),
    )


def define_task(
    name: str,
    *,
    task: str,
    command: Sequence[str],
    workload: Workload,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    cpu: int = 512,
    memory: int = 1024,
    ephemeral_gb: int = DEFAULT_DISK_GB,
    timeout_seconds: int = TIMEOUT_SECONDS,
    variables: Mapping[str, str] | None = None,
    parent: pulumi.Resource,
    guard: Guard,
) -> aws.ecs.TaskDefinition:
    """Declare a task of the jobs image, as its workload's role.

    It has no capability, runs as the image's own user, and ends itself in time: Fargate would let it run for ever. It
    is given no secret: jobs read theirs by name, with their own role.

    Args:
        name: prefix of the Pulumi name.
        task: last part of the family's name.
        command: arguments of the image's entry point.
        workload: whose role it runs as.
        environment: image, regions and buckets.
        platform: roles and log group.
        cpu: CPU units, 1024 to a processor.
        memory: MiB, one of those that go with `cpu`.
        ephemeral_gb: disk for scratch data, in GiB; a task with more than the default may write to its disk.
        timeout_seconds: longest run.
        variables: beyond those that tell every job where it is.
        parent: owning component.
        guard: the retry of creations that meet a new role too early.
    """
    region = environment.aws.region
    known = {
        "TENANTRY_CLOUD": "aws",
        "TENANTRY_EXPORTS": environment.buckets.exports,
        "TENANTRY_EXPORTS_REGION": environment.aws.backup_region,
        "TENANTRY_REGION": region,
        "TENANTRY_REGISTRY": environment.buckets.registry,
        **(variables or {}),
    }
    # every field that ECS would fill in is written out: the next preview is empty
    container = {
        "command": list(command),
        "cpu": 0,
        "entryPoint": ["timeout", f"--kill-after={_KILL_AFTER_SECONDS}", str(timeout_seconds), "python"],
        "environment": [{"name": key, "value": value} for key, value in sorted(known.items())],
        "essential": True,
        "image": environment.aws.jobs_image,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": jobs_log_group(environment),
                "awslogs-region": region,
                "awslogs-stream-prefix": task,
            },
        },
        "mountPoints": [],
        "name": task,
        "portMappings": [],
        "readonlyRootFilesystem": ephemeral_gb == DEFAULT_DISK_GB,
        "systemControls": [],
        "user": _USER,
        "volumesFrom": [],
    }
    role = platform.roles[workload]
    return aws.ecs.TaskDefinition(
        f"{name}-task",
        family=task_family(environment, task),
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(cpu),
        memory=str(memory),
        ephemeral_storage=None if ephemeral_gb == DEFAULT_DISK_GB else {"size_in_gib": ephemeral_gb},
        runtime_platform={"cpu_architecture": "X86_64", "operating_system_family": "LINUX"},
        execution_role_arn=platform.execution_role.arn,
        task_role_arn=role.arn,
        container_definitions=json.dumps([container], sort_keys=True, separators=(",", ":")),
        opts=guard.retrying(parent, depends_on=[*role.ready, *platform.execution_role.ready, platform.task_log_group]),
    )


def schedule_task(
    name: str,
    definition: aws.ecs.TaskDefinition,
    *,
    task: str,
    expression: str,
    workload: Workload,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    time_zone: str = "Etc/UTC",
    dead_letters: aws.sqs.Queue | None = None,
    depends_on: Sequence[pulumi.Resource] = (),
    parent: pulumi.Resource,
    guard: Guard,
) -> aws.scheduler.Schedule:
    """Start the newest revision of a task by the clock, in the private subnets, as the scheduler's role.

    Args:
        name: prefix of the Pulumi name.
        definition: what to start.
        task: last part of the family's name.
        expression: `cron(...)` or `rate(...)` of EventBridge Scheduler.
        workload: whose security group it runs in.
        environment: names.
        platform: cluster, subnets, groups.
        time_zone: of the expression.
        dead_letters: where a start goes that failed for an hour; nowhere when None.
        depends_on: rights that the task needs.
        parent: owning component.
        guard: the retry of creations that meet a new role too early.
    """
    scheduler = platform.roles["scheduler"]
    return aws.scheduler.Schedule(
        f"{name}-schedule",
        name=task_family(environment, task),
        group_name="default",
        description=f"Starts {task_family(environment, task)}",
        schedule_expression=expression,
        schedule_expression_timezone=time_zone,
        flexible_time_window={"mode": "OFF"},
        state="ENABLED",
        target={
            "arn": cluster_arn(environment),
            "role_arn": scheduler.arn,
            "ecs_parameters": {
                # without a revision: the newest
                "task_definition_arn": task_definition_arn(environment, task),
                "launch_type": "FARGATE",
                "task_count": 1,
                "propagate_tags": "TASK_DEFINITION",
                "enable_ecs_managed_tags": True,
                "enable_execute_command": False,
                "network_configuration": {
                    "assign_public_ip": False,
                    "security_groups": [platform.security_groups[workload].id],
                    "subnets": [subnet.id for subnet in platform.private_subnets],
                },
            },
            "retry_policy": {
                "maximum_event_age_in_seconds": _RETRY_SECONDS,
                "maximum_retry_attempts": _RETRIES,
            },
            "dead_letter_config": None if dead_letters is None else {"arn": dead_letters_arn(environment)},
        },
        opts=guard.retrying(
            parent,
            depends_on=[
                definition,
                platform.cluster,
                *scheduler.ready,
                *platform.egress,
                *([] if dead_letters is None else [dead_letters]),
                *depends_on,
            ],
        ),
    )
