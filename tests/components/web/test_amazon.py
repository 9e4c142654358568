"""Services, tasks, queues and delivery of an environment at home on AWS, value by value."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from tests.components.program import Built, Document, build, external_value
from tests.components.web.amazon import ACCOUNT, HOME, image, on_aws

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
SHOWN = "aws:lb/listenerCertificate:ListenerCertificate"
ROUTE = "aws:lb/listenerRule:ListenerRule"
TARGETS = "aws:lb/targetGroup:TargetGroup"
CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"
FIREWALL = "aws:wafv2/webAcl:WebAcl"
FIREWALL_LOG = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
GUARDED = "aws:wafv2/webAclAssociation:WebAclAssociation"
SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CAPACITY = "aws:appautoscaling/target:Target"
SCALING = "aws:appautoscaling/policy:Policy"
CLOCK = "aws:scheduler/schedule:Schedule"
QUEUE = "aws:sqs/queue:Queue"
RIGHTS = "aws:iam/rolePolicy:RolePolicy"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
KEY = "aws:kms/key:Key"
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
ACCESS = "aws:cloudfront/originAccessControl:OriginAccessControl"
HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy"
PUBLIC_KEY = "aws:cloudfront/publicKey:PublicKey"
KEY_GROUP = "aws:cloudfront/keyGroup:KeyGroup"
LOG_SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource"

API, ADMIN, FILES = "api.ledgerly.example", "admin.ledgerly.example", "files.ledgerly.example"
ZONE, GIVEN = "Z0123456789ABC", f"arn:aws:acm:{HOME}:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"
SECRETS = ("SENTRY_DSN", "SLACK_TOKEN")


def serving(document: Document) -> None:
    on_aws(document)
    document["backups"]["time_zone"] = "Europe/Berlin"
    document["monitoring"]["channels"]["slack"] = {
        "channel": "#alerts", "workspace_id": "T0LEDGERLY", "channel_id": "C0ALERTS01",
    }  # fmt: skip
    document["secrets"] = {"external": list(SECRETS)}
    document["external_secrets"] |= {name: external_value(name) for name in SECRETS}
    document["services"] = {
        "gateway": {
            "image": image("gateway", "a"),
            "host": API,
            "zone": ZONE,
            "memory_mb": 2048,
            "variables": {"MODE": "live"},
            "secrets": ["JWT_SECRET"],
            "timeout_seconds": 900,
        },
        "admin": {"image": image("admin", "b"), "host": ADMIN, "certificate": GIVEN, "memory_mb": 2048},
        "importer": {
            "image": image("importer", "c"),
            "account": "worker",
            "min_instances": 2,
            "max_instances": 4,
            "cpu": 2,
            "memory_mb": 4096,
            "port": 9000,
        },
    }
    document["tasks"] = {
        "market-watch": {
            "image": image("watch", "d"),
            "schedule": "*/15 8-9 * * 1-5",
            "command": ["watch", "--all"],
            "memory_mb": 2048,
            "secrets": [],
        }
    }
    document["queues"] = {"imports": {"service": "importer", "max_attempts": 7, "ack_seconds": 120}}
    document["delivery"] = {"host": FILES, "zone": ZONE, "waf": True}


@functools.cache
def full() -> Built:
    return build("dev", serving)


def container(run: Built, name: str) -> dict[str, Any]:
    (only,) = json.loads(run.inputs(TASK, name)["containerDefinitions"])
    assert isinstance(only, dict)
    return only


def environment(of: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in of["environment"]}


def test_a_service_s_task() -> None:
    run = full()
    task = run.inputs(TASK, "service-gateway-task")
    assert (task["family"], task["cpu"], task["memory"]) == ("ledgerly-dev-app-gateway", "1024", "2048")
    assert (task["networkMode"], task["requiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    assert task["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-gateway"
    assert task["executionRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-execution"
    made = container(run, "service-gateway-task")
    assert made["image"] == image("gateway", "a")
    assert made["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert environment(made) == {
        "MODE": "live",
        "TENANTRY_AWS_FILES_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-files",
        "TENANTRY_CLOUD": "aws",
        "TENANTRY_ENVIRONMENT": "dev",
        "TENANTRY_QUEUE_IMPORTS": f"https://sqs.{HOME}.amazonaws.com/{ACCOUNT}/ledgerly-dev-imports",
        "TENANTRY_REGION": HOME,
        "TENANTRY_REGISTRY": "ledgerly-dev-registry",
        "TENANTRY_ROTATION": "1",
    }
    # a literal, without the six characters that AWS adds: so the name must not end like an ARN itself
    arn = f"arn:aws:secretsmanager:{HOME}:{ACCOUNT}:secret:app-jwt-secret-value"
    assert made["secrets"] == [{"name": "JWT_SECRET", "valueFrom": arn}]
    assert run.inputs("aws:secretsmanager/secret:Secret", "app-jwt-secret")["name"] == "app-jwt-secret-value"
    assert made["logConfiguration"]["options"] == {
        "awslogs-group": "/tenantry/dev/application",
        "awslogs-region": HOME,
        "awslogs-stream-prefix": "gateway",
    }
    logs = run.inputs(LOG_GROUP, "application-logs")
    assert (logs["name"], logs["retentionInDays"]) == ("/tenantry/dev/application", 90)
    assert logs["kmsKeyId"] == run.of(KEY)[f"key-logs-{HOME}"].outputs["arn"]
    assert {"app-jwt-secret-version", "application-logs", "gateway-queues"} <= run.waits_for(
        TASK, "service-gateway-task"
    )


def test_a_service_without_a_list_reads_the_application_s_secrets_and_no_channel_s() -> None:
    names = [each["name"] for each in container(full(), "service-importer-task")["secrets"]]
    assert names == ["JWT_REFRESH_SECRET", "JWT_SECRET", "NEXTAUTH_SECRET", "SENTRY_DSN"]


def test_a_public_service_runs_behind_the_load_balancer() -> None:
    run = full()
    service = run.inputs(SERVICE, "service-gateway")
    assert service["name"] == "ledgerly-dev-app-gateway"
    assert service["launchType"] == "FARGATE"
    assert service["desiredCount"] == 1
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["waitForSteadyState"] is True
    assert service["enableExecuteCommand"] is False
    network = service["networkConfiguration"]
    assert network["assignPublicIp"] is False
    assert network["securityGroups"] == [run.of("aws:ec2/securityGroup:SecurityGroup")["group-gateway"].id]
    targets = run.of(TARGETS)["service-gateway-targets"]
    assert service["loadBalancers"] == [
        {"containerName": "gateway", "containerPort": 8080, "targetGroupArn": targets.outputs["arn"]}
    ]
    assert run.of(SERVICE)["service-gateway"].ignore_changes == ("desiredCount",)
    assert "service-gateway-route" in run.waits_for(SERVICE, "service-gateway")
    assert targets.inputs["healthCheck"]["path"] == "/api/health"
    assert (targets.inputs["targetType"], targets.inputs["port"]) == ("ip", 8080)
    assert len(targets.inputs["name"]) <= 32


def test_public_services_are_watched_at_the_load_balancer() -> None:
    run = full()
    alarms = {
        name.removeprefix("monitoring-alarm-")
        for name in run.of("aws:cloudwatch/metricAlarm:MetricAlarm")
        if "service-" in name
    }
    assert alarms == {
        f"service-{service}-{alarm}"
        for service in ("admin", "gateway")
        for alarm in ("error-rate-critical", "error-rate-warning", "latency")
    }
    slow = run.inputs("aws:cloudwatch/metricAlarm:MetricAlarm", "monitoring-alarm-service-gateway-latency")
    group = run.mocks.one(TARGETS, "service-gateway-targets").outputs["arnSuffix"]
    assert slow["dimensions"]["TargetGroup"] == group
    assert (slow["extendedStatistic"], slow["threshold"]) == ("p95", 2.0)


def test_a_private_service_has_no_way_in() -> None:
    run = full()
    service = run.inputs(SERVICE, "service-importer")
    assert "loadBalancers" not in service
    assert "healthCheckGracePeriodSeconds" not in service
    assert set(run.of(TARGETS)) == {"service-admin-targets", "service-gateway-targets"}
    capacity = run.inputs(CAPACITY, "service-importer-capacity")
    assert (capacity["minCapacity"], capacity["maxCapacity"]) == (2, 4)
    assert capacity["resourceId"] == "service/ledgerly-dev/ledgerly-dev-app-importer"
    scaling = run.inputs(SCALING, "service-importer-scaling")["targetTrackingScalingPolicyConfiguration"]
    assert scaling["targetValue"] == 60
    assert scaling["predefinedMetricSpecification"]["predefinedMetricType"] == "ECSServiceAverageCPUUtilization"


def test_only_tls_comes_in_and_plain_http_is_sent_to_it() -> None:
    run = full()
    balancer = run.inputs(BALANCER, "services")
    assert (balancer["name"], balancer["internal"]) == ("ledgerly-dev-web", False)
    assert balancer["dropInvalidHeaderFields"] is True
    assert balancer["idleTimeout"] == 900
    https = run.inputs(LISTENER, "services-https")
    assert (https["port"], https["protocol"]) == (443, "HTTPS")
    assert https["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert https["routingHttpResponseStrictTransportSecurityHeaderValue"] == "max-age=63072000; includeSubDomains"
    assert https["defaultActions"][0]["fixedResponse"]["statusCode"] == "404"
    # the services in the order of their names: admin, whose certificate is given, then gateway
    assert https["certificateArn"] == GIVEN
    certificate = run.of(CERTIFICATE)["service-gateway-certificate"]
    assert certificate.inputs["domainName"] == API
    assert certificate.inputs["validationMethod"] == "DNS"
    assert {name: shown.inputs["certificateArn"] for name, shown in run.of(SHOWN).items()} == {
        f"services-https-certificate-{GIVEN.rpartition('/')[2]}": GIVEN,
        "services-https-certificate-gateway": certificate.outputs["arn"],
    }
    assert "service-gateway-validation" in run.waits_for(SHOWN, "services-https-certificate-gateway")
    http = run.inputs(LISTENER, "services-http")
    assert (http["port"], http["protocol"]) == (80, "HTTP")
    assert http["defaultActions"] == [
        {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}
    ]
    record = run.inputs(RECORD, "service-gateway-record-a")
    assert (record["name"], record["type"], record["zoneId"]) == (API, "A", ZONE)
    assert record["aliases"][0]["name"] == run.of(BALANCER)["services"].outputs["dnsName"]
    assert "service-admin-record-a" not in run.of(RECORD)
    assert run.outputs["endpoints"][ADMIN] == run.of(BALANCER)["services"].outputs["dnsName"]


def test_a_certificate_of_several_services_is_shown_once_and_none_moves_when_a_service_comes() -> None:
    def edit(document: Document) -> None:
        serving(document)
        document["services"]["another"] = {**document["services"]["gateway"], "host": "another.ledgerly.example"}
        document["services"]["back"] = {**document["services"]["admin"], "host": "back.ledgerly.example"}

    before, after = (
        {name: shown.inputs["certificateArn"] for name, shown in run.of(SHOWN).items()}
        for run in (full(), build("dev", edit))
    )
    new = "services-https-certificate-another"
    assert after == {**before, new: after[new]}


def test_who_reaches_whom() -> None:
    run = full()
    ours = {
        name: (rule.inputs["fromPort"], rule.inputs.get("cidrIpv4"))
        for token in (INGRESS, EGRESS)
        for name, rule in run.of(token).items()
        if "services" in name
    }
    # one rule for gateway and admin, which have the same account and port
    assert ours == {
        "services-from-internet-80": (80, "0.0.0.0/0"),
        "services-from-internet-443": (443, "0.0.0.0/0"),
        "gateway-from-services-8080": (8080, None),
        "services-to-gateway-8080": (8080, None),
    }


def test_the_firewall_counts_each_host_s_requests_by_client() -> None:
    run = full()
    firewall = run.inputs(FIREWALL, "services-firewall")
    assert (firewall["scope"], firewall["name"]) == ("REGIONAL", "ledgerly-dev-services")
    rules = {rule["name"]: rule for rule in firewall["rules"]}
    assert set(rules) == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "rate-admin",
        "rate-gateway",
    }
    assert len({rule["priority"] for rule in rules.values()}) == 4
    counted = rules["rate-gateway"]["statement"]["rateBasedStatement"]
    assert (counted["limit"], counted["evaluationWindowSec"], counted["aggregateKeyType"]) == (600, 60, "IP")
    assert counted["scopeDownStatement"]["byteMatchStatement"]["searchString"] == API
    assert rules["rate-gateway"]["action"]["block"]["customResponse"] == {"responseCode": 429}
    association = run.inputs(GUARDED, "services-firewall-association")
    assert association["resourceArn"] == run.of(BALANCER)["services"].outputs["arn"]
    assert run.inputs(LOG_GROUP, "services-firewall-logs")["name"] == "aws-waf-logs-ledgerly-dev-services"
    hidden = run.inputs(FIREWALL_LOG, "services-firewall-logging")["redactedFields"]
    assert [field["singleHeader"]["name"] for field in hidden] == ["authorization", "cookie"]


@pytest.mark.parametrize(("percent", "weights"), [(10, [90, 10]), (50, [50, 50]), (100, [0, 100])])
def test_a_canary_is_a_second_service_with_a_share(percent: int, weights: list[int]) -> None:
    def edit(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["canary"] = {"image": image("gateway", "e"), "percent": percent}

    run = build("dev", edit)
    forward = run.inputs(ROUTE, "service-gateway-route")["actions"][0]["forward"]
    assert [group["weight"] for group in forward["targetGroups"]] == weights
    groups = run.of(TARGETS)
    assert [group["arn"] for group in forward["targetGroups"]] == [
        groups[f"service-{name}-targets"].outputs["arn"] for name in ("gateway", "gateway-canary")
    ]
    assert forward["stickiness"]["enabled"] is True
    assert container(run, "service-gateway-task")["image"] == image("gateway", "a")
    assert container(run, "service-gateway-canary-task")["image"] == image("gateway", "e")
    assert run.inputs(SERVICE, "service-gateway-canary")["name"] == "ledgerly-dev-app-gateway-canary"


def test_a_host_s_rule_keeps_its_priority_when_others_come() -> None:
    def alone(document: Document) -> None:
        serving(document)
        del document["services"]["admin"]

    run = build("dev", alone)
    assert (
        run.inputs(ROUTE, "service-gateway-route")["priority"]
        == full().inputs(ROUTE, "service-gateway-route")["priority"]
    )
    forward = run.inputs(ROUTE, "service-gateway-route")["actions"][0]["forward"]
    assert (len(forward["targetGroups"]), forward["stickiness"]["enabled"]) == (1, False)


def test_a_task_runs_by_the_clock_as_the_worker() -> None:
    run = full()
    task = run.inputs(TASK, "task-market-watch-task")
    assert task["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-worker"
    made = container(run, "task-market-watch-task")
    assert (made["command"], made["portMappings"]) == (["watch", "--all"], [])
    # ECS gives a list back that is empty for ports, and none for secrets and commands
    assert "secrets" not in made
    assert "command" not in container(run, "service-importer-task")
    clock = run.inputs(CLOCK, "task-market-watch-schedule")
    assert clock["scheduleExpression"] == "cron(0,15,30,45 8,9 ? * MON,TUE,WED,THU,FRI *)"
    assert clock["scheduleExpressionTimezone"] == "Europe/Berlin"
    assert clock["target"]["ecsParameters"]["taskDefinitionArn"].endswith(
        ":task-definition/ledgerly-dev-app-market-watch"
    )


def test_a_queue_and_its_dead_letters() -> None:
    run = full()
    queue, dead = run.inputs(QUEUE, "queue-imports"), run.inputs(QUEUE, "queue-imports-dead")
    key = run.of(KEY)[f"key-storage-{HOME}"].outputs["arn"]
    assert (queue["kmsMasterKeyId"], dead["kmsMasterKeyId"]) == (key, key)
    assert queue["visibilityTimeoutSeconds"] == 120
    assert json.loads(queue["redrivePolicy"]) == {
        "deadLetterTargetArn": f"arn:aws:sqs:{HOME}:{ACCOUNT}:ledgerly-dev-imports-dead",
        "maxReceiveCount": 7,
    }
    assert dead["messageRetentionSeconds"] == 1209600
    for each in (queue, dead):
        (statement,) = json.loads(each["policy"])["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})

    def rights(account: str) -> dict[str, Any]:
        policy = run.inputs(RIGHTS, f"{account}-queues")["policy"]
        return {each["Sid"]: each["Resource"] for each in json.loads(policy)["Statement"]}

    own = [f"arn:aws:sqs:{HOME}:{ACCOUNT}:ledgerly-dev-imports"]
    assert rights("worker")["Consume"] == own
    assert rights("worker")["Publish"] == own
    assert "Consume" not in rights("gateway")
    assert rights("gateway")["Publish"] == own


def test_files_are_delivered_from_a_private_bucket() -> None:
    run = full()
    distribution = run.inputs(DISTRIBUTION, "delivery")
    assert distribution["aliases"] == [FILES]
    assert distribution["enabled"] is True
    (origin,) = distribution["origins"]
    assert origin["domainName"] == f"ledgerly-dev-assets.s3.{HOME}.amazonaws.com"
    assert origin["originAccessControlId"] == run.of(ACCESS)["delivery-access"].id
    access = run.inputs(ACCESS, "delivery-access")
    assert (access["originAccessControlOriginType"], access["signingBehavior"], access["signingProtocol"]) == (
        "s3", "always", "sigv4",
    )  # fmt: skip
    behaviour = distribution["defaultCacheBehavior"]
    assert behaviour["viewerProtocolPolicy"] == "redirect-to-https"
    assert behaviour["cachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert "trustedKeyGroups" not in behaviour
    certificate = run.of(CERTIFICATE)["delivery-certificate"]
    assert (certificate.inputs["region"], certificate.inputs["domainName"]) == ("us-east-1", FILES)
    assert distribution["viewerCertificate"] == {
        "acmCertificateArn": certificate.outputs["arn"],
        "cloudfrontDefaultCertificate": False,
        "minimumProtocolVersion": "TLSv1.2_2021",
        "sslSupportMethod": "sni-only",
    }
    assert "delivery-validation" in run.waits_for(DISTRIBUTION, "delivery")
    assert run.inputs(VALIDATION, "delivery-validation")["region"] == "us-east-1"
    assert {run.inputs(RECORD, f"delivery-record-{kind}")["type"] for kind in ("a", "aaaa")} == {"A", "AAAA"}
    headers = run.inputs(HEADERS, "delivery-headers")["securityHeadersConfig"]
    assert headers["strictTransportSecurity"]["accessControlMaxAgeSec"] == 63072000
    assert headers["contentTypeOptions"] == {"override": True}
    assert headers["frameOptions"]["frameOption"] == "DENY"
    assert behaviour["responseHeadersPolicyId"] == run.of(HEADERS)["delivery-headers"].id
    assert "assets-policy" in run.waits_for(DISTRIBUTION, "delivery")
    assert run.outputs["endpoints"][FILES] == run.of(DISTRIBUTION)["delivery"].outputs["domainName"]


def test_deliveries_are_logged_under_a_key_where_cloudfront_is() -> None:
    run = full()
    logs = run.inputs(LOG_GROUP, "delivery-logs")
    assert (logs["region"], logs["kmsKeyId"]) == ("us-east-1", run.of(KEY)["key-logs-us-east-1"].outputs["arn"])
    source = run.inputs(LOG_SOURCE, "delivery-logs-source")
    assert (source["logType"], source["resourceArn"]) == (
        "ACCESS_LOGS",
        run.of(DISTRIBUTION)["delivery"].outputs["arn"],
    )


def test_the_delivery_s_firewall_is_where_cloudfront_is() -> None:
    run = full()
    firewall = run.inputs(FIREWALL, "delivery-firewall")
    assert (firewall["scope"], firewall["region"]) == ("CLOUDFRONT", "us-east-1")
    assert run.inputs(DISTRIBUTION, "delivery")["webAclId"] == run.of(FIREWALL)["delivery-firewall"].outputs["arn"]


def test_uploads_are_opened_by_signatures_alone() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
    given = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"

    def edit(document: Document) -> None:
        on_aws(document)
        document["delivery"] = {"host": FILES, "bucket": "uploads", "signing_key": pem, "certificate": given}

    run = build("dev", edit)
    distribution = run.inputs(DISTRIBUTION, "delivery")
    assert distribution["origins"][0]["domainName"] == f"ledgerly-dev-uploads.s3.{HOME}.amazonaws.com"
    assert distribution["defaultCacheBehavior"]["trustedKeyGroups"] == [run.of(KEY_GROUP)["delivery-signers"].id]
    assert run.inputs(KEY_GROUP, "delivery-signers")["items"] == [run.of(PUBLIC_KEY)["delivery-signing-key"].id]
    assert run.inputs(PUBLIC_KEY, "delivery-signing-key")["encodedKey"] == f"{pem}\n"
    assert distribution["viewerCertificate"]["acmCertificateArn"] == given
    assert run.of(CERTIFICATE) == {}
    assert run.of(RECORD) == {}
    assert "webAclId" not in distribution


def test_nothing_is_there_that_nobody_asked_for() -> None:
    run = build("dev", on_aws)
    for token in (BALANCER, TARGETS, CERTIFICATE, FIREWALL, SERVICE, DISTRIBUTION, CAPACITY):
        assert run.of(token) == {}, token
    assert "application-logs" not in run.of(LOG_GROUP)
    assert "key-logs-us-east-1" not in run.of(KEY)
    assert run.outputs["endpoints"] == {}


def test_tls_1_3_alone_where_the_environment_says_so() -> None:
    def newest(document: Document) -> None:
        serving(document)
        document["environment"]["minimum_tls"] = "1.3"

    run = build("dev", newest)
    assert run.inputs(LISTENER, "services-https")["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
    assert run.inputs(DISTRIBUTION, "delivery")["viewerCertificate"]["minimumProtocolVersion"] == "TLSv1.3_2025"
