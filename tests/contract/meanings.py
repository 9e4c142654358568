"""Judge text whose meaning lies outside its own schema: roles, members, service names, metrics, addresses, sources."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.discovery import Method, Node, document, serves
from tests.contract.evidence import mentions
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.walk import Place, Walker, is_unknown
from tests.contract.workflow_source import check_source, find_method

Judge = Callable[[Report, Place, Any], None]

_ROLE = re.compile(r"roles/[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*")
_CUSTOM_ROLE = re.compile(r"(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]{3,64}")
_METRIC_TYPE = re.compile(r"metric\.?type\s*=\s*\\?\"([^\"\\]+)\\?\"")
_RESOURCE_TYPE = re.compile(r"resource\.?type\s*=\s*\\?\"([^\"\\]+)\\?\"")
_OWN_METRIC = "logging.googleapis.com/user/"


def role(report: Report, place: Place, value: str) -> None:
    """A predefined role must look like one; only a few are named in the documents, the rest is listed."""
    if _CUSTOM_ROLE.fullmatch(value):
        return
    if not _ROLE.fullmatch(value):
        report.problems.append(Problem(place.exact, value, "not the name of a role"))
    elif value not in mentions().roles:
        report.unchecked.append(Unchecked(f"{place.pattern}={value}", "no document names this role; no full list"))


def permission(report: Report, place: Place, value: str) -> None:
    """A permission must have the form `service.resource.verb`; the documents list none."""
    if re.fullmatch(r"[a-z]+(\.[A-Za-z]+){2,3}", value):
        report.unchecked.append(Unchecked(f"{place.pattern}={value}", "no list of permissions offline"))
    else:
        report.problems.append(Problem(place.exact, value, "not of the form service.resource.verb"))


def listed(reason: str) -> Judge:
    """A judge that only says why the value cannot be judged."""

    def judge(report: Report, place: Place, _value: object) -> None:
        report.unchecked.append(Unchecked(place.pattern, reason))

    return judge


def principal(report: Report, place: Place, value: str) -> None:
    """A member must have one of the prefixes that the API's description lists."""
    words = document("cloudresourcemanager.v3").schema("Binding").at("members").schema["description"]
    allowed = set(re.findall(r"`([A-Za-z]+)(?::|`)", words))
    prefix, _, name = value.partition(":")
    if prefix not in allowed or (not name and not prefix.startswith("all")):
        known = ", ".join(sorted(allowed))
        report.problems.append(Problem(place.exact, value, f"no kind of member that IAM knows: {known}"))


def service(report: Report, place: Place, value: str) -> None:
    """An API to enable should have a discovery document of its own."""
    if value != "allServices" and not serves(value):
        report.unchecked.append(Unchecked(f"{place.pattern}={value}", "no discovery document of such a service"))


def sink_destination(report: Report, place: Place, value: str) -> None:
    """The destination must have one of the shapes in the API's description."""
    words = document("logging.v2").schema("LogSink").at("destination").schema["description"]
    shapes = re.findall(r'"([a-z]+\.googleapis\.com/[^"]+)"', words)
    patterns = [re.sub(r"\\\[[A-Z_]+\\\]", "[^/]+", re.escape(shape)) for shape in shapes]
    if not any(re.fullmatch(pattern, value) for pattern in patterns):
        report.problems.append(Problem(place.exact, value, f"none of {', '.join(shapes)}"))


def http_target(report: Report, place: Place, target: Mapping[str, Any]) -> None:
    """A Google API that a Scheduler job calls must have such a method; its body must fit and its token be OAuth."""
    address = target.get("uri")
    if is_unknown(address) or not isinstance(address, str):
        return
    where = place.child("uri")
    method, why = find_method(address, target.get("httpMethod", "POST"))
    if why is not None:
        report.problems.append(Problem(where.exact, address, why))
    elif method is None:
        report.unchecked.append(Unchecked(where.pattern, "not an address of a Google API"))
    else:
        _token(report, place.child("oauthToken"), target.get("oauthToken"), method)
        if isinstance(target.get("body"), str) and not is_unknown(target["body"]):
            _posted_body(report, place.child("body"), target["body"], method.request)


