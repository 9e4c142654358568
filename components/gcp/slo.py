"""Service level objectives and the alerts on how fast their error budget burns (R6.3).

Availability is measured by the uptime check, which exists before the application does. Latency and errors are
measured on Cloud Run; as long as nothing runs there, they have no data and no alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.alerts import Alert, Condition, Threshold
from components.gcp.uptime import check_passed
from components.guard import Guard
from settings.plan import EnvironmentPlan

REQUESTS: Final = 'resource.type="cloud_run_revision" AND metric.type="run.googleapis.com/request_count"'
LATENCIES: Final = 'resource.type="cloud_run_revision" AND metric.type="run.googleapis.com/request_latencies"'

LATENCY_GOAL: Final = 0.95  # of requests within LATENCY_MS (R6.3: p95 < 1 s)
LATENCY_MS: Final = 1000
SUCCESS_GOAL: Final = 0.995  # of requests (R6.3: errors < 0.5 %)


def create_objectives(
    name: str,
    environment: EnvironmentPlan,
    check: gcp.monitoring.UptimeCheckConfig,
    *,
    guard: Guard,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> dict[str, gcp.monitoring.Slo]:
    """Create the service and its objectives: `availability`, `latency`, `errors`."""
    settings = environment.monitoring.slo
    project, labels = environment.gcp.project, dict(environment.labels)
    service = gcp.monitoring.CustomService(
        f"{name}-service",
        project=project,
        service_id="tenantry-app",
        display_name=f"Tenantry {environment.name}: application",
        user_labels=labels,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
    # a metric descriptor that has never been used takes minutes to be known
    opts = guard.retrying(parent, depends_on=depends_on)
    return {
        "availability": gcp.monitoring.Slo(
            f"{name}-slo-availability",
            project=project,
            service=service.service_id,
            slo_id="availability",
            display_name=f"{settings.availability * 100:g} % of minutes answered, {settings.rolling_days} days",
            goal=settings.availability,
            rolling_period_days=settings.rolling_days,
            # a minute is good when any location was answered: one location's trouble is not the application's
            windows_based_sli={"window_period": "60s", "good_bad_metric_filter": check_passed(check)},
            user_labels=labels,
            opts=opts,
        ),
        "latency": gcp.monitoring.Slo(
            f"{name}-slo-latency",
            project=project,
            service=service.service_id,
            slo_id="latency",
            display_name=f"{LATENCY_GOAL * 100:g} % of requests within {LATENCY_MS} ms, {settings.rolling_days} days",
            goal=LATENCY_GOAL,
            rolling_period_days=settings.rolling_days,
            request_based_sli={"distribution_cut": {"distribution_filter": LATENCIES, "range": {"max": LATENCY_MS}}},
            user_labels=labels,
            opts=opts,
        ),
        "errors": gcp.monitoring.Slo(
            f"{name}-slo-errors",
            project=project,
            service=service.service_id,
            slo_id="errors",
            display_name=f"{SUCCESS_GOAL * 100:g} % of requests without a server error, {settings.rolling_days} days",
            goal=SUCCESS_GOAL,
            rolling_period_days=settings.rolling_days,
            request_based_sli={
                "good_total_ratio": {
                    "bad_service_filter": f'{REQUESTS} AND metric.labels.response_code_class="5xx"',
                    "total_service_filter": REQUESTS,
                }
            },
            user_labels=labels,
            opts=opts,
        ),
    }


def burn_alerts(objectives: dict[str, gcp.monitoring.Slo]) -> list[Alert]:
    """Two alerts on availability: a long window shows that it matters, a short one that it still goes on.

    Rates and windows are those of Google's SRE workbook, "Alerting on SLOs": 14.4 times over an hour spends 2 % of a
    month's budget, 6 times over six hours 5 %.
    """
    slo = objectives["availability"]

    def burning(rate: float, seconds: int) -> Condition:
        return Condition(
            display_name=f"{rate:g} times the budget over {seconds // 60} minutes",
            condition_threshold=Threshold(
                filter=pulumi.Output.concat('select_slo_burn_rate("', slo.name, f'", "{seconds}s")'),
                comparison="COMPARISON_GT",
                threshold_value=rate,
                duration="0s",
            ),
        )

    return [
        Alert(
            key="slo-fast-burn",
            title="the error budget burns fast",
            severity="critical",
            combiner="AND",
            conditions=[burning(14.4, 3600), burning(14.4, 300)],
            meaning="At this rate the month's error budget is gone in two days.",
            first="Treat it as an outage: look at the newest release and at the uptime check, and roll back.",
        ),
        Alert(
            key="slo-slow-burn",
            title="the error budget burns",
            severity="warning",
            combiner="AND",
            conditions=[burning(6, 21600), burning(6, 1800)],
            meaning="At this rate the month's error budget is gone in five days.",
            first="Find what recurs: compare the golden signals with releases and maintenance windows.",
        ),
    ]
