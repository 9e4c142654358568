"""Run the real engine on the real program against the simulated clouds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pulumi.automation import (
    CommandError,
    ConfigValue,
    LocalWorkspace,
    OutputMap,
    PulumiCommand,
    Stack,
)

from recovery.ids import SERVER_ASSIGNED
from recovery.procedure import recover
from sandbox import engine, workspace
from sandbox.cloud import Cloud
from sandbox.leftovers import leftovers
from sandbox.providers import serve
from sandbox.results import Recorder, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from recovery.procedure import Report
    from sandbox.leftovers import Leftover

    Serve = Callable[[Path], AbstractContextManager[str]]
    Call = Callable[[Stack, dict[str, Any]], object]

_PROVIDERS: Final = "PULUMI_DEBUG_PROVIDERS"
_WATCH_SECONDS: Final = 1.0
_STUCK_SECONDS: Final = 15.0


class _Engine(PulumiCommand):
    """The engine that `engine.ensure` found, which dies with this process.

    The providers are in this process. An engine that outlives them takes a creation that the cloud has accepted for one
    that failed, and forgets it; one that dies as well leaves it in the state as interrupted, which can be recovered.
    """

    def __init__(self, executable: Path) -> None:
        self.command = str(executable)
        self.version = engine.PINNED  # known to be met, so the SDK need not ask

    @classmethod
    def bound(cls, executable: Path, binaries: Path) -> _Engine:
        """The engine behind a script in `binaries` that binds its life to ours, where the system has `setpriv`."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return cls(executable)
        script = binaries / "pulumi"
        workspace.write_script(script, f'exec "{setpriv}" --pdeathsig KILL "{executable}" "$@"')
        return cls(script)


class _Workspace(LocalWorkspace):
    """A workspace that asks the engine nothing it need not: every call of the CLI costs a third of a second."""

    def select_stack(self, stack_name: str) -> None:
        """Every command names its stack."""

    def stack_outputs(self, stack_name: str) -> OutputMap:
        """`up` reads them for its result, in two calls; `Sandbox.outputs` does where they are wanted."""
        del stack_name
        return {}


