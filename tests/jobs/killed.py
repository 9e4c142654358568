"""Runs a job's command and kills it with signal 9 before the N-th thing that it changes anywhere.

`python -m tests.jobs.killed POINT FILE MODULE [ARGUMENT...]`: POINT is N, or a regular expression for the first step
that it fits (see `main`); with 0 it runs to its end, and FILE gets the number of changes.
"""

import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psycopg
from botocore.client import BaseClient
from psycopg import sql

from jobs.dumps import tools
from jobs.sql import aws, stores
from tests.jobs.amazon import BACKUP_TOKEN

# A SELECT changes nothing, but for these: between two changes it is all the same where the job was killed.
_CHANGING = ("pg_terminate_backend", "ticket(", "advisory")
_WRITES = ("Put", "Delete", "Create", "Complete", "Upload", "Abort")


class Clock:
    """Counts changes and strikes at one of them, or at a step of some name."""

    def __init__(self, point: str) -> None:
        self._limit = int(point) if point.isdigit() else None
        self._step = re.compile(point)
        self.count = 0

    def tick(self, step: str) -> None:
        self.count += 1
        if self.count == self._limit:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passes(step)

    def passes(self, step: str) -> None:
        """Strike at a step that changes nothing itself."""
        if self._limit is None and self._step.search(step):
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner: type, name: str, step: Callable[..., str | None]) -> None:
        """Count a call of a method before it takes place, if it changes something, and so has a name."""
        original = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes
            if (found := step(*arguments)) is not None:
                self.tick(found)
            result = original(*arguments, **named)
            if found is not None:
                self.passes(f"after {found}")
            return result

        setattr(owner, name, counted)


class Pipe:
    """A pipe to or from a program of PostgreSQL."""

    def __init__(self, stream: IO[bytes], clock: Clock) -> None:
        self._stream, self._clock, self._calls = stream, clock, 0

    def read(self, size: int) -> bytes:
        self._step("read {} of pg_dump")
        return self._stream.read(size)

    def write(self, piece: bytes) -> None:
        self._step("write {} to pg_restore")
        self._stream.write(piece)

    def close(self) -> None:
        self._step("close {} of pg_restore")
        self._stream.close()

    def _step(self, name: str) -> None:
        self._calls += 1
        self._clock.passes(name.format(self._calls))


def _statement(connection: Any, query: Any, *_: object) -> str | None:  # noqa: ANN401 - as psycopg takes it
    text = query.as_string(connection) if isinstance(query, sql.Composable) else str(query)
    changes = not text.lstrip().startswith(("SELECT", "SET ")) or any(word in text for word in _CHANGING)
    return f"execute {text}" if changes else None


def _call(_client: object, name: str, given: dict[str, Any]) -> str | None:
    return f"{name} {given.get('Key', '')}" if name.startswith(_WRITES) else None


def main(point: str, result: Path, module: str) -> None:
    """Run a module.

    Its steps are called `execute CREATE ROLE ...`, `PutObject status/acme.json`, `start pg_dump --format=custom`,
    `read 2 of pg_dump`, `write 1 to pg_restore`; each change has one more, `after PutObject status/acme.json`.
    """
    clock = Clock(point)
    clock.before(psycopg.Connection, "execute", _statement)
    clock.before(stores.FolderSecrets, "add", lambda *_: "add a secret")
    clock.before(stores.FolderObjects, "write", lambda *_: "write an object")
    clock.before(stores.FolderObjects, "delete", lambda *_: "delete an object")
    clock.before(BaseClient, "_make_api_call", _call)
    clock.before(subprocess.Popen, "__init__", lambda _, words: f"start {Path(words[0]).name} {' '.join(words[1:])}")
    pipe = tools._pipe
    tools._pipe = lambda stream: Pipe(pipe(stream), clock)  # type: ignore[assignment,return-value]
    # the server knows nothing of IAM, so that a password stands for the token
    aws.IamToken.__call__ = lambda *_: BACKUP_TOKEN  # type: ignore[method-assign]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        result.write_text(str(clock.count), encoding="utf-8")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.argv = arguments[2:]
    main(arguments[0], Path(arguments[1]), arguments[2])
