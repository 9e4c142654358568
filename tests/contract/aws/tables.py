"""Where the bridged provider's inputs and AWS's API part ways, and why.

Whatever is not in these tables must be, name for name, in the request of the operation that creates the resource: in
the part of it that `root` names, or beside that. Lists may have plural names, and case means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.contract.forms import ON_DELETE, PROVIDER_ONLY, Difference

Differences = Mapping[str, Difference]


@dataclass(frozen=True)
class Call:
    """How one Pulumi type is sent: service, operation, where in the request it stands, and what is called otherwise.

    `tags` is where its tags go ("" where the type has none); they are a list of keys and values, or a map.
    """

    service: str
    operation: str
    root: str = ""
    differences: Differences = field(default_factory=lambda: MappingProxyType({}))
    tags: str = "^tags"


EVERYWHERE: Differences = {
    "forceDestroy": ON_DELETE,
    "skipDestroy": ON_DELETE,
    "retainOnDelete": ON_DELETE,
    "waitForDeployment": PROVIDER_ONLY,
}
