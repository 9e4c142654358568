"""The shape of a table entry: how one resource type of a simulated cloud behaves, and what its functions are given."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from recovery.ids import fill
from sandbox.cloud.digests import digest_hex, digest_number
from sandbox.cloud.provider import ProviderConfig, project_number
from sandbox.cloud.values import Props, Value, get_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sandbox.cloud.clock import Clock
    from sandbox.cloud.errors import CloudError
    from sandbox.cloud.store import Store


@dataclass(frozen=True)
class Parent:
    """The object without which this one cannot exist."""

    token: str
    id_template: str
    """In the notation of recovery.ids; filters as there."""
    on_delete: Literal["block", "cascade", "ignore"] = "cascade"
    """What deleting the parent does: the API refuses while this child lives, the child goes with it, or nothing."""
    each: str = ""
    """The path of a property that names any number of parents; the template then sees each of them as ``{each}``."""
    pattern: str = ""
    """A regular expression for what names an object of this cloud; anything else is taken on trust."""


@dataclass(frozen=True)
class Reservation:
    """How long a name stays taken after deletion; None is forever."""

    days: float | None
    message: str
    days_from: str = ""
    """The property that says how many days, where it is set; zero frees the name at once."""
    key: str = "{id}"
    """What stays taken."""


@dataclass(frozen=True)
class Rule:
    """Behaviour of one resource type. Paths are wire names, dotted; a list is entered without an index."""

    immutable: tuple[str, ...] = ()
    """A change of these forces replacement."""
    replace_when: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    """Paths where only some changes replace: old and new value to a verdict."""
    check_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Schema defaults that the provider puts into the inputs at Check, so that policies see them.

    Pulumi's Google provider leaves falsy ones (false, 0, an empty text) to the plan: policies see those as unset.
    """
    plan_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Defaults that the provider fills in when it plans: not in the inputs, but known in preview."""
    server_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settable properties that the cloud fills when unset: unknown in preview."""
    planned: Mapping[str, str] = field(default_factory=dict)
    """Outputs that the provider already knows in preview, as templates."""
    computed: Mapping[str, str | Callable[[Synthesis], Any]] = field(default_factory=dict)
    """Outputs known after create: a template over inputs, outputs, ``id``, ``project`` ..., or a function."""
    recomputed: tuple[str, ...] = ()
    """Computed outputs that follow the inputs on every update; the others stay as created."""
    numbered_by: str = ""
    """The input whose value groups the numbers that the server gives out (versions of one secret)."""
    id_from: str | Callable[[Synthesis], str] | None = None
    """Server-assigned ids only: template or function; name-keyed types use recovery.ids."""
    virtual: Mapping[str, Any] = field(default_factory=dict)
    """Properties that live in the provider's state only, with the value that an import gives them."""
    json_text: tuple[str, ...] = ()
    """Texts compared as JSON documents."""
    unordered: tuple[str, ...] = ()
    """Lists that are sets: order is no difference."""
    secret_outputs: tuple[str, ...] = ()
    api: str = ""
    """The API that must be enabled in the project."""
    on_exists: Literal["conflict", "adopt"] = "conflict"
    exists_code: str = "alreadyExists"
    """The API's name for the error when a name is taken."""
    regional: bool = False
    """The id is unique in a region only: elsewhere the same id is another object."""
    unique: str = ""
    """Where the server assigns the id: the name, as a template, that no second object may have."""
    conflict: Callable[[str], CloudError] | None = None
    """The refusal of an id that exists, where the API has words of its own for it."""
    parents: tuple[Parent, ...] = ()
    reservation: Reservation | None = None
    kept_in_cloud: bool = False
    """Deleting only forgets it: the API has no delete (KMS key rings)."""
    protections: Mapping[str, str] = field(default_factory=dict)
    """State path that must be false for a delete, with the provider's or the API's message."""
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths that name other objects, with the types these may have: they must exist, and stay while they are named."""
    validate: Callable[[Props], Iterable[tuple[str, str]]] | None = None
    """What the provider's own validators find wrong: path and reason. Unknown values are to be passed over."""
    check: Callable[[World], None] | None = None
    """What the API refuses on create and update because of other objects, or because settings contradict each other."""
    on_read: Callable[[Props, Props], None] | None = None
    """Puts what cannot be read back into the outputs that were found (first), from the state (second)."""
    stateless: bool = False
    """Nothing exists outside the Pulumi state (the random provider)."""


@dataclass
class Synthesis:
    """The making of one object; table functions read it."""

    token: str
    rule: Rule
    inputs: Props
    config: ProviderConfig
    seed: str
    """Identity of this very object: two creates of the same inputs have two seeds."""
    now: str
    """RFC 3339, by the cloud's clock."""
    id: str = ""
    outputs: Props = field(default_factory=dict)

    @property
    def project(self) -> str:
        return str(self.inputs.get("project") or self.config.project).rsplit("/", 1)[-1]

    @property
    def number(self) -> str:
        """The number of the resource's project."""
        if self.project == self.config.project and self.config.project_number:
            return self.config.project_number
        return project_number(self.project)

    @property
    def account(self) -> str:
        return self.config.account

    @property
    def region(self) -> str:
        return str(self.inputs.get("region") or self.config.region)

    def digits(self, salt: str = "", below: int = 10**18) -> int:
        return digest_number(f"{self.seed}/{salt}", below)

    def hex(self, length: int, salt: str = "") -> str:
        return digest_hex(f"{self.seed}/{salt}", length)

    def uuid(self, salt: str = "") -> str:
        return str(uuid.UUID(self.hex(32, salt)))

    def text(self, template: str) -> str:
        """Fill a template from inputs, outputs and the object's own facts."""
        values = {
            **self.outputs,
            **self.inputs,
            "id": self.id,
            "account": self.account,
            "project": self.project,
            "number": self.number,
            "now": self.now,
            "uuid": self.uuid(),
            "digits": str(self.digits()),
        }
        return fill(template, values, self.config.defaults()) or ""


@dataclass
class World:
    """One resource in the middle of a change, and the cloud around it."""

    store: Store
    clock: Clock
    token: str
    rule: Rule
    id: str
    inputs: Props
    outputs: Props
    config: ProviderConfig

    @property
    def key(self) -> str:
        """What the store knows the resource by."""
        return f"{self.id}@{self.region}" if self.rule.regional else self.id

    @property
    def region(self) -> str:
        return str(self.outputs.get("region") or self.config.region)

    @property
    def project(self) -> str:
        return str(self.outputs.get("project") or self.config.project).rsplit("/", 1)[-1]

    @property
    def number(self) -> str:
        if self.project == self.config.project and self.config.project_number:
            return self.config.project_number
        return project_number(self.project)

    def value(self, path: str) -> Value:
        return get_path(self.outputs, path)
