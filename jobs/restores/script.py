"""Reads a plain dump as psql would: statements, rows of COPY, and psql's own commands where psql would see them.

A function's body may hold a line that looks like a COPY or like a command of psql, so lines say nothing. This follows
the rules of psql's scanner (psqlscan.l): quotes, dollar quotes, nested comments, parentheses and the bodies of SQL
functions (BEGIN ATOMIC ... END) hide a semicolon; a backslash outside of all quotes begins a command. Texts are bytes:
every encoding that a server may have keeps ASCII as it is.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from jobs.sql.errors import JobError

_HEAD: Final = 256
"""So many words of a statement are kept, which is more than any rule looks at."""
_TAIL: Final = 64
_END_OF_COPY: Final = re.compile(rb"^\\\.\r?\n", re.MULTILINE)
_COMPLETE: Final = b"-- PostgreSQL database dump complete"
"""pg_dump's last comment; an upload that broke off does not have it."""
_IDENTIFIER: Final = rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*"
_TOKEN: Final = re.compile(
    rb"(?P<space>[ \t\n\r\f\v]+)"
    rb"|(?P<comment>--[^\n\r]*)"
    rb"|(?P<block>/\*)"
    rb"|(?P<escape>[eE]')"
    rb"|(?P<literal>(?:[bBxXnN]|[uU]&)?')"
    rb'|(?P<quoted>(?:[uU]&)?")'
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)"
    rb"|(?P<word>" + _IDENTIFIER + rb")"
    rb"|(?P<number>[0-9]+)"
    rb"|(?P<other>.)",
    re.DOTALL,
)
_LONGEST_LOOK: Final = 128
"""Bytes that have to be there before a token is taken for whole: a name has 63, and a dollar quote's tag is a name."""
_ESCAPED: Final = re.compile(rb"['\\]")
_COMMENT_EDGE: Final = re.compile(rb"/\*|\*/")
_GOES_ON: Final = re.compile(rb"[ \t\f\v]*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'")
_ROUTINE: Final = re.compile(r"c(?:or)?[fp]")
_SHOWN: Final = 160  # characters of a statement in a message
_BREAKS_OFF: Final = "the dump breaks off"


@dataclass(kw_only=True)
class Statement:
    """One statement, without its semicolon.

    Attributes:
        text: what the server gets.
        head: its first words, keywords and plain names in lower case, quoted names in their quotes, each literal as one
            apostrophe, everything else sign by sign.
        tail: its last words.
        takes_rows: whether the rows of a COPY follow.
    """

    text: bytes
    head: list[str]
    tail: list[str]
    takes_rows: bool = False

    def __str__(self) -> str:
        """The beginning, on one line."""
        words = " ".join(self.text.decode(errors="replace").split())
        return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of the COPY before it, in pieces that have to be consumed before the next part is asked for."""

    pieces: Iterator[bytes]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of psql: the whole rest of its line, without the backslash."""

    text: str


Part = Statement | Rows | Command


@dataclass(kw_only=True)
class _Words:
    """What is remembered of a statement, and where in it the scanner is.

    Attributes:
        depth: open parentheses.
        begins: open BEGINs and CASEs of a SQL function's body.
        from_stdin: whether it says FROM STDIN outside of parentheses.
    """

    head: list[str] = field(default_factory=list)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    depth: int = 0
    begins: int = 0
    names: int = 0
    from_stdin: bool = False
    beginning: str = ""

    @property
    def any(self) -> bool:
        return bool(self.head)

    def add(self, word: str) -> None:
        if len(self.head) < _HEAD:
            self.head.append(word)
        self.tail.append(word)

    def sign(self, sign: str) -> None:
        self.depth = max(0, self.depth + (sign == "(") - (sign == ")"))
        self.add(sign)

    def name(self, word: str) -> None:
        """As psql does: only CREATE [OR REPLACE] FUNCTION or PROCEDURE may have a body, and CASE ends with END, too."""
        if self.names < len("corf"):
            known = word in ("create", "or", "replace", "function", "procedure")
            self.beginning += word[0] if known else " "
        self.names += 1
        if self.depth == 0 and _ROUTINE.match(self.beginning):
            if word == "begin" or (word == "case" and self.begins):
                self.begins += 1
            elif word == "end" and self.begins:
                self.begins -= 1
        if self.depth == 0 and word == "stdin" and self.tail and self.tail[-1] == "from":
            self.from_stdin = True
        self.add(word)


