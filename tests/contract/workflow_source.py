"""Judge a Workflow's source: every API call it makes must be one that the API has, with the arguments it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.contract.discovery import Method, Node, document, serves, versions
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.values import problem_of
from tests.contract.walk import Place, Walker

_EXPRESSION = "${"
_HTTP = {"http.get": "GET", "http.post": "POST", "http.put": "PUT", "http.patch": "PATCH", "http.delete": "DELETE"}
# Every connector takes these besides the method's own parameters: how long to wait and poll, and which region to call.
_CONNECTOR_ARGUMENTS = frozenset({"connector_params", "location"})
_CONNECTOR_PARAMS = frozenset({"timeout", "polling_policy", "skip_polling", "scopes"})
# Helpers that exist only as connectors, so no discovery document has them.
_CONNECTOR_ONLY = frozenset({"accessString", "addVersionString"})
_COMPUTED = "x"
_NOTHING_LITERAL = re.compile(rf"https://[^/]+/v\d\w*/{_COMPUTED}")
_LONGEST_EXPRESSION = 400  # characters, a limit of the language


def check_source(report: Report, place: Place, source: str) -> None:
    """Parse the source and judge every call in it; places are step paths such as `main.steps[2].export`."""
    try:
        program = yaml.safe_load(source)
    except yaml.YAMLError as error:
        report.problems.append(Problem(place.exact, source, f"not YAML: {error}"))
        return
    if not isinstance(program, dict):
        report.problems.append(Problem(place.exact, source, "not a map of workflows"))
        return
    for step, inner in _calls(program, place):
        _call(report, inner, step, frozenset(program))
    for inner, text in _strings(program, place):
        if text.startswith(_EXPRESSION) and len(text) > _LONGEST_EXPRESSION:
            report.problems.append(Problem(inner.exact, text, f"expression over {_LONGEST_EXPRESSION} characters"))


def _calls(value: object, place: Place) -> Iterator[tuple[Mapping[str, Any], Place]]:
    if isinstance(value, dict):
        if isinstance(value.get("call"), str):
            yield value, place
        for key, item in value.items():
            yield from _calls(item, place.child(str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _calls(item, place.item(position))


def _strings(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, place.child(str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _strings(item, place.item(position))
    elif isinstance(value, str):
        yield place, value


def _call(report: Report, place: Place, step: Mapping[str, Any], workflows: frozenset[str]) -> None:
    name, arguments = step["call"], step.get("args") or {}
    where = place.child("call")
    if name.startswith("googleapis."):
        _connector(report, place, name, arguments)
    elif name in _HTTP or name == "http.request":
        _http(report, place, name, arguments)
    elif "." in name:
        report.unchecked.append(Unchecked(f"call {name}", "the language's own library has no discovery document"))
    elif name not in workflows:
        report.problems.append(Problem(where.exact, name, f"no such subworkflow; there are {', '.join(workflows)}"))
    else:
        report.checked += 1


def _connector(report: Report, place: Place, name: str, arguments: Mapping[str, Any]) -> None:
    _, service, version, *path = name.split(".")
    where = place.child("call")
    if version not in versions(service):
        known = ", ".join(versions(service)) or "none"
        report.problems.append(Problem(where.exact, name, f"no discovery document; versions of {service}: {known}"))
        return
    method = document(f"{service}.{version}").method(".".join(path))
    if method is not None:
        report.checked += 1
        report.unchecked.append(Unchecked(f"connector {service}.{version}", "no list of connectors offline"))
        _arguments(report, place.child("args"), arguments, method)
    elif path[-1] in _CONNECTOR_ONLY:
        report.unchecked.append(Unchecked(f"call {name}", "a helper of the connector, not a method of the API"))
    else:
        report.problems.append(Problem(where.exact, name, "the API has no such method"))


def _arguments(report: Report, place: Place, arguments: Mapping[str, Any], method: Method) -> None:
    for name, schema in method.parameters.items():
        if schema.get("required") and name not in arguments:
            report.problems.append(Problem(place.child(name).exact, None, "a required parameter is missing"))
    for name, value in arguments.items():
        inner = place.child(name)
        if name == "body" and arguments.get("uploadType") == "media" and method.raw.get("supportsMediaUpload"):
            report.unchecked.append(Unchecked(f"body of {method.raw['id']}", "an upload's bytes have no schema"))
        elif name == "body":
            _body(report, inner, value, method)
        elif name == "connector_params":
            for unknown in value.keys() - _CONNECTOR_PARAMS:
                report.problems.append(Problem(inner.child(unknown).exact, value[unknown], "no such connector setting"))
        elif name not in _CONNECTOR_ARGUMENTS:
            _parameter(report, inner, value, method.parameter(name))


def _parameter(report: Report, place: Place, value: object, parameter: Node | None) -> None:
    if parameter is None:
        report.problems.append(Problem(place.exact, value, "the method has no such parameter"))
    elif _is_dynamic(value):
        report.unknown += 1
    else:
        report.checked += 1
        why = problem_of(value, parameter)
        if why is not None:
            report.problems.append(Problem(place.exact, value, why))


def _body(report: Report, place: Place, value: object, method: Method) -> None:
    if method.request is None:
        report.problems.append(Problem(place.exact, value, "the method takes no body"))
    else:
        Walker(report, method.request, unknown=_is_dynamic).value(place, value, method.request)


def _is_dynamic(value: object) -> bool:
    """An expression of the language: its value exists only while the workflow runs."""
    return isinstance(value, str) and _EXPRESSION in value


def _http(report: Report, place: Place, name: str, arguments: Mapping[str, Any]) -> None:
    url, where = str(arguments.get("url", "")), place.child("args").child("url")
    verb = _HTTP.get(name) or str(arguments.get("method", ""))
    shape = literal_url(url)
    if shape is None:
        report.unchecked.append(Unchecked(f"call {name} {url}", "the address is known only while the workflow runs"))
        return
    method, why = find_method(shape, verb)
    if why is not None:
        report.problems.append(Problem(where.exact, url, why))
    elif method is None:
        report.unchecked.append(Unchecked(f"call {name} {url}", "not an address of a Google API"))
    else:
        report.checked += 1
        args = place.child("args")
        if not isinstance(arguments.get("auth"), dict):
            report.problems.append(Problem(args.child("auth").exact, None, "Google APIs take no anonymous call"))
        for key, value in (arguments.get("query") or {}).items():
            _parameter(report, args.child("query").child(key), value, method.parameter(key))
        body, query = arguments.get("body"), arguments.get("query") or {}
        if body is not None and query.get("uploadType") == "media" and "/upload/" in shape:
            report.unchecked.append(Unchecked(f"body of {method.raw['id']}", "an upload's bytes have no schema"))
        elif body is not None and not _is_dynamic(body):
            _body(report, args.child("body"), body, method)


def literal_url(url: str) -> str | None:
    """Put `x` for each part of an address that an expression computes; None where nothing below the host is literal."""
    if _EXPRESSION not in url:
        return url
    expression = url.removeprefix("${").removesuffix("}").strip()
    parts = re.findall(r'"([^"]*)"|([^"+]+)', expression)
    shape = "".join(text if text or not other.strip() else _COMPUTED for text, other in parts)
    return shape if shape.startswith("https://") and not _NOTHING_LITERAL.fullmatch(shape) else None


def find_method(url: str, verb: str) -> tuple[Method | None, str | None]:
    """The API method behind an address and an HTTP verb, or why a Google API would not answer it.

    (None, None) means that the host is not Google's, so that nothing can be said.
    """
    host = re.sub(r"^https?://([^/]+).*$", r"\1", url)
    if not host.endswith(".googleapis.com"):
        return None, None
    documents = serves(host)
    if not documents:
        return None, f"no Google API answers at {host}"
    methods = [method for doc in documents for method in doc.methods()]
    by_path = [method for method in methods if method.matches(url)]
    if not by_path:
        # What an expression computes may be several parts of the path: a resource's whole name.
        by_path = [method for method in methods if method.matches(url, several=f"/{_COMPUTED}")]
    if not by_path:
        return None, f"no method of {host} has such a path"
    for method in by_path:
        if method.raw["httpMethod"] == verb:
            return method, None
    return None, f"this path takes {', '.join(sorted({m.raw['httpMethod'] for m in by_path}))}, not {verb}"
