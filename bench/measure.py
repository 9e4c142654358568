"""One preview, with every part in a fresh process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.config import STACK
from bench.memory import watched
from bench.recording import flat_recording
from policies.catalogue import config_file
from policies.frame.rules import StackPolicy
from policies.pack import POLICIES
from sandbox import engine, workspace
from sandbox.operations import Sandbox

EMPTY_PACK: Final = Path(__file__).parent / "empty_pack"
RESOURCE_PACK: Final = Path(__file__).parent / "resource_pack"
PACK: Final = engine.ROOT / "policies"

_PROVIDERS: Final = "PULUMI_DEBUG_PROVIDERS"
_TAIL_LINES: Final = 40


class BenchError(Exception):
    """A preview failed, so there is nothing to measure; the message ends with the engine's own words."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One preview.

    Attributes:
        seconds: wall time of the engine, from its start to its end.
        program_cpu: processor seconds of the process that runs the program, its start included.
        engine_cpu: the same of the engine and the policy pack.
        program_mib: largest resident size of the process that runs the program.
        engine_mib: the same of the engine's process; None where the platform does not tell.
        pack_mib: the same of the process that runs the policy pack.
    """

    seconds: float
    program_cpu: float
    engine_cpu: float
    program_mib: float
    engine_mib: float | None
    pack_mib: float | None


class Bench:
    """One stack configuration in a scratch folder, previewed as often as wanted; nothing is ever created."""

    def __init__(self, home: Path, config: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._executable = engine.ensure()
        sandbox = Sandbox(stack=STACK, home=home, config=config)
        self._layout = sandbox.layout
        sandbox.run(["stack", "ls"]).require()  # lays out the folder, the stack and its synthetic secrets
        self._variables = _compiling(workspace.environment(self._layout), home.parent)
        self.recording = home / "recording.jsonl"

    def record_flat(self) -> Path:
        """Write down what the flat program registers, beside the recording that it replays."""
        self.preview("record-flat")
        return flat_recording(self.recording)

    def record(self) -> Path:
        """Write down what the program registers."""
        self.preview("record")
        return self.recording

    def preview(self, kind: str, pack: Path | None = None) -> Sample:
        """Preview a program of `bench.host`, judged by a pack or by none.

        Raises:
            BenchError: the preview did not end well.
        """
        log = self._layout.home / "preview.log"
        with self._clouds() as providers, self._host(kind) as host:
            port = _line(host)
            variables = {**self._variables, _PROVIDERS: providers}
            with log.open("wb") as output:
                started = time.monotonic()
                with subprocess.Popen(
                    self._command(port, pack),
                    cwd=self._layout.work,
                    env=variables,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                ) as process:
                    with watched(process.pid) as peaks:
                        _, status, usage = os.wait4(process.pid, 0)
                    seconds = time.monotonic() - started
                    code = process.returncode = os.waitstatus_to_exitcode(status)
            said, _ = host.communicate()
        if code != 0:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
            raise BenchError(f"the preview of {kind!r} ended with {code}:\n{tail}")
        told = json.loads(said)
        return Sample(
            seconds=seconds,
            program_cpu=told["cpu_seconds"],
            engine_cpu=usage.ru_utime + usage.ru_stime,
            program_mib=told["peak_mib"],
            engine_mib=peaks.own,
            pack_mib=peaks.children if pack else None,
        )

    def _command(self, port: str, pack: Path | None) -> list[str]:
        command = [str(self._executable), "preview", "--stack", STACK, "--non-interactive", "--color", "never"]
        command += ["--suppress-progress", "--exec-kind", "auto.inline", f"--client=127.0.0.1:{port}"]
        if pack is not None:
            command += ["--policy-pack", str(pack), "--policy-pack-config", str(self._pack_config(pack))]
        return command

    def _pack_config(self, pack: Path) -> Path:
        """The pack's settings for the stack, as far as the pack has the rules that they are for."""
        if pack == PACK:
            return config_file(STACK)
        settings: dict[str, object] = {}
        if pack == RESOURCE_PACK:
            of_stack = {policy.name for policy in POLICIES if isinstance(policy, StackPolicy)}
            stored = json.loads(config_file(STACK).read_text(encoding="utf-8"))
            settings = {name: value for name, value in stored.items() if name not in of_stack}
        path = self._layout.home / f"{pack.name}.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return path

    @contextlib.contextmanager
    def _clouds(self) -> Iterator[str]:
        with self._python(["bench.clouds", str(self._layout.cloud)]) as process:
            yield _line(process)
            process.communicate()

    def _host(self, kind: str) -> subprocess.Popen[str]:
        return self._python(["bench.host", kind, str(self.recording)])

    def _python(self, module: list[str]) -> subprocess.Popen[str]:
        variables: Mapping[str, str] = self._variables
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=engine.ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def _compiling(variables: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """An environment in which Python keeps what it compiles, so that only the first run of a bench pays for that.

    The SDK's modules take seconds to compile, in the program and in the flat one alike: every ratio would look better
    than it is.
    """
    kept = {name: value for name, value in variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(scratch / "compiled")}


def phase(name: str, file: Path, scratch: Path) -> float:
    """Seconds of one of `bench.phases`, in a fresh process; `scratch` is the folder that holds the benches' homes."""
    variables = _compiling(os.environ, scratch)
    command = [sys.executable, "-m", "bench.phases", name, str(file)]
    done = subprocess.run(command, cwd=engine.ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{name} failed:\n{done.stderr}")
    return float(json.loads(done.stdout))


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline().strip() if process.stdout else ""
    if not line:
        process.kill()
        raise BenchError(f"{process.args!r} did not start")
    return line
