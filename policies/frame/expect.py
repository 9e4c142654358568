"""Expectations: each yields a sentence for every way in which a property falls short of one.

"Must equal" and its kin treat an unknown value as a violation, since it may turn out to be anything; "must be set"
accepts one, since something will be there. Types are compared too, so that 0 is not False and "false" is not false.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from policies.frame.values import ABSENT, UNKNOWN, Missing, read

_SHOWABLE = re.compile(r"[A-Z]+(?:_[A-Z]+)*|\d+s|roles/[A-Za-z.]+|on|off")
_SECONDS = re.compile(r"(\d+)s?")
SECONDS_PER_DAY = 86_400


def shown(value: Any) -> str:  # noqa: ANN401
    """A value as a message may show it: secrets arrive unwrapped, so only enum words, durations and numbers are."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and _SHOWABLE.fullmatch(value):
        return value
    if isinstance(value, str) and not value:
        return "empty"
    return "another value"


def state(value: Any) -> str:  # noqa: ANN401
    """How a message describes what was found."""
    if value is ABSENT:
        return "is not set"
    if value is UNKNOWN:
        return "is not known during preview"
    return f"is {shown(value)}"


def equals(data: Any, path: str, wanted: bool | int | str) -> Iterator[str]:  # noqa: ANN401
    value = read(data, path)
    if type(value) is not type(wanted) or value != wanted:
        yield f"{path} {state(value)}; it must be literally {wanted if isinstance(wanted, str) else shown(wanted)}"


def one_of(data: Any, path: str, allowed: Collection[str]) -> Iterator[str]:  # noqa: ANN401
    value = read(data, path)
    if not isinstance(value, str) or value not in allowed:
        yield f"{path} {state(value)}; it must be one of {', '.join(sorted(allowed))}"


def absent_or(data: Any, path: str, allowed: bool | str) -> Iterator[str]:  # noqa: ANN401
    """For a property whose provider default is the safe value."""
    if read(data, path) is not ABSENT:
        yield from equals(data, path, allowed)


def includes(data: Any, path: str, wanted: str) -> Iterator[str]:  # noqa: ANN401
    """Whether a list of strings has one of them, as a literal."""
    listed = read(data, path)
    if not isinstance(listed, list) or wanted not in listed:
        found = state(listed) if isinstance(listed, Missing) else "does not"
        yield f"{path} {found}; it must include {wanted}"


def is_set(data: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    value = read(data, path)
    if value is ABSENT or value in ("", [], {}):
        yield f"{path} {state(value) if value in ('', ABSENT) else 'is empty'}; it must be set"


def at_least(data: Any, path: str, floor: int) -> Iterator[str]:  # noqa: ANN401
    value = read(data, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < floor:
        yield f"{path} {state(value)}; it must be a literal of at least {floor}"


def seconds(value: Any) -> int | Missing | None:  # noqa: ANN401
    """Seconds of a duration, which the wire carries as `"7776000s"`, `"7776000"` or a number; None if it is none."""
    if isinstance(value, Missing):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def seconds_between(data: Any, path: str, lowest: int, highest: int | None = None) -> Iterator[str]:  # noqa: ANN401
    value = read(data, path)
    found = seconds(value)
    if isinstance(found, int) and found >= lowest and (highest is None or found <= highest):
        return
    wanted = f"at least {lowest} s" if highest is None else f"between {lowest} s and {highest} s"
    yield f"{path} {state(value)}; it must be a literal {wanted}"
