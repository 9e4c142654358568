"""Things that go wrong on purpose: API errors, time-outs, and a process that dies at the worst moment."""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sandbox.cloud.errors import CloudError, refusal

if TYPE_CHECKING:
    from sandbox.cloud.store import Store

Op = Literal["create", "read", "update", "delete"]
_MESSAGES: Final = {
    "429": (429, "Quota exceeded for quota metric 'Write requests'", "rateLimitExceeded"),
    "500": (500, "Internal error encountered.", "backendError"),
    "timeout": (504, "context deadline exceeded: timeout while waiting for the operation", "timeout"),
}

_AWS_MESSAGES: Final = {
    "429": (400, "Rate exceeded", "ThrottlingException"),
    "500": (500, "We encountered an internal error. Please try again.", "InternalFailure"),
    "timeout": (504, "The request timed out", "RequestTimeout"),
}


@dataclass(frozen=True, kw_only=True)
class FaultRule:
    """Which call fails, and how. Exactly one of `error` and `kill` is set."""

    op: Op
    type: str = "*"
    """A glob over type tokens."""
    name: str = "*"
    """A glob over Pulumi resource names."""
    nth: int = 1
    """The first matching call that fails, counted from 1."""
    times: int = 1
    """How many matching calls fail from there on."""
    error: Literal["429", "500", "timeout"] | None = None
    kill: Literal["engine", "program"] | None = None
    when: Literal["before", "after"] = "before"
    """Before or after the cloud has committed the change."""

    def __post_init__(self) -> None:
        if (self.error is None) == (self.kill is None):
            raise ValueError("a fault rule needs exactly one of error and kill")

    def matches(self, op: str, token: str, name: str) -> bool:
        return self.op == op and fnmatch.fnmatchcase(token, self.type) and fnmatch.fnmatchcase(name, self.name)


class Faults:
    """The fault rules of one cloud, counted in its store: a restarted process goes on where the last one died."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, rule: FaultRule) -> None:
        self._store.add_fault(json.dumps(asdict(rule)))

    def clear(self) -> None:
        self._store.clear_faults()

    def rules(self) -> list[FaultRule]:
        return [FaultRule(**json.loads(text)) for _, text, _, _ in self._store.faults()]

    def due(self, op: Op, token: str, name: str) -> FaultRule | None:
        """The rule that hits this call, counting the call."""
        if not self._store.faults():
            return None  # nearly always, and without a transaction
        hit: FaultRule | None = None
        with self._store.transaction():
            for number, text, matched, fired in self._store.faults():
                rule = FaultRule(**json.loads(text))
                if not rule.matches(op, token, name):
                    continue
                fires = hit is None and matched + 1 >= rule.nth and fired < rule.times
                self._store.count_fault(number, fired=fires)
                hit = rule if fires else hit
        return hit


def strike(rule: FaultRule, token: str) -> None:
    """Carry out a fault on a call for a resource type.

    Raises:
        CloudError: the injected API error, in the words of the type's cloud.
    """
    if rule.error is not None:
        raise refusal(token, *(_AWS_MESSAGES if token.startswith("aws:") else _MESSAGES)[rule.error])
    if rule.kill == "program":
        os.kill(os.getpid(), signal.SIGKILL)
    for pid in engine_processes():
        os.kill(pid, signal.SIGKILL)
    # The engine is gone; answering it would let this thread go on as if the call had been served.
    time.sleep(0.2)
    raise CloudError(503, "the engine was killed by a fault rule", "killed")


def engine_processes(of: int | None = None) -> list[int]:
    """The `pulumi` processes among a process's descendants (ours unless given): the engine serves us as our child."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        pid = int(stat.parent.name)
        names[pid] = text[text.index("(") + 1 : text.rindex(")")]
        parents[pid] = int(text[text.rindex(")") + 2 :].split()[1])
    root = os.getpid() if of is None else of

    def descends(pid: int) -> bool:
        while pid in parents and pid != root:
            pid = parents[pid]
        return pid == root

    return [pid for pid, name in names.items() if name == "pulumi" and pid != root and descends(pid)]
