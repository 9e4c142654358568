"""Google Cloud in front of the services: external load balancers, certificates, Cloud Armor and DNS.

Source: the google provider's schema and the API's refusals; the parts of a load balancer name each other, so most of
what goes wrong is the order of a change (see `sandbox.cloud.references`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sandbox.cloud.errors import CloudError
from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.gcp import COMPUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis, World

NEG: Final = "gcp:compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup"
BACKEND: Final = "gcp:compute/backendService:BackendService"
BACKEND_BUCKET: Final = "gcp:compute/backendBucket:BackendBucket"
URL_MAP: Final = "gcp:compute/uRLMap:URLMap"
HTTPS_PROXY: Final = "gcp:compute/targetHttpsProxy:TargetHttpsProxy"
HTTP_PROXY: Final = "gcp:compute/targetHttpProxy:TargetHttpProxy"
SSL_POLICY: Final = "gcp:compute/sSLPolicy:SSLPolicy"
SECURITY_POLICY: Final = "gcp:compute/securityPolicy:SecurityPolicy"
FORWARDING_RULE: Final = "gcp:compute/globalForwardingRule:GlobalForwardingRule"
CERTIFICATE: Final = "gcp:compute/managedSslCertificate:ManagedSslCertificate"
ADDRESS: Final = "gcp:compute/globalAddress:GlobalAddress"
ZONE: Final = "gcp:dns/managedZone:ManagedZone"
LAST_PRIORITY: Final = 2147483647
"""The priority of a security policy's default rule, which every policy has."""
_DEFAULT_RULE: Final = {
    "action": "allow",
    "description": "default rule",
    "match": {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}},
    "preview": False,
    "priority": LAST_PRIORITY,
}


def _fingerprint(made: Synthesis) -> str:
    return f"{made.hex(10, 'fingerprint')}="


def _compute(*immutable: str, **more: Any) -> Rule:  # noqa: ANN401 - any field of a rule
    """A global or regional compute resource: a name, a self link and a time of creation."""
    return Rule(
        immutable=("name", "project", *immutable),
        computed={"selfLink": COMPUTE + "{id}", **more.pop("computed", {})},
        api="compute.googleapis.com",
        **more,
    )


def _number(made: Synthesis) -> int:
    return made.digits("number", 2**53)  # exact in the engine's numbers


_MADE: Final[Mapping[str, Any]] = {"creationTimestamp": "{now}"}
_MARKED: Final[Mapping[str, Any]] = {**_MADE, "fingerprint": _fingerprint}


def _check_backend(world: World) -> None:
    serverless = [
        found
        for entry in world.outputs.get("backends") or []
        if (found := str(entry.get("group") or "")) and "/networkEndpointGroups/" in found
    ]
    if not serverless:
        return
    if world.outputs.get("healthChecks"):
        raise CloudError(
            400,
            "Invalid value for field 'resource.healthChecks': A backend service cannot have a healthcheck with"
            " Serverless network endpoint group backends.",
            "invalid",
        )
    if world.inputs.get("timeoutSec") not in (None, 30):
        raise CloudError(
            400,
            "Invalid value for field 'resource.timeoutSec': Timeout sec is not supported for a backend service with"
            " Serverless network endpoint groups.",
            "invalid",
        )


def _check_url_map(world: World) -> None:
    if not any(world.outputs.get(name) for name in ("defaultService", "defaultUrlRedirect", "defaultRouteAction")):
        raise CloudError(400, f"{world.id} needs a default service, a default redirect or a default action", "invalid")
    known = {matcher.get("name") for matcher in world.outputs.get("pathMatchers") or []}
    for index, rule in enumerate(world.outputs.get("hostRules") or []):
        if rule.get("pathMatcher") not in known:
            raise CloudError(
                400,
                f"Invalid value for field 'resource.hostRules[{index}].pathMatcher': '{rule.get('pathMatcher')}'."
                " Path matcher does not exist.",
                "invalid",
            )


