"""What AWS offers by name, from the lists that its own template linter and its simulation ship."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema

from tests.contract.aws.shipped import read_json, shipped

_DATABASES = "aws_rds_dbinstance"
_TASKS = "aws_ecs_taskdefinition"


@cache
def managed_policies() -> frozenset[str]:
    """The names of AWS's own policies."""
    source = shipped("moto", "iam/aws_managed_policies.py").read_text(encoding="utf-8")
    (assignment,) = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    return frozenset(json.loads(ast.literal_eval(assignment.value)))


def database_problems(inputs: Mapping[str, Any], region: str) -> list[tuple[str, str]]:
    """What RDS does not offer of engine, version, class and retention in a region, as (input, why)."""
    names = {
        "engine": "Engine",
        "engineVersion": "EngineVersion",
        "instanceClass": "DBInstanceClass",
        "backupRetentionPeriod": "BackupRetentionPeriod",
    }
    offered = {there: inputs[here] for here, there in names.items() if inputs.get(here) is not None}
    inputs_by_name = {there: here for here, there in names.items()}
    schemas = [_list(f"{_DATABASES}/{name}") for name in ("engine_version", "db_instance_class")]
    schemas += [
        _list(f"{_DATABASES}/dbinstanceclass_enum").get(region, {}),
        _list(f"{_DATABASES}/backupretentionperiod_maximum"),
    ]
    found = {
        (inputs_by_name[str(error.absolute_path[0])], f"RDS has no {error.instance}")
        for schema in schemas
        for error in jsonschema.Draft7Validator(schema).iter_errors(offered)
        if error.absolute_path
    }
    return sorted(found)


def task_problems(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Whether Fargate has tasks of the size, as (input, why)."""
    compatible, processor, memory = (inputs.get(name) for name in ("requiresCompatibilities", "cpu", "memory"))
    if not isinstance(compatible, list) or not str(processor).isdigit() or not str(memory).isdigit():
        return []
    # The list has memory as numbers, and processors as text.
    size = {"RequiresCompatibilities": compatible, "Cpu": str(processor), "Memory": int(str(memory))}
    if jsonschema.Draft7Validator(_list(f"{_TASKS}/fargate_cpu_memory")).is_valid(size):
        return []
    return [("memory", f"Fargate has no task of {processor} units and {memory} MiB")]


@cache
def _list(name: str) -> dict[str, Any]:
    return read_json("cfnlint", f"data/schemas/extensions/{name}.json")
