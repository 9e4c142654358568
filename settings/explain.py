"""What is wrong with one value, in the user's words: Pydantic's error details turned into a problem with a fix."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from settings.errors import Problem, Subject, named, shown
from settings.models import Settings

NAMESPACE: Final = "tenantry"

Location = tuple[int | str, ...]

_ANY: Final = "*"
# Where someone may have pasted a secret's value, or a URL that holds one; what stands there is never shown.
_SECRETIVE: Final[tuple[Location, ...]] = (
    ("secrets",),
    ("monitoring", "channels", "slack"),
    ("monitoring", "channels", "pagerduty"),
    ("plans", _ANY, "external"),
    ("tenants", _ANY, "external"),
    *(("services", _ANY, field) for field in ("secrets", "variables")),
    *(("tasks", _ANY, field) for field in ("secrets", "variables")),
    *(("vercel", field) for field in ("log_drain", "secrets", "variables")),
)
_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
}


# What a quoted value looks like that would be right without its quotes.
_QUOTED: Final = {
    "a whole number": re.compile(r"-?[0-9]+"),
    "a number": re.compile(r"-?[0-9]+(\.[0-9]+)?"),
    "true or false": re.compile(r"true|false|yes|no|on|off", re.IGNORECASE),
}
_NOTHING: Final = re.compile(r"(?!)")
_LIMITS: Final = {
    "string_too_short": "is too short: the least is {min_length} characters",
    "string_too_long": "is too long: the most is {max_length} characters",
    "too_long": "has {actual_length} entries: the most is {max_length}",
    "greater_than_equal": "is too small: the least is {ge}",
    "greater_than": "is too small: it must be above {gt}",
    "less_than_equal": "is too large: the most is {le}",
    "less_than": "is too large: it must be below {lt}",
}
# A boolean is an integer to Python, so it comes first; YAML knows no further kinds of a key or value but binary.
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (type(None), "nothing"),
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
    (dt.date, "a date"),
    (object, "binary data"),
)


def located(detail: ErrorDetails, raw: Mapping[str, Any]) -> tuple[Location, Problem]:
    """Where a mistake is, and the problem to report; `raw` is the document that was validated."""
    location = tuple(part for part in detail["loc"] if part != "[key]")
    expected = _EXPECTED.get(detail["type"])
    message, fix = _explain(detail, location) if expected is None else _wrong_type(expected, detail["input"], location)
    return location, Problem(
        path=yaml_path(location),
        message=f"{named(_subjects(raw, location))}{message}",
        value=_value(detail, location),
        fix=fix,
    )


def yaml_path(location: Sequence[int | str]) -> str:
    """`("tenants", 3, "plan")` → `tenantry:tenants[3].plan`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else f"{NAMESPACE}:{part}"
    return path or NAMESPACE


def _subjects(raw: Mapping[str, Any], location: Location) -> tuple[Subject, ...]:
    match location:
        case ("tenants", int(position), *_):
            entry = raw["tenants"][position]
            name = entry.get("id") if isinstance(entry, dict) else None
            return (Subject("tenant", name),) if isinstance(name, str) else ()
        case _:
            return ()


def _value(detail: ErrorDetails, location: Location) -> str | None:
    """The value as written; never that of an unknown key or of a secret, where someone may have pasted one."""
    if detail["type"] in {"missing", "extra_forbidden"} or any(_below(location, place) for place in _SECRETIVE):
        return None
    return shown(detail["input"])


def _below(location: Location, place: Location) -> bool:
    return len(location) >= len(place) and all(
        pattern in {_ANY, part} for pattern, part in zip(place, location, strict=False)
    )


def kind_of(value: object) -> str:
    """What YAML takes a value for, in words."""
    return next(name for kind, name in _KINDS if isinstance(value, kind))


def _explain(detail: ErrorDetails, location: Location) -> tuple[str, str]:
    context, about, kind = detail.get("ctx", {}), _description(location), detail["type"]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context), about
    match kind:
        case "missing":
            return "is missing", f"add it: {about}"
        case "extra_forbidden":
            return "is not a known setting", _suggest(location)
        case "literal_error":
            return "is not one of the allowed values", f"use {context['expected']}"
        case "string_pattern_mismatch":
            return "has the wrong form", f"match {context['pattern']}: {about}"
        case _:  # Pydantic's own words: those of our validators, and of what the models do not use today
            return str(context.get("error", detail["msg"])), about


def _wrong_type(expected: str, value: object, location: Location) -> tuple[str, str]:
    about = _description(location)
    message = f"is {kind_of(value)} where {expected} is needed"
    if len(location) == 2 and location[0] == "tenants":  # noqa: PLR2004 - an entry of the list itself
        return message, f"write `- id: {value}`" if isinstance(
            value, str
        ) else "write `- id: NAME`, or remove the entry"
    if value is None:
        return message, f"give it a value{'' if _is_required(location) else ', or remove the key'}: {about}"
    if expected == "text" and isinstance(value, bool):
        return message, f"put it in quotes, for YAML takes on, off, yes and no for booleans: {about}"
    if expected == "text" and isinstance(value, int | float):
        return message, f"put it in quotes: {about}"
    if isinstance(value, str) and _QUOTED.get(expected, _NOTHING).fullmatch(value):
        return message, f"write it without quotes: {about}"
    return message, about


def _is_required(location: Location) -> bool:
    model = _model(_annotation(location[:-1]))
    field = None if model is None else model.model_fields.get(str(location[-1]))
    return field is not None and field.is_required()


def _annotation(location: Sequence[int | str]) -> object:
    """The annotation of what `location` names, followed from `Settings`; None for what nobody declares."""
    current: object = Settings
    for part in location:
        model = _model(current)
        if model is not None:
            field = model.model_fields.get(str(part))
            current = None if field is None else field.annotation
        else:
            container = next(
                (option for option in _options(current) if typing.get_origin(option) in {dict, tuple}), None
            )
            arguments = typing.get_args(container)
            current = arguments[1 if typing.get_origin(container) is dict else 0] if arguments else None
    return current


def _options(annotation: object) -> tuple[object, ...]:
    """What an annotation allows, without `None` and without `Annotated`."""
    origin = typing.get_origin(annotation)
    if origin in {types.UnionType, typing.Union}:
        return tuple(option for inner in typing.get_args(annotation) for option in _options(inner))
    if origin is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    return (annotation,)


def _model(annotation: object) -> type[BaseModel] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _description(location: Location) -> str:
    """What the innermost described field around `location` is for."""
    for end in range(len(location), 0, -1):
        model = _model(_annotation(location[: end - 1]))
        field = None if model is None else model.model_fields.get(str(location[end - 1]))
        if field is not None and field.description is not None:
            return " ".join(field.description.split())
    return "see docs/configuration.md"


def _suggest(location: Location) -> str:
    model = _model(_annotation(location[:-1]))
    known = [] if model is None else sorted(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"remove it, or use one of: {', '.join(known)}"
