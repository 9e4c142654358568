"""Judge registered inputs against Google's API discovery documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.contract import meanings
from tests.contract.differences import EVERYWHERE, RESOURCES
from tests.contract.discovery import Method, Node, document
from tests.contract.forms import Resource
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.values import problem_of
from tests.contract.walk import Place, Walker, is_unknown, plain

Registration = tuple[str, str, Mapping[str, Any]]

_SCHEDULER_JOB = "gcp:cloudscheduler/job:Job"
_LOG_METRIC = "gcp:logging/metric:Metric"
_PLACEHOLDER = re.compile(r"\{(\w+)(:last)?\}")
# Stands for the provider's own project where a resource does not name one.
_DEFAULTS = {"project": "sample-project"}


def check_all(registrations: Iterable[Registration]) -> Report:
    """Judge everything of Google's that a stack registers; other clouds' types are not this checker's."""
    ours = [one for one in registrations if one[0].startswith("gcp:")]
    own_metrics = frozenset(
        str(plain(inputs["name"])) for token, _, inputs in ours if token == _LOG_METRIC and "name" in inputs
    )
    total = Report()
    for token, name, inputs in ours:
        total.add(check(token, inputs, own_metrics=own_metrics), resource=f"{token} {name}:", token=token)
    return total


def check(token: str, inputs: Mapping[str, Any], *, own_metrics: frozenset[str] | None = None) -> Report:
    """Judge one resource's inputs (wire names). Values not known yet are counted, not judged.

    `own_metrics`: names of the log metrics that the same stack defines; None leaves references to them unchecked.
    """
    report = Report()
    resource = RESOURCES.get(token)
    if resource is None:
        report.problems.append(Problem("", token, "no entry for this type in differences.RESOURCES"))
        return report
    method = method_of(resource)
    values = {name: plain(value) for name, value in inputs.items()}
    consumed = _check_arguments(report, resource, method, values)
    body = method.request
    target = None if body is None else body.at(resource.root)
    filters = meanings.monitoring_filter(own_metrics)

    def extra(found: Report, place: Place, value: object) -> None:
        judge = meanings.TYPED.get((token, place.pattern)) or meanings.ANYWHERE.get(place.pattern)
        if judge is not None:
            judge(found, place, value)
        elif token.startswith("gcp:monitoring/"):
            filters(found, place, value)

    walker = Walker(report, body, {**EVERYWHERE, **resource.differences}, extra)
    for name in consumed:
        if not is_unknown(values[name]):
            extra(report, Place().child(name), values[name])
    remaining = {name: value for name, value in values.items() if not _only_in_url(name, consumed, target)}
    if target is not None:
        walker.properties(Place(), remaining, target)
    else:
        walker.properties(Place(), remaining, Node(document(resource.document), {"properties": {}}))
    http_target = values.get("httpTarget")
    if token == _SCHEDULER_JOB and isinstance(http_target, dict):
        meanings.http_target(report, Place().child("httpTarget"), http_target)
    return report


def method_of(resource: Resource) -> Method:
    """The API method that creates the resource.

    Raises:
        LookupError: the table names a method that the API does not have.
    """
    method = document(resource.document).method(resource.method)
    if method is None:
        raise LookupError(f"{resource.document} has no method {resource.method}")
    return method


def _only_in_url(name: str, consumed: frozenset[str], target: Node | None) -> bool:
    """Whether an input fills the URL and the body has no (writable) property for it."""
    found = None if target is None else target.member(name)
    return name in consumed and (found is None or bool(found.schema.get("readOnly")))


def _check_arguments(report: Report, resource: Resource, method: Method, values: Mapping[str, Any]) -> frozenset[str]:
    """Fill the method's parameters from the inputs and judge each; returns the inputs that were used."""
    used: set[str] = set()
    for parameter, template in resource.arguments.items():
        names = [name for name, _ in _PLACEHOLDER.findall(template)]
        used |= {name for name in names if name in values}
        given = {**_DEFAULTS, **{name: value for name, value in values.items() if value is not None}}
        if any(name not in given for name in names):
            # Filled by the provider: a generated name, the provider's own region.
            continue
        if any(is_unknown(given[name]) for name in names):
            report.unknown += 1
            continue
        node = method.parameter(parameter)
        if node is None:
            raise LookupError(f"{resource.document} {resource.method} has no parameter {parameter}")
        value = _fill(template, given)
        report.checked += 1
        why = problem_of(value, node)
        if why is not None:
            report.problems.append(Problem(names[-1], value, f"{why} (parameter {parameter} of {resource.method})"))
    return frozenset(used)


def _fill(template: str, values: Mapping[str, Any]) -> object:
    whole = _PLACEHOLDER.fullmatch(template)
    if whole and not whole[2]:
        return values[whole[1]]

    def replace(match: re.Match[str]) -> str:
        text = str(values[match[1]])
        return text.rpartition("/")[2] if match[2] else text

    return _PLACEHOLDER.sub(replace, template)


__all__ = ["Problem", "Report", "Unchecked", "check", "check_all", "method_of"]
