"""Revisions of Cloud Run services: immutable once made, and what traffic is shared between.

A service describes its newest revision only. The names of all that were made are kept beside it, with a digest of what
each was made from.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from sandbox.cloud.errors import CloudError
from sandbox.cloud.values import get_path

if TYPE_CHECKING:
    from sandbox.cloud.rules import Synthesis, World
    from sandbox.cloud.store import Store

_ALL_TRAFFIC: Final = 100


def newest(made: Synthesis) -> str:
    """The name of the revision that a template makes: its own choice, or one that the server makes up."""
    own = get_path(made.outputs, "template.revision")
    return str(own or f"{made.inputs['name']}-00001-{_digest(made.outputs.get('template'))[:3]}")


def check(world: World) -> None:
    """Make the revision, and refuse to change one that exists or to send traffic to one that does not.

    Raises:
        CloudError: as the API would answer.
    """
    known = _known(world.store, world.id)
    name, digest = str(world.outputs["latestCreatedRevision"]), _digest(world.outputs.get("template"))
    if known.get(name, digest) != digest:
        raise CloudError(409, f"Revision named '{name}' with different configuration already exists.", "alreadyExists")
    known[name] = digest
    traffics = world.outputs.get("traffics") or []
    if traffics and sum(target.get("percent") or 0 for target in traffics) != _ALL_TRAFFIC:
        raise CloudError(400, f"{world.id}: the percentages of its traffic must add up to 100", "invalidArgument")
    for target in traffics:
        revision = target.get("revision")
        if revision and revision not in known:
            raise CloudError(
                400, f"{world.id}: traffic is sent to revision '{revision}', which does not exist", "invalid"
            )
    world.store.set_meta(_key(world.id), json.dumps(known))


def forget(store: Store, service: str) -> None:
    """A deleted service takes its revisions along."""
    store.set_meta(_key(service), "{}")


def _known(store: Store, service: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(store.get_meta(_key(service)) or "{}")
    return found


def _key(service: str) -> str:
    return f"revisions/{service}"


def _digest(template: object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