def _check_https_proxy(world: World) -> None:
    if not any(world.outputs.get(name) for name in ("sslCertificates", "certificateManagerCertificates")) and not (
        world.outputs.get("certificateMap")
    ):
        raise CloudError(
            400, f"{world.id}: at least one SSL certificate or a certificate map must be specified", "required"
        )


def _check_ssl_policy(world: World) -> None:
    profile, version = world.outputs.get("profile"), world.outputs.get("minTlsVersion")
    if version == "TLS_1_3" and profile != "RESTRICTED":
        raise CloudError(400, f"minTlsVersion TLS_1_3 needs the profile RESTRICTED, not {profile}", "invalid")
    if profile == "FIPS_202205" and version != "TLS_1_2":
        raise CloudError(400, f"The profile FIPS_202205 needs minTlsVersion TLS_1_2, not {version}", "invalid")
    if profile == "CUSTOM" and not world.outputs.get("customFeatures"):
        raise CloudError(400, "The profile CUSTOM needs customFeatures", "invalid")


def _check_security_policy(world: World) -> None:
    priorities = [rule.get("priority") for rule in world.outputs.get("rules") or []]
    if LAST_PRIORITY not in priorities:
        raise CloudError(
            400,
            f"Invalid value for field 'resource.rules': A security policy must have a default rule with priority"
            f" {LAST_PRIORITY} and match '*'.",
            "invalid",
        )
    twice = sorted({number for number in priorities if priorities.count(number) > 1})
    if twice:
        raise CloudError(
            400,
            f"Invalid value for field 'resource.rules': Cannot have rules with the same priorities: {twice}.",
            "invalid",
        )


def _check_zone(world: World) -> None:
    if not str(world.outputs.get("dnsName")).endswith("."):
        raise CloudError(
            400, f"Invalid value for 'entity.managedZone.dnsName': '{world.outputs.get('dnsName')}'", "invalid"
        )


def _check_record(world: World) -> None:
    zone_name = str(world.outputs.get("managedZone")).rsplit("/", 1)[-1]
    zone = world.store.get(ZONE, f"projects/{world.project}/managedZones/{zone_name}")
    name = str(world.outputs.get("name"))
    within = str(zone.outputs.get("dnsName")) if zone is not None else name
    if name != within and not name.endswith(f".{within}"):
        raise CloudError(
            400,
            f"Invalid value for 'entity.change.additions[0].name': '{name}' is not in the zone {zone_name} ({within})",
            "invalid",
        )


def _enabled_features(made: Synthesis) -> list[str]:
    suites = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    return list(made.inputs.get("customFeatures") or suites)


def _public_address(made: Synthesis) -> str:
    return f"34.{made.digits('a', 90) + 96}.{made.digits('b', 256)}.{made.digits('c', 254) + 1}"


def _name_servers(made: Synthesis) -> list[str]:
    group = "abcde"[made.digits("group", 5)]
    return [f"ns-cloud-{group}{number}.googledomains.com." for number in range(1, 5)]


