"""From our rules to CrossGuard's policies. Every rule passes through here, so that none can fail open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pulumi_policy import (
    Policy,
    PolicyComplianceFramework,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, ConfigError, Finding, ResourceRule, Rule, StackPolicy, StackRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from policies.frame.exemptions import Exemptions

FRAMEWORK = "Tenantry requirements"


def to_policy(rule: ResourceRule | StackRule | StackPolicy, exemptions: Exemptions) -> Policy:
    """The policy that runs a rule: its violations less what is exempt, and a violation if the rule itself breaks."""
    if isinstance(rule, ResourceRule):
        return _resource_policy(rule, exemptions)
    return _stack_policy(rule if isinstance(rule, StackPolicy) else StackPolicy.of(rule), exemptions)


def _resource_policy(rule: ResourceRule, exemptions: Exemptions) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not rule.applies(args.resource_type):
            return

        def findings() -> Iterable[Finding]:
            config = Config(rule.settings, args.get_config())
            for message in rule.check(Resource.of(args), config):
                yield Finding(message, args.urn)

        _report(rule, exemptions, _collect(rule, args.urn, findings), report)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.refuses,
        validate=validate,
        config_schema=rule.schema,
        severity=rule.severity,
        framework=PolicyComplianceFramework(name=FRAMEWORK, specification=", ".join(rule.requirements)),
        tags=[rule.family.value, *rule.requirements],
        remediation_steps=rule.remediation,
        url=rule.url,
    )


def _stack_policy(policy: StackPolicy, exemptions: Exemptions) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        index = Index(args.resources)
        given = args.get_config()

        for rule in policy.rules:
            findings = partial(rule.check, index, Config(rule.settings, given))
            prefix = "" if rule.name == policy.name else f"{rule.name}: "
            _report(rule, exemptions, _collect(rule, index.root_urn, findings), report, prefix)

    requirements = sorted({requirement for rule in policy.rules for requirement in rule.requirements})
    (only, *others) = policy.rules
    return StackValidationPolicy(
        name=policy.name,
        description=policy.refuses,
        validate=validate,
        config_schema=policy.schema,
        severity=policy.severity,
        framework=PolicyComplianceFramework(name=FRAMEWORK, specification=", ".join(requirements)),
        tags=[*sorted({rule.family.value for rule in policy.rules}), *requirements],
        remediation_steps="Do what the violation says." if others else only.remediation,
        url=f"docs/policies.md#{policy.name}",
    )


def _collect(rule: Rule, default_urn: str | None, findings: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Findings, with the stack's own URN where a finding names no resource.

    An exception's text may quote a property, and secrets arrive unwrapped: only its type is shown.
    """
    collected: list[Finding] = []
    try:
        for finding in findings():
            collected.append(Finding(finding.message, finding.urn or default_urn))  # noqa: PERF401 - kept on a raise
    except ConfigError as error:
        collected.append(Finding(f"rule {rule.name} refuses because of its configuration: {error}", default_urn))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the answer is no
        collected.append(
            Finding(f"rule {rule.name} could not be evaluated ({type(error).__name__}), so it refuses", default_urn)
        )
    return collected


def _report(
    rule: Rule, exemptions: Exemptions, findings: list[Finding], report: ReportViolation, prefix: str = ""
) -> None:
    for finding in findings:
        message = f"{prefix}{finding.message}. {rule.remediation}"
        entry = exemptions.covering(rule.name, finding.urn) if finding.urn else None
        if entry is not None:
            if not exemptions.expired(entry):
                continue
            message += f" (The exemption owned by {entry.owner} expired on {entry.expires}.)"
        report(message, finding.urn)
