"""The expressions of Google's Workflows language: parsed strictly, so that nothing of Python slips through."""

# ruff: noqa: ANN401, C901, PLR0911 - values of a dynamic language, and one branch for each of its forms

from __future__ import annotations

import json
import re
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

LONGEST_EXPRESSION = 400  # characters, a limit of the service

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>==|!=|<=|>=|//|[-+*/%<>()\[\],.]))"
)
_PRECEDENCE = {"or": 1, "and": 2, "in": 4, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4}
_PRECEDENCE |= {"+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6}
_CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False}


class WorkflowSyntaxError(Exception):
    """The text is not of the language."""


class WorkflowError(Exception):
    """An error that a workflow can catch; `value` is what `except: as` gives it."""

    def __init__(self, value: Any) -> None:
        super().__init__(json.dumps(value, default=str))
        self.value = value


def error(tag: str, message: str, **more: object) -> WorkflowError:
    return WorkflowError({"message": message, "tags": [tag], **more})


@dataclass(frozen=True)
class Node:
    """A parsed expression: constant, variable, call, list, index, unary or binary."""

    kind: str
    value: Any
    parts: tuple[Node, ...] = ()


def expression_of(value: object) -> str | None:
    """The text inside `${...}`; None for a value that is none.

    Raises:
        WorkflowSyntaxError: text around an expression, or one that is too long.
    """
    if not isinstance(value, str) or "${" not in value:
        return None
    if not (value.startswith("${") and value.endswith("}")) or value.count("${") > 1:
        raise WorkflowSyntaxError(f"an expression must be the whole value: {value}")
    if len(value) > LONGEST_EXPRESSION:
        raise WorkflowSyntaxError(f"an expression has at most {LONGEST_EXPRESSION} characters: {value}")
    return value[2:-1]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise WorkflowSyntaxError(f"cannot read {text[position:]!r} in {text!r}")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        self.tokens.append(("end", ""))

    def take(self, *expected: str) -> str:
        _, token = self.tokens.pop(0)
        if expected and token not in expected:
            raise WorkflowSyntaxError(f"expected {' or '.join(expected)} instead of {token!r} in {self.text!r}")
        return token

    @property
    def next(self) -> str:
        return self.tokens[0][1] if self.tokens[0][0] != "string" else "\0"

    def expression(self, least: int = 1) -> Node:
        if self.next == "not":
            self.take()
            left = Node("unary", "not", (self.expression(3),))
        elif self.next == "-":
            self.take()
            left = Node("unary", "-", (self.expression(7),))
        else:
            left = self.primary()
        while _PRECEDENCE.get(self.next, 0) >= least:
            operator = self.take()
            left = Node("binary", operator, (left, self.expression(_PRECEDENCE[operator] + 1)))
        return left

    def primary(self) -> Node:
        kind, token = self.tokens.pop(0)
        if kind == "number":
            node = Node("constant", float(token) if "." in token else int(token))
        elif kind == "string":
            node = Node("constant", json.loads(token))
        elif token == "(":
            node = self.expression()
            self.take(")")
        elif token == "[":
            node = Node("list", None, self.arguments("]"))
        elif kind == "name" and token in _CONSTANTS:
            node = Node("constant", _CONSTANTS[token])
        elif kind == "name":
            node = Node("variable", token)
        else:
            raise WorkflowSyntaxError(f"unexpected {token!r} in {self.text!r}")
        while self.next in (".", "[", "("):
            operator = self.take()
            if operator == ".":
                kind, name = self.tokens.pop(0)
                if kind != "name":
                    raise WorkflowSyntaxError(f"expected a name instead of {name!r} in {self.text!r}")
                node = Node("index", name, (node, Node("constant", name)))
            elif operator == "[":
                node = Node("index", None, (node, self.expression()))
                self.take("]")
            else:
                node = Node("call", dotted(node), self.arguments(")"))
        return node

    def arguments(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.next != end:
            found.append(self.expression())
            if self.next != end:
                self.take(",", end) if self.next == "," else self.take(end)
        self.take(end)
        return tuple(found)


def dotted(node: Node) -> str:
    if node.kind == "variable":
        return str(node.value)
    if node.kind == "index" and node.value is not None:
        return f"{dotted(node.parts[0])}.{node.value}"
    raise WorkflowSyntaxError("only a name can be called")


def parse(text: str) -> Node:
    parser = _Parser(text)
    node = parser.expression()
    if parser.tokens[0][0] != "end":
        raise WorkflowSyntaxError(f"unexpected {parser.tokens[0][1]!r} in {text!r}")
    for call in walk(node):
        if call.kind == "call" and call.value not in FUNCTIONS:
            raise WorkflowSyntaxError(f"no such function {call.value!r} in {text!r}")
    return node


def walk(node: Node) -> list[Node]:
    return [node, *(inner for part in node.parts for inner in walk(part))]


def _format(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _get(source: Any, key: Any) -> Any:
    return source.get(key) if isinstance(source, Mapping) else None


# The part of the standard library that the workflows use.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "default": lambda value, other: other if value is None else value,
    "if": lambda condition, yes, no: yes if condition else no,
    "int": int,
    "json.encode_to_string": lambda value: json.dumps(value, separators=(",", ":")),
    "len": len,
    "list.concat": lambda source, item: [*source, item],
    "map.get": _get,
    "sys.get_env": lambda name: name,  # the interpreter knows the variables
    "sys.now": clock.time,  # the interpreter has a clock of its own
    "text.match_regex": lambda source, pattern: re.search(pattern, source) is not None,
    "text.replace_all": lambda source, old, new: source.replace(old, new),
    "text.substring": lambda source, start, end: source[start:end],
    "text.url_encode": lambda source: quote(source, safe=""),
    "time.format": _format,
    "time.parse": lambda text: datetime.fromisoformat(text).timestamp(),
}


def evaluate(node: Node, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Evaluate; types are not converted, and a missing variable or key is an error that a workflow can catch."""
    match node.kind:
        case "constant":
            return node.value
        case "variable":
            if node.value not in variables:
                raise error("KeyError", f"variable {node.value} is not defined")
            return variables[node.value]
        case "list":
            return [evaluate(part, variables, functions) for part in node.parts]
        case "call":
            return functions[node.value](*(evaluate(part, variables, functions) for part in node.parts))
        case "index":
            source, key = (evaluate(part, variables, functions) for part in node.parts)
            try:
                return source[key]
            except (KeyError, IndexError, TypeError):
                raise error("KeyError", f"key {key!r} is not in {source!r}") from None
        case "unary":
            value = evaluate(node.parts[0], variables, functions)
            return not value if node.value == "not" else -value
        case _:
            return _binary(node, variables, functions)


def _binary(node: Node, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    left = evaluate(node.parts[0], variables, functions)
    if node.value in ("and", "or"):
        for_right = left if node.value == "and" else not left
        return bool(evaluate(node.parts[1], variables, functions)) if for_right else node.value == "or"
    right = evaluate(node.parts[1], variables, functions)
    try:
        return _OPERATORS[node.value](left, right)
    except TypeError:
        raise error("TypeError", f"{left!r} {node.value} {right!r}") from None


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "in": lambda left, right: left in right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
}
