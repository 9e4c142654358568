"""Whether a stored dump is what its manifest says, told from the bytes that the store gives back."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs.dumps.archive import Entry, table_of_contents
from jobs.dumps.layout import Manifest
from jobs.dumps.store import Dumps
from jobs.sql.errors import JobError


@dataclass
class _Meter:
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def over(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self.digest.update(piece)
            yield piece


def prove(store: Dumps, manifest: Manifest) -> list[Entry]:
    """Read a dump to its end; return its table of contents.

    Raises:
        JobError: length or checksum differ, it is no archive, or a table of the manifest is not in it.
    """
    uri = store.uri(manifest.object)
    meter = _Meter()
    problem = None
    entries: list[Entry] = []
    with store.stream(manifest.object) as pieces:
        counted = meter.over(pieces)
        try:
            entries = table_of_contents(counted)
        except JobError as error:
            problem = error
        for _ in counted:  # the contents come first
            pass
    # damage first: what an archive's damaged bytes seem to say only follows from it
    if meter.size != manifest.bytes:
        raise JobError(f"{uri}: has {meter.size} bytes instead of {manifest.bytes}")
    if meter.digest.hexdigest() != manifest.sha256:
        raise JobError(f"{uri}: has SHA-256 {meter.digest.hexdigest()} instead of {manifest.sha256}")
    if problem is not None:
        raise JobError(f"{uri}: {problem}")
    data = sum(entry.kind == "TABLE DATA" for entry in entries)
    if data < len(manifest.tables):
        raise JobError(f"{uri}: holds the rows of {data} tables; its manifest has {len(manifest.tables)}")
    return entries
