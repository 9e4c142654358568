"""SQL instances: pools and dedicated ones, checked by the same rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from settings import names
from settings.defaults import FLOORS, HOME_KINDS
from settings.environments import below_floor
from settings.errors import Findings, Subject
from settings.layers import complete_instance
from settings.models import InstanceOptions, PoolSettings, Settings
from settings.plan import InstancePlan
from settings.types import CLOUD_OF_KIND, Cloud, Placement, SqlKind

# Cloud SQL: transaction logs per edition, in days (backupConfiguration.transactionLogRetentionDays).
PITR_LIMIT: Final = {"ENTERPRISE": 7, "ENTERPRISE_PLUS": 35}
_PLUS_TIERS: Final = ("db-perf-optimized", "db-c4a")
_LEAST_HYPERDISK_GB: Final = 20  # settings.diskSize
_CUSTOM_TIER: Final = re.compile(r"db-custom-([0-9]+)-([0-9]+)")
# Cloud SQL for PostgreSQL, custom machine types: processors, then memory in MB as a whole and for each processor.
_MOST_CPUS: Final = 96
_MEMORY_STEP_MB: Final = 256
_LEAST_MEMORY_MB: Final = 3840
_LEAST_MEMORY_PER_CPU_MB: Final = 921.6
_MOST_MEMORY_PER_CPU_MB: Final = 6656


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An instance as somebody declares it.

    Attributes:
        options: what is written of it, without the built-in defaults.
        written: option → YAML path of its value; for what is not written, `path` tells where to write it.
    """

    options: Mapping[str, Any]
    written: Mapping[str, str]
    path: str
    subject: Subject
    key: str
    kind: SqlKind
    placement: Placement
    region: str
    region_path: str
    labels: Mapping[str, str]
    recreate_after_loss: bool

    def where(self, option: str) -> str:
        return self.written.get(option, f"{self.path}.{option}")


def pool_instance(
    name: str, pool: PoolSettings, settings: Settings, home: Cloud, findings: Findings
) -> InstancePlan | None:
    """The instance of a pool; None when its cloud has no section."""
    path = f"tenantry:pools.{name}"
    options = {field: value for field in InstanceOptions.model_fields if (value := getattr(pool, field)) is not None}
    kind = pool.kind or HOME_KINDS[home]
    region = instance_region(kind, pool.region, settings)
    if region is None:
        findings.add(
            f"{path}.kind",
            f"is {kind}, and the stack has no section tenantry:{CLOUD_OF_KIND[kind]}",
            fix=f"add the section, or set kind to {HOME_KINDS[home]}",
            value=pool.kind,
            subject=Subject("pool", name),
        )
        return None
    declared = Declared(
        options=options,
        written={},
        path=path,
        subject=Subject("pool", name),
        key=f"pool-{name}",
        kind=kind,
        placement="shared",
        region=region,
        region_path=f"{path}.region",
        labels={"pool": name},
        recreate_after_loss=pool.recreate_after_loss,
    )
    return _instance(declared, settings, findings)


def instance_region(kind: SqlKind, region: str | None, settings: Settings) -> str | None:
    """The written region or the home region of the kind's cloud; None when the stack has no such cloud."""
    cloud = settings.gcp if kind == "cloudsql" else settings.aws
    return None if cloud is None else region or cloud.region


def tenant_instance(declared: Declared, settings: Settings, findings: Findings) -> InstancePlan:
    """The instance of a dedicated tenant."""
    return _instance(declared, settings, findings)


def _instance(declared: Declared, settings: Settings, findings: Findings) -> InstancePlan:
    environment = settings.environment
    options = complete_instance(declared.options, declared.kind)
    _check_floors(declared, options, settings, findings)
    _check_options(declared, options, findings)
    _check_regions(declared, options, settings, findings)
    if declared.placement == "shared":
        name = names.pool_instance(
            environment.organization, environment.name, declared.subject.name, options["generation"]
        )
    else:
        name = names.tenant_instance(
            environment.organization, environment.name, declared.subject.name, options["generation"]
        )
    return InstancePlan(
        key=declared.key,
        name=name,
        path=declared.path,
        kind=declared.kind,
        placement=declared.placement,
        region=declared.region,
        backup_location=backup_region(declared.kind, settings),
        labels=declared.labels,
        recreate_after_loss=declared.recreate_after_loss,
        **options,
    )


