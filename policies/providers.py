"""Identity: every resource is made by a provider that the program declares, on any cloud (R8.3)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity

_ENGINE_PROVIDER = "pulumi:providers:pulumi"
"""The engine's own provider, which reads stack outputs and reaches no cloud."""


def _default_provider(resource: Resource, _: Config) -> Iterator[str]:
    if resource.token == _ENGINE_PROVIDER:
        return
    if resource.token.startswith("pulumi:providers:"):
        if resource.name.startswith("default"):
            yield "the default provider takes project, region and credentials from whoever runs it"
    elif resource.provider is None or resource.provider.startswith("default"):
        yield "the resource has no explicit provider"


RULES = (
    ResourceRule(
        name="default-provider",
        family=Family.IDENTITY,
        refuses="A resource that is managed by a default provider.",
        severity=Severity.HIGH,
        remediation="Pass the environment's provider, or make the resource a child of a component that has it.",
        requirements=("R8.3", "R1.1", "R1.4"),
        tokens=("pulumi:providers:*", "gcp:*", "aws:*", "vercel:*", "random:*"),
        check=_default_provider,
    ),
)
