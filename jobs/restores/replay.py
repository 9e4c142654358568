"""Runs a plain dump in a session of the tenant's own: what an ordinary role may not do is left out by name.

Nothing here keeps a dump from doing harm: the session's rights do. What is left out is left out so that a dump comes
back although its source belonged to a provider's roles.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import psycopg

from jobs.restores.script import Command, Rows, Statement, read
from jobs.sql.errors import JobError
from jobs.sql.postgres import Connection, message_of

_HARMLESS: Final = ("restrict", "unrestrict")
"""Commands of psql that pg_dump writes since August 2025 and that change nothing here."""
_NO_TRANSACTION_TIMEOUT: Final = 170000  # PostgreSQL 17 has it first, and its pg_dump always sets it

# What only a superuser, a provider's role or a subscriber may create. Each is a statement's beginning.
_REFUSED: Final[tuple[tuple[str, ...], ...]] = (
    *(
        (verb, *kind)
        for verb in ("create", "alter", "comment on")
        for kind in (
            ("event", "trigger"),
            ("foreign", "data", "wrapper"),
            ("foreign", "table"),
            ("server",),
            ("subscription",),
            ("user", "mapping"),
        )
    ),
    ("comment on", "extension"),
    ("security", "label"),
    ("set", "session", "authorization"),
    ("reset", "session", "authorization"),
    ("alter", "extension"),
)
_BEGINNINGS: Final = tuple(tuple(" ".join(words).split()) for words in _REFUSED)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a dump may count on.

    Attributes:
        roles: names that a grant may have, in lower case: the tenant's own roles, and `public`.
        owner: the tenant's owner role.
        made: schemas that the database has already.
        without: extensions that it cannot have.
    """

    roles: Collection[str]
    owner: str
    made: Collection[str] = ()
    without: Collection[str] = ()


@dataclass(kw_only=True)
class Replay:
    """One dump on its way into a database.

    Attributes:
        connection: in autocommit mode, with one tenant's rights and no more.
        left_out: what was left out, each once, in order.
    """

    connection: Connection
    rules: Rules
    left_out: list[str] = field(default_factory=list)

    def run(self, pieces: Iterable[bytes]) -> None:
        """Run everything.

        Raises:
            JobError: a statement failed, the dump breaks off, or it has a command that psql would have obeyed.
        """
        script = read(pieces)
        copying: Statement | None = None
        for part in script.parts():
            if isinstance(part, Command):
                self._command(part)
            elif isinstance(part, Rows):
                if copying is not None:
                    self._copy(copying, part)
            elif part.takes_rows:
                copying = None if self._leave_out(part) else part
            elif not self._leave_out(part):
                self._execute(part)

    def _command(self, command: Command) -> None:
        name = command.text.split(maxsplit=1)[:1]
        if not name or name[0] not in _HARMLESS:
            raise JobError(f"the dump has the command \\{' '.join(name)} of psql, which no restore obeys")

    def _execute(self, statement: Statement) -> None:
        if statement.head[:3] == ["set", "standard_conforming_strings", "="] and statement.tail[-1] != "on":
            raise JobError("the dump wants backslashes in all literals to mean something; make it anew")
        try:
            self.connection.execute(statement.text)
        except psycopg.Error as error:
            raise JobError(f"{statement}: {message_of(error)}") from None

    def _copy(self, statement: Statement, rows: Rows) -> None:
        try:
            with self.connection.cursor().copy(statement.text) as copy:
                for piece in rows.pieces:
                    copy.write(piece)
        except psycopg.Error as error:
            raise JobError(f"{statement}: {message_of(error)}") from None

    def _leave_out(self, statement: Statement) -> bool:
        """Whether it is left out; what is and would have changed something is noted."""
        text = self._reason(statement)
        if text and text not in self.left_out:
            self.left_out.append(text)
        return text is not None

    def _reason(self, statement: Statement) -> str | None:
        """What to call it when it is left out; empty when nothing is lost, None when it is to be run."""
        head, tail = statement.head, statement.tail
        if head[0] == "alter" and tail[-3:-1] == ["owner", "to"]:
            # everything belongs to whoever runs this
            return "" if plain(tail[-1]) == self.rules.owner else str(statement)
        if head[:2] == ["create", "schema"] and schema_of(head) in self.rules.made:
            return ""
        if head[:2] == ["create", "extension"]:
            return str(statement) if extension_of(head) in self.rules.without else None
        if head[:2] == ["set", "transaction_timeout"] and self._version < _NO_TRANSACTION_TIMEOUT:
            return ""
        refused = any(tuple(head[: len(words)]) == words for words in _BEGINNINGS) or _publishes_all(head)
        return str(statement) if refused or self._grants_beyond(head, tail) else None

    def _grants_beyond(self, head: list[str], tail: list[str]) -> bool:
        """Whether a grant is about roles, the database, or names a role that is not this tenant's."""
        if head[:3] == ["alter", "default", "privileges"]:
            if head[3:5] in (["for", "role"], ["for", "user"]) and plain(head[5]) != self.rules.owner:
                return True
        elif head[0] not in ("grant", "revoke"):
            return False
        elif "on" not in head or head[head.index("on") + 1] in ("database", "tablespace", "parameter", "foreign"):
            return True
        verb = max((at for at, word in enumerate(tail) if word in ("to", "from")), default=-1)
        names: list[str] = []
        for word in tail[verb + 1 :]:
            if word in ("with", "granted", "cascade", "restrict"):
                break
            if word not in (",", "group"):
                names.append(plain(word))
        return not set(names) <= set(self.rules.roles)

    @property
    def _version(self) -> int:
        return self.connection.info.server_version


def plain(word: str) -> str:
    """A name without its quotes."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def schema_of(head: list[str]) -> str:
    """The schema that a CREATE SCHEMA makes."""
    named = head[5:] if head[2:5] == ["if", "not", "exists"] else head[2:]
    return plain(named[0]) if named else ""


def extension_of(head: list[str]) -> str:
    """The extension that a CREATE EXTENSION makes."""
    return schema_of(head)  # the two are written alike


def _publishes_all(head: list[str]) -> bool:
    """Whether a publication is for everything, which takes a superuser."""
    if head[:2] not in (["create", "publication"], ["alter", "publication"]):
        return False
    pairs = list(pairwise(head))
    return ("all", "tables") in pairs or ("all", "sequences") in pairs or ("tables", "in") in pairs