class Sandbox:
    """One stack of the project in the sandbox.

    Args:
        stack: the stack's name; its config is `source`/Pulumi.<stack>.yaml unless `config` names another file.
        source: the project: its Pulumi.yaml, `__main__.py`, policies/. Only read.
        home: where the state and the cloud live; default `source`/.sandbox/<stack>.
        edit: changes the scratch copy of the config before each operation.
        program: an inline program in place of `source`/__main__.py.
        packs: policy pack folders; default policies/ of the project.
        fast: do not save the state after every step: quicker, and not recoverable after a crash.
        serve: starts the simulated providers on a cloud file and yields the engine's `name:port,...`.
        say: receives the engine's output line by line; None for silence.
    """

    def __init__(
        self,
        *,
        stack: str,
        source: Path = engine.ROOT,
        home: Path | None = None,
        config: Path | None = None,
        edit: Callable[[workspace.StackConfig], None] | None = None,
        program: Callable[[], object] | None = None,
        packs: Sequence[Path] | None = None,
        fast: bool = False,
        serve: Serve | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.layout = workspace.Layout(source=source, home=home or source / ".sandbox" / stack, stack=stack)
        self.config = config or source / f"Pulumi.{stack}.yaml"
        self.edit = edit
        self.program = program or workspace.program(source)
        self.packs = tuple(packs) if packs is not None else _packs_of(source)
        self.fast = fast
        self._serve = serve
        self._say = say

    def preview(
        self,
        *,
        packs: bool = True,
        refresh: bool = False,
        diff: bool = False,
        target: list[str] | None = None,
        parallel: int | None = None,
    ) -> Result:
        """What `up` would do, judged by the policy packs. Creates nothing."""
        return self._operate(
            "preview",
            lambda stack, wiring: stack.preview(
                **wiring, **self._packs(packs), refresh=refresh, diff=diff, target=target, parallel=parallel
            ),
        )

    def up(
        self,
        *,
        preview: bool = True,
        packs: bool = True,
        refresh: bool = False,
        target: list[str] | None = None,
        parallel: int | None = None,
    ) -> Result:
        """Preview with the packs, and only where that is clean create, update and delete.

        The engine judges resources while it creates them, so only the preview stops a violation before anything
        exists. One resource's failure does not stop those that do not need it.
        """
        if preview:
            plan = self.preview(packs=packs, refresh=refresh, target=target, parallel=parallel)
            if not plan.ok:
                return plan
        return self._operate(
            "up",
            lambda stack, wiring: stack.up(
                **wiring,
                **self._packs(packs),
                refresh=refresh,
                target=target,
                parallel=parallel,
                continue_on_error=True,
            ),
        )

    def refresh(self, *, program: bool = True, target: list[str] | None = None) -> Result:
        """Bring the state in line with what the cloud has; without the `program` from the state alone."""
        return self._operate(
            "refresh", lambda stack, wiring: stack.refresh(run_program=program, target=target, **wiring)
        )

    def destroy(self, *, protected: bool = False) -> Result:
        """Delete everything that is not protected, or try to delete `protected` resources as well.

        The program runs, so that its delete hooks fire; one refusal does not stop what does not depend on it.
        """
        return self._operate(
            "destroy",
            lambda stack, wiring: stack.destroy(
                run_program=True, exclude_protected=not protected, continue_on_error=True, **wiring
            ),
        )

    def leftovers(self, destroyed: Result) -> list[Leftover]:
        """What a destroy has left, each with the reason, and until when a lock holds it by the cloud's clock."""
        refusals = {
            found.urn: found.message for found in destroyed.diagnostics if found.severity == "error" and found.urn
        }
        resources = self.export()["deployment"].get("resources") or []
        with self.cloud() as cloud:
            return leftovers(resources, cloud.objects(), refusals, cloud.clock.now())

    def recover(self, *, dead_locks: Sequence[str] = (), say: Callable[[str], object] = print) -> Report:
        """Make the state usable again after a crash; see `recovery`.

        Raises:
            LockedError: a lock's process lives.
            RecoveryError: a step failed.
        """
        with self.cloud() as cloud:
            return recover(
                self,
                backups=self.layout.home / "recovery",
                lookup=partial(look_up, cloud),
                dead_locks=dead_locks,
                say=say,
            )

    def command(self, arguments: Sequence[str]) -> Result:
        """One CLI command on this stack, for the recovery."""
        return self.run([*arguments, *self._stack_flag])

    def refresh_state(self) -> Result:
        """A refresh that does not depend on the program, for the recovery."""
        return self.refresh(program=False)

    @contextmanager
    def cloud(self) -> Iterator[Cloud]:
        """This stack's simulated cloud, to look at and to tamper with between operations."""
        self.layout.home.mkdir(parents=True, exist_ok=True)
        with closing(Cloud.open(self.layout.cloud)) as cloud:
            yield cloud

    def export(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The state as `pulumi stack export` gives it: `{"version": 3, "deployment": {...}}`."""
        arguments = ["stack", "export", *(["--show-secrets"] if show_secrets else [])]
        state: dict[str, Any] = json.loads(self.run([*arguments, *self._stack_flag]).require().stdout)
        return state

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by an exported one."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", dir=self.layout.home, encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            self.run(["stack", "import", "--file", file.name, *self._stack_flag]).require()

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secret ones masked."""
        values: dict[str, Any] = json.loads(self.run(["stack", "output", "--json", *self._stack_flag]).require().stdout)
        return values

    def analyze(self, state: Path | None = None) -> Result:
        """Judge an exported state (default: this stack's) with the policy packs: no program, no provider, no cloud."""
        with tempfile.TemporaryDirectory(dir=self.layout.home) as scratch:
            if state is None:
                state = Path(scratch) / "state.json"
                state.write_text(json.dumps(self.export()), encoding="utf-8")
            arguments = ["policy", "analyze", "--file", str(state)]
            for pack, config in self._packs_with_configs():
                arguments += ["--policy-pack", str(pack), "--policy-pack-config", str(config)]
            return self.run(arguments, operation="analyze", stream=True)

    def run(self, arguments: Sequence[str], *, operation: str | None = None, stream: bool = False) -> Result:
        """Run one command of the engine's CLI in this stack's surroundings, without a program."""
        recorder = Recorder(self._say if stream else None)
        started = time.monotonic()
        with self._opened() as stack:
            try:
                stack.workspace.pulumi_command.run(
                    [*arguments], str(self.layout.work), {}, recorder.output, recorder.error
                )
                ok = True
            except CommandError:
                ok = False
        return recorder.result(operation or " ".join(arguments[:2]), ok=ok, seconds=time.monotonic() - started)

    @property
    def _stack_flag(self) -> tuple[str, str]:
        return ("--stack", self.layout.stack)

    def _operate(self, operation: str, call: Call) -> Result:
        """Run one operation with the program, the providers and the event stream wired up."""
        recorder = Recorder(self._say)
        with ExitStack() as context:
            context.enter_context(self._unstuck(recorder))
            stack = context.enter_context(self._opened())
            os.environ[_PROVIDERS] = context.enter_context((self._serve or _serve)(self.layout.cloud))
            started = time.monotonic()
            try:
                call(
                    stack,
                    {
                        "program": self.program,
                        "on_output": recorder.output,
                        "on_error": recorder.error,
                        "on_event": recorder.event,
                    },
                )
                ok = True
            except CommandError:
                ok = False
            seconds = time.monotonic() - started
        return recorder.result(operation, ok=ok, seconds=seconds)

    @contextmanager
    def _unstuck(self, recorder: Recorder) -> Iterator[None]:
        """Interrupt the engine when it waits for a replacement that cannot come.

        Under `--continue-on-error` engine 3.258 waits for ever once the deletion before a replacement has failed.
        Everything else is given time to finish, then the engine is asked to stop, as by Ctrl-C.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_WATCH_SECONDS):
                if recorder.stuck_seconds() < _STUCK_SECONDS:
                    continue
                for lock in self.layout.locks.glob("*.json"):
                    recorder.error("the engine waits for a replacement whose deletion failed: stopping it")
                    with suppress(ProcessLookupError):
                        os.kill(json.loads(lock.read_text(encoding="utf-8"))["pid"], signal.SIGINT)
                return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    @contextmanager
    def _opened(self) -> Iterator[Stack]:
        """The stack, created on first use, in an environment of its own."""
        executable = engine.ensure()
        secrets = workspace.prepare(self.layout, config=self.config, edit=self.edit)
        variables = workspace.environment(self.layout, fast=self.fast)
        with workspace.confined(variables):
            local = _Workspace(
                work_dir=str(self.layout.work),
                pulumi_home=str(self.layout.engine_home),
                secrets_provider="passphrase",
                pulumi_command=_Engine.bound(executable, self.layout.binaries),
            )
            stack = (Stack.select if self.layout.exists() else Stack.create)(self.layout.stack, local)
            if secrets:
                stack.set_all_config(
                    {path: ConfigValue(value, secret=True) for path, value in secrets.items()}, path=True
                )
            yield stack

    def _packs(self, wanted: bool) -> dict[str, Any]:
        pairs = self._packs_with_configs() if wanted else []
        return {
            "policy_packs": [str(pack) for pack, _ in pairs],
            "policy_pack_configs": [str(config) for _, config in pairs],
        }

    def _packs_with_configs(self) -> list[tuple[Path, Path]]:
        """The packs, each with its config for this stack: config/<stack>.json in the pack, or an empty one."""
        pairs = []
        for pack in self.packs:
            config = pack / "config" / f"{self.layout.stack}.json"
            if not config.is_file():
                config = self.layout.home / "no-policy-config.json"
                self.layout.home.mkdir(parents=True, exist_ok=True)
                config.write_text("{}", encoding="utf-8")
            pairs.append((pack, config))
        return pairs


@contextmanager
def _serve(path: Path) -> Iterator[str]:
    """The simulated providers on a cloud file."""
    with closing(Cloud.open(path)) as cloud, serve(cloud) as providers:
        yield providers


def look_up(cloud: Cloud, kind: str, urn: str, inputs: Mapping[str, Any]) -> list[str]:
    """Ids of the objects that carry what these inputs are looked for by, and agree with the rest of them."""
    del urn  # a cloud knows nothing of it
    key = SERVER_ASSIGNED[kind]
    return [item.id for item in cloud.objects(kind) if key in inputs and _agree(inputs, item.inputs)]


def _agree(wanted: object, found: object) -> bool:
    """Whether two inputs are the same, as far as the first is known: a secret of an exported state is None."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(
            name.startswith("__") or value is None or _agree(value, found.get(name)) for name, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_agree, wanted, found))
    return wanted is None or wanted == found


def _packs_of(source: Path) -> tuple[Path, ...]:
    pack = source / "policies"
    return (pack,) if (pack / "PulumiPolicy.yaml").is_file() else ()
