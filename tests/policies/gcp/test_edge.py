import pytest

from policies.gcp.tokens import RUN_SERVICE, RUN_SERVICE_GRANTS
from tests.policies.gcp.fixtures import BACKEND_SERVICE, COMPLIANT, HTTPS_PROXY, SECURITY_POLICY, SSL_POLICY
from tests.policies.support import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_STRING_VALUE,
    UNSET,
    Case,
    Props,
    Stack,
    case_id,
    changed,
    judge,
    judge_all,
)

HTTP_PROXY = "gcp:compute/targetHttpProxy:TargetHttpProxy"
URL_MAP = "gcp:compute/uRLMap:URLMap"
_UNKNOWN = "is not known during preview"
_LAST = "it must end in one with the priority 2147483647"

CASES = [
    *(
        Case("edge-tls-policy", SSL_POLICY, path, value, f"{path} {found}; it must be one of {wanted}")
        for path, bad, wanted in [
            ("minTlsVersion", "TLS_1_0", "TLS_1_2, TLS_1_3"),
            ("profile", "COMPATIBLE", "FIPS_202205, MODERN, RESTRICTED"),
        ]
        for value, found in [
            (UNSET, "is not set"),
            (bad, "is another value" if "1_0" in bad else f"is {bad}"),
            (UNKNOWN_STRING_VALUE, _UNKNOWN),
        ]
    ),
    Case("edge-tls-attached", HTTPS_PROXY, "sslPolicy", UNSET, "sslPolicy is not set; it must be set"),
    Case("edge-tls-attached", HTTPS_PROXY, "sslPolicy", "", "sslPolicy is empty; it must be set"),
    *(
        Case("edge-firewall-default", SECURITY_POLICY, path, value, f"rules {found}; {_LAST}")
        for path, value, found in [
            ("rules", UNSET, "is not set"),
            ("rules", [], "has no default"),
            ("rules", UNKNOWN_ARRAY_VALUE, _UNKNOWN),
            ("rules.1.priority", 2147483646, "has no default"),
            ("rules.1.priority", UNKNOWN_NUMBER_VALUE, "has no default"),
        ]
    ),
    Case(
        "edge-firewall-attached", BACKEND_SERVICE, "securityPolicy", UNSET, "securityPolicy is not set; it must be set"
    ),
    *(
        Case("edge-log", BACKEND_SERVICE, path, value, f"logConfig.enable {found}; it must be literally true")
        for path, value, found in [
            ("logConfig", UNSET, "is not set"),
            ("logConfig.enable", False, "is false"),
            ("logConfig.enable", UNKNOWN_BOOLEAN_VALUE, _UNKNOWN),
        ]
    ),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_one_change_is_one_violation(case: Case) -> None:
    assert judge(case.rule, case.token, changed(COMPLIANT[case.token], case.path, case.value)) == [case.message]


@pytest.mark.parametrize(
    ("scheme", "asked"),
    [(UNSET, True), ("EXTERNAL", True), (UNKNOWN_STRING_VALUE, True), ("INTERNAL_MANAGED", False)],
)
def test_only_what_is_surely_internal_needs_no_firewall(scheme: object, *, asked: bool) -> None:
    bare = changed(COMPLIANT[BACKEND_SERVICE], "securityPolicy", UNSET)

    found = judge("edge-firewall-attached", BACKEND_SERVICE, changed(bare, "loadBalancingScheme", scheme))
    assert found == (["securityPolicy is not set; it must be set"] if asked else [])


class TestRedirect:
    @pytest.mark.parametrize(
        "url_map", [{"urlMap": UNKNOWN_STRING_VALUE}, {"urlMap": "projects/p/global/urlMaps/http"}]
    )
    def test_a_proxy_may_redirect(self, url_map: Props) -> None:
        stack = Stack()
        redirect = {"name": "http", "selfLink": "projects/p/global/urlMaps/http"}
        stack.add(URL_MAP, "http", redirect | {"defaultUrlRedirect": {"httpsRedirect": True, "stripQuery": False}})
        edges = {"urlMap": ["http"]} if url_map["urlMap"] == UNKNOWN_STRING_VALUE else None
        stack.add(HTTP_PROXY, "proxy", url_map, built_from=edges)

        assert stack.judge("edge-http-redirect") == []

    @pytest.mark.parametrize(
        "props",
        [
            {"defaultService": "gateway"},
            {"defaultUrlRedirect": {"httpsRedirect": False}},
            {"defaultUrlRedirect": {"httpsRedirect": UNKNOWN_BOOLEAN_VALUE}},
            {"defaultUrlRedirect": {"httpsRedirect": True}, "pathMatchers": [{"name": "x"}]},
            {"defaultUrlRedirect": {"httpsRedirect": True}, "hostRules": UNKNOWN_ARRAY_VALUE},
            {"defaultUrlRedirect": {"httpsRedirect": True}, "defaultService": "gateway"},
        ],
    )
    def test_and_nothing_else(self, props: Props) -> None:
        stack = Stack()
        stack.add(URL_MAP, "http", props)
        stack.add(HTTP_PROXY, "proxy", {"urlMap": UNKNOWN_STRING_VALUE}, built_from={"urlMap": ["http"]})

        message = "urlMap does more than redirect to HTTPS, or is outside this stack"
        assert stack.judge("edge-http-redirect") == [("proxy", message)]


class TestInvokers:
    @staticmethod
    def _stack(ingress: object, grant: Props, token: str = RUN_SERVICE_GRANTS[0]) -> Stack:
        stack = Stack()
        stack.add(RUN_SERVICE, "service", {"name": "gateway", "ingress": ingress})
        stack.add(token, "grant", {"name": "gateway", "role": "roles/run.invoker", **grant})
        return stack

    def test_everyone_may_invoke_what_only_the_load_balancer_reaches(self) -> None:
        closed = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
        assert self._stack(closed, {"member": "allUsers"}).judge("run-public-invoker") == []
        grant = {"name": UNKNOWN_STRING_VALUE, "role": "roles/run.invoker", "member": "allUsers"}
        stack = self._stack(closed, {})
        stack.add(RUN_SERVICE_GRANTS[0], "grant", grant, built_from={"name": ["service"]})
        assert stack.judge("run-public-invoker") == []

    @pytest.mark.parametrize(
        "ingress", ["INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", None, UNKNOWN_STRING_VALUE]
    )
    @pytest.mark.parametrize(
        ("token", "grant"),
        [
            (RUN_SERVICE_GRANTS[0], {"member": "allUsers"}),
            (RUN_SERVICE_GRANTS[1], {"members": ["allUsers", UNKNOWN_STRING_VALUE]}),
        ],
    )
    def test_and_nothing_else(self, ingress: object, token: str, grant: Props) -> None:
        message = "allUsers may invoke a service whose ingress is not closed to them"
        assert self._stack(ingress, grant, token).judge("run-public-invoker") == [("grant", message)]

    def test_a_service_outside_the_stack_is_not_known_to_be_closed(self) -> None:
        stack = self._stack("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", {"name": "another", "member": "allUsers"})

        message = "allUsers may invoke a service whose ingress is not closed to them"
        assert stack.judge("run-public-invoker") == [("grant", message)]

    def test_other_roles_are_left_to_the_rule_about_members(self) -> None:
        props = {"name": "gateway", "role": "roles/run.developer", "member": "allUsers"}

        assert sorted(judge_all(RUN_SERVICE_GRANTS[0], props)) == ["iam-public-member"]
        assert judge_all(RUN_SERVICE_GRANTS[0], props | {"role": "roles/run.invoker"}) == {}
        unknown = props | {"role": UNKNOWN_STRING_VALUE}
        assert "iam-public-member" in judge_all(RUN_SERVICE_GRANTS[0], unknown)