RULES: Final[Mapping[str, Rule]] = {
    NEG: _compute(
        "appEngine",
        "cloudFunction",
        "cloudRun",
        "description",
        "network",
        "networkEndpointType",
        "pscData",
        "pscTargetService",
        "region",
        "serverlessDeployment",
        "subnetwork",
        check_defaults={"networkEndpointType": "SERVERLESS"},
    ),
    BACKEND: _compute(
        "params",
        unordered=("backends", "customRequestHeaders", "customResponseHeaders"),
        check_defaults={
            "backends.balancingMode": "UTILIZATION",
            "backends.capacityScaler": 1.0,
            "connectionDrainingTimeoutSec": 300,
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "logConfig.sampleRate": 1.0,
        },
        server_defaults={"portName": "http", "protocol": "HTTP", "sessionAffinity": "NONE", "timeoutSec": 30},
        computed={**_MARKED, "generatedId": _number},
        references={
            "backends.group": (NEG,),
            "edgeSecurityPolicy": (SECURITY_POLICY,),
            "securityPolicy": (SECURITY_POLICY,),
        },
        check=_check_backend,
    ),
    BACKEND_BUCKET: _compute(
        "params",
        computed=_MADE,
        references={"edgeSecurityPolicy": (SECURITY_POLICY,)},
    ),
    URL_MAP: _compute(
        unordered=("hostRules", "hostRules.hosts", "pathMatchers.pathRules.paths"),
        plan_defaults={
            "defaultUrlRedirect.httpsRedirect": False,
            "pathMatchers.pathRules.urlRedirect.httpsRedirect": False,
        },
        computed={**_MARKED, "mapId": _number},
        references={
            "defaultService": (BACKEND, BACKEND_BUCKET),
            "pathMatchers.defaultService": (BACKEND, BACKEND_BUCKET),
            "pathMatchers.pathRules.service": (BACKEND, BACKEND_BUCKET),
            "pathMatchers.routeRules.service": (BACKEND, BACKEND_BUCKET),
        },
        check=_check_url_map,
    ),
    HTTPS_PROXY: _compute(
        "description",
        "httpKeepAliveTimeoutSec",
        "proxyBind",
        "tlsEarlyData",
        check_defaults={"quicOverride": "NONE"},
        server_defaults={"proxyBind": False, "tlsEarlyData": "DISABLED"},
        computed={**_MARKED, "proxyId": _number},
        references={"sslCertificates": (CERTIFICATE,), "sslPolicy": (SSL_POLICY,), "urlMap": (URL_MAP,)},
        check=_check_https_proxy,
    ),
    HTTP_PROXY: _compute(
        "description",
        "httpKeepAliveTimeoutSec",
        "proxyBind",
        server_defaults={"proxyBind": False},
        computed={**_MARKED, "proxyId": _number},
        references={"urlMap": (URL_MAP,)},
    ),
    SSL_POLICY: _compute(
        "description",
        unordered=("customFeatures",),
        check_defaults={"minTlsVersion": "TLS_1_0", "profile": "COMPATIBLE"},
        computed={**_MARKED, "enabledFeatures": _enabled_features},
        check=_check_ssl_policy,
    ),
    SECURITY_POLICY: _compute(
        "type",
        unordered=("rules", "rules.match.config.srcIpRanges"),
        server_defaults={"rules": [_DEFAULT_RULE], "rules.preview": False, "type": "CLOUD_ARMOR"},
        computed={"fingerprint": _fingerprint, "labelFingerprint": _fingerprint},
        check=_check_security_policy,
    ),
    FORWARDING_RULE: _compute(
        "allowPscGlobalAccess",
        "description",
        "ipAddress",
        "ipProtocol",
        "ipVersion",
        "metadataFilters",
        "network",
        "networkTier",
        "noAutomateDnsZone",
        "portRange",
        "serviceDirectoryRegistrations",
        "sourceIpRanges",
        "subnetwork",
        check_defaults={"loadBalancingScheme": "EXTERNAL_MANAGED"},
        server_defaults={"ipProtocol": "TCP", "networkTier": "PREMIUM"},
        computed={"ipAddress": _public_address, "labelFingerprint": _fingerprint, "forwardingRuleId": _number},
        references={"ipAddress": (ADDRESS,), "target": (HTTPS_PROXY, HTTP_PROXY)},
    ),
    CERTIFICATE: _compute(
        "description",
        "managed",
        "type",
        check_defaults={"type": "MANAGED"},
        computed={**_MADE, "certificateId": _number},
    ),
    ZONE: Rule(
        immutable=("dnsName", "name", "project", "reverseLookup", "serviceDirectoryConfig", "visibility"),
        check_defaults={"description": "Managed by Pulumi", "visibility": "public"},
        plan_defaults={"forceDestroy": False},
        computed={"creationTime": "{now}", "managedZoneId": "{digits}", "nameServers": _name_servers},
        virtual={"forceDestroy": False},
        api="dns.googleapis.com",
        check=_check_zone,
    ),
    "gcp:dns/recordSet:RecordSet": Rule(
        immutable=("managedZone", "name", "project", "type"),
        unordered=("rrdatas",),
        api="dns.googleapis.com",
        parents=(Parent(ZONE, "projects/{project}/managedZones/{managedZone|last}", "block"),),
        check=_check_record,
    ),
}
