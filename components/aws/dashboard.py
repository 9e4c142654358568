"""Dashboards: golden signals, databases, tenants, cost (R6.3).

The document has its keys sorted and holds no default, so that the next preview is empty. Instances are found by search
and tenants by queries over the jobs' log: a new one shows up without a change here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components.aws import log_metrics as logs
from components.aws.log_metrics import LogMetric
from components.aws.naming import GLOBAL_REGION, prefix
from settings.plan import EnvironmentPlan

COLUMNS: Final = 24
_WIDTH: Final = 12
_HEIGHT: Final = 6


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Series by time, found by an expression or named one by one, with an optional line at a limit."""

    title: str
    series: Sequence[str | LogMetric | tuple[str, ...]]
    """Search expressions, our own metrics, or `(namespace, name, dimension, value, ...)`."""
    statistic: str
    period: int = 300
    limit: float | None = None
    region: str | None = None

    def widget(self, home: str) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "metrics": [_series(one) for one in self.series],
            "period": self.period,
            "region": self.region or home,
            "stat": self.statistic,
            "title": self.title,
            "view": "timeSeries",
        }
        if self.limit is not None:
            properties["annotations"] = {"horizontal": [{"label": "limit", "value": _number(self.limit)}]}
        return {"properties": properties, "type": "metric"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """The answer of a query over a log group."""

    title: str
    group: str
    query: str

    def widget(self, home: str) -> dict[str, Any]:
        return {
            "properties": {
                "query": f"SOURCE '{self.group}' | {self.query}",
                "region": home,
                "title": self.title,
                "view": "table",
            },
            "type": "log",
        }


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text."""

    text: str

    def widget(self, _home: str) -> dict[str, Any]:
        return {"properties": {"markdown": self.text}, "type": "text"}


Widget = Chart | Table | Note


def _series(one: str | LogMetric | tuple[str, ...]) -> list[object]:
    if isinstance(one, str):
        return [{"expression": one}]
    return [logs.NAMESPACE, one.name] if isinstance(one, LogMetric) else list(one)


def _number(value: float) -> float:
    """A whole number as JSON writes it back: without a fraction."""
    return int(value) if value == int(value) else value


def body(home: str, widgets: Sequence[Widget]) -> str:
    """The dashboard's JSON: two widgets to a row."""
    placed = []
    for index, widget in enumerate(widgets):
        row, column = divmod(index, COLUMNS // _WIDTH)
        place = {"height": _HEIGHT, "width": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT}
        placed.append({**widget.widget(home), **place})
    return json.dumps({"widgets": placed}, sort_keys=True, separators=(",", ":"))


def _search(namespace: str, dimensions: str, metric: str, statistic: str, period: int = 300) -> str:
    return f"SEARCH('{{{namespace},{dimensions}}} MetricName=\"{metric}\"', '{statistic}', {period})"


def _rds(metric: str, statistic: str) -> str:
    return _search("AWS/RDS", "DBInstanceIdentifier", metric, statistic)


def _service(metric: str, statistic: str) -> str:
    return _search("AWS/ECS", "ClusterName,ServiceName", metric, statistic)


def golden_signals(environment: EnvironmentPlan) -> list[Widget]:
    limits = environment.monitoring.thresholds
    balancer = "LoadBalancer,TargetGroup"
    return [
        Chart(
            title="Health check: answered (1) or not (0)",
            series=[_search("AWS/Route53", "HealthCheckId", "HealthCheckStatus", "Minimum", 60)],
            statistic="Minimum",
            period=60,
            region=GLOBAL_REGION,
        ),
        Chart(
            title="Health check: time to the first byte by region (ms)",
            series=[_search("AWS/Route53", "HealthCheckId,Region", "TimeToFirstByte", "Average")],
            statistic="Average",
            limit=limits.latency_p95_seconds * 1000,
            region=GLOBAL_REGION,
        ),
        Chart(
            title="Requests",
            series=[_search("AWS/ApplicationELB", balancer, "RequestCount", "Sum", 60)],
            statistic="Sum",
            period=60,
        ),
        Chart(
            title="Server errors",
            series=[_search("AWS/ApplicationELB", balancer, "HTTPCode_Target_5XX_Count", "Sum", 60)],
            statistic="Sum",
            period=60,
        ),
        Chart(
            title="Latency, 95th percentile (s)",
            series=[_search("AWS/ApplicationELB", balancer, "TargetResponseTime", "p95")],
            statistic="p95",
            limit=limits.latency_p95_seconds,
        ),
        Chart(
            title="Processors of services, the busiest task (%)",
            series=[_service("CPUUtilization", "Maximum")],
            statistic="Maximum",
        ),
        Chart(
            title="Memory of services, the fullest task (%)",
            series=[_service("MemoryUtilization", "Maximum")],
            statistic="Maximum",
        ),
        Chart(
            title="Messages that wait",
            series=[_search("AWS/SQS", "QueueName", "ApproximateNumberOfMessagesVisible", "Maximum")],
            statistic="Maximum",
            limit=limits.queue_backlog,
        ),
    ]


def databases(environment: EnvironmentPlan) -> list[Widget]:
    limits = environment.monitoring.thresholds
    return [
        Chart(
            title="Processor (%)",
            series=[_rds("CPUUtilization", "Average")],
            statistic="Average",
            limit=limits.cpu * 100,
        ),
        Chart(title="Free memory (bytes)", series=[_rds("FreeableMemory", "Minimum")], statistic="Minimum"),
        Chart(title="Connections", series=[_rds("DatabaseConnections", "Maximum")], statistic="Maximum"),
        Chart(title="Free disk (bytes)", series=[_rds("FreeStorageSpace", "Minimum")], statistic="Minimum"),
        Chart(
            title="Read and write latency (s)",
            series=[_rds("ReadLatency", "Average"), _rds("WriteLatency", "Average")],
            statistic="Average",
        ),
        Chart(
            title="Snapshots by AWS Backup",
            series=[
                ("AWS/Backup", f"NumberOfBackupJobs{state}", "BackupVaultName", prefix(environment))
                for state in ("Completed", "Failed")
            ],
            statistic="Sum",
            period=3600,
        ),
    ]


def tenants(environment: EnvironmentPlan, jobs_group: str) -> list[Widget]:
    def table(title: str, query: str) -> Table:
        return Table(title=title, group=jobs_group, query=query)

    return [
        Chart(
            title="Age of the oldest newest export (h)",
            series=[logs.EXPORT_AGE],
            statistic="Maximum",
            period=3600,
            limit=environment.backups.export_max_age_hours,
        ),
        Chart(
            title="Age of the oldest newest restore drill (days)",
            series=[logs.DRILL_AGE],
            statistic="Maximum",
            period=3600,
            limit=environment.backups.drill_max_age_days,
        ),
        table(
            "Newest export by tenant (h)",
            'filter event = "freshness.export" | stats latest(age_hours) as hours by tenant | sort hours desc',
        ),
        table(
            "Newest restore drill by tenant (days)",
            'filter event = "freshness.drill" | stats latest(age_days) as days by tenant | sort days desc',
        ),
        table(
            "Exports that failed",
            'filter event = "export.result" and result != "ok" | stats count(*) as failed by tenant | sort failed desc',
        ),
        table(
            "Not served by the SQL job",
            'filter event = "sql_job.tenant" and result != "ok" | stats count(*) as failed by tenant'
            " | sort failed desc",
        ),
    ]


def cost(environment: EnvironmentPlan) -> list[Widget]:
    budget = environment.monitoring.budget
    amount = "No budget is configured." if budget is None else f"Monthly budget: {budget.amount} USD."
    return [
        Note(
            text=f"# Budget\n{amount} Cost by tenant, service and cost centre is in Cost Explorer, by tag, once the "
            "tags are activated there. What drives it:"
        ),
        Chart(
            title="Charges of the month so far (USD)",
            series=[("AWS/Billing", "EstimatedCharges", "Currency", "USD")],
            statistic="Maximum",
            period=21600,
            region=GLOBAL_REGION,
        ),
        Chart(
            title="Stored objects (bytes)",
            series=[_search("AWS/S3", "BucketName,StorageType", "BucketSizeBytes", "Average", 86400)],
            statistic="Average",
            period=86400,
        ),
        Chart(
            title="Log entries (bytes)",
            series=[_search("AWS/Logs", "LogGroupName", "IncomingBytes", "Sum", 3600)],
            statistic="Sum",
            period=3600,
        ),
        Chart(
            title="Bytes out through the NAT gateways",
            series=[_search("AWS/NATGateway", "NatGatewayId", "BytesOutToDestination", "Sum", 3600)],
            statistic="Sum",
            period=3600,
        ),
        Chart(
            title="Processors of services (%)",
            series=[_service("CPUUtilization", "Average")],
            statistic="Average",
        ),
    ]


def create_dashboards(
    name: str, environment: EnvironmentPlan, *, jobs_group: str, parent: pulumi.Resource
) -> Mapping[str, aws.cloudwatch.Dashboard]:
    """Create the dashboards by key: `golden-signals`, `databases`, `tenants`, `cost`.

    Args:
        name: prefix of the Pulumi names.
        environment: the environment's plan.
        jobs_group: name of the log group of the data-plane jobs.
        parent: the component that owns them.
    """
    contents = {
        "golden-signals": golden_signals(environment),
        "databases": databases(environment),
        "tenants": tenants(environment, jobs_group),
        "cost": cost(environment),
    }
    return {
        key: aws.cloudwatch.Dashboard(
            f"{name}-dashboard-{key}",
            dashboard_name=f"{prefix(environment)}-{key}",
            dashboard_body=body(environment.aws.region, widgets),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for key, widgets in contents.items()
    }
