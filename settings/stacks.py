"""Whole stack files: each judged as its own stack, and all of them against one another."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from settings.errors import Problem, shown
from settings.load import EXTERNAL_SECRETS, read_stack_file
from settings.plan import Plan
from settings.resolve import load
from settings.types import Cloud


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
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return load(raw, stack, encrypted=encrypted)


def check_separation(plans: Mapping[str, Plan]) -> list[Problem]:
    """What two environments must not share (R1.1): project, account, network range, Vercel project.

    Args:
        plans: file name → its plan.
    """
    problems = []
    for (name, one), (other_name, other) in combinations(sorted(plans.items()), 2):
        mine, theirs = _identities(one), _identities(other)
        problems += [
            Problem(
                path=f"{other_name}: tenantry:{field}",
                message=f"is also that of {name}; environments share nothing (R1.1)",
                fix="give each environment a project or account of its own",
                value=shown(value),
            )
            for field, value in theirs.items()
            if mine.get(field) == value
        ]
        problems += [
            Problem(
                path=f"{other_name}: tenantry:{cloud}.network",
                message=f"overlaps that of {name}, so the two could never be peered with one network (R1.1)",
                fix="choose a range of its own",
                value=shown(str(network)),
            )
            for cloud, network in _networks(other).items()
            if cloud in _networks(one) and network.overlaps(_networks(one)[cloud])
        ]
    return problems


def _identities(plan: Plan) -> dict[str, str]:
    environment = plan.environment
    found: dict[str, str] = {}
    if environment.on_gcp is not None:
        found |= {"gcp.project": environment.gcp.project, "gcp.project_number": environment.gcp.project_number}
    if environment.on_aws is not None:
        found["aws.account_id"] = environment.aws.account_id
    if environment.vercel is not None:
        found["vercel.project"] = f"{environment.vercel.team_id}/{environment.vercel.project}"
    return found


def _networks(plan: Plan) -> dict[Cloud, ipaddress.IPv4Network]:
    environment = plan.environment
    found: dict[Cloud, ipaddress.IPv4Network] = {}
    if environment.on_gcp is not None:
        found["gcp"] = ipaddress.IPv4Network(environment.gcp.workload_range).supernet(prefixlen_diff=1)
    if environment.on_aws is not None:
        found["aws"] = ipaddress.IPv4Network(environment.aws.network)
    return found


def summary(plan: Plan) -> str:
    """One line: what the stack holds."""
    counts = ((len(plan.tenants), "tenant"), (len(plan.pools), "pool"), (len(plan.instances), "instance"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
