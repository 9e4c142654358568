"""One service account per workload, with the least that it needs; no keys, ever (R5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Account, Workload
from settings.plan import GcpPlan

_PURPOSE: Final[Mapping[Workload, str]] = {
    "gateway": "Serves the application; reads tenants' database URLs",
    "worker": "Background jobs; logs in to databases with its identity",
    "migrator": "Schema migrations; logs in to databases with its identity",
    "backup": "Exports and restore drills",
    "sqljob": "Isolates tenants inside the databases and rotates their logins",
    "watch": "Reports the age of exports, drills and secrets",
    "scheduler": "Starts workflows and jobs",
    "web": "The web application on Vercel, which becomes this account with a token of its own",
}

# Project-wide roles; everything narrower is granted on the resource itself, where that is created.
_PROJECT_ROLES: Final[Mapping[Workload, tuple[str, ...]]] = {
    "gateway": ("roles/logging.logWriter", "roles/monitoring.metricWriter"),
    "worker": ("roles/cloudsql.instanceUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"),
    "migrator": ("roles/cloudsql.instanceUser", "roles/logging.logWriter"),
    "backup": (),
    "sqljob": ("roles/cloudsql.instanceUser", "roles/logging.logWriter"),
    "watch": ("roles/logging.logWriter",),
    "scheduler": (),
    "web": (),
}


def create_accounts(
    plan: GcpPlan, api: pulumi.Resource, parent: pulumi.Resource, *, web: bool
) -> dict[Workload, Account]:
    """Create the accounts and their project-wide roles; `web` only if wanted."""
    accounts: dict[Workload, Account] = {}
    for workload in get_args(Workload):
        if workload == "web" and not web:
            continue
        account = gcp.serviceaccount.Account(
            f"account-{workload}",
            project=plan.project,
            account_id=f"tenantry-{workload}",
            display_name=f"tenantry {workload}",
            description=_PURPOSE[workload],
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[api]),
        )
        accounts[workload] = Account(
            resource=account, email=f"tenantry-{workload}@{plan.project}.iam.gserviceaccount.com"
        )
        for role in _PROJECT_ROLES[workload]:
            project_grant(f"{workload}-{role.rpartition('/')[2]}", plan, accounts[workload], role, parent=parent)
    return accounts


def project_grant(
    name: str,
    plan: GcpPlan,
    account: Account,
    role: str,
    *,
    parent: pulumi.Resource,
    condition: gcp.projects.IAMMemberConditionArgsDict | None = None,
) -> gcp.projects.IAMMember:
    """Grant `role` on the project to a workload; additive, so that it never takes a grant away from anybody else."""
    return gcp.projects.IAMMember(
        f"grant-{name}",
        project=plan.project,
        role=role,
        member=account.member,
        condition=condition,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[account.resource]),
    )


def secrets_condition(plan: GcpPlan, prefix: str) -> gcp.projects.IAMMemberConditionArgsDict:
    """A condition that limits a Secret Manager role to the secrets whose id starts with `prefix`."""
    return {
        "title": f"secrets-{prefix.rstrip('-')}",
        "description": f"Only secrets named {prefix}*",
        "expression": f'resource.name.startsWith("projects/{plan.project_number}/secrets/{prefix}")',
    }
