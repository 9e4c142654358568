"""The export and drill workflows and the clocks that start them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal
from zlib import crc32

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.guard import Guard
from settings.plan import EnvironmentPlan, InstancePlan

Role = Literal["export", "drill", "firestore-export", "firestore-drill"]
ROLES: Final[tuple[Role, ...]] = ("export", "drill")

_SOURCES: Final = Path(__file__).parent / "workflows"
_DESCRIPTIONS: Final[dict[Role, str]] = {
    "export": "Exports every database of a SQL instance and proves final exports",
    "drill": "Restores every SQL instance into a scratch instance and checks it",
    "firestore-export": "Exports every Firestore database and proves final exports",
    "firestore-drill": "Restores every Firestore database into a scratch database and checks it",
}
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_HOUR_MINUTES: Final = 60
_STAGGER_MINUTES: Final = 5


def service_agent(
    environment: EnvironmentPlan, platform: Platform, *, parent: pulumi.Resource
) -> gcp.projects.ServiceIdentity:
    """Ask for the agent that runs workflows: in a new project the first workflow otherwise fails without it."""
    return gcp.projects.ServiceIdentity(
        "agent-workflows",
        project=environment.gcp.project,
        service="workflows.googleapis.com",
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*platform.ready("workflows.googleapis.com")]),
    )


def create_workflow(
    role: Role,
    environment: EnvironmentPlan,
    platform: Platform,
    sql_job: gcp.cloudrunv2.Job,
    *,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.workflows.Workflow:
    """Create `tenantry-<role>` from its source beside this module; what differs by environment is in its variables."""
    plan = environment.gcp
    account = platform.accounts["backup"]
    return gcp.workflows.Workflow(
        f"workflow-{role}",
        name=f"tenantry-{role}",
        project=plan.project,
        region=plan.region,
        description=_DESCRIPTIONS[role],
        service_account=account.email,
        source_contents=(_SOURCES / f"{role}.yaml").read_text(encoding="utf-8"),
        user_env_vars={
            "EXPORTS_BUCKET": environment.buckets.exports,
            "REGISTRY_BUCKET": environment.buckets.registry,
            "SQL_JOB": sql_job.name.apply(lambda name: f"projects/{plan.project}/locations/{plan.region}/jobs/{name}"),
        },
        call_log_level="LOG_ERRORS_ONLY",
        # it holds no data and is made again from its source
        deletion_protection=False,
        opts=guard.retrying(
            parent,
            depends_on=[
                *platform.ready("workflows.googleapis.com", "sqladmin.googleapis.com", "run.googleapis.com"),
                account.resource,
                *depends_on,
            ],
        ),
    )


def stagger(schedule: str, key: str) -> str:
    """Move a schedule's minute, so that instances do not start together, by a step that follows from the key alone.

    A position in a list would move everybody when an instance arrives. Only a plain minute is moved, within its hour; a
    list, range or step is what somebody chose and stays.
    """
    minute, rest = schedule.split(maxsplit=1)
    if not minute.isdigit():
        return schedule
    steps = crc32(key.encode()) % (_HOUR_MINUTES // _STAGGER_MINUTES)
    return f"{(int(minute) + steps * _STAGGER_MINUTES) % _HOUR_MINUTES} {rest}"


def schedule_export(
    plan: InstancePlan,
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.cloudscheduler.Job:
    """Start the export of one instance every night."""
    return schedule_workflow(
        f"{plan.key}-export-schedule",
        job_name=f"tenantry-export-{plan.key}",
        role="export",
        schedule=stagger(environment.backups.export_schedule, plan.key),
        argument={"instance": plan.key, "name": plan.name},
        environment=environment,
        platform=platform,
        depends_on=depends_on,
        guard=guard,
        parent=parent,
    )


def schedule_drill(
    environment: EnvironmentPlan,
    platform: Platform,
    *,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.cloudscheduler.Job:
    """Start the drill of all instances, which it takes one by one."""
    return schedule_workflow(
        "drill-schedule",
        job_name="tenantry-drill",
        role="drill",
        schedule=environment.backups.drill_schedule,
        # every instance that the registry declares
        argument={},
        environment=environment,
        platform=platform,
        depends_on=depends_on,
        guard=guard,
        parent=parent,
    )


def schedule_workflow(
    name: str,
    *,
    job_name: str,
    role: Role,
    schedule: str,
    argument: object,
    environment: EnvironmentPlan,
    platform: Platform,
    depends_on: Sequence[pulumi.Resource],
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.cloudscheduler.Job:
    """Start `tenantry-<role>` by the clock, as the scheduler's account."""
    project, region = environment.gcp.project, environment.gcp.region
    scheduler = platform.accounts["scheduler"]
    # an execution's argument is itself a JSON text inside the JSON body
    body = json.dumps({"argument": json.dumps(argument, sort_keys=True)})
    return gcp.cloudscheduler.Job(
        name,
        name=job_name,
        project=project,
        region=region,
        schedule=schedule,
        time_zone=environment.backups.time_zone,
        attempt_deadline="180s",
        # for a start that failed; a second start of the same night only exports once more, under other names
        retry_config={
            "retry_count": 3,
            "min_backoff_duration": "30s",
            "max_backoff_duration": "300s",
            "max_doublings": 3,
        },
        http_target={
            "http_method": "POST",
            "uri": (
                "https://workflowexecutions.googleapis.com/v1/"
                f"projects/{project}/locations/{region}/workflows/tenantry-{role}/executions"
            ),
            "headers": {"Content-Type": "application/json"},
            "body": b64encode(body.encode()).decode(),
            "oauth_token": {"service_account_email": scheduler.email, "scope": _SCOPE},
        },
        opts=guard.retrying(
            parent,
            depends_on=[
                *platform.ready("cloudscheduler.googleapis.com", "workflowexecutions.googleapis.com"),
                scheduler.resource,
                *depends_on,
            ],
        ),
    )
