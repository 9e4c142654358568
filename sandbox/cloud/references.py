"""Objects that name each other without one being the other's parent: load balancers are chains of these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from recovery.ids import ID_TEMPLATES, fill
from sandbox.cloud.errors import CloudError
from sandbox.cloud.provider import defaults_for
from sandbox.cloud.tables import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud.rules import World
    from sandbox.cloud.values import Props, Value

_ADDRESS: Final = re.compile(r"(?=.*[.:])[0-9a-f.:]+")


def check(world: World) -> None:
    """Refuse to name what does not exist; what is in another project is taken on trust.

    Raises:
        CloudError: a named object does not exist.
    """
    for path, tokens in world.rule.references.items():
        for text in _texts(world.outputs, path.split(".")):
            wanted = _ids(world, text, tokens)
            if wanted and not any(world.store.exists(token, object_id) for token, object_id in wanted):
                raise CloudError(404, f"The resource '{wanted[0][1]}' was not found", "notFound")


def check_unused(world: World) -> None:
    """Refuse to delete what another object still names.

    Raises:
        CloudError: it is named.
    """
    for kind, rule in RULES.items():
        paths = [path for path, tokens in rule.references.items() if world.token in tokens]
        if not paths:
            continue
        for item in world.store.objects(kind):
            for text in (text for path in paths for text in _texts(item.outputs, path.split("."))):
                if (world.token, world.id) in _ids(world, text, (world.token,)):
                    raise CloudError(
                        400,
                        f"The resource '{world.id}' is already being used by '{item.id}'",
                        "resourceInUseByAnotherResource",
                    )


def _ids(world: World, text: str, tokens: tuple[str, ...]) -> list[tuple[str, str]]:
    """What a name, an id or a self link can mean; nothing for an IP address and for what is elsewhere."""
    if "projects/" in text:
        object_id = text[text.index("projects/") :]
        own = object_id.split("/")[1] in (world.project, world.number)
        return [(token, object_id) for token in tokens if own]
    if "/" in text or _ADDRESS.fullmatch(text):
        return []
    defaults = defaults_for(world.inputs, world.config)
    found = [(token, fill(ID_TEMPLATES[token], {"name": text, "project": world.project}, defaults)) for token in tokens]
    return [(token, object_id) for token, object_id in found if object_id is not None]


def _texts(value: Value, steps: list[str]) -> Iterator[str]:
    """The texts at a path; lists are entered."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, steps)
    elif not steps:
        if isinstance(value, str) and value:
            yield value
    elif isinstance(value, dict):
        props: Props = value
        yield from _texts(props.get(steps[0]), steps[1:])
