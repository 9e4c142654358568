"""Alarms: one shape for all of them, so that severity, routing, missing data and documentation cannot be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components.aws.channels import Channels, Severity
from components.aws.naming import prefix
from settings.plan import EnvironmentPlan

GUIDE: Final = "docs/operations.md"
RESTORE_GUIDE: Final = "docs/restore.md"

Comparison = Literal["GreaterThanThreshold", "LessThanThreshold"]
Missing = Literal["breaching", "notBreaching", "ignore"]
"""What silence means: trouble, peace, or nothing new."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One series: `statistic` is Sum, Average, Minimum, Maximum, or a percentile such as p95."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A series computed from others, which it names by their keys; or a query, which needs none."""

    text: str
    label: str
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What one alarm says; `key` is its identity.

    `meaning` and `first` are for whoever is woken: what it means, and the first thing to do. `events` marks signals
    that come once and are gone: their end says nothing about whether the trouble still stands, so nobody is told of
    it. A `part` of another alarm tells nobody itself.

    Attributes:
        period: seconds that make one value.
        periods: values that are looked at.
        breaches: how many of them must be beyond the limit; all when unset.
        missing: what a period without a value counts as.
        region: where the metric is; the home region when unset.
        enabled: False keeps its state and tells nobody.
    """

    key: str
    title: str
    severity: Severity
    source: Metric | Expression
    comparison: Comparison = "GreaterThanThreshold"
    threshold: float
    period: int
    periods: int = 1
    breaches: int | None = None
    missing: Missing
    meaning: str
    first: str
    guide: str = GUIDE
    events: bool = False
    part: bool = False
    enabled: bool = True
    region: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Conjunction:
    """An alarm that stands while all its parts do."""

    key: str
    title: str
    severity: Severity
    parts: tuple[Alarm, ...]
    meaning: str
    first: str
    region: str
    guide: str = GUIDE


def alarm_name(environment: EnvironmentPlan, key: str) -> str:
    return f"{prefix(environment)}-{key}"


def create_alarm(
    name: str,
    alarm: Alarm,
    environment: EnvironmentPlan,
    channels: Channels,
    *,
    depends_on: Sequence[pulumi.Resource] = (),
    parent: pulumi.Resource,
) -> aws.cloudwatch.MetricAlarm:
    """Create an alarm in the region of its metric."""
    region = alarm.region or environment.aws.region
    told = [] if alarm.part else channels.told(alarm.severity, region)
    source = alarm.source
    single = source if isinstance(source, Metric) else None
    percentile = single is not None and single.statistic.startswith("p")
    return aws.cloudwatch.MetricAlarm(
        f"{name}-alarm-{alarm.key}",
        name=alarm_name(environment, alarm.key),
        alarm_description=_description(alarm),
        comparison_operator=alarm.comparison,
        threshold=alarm.threshold,
        evaluation_periods=alarm.periods,
        datapoints_to_alarm=alarm.breaches or alarm.periods,
        treat_missing_data=alarm.missing,
        actions_enabled=alarm.enabled,
        alarm_actions=told,
        ok_actions=[] if alarm.events else told,
        namespace=None if single is None else single.namespace,
        metric_name=None if single is None else single.name,
        dimensions=None if single is None else dict(single.dimensions) or None,
        statistic=None if single is None or percentile else single.statistic,
        extended_statistic=single.statistic if single is not None and percentile else None,
        period=None if single is None else alarm.period,
        metric_queries=_queries(source, alarm.period) if isinstance(source, Expression) else None,
        region=region,
        tags={**alarm.labels, "severity": alarm.severity},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*channels.ready, *depends_on]),
    )


def _queries(source: Expression, period: int) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    """The result, then what it is computed from."""
    # a query has a period of its own; an expression takes that of its series
    own_period = None if source.metrics else period
    return [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id="result", expression=source.text, label=source.label, period=own_period, return_data=True
        ),
        *(
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=key,
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=metric.namespace,
                    metric_name=metric.name,
                    dimensions=dict(metric.dimensions),
                    period=period,
                    stat=metric.statistic,
                ),
                return_data=False,
            )
            for key, metric in source.metrics.items()
        ),
    ]


def create_conjunction(
    name: str,
    alarm: Conjunction,
    environment: EnvironmentPlan,
    channels: Channels,
    *,
    depends_on: Sequence[pulumi.Resource] = (),
    parent: pulumi.Resource,
) -> aws.cloudwatch.CompositeAlarm:
    """Create the parts, which tell nobody, and the alarm over them."""
    parts = [
        create_alarm(name, part, environment, channels, depends_on=depends_on, parent=parent) for part in alarm.parts
    ]
    told = channels.told(alarm.severity, alarm.region)
    return aws.cloudwatch.CompositeAlarm(
        f"{name}-alarm-{alarm.key}",
        alarm_name=alarm_name(environment, alarm.key),
        alarm_description=_description(alarm),
        alarm_rule=" AND ".join(f'ALARM("{alarm_name(environment, part.key)}")' for part in alarm.parts),
        actions_enabled=True,
        alarm_actions=told,
        ok_actions=told,
        region=alarm.region,
        tags={"severity": alarm.severity},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*parts, *channels.ready]),
    )


def _description(alarm: Alarm | Conjunction) -> str:
    """At most 1,024 characters (PutMetricAlarm)."""
    return f"{alarm.title}. {alarm.meaning} First: {alarm.first} Guide: {alarm.guide}"
