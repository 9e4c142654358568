"""AWS's service models, as botocore ships them: a judge not written here.

The models are put into the words of the other judge, the discovery documents, so that one walk serves both clouds.
Names lose their case, because the bridge's camel case and the API's spelling of acronyms differ in nothing else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session

from tests.contract.discovery import Json, Node

_NUMBERS = {"integer": "int32", "long": "int64"}
_PARTS_OF_A_LIST = frozenset({"Items", "Quantity", "Enabled"})
_TAG = re.compile(r"<[^>]+>")

# Patterns are written for Java. Python's own engine has no names of Unicode properties (the digits, letters and
# separators of the tables are `\d`, `\w` and `\s`), no surrogates, and flags only at the start or for a group.
_JAVA = (
    (r"\p{L}", r"\w"),
    (r"\p{N}", r"\d"),
    (r"\p{Z}", r"\s"),
    (r"\p{Print}", "[ -~]"),
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"),
    ("(?i).*<script>.*", "(?i:.*<script>.*)"),
)


class Model:
    """One service's model, such as `rds`."""

    def __init__(self, service: str) -> None:
        self.key = service
        self.raw: Json = _session().get_component("data_loader").load_service_model(service, "service-2")
        self.schemas: Json = {name: _schema(shape, self.raw["shapes"]) for name, shape in self.raw["shapes"].items()}

    @staticmethod
    def normal(name: str) -> str:
        return name.lower()

    def request(self, operation: str) -> Node:
        """The parameters of an operation such as `CreateDBInstance`.

        Raises:
            LookupError: the service has no such operation, so a table of this package is out of date.
        """
        found = self.raw["operations"].get(operation)
        if found is None:
            raise LookupError(f"{self.key} has no operation {operation}")
        shape = found.get("input", {}).get("shape")
        return Node(self, {"properties": {}} if shape is None else {"$ref": shape}).resolve()


def _schema(shape: Json, shapes: Json) -> Json:
    kind = shape["type"]
    schema: Json = {"description": _TAG.sub(" ", shape.get("documentation", ""))}
    if kind == "structure":
        _structure(schema, shape, shapes)
    elif kind == "list":
        schema |= {"type": "array", "items": _reference(shape["member"])}
        _limit(schema, shape, "minItems", "maxItems")
    elif kind == "map":
        schema |= {"type": "object", "additionalProperties": _reference(shape["value"])}
    elif kind in _NUMBERS:
        schema |= {"type": "integer", "format": _NUMBERS[kind]}
        _limit(schema, shape, "minimum", "maximum")
    elif kind in {"double", "float"}:
        schema["type"] = "number"
        _limit(schema, shape, "minimum", "maximum")
    elif kind == "boolean":
        schema["type"] = "boolean"
    else:
        _text(schema, shape, kind)
    return schema


def _structure(schema: Json, shape: Json, shapes: Json) -> None:
    members = shape["members"]
    if "Items" in members and members.keys() <= _PARTS_OF_A_LIST:
        # CloudFront counts its lists; the bridge has the items alone.
        items = shapes[members["Items"]["shape"]]
        schema |= {"type": "array", "items": _reference(items["member"])}
    else:
        properties = {name.lower(): _reference(member) for name, member in members.items()}
        schema |= {"type": "object", "properties": properties}


def _text(schema: Json, shape: Json, kind: str) -> None:
    schema["type"] = "string"
    if kind == "timestamp":
        schema["format"] = "date-time"
    if "enum" in shape:
        schema["enum"] = shape["enum"]
    if "pattern" in shape:
        schema["pattern"] = in_python(shape["pattern"])
    _limit(schema, shape, "minLength", "maxLength")


def _limit(schema: Json, shape: Json, lowest: str, highest: str) -> None:
    schema |= {name: shape[key] for name, key in ((lowest, "min"), (highest, "max")) if key in shape}


def _reference(member: Json) -> Json:
    reference = {"$ref": member["shape"]}
    if "documentation" in member:
        reference["description"] = _TAG.sub(" ", member["documentation"])
    return reference


def in_python(pattern: str) -> str:
    """The pattern as Python's engine reads it."""
    for java, python in _JAVA:
        pattern = pattern.replace(java, python)
    return pattern


@cache
def _session() -> Any:  # noqa: ANN401 - botocore has no types
    return botocore.session.get_session()


@cache
def model(service: str) -> Model:
    """Load a model once per process.

    Raises:
        botocore.exceptions.UnknownServiceError: there is no such service.
    """
    return Model(service)


@cache
def regions(service: str) -> frozenset[str]:
    """The regions of the public cloud in which the service has an endpoint."""
    return frozenset(_session().get_available_regions(service))
