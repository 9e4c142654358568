"""An environment on AWS as the components register it, from a small configuration that tests can change."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import pulumi
import pulumi_aws as aws

from components.aws.alarm_rules import LoadBalanced
from components.backup_schedule import BackupSchedule, BackupScheduleArgs
from components.environment import Environment, EnvironmentArgs
from components.guard import register_guard
from components.monitoring import Monitoring, MonitoringArgs
from components.tenant import create_tenants
from sandbox.mocks import SandboxMocks, boot
from settings.lifecycle import Previous
from settings.plan import Plan
from settings.resolve import load

Raw = dict[str, Any]
Edit = Callable[[Raw], object]

ACCOUNT = "415500388103"
HOME, AWAY = "eu-central-1", "eu-west-1"


def _raw() -> Raw:
    return {
        "environment": {"name": "prod", "organization": "ledgerly", "cost_centre": "cc-1"},
        "aws": {
            "account_id": ACCOUNT,
            "region": HOME,
            "backup_region": AWAY,
            "jobs_image": f"{ACCOUNT}.dkr.ecr.{HOME}.amazonaws.com/jobs@sha256:{'0' * 64}",
        },
        "plans": {"standard": {"pool": "main"}},
        "pools": {
            "main": {"capacity": 10, "availability": "REGIONAL", "pitr_days": 30, "retained_backups": 35},
        },
        "tenants": [
            {"id": "acme"},
            {"id": "guest", "kind": "external"},
            {
                "id": "granite",
                "placement": "dedicated",
                "instance": {
                    "availability": "REGIONAL",
                    "pitr_days": 30,
                    "retained_backups": 30,
                    "disk_gb": 100,
                    "disk_limit_gb": 400,
                    "max_connections": 200,
                },
            },
        ],
        "monitoring": {
            "app_host": "app.ledgerly.example",
            "channels": {
                "email": ["platform@ledgerly.example"],
                "pagerduty": True,
                "slack": {"channel": "#alerts", "workspace_id": "T0LEDGERLY", "channel_id": "C0ALERTS01"},
            },
            "budget": {"amount": 1500, "currency": "USD"},
        },
        "secrets": {"external": ["PAGERDUTY_KEY"]},
    }


def plan(edit: Edit | None = None) -> Plan:
    """The plan of the configuration, changed in place by `edit`."""
    raw = copy.deepcopy(_raw())
    if edit is not None:
        edit(raw)
    return load(raw, raw["environment"]["name"])


@functools.cache
def built() -> SandboxMocks:
    """The configuration as it is; every caller gets the same run: do not change it."""
    return build()


def build(
    edit: Edit | None = None,
    *,
    adjust: Callable[[Plan], Plan] = lambda made: made,
    balanced: Sequence[LoadBalanced] = (),
) -> SandboxMocks:
    """Everything that environment, tenants, backups and monitoring register.

    Args:
        edit: changes the configuration in place.
        adjust: changes the plan that comes of it.
        balanced: what answers behind a load balancer.
    """
    made = adjust(plan(edit))
    mocks = boot(stack=made.environment.name)

    def program() -> None:
        guard = register_guard(Previous.from_outputs({}), [])
        external = {name: pulumi.Output.secret(f"value of {name}") for name in made.external_secrets}
        provider = aws.Provider("aws", region=HOME, allowed_account_ids=[ACCOUNT])
        opts = pulumi.ResourceOptions(providers=[provider])
        clouds = Environment("prod", EnvironmentArgs(plan=made, guard=guard), opts).clouds
        tenants = create_tenants(made, clouds, external, guard, opts)
        databases = {tenant_id: tenant.database for tenant_id, tenant in tenants.items()}
        BackupSchedule("backups", BackupScheduleArgs(plan=made, clouds=clouds, databases=databases, guard=guard), opts)
        watched = MonitoringArgs(plan=made, clouds=clouds, external_secrets=external, guard=guard, balanced=balanced)
        Monitoring("monitoring", watched, opts)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"aws\.\S+ has been deprecated", DeprecationWarning)
        # awaits every registration; the SDK has no type for it
        cast("Any", pulumi.runtime.test)(program)()
    return mocks
