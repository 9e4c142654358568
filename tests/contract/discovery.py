"""Google's API discovery documents, as google-api-python-client ships them: a judge not written here."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
_FOLDER = resources.files("googleapiclient") / "discovery_cache" / "documents"
_SCALARS = frozenset({"string", "integer", "number", "boolean", "any", "array"})


class Source(Protocol):
    """What schemas come from: a discovery document, or another cloud's model put into the same words."""

    key: str
    schemas: Json

    @staticmethod
    def normal(name: str) -> str:
        """A property's name as the schemas have it."""


class Node(NamedTuple):
    """A schema together with the document that its references point into."""

    document: Source
    schema: Json

    def resolve(self) -> Node:
        """Follow `$ref`; what stands beside the reference (readOnly, deprecated) is kept."""
        schema = self.schema
        while "$ref" in schema:
            target = self.document.schemas[schema["$ref"]]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return Node(self.document, schema)

    @property
    def type(self) -> str:
        """Discovery's own type name: string, integer, number, boolean, array, object or any."""
        declared = self.schema.get("type", "object")
        if declared not in _SCALARS and declared != "object":
            raise LookupError(f"{self.document.key}: schema type {declared!r} is not one that discovery defines")
        return str(declared)

    def member(self, name: str) -> Node | None:
        """The schema of one property, or None where the API does not know it."""
        found = self.schema.get("properties", {}).get(self.document.normal(name))
        return None if found is None else Node(self.document, found).resolve()

    @property
    def items(self) -> Node:
        return Node(self.document, self.schema["items"]).resolve()

    @property
    def map_values(self) -> Node | None:
        """What the values of a free-form map must be; None where the object has fixed properties."""
        found = self.schema.get("additionalProperties")
        return None if found is None else Node(self.document, found).resolve()

    def at(self, path: str) -> Node:
        """The node under a dotted path, `[]` for a list's items, `{}` for a map's values; "" is the node itself.

        Raises:
            LookupError: the API has no such path, so a table of this package is out of date.
        """
        node = self
        for part in filter(None, path.split(".")):
            found = node.items if part == "[]" else node.map_values if part == "{}" else node.member(part)
            if found is None:
                raise LookupError(f"{self.document.key}: no {part!r} on the way to {path!r}")
            node = found
        return node


class Method(NamedTuple):
    """One API method: its parameters, the schema of its body and the shape of its URL."""

    document: Document
    raw: Json

    @property
    def parameters(self) -> Json:
        return dict(self.raw.get("parameters", {}))

    @property
    def request(self) -> Node | None:
        body = self.raw.get("request")
        return None if body is None else Node(self.document, body).resolve()

    def parameter(self, name: str) -> Node | None:
        """The method's own parameter, or one that every method of the service takes (`alt`, `fields`)."""
        found = self.parameters.get(name) or self.document.raw.get("parameters", {}).get(name)
        return None if found is None else Node(self.document, found)

    def matches(self, url: str, *, several: str | None = None) -> bool:
        """Whether the URL (without its query) is one that this method is served under.

        `several` stands in the URL for any number of parts; it takes at least one literal part to tell methods apart.
        """
        paths = [self.document.raw["servicePath"] + path for path in self._paths()]
        if self.upload_path is not None:
            paths.append(self.upload_path)
        given = urlsplit(url).path.lstrip("/")
        if several is not None:
            wanted = re.compile(r"/.+".join(re.escape(part) for part in given.split(several)))
            return any(wanted.fullmatch(re.sub(r"\{[^}]*\}", "_", path)) for path in paths)
        patterns = (re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) for path in paths)
        return any(re.fullmatch(pattern, given) for pattern in patterns)

    def _paths(self) -> Iterator[str]:
        """The method's own path, and those that the description of what stands in it has besides."""
        path = str(self.raw["path"])
        yield str(self.raw.get("flatPath") or path)
        for name in re.findall(r"\{\+(\w+)\}", path):
            for form in re.findall(r"`(\w+/\{[^`]*)`", self.parameters[name].get("description", "")):
                yield path.replace(f"{{+{name}}}", form)

    @property
    def upload_path(self) -> str | None:
        """The path that takes an object's bytes as the body, where the method has one."""
        simple = self.raw.get("mediaUpload", {}).get("protocols", {}).get("simple")
        return None if simple is None else str(simple["path"]).lstrip("/")


class Document:
    """One service's discovery document, such as `sqladmin.v1`."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.raw: Json = json.loads((_FOLDER / f"{key}.json").read_text(encoding="utf-8"))
        self.schemas: Json = self.raw.get("schemas", {})

    @staticmethod
    def normal(name: str) -> str:
        return name

    @property
    def host(self) -> str:
        return str(urlsplit(self.raw["rootUrl"]).netloc)

    def schema(self, name: str) -> Node:
        return Node(self, {"$ref": name}).resolve()

    def method(self, dotted: str) -> Method | None:
        """The method under a dotted path such as `projects.locations.jobs.run`, or None."""
        *resource_path, name = dotted.split(".")
        level: Json = self.raw
        for part in resource_path:
            level = level.get("resources", {}).get(part, {})
        found = level.get("methods", {}).get(name)
        return None if found is None else Method(self, found)

    def methods(self) -> list[Method]:
        """Every method of the service."""
        found: list[Method] = []
        pending: list[Json] = [self.raw]
        while pending:
            level = pending.pop()
            found.extend(Method(self, raw) for raw in level.get("methods", {}).values())
            pending.extend(level.get("resources", {}).values())
        return found


@cache
def document(key: str) -> Document:
    """Load a document once per process.

    Raises:
        FileNotFoundError: the client library has no document of that service and version.
    """
    return Document(key)


@cache
def versions(service: str) -> tuple[str, ...]:
    """The versions of a service that there are documents of, by the service's short name."""
    names = sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.startswith(f"{service}."))
    return tuple(name.removeprefix(f"{service}.").removesuffix(".json") for name in names)


@cache
def serves(host: str) -> tuple[Document, ...]:
    """The documents of the service behind a host name such as `sqladmin.googleapis.com`."""
    service = host.removesuffix(".googleapis.com")
    found = tuple(document(f"{service}.{version}") for version in versions(service))
    return tuple(doc for doc in found if doc.host == host)


def texts() -> Iterator[bytes]:
    """The raw text of every document, for names that stand only in prose."""
    for entry in _FOLDER.iterdir():
        if entry.name.endswith(".json"):
            yield entry.read_bytes()
