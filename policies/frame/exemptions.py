"""Exemptions: reviewed data that lets one rule pass for named resources until a date (R8.6).

They live in a YAML file beside the pack, and not in the policy config: a policy config reaches each policy separately,
a file can carry comments and code owners, and every stack and `pulumi policy analyze` read the same one without a flag.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from policies.frame.exemption import Exemption

LONGEST = dt.timedelta(days=366)
"""An exemption without a real end is a changed rule: change the rule instead."""


@dataclass(frozen=True)
class Exemptions:
    """The entries that can be used, and a sentence for each that cannot."""

    entries: tuple[Exemption, ...] = ()
    problems: tuple[str, ...] = ()
    today: dt.date = dt.date.max

    def covering(self, rule: str, urn: str) -> Exemption | None:
        """The entry for this rule and resource that ends last, whether or not it has expired."""
        matches = (entry for entry in self.entries if entry.covers(rule, urn))
        return max(matches, key=lambda entry: entry.expires, default=None)

    def expired(self, entry: Exemption) -> bool:
        return entry.expires < self.today


def load(path: Path, rules: Collection[str], today: dt.date) -> Exemptions:
    """Exemptions from a file. Nothing raises: what cannot be used becomes a problem, and exempts nothing."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return Exemptions(problems=(f"{path.name} cannot be read ({type(error).__name__}); restore it",), today=today)
    listed = document.get("exemptions") if isinstance(document, dict) and set(document) == {"exemptions"} else None
    if not isinstance(listed, list):
        return Exemptions(problems=(f"{path.name} must hold one key, exemptions, with a list",), today=today)

    if not listed:
        return Exemptions(today=today)

    from policies.frame.exemption import parse  # noqa: PLC0415 - pydantic takes most of the pack's start

    entries: list[Exemption] = []
    problems: list[str] = []
    for position, raw in enumerate(listed):
        place = f"{path.name}: exemptions[{position}]"
        entry, faults = parse(raw)
        problems += [f"{place}{fault}" for fault in faults]
        if entry is None:
            continue
        if entry.rule not in rules:
            problems.append(f"{place}.rule: there is no rule {entry.rule} that can be exempted; see docs/policies.md")
        elif entry.expires - today > LONGEST:
            problems.append(f"{place}.expires: {entry.expires} is more than {LONGEST.days} days ahead; shorten it")
        else:
            entries.append(entry)
            if entry.expires < today:
                problems.append(
                    f"{place}: the exemption from {entry.rule} expired on {entry.expires}; "
                    f"{entry.owner} must repair the resource, or renew or remove the entry"
                )
    return Exemptions(entries=tuple(entries), problems=tuple(problems), today=today)
