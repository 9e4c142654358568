"""docs/configuration.md: every setting, from the models' own descriptions and limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel

from settings.defaults import FLOORS, INSTANCE_DEFAULTS, NOT_ENFORCED_ON_GUESTS, TENANT_DEFAULTS
from settings.models import InstanceOptions, TenantOptions
from settings.recovery_figures import figures
from settings.schema import stack_schema
from settings.types import (
    CLOUD_OF_KIND,
    CLOUD_TITLES,
    RESERVED_SECRET_NAMES,
    RESERVED_SECRET_PREFIXES,
    RESERVED_TENANT_IDS,
    FailureScope,
    Kind,
)

DOCS_FILE: Final = Path(__file__).parent.parent / "docs" / "configuration.md"

_INTRODUCTION: Final = """\
# Configuration

Generated from `settings/` by `python -m settings docs`; edit the descriptions there.

Each stack has one file, `Pulumi.<stack>.yaml`. Every section below is a key `tenantry:<section>` under its `config:`.
`python -m settings check` reads all stack files and prints every mistake at once, with its place, its value and the
fix; `pulumi preview` does the same before it registers anything. Editors that know `yaml-language-server` complete and
check while you write, from `settings/stack.schema.json`, which the first line of each stack file names.

**Layers.** A tenant's options come from the built-in defaults, then its plan, then its own entry. What is not written
(or has no value, as in `pool:`) falls through to the layer below; `false` and `0` are values. `instance`, `external`
and `firestore` are layered option by option, `targets` scope by scope. Options that a kind or a placement would ignore
are refused where they are written: a shared tenant or plan has no `instance` or `region`, a dedicated one no `pool`,
one of another kind than cloudsql and rds none of them.

**Clouds.** A stack has a Google Cloud project (`tenantry:gcp`), an AWS account (`tenantry:aws`), or both, and then
`environment.home` says which one holds application secrets, services, tasks, queues, delivery and external tenants.

**Secrets.** Values are never in the file but encrypted by Pulumi, under `tenantry:external_secrets`: one for each name
in `secrets.external`, and for each external tenant `<ID>_DATABASE_URL` (`ACME_CO_DATABASE_URL` for `acme-co`) and, with
`separate_backup_login`, `<ID>_BACKUP_DATABASE_URL`. Such a URL must name a public host, a login, a database of the
tenant's own and an `sslmode` of `require`, `verify-ca` or `verify-full`; it is looked into and never repeated. The one
that exports use must not lead to a pooler of transactions (Neon's `-pooler` hosts, Supabase's port 6543).

**Floors.** A value below the floor of its environment is refused, never raised in silence.
"""

_KINDS: Final[dict[Kind, str]] = {
    "cloudsql": "a PostgreSQL database of its own on a pool, or an instance of its own (Cloud SQL)",
    "rds": "a PostgreSQL database of its own on a pool, or an instance of its own (RDS)",
    "firestore": "a Firestore database of its own",
    "external": "secrets, logical exports, restore drills and watching for a PostgreSQL that somebody else runs",
}


_NESTED_DEFAULTS: Final[dict[str, BaseModel | None]] = {
    "ExternalOptions": TENANT_DEFAULTS.external,
    "FirestoreOptions": TENANT_DEFAULTS.firestore,
}


def render() -> str:
    """The page as the committed file holds it."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    schema = stack_schema()
    yield _INTRODUCTION
    yield from _floors()
    yield from _kinds()
    yield from _recovery()
    definitions: Mapping[str, Any] = schema["$defs"]
    sections: Mapping[str, Any] = schema["properties"]["config"]["properties"]
    required = schema["properties"]["config"]["required"]
    yield "## Sections"
    yield ""
    yield from _table(
        ("Key", "Type", "Needed", "Meaning"),
        [
            (f"`{key}`", _type(value), "yes" if key in required else "no", value["description"])
            for key, value in sections.items()
        ],
    )
    for name, definition in definitions.items():
        if definition["type"] == "object":
            yield from _model(name, definition)
    yield "## Words that are taken"
    yield ""
    yield f"Tenant ids: {_words(sorted(RESERVED_TENANT_IDS))}."
    yield ""
    prefixes = [f"{prefix}*" for prefix in RESERVED_SECRET_PREFIXES]
    yield f"Names of secrets: {_words([*sorted(RESERVED_SECRET_NAMES), *prefixes])}."


