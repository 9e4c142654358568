"""PostgreSQL's own programs as children: no password in their arguments, none of this job's environment in theirs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import make_conninfo

from jobs.deadline import Clock, limited_process
from jobs.dumps.store import Read
from jobs.sql.errors import JobError

_KEPT: Final = ("LD_LIBRARY_PATH", "SSL_CERT_FILE")  # what finding libraries and public authorities takes
_COMPLAINT: Final = 2_000  # characters of a program's complaint that go into an error
_COMPRESSION: Final = "6"
_INSTALLED: Final = "/usr/lib/postgresql"  # a folder for each release, as Debian's packages lay them out
_VERSION_S: Final = 60.0
_LONG_S: Final = 1_000_000.0


# A dump takes hours on a path that may forget idle connections, and a guest that stalls must not keep others waiting.
WATCHED: Final[Mapping[str, str]] = {
    "connect_timeout": "15",
    "keepalives_idle": "30",
    "keepalives_interval": "30",
    "keepalives_count": "4",
    "tcp_user_timeout": "300000",
}


class ToolError(JobError):
    """A program ended with a failure."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How to open a session: libpq's parameters, and the password apart from them."""

    parameters: dict[str, str]
    password: str = field(repr=False)

    @property
    def conninfo(self) -> str:
        """Without the password, so it may be an argument; of a connection that notices when nobody answers any more."""
        return make_conninfo("", **{**WATCHED, **self.parameters})

    def with_options(self, options: str) -> "Endpoint":
        """The same with further start-up options, which win over those that it has."""
        both = f"{self.parameters.get('options', '')} {options}".strip()
        return replace(self, parameters={**self.parameters, "options": both})


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs of the folders in `path`, as in the variable PATH.

    Attributes:
        installed: where the programs of further releases are: `{installed}/17/bin`.
    """

    path: str
    installed: str = _INSTALLED

    def of_major(self, major: int) -> "Tools":
        """Programs for a server of that release: its own if they are there, else those of PATH, if new enough.

        A dump is best written by the server's own release: that release's pg_restore reads it, and so does every later.

        Raises:
            JobError: PATH has an older release only, whose pg_dump refuses the server.
        """
        on_path = int(self.version("pg_dump").partition(".")[0])
        folder = Path(self.installed) / str(major) / "bin"
        if on_path != major and (folder / "pg_dump").exists():
            return replace(self, path=f"{folder}:{self.path}")
        if on_path < major:
            raise JobError(
                f"the server is of release {major}, but pg_dump of {on_path}; the jobs' image lacks {folder}"
            )
        return self

    def program(self, name: str) -> str:
        found = shutil.which(name, path=self.path)
        if found is None:
            raise JobError(f"no program {name} in PATH ({self.path}); the jobs' image has it")
        return found

    def environment(self, password: str | None = None) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        secret = {} if password is None else {"PGPASSWORD": password}
        return {"PATH": self.path, "LC_ALL": "C", **kept, **secret}

    def version(self, name: str) -> str:
        """The last word of `--version`'s first line that is a number: `18.1`."""
        done = subprocess.run(  # noqa: S603 - a program of ours without input
            [self.program(name), "--version"],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERSION_S,
        )
        numbers = [word for word in done.stdout.split() if word[0].isdigit()]
        if done.returncode or not numbers:
            raise JobError(f"{name} --version ended with {done.returncode}")
        return numbers[0]

    @contextmanager
    def dump(
        self, endpoint: Endpoint, snapshot: str, schemas: Sequence[str] | None, *, lock_s: int, clock: Clock
    ) -> Iterator[Read]:
        """Run pg_dump in a snapshot that another session holds open, and read its archive.

        Its first bytes come when it has locked every table that it dumps.

        The reader raises ToolError instead of coming to an end when pg_dump has failed: half a dump is never complete.

        Args:
            endpoint: whom to ask.
            snapshot: the name that the other session has given it.
            schemas: names, of which nothing is a wildcard; None dumps all.
            lock_s: seconds to wait for a lock.
            clock: pg_dump is killed when it has run out.
        """
        arguments = [
            "--format=custom",
            f"--compress={_COMPRESSION}",
            "--no-password",
            f"--lock-wait-timeout={lock_s}s",
            f"--snapshot={snapshot}",
            f"--dbname={endpoint.conninfo}",
        ]
        if schemas is not None:
            quoted = [name.replace('"', '""') for name in schemas]
            arguments += ["--strict-names", *(f'--schema="{name}"' for name in quoted)]
        with self._running("pg_dump", arguments, endpoint.password, clock) as (process, complaints):
            archive = _pipe(process.stdout)

            def read(size: int) -> bytes:
                piece = archive.read(size)
                if len(piece) < size:
                    _check("pg_dump", process, complaints)
                return piece

            yield read

    def restore(self, endpoint: Endpoint, pieces: Iterable[bytes], entries: Path, *, clock: Clock) -> None:
        """Restore the listed entries of an archive into an empty database, as an ordinary owner would.

        Args:
            endpoint: whose rights it has.
            pieces: the archive's bytes.
            entries: a file of the archive's numbers, one in a line.
            clock: pg_restore is killed when it has run out.

        Raises:
            ToolError: a statement failed.
            DeadlineError: it did not end in time.
        """
        arguments = [
            "--exit-on-error",
            "--no-acl",
            "--no-comments",
            "--no-owner",
            "--no-password",
            "--no-publications",
            "--no-security-labels",
            "--no-subscriptions",
            "--no-tablespaces",
            f"--use-list={entries}",
            f"--dbname={endpoint.conninfo}",
        ]
        with self._running("pg_restore", arguments, endpoint.password, clock) as (process, complaints):
            _feed(process, pieces)
            _check("pg_restore", process, complaints)

    @contextmanager
    def _running(
        self, name: str, arguments: Sequence[str], password: str, clock: Clock
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        reads = name == "pg_dump"
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(  # noqa: S603 - a program of ours; every argument is one string
                [self.program(name), *arguments],
                stdin=subprocess.DEVNULL if reads else subprocess.PIPE,
                stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
                stderr=complaints,
                env=self.environment(password),
            ) as process,
        ):
            try:
                with limited_process(process, seconds_left(clock), name):
                    yield process, complaints
            finally:
                process.kill()


def seconds_left(clock: Clock) -> float:
    """What is left of a limit, to a tenth of a second; very long without one."""
    left = clock.remaining()
    return _LONG_S if left is None else round(left, 1)


def when_first(read: Read, act: Callable[[], None]) -> Read:
    """Read as before, but do something once when the first bytes have come."""
    done = False

    def reading(size: int) -> bytes:
        nonlocal done
        if done:
            return read(size)
        first = read(1)
        done = True
        act()
        return first + read(size - 1) if first and size > 1 else first

    return reading


def _feed(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    """Write everything to a program that may stop reading early; its exit code says what that meant."""
    sink = _pipe(process.stdin)
    reading = True
    for piece in pieces:
        if reading:
            try:
                sink.write(piece)
            except BrokenPipeError:
                reading = False
    try:
        sink.close()
    except BrokenPipeError:
        return


def _check(name: str, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    if code := process.wait():
        complaints.seek(0)
        text = " ".join(complaints.read(_COMPLAINT).decode(errors="replace").split())
        raise ToolError(f"{name} ended with {code}: {text or 'without a word'}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the program was started with this pipe")
    return stream