def _token(report: Report, place: Place, token: object, method: Method) -> None:
    if not isinstance(token, dict):
        report.problems.append(Problem(place.exact, token, "Google APIs take an OAuth token"))
    elif token.get("scope") not in {None, *method.raw["scopes"]}:
        known = ", ".join(method.raw["scopes"])
        report.problems.append(Problem(place.child("scope").exact, token["scope"], f"the method takes {known}"))


def _posted_body(report: Report, place: Place, encoded: str, request: Node | None) -> None:
    try:
        body = json.loads(base64.b64decode(encoded, validate=True))
    except ValueError as error:
        report.problems.append(Problem(place.exact, encoded, f"not JSON in base64: {error}"))
        return
    if request is None:
        report.problems.append(Problem(place.exact, body, "the method takes no body"))
    else:
        Walker(report, request).value(place, body, request)


def monitoring_filter(own_metrics: frozenset[str] | None) -> Judge:
    """A judge of the metric and resource types in any filter; `own_metrics` are those that the stack itself defines."""

    def judge(report: Report, place: Place, value: object) -> None:
        if not isinstance(value, str):
            return
        if place.leaf.lower().endswith("filter"):
            report.unchecked.append(Unchecked(place.pattern, "a filter: only the types that it names are looked up"))
        for metric in _METRIC_TYPE.findall(value):
            own = metric.removeprefix(_OWN_METRIC) if metric.startswith(_OWN_METRIC) else None
            if own is not None and own_metrics is not None:
                if own not in own_metrics:
                    report.problems.append(Problem(place.exact, metric, "the stack defines no such log metric"))
            elif metric not in mentions().metrics:
                report.unchecked.append(
                    Unchecked(f"metric.type={metric}", "no document names this metric; no full list")
                )
        for kind in _RESOURCE_TYPE.findall(value):
            report.unchecked.append(Unchecked(f"resource.type={kind}", "no list of monitored resource types offline"))

    return judge


_QUERY = "text in a query language: no schema"
_NO_LIST = "the API takes any text here, and has no list of what exists"
_SQL = "gcp:sql/databaseInstance:DatabaseInstance"
_ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
_SINK = "gcp:logging/projectSink:ProjectSink"

# By input path: on every type, and on one type where the name alone would say too little.
ANYWHERE: dict[str, Judge] = {
    "role": role,
    "member": principal,
    "members[]": principal,
    "condition.expression": listed("an expression in CEL: no schema"),
}
TYPED: dict[tuple[str, str], Judge] = {
    ("gcp:cloudscheduler/job:Job", "schedule"): listed("a cron line: the API's schema has it as any text"),
    ("gcp:logging/metric:Metric", "filter"): listed(_QUERY),
    ("gcp:projects/iAMAuditConfig:IAMAuditConfig", "service"): service,
    ("gcp:projects/iAMCustomRole:IAMCustomRole", "permissions[]"): permission,
    ("gcp:projects/service:Service", "service"): service,
    ("gcp:projects/serviceIdentity:ServiceIdentity", "service"): service,
    ("gcp:workflows/workflow:Workflow", "sourceContents"): check_source,
    (_ALERT, "conditions[].conditionMonitoringQueryLanguage.query"): listed(_QUERY),
    (_ALERT, "conditions[].conditionPrometheusQueryLanguage.query"): listed(_QUERY),
    ("gcp:monitoring/notificationChannel:NotificationChannel", "type"): listed(_NO_LIST),
    ("gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig", "monitoredResource.type"): listed(_NO_LIST),
    (_SQL, "settings.databaseFlags[].name"): listed(_NO_LIST),
    (_SQL, "settings.tier"): listed(_NO_LIST),
    (_SINK, "destination"): sink_destination,
    (_SINK, "exclusions[].filter"): listed(_QUERY),
    (_SINK, "filter"): listed(_QUERY),
}
