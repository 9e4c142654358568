"""What a program registers, written down as it goes over the wire, one JSON object a line."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from pulumi.runtime.proto import resource_pb2

Program = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One resource or component.

    Attributes:
        inputs: as the engine received them: secrets wrapped, unknown values as the SDK's sentinel.
        dependencies: URNs of everything it waits for; `property_dependencies` says for which input.
        provider: URN of its explicit provider, or "".
        hooks: names of the bound hooks by occasion (`before_create`, `on_error` ...).
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    inputs: dict[str, Any]
    dependencies: list[str]
    property_dependencies: dict[str, list[str]]
    protect: bool = False
    ignore_changes: list[str] = field(default_factory=list)
    delete_before_replace: bool | None = None
    hooks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def cloud(self) -> bool:
        """Whether it exists in the cloud: neither a component nor a provider."""
        return self.custom and not self.type.startswith("pulumi:")


def read(path: Path) -> Iterator[Registration]:
    """The registrations in the order in which the engine answered them: nothing precedes what it depends on.

    Read lazily, so that a program that replays a recording does not hold all of it in memory.
    """
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Registration(**json.loads(line))


def flat_recording(recording: Path) -> Path:
    """Where the recording of a replay of `recording` is."""
    return recording.with_suffix(".flat.jsonl")


def differences(recording: Path) -> list[str]:
    """Where the flat program registers anything else than what the program does, components and hooks aside."""
    mine, flat = _comparable(recording), _comparable(flat_recording(recording))
    found = []
    for key in sorted({*mine, *flat}):
        one, other = mine.get(key), flat.get(key)
        if one is None or other is None:
            found.append(f"{key}: only in the {'flat program' if one is None else 'program'}")
        else:
            found += [
                f"{key}: {field} is {one[field]!r}, flat {other[field]!r}"
                for field in one
                if one[field] != other[field]
            ]
    return found


def _comparable(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every resource but components, with URNs as type and name: a flat resource's URN has no parents in it."""

    def short(urn: str) -> str:
        kind, name = urn.split("::", 3)[2:] if urn else ("", "")
        return f"{kind.rpartition('$')[2]}::{name}"

    custom = [found for found in read(path) if found.custom]
    kept = {found.urn for found in custom}
    return {
        (found.type, found.name): {
            "inputs": found.inputs,
            "provider": short(found.provider),
            "dependencies": sorted(short(urn) for urn in found.dependencies if urn in kept),
            "property_dependencies": {
                key: sorted(short(urn) for urn in urns) for key, urns in found.property_dependencies.items()
            },
            "protect": found.protect,
            "ignore_changes": found.ignore_changes,
            "delete_before_replace": found.delete_before_replace,
        }
        for found in custom
    }


def recorded(program: Program, path: Path) -> Program:
    """The same program, whose registrations are written to `path`."""

    def run() -> Awaitable[None] | None:
        settings = pulumi.runtime.settings.SETTINGS
        settings.monitor = _Recorder(settings.monitor, path)
        return program()

    return run


class _Recorder:
    """Stands between the program and the engine's resource monitor."""

    def __init__(self, monitor: Any, path: Path) -> None:  # noqa: ANN401 - a generated gRPC stub has no type
        self._monitor = monitor
        self._path = path
        self._lock = threading.Lock()
        path.write_text("", encoding="utf-8")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._monitor, name)

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        response: resource_pb2.RegisterResourceResponse = self._monitor.RegisterResource(request)
        found = Registration(
            urn=response.urn,
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            provider=request.provider.rpartition("::")[0],
            inputs=MessageToDict(request.object),
            dependencies=sorted(request.dependencies),
            property_dependencies={
                key: sorted(dependencies.urns) for key, dependencies in sorted(request.propertyDependencies.items())
            },
            protect=request.protect,
            ignore_changes=list(request.ignoreChanges),
            delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            hooks={occasion.name: list(names) for occasion, names in request.hooks.ListFields()},
        )
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        return response
