"""The recovery itself: the same steps on the sandbox and on a real backend."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from recovery.locks import CONFLICT, LOCKED, Lock, LockedError, check_dead, parse
from recovery.state import Finding, account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recovery.state import Lookup
_TORN_SIDECAR: Final = "failed to load checkpoint: EOF"
_TORN: Final = (
    "\nOn a file backend this means that the crash left an empty <stack>.json.attrs beside the state, which itself is "
    "whole: delete the .attrs file and run the recovery again. A backend URL with ?metadata=skip writes no such files."
)


class Answer(Protocol):
    """What one engine command said."""

    @property
    def ok(self) -> bool: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Engine(Protocol):
    """The engine on one stack."""

    def command(self, arguments: Sequence[str]) -> Answer:
        """Run one command of the CLI on the stack."""
        ...

    def refresh_state(self) -> Answer:
        """Bring the state in line with the cloud, without the program."""
        ...


class RecoveryError(Exception):
    """A step failed; the message says which, why, and where the backup of the state is."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the recovery found and did. `backup` is the export from before; None where there was nothing to do."""

    locks: tuple[Lock, ...]
    findings: tuple[Finding, ...]
    backup: Path | None

    @property
    def nothing_to_do(self) -> bool:
        return not self.locks and not self.findings


def recover(
    engine: Engine,
    *,
    backups: Path,
    lookup: Lookup | None = None,
    dead_locks: Iterable[str] = (),
    say: Callable[[str], object] = print,
) -> Report:
    """Take dead locks, turn interrupted creations into resources, and refresh.

    Args:
        engine: the stack's engine.
        backups: folder for the export from before the first change.
        lookup: asks the cloud for objects with server-assigned ids; None where it cannot be asked.
        dead_locks: locks of other hosts whose processes are known to be dead.
        say: told what is being done.

    Raises:
        LockedError: a lock must not be taken.
        RecoveryError: a step failed.
    """
    state = _export(engine)
    backup = _back_up(state, backups)
    say(f"recovery: the state is backed up in {backup}")
    recovered, findings = account(state, lookup=lookup)
    # Importing needs the lock, so this is also how every kind of backend is asked who holds it.
    answer = _import(engine, recovered)
    locks = _locks_in(answer)
    if locks:
        check_dead(locks, confirmed=dead_locks)
        for lock in locks:
            say(f"recovery: the process behind lock {lock} is dead, taking the lock")
        _require(engine.command(["cancel", "--yes"]), "cancelling the dead update", backup)
        recovered, findings = account(_export(engine), lookup=lookup)
        answer = _import(engine, recovered)
        if _locks_in(answer):
            raise LockedError(
                "another process has locked the stack meanwhile: run the recovery again when it has ended"
            )
    _require(answer, "importing the recovered state", backup)
    for finding in findings:
        say(f"recovery: {finding}")
    report = Report(locks=tuple(locks), findings=tuple(findings), backup=backup)
    if report.nothing_to_do:
        backup.unlink()
        say("recovery: no lock and no interrupted operation, nothing to recover")
        return Report(locks=(), findings=(), backup=None)
    say("recovery: refreshing, which drops what the cloud does not have and completes what it has")
    _require(engine.refresh_state(), "refreshing", backup)
    orphans = [finding for finding in findings if finding.outcome in ("orphan", "unknown")]
    if orphans:
        say(f"recovery: {len(orphans)} object(s) may exist without being in the state; look before the next up:")
        for finding in orphans:
            say(f"recovery:   {finding}")
        say("recovery: delete each one that exists, or import it (docs/operations.md, section An update crashed)")
    say("recovery: done. Next: preview, then up")
    return report


def _locks_in(answer: Answer) -> list[Lock]:
    if answer.ok:
        return []
    text = f"{answer.stdout}\n{answer.stderr}"
    if CONFLICT in text:
        raise LockedError(
            "another update is in progress, and this backend does not say whose. Make sure that none runs, then run "
            "`pulumi cancel` and the recovery again."
        )
    locks = parse(text)
    if LOCKED in text and not locks:
        raise LockedError(f"the stack is locked, and the engine's message names no lock that can be judged:\n{text}")
    return locks


def _export(engine: Engine) -> dict[str, Any]:
    answer = engine.command(["stack", "export"])
    if not answer.ok:
        hint = _TORN if _TORN_SIDECAR in answer.stderr else ""
        raise RecoveryError(f"exporting the state failed, nothing has been changed:\n{answer.stderr}{hint}")
    state: dict[str, Any] = json.loads(answer.stdout)
    return state


def _import(engine: Engine, state: dict[str, Any]) -> Answer:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        return engine.command(["stack", "import", "--file", file.name])


def _back_up(state: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"state-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def _require(answer: Answer, step: str, backup: Path) -> None:
    if not answer.ok:
        raise RecoveryError(
            f"{step} failed; the state from before is in {backup} (pulumi stack import --file puts it back):\n"
            f"{answer.stderr or answer.stdout}"
        )