def _floors() -> Iterator[str]:
    names = [field.name for field in fields(FLOORS["dev"])]
    rows = [(f"`{name}`", *(_literal(getattr(floor, name)) for floor in FLOORS.values())) for name in names]
    yield from _table(("Floor", *FLOORS), rows)


def _kinds() -> Iterator[str]:
    yield "## Kinds of database"
    yield ""
    runs_on = {
        kind: "the home cloud keeps its secrets" if cloud is None else CLOUD_TITLES[cloud]
        for kind, cloud in CLOUD_OF_KIND.items()
    }
    yield from _table(
        ("Kind", "What a tenant gets", "Where"), [(f"`{kind}`", _KINDS[kind], where) for kind, where in runs_on.items()]
    )
    yield "What Tenantry guarantees on its own databases and cannot enforce on an external one:"
    yield ""
    yield from (f"- {point}" for point in NOT_ENFORCED_ON_GUESTS)
    yield ""


def _recovery() -> Iterator[str]:
    """The figures of `settings.recovery_targets`, by failure scope."""
    yield "## Recovery targets"
    yield ""
    yield (
        "A target below these minutes (recovery point / recovery time) is refused, with the setting that would improve "
        "it. The drills prove or correct them."
    )
    yield ""
    scopes: tuple[FailureScope, ...] = get_args(FailureScope)
    yield from _table(("Database", *scopes), figures(scopes))


def _model(name: str, definition: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield definition["description"]
    yield ""
    required = definition.get("required", ())
    rows = [
        (
            f"`{field}`",
            _type(value),
            "needed" if field in required else _default(name, field, value),
            value["description"],
        )
        for field, value in definition["properties"].items()
    ]
    yield from _table(("Setting", "Type", "Default", "Meaning"), rows)


def _default(model: str, field: str, value: Mapping[str, Any]) -> str:
    if model in {"InstanceOptions", "PoolSettings"} and field in InstanceOptions.model_fields:
        return _by_kind(field)
    if model == "TenantSettings" and field in TenantOptions.model_fields:
        return "the plan's"
    built_in = value.get("default")
    if model == "PlanSettings":
        built_in = getattr(TENANT_DEFAULTS, field)
    elif model in _NESTED_DEFAULTS:
        built_in = getattr(_NESTED_DEFAULTS[model], field)
    if isinstance(built_in, BaseModel | dict):
        return "as below" if built_in else "none"
    return "unset" if built_in is None else _literal(built_in)


def _by_kind(field: str) -> str:
    """The built-in default of an instance's option: one for all kinds, or one for each that has it."""
    by_kind = {kind: getattr(options, field) for kind, options in INSTANCE_DEFAULTS.items()}
    literals = {kind: _literal(value) for kind, value in by_kind.items() if value is not None}
    if not literals:
        return "unset"
    if len(literals) == len(by_kind) and len(set(literals.values())) == 1:
        return next(iter(literals.values()))
    return ", ".join(f"{literal} ({kind})" for kind, literal in literals.items())


def _type(value: Mapping[str, Any]) -> str:
    """A property's type and limits, in words."""
    options = [option for option in value.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return " or ".join(_type(option) for option in options)
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    words = value.get("enum", [value["const"]] if "const" in value else [])
    return _words(words) if words else _plain_type(value)


def _plain_type(value: Mapping[str, Any]) -> str:
    match value["type"]:
        case "array":
            return f"list of {_type(value['items'])}"
        case "object":
            inner = [*value.get("patternProperties", {}).values(), value["additionalProperties"]][0]
            return f"mapping of names to {_type(inner)}"
        case "integer" | "number" as kind:
            return f"{'whole number' if kind == 'integer' else 'number'}{_limits(value)}"
        case "boolean":
            return "`true`, `false`"
        case _:
            return "text"


def _limits(value: Mapping[str, Any]) -> str:
    least, most = value.get("minimum"), value.get("maximum")
    above, below = value.get("exclusiveMinimum"), value.get("exclusiveMaximum")
    limits = [
        f"{word} {limit}"
        for word, limit in (("from", least), ("above", above), ("to", most), ("below", below))
        if limit is not None
    ]
    return f" {' '.join(limits)}" if limits else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, tuple("---" for _ in head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _literal(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _words(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
