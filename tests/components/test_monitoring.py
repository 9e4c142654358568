"""What the monitoring component asks of the cloud: routing, thresholds, filters, and that no tenant has an object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pulumi
import pulumi_gcp as gcp
import pytest

from components.clouds import Clouds
from components.gcp import log_metrics
from components.gcp.alerts import Alert, create_alert, threshold
from components.gcp.apis import SERVICES
from components.gcp.channels import Channels
from components.gcp.environment import GoogleEnvironment
from components.gcp.platform import Platform
from components.guard import register_guard
from components.monitoring import Monitoring, MonitoringArgs
from sandbox.mocks import Registration, SandboxMocks, boot
from settings.lifecycle import Previous
from settings.load import read_stack_file
from settings.models import (
    BudgetSettings,
    ChannelSettings,
    QueueSettings,
    ServiceSettings,
    SlackChannel,
    SloSettings,
    ThresholdSettings,
)
from settings.plan import Plan
from settings.resolve import load
from tests import ROOT
from tests.contract.checker import check_all

ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
BUDGET = "gcp:billing/budget:Budget"
CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
DASHBOARD = "gcp:monitoring/dashboard:Dashboard"
METRIC = "gcp:logging/metric:Metric"
SLO = "gcp:monitoring/slo:Slo"
UPTIME = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"


def prod() -> Plan:
    return load(read_stack_file(ROOT / "Pulumi.prod.yaml"), "prod")


def with_monitoring(plan: Plan, **changes: object) -> Plan:
    monitoring = plan.environment.monitoring.model_copy(update=changes)
    return replace(plan, environment=replace(plan.environment, monitoring=monitoring))


def _platform() -> Platform:
    apis = {service: gcp.projects.Service(service, service=service) for service in SERVICES}
    nothing = cast(Any, None)
    return Platform(
        apis=apis,
        accounts={},
        keys={},
        key_grants={},
        network=nothing,
        subnetwork=nothing,
        services_connection=nothing,
        buckets={},
    )


def _google(plan: Plan) -> GoogleEnvironment:
    nothing = cast(Any, None)
    return GoogleEnvironment(
        platform=_platform(),
        pools={},
        sql_job=nothing,
        audit_logs=gcp.logging.ProjectBucketConfig(
            "audit-logs",
            project=plan.environment.gcp.project,
            location=plan.environment.gcp.region,
            bucket_id="audit",
        ),
    )


def built(plan: Plan) -> SandboxMocks:
    """Everything that the component registers for a plan."""
    mocks = boot(stack=plan.environment.name)

    def program() -> None:
        Monitoring(
            "monitoring",
            MonitoringArgs(
                plan=plan,
                clouds=Clouds(on_gcp=_google(plan), on_aws=None),
                balanced=(),
                external_secrets={
                    name: pulumi.Output.secret(f"value of {name}") for name in ("SLACK_TOKEN", "PAGERDUTY_KEY")
                },
                guard=register_guard(Previous.from_outputs({}), []),
            ),
        )

    # awaits every registration; the SDK has no type for it
    cast("Any", pulumi.runtime.test)(program)()
    return mocks


@pytest.fixture(scope="module")
def stack() -> SandboxMocks:
    return built(prod())


def alert(mocks: SandboxMocks, key: str) -> Registration:
    return mocks.one(ALERT, f"monitoring-alert-{key}")


def conditions(mocks: SandboxMocks, key: str) -> list[dict[str, Any]]:
    return [item["conditionThreshold"] for item in alert(mocks, key).inputs["conditions"]]


def limits(mocks: SandboxMocks, key: str) -> list[float]:
    return [item["thresholdValue"] for item in conditions(mocks, key)]


def metric(mocks: SandboxMocks, key: str) -> Mapping[str, Any]:
    return mocks.one(METRIC, f"monitoring-metric-{key}").inputs


class TestChannels:
    def test_each_address_and_service_has_one(self, stack: SandboxMocks) -> None:
        assert {(item.name, item.inputs["type"]) for item in stack.of(CHANNEL)} == {
            ("monitoring-email-platform@ledgerly.example", "email"),
            ("monitoring-email-security@ledgerly.example", "email"),
            ("monitoring-slack", "slack"),
            ("monitoring-pagerduty", "pagerduty"),
        }

    def test_tokens_are_secret_and_only_in_sensitive_labels(self, stack: SandboxMocks) -> None:
        slack, pager = stack.one(CHANNEL, "monitoring-slack"), stack.one(CHANNEL, "monitoring-pagerduty")
        assert slack.inputs["sensitiveLabels"] == {"authToken": "value of SLACK_TOKEN"}
        assert pager.inputs["sensitiveLabels"] == {"serviceKey": "value of PAGERDUTY_KEY"}
        assert slack.secret_inputs == pager.secret_inputs == {"sensitiveLabels"}
        assert slack.inputs["labels"] == {"channel_name": "#prod-alerts"}

    def test_critical_reaches_all_and_a_warning_wakes_nobody(self, stack: SandboxMocks) -> None:
        names = {item.name: item.outputs["name"] for item in stack.of(CHANNEL)}
        everyone = set(names.values())
        told = {item.name: set(item.inputs["notificationChannels"]) for item in stack.of(ALERT)}
        severity = {item.name: item.inputs["severity"] for item in stack.of(ALERT)}
        assert set(severity.values()) == {"CRITICAL", "WARNING"}
        for name, channels in told.items():
            expected = everyone if severity[name] == "CRITICAL" else everyone - {names["monitoring-pagerduty"]}
            assert channels == expected, name

    def test_only_a_standing_critical_alert_reminds(self, stack: SandboxMocks) -> None:
        reminding = {
            item.name.removeprefix("monitoring-alert-")
            for item in stack.of(ALERT)
            if "notificationChannelStrategies" in item.inputs["alertStrategy"]
        }
        assert reminding == {
            "uptime", "slo-fast-burn", "error-rate-critical", "export-stale", "sql-job-silent", "watch-silent",
            "database-down",
        }  # fmt: skip

    def test_no_channel_of_a_kind_that_is_not_configured(self) -> None:
        quiet = built(with_monitoring(prod(), channels=ChannelSettings(email=("one@ledgerly.example",))))
        assert [item.name for item in quiet.of(CHANNEL)] == ["monitoring-email-one@ledgerly.example"]
        slack = built(with_monitoring(prod(), channels=ChannelSettings(slack=SlackChannel(channel="#only"))))
        assert [item.name for item in slack.of(CHANNEL)] == ["monitoring-slack"]
        assert slack.one(BUDGET).inputs.get("allUpdatesRule") is None


class TestAlerts:
    def test_inventory(self, stack: SandboxMocks) -> None:
        severities = {
            item.name.removeprefix("monitoring-alert-"): item.inputs["severity"].lower() for item in stack.of(ALERT)
        }
        assert severities == {
            "audit-data": "warning",
            "audit-identity": "critical",
            "audit-network": "warning",
            "database-down": "critical",
            "database-pool-business-1": "warning",
            "database-pool-personal": "warning",
            "database-tenant-cobalt-bank": "warning",
            "database-tenant-granite-funds": "warning",
            "drill-failed": "critical",
            "drill-stale": "warning",
            "error-rate-critical": "critical",
            "error-rate-warning": "warning",
            "export-failed": "warning",
            "export-stale": "critical",
            "latency": "warning",
            "queue-backlog": "warning",
            "secret-age": "warning",
            "slo-fast-burn": "critical",
            "slo-slow-burn": "warning",
            "sql-job-failed": "critical",
            "sql-job-silent": "critical",
            "uptime": "critical",
            "watch-silent": "critical",
            "worker-failed": "warning",
        }

    def test_each_is_documented_labelled_and_within_the_limits(self, stack: SandboxMocks) -> None:
        for item in stack.of(ALERT):
            inputs = item.inputs
            assert 1 <= len(inputs["conditions"]) <= 6, item.name
            titles = [condition["displayName"] for condition in inputs["conditions"]]
            assert len(set(titles)) == len(titles), item.name
            content = inputs["documentation"]["content"]
            assert "**What it means.**" in content
            assert "**First.**" in content
            assert re.search(r"`docs/[a-z-]+\.md`$", content), item.name
            assert inputs["userLabels"]["environment"] == "prod"
            assert inputs["userLabels"]["severity"] == inputs["severity"].lower()
            assert inputs["combiner"] == ("AND" if "burn" in item.name else "OR")
        names = [item.inputs["displayName"] for item in stack.of(ALERT)]
        assert len(set(names)) == len(names)

    def test_every_filter_names_a_metric_and_a_resource(self, stack: SandboxMocks) -> None:
        seen = 0
        for item in stack.of(ALERT):
            for condition in item.inputs["conditions"]:
                read = condition.get("conditionThreshold")
                if read is None or read["filter"].startswith("select_slo"):
                    continue
                for text in filter(None, (read["filter"], read.get("denominatorFilter"))):
                    seen += 1
                    assert text.count('metric.type="') == text.count('resource.type="') == 1, text
                    assert len(text) <= 2048
        assert seen > 30

    def test_downtime_is_two_locations_for_over_a_minute(self, stack: SandboxMocks) -> None:
        (condition,) = conditions(stack, "uptime")
        check = stack.one(UPTIME)
        assert f'metric.labels.check_id="{check.outputs["uptimeCheckId"]}"' in condition["filter"]
        assert (condition["thresholdValue"], condition["duration"]) == (1, "60s")
        assert condition["aggregations"][0]["crossSeriesReducer"] == "REDUCE_COUNT_FALSE"
        assert check.inputs["period"] == "60s"
        assert check.inputs["selectedRegions"] == ["ASIA_PACIFIC", "EUROPE", "USA"]
        assert check.inputs["httpCheck"]["path"] == "/api/health"
        assert check.inputs["httpCheck"]["useSsl"] is check.inputs["httpCheck"]["validateSsl"] is True
        assert check.inputs["monitoredResource"]["labels"]["host"] == "app.ledgerly.example"

    def test_thresholds_of_the_application_come_from_the_configuration(self, stack: SandboxMocks) -> None:
        assert limits(stack, "error-rate-critical") == [0.05]
        assert limits(stack, "error-rate-warning") == [0.01]
        assert limits(stack, "latency") == [2000]
        assert limits(stack, "queue-backlog") == [1000]
        other = ThresholdSettings(
            error_rate_critical=0.2, error_rate_warning=0.1, latency_p95_seconds=0.5, queue_backlog=7
        )
        changed = built(with_monitoring(prod(), thresholds=other))
        assert limits(changed, "error-rate-critical") == [0.2]
        assert limits(changed, "error-rate-warning") == [0.1]
        assert limits(changed, "latency") == [500]
        assert limits(changed, "queue-backlog") == [7]

    def test_the_error_rate_is_a_ratio_of_equally_aggregated_series(self, stack: SandboxMocks) -> None:
        (condition,) = conditions(stack, "error-rate-critical")
        assert condition["filter"] == f'{condition["denominatorFilter"]} AND metric.labels.response_code_class="5xx"'
        assert condition["aggregations"] == condition["denominatorAggregations"]

    def test_an_instance_is_judged_by_its_own_limits(self, stack: SandboxMocks) -> None:
        # 900 connections, 2000 GB, with a replica; 500 connections, 1000 GB, without
        assert limits(stack, "database-pool-business-1") == [0.8, 720, int(0.85 * 2000 * 2**30), 0.8, 720, 300]
        assert limits(stack, "database-pool-personal") == [0.8, 400, int(0.85 * 1000 * 2**30)]
        filters = [item["filter"] for item in conditions(stack, "database-pool-business-1")]
        databases = [re.search(r'database_id="([^"]+)"', text)[1] for text in filters]  # type: ignore[index]
        primary = "ledgerly-prod:ledgerly-prod-pool-business-1-1"
        assert databases == [primary] * 3 + [f"{primary}-replica"] * 3
        connections = conditions(stack, "database-pool-personal")[1]["aggregations"][0]
        assert connections["crossSeriesReducer"] == "REDUCE_SUM"

    def test_shares_of_an_instance_come_from_the_configuration(self) -> None:
        changed = built(with_monitoring(prod(), thresholds=ThresholdSettings(cpu=0.5, disk=0.25, connections=0.4)))
        assert limits(changed, "database-pool-personal") == [0.5, 200, 250 * 2**30]

    def test_a_disk_without_a_bound_ends_at_the_service_limit(self) -> None:
        plan = prod()
        pools = tuple(replace(pool, disk_limit_gb=0) for pool in plan.pools)
        changed = built(replace(plan, pools=pools))
        assert limits(changed, "database-pool-personal")[2] == int(0.85 * 65536 * 2**30)

    def test_backup_ages_come_from_the_configuration(self, stack: SandboxMocks) -> None:
        assert limits(stack, "export-stale") == [26]
        assert limits(stack, "drill-stale") == [8]
        assert limits(stack, "secret-age") == [90]
        plan = prod()
        environment = plan.environment
        backups = environment.backups.model_copy(update={"export_max_age_hours": 30, "drill_max_age_days": 9})
        secrets = environment.secrets.model_copy(update={"max_age_days": 33})
        changed = built(replace(plan, environment=replace(environment, backups=backups, secrets=secrets)))
        assert limits(changed, "export-stale") == [30]
        assert limits(changed, "drill-stale") == [9]
        assert limits(changed, "secret-age") == [33]
        for key, limit in {"export-age": 30, "drill-age": 9, "secret-age": 33}.items():
            assert limit in metric(changed, key)["bucketOptions"]["explicitBuckets"]["bounds"]

    @pytest.mark.parametrize("key", ["export-failed", "drill-failed", "sql-job-failed"])
    def test_any_result_but_ok_is_a_failure(self, stack: SandboxMocks, key: str) -> None:
        for condition in conditions(stack, key):
            assert condition["filter"].endswith('metric.labels.result!="ok"')
            assert condition["thresholdValue"] == 0

    @pytest.mark.parametrize(
        ("key", "metric_name", "window"),
        [
            (
                "sql-job-silent",
                "user_tenantry_sql_job_summary",
                "1h",
            ),
            (
                "watch-silent",
                "user_tenantry_secret_age_count",
                "3h",
            ),
        ],
    )
    def test_a_job_that_never_ran_is_noticed(
        self, stack: SandboxMocks, key: str, metric_name: str, window: str
    ) -> None:
        series = f'logging_googleapis_com:{metric_name}{{monitored_resource="cloud_run_job"}}'
        (condition,) = alert(stack, key).inputs["conditions"]
        assert condition["conditionPrometheusQueryLanguage"] == {
            "query": f"absent_over_time({series}[{window}])",
            "duration": "3600s",
            "evaluationInterval": "60s",
            "disableMetricValidation": True,
        }

    def test_one_policy_knows_every_instance_of_the_environment_and_no_scratch_one(self, stack: SandboxMocks) -> None:
        (condition,) = alert(stack, "database-down").inputs["conditions"]
        read = condition["conditionPrometheusQueryLanguage"]
        assert read["duration"] == "120s"
        shape = r'max by \(database_id\) \(cloudsql_googleapis_com:database_up\{monitored_resource="cloudsql_database",'
        found = re.fullmatch(rf'{shape}database_id=~"(?P<ours>[^"]+)"\}}\) < 1', read["query"])
        assert found is not None
        # PromQL anchors a pattern at both ends
        ours = re.compile(found["ours"])
        plan = prod()
        for instance in plan.instances_of("cloudsql"):
            assert ours.fullmatch(f"{plan.environment.gcp.project}:{instance.name}")
        assert not ours.fullmatch(f"{plan.environment.gcp.project}:drill-pool-personal-1")

    def test_where_no_instance_is_none_can_be_down(self) -> None:
        plan = prod()
        guests = tuple(tenant for tenant in plan.tenants if tenant.on_sql is None)
        assert "monitoring-alert-database-down" not in {
            item.name for item in built(replace(plan, pools=(), tenants=guests)).of(ALERT)
        }

    def test_alerts_on_own_metrics_wait_for_them(self, stack: SandboxMocks) -> None:
        known = {item.inputs["name"]: item.name for item in stack.of(METRIC)}
        waiting = 0
        for item in stack.of(ALERT):
            named = set(re.findall(r"logging\.googleapis\.com/user/(\w+)", json.dumps(item.inputs)))
            depends = {urn.rpartition("::")[2] for urn in item.dependencies}
            assert {known[name] for name in named} <= depends, item.name
            waiting += bool(named)
        assert waiting == 9

    def test_more_conditions_than_a_policy_takes_are_refused(self) -> None:
        condition = threshold("one", "filter", above=1, aligner="ALIGN_MAX", period="60s")
        for count in (0, 7):
            rule = Alert(
                key="many", title="many", severity="warning", conditions=[condition] * count, meaning="", first=""
            )
            with pytest.raises(ValueError, match=f"alert many has {count} conditions"):
                create_alert(
                    "monitoring",
                    rule,
                    prod().environment,
                    Channels(email=(), slack=None, pagerduty=None),
                    guard=cast(Any, None),
                    depends_on=[],
                    parent=cast(Any, None),
                )


def serving(
    services: Mapping[str, int], queues: tuple[str, ...] = (), thresholds: ThresholdSettings | None = None
) -> Plan:
    """The plan with services by their least instances, and queues that the first of them works off."""
    plan = prod()
    image = f"europe-docker.pkg.dev/ledgerly-seed/images/app@sha256:{'a' * 64}"
    environment = replace(
        plan.environment,
        services={name: ServiceSettings(image=image, min_instances=least) for name, least in services.items()},
        queues={name: QueueSettings(service=next(iter(services)), path="/messages") for name in queues},
    )
    plan = replace(plan, environment=environment)
    return plan if thresholds is None else with_monitoring(plan, thresholds=thresholds)


class TestServing:
    def test_each_alert_comes_with_what_it_watches(self, stack: SandboxMocks) -> None:
        without = {item.name for item in stack.registrations}

        def more(*args: Any) -> set[str]:  # noqa: ANN401 - handed on
            names = {item.name for item in built(serving(*args)).registrations} - without
            return {name.removeprefix("monitoring-") for name in names}

        killed = {"alert-memory-killed", "metric-memory-killed"}
        assert more({"api": 0}) == killed
        assert more({"api": 1}) == {*killed, "alert-cold-starts"}
        assert more({"api": 0}, ("scores",)) == {*killed, "alert-dead-letters"}

    def test_a_container_killed_for_its_memory_pages(self) -> None:
        mocks = built(serving({"api": 1}))
        (condition,) = conditions(mocks, "memory-killed")
        assert condition["filter"] == (
            'resource.type="cloud_run_revision" AND metric.type="logging.googleapis.com/user/tenantry_memory_killed"'
        )
        assert (condition["thresholdValue"], condition["duration"]) == (0, "0s")
        assert condition["aggregations"][0]["groupByFields"] == ["resource.label.service_name"]
        policy = alert(mocks, "memory-killed")
        assert policy.inputs["severity"] == "CRITICAL"
        assert policy.inputs["alertStrategy"] == {"autoClose": "86400s"}
        assert "monitoring-metric-memory-killed" in {urn.rpartition("::")[2] for urn in policy.dependencies}

    def test_the_killing_is_in_cloud_runs_own_log(self) -> None:
        counted = metric(built(serving({"api": 1})), "memory-killed")
        assert counted["filter"] == (
            'resource.type="cloud_run_revision" AND log_id("run.googleapis.com/varlog/system")'
            ' AND textPayload:"Memory limit of" AND textPayload:"exceeded"'
        )
        assert counted["metricDescriptor"]["valueType"] == "INT64"

    def test_starts_are_compared_with_requests_where_an_instance_waits(self) -> None:
        (condition,) = alert(built(serving({"web": 2, "batch": 0, "api": 1})), "cold-starts").inputs["conditions"]
        labels = '{monitored_resource="cloud_run_revision",service_name=~"app-api|app-web"}'
        starts, requests = (
            f"sum by (service_name) (increase(run_googleapis_com:{name}{labels}[1h]))"
            for name in ("container_startup_latencies_count", "request_count")
        )
        query = condition["conditionPrometheusQueryLanguage"]["query"]
        assert query == f"{starts} > clamp_min(0.3 * {requests}, 10)"
        assert condition["displayName"] == "More starts than 30% of the requests"

    def test_the_share_of_cold_starts_comes_from_the_configuration(self) -> None:
        changed = built(serving({"api": 1}, (), ThresholdSettings(cold_start_rate=0.05)))
        (condition,) = alert(changed, "cold-starts").inputs["conditions"]
        assert "clamp_min(0.05 * " in condition["conditionPrometheusQueryLanguage"]["query"]

    def test_one_message_that_was_given_up_is_enough(self) -> None:
        mocks = built(serving({"api": 1}, ("scores", "mails")))
        (condition,) = conditions(mocks, "dead-letters")
        assert condition["filter"].endswith(
            'num_undelivered_messages" AND resource.labels.subscription_id=one_of("app-mails-dead", "app-scores-dead")'
        )
        assert (condition["thresholdValue"], condition["duration"]) == (0, "0s")

    def test_on_another_home_cloud_nothing_of_it_runs_here(self) -> None:
        plan = serving({"api": 1}, ("scores",))
        elsewhere = built(replace(plan, environment=replace(plan.environment, home="aws")))
        names = {item.name for item in elsewhere.registrations}
        assert not [name for name in names if name.endswith(("memory-killed", "cold-starts", "dead-letters"))]

    def test_google_would_take_it(self) -> None:
        ours = [
            (item.type, item.name, item.inputs)
            for item in built(serving({"api": 1}, ("scores",))).registrations
            if item.type in {ALERT, METRIC}
        ]
        assert check_all(ours).problems == []


class TestSuspension:
    def test_a_dedicated_instance_is_silent_while_its_tenant_is_suspended(self) -> None:
        plan = prod()
        tenants = tuple(
            replace(tenant, state="suspended") if tenant.id == "cobalt-bank" else tenant for tenant in plan.tenants
        )
        changed = built(replace(plan, tenants=tenants))
        enabled = {item.name.removeprefix("monitoring-alert-"): item.inputs["enabled"] for item in changed.of(ALERT)}
        assert [key for key, value in enabled.items() if not value] == ["database-tenant-cobalt-bank"]

    def test_a_suspended_tenant_on_a_pool_silences_nobody_else(self, stack: SandboxMocks) -> None:
        assert any(tenant.state == "suspended" and tenant.sql.placement == "shared" for tenant in prod().tenants)
        assert all(item.inputs["enabled"] is True for item in stack.of(ALERT))

    def test_muted_events_are_not_counted(self, stack: SandboxMocks) -> None:
        assert "NOT jsonPayload.muted=true" in metric(stack, "export-age")["filter"]
        assert "NOT jsonPayload.muted=true" in metric(stack, "export-result")["filter"]
        # a suspension that failed must be heard
        assert "muted" not in metric(stack, "sql-job-tenant")["filter"]


class TestLogMetrics:
    def test_filters_read_the_events_where_they_are_written(self, stack: SandboxMocks) -> None:
        read = {
            item.inputs["name"]: re.match(
                r'resource\.type="([^"]+)" AND jsonPayload\.event="([^"]+)"', item.inputs["filter"]
            )
            for item in stack.of(METRIC)
            if "audit_" not in item.inputs["name"]
        }
        workflow, job = "workflows.googleapis.com/Workflow", "cloud_run_job"
        assert {name: found.groups() for name, found in read.items() if found} == {
            "tenantry_export_result": (workflow, "export.result"),
            "tenantry_export_summary": (workflow, "export.summary"),
            "tenantry_drill_result": (workflow, "drill.result"),
            "tenantry_sql_job_tenant": (job, "sql_job.tenant"),
            "tenantry_sql_job_summary": (job, "sql_job.summary"),
            "tenantry_export_age": (job, "freshness.export"),
            "tenantry_drill_age": (job, "freshness.drill"),
            "tenantry_secret_age": (job, "freshness.secret"),
        }

    def test_a_tenant_is_a_label(self, stack: SandboxMocks) -> None:
        age = metric(stack, "export-age")
        assert age["labelExtractors"] == {
            "instance": "EXTRACT(jsonPayload.instance)",
            "tenant": "EXTRACT(jsonPayload.tenant)",
        }
        assert age["valueExtractor"] == "EXTRACT(jsonPayload.age_hours)"
        assert age["metricDescriptor"] == {
            "metricKind": "DELTA",
            "valueType": "DISTRIBUTION",
            "unit": "h",
            "labels": [{"key": "instance", "valueType": "STRING"}, {"key": "tenant", "valueType": "STRING"}],
        }

    def test_every_label_has_its_extractor_in_order(self, stack: SandboxMocks) -> None:
        for item in stack.of(METRIC):
            keys = [label["key"] for label in item.inputs["metricDescriptor"].get("labels", [])]
            assert keys == sorted(item.inputs.get("labelExtractors", {})), item.name

    def test_the_changes_of_the_benchmark_are_counted_and_alerted_on(self, stack: SandboxMocks) -> None:
        audited = {f"logging.googleapis.com/user/{found.name}" for found in log_metrics.AUDIT}
        for key in ("audit-identity", "audit-network", "audit-data"):
            # iam_role, gce_route and others are types of Logging alone: an alert on them is refused
            assert all(
                found["filter"].startswith('resource.type="logging_bucket" AND ') for found in conditions(stack, key)
            )
        counted = {item.inputs["name"] for item in stack.of(METRIC) if item.inputs.get("bucketName")}
        assert counted == {found.name for found in log_metrics.AUDIT}
        read = {
            found
            for key in ("audit-identity", "audit-network", "audit-data")
            for condition in conditions(stack, key)
            for found in re.findall(r'metric\.type="([^"]+)"', condition["filter"])
        }
        assert len(audited) == 8
        assert read == audited


class TestObjectives:
    def test_goals(self, stack: SandboxMocks) -> None:
        goals = {
            item.inputs["sloId"]: (item.inputs["goal"], item.inputs["rollingPeriodDays"]) for item in stack.of(SLO)
        }
        assert goals == {"availability": (0.999, 28), "latency": (0.95, 28), "errors": (0.995, 28)}
        changed = built(with_monitoring(prod(), slo=SloSettings(availability=0.99, rolling_days=7)))
        assert changed.one(SLO, "monitoring-slo-availability").inputs["goal"] == 0.99
        assert {item.inputs["rollingPeriodDays"] for item in changed.of(SLO)} == {7}

    def test_availability_needs_no_application(self, stack: SandboxMocks) -> None:
        availability = stack.one(SLO, "monitoring-slo-availability").inputs
        assert availability["windowsBasedSli"]["windowPeriod"] == "60s"
        assert "uptime_check/check_passed" in availability["windowsBasedSli"]["goodBadMetricFilter"]

    @pytest.mark.parametrize(
        ("key", "rate", "windows"), [("slo-fast-burn", 14.4, (3600, 300)), ("slo-slow-burn", 6, (21600, 1800))]
    )
    def test_a_burn_rate_is_judged_over_two_windows(
        self, stack: SandboxMocks, key: str, rate: float, windows: tuple[int, int]
    ) -> None:
        slo = stack.one(SLO, "monitoring-slo-availability").outputs["name"]
        assert [(item["filter"], item["thresholdValue"]) for item in conditions(stack, key)] == [
            (f'select_slo_burn_rate("{slo}", "{window}s")', rate) for window in windows
        ]


class TestDashboards:
    def test_there_is_one_for_each_audience(self, stack: SandboxMocks) -> None:
        assert {item.name for item in stack.of(DASHBOARD)} == {
            f"monitoring-dashboard-{key}" for key in ("golden-signals", "databases", "tenants", "cost")
        }

    def test_tiles_stay_inside_and_do_not_overlap(self, stack: SandboxMocks) -> None:
        for item in stack.of(DASHBOARD):
            layout = json.loads(item.inputs["dashboardJson"])["mosaicLayout"]
            cells = [
                (tile.get("xPos", 0) + x, tile.get("yPos", 0) + y)
                for tile in layout["tiles"]
                for x in range(tile["width"])
                for y in range(tile["height"])
            ]
            assert len(set(cells)) == len(cells), item.name
            assert max(x for x, _ in cells) < layout["columns"]

    def test_the_document_is_as_the_server_gives_it_back(self, stack: SandboxMocks) -> None:
        for item in stack.of(DASHBOARD):
            text = item.inputs["dashboardJson"]
            assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
            assert '"xPos":0' not in text
            assert '"yPos":0' not in text
            assert ":null" not in text
            assert ".0}" not in text

    def test_the_golden_signals_have_what_fills_up(self, stack: SandboxMocks) -> None:
        text = stack.one(DASHBOARD, "monitoring-dashboard-golden-signals").inputs["dashboardJson"]
        assert set(re.findall(r"run\.googleapis\.com/container/([\w/]+)", text)) == {
            "cpu/utilizations", "instance_count", "memory/utilizations", "network/sent_bytes_count",
            "startup_latencies",
        }  # fmt: skip

    def test_the_budget_is_named_when_there_is_one(self, stack: SandboxMocks) -> None:
        name = "monitoring-dashboard-cost"
        assert "Monthly budget: 12000 EUR." in stack.one(DASHBOARD, name).inputs["dashboardJson"]
        without = built(with_monitoring(prod(), budget=None))
        assert "No budget is configured." in without.one(DASHBOARD, name).inputs["dashboardJson"]


class TestBudget:
    def test_shares_forecast_and_project(self, stack: SandboxMocks) -> None:
        budget = stack.one(BUDGET).inputs
        assert budget["budgetFilter"]["projects"] == ["projects/481205517303"]
        assert budget["amount"] == {"specifiedAmount": {"currencyCode": "EUR", "units": "12000"}}
        assert [(rule["thresholdPercent"], rule["spendBasis"]) for rule in budget["thresholdRules"]] == [
            (0.5, "CURRENT_SPEND"),
            (0.75, "CURRENT_SPEND"),
            (0.8, "CURRENT_SPEND"),
            (0.9, "CURRENT_SPEND"),
            (1, "CURRENT_SPEND"),
            (1, "FORECASTED_SPEND"),
        ]
        assert len(budget["displayName"]) <= 60

    def test_only_e_mail_channels_and_at_most_five(self, stack: SandboxMocks) -> None:
        emails = [item.outputs["name"] for item in stack.of(CHANNEL) if item.inputs["type"] == "email"]
        assert sorted(stack.one(BUDGET).inputs["allUpdatesRule"]["monitoringNotificationChannels"]) == sorted(emails)
        many = ChannelSettings(email=tuple(f"person{n}@ledgerly.example" for n in range(7)))
        changed = built(with_monitoring(prod(), channels=many))
        assert len(changed.one(BUDGET).inputs["allUpdatesRule"]["monitoringNotificationChannels"]) == 5

    def test_none_without_an_amount_or_an_account(self) -> None:
        plan = prod()
        assert built(with_monitoring(plan, budget=None)).of(BUDGET) == []
        no_account = replace(plan.environment, on_gcp=replace(plan.environment.gcp, billing_account=None))
        asked = with_monitoring(replace(plan, environment=no_account), budget=BudgetSettings(amount=1))
        assert built(asked).of(BUDGET) == []


def test_a_tenant_on_a_pool_adds_and_changes_nothing(stack: SandboxMocks) -> None:
    plan = prod()
    one = next(tenant for tenant in plan.tenants if tenant.sql.placement == "shared")
    more = built(replace(plan, tenants=(*plan.tenants, replace(one, id="newcomer"))))
    inputs = {(item.type, item.name): item.inputs for item in stack.registrations}
    assert {(item.type, item.name): item.inputs for item in more.registrations} == inputs


def test_a_tenant_with_its_own_instance_adds_one_policy_and_changes_nothing(stack: SandboxMocks) -> None:
    plan = prod()
    one = next(tenant for tenant in plan.tenants if tenant.instance is not None)
    assert one.instance is not None
    instance = replace(one.instance, key="tenant-newcomer", name="ledgerly-prod-t-newcomer-1")
    newcomer = replace(one, id="newcomer", on_sql=replace(one.sql, instance=instance, instance_key=instance.key))
    more = built(replace(plan, tenants=(*plan.tenants, newcomer)))
    before = {(item.type, item.name): item.inputs for item in stack.registrations}
    after = {(item.type, item.name): item.inputs for item in more.registrations}
    assert after.keys() - before.keys() == {(ALERT, "monitoring-alert-database-tenant-newcomer")}
    assert {key: after[key] for key in before} == before


def test_google_would_take_it_all(stack: SandboxMocks) -> None:
    ours = [
        (item.type, item.name, item.inputs)
        for item in stack.registrations
        if item.type.startswith(("gcp:monitoring/", "gcp:logging/", "gcp:billing/"))
    ]
    report = check_all(ours)
    assert report.problems == []
    assert report.checked > 500
