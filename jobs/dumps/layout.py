"""Where dumps, manifests, markers and results are: one place for those who write and those who read."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs.sql.errors import JobError

EXTERNAL: Final = "external"
"""Stands where the log lines of other kinds name an instance."""
DUMPED_KINDS: Final = ("rds", "external")
"""The kinds of database that the export job dumps; the others' exports are their services' own."""

_STAMP_FORMAT: Final = "%Y-%m-%dT%H%M%SZ"
_MANIFEST: Final = re.compile(r"^dump/[a-z0-9-]+/(\d{4}-\d{2}-\d{2}T\d{6}Z)-[0-9a-f]{12}\.manifest\.json$")
_OVERDUE: Final = re.compile(r"^dump/[a-z0-9-]+/(\d{4}-\d{2}-\d{2}T\d{6}Z)-[0-9a-f]{12}\.overdue\.json$")


def dump_prefix(tenant: str) -> str:
    return f"dump/{tenant}/"


def dump_stem(tenant: str, at: datetime, run: str) -> str:
    """Name of a dump and its manifest without their suffixes; names of one tenant sort by time."""
    return f"{dump_prefix(tenant)}{at.astimezone(UTC).strftime(_STAMP_FORMAT)}-{run}"


def manifest_time(name: str) -> datetime | None:
    """When the dump of that manifest was started; None when the name is no manifest's."""
    found = _MANIFEST.fullmatch(name)
    return None if found is None else datetime.strptime(found[1], _STAMP_FORMAT).replace(tzinfo=UTC)


def overdue_time(name: str) -> datetime | None:
    """When an export was started that took longer than one tenant may; None when the name does not say that."""
    found = _OVERDUE.fullmatch(name)
    return None if found is None else datetime.strptime(found[1], _STAMP_FORMAT).replace(tzinfo=UTC)


def drill_object(tenant: str) -> str:
    """A tenant's drill result in the registry bucket; `drills/{instance}.json` are those of whole instances."""
    return f"drills/tenants/{tenant}.json"


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Table(_Written):
    """What a table held in the dump's snapshot; see `jobs.dumps.tables` for the checksum."""

    rows: int
    checksum: str


class SequenceState(_Written):
    """Where a sequence stands: the next value follows `last_value`, or is `last_value` while it is not `is_called`."""

    last_value: int
    is_called: bool

    def __str__(self) -> str:
        return f"{self.last_value}{'' if self.is_called else ' (not used)'}"


class Contents(_Written):
    """What a database holds, as `jobs.dumps.tables.contents` reads it; relations are named as `public.accounts`.

    Attributes:
        tables: what is dumped and compared, partitions by themselves.
        sequences: those that stood still while they were read; `moved`: those in use, whose values nothing describes.
        large_objects: all of them, as if they were the rows of one table.
        derived: materialized views, whose rows a restore makes anew.
        elsewhere: foreign tables, whose rows are somewhere else.
        partly: tables that an extension has registered for a part of their rows, with the number of all.
        not_dumped: what holds rows that no dump has, with their number; None when nobody but its owner may tell.
    """

    tables: dict[str, Table]
    sequences: dict[str, SequenceState] = Field(default_factory=dict)
    moved: tuple[str, ...] = ()
    large_objects: Table = Table(rows=0, checksum="0")
    derived: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    partly: dict[str, int | None] = Field(default_factory=dict)
    not_dumped: dict[str, int | None] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def contents_digest(contents: Contents) -> str:
    """SHA-256, in hexadecimal digits, of everything that a database holds: the same as long as nobody writes to it."""
    described = contents.model_dump(
        mode="json", include={"tables", "sequences", "moved", "large_objects", "elsewhere", "partly", "not_dumped"}
    )
    text = json.dumps(described, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Locale(_Written):
    """A database's default collation.

    Attributes:
        collate, ctype: names of the C library's locales.
        locale: the provider's own name; None for the C library.
        rules: further rules of ICU; None before PostgreSQL 16.
    """

    provider: Literal["libc", "icu", "builtin"]
    collate: str
    ctype: str
    locale: str | None = None
    rules: str | None = None


class Extension(_Written):
    name: str
    schema_name: str


class LeftOut(_Written):
    """Part of a dump of chosen schemas that needs a table of another one, so that it cannot be restored by itself.

    Attributes:
        catalog, oid: what the archive's table of contents calls it.
        what: for people.
    """

    catalog: int
    oid: int
    what: str


class Function(_Written):
    """A function of a schema that was not chosen, which something in the dump calls; `result` as in `RETURNS`."""

    schema_name: str
    name: str
    arguments: str
    result: str


class Manifest(Contents):
    """What a dump holds: written beside it, once the store has confirmed the upload.

    Attributes:
        object: the dump's name in the bucket.
        bytes: the dump's length.
        sha256: of the dump, in hexadecimal digits.
        schema_version: 1 when only the number of rows can be compared: its checksums were made in another way.
        schemas: what was dumped, and nothing else; None for every schema.
        left_out: what a restore of those schemas alone cannot have.
        functions: what it needs beside the dump.
        extensions: what the source had installed; a restore needs them first.
        roles: roles that policies or values name; a restore needs them first, or has to leave the policies out.
        encoding, locale: of the source's database.
        pg_dump: the version that wrote the dump; `pg_restore` of that or any later release reads it.
    """

    schema_version: Literal[1, 2]
    tenant: str
    database: str
    object: str
    bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    schemas: tuple[str, ...] | None = None
    left_out: tuple[LeftOut, ...] = ()
    functions: tuple[Function, ...] = ()
    extensions: list[Extension]
    roles: list[str]
    encoding: str
    locale: Locale | None = None
    server: str
    pg_dump: str
    started_at: datetime
    finished_at: datetime


def parse_manifest(name: str, content: bytes) -> Manifest:
    """Read a manifest and refuse one that does not describe the dump beside it.

    Raises:
        JobError: it is damaged or describes another dump.
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValueError:
        raise JobError(f"{name}: is no manifest") from None
    if manifest.object != f"{name.removesuffix('.manifest.json')}.dump":
        raise JobError(f"{name}: describes {manifest.object}")
    return manifest
