"""Every stack whose inputs are judged: the project's own, those of the examples, and those of the components' tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final

from components.aws.alarm_rules import LoadBalanced
from sandbox.mocks import Registration
from tests.components.aws import stack as environment_on_aws
from tests.components.program import STACKS, Built, built, built_example, examples
from tests.components.web import test_amazon as application_on_aws

_BUILDERS: Final[Mapping[str, Callable[[], Built]]] = {
    **{stack: partial(built, stack) for stack in STACKS},
    **{f"{name}-{stack}": partial(built_example, name, stack) for name, stack in examples()},
    # Queues, tasks and several services, which no example has on AWS.
    "application-on-aws": application_on_aws.full,
}
# A dedicated instance, and alarms of a service.
_ENVIRONMENT: Final = "environment-on-aws"
_SERVICE: Final = LoadBalanced(key="gateway", load_balancer="app/gateway/1", target_group="targetgroup/gateway/2")
NAMES: Final = (*_BUILDERS, _ENVIRONMENT)


@cache
def resources(name: str) -> tuple[Registration, ...]:
    """Cloud resources that a stack registers, without components and providers."""
    if name == _ENVIRONMENT:
        found = environment_on_aws.build(balanced=[_SERVICE]).registrations
        return tuple(item for item in found if item.custom and not item.type.startswith("pulumi:"))
    return tuple(_BUILDERS[name]().resources)


def everything() -> list[Registration]:
    """The resources of all stacks."""
    return [item for name in NAMES for item in resources(name)]


@cache
def paths() -> Mapping[str, frozenset[str]]:
    """The paths of all inputs by type, without list positions."""
    found: dict[str, set[str]] = {}
    for item in everything():
        _collect(item.inputs, "", found.setdefault(item.type, set()))
    return {token: frozenset(seen) for token, seen in found.items()}


def _collect(value: object, path: str, seen: set[str]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            seen.add(inner)
            _collect(item, inner, seen)
    elif isinstance(value, list):
        for item in value:
            _collect(item, f"{path}[]", seen)
