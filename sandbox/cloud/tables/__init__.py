"""One table per package: what each simulated resource type does."""

from __future__ import annotations

from typing import Final

from sandbox.cloud.errors import NotSimulatedError
from sandbox.cloud.rules import Rule
from sandbox.cloud.schema import resource_type
from sandbox.cloud.tables import aws, gcp, gcp_edge, gcp_firestore, random, vercel

RULES: Final[dict[str, Rule]] = {
    **aws.RULES,
    **gcp.RULES,
    **gcp_edge.RULES,
    **gcp_firestore.RULES,
    **random.RULES,
    **vercel.RULES,
}


def rule_for(token: str) -> Rule:
    """The behaviour of a type.

    Raises:
        NotSimulatedError: the SDK does not know the type, or the sandbox has no table entry for it.
    """
    rule = RULES.get(token)
    if rule is None:
        resource_type(token)  # a type that does not exist at all has the clearer message
        raise NotSimulatedError(f"{token} is not simulated: add it to sandbox/cloud/tables, or do not use it")
    return rule
