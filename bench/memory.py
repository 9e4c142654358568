"""Peak memory of processes, in MiB."""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SAMPLE_SECONDS: Final = 0.05


def own_peak() -> float:
    """Largest resident size of this process so far.

    Linux keeps the parent's peak over fork and exec in `getrusage`, so its own account is read where there is one.
    """
    peak = _peak(Path("/proc/self"))
    if peak is not None:
        return peak
    units = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * units / 2**20


class Peaks:
    """Largest resident sizes of one process and, summed, of the processes it started; None where no /proc tells."""

    def __init__(self) -> None:
        self.own: float | None = None
        self._children: dict[int, float] = {}

    @property
    def children(self) -> float | None:
        return sum(self._children.values()) if self._children else None

    def sample(self, pid: int) -> None:
        self.own = _peak(Path(f"/proc/{pid}")) or self.own
        for child in _descendants(pid):
            peak = _peak(Path(f"/proc/{child}"))
            if peak is not None:
                self._children[child] = peak


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Peaks]:
    """The peaks of a running process, sampled until the end of the block."""
    peaks = Peaks()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            peaks.sample(pid)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _peak(process: Path) -> float | None:
    with contextlib.suppress(OSError):
        for line in (process / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text(encoding="utf-8").split()):
                yield child
                yield from _descendants(child)
