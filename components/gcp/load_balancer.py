"""The one way in from the internet: an HTTPS load balancer for every public host of the environment.

One address, one certificate per host, plain HTTP only to be sent to HTTPS. The host's A record is the operator's;
Google issues the certificate once it points here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.containers import app_name
from components.gcp.platform import Platform
from components.guard import Guard
from settings.models import ServiceSettings
from settings.plan import EnvironmentPlan
from settings.types import TlsVersion

DEFAULT_PRIORITY: Final = 2147483647
"""Priority of the rule that every Cloud Armor policy ends with."""
_RATE_LIMIT_PRIORITY: Final = 1000
_KNOWN_PRIORITY: Final = 900
# Attacks on known vulnerabilities, where they are sure (Cloud Armor, preconfigured WAF rules). The OWASP sets refuse
# honest texts and uploads until somebody has tuned them to the application.
_KNOWN_ATTACKS: Final = "evaluatePreconfiguredWaf('cve-canary', {'sensitivity': 1})"
TLS_VERSIONS: Final[Mapping[TlsVersion, str]] = {"1.2": "TLS_1_2", "1.3": "TLS_1_3"}
"""Cloud Load Balancing's words; 1.3 it takes with the profile RESTRICTED only."""
_INSIDE_PRIORITY: Final = 100
"""Priority of the first path that is kept inside; the next ones follow."""
_SCHEME: Final = "EXTERNAL_MANAGED"
_REDIRECT: Final = "MOVED_PERMANENTLY_DEFAULT"
TRANSPORT_SECURITY: Final = "Strict-Transport-Security: max-age=63072000; includeSubDomains"
"""Two years, as browsers' preload lists ask for."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A host and what answers it.

    Attributes:
        key: names it within the load balancer.
        backend: id of a backend service or backend bucket.
        root: host that a request for `/` is sent to; None when the backend answers it.
    """

    key: str
    host: str
    backend: pulumi.Output[str]
    root: str | None = None


