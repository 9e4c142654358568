"""Walk a value along an API schema and judge every leaf."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from pulumi.runtime import rpc

from tests.contract.differences import REFERENCES
from tests.contract.discovery import Node, document
from tests.contract.forms import At, Attribute, Difference, Outside
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.values import is_free, problem_in_words, problem_of, problem_of_length


class Place(NamedTuple):
    """Where a value stands: `exact` with list positions, for people; `pattern` without, for the tables."""

    exact: str = ""
    pattern: str = ""

    def child(self, name: str) -> Place:
        dot = "." if self.exact else ""
        return Place(f"{self.exact}{dot}{name}", f"{self.pattern}{dot}{name}")

    def item(self, position: int) -> Place:
        return Place(f"{self.exact}[{position}]", f"{self.pattern}[]")

    @property
    def leaf(self) -> str:
        return self.pattern.removesuffix("[]").rpartition(".")[2]


Extra = Callable[[Report, Place, Any], None]


def is_unknown(value: object) -> bool:
    """Whether Pulumi has yet to compute the value."""
    return isinstance(value, str) and value == rpc.UNKNOWN


def plain(value: object) -> object:
    """Take the secret and output wrappers of Pulumi's wire format off, at every depth."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) in {rpc._special_secret_sig, rpc._special_output_value_sig}:
            return plain(value.get("value", rpc.UNKNOWN))
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def singulars(name: str) -> tuple[str, ...]:
    """The API names that the bridge may have made a plural list name of."""
    found = [name.removesuffix("s")] if name.endswith("s") else []
    if name.endswith("es"):
        found.append(name.removesuffix("es"))
    if name.endswith("ies"):
        found.append(name.removesuffix("ies") + "y")
    return tuple(found)


@dataclass(frozen=True)
class Walker:
    """One walk: the table of differences, the request body's schema, and what else to do with each leaf.

    `calls` finds the body of another operation by name.
    """

    report: Report
    body: Node | None = None
    differences: Mapping[str, Difference] = field(default_factory=lambda: MappingProxyType({}))
    extra: Extra | None = None
    unknown: Callable[[Any], bool] = is_unknown
    calls: Callable[[str], Node] | None = None

    def fail(self, place: Place, value: object, why: str) -> None:
        self.report.problems.append(Problem(place.exact, value, why))

    def properties(self, place: Place, value: Mapping[str, Any], node: Node) -> None:
        """Judge each property of an object against the API object that it is in."""
        for name, item in value.items():
            if item is not None:
                self._property(place.child(name), name, item, node)

    def _property(self, place: Place, name: str, value: object, node: Node) -> None:
        difference = self.differences.get(place.pattern)
        if isinstance(difference, Outside):
            self.report.unchecked.append(Unchecked(place.pattern, difference.reason))
        elif self.unknown(value):
            self.report.unknown += 1
        elif isinstance(difference, Attribute):
            self._attribute(place, value, node, difference)
        elif difference is not None:
            self._elsewhere(place, value, node, difference)
        else:
            self._by_name(place, name, value, node)

    def _by_name(self, place: Place, name: str, value: object, node: Node) -> None:
        found = node.member(name)
        if found is None and isinstance(value, list):
            candidates = (node.member(singular) for singular in singulars(name))
            found = next((one for one in candidates if one is not None and one.type == "array"), None)
        if found is None:
            known = ", ".join(sorted(node.schema.get("properties", {})))
            self.fail(place, value, f"the API has no such property; it has {known or 'none'}")
        elif found.schema.get("readOnly"):
            self.fail(place, value, "read-only: the API sets it and takes no input")
        else:
            self.value(place, value, found)

    def _elsewhere(self, place: Place, value: object, node: Node, difference: At) -> None:
        target = self._resolve(difference.path, node)
        if difference.via is not None:
            try:
                value = difference.via(value)
            except (KeyError, TypeError, ValueError) as error:
                self.fail(place, value, f"cannot be put in the API's form: {error!r}")
                return
        words = None
        if difference.worded is not None:
            words = str(self._resolve(difference.worded, node).schema["description"])
        if difference.each and isinstance(value, list):
            for position, item in enumerate(value):
                self.value(place.item(position), item, target, words)
        else:
            self.value(place, value, target, words)

    def _attribute(self, place: Place, value: object, node: Node, difference: Attribute) -> None:
        words = str(self._resolve(difference.listed, node).schema["description"])
        self.report.checked += 1
        if isinstance(value, list):
            self.fail(place, value, "a list where the API has text")
        elif not _names(words, difference.name):
            self.fail(place, value, f"the API lists no attribute {difference.name}: {words}")
        elif why := problem_in_words(value, difference.name, words):
            self.fail(place, value, why)
        else:
            self.report.free.add(place.pattern)
            if self.extra is not None:
                self.extra(self.report, place, value)

    def _resolve(self, path: str, node: Node) -> Node:
        operation, colon, rest = path.partition(":")
        if colon and self.calls is not None:
            return self.calls(operation).at(rest)
        if not path.startswith("^"):
            return node.at(path)
        if self.body is None:
            raise LookupError(f"{path}: the method takes no body")
        return self.body.at(path.removeprefix("^"))

    def value(self, place: Place, value: object, node: Node, words: str | None = None) -> None:
        """Judge a value of any kind against its schema; `words` is prose that must name it."""
        if value is None:
            return
        if self.unknown(value):
            self.report.unknown += 1
        elif node.type == "array":
            self._list(place, value, node, words)
        elif node.type == "object":
            self._object(place, value, node)
        elif isinstance(value, dict | list) and node.type != "any":
            kind = "a list" if isinstance(value, list) else "an object"
            self.fail(place, value, f"{kind} where the API has {node.type}")
        else:
            self._leaf(place, value, node, words)

    def _list(self, place: Place, value: object, node: Node, words: str | None) -> None:
        if not isinstance(value, list):
            self.fail(place, value, "not a list")
            return
        why = problem_of_length(value, node)
        if why is not None:
            self.fail(place, value, why)
        for position, item in enumerate(value):
            self.value(place.item(position), item, node.items, words)

    def _object(self, place: Place, value: object, node: Node) -> None:
        if not isinstance(value, dict):
            self.fail(place, value, "not an object")
        elif node.map_values is not None:
            for key, item in value.items():
                # Keys of a map are data: one pattern stands for all of them.
                self.value(Place(place.child(key).exact, f"{place.pattern}.*"), item, node.map_values)
        else:
            self.properties(place, value, node)

    def _leaf(self, place: Place, value: object, node: Node, words: str | None) -> None:
        self.report.checked += 1
        why = problem_of(value, node)
        if why is None and words is not None and not _names(words, value):
            why = f"not among the values that the API's description names: {words}"
        if why is None and place.leaf in REFERENCES:
            why = _reference(value, *REFERENCES[place.leaf])
        elif why is None and words is None and is_free(node):
            self.report.free.add(place.pattern)
        if why is not None:
            self.fail(place, value, why)
        elif self.extra is not None:
            self.extra(self.report, place, value)


def _names(words: str, value: object) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(str(value))}(?![\w-])", words) is not None


def _reference(value: object, key: str, method: str, parameter: str) -> str | None:
    reader = document(key).method(method)
    node = None if reader is None else reader.parameter(parameter)
    if node is None:
        raise LookupError(f"{key} has no {method}({parameter})")
    return problem_of(value, node)
