"""Load balancers, certificates, Cloud Armor and DNS: parts that name each other, and the order of their changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sandbox.cloud import CloudError
from sandbox.cloud.tables.gcp_edge import (
    ADDRESS,
    BACKEND,
    BACKEND_BUCKET,
    CERTIFICATE,
    FORWARDING_RULE,
    HTTP_PROXY,
    HTTPS_PROXY,
    LAST_PRIORITY,
    NEG,
    SECURITY_POLICY,
    SSL_POLICY,
    URL_MAP,
    ZONE,
)
from tests.unit.sandbox.project import PROJECT, REGION, Google

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

RECORD = "gcp:dns/recordSet:RecordSet"
GLOBAL = f"projects/{PROJECT}/global"
LINK = "https://www.googleapis.com/compute/v1/"
NEG_ID = f"projects/{PROJECT}/regions/{REGION}/networkEndpointGroups/web"


@pytest.fixture
def balancer(google: Google) -> Google:
    """A whole load balancer called `web`: address, rule, proxy, URL map, backend, Cloud Run."""
    google.apis("compute")
    google.make(ADDRESS, name="web")
    google.make(NEG, name="web", region=REGION, cloudRun={"service": "web"})
    google.make(SECURITY_POLICY, name="web")
    google.make(
        BACKEND,
        name="web",
        backends=[{"group": f"{LINK}{NEG_ID}"}],
        securityPolicy=f"{LINK}{GLOBAL}/securityPolicies/web",
    )
    google.make(URL_MAP, name="web", defaultService=f"{GLOBAL}/backendServices/web")
    google.make(CERTIFICATE, name="web", managed={"domains": ["a.example.com"]})
    google.make(SSL_POLICY, name="web", minTlsVersion="TLS_1_2", profile="MODERN")
    google.make(HTTPS_PROXY, **proxy())
    google.make(
        FORWARDING_RULE,
        name="web",
        target=f"{GLOBAL}/targetHttpsProxies/web",
        ipAddress=f"{LINK}{GLOBAL}/addresses/web",
        portRange="443",
    )
    return google


def proxy(**more: Value) -> dict[str, Value]:
    return {
        "name": "web",
        "urlMap": f"{GLOBAL}/urlMaps/web",
        "sslCertificates": [f"{LINK}{GLOBAL}/sslCertificates/web"],
        "sslPolicy": "web",
        **more,
    }


CHAIN = [
    (NEG, NEG_ID, f"{GLOBAL}/backendServices/web"),
    (SECURITY_POLICY, f"{GLOBAL}/securityPolicies/web", f"{GLOBAL}/backendServices/web"),
    (BACKEND, f"{GLOBAL}/backendServices/web", f"{GLOBAL}/urlMaps/web"),
    (URL_MAP, f"{GLOBAL}/urlMaps/web", f"{GLOBAL}/targetHttpsProxies/web"),
    (CERTIFICATE, f"{GLOBAL}/sslCertificates/web", f"{GLOBAL}/targetHttpsProxies/web"),
    (SSL_POLICY, f"{GLOBAL}/sslPolicies/web", f"{GLOBAL}/targetHttpsProxies/web"),
    (HTTPS_PROXY, f"{GLOBAL}/targetHttpsProxies/web", f"{GLOBAL}/forwardingRules/web"),
    (ADDRESS, f"{GLOBAL}/addresses/web", f"{GLOBAL}/forwardingRules/web"),
]


@pytest.mark.parametrize(("token", "object_id", "user"), CHAIN)
def test_what_is_named_cannot_be_deleted(balancer: Google, token: str, object_id: str, user: str) -> None:
    with pytest.raises(CloudError) as caught:
        balancer.drop(token, object_id, {})
    assert str(caught.value) == (
        f"googleapi: Error 400: The resource '{object_id}' is already being used by '{user}',"
        " resourceInUseByAnotherResource"
    )


def test_a_load_balancer_goes_from_the_front_to_the_back(balancer: Google) -> None:
    balancer.drop(FORWARDING_RULE, f"{GLOBAL}/forwardingRules/web", {})
    for token, object_id, _ in (CHAIN[6], CHAIN[7], CHAIN[3], CHAIN[4], CHAIN[5], CHAIN[2], CHAIN[0], CHAIN[1]):
        balancer.drop(token, object_id, {})
    assert [item.type for item in balancer.cloud.objects()] == ["gcp:projects/service:Service"]


def test_naming_another_thing_frees_the_first(balancer: Google) -> None:
    balancer.make(CERTIFICATE, "two", name="two", managed={"domains": ["b.example.com"]})
    _, state = balancer.read(HTTPS_PROXY, f"{GLOBAL}/targetHttpsProxies/web")
    balancer.change(HTTPS_PROXY, f"{GLOBAL}/targetHttpsProxies/web", state, **proxy(sslCertificates=["two"]))
    balancer.drop(CERTIFICATE, f"{GLOBAL}/sslCertificates/web", {})
    assert balancer.ids(CERTIFICATE) == [f"{GLOBAL}/sslCertificates/two"]


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("urlMap", f"{GLOBAL}/urlMaps/none"),
        ("sslPolicy", f"{GLOBAL}/sslPolicies/none"),
        ("sslCertificates", f"{GLOBAL}/sslCertificates/none"),
    ],
)
def test_what_is_named_must_exist(balancer: Google, path: str, missing: str) -> None:
    value: Any = [missing] if path == "sslCertificates" else missing
    _, state = balancer.read(HTTPS_PROXY, f"{GLOBAL}/targetHttpsProxies/web")
    message = f"Error 404: The resource '{missing}' was not found, notFound"
    with pytest.raises(CloudError, match=message):
        balancer.make(HTTPS_PROXY, "two", **proxy(name="two", **{path: value}))
    with pytest.raises(CloudError, match=message):
        balancer.change(HTTPS_PROXY, f"{GLOBAL}/targetHttpsProxies/web", state, **proxy(**{path: value}))


def test_what_another_project_has_and_an_address_are_taken_on_trust(balancer: Google) -> None:
    balancer.make(HTTP_PROXY, name="far", urlMap="projects/other/global/urlMaps/none")
    balancer.make(FORWARDING_RULE, "two", name="two", target=f"{GLOBAL}/targetHttpProxies/far", ipAddress="34.1.2.3")


def test_a_rule_without_an_address_gets_a_public_one(balancer: Google) -> None:
    balancer.make(HTTP_PROXY, name="plain", urlMap="web")
    _, state = balancer.make(FORWARDING_RULE, "two", name="two", target=f"{GLOBAL}/targetHttpProxies/plain")
    assert state["ipAddress"].startswith("34.")
    assert (state["loadBalancingScheme"], state["ipProtocol"]) == ("EXTERNAL_MANAGED", "TCP")
    _, address = balancer.make(ADDRESS, "two", name="two")
    assert address["address"].startswith("34.")
    _, internal = balancer.make(ADDRESS, "three", name="three", addressType="INTERNAL", purpose="VPC_PEERING")
    assert internal["address"].startswith("10.")


def test_a_bucket_behind_a_url_map(balancer: Google) -> None:
    balancer.make(BACKEND_BUCKET, name="files", bucketName="b", enableCdn=True)
    matcher = {"name": "m", "defaultService": "web", "pathRules": [{"paths": ["/f/*"], "service": "files"}]}
    facts = {"name": "two", "defaultService": "web", "pathMatchers": [matcher]}
    balancer.make(URL_MAP, "two", **facts, hostRules=[{"hosts": ["*"], "pathMatcher": "m"}])
    with pytest.raises(CloudError, match="is already being used by 'projects/fin-dev/global/urlMaps/two'"):
        balancer.drop(BACKEND_BUCKET, f"{GLOBAL}/backendBuckets/files", {})


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        (URL_MAP, {}, "needs a default service, a default redirect or a default action"),
        (
            URL_MAP,
            {"defaultService": "web", "hostRules": [{"hosts": ["*"], "pathMatcher": "m"}]},
            r"'resource.hostRules\[0\].pathMatcher': 'm'. Path matcher does not exist.",
        ),
        (HTTPS_PROXY, {"urlMap": "web"}, "at least one SSL certificate or a certificate map must be specified"),
        (
            SSL_POLICY,
            {"minTlsVersion": "TLS_1_3", "profile": "MODERN"},
            "TLS_1_3 needs the profile RESTRICTED, not MODERN",
        ),
        (SSL_POLICY, {"profile": "FIPS_202205"}, "FIPS_202205 needs minTlsVersion TLS_1_2, not TLS_1_0"),
        (SSL_POLICY, {"profile": "CUSTOM"}, "The profile CUSTOM needs customFeatures"),
        (
            SECURITY_POLICY,
            {"rules": [{"action": "deny(403)", "priority": 1000, "match": {}}]},
            f"must have a default rule with priority {LAST_PRIORITY} and match",
        ),
        (
            SECURITY_POLICY,
            {"rules": [{"action": "allow", "priority": LAST_PRIORITY, "match": {}}] * 2},
            rf"Cannot have rules with the same priorities: \[{LAST_PRIORITY}\]",
        ),
        (
            BACKEND,
            {"backends": [{"group": NEG_ID}], "healthChecks": "hc"},
            "cannot have a healthcheck with Serverless network endpoint group backends",
        ),
        (
            BACKEND,
            {"backends": [{"group": NEG_ID}], "timeoutSec": 60},
            "Timeout sec is not supported for a backend service with Serverless network endpoint groups",
        ),
    ],
)
def test_settings_that_the_api_refuses(balancer: Google, token: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(CloudError, match=message):
        balancer.make(token, "bad", name="bad", **inputs)


def test_a_security_policy_without_rules_gets_the_one_that_allows_all(balancer: Google) -> None:
    _, state = balancer.read(SECURITY_POLICY, f"{GLOBAL}/securityPolicies/web")
    assert [(rule["priority"], rule["action"]) for rule in state["rules"]] == [(LAST_PRIORITY, "allow")]
    assert state["type"] == "CLOUD_ARMOR"
    checked = balancer.checked(SECURITY_POLICY, name="p", rules=[{"action": "allow", "priority": 1, "match": {}}])
    assert "preview" not in checked["rules"][0]
    assert "rules" not in balancer.checked(SECURITY_POLICY, name="p")


@pytest.mark.parametrize(
    ("token", "path", "replaces"),
    [
        (CERTIFICATE, "managed", True),
        (FORWARDING_RULE, "portRange", True),
        (FORWARDING_RULE, "ipAddress", True),
        (FORWARDING_RULE, "target", False),
        (HTTPS_PROXY, "sslPolicy", False),
        (SSL_POLICY, "minTlsVersion", False),
        (NEG, "cloudRun", True),
        (BACKEND, "securityPolicy", False),
        (SECURITY_POLICY, "type", True),
        (URL_MAP, "defaultService", False),
    ],
)
def test_what_replaces(google: Google, token: str, path: str, replaces: bool) -> None:
    old = {"name": "x", path: "old"}
    changes = google.cloud.diff(
        token, state=old, old_inputs=old, new_inputs={"name": "x", path: "new"}, config=google.config
    )
    assert [(change.path, change.replace) for change in changes] == [(path, replaces)]


def test_a_zone_keeps_its_records_unless_forced(google: Google) -> None:
    google.apis("dns")
    zone, state = google.make(ZONE, name="app", dnsName="app.example.com.")
    assert state["nameServers"][0].startswith("ns-cloud-")
    record = {"managedZone": "app", "name": "a.app.example.com.", "type": "A", "ttl": 300, "rrdatas": ["34.1.2.3"]}
    object_id, _ = google.make(RECORD, **record)
    assert object_id == f"projects/{PROJECT}/managedZones/app/rrsets/a.app.example.com./A"
    with pytest.raises(CloudError, match="still used by gcp:dns/recordSet:RecordSet"):
        google.drop(ZONE, zone, {"forceDestroy": False})
    google.drop(ZONE, zone, {"forceDestroy": True})
    assert google.ids(RECORD) == []


def test_a_record_is_in_its_zone(google: Google) -> None:
    google.apis("dns")
    with pytest.raises(CloudError, match=r"Invalid value for 'entity.managedZone.dnsName': 'app.example.com'"):
        google.make(ZONE, name="app", dnsName="app.example.com")
    google.make(ZONE, name="app", dnsName="app.example.com.")
    google.make(RECORD, "apex", managedZone="app", name="app.example.com.", type="A", rrdatas=["34.1.2.3"])
    with pytest.raises(CloudError, match=r"'b.example.com.' is not in the zone app \(app.example.com.\)"):
        google.make(RECORD, managedZone="app", name="b.example.com.", type="A", rrdatas=["34.1.2.3"])
