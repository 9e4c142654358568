"""Pulumi mocks that answer as the simulated cloud does: the same schema check, defaults and computed outputs.

Component tests so reject an unknown property, and see the outputs that an `up` in the sandbox would give. What mocks
leave out is the cloud around a resource: nothing is enabled, granted, reserved or refused.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi.runtime import mocks, rpc

from sandbox.cloud import Cloud
from sandbox.cloud.cloud import Target
from sandbox.cloud.errors import CloudError
from sandbox.cloud.provider import ProviderConfig, parse_config
from sandbox.cloud.schema import SDKS, check_provider
from sandbox.cloud.synthesis import synthesise
from sandbox.cloud.tables import rule_for
from sandbox.cloud.values import SIGNATURE_KEY, Props, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_STACK_OUTPUTS: Final = "pulumi:pulumi:readStackOutputs"
_NOW: Final = "2026-01-01T00:00:00Z"
"""Computed times must not change from run to run."""
_SECRET: Final = rpc._special_secret_sig  # noqa: SLF001 - the protocol's constants have no public name
_ASSET: Final = rpc._special_asset_sig  # noqa: SLF001

_current: Final = threading.local()
"""The request being served: the SDK registers resources from several threads."""


@dataclass(frozen=True)
class Registration:
    """One resource that the program under test has registered."""

    type: str
    name: str
    inputs: Props
    """Checked inputs with wire names, secrets in the clear; see `secret_inputs`."""
    outputs: Props
    id: str
    custom: bool
    secret_inputs: frozenset[str] = frozenset()
    parent: str = ""
    """The parent's URN; as everything below, known only when `boot` set the mocks."""
    protect: bool = False
    dependencies: tuple[str, ...] = ()
    """URNs of everything it waits for: what it names explicitly, and the origins of its inputs."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Input → URNs of the resources that its value was built from."""
    ignore_changes: tuple[str, ...] = ()
    delete_before_replace: bool = False
    provider: str = ""
    """Reference to its provider, `urn::id`; empty for one that the engine would choose by default."""
    hooks: frozenset[tuple[str, str]] = frozenset()
    """(moment, name of the hook) of each hook bound to it."""
    secret_outputs: frozenset[str] = frozenset()
    """Outputs that the program asked to keep secret, beyond what the provider marks."""

    @classmethod
    def of(cls, request: Any, **known: Any) -> Registration:  # noqa: ANN401 - the generated protocol is untyped
        """The registration with everything that the request says of it; without a request, only what is known."""
        if request is None:
            return cls(**known)
        hooks = request.hooks
        return cls(
            **known,
            parent=request.parent,
            protect=request.protect,
            dependencies=tuple(request.dependencies),
            sources={name: tuple(found.urns) for name, found in request.propertyDependencies.items()},
            ignore_changes=tuple(request.ignoreChanges),
            delete_before_replace=request.deleteBeforeReplace,
            provider=request.provider,
            hooks=frozenset((moment.name, name) for moment, names in hooks.ListFields() for name in names),
            secret_outputs=frozenset(request.additionalSecretOutputs),
        )


