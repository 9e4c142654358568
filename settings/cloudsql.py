"""What Cloud SQL for PostgreSQL refuses, found before it is asked."""

from __future__ import annotations

import re
from typing import Final

from settings.declared import Declared
from settings.errors import Findings

# Transaction logs per edition, in days (backupConfiguration.transactionLogRetentionDays).
PITR_LIMIT: Final = {"ENTERPRISE": 7, "ENTERPRISE_PLUS": 35}
_PLUS_TIERS: Final = ("db-perf-optimized", "db-c4a")
_RDS_CLASS: Final = "db."
_LEAST_HYPERDISK_GB: Final = 20  # settings.diskSize
_CUSTOM_TIER: Final = re.compile(r"db-custom-([0-9]+)-([0-9]+)")
# Custom machine types: processors, then memory in MB as a whole and for each processor.
_MOST_CPUS: Final = 96
_MEMORY_STEP_MB: Final = 256
_LEAST_MEMORY_MB: Final = 3840
_LEAST_MEMORY_PER_CPU_MB: Final = 921.6
_MOST_MEMORY_PER_CPU_MB: Final = 6656


def check_cloudsql(declared: Declared, findings: Findings) -> None:
    """Add what is wrong with the options of a Cloud SQL instance."""
    options = declared.options
    _check_tier(declared, findings)
    _check_backups(declared, findings)
    if options["tier"].startswith("db-c4a-") and options["disk_gb"] < _LEAST_HYPERDISK_GB:
        declared.report(
            "disk_gb",
            f"machine type {options['tier']} has a Hyperdisk, of at least {_LEAST_HYPERDISK_GB} GB",
            fix=f"set disk_gb to at least {_LEAST_HYPERDISK_GB}",
            findings=findings,
        )
    if 0 < options["disk_limit_gb"] < options["disk_gb"]:
        declared.report(
            "disk_limit_gb",
            f"is below disk_gb ({options['disk_gb']})",
            fix="raise it, or set 0 for no bound",
            findings=findings,
        )


def _check_tier(declared: Declared, findings: Findings) -> None:
    tier, edition = declared.options["tier"], declared.options["edition"]
    if tier.startswith(_RDS_CLASS):
        declared.report(
            "tier",
            "is an instance class of RDS, and kind is cloudsql",
            fix="use a machine type of Cloud SQL, such as db-custom-2-7680",
            findings=findings,
        )
        return
    if tier.startswith(_PLUS_TIERS) != (edition == "ENTERPRISE_PLUS"):
        declared.report(
            "tier",
            f"this machine type does not exist in edition {edition}",
            fix="use db-perf-optimized-N-* with ENTERPRISE_PLUS, db-custom-* or shared-core with ENTERPRISE",
            findings=findings,
        )
    wrong = _custom_tier_error(tier)
    if wrong is not None:
        message, fix = wrong
        declared.report("tier", message, fix=fix, findings=findings)


def _check_backups(declared: Declared, findings: Findings) -> None:
    options = declared.options
    limit = PITR_LIMIT[options["edition"]]
    if options["pitr_days"] > limit:
        fix = f"set pitr_days to {limit} or less"
        declared.report(
            "pitr_days",
            f"edition {options['edition']} keeps transaction logs for at most {limit} days",
            fix=fix if options["edition"] == "ENTERPRISE_PLUS" else f"{fix}, or edition to ENTERPRISE_PLUS",
            findings=findings,
        )
    if options["retained_backups"] < options["pitr_days"]:
        # Cloud SQL refuses it: a point in time is reached from the backup before it
        declared.report(
            "retained_backups",
            f"recovery to any of {options['pitr_days']} days (pitr_days) needs as many daily backups",
            fix=f"set retained_backups to at least {options['pitr_days']}, or lower pitr_days",
            findings=findings,
        )


def _custom_tier_error(tier: str) -> tuple[str, str] | None:
    """What Cloud SQL would refuse in a custom machine type, and the fix."""
    match = _CUSTOM_TIER.fullmatch(tier)
    if match is None:
        return None
    cpus, memory = int(match[1]), int(match[2])
    if cpus != 1 and (cpus % 2 or not 0 < cpus <= _MOST_CPUS):
        return f"a custom machine has 1 processor or an even number up to {_MOST_CPUS}", "change its first number"
    least = max(_LEAST_MEMORY_MB, -(-int(cpus * _LEAST_MEMORY_PER_CPU_MB) // _MEMORY_STEP_MB) * _MEMORY_STEP_MB)
    most = cpus * _MOST_MEMORY_PER_CPU_MB
    if memory % _MEMORY_STEP_MB or not least <= memory <= most:
        return (
            f"a custom machine with {cpus} processors has {least} to {most} MB of memory in steps of {_MEMORY_STEP_MB}",
            "change its last number",
        )
    return None
