"""The simulated cloud: create, read, update and delete with the manners of the real one."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from recovery.ids import (
    ID_TEMPLATES,
    IMPORT_TEMPLATES,
    NOT_IMPORTABLE,
    READ_BY_NAME,
    READ_THROUGH_NAME,
    derive_id,
    derive_import_id,
    fill,
)
from sandbox.cloud import checks_aws, checks_gcp, functions, schema
from sandbox.cloud.checks_gcp import BUCKET_OBJECT
from sandbox.cloud.clock import Clock
from sandbox.cloud.diff import Change, changes
from sandbox.cloud.digests import digest_hex
from sandbox.cloud.errors import CloudError, ProviderError, refusal
from sandbox.cloud.faults import FaultRule, Faults, Op, strike
from sandbox.cloud.provider import ProviderConfig, defaults_for, merged_tags, project_number
from sandbox.cloud.rules import World
from sandbox.cloud.store import CloudObject, Operation, Store
from sandbox.cloud.synthesis import content_matches, object_bytes, planned_outputs, planned_update, synthesise
from sandbox.cloud.tables import rule_for
from sandbox.cloud.tables.aws.common import BUCKET as S3_BUCKET
from sandbox.cloud.tables.aws.common import OBJECT as S3_OBJECT
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


class Judge(Protocol):
    """What a cloud refuses because of something elsewhere in it, and what a change brings along."""

    def check_create(self, world: World) -> None: ...
    def check_update(self, world: World, before: Props) -> None: ...
    def check_delete(self, world: World, state: Props) -> None: ...
    def after_create(self, world: World) -> None: ...


def judge_of(token: str) -> Judge:
    return checks_aws if token.startswith("aws:") else checks_gcp


def key_of(rule: Rule, object_id: str, outputs: Props) -> str:
    """What the store knows an object by, see CloudObject.key."""
    return f"{object_id}@{outputs.get('region')}" if rule.regional else object_id


def name_property(token: str) -> str:
    """The property for which the provider makes up a name when the program gives none; empty where it does not."""
    if token == S3_BUCKET:
        return "bucket"
    named = not token.startswith("random:") and "name" in schema.resource_type(token).inputs.properties
    return "name" if named else ""


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

    def check(
        self, target: Target, inputs: Props, random_seed: bytes = b"", config: ProviderConfig | None = None
    ) -> tuple[Props, list[schema.Failure]]:
        """Judge inputs and fill in what the provider does: its schema defaults, region and tags. Creates nothing."""
        token, name = target.type, target.name
        rule = rule_for(token)
        failures = schema.check_inputs(token, inputs)
        if failures:
            return inputs, failures
        checked = copy.deepcopy(inputs)
        own_name = name_property(token)
        if own_name and not any(checked.get(f"{prefixed}Prefix") for prefixed in (own_name, "name")):
            suffix = digest_hex(random_seed.hex() or name, _AUTO_NAME_DIGITS)
            apply_defaults(checked, {own_name: f"{name}-{suffix}"})
        apply_defaults(checked, copy.deepcopy(dict(rule.check_defaults)))
        if token.startswith("aws:"):
            outputs, config = schema.resource_type(token).outputs, config or ProviderConfig()
            if "region" in outputs and config.region:
                apply_defaults(checked, {"region": config.region})
            if "tagsAll" in outputs:
                checked["tagsAll"] = merged_tags(checked, config)
        if rule.validate is not None:
            failures = [schema.Failure(path, reason) for path, reason in rule.validate(checked)]
        return checked, failures

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
        rule, judge = rule_for(token), judge_of(token)

        def commit() -> tuple[str, Props]:
            group = str(inputs.get(rule.numbered_by) or "") if rule.numbered_by else urn
            seed = f"{token}/{group}#{self.store.next_number(f'{token}|{group}')}"
            now = self.clock.text()
            object_id, outputs = synthesise(token, rule, inputs, config, seed=seed, now=now)
            if rule.stateless:
                return object_id, outputs
            existing = self.store.get(token, key_of(rule, object_id, outputs))
            if existing is not None:
                if rule.conflict is not None:
                    raise rule.conflict(object_id)
                if rule.on_exists == "conflict":
                    raise refusal(token, 409, f"{object_id} already exists", rule.exists_code)
                _, outputs = synthesise(
                    token, rule, inputs, config, seed=seed, now=now, object_id=object_id, previous=existing.outputs
                )
            world = World(self.store, self.clock, token, rule, object_id, inputs, outputs, config)
            name = self._free_name(world)
            judge.check_create(world)
            if existing is not None and token == BUCKET_OBJECT:
                checks_gcp.check_object_retention(world)
            parents = self._parents(world)
            made = CloudObject(token, object_id, urn, inputs, outputs, now, rule.regional)
            self.store.put(made, parents, name)
            judge.after_create(world)
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
            strike(fault, token)
        item = self._stored(token, object_id, state, config) if state else self._import(token, object_id, config)
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
        if rule.on_read is not None:
            rule.on_read(outputs, state)
        if token == BUCKET_OBJECT and state and not content_matches(item.outputs.get("md5hash"), state):
            outputs["detectMd5hash"] = item.outputs.get("md5hash")
        return item.id, outputs

    def imported_inputs(self, token: str, object_id: str, outputs: Props) -> Props:
        """The inputs of an object that was found by its id alone."""
        rule = rule_for(token)
        item = self.store.get(token, key_of(rule, object_id, outputs))
        if item is None:
            return {}
        inputs = {key: value for key, value in item.inputs.items() if key not in rule.virtual}
        inputs.update({virtual: value for virtual, value in rule.virtual.items() if value is not None})
        return project_inputs(inputs, outputs)

    def update(self, target: Target, object_id: str, inputs: Props, state: Props, config: ProviderConfig) -> Props:
        """Change an object in place and return its new state."""
        token, urn = target.type, target.urn
        rule, judge = rule_for(token), judge_of(token)

        def commit() -> Props:
            now = self.clock.text()
            existing = None if rule.stateless else self._stored(token, object_id, state, config)
            if existing is None and not rule.stateless:
                raise refusal(token, 404, f"{object_id} was not found", "notFound")
            before = existing.outputs if existing else state
            _, outputs = synthesise(
                token, rule, inputs, config, seed=f"{urn}/{now}", now=now, object_id=object_id, previous=before
            )
            if existing is not None:
                world = World(self.store, self.clock, token, rule, object_id, inputs, outputs, config)
                name = self._free_name(world)
                judge.check_update(world, before)
                if token == BUCKET_OBJECT:
                    checks_gcp.check_object_retention(world)
                parents = self._parents(world)
                # A new version of an object is as old as its writing.
                created = now if token in {BUCKET_OBJECT, S3_OBJECT} else existing.created
                item = replace(existing, urn=urn, inputs=inputs, outputs=outputs, created=created)
                self.store.put(item, parents, name)
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
        kept = kept or (token == checks_gcp.SERVICE and not state.get("disableOnDestroy"))

        def commit() -> None:
            item = self._stored(token, object_id, state, config)
            if item is None or kept:
                return
            world = World(self.store, self.clock, token, rule, object_id, item.inputs, item.outputs, config)
            judge_of(token).check_delete(world, state)
            self._remove(item)
            if rule.reservation is not None:
                self._reserve(world, rule, state)

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

    def put_object(self, bucket: str, name: str, content: str, *, package: str = "") -> None:
        """Write a bucket object as a workload would.

        Args:
            bucket: the name of a bucket.
            name: the object's name (Google Cloud) or key (AWS).
            content: text.
            package: gcp or aws; needed only where both have a bucket of this name.

        Raises:
            CloudError: there is no such bucket, or its retention policy holds the object that is there.
            ValueError: both clouds have a bucket of this name.
        """
        with self.store.transaction():
            found = self._bucket(bucket, package)
            token, key = _OBJECTS[found.type]
            config = ProviderConfig(region=str(found.outputs.get("region") or ""))
            rule, now = rule_for(token), self.clock.text()
            written: Props = {"bucket": bucket, key: name, "content": content}
            object_id = derive_id(token, written, {}) or ""
            existing = self.store.get(token, object_id)
            kept = existing.inputs if existing is not None and token == S3_OBJECT else {}
            inputs = {**kept, **written, "etag": None} if kept else written
            seed = f"{bucket}/{name}#{self.store.next_number(f'{bucket}/{name}')}"
            _, outputs = synthesise(token, rule, inputs, config, seed=seed, now=now)
            world = World(self.store, self.clock, token, rule, object_id, inputs, outputs, config)
            if token == BUCKET_OBJECT:
                checks_gcp.check_object_retention(world)
            self.store.put(CloudObject(token, object_id, "", inputs, outputs, now), self._parents(world))

    def object_content(self, bucket: str, name: str, *, package: str = "") -> str | None:
        """The text of a bucket object, or None."""
        token, key = _OBJECTS[self._bucket(bucket, package).type]
        item = self.store.get(token, derive_id(token, {"bucket": bucket, key: name}, {}) or "")
        return None if item is None else object_bytes(item.inputs).decode()

    def _bucket(self, name: str, package: str) -> CloudObject:
        found = [
            item
            for token in _OBJECTS
            if token.startswith(package) and (item := self.store.get(token, name)) is not None
        ]
        if len(found) > 1:
            raise ValueError(f"two clouds have a bucket {name}: say which, gcp or aws")
        if not found:
            raise CloudError(404, "The specified bucket does not exist.", "notFound")
        return found[0]

    # --- inside --------------------------------------------------------------------------------------------------

    def _run(self, op: Op, target: Target, commit: Callable[[], _Result], object_id: str = "") -> _Result:
        """Commit one change and log it, with the fault that a rule has for it."""
        fault: FaultRule | None = self.faults.due(op, target.type, target.name)
        if fault is not None and fault.when == "before":
            self._note(op, target, object_id, f"fault: {fault.error or fault.kill} before commit")
            strike(fault, target.type)
        try:
            with self.store.transaction():
                result = commit()
                self._note(op, target, result[0] if isinstance(result, tuple) else object_id, "ok")
        except (CloudError, ProviderError) as error:
            self._note(op, target, object_id, str(error))
            raise
        if fault is not None:
            strike(fault, target.type)
        return result

    def _note(self, op: Op, target: Target, object_id: str, result: str) -> None:
        self.store.log(Operation(0, self.clock.text(), op, target.type, target.name, object_id, target.urn, result))

    def _stored(self, token: str, object_id: str, state: Props, config: ProviderConfig) -> CloudObject | None:
        """The object that a state holds; where the API reads by name as well, the id may be that name."""
        where = {"region": state.get("region") or config.region}
        rule = rule_for(token)
        if token in READ_THROUGH_NAME:
            name = str(state.get("name") or "")
            if "/" in name or not name:
                object_id = name
        found = self.store.get(token, key_of(rule, object_id, where))
        if found is None and object_id.startswith("projects/"):
            found = self._by_project_alias(token, object_id, config)
        if found is None and token in READ_BY_NAME:
            found = self.store.named(token, f"{object_id}@{where['region']}")
        return found

    def _free_name(self, world: World) -> str:
        """The unique name that the object is going to have; empty where its id is what is unique.

        Raises:
            CloudError: it is taken, or still reserved.
        """
        rule, token, name = world.rule, world.token, ""
        if rule.unique:
            numbers = {key: str(value) for key, value in world.outputs.items() if isinstance(value, int)}
            name = fill(rule.unique, {**world.outputs, **numbers}, defaults_for(world.inputs, world.config)) or ""
            if name and world.outputs.get("region"):
                name = f"{name}@{world.outputs['region']}"
            other = self.store.named(token, name)
            if other is not None and other.id != world.id:
                if rule.conflict is not None:
                    raise rule.conflict(other.id)
                raise refusal(token, 409, f"{name.partition('@')[0]} already exists", rule.exists_code)
        if not self.store.exists(token, world.key):
            reserved = self.store.reservation(token, name or world.key, self.clock.text())
            if reserved is not None:
                raise refusal(token, 409, reserved, rule.exists_code)
        return name

    def _parents(self, world: World) -> list[tuple[str, str]]:
        """The parents' types and keys.

        Raises:
            CloudError: one that must exist does not.
        """
        found = []
        for parent in world.rule.parents:
            for key in checks_gcp.parent_keys(parent, world.inputs, world.config, world.project):
                if not self.store.exists(parent.token, key):
                    raise refusal(world.token, 404, f"{parent.token} {key} was not found", "notFound")
                if parent.on_delete != "ignore":
                    found.append((parent.token, key))
        return found

    def _remove(self, item: CloudObject) -> None:
        with self.store.transaction():
            for token, child in self.store.children(item.type, item.key):
                below = self.store.get(token, child)
                if below is not None:
                    self._remove(below)
            self.store.remove(item.type, item.key)
            checks_gcp.after_remove(self.store, item)

    def _reserve(self, world: World, rule: Rule, state: Props) -> None:
        reservation = rule.reservation
        if reservation is None:
            return
        until, days = None, state.get(reservation.days_from, reservation.days)
        if days == 0:
            return
        if days is not None:
            until = (self.clock.now() + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        values = {**world.outputs, "id": world.id, "until": until}
        message = fill(reservation.message, values, {}) or reservation.message
        self.store.reserve(world.token, fill(reservation.key, values, {}) or world.key, until, message)

    def _import(self, token: str, wanted: str, config: ProviderConfig) -> CloudObject | None:
        if token in NOT_IMPORTABLE:
            raise ProviderError(f"{token} cannot be imported: read it with its properties, not by its id alone")
        if token not in IMPORT_TEMPLATES:
            found = self.store.get(token, wanted) or self._stored(token, wanted, {"name": wanted}, config)
            if found is None and ID_TEMPLATES.get(token) == "{name}":
                return self.store.get(token, wanted.rsplit("/", 1)[-1])  # the long form is accepted too
            return found
        for item in self.store.objects(token):
            known = {**item.outputs, "id": item.id}
            if derive_import_id(token, known, defaults_for(item.outputs, config)) == wanted:
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


_NAME_KEYS: Final = (
    *("name", "displayName", "secretId", "accountId", "repositoryId", "bucketId", "roleId", "serviceId"),
    *("identifier", "key", "family", "dashboardName", "configurationName", "domainName"),
)
_OBJECTS: Final = {
    "gcp:storage/bucket:Bucket": (BUCKET_OBJECT, "name"),
    S3_BUCKET: (S3_OBJECT, "key"),
}
"""Types of buckets, with the type of what is in them and the property that names it there."""


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
