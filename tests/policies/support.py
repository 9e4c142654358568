"""Rules run as the engine runs them: through the SDK's policy objects and its unknown-checking proxies."""

import copy
from typing import Any, NamedTuple

from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    unknown_checking_proxy,
)

from policies.frame.bridge import to_policy
from policies.frame.exemptions import Exemptions
from policies.frame.rules import ResourcePolicy, ResourceRule, StackPolicy, StackRule
from policies.pack import RESOURCE_RULES, RULES, STACK_RULES

__all__ = [
    "UNKNOWN_ARRAY_VALUE",
    "UNKNOWN_BOOLEAN_VALUE",
    "UNKNOWN_NUMBER_VALUE",
    "UNKNOWN_OBJECT_VALUE",
    "UNKNOWN_STRING_VALUE",
]

UNSET = object()
NO_EXEMPTIONS = Exemptions()
Props = dict[str, Any]


class Case(NamedTuple):
    """One property of a compliant fixture changed, and what the rule then says."""

    rule: str
    token: str
    path: str
    value: Any
    message: str


def case_id(case: Case) -> str:
    value = "unset" if case.value is UNSET else "unknown" if _is_unknown(case.value) else repr(case.value)[:40]
    return f"{case.rule}-{case.path.rpartition('.')[2]}-{value}"


def _is_unknown(value: object) -> bool:
    return isinstance(value, str) and value in {
        UNKNOWN_ARRAY_VALUE,
        UNKNOWN_BOOLEAN_VALUE,
        UNKNOWN_NUMBER_VALUE,
        UNKNOWN_OBJECT_VALUE,
        UNKNOWN_STRING_VALUE,
    }


def changed(props: Props, path: str, value: object) -> Props:
    """A copy with one property set, or removed with `UNSET`. A number in the path is a list position."""
    result = copy.deepcopy(props)
    *above, last = path.split(".")
    node: Any = result
    for key in above:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    if value is UNSET:
        del node[int(last) if isinstance(node, list) else last]
    else:
        node[int(last) if isinstance(node, list) else last] = value
    return result


def urn(token: str, name: str, stack: str = "prod") -> str:
    return f"urn:pulumi:{stack}::tenantry::{token}::{name}"


def rule_named(name: str) -> ResourceRule | StackRule:
    (rule,) = (rule for rule in RULES if rule.name == name)
    return rule


def _options(*, protect: bool) -> PolicyResourceOptions:
    return PolicyResourceOptions(protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


def _provider(name: str | None) -> PolicyProviderResource | None:
    if name is None:
        return None
    token = "pulumi:providers:gcp"
    return PolicyProviderResource(token, unknown_checking_proxy({}), urn(token, name), name)


def resource_args(
    token: str,
    props: Props,
    *,
    name: str = "subject",
    protect: bool = False,
    provider: str | None = "gcp",
    config: Props | None = None,
) -> ResourceValidationArgs:
    """What the SDK hands a policy for one resource."""
    return ResourceValidationArgs(
        token,
        unknown_checking_proxy(copy.deepcopy(props)),
        urn(token, name),
        name,
        _options(protect=protect),
        _provider(provider),
        config,
    )


def run(
    rule: ResourceRule,
    token: str,
    props: Props,
    *,
    config: Props | None = None,
    exemptions: Exemptions = NO_EXEMPTIONS,
    **options: Any,  # noqa: ANN401 - those of resource_args
) -> list[str]:
    """The messages that a rule reports about one resource, as the engine would show them but for the rule's name."""
    policy = to_policy(ResourcePolicy.of(rule), exemptions)
    assert isinstance(policy, ResourceValidationPolicy)
    reports: list[str] = []
    args = resource_args(token, props, config={rule.name: config or {}}, **options)

    def report(message: str, _: str | None = None) -> None:
        reports.append(_without_name(rule, message))

    assert policy.validate(args, report) is None
    return reports


def judge(rule_name: str, token: str, props: Props, **options: Any) -> list[str]:  # noqa: ANN401 - those of run
    """What a rule of the pack finds wrong with one resource, without the remediation that ends every message."""
    rule = rule_named(rule_name)
    assert isinstance(rule, ResourceRule)
    return [_without_remediation(rule, message) for message in run(rule, token, props, **options)]


def judge_all(token: str, props: Props, **options: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """The findings of every resource rule that finds something."""
    found = {rule.name: judge(rule.name, token, props, **options) for rule in RESOURCE_RULES}
    return {name: messages for name, messages in found.items() if messages}


def _without_name(rule: ResourceRule | StackRule, message: str) -> str:
    start = f"{rule.name}: "
    assert message.startswith(start)
    return message.removeprefix(start)


def _without_remediation(rule: ResourceRule | StackRule, message: str) -> str:
    ending = f". {rule.remediation}"
    assert message.endswith(ending)
    return message.removesuffix(ending)


class Stack:
    """A stack under construction for the rules that see all of it."""

    def __init__(self) -> None:
        self.resources: dict[str, PolicyResource] = {}
        self.add("pulumi:pulumi:Stack", "tenantry-prod", {})

    def add(
        self,
        token: str,
        name: str,
        props: Props,
        *,
        protect: bool = False,
        parent: str | None = None,
        built_from: dict[str, list[str]] | None = None,
    ) -> str:
        """Add or replace a resource; `parent` and `built_from` (property: resources) name resources added before."""
        self.resources[name] = PolicyResource(
            token,
            unknown_checking_proxy(copy.deepcopy(props)),
            urn(token, name),
            name,
            _options(protect=protect),
            _provider("gcp"),
            self.resources[parent] if parent is not None else None,
            [],
            {prop: [self.resources[one] for one in names] for prop, names in (built_from or {}).items()},
        )
        return name

    def remove(self, name: str) -> None:
        del self.resources[name]

    def judge(
        self, name: str, config: Props | None = None, exemptions: Exemptions = NO_EXEMPTIONS
    ) -> list[tuple[str, str]]:
        """The findings of a stack rule, each with the name of its resource."""
        rule = rule_named(name)
        assert isinstance(rule, StackRule)
        policy = to_policy(StackPolicy.of(rule), exemptions)
        assert isinstance(policy, StackValidationPolicy)
        reports: list[tuple[str, str]] = []

        def report(message: str, where: str | None = None) -> None:
            assert where is not None
            reports.append((where.rpartition("::")[2], _without_remediation(rule, _without_name(rule, message))))

        args = StackValidationArgs(list(self.resources.values()), {rule.name: config or {}})
        assert policy.validate(args, report) is None
        return reports

    def judge_all(self, config: Props | None = None) -> dict[str, list[tuple[str, str]]]:
        found = {rule.name: self.judge(rule.name, config) for rule in STACK_RULES}
        return {name: reports for name, reports in found.items() if reports}