def service_backend(
    name: str,
    settings: ServiceSettings,
    service: gcp.cloudrunv2.Service,
    *,
    inside: Sequence[str],
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.compute.BackendService:
    """Put a Cloud Run service behind the load balancer, with its own firewall, rate limit and access log.

    `inside` are paths that nobody outside may call: a public service lets everybody in, and Pub/Sub comes another way.
    """
    ready = platform.ready("compute.googleapis.com")
    group = gcp.compute.RegionNetworkEndpointGroup(
        f"service-{name}-endpoints",
        name=app_name(name),
        project=environment.gcp.project,
        region=environment.gcp.region,
        network_endpoint_type="SERVERLESS",
        cloud_run={"service": service.name},
        opts=guard.retrying(parent),
    )
    shield = gcp.compute.SecurityPolicy(
        f"service-{name}-shield",
        name=app_name(name),
        project=environment.gcp.project,
        description=f"Firewall and rate limit of the service {name}",
        adaptive_protection_config={"layer7_ddos_defense_config": {"enable": True, "rule_visibility": "STANDARD"}},
        rules=[
            *(_refusal(_INSIDE_PRIORITY + position, path) for position, path in enumerate(inside)),
            {
                "priority": _KNOWN_PRIORITY,
                "description": "Attacks on known vulnerabilities",
                "action": "deny(403)",
                "preview": False,
                "match": {"expr": {"expression": _KNOWN_ATTACKS}},
            },
            {
                "priority": _RATE_LIMIT_PRIORITY,
                "description": "Requests a minute by client address, as the settings say",
                "action": "throttle",
                "preview": False,
                "match": {"versioned_expr": "SRC_IPS_V1", "config": {"src_ip_ranges": ["*"]}},
                "rate_limit_options": {
                    "conform_action": "allow",
                    "exceed_action": "deny(429)",
                    "enforce_on_key": "IP",
                    "rate_limit_threshold": {"count": settings.rate_limit_per_minute, "interval_sec": 60},
                },
            },
            {
                "priority": DEFAULT_PRIORITY,
                "description": "Whatever no rule lets in stays out",
                "action": "deny(403)",
                "preview": False,
                "match": {"versioned_expr": "SRC_IPS_V1", "config": {"src_ip_ranges": ["*"]}},
            },
        ],
        opts=guard.retrying(parent, depends_on=ready),
    )
    return gcp.compute.BackendService(
        f"service-{name}-backend",
        name=app_name(name),
        project=environment.gcp.project,
        protocol="HTTPS",
        load_balancing_scheme=_SCHEME,
        enable_cdn=False,
        backends=[{"group": group.id}],
        security_policy=shield.id,
        custom_response_headers=[TRANSPORT_SECURITY],
        log_config={"enable": True, "sample_rate": 1},
        opts=guard.retrying(parent),
    )


def _refusal(priority: int, path: str) -> gcp.compute.SecurityPolicyRuleArgsDict:
    # as an application may read it: with more slashes, one at the end, in other letters, or encoded
    pattern = f"^{'/+'.join(re.escape(part) for part in path.lower().split('/'))}/*$"
    return {
        "priority": priority,
        "description": "Messages come from Pub/Sub, never from outside",
        "action": "deny(403)",
        "preview": False,
        # quoted as JSON, which is a text of the rules' language too
        "match": {"expr": {"expression": f"request.path.urlDecode().lower().matches({json.dumps(pattern)})"}},
    }


def create_load_balancer(
    name: str,
    routes: Sequence[Route],
    *,
    environment: EnvironmentPlan,
    platform: Platform,
    guard: Guard,
    parent: pulumi.Resource,
) -> gcp.compute.GlobalAddress:
    """Create the load balancer and return its address, to which every host's A record points.

    A host that nothing here answers to is sent to the first one.
    """
    project, opts = environment.gcp.project, guard.retrying(parent)
    address = gcp.compute.GlobalAddress(
        f"{name}-address",
        name="tenantry",
        project=project,
        address_type="EXTERNAL",
        ip_version="IPV4",
        opts=guard.retrying(parent, depends_on=platform.ready("compute.googleapis.com")),
    )
    urls = gcp.compute.URLMap(
        f"{name}-urls",
        name="tenantry",
        project=project,
        default_url_redirect={
            "host_redirect": routes[0].host,
            "https_redirect": True,
            "strip_query": False,
            "redirect_response_code": _REDIRECT,
        },
        host_rules=[{"hosts": [route.host], "path_matcher": route.key} for route in routes],
        path_matchers=[_matcher(route) for route in routes],
        opts=opts,
    )
    policy = gcp.compute.SSLPolicy(
        f"{name}-tls",
        name="tenantry",
        project=project,
        min_tls_version=TLS_VERSIONS[environment.minimum_tls],
        profile="RESTRICTED",
        opts=guard.retrying(parent, depends_on=platform.ready("compute.googleapis.com")),
    )
    proxy = gcp.compute.TargetHttpsProxy(
        f"{name}-https",
        name="tenantry",
        project=project,
        url_map=urls.id,
        ssl_policy=policy.id,
        ssl_certificates=[
            _certificate(
                f"{name}-certificate-{route.host}", route.host, project, platform=platform, guard=guard, parent=parent
            ).id
            for route in routes
        ],
        opts=opts,
    )
    plain_urls = gcp.compute.URLMap(
        f"{name}-redirect",
        name="tenantry-redirect",
        project=project,
        default_url_redirect={
            "https_redirect": True,
            "strip_query": False,
            "redirect_response_code": _REDIRECT,
        },
        opts=guard.retrying(parent, depends_on=platform.ready("compute.googleapis.com")),
    )
    plain_proxy = gcp.compute.TargetHttpProxy(
        f"{name}-http", name="tenantry-redirect", project=project, url_map=plain_urls.id, opts=opts
    )
    for key, target, port in (("https", proxy.id, "443"), ("http", plain_proxy.id, "80")):
        gcp.compute.GlobalForwardingRule(
            f"{name}-{key}-rule",
            name=f"tenantry-{key}",
            project=project,
            ip_address=address.address,
            ip_protocol="TCP",
            port_range=port,
            load_balancing_scheme=_SCHEME,
            target=target,
            opts=opts,
        )
    return address


def _matcher(route: Route) -> gcp.compute.URLMapPathMatcherArgsDict:
    if route.root is None:
        return {"name": route.key, "default_service": route.backend}
    return {
        "name": route.key,
        "default_service": route.backend,
        "path_rules": [
            {
                "paths": ["/"],
                "url_redirect": {
                    "host_redirect": route.root,
                    "https_redirect": True,
                    "strip_query": True,
                    "redirect_response_code": _REDIRECT,
                },
            }
        ],
    }


def _certificate(
    name: str, host: str, project: str, *, platform: Platform, guard: Guard, parent: pulumi.Resource
) -> gcp.compute.ManagedSslCertificate:
    """One certificate per host, so that a new host leaves the others' alone; Google renews it."""
    return gcp.compute.ManagedSslCertificate(
        name,
        name=f"tenantry-{hashlib.sha256(host.encode()).hexdigest()[:10]}",
        project=project,
        description=host,
        managed={"domains": [host]},
        opts=guard.retrying(parent, depends_on=platform.ready("compute.googleapis.com")),
    )
