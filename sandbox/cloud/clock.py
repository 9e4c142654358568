"""A clock that tests can move: name reservations and retention periods are waits of days to years."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sandbox.cloud.store import Store

_OFFSET: Final = "clock_offset_seconds"


class Clock:
    """Real time plus an offset that is kept in the store, so that every process sees the same time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=float(self._store.get_meta(_OFFSET) or 0))

    def text(self) -> str:
        """RFC 3339 with seconds, as Google writes times."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self, duration: dt.timedelta) -> None:
        """Move the clock; a negative duration moves it back."""
        with self._store.transaction():
            offset = float(self._store.get_meta(_OFFSET) or 0) + duration.total_seconds()
            self._store.set_meta(_OFFSET, str(offset))
