"""Services, tasks, queues and delivery of an environment at home on Google Cloud, value by value."""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any, Final

import pulumi
import pytest

from tests.components.program import Built, Document, build, built, external_value
from tests.components.tokens import CLOCK, KEY, KEY_MEMBER

SERVICE = "gcp:cloudrunv2/service:Service"
INVOKER = "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"
RUN_JOB = "gcp:cloudrunv2/job:Job"
NEG = "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup"
SHIELD = "gcp:compute/securityPolicy:SecurityPolicy"
BACKEND = "gcp:compute/backendService:BackendService"
BACKEND_BUCKET = "gcp:compute/backendBucket:BackendBucket"
URL_MAP = "gcp:compute/uRLMap:URLMap"
TLS = "gcp:compute/sSLPolicy:SSLPolicy"
CERTIFICATE = "gcp:compute/managedSslCertificate:ManagedSslCertificate"
HTTPS = "gcp:compute/targetHttpsProxy:TargetHttpsProxy"
HTTP = "gcp:compute/targetHttpProxy:TargetHttpProxy"
RULE = "gcp:compute/globalForwardingRule:GlobalForwardingRule"
ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
TOPIC = "gcp:pubsub/topic:Topic"
TOPIC_MEMBER = "gcp:pubsub/topicIAMMember:TopicIAMMember"
SUBSCRIPTION = "gcp:pubsub/subscription:Subscription"
SUBSCRIPTION_MEMBER = "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember"

REGISTRY = "europe-docker.pkg.dev/images/ledgerly"
IMAGE = f"{REGISTRY}/gateway@sha256:{'a' * 64}"
NEXT = f"{REGISTRY}/gateway@sha256:{'b' * 64}"
STACK: Final = "dev"
PROJECT, NUMBER, REGION = "ledgerly-dev", "481205517301", "europe-west1"
API, FILES = "api.ledgerly.example", "files.ledgerly.example"


def email(workload: str) -> str:
    return f"tenantry-{workload}@{PROJECT}.iam.gserviceaccount.com"


def serving(document: Document) -> None:
    document["backups"]["time_zone"] = "Europe/Berlin"
    document["monitoring"]["channels"]["slack"] = {"channel": "#alerts"}
    document["secrets"] = {"external": ["SENTRY_DSN", "SLACK_TOKEN"]}
    document["external_secrets"] = {name: external_value(name) for name in ("SENTRY_DSN", "SLACK_TOKEN")}
    document["services"] = {
        "gateway": {"image": IMAGE, "host": API, "variables": {"MODE": "live"}, "secrets": ["JWT_SECRET"]},
        "importer": {
            "image": f"{REGISTRY}/importer@sha256:{'c' * 64}",
            "account": "worker",
            "min_instances": 0,
            "max_instances": 3,
            "cpu": 2,
            "memory_mb": 2048,
            "concurrency": 1,
            "timeout_seconds": 900,
            "port": 9000,
            "health_path": "/healthz",
        },
    }
    document["tasks"] = {
        "market-watch": {
            "image": f"{REGISTRY}/watch@sha256:{'d' * 64}",
            "schedule": "*/15 * * * *",
            "command": ["watch", "--all"],
            "timeout_seconds": 600,
            "secrets": [],
        }
    }
    document["queues"] = {
        "imports": {"service": "importer", "path": "/messages", "max_attempts": 7, "ack_seconds": 120}
    }
    document["delivery"] = {"host": FILES}


@functools.cache
def full() -> Built:
    return build(STACK, serving)


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueSource")) for each in container["envs"]}


def revision_of(run: Built, name: str = "gateway") -> str:
    return str(run.inputs(SERVICE, f"service-{name}")["template"]["revision"])


