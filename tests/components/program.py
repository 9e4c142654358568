"""The real program run for a stack file under mocks, with everything that it registered.

Mocks answer with the outputs that the sandbox's clouds compute, so the program runs to its end; the look-up of the last
deployment's outputs is answered from what the caller gives. Nothing is created, refused or remembered between two runs.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import runpy
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import pulumi
import yaml
from pulumi.runtime.stack import run_in_stack, wait_for_rpcs

from sandbox.cloud.store import CloudObject
from sandbox.mocks import Registration, SandboxMocks, boot
from sandbox.workspace import synthetic_secret
from tests import ROOT

StackName = Literal["dev", "staging", "prod"]
STACKS: Final[tuple[StackName, ...]] = get_args(StackName)

Document = dict[str, Any]
"""A stack file's `tenantry:` sections, without that prefix."""
Example = tuple[str, StackName]
Edit = Callable[[Document], object]

_NAMESPACE: Final = "tenantry:"
_EXTERNAL: Final = "external_secrets"
_REGISTRY_OBJECTS: Final = ("gcp:storage/bucketObject:BucketObject", "aws:s3/bucketObjectv2:BucketObjectv2")
_BEFORE: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Built:
    """Everything that one run of the program registered."""

    stack: StackName
    mocks: SandboxMocks

    @property
    def all(self) -> list[Registration]:
        return self.mocks.registrations

    @property
    def resources(self) -> list[Registration]:
        """Cloud resources, without components and providers."""
        return [item for item in self.all if item.custom and not item.type.startswith("pulumi:")]

    @property
    def components(self) -> list[Registration]:
        return [item for item in self.all if not item.custom]

    @property
    def outputs(self) -> dict[str, Any]:
        """What the stack exports."""
        return self.mocks.outputs[f"tenantry-{self.stack}"]

    def of(self, token: str) -> dict[str, Registration]:
        """Resources of a type by Pulumi name."""
        return {item.name: item for item in self.all if item.type == token}

    def inputs(self, token: str, name: str) -> Mapping[str, Any]:
        """The inputs of the one resource of a type and a name."""
        return self.mocks.one(token, name).inputs

    def waits_for(self, token: str, name: str) -> set[str]:
        """Pulumi names of what a resource depends on."""
        return {urn.rpartition("::")[2] for urn in self.mocks.one(token, name).dependencies}

    def entry(self, name: str) -> Mapping[str, Any]:
        """The content of a registry object, on either cloud."""
        (found,) = (item for token in _REGISTRY_OBJECTS for item in self.mocks.of(token) if item.name == name)
        content = json.loads(found.inputs["content"])
        assert isinstance(content, dict)
        return content


def examples() -> list[Example]:
    """Every stack of every example, as (folder, stack)."""
    return [
        (folder.name, stack)
        for folder in sorted((ROOT / "examples").iterdir())
        for stack in STACKS
        if (folder / f"Pulumi.{stack}.yaml").is_file()
    ]


def external_value(name: str) -> str:
    """The made-up value of a secret that somebody else issues."""
    if name.endswith("DATABASE_URL"):
        return synthetic_secret(name, name)
    return f"issued elsewhere: {name}"


def document_of(stack: StackName, folder: Path = ROOT) -> Document:
    """The `tenantry:` sections of a stack file, with a made-up value for each encrypted one."""
    config = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    document = {key.removeprefix(_NAMESPACE): value for key, value in config.items() if key.startswith(_NAMESPACE)}
    if _EXTERNAL in document:
        document[_EXTERNAL] = {name: external_value(name) for name in document[_EXTERNAL]}
    return document


@functools.cache
def built(stack: StackName) -> Built:
    """What the stack file as it is registers, on an empty project; every caller gets the same run: do not change it."""
    return build(stack)


@functools.cache
def built_example(name: str, stack: StackName) -> Built:
    """The same for a stack of an example."""
    return build(stack, folder=ROOT / "examples" / name)


def build(
    stack: StackName,
    edit: Edit | None = None,
    *,
    folder: Path = ROOT,
    previous: Mapping[str, Any] | None = None,
    final_exports: Iterable[str] | None = (),
) -> Built:
    """Run the program for a stack file.

    Args:
        stack: whose file.
        edit: changes the file's sections in place.
        folder: where the file is.
        previous: the outputs of the stack's last deployment; None before the first.
        final_exports: ids of the tenants whose final export is proved by its marker; None where there is no bucket yet.

    Raises:
        pulumi.RunError: the program refuses.
    """
    document = copy.deepcopy(document_of(stack, folder))
    if edit is not None:
        edit(document)
    answers = SandboxMocks(stack_outputs={f"organization/tenantry/{stack}": previous or {}})
    if final_exports is not None:
        _put_markers(answers, f"{document['environment']['organization']}-{stack}-exports", final_exports)
    config = {f"{_NAMESPACE}{key}": json.dumps(value) for key, value in document.items()}
    with warnings.catch_warnings():
        # the provider's SDK warns of classes of its own when their modules are imported
        warnings.filterwarnings("ignore", r"(gcp|aws)\.[\w./]+ has been deprecated", DeprecationWarning)
        _await(lambda threads: _run(stack, answers, config, threads))
    return Built(stack, answers)


def _put_markers(answers: SandboxMocks, bucket: str, final_exports: Iterable[str]) -> None:
    """The exports bucket with the markers in it; the last deployment made it."""
    outputs = {"name": bucket}
    answers.cloud.store.put(
        CloudObject("gcp:storage/bucket:Bucket", bucket, "", inputs=outputs, outputs=outputs, created=_BEFORE)
    )
    for tenant in final_exports:
        answers.cloud.put_object(bucket, f"final/{tenant}.json", "{}")


def _await(program: Callable[[ThreadPoolExecutor], Coroutine[None, None, None]]) -> None:
    """Run to the end with threads whose event loops are closed after them: the SDK leaves one open in each."""
    loops: list[asyncio.AbstractEventLoop] = []

    def begin() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loops.append(loop)

    try:
        with ThreadPoolExecutor(initializer=begin) as threads:
            asyncio.run(program(threads))
    finally:
        for loop in loops:
            loop.close()
        # `asyncio.run` leaves none behind, and the SDK's test decorator asks for the thread's own
        asyncio.set_event_loop(asyncio.new_event_loop())


async def _run(stack: StackName, answers: SandboxMocks, config: dict[str, str], threads: ThreadPoolExecutor) -> None:
    """As the language host does: awaits every registration, and raises what went wrong in any of them.

    All of Pulumi's settings are variables of the context, and a task has a context of its own: nothing is left behind.
    """
    asyncio.get_running_loop().set_default_executor(threads)
    boot(stack=stack, answers=answers)
    await wait_for_rpcs()
    # booting makes a stack resource, for tests of single components; a program is run in one of its own
    pulumi.runtime.settings.ROOT.set(None)
    pulumi.runtime.set_all_config(config, [f"{_NAMESPACE}{_EXTERNAL}"])
    await run_in_stack(_program)


def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
