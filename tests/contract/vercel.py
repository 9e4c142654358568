"""Judge registered inputs against what Vercel itself says of them.

`vercel.json` has, as JSON Schema under the names of the bridged provider, what the four types that the stacks register
take. It is written by hand from two public sources, and has facts only: names, kinds, values and ranges.

- Names, kinds and ranges: the schemas and their `Validators` in Vercel's own provider, v5.10.0, `vercel/resource_X.go`
  with X one of `log_drain`, `project`, `project_domain` and `project_environment_variable`. The variable's value and
  targets, of which it offers alternatives, are required here, as the stacks use no others.
- Frameworks, which that provider asks Vercel for: `CreateProjectFramework` of `@vercel/sdk` 1.28.35, Vercel's client,
  which is generated from the description of its API (`npm pack`, `src/models/createprojectcontenthint2.ts`). The other
  values are the same there (`AddProjectDomainRedirectStatusCode`, `CreateProjectIssuerMode`, `DeliveryEncoding`,
  `FilterEnvironments`, `FilterSources`, `CreateProjectEnv1Target`); it has no ranges.

The SDK of the bridged provider, which is newer, is asked whether it knows the same names and values (`sdk_words`).
What remains is text that neither limits: `vercel.txt` has it, so that each new one is seen.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema

from tests.contract.aws.shipped import shipped
from tests.contract.checker import Registration
from tests.contract.report import Problem, Report, Unchecked
from tests.contract.walk import Place, is_unknown, plain

LIST: Final = Path(__file__).with_name("vercel.txt")
DESCRIPTION: Final = Path(__file__).with_name("vercel.json")
_REASON: Final = "any text, as far as Vercel's provider and client say"
_LIMITS: Final = ("enum", "pattern", "minLength", "maxLength")
_SDK: Final = "pulumiverse_vercel"
_MODULES: Final = ("_inputs.py", "log_drain.py", "project.py", "project_domain.py", "project_environment_variable.py")
_PARAMETER: Final = re.compile(r":param [^:]*? (\w+): (.*)")
_WORD: Final = re.compile(r"`([a-z_]+)`")


@cache
def description() -> Mapping[str, Mapping[str, Any]]:
    """JSON Schema of each type's inputs, by token."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    return found


def check_all(registrations: Iterable[Registration]) -> Report:
    """Judge everything of Vercel's that a stack registers; other clouds' types are not this checker's."""
    total = Report()
    for token, name, inputs in registrations:
        if token.startswith("vercel:"):
            total.add(check(token, inputs), resource=f"{token} {name}:", token=token)
    return total


def check(token: str, inputs: Mapping[str, Any]) -> Report:
    """Judge one resource's inputs (wire names). Values not known yet are counted, not judged."""
    report = Report()
    schema = description().get(token)
    if schema is None:
        report.problems.append(Problem("", token, "no entry for this type in vercel.json"))
        return report
    values = plain({name: value for name, value in inputs.items() if value is not None})
    for error in jsonschema.Draft7Validator(schema).iter_errors(values):
        if not is_unknown(error.instance):
            report.problems.append(
                Problem(error.json_path.removeprefix("$").lstrip("."), error.instance, error.message)
            )
    _count(report, Place(), values, schema)
    return report


def _count(report: Report, place: Place, value: object, schema: Mapping[str, Any]) -> None:
    """What of a value the schema judges, and which texts it lets pass whatever they say."""
    if isinstance(value, dict):
        for name, item in value.items():
            _count(report, place.child(name), item, schema.get("properties", {}).get(name, {}))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _count(report, place.item(position), item, schema.get("items", {}))
    elif is_unknown(value):
        report.unknown += 1
    elif isinstance(value, str) and not any(limit in schema for limit in _LIMITS):
        report.unchecked.append(Unchecked(place.pattern, _REASON))
    else:
        report.checked += 1


@cache
def sdk_words() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Inputs of the SDK's argument classes, each with the values that its own text names: class → input → values."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for module in _MODULES:
        _read(module, found)
    return found


def _read(module: str, found: dict[str, dict[str, frozenset[str]]]) -> None:
    for node in ast.parse(shipped(_SDK, module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Args"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    texts = _PARAMETER.findall(ast.get_docstring(method) or "")
                    found[node.name] = {_wire(name): frozenset(_WORD.findall(text)) for name, text in texts}


def _wire(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