@dataclass(kw_only=True)
class Script:
    """A dump that is read once, from its beginning to its end.

    Attributes:
        complete: whether pg_dump's last comment has been read, and no statement after it.
    """

    source: Iterator[bytes]
    complete: bool = False
    _data: bytes = b""
    _at: int = 0  # what comes before has been understood
    _start: int = 0  # the statement in hand begins here
    _ended: bool = False
    _words: _Words = field(default_factory=_Words)

    def parts(self) -> Iterator[Part]:
        """Everything in order.

        Raises:
            JobError: the dump breaks off, or psql would not have understood it.
        """
        while True:
            statement = self._statement()
            if isinstance(statement, Command):
                yield statement
                continue
            if statement is None:
                break
            self.complete = False
            yield statement
            if statement.takes_rows:
                self._end_line()
                rows = self._rows()
                yield Rows(pieces=rows)
                for _ in rows:  # whoever reads has to know where the rows end
                    pass
        if not self.complete:
            raise JobError(f"{_BREAKS_OFF}: its last comment is not {_COMPLETE.decode()!r}")

    def _statement(self) -> Statement | Command | None:
        self._start = self._at
        self._words = words = _Words()
        while True:
            self._look_ahead()
            found = _TOKEN.match(self._data, self._at)
            if found is None:
                if words.any:
                    raise JobError(f"{_BREAKS_OFF} inside a statement")
                return None
            kind = found.lastgroup
            if kind in ("space", "comment", "word") and found.end() == len(self._data) and self._more():
                continue  # it may go on
            if kind == "other" and found[0] == b"\\":
                return self._command()
            if kind == "other" and found[0] == b";" and words.depth == 0 and words.begins == 0:
                text = self._data[self._start : self._at]
                self._at = found.end()
                if words.any:
                    takes_rows = words.head[0] == "copy" and words.from_stdin
                    return Statement(text=text, head=words.head, tail=list(words.tail), takes_rows=takes_rows)
                self._start = self._at
                continue
            self._take(str(kind), found)
            if not words.any:
                self._start = self._at  # nothing before the first word belongs to a statement

    def _take(self, kind: str, found: re.Match[bytes]) -> None:
        """Step over one token and remember it."""
        self._at = found.end()
        words = self._words
        if kind == "comment":
            if not words.any and found[0].rstrip() == _COMPLETE:
                self.complete = True
        elif kind == "block":
            self._skip_comment()
        elif kind == "escape":
            self._skip_escaped()
            words.add("'")
        elif kind == "literal":
            self._skip_past(b"'", doubled=True)
            words.add("'")
        elif kind == "quoted":
            begin = found.start() - self._start
            self._skip_past(b'"', doubled=True)
            words.add(self._data[self._start + begin : self._at].decode(errors="replace"))
        elif kind == "dollar":
            self._skip_past(found[0], doubled=False)
            words.add("'")
        elif kind == "word":
            words.name(found[0].decode(errors="replace").lower())
        elif kind != "space":
            words.sign(found[0].decode(errors="replace"))

    def _command(self) -> Command:
        if self._words.any:
            raise JobError("the dump has a command of psql inside a statement")
        end = self._line_end(self._at)
        text = self._data[self._at + 1 : end].decode(errors="replace").strip()
        self._at = min(end + 1, len(self._data))
        return Command(text=text)

    def _end_line(self) -> None:
        end = self._line_end(self._at)
        if self._data[self._at : end].strip():
            raise JobError("the dump has something between a COPY and its rows")
        self._at = end + 1

    def _rows(self) -> Iterator[bytes]:
        """The rows up to their end; whole lines, so that the end is never cut in two."""
        self._data, self._at, self._start = self._data[self._at :], 0, 0
        while True:
            found = _END_OF_COPY.search(self._data)
            if found is not None:
                rows, self._at = self._data[: found.start()], found.end()
                self._start = self._at
                if rows:
                    yield rows
                return
            whole = self._data.rfind(b"\n") + 1
            if whole:
                # a line that was looked at and does not end the rows is never looked at again
                rows, self._data = self._data[:whole], self._data[whole:]
                yield rows
            if not self._more():
                raise JobError(f"{_BREAKS_OFF} inside a table's rows")

    def _skip_past(self, mark: bytes, *, doubled: bool) -> None:
        """Step behind the next `mark`; one that is doubled stands for itself."""
        looked = self._at - self._start
        while True:
            found = self._data.find(mark, self._start + looked)
            if found < 0:
                looked = max(looked, len(self._data) - self._start - len(mark) + 1)
                self._demand()
                continue
            end = found + len(mark)
            if doubled and end == len(self._data) and self._more():
                continue  # it may be doubled in what has come
            if doubled and self._data[end : end + 1] == mark:
                looked = end + 1 - self._start
                continue
            self._at = end
            return

    def _skip_escaped(self) -> None:
        """Step behind a literal with backslashes, and behind its continuation on another line."""
        while True:
            self._at_least(2)
            found = _ESCAPED.search(self._data, self._at)
            if found is None:
                self._at = len(self._data)
                self._demand()
            elif found[0] == b"\\":
                self._at = found.start()
                self._at_least(2)
                self._at += 2
            else:
                self._at = found.end()
                self._look_ahead()
                if self._data[self._at : self._at + 1] == b"'":
                    self._at += 1
                    continue
                going_on = _GOES_ON.match(self._data, self._at)
                if going_on is None:
                    return
                self._at = going_on.end()

    def _skip_comment(self) -> None:
        depth = 1
        while depth:
            found = _COMMENT_EDGE.search(self._data, self._at)
            if found is None:
                self._at = max(self._at, len(self._data) - 1)
                self._demand()
                continue
            depth += 1 if found[0] == b"/*" else -1
            self._at = found.end()

    def _line_end(self, begin: int) -> int:
        """Where the line's last byte is followed by its end, or by the end of everything."""
        looked = begin - self._start
        while (found := self._data.find(b"\n", self._start + looked)) < 0:
            looked = len(self._data) - self._start
            if not self._more():
                return len(self._data)
        return found

    def _at_least(self, count: int) -> None:
        while len(self._data) - self._at < count:
            self._demand()

    def _demand(self) -> None:
        if not self._more():
            raise JobError(f"{_BREAKS_OFF} inside a statement")

    def _look_ahead(self) -> None:
        """Have enough bytes to know what comes next, unless there are no more."""
        while len(self._data) - self._at < _LONGEST_LOOK and self._more():
            pass

    def _more(self) -> bool:
        """Read on, and forget what no statement needs any more. Positions are moved along with it."""
        if self._ended:
            return False
        piece = next(self.source, None)
        if piece is None:
            self._ended = True
            return False
        self._data = self._data[self._start :] + piece
        self._at -= self._start
        self._start = 0
        return True


def read(pieces: Iterable[bytes]) -> Script:
    """A dump that comes in pieces of any size."""
    return Script(source=iter(pieces))
