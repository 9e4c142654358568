"""One moment of a database for pg_dump and for its manifest, without a lock that an application has to wait for.

A session of this job exports its snapshot, lists what can hold rows, and locks nothing. pg_dump takes the snapshot, and
its first bytes say that it has locked every table. Only then this session reads the tables, one after another, and lets
go of each at once: it never holds one table while it waits for another.

TRUNCATE and whatever rewrites a table take no notice of snapshots: a table may be empty in one that is older. Both give
it another file. Each table's file is looked at while this session has the table locked, after pg_dump had it locked: as
it is the one that the snapshot names, nothing of the kind has happened until then, and nothing can while pg_dump reads.
"""

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Final

import psycopg

from jobs.deadline import Clock, DeadlineError, limited
from jobs.dumps import tables
from jobs.dumps.layout import Contents, SequenceState, Table
from jobs.dumps.tables import Relation
from jobs.dumps.tools import seconds_left
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of, rows

_AFTER_DUMP_S: Final = 60.0  # how long a table may stay locked by others once pg_dump, behind which they wait, is done
_PAUSE_S: Final = 0.5
_CANCEL_S: Final = 5.0
_LOCK_WAIT: Final = "2s"  # of one attempt; a table that is not to be had is put last


class ChangedError(JobError):
    """A table is not what it was in the snapshot; another attempt, with a new one, may well succeed."""


@dataclass(kw_only=True)
class Snapshot:
    """The session that holds the snapshot, in its transaction.

    Attributes:
        dumped: set when pg_dump has ended.
    """

    connection: Connection
    schemas: tuple[str, ...] | None
    relations: list[Relation] = field(init=False)
    name: str = field(init=False)
    dumped: Event = field(default_factory=Event)
    _sequences: dict[str, SequenceState] = field(init=False)
    _stopped: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.name = str(rows(self.connection, "SELECT pg_catalog.pg_export_snapshot()")[0][0])
        self.relations = tables.relations(self.connection, self.schemas)
        self._sequences = self._read_sequences()

    def contents(self, clock: Clock) -> Contents:
        """Read everything, and compare the files of all tables.

        Call it once pg_dump has its locks; it ends after pg_dump, because sequences belong to no snapshot.

        Raises:
            ChangedError: a table or sequence is not what it was.
            DeadlineError: not done in time.
        """
        what = "reading the tables"
        with limited(self.connection, seconds_left(clock), what):
            self.connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            held = self._read_tables(clock)
            large_objects = tables.NOTHING if self.schemas is not None else tables.read_large_objects(self.connection)
            while not self.dumped.wait(1):
                rows(self.connection, "SELECT 1")  # the session is in use, whatever is between here and the server
            still, moved = self._still()

            def read(relation: Relation) -> Table:
                found = held[relation.oid]
                if isinstance(found, JobError):
                    raise found
                return found

            found = tables.summary(self.connection, self.relations, read, still, large_objects)
            return found.model_copy(
                update={
                    "sequences": {name: state for name, state in found.sequences.items() if name not in moved},
                    "moved": tuple(name for name in found.sequences if name in moved),
                }
            )

    def give_up(self) -> None:
        """End the reading, from another thread; call it again until that thread has ended."""
        self._stopped.set()
        self.dumped.set()
        with suppress(psycopg.Error):
            self.connection.cancel_safe(timeout=_CANCEL_S)

    def _read_tables(self, clock: Clock) -> dict[int, Table | JobError]:
        """Read each table; what belongs to extensions may be out of reach, so its error is kept for its name."""
        held: dict[int, Table | JobError] = {}
        waiting = deque(relation for relation in self.relations if relation.kind == "r")
        since: float | None = None  # pg_dump has ended and nothing was to be had
        while waiting:
            relation = waiting.popleft()
            try:
                held[relation.oid] = self._read(relation)
                since = None
            except psycopg.errors.LockNotAvailable:
                waiting.append(relation)
                if self.dumped.is_set():
                    since = since or time.monotonic()
                    if time.monotonic() - since > _AFTER_DUMP_S:
                        raise ChangedError(f"{relation.name} is locked by somebody else") from None
                time.sleep(_PAUSE_S)
            except JobError as error:
                if relation.dumped == "yes" or isinstance(error, (ChangedError, DeadlineError)):
                    raise
                held[relation.oid] = error
            if self._stopped.is_set():
                raise ChangedError("the dump has failed, so its tables are not read")
            if clock.is_up():
                raise DeadlineError(f"reading the tables: {len(waiting)} are left")
        return held

    def _read(self, relation: Relation) -> Table:
        try:
            with self.connection.transaction(force_rollback=True):  # so that the lock goes at once
                table = tables.read_table(self.connection, relation)
                # the catalog's own function: it knows nothing of the snapshot, and the lock keeps what it says true
                query = "SELECT pg_catalog.pg_relation_filenode(%(oid)s::pg_catalog.oid)::pg_catalog.int8"
                file = rows(self.connection, query, oid=relation.oid)[0][0]
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
            raise ChangedError(f"{relation.name} was dropped or changed during the export") from None
        if file != relation.file:
            raise ChangedError(f"{relation.name} was truncated or rewritten during the export")
        return table

    def _read_sequences(self) -> dict[str, SequenceState]:
        try:
            with self.connection.transaction(force_rollback=True):
                return tables.read_sequences(self.connection, self.relations)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable) as error:
            raise ChangedError(f"a sequence was changed during the export: {message_of(error)}") from None

    def _still(self) -> tuple[dict[str, SequenceState], set[str]]:
        """Where sequences stand now, and which of them were in use since the snapshot."""
        now = self._read_sequences()
        return now, {name for name, state in now.items() if state != self._sequences[name]}
