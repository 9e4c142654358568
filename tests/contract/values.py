"""Is one scalar what the API's schema says it may be: type, format, enum, pattern, range."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.discovery import Node

# The ranges are what the format names mean in the discovery format's own definition.
_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_FIELD_MASK = re.compile(r"[A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*")
_RANGE = re.compile(r"(?:range is|integer from)\s+([\d,]+)[^.]*?(?:-|to)\s*([\d,]+)")
_DEFAULT = re.compile(r"[Dd]efault(?: is|:)\s+([\d,]+)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def problem_of(value: object, node: Node) -> str | None:
    """Say what is wrong with a scalar, or None where the schema allows it.

    Numbers may be whole floats, because Pulumi's wire format has only one kind of number; 64-bit integers, which the
    API writes as strings, may be numbers or digits.
    """
    form = str(node.schema.get("format", ""))
    if form in _INTEGERS or node.type == "integer":
        return _integer(value, form or "int64", node.schema, digits=node.type == "string")
    match node.type, value:
        case "any", _:
            return None
        case "boolean", bool():
            return None
        case "number", int() | float() if not isinstance(value, bool):
            return _within(value, node.schema, "minimum", "maximum", "")
        case "string", str():
            return _string(value, form, node.schema)
        case _:
            return f"not a {node.type}"


def is_free(node: Node) -> bool:
    """A string on which the schema puts no condition at all: only the type is checked."""
    return node.type == "string" and not {"enum", "format", "pattern"} & node.schema.keys()


def _integer(value: object, form: str, schema: dict[str, Any], *, digits: bool) -> str | None:
    if digits and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or value != int(value):
        return f"not an integer ({form})"
    lowest, highest = _INTEGERS[form]
    lowest = max(lowest, int(schema.get("minimum", lowest)))
    highest = min(highest, int(schema.get("maximum", highest)))
    return None if lowest <= value <= highest else f"outside {lowest}..{highest} ({form})"


def _string(value: str, form: str, schema: dict[str, Any]) -> str | None:
    if "enum" in schema:
        return _enum(value, schema)
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        return f"does not match {schema['pattern']}"
    if why := _within(len(value), schema, "minLength", "maxLength", "characters"):
        return why
    if not form:
        return None
    if form not in _FORMATS:
        raise LookupError(f"format {form!r} is unknown to this checker: teach it")
    fits, what = _FORMATS[form]
    return None if fits(value) else f"not {what}"


def problem_of_length(value: list[Any], node: Node) -> str | None:
    """Say what is wrong with the number of a list's items, or None."""
    return _within(len(value), node.schema, "minItems", "maxItems", "items")


def problem_in_words(value: object, name: str, words: str) -> str | None:
    """Say what is wrong with a number by what the prose says after the name of an attribute, or None.

    The prose has a range, and sometimes a default outside it that stands for "off"; the next name ends it.
    """
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        return None
    said = re.split(r"\s[\w.]+\s+[-\u2013]\s", re.split(rf"(?<![\w-]){re.escape(name)}\s", words)[1][3:])[0]
    allowed = _RANGE.search(said)
    default = _DEFAULT.search(said)
    if allowed is None or (default and int(default[1].replace(",", "")) == int(str(value))):
        return None
    low, high = (int(number.replace(",", "")) for number in allowed.groups())
    return None if low <= int(str(value)) <= high else f"outside {low}..{high}"


def _within(value: float, schema: dict[str, Any], lowest: str, highest: str, what: str) -> str | None:
    low, high = schema.get(lowest, value), schema.get(highest, value)
    return None if low <= value <= high else f"{value} {what} outside {low}..{high}".replace("  ", " ")


def _enum(value: str, schema: dict[str, Any]) -> str | None:
    allowed: list[str] = schema["enum"]
    if value not in allowed:
        return f"not one of {', '.join(allowed)}"
    deprecated = dict(zip(allowed, schema.get("enumDeprecated", []), strict=False))
    return "deprecated by the API" if deprecated.get(value) else None


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


_FORMATS: dict[str, tuple[Callable[[str], object], str]] = {
    "google-duration": (_DURATION.fullmatch, 'a duration in seconds such as "3.5s"'),
    "google-datetime": (_is_instant, "an RFC 3339 instant"),
    "date-time": (_is_instant, "an RFC 3339 instant"),
    "date": (_DATE.fullmatch, "a date"),
    "google-fieldmask": (_FIELD_MASK.fullmatch, "a field mask"),
    "byte": (_is_base64, "base64"),
}
