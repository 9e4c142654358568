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
from policies.frame.rules import Config, Family, ResourcePolicy, ResourceRule, Severity, StackPolicy, StackRule

NAME = "tenantry"
EXEMPTIONS_FILE = Path(__file__).with_name("exemptions.yaml")

RESOURCE_RULES: tuple[ResourceRule, ...] = (*providers.RULES, *gcp.RULES, *aws.RULES, *vercel.RULES)
STACK_RULES: tuple[StackRule, ...] = (*gcp.STACK_RULES, *aws.STACK_RULES, *completeness.STACK_RULES)
RULES: tuple[ResourceRule | StackRule, ...] = (*RESOURCE_RULES, *STACK_RULES)

ALONE = frozenset(
    {
        "aws-force-destroy",
        "bucket-force-destroy",
        "cloudfront-tls",
        "data-protected",
        "firestore-cmek",
        "rds-kept",
        "vercel-protection",
    }
)
"""Rules that a stack's policy config gives a level of their own: each is a policy by itself, and costs like one."""

POLICIES: tuple[ResourcePolicy | StackPolicy, ...] = (
    ResourcePolicy(
        name="resource-rules",
        refuses="A resource that breaks a rule about itself.",
        rules=tuple(rule for rule in RESOURCE_RULES if rule.name not in ALONE),
    ),
    *(ResourcePolicy.of(rule) for rule in RESOURCE_RULES if rule.name in ALONE),
    StackPolicy(
        name="stack-rules",
        refuses="A stack that breaks a rule about several resources.",
        rules=tuple(rule for rule in STACK_RULES if rule.name not in ALONE),
    ),
    *(StackPolicy.of(rule) for rule in STACK_RULES if rule.name in ALONE),
)
POLICY_OF: dict[str, str] = {rule.name: policy.name for policy in POLICIES for rule in policy.rules}
"""The name under which a policy config knows the policy of each rule."""


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
    policies = (ResourcePolicy.of(exemption_rule(exemptions)), *POLICIES)
    return [to_policy(policy, exemptions) for policy in policies]
