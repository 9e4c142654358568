"""Whole stack files: each judged as its own stack, and all of them against one another."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from settings.errors import ConfigError, Problem, shown
from settings.external import check_external
from settings.load import EXTERNAL_SECRETS, read_stack_file
from settings.plan import Plan
from settings.resolve import load


def load_stack_file(path: Path) -> Plan:
    """Load and resolve `Pulumi.<stack>.yaml` as the stack that its name says.

    Raises:
        ConfigError: every problem found, also of the external secrets (by name; the values stay encrypted).
    """
    raw = read_stack_file(path)
    values = raw.get(EXTERNAL_SECRETS)
    encrypted = not isinstance(values, dict) or all(
        isinstance(value, dict) and value.keys() == {"secure"} for value in values.values()
    )
    problems = check_external(raw, encrypted=encrypted)
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    try:
        plan = load(raw, stack)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from None
    if problems:
        raise ConfigError(problems)
    return plan


def check_separation(plans: Mapping[str, Plan]) -> list[Problem]:
    """What two environments must not share (R1.1): the cloud project, and the network range.

    Args:
        plans: file name → its plan.
    """
    problems = []
    for (name, one), (other_name, other) in combinations(sorted(plans.items()), 2):
        mine, theirs = one.environment.gcp, other.environment.gcp
        problems += [
            Problem(
                path=f"{other_name}: tenantry:gcp.{field}",
                message=f"is also that of {name}; environments share nothing (R1.1)",
                fix="give each environment a project of its own",
                value=shown(getattr(theirs, field)),
            )
            for field in ("project", "project_number")
            if getattr(mine, field) == getattr(theirs, field)
        ]
        if _network(one).overlaps(_network(other)):
            problems.append(
                Problem(
                    path=f"{other_name}: tenantry:gcp.network",
                    message=f"overlaps that of {name}, so the two could never be peered with one network (R1.1)",
                    fix="choose a range of its own",
                    value=shown(str(_network(other))),
                )
            )
    return problems


def summary(plan: Plan) -> str:
    """One line: what the stack holds."""
    counts = ((len(plan.tenants), "tenant"), (len(plan.pools), "pool"), (len(plan.instances), "instance"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def _network(plan: Plan) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(plan.environment.gcp.workload_range).supernet(prefixlen_diff=1)
