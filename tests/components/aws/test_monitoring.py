"""What is watched on AWS: routing, thresholds, what silence means, and that no tenant has an object."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from components.aws import log_metrics
from components.aws.alarm_rules import LoadBalanced, queue_alarms, service_alarms
from components.aws.alarms import Expression, Metric
from sandbox.mocks import Registration, SandboxMocks
from settings.models import QueueSettings
from settings.plan import Plan
from tests import ROOT
from tests.components.aws.stack import ACCOUNT, AWAY, HOME, Raw, build, built, plan
from tests.docs.documents import table

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
TOPIC = "aws:sns/topic:Topic"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
BUDGET = "aws:budgets/budget:Budget"
CHECK = "aws:route53/healthCheck:HealthCheck"
RULE = "aws:cloudwatch/eventRule:EventRule"
SLACK = "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration"
GLOBAL = "us-east-1"
URL = "https://events.pagerduty.com/integration/value of PAGERDUTY_KEY/enqueue"


@pytest.fixture(scope="module")
def stack() -> SandboxMocks:
    return built()


def alarm(mocks: SandboxMocks, key: str) -> Registration:
    return mocks.one(ALARM, f"monitoring-alarm-{key}")


def topics(mocks: SandboxMocks) -> dict[str, str]:
    """ARN → severity and region."""
    return {item.outputs["arn"]: item.name.removeprefix("monitoring-") for item in mocks.of(TOPIC)}


def statements(policy: str) -> dict[str, dict[str, Any]]:
    return {item["Sid"]: item for item in json.loads(policy)["Statement"]}


class TestChannels:
    def test_two_topics_in_each_region_that_has_alarms(self, stack: SandboxMocks) -> None:
        assert sorted(topics(stack).values()) == sorted(
            f"{severity}-{region}" for severity in ("critical", "warning") for region in (HOME, GLOBAL)
        )
        assert {item.inputs["name"] for item in stack.of(TOPIC)} == {"ledgerly-prod-critical", "ledgerly-prod-warning"}

    def test_addresses_hear_everything_and_pagerduty_what_is_critical(self, stack: SandboxMocks) -> None:
        named = topics(stack)
        told = Counter(
            (item.inputs["protocol"], item.inputs["endpoint"], named[item.inputs["topic"]].partition("-")[0])
            for item in stack.of(SUBSCRIPTION)
        )
        assert told == {
            ("email", "platform@ledgerly.example", "critical"): 2,
            ("email", "platform@ledgerly.example", "warning"): 2,
            ("https", URL, "critical"): 2,
        }

    def test_pagerdutys_key_stays_secret(self, stack: SandboxMocks) -> None:
        pagers = [item for item in stack.of(SUBSCRIPTION) if item.inputs["protocol"] == "https"]
        assert all(item.secret_inputs == {"endpoint"} for item in pagers)
        assert all(item.inputs["endpointAutoConfirms"] is True for item in pagers)
        assert not [item.name for item in stack.registrations if "value of" in item.name]

    def test_only_this_accounts_services_publish(self, stack: SandboxMocks) -> None:
        publishers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.rds.amazonaws.com"]
        for item in stack.of("aws:sns/topicPolicy:TopicPolicy"):
            found = statements(item.inputs["policy"])
            assert found["Publishers"]["Principal"] == {"Service": publishers}
            assert found["Publishers"]["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
            assert found["Publishers"]["Resource"] in topics(stack)
            assert found["TlsOnly"]["Effect"] == "Deny"
        keys = {item.outputs["arn"]: item for item in stack.of("aws:kms/key:Key")}
        for item in stack.of(TOPIC):
            key = keys[item.inputs["kmsMasterKeyId"]]
            assert key.inputs["region"] == item.inputs["region"]
            assert key.protect
            assert statements(key.inputs["policy"])["Publishers"]["Principal"] == {"Service": publishers}

    def test_slack_may_look_and_no_more(self, stack: SandboxMocks) -> None:
        slack = stack.one(SLACK).inputs
        assert (slack["slackTeamId"], slack["slackChannelId"]) == ("T0LEDGERLY", "C0ALERTS01")
        assert set(slack["snsTopicArns"]) == set(topics(stack))
        assert slack["guardrailPolicyArns"] == ["arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"]
        # the service answers in four regions only, and home is none of them
        assert slack["region"] == "us-east-2"
        (right,) = json.loads(stack.one("aws:iam/rolePolicy:RolePolicy", "monitoring-slack-rights").inputs["policy"])[
            "Statement"
        ]
        assert all(action.startswith(("cloudwatch:Get", "cloudwatch:Describe")) for action in right["Action"])

    def test_slack_is_at_home_where_the_service_is(self) -> None:
        ireland = build(lambda raw: raw["aws"].update(region=AWAY, backup_region=HOME))
        assert ireland.one(SLACK).inputs["region"] == AWAY

    def test_nothing_of_a_kind_that_is_not_configured(self) -> None:
        def quiet(raw: Raw) -> None:
            raw["monitoring"]["channels"] = {"email": ["one@ledgerly.example"]}
            del raw["monitoring"]["budget"]

        mocks = build(quiet)
        assert mocks.of(SLACK) == mocks.of(BUDGET) == []
        assert {item.inputs["protocol"] for item in mocks.of(SUBSCRIPTION)} == {"email"}


class TestAlarms:
    def test_inventory(self, stack: SandboxMocks) -> None:
        found = {
            item.name.removeprefix("monitoring-alarm-"): item.inputs["tags"]["severity"]
            for item in [*stack.of(ALARM), *stack.of(COMPOSITE)]
        }
        load = ("cpu", "connections", "disk")
        assert found == {
            **{f"database-pool-main-{what}": "warning" for what in load},
            **{f"database-tenant-granite-{what}": "warning" for what in load},
            "database-pool-main-down": "critical",
            "database-tenant-granite-down": "critical",
            "audit-bucket-policy": "warning",
            "audit-gateway": "warning",
            "audit-iam-change": "warning",
            "audit-key-deletion": "critical",
            "audit-network-acl": "warning",
            "audit-root-use": "critical",
            "audit-route-table": "warning",
            "audit-security-group": "warning",
            "audit-sign-in-failed": "warning",
            "audit-sign-in-without-mfa": "critical",
            "audit-trail-change": "critical",
            "audit-unauthorised-calls": "warning",
            "audit-vpc": "warning",
            "drill-failed": "critical",
            "drill-stale": "warning",
            "export-failed": "warning",
            "export-stale": "critical",
            "memory-killed": "critical",
            "replication-failed": "warning",
            "restore-failed": "critical",
            "schedules-dead-letters": "warning",
            "secret-age": "warning",
            "slo-fast-burn": "critical",
            "slo-fast-burn-5-minutes": "warning",
            "slo-fast-burn-60-minutes": "warning",
            "slo-slow-burn": "warning",
            "slo-slow-burn-30-minutes": "warning",
            "slo-slow-burn-360-minutes": "warning",
            "snapshot-failed": "warning",
            "snapshot-missing": "critical",
            "sql-job-failed": "critical",
            "sql-job-silent": "critical",
            "task-failed": "warning",
            "uptime": "critical",
            "watch-silent": "critical",
        }

    def test_each_is_documented_routed_and_within_the_limits(self, stack: SandboxMocks) -> None:
        named = topics(stack)
        for item in [*stack.of(ALARM), *stack.of(COMPOSITE)]:
            inputs = item.inputs
            severity, region = inputs["tags"]["severity"], inputs["region"]
            part = item.name.endswith("-minutes")
            expected = [] if part else [f"{severity}-{region}"]
            assert [named[arn] for arn in inputs["alarmActions"]] == expected, item.name
            text = inputs["alarmDescription"]
            assert len(text) <= 1024
            assert " First: " in text
            assert text.endswith(("Guide: docs/operations.md", "Guide: docs/restore.md"))
        for item in stack.of(ALARM):
            inputs = item.inputs
            assert inputs["treatMissingData"] in {"breaching", "notBreaching", "ignore"}, item.name
            assert 1 <= inputs["datapointsToAlarm"] <= inputs["evaluationPeriods"]
            # what CloudWatch looks at: a day, or a week of hours
            # a query has its own
            period = inputs["period"] if "period" in inputs else inputs["metricQueries"][0]["period"]
            assert period % 60 == 0
            longest = 604_800 if period >= 3600 else 86_400
            assert period * inputs["evaluationPeriods"] <= longest

    def test_each_has_its_first_action_in_the_documents(self, stack: SandboxMocks) -> None:
        environment = plan().environment
        service = service_alarms(environment, LoadBalanced(key="<service>", load_balancer="", target_group=""))
        others = [*service, *queue_alarms(environment, "<queue>", "", "")]
        found = [item.name.removeprefix("monitoring-alarm-") for item in [*stack.of(ALARM), *stack.of(COMPOSITE)]]
        keys = {
            re.sub(r"^database-.*-(cpu|connections|disk|down)$", r"database-<instance>-\1", key)
            for key in [*found, *(rule.key for rule in others)]
            if not key.endswith("-minutes")
        }
        rows = table(ROOT / "docs" / "operations.md", "Alarm on AWS, first action")
        assert {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])} == keys

    def test_what_silence_means(self, stack: SandboxMocks) -> None:
        silent = {
            item.name.removeprefix("monitoring-alarm-")
            for item in stack.of(ALARM)
            if item.inputs["treatMissingData"] == "breaching"
        }
        assert silent == {
            "database-pool-main-down", "database-tenant-granite-down", "snapshot-missing", "sql-job-silent", "uptime",
            "watch-silent",
        }  # fmt: skip

    def test_nobody_is_told_that_an_event_is_over(self, stack: SandboxMocks) -> None:
        untold = {item.name for item in stack.of(ALARM) if not item.inputs["okActions"] and item.inputs["alarmActions"]}
        keys = {name.removeprefix("monitoring-alarm-") for name in untold}
        assert {key for key in keys if not key.startswith("audit-")} == {
            "drill-failed", "export-failed", "memory-killed", "replication-failed", "restore-failed",
            "snapshot-failed", "sql-job-failed", "task-failed",
        }  # fmt: skip
        assert len([key for key in keys if key.startswith("audit-")]) == 13

    def test_no_tenant_on_a_pool_has_an_object(self, stack: SandboxMocks) -> None:
        def more(raw: Raw) -> None:
            raw["tenants"] += [{"id": "beta"}, {"id": "gamma"}]

        types = {ALARM, COMPOSITE, FILTER, TOPIC, SUBSCRIPTION, DASHBOARD, "aws:scheduler/schedule:Schedule"}

        def registered(mocks: SandboxMocks) -> dict[str, object]:
            return {
                f"{item.type}::{item.name}": dict(item.inputs) for item in mocks.registrations if item.type in types
            }

        assert registered(build(more)) == registered(stack)


class TestTwoClouds:
    def test_the_application_is_watched_from_its_home_only(self) -> None:
        away = build(adjust=lambda made: replace(made, environment=replace(made.environment, home="gcp")))
        assert away.of(CHECK) == away.of(COMPOSITE) == []
        assert {name.partition("-")[2] for name in topics(away).values()} == {HOME}
        assert alarm(away, "export-stale").inputs["threshold"] == 26


class TestDatabases:
    def test_limits_of_an_instance(self, stack: SandboxMocks) -> None:
        cpu = alarm(stack, "database-pool-main-cpu").inputs
        assert (cpu["namespace"], cpu["metricName"]) == ("AWS/RDS", "CPUUtilization")
        assert cpu["dimensions"] == {"DBInstanceIdentifier": "ledgerly-prod-pool-main-1"}
        assert (cpu["comparisonOperator"], cpu["threshold"]) == ("GreaterThanThreshold", 80)
        assert (cpu["period"], cpu["evaluationPeriods"]) == (300, 3)
        assert cpu["region"] == HOME
        connections = alarm(stack, "database-tenant-granite-connections").inputs
        # 80 % of 200
        assert (connections["threshold"], connections["statistic"]) == (160, "Maximum")
        disk = alarm(stack, "database-tenant-granite-disk").inputs
        assert (disk["metricName"], disk["comparisonOperator"]) == ("FreeStorageSpace", "LessThanThreshold")
        # 5 % of the 100 GB that the disk began with
        assert disk["threshold"] == 5 * 2**30

    def test_an_instance_that_reports_nothing_for_five_minutes_is_down(self, stack: SandboxMocks) -> None:
        down = alarm(stack, "database-pool-main-down").inputs
        assert down["dimensions"] == {"DBInstanceIdentifier": "ledgerly-prod-pool-main-1"}
        assert (down["metricName"], down["statistic"]) == ("CPUUtilization", "SampleCount")
        assert (down["comparisonOperator"], down["threshold"]) == ("LessThanThreshold", 1)
        assert (down["period"], down["evaluationPeriods"], down["datapointsToAlarm"]) == (60, 5, 5)
        assert down["alarmDescription"].endswith("Guide: docs/restore.md")

    def test_a_suspended_tenants_own_instance_is_quiet(self, stack: SandboxMocks) -> None:
        def suspend(raw: Raw) -> None:
            for tenant in raw["tenants"]:
                tenant["state"] = "suspended"

        quiet = {
            item.name.removeprefix("monitoring-alarm-")
            for item in build(suspend).of(ALARM)
            if not item.inputs["actionsEnabled"]
        }
        assert {key.removeprefix("database-tenant-granite") for key in quiet} == {
            "-cpu", "-connections", "-disk", "-down",
        }  # fmt: skip
        assert all(item.inputs["actionsEnabled"] is True for item in stack.of(ALARM))

    def test_what_only_rds_can_tell(self, stack: SandboxMocks) -> None:
        inputs = stack.one("aws:rds/eventSubscription:EventSubscription").inputs
        assert inputs["region"] == HOME
        assert inputs["eventCategories"] == ["failover", "failure", "low storage"]
        assert topics(stack)[inputs["snsTopic"]] == f"warning-{HOME}"


class TestFiles:
    def test_one_query_finds_what_no_bucket_has_copied(self, stack: SandboxMocks) -> None:
        inputs = alarm(stack, "replication-failed").inputs
        (query,) = inputs["metricQueries"]
        assert query["expression"] == (
            'SELECT SUM(OperationsFailedReplication) FROM SCHEMA("AWS/S3", DestinationBucket, RuleId, SourceBucket)'
        )
        assert (query["period"], query["returnData"], inputs["threshold"]) == (300, True, 0)
        # every rule has the metric that the query reads
        rules = [
            rule
            for item in stack.of("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
            for rule in item.inputs["rules"]
        ]
        assert rules
        assert {rule["destination"]["metrics"]["status"] for rule in rules} == {"Enabled"}


class TestUptime:
    def test_the_check_asks_for_the_health_path(self, stack: SandboxMocks) -> None:
        inputs = stack.one(CHECK).inputs
        assert (inputs["type"], inputs["fqdn"], inputs["port"]) == ("HTTPS", "app.ledgerly.example", 443)
        assert inputs["resourcePath"] == "/api/health"
        assert (inputs["requestInterval"], inputs["failureThreshold"]) == (30, 2)
        assert inputs["measureLatency"] is inputs["enableSni"] is True

    def test_over_a_minute_down_is_critical(self, stack: SandboxMocks) -> None:
        inputs = alarm(stack, "uptime").inputs
        assert inputs["dimensions"] == {"HealthCheckId": stack.one(CHECK).id}
        assert (inputs["statistic"], inputs["comparisonOperator"], inputs["threshold"]) == (
            "Minimum", "LessThanThreshold", 1,
        )  # fmt: skip
        assert (inputs["period"], inputs["evaluationPeriods"], inputs["region"]) == (60, 2, GLOBAL)

    def test_burn_rates(self, stack: SandboxMocks) -> None:
        limits = {
            key: (alarm(stack, key).inputs["threshold"], alarm(stack, key).inputs["period"])
            for key in (
                "slo-fast-burn-60-minutes", "slo-fast-burn-5-minutes",
                "slo-slow-burn-360-minutes", "slo-slow-burn-30-minutes",
            )
        }  # fmt: skip
        # 1 - 14.4 x 0.001 and 1 - 6 x 0.001
        assert limits == {
            "slo-fast-burn-60-minutes": (0.9856, 3600),
            "slo-fast-burn-5-minutes": (0.9856, 300),
            "slo-slow-burn-360-minutes": (0.994, 21600),
            "slo-slow-burn-30-minutes": (0.994, 1800),
        }
        fast = stack.one(COMPOSITE, "monitoring-alarm-slo-fast-burn")
        assert fast.inputs["alarmRule"] == (
            'ALARM("ledgerly-prod-slo-fast-burn-60-minutes") AND ALARM("ledgerly-prod-slo-fast-burn-5-minutes")'
        )
        waited = {urn.rpartition("::")[2] for urn in fast.dependencies}
        assert waited >= {"monitoring-alarm-slo-fast-burn-60-minutes", "monitoring-alarm-slo-fast-burn-5-minutes"}

    def test_the_objective_is_configurable(self) -> None:
        loose = build(lambda raw: raw["monitoring"].update(slo={"availability": 0.99}))
        assert alarm(loose, "slo-fast-burn-5-minutes").inputs["threshold"] == 0.856


class TestLogMetrics:
    def test_results_and_ages_of_the_jobs(self, stack: SandboxMocks) -> None:
        found = {
            item.name.removeprefix("monitoring-metric-"): item.inputs
            for item in stack.of(FILTER)
            if not item.name.startswith("monitoring-metric-audit-")
        }
        unmuted = "(($.muted NOT EXISTS) || ($.muted IS FALSE))"
        assert {key: inputs["pattern"] for key, inputs in found.items()} == {
            "export-failed": '{ (($.event = "export.result") || ($.event = "export.summary"))'
            f' && ($.result != "ok") && {unmuted} }}',
            "drill-failed": '{ (($.event = "drill.result") || ($.event = "drill.summary")) && ($.result != "ok") }',
            "sql-job-failed": '{ (($.event = "sql_job.tenant") || ($.event = "sql_job.summary"))'
            ' && ($.result != "ok") }',
            "sql-job-run": '{ $.event = "sql_job.summary" }',
            "watch-run": '{ $.event = "freshness.summary" }',
            "export-age-hours": f'{{ ($.event = "freshness.export") && {unmuted} }}',
            "drill-age-days": '{ $.event = "freshness.drill" }',
            "secret-age-days": '{ $.event = "freshness.secret" }',
        }
        assert {inputs["logGroupName"] for inputs in found.values()} == {"/tenantry/prod/jobs"}
        assert found["export-age-hours"]["metricTransformation"] == {
            "namespace": "Tenantry", "name": "ExportAgeHours", "value": "$.age_hours", "unit": "None",
        }  # fmt: skip
        assert found["export-failed"]["metricTransformation"] == {
            "namespace": "Tenantry", "name": "ExportFailed", "value": "1", "unit": "Count",
        }  # fmt: skip

    def test_ages_have_the_configured_limits(self, stack: SandboxMocks) -> None:
        limits = {key: alarm(stack, key).inputs for key in ("export-stale", "drill-stale", "secret-age")}
        assert {key: inputs["threshold"] for key, inputs in limits.items()} == {
            "export-stale": 26, "drill-stale": 8, "secret-age": 90,
        }  # fmt: skip
        # a late report changes nothing; one that never comes is the watch's own alarm
        assert {inputs["treatMissingData"] for inputs in limits.values()} == {"ignore"}
        assert {(inputs["statistic"], inputs["period"]) for inputs in limits.values()} == {("Maximum", 7200)}

    def test_each_change_of_cis_is_counted_in_the_trail_and_alarmed_on(self, stack: SandboxMocks) -> None:
        counted = {
            item.inputs["metricTransformation"]["name"]: item.inputs
            for item in stack.of(FILTER)
            if item.name.startswith("monitoring-metric-audit-")
        }
        assert {inputs["logGroupName"] for inputs in counted.values()} == {"/tenantry/prod/trail"}
        assert max(len(inputs["pattern"]) for inputs in counted.values()) <= 1024
        watched = {
            item.inputs["metricName"]: item.inputs["threshold"]
            for item in stack.of(ALARM)
            if item.name.startswith("monitoring-alarm-audit-")
        }
        assert watched.keys() == counted.keys()
        assert len(counted) == len(log_metrics.AUDIT) == 13
        assert {name: limit for name, limit in watched.items() if limit} == {
            "AuditUnauthorisedCalls": 5, "AuditSignInFailed": 3,
        }  # fmt: skip


class TestEvents:
    def test_each_kind_is_recorded_and_alarmed_on(self, stack: SandboxMocks) -> None:
        rules = {item.inputs["name"]: json.loads(item.inputs["eventPattern"]) for item in stack.of(RULE)}
        kinds = ("memory-killed", "task-failed", "snapshot-failed", "restore-failed")
        assert set(rules) == {f"ledgerly-prod-{key}" for key in kinds}
        assert rules["ledgerly-prod-task-failed"]["detail"]["clusterArn"] == [
            f"arn:aws:ecs:{HOME}:{ACCOUNT}:cluster/ledgerly-prod"
        ]
        # a task that a deployment stops ends with a code of its own, and is no failure
        assert rules["ledgerly-prod-task-failed"]["detail"]["$or"] == [
            {"containers": {"exitCode": [{"anything-but": 0}]}, "stopCode": ["EssentialContainerExited"]},
            {"stopCode": ["TaskFailedToStart"]},
        ]
        assert rules["ledgerly-prod-snapshot-failed"]["detail-type"] == [
            "Backup Job State Change", "Copy Job State Change",
        ]  # fmt: skip
        assert rules["ledgerly-prod-memory-killed"]["detail"] == {
            "clusterArn": [f"arn:aws:ecs:{HOME}:{ACCOUNT}:cluster/ledgerly-prod"],
            "containers": {"reason": [{"prefix": "OutOfMemoryError"}]},
            "lastStatus": ["STOPPED"],
        }
        for key in kinds:
            group = f"/aws/events/ledgerly-prod-{key}"
            target = stack.one("aws:cloudwatch/eventTarget:EventTarget", f"monitoring-rule-{key}-log")
            assert target.inputs["arn"] == f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:{group}"
            inputs = alarm(stack, key).inputs
            assert (inputs["namespace"], inputs["metricName"]) == ("AWS/Logs", "IncomingLogEvents")
            assert inputs["dimensions"] == {"LogGroupName": group}
            assert inputs["threshold"] == 0
            recorded = stack.one("aws:cloudwatch/logGroup:LogGroup", f"monitoring-events-{key}")
            assert (recorded.inputs["name"], recorded.inputs["retentionInDays"]) == (group, 90)

    def test_nobody_elses_rules_write_there(self, stack: SandboxMocks) -> None:
        policy = stack.one("aws:cloudwatch/logResourcePolicy:LogResourcePolicy").inputs["policyDocument"]
        entries = statements(policy)["Entries"]
        assert entries["Condition"]["ArnLike"] == {
            "aws:SourceArn": f"arn:aws:events:{HOME}:{ACCOUNT}:rule/ledgerly-prod-*"
        }
        assert entries["Resource"] == f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/aws/events/ledgerly-prod-*:*"


class TestBudget:
    def test_shares_and_forecast(self, stack: SandboxMocks) -> None:
        inputs = stack.one(BUDGET).inputs
        assert (inputs["limitAmount"], inputs["limitUnit"], inputs["timeUnit"]) == ("1500.0", "USD", "MONTHLY")
        assert [(item["threshold"], item["notificationType"]) for item in inputs["notifications"]] == [
            (50, "ACTUAL"), (75, "ACTUAL"), (80, "ACTUAL"), (90, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"),
        ]  # fmt: skip
        for item in inputs["notifications"]:
            assert [topics(stack)[arn] for arn in item["subscriberSnsTopicArns"]] == [f"warning-{HOME}"]
            assert item["thresholdType"] == "PERCENTAGE"


class TestDashboards:
    def test_four_each_normalised(self, stack: SandboxMocks) -> None:
        assert {item.inputs["dashboardName"] for item in stack.of(DASHBOARD)} == {
            f"ledgerly-prod-{key}" for key in ("golden-signals", "databases", "tenants", "cost")
        }
        for item in stack.of(DASHBOARD):
            text = item.inputs["dashboardBody"]
            body = json.loads(text)
            assert text == json.dumps(body, sort_keys=True, separators=(",", ":"))
            places = [(widget["x"], widget["y"], widget["width"], widget["height"]) for widget in body["widgets"]]
            assert len(places) == (8 if "golden-signals" in item.inputs["dashboardName"] else 6)
            assert places == [(12 * (index % 2), 6 * (index // 2), 12, 6) for index in range(len(places))]

    def test_tenants_are_rows_of_queries(self, stack: SandboxMocks) -> None:
        body = json.loads(stack.one(DASHBOARD, "monitoring-dashboard-tenants").inputs["dashboardBody"])
        queries = [item["properties"]["query"] for item in body["widgets"] if item["type"] == "log"]
        assert len(queries) == 4
        assert all(query.startswith("SOURCE '/tenantry/prod/jobs' | ") and "by tenant" in query for query in queries)
        assert "acme" not in json.dumps(body)

    def test_limits_are_drawn(self, stack: SandboxMocks) -> None:
        body = json.loads(stack.one(DASHBOARD, "monitoring-dashboard-databases").inputs["dashboardBody"])
        processor = body["widgets"][0]["properties"]
        assert processor["annotations"] == {"horizontal": [{"label": "limit", "value": 80}]}
        assert processor["metrics"] == [
            [{"expression": "SEARCH('{AWS/RDS,DBInstanceIdentifier} MetricName=\"CPUUtilization\"', 'Average', 300)"}]
        ]
        assert processor["region"] == HOME


class TestServices:
    def test_a_ratio_is_computed_from_two_series(self) -> None:
        service = LoadBalanced(key="gateway", load_balancer="app/x/1", target_group="targetgroup/y/2")
        mocks = build(balanced=[service])
        inputs = alarm(mocks, "service-gateway-error-rate-critical").inputs
        assert not {"metricName", "namespace", "period", "statistic"} & set(inputs)
        dimensions = {"LoadBalancer": "app/x/1", "TargetGroup": "targetgroup/y/2"}
        result, *series = inputs["metricQueries"]
        assert result == {
            "id": "result",
            "expression": "100 * failed / requests",
            "label": "Server errors, percent of the requests",
            "returnData": True,
        }
        assert [(item["id"], item["returnData"], item["metric"]) for item in series] == [
            (
                key,
                False,
                {
                    "namespace": "AWS/ApplicationELB",
                    "metricName": name,
                    "dimensions": dimensions,
                    "period": 60,
                    "stat": "Sum",
                },
            )
            for key, name in (("failed", "HTTPCode_Target_5XX_Count"), ("requests", "RequestCount"))
        ]
        latency = alarm(mocks, "service-gateway-latency").inputs
        assert latency["extendedStatistic"] == "p95"
        assert "statistic" not in latency

    def test_queues_of_the_configuration_are_watched_at_home(self) -> None:
        def queues(made: Plan) -> Plan:
            reports = {"reports": QueueSettings(service="gateway")}
            return replace(made, environment=replace(made.environment, queues=reports))

        mocks = build(adjust=queues)
        watched = {
            key: alarm(mocks, f"queue-reports-{key}").inputs["dimensions"] for key in ("backlog", "dead-letters")
        }
        assert watched == {
            "backlog": {"QueueName": "ledgerly-prod-reports"},
            "dead-letters": {"QueueName": "ledgerly-prod-reports-dead"},
        }

    def test_errors_and_latency_of_a_load_balanced_service(self) -> None:
        service = LoadBalanced(key="gateway", load_balancer="app/x/1", target_group="targetgroup/y/2")
        critical, warning, latency = service_alarms(plan().environment, service)
        assert [critical.severity, warning.severity, latency.severity] == ["critical", "warning", "warning"]
        assert (critical.threshold, warning.threshold, latency.threshold) == (5, 1, 2)
        assert isinstance(critical.source, Expression)
        assert critical.source.text == "100 * failed / requests"
        dimensions = {"LoadBalancer": "app/x/1", "TargetGroup": "targetgroup/y/2"}
        assert {key: (metric.name, dict(metric.dimensions)) for key, metric in critical.source.metrics.items()} == {
            "failed": ("HTTPCode_Target_5XX_Count", dimensions),
            "requests": ("RequestCount", dimensions),
        }
        assert isinstance(latency.source, Metric)
        assert (latency.source.name, latency.source.statistic) == ("TargetResponseTime", "p95")

    def test_a_queue_and_what_it_gave_up(self) -> None:
        backlog, dead = queue_alarms(plan().environment, "reports", "a-queue", "a-queue-dead")
        assert (backlog.threshold, dead.threshold) == (1000, 0)
        assert isinstance(backlog.source, Metric)
        assert isinstance(dead.source, Metric)
        assert backlog.source.dimensions == {"QueueName": "a-queue"}
        assert dead.source.dimensions == {"QueueName": "a-queue-dead"}
