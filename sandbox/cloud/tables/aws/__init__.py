"""Amazon Web Services: what replaces, what is filled in, what is computed, what blocks and what stays reserved.

Source: the aws provider's schema (ForceNew, Default, Computed) as the bridge shows it, and AWS's API documentation.
Only the types that the program uses are here; any other type is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.tables.aws import compute, database, edge, identity, network, observability, storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Rule

RULES: Final[Mapping[str, Rule]] = {
    **network.RULES,
    **identity.RULES,
    **database.RULES,
    **storage.RULES,
    **observability.RULES,
    **compute.RULES,
    **edge.RULES,
}
