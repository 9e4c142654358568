"""The application's scheduled work: a Cloud Run job for each task, started by the clock (R7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pulumi
import pulumi_gcp as gcp

from components.gcp.containers import app_name, container_variables
from components.gcp.platform import Platform
from components.gcp.sql_job import schedule_job
from components.guard import Guard
from settings.models import TaskSettings
from settings.plan import EnvironmentPlan


def create_task(
    name: str,
    settings: TaskSettings,
    *,
    environment: EnvironmentPlan,
    platform: Platform,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.cloudrunv2.Job:
    """Create a task under the worker's account and its schedule; a run that fails is tried once more."""
    account = platform.accounts["worker"]
    container: gcp.cloudrunv2.JobTemplateTemplateContainerArgsDict = {
        "image": settings.image,
        "args": list(settings.command),
        # a job and a service have the same variables by two names
        "envs": cast(
            "list[gcp.cloudrunv2.JobTemplateTemplateContainerEnvArgsDict]",
            container_variables(environment, settings.variables, settings.secrets),
        ),
        "resources": {"limits": {"cpu": str(settings.cpu), "memory": f"{settings.memory_mb}Mi"}},
    }
    job = gcp.cloudrunv2.Job(
        f"task-{name}",
        name=app_name(name),
        project=environment.gcp.project,
        location=environment.gcp.region,
        deletion_protection=False,
        template={
            "task_count": 1,
            "template": {
                "service_account": account.email,
                "max_retries": 1,
                "timeout": f"{settings.timeout_seconds}s",
                "containers": [container],
                "vpc_access": {
                    "egress": "PRIVATE_RANGES_ONLY",
                    "network_interfaces": [{"network": platform.network.id, "subnetwork": platform.subnetwork.id}],
                },
            },
        },
        opts=guard.retrying(parent, depends_on=[*platform.ready("run.googleapis.com"), account.resource, *depends_on]),
    )
    schedule_job(
        f"task-{name}",
        job,
        job_name=app_name(name),
        schedule=settings.schedule,
        time_zone=environment.backups.time_zone,
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    return job
