"""Judge policy documents: the grammar, and whether each action and each resource is one that AWS knows.

A misspelt action is a grant that does nothing, or a denial that stops nobody, and no service ever says so. The lists of
actions and the grammar are those that AWS's own template linter ships.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

import jsonschema
from jsonschema import protocols, validators
from referencing import Registry
from referencing.jsonschema import DRAFT201909

from tests.contract.aws.shipped import read_json
from tests.contract.report import Problem, Report
from tests.contract.walk import Place

Kind = Literal["identity", "resource", "trust"]

_GRAMMARS = "data/schemas/other/iam"
_ANY_RESOURCE = "*"


def check_policy(report: Report, place: Place, text: object, kind: Kind) -> None:
    """Judge a policy document as `kind` of policy; every statement's actions and resources are counted."""
    try:
        policy = json.loads(str(text))
    except ValueError as invalid:
        report.problems.append(Problem(place.exact, text, f"not JSON: {invalid}"))
        return
    for error in _grammar(kind).iter_errors(policy):
        path = ".".join(str(part) for part in error.absolute_path)
        report.problems.append(Problem(f"{place.exact} {path}", error.instance, error.message))
    for position, statement in enumerate(_many(policy.get("Statement", []))):
        _check_statement(report, f"{place.exact} statement {statement.get('Sid', position)}", statement, kind)


def _check_statement(report: Report, where: str, statement: dict[str, Any], kind: Kind) -> None:
    actions = [*_many(statement.get("Action", [])), *_many(statement.get("NotAction", []))]
    for action in actions:
        report.checked += 1
        if not matching(action):
            report.problems.append(Problem(where, action, "AWS has no such action"))
    if kind == "trust":
        return
    for resource in _many(statement.get("Resource", [])):
        report.checked += 1
        formats = [form for action in actions for form in _formats(action)]
        if resource != _ANY_RESOURCE and formats and not any(_fits(resource, form) for form in formats):
            known = ", ".join(sorted(set(formats)))
            report.problems.append(Problem(where, resource, f"none of what the actions apply to: {known}"))
    _check_conditions(report, where, statement.get("Condition", {}))
    if kind == "identity" and statement.get("Effect") == "Allow":
        _check_every_action_has_a_resource(report, where, statement)


def _check_every_action_has_a_resource(report: Report, where: str, statement: dict[str, Any]) -> None:
    """An action none of whose resources the statement names is granted on nothing."""
    resources_ = [str(one) for one in _many(statement.get("Resource", []))]
    if not resources_ or _ANY_RESOURCE in resources_:
        return
    for action in _many(statement.get("Action", [])):
        formats = _formats(action)
        if not any(_fits(resource, form) for resource in resources_ for form in formats):
            known = ", ".join(sorted(set(formats))) or "takes no resource but *"
            report.problems.append(Problem(where, action, f"granted on nothing: {known}"))


def _check_conditions(report: Report, where: str, conditions: dict[str, Any]) -> None:
    for key in (key for operator in conditions.values() for key in operator):
        report.checked += 1
        prefix = key.partition(":")[0].lower()
        # The key may also be a claim of an identity provider, named by the address of who issues it.
        if prefix != "aws" and prefix not in _services() and "." not in prefix:
            report.problems.append(Problem(where, key, "no service has such condition keys"))


def matching(action: str) -> list[tuple[str, str]]:
    """The actions, as service and name in small letters, that a pattern such as `s3:Get*` stands for."""
    if action == "*":
        return [(service, name) for service, found in _services().items() for name in found["Actions"]]
    service, _, name = action.lower().partition(":")
    known = _services().get(service, {}).get("Actions", {})
    return [(service, one) for one in known if fnmatchcase(one, name)]


def _formats(action: str) -> list[str]:
    """The forms of the ARNs that an action, or one of those that a pattern stands for, applies to."""
    found: list[str] = []
    for service, name in matching(action):
        entry = _services()[service]
        for kind in _many(entry["Actions"][name].get("Resources", [])):
            found += entry["Resources"][kind.lower()].get("ARNFormats", [])
    return found


def _fits(resource: str, form: str) -> bool:
    """Whether an ARN, which may have wildcards, can be one of a form such as `arn:${Partition}:s3:::.*`."""
    given, known = resource.split(":", 5), form.split(":", 5)
    if len(given) != len(known):
        return resource.endswith("*") and len(given) < len(known)
    fixed = all(_part_fits(mine, theirs) for mine, theirs in zip(given[:5], known[:5], strict=True))
    return fixed and _name_fits(given[5], known[5])


def _part_fits(mine: str, theirs: str) -> bool:
    return mine == "*" or theirs.startswith("${") or mine == theirs


def _name_fits(mine: str, theirs: str) -> bool:
    """Compare as far as the first wildcard on either side: beyond it, anything may stand."""
    literal = theirs.partition(".*")[0]
    head = re.split(r"[*?]", mine)[0]
    if head == mine:
        return mine.startswith(literal)
    return head.startswith(literal) or literal.startswith(head)


def _many(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def _services() -> dict[str, Any]:
    """Services by the prefix of their actions: `Actions` by name in small letters, and `Resources` by kind."""
    return read_json("cfnlint", "data/AdditionalSpecs/Policies.json")


@cache
def _grammar(kind: Kind) -> protocols.Validator:
    resource = DRAFT201909.create_resource(read_json("cfnlint", f"{_GRAMMARS}/policy.json"))
    schema = read_json("cfnlint", f"{_GRAMMARS}/policy_{kind}.json")
    found: protocols.Validator = _Grammar(schema, registry=Registry().with_resource("policy", resource))
    return found


def _one_of(
    _validator: protocols.Validator, names: list[str], instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    """The linter's own word `requiredXor`: one of the names, and no second one."""
    present = [name for name in names if name in instance] if isinstance(instance, dict) else names[:1]
    if len(present) != 1:
        yield jsonschema.ValidationError(f"has {' and '.join(present) or 'none'} of {', '.join(names)}")


def _different(
    _validator: protocols.Validator, names: list[str], instance: object, _schema: object
) -> Iterator[jsonschema.ValidationError]:
    """The linter's own word `uniqueKeys`: no two items have the same value under any of the names."""
    for name in names:
        found = [item[name] for item in _many(instance) if isinstance(item, dict) and name in item]
        if len(found) != len(set(found)):
            yield jsonschema.ValidationError(f"two statements have the same {name}: {sorted(found)}")


# A `$ref` of these schemas has others beside it, which the draft that they name does not judge.
_WORDS = {"requiredXor": _one_of, "uniqueKeys": _different}
_Grammar = validators.extend(jsonschema.Draft201909Validator, _WORDS)  # type: ignore[no-untyped-call]