def test_a_public_service() -> None:
    run = full()
    service = run.inputs(SERVICE, "service-gateway")
    assert (service["name"], service["project"], service["location"]) == ("app-gateway", PROJECT, REGION)
    assert service["ingress"] == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    assert service["deletionProtection"] is False
    template = service["template"]
    assert template["serviceAccount"] == email("gateway")
    assert template["scaling"] == {"minInstanceCount": 1, "maxInstanceCount": 10}
    assert template["maxInstanceRequestConcurrency"] == 80
    assert template["timeout"] == "300s"
    assert template["vpcAccess"]["egress"] == "PRIVATE_RANGES_ONLY"
    (interface,) = template["vpcAccess"]["networkInterfaces"]
    assert interface["subnetwork"].endswith(f"/regions/{REGION}/subnetworks/workloads")
    (container,) = template["containers"]
    assert container["image"] == IMAGE
    assert container["ports"] == {"containerPort": 8080}
    assert container["resources"] == {
        "limits": {"cpu": "1", "memory": "2048Mi"},
        "cpuIdle": True,
        "startupCpuBoost": True,
    }
    assert container["startupProbe"]["httpGet"] == {"path": "/api/health", "port": 8080}
    assert container["livenessProbe"]["httpGet"] == {"path": "/api/health", "port": 8080}
    assert variables(container) == {
        "JWT_SECRET": {"secretKeyRef": {"secret": "app-jwt-secret", "version": "latest"}},
        "MODE": "live",
        "TENANTRY_CLOUD": "gcp",
        "TENANTRY_ENVIRONMENT": "dev",
        "TENANTRY_PROJECT": PROJECT,
        "TENANTRY_QUEUE_IMPORTS": f"projects/{PROJECT}/topics/app-imports",
        "TENANTRY_REGION": REGION,
        "TENANTRY_REGISTRY": "ledgerly-dev-registry",
    }


def test_it_starts_only_when_its_secrets_are_stored_and_readable() -> None:
    waits = full().waits_for(SERVICE, "service-gateway")
    assert {"app-jwt-secret-version", "app-jwt-secret-readers"} <= waits


def test_a_private_service_takes_what_its_settings_say() -> None:
    run = full()
    service = run.inputs(SERVICE, "service-importer")
    assert service["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    template = service["template"]
    assert template["serviceAccount"] == email("worker")
    assert template["scaling"] == {"minInstanceCount": 0, "maxInstanceCount": 3}
    assert template["maxInstanceRequestConcurrency"] == 1
    assert template["timeout"] == "900s"
    (container,) = template["containers"]
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "2048Mi"}
    assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": 9000}
    secrets = {name for name, value in variables(container).items() if isinstance(value, dict)}
    # all of the application's, none of the alert channels'
    assert secrets == {"JWT_REFRESH_SECRET", "JWT_SECRET", "NEXTAUTH_SECRET", "SENTRY_DSN"}


def test_only_a_public_service_is_open_to_callers_without_a_name() -> None:
    grants = full().of(INVOKER)
    assert {
        name: (item.inputs["name"], item.inputs["role"], item.inputs["member"]) for name, item in grants.items()
    } == {
        "service-gateway-public": ("app-gateway", "roles/run.invoker", "allUsers"),
        "service-importer-pushed": ("app-importer", "roles/run.invoker", f"serviceAccount:{email('scheduler')}"),
    }


def test_without_a_canary_the_newest_revision_takes_all_traffic() -> None:
    run = full()
    revision = revision_of(run)
    assert revision.startswith("app-gateway-")
    assert len(revision) <= 63
    assert run.inputs(SERVICE, "service-gateway")["traffics"] == [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": revision, "percent": 100}
    ]
    assert run.outputs["revisions"]["gateway"] == revision


