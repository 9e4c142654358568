"""Resource types and properties as the installed SDK's own classes declare them.

The SDK is the only list of types in the sandbox: what it does not know is an error, and an upgrade of the SDK upgrades
the check. Classes are loaded one module at a time, because some modules (gcp compute) take seconds to import.
"""

from __future__ import annotations

import collections.abc
import functools
import importlib
import inspect
import re
import threading
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pulumi
from pulumi import _types
from pulumi.runtime import rpc

from sandbox.cloud.errors import NotSimulatedError
from sandbox.cloud.values import UNKNOWN, Props, Value, is_asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Annotation: TypeAlias = Any
"""What a type hint of the SDK's generated classes evaluates to."""
SDKS: Final = {"aws": "pulumi_aws", "gcp": "pulumi_gcp", "random": "pulumi_random", "vercel": "pulumiverse_vercel"}
"""Package name to the Python module that declares it."""


@dataclass(frozen=True)
class Failure:
    """One wrong input: the path of the property and what is wrong with it."""

    path: str
    reason: str


@dataclass(frozen=True)
class ObjectType:
    """An object's properties by wire name; types are resolved on first use."""

    name: str
    properties: Mapping[str, Any]
    required: frozenset[str]


@dataclass(frozen=True)
class ResourceType:
    token: str
    inputs: ObjectType
    outputs: Mapping[str, Any]
    """Every property of the state by wire name: inputs and computed ones."""

    @functools.cached_property
    def computed(self) -> tuple[str, ...]:
        """Outputs that nobody can set."""
        return tuple(name for name in self.outputs if name not in self.inputs.properties)


# The SDK loads its modules on first use, and a second thread would see one half loaded.
_LOADING: Final = threading.RLock()


def _module_of(token: str) -> tuple[Any, str]:
    package, _, rest = token.partition(":")
    if package not in SDKS:
        raise NotSimulatedError(f"{token}: no package {package!r} is simulated, only {', '.join(SDKS)}")
    importlib.import_module(SDKS[package])
    module_name = rest.rpartition(":")[0]
    for module in rpc._RESOURCE_MODULES.get(f"{package}:{module_name}", []):  # noqa: SLF001 - the SDK's only token table
        info = getattr(module, "mod_info", {})
        name = info.get("classes", {}).get(token)
        if name:
            return importlib.import_module(info["fqn"]), name
    raise NotSimulatedError(f"{token}: {SDKS[package]} has no such resource type")


@functools.cache
def resource_type(token: str) -> ResourceType:
    """The type behind a token.

    Raises:
        NotSimulatedError: the installed SDK has no such type.
    """
    with _LOADING:
        module, name = _module_of(token)
        resource = getattr(module, name)
        # Where a nested type of another resource has the name already, the SDK calls the resource's own "InitArgs".
        arguments = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")
        return ResourceType(token, _object_type(arguments), _types.resource_types(resource))


@functools.cache
def provider_type(package: str) -> ObjectType:
    """The configuration that an explicit provider of this package takes."""
    return _object_type(importlib.import_module(SDKS[package]).ProviderArgs)


@functools.cache
def _object_type(args_class: Annotation) -> ObjectType:
    names = _types.input_type_py_to_pulumi_names(args_class)
    parameters = inspect.signature(args_class.__init__).parameters
    required = frozenset(
        names[name]
        for name, parameter in parameters.items()
        if name in names and parameter.default is inspect.Parameter.empty
    )
    return ObjectType(args_class.__name__, _types.input_type_types(args_class), required)


