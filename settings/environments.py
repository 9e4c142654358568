"""What the tenants of a stack share: checks of the environment, and its plan."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Final

from settings import cron, names
from settings.defaults import AUDIT_RETENTION_DAYS, AUDIT_RETENTION_DAYS_SOX, FLOORS
from settings.errors import Findings
from settings.models import AwsSettings, BackupSettings, GcpSettings, MonitoringSettings, SecretSettings, Settings
from settings.plan import AwsPlan, BucketNames, EnvironmentPlan, GcpPlan, InstancePlan, ZonePlan
from settings.types import CLOUDS, Cloud, EnvironmentName, SqlKind

_DRILL_INTERVAL_DAYS: Final = 7  # R3.4
# Regions whose zone b new accounts do not have.
_ZONE_LETTERS: Final = {"ap-northeast-1": "ac", "us-west-1": "ac"}


def check_environment(settings: Settings, stack: str, findings: Findings) -> None:
    """Everything that is wrong with what is not a plan, a pool or a tenant."""
    environment = settings.environment
    if environment.name != stack:
        findings.add(
            "tenantry:environment.name",
            f"is not the stack's name {stack!r}",
            fix="name the environment after its stack; each stack has a cloud project of its own",
            value=environment.name,
        )
    _check_clouds(settings, findings)
    if environment.default_plan not in settings.plans:
        findings.add(
            "tenantry:environment.default_plan",
            "names no plan",
            fix=f"use one of {listed(settings.plans)}, or add it under tenantry:plans",
            value=environment.default_plan,
        )
    if settings.monitoring.budget is not None and settings.gcp is not None and settings.gcp.billing_account is None:
        findings.add(
            "tenantry:gcp.billing_account",
            "is missing, and monitoring.budget needs it",
            fix="add the billing account (012345-6789AB-CDEF01), or remove the budget",
        )
    _check_backups(settings.backups, environment.name, findings)
    _check_secrets(settings.secrets, settings.monitoring, findings)
    _check_monitoring(settings.monitoring, findings)


def _check_clouds(settings: Settings, findings: Findings) -> None:
    declared = [cloud for cloud in CLOUDS if getattr(settings, cloud) is not None]
    home = settings.environment.home
    if not declared:
        findings.add(
            "tenantry:gcp",
            "is missing, and so is tenantry:aws: there is no cloud to build in",
            fix="add one of the two sections (docs/configuration.md)",
        )
    elif home is None and len(declared) > 1:
        findings.add(
            "tenantry:environment.home",
            "is missing, and the stack has two clouds",
            fix="say which one holds application secrets, services and external tenants: gcp or aws",
        )
    elif home is not None and home not in declared:
        findings.add(
            "tenantry:environment.home",
            f"has no section tenantry:{home}",
            fix=f"add the section, or set home to {declared[0]}",
            value=home,
        )
    for cloud in declared:
        section = getattr(settings, cloud)
        if section.backup_region == section.region:
            findings.add(
                f"tenantry:{cloud}.backup_region",
                "is the home region: backups must leave it (R3.2)",
                fix="choose another region",
                value=section.backup_region,
            )


def below_floor(field: str, floor: object, environment: EnvironmentName) -> tuple[str, str]:
    """Message and fix for a value below what the environment accepts."""
    fix = f"set {field} to {floor}" if isinstance(floor, str) else f"set {field} to at least {floor}"
    return f"{field} is below the floor of {environment}, which is {floor} (R8.2)", fix


def _check_backups(backups: BackupSettings, environment: EnvironmentName, findings: Findings) -> None:
    floor = FLOORS[environment]
    if backups.export_retention_days < floor.export_retention_days:
        message, fix = below_floor("export_retention_days", floor.export_retention_days, environment)
        findings.add("tenantry:backups.export_retention_days", message, fix=fix, value=backups.export_retention_days)
    if floor.lock and not backups.lock:
        message, fix = below_floor("lock", "true", environment)
        findings.add("tenantry:backups.lock", message, fix=fix, value=backups.lock)
    exports = cron.parse(backups.export_schedule).longest_gap_days()
    if exports != 1:
        findings.add(
            "tenantry:backups.export_schedule",
            f"{_pause(exports)}; every database is exported daily (R3.2)",
            fix="leave the three day fields at *, as in 0 2 * * *",
            value=backups.export_schedule,
        )
    drills = cron.parse(backups.drill_schedule).longest_gap_days()
    if drills is None or drills > _DRILL_INTERVAL_DAYS:
        findings.add(
            "tenantry:backups.drill_schedule",
            f"{_pause(drills)}; restores are rehearsed weekly (R3.4)",
            fix="name a day of the week, as in 0 4 * * 0",
            value=backups.drill_schedule,
        )
    elif backups.drill_max_age_days <= drills:
        findings.add(
            "tenantry:backups.drill_max_age_days",
            f"drill_schedule leaves {drills} days between drills, so the alert would fire between two good ones",
            fix=f"set it to at least {drills + 1}",
            value=backups.drill_max_age_days,
        )
    if backups.export_max_age_hours <= 24:  # noqa: PLR2004 - the hours of a day
        findings.add(
            "tenantry:backups.export_max_age_hours",
            "exports are a day apart and take their time, so the alert would fire between two good ones",
            fix="set it to at least 25",
            value=backups.export_max_age_hours,
        )


def _pause(days: int | None) -> str:
    return "never runs" if days is None else f"pauses for up to {days} days"


def _check_secrets(secrets: SecretSettings, monitoring: MonitoringSettings, findings: Findings) -> None:
    path = "tenantry:secrets"
    for field, secret_names in (("generated", secrets.generated), ("external", secrets.external)):
        for position in repeated(secret_names):
            findings.add(
                f"{path}.{field}[{position}]",
                "is in the list already",
                fix="remove one of the two",
                value=secret_names[position],
            )
    for name in sorted(set(secrets.generated) & set(secrets.external)):
        findings.add(
            f"{path}.external", "is also in `generated`", fix="a secret has one source: list it once", value=name
        )
    channels = monitoring.channels
    needed = (
        ("PAGERDUTY_KEY", channels.pagerduty, "monitoring.channels.pagerduty"),
        ("SLACK_TOKEN", channels.slack is not None, "monitoring.channels.slack"),
    )
    for name, wanted, reason in needed:
        if wanted and name not in secrets.external:
            findings.add(
                f"{path}.external",
                f"lacks {name}, which {reason} needs",
                fix=f"add {name} to the list and set its value with "
                f"`pulumi config set --secret --path 'tenantry:external_secrets.{name}'`",
            )


def _check_monitoring(monitoring: MonitoringSettings, findings: Findings) -> None:
    channels, thresholds = monitoring.channels, monitoring.thresholds
    path = "tenantry:monitoring"
    if not channels.email and channels.slack is None and not channels.pagerduty:
        findings.add(f"{path}.channels", "has no channel: nobody would be told", fix="add email, slack or pagerduty")
    for position in repeated([address.casefold() for address in channels.email]):
        findings.add(
            f"{path}.channels.email[{position}]",
            "is in the list already",
            fix="remove one of the two",
            value=channels.email[position],
        )
    if thresholds.error_rate_warning >= thresholds.error_rate_critical:
        findings.add(
            f"{path}.thresholds.error_rate_warning",
            f"is not below error_rate_critical ({thresholds.error_rate_critical})",
            fix="warn before it is critical",
            value=thresholds.error_rate_warning,
        )


def home_cloud(settings: Settings) -> Cloud | None:
    """The cloud of application secrets, services and guests; None when the stack names no cloud or does not choose."""
    declared = [cloud for cloud in CLOUDS if getattr(settings, cloud) is not None]
    home = settings.environment.home
    if home is None:
        return declared[0] if len(declared) == 1 else None
    return home if home in declared else None


def environment_plan(settings: Settings, home: Cloud, instances: Iterable[InstancePlan]) -> EnvironmentPlan:
    """The environment, with keys wherever one of `instances` keeps data."""
    environment = settings.environment
    placed = tuple(instances)
    return EnvironmentPlan(
        name=environment.name,
        organization=environment.organization,
        labels={
            "environment": environment.name,
            "service": environment.service,
            "cost-centre": environment.cost_centre,
            "managed-by": "tenantry",
        },
        home=home,
        on_gcp=None if settings.gcp is None else _gcp_plan(settings.gcp, placed),
        on_aws=None if settings.aws is None else _aws_plan(settings.aws, placed),
        buckets=BucketNames(**environment_buckets(settings)),
        audit_retention_days=AUDIT_RETENTION_DAYS_SOX if environment.sox else AUDIT_RETENTION_DAYS,
        lock=settings.backups.lock,
        backups=settings.backups,
        secrets=settings.secrets,
        monitoring=settings.monitoring,
        vercel=settings.vercel,
        services=settings.services,
        tasks=settings.tasks,
        queues=settings.queues,
        delivery=settings.delivery,
    )


def _key_regions(home: str, backup: str, instances: Iterable[InstancePlan], kind: SqlKind) -> tuple[str, ...]:
    regions = {home, backup}
    for instance in instances:
        if instance.kind == kind:
            regions |= {instance.region} | ({instance.replica_region} if instance.replica_region else set())
    return tuple(sorted(regions))


def _gcp_plan(gcp: GcpSettings, instances: Iterable[InstancePlan]) -> GcpPlan:
    workload_range, services_range = ipaddress.ip_network(gcp.network).subnets(prefixlen_diff=1)
    return GcpPlan(
        project=gcp.project,
        project_number=gcp.project_number,
        region=gcp.region,
        backup_region=gcp.backup_region,
        key_regions=_key_regions(gcp.region, gcp.backup_region, instances, "cloudsql"),
        workload_range=str(workload_range),
        services_range_address=str(services_range.network_address),
        services_range_prefix=services_range.prefixlen,
        billing_account=gcp.billing_account,
        jobs_image=gcp.jobs_image,
    )


def _aws_plan(aws: AwsSettings, instances: Iterable[InstancePlan]) -> AwsPlan:
    """Two halves of the range: private subnets share the lower one, public ones a sixteenth of the upper one."""
    private, public = ipaddress.ip_network(aws.network).subnets(prefixlen_diff=1)
    private_ranges = list(private.subnets(prefixlen_diff=2))
    public_ranges = list(public.subnets(prefixlen_diff=4))
    return AwsPlan(
        account_id=aws.account_id,
        region=aws.region,
        backup_region=aws.backup_region,
        key_regions=_key_regions(aws.region, aws.backup_region, instances, "rds"),
        network=aws.network,
        zones=tuple(
            ZonePlan(name=zone, private_range=str(private_ranges[index]), public_range=str(public_ranges[index]))
            for index, zone in enumerate(aws.zones or default_zones(aws.region))
        ),
        jobs_image=aws.jobs_image,
    )


def default_zones(region: str) -> tuple[str, str]:
    """Two zones that every account of the region has: a and b, but where b is closed to new accounts."""
    letters = _ZONE_LETTERS.get(region, "ab")
    return f"{region}{letters[0]}", f"{region}{letters[1]}"


def environment_buckets(settings: Settings) -> Mapping[str, str]:
    """Role → name of the environment's own buckets."""
    environment = settings.environment
    return {
        role: names.bucket(environment.organization, environment.name, role)
        for role in ("uploads", "exports", "audit", "assets", "registry")
    }


def repeated(values: Iterable[str]) -> list[int]:
    """Positions of what an earlier position holds already."""
    seen: set[str] = set()
    positions = []
    for position, value in enumerate(values):
        if value in seen:
            positions.append(position)
        seen.add(value)
    return positions


def listed(known: Iterable[str]) -> str:
    """The names one may choose from, for a fix."""
    return ", ".join(sorted(known)) or "(none is defined)"
