"""The job that reports how old exports, drills and secrets are: absence raises no event, so somebody has to look."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.gcp.sql_job import run_job, schedule_job
from components.guard import Guard
from settings.plan import EnvironmentPlan

SCHEDULE: Final = "23 * * * *"
"""Hourly: ages are alerted on in hours at the least (`backups.export_max_age_hours`)."""


def watch_job(
    environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> gcp.cloudrunv2.Job:
    """Create the job and its schedule; its rights are with the other backup grants and the buckets' own."""
    job = run_job(
        "watch-job",
        job_name="tenantry-watch",
        workload="watch",
        args=["-m", "jobs.watch"],
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    schedule_job(
        "watch-job",
        job,
        job_name="tenantry-watch",
        schedule=SCHEDULE,
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    return job
