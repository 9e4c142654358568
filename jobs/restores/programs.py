"""pg_dump and pg_restore as sources of plain SQL, in the release that fits."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from jobs.deadline import Clock, limited_process
from jobs.dumps.tools import Endpoint, Tools
from jobs.sql.errors import JobError

_FOLDER: Final = "/usr/lib/postgresql"
_PIECE: Final = 1 << 18
_COMPLAINT: Final = 2_000  # characters of a program's complaint that go into an error
_NUMBER: Final = re.compile(r"\) (\d+)")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The releases of PostgreSQL's programs that are installed here.

    Attributes:
        path: as the variable PATH; what it has comes last.
        folder: where Debian keeps one folder for each major release.
    """

    path: str
    clock: Clock
    folder: Path = Path(_FOLDER)
    _found: dict[str, dict[int, Path]] = field(default_factory=dict)

    def fitting(self, name: str, major: int, what: str) -> Path:
        """The oldest release of a program that is not older than `major`.

        Raises:
            JobError: there is none.
        """
        found = self._found.setdefault(name, self._installed(name))
        fits = [release for release in sorted(found) if release >= major]
        if not fits:
            there = ", ".join(map(str, sorted(found))) or "none"
            raise JobError(f"{what} needs {name} {major} or later; installed here: {there}")
        return found[fits[0]]

    def _installed(self, name: str) -> dict[int, Path]:
        on_path = shutil.which(name, path=self.path)
        paths = [Path(on_path)] if on_path is not None else []
        paths += self.folder.glob(f"*/bin/{name}")
        found = {}
        for path in paths:
            done = subprocess.run(  # noqa: S603 - a program of ours without input
                [str(path), "--version"], env=self._environment(), capture_output=True, text=True, check=False
            )
            number = _NUMBER.search(done.stdout)
            if done.returncode == 0 and number is not None:
                found[int(number[1])] = path
        return found

    @contextmanager
    def dumped(self, endpoint: Endpoint, major: int) -> Iterator[Iterator[bytes]]:
        """A database of a server of that release as plain SQL."""
        program = self.fitting("pg_dump", major, f"a server of PostgreSQL {major}")
        arguments = ["--no-owner", "--no-password", "--no-security-labels", "--no-subscriptions"]
        with self._running(program, [*arguments, f"--dbname={endpoint.conninfo}"], endpoint.password, None) as pieces:
            yield pieces

    @contextmanager
    def converted(self, archive: Iterable[bytes], major: int) -> Iterator[Iterator[bytes]]:
        """An archive that pg_dump of that release wrote, as plain SQL.

        pg_restore does not talk to a server then, so a release that is newer than the server is as good as any other.
        """
        program = self.fitting("pg_restore", major, f"an archive of pg_dump {major}")
        arguments = ["--file=-", "--no-owner", "--no-security-labels", "--no-subscriptions"]
        with self._running(program, arguments, None, archive) as pieces:
            yield pieces

    @contextmanager
    def _running(
        self, program: Path, arguments: Sequence[str], password: str | None, source: Iterable[bytes] | None
    ) -> Iterator[Iterator[bytes]]:
        with (
            open(os.memfd_create("complaints"), "w+b") as complaints,  # noqa: PTH123 - a task may have no writable disk
            subprocess.Popen(  # noqa: S603 - a program of ours; every argument is one string
                [str(program), *arguments],
                stdin=subprocess.DEVNULL if source is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=self._environment(password),
            ) as process,
        ):
            feeder = None if source is None else _Feeder(process, source)
            left = self.clock.remaining()
            try:
                with limited_process(process, threading.TIMEOUT_MAX if left is None else left, program.name):
                    yield _pieces(program.name, process, complaints, feeder)
            finally:
                process.kill()

    def _environment(self, password: str | None = None) -> dict[str, str]:
        return Tools(path=self.path).environment(password)


class _Feeder(threading.Thread):
    """Writes a source into a program's input. A source that fails ends the program, whose reader then hears why."""

    def __init__(self, process: subprocess.Popen[bytes], source: Iterable[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._source = source
        self.problem: Exception | None = None
        self.start()

    def run(self) -> None:
        sink = _pipe(self._process.stdin)
        try:
            for piece in self._source:
                sink.write(piece)
            sink.close()
        except BrokenPipeError:  # the program's exit code says what that meant
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader raises it
            self.problem = error
            self._process.kill()
        finally:
            with suppress(OSError):
                sink.close()


def _pieces(
    name: str, process: subprocess.Popen[bytes], complaints: IO[bytes], feeder: _Feeder | None
) -> Iterator[bytes]:
    output = _pipe(process.stdout)
    while piece := output.read(_PIECE):
        yield piece
    if feeder is not None:
        feeder.join()
        if feeder.problem is not None:
            raise feeder.problem
    if code := process.wait():
        complaints.seek(0)
        text = " ".join(complaints.read(_COMPLAINT).decode(errors="replace").split())
        raise JobError(f"{name} ended with {code}: {text or 'without a word'}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the program was started with this pipe")
    return stream