def test_a_revision_s_name_follows_from_what_it_is_made_of() -> None:
    first = revision_of(full())
    assert revision_of(build(STACK, serving)) == first

    def other_variable(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["variables"]["MODE"] = "maintenance"

    def rotated(document: Document) -> None:
        serving(document)
        document["secrets"]["rotation"] = 2

    def more_tenants_watched(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["rate_limit_per_minute"] = 60

    changed = {revision_of(build(STACK, edit)) for edit in (other_variable, rotated)}
    assert len(changed | {first}) == 3
    assert revision_of(build(STACK, more_tenants_watched)) == first


@pytest.mark.parametrize(
    ("percent", "shares"), [(10, [("new", 10), ("old", 90)]), (50, [("new", 50), ("old", 50)]), (100, [("new", 100)])]
)
def test_a_canary_shares_with_the_revision_that_served_before(percent: int, shares: list[tuple[str, int]]) -> None:
    old = revision_of(full())

    def edit(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["canary"] = {"image": NEXT, "percent": percent}

    run = build(STACK, edit, previous={"revisions": {"gateway": old}})
    service = run.inputs(SERVICE, "service-gateway")
    new = revision_of(run)
    assert new != old
    assert service["template"]["containers"][0]["image"] == NEXT
    named = {"new": new, "old": old}
    assert [(each["revision"], each["percent"]) for each in service["traffics"]] == [
        (named[which], share) for which, share in shares
    ]
    # the next step, or the way back, starts from the same revision
    assert run.outputs["revisions"]["gateway"] == old

    def promoted(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["image"] = NEXT

    assert revision_of(build(STACK, promoted, previous={"revisions": {"gateway": old}})) == new


def test_a_canary_without_a_revision_before_it_is_refused() -> None:
    def edit(document: Document) -> None:
        serving(document)
        document["services"]["gateway"]["canary"] = {"image": NEXT, "percent": 10}

    with pytest.raises(pulumi.RunError, match=r"tenantry:services\.gateway\.canary: has nothing to be compared with"):
        build(STACK, edit)
    with pytest.raises(pulumi.RunError, match="run `up` once without the canary"):
        # what the engine writes when the service's creation failed
        build(STACK, edit, previous={"revisions": {"gateway": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}})


def test_the_load_balancer_is_the_one_way_in() -> None:
    run = full()
    backend = run.inputs(BACKEND, "service-gateway-backend")
    assert set(run.of(BACKEND)) == {"service-gateway-backend"}
    assert backend["loadBalancingScheme"] == "EXTERNAL_MANAGED"
    assert backend["protocol"] == "HTTPS"
    assert backend["securityPolicy"] == run.of(SHIELD)["service-gateway-shield"].id
    assert backend["logConfig"] == {"enable": True, "sampleRate": 1}
    assert [each["group"] for each in backend["backends"]] == [run.of(NEG)["service-gateway-endpoints"].id]
    endpoints = run.inputs(NEG, "service-gateway-endpoints")
    assert (endpoints["networkEndpointType"], endpoints["cloudRun"]) == ("SERVERLESS", {"service": "app-gateway"})


def test_the_shield_refuses_known_attacks_limits_by_client_and_ends_with_the_default_rule() -> None:
    shield = full().inputs(SHIELD, "service-gateway-shield")
    known, limit, default = shield["rules"]
    assert (known["priority"], known["action"]) == (900, "deny(403)")
    assert known["match"] == {"expr": {"expression": "evaluatePreconfiguredWaf('cve-canary', {'sensitivity': 1})"}}
    everybody = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
    assert (limit["priority"], limit["action"], limit["match"]) == (1000, "throttle", everybody)
    assert limit["rateLimitOptions"] == {
        "conformAction": "allow",
        "exceedAction": "deny(429)",
        "enforceOnKey": "IP",
        "rateLimitThreshold": {"count": 600, "intervalSec": 60},
    }
    assert (default["priority"], default["action"], default["match"]) == (2147483647, "deny(403)", everybody)
    assert shield["adaptiveProtectionConfig"]["layer7DdosDefenseConfig"]["enable"] is True
    assert all(rule["preview"] is False for rule in shield["rules"])


def test_the_path_of_a_queue_is_refused_from_outside() -> None:
    def edit(document: Document) -> None:
        serving(document)
        document["queues"] = {"orders": {"service": "gateway", "path": "/Internal/order.d"}}

    inside, *others = build(STACK, edit).inputs(SHIELD, "service-gateway-shield")["rules"]
    assert (inside["priority"], inside["action"], inside["preview"]) == (100, "deny(403)", False)
    expression = inside["match"]["expr"]["expression"]
    found = re.fullmatch(r"request\.path\.urlDecode\(\)\.lower\(\)\.matches\((\".*\")\)", expression)
    assert found is not None
    asked = ["/internal/order.d", "//internal//order.d/", "/internal/orders", "/internal/order.d/7", "/"]
    assert [path for path in asked if re.search(json.loads(found[1]), path)] == asked[:2]
    assert [rule["priority"] for rule in others] == [900, 1000, 2147483647]
    # what the provider says a rule takes
    assert max(len(rule["description"]) for rule in (inside, *others)) <= 64


def test_hosts_lead_to_their_backends_over_https_alone() -> None:
    run = full()
    urls = run.inputs(URL_MAP, "services-urls")
    assert [(rule["hosts"], rule["pathMatcher"]) for rule in urls["hostRules"]] == [
        ([API], "gateway"),
        ([FILES], "assets"),
    ]
    service, assets = urls["pathMatchers"]
    assert service == {"name": "gateway", "defaultService": run.of(BACKEND)["service-gateway-backend"].id}
    assert assets["defaultService"] == run.of(BACKEND_BUCKET)["delivery-backend"].id
    (root,) = assets["pathRules"]
    assert root["paths"] == ["/"]
    assert (
        root["urlRedirect"]["hostRedirect"]
        == built(STACK).inputs("gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig", "monitoring-uptime")[
            "monitoredResource"
        ]["labels"]["host"]
    )
    assert run.inputs(TLS, "services-tls")["minTlsVersion"] == "TLS_1_2"
    assert run.inputs(TLS, "services-tls")["profile"] == "RESTRICTED"
    proxy = run.inputs(HTTPS, "services-https")
    assert proxy["sslPolicy"] == run.of(TLS)["services-tls"].id
    certificates = run.of(CERTIFICATE)
    assert {name: item.inputs["managed"]["domains"] for name, item in certificates.items()} == {
        f"services-certificate-{API}": [API],
        f"services-certificate-{FILES}": [FILES],
    }
    assert proxy["sslCertificates"] == [certificates[f"services-certificate-{host}"].id for host in (API, FILES)]
    redirect = run.inputs(URL_MAP, "services-redirect")
    assert redirect["defaultUrlRedirect"]["httpsRedirect"] is True
    assert "defaultService" not in redirect
    rules = run.of(RULE)
    assert {name: (item.inputs["portRange"], item.inputs["target"]) for name, item in rules.items()} == {
        "services-https-rule": ("443", run.of(HTTPS)["services-https"].id),
        "services-http-rule": ("80", run.of(HTTP)["services-http"].id),
    }
    address = run.of(ADDRESS)["services-address"]
    assert address.inputs["addressType"] == "EXTERNAL"
    assert {item.inputs["ipAddress"] for item in rules.values()} == {address.outputs["address"]}
    assert run.outputs["endpoints"] == {API: address.outputs["address"], FILES: address.outputs["address"]}


def test_assets_are_delivered_from_a_bucket_that_stays_private() -> None:
    run = full()
    backend = run.inputs(BACKEND_BUCKET, "delivery-backend")
    assert (backend["bucketName"], backend["enableCdn"]) == ("ledgerly-dev-assets", True)
    assert backend["cdnPolicy"] == {
        "cacheMode": "FORCE_CACHE_ALL",
        "defaultTtl": 3600,
        "clientTtl": 3600,
        "negativeCaching": True,
        "serveWhileStale": 0,
    }
    assert "X-Content-Type-Options: nosniff" in backend["customResponseHeaders"]
    reader = run.inputs("gcp:storage/bucketIAMMember:BucketIAMMember", "delivery-reader")
    assert reader == {
        "bucket": "ledgerly-dev-assets",
        "role": "roles/storage.objectViewer",
        "member": f"serviceAccount:service-{NUMBER}@https-lb.iam.gserviceaccount.com",
    }
    assert "delivery-backend" in run.waits_for("gcp:storage/bucketIAMMember:BucketIAMMember", "delivery-reader")
    assert run.inputs("gcp:storage/bucket:Bucket", "assets")["publicAccessPrevention"] == "enforced"


def test_a_task_runs_by_the_clock_as_the_worker() -> None:
    run = full()
    job = run.inputs(RUN_JOB, "task-market-watch")
    assert job["name"] == "app-market-watch"
    template = job["template"]["template"]
    assert (template["serviceAccount"], template["timeout"], template["maxRetries"]) == (email("worker"), "600s", 1)
    (container,) = template["containers"]
    assert container["args"] == ["watch", "--all"]
    assert [name for name, value in variables(container).items() if isinstance(value, dict)] == []
    clock = run.inputs(CLOCK, "task-market-watch-schedule")
    assert (clock["name"], clock["schedule"], clock["timeZone"]) == (
        "app-market-watch",
        "*/15 * * * *",
        "Europe/Berlin",
    )
    target = clock["httpTarget"]
    assert target["uri"].endswith(f"/projects/{PROJECT}/locations/{REGION}/jobs/app-market-watch:run")
    assert target["oauthToken"]["serviceAccountEmail"] == email("scheduler")
    assert json.loads(base64.b64decode(target["body"])) == {}
    invoker = run.inputs("gcp:cloudrunv2/jobIamMember:JobIamMember", "task-market-watch-invoker")
    assert (invoker["role"], invoker["member"]) == ("roles/run.invoker", f"serviceAccount:{email('scheduler')}")


def test_a_queue_pushes_to_its_service_and_buries_what_it_cannot_digest() -> None:
    run = full()
    key = run.of(KEY)[f"key-queues-{REGION}"].id
    assert {name: item.inputs["name"] for name, item in run.of(TOPIC).items()} == {
        "queue-imports": "app-imports",
        "queue-imports-dead": "app-imports-dead",
    }
    for topic in run.of(TOPIC).values():
        assert topic.inputs["kmsKeyName"] == key
        assert topic.inputs["messageStoragePolicy"] == {"allowedPersistenceRegions": [REGION]}
    url = f"https://app-importer-{NUMBER}.{REGION}.run.app"
    push = run.inputs(SUBSCRIPTION, "queue-imports-push")
    assert push["pushConfig"] == {
        "pushEndpoint": f"{url}/messages",
        "oidcToken": {"serviceAccountEmail": email("scheduler"), "audience": url},
    }
    assert (push["ackDeadlineSeconds"], push["expirationPolicy"]) == (120, {"ttl": ""})
    assert push["deadLetterPolicy"] == {
        "deadLetterTopic": run.of(TOPIC)["queue-imports-dead"].id,
        "maxDeliveryAttempts": 7,
    }
    assert push["retryPolicy"] == {"minimumBackoff": "10s", "maximumBackoff": "600s"}
    dead = run.inputs(SUBSCRIPTION, "queue-imports-dead-letters")
    assert (dead["topic"], dead["messageRetentionDuration"]) == (run.of(TOPIC)["queue-imports-dead"].id, "1209600s")
    agent = f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    members = {
        name: (item.inputs["topic"], item.inputs["role"], item.inputs["member"])
        for name, item in run.of(TOPIC_MEMBER).items()
    }
    assert members == {
        "queue-imports-bury": ("app-imports-dead", "roles/pubsub.publisher", agent),
        **{
            f"queue-imports-publisher-{workload}": (
                "app-imports", "roles/pubsub.publisher", f"serviceAccount:{email(workload)}",
            )
            for workload in ("gateway", "worker")
        },
    }  # fmt: skip
    forward = run.inputs(SUBSCRIPTION_MEMBER, "queue-imports-forward")
    assert (forward["subscription"], forward["role"], forward["member"]) == (
        "app-imports", "roles/pubsub.subscriber", agent,
    )  # fmt: skip
    tokens = run.inputs("gcp:serviceaccount/iAMMember:IAMMember", "services-push")
    assert tokens == {
        "serviceAccountId": f"projects/{PROJECT}/serviceAccounts/{email('scheduler')}",
        "role": "roles/iam.serviceAccountOpenIdTokenCreator",
        "member": agent,
    }
    assert run.inputs(KEY_MEMBER, f"key-queues-{REGION}-agent")["member"].endswith(
        "@gcp-sa-pubsub.iam.gserviceaccount.com"
    )


def test_the_queues_of_one_service_share_the_right_to_call_it() -> None:
    def edit(document: Document) -> None:
        serving(document)
        document["queues"]["exports"] = document["queues"]["imports"]

    run = build(STACK, edit)
    assert set(run.of(INVOKER)) == {"service-gateway-public", "service-importer-pushed"}
    for queue in ("exports", "imports"):
        assert "service-importer-pushed" in run.waits_for(SUBSCRIPTION, f"queue-{queue}-push")


def test_nothing_is_there_that_nobody_asked_for() -> None:
    run = built(STACK)
    for token in (SERVICE, INVOKER, NEG, SHIELD, BACKEND, BACKEND_BUCKET, URL_MAP, CERTIFICATE, RULE, TOPIC):
        assert run.of(token) == {}, token
    assert f"key-queues-{REGION}" not in run.of(KEY)
    assert run.outputs["endpoints"] == {}
    assert run.outputs["revisions"] == {}


def test_without_a_public_host_there_is_no_load_balancer() -> None:
    def edit(document: Document) -> None:
        serving(document)
        del document["services"]["gateway"]["host"], document["delivery"]

    run = build(STACK, edit)
    for token in (NEG, BACKEND, URL_MAP, CERTIFICATE, RULE):
        assert run.of(token) == {}, token
    assert run.inputs(SERVICE, "service-gateway")["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    assert set(run.of(INVOKER)) == {"service-importer-pushed"}


def test_tls_1_3_alone_where_the_environment_says_so() -> None:
    def newest(document: Document) -> None:
        serving(document)
        document["environment"]["minimum_tls"] = "1.3"

    policy = build(STACK, newest).inputs(TLS, "services-tls")
    # the only profile that Google takes 1.3 with
    assert (policy["minTlsVersion"], policy["profile"]) == ("TLS_1_3", "RESTRICTED")
