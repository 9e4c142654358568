"""What exports and drills need of the exports bucket, on either cloud."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

MEBIBYTE: Final = 1 << 20

Read = Callable[[int], bytes]
"""Reads up to so many bytes; fewer, or none, only at the end. It raises when the end is not the real one."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An upload that the store has confirmed.

    Attributes:
        size: in bytes.
        sha256: of all bytes, in hexadecimal digits.
        generation: the store's own name of this version of the object.
    """

    size: int
    sha256: str
    generation: str


class Dumps(Protocol):
    """The exports bucket: nothing in it is ever overwritten."""

    def uri(self, name: str) -> str:
        """The object's full name, for people and markers."""

    def names(self, prefix: str) -> list[str]:
        """Names of the objects below a prefix, sorted."""

    def read(self, name: str) -> bytes | None:
        """A small object's content, or None when there is no such object."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a small JSON object if there is none of that name; return whether it was written."""

    def upload(self, name: str, source: Read) -> Stored:
        """Stream a new object, a bounded part in memory at a time, and compare it with what the store then has.

        Raises:
            JobError: the store does not hold exactly what was sent. Whatever the source raises: nothing was stored.
        """

    def stream(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """An object's bytes, in pieces.

        Raises:
            JobError: it cannot be read, at the start or on the way.
        """
