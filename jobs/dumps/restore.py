"""Restores a dump into a scratch server inside this container and compares what came back with its manifest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jobs.deadline import Clock, limited
from jobs.dumps import tables
from jobs.dumps.archive import Entry
from jobs.dumps.layout import Contents, Manifest
from jobs.dumps.proof import prove
from jobs.dumps.scratch import Empty, scratch_server
from jobs.dumps.session import session
from jobs.dumps.store import Dumps
from jobs.dumps.tools import ToolError, Tools, seconds_left
from jobs.sql.errors import JobError

Compared = Literal["content", "rows"]

_PG_CLASS: Final = 1259  # the catalog of relations has this number in every release
# What is there before the restore, holds no row, or says nothing about the restored data.
_SILENTLY: Final = frozenset(
    {
        "ACL",
        "COMMENT",
        "DATABASE",
        "DATABASE PROPERTIES",
        "DEFAULT ACL",
        "EXTENSION",
        "SECURITY LABEL",
        "STATISTICS DATA",
    }
)
# What PostgreSQL lets nobody but a superuser make, or only whom one has let: a provider's roles may be such.
_BY_NAME: Final = frozenset(
    {
        "ACCESS METHOD",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "FOREIGN TABLE",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "PROCEDURAL LANGUAGE",
        "PUBLICATION",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
        "SERVER",
        "SUBSCRIPTION",
        "SUBSCRIPTION TABLE",
        "TEXT SEARCH PARSER",
        "TEXT SEARCH TEMPLATE",
        "TRANSFORM",
        "USER MAPPING",
    }
)
_BINARY_CAST: Final = re.compile(r"\) WITHOUT FUNCTION(?: AS (?:ASSIGNMENT|IMPLICIT))?;\s*$")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A dump that came back whole.

    Attributes:
        compared: whether the content of every row was compared, or the number of rows, which is all that a manifest of
            the first version allows.
        missing_extensions: what the source has and this container has not.
        left_out: what an ordinary role cannot have, and what needs it.
        locale: the collation that stood in for the source's; None when that one was there.
    """

    uri: str
    found: Contents
    compared: Compared
    missing_extensions: tuple[str, ...]
    left_out: tuple[str, ...]
    locale: str | None


def restored(store: Dumps, tools: Tools, manifest: Manifest, clock: Clock) -> Restored:
    """Restore a dump as an ordinary role, in a server that goes with everything in it.

    Raises:
        JobError: the dump is damaged, a statement fails, or what came back is not what the manifest says.
        DeadlineError: the clock has run out.
    """
    entries = prove(store, manifest)
    wanted, left_out = _wanted(entries, manifest)
    # a server for each: what one tenant's dump leaves behind (roles, a crash) is nothing to the next
    with scratch_server(tools, clock) as scratch:
        database = scratch.database(manifest)
        listed = scratch.folder / "entries"
        # the numbers are all that pg_restore reads, so no name comes near its parser
        listed.write_text("".join(f"{entry.number};\n" for entry in wanted), encoding="ascii")
        with store.stream(manifest.object) as pieces:
            try:
                tools.restore(database.owner, pieces, listed, clock=clock)
            except ToolError as error:
                raise JobError(f"{error}{_hint(database)}") from None
        what = "comparing what came back"
        with session(database.owner) as connection, limited(connection, seconds_left(clock), what):
            found = tables.contents(connection, manifest.schemas)
    compared: Compared = "content" if manifest.schema_version > 1 else "rows"
    if wrong := tables.differences(manifest, found, rows_only=compared == "rows"):
        raise JobError(f"{manifest.object}: {'; '.join(wrong)}{_hint(database)}")
    return Restored(
        uri=store.uri(manifest.object),
        found=found,
        compared=compared,
        missing_extensions=database.missing,
        left_out=tuple(left_out),
        locale=database.locale,
    )


def _hint(database: Empty) -> str:
    hints = [f"not installed here: {', '.join(database.missing)}"] if database.missing else []
    hints += [f"collation here: {database.locale}"] if database.locale else []
    return f" ({'; '.join(hints)})" if hints else ""


def _wanted(entries: Sequence[Entry], manifest: Manifest) -> tuple[list[Entry], list[str]]:
    """The entries to restore, and the names of those that the scratch database may not or cannot have."""
    made = {"public", *(extension.schema_name for extension in manifest.extensions)}
    silent = {
        entry.number for entry in entries if entry.kind in _SILENTLY or (entry.kind == "SCHEMA" and entry.name in made)
    }
    declared = {(part.catalog, part.oid): part.what for part in manifest.left_out}
    # an archive calls what a relation holds (a materialized view's rows) by the relation's number alone
    rows_of = {oid for catalog, oid in declared if catalog == _PG_CLASS}
    lost = {
        entry.number
        for entry in entries
        if entry.number not in silent
        and (
            (entry.catalog, entry.oid) in declared
            or (entry.catalog == 0 and entry.oid in rows_of)
            or entry.kind in _BY_NAME
            or (entry.kind == "CAST" and _BINARY_CAST.search(entry.definition))
        )
    }
    while more := {
        entry.number for entry in entries if entry.number not in lost | silent and not lost.isdisjoint(entry.needs)
    }:
        lost |= more
    names = [*declared.values()]
    names += [
        entry.what
        for entry in entries
        if entry.number in lost
        and (entry.catalog, entry.oid) not in declared
        and not (entry.catalog == 0 and entry.oid in rows_of)
    ]
    return [entry for entry in entries if entry.number not in lost | silent], names
