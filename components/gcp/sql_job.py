"""The Cloud Run job that isolates tenants inside their databases (jobs/sql), and what starts it.

The cloud's API cannot do this: users it creates may do everything, and PUBLIC may connect to every database (R2.5).
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform, Workload
from components.gcp.workloads import project_grant, secrets_condition
from components.guard import Guard
from settings.plan import EnvironmentPlan

SCHEDULE: Final = "*/10 * * * *"
"""A new tenant waits ten minutes at most until its database is isolated and its URL is published."""
TIMEOUT: Final = "1800s"
TENANT_SECRETS: Final = "tenant-"


def create_sql_job(
    environment: EnvironmentPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> gcp.cloudrunv2.Job:
    """Create the job, the rights it needs and its schedule."""
    account = platform.accounts["sqljob"]
    credentials = secrets_condition(environment.gcp, TENANT_SECRETS)
    # reads credentials, publishes database URLs: on tenants' secrets only
    for role in ("roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionManager"):
        project_grant(
            f"sqljob-{role.rpartition('.')[2]}", environment.gcp, account, role, parent=parent, condition=credentials
        )
    job = run_job(
        "sql-job",
        job_name="tenantry-sql",
        workload="sqljob",
        args=["-m", "jobs.sql", "apply"],
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    schedule_job(
        "sql-job",
        job,
        job_name="tenantry-sql",
        schedule=SCHEDULE,
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    return job


def run_job(
    name: str,
    *,
    job_name: str,
    workload: Workload,
    args: list[str],
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
    timeout: str = TIMEOUT,
    cpu: str = "1",
    memory: str = "512Mi",
) -> gcp.cloudrunv2.Job:
    """Create a Cloud Run job of the jobs image inside the network, under the account of its workload."""
    account = platform.accounts[workload]
    return gcp.cloudrunv2.Job(
        name,
        name=job_name,
        project=environment.gcp.project,
        location=environment.gcp.region,
        # it holds no data, and a protected job would stop a change of its place
        deletion_protection=False,
        template={
            "task_count": 1,
            "template": {
                "service_account": account.email,
                "max_retries": 1,
                "timeout": timeout,
                "containers": [
                    {
                        "image": environment.gcp.jobs_image,
                        "args": args,
                        "envs": [
                            {"name": "PROJECT", "value": environment.gcp.project},
                            {"name": "REGISTRY_BUCKET", "value": environment.buckets.registry},
                            {"name": "EXPORTS_BUCKET", "value": environment.buckets.exports},
                        ],
                        "resources": {"limits": {"cpu": cpu, "memory": memory}},
                    }
                ],
                "vpc_access": {
                    "egress": "PRIVATE_RANGES_ONLY",
                    "network_interfaces": [{"network": platform.network.id, "subnetwork": platform.subnetwork.id}],
                },
            },
        },
        opts=guard.retrying(parent, depends_on=[*platform.ready("run.googleapis.com"), account.resource]),
    )


def schedule_job(
    name: str,
    job: gcp.cloudrunv2.Job,
    *,
    job_name: str,
    schedule: str,
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
    time_zone: str = "Etc/UTC",
) -> gcp.cloudscheduler.Job:
    """Start `job` by the clock, as the scheduler's account."""
    project, region = environment.gcp.project, environment.gcp.region
    scheduler = platform.accounts["scheduler"]
    invoker = gcp.cloudrunv2.JobIamMember(
        f"{name}-invoker",
        project=project,
        location=region,
        name=job.name,
        role="roles/run.invoker",
        member=scheduler.member,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[scheduler.resource]),
    )
    return gcp.cloudscheduler.Job(
        f"{name}-schedule",
        name=job_name,
        project=project,
        region=region,
        schedule=schedule,
        time_zone=time_zone,
        attempt_deadline="180s",
        retry_config={"retry_count": 1},
        http_target={
            "http_method": "POST",
            "uri": f"https://run.googleapis.com/v2/projects/{project}/locations/{region}/jobs/{job_name}:run",
            "body": b64encode(json.dumps({}).encode()).decode(),
            "headers": {"Content-Type": "application/json"},
            "oauth_token": {
                "service_account_email": scheduler.email,
                "scope": "https://www.googleapis.com/auth/cloud-platform",
            },
        },
        opts=guard.retrying(
            parent, depends_on=[*platform.ready("cloudscheduler.googleapis.com"), invoker, scheduler.resource]
        ),
    )
