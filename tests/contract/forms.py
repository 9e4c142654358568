"""How a provider's input can differ from the API's property: the words that the tables are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class At:
    """The value belongs at another place of the API's object, and may be written another way there.

    `path` starts at the API object that encloses the property ("" is that object itself; `[]` is a list's item, `{}` a
    map's value). `each` says that the provider has a list where the API has one object, or a map. `worded` names
    the API property whose description lists the allowed values in prose. `^` starts a path at the whole request body,
    and `Operation:` at the body of another call. `via` turns the value into the API's form.
    """

    path: str
    each: bool = False
    worded: str | None = None
    via: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Attribute:
    """The value is one of many attributes that the API takes as text by name; `listed` is where it names them all."""

    name: str
    listed: str


@dataclass(frozen=True)
class Outside:
    """The API's create call has no such property: nothing here can judge it, so it is listed with this reason."""

    reason: str


@dataclass(frozen=True)
class Resource:
    """How one Pulumi type is sent: the method that creates it, the URL's parameters, and what the body calls the rest.

    `arguments` maps a parameter of the method to a template over the inputs; `{x:last}` takes the last segment of a
    resource path. `root` is where the resource stands inside the request body. `differences` is keyed by input path.
    """

    document: str
    method: str
    arguments: Mapping[str, str]
    root: str = ""
    differences: Mapping[str, At | Outside] = field(default_factory=lambda: MappingProxyType({}))


ON_DELETE = Outside("steers the provider on delete; the API never sees it")
PROVIDER_ONLY = Outside("steers the provider on create; the API never sees it")

PROJECT = "projects/{project}"

Difference = At | Attribute | Outside


def grant(document: str, method: str, arguments: Mapping[str, str], *, root: str = "policy.bindings.[]") -> Resource:
    """One binding of an IAM policy; `IAMMember` types hold one member of it, `IAMBinding` types all of them."""
    return Resource(document, method, arguments, root=root, differences={"member": At("members.[]")})
