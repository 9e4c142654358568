"""The table of contents of an archive of pg_dump, from its own bytes: names in it may hold anything, line ends too.

The layout is that of `src/bin/pg_dump/pg_backup_archiver.c` (ReadHead, ReadToc) and `pg_backup_custom.c`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jobs.sql.errors import JobError

_MAGIC: Final = b"PGDMP"
_CUSTOM: Final = 1
# 1.14 is of PostgreSQL 12 to 15, 1.15 of 16 (which names the compression), 1.16 of 17 and 18 (which adds the kind)
_KNOWN: Final = ((1, 14), (1, 15), (1, 16))
_SINCE_COMPRESSION: Final = (1, 15)
_SINCE_KIND: Final = (1, 16)
_TIME_FIELDS: Final = 7
_LONGEST: Final = 1 << 30  # bytes of one string; PostgreSQL has no longer value


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry.

    Attributes:
        number: the archive's own, for a list of what to restore.
        catalog, oid: of the object in the source.
        kind: such as `TABLE DATA`.
        schema: empty for what belongs to none.
        name: as pg_dump calls it: for most the object's name.
        definition: the statement that makes it.
        needs: numbers of the entries that have to be restored first.
    """

    number: int
    catalog: int
    oid: int
    kind: str
    schema: str
    name: str
    definition: str
    needs: tuple[int, ...]

    @property
    def what(self) -> str:
        """For people."""
        return f"{self.kind.lower()} {f'{self.schema}.' if self.schema else ''}{self.name}"


class _Reader:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""
        self.int_size = 4
        self.offset_size = 8

    def take(self, size: int) -> bytes:
        parts = [self._held]
        length = len(self._held)
        while length < size:
            piece = next(self._pieces, b"")
            if not piece:
                raise JobError("the archive breaks off in its table of contents")
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        self._held = whole[size:]
        return whole[:size]

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        """A sign and the value's bytes, the lowest first."""
        sign, *value = self.take(1 + self.int_size)
        number = int.from_bytes(value, "little")
        return -number if sign else number

    def text(self) -> str:
        """A length and so many bytes; empty also for none."""
        return (self.optional() or b"").decode(errors="replace")

    def optional(self) -> bytes | None:
        size = self.integer()
        if size > _LONGEST:
            raise JobError("the archive's table of contents is damaged")
        return None if size < 0 else self.take(size)

    def number(self) -> int:
        text = self.text()
        if not text.isascii() or not text.isdigit():
            raise JobError("the archive's table of contents is damaged")
        return int(text)


def table_of_contents(pieces: Iterable[bytes]) -> list[Entry]:
    """Read the entries; of the pieces only as many as that takes.

    Raises:
        JobError: it is no archive in the custom format, or of a version that is not known here.
    """
    reader = _Reader(pieces)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise JobError("is no archive of pg_dump")
    version = (reader.byte(), reader.byte())
    reader.byte()  # the revision
    if version not in _KNOWN:
        raise JobError(f"is an archive of version {version[0]}.{version[1]}, which this job does not know")
    reader.int_size = reader.byte()
    reader.offset_size = reader.byte()
    if reader.byte() != _CUSTOM:
        raise JobError("is no archive in the custom format")
    if version >= _SINCE_COMPRESSION:
        reader.byte()
    else:
        reader.integer()
    for _ in range(_TIME_FIELDS):
        reader.integer()
    for _ in range(3):  # the database, the server's version, the program's
        reader.optional()
    return [_entry(reader, version) for _ in range(reader.integer())]


def _entry(reader: _Reader, version: tuple[int, int]) -> Entry:
    number = reader.integer()
    reader.integer()  # whether it has data
    catalog, oid = reader.number(), reader.number()
    name, kind = reader.text(), reader.text()
    reader.integer()  # the section
    definition = reader.text()
    reader.optional()  # how to drop it
    reader.optional()  # how to copy into it
    schema = reader.text()
    reader.optional()  # the tablespace
    reader.optional()  # the access method
    if version >= _SINCE_KIND:
        reader.integer()  # the relation's kind
    reader.optional()  # the owner
    reader.optional()  # whether its rows have numbers
    needs = []
    while (need := reader.optional()) is not None:
        needs.append(int(need))
    reader.take(1 + reader.offset_size)  # where its data is, which is not known in a stream
    return Entry(
        number=number,
        catalog=catalog,
        oid=oid,
        kind=kind,
        schema=schema,
        name=name,
        definition=definition,
        needs=tuple(needs),
    )