@functools.cache
def function_arguments(token: str) -> frozenset[str]:
    """The wire names of the arguments of a function (invoke).

    Raises:
        NotSimulatedError: the installed SDK has no such function.
    """
    package, module_name, function = re.fullmatch(r"(\w+):(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
    # "index" is the package itself: the SDK of a small provider has no further modules.
    module = importlib.import_module(SDKS[package] if module_name == "index" else f"{SDKS[package]}.{module_name}")
    found: Callable[..., Any] | None = getattr(module, _snake(function), None)
    if found is None:
        raise NotSimulatedError(f"{token}: {SDKS[package]} has no such function")
    return frozenset(_camel(name) for name in inspect.signature(found).parameters if name != "opts")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def check_inputs(token: str, inputs: Props) -> list[Failure]:
    """Everything wrong with a resource's inputs, nested properties included."""
    return list(_check_object(resource_type(token).inputs, inputs, ""))


def check_provider(package: str, inputs: Props) -> list[Failure]:
    known = provider_type(package).properties
    return [
        Failure(name, f"unknown property of the {package} provider")
        for name in inputs
        if name not in known and name not in {"version", "pluginDownloadURL"}
    ]


def _check_object(declared: ObjectType, value: Props, path: str) -> Iterator[Failure]:
    prefix = f"{path}." if path else ""
    for name in sorted(declared.required):
        if value.get(name) is None:
            yield Failure(f"{prefix}{name}", f"missing required property of {declared.name}")
    for name, item in value.items():
        if name.startswith("__"):
            continue
        if name not in declared.properties:
            yield Failure(f"{prefix}{name}", f"unknown property; {declared.name} has {_near(name, declared)}")
        else:
            yield from _check_value(declared.properties[name], item, f"{prefix}{name}")


def _near(name: str, declared: ObjectType) -> str:
    import difflib  # noqa: PLC0415 - only for an error message

    near = difflib.get_close_matches(name, declared.properties, n=3, cutoff=0.4)
    return ", ".join(near or sorted(declared.properties))


def _check_value(declared: Annotation, value: Value, path: str) -> Iterator[Failure]:
    if value is None or value is UNKNOWN:
        return
    expected = _unwrap(declared)
    if isinstance(expected, ObjectType):
        if isinstance(value, dict) and not is_asset(value):
            yield from _check_object(expected, value, path)
        else:
            yield Failure(path, f"expected an object {expected.name}, got {_kind(value)}")
    elif isinstance(expected, tuple):
        yield from _check_collection(expected, value, path)
    elif expected is pulumi.Asset:
        if not is_asset(value):
            yield Failure(path, f"expected an asset, got {_kind(value)}")
    elif expected in _SCALARS and not _SCALARS[expected](value):
        yield Failure(path, f"expected {_SCALAR_NAMES[expected]}, got {_kind(value)}")


def _check_collection(expected: tuple[type, Annotation], value: Value, path: str) -> Iterator[Failure]:
    shape, element = expected
    if shape is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_value(element, item, f"{path}[{index}]")
    elif shape is dict and isinstance(value, dict) and not is_asset(value):
        for key, item in value.items():
            yield from _check_value(element, item, f"{path}.{key}")
    else:
        yield Failure(path, f"expected {'a list' if shape is list else 'a map'}, got {_kind(value)}")


_SCALARS: Final[dict[Any, Callable[[Value], bool]]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_SCALAR_NAMES: Final = {str: "a string", bool: "a boolean", int: "an integer", float: "a number"}


def _kind(value: Value) -> str:
    # Never the value itself: it may be a secret.
    if is_asset(value):
        return "an asset"
    names = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


@functools.cache
def _unwrap(declared: Annotation) -> Annotation:
    """One step from an annotation to a scalar type, an ObjectType, or ``(list | dict, element annotation)``."""
    origin: Annotation = typing.get_origin(declared)
    if origin is typing.Union:
        # Every input may also be an awaitable or an Output of its type: keep the plain members.
        members = [member for member in typing.get_args(declared) if _is_plain(member)]
        assets = [member for member in members if _is_asset_class(member)]
        return _unwrap((assets or members)[0])
    arguments = typing.get_args(declared)
    if origin in {list, collections.abc.Sequence}:
        return (list, arguments[0])
    if origin in {dict, collections.abc.Mapping}:
        return (dict, arguments[1])
    if _is_asset_class(declared):
        return pulumi.Asset
    is_object = inspect.isclass(declared) and _types.is_input_type(declared)
    return _object_type(declared) if is_object else declared


def _is_asset_class(declared: Annotation) -> bool:
    return inspect.isclass(declared) and issubclass(declared, pulumi.Asset | pulumi.Archive)


def _is_plain(member: Annotation) -> bool:
    origin: Annotation = typing.get_origin(member)
    plain = member if origin is None else origin
    if member is type(None):
        return False
    return not (inspect.isclass(plain) and issubclass(plain, pulumi.Output | collections.abc.Awaitable))
