"""What an engine operation did, read from the engine's own event stream."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pulumi.automation.events import EngineEvent, StepEventMetadata

_COLOUR_MARK: Final = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the engine planned or did for one resource.

    `op` is the engine's word (`create`, `same`, `update`, `create-replacement`, `delete` ...); `outcome` is `planned`
    in a preview, else `done`, `failed` or `interrupted`; `diffs` are the top-level properties that differ.
    """

    op: str
    urn: str
    type: str
    outcome: str
    diffs: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One message of the engine, the program or a provider. `severity` is `info`, `warning` or `error`."""

    severity: str
    message: str
    urn: str | None


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One finding of a policy pack. `level` is `advisory` or `mandatory`; `urn` is None for findings on the stack."""

    pack: str
    policy: str
    level: str
    message: str
    urn: str | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one operation.

    Attributes:
        operation: `preview`, `up`, `refresh`, `destroy` or `analyze`.
        ok: the engine ended well; a mandatory violation or a failed resource is not well.
        changes: how many resources per engine operation, as the engine's own summary counts them.
        steps: per resource, in the order the engine took them; `same` included.
        seconds: wall time of the engine's run.
    """

    operation: str
    ok: bool
    stdout: str
    stderr: str
    changes: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    violations: tuple[Violation, ...] = ()
    seconds: float = 0.0

    @property
    def changed(self) -> tuple[Step, ...]:
        """The steps that are more than `same`, `read` or `refresh`."""
        return tuple(step for step in self.steps if step.op not in {"same", "read", "refresh"})

    @property
    def errors(self) -> str:
        """The text of every error message, for people and for assertions."""
        return "\n".join(diagnostic.message for diagnostic in self.diagnostics if diagnostic.severity == "error")

    def require(self) -> Result:
        """This result, or `OperationError` where the operation did not end well."""
        if not self.ok:
            raise OperationError(self)
        return self


class OperationError(Exception):
    """An engine operation failed; `result` has the details and the message the engine's errors."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.operation} failed:\n{result.errors or result.stderr or result.stdout}")
        self.result = result


class Recorder:
    """Collects the output and the events of one engine run."""

    def __init__(self, say: Callable[[str], object] | None) -> None:
        self._say = say
        self._out: list[str] = []
        self._err: list[str] = []
        self._steps: dict[tuple[str, str], Step] = {}
        self._diagnostics: list[Diagnostic] = []
        self._violations: list[Violation] = []
        self._summary: Mapping[str, int] | None = None
        self._last_event = time.monotonic()
        self._replacement_failed = False

    def output(self, line: str) -> None:
        self._out.append(line)
        if self._say is not None:
            self._say(line)

    def error(self, line: str) -> None:
        self._err.append(line)
        if self._say is not None:
            self._say(line)

    def stuck_seconds(self) -> float:
        """For how long nothing has happened since the deletion before a replacement failed; 0 while none has."""
        return time.monotonic() - self._last_event if self._replacement_failed else 0.0

    def event(self, event: EngineEvent) -> None:
        self._last_event = time.monotonic()
        if event.resource_pre_event is not None:
            before = event.resource_pre_event
            self._record(before.metadata, "planned" if before.planning else "interrupted")
        elif event.res_outputs_event is not None:
            after = event.res_outputs_event
            self._record(after.metadata, "planned" if after.planning else "done")
        elif event.res_op_failed_event is not None:
            failed = event.res_op_failed_event.metadata
            self._record(failed, "failed")
            self._replacement_failed |= _op(failed) == "delete-replaced"
        elif event.diagnostic_event is not None:
            message = event.diagnostic_event
            if not message.ephemeral:
                self._diagnostics.append(
                    Diagnostic(severity=message.severity, message=_plain(message.message), urn=message.urn or None)
                )
        elif event.policy_event is not None:
            found = event.policy_event
            self._violations.append(
                Violation(
                    pack=found.policy_pack_name,
                    policy=found.policy_name,
                    level=found.enforcement_level,
                    message=_plain(found.message),
                    urn=found.resource_urn or None,
                )
            )
        elif event.summary_event is not None:
            self._summary = {str(op): count for op, count in (event.summary_event.resource_changes or {}).items()}

    def result(self, operation: str, *, ok: bool, seconds: float) -> Result:
        steps = tuple(self._steps.values())
        changes = self._summary if self._summary is not None else Counter(step.op for step in steps)
        return Result(
            operation=operation,
            ok=ok,
            stdout="\n".join(self._out),
            stderr="\n".join(self._err),
            changes=changes,
            steps=steps,
            diagnostics=tuple(self._diagnostics),
            violations=tuple(self._violations),
            seconds=seconds,
        )

    def _record(self, metadata: StepEventMetadata, outcome: str) -> None:
        op = _op(metadata)
        new = metadata.new or metadata.old
        self._steps[metadata.urn, op] = Step(
            op=op,
            urn=metadata.urn,
            type=metadata.type,
            outcome=outcome,
            diffs=tuple(metadata.diffs or ()),
            inputs=(new.inputs if new is not None else None) or {},
        )


def _op(metadata: StepEventMetadata) -> str:
    return str(getattr(metadata.op, "value", metadata.op))


def _plain(text: str) -> str:
    """A message without the engine's colour marks (`<{%reset%}>`)."""
    return _COLOUR_MARK.sub("", text).strip()
