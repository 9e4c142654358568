"""The Fargate task that makes tenants' databases and isolates them (jobs/sql), and what starts it.

AWS knows instances and nothing inside them: databases, roles and rights are made by SQL alone (R2.5).
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.jobs import define_task, schedule_task
from components.aws.platform import AwsPlatform
from components.guard import Guard
from settings.aws_cron import to_aws
from settings.plan import EnvironmentPlan

SCHEDULE: Final = "*/10 * * * *"
"""A new tenant waits ten minutes at most until its database is isolated and its URL is published."""
TASK: Final = "sql"
TIMEOUT_SECONDS: Final = 7_200
"""A restore is run as this task, too, and ends by itself before that (jobs/restore.py)."""


def create_sql_job(
    environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> aws.ecs.TaskDefinition:
    """Create the task and its schedule; its rights are those of its role."""
    definition = define_task(
        "sql-job",
        task=TASK,
        workload="sqljob",
        command=["-m", "jobs.sql", "apply"],
        timeout_seconds=TIMEOUT_SECONDS,
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    schedule_task(
        "sql-job",
        definition,
        task=TASK,
        workload="sqljob",
        expression=to_aws(SCHEDULE),
        time_zone="Etc/UTC",
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    return definition
