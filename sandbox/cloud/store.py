"""The simulated cloud's memory: one SQLite file that several processes may use.

Written through at every commit, so that killing a process at any moment leaves what the cloud had accepted.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandbox.cloud.values import Props

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    type TEXT NOT NULL, id TEXT NOT NULL, urn TEXT NOT NULL, inputs TEXT NOT NULL, outputs TEXT NOT NULL,
    created TEXT NOT NULL, PRIMARY KEY (type, id));
CREATE TABLE IF NOT EXISTS parents (
    parent_type TEXT NOT NULL, parent_id TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (parent_type, parent_id, type, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parents_by_child ON parents (type, id);
CREATE TABLE IF NOT EXISTS names (
    type TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (type, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    type TEXT NOT NULL, id TEXT NOT NULL, until TEXT, message TEXT NOT NULL, PRIMARY KEY (type, id));
CREATE TABLE IF NOT EXISTS agents (email TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY, rule TEXT NOT NULL, matched INTEGER NOT NULL DEFAULT 0,
    fired INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, op TEXT NOT NULL, type TEXT NOT NULL,
    name TEXT NOT NULL, id TEXT NOT NULL, urn TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class CloudObject:
    """One thing that exists in the cloud."""

    type: str
    id: str
    urn: str
    inputs: Props
    outputs: Props
    created: str
    regional: bool = False
    """Another region may have another object with this id."""

    @property
    def key(self) -> str:
        """What tells it from every other object of its type: the id, and the region where the id needs it."""
        return f"{self.id}@{self.outputs['region']}" if self.regional else self.id


@dataclass(frozen=True)
class Operation:
    """One call that reached the cloud. `result` is "ok" or the error's text."""

    seq: int
    time: str
    op: str
    type: str
    name: str
    id: str
    urn: str
    result: str


class Store:
    """Rows in, rows out; no behaviour. Objects go by their keys. All methods may be called from any thread."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=30
        )
        weakref.finalize(self, self._connection.close)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing without fsync; only a killed machine would.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and alone: no other thread or process writes meanwhile. Nests."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def _query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    # objects

    def get(self, token: str, key: str) -> CloudObject | None:
        rows = self._query("SELECT * FROM objects WHERE type = ? AND id = ?", (token, key))
        return _object(rows[0]) if rows else None

    def exists(self, token: str, key: str) -> bool:
        return bool(self._query("SELECT 1 FROM objects WHERE type = ? AND id = ?", (token, key)))

    def named(self, token: str, name: str) -> CloudObject | None:
        """The object that has a unique name beside its id."""
        rows = self._query("SELECT id FROM names WHERE type = ? AND name = ?", (token, name))
        return self.get(token, rows[0][0]) if rows else None

    def objects(self, token: str | None = None) -> list[CloudObject]:
        """All objects, or those of one type, in order of creation."""
        if token is None:
            return [_object(row) for row in self._query("SELECT * FROM objects ORDER BY rowid")]
        return [_object(row) for row in self._query("SELECT * FROM objects WHERE type = ? ORDER BY rowid", (token,))]

    def put(self, item: CloudObject, parents: Sequence[tuple[str, str]] | None = None, name: str = "") -> None:
        """Write an object; `parents` (types and keys) replace those that it had, None keeps them."""
        with self.transaction():
            self._query(
                "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (type, id) DO UPDATE SET"
                " urn = excluded.urn, inputs = excluded.inputs, outputs = excluded.outputs, created = excluded.created",
                (item.type, item.key, item.urn, json.dumps(item.inputs), json.dumps(item.outputs), item.created),
            )
            if name:
                self._query("DELETE FROM names WHERE type = ? AND id = ?", (item.type, item.key))
                self._query("INSERT INTO names VALUES (?, ?, ?)", (item.type, name, item.key))
            if parents is not None:
                self._query("DELETE FROM parents WHERE type = ? AND id = ?", (item.type, item.key))
            for parent_type, parent_key in parents or ():
                self._query(
                    "INSERT OR IGNORE INTO parents VALUES (?, ?, ?, ?)", (parent_type, parent_key, item.type, item.key)
                )

    def remove(self, token: str, key: str) -> None:
        with self.transaction():
            for table in ("objects", "parents", "names"):
                self._query(f"DELETE FROM {table} WHERE type = ? AND id = ?", (token, key))  # noqa: S608 - ours

    def children(self, token: str, key: str) -> list[tuple[str, str]]:
        """Type and key of everything that lives under an object."""
        return self._query(
            "SELECT type, id FROM parents WHERE parent_type = ? AND parent_id = ? ORDER BY type, id", (token, key)
        )

    # reservations, service agents, counters, settings

    def reserve(self, token: str, object_id: str, until: str | None, message: str) -> None:
        """Keep a name taken until a time, for ever when None."""
        self._query("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?)", (token, object_id, until, message))

    def reservation(self, token: str, object_id: str, now: str) -> str | None:
        """Why a name cannot be taken now, or None."""
        rows = self._query(
            "SELECT message FROM reservations WHERE type = ? AND id = ? AND (until IS NULL OR until > ?)",
            (token, object_id, now),
        )
        return rows[0][0] if rows else None

    def reservations(self) -> list[tuple[str, str, str | None]]:
        """Type, id and end (None: for ever) of every name that deletion has left taken."""
        return self._query("SELECT type, id, until FROM reservations ORDER BY type, id")

    def add_agent(self, email: str) -> None:
        self._query("INSERT OR IGNORE INTO agents VALUES (?)", (email,))

    def has_agent(self, email: str) -> bool:
        return bool(self._query("SELECT 1 FROM agents WHERE email = ?", (email,)))

    def next_number(self, key: str) -> int:
        """1, 2, 3 ... for each key."""
        return int(
            self._query(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
                (key,),
            )[0][0]
        )

    def get_meta(self, key: str) -> str | None:
        rows = self._query("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def set_meta(self, key: str, value: str) -> None:
        self._query("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # faults

    def add_fault(self, rule: str) -> int:
        return int(self._query("INSERT INTO faults (rule) VALUES (?) RETURNING number", (rule,))[0][0])

    def faults(self) -> list[tuple[int, str, int, int]]:
        """Number, rule, calls matched and times fired."""
        return self._query("SELECT number, rule, matched, fired FROM faults ORDER BY number")

    def count_fault(self, number: int, *, fired: bool) -> None:
        self._query("UPDATE faults SET matched = matched + 1, fired = fired + ? WHERE number = ?", (int(fired), number))

    def clear_faults(self) -> None:
        self._query("DELETE FROM faults")

    # log

    def log(self, entry: Operation) -> None:
        """Append to the log; the sequence number is given here."""
        self._query(
            "INSERT INTO operations (time, op, type, name, id, urn, result) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (entry.time, entry.op, entry.type, entry.name, entry.id, entry.urn, entry.result),
        )

    def operations(self, since: int = 0) -> list[Operation]:
        """The log after a sequence number."""
        rows = self._query(
            "SELECT seq, time, op, type, name, id, urn, result FROM operations WHERE seq > ? ORDER BY seq", (since,)
        )
        return [Operation(*row) for row in rows]


def _object(row: tuple[Any, ...]) -> CloudObject:
    token, key, urn, inputs, text, created = row
    outputs = json.loads(text)
    region = outputs.get("region")
    regional = bool(region) and key.endswith(f"@{region}")
    object_id = key.removesuffix(f"@{region}") if regional else key
    return CloudObject(token, object_id, urn, json.loads(inputs), outputs, created, regional)
