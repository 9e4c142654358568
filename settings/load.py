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

# Nowhere, so that no rule about regions finds a likeness.
_NO_IMAGE: Final = "stand-in.invalid/jobs@sha256:" + "0" * 64
# What stands in for the required fields of a broken section, so that the rest can still be judged.
_STAND_INS: Final[dict[str, dict[str, Any]]] = {
    "environment": {"name": "dev", "organization": "stand-in", "cost_centre": "stand-in"},
    "gcp": {
        "project": "stand-in",
        "project_number": "000000",
        "region": "us-nowhere1",
        "backup_region": "us-nowhere2",
        "jobs_image": _NO_IMAGE,
    },
    "aws": {
        "account_id": "0" * 12,
        "region": "us-nowhere-1",
        "backup_region": "us-nowhere-2",
        "jobs_image": _NO_IMAGE,
    },
    "vercel": {"team": "stand-in", "team_id": "team_standin0", "project": "stand-in"},
    "backups": {},
    "secrets": {},
    "monitoring": {"app_host": "app.example", "channels": {"email": ["nobody@app.example"]}},
    "delivery": {"host": "stand-in.example"},
}
# Sections whose fields are judged together: nothing found in them counts once one field is broken.
_JUDGED_WHOLE: Final = frozenset({"vercel", "delivery"})
_BY_NAME: Final = ("plans", "pools", "services", "tasks", "queues")
_WHOLE: Final = ""
"""In place of a field or a name: the section itself."""


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
        """Whether a problem that `resolve` found in `settings` is one of the file's own."""
        return not any(
            problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")) for path in self.unjudged
        )


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
    rest, positions, unjudged = _Rest(document, found).judgeable()
    return Parsed(settings=_validate(rest)[0], positions=positions, problems=tuple(found.values()), unjudged=unjudged)


def _validate(document: Mapping[str, Any]) -> tuple[Settings | None, list[tuple[Location, Problem]]]:
    try:
        # JSON mode: arrays become tuples and nothing else is coerced
        return Settings.model_validate_json(json.dumps(document, default=str)), []
    except ValidationError as error:
        return None, [located(detail, document) for detail in error.errors(include_url=False)]


class _Rest:
    """A document without its broken parts and without what leans on one of them."""

    def __init__(self, document: Mapping[str, Any], locations: Iterable[Location]) -> None:
        self._document = document
        self._broken: dict[str, set[int | str]] = {}
        for location in locations:
            part = location[1] if len(location) > 1 else _WHOLE
            self._broken.setdefault(str(location[0]), set()).add(part)

    def judgeable(self) -> tuple[dict[str, Any], tuple[int, ...], tuple[str, ...]]:
        """The rest, the positions of its tenants in the file, and the paths below which nothing found counts."""
        rest = {key: value for key, value in self._document.items() if key in Settings.model_fields}
        unjudged: list[str] = []
        for key in self._broken.keys() & _STAND_INS.keys():
            rest[key], paths = self._section(key)
            unjudged += paths
        for key in _BY_NAME:
            rest[key] = {name: value for name, value in self._entries(key).items() if not self._lost(key, name)}
            unjudged += [yaml_path((key, name) if name else (key,)) for name in self._broken.get(key, ())]
        self._drop_what_leans(rest)
        positions = self._place_tenants(rest)
        if self._lost("aws", "region"):  # a certificate is of the region that is lost
            unjudged += [yaml_path(("services", name, "certificate")) for name in rest["services"]]
        unjudged += self._lost_default(rest)
        return rest, positions, tuple(unjudged)

    def _lost(self, key: str, name: object) -> bool:
        broken = self._broken.get(key, set())
        return _WHOLE in broken or name in broken

    def _entries(self, key: str) -> dict[str, Any]:
        entries = self._document.get(key)
        return entries if isinstance(entries, dict) and not self._lost(key, _WHOLE) else {}

    def _section(self, key: str) -> tuple[dict[str, Any], list[str]]:
        """What is left of a section over its stand-ins, and what of it cannot be judged."""
        broken, section = self._broken[key], self._document.get(key)
        if _WHOLE in broken or not isinstance(section, dict):
            return dict(_STAND_INS[key]), [yaml_path((key,))]
        fields = {name: value for name, value in section.items() if name not in broken}
        if key == "aws" and "region" in broken:
            fields.pop("zones", None)
        paths = [yaml_path((key,))] if key in _JUDGED_WHOLE else [yaml_path((key, name)) for name in broken]
        return {**_STAND_INS[key], **fields}, paths

    def _drop_what_leans(self, rest: dict[str, Any]) -> None:
        """Plans on a lost pool, queues of a lost service, and choices among secrets whose list is lost."""
        rest["plans"] = {name: plan for name, plan in rest["plans"].items() if not self._on_lost_pool(plan)}
        rest["queues"] = {
            name: queue for name, queue in rest["queues"].items() if not self._lost("services", queue["service"])
        }
        if any(self._lost("secrets", field) for field in ("generated", "external")):
            for key in ("services", "tasks"):
                rest[key] = {name: _drop(entry, "secrets") for name, entry in rest[key].items()}
            if isinstance(rest.get("vercel"), dict):
                rest["vercel"] = _drop(rest["vercel"], "secrets", "log_drain")

    def _on_lost_pool(self, options: Mapping[str, Any]) -> bool:
        return options.get("pool") is not None and self._lost("pools", options["pool"])

    def _default_plan(self, rest: Mapping[str, Any]) -> str:
        default = EnvironmentSettings.model_fields["default_plan"].default
        return str(rest["environment"].get("default_plan", default))

    def _lost_plan(self, rest: Mapping[str, Any], name: str) -> bool:
        """Whether a plan is declared, or may be, and cannot be judged."""
        return name not in rest["plans"] and (self._lost("plans", name) or name in self._entries("plans"))

    def _lost_default(self, rest: Mapping[str, Any]) -> list[str]:
        return [yaml_path(("environment", "default_plan"))] if self._lost_plan(rest, self._default_plan(rest)) else []

    def _place_tenants(self, rest: dict[str, Any]) -> tuple[int, ...]:
        entries = self._document.get("tenants")
        tenants = entries if isinstance(entries, list) and not self._lost("tenants", _WHOLE) else []
        no_default = self._lost("environment", "default_plan")
        positions = tuple(
            position
            for position, entry in enumerate(tenants)
            if not self._lost("tenants", position)
            and not (no_default and not entry.get("plan"))
            and not self._lost_plan(rest, entry.get("plan") or self._default_plan(rest))
            and not self._on_lost_pool(entry)
        )
        rest["tenants"] = [tenants[position] for position in positions]
        return positions


def _drop(entry: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {field: value for field, value in entry.items() if field not in fields}


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
