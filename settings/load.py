"""From raw configuration to `Settings`: every mistake at once, each with its YAML path, value and fix."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from settings.errors import ConfigError, Problem
from settings.models import Settings

NAMESPACE: Final = "tenantry"
EXTERNAL_SECRETS: Final = "external_secrets"
"""The one key that holds values instead of settings, encrypted by Pulumi; it is never part of `Settings`."""

_LONGEST_VALUE: Final = 60


def read_stack_file(path: Path) -> dict[str, Any]:
    """Read the `tenantry:` keys of a `Pulumi.<stack>.yaml`, without their namespace.

    Raises:
        ConfigError: the file is no YAML mapping with a `config:` section.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError([Problem(path=path.name, message=f"is not valid YAML: {error}", fix="mend it")]) from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        problem = Problem(path=f"{path.name}: config", message="is missing", fix="see docs/adding-a-tenant.md")
        raise ConfigError([problem])
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if str(key).startswith(prefix)}


def parse(raw: Mapping[str, Any]) -> tuple[Settings | None, tuple[int, ...], list[Problem]]:
    """Validate raw configuration.

    Args:
        raw: the `tenantry:` keys without their namespace; values as parsed from YAML or JSON.

    Returns:
        The settings without the tenants that are malformed (None when anything else is), the original position of each
        tenant that is left, and the problems. With no problems the settings are complete. Keeping the sound tenants
        lets `resolve` report their mistakes in the same run.
    """
    document = {key: value for key, value in raw.items() if key != EXTERNAL_SECRETS}
    settings, problems = _validate(document, document)
    tenants = document.get("tenants")
    count = len(tenants) if isinstance(tenants, list) else 0
    if settings is not None:
        return settings, tuple(range(count)), []
    broken = {problem.tenant for problem in problems}
    found = [problem.problem for problem in problems]
    if None in broken or not isinstance(tenants, list):
        return None, (), found
    kept = tuple(position for position in range(count) if position not in broken)
    settings, _ = _validate({**document, "tenants": [tenants[position] for position in kept]}, document)
    return settings, kept, found


class _Located:
    """A problem and the position of the tenant it concerns (None: it concerns something else)."""

    def __init__(self, problem: Problem, tenant: int | None) -> None:
        self.problem = problem
        self.tenant = tenant


def _validate(document: Mapping[str, Any], original: Mapping[str, Any]) -> tuple[Settings | None, list[_Located]]:
    try:
        # JSON mode: arrays become tuples and nothing else is coerced
        return Settings.model_validate_json(json.dumps(document, default=str)), []
    except ValidationError as error:
        return None, [_located(detail, original) for detail in error.errors(include_url=False)]


def _located(detail: ErrorDetails, raw: Mapping[str, Any]) -> _Located:
    location = tuple(part for part in detail["loc"] if part != "[key]")
    tenant = location[1] if len(location) > 1 and location[0] == "tenants" and isinstance(location[1], int) else None
    subject = "" if tenant is None else _tenant_subject(raw, tenant)
    message, fix = _explain(detail, location)
    missing = detail["type"] == "missing"
    return _Located(
        Problem(
            path=yaml_path(location),
            message=f"{subject}{message}",
            value=None if missing else _shown(detail["input"]),
            fix=fix,
        ),
        tenant,
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


def _tenant_subject(raw: Mapping[str, Any], position: int) -> str:
    entry = raw["tenants"][position]
    name = entry.get("id") if isinstance(entry, dict) else None
    return f"tenant {name!r}: " if isinstance(name, str) else ""


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _explain(detail: ErrorDetails, location: tuple[int | str, ...]) -> tuple[str, str]:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is missing", f"add it: {_description(location)}"
        case "extra_forbidden":
            return "is not a known setting", _suggest(location)
        case "literal_error":
            return "is not one of the allowed values", f"use {context['expected']}"
        case "string_pattern_mismatch":
            return "has the wrong form", f"match {context['pattern']}: {_description(location)}"
        case "value_error":
            return str(context["error"]), _description(location)
        case _:
            return detail["msg"][0].lower() + detail["msg"][1:], _description(location)


def _model_at(location: Sequence[int | str]) -> type[BaseModel] | None:
    """The model whose field the last part of `location` names."""
    model: type[BaseModel] | None = Settings
    for part in location[:-1]:
        if model is None:
            return None
        field = model.model_fields.get(str(part))
        if field is not None:
            model = _inner_model(field.annotation)
        # a list position or a mapping's key: stay at the element's model
    return model


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _description(location: Sequence[int | str]) -> str:
    named = [part for part in location if not isinstance(part, int)]
    model = _model_at(location)
    field = None if model is None or not named else model.model_fields.get(str(named[-1]))
    if field is None or field.description is None:
        return "see the schema named in the first line of the stack file"
    return " ".join(field.description.split())


def _suggest(location: Sequence[int | str]) -> str:
    model = _model_at(location)
    known = sorted(model.model_fields) if model is not None else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"remove it, or use one of: {', '.join(known)}"
