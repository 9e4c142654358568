"""From our rules to CrossGuard's policies. Every rule passes through here, so that none can fail open."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pulumi_policy import (
    Policy,
    PolicyComplianceFramework,
    ReportViolation,
    ResourceValidation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidation,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import (
    Config,
    ConfigError,
    Finding,
    ResourcePolicy,
    ResourceRule,
    Rule,
    StackPolicy,
    StackRule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from policies.frame.exemptions import Exemptions

FRAMEWORK = "Tenantry requirements"


def to_policy(policy: ResourcePolicy | StackPolicy, exemptions: Exemptions) -> Policy:
    """The CrossGuard policy that runs rules: their violations less what is exempt, and one for a rule that breaks."""
    requirements = sorted({requirement for rule in policy.rules for requirement in rule.requirements})
    (only, *others) = policy.rules
    metadata: dict[str, Any] = {
        "name": policy.name,
        "description": policy.refuses,
        "config_schema": policy.schema,
        "severity": policy.severity,
        "framework": PolicyComplianceFramework(name=FRAMEWORK, specification=", ".join(requirements)),
        "tags": [*sorted({rule.family.value for rule in policy.rules}), *requirements],
        "remediation_steps": "Do what the violation says." if others else only.remediation,
        "url": f"docs/policies.md#{policy.name}",
    }
    if isinstance(policy, ResourcePolicy):
        return ResourceValidationPolicy(validate=_resource_validation(policy, exemptions), **metadata)
    return StackValidationPolicy(validate=_stack_validation(policy, exemptions), **metadata)


def _resource_validation(policy: ResourcePolicy, exemptions: Exemptions) -> ResourceValidation:
    @cache
    def about(token: str) -> tuple[ResourceRule, ...]:
        return tuple(rule for rule in policy.rules if rule.applies(token))

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        rules = about(args.resource_type)
        if not rules:
            return
        resource = cache(lambda: Resource.of(args))

        def findings(rule: ResourceRule) -> Iterable[Finding]:
            for message in rule.check(resource(), _config(rule, args)):
                yield Finding(message, args.urn)

        for rule in rules:
            _report(rule, exemptions, _collect(args.urn, partial(findings, rule)), report)

    return validate


def _stack_validation(policy: StackPolicy, exemptions: Exemptions) -> StackValidation:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        index = Index(args.resources)

        def findings(rule: StackRule) -> Iterable[Finding]:
            return rule.check(index, _config(rule, args))

        for rule in policy.rules:
            _report(rule, exemptions, _collect(index.root_urn, partial(findings, rule)), report)

    return validate


def _config(rule: Rule, args: ResourceValidationArgs | StackValidationArgs) -> Config:
    return Config(rule.settings, args.get_config().get(rule.name, {}))


def _collect(default_urn: str | None, findings: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Findings, with the stack's own URN where a finding names no resource.

    An exception's text may quote a property, and secrets arrive unwrapped: only its type is shown.
    """
    collected: list[Finding] = []
    try:
        for finding in findings():
            collected.append(Finding(finding.message, finding.urn or default_urn))  # noqa: PERF401 - kept on a raise
    except ConfigError as error:
        collected.append(Finding(f"the rule refuses because of its configuration: {error}", default_urn))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the answer is no
        collected.append(
            Finding(f"the rule could not be evaluated ({type(error).__name__}), so it refuses", default_urn)
        )
    return collected


def _report(rule: Rule, exemptions: Exemptions, findings: list[Finding], report: ReportViolation) -> None:
    for finding in findings:
        message = f"{rule.name}: {finding.message}. {rule.remediation}"
        entry = exemptions.covering(rule.name, finding.urn) if finding.urn else None
        if entry is not None:
            if not exemptions.expired(entry):
                continue
            message += f" (The exemption owned by {entry.owner} expired on {entry.expires}.)"
        report(message, finding.urn)
