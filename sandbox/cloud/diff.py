"""What changes between a state and new inputs, and which changes replace: the plan of a bridged provider."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.cloud import schema
from sandbox.cloud.provider import merged_labels
from sandbox.cloud.values import UNKNOWN, Props, Value, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.cloud.provider import ProviderConfig
    from sandbox.cloud.rules import Rule

Kind = Literal["add", "update", "delete"]


@dataclass(frozen=True)
class Change:
    path: str
    kind: Kind
    replace: bool


def changes(
    token: str,
    rule: Rule,
    *,
    state: Props,
    old_inputs: Props,
    new_inputs: Props,
    config: ProviderConfig,
    ignore: Sequence[str] = (),
) -> list[Change]:
    """Declared values that differ from the state, and declarations that were withdrawn."""
    declared = schema.resource_type(token)
    found = list(_compare(rule, state, old_inputs, new_inputs, ""))
    if "pulumiLabels" in declared.outputs and not any(change.path.startswith("labels") for change in found):
        labels = merged_labels(new_inputs, config)
        if state.get("pulumiLabels") not in (None, labels):
            found.append(Change("pulumiLabels", "update", replace=False))
    ignored = [parse_path(path) for path in ignore]
    return [change for change in found if not any(_under(parse_path(change.path), path) for path in ignored)]


def _under(path: list[str | int], root: list[str | int]) -> bool:
    return len(path) >= len(root) and all(wanted in {"*", step} for step, wanted in zip(path, root, strict=False))


def _compare(rule: Rule, state: Value, old: Value, new: Value, path: str) -> Iterator[Change]:
    if isinstance(new, dict) and isinstance(state, dict):
        prefix = f"{path}." if path else ""
        before = old if isinstance(old, dict) else {}
        for key, value in new.items():
            if not key.startswith("__"):
                yield from _compare(rule, state.get(key), before.get(key), value, f"{prefix}{key}")
        for key, value in before.items():
            if key in new or key.startswith("__") or value is None:
                continue
            # Settable properties that the cloud fills keep their value when the program stops declaring them.
            filled = _plain(f"{prefix}{key}")
            if (
                filled not in rule.server_defaults
                and filled not in rule.computed
                and state.get(key)
                not in (
                    None,
                    rule.plan_defaults.get(filled),
                )
            ):
                yield _change(rule, f"{prefix}{key}", "delete", state.get(key), None)
    elif isinstance(new, list) and isinstance(state, list):
        yield from _compare_lists(rule, state, old, new, path)
    elif not _same(rule, path, state, new):
        yield _change(rule, path, "add" if state is None else "update", state, new)


def _compare_lists(rule: Rule, state: list[Value], old: Value, new: list[Value], path: str) -> Iterator[Change]:
    if _plain(path) in rule.unordered:
        if len(new) == len(state) and all(any(_covers(have, want) for have in state) for want in new):
            return
        yield _change(rule, path, "update", state, new)
        return
    before = old if isinstance(old, list) else []
    for index in range(max(len(new), len(state))):
        at = f"{path}[{index}]"
        if index >= len(new):
            yield _change(rule, at, "delete", state[index], None)
        elif index >= len(state):
            yield _change(rule, at, "add", None, new[index])
        else:
            yield from _compare(rule, state[index], before[index] if index < len(before) else None, new[index], at)


def _covers(have: Value, want: Value) -> bool:
    """Everything that is wanted is there; the cloud may add to it."""
    if isinstance(want, dict) and isinstance(have, dict):
        return all(value is None or _covers(have.get(key), value) for key, value in want.items())
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(map(_covers, have, want))
    return bool(have == want)


def _same(rule: Rule, path: str, state: Value, new: Value) -> bool:
    if new is None:
        return True
    if state is UNKNOWN or new is UNKNOWN:
        return False
    if _plain(path) in rule.json_text and isinstance(state, str) and isinstance(new, str):
        return bool(json.loads(state) == json.loads(new))
    if state is None and new in ({}, [], "", False, 0):
        # An API does not tell an empty value from an unset one.
        return True
    return bool(state == new) and isinstance(state, bool) == isinstance(new, bool)


def _change(rule: Rule, path: str, kind: Kind, old: Value, new: Value) -> Change:
    return Change(path, kind, replace=replaces(rule, path, old, new))


def _plain(path: str) -> str:
    """A path without list indices, as the tables write it."""
    return ".".join(step for step in parse_path(path) if isinstance(step, str))


def replaces(rule: Rule, path: str, old: Value, new: Value) -> bool:
    plain = _plain(path)
    for immutable in rule.immutable:
        if plain == immutable or plain.startswith(f"{immutable}."):
            return True
        if immutable.startswith(f"{plain}.") and _inner(old, immutable, plain) != _inner(new, immutable, plain):
            return True  # a whole block appeared or went, with an immutable property in it
    for where, decides in rule.replace_when.items():
        if plain == where and decides(old, new):
            return True
        if where.startswith(f"{plain}.") and decides(_inner(old, where, plain), _inner(new, where, plain)):
            return True
    return False


def _inner(value: Value, path: str, outer: str) -> Value:
    for step in path[len(outer) + 1 :].split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
