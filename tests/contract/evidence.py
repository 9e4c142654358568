"""Names that Google's documents mention in passing: no full list of roles or metrics can be had offline."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from tests.contract.discovery import texts

# No leading \b: the search is several times faster when a pattern starts with literal text.
_ROLE = re.compile(rb"roles/[a-z][A-Za-z0-9]*(?:\.[a-zA-Z0-9]+)+")
_METRIC = re.compile(rb"\.googleapis\.com/[a-z0-9_]+(?:/[a-z0-9_]+)+")
_SERVICE = re.compile(rb"[a-z]+\Z")
_LONGEST_SERVICE = 40


class Mentions(NamedTuple):
    """Roles and metric types that at least one discovery document names."""

    roles: frozenset[str]
    metrics: frozenset[str]


@cache
def mentions() -> Mentions:
    """Read every document once: a name found there exists, a name not found may exist all the same."""
    roles: set[bytes] = set()
    metrics: set[bytes] = set()
    for text in texts():
        roles.update(_ROLE.findall(text))
        for path in _METRIC.finditer(text):
            service = _SERVICE.search(text[max(0, path.start() - _LONGEST_SERVICE) : path.start()])
            if service is not None:
                metrics.add(service[0] + path[0])
    return Mentions(frozenset(r.decode() for r in roles), frozenset(m.decode() for m in metrics))
