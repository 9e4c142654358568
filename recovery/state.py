"""Account for interrupted creations in an exported state: pure functions on the export's own JSON."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from recovery import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    State = dict[str, Any]
    Lookup = Callable[[str, str, Mapping[str, Any]], list[str]]

_SECRET_MARK: Final = "4dabf18193072939515e22adb298388d"  # noqa: S105 - the engine's public marker for special values
_HINT_LENGTH: Final = 120

Outcome = Literal["assumed", "found", "orphan", "unknown", "dropped", "retried"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one interrupted operation.

    `assumed`: put into the state under the id that follows from its inputs; the refresh drops what does not exist.
    `found`: its server-assigned id was looked up. `orphan`: it may exist under an id that only the server knows.
    `unknown`: its id can not be derived. `dropped`: nothing outside the state is behind it. `retried`: an interrupted
    update or deletion, which the next `up` does again.
    """

    urn: str
    type: str
    operation: str
    outcome: Outcome
    id: str = ""
    hint: str = ""

    def __str__(self) -> str:
        name = self.urn.rpartition("::")[2]
        words = {
            "assumed": f"assumed to exist as {self.id!r}; the refresh checks it",
            "found": f"found in the cloud as {self.id!r}",
            "orphan": f"may exist under an id that only the server knows: {self.hint}",
            "unknown": f"its id cannot be derived: {self.hint}",
            "dropped": "nothing outside the state is behind it, it will be made again",
            "retried": f"interrupted while {self.operation}; the next up does it again",
        }
        return f"{self.type} {name}: {words[self.outcome]}"


def account(state: State, *, lookup: Lookup | None = None) -> tuple[State, list[Finding]]:
    """Turn every pending operation of an exported state into a resource or a finding.

    Args:
        state: `pulumi stack export`; not changed.
        lookup: ids in the cloud of an object whose id the server assigned, by type, URN and inputs, where one can ask.

    Returns:
        The state to import, without pending operations, and one finding per operation.
    """
    result = copy.deepcopy(state)
    deployment = result["deployment"]
    pending = deployment.pop("pending_operations", None) or []
    resources = deployment.setdefault("resources", []) or []
    deployment["resources"] = resources
    findings = []
    for operation in pending:
        finding = _judge(operation, resources, lookup)
        findings.append(finding)
        if finding.outcome in ("assumed", "found"):
            _insert(resources, {**operation["resource"], "id": finding.id})
    return result, findings


def _judge(operation: Mapping[str, Any], resources: list[dict[str, Any]], lookup: Lookup | None) -> Finding:
    resource = operation["resource"]
    urn, kind, doing = resource["urn"], resource["type"], operation["type"]

    def finding(outcome: Outcome, **details: str) -> Finding:
        return Finding(urn=urn, type=kind, operation=doing, outcome=outcome, **details)

    if doing != "creating":
        return finding("retried")
    if not resource.get("custom") or kind.startswith(("pulumi:", "random:")):
        return finding("dropped")
    inputs = plain(resource.get("inputs") or {})
    if kind in ids.SERVER_ASSIGNED:
        outcome, identity = _look_up(kind, urn, inputs, resources, lookup)
        return finding(outcome, id=identity, hint=_hint(kind, inputs))
    derived = ids.derive_id(kind, inputs, provider_defaults(resource.get("provider"), resources))
    if derived is None:
        return finding("unknown", hint=f"look for it by its inputs {sorted(inputs)}")
    return finding("assumed", id=derived)


def _look_up(
    kind: str, urn: str, inputs: Mapping[str, Any], resources: list[dict[str, Any]], lookup: Lookup | None
) -> tuple[Outcome, str]:
    """Find the one object of a server-assigned id that no resource of the state owns yet."""
    if lookup is None:
        return "orphan", ""
    owned = {resource.get("id") for resource in resources if resource["type"] == kind}
    candidates = [found for found in lookup(kind, urn, inputs) if found not in owned]
    if len(candidates) == 1:
        return "found", candidates[0]
    return ("orphan", "") if candidates else ("dropped", "")


def _hint(kind: str, inputs: Mapping[str, Any]) -> str:
    key = ids.SERVER_ASSIGNED[kind]
    text = str(inputs.get(key, ""))
    return f"look for {key} {text if len(text) <= _HINT_LENGTH else text[:_HINT_LENGTH] + '...'!r}"


def provider_defaults(reference: object, resources: list[dict[str, Any]]) -> dict[str, str]:
    """`project`, `region`, `account` and the like of the provider that a resource names (`<urn>::<id>`)."""
    urn = str(reference or "").rpartition("::")[0]
    for resource in resources:
        if resource["urn"] == urn:
            inputs = plain(resource.get("inputs") or {})
            accounts = json.loads(inputs.get("allowedAccountIds") or "[]")
            found = {key: value for key, value in inputs.items() if isinstance(value, str)}
            return {**found, **({"account": str(accounts[0])} if accounts else {})}
    return {}


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A property value without secret wrappers; a secret that the export keeps encrypted becomes None."""
    if isinstance(value, dict):
        if _SECRET_MARK in value:
            return None
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _insert(resources: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    """Add a recovered resource, without references that the state cannot resolve, and keep the order valid.

    Where its creation was replacing an older object, that one is gone (`pendingReplacement`) and leaves the list, or it
    waits for its deletion, which the next `up` then does.
    """
    known = {existing["urn"] for existing in resources}
    recovered = {
        **resource,
        "dependencies": [urn for urn in resource.get("dependencies") or () if urn in known],
        "propertyDependencies": {
            name: [urn for urn in urns or () if urn in known]
            for name, urns in (resource.get("propertyDependencies") or {}).items()
        },
        "outputs": _outputs(resource),
    }
    if recovered.get("parent") not in known:
        recovered.pop("parent", None)
    for existing in list(resources):
        if existing["urn"] != recovered["urn"] or existing.get("delete"):
            continue
        if existing.get("pendingReplacement") or existing.get("id") == recovered["id"]:
            resources.remove(existing)
        else:
            existing["delete"] = True
    resources.append(recovered)
    resources[:] = _ordered(resources)


def _outputs(resource: dict[str, Any]) -> dict[str, Any]:
    """What the provider needs to read it, and then completes; without any it could not read what has no importer."""
    outputs = dict(resource.get("outputs") or resource.get("inputs") or {})
    template = ids.READ_THROUGH_NAME.get(resource["type"])
    if template is not None:
        outputs.setdefault("name", ids.fill(template, {"id": resource["id"]}, {}))
    return outputs


def _ordered(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources with everything after what it refers to, otherwise in the order they have."""
    live = {resource["urn"]: resource for resource in resources if not resource.get("delete")}
    done: list[dict[str, Any]] = []
    seen: set[int] = set()

    def visit(resource: dict[str, Any]) -> None:
        if id(resource) in seen:
            return
        seen.add(id(resource))
        needs = [resource.get("parent"), str(resource.get("provider") or "").rpartition("::")[0]]
        needs += [*(resource.get("dependencies") or ()), resource.get("deletedWith")]
        needs += [urn for urns in (resource.get("propertyDependencies") or {}).values() for urn in urns or ()]
        for urn in needs:
            if urn in live:
                visit(live[urn])
        done.append(resource)

    for resource in resources:
        visit(resource)
    return done
