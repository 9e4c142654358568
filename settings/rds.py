"""What RDS for PostgreSQL refuses, found before it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from settings.declared import Declared
from settings.errors import Findings
from settings.models import AwsSettings
from settings.plan import InstancePlan
from settings.types import cloud_of_region

_INSTANCE_CLASS: Final = re.compile(r"db\.(?P<family>[a-z0-9]+)\.[a-z0-9]+")
# Previous generations, on which PostgreSQL 15 and later do not run (RDS user guide, DB instance classes).
_OLD_FAMILIES: Final = frozenset({"t1", "t2", "m1", "m2", "m3", "m4", "r3", "r4"})
_LEAST_DISK_GB: Final = 20  # CreateDBInstance, AllocatedStorage of gp3
# Storage autoscaling needs a bound at least 10 % above the disk (RDS user guide).
_LEAST_GROWTH_PERCENT: Final = 10
# For each account and destination region (RDS user guide, enabling cross-Region automated backups).
_MOST_BACKUP_COPIES: Final = 20


def check_rds(declared: Declared, aws: AwsSettings, findings: Findings) -> None:
    """Add what is wrong with the options of an RDS instance."""
    options = declared.options
    _check_class(declared, findings)
    _check_disk(declared, findings)
    if options["edition"] is not None:
        declared.report("edition", "kind is rds, which has no edition", fix="remove edition", findings=findings)
    if options["replica_region"] is not None:
        # RDS user guide, limitations of Secrets Manager integration; every instance has such a password
        declared.report(
            "replica_region",
            "RDS refuses a replica of an instance whose master password it manages",
            fix="remove replica_region: automated backups are replicated to aws.backup_region, and restored there",
            findings=findings,
        )
    if declared.region != aws.region and cloud_of_region(declared.region) == "aws":
        findings.add(
            declared.region_path,
            f"is not aws.region ({aws.region}), where the private network of RDS instances is",
            fix="remove region, or give that region a stack of its own",
            value=declared.region,
            subject=declared.subject,
        )
    if options["backup_hour"] == options["maintenance_hour"]:
        # CreateDBInstance refuses windows that overlap
        declared.report(
            "backup_hour",
            f"is also the hour of the maintenance window ({options['maintenance_hour']})",
            fix="set backup_hour or maintenance_hour to another hour",
            findings=findings,
        )


def check_backup_copies(instances: Iterable[InstancePlan], aws: AwsSettings, findings: Findings) -> None:
    """Every RDS instance has its automated backups replicated to the backup region, which takes only so many."""
    copied = [instance.name for instance in instances if instance.kind == "rds"]
    if len(copied) > _MOST_BACKUP_COPIES:
        findings.add(
            "tenantry:aws.backup_region",
            f"would take the automated backups of {len(copied)} RDS instances, and RDS replicates those of at most "
            f"{_MOST_BACKUP_COPIES} to one region of an account",
            fix="place tenants on shared pools, or give some of them a stack with an account of its own",
            value=aws.backup_region,
        )


def _check_class(declared: Declared, findings: Findings) -> None:
    match = _INSTANCE_CLASS.fullmatch(declared.options["tier"])
    if match is None:
        declared.report(
            "tier",
            "is a machine type of Cloud SQL, and kind is rds",
            fix="use an instance class of RDS, such as db.m7g.large",
            findings=findings,
        )
    elif match["family"] in _OLD_FAMILIES:
        declared.report(
            "tier",
            "is of a generation on which PostgreSQL 15 and later do not run",
            fix="use a current instance class, such as db.t4g.medium or db.m7g.large",
            findings=findings,
        )


def _check_disk(declared: Declared, findings: Findings) -> None:
    disk, limit = declared.options["disk_gb"], declared.options["disk_limit_gb"]
    if disk < _LEAST_DISK_GB:
        declared.report(
            "disk_gb",
            f"a gp3 disk of RDS has at least {_LEAST_DISK_GB} GB",
            fix=f"set disk_gb to at least {_LEAST_DISK_GB}",
            findings=findings,
        )
    least = -(-disk * (100 + _LEAST_GROWTH_PERCENT) // 100)
    if 0 < limit < least:
        declared.report(
            "disk_limit_gb",
            f"is less than {_LEAST_GROWTH_PERCENT} % above disk_gb ({disk}), which RDS refuses",
            fix=f"set disk_limit_gb to at least {least}, or to 0 for no bound",
            findings=findings,
        )
