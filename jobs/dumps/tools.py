"""PostgreSQL's own programs as children: no password in their arguments, none of this job's environment in theirs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import make_conninfo

from jobs.dumps.store import Read
from jobs.sql.errors import JobError

_KEPT: Final = ("LD_LIBRARY_PATH", "SSL_CERT_FILE")  # what finding libraries and public authorities takes
_COMPLAINT: Final = 2_000  # characters of a program's complaint that go into an error
_COMPRESSION: Final = "6"


# A dump takes hours on a path that may forget idle connections, and a guest that stalls must not keep others waiting.
WATCHED: Final[Mapping[str, str]] = {
    "connect_timeout": "15",
    "keepalives_idle": "30",
    "keepalives_interval": "30",
    "keepalives_count": "4",
    "tcp_user_timeout": "300000",
}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How to open a session: libpq's parameters, and the password apart from them."""

    parameters: dict[str, str]
    password: str = field(repr=False)

    @property
    def conninfo(self) -> str:
        """Without the password, so it may be an argument; of a connection that notices when nobody answers any more."""
        return make_conninfo("", **{**WATCHED, **self.parameters})


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs of the folders in `path`, as in the variable PATH."""

    path: str

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
            [self.program(name), "--version"], env=self.environment(), capture_output=True, text=True, check=False
        )
        numbers = [word for word in done.stdout.split() if word[0].isdigit()]
        if done.returncode or not numbers:
            raise JobError(f"{name} --version ended with {done.returncode}")
        return numbers[0]

    @contextmanager
    def dump(self, endpoint: Endpoint, snapshot: str, schemas: Sequence[str] | None) -> Iterator[Read]:
        """Run pg_dump in a snapshot that another session holds open, and read its archive.

        `schemas` are names, of which nothing is a wildcard; None dumps all.

        The reader raises JobError instead of coming to an end when pg_dump has failed: half a dump is never complete.
        """
        arguments = [
            "--format=custom",
            f"--compress={_COMPRESSION}",
            "--no-password",
            f"--snapshot={snapshot}",
            f"--dbname={endpoint.conninfo}",
        ]
        if schemas is not None:
            quoted = [name.replace('"', '""') for name in schemas]
            arguments += ["--strict-names", *(f'--schema="{name}"' for name in quoted)]
        with self._running("pg_dump", arguments, endpoint.password, subprocess.DEVNULL) as (process, complaints):
            archive = _pipe(process.stdout)

            def read(size: int) -> bytes:
                piece = archive.read(size)
                if len(piece) < size:
                    _check("pg_dump", process, complaints)
                return piece

            yield read

    def listing(self, pieces: Iterable[bytes]) -> list[str]:
        """The archive's table of contents as pg_restore reads it; all pieces are consumed.

        Raises:
            JobError: pg_restore does not take it for an archive.
        """
        with tempfile.TemporaryFile() as output, self._running("pg_restore", ["--list"], None, output) as started:
            process, complaints = started
            _feed(process, pieces)
            _check("pg_restore --list", process, complaints)
            output.seek(0)
            return output.read().decode(errors="replace").splitlines()

    def restore(self, endpoint: Endpoint, pieces: Iterable[bytes], entries: Path) -> None:
        """Restore the listed entries of an archive into an empty database, as an ordinary owner would.

        Raises:
            JobError: a statement failed.
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
            f"--use-list={entries}",
            f"--dbname={endpoint.conninfo}",
        ]
        with self._running("pg_restore", arguments, endpoint.password, subprocess.DEVNULL) as (process, complaints):
            _feed(process, pieces)
            _check("pg_restore", process, complaints)

    @contextmanager
    def _running(
        self, name: str, arguments: Sequence[str], password: str | None, output: IO[bytes] | int
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        reads = name == "pg_dump"
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(  # noqa: S603 - a program of ours; every argument is one string
                [self.program(name), *arguments],
                stdin=subprocess.DEVNULL if reads else subprocess.PIPE,
                stdout=subprocess.PIPE if reads else output,
                stderr=complaints,
                env=self.environment(password),
            ) as process,
        ):
            try:
                yield process, complaints
            finally:
                process.kill()


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
        raise JobError(f"{name} ended with {code}: {text or 'without a word'}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the program was started with this pipe")
    return stream
