"""The pack: every rule there is, and the policies that run them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from pulumi_policy import Policy

from policies import aws, completeness, gcp, providers, vercel
from policies.frame.bridge import to_policy
from policies.frame.exemptions import Exemptions, load
from policies.frame.index import STACK
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity, StackPolicy, StackRule

NAME = "tenantry"
EXEMPTIONS_FILE = Path(__file__).with_name("exemptions.yaml")

RESOURCE_RULES: tuple[ResourceRule, ...] = (*providers.RULES, *gcp.RULES, *aws.RULES, *vercel.RULES)
# Each stack policy makes the SDK read the whole stack again, so there are few and their rules are many.
STACK_POLICIES: tuple[StackPolicy, ...] = (
    StackPolicy(
        name="joined-settings",
        refuses="A resource whose settings in other resources are missing or fall short.",
        rules=(*gcp.JOINED_RULES, *aws.JOINED_RULES),
    ),
    StackPolicy(
        name="audit-trail",
        refuses="A stack whose audit logs have a gap, or are not archived under a lock.",
        rules=(*gcp.AUDIT_RULES, *aws.AUDIT_RULES),
    ),
    *(StackPolicy.of(rule) for rule in completeness.STACK_RULES),
)
STACK_RULES: tuple[StackRule, ...] = tuple(rule for policy in STACK_POLICIES for rule in policy.rules)
RULES: tuple[ResourceRule | StackRule, ...] = (*RESOURCE_RULES, *STACK_RULES)
POLICY_OF: dict[str, str] = {rule.name: rule.name for rule in RESOURCE_RULES} | {
    rule.name: policy.name for policy in STACK_POLICIES for rule in policy.rules
}
"""The name under which a policy config knows each rule."""


def exemption_rule(exemptions: Exemptions) -> ResourceRule:
    """The rule about the exemptions themselves.

    It is asked about the stack resource, which every run registers first: a stale exemption stops a run before anything
    is created. It cannot be exempted.
    """

    def check(_: Resource, __: Config) -> Iterator[str]:
        yield from exemptions.problems

    return ResourceRule(
        name="exemption-valid",
        family=Family.EXEMPTIONS,
        refuses="An exemption that has expired, or that cannot be understood.",
        severity=Severity.HIGH,
        remediation="Repair policies/exemptions.yaml.",
        requirements=("R8.6",),
        tokens=(STACK,),
        check=check,
    )


def build(path: Path = EXEMPTIONS_FILE, today: dt.date | None = None) -> list[Policy]:
    """The policies of the pack, with the exemptions that hold today (UTC)."""
    exemptions = load(path, {rule.name for rule in RULES}, today or dt.datetime.now(dt.UTC).date())
    rules: tuple[ResourceRule | StackPolicy, ...] = (exemption_rule(exemptions), *RESOURCE_RULES, *STACK_POLICIES)
    return [to_policy(rule, exemptions) for rule in rules]
