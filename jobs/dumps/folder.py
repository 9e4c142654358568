"""The exports bucket as a folder, for a run without a cloud."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.dumps.store import MEBIBYTE, Read, Stored
from jobs.sql.errors import JobError
from jobs.sql.stores import FolderObjects


class FolderDumps(FolderObjects):
    """A folder laid out like the bucket; nothing in it is overwritten either."""

    def uri(self, name: str) -> str:
        return f"file://{self._root}/{name}"

    def create(self, name: str, content: bytes) -> bool:
        path = self._place(name)
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def upload(self, name: str, source: Read) -> Stored:
        path = self._place(name)
        part = path.with_name(f"{path.name}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                while piece := source(MEBIBYTE):
                    digest.update(piece)
                    size += file.write(piece)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return Stored(size=size, sha256=digest.hexdigest(), generation="")

    @contextmanager
    def stream(self, name: str) -> Iterator[Iterator[bytes]]:
        try:
            file = (self._root / name).open("rb")
        except OSError as error:
            raise JobError(f"cannot read {self.uri(name)}: {error.strerror}") from None
        with file:
            yield iter(lambda: file.read(MEBIBYTE), b"")

    def _place(self, name: str) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
