"""Firestore databases: where they are, how long their backups are kept, and what the project's quotas allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settings import names
from settings.defaults import FLOORS, below_floor
from settings.errors import Findings, Subject
from settings.layers import Layers
from settings.models import GcpSettings, Settings
from settings.plan import FirestorePlan, TenantPlan
from settings.types import FIRESTORE_MULTI_REGIONS, EnvironmentName

_ACCOUNT_ID: Final = range(6, 31)  # characters of an accountId (iam.serviceAccounts.create)
_SCRATCH: Final = 1
"""The weekly drill restores one tenant at a time into a database of the same project, under the same key (R3.4)."""
_REQUEST: Final = "https://cloud.google.com/firestore/docs/cmek"


def firestore_plan(tenant: str, path: str, layers: Layers, settings: Settings, findings: Findings) -> FirestorePlan:
    """The database of a tenant in a stack that has a Google Cloud project.

    Raises:
        LookupError: the stack has none.
    """
    gcp = settings.gcp
    if gcp is None:
        raise LookupError("a Firestore database without a Google Cloud project")
    options, subject = layers.firestore, Subject("tenant", tenant)
    place = layers.written.get("firestore.location", f"{path}.firestore.location")
    location = options.get("location") or gcp.region
    account = names.TenantNames(tenant).service_account
    if len(account) not in _ACCOUNT_ID:
        prefix = len(account) - len(tenant)
        findings.add(
            f"{path}.id",
            f"its service account {account!r} has {len(account)} characters instead of {_ACCOUNT_ID[0]} to "
            f"{_ACCOUNT_ID[-1]}",
            fix=f"choose an id of {_ACCOUNT_ID[0] - prefix} to {_ACCOUNT_ID[-1] - prefix} characters",
            value=tenant,
            subject=subject,
        )
    _check_location(location, place, gcp, subject, findings)
    for field in ("daily_retention_days", "weekly_retention_weeks"):
        least = getattr(FLOORS[settings.environment.name], field)
        if options[field] < least:
            message, fix = below_floor(field, least, settings.environment.name)
            findings.add(
                layers.written.get(f"firestore.{field}", f"{path}.firestore.{field}"),
                message,
                fix=fix,
                value=options[field],
                subject=subject,
            )
    return FirestorePlan(
        location=location,
        cmek=gcp.firestore_cmek_databases > 0,
        daily_retention_days=options["daily_retention_days"],
        weekly_retention_weeks=options["weekly_retention_weeks"],
        service_account=account,
    )


def _check_location(location: str, path: str, gcp: GcpSettings, subject: Subject, findings: Findings) -> None:
    if location == gcp.backup_region != gcp.region:
        findings.add(
            path,
            "is gcp.backup_region, so the exports would stay in the region they are to survive (R3.2)",
            fix="choose another location",
            value=location,
            subject=subject,
        )
    if location in FIRESTORE_MULTI_REGIONS and gcp.firestore_cmek_databases > 0:
        # Firestore takes a key of the same location, and the environment has keys in regions
        findings.add(
            path,
            "is a multi-region, whose key would have to be of one too; the environment's keys are regional",
            fix=f"use a region, such as {gcp.region}",
            value=location,
            subject=subject,
        )


def check_quotas(
    tenants: Sequence[TenantPlan], gcp: GcpSettings, environment: EnvironmentName, findings: Findings
) -> None:
    """Add the project's quotas that the Firestore tenants exceed, and keys that the environment demands."""
    count = sum(tenant.kind == "firestore" for tenant in tenants)
    if not count:
        return
    needed = count + _SCRATCH
    who = f"{count} tenants" if count > 1 else "1 tenant"
    if needed > gcp.firestore_databases:
        findings.add(
            "tenantry:gcp.firestore_databases",
            f"is the project's quota, and {who} and the restore drill need {needed} Firestore databases",
            fix=f"ask Google to raise the quota of databases of project {gcp.project}, then set it to what is granted; "
            "or place tenants in a stack with a project of its own",
            value=gcp.firestore_databases,
        )
    if FLOORS[environment].firestore_cmek and gcp.firestore_cmek_databases == 0:
        findings.add(
            "tenantry:gcp.firestore_cmek_databases",
            f"is 0, and {environment} needs a customer-managed key on every Firestore database (R8.1)",
            fix=f"ask Google for a quota of at least {needed} in project {gcp.project} ({_REQUEST}), then set it to "
            "what was granted",
            value=0,
        )
    if 0 < gcp.firestore_cmek_databases < needed:
        findings.add(
            "tenantry:gcp.firestore_cmek_databases",
            "is the project's quota of databases with a customer-managed key, and "
            f"{who} and the restore drill need {needed}",
            fix=f"ask Google to raise it in project {gcp.project} ({_REQUEST}), then set it to what was granted; "
            "or place tenants in a stack with a project of its own",
            value=gcp.firestore_cmek_databases,
        )
