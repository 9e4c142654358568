"""The contract with Vercel: there is nothing to judge it by.

Vercel publishes no description of its API that can be had offline. What the stacks register is checked against the
types of the provider's SDK (names and kinds of values, by the simulated cloud), and no enum, length or pattern is.
`vercel.txt` has every input that is so taken on trust, so that each new one is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("vercel.txt")
_REASON: Final = "checked against the SDK's types only"


def lines(paths: Mapping[str, frozenset[str]]) -> set[str]:
    """One line per type and input path."""
    return {
        f"{token} {path} | {_REASON}" for token, found in paths.items() if token.startswith("vercel:") for path in found
    }
