"""The simulated cloud: create, read, update and delete with the manners of the real one."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from recovery.ids import ID_TEMPLATES, IMPORT_TEMPLATES, NOT_IMPORTABLE, derive_import_id, fill
from sandbox.cloud import checks, functions, schema
from sandbox.cloud.checks import BUCKET_OBJECT
from sandbox.cloud.clock import Clock
from sandbox.cloud.diff import Change, changes
from sandbox.cloud.errors import CloudError, ProviderError
from sandbox.cloud.faults import FaultRule, Faults, Op, strike
from sandbox.cloud.store import CloudObject, Operation, Store
from sandbox.cloud.synthesis import (
    ProviderConfig,
    content_matches,
    defaults_for,
    digest_hex,
    planned_outputs,
    planned_update,
    project_number,
    synthesise,
)
from sandbox.cloud.tables import rule_for
from sandbox.cloud.values import Props, Value, apply_defaults, get_path, is_asset, parse_path, set_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.cloud.rules import Rule

_Result = TypeVar("_Result")
_AUTO_NAME_DIGITS: Final = 7
"""Random hex digits that the provider appends to a name it makes up."""


@dataclass(frozen=True)
class Target:
    """A resource as Pulumi knows it: fault rules and the log name it so."""

    type: str
    name: str
    urn: str


class Cloud:
    """One simulated cloud with all its projects, kept in one file."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(store)
        self.faults = Faults(store)

    @classmethod
    def open(cls, path: Path) -> Cloud:
        """Open the cloud in a SQLite file, making it when there is none."""
        return cls(Store(path))

    @classmethod
    def in_memory(cls) -> Cloud:
        """A cloud that ends with the process."""
        return cls(Store(None))

    def close(self) -> None:
        self.store.close()

    # --- what the provider asks ----------------------------------------------------------------------------------

    def check(self, target: Target, inputs: Props, random_seed: bytes = b"") -> tuple[Props, list[schema.Failure]]:
        """Judge inputs and fill in the provider's schema defaults; nothing is created."""
        token, name = target.type, target.name
        rule = rule_for(token)
        failures = schema.check_inputs(token, inputs)
        if failures:
            return inputs, failures
        checked = copy.deepcopy(inputs)
        if token.startswith("gcp:") and "name" in schema.resource_type(token).inputs.properties:
            suffix = digest_hex(random_seed.hex() or name, _AUTO_NAME_DIGITS)
            apply_defaults(checked, {"name": f"{name}-{suffix}"})
        apply_defaults(checked, copy.deepcopy(dict(rule.check_defaults)))
        return checked, []

    def diff(
        self,
        token: str,
        *,
        state: Props,
        old_inputs: Props,
        new_inputs: Props,
        config: ProviderConfig,
        ignore: list[str] | None = None,
    ) -> list[Change]:
        return changes(
            token,
            rule_for(token),
            state=state,
            old_inputs=old_inputs,
            new_inputs=new_inputs,
            config=config,
            ignore=ignore or (),
        )

    def plan_create(self, token: str, inputs: Props, config: ProviderConfig) -> Props:
        """The outputs that preview can show for a new resource."""
        return planned_outputs(token, rule_for(token), inputs, config)

    def plan_update(self, token: str, inputs: Props, state: Props, config: ProviderConfig) -> Props:
        return planned_update(token, rule_for(token), inputs, state, config)

    def create(self, target: Target, inputs: Props, config: ProviderConfig) -> tuple[str, Props]:
        """Make an object.

        Args:
            target: the resource as Pulumi knows it.
            inputs: checked inputs.
            config: the provider's configuration.

        Returns:
            The id and the state.

        Raises:
            CloudError: the API refuses, or a fault rule strikes.
        """
        token, urn = target.type, target.urn
        rule = rule_for(token)

        def commit() -> tuple[str, Props]:
            group = str(inputs.get(rule.numbered_by) or "") if rule.numbered_by else urn
            seed = f"{token}/{group}#{self.store.next_number(f'{token}|{group}')}"
            now = self.clock.text()
            object_id, outputs = synthesise(token, rule, inputs, config, seed=seed, now=now)
            if rule.stateless:
                return object_id, outputs
            existing = self.store.get(token, object_id)
            if existing is not None:
                if rule.on_exists == "conflict":
                    raise CloudError(409, f"{object_id} already exists", "alreadyExists")
                _, outputs = synthesise(
                    token, rule, inputs, config, seed=seed, now=now, object_id=object_id, previous=existing.outputs
                )
            reserved = self.store.reservation(token, object_id, now)
            if reserved is not None:
                raise CloudError(409, reserved, "alreadyExists")
            world = checks.World(self.store, self.clock, token, rule, object_id, inputs, outputs, config)
            checks.check_create(world)
            if existing is not None and token == BUCKET_OBJECT:
                checks.check_object_retention(world)
            parents = self._parents(world)
            self.store.put(CloudObject(token, object_id, urn, inputs, outputs, now), parents)
            checks.after_create(world)
            return object_id, outputs

        return self._run("create", target, commit)

    def read(self, target: Target, object_id: str, state: Props, config: ProviderConfig) -> tuple[str, Props] | None:
        """The state of an object as it is now, or None when it is gone.

        Without a state this is an import: the id must then be what an import takes, and what only a state can know has
        the value that an import gives it.
        """
        token = target.type
        rule = rule_for(token)
        if rule.stateless:
            return object_id, state
        fault = self.faults.due("read", token, target.name)
        if fault is not None:
            strike(fault)
        item = self.store.get(token, object_id) if state else self._import(token, object_id, config)
        if item is None:
            return None
        outputs = copy.deepcopy(item.outputs)
        for virtual, imported in {"deletionPolicy": "DELETE", **rule.virtual}.items():
            if virtual in schema.resource_type(token).outputs:
                value = state.get(virtual) if state else imported
                if value is None:
                    outputs.pop(virtual, None)
                else:
                    outputs[virtual] = value
        if token == BUCKET_OBJECT and state and not content_matches(item.outputs.get("md5hash"), state):
            outputs["detectMd5hash"] = item.outputs.get("md5hash")
        return item.id, outputs

    def imported_inputs(self, token: str, object_id: str, outputs: Props) -> Props:
        """The inputs of an object that was found by its id alone."""
        item = self.store.get(token, object_id)
        if item is None:
            return {}
        rule = rule_for(token)
        inputs = {key: value for key, value in item.inputs.items() if key not in rule.virtual}
        inputs.update({virtual: value for virtual, value in rule.virtual.items() if value is not None})
        return project_inputs(inputs, outputs)

    def update(self, target: Target, object_id: str, inputs: Props, state: Props, config: ProviderConfig) -> Props:
        """Change an object in place and return its new state."""
        token, urn = target.type, target.urn
        rule = rule_for(token)

        def commit() -> Props:
            now = self.clock.text()
            existing = None if rule.stateless else self.store.get(token, object_id)
            if existing is None and not rule.stateless:
                raise CloudError(404, f"{object_id} was not found", "notFound")
            before = existing.outputs if existing else state
            _, outputs = synthesise(
                token, rule, inputs, config, seed=f"{urn}/{now}", now=now, object_id=object_id, previous=before
            )
            if existing is not None:
                world = checks.World(self.store, self.clock, token, rule, object_id, inputs, outputs, config)
                checks.check_update(world, before)
                if token == BUCKET_OBJECT:
                    checks.check_object_retention(world)
                self.store.put(replace(existing, urn=urn, inputs=inputs, outputs=outputs))
            return outputs

        return self._run("update", target, commit, object_id)

    def delete(self, target: Target, object_id: str, state: Props, config: ProviderConfig) -> None:
        """Delete an object, or refuse as the provider or the API would. Deleting what is gone succeeds."""
        token = target.type
        rule = rule_for(token)
        if rule.stateless:
            return
        if state.get("deletionPolicy") == "PREVENT":
            raise ProviderError(
                f'cannot destroy {object_id} without setting deletion_policy="DELETE" and running `pulumi up`'
            )
        for path, message in rule.protections.items():
            if get_path(state, path):
                raise ProviderError(message)
        kept = rule.kept_in_cloud or state.get("deletionPolicy") == "ABANDON"
        kept = kept or (token == checks.SERVICE and not state.get("disableOnDestroy"))

        def commit() -> None:
            item = self.store.get(token, object_id)
            if item is None or kept:
                return
            world = checks.World(self.store, self.clock, token, rule, object_id, item.inputs, item.outputs, config)
            checks.check_delete(world, state)
            self._remove(item)
            if rule.reservation is not None:
                self._reserve(world, rule)

        self._run("delete", target, commit, object_id)

    def invoke(self, token: str, arguments: Props, config: ProviderConfig) -> Props:
        """Answer a function call."""
        with self.store.transaction():
            return functions.call(token, arguments, self.store, config)

    # --- what tests and people do behind Pulumi's back -----------------------------------------------------------

    def objects(self, token: str | None = None) -> list[CloudObject]:
        """What exists, in order of creation."""
        return self.store.objects(token)

    def operations(self, since: int = 0) -> list[Operation]:
        """Every change that reached the cloud after a sequence number, with its result."""
        return self.store.operations(since)

    def find(self, token: str, name_or_id: str) -> CloudObject:
        """One object by its id or by any of its names.

        Raises:
            KeyError: there is none, or more than one.
        """
        found = [item for item in self.store.objects(token) if name_or_id == item.id or name_or_id in _names(item)]
        if len(found) != 1:
            known = ", ".join(item.id for item in self.store.objects(token)) or "none"
            raise KeyError(f"{len(found)} objects of {token} are called {name_or_id!r}; there are: {known}")
        return found[0]

    def drift(self, token: str, name_or_id: str, path: str, value: Value) -> None:
        """Change a property behind Pulumi's back; None removes it."""
        item = self.find(token, name_or_id)
        outputs = copy.deepcopy(item.outputs)
        set_path(outputs, path, value)
        failures = schema.check_inputs(
            token,
            {key: found for key, found in outputs.items() if key in schema.resource_type(token).inputs.properties},
        )
        wrong = [failure for failure in failures if failure.path.startswith(str(parse_path(path)[0]))]
        if wrong:
            raise ValueError(f"{wrong[0].path}: {wrong[0].reason}")
        self.store.put(replace(item, outputs=outputs))

    def remove(self, token: str, name_or_id: str) -> None:
        """Make an object vanish with everything under it, with no refusals."""
        self._remove(self.find(token, name_or_id))

    def put_object(self, bucket: str, name: str, content: str) -> None:
        """Write a bucket object as a workload would.

        Raises:
            CloudError: there is no such bucket, or its retention policy holds the object that is there.
        """
        config = ProviderConfig()
        inputs: Props = {"bucket": bucket, "name": name, "content": content}
        rule = rule_for(BUCKET_OBJECT)
        with self.store.transaction():
            if not self.store.exists("gcp:storage/bucket:Bucket", bucket):
                raise CloudError(404, "The specified bucket does not exist.", "notFound")
            now = self.clock.text()
            seed = f"{bucket}/{name}#{self.store.next_number(f'{bucket}/{name}')}"
            object_id, outputs = synthesise(BUCKET_OBJECT, rule, inputs, config, seed=seed, now=now)
            world = checks.World(self.store, self.clock, BUCKET_OBJECT, rule, object_id, inputs, outputs, config)
            checks.check_object_retention(world)
            self.store.put(CloudObject(BUCKET_OBJECT, object_id, "", inputs, outputs, now), self._parents(world))

    def object_content(self, bucket: str, name: str) -> str | None:
        """The text of a bucket object, or None."""
        item = self.store.get(BUCKET_OBJECT, f"{bucket}-{name}")
        return None if item is None else str(item.outputs.get("content") or "")

    # --- inside --------------------------------------------------------------------------------------------------

    def _run(self, op: Op, target: Target, commit: Callable[[], _Result], object_id: str = "") -> _Result:
        """Commit one change and log it, with the fault that a rule has for it."""
        fault: FaultRule | None = self.faults.due(op, target.type, target.name)
        if fault is not None and fault.when == "before":
            self._note(op, target, object_id, f"fault: {fault.error or fault.kill} before commit")
            strike(fault)
        try:
            with self.store.transaction():
                result = commit()
                self._note(op, target, result[0] if isinstance(result, tuple) else object_id, "ok")
        except (CloudError, ProviderError) as error:
            self._note(op, target, object_id, str(error))
            raise
        if fault is not None:
            strike(fault)
        return result

    def _note(self, op: Op, target: Target, object_id: str, result: str) -> None:
        self.store.log(Operation(0, self.clock.text(), op, target.type, target.name, object_id, target.urn, result))

    def _parents(self, world: checks.World) -> list[tuple[str, str]]:
        """The parents' types and ids.

        Raises:
            CloudError: one that must exist does not.
        """
        found = []
        defaults = defaults_for(world.inputs, world.config)
        for parent in world.rule.parents:
            parent_id = fill(parent.id_template, {**world.inputs, "project": world.project}, defaults)
            if parent_id is None:
                continue  # an optional reference that is not set
            if not self.store.exists(parent.token, parent_id):
                raise CloudError(404, f"{parent.token} {parent_id} was not found", "notFound")
            found.append((parent.token, parent_id))
        return found

    def _remove(self, item: CloudObject) -> None:
        with self.store.transaction():
            for token, child in self.store.children(item.type, item.id):
                below = self.store.get(token, child)
                if below is not None:
                    self._remove(below)
            self.store.remove(item.type, item.id)

    def _reserve(self, world: checks.World, rule: Rule) -> None:
        reservation = rule.reservation
        if reservation is None:
            return
        until = None
        if reservation.days is not None:
            until = (self.clock.now() + dt.timedelta(days=reservation.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = fill(reservation.message, {**world.outputs, "id": world.id}, {}) or reservation.message
        self.store.reserve(world.token, world.id, until, message)

    def _import(self, token: str, wanted: str, config: ProviderConfig) -> CloudObject | None:
        if token in NOT_IMPORTABLE:
            raise ProviderError(f"{token} cannot be imported: read it with its properties, not by its id alone")
        if token not in IMPORT_TEMPLATES:
            found = self.store.get(token, wanted)
            if found is None and ID_TEMPLATES.get(token) == "{name}":
                return self.store.get(token, wanted.rsplit("/", 1)[-1])  # the long form is accepted too
            if found is None and wanted.startswith("projects/"):
                return self._by_project_alias(token, wanted, config)
            return found
        for item in self.store.objects(token):
            if derive_import_id(token, item.outputs, defaults_for(item.outputs, config)) == wanted:
                return item
            if item.id == wanted:
                raise ProviderError(
                    f"{wanted!r} is the id in the state, not an import id of {token}: use {IMPORT_TEMPLATES[token]!r}"
                )
        return None

    def _by_project_alias(self, token: str, wanted: str, config: ProviderConfig) -> CloudObject | None:
        """APIs take a project's id and its number alike."""
        _, project, rest = wanted.split("/", 2)
        number = (
            config.project_number if project == config.project and config.project_number else project_number(project)
        )
        return self.store.get(token, f"projects/{number}/{rest}")


_NAME_KEYS: Final = ("name", "displayName", "secretId", "accountId", "repositoryId", "bucketId", "roleId", "serviceId")


def _names(item: CloudObject) -> set[str]:
    return {str(item.outputs[key]) for key in _NAME_KEYS if item.outputs.get(key)}


def project_inputs(inputs: Props, state: Props) -> Props:
    """The declared inputs with the values that the state has now: what a refresh records as inputs."""
    return {
        key: _project(value, state[key]) if state.get(key) is not None else value
        for key, value in inputs.items()
        if state.get(key) is not None or value in ({}, [], "", False, 0)
    }


def _project(declared: Value, state: Value) -> Value:
    if isinstance(declared, dict) and isinstance(state, dict) and not is_asset(declared):
        return project_inputs(declared, state)
    if isinstance(declared, list) and isinstance(state, list) and len(declared) == len(state):
        return [_project(one, other) for one, other in zip(declared, state, strict=True)]
    return copy.deepcopy(state)
