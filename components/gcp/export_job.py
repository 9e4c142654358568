"""The jobs that export guest databases nightly and rehearse their restore weekly (jobs/export, jobs/drill).

Cloud SQL exports itself (the export workflow); a guest is dumped from outside, by a job with a login of its own.
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.gcp.sql_job import run_job, schedule_job
from components.guard import Guard
from settings.plan import EnvironmentPlan

EXPORT_TIMEOUT: Final = "14400s"
"""Four hours for every guest of the night."""
# A drill, and the export of a leaving tenant, restore into a server inside the container: its disk is its memory.
RESTORE_CPU: Final = "4"
RESTORE_MEMORY: Final = "16Gi"
DUMP_FOLDER: Final = "dump/"


def create_export_jobs(
    environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, gcp.cloudrunv2.Job]:
    """Create both jobs, their clocks, and the right to add dumps; the URLs are granted secret by secret."""
    account = platform.accounts["backup"]
    bucket = f"projects/_/buckets/{environment.buckets.exports}"
    gcp.storage.BucketIAMMember(
        "backup-dumps",
        bucket=platform.buckets["exports"].name,
        role="roles/storage.objectCreator",
        member=account.member,
        condition={
            "title": "folder-dump",
            "description": f"Only objects below {DUMP_FOLDER}",
            "expression": f'resource.name.startsWith("{bucket}/objects/{DUMP_FOLDER}")',
        },
        opts=guard.retrying(parent, depends_on=[account.resource]),
    )
    export = run_job(
        "export-job",
        job_name="tenantry-guest-export",
        workload="backup",
        args=["-m", "jobs.export"],
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
        timeout=EXPORT_TIMEOUT,
        # a final export is restored where it was made
        cpu=RESTORE_CPU,
        memory=RESTORE_MEMORY,
    )
    drill = run_job(
        "drill-job",
        job_name="tenantry-guest-drill",
        workload="backup",
        args=["-m", "jobs.drill"],
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
        timeout=EXPORT_TIMEOUT,
        cpu=RESTORE_CPU,
        memory=RESTORE_MEMORY,
    )
    for name, job, schedule in (
        ("export", export, environment.backups.export_schedule),
        ("drill", drill, environment.backups.drill_schedule),
    ):
        schedule_job(
            f"{name}-job",
            job,
            job_name=f"tenantry-guest-{name}",
            schedule=schedule,
            time_zone=environment.backups.time_zone,
            environment=environment,
            platform=platform,
            guard=guard,
            parent=parent,
        )
    return {"export": export, "drill": drill}
