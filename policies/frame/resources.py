"""A resource as rules see it: plain data, wire names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from policies.frame.values import Missing, items, read, thaw

if TYPE_CHECKING:
    from pulumi_policy import PolicyResource, ResourceValidationArgs


@dataclass(frozen=True)
class Resource:
    """One resource. `props` are checked inputs for a resource rule and outputs for a stack rule."""

    token: str
    name: str
    urn: str
    protect: bool
    provider: str | None
    props: dict[str, Any]

    @classmethod
    def of(cls, source: ResourceValidationArgs | PolicyResource) -> Resource:
        return cls(
            token=source.resource_type,
            name=source.name,
            urn=source.urn,
            protect=source.opts.protect,
            provider=source.provider.name if source.provider is not None else None,
            props=thaw(source.props),
        )

    def read(self, path: str) -> Any:  # noqa: ANN401
        return read(self.props, path)

    def items(self, path: str) -> list[Any] | Missing:
        return items(self.props, path)

    def text(self, path: str) -> str | None:
        """A known, non-empty string at the path, else None."""
        value = self.read(path)
        return value if isinstance(value, str) and value else None


def matcher(tokens: Iterable[str]) -> re.Pattern[str]:
    """A pattern for type tokens in which `*` stands for any run of characters."""
    return re.compile("|".join(translate(token) for token in tokens))
