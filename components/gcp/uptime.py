"""The check that the application answers from outside (R6.1)."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from components.gcp.alerts import Alert, threshold
from settings.plan import EnvironmentPlan


def create_uptime_check(
    name: str, environment: EnvironmentPlan, *, depends_on: Sequence[pulumi.Resource], parent: pulumi.Resource
) -> gcp.monitoring.UptimeCheckConfig:
    """Ask for the health path every minute; these regions are five locations (the API wants at least three)."""
    settings = environment.monitoring
    return gcp.monitoring.UptimeCheckConfig(
        f"{name}-uptime",
        project=environment.gcp.project,
        display_name=f"Tenantry {environment.name}: {settings.app_host}",
        period="60s",
        timeout="10s",
        selected_regions=["ASIA_PACIFIC", "EUROPE", "USA"],
        http_check={
            "path": settings.health_path,
            "port": 443,
            "request_method": "GET",
            "use_ssl": True,
            "validate_ssl": True,
        },
        monitored_resource={
            "type": "uptime_url",
            "labels": {"host": settings.app_host, "project_id": environment.gcp.project},
        },
        user_labels=dict(environment.labels),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )


def check_passed(check: gcp.monitoring.UptimeCheckConfig) -> pulumi.Output[str]:
    """Filter of the check's results: a boolean per location."""
    return pulumi.Output.concat(
        'resource.type="uptime_url" AND metric.type="monitoring.googleapis.com/uptime_check/check_passed"'
        ' AND metric.labels.check_id="',
        check.uptime_check_id,
        '"',
    )


def uptime_alert(check: gcp.monitoring.UptimeCheckConfig) -> Alert:
    """Critical when two locations or more see it down for over a minute (R6.1): one alone is that location's trouble.

    Each location's last answer within 20 minutes counts, so that a slow round of checks hides none.
    """
    return Alert(
        key="uptime",
        title="the application does not answer",
        severity="critical",
        conditions=[
            threshold(
                "Failing from two locations or more",
                check_passed(check),
                above=1,
                aligner="ALIGN_NEXT_OLDER",
                period="1200s",
                reducer="REDUCE_COUNT_FALSE",
                by=["resource.label.host"],
                duration="60s",
            )
        ],
        meaning="The health check failed from at least two locations for more than a minute. Customers are locked out.",
        first="Open the health path yourself, then the newest release and the databases' dashboard; roll back first.",
    )
