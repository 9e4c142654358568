"""Property values as the engine sends them: plain JSON trees, plus one marker for what is not known yet."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value: TypeAlias = Any
"""None, bool, int, float, str, UNKNOWN, or a list or dict of values."""
Props: TypeAlias = dict[str, Value]


class Unknown(enum.Enum):
    """A value that only an update will produce."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
"""Marks an object on the wire as something else than a plain object (an asset, a secret); see pulumi.runtime.rpc."""

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def parse_path(path: str) -> list[str | int]:
    """``settings.databaseFlags[0].value`` as ``["settings", "databaseFlags", 0, "value"]``."""
    return [int(index) if index else key for key, index in _STEP.findall(path)]


def get_path(props: Value, path: str) -> Value:
    """The value at a path, or None; UNKNOWN when the path runs into something unknown."""
    found = props
    for step in parse_path(path):
        if found is UNKNOWN:
            return UNKNOWN
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def values_at(props: Value, path: str) -> list[Value]:
    """Every known value at a dotted path; lists on the way are entered."""
    found = [props]
    for step in path.split("."):
        below = [item.get(step) for item in found if isinstance(item, dict)]
        found = [one for item in below for one in (item if isinstance(item, list) else [item])]
    return [item for item in found if item is not None and item is not UNKNOWN]


def set_path(props: Props, path: str, value: Value) -> None:
    """Put a value at a path, making the objects on the way; None removes the key.

    Raises:
        KeyError: a list on the way is missing or too short.
    """
    *parents, last = parse_path(path)
    target: Any = props
    for position, step in enumerate(parents):
        if isinstance(step, int):
            if not isinstance(target, list) or step >= len(target):
                raise KeyError(f"{path}: there is no element {step}")
            target = target[step]
        else:
            if target.get(step) is None:
                if isinstance([*parents, last][position + 1], int):
                    raise KeyError(f"{path}: there is no list {step}")
                target[step] = {}
            target = target[step]
    if value is None and isinstance(last, str):
        target.pop(last, None)
    else:
        target[last] = value


def apply_defaults(props: Props, defaults: Mapping[str, Value], *, make_parents: bool = False) -> None:
    """Fill unset properties in place.

    A dotted path goes into nested objects and into every element of a list. A parent that is not set stays unset unless
    `make_parents`, because a provider's schema defaults belong to blocks that the program has written.
    """
    for path, value in defaults.items():
        _default(props, path.split("."), value, make_parents=make_parents)


def _default(target: Value, steps: list[str], value: Value, *, make_parents: bool) -> None:
    if isinstance(target, list):
        for element in target:
            _default(element, steps, value, make_parents=make_parents)
        return
    if not isinstance(target, dict):
        return
    head, *rest = steps
    if not rest:
        if target.get(head) is None:
            target[head] = value
        return
    if target.get(head) is None:
        if not make_parents:
            return
        target[head] = {}
    _default(target[head], rest, value, make_parents=make_parents)


def is_asset(value: Value) -> bool:
    return isinstance(value, dict) and SIGNATURE_KEY in value


def contains_unknown(value: Value) -> bool:
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def strings_in(value: Value, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a tree with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_in(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings_in(item, f"{path}[{index}]")


def without_none(value: Value) -> Value:
    """A copy without null properties: on the wire null and unset are the same."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value
