"""Runs a job's command and kills it with signal 9 before the N-th thing that it changes anywhere.

`python -m tests.jobs.killed N FILE MODULE [ARGUMENT...]`; with N = 0 it runs to its end, and FILE gets their number.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from botocore.client import BaseClient
from psycopg import sql

from jobs.sql import aws, stores
from tests.jobs.amazon import BACKUP_TOKEN

# A SELECT changes nothing, but for these: between two changes it is all the same where the job was killed.
_CHANGING = ("pg_terminate_backend", "ticket(", "advisory")
_WRITES = ("Put", "Delete", "Create", "Complete", "Upload", "Abort")


class Clock:
    """Counts changes and strikes at one of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    def tick(self) -> None:
        self.count += 1
        if self.count == self._limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner: type, name: str, changes: Callable[..., bool]) -> None:
        """Count a call of a method before it takes place, if it changes something."""
        original = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes
            if changes(*arguments):
                self.tick()
            return original(*arguments, **named)

        setattr(owner, name, counted)


def _statement(connection: Any, query: Any, *_: object) -> bool:  # noqa: ANN401 - as psycopg takes it
    text = query.as_string(connection) if isinstance(query, sql.Composable) else str(query)
    return not text.lstrip().startswith(("SELECT", "SET ")) or any(word in text for word in _CHANGING)


def main(limit: int, result: Path, module: str) -> None:
    clock = Clock(limit)
    clock.before(psycopg.Connection, "execute", _statement)
    clock.before(stores.FolderSecrets, "add", lambda *_: True)
    clock.before(stores.FolderObjects, "write", lambda *_: True)
    clock.before(stores.FolderObjects, "delete", lambda *_: True)
    clock.before(BaseClient, "_make_api_call", lambda _client, name, *_: name.startswith(_WRITES))
    # the server knows nothing of IAM, so that a password stands for the token
    aws.IamToken.__call__ = lambda *_: BACKUP_TOKEN  # type: ignore[method-assign]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        result.write_text(str(clock.count), encoding="utf-8")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.argv = arguments[2:]
    main(int(arguments[0]), Path(arguments[1]), arguments[2])
