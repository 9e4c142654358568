"""The same resources without the project: a recording, registered one by one through the SDK's own classes."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi import _types
from pulumi.runtime import rpc

from bench.recording import Registration, read
from sandbox.cloud.schema import SDKS

_SIGNATURE: Final = rpc._special_sig_key  # noqa: SLF001 - how the SDK marks a secret on the wire
_SECRET: Final = rpc._special_secret_sig  # noqa: SLF001
_PROVIDER: Final = "pulumi:providers:"

Hook = pulumi.ResourceHook | pulumi.ErrorHook


@dataclass(frozen=True)
class _Made:
    resource: pulumi.Resource
    inputs: Mapping[str, Any]
    names: Mapping[str, str]
    """The SDK's argument names by their names on the wire."""


def program(path: Path, *, components: bool = False, hooks: bool = False) -> Callable[[], Awaitable[None]]:
    """A program that registers the cloud resources and providers of a recording.

    Args:
        path: the recording.
        components: register its component resources as well, and give everything its parent.
        hooks: register hooks that do nothing, and bind them where the recording does.
    """

    async def run() -> None:
        bound = _idle_hooks(path) if hooks else {}
        made: dict[str, _Made] = {}
        for registration in read(path):
            if registration.custom:
                made[registration.urn] = _create(registration, made, bound, parents=components)
            elif components:
                made[registration.urn] = _component(registration, made)
        # Lets the registrations start before the SDK waits for them. Where it finds none it waits for all outputs at
        # once instead, which is quadratic; the program is spared that, so its measure must be as well.
        await asyncio.sleep(0)

    return run


def _create(
    registration: Registration, made: Mapping[str, _Made], hooks: Mapping[str, Hook], *, parents: bool
) -> _Made:
    resource_class, names = sdk_class(registration.type)
    arguments: dict[str, object] = {}
    for key, value in registration.inputs.items():
        if registration.type.startswith(_PROVIDER):
            arguments[names[key]] = _decoded(value)
        else:
            sources = [made[urn] for urn in registration.property_dependencies.get(key, ())]
            arguments[names[key]] = _argument(value, sources)
    implied = {urn for urns in registration.property_dependencies.values() for urn in urns}
    provider = made[registration.provider].resource if registration.provider else None
    parent = made.get(registration.parent) if parents else None
    options = pulumi.ResourceOptions(
        parent=parent.resource if parent else None,
        provider=provider if isinstance(provider, pulumi.ProviderResource) else None,
        depends_on=[made[urn].resource for urn in registration.dependencies if urn not in implied],
        protect=registration.protect or None,
        ignore_changes=registration.ignore_changes,
        delete_before_replace=registration.delete_before_replace,
        hooks=_binding(registration, hooks) if hooks else None,
    )
    return _Made(resource_class(registration.name, opts=options, **arguments), registration.inputs, names)


def _component(registration: Registration, made: Mapping[str, _Made]) -> _Made:
    parent = made.get(registration.parent)
    options = pulumi.ResourceOptions(parent=parent.resource if parent else None)
    component = pulumi.ComponentResource(registration.type, registration.name, registration.inputs, options)
    component.register_outputs({})
    return _Made(component, registration.inputs, {})


@functools.cache
def sdk_class(token: str) -> tuple[Callable[..., pulumi.Resource], Mapping[str, str]]:
    """The SDK's class of a type, and its arguments by their names on the wire."""
    if token.startswith(_PROVIDER):
        module, name = importlib.import_module(SDKS[token.removeprefix(_PROVIDER)]), "Provider"
    else:
        package, path, name = token.split(":")
        folder = path.partition("/")[0]
        module = importlib.import_module(SDKS[package])
        module = module if folder == "index" else getattr(module, folder)
    names = _types.input_type_py_to_pulumi_names(getattr(module, f"{name}Args"))
    return getattr(module, name), {wire: python for python, wire in names.items()}


def _argument(value: object, sources: Sequence[_Made]) -> object:
    """A recorded input as an output of the resources that it came from: same value, same dependencies, same order.

    Where the input is another resource's property, it is that property, as a person would write it.
    """
    if not sources:
        return _with_secrets(value)
    if not _has_unknown(value):
        if len(sources) == 1:
            same = _property_of(sources[0], value)
            if same is not None:
                return same
        plain = _with_secrets(value)
        return pulumi.Output.all(plain, *(source.resource.urn for source in sources)).apply(lambda parts: parts[0])
    ids = [source.resource.id for source in sources if isinstance(source.resource, pulumi.CustomResource)]
    return _with_secrets(value, ids[0] if len(ids) == 1 else pulumi.Output.all(*ids))


def _property_of(source: _Made, value: object) -> object | None:
    for key, found in source.inputs.items():
        if isinstance(value, str) and found == value:
            return getattr(source.resource, source.names[key], None)
    return None


def _with_secrets(value: object, unknown: object = None) -> object:
    """A recorded value with real secrets in place of the wire's marks, and `unknown` in place of unknown values."""
    if value == rpc.UNKNOWN:
        return unknown
    if isinstance(value, list):
        return [_with_secrets(item, unknown) for item in value]
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return pulumi.Output.secret(_with_secrets(value["value"], unknown))
        return {key: _with_secrets(item, unknown) for key, item in value.items()}
    return value


def _has_unknown(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_unknown, value))
    if isinstance(value, dict):
        return any(map(_has_unknown, value.values()))
    return value == rpc.UNKNOWN


def _decoded(value: object) -> object:
    """A provider setting as it was before the SDK turned it into text: numbers, booleans and objects travel as JSON."""
    try:
        return json.loads(str(value))
    except json.JSONDecodeError:
        return value


def _idle_hooks(path: Path) -> dict[str, Hook]:
    """Hooks that do nothing, under every name that the recording binds."""
    bound = {(occasion, name) for found in read(path) for occasion, names in found.hooks.items() for name in names}
    hooks: dict[str, Hook] = {}
    for occasion, name in sorted(bound):
        if occasion == "on_error":
            hooks[name] = pulumi.ErrorHook(name, lambda _: False)
        elif name not in hooks:
            hooks[name] = pulumi.ResourceHook(name, lambda _: None, pulumi.ResourceHookOptions(on_dry_run=True))
    return hooks


def _binding(registration: Registration, hooks: Mapping[str, Hook]) -> pulumi.ResourceHookBinding:
    binding: dict[str, Any] = {
        occasion: [hooks[name] for name in names] for occasion, names in registration.hooks.items()
    }
    return pulumi.ResourceHookBinding(**binding)
