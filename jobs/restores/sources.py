"""What can be restored: the service's own exports, the export job's archives, and a tenant's database in a copy."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from jobs.dumps.layout import Contents, Manifest, parse_manifest
from jobs.dumps.store import Dumps
from jobs.restores.programs import Programs
from jobs.restores.replay import extension_of, plain
from jobs.restores.script import Statement, read
from jobs.sql.errors import JobError

_URI: Final = re.compile(
    r"(?P<place>(?:gs|s3)://[^/]+|file:///.+?)/"
    r"(?P<path>sql/(?P<instance>[^/]+)/(?P<database>tn_[a-z0-9_]+)/[^/]+\.sql\.gz|dump/(?P<tenant>[a-z0-9-]+)/[^/]+\.dump)"
)
_GZIP: Final = b"\x1f\x8b"
# What pg_dump writes before anything that a tenant has made.
_HEAD: Final = ("alter", "comment", "reset", "security", "select", "set")
_SQL: Final = ".sql.gz"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an export lies.

    Attributes:
        bucket: scheme and name of the bucket, or a folder's URL.
        path: its name in there.
        instance: the key in the name of a service's export; None for the export job's.
        tenant: whose it is.
    """

    uri: str
    bucket: str
    path: str
    instance: str | None
    tenant: str


def place_of(uri: str) -> Place:
    """Take the URI of an export apart.

    Raises:
        JobError: nothing that an export writes is called so.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise JobError(
            f"--export {uri}: is no export; one is called BUCKET/sql/INSTANCE/DATABASE/NAME.sql.gz or "
            "BUCKET/dump/TENANT/NAME.dump"
        )
    tenant = found["tenant"] or found["database"].removeprefix("tn_").replace("_", "-")
    return Place(uri=uri, bucket=found["place"], path=found["path"], instance=found["instance"], tenant=tenant)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dump, ready to be read as plain SQL, any number of times.

    Attributes:
        extensions: what it needs before its first statement, with their schemas. vouched: whether the extensions' names
        come from a catalog. Those in a plain dump do not: a name with a line break
            could have put them there.
        contents: what it has to bring back; None when nobody has counted.
        rows_only: whether only numbers of rows can be compared.
    """

    open: Callable[[], AbstractContextManager[Iterator[bytes]]]
    extensions: dict[str, str]
    vouched: bool
    contents: Contents | None
    rows_only: bool = False


def exported(store: Dumps, place: Place, programs: Programs) -> Source:
    """The source of an export.

    Raises:
        JobError: it is not there, or not what its manifest says.
    """
    if place.path.endswith(_SQL):
        opening = _plain(store, place)
        return Source(open=opening, extensions=_extensions(opening), vouched=False, contents=None)
    name = f"{place.path.removesuffix('.dump')}.manifest.json"
    content = store.read(name)
    if content is None:
        raise JobError(f"{store.uri(name)}: no such object, and a dump without its manifest does not count")
    manifest = parse_manifest(name, content)
    if manifest.tenant != place.tenant:
        raise JobError(f"{store.uri(name)}: is {manifest.tenant}'s")
    with store.stream(place.path) as pieces:
        for _ in _checked(pieces, place, manifest):
            pass
    major = int(manifest.pg_dump.partition(".")[0])

    @contextmanager
    def opening_archive() -> Iterator[Iterator[bytes]]:
        # checked again, because it is read again
        with (
            store.stream(place.path) as pieces,
            programs.converted(_checked(pieces, place, manifest), major) as script,
        ):
            yield script

    extensions = {extension.name: extension.schema_name for extension in manifest.extensions}
    return Source(
        open=opening_archive,
        extensions=extensions,
        vouched=True,
        contents=manifest,
        rows_only=manifest.schema_version == 1,
    )


def _checked(pieces: Iterable[bytes], place: Place, manifest: Manifest) -> Iterator[bytes]:
    size, digest = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        digest.update(piece)
        yield piece
    if size != manifest.bytes:
        raise JobError(f"{place.uri}: has {size} bytes instead of {manifest.bytes}")
    if digest.hexdigest() != manifest.sha256:
        raise JobError(f"{place.uri}: has SHA-256 {digest.hexdigest()} instead of {manifest.sha256}")


def _plain(store: Dumps, place: Place) -> Callable[[], AbstractContextManager[Iterator[bytes]]]:
    @contextmanager
    def opening() -> Iterator[Iterator[bytes]]:
        with store.stream(place.path) as pieces:
            yield unpacked(pieces, place.uri)

    return opening


def unpacked(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpack gzip as it comes; what a store has unpacked on the way is left as it is.

    Raises:
        JobError: it is damaged, or does not end as gzip ends.
    """
    source = iter(pieces)
    piece = b""
    while len(piece) < len(_GZIP) and (more := next(source, None)) is not None:
        piece += more
    if not piece.startswith(_GZIP):
        yield piece
        yield from source
        return
    unpacking = zlib.decompressobj(wbits=31)
    try:
        while True:
            yield unpacking.decompress(piece)
            while unpacking.eof and unpacking.unused_data:
                rest, unpacking = unpacking.unused_data, zlib.decompressobj(wbits=31)
                yield unpacking.decompress(rest)
            following = next(source, None)
            if following is None:
                break
            piece = following
            if unpacking.eof:
                unpacking = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise JobError(f"{name}: is damaged: {error}") from None
    if not unpacking.eof:
        raise JobError(f"{name}: the dump breaks off in the middle of its compression")


def _extensions(opening: Callable[[], AbstractContextManager[Iterator[bytes]]]) -> dict[str, str]:
    """What a plain dump creates before anything else, but its schemas."""
    found = {}
    with opening() as pieces:
        for part in read(pieces).parts():
            if not isinstance(part, Statement):
                continue
            head = part.head
            if head[:2] == ["create", "extension"]:
                at = head.index("schema") if "schema" in head else None
                found[extension_of(head)] = "public" if at is None else plain(head[at + 1])
            elif head[0] not in _HEAD and head[:2] != ["create", "schema"]:
                break
    return found
