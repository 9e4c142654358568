"""Resource providers for the real engine, served from this process on loopback ports.

The engine attaches to them with ``PULUMI_DEBUG_PROVIDERS``; all provider resources of one package then share one
server, so the configuration that the engine sent last is the one in force.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from concurrent import futures
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox.cloud import schema
from sandbox.cloud.cloud import Target, name_property, project_inputs
from sandbox.cloud.errors import CloudError, NotSimulatedError, ProviderError
from sandbox.cloud.provider import ProviderConfig, parse_config
from sandbox.cloud.schema import SDKS
from sandbox.cloud.tables import rule_for
from sandbox.cloud.values import Props
from sandbox.providers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message  # type: ignore[import-untyped]

    from sandbox.cloud import Cloud
    from sandbox.cloud.diff import Change

_LOOPBACK: Final = "127.0.0.1"
_THREADS: Final = 16
_Diff: Final = provider_pb2.PropertyDiff
_KINDS: Final = {
    ("add", False): _Diff.ADD,
    ("add", True): _Diff.ADD_REPLACE,
    ("delete", False): _Diff.DELETE,
    ("delete", True): _Diff.DELETE_REPLACE,
    ("update", False): _Diff.UPDATE,
    ("update", True): _Diff.UPDATE_REPLACE,
}


@contextlib.contextmanager
def serve(cloud: Cloud) -> Iterator[str]:
    """Serve every simulated package; yields the value for ``PULUMI_DEBUG_PROVIDERS``: ``gcp:40001,random:40002``."""
    servers = []
    ports = []
    try:
        for package in SDKS:
            server = grpc.server(
                futures.ThreadPoolExecutor(_THREADS, thread_name_prefix=f"provider-{package}"),
                options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
            )
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(package, cloud), server)
            port = server.add_insecure_port(f"{_LOOPBACK}:0")
            server.start()
            servers.append(server)
            ports.append(f"{package}:{port}")
        yield ",".join(ports)
    finally:
        for server in servers:
            server.stop(grace=None).wait()


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's verbs on one package of a simulated cloud."""

    def __init__(self, package: str, cloud: Cloud) -> None:
        self._package = package
        self._cloud = cloud
        self._config = ProviderConfig()

    # --- the provider itself -------------------------------------------------------------------------------------

    def Handshake(self, request: Message, context: grpc.ServicerContext) -> provider_pb2.ProviderHandshakeResponse:  # noqa: N802
        del request, context
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=False)

    def GetPluginInfo(self, request: Message, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: N802
        del request, context
        return plugin_pb2.PluginInfo(version=importlib.metadata.version(SDKS[self._package]))

    def GetSchema(  # noqa: N802
        self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        del request, context
        version = importlib.metadata.version(SDKS[self._package])
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self._package, "version": version}))

    def Attach(self, request: Message, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        del request, context
        return empty_pb2.Empty()

    def Cancel(self, request: Message, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        del request, context
        return empty_pb2.Empty()

    def CheckConfig(  # noqa: N802
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        del context
        inputs, secret = wire.decode(request.news)
        failures = schema.check_provider(self._package, inputs)
        return provider_pb2.CheckResponse(inputs=wire.encode(inputs, secret), failures=_failures(failures))

    def DiffConfig(  # noqa: N802
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        del context
        old, _ = wire.decode(request.old_inputs)
        new, _ = wire.decode(request.news)
        changed = sorted(key for key in {*old, *new} - {"version"} if old.get(key) != new.get(key))
        found = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=found, diffs=changed)

    def Configure(  # noqa: N802
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        del context
        config, _ = wire.decode(request.args)
        self._config = parse_config(config)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=False
        )

    # --- resources -----------------------------------------------------------------------------------------------

    def Check(  # noqa: N802
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        target = _target(request.urn)
        inputs, secret = wire.decode(request.news)
        olds, _ = wire.decode(request.olds)
        with _errors(context):
            own_name = name_property(target.type)
            if own_name and own_name not in inputs and _is_auto_named(olds, own_name, target.name):
                inputs[own_name] = olds[own_name]  # a name made up once is kept
            checked, failures = self._cloud.check(target, inputs, request.randomSeed, self._config)
        return provider_pb2.CheckResponse(inputs=wire.encode(checked, secret), failures=_failures(failures))

    def Diff(  # noqa: N802
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        target = _target(request.urn)
        state, _ = wire.decode(request.olds)
        old_inputs, _ = wire.decode(request.old_inputs)
        new_inputs, _ = wire.decode(request.news)
        with _errors(context):
            changes = self._cloud.diff(
                target.type,
                state=state,
                old_inputs=old_inputs,
                new_inputs=new_inputs,
                config=self._config,
                ignore=list(request.ignoreChanges),
            )
        replaces = [change.path for change in changes if change.replace]
        # The bridge deletes first when the resource could have an automatic name but has a literal one that stays.
        own_name = name_property(target.type)
        keeps_name = own_name in new_inputs and old_inputs.get(own_name) == new_inputs[own_name]
        literal = keeps_name and not _is_auto_named(old_inputs, own_name, target.name)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted({_top(change) for change in changes}),
            detailedDiff={change.path: _Diff(kind=_KINDS[change.kind, change.replace]) for change in changes},
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and literal,
        )

    def Create(  # noqa: N802
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        target = _target(request.urn)
        inputs, secret = wire.decode(request.properties)
        with _errors(context):
            secret = secret | set(rule_for(target.type).secret_outputs)
            if request.preview:
                outputs = self._cloud.plan_create(target.type, inputs, self._config)
                return provider_pb2.CreateResponse(properties=wire.encode(outputs, secret))
            object_id, outputs = self._cloud.create(target, inputs, self._config)
        return provider_pb2.CreateResponse(id=object_id, properties=wire.encode(outputs, secret))

    def Read(  # noqa: N802
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        target = _target(request.urn)
        state, secret = wire.decode(request.properties)
        inputs, secret_inputs = wire.decode(request.inputs)
        with _errors(context):
            secret = secret | secret_inputs | set(rule_for(target.type).secret_outputs)
            found = self._cloud.read(target, request.id, state, self._config)
            if found is None:
                return provider_pb2.ReadResponse()
            object_id, outputs = found
            if inputs:
                inputs = project_inputs(inputs, outputs)
            else:
                inputs = self._cloud.imported_inputs(target.type, object_id, outputs)
        return provider_pb2.ReadResponse(
            id=object_id, properties=wire.encode(outputs, secret), inputs=wire.encode(inputs, secret)
        )

    def Update(  # noqa: N802
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        target = _target(request.urn)
        inputs, secret = wire.decode(request.news)
        state, _ = wire.decode(request.olds)
        with _errors(context):
            secret = secret | set(rule_for(target.type).secret_outputs)
            if request.preview:
                outputs = self._cloud.plan_update(target.type, inputs, state, self._config)
            else:
                outputs = self._cloud.update(target, request.id, inputs, state, self._config)
        return provider_pb2.UpdateResponse(properties=wire.encode(outputs, secret))

    def Delete(  # noqa: N802
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        target = _target(request.urn)
        state, _ = wire.decode(request.properties)
        with _errors(context):
            self._cloud.delete(target, request.id, state, self._config)
        return empty_pb2.Empty()

    def Invoke(  # noqa: N802
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        arguments, secret = wire.decode(request.args)
        with _errors(context):
            answer = self._cloud.invoke(request.tok, arguments, self._config)
        return provider_pb2.InvokeResponse(**{"return": wire.encode(answer, answer.keys() if secret else ())})


@contextlib.contextmanager
def _errors(context: grpc.ServicerContext) -> Iterator[None]:
    """Turn refusals into the gRPC errors that the engine shows."""
    abort: Callable[[grpc.StatusCode, str], Any] = context.abort
    try:
        yield
    except NotSimulatedError as error:
        abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
    except (CloudError, ProviderError) as error:
        abort(grpc.StatusCode.UNKNOWN, str(error))


def _target(urn: str) -> Target:
    """The type and the Pulumi name in ``urn:pulumi:stack::project::parent$type::name``."""
    _, _, types, name = urn.removeprefix("urn:pulumi:").split("::", 3)
    return Target(types.rsplit("$", 1)[-1], name, urn)


def _is_auto_named(inputs: Props, own_name: str, name: str) -> bool:
    found = str(inputs.get(own_name) or "")
    return found.startswith(f"{name}-") and len(found) == len(name) + 8  # a dash and seven hex digits


def _top(change: Change) -> str:
    return change.path.split(".")[0].split("[")[0]


def _failures(failures: list[schema.Failure]) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(property=failure.path, reason=f"{failure.path}: {failure.reason}")
        for failure in failures
    ]