def backup_region(kind: SqlKind, settings: Settings) -> str:
    """Backup region of the kind's cloud, which the stack is known to have."""
    cloud = settings.gcp if kind == "cloudsql" else settings.aws
    if cloud is None:
        raise LookupError(f"kind {kind} without its cloud")
    return cloud.backup_region


def _check_floors(declared: Declared, options: Mapping[str, Any], settings: Settings, findings: Findings) -> None:
    floor = FLOORS[settings.environment.name]

    def add(field: str, least: object) -> None:
        message, fix = below_floor(field, least, settings.environment.name)
        _add(declared, options, field, message, fix=fix, findings=findings)

    if options["pitr_days"] < floor.pitr_days:
        add("pitr_days", floor.pitr_days)
    if options["retained_backups"] < floor.retained_backups:
        add("retained_backups", floor.retained_backups)
    if floor.availability == "REGIONAL" and options["availability"] != "REGIONAL":
        add("availability", "REGIONAL")


def _check_options(declared: Declared, options: Mapping[str, Any], findings: Findings) -> None:
    limit = PITR_LIMIT[options["edition"]]
    if options["pitr_days"] > limit:
        fix = f"set pitr_days to {limit} or less"
        _add(
            declared,
            options,
            "pitr_days",
            f"edition {options['edition']} keeps transaction logs for at most {limit} days",
            fix=fix if options["edition"] == "ENTERPRISE_PLUS" else f"{fix}, or edition to ENTERPRISE_PLUS",
            findings=findings,
        )
    if options["retained_backups"] < options["pitr_days"]:
        # Cloud SQL refuses it: a point in time is reached from the backup before it
        _add(
            declared,
            options,
            "retained_backups",
            f"recovery to any of {options['pitr_days']} days (pitr_days) needs as many daily backups",
            fix=f"set retained_backups to at least {options['pitr_days']}, or lower pitr_days",
            findings=findings,
        )
    if options["tier"].startswith(_PLUS_TIERS) != (options["edition"] == "ENTERPRISE_PLUS"):
        _add(
            declared,
            options,
            "tier",
            f"this machine type does not exist in edition {options['edition']}",
            fix="use db-perf-optimized-N-* with ENTERPRISE_PLUS, db-custom-* or shared-core with ENTERPRISE",
            findings=findings,
        )
    wrong = _custom_tier_error(options["tier"])
    if wrong is not None:
        message, fix = wrong
        _add(declared, options, "tier", message, fix=fix, findings=findings)
    if options["tier"].startswith("db-c4a-") and options["disk_gb"] < _LEAST_HYPERDISK_GB:
        _add(
            declared,
            options,
            "disk_gb",
            f"machine type {options['tier']} has a Hyperdisk, of at least {_LEAST_HYPERDISK_GB} GB",
            fix=f"set disk_gb to at least {_LEAST_HYPERDISK_GB}",
            findings=findings,
        )
    if 0 < options["disk_limit_gb"] < options["disk_gb"]:
        _add(
            declared,
            options,
            "disk_limit_gb",
            f"is below disk_gb ({options['disk_gb']})",
            fix="raise it, or set 0 for no bound",
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


def _check_regions(declared: Declared, options: Mapping[str, Any], settings: Settings, findings: Findings) -> None:
    cloud = CLOUD_OF_KIND[declared.kind]
    backup = backup_region(declared.kind, settings)
    if declared.region == backup and declared.region != instance_region(declared.kind, None, settings):
        findings.add(
            declared.region_path,
            f"is {cloud}.backup_region, so the exports would stay in the region they are to survive (R3.2)",
            fix="choose another region",
            value=declared.region,
            subject=declared.subject,
        )
    if options["replica_region"] == declared.region:
        _add(
            declared,
            options,
            "replica_region",
            "is the instance's own region, so the replica would be lost with it",
            fix="choose another region",
            findings=findings,
        )


def _add(
    declared: Declared, options: Mapping[str, Any], field: str, message: str, *, fix: str, findings: Findings
) -> None:
    unwritten = field not in declared.options
    findings.add(
        declared.where(field),
        f"{message}; {options[field]} is the built-in default" if unwritten else message,
        fix=fix,
        value=None if unwritten else options[field],
        subject=declared.subject,
    )
