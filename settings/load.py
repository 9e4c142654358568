"""From raw configuration to `Settings`: every mistake at once, each with its YAML path, value and fix."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from settings.errors import ConfigError, Problem
from settings.explain import NAMESPACE, Location, kind_of, located, yaml_path
from settings.models import EnvironmentSettings, Settings

EXTERNAL_SECRETS: Final = "external_secrets"
"""The one key that holds values instead of settings, encrypted by Pulumi; it is never part of `Settings`."""

# Sections without which the rest can still be judged, and what stands in for a broken one while it is.
_STAND_INS: Final[dict[str, Any]] = {
    "backups": {},
    "secrets": {},
    "monitoring": {"app_host": "app.example", "channels": {"email": ["nobody@app.example"]}},
}


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice, as Pulumi does; plain YAML readers keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused below: it cannot be a key
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_stack_file(path: Path) -> dict[str, Any]:
    """Read the `tenantry:` keys of a `Pulumi.<stack>.yaml`, without their namespace.

    Raises:
        ConfigError: the file cannot be read, or is no YAML mapping with a `config:` section.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        problem = Problem(path=path.name, message=f"is not valid YAML{where}: {error.problem}", fix="correct that line")
        raise ConfigError([problem]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = Problem(path=path.name, message="holds characters that YAML does not allow", fix="save it as UTF-8")
        raise ConfigError([problem]) from error
    except OSError as error:
        problem = Problem(path=str(path), message=f"cannot be read: {error.strerror}", fix="name a stack file")
        raise ConfigError([problem]) from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        problem = Problem(path=f"{path.name}: config", message="is missing", fix="see docs/adding-a-tenant.md")
        raise ConfigError([problem])
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if str(key).startswith(prefix)}


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What could be read, and what is wrong with the rest.

    Attributes:
        settings: the settings without what is malformed and without what leans on it; None when too little is left.
            With no problems they are complete. Keeping the rest lets `resolve` report its mistakes in the same run.
        positions: position in the file of each tenant that is left.
        problems: the mistakes of form.
        unjudged: path prefixes below which `settings` holds stand-ins, so that nothing found there counts.
    """

    settings: Settings | None
    positions: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    unjudged: tuple[str, ...] = ()

    def counts(self, problem: Problem) -> bool:
        return not problem.path.startswith(self.unjudged) if self.unjudged else True


def parse(raw: Mapping[str, Any]) -> Parsed:
    """Validate raw configuration: the `tenantry:` keys without their namespace, values as parsed from YAML or JSON."""
    document = {key: value for key, value in raw.items() if key != EXTERNAL_SECRETS}
    found = dict(_misread(document))
    document = _with_text_keys(document)
    settings, malformed = _validate(document)
    for location, problem in malformed:
        found.setdefault(location, problem)
    if settings is not None and not found:
        return Parsed(settings=settings, positions=tuple(range(len(settings.tenants))))
    rest, positions, unjudged = _without(document, found)
    settings = None if rest is None else _validate(rest)[0]
    return Parsed(settings=settings, positions=positions, problems=tuple(found.values()), unjudged=unjudged)


def _validate(document: Mapping[str, Any]) -> tuple[Settings | None, list[tuple[Location, Problem]]]:
    try:
        # JSON mode: arrays become tuples and nothing else is coerced
        return Settings.model_validate_json(json.dumps(document, default=str)), []
    except ValidationError as error:
        return None, [located(detail, document) for detail in error.errors(include_url=False)]


def _without(
    document: Mapping[str, Any], locations: Iterable[Location]
) -> tuple[dict[str, Any] | None, tuple[int, ...], tuple[str, ...]]:
    """The document without its broken parts and without the tenants that lean on one; None when too little is left."""
    broken: dict[str, set[int | str]] = {}
    for location in locations:
        key = str(location[0])
        if len(location) == 1 and key in Settings.model_fields and key not in _STAND_INS:
            return None, (), ()
        broken.setdefault(key, set()).add(location[1] if len(location) > 1 else "")
    if not broken.keys().isdisjoint({"environment", "gcp"}):
        return None, (), ()
    rest = {key: value for key, value in document.items() if key in Settings.model_fields}
    rest |= {key: value for key, value in _STAND_INS.items() if key in broken}
    unjudged = tuple(yaml_path((key,)) for key in _STAND_INS if key in broken)
    plans, pools, tenants = (rest.get(key) or {} for key in ("plans", "pools", "tenants"))
    lost_plans, lost_pools = broken.get("plans", set()), broken.get("pools", set())
    default = rest["environment"].get("default_plan", EnvironmentSettings.model_fields["default_plan"].default)
    # a plan on a lost pool cannot be judged either
    lost_plans |= {name for name, plan in plans.items() if name not in lost_plans and plan.get("pool") in lost_pools}
    if default in lost_plans:
        unjudged += (yaml_path(("environment", "default_plan")),)
    rest["plans"] = {name: plan for name, plan in plans.items() if name not in lost_plans}
    rest["pools"] = {name: pool for name, pool in pools.items() if name not in lost_pools}
    positions = tuple(
        position
        for position, entry in enumerate(tenants)
        if position not in broken.get("tenants", set())
        and (entry.get("plan") or default) not in lost_plans
        and entry.get("pool") not in lost_pools
    )
    rest["tenants"] = [tenants[position] for position in positions]
    return rest, positions, unjudged


def _misread(value: object, location: Location = ()) -> Iterator[tuple[Location, Problem]]:
    """What YAML reads as something else than the person meant: dates, and keys that are no text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _misread(inner, (*location, key))
            else:
                place = (*location, _key_text(key))
                yield (
                    place,
                    Problem(
                        path=yaml_path(place),
                        message=f"is a key that YAML reads as {kind_of(key)}",
                        fix="put the key in quotes",
                    ),
                )
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _misread(inner, (*location, position))
    elif isinstance(value, dt.date | bytes):
        yield (
            location,
            Problem(
                path=yaml_path(location),
                message=f"is read by YAML as {kind_of(value)}",
                fix="put it in quotes",
                value=str(value),
            ),
        )


def _with_text_keys(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key_text(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def _key_text(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) or key is None else str(key)


__all__ = ["EXTERNAL_SECRETS", "NAMESPACE", "Parsed", "parse", "read_stack_file"]
