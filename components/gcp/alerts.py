"""Alert policies: one shape for all of them, so that severity, routing and documentation cannot be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pulumi
import pulumi_gcp as gcp

from components.gcp.channels import Channels, Severity
from components.guard import Guard
from settings.plan import EnvironmentPlan

MAX_CONDITIONS: Final = 6  # of one policy (Monitoring API, AlertPolicy.conditions)

Condition = gcp.monitoring.AlertPolicyConditionArgs
Threshold = gcp.monitoring.AlertPolicyConditionConditionThresholdArgs
Promql = gcp.monitoring.AlertPolicyConditionConditionPrometheusQueryLanguageArgs
Combiner = Literal["OR", "AND"]

# Between reminders of a critical alert that stands; the API takes 30 minutes to 24 hours.
_REMINDER: Final = "14400s"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What one policy says; `key` is its identity.

    `meaning` and `first` are for whoever is woken: what it means, and the first thing to do. `events` marks signals
    that come once and are gone: their incident closes after a day instead of half an hour, and nobody is reminded,
    because the series says nothing about whether the trouble still stands.
    """

    key: str
    title: str
    severity: Severity
    conditions: Sequence[Condition]
    meaning: str
    first: str
    guide: str = "docs/architecture.md"
    combiner: Combiner = "OR"
    events: bool = False
    enabled: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


def threshold(
    title: str,
    where: pulumi.Input[str],
    *,
    above: float,
    aligner: str,
    period: str,
    reducer: str | None = None,
    by: Sequence[str] = (),
    duration: str = "0s",
    of: str | None = None,
) -> Condition:
    """A condition that holds while a series is above a value for `duration`.

    Args:
        title: name of the condition within its policy.
        where: filter with a metric type and a resource type.
        above: the value, in the unit of the aligned series.
        aligner: what makes one value of each period.
        period: length of a period, at most 25 hours.
        reducer: what joins the series that agree in the fields of `by`.
        by: fields that tell the remaining series apart.
        duration: how long it must hold.
        of: filter of the whole; the condition then compares the ratio, aggregated alike.
    """
    shape: dict[str, Any] = {
        "alignment_period": period,
        "per_series_aligner": aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": list(by) or None,
    }
    return Condition(
        display_name=title,
        condition_threshold=Threshold(
            filter=where,
            comparison="COMPARISON_GT",
            threshold_value=above,
            duration=duration,
            aggregations=[gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(**shape)],
            denominator_filter=of,
            denominator_aggregations=None
            if of is None
            else [gcp.monitoring.AlertPolicyConditionConditionThresholdDenominatorAggregationArgs(**shape)],
        ),
    )


def promql(title: str, query: str, *, duration: str) -> Condition:
    """A condition that holds while a query has an answer, for `duration`.

    No validation of the metrics, because a new one takes minutes to be known.
    """
    return Condition(
        display_name=title,
        condition_prometheus_query_language=Promql(
            query=query, duration=duration, evaluation_interval="60s", disable_metric_validation=True
        ),
    )


def never_seen(title: str, metric: str, *, resource: str, window: str, duration: str) -> Condition:
    """A condition that holds while a metric has had no point for `window` plus `duration`, even if it never had one.

    The API's own absence condition only watches series that have existed, so it would miss a job that never ran.
    """
    return promql(title, f'absent_over_time({metric}{{monitored_resource="{resource}"}}[{window}])', duration=duration)


def create_alert(
    name: str,
    alert: Alert,
    environment: EnvironmentPlan,
    channels: Channels,
    *,
    guard: Guard,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> gcp.monitoring.AlertPolicy:
    """Create the policy; creation is retried while a metric it names is not known everywhere yet.

    Raises:
        ValueError: more conditions than a policy takes.
    """
    if not 1 <= len(alert.conditions) <= MAX_CONDITIONS:
        raise ValueError(f"alert {alert.key} has {len(alert.conditions)} conditions; a policy takes 1 to 6")
    told = channels.told(alert.severity)
    reminded = alert.severity == "critical" and not alert.events and bool(told)
    return gcp.monitoring.AlertPolicy(
        f"{name}-alert-{alert.key}",
        project=environment.gcp.project,
        display_name=f"Tenantry {environment.name}: {alert.title}",
        severity=alert.severity.upper(),
        combiner=alert.combiner,
        enabled=alert.enabled,
        conditions=list(alert.conditions),
        notification_channels=told,
        alert_strategy={
            "auto_close": "86400s" if alert.events else "1800s",
            **(
                {
                    "notification_channel_strategies": [
                        {"notification_channel_names": told, "renotify_interval": _REMINDER}
                    ]
                }
                if reminded
                else {}
            ),
        },
        documentation={
            "mime_type": "text/markdown",
            "content": f"**What it means.** {alert.meaning}\n\n**First.** {alert.first}\n\n**Guide.** `{alert.guide}`",
        },
        user_labels={**environment.labels, **alert.labels, "severity": alert.severity},
        opts=guard.retrying(parent, depends_on=depends_on),
    )
