"""What is alerted on of the services and queues that Tenantry itself runs; nothing where it runs none."""

from __future__ import annotations

from typing import Final

from components.gcp.alerts import Alert, promql, threshold
from components.gcp.containers import app_name
from components.gcp.log_metrics import MEMORY_KILLED, RUN_SERVICE
from components.gcp.queues import dead_letters_name
from settings.plan import EnvironmentPlan

FEW_STARTS: Final = 10
"""Starts in an hour that are none of its requests' doing: a new revision, or Google moving instances."""


def serving_alerts(environment: EnvironmentPlan) -> list[Alert]:
    """Killed containers, cold starts and messages that were given up (S4's document, R6.2)."""
    if environment.home != "gcp":
        return []
    alerts = [_killed()] if environment.services else []
    # where no instance waits, a first request always starts one: that was chosen
    warm = sorted(app_name(name) for name, service in environment.services.items() if service.min_instances)
    if warm:
        alerts.append(_cold(warm, environment.monitoring.thresholds.cold_start_rate))
    if environment.queues:
        alerts.append(_undeliverable(sorted(dead_letters_name(queue) for queue in environment.queues)))
    return alerts


def _killed() -> Alert:
    return Alert(
        key="memory-killed",
        title="a container ran out of memory",
        severity="critical",
        events=True,
        conditions=[
            threshold(
                "An instance was killed",
                MEMORY_KILLED.where,
                above=0,
                aligner="ALIGN_SUM",
                period="300s",
                reducer="REDUCE_SUM",
                by=["resource.label.service_name"],
            )
        ],
        meaning="Cloud Run killed an instance that took more memory than it has; its requests failed.",
        first="Compare with the newest release and roll it back if it is new; else raise the service's `memory_mb`.",
    )


def _cold(services: list[str], share: float) -> Alert:
    labels = f'{{monitored_resource="{RUN_SERVICE}",service_name=~"{"|".join(services)}"}}'

    def hourly(metric: str) -> str:
        return f"sum by (service_name) (increase(run_googleapis_com:{metric}{labels}[1h]))"

    starts, requests = hourly("container_startup_latencies_count"), hourly("request_count")
    return Alert(
        key="cold-starts",
        title="requests wait for instances to start",
        severity="warning",
        conditions=[
            promql(
                f"More starts than {share:.0%} of the requests",
                f"{starts} > clamp_min({share:g} * {requests}, {FEW_STARTS})",
                duration="0s",
            )
        ],
        meaning="Instances start so often, for the requests that come, that many of these wait for one.",
        first="Look for instances that crash; else raise the service's `min_instances`.",
    )


def _undeliverable(subscriptions: list[str]) -> Alert:
    names = ", ".join(f'"{name}"' for name in subscriptions)
    return Alert(
        key="dead-letters",
        title="messages were given up",
        severity="warning",
        conditions=[
            threshold(
                "Undelivered messages among the dead letters",
                'resource.type="pubsub_subscription"'
                ' AND metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages"'
                f" AND resource.labels.subscription_id=one_of({names})",
                above=0,
                aligner="ALIGN_MAX",
                period="60s",
                reducer="REDUCE_SUM",
                by=["resource.label.subscription_id"],
            )
        ],
        meaning="A message was tried as often as `max_attempts` allows and given up; it is kept for two weeks.",
        first="Read the messages and the service's errors, repair the cause, publish them again, acknowledge them.",
    )
