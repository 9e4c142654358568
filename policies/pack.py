"""The pack: every rule there is, and the policies that run them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from pulumi_policy import Policy

from policies import audit, completeness, encryption, exposure, identity, retention
from policies.frame.bridge import to_policy
from policies.frame.exemptions import Exemptions, load
from policies.frame.index import STACK
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity, StackRule

NAME = "tenantry"
EXEMPTIONS_FILE = Path(__file__).with_name("exemptions.yaml")

RESOURCE_RULES: tuple[ResourceRule, ...] = (
    *encryption.RULES,
    *retention.RULES,
    *exposure.RULES,
    *identity.RULES,
    *audit.RULES,
)
# Each stack rule makes the SDK read the whole stack again, so there are few and they judge much.
STACK_RULES: tuple[StackRule, ...] = (*identity.STACK_RULES, *audit.STACK_RULES, *completeness.STACK_RULES)
RULES: tuple[ResourceRule | StackRule, ...] = (*RESOURCE_RULES, *STACK_RULES)


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
    return [to_policy(rule, exemptions) for rule in (exemption_rule(exemptions), *RULES)]
