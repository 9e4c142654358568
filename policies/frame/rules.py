"""What a rule declares about itself, and the settings that a stack's policy config may give it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pulumi_policy import PolicyConfigSchema, Severity

from policies.frame.resources import Resource, matcher

if TYPE_CHECKING:
    from policies.frame.index import Index

__all__ = [
    "Config",
    "ConfigError",
    "Family",
    "Finding",
    "ResourcePolicy",
    "ResourceRule",
    "Rule",
    "Setting",
    "Severity",
    "StackPolicy",
    "StackRule",
]


class Family(Enum):
    """The groups in which rules are kept and reported."""

    ENCRYPTION = "encryption"
    RETENTION = "retention"
    EXPOSURE = "exposure"
    IDENTITY = "identity"
    AUDIT = "audit"
    COMPLETENESS = "completeness"
    EXEMPTIONS = "exemptions"


class ConfigError(Exception):
    """A policy config holds a value that the rule cannot use."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value that a stack's policy config may set for a rule.

    The default is the strictest value in use (prod's), so that a missing config never loosens a rule. `minimum` and
    `maximum` bound the numbers that any stack may set.
    """

    name: str
    default: int | bool | tuple[str, ...]
    description: str
    minimum: int = 1
    maximum: int | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema, which the engine checks a policy config against before it runs anything."""
        if isinstance(self.default, bool):
            return {"type": "boolean", "default": self.default, "description": self.description}
        if isinstance(self.default, int):
            bounds = {"minimum": self.minimum} | ({} if self.maximum is None else {"maximum": self.maximum})
            return {"type": "integer", **bounds, "default": self.default, "description": self.description}
        return {
            "type": "array",
            "items": {"type": "string"},
            "default": list(self.default),
            "description": self.description,
        }


@dataclass(frozen=True)
class Config:
    """A rule's settings: what the policy config says, else the defaults."""

    settings: tuple[Setting, ...]
    given: Mapping[str, Any]

    def _setting(self, name: str) -> Setting:
        (setting,) = (setting for setting in self.settings if setting.name == name)
        return setting

    def _value(self, name: str) -> Any:  # noqa: ANN401
        return self.given.get(name, self._setting(name).default)

    def number(self, name: str) -> int:
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise ConfigError(f"policy config {name} must be a whole number")
        # The engine checks a config against the schema; a number out of bounds must not pass without one either.
        setting = self._setting(name)
        if value < setting.minimum or (setting.maximum is not None and value > setting.maximum):
            most = "" if setting.maximum is None else f" and at most {setting.maximum}"
            raise ConfigError(f"policy config {name} must be at least {setting.minimum}{most}")
        return int(value)

    def flag(self, name: str) -> bool:
        value = self._value(name)
        if not isinstance(value, bool):
            raise ConfigError(f"policy config {name} must be true or false")
        return value

    def words(self, name: str) -> frozenset[str]:
        value = self._value(name)
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise ConfigError(f"policy config {name} must be a list of strings")
        return frozenset(value)


@dataclass(frozen=True)
class Finding:
    """One violation: a sentence, and the resource it is about (None: the stack as a whole)."""

    message: str
    urn: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What both kinds of rule declare. `refuses` is the description shown above every violation."""

    name: str
    family: Family
    refuses: str
    severity: Severity
    remediation: str
    requirements: tuple[str, ...]
    settings: tuple[Setting, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its settings."""
        return {
            "type": "object",
            "properties": {setting.name: setting.schema for setting in self.settings},
            "additionalProperties": False,
        }


@dataclass(frozen=True, kw_only=True)
class ResourceRule(Rule):
    """A rule that one resource is enough to judge. `tokens` are type tokens; `*` matches any run of characters."""

    tokens: tuple[str, ...]
    check: Callable[[Resource, Config], Iterable[str]] = field(compare=False)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return matcher(self.tokens)

    def applies(self, token: str) -> bool:
        return self._pattern.match(token) is not None


@dataclass(frozen=True, kw_only=True)
class StackRule(Rule):
    """A rule that needs to see several resources at once."""

    check: Callable[[Index, Config], Iterable[Finding]] = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class _RulePolicy:
    """Rules that CrossGuard runs as one policy, with one enforcement level.

    The SDK reads a resource again for every resource policy, and the whole stack again for every stack policy, whatever
    the policy is about: with one for each rule a preview takes up to half as long again. Settings, exemptions,
    remediation and documentation stay with each rule, and a violation begins with its rule's name.
    """

    name: str
    refuses: str
    rules: tuple[Rule, ...]

    @property
    def severity(self) -> Severity:
        """That of its gravest rule."""
        order = list(Severity)
        return max((rule.severity for rule in self.rules), key=order.index)

    @property
    def schema(self) -> PolicyConfigSchema | None:
        """Of the settings of its rules, each rule's in an object of its name."""
        schemas = {rule.name: rule.schema for rule in self.rules if rule.settings}
        return PolicyConfigSchema(schemas) if schemas else None


@dataclass(frozen=True, kw_only=True)
class ResourcePolicy(_RulePolicy):
    rules: tuple[ResourceRule, ...]

    @classmethod
    def of(cls, rule: ResourceRule) -> ResourcePolicy:
        """A policy for a rule that needs a level of its own."""
        return cls(name=rule.name, refuses=rule.refuses, rules=(rule,))


@dataclass(frozen=True, kw_only=True)
class StackPolicy(_RulePolicy):
    rules: tuple[StackRule, ...]

    @classmethod
    def of(cls, rule: StackRule) -> StackPolicy:
        """A policy for a rule that needs a level of its own."""
        return cls(name=rule.name, refuses=rule.refuses, rules=(rule,))
