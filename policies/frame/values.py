"""Reading properties without tripping over values that are not known yet.

The SDK's proxies raise on the first touch of an unknown value, and the engine turns that into an advisory: a rule would
fail open. Here the proxies become plain data once, with a marker where a value is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

from pulumi_policy.proxy import UnknownValueError


class Missing(Enum):
    """The two ways in which a property has no value to judge."""

    ABSENT = "absent"
    UNKNOWN = "unknown"


ABSENT: Final[Literal[Missing.ABSENT]] = Missing.ABSENT
UNKNOWN: Final[Literal[Missing.UNKNOWN]] = Missing.UNKNOWN


def thaw(value: Any) -> Any:  # noqa: ANN401 - JSON-like data has no narrower type
    """Plain dicts, lists and scalars from the SDK's proxies; unknown values become `UNKNOWN`.

    Whole floats become ints, because every number crosses the wire as a double.
    """
    if isinstance(value, Mapping):
        return {key: _thaw_item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_thaw_item(value, position) for position in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _thaw_item(container: Any, key: Any) -> Any:  # noqa: ANN401
    try:
        item = container[key]
    except UnknownValueError:
        return UNKNOWN
    return thaw(item)


def read(data: Any, path: str) -> Any:  # noqa: ANN401
    """The value at a dotted path, or `ABSENT`, or `UNKNOWN` if it or anything above it is unknown. None is absent."""
    value = data
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return ABSENT if value is None else value


def items(data: Any, path: str) -> list[Any] | Missing:  # noqa: ANN401
    """The list at a path, or `ABSENT`, or `UNKNOWN`.

    Raises:
        TypeError: the path holds something that is not a list.
    """
    value = read(data, path)
    if isinstance(value, Missing):
        return value
    if not isinstance(value, list):
        raise TypeError(f"{path} is not a list")
    return value
