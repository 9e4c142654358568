"""The stack as its cross-resource rules see it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from policies.frame.resources import Resource, matcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pulumi_policy import PolicyResource

STACK = "pulumi:pulumi:Stack"


class _Join:
    """Resources of some types by what one of their properties names: its texts, and the URNs that it was built from."""

    def __init__(self, index: Index, tokens: tuple[str, ...], prop: str) -> None:
        self._found: dict[object, list[Resource]] = defaultdict(list)
        for resource in index.of(*tokens):
            keys: set[object] = {source.urn for source in index.sources_of(resource, prop.partition(".")[0])}
            named = resource.read(prop)
            keys.update(name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str))
            for key in keys:
                self._found[key].append(resource)

    def of(self, target: Resource, names: Iterable[object]) -> list[Resource]:
        keys = [target.urn, *dict.fromkeys(name for name in names if isinstance(name, str) and name)]
        return list({found.urn: found for key in keys for found in self._found.get(key, ())}.values())


class Index:
    """Resources by type, with the edges between them. Properties are thawed only for the types that a rule asks for."""

    def __init__(self, sources: Iterable[PolicyResource]) -> None:
        self._sources: dict[str, list[PolicyResource]] = defaultdict(list)
        self._by_urn: dict[str, PolicyResource] = {}
        self._thawed: dict[str, Resource] = {}
        self._joins: dict[tuple[tuple[str, ...], str], _Join] = {}
        for source in sources:
            self._sources[source.resource_type].append(source)
            self._by_urn[source.urn] = source

    @property
    def tokens(self) -> frozenset[str]:
        return frozenset(self._sources)

    @property
    def root_urn(self) -> str | None:
        """The stack's own URN, which stands for the stack as a whole in reports and exemptions."""
        return self._sources[STACK][0].urn if self._sources.get(STACK) else None

    def of(self, *tokens: str) -> list[Resource]:
        return [self._thaw(source) for token in tokens for source in self._sources.get(token, ())]

    def matching(self, patterns: Iterable[str]) -> list[Resource]:
        """Resources whose type token matches one of the patterns, in which `*` stands for any run of characters."""
        pattern = matcher(patterns)
        return self.of(*(token for token in self._sources if pattern.match(token)))

    def sources_of(self, resource: Resource, prop: str) -> list[Resource]:
        """The resources whose outputs a top-level property was built from."""
        edges = self._by_urn[resource.urn].property_dependencies.get(prop, [])
        return [self._thaw(edge) for edge in edges]

    def siblings(self, target: Resource, tokens: tuple[str, ...], prop: str, *names: object) -> list[Resource]:
        """Resources of the tokens whose property names the target: by one of its names, or as what it is built from.

        In a first preview the name may not be known on either side; the edge between the two is.
        """
        join = self._joins.get((tokens, prop))
        if join is None:
            join = self._joins[tokens, prop] = _Join(self, tokens, prop)
        return join.of(target, names)

    def ancestors(self, resource: Resource) -> Iterator[str]:
        """The URNs of a resource's parents, nearest first."""
        node = self._by_urn[resource.urn].parent
        while node is not None:
            yield node.urn
            node = node.parent

    def _thaw(self, source: PolicyResource) -> Resource:
        if source.urn not in self._thawed:
            self._thawed[source.urn] = Resource.of(source)
        return self._thawed[source.urn]