@dataclass
class SandboxMocks(mocks.Mocks):
    """Answers registrations and invokes from the simulated cloud's tables, and records them."""

    stack_outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Outputs of other stacks (or of this one's last update) by full stack name."""
    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Props] = field(default_factory=dict)
    """What components and the stack registered as their outputs, by name; secrets in the clear."""
    invokes: list[tuple[str, Props]] = field(default_factory=list)
    cloud: Cloud = field(default_factory=Cloud.in_memory)
    configs: dict[str, ProviderConfig] = field(default_factory=dict)
    """What each package's provider was configured with."""

    def of(self, token: str) -> list[Registration]:
        """Every registration of a type, in order."""
        return [found for found in self.registrations if found.type == token]

    def one(self, token: str, name: str | None = None) -> Registration:
        """The registration of a type, or of a type and a name.

        Raises:
            AssertionError: there is none, or more than one.
        """
        found = [item for item in self.of(token) if name in {None, item.name}]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} of {token} {name or ''}: {[item.name for item in self.of(token)]}")
        return found[0]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, Props]:
        inputs, secret = _plain_inputs(args.inputs)
        package = args.typ.partition(":")[0]
        if package in SDKS:
            object_id, outputs, inputs = self._make(args, inputs)
            secret_outputs = secret | set(rule_for(args.typ).secret_outputs)
        else:
            object_id, outputs, secret_outputs = f"{args.name}-id", inputs, secret
            if args.typ.startswith("pulumi:providers:"):
                self._configure(args.typ.rpartition(":")[2], inputs)
        self.registrations.append(
            Registration.of(
                getattr(_current, "request", None),
                type=args.typ,
                name=args.name,
                inputs=inputs,
                outputs=outputs,
                id=object_id,
                custom=bool(args.custom),
                secret_inputs=secret,
            )
        )
        return object_id, {key: _wrap(value, key in secret_outputs) for key, value in outputs.items()}

    def _make(self, args: mocks.MockResourceArgs, inputs: Props) -> tuple[str, Props, Props]:
        target = Target(args.typ, args.name, f"urn:pulumi:mock::{args.typ}::{args.name}")
        checked, failures = self.cloud.check(target, inputs, config=self._config(args.typ))
        if failures:
            wrong = "; ".join(f"{failure.path}: {failure.reason}" for failure in failures)
            raise ValueError(f"{args.typ} {args.name}: {wrong}")
        seed = f"{args.typ}/{args.name}#{self.cloud.store.next_number(f'{args.typ}/{args.name}')}"
        object_id, outputs = synthesise(
            args.typ,
            rule_for(args.typ),
            checked,
            self._config(args.typ),
            seed=seed,
            now=_NOW,
            object_id=args.resource_id or None,
        )
        return object_id, outputs, checked

    def _configure(self, package: str, inputs: Props) -> None:
        failures = check_provider(package, inputs) if package in SDKS else []
        if failures:
            raise ValueError(f"provider {package}: {failures[0].path}: {failures[0].reason}")
        self.configs[package] = parse_config(inputs)

    def _config(self, token: str) -> ProviderConfig:
        return self.configs.get(token.partition(":")[0], ProviderConfig())

    def call(self, args: mocks.MockCallArgs) -> tuple[Props, list[tuple[str, str]] | None]:
        arguments, _ = _plain_inputs(args.args)
        self.invokes.append((args.token, arguments))
        if args.token == _STACK_OUTPUTS:
            name = str(arguments.get("name"))
            return {"name": name, "outputs": dict(self.stack_outputs.get(name, {}))}, []
        try:
            return self.cloud.invoke(args.token, arguments, self._config(args.token)), []
        except CloudError as error:  # for the program to catch, as the engine's answer is
            return {}, [("", str(error))]


class _Monitor(mocks.MockMonitor):
    """Shows the mocks the whole request: options do not reach `new_resource` otherwise, nor outputs anything."""

    mocks: SandboxMocks

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - the generated protocol is untyped
        _current.request = request
        try:
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]
        finally:
            _current.request = None

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: ANN401, N802
        outputs, _ = _plain_inputs(rpc.deserialize_properties(request.outputs))
        self.mocks.outputs[request.urn.rpartition("::")[2]] = outputs
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def boot(project: str = "tenantry", stack: str = "dev", *, answers: SandboxMocks | None = None) -> SandboxMocks:
    """Set the mocks for the next program or test and return them."""
    made = answers or SandboxMocks()
    pulumi.runtime.set_mocks(
        made, project=project, stack=stack, organization="organization", preview=False, monitor=_Monitor(made)
    )
    return made


def _plain_inputs(inputs: Mapping[str, Any]) -> tuple[Props, frozenset[str]]:
    secret = set()
    plain: Props = {}
    for key, value in inputs.items():
        found = [False]
        plain[key] = _plain(value, found)
        if found[0]:
            secret.add(key)
    return {key: value for key, value in plain.items() if value is not None}, frozenset(secret)


def _plain(value: Value, secret: list[bool]) -> Value:
    if isinstance(value, pulumi.StringAsset | pulumi.FileAsset):
        content = {"text": value.text} if isinstance(value, pulumi.StringAsset) else {"path": str(value.path)}
        return {SIGNATURE_KEY: _ASSET, **content}
    if isinstance(value, dict) and value.get(SIGNATURE_KEY) == _SECRET:
        secret[0] = True
        return _plain(value.get("value"), secret)
    if isinstance(value, dict):
        return {key: _plain(item, secret) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item, secret) for item in value]
    # The wire has one kind of number.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrap(value: Value, secret: bool) -> Value:
    return {SIGNATURE_KEY: _SECRET, "value": value} if secret and value is not None else value
