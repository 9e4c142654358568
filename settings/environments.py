"""What the tenants of a stack share: checks of the environment, and its plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from settings import cron, names
from settings.clouds import aws_plan, check_clouds, gcp_plan, home_cloud
from settings.containers import check_schedule
from settings.defaults import AUDIT_RETENTION_DAYS, AUDIT_RETENTION_DAYS_SOX, FLOORS, below_floor
from settings.errors import Findings, listed, repeated
from settings.models import BackupSettings, MonitoringSettings, Settings
from settings.plan import BucketNames, EnvironmentPlan, InstancePlan, TenantPlan
from settings.types import Cloud, EnvironmentName
from settings.web import without_urls_of_inactive_guests

_DRILL_INTERVAL_DAYS: Final = 7  # R3.4
_ON_AWS: Final[tuple[Cloud, ...]] = ("aws",)
_AWS_CURRENCY: Final = "USD"
_SLACK: Final = "monitoring.channels.slack"
_SLACK_IDS: Final = ("workspace_id", "channel_id")


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
    check_clouds(settings, findings)
    if environment.default_plan not in settings.plans:
        findings.add(
            "tenantry:environment.default_plan",
            "names no plan",
            fix=f"use one of {listed(settings.plans)}, or add it under tenantry:plans",
            value=environment.default_plan,
        )
    _check_budget(settings, findings)
    _check_backups(settings.backups, environment.name, findings)
    _check_on_aws(settings, findings)
    _check_tls(settings, findings)
    _check_secrets(settings, findings)
    _check_monitoring(settings.monitoring, findings)


def _check_budget(settings: Settings, findings: Findings) -> None:
    budget = settings.monitoring.budget
    if budget is None:
        return
    if settings.gcp is not None and settings.gcp.billing_account is None:
        findings.add(
            "tenantry:gcp.billing_account",
            "is missing, and monitoring.budget needs it",
            fix="add the billing account (012345-6789AB-CDEF01), or remove the budget",
        )
    if settings.aws is not None and budget.currency != _AWS_CURRENCY:
        unwritten = "currency" not in budget.model_fields_set
        message = f"budgets of AWS are in {_AWS_CURRENCY}"
        findings.add(
            "tenantry:monitoring.budget.currency",
            f"{message}; {budget.currency} is the default" if unwritten else message,
            fix=f"set currency to {_AWS_CURRENCY}, and the amount in it",
            value=None if unwritten else budget.currency,
        )


def _check_on_aws(settings: Settings, findings: Findings) -> None:
    """What AWS needs beyond Google Cloud, and what nobody would hear without AWS."""
    slack = settings.monitoring.channels.slack
    if settings.aws is None:
        heard = [("backups.compliance_vault", settings.backups.compliance_vault or None)]
        if slack is not None:
            heard += [(f"{_SLACK}.{field}", getattr(slack, field)) for field in _SLACK_IDS]
        for place, value in heard:
            if value is not None:
                findings.add(
                    f"tenantry:{place}",
                    "is a setting of AWS, and the stack has no section tenantry:aws",
                    fix=f"remove {place.rpartition('.')[2]}, or add the section",
                )
        return
    if slack is not None:
        for field in _SLACK_IDS:
            if getattr(slack, field) is None:
                findings.add(
                    f"tenantry:{_SLACK}.{field}",
                    "is missing: AWS posts to Slack by ids, through the app Amazon Q Developer",
                    fix="authorise the app in the workspace once by hand, then add both ids (Slack shows them)",
                )
    if cron.parse(settings.backups.drill_schedule).longest_gap_days() is not None:
        check_schedule("tenantry:backups.drill_schedule", settings.backups.drill_schedule, _ON_AWS, findings)


def _check_tls(settings: Settings, findings: Findings) -> None:
    """TLS 1.3 alone: for what there is, and not where the uptime check would never get in."""
    version = settings.environment.minimum_tls
    if version == "1.2":
        return
    path, host = "tenantry:environment.minimum_tls", settings.monitoring.app_host
    public = {service.host for service in settings.services.values() if service.host is not None}
    if not public and settings.delivery is None:
        findings.add(
            path,
            "is for public services and delivery, and there is neither",
            fix="remove minimum_tls; Vercel and guests decide for themselves",
            value=version,
        )
    # HealthCheckConfig.Type: an endpoint "must support TLS v1.0, v1.1, or v1.2"
    elif home_cloud(settings) == "aws" and host in public:
        findings.add(
            path,
            f"would lock the health check of {host} out: Route 53 speaks TLS 1.2 at most",
            fix='set minimum_tls to "1.2": whoever can speaks 1.3',
            value=version,
        )


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


def _check_secrets(settings: Settings, findings: Findings) -> None:
    secrets, path = settings.secrets, "tenantry:secrets"
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
    channels = settings.monitoring.channels
    needed = (
        ("PAGERDUTY_KEY", channels.pagerduty, "monitoring.channels.pagerduty"),
        ("SLACK_TOKEN", channels.slack is not None and settings.gcp is not None, "monitoring.channels.slack"),
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


def environment_plan(
    settings: Settings, home: Cloud, instances: Iterable[InstancePlan], tenants: Collection[TenantPlan]
) -> EnvironmentPlan:
    """The environment, with keys wherever one of `instances` or `tenants` keeps data under a key."""
    environment = settings.environment
    regions = {tenant.region for tenant in tenants if tenant.on_firestore is not None and tenant.firestore.cmek}
    for instance in instances:
        if instance.kind == "cloudsql":
            regions |= {instance.region} | ({instance.replica_region} if instance.replica_region else set())
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
        on_gcp=None if settings.gcp is None else gcp_plan(settings.gcp, regions),
        on_aws=None if settings.aws is None else aws_plan(settings.aws),
        buckets=BucketNames(**environment_buckets(settings)),
        minimum_tls=environment.minimum_tls,
        database_roles=environment.database_roles,
        audit_retention_days=AUDIT_RETENTION_DAYS_SOX if environment.sox else AUDIT_RETENTION_DAYS,
        lock=settings.backups.lock,
        backups=settings.backups,
        secrets=settings.secrets,
        monitoring=settings.monitoring,
        vercel=None if settings.vercel is None else without_urls_of_inactive_guests(settings.vercel, tenants),
        services=settings.services,
        tasks=settings.tasks,
        queues=settings.queues,
        delivery=settings.delivery,
    )


def environment_buckets(settings: Settings) -> Mapping[str, str]:
    """Role → name of the environment's own buckets."""
    environment = settings.environment
    return {
        role: names.bucket(environment.organization, environment.name, role)
        for role in ("uploads", "exports", "audit", "assets", "registry")
    }
