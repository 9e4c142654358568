"""Judge registered inputs against AWS's service models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.contract.aws import meanings
from tests.contract.aws.data import DATA
from tests.contract.aws.models import model, regions
from tests.contract.aws.network import NETWORK
from tests.contract.aws.offers import database_problems, task_problems
from tests.contract.aws.operations import OPERATIONS
from tests.contract.aws.tables import EVERYWHERE, Call
from tests.contract.checker import Registration
from tests.contract.discovery import Node
from tests.contract.forms import At, Difference
from tests.contract.report import Problem, Report
from tests.contract.walk import Place, Walker, is_unknown, plain, singulars

CALLS: Mapping[str, Call] = {**DATA, **NETWORK, **OPERATIONS}

_TAGS = "tagsAll"
_DATABASE = "aws:rds/instance:Instance"
_TASK = "aws:ecs/taskDefinition:TaskDefinition"


def check_all(registrations: Iterable[Registration]) -> Report:
    """Judge everything of AWS's that a stack registers; other clouds' types are not this checker's."""
    total = Report()
    for token, name, inputs in registrations:
        if token.startswith("aws:"):
            total.add(check(token, inputs), resource=f"{token} {name}:", token=token)
    return total


def check(token: str, inputs: Mapping[str, Any]) -> Report:
    """Judge one resource's inputs (wire names). Values not known yet are counted, not judged."""
    report = Report()
    call = CALLS.get(token)
    if call is None:
        report.problems.append(Problem("", token, "no row for this type in the tables"))
        return report
    body = request_of(call)
    values = {name: plain(value) for name, value in inputs.items() if value is not None}
    region = values.pop("region", None)
    _check_region(report, call, region)
    offered: list[tuple[str, str]] = []
    if token == _DATABASE and isinstance(region, str):
        offered = database_problems(values, region)
    elif token == _TASK:
        offered = task_problems(values)
    report.problems += [Problem(path, values.get(path), why) for path, why in offered]
    target = body.at(call.root)
    differences: dict[str, Difference] = {**EVERYWHERE, **_beside(values, call, target, body), **call.differences}

    def extra(found: Report, place: Place, value: object) -> None:
        meanings.judge(found, token, place, value)

    walker = Walker(report, body, differences, extra, calls=lambda operation: model(call.service).request(operation))
    _check_tags(walker, call, values)
    walker.properties(Place(), values, target)
    return report


def request_of(call: Call) -> Node:
    """The request of the operation that creates the resource.

    Raises:
        LookupError: the table names an operation that the service does not have.
    """
    return model(call.service).request(call.operation)


def _beside(values: Mapping[str, Any], call: Call, target: Node, body: Node) -> dict[str, Difference]:
    """Inputs that stand beside the part of the request that the rest is in, under their own names."""
    if not call.root:
        return {}
    return {
        name: At(f"^{name}")
        for name in values
        if body.member(name) is not None and all(target.member(one) is None for one in (name, *singulars(name)))
    }


def _check_region(report: Report, call: Call, region: object) -> None:
    known = regions(call.service) or regions("ec2")
    if region is None:
        return
    if is_unknown(region):
        report.unknown += 1
        return
    report.checked += 1
    if region not in known:
        report.problems.append(Problem("region", region, f"{call.service} has no endpoint there: {sorted(known)}"))


def _check_tags(walker: Walker, call: Call, values: dict[str, Any]) -> None:
    """Tags are a map here, and there a map or a list of keys and values; the resource's own are among all of them."""
    if not call.tags:
        return
    tags, own = values.pop(_TAGS, {}), values.pop("tags", {})
    if not isinstance(tags, dict) or not isinstance(own, dict) or not own.items() <= tags.items():
        walker.fail(Place(_TAGS, _TAGS), tags, f"not a map that has {own}")
        return
    operation, colon, path = call.tags.rpartition(":")
    start = model(call.service).request(operation) if colon else request_of(call)
    node = start.at(path.removeprefix("^"))
    if node.type == "array":
        key, value = _parts(node.items)
        for name, text in tags.items():
            place = Place(f"{_TAGS}.{name}", f"{_TAGS}.*")
            walker.value(place, {key: name, value: text}, node.items)
    else:
        walker.value(Place(_TAGS, _TAGS), tags, node)


def _parts(item: Node) -> tuple[str, str]:
    """What a tag's parts are called."""
    names = item.schema["properties"]
    return ("tagkey", "tagvalue") if "tagkey" in names else ("key", "value")
