"""SQL instances: pools and dedicated ones, checked by the same rules."""

from __future__ import annotations

from typing import get_args

from settings import names
from settings.clouds import check_kind, check_region, has_cloud_of, section_of
from settings.cloudsql import check_cloudsql
from settings.declared import Declared
from settings.defaults import FLOORS, HOME_KINDS, below_floor
from settings.errors import Findings, Subject
from settings.models import InstanceOptions, PoolSettings, Settings
from settings.plan import InstancePlan
from settings.rds import check_rds
from settings.types import Cloud, SqlKind


def pool_instance(
    name: str, pool: PoolSettings, settings: Settings, home: Cloud | None, findings: Findings
) -> InstancePlan | None:
    """The instance of a pool; None when its kind is undecided or without its cloud, which is reported elsewhere."""
    path, subject = f"tenantry:pools.{name}", Subject("pool", name)
    kind = pool.kind or (None if home is None else HOME_KINDS[home])
    if kind is None:
        return None
    if not has_cloud_of(kind, settings):
        check_kind(kind, get_args(SqlKind), f"{path}.kind", subject, settings, findings)
        return None
    declared = Declared(
        written={field: value for field in InstanceOptions.model_fields if (value := getattr(pool, field)) is not None},
        places={},
        path=path,
        subject=subject,
        key=f"pool-{name}",
        kind=kind,
        placement="shared",
        region=pool.region or home_region(kind, settings),
        region_path=f"{path}.region",
        labels={"pool": name},
        recreate_after_loss=pool.recreate_after_loss,
    )
    return plan_instance(declared, settings, findings)


def home_region(kind: SqlKind, settings: Settings) -> str:
    """Home region of the kind's cloud, which the stack is known to have."""
    return section_of(_cloud(kind), settings).region


def plan_instance(declared: Declared, settings: Settings, findings: Findings) -> InstancePlan:
    """The instance, whatever is wrong with it."""
    environment = settings.environment
    _check_floors(declared, settings, findings)
    if declared.kind == "rds" and settings.aws is not None:
        check_rds(declared, settings.aws, findings)
    else:
        check_cloudsql(declared, findings)
    _check_regions(declared, settings, findings)
    name_of = names.pool_instance if declared.placement == "shared" else names.tenant_instance
    name = name_of(environment.organization, environment.name, declared.subject.name, declared.options["generation"])
    return InstancePlan(
        key=declared.key,
        name=name,
        path=declared.path,
        kind=declared.kind,
        placement=declared.placement,
        region=declared.region,
        backup_location=section_of(_cloud(declared.kind), settings).backup_region,
        labels=declared.labels,
        recreate_after_loss=declared.recreate_after_loss,
        **declared.options,
    )


def _cloud(kind: SqlKind) -> Cloud:
    return "gcp" if kind == "cloudsql" else "aws"


def _check_floors(declared: Declared, settings: Settings, findings: Findings) -> None:
    environment, options = settings.environment.name, declared.options
    floor = FLOORS[environment]
    below: list[tuple[str, object]] = [
        (field, least)
        for field, least in (("pitr_days", floor.pitr_days), ("retained_backups", floor.retained_backups))
        if options[field] < least
    ]
    if floor.availability == "REGIONAL" and options["availability"] != "REGIONAL":
        below.append(("availability", "REGIONAL"))
    for field, least in below:
        message, fix = below_floor(field, least, environment)
        declared.report(field, message, fix=fix, findings=findings)


def _check_regions(declared: Declared, settings: Settings, findings: Findings) -> None:
    section = section_of(_cloud(declared.kind), settings)
    check_region(declared.region, declared.kind, declared.region_path, declared.subject, findings)
    if declared.kind == "rds":
        # it is in the home region and without a replica, or refused
        return
    if declared.region == section.backup_region != section.region:
        findings.add(
            declared.region_path,
            "is gcp.backup_region, so the exports would stay in the region they are to survive (R3.2)",
            fix="choose another region",
            value=declared.region,
            subject=declared.subject,
        )
    replica = declared.options["replica_region"]
    if replica is not None:
        place = declared.places.get("replica_region", f"{declared.path}.replica_region")
        check_region(replica, declared.kind, place, declared.subject, findings)
    if replica == declared.region:
        declared.report(
            "replica_region",
            "is the instance's own region, so the replica would be lost with it",
            fix="choose another region",
            findings=findings,
        )
