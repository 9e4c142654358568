"""The external load balancer: TLS to the outside, a firewall and a log on every way in (R8.1, R8.3, R7.1)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Severity, StackRule
from policies.frame.values import ABSENT, Missing, read

_HTTP_PROXIES = (
    "gcp:compute/targetHttpProxy:TargetHttpProxy",
    "gcp:compute/regionTargetHttpProxy:RegionTargetHttpProxy",
)
_URL_MAPS = ("gcp:compute/uRLMap:URLMap", "gcp:compute/regionUrlMap:RegionUrlMap")
_BACKEND_SERVICES = (
    "gcp:compute/backendService:BackendService",
    "gcp:compute/regionBackendService:RegionBackendService",
)
_INTERNAL_SCHEMES = ("INTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED")
_PROFILES = ("FIPS_202205", "MODERN", "RESTRICTED")
_TLS_VERSIONS = ("TLS_1_2", "TLS_1_3")
DEFAULT_RULE = 2147483647
"""The priority of the rule that every security policy must end in (provider documentation)."""


def _ssl_policy(policy: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(policy.props, "minTlsVersion", _TLS_VERSIONS)
    yield from expect.one_of(policy.props, "profile", _PROFILES)


def _https_proxy(proxy: Resource, _: Config) -> Iterator[str]:
    yield from expect.is_set(proxy.props, "sslPolicy")


def _armor(policy: Resource, _: Config) -> Iterator[str]:
    rules = policy.items("rules")
    listed = [] if isinstance(rules, Missing) else rules
    if not any(read(rule, "priority") == DEFAULT_RULE for rule in listed):
        found = expect.state(rules) if isinstance(rules, Missing) else "has no default"
        yield f"rules {found}; it must end in one with the priority {DEFAULT_RULE}"


def _backend_service(service: Resource, _: Config) -> Iterator[str]:
    # The default scheme is EXTERNAL; one that is not known is judged as external too.
    if service.read("loadBalancingScheme") not in _INTERNAL_SCHEMES:
        yield from expect.is_set(service.props, "securityPolicy")


def _backend_log(service: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(service.props, "logConfig.enable", wanted=True)


def _http_redirects(stack: Index, _: Config) -> Iterator[Finding]:
    redirecting: set[str] = set()
    for url_map in stack.of(*_URL_MAPS):
        alone = all(url_map.read(prop) in (ABSENT, "", []) for prop in ("defaultService", "hostRules", "pathMatchers"))
        if alone and url_map.read("defaultUrlRedirect.httpsRedirect") is True:
            names = (url_map.text(prop) for prop in ("id", "selfLink", "name"))
            redirecting |= {proxy.urn for proxy in stack.siblings(url_map, _HTTP_PROXIES, "urlMap", *names)}
    for proxy in stack.of(*_HTTP_PROXIES):
        if proxy.urn not in redirecting:
            yield Finding("urlMap does more than redirect to HTTPS, or is outside this stack", proxy.urn)


RULES = (
    ResourceRule(
        name="edge-tls-policy",
        family=Family.ENCRYPTION,
        refuses="A TLS policy that accepts less than TLS 1.2, or old ciphers.",
        severity=Severity.HIGH,
        remediation='Set min_tls_version to "TLS_1_2" and profile to "MODERN" or "RESTRICTED", as literals.',
        requirements=("R8.1",),
        tokens=("gcp:compute/sSLPolicy:SSLPolicy", "gcp:compute/regionSslPolicy:RegionSslPolicy"),
        check=_ssl_policy,
    ),
    ResourceRule(
        name="edge-tls-attached",
        family=Family.ENCRYPTION,
        refuses="An HTTPS proxy without a TLS policy, which accepts TLS 1.0.",
        severity=Severity.HIGH,
        remediation="Set ssl_policy.",
        requirements=("R8.1",),
        tokens=(
            "gcp:compute/targetHttpsProxy:TargetHttpsProxy",
            "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy",
        ),
        check=_https_proxy,
    ),
    ResourceRule(
        name="edge-firewall-default",
        family=Family.EXPOSURE,
        refuses="A security policy without a default rule.",
        severity=Severity.HIGH,
        remediation="End rules in one with the lowest priority that says what happens to all the rest.",
        requirements=("R8.3", "R7.1"),
        tokens=("gcp:compute/securityPolicy:SecurityPolicy", "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy"),
        check=_armor,
    ),
    ResourceRule(
        name="edge-firewall-attached",
        family=Family.EXPOSURE,
        refuses="An external backend service without a security policy.",
        severity=Severity.HIGH,
        remediation="Set security_policy.",
        requirements=("R8.3", "R7.1"),
        tokens=_BACKEND_SERVICES,
        check=_backend_service,
    ),
    ResourceRule(
        name="edge-log",
        family=Family.AUDIT,
        refuses="A backend service that does not log its requests.",
        severity=Severity.MEDIUM,
        remediation="Set log_config.enable to True, as a literal.",
        requirements=("R8.2", "R6.6"),
        tokens=_BACKEND_SERVICES,
        check=_backend_log,
    ),
)

STACK_RULES = (
    StackRule(
        name="edge-http-redirect",
        family=Family.ENCRYPTION,
        refuses="A plain HTTP proxy that does anything but redirect to HTTPS.",
        severity=Severity.HIGH,
        remediation="Give it a URL map of its own with default_url_redirect.https_redirect=True and nothing else.",
        requirements=("R8.1",),
        check=_http_redirects,
    ),
)
