"""Reading IAM policy documents, which travel as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.frame.values import ABSENT, UNKNOWN, Missing

_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "kms:calleraccount",
    }
)
_NARROWING_OPERATORS = ("arnequals", "arnlike", "stringequals", "stringlike")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; single values have become lists, and condition operators and keys are in lower case."""

    allows: bool
    actions: tuple[str, ...]
    by_exclusion: bool
    """Whether it says NotAction, NotPrincipal or NotResource."""
    principals: tuple[tuple[str, str], ...]
    """Kind (AWS, Service, Federated ...; `*` for everyone) and value."""
    resources: tuple[str, ...]
    conditions: dict[str, dict[str, tuple[str, ...]]]

    @property
    def is_public(self) -> bool:
        """Whether everyone is meant, and no condition narrows it to an account, organization, network or resource."""
        return any(value == "*" for _, value in self.principals) and not self._narrowed

    @property
    def _narrowed(self) -> bool:
        return any(
            key in _NARROWING and values and not any(set(value) <= {"*", ":"} for value in values)
            for operator, keys in self.conditions.items()
            if operator in _NARROWING_OPERATORS
            for key, values in keys.items()
        )

    def condition(self, operator: str, key: str) -> tuple[str, ...]:
        """The values of a condition, or nothing."""
        return self.conditions.get(operator.lower(), {}).get(key.lower(), ())


def statements(value: Any) -> list[Statement] | Missing:  # noqa: ANN401
    """The statements of a document, `ABSENT`, or `UNKNOWN` if any of it is.

    Raises:
        ValueError: the text is not JSON.
        TypeError: it is JSON, but not a policy document.
    """
    if isinstance(value, Missing):
        return value
    document = json.loads(value) if isinstance(value, str) else value
    if _has_unknown(document):
        return UNKNOWN
    if not isinstance(document, dict):
        raise TypeError("a policy document must be an object")
    listed = document.get("Statement", ABSENT)
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise TypeError("a policy document must have statements")
    return [_statement(one) for one in listed]


def _has_unknown(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, dict):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return value is UNKNOWN


def _statement(raw: dict[str, Any]) -> Statement:
    effect = raw.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise TypeError("a statement must allow or deny")
    return Statement(
        allows=effect == "Allow",
        actions=tuple(_texts(raw.get("Action", raw.get("NotAction", [])))),
        by_exclusion=any(f"Not{part}" in raw for part in ("Action", "Principal", "Resource")),
        principals=tuple(_principals(raw.get("Principal", {}))),
        resources=tuple(_texts(raw.get("Resource", raw.get("NotResource", [])))),
        conditions={
            str(operator).lower(): {str(key).lower(): tuple(_texts(values)) for key, values in keys.items()}
            for operator, keys in raw.get("Condition", {}).items()
        },
    )


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    for item in value if isinstance(value, list) else [value]:
        # JSON's true and AWS's "true" are the same condition.
        yield str(item).lower() if isinstance(item, bool) else str(item)


def _principals(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    if not isinstance(value, dict):
        yield from (("*", text) for text in _texts(value))
        return
    for kind, names in value.items():
        yield from ((kind, text) for text in _texts(names))
