"""JSON Schema of a whole stack file, for editors and for people who check files without Pulumi."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from settings.load import EXTERNAL_SECRETS, NAMESPACE
from settings.models import Settings
from settings.types import CLOUDS, RESERVED_SECRET_NAMES

SCHEMA_FILE: Final = Path(__file__).parent / "stack.schema.json"

# An encrypted value, as `pulumi config set --secret` writes it. Plain text does not match.
_ENCRYPTED: Final = {
    "type": "object",
    "description": "A value that Pulumi has encrypted.",
    "properties": {
        "secure": {
            "type": "string",
            "minLength": 1,
            "description": "Cipher text; `pulumi config set --secret` writes it.",
        }
    },
    "required": ["secure"],
    "additionalProperties": False,
}
# What Pulumi itself writes beside `config` (Pulumi documentation, stack settings file reference).
_PULUMI_KEYS: Final[dict[str, Any]] = {
    "secretsprovider": {"type": "string", "description": "Provider that encrypts this stack's secrets."},
    "encryptedkey": {"type": "string", "description": "Data key, encrypted by the secrets provider."},
    "encryptionsalt": {"type": "string", "description": "Salt of a passphrase."},
    "environment": {"description": "Pulumi ESC environments to import."},
}


def stack_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): `tenantry:` keys from the models, unknown ones refused; other namespaces allowed."""
    schema = _tidy(Settings.model_json_schema())
    properties = {f"{NAMESPACE}:{field}": inner for field, inner in schema["properties"].items()}
    properties[f"{NAMESPACE}:{EXTERNAL_SECRETS}"] = {
        "type": "object",
        "description": "Values of `secrets.external`, each set with `pulumi config set --secret --path`.",
        "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]*$", "not": {"enum": sorted(RESERVED_SECRET_NAMES)}},
        "additionalProperties": {"$ref": "#/$defs/EncryptedValue"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of Tenantry",
        "description": "Pulumi.<stack>.yaml: one environment and its tenants.",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "description": "Configuration by namespace.",
                "properties": properties,
                "patternProperties": {f"^(?!{NAMESPACE}:)[^:]+:.+$": {}},
                "required": [f"{NAMESPACE}:{field}" for field in schema["required"]],
                "anyOf": [{"required": [f"{NAMESPACE}:{cloud}"]} for cloud in CLOUDS],
                "additionalProperties": False,
            },
            **_PULUMI_KEYS,
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": {**schema["$defs"], "EncryptedValue": _ENCRYPTED},
    }


def render() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Closed mappings, descriptions on one line, and no titles, which only repeat the name."""

    def tidy(node: Any, *, named: bool = False) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(node, list):
            return [tidy(value) for value in node]
        if not isinstance(node, dict):
            return node
        if named:  # the keys are names of properties or definitions, not keywords
            return {key: tidy(value) for key, value in node.items()}
        tidied = {
            key: " ".join(value.split())
            if key == "description"
            else tidy(value, named=key in {"properties", "patternProperties", "$defs"})
            for key, value in node.items()
            if key != "title"
        }
        return tidied | ({"additionalProperties": False} if "patternProperties" in node else {})

    tidied: dict[str, Any] = tidy(schema)
    return tidied
