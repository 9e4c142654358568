"""Dashboards: golden signals, databases, tenants, cost (R6.3).

The document holds nothing that the server would add or drop (no zero position, no default), with its keys sorted, so
that the next preview is empty. Tenants are labels of series: a new one shows up without a change here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_gcp as gcp

from components.gcp import log_metrics as logs
from components.gcp.slo import LATENCIES, REQUESTS
from settings.plan import EnvironmentPlan

COLUMNS: Final = 12
_WIDTH: Final = 6
_HEIGHT: Final = 4

_SERVICE: Final = ("resource.label.service_name",)
_INSTANCE: Final = ("resource.label.database_id",)
_DATABASE: Final = ("resource.label.database_id", "metric.label.database")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Series by time, with an optional line at a limit."""

    title: str
    where: str
    aligner: str
    reducer: str = "REDUCE_SUM"
    by: Sequence[str] = ()
    period: str = "60s"
    limit: float | None = None
    of: str | None = None

    def widget(self) -> dict[str, Any]:
        chart: dict[str, Any] = {"dataSets": [{"plotType": "LINE", "timeSeriesQuery": self._query()}]}
        if self.limit is not None:
            chart["thresholds"] = [{"label": "limit", "value": _number(self.limit)}]
        return {"title": self.title, "xyChart": chart}

    def _query(self) -> dict[str, Any]:
        aggregation = {
            "alignmentPeriod": self.period,
            "crossSeriesReducer": self.reducer,
            "perSeriesAligner": self.aligner,
            **({"groupByFields": list(self.by)} if self.by else {}),
        }
        part = {"aggregation": aggregation, "filter": self.where}
        if self.of is None:
            return {"timeSeriesFilter": part}
        return {"timeSeriesFilterRatio": {"denominator": {**part, "filter": self.of}, "numerator": part}}


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text."""

    title: str
    text: str

    def widget(self) -> dict[str, Any]:
        return {"text": {"content": self.text, "format": "MARKDOWN"}, "title": self.title}


def _number(value: float) -> float:
    """A whole number as JSON writes it back: without a fraction."""
    return int(value) if value == int(value) else value


def document(title: str, widgets: Sequence[Chart | Note]) -> str:
    """The dashboard's JSON: two widgets to a row."""
    tiles = []
    for index, widget in enumerate(widgets):
        row, column = divmod(index, COLUMNS // _WIDTH)
        position = {"xPos": column * _WIDTH, "yPos": row * _HEIGHT}
        tiles.append(
            {
                "height": _HEIGHT,
                "widget": widget.widget(),
                "width": _WIDTH,
                **{axis: place for axis, place in position.items() if place},
            }
        )
    return json.dumps(
        {"displayName": title, "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}},
        sort_keys=True,
        separators=(",", ":"),
    )


def _sql(metric: str) -> str:
    return f'resource.type="cloudsql_database" AND metric.type="cloudsql.googleapis.com/database/{metric}"'


def _run(metric: str) -> str:
    return f'resource.type="cloud_run_revision" AND metric.type="run.googleapis.com/container/{metric}"'


def golden_signals(environment: EnvironmentPlan) -> list[Chart | Note]:
    limits = environment.monitoring.thresholds
    return [
        Chart(title="Requests per second", where=REQUESTS, aligner="ALIGN_RATE", by=_SERVICE),
        Chart(
            title="Share of server errors",
            where=f'{REQUESTS} AND metric.labels.response_code_class="5xx"',
            of=REQUESTS,
            aligner="ALIGN_RATE",
            by=_SERVICE,
            limit=limits.error_rate_warning,
        ),
        Chart(
            title="Latency, 95th percentile (ms)",
            where=LATENCIES,
            aligner="ALIGN_DELTA",
            reducer="REDUCE_PERCENTILE_95",
            by=_SERVICE,
            limit=limits.latency_p95_seconds * 1000,
        ),
        Chart(
            title="Instances",
            where=_run("instance_count"),
            aligner="ALIGN_MAX",
            by=_SERVICE,
        ),
        Chart(
            title="Start of an instance, 95th percentile (ms)",
            where=_run("startup_latencies"),
            aligner="ALIGN_DELTA",
            reducer="REDUCE_PERCENTILE_95",
            by=_SERVICE,
            period="300s",
        ),
        Chart(
            title="Processors of instances in use, 95th percentile (share)",
            where=_run("cpu/utilizations"),
            aligner="ALIGN_DELTA",
            reducer="REDUCE_PERCENTILE_95",
            by=_SERVICE,
        ),
        Chart(
            title="Memory of instances in use, 95th percentile (share)",
            where=_run("memory/utilizations"),
            aligner="ALIGN_DELTA",
            reducer="REDUCE_PERCENTILE_95",
            by=_SERVICE,
        ),
        Chart(title="Bytes sent per second", where=_run("network/sent_bytes_count"), aligner="ALIGN_RATE", by=_SERVICE),
        Chart(
            title="Health check: share of locations that were answered",
            where='resource.type="uptime_url" AND metric.type="monitoring.googleapis.com/uptime_check/check_passed"'
            f' AND resource.labels.host="{environment.monitoring.app_host}"',
            aligner="ALIGN_FRACTION_TRUE",
            reducer="REDUCE_MEAN",
            by=("resource.label.host",),
        ),
        Chart(
            title="Undelivered messages",
            where='resource.type="pubsub_subscription"'
            ' AND metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages"',
            aligner="ALIGN_MAX",
            by=("resource.label.subscription_id",),
            limit=limits.queue_backlog,
        ),
    ]


def databases(environment: EnvironmentPlan) -> list[Chart | Note]:
    limits = environment.monitoring.thresholds
    return [
        Chart(
            title="Processor",
            where=_sql("cpu/utilization"),
            aligner="ALIGN_MEAN",
            reducer="REDUCE_MAX",
            by=_INSTANCE,
            limit=limits.cpu,
        ),
        Chart(
            title="Memory",
            where=_sql("memory/utilization"),
            aligner="ALIGN_MEAN",
            reducer="REDUCE_MAX",
            by=_INSTANCE,
        ),
        Chart(title="Connections", where=_sql("postgresql/num_backends"), aligner="ALIGN_MAX", by=_INSTANCE),
        Chart(
            title="Disk used (bytes)",
            where=_sql("disk/bytes_used"),
            aligner="ALIGN_MAX",
            reducer="REDUCE_MAX",
            by=_INSTANCE,
            period="300s",
        ),
        Chart(
            title="Replica lag (s)",
            where=_sql("replication/replica_lag"),
            aligner="ALIGN_MAX",
            reducer="REDUCE_MAX",
            by=_INSTANCE,
        ),
        Chart(
            title="Transactions per second",
            where=_sql("postgresql/transaction_count"),
            aligner="ALIGN_RATE",
            by=_INSTANCE,
        ),
    ]


def tenants(environment: EnvironmentPlan, ages: logs.Ages) -> list[Chart | Note]:
    return [
        Chart(
            title="Age of the newest export (h)",
            where=ages.export.where,
            aligner="ALIGN_PERCENTILE_99",
            reducer="REDUCE_MAX",
            by=("metric.label.tenant",),
            period="3600s",
            limit=environment.backups.export_max_age_hours,
        ),
        Chart(
            title="Exports that failed",
            where=f'{logs.EXPORT_RESULT.where} AND metric.labels.result!="ok"',
            aligner="ALIGN_SUM",
            by=("metric.label.tenant",),
            period="3600s",
        ),
        Chart(
            title="Not served by the SQL job",
            where=f'{logs.SQL_JOB_TENANT.where} AND metric.labels.result!="ok"',
            aligner="ALIGN_SUM",
            by=("metric.label.tenant",),
            period="3600s",
        ),
        Chart(
            title="Age of the newest restore drill (days)",
            where=ages.drill.where,
            aligner="ALIGN_PERCENTILE_99",
            reducer="REDUCE_MAX",
            by=("metric.label.instance",),
            period="3600s",
            limit=environment.backups.drill_max_age_days,
        ),
        Chart(
            title="Connections by database", where=_sql("postgresql/num_backends"), aligner="ALIGN_MAX", by=_DATABASE
        ),
        Chart(
            title="Transactions per second by database",
            where=_sql("postgresql/transaction_count"),
            aligner="ALIGN_RATE",
            by=_DATABASE,
        ),
    ]


def cost(environment: EnvironmentPlan) -> list[Chart | Note]:
    budget = environment.monitoring.budget
    amount = "No budget is configured." if budget is None else f"Monthly budget: {budget.amount} {budget.currency}."
    return [
        Note(
            title="Budget",
            text=f"{amount} Cost by tenant, service and cost centre is in the billing export, by label. "
            "Monitoring knows what drives it:",
        ),
        Chart(title="Processors of databases", where=_sql("cpu/reserved_cores"), aligner="ALIGN_MEAN", by=_INSTANCE),
        Chart(title="Disk of databases (bytes)", where=_sql("disk/quota"), aligner="ALIGN_MEAN", by=_INSTANCE),
        Chart(
            title="Stored objects (bytes)",
            where='resource.type="gcs_bucket" AND metric.type="storage.googleapis.com/storage/total_bytes"',
            aligner="ALIGN_MEAN",
            by=("resource.label.bucket_name",),
            period="3600s",
        ),
        Chart(
            title="Cloud Run: billed seconds per second",
            where=_run("billable_instance_time"),
            aligner="ALIGN_RATE",
            by=_SERVICE,
        ),
        Chart(
            title="Log entries (bytes per second)",
            where='resource.type="global" AND metric.type="logging.googleapis.com/billing/bytes_ingested"',
            aligner="ALIGN_RATE",
            period="3600s",
        ),
    ]


def create_dashboards(
    name: str,
    environment: EnvironmentPlan,
    ages: logs.Ages,
    *,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> dict[str, gcp.monitoring.Dashboard]:
    """Create the dashboards by key: `golden-signals`, `databases`, `tenants`, `cost`."""
    contents = {
        "golden-signals": ("golden signals", golden_signals(environment)),
        "databases": ("databases", databases(environment)),
        "tenants": ("tenants", tenants(environment, ages)),
        "cost": ("cost", cost(environment)),
    }
    return {
        key: gcp.monitoring.Dashboard(
            f"{name}-dashboard-{key}",
            project=environment.gcp.project,
            dashboard_json=document(f"Tenantry {environment.name}: {title}", widgets),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on)),
        )
        for key, (title, widgets) in contents.items()
    }
