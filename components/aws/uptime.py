"""The check that the application answers from outside, and how fast its error budget burns (R6.1, R6.3).

Route 53 asks from all over the world and reports in us-east-1, so these alarms are there. It sees whatever serves the
host: an application on Vercel and guest databases behind it are watched by it as well.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.alarms import Alarm, Conjunction, Metric
from components.aws.naming import GLOBAL_REGION, prefix
from settings.plan import EnvironmentPlan


def create_health_check(name: str, environment: EnvironmentPlan, *, parent: pulumi.Resource) -> aws.route53.HealthCheck:
    """Ask for the health path every thirty seconds from each of Route 53's locations; two failures in a row count."""
    settings = environment.monitoring
    return aws.route53.HealthCheck(
        f"{name}-uptime",
        type="HTTPS",
        fqdn=settings.app_host,
        port=443,
        resource_path=settings.health_path,
        enable_sni=True,
        request_interval=30,
        failure_threshold=2,
        # can never be turned on later
        measure_latency=True,
        tags={"Name": f"{prefix(environment)}-{settings.app_host}"},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _answered(check: aws.route53.HealthCheck, statistic: str) -> Metric:
    """One value a minute: 1 when more than 18 % of the locations were answered, else 0 (Route 53's own rule)."""
    return Metric(
        namespace="AWS/Route53", name="HealthCheckStatus", statistic=statistic, dimensions={"HealthCheckId": check.id}
    )


def uptime_alarm(check: aws.route53.HealthCheck) -> Alarm:
    """Critical when it was down for over a minute (R6.1). No report is no answer either."""
    return Alarm(
        key="uptime",
        title="The application does not answer",
        severity="critical",
        source=_answered(check, "Minimum"),
        comparison="LessThanThreshold",
        threshold=1,
        period=60,
        periods=2,
        missing="breaching",
        region=GLOBAL_REGION,
        meaning="The health check failed for more than a minute. Customers are locked out.",
        first="Open the health path yourself, then the newest release and the databases' dashboard; roll back first.",
    )


def burn_alarms(environment: EnvironmentPlan, check: aws.route53.HealthCheck) -> list[Conjunction]:
    """Two alarms on availability: a long window shows that it matters, a short one that it still goes on.

    Rates and windows are those of Google's SRE workbook, "Alerting on SLOs": 14.4 times over an hour spends 2 % of a
    month's budget, 6 times over six hours 5 %.
    """
    budget = 1 - environment.monitoring.slo.availability

    def burning(key: str, rate: float, seconds: int) -> Alarm:
        return Alarm(
            key=f"{key}-{seconds // 60}-minutes",
            title=f"{rate:g} times the error budget over {seconds // 60} minutes",
            severity="warning",
            source=_answered(check, "Average"),
            comparison="LessThanThreshold",
            threshold=round(1 - rate * budget, 6),
            period=seconds,
            # a check that reports nothing is the uptime alarm's business
            missing="notBreaching",
            part=True,
            region=GLOBAL_REGION,
            meaning="Part of an alarm on the error budget.",
            first="See the alarm that it is a part of.",
        )

    return [
        Conjunction(
            key="slo-fast-burn",
            title="The error budget burns fast",
            severity="critical",
            parts=(burning("slo-fast-burn", 14.4, 3600), burning("slo-fast-burn", 14.4, 300)),
            region=GLOBAL_REGION,
            meaning="At this rate the month's error budget is gone in two days.",
            first="Treat it as an outage: look at the newest release and at the uptime check, and roll back.",
        ),
        Conjunction(
            key="slo-slow-burn",
            title="The error budget burns",
            severity="warning",
            parts=(burning("slo-slow-burn", 6, 21600), burning("slo-slow-burn", 6, 1800)),
            region=GLOBAL_REGION,
            meaning="At this rate the month's error budget is gone in five days.",
            first="Find what recurs: compare the golden signals with releases and maintenance windows.",
        ),
    ]
