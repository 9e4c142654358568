"""Recover a stack on a real backend: `python -m recovery --stack prod`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recovery.locks import LockedError
from recovery.procedure import RecoveryError, recover

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class _Answer:
    ok: bool
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Cli:
    """The `pulumi` on PATH, logged in as its user has it, on one stack of the project in `folder`."""

    stack: str
    folder: Path = ROOT

    def command(self, arguments: Sequence[str]) -> _Answer:
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            ["pulumi", "--non-interactive", *arguments, "--stack", self.stack],  # noqa: S607 - the user's own engine
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return _Answer(done.returncode == 0, done.stdout, done.stderr)

    def refresh_state(self) -> _Answer:
        return self.command(["refresh", "--yes", "--skip-preview"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m recovery", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack whose update crashed")
    parser.add_argument(
        "--dead-lock",
        action="append",
        default=[],
        metavar="LOCK",
        help="a lock made on another host whose process is known to be dead; may be repeated",
    )
    options = parser.parse_args(arguments)
    try:
        recover(Cli(options.stack), backups=ROOT / ".recovery" / options.stack, dead_locks=options.dead_lock)
    except (LockedError, RecoveryError) as error:
        print(f"recovery: {error}", file=sys.stderr)  # noqa: T201 - a command's own message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
