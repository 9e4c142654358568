"""What the job needs from the cloud: registry objects, secrets and a token; in a folder for tests and drills."""

from pathlib import Path
from typing import Protocol

from jobs.sql.errors import JobError
from jobs.sql.registry import Instance


class Objects(Protocol):
    """The registry bucket."""

    def names(self, prefix: str) -> list[str]:
        """Names of the objects below a prefix such as `tenants/`, sorted."""

    def read(self, name: str) -> bytes | None:
        """An object's content, or None when there is no such object."""

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a JSON object."""

    def delete(self, name: str) -> None:
        """Delete an object; none of that name is no error."""


class Secrets(Protocol):
    """The secret store; names are as the registry has them."""

    def latest(self, name: str) -> str | None:
        """The newest version's value, or None when the secret has no readable version."""

    def add(self, name: str, value: str) -> None:
        """Add a version."""


class AdminPassword(Protocol):
    """What an instance's admin user logs in with: an access token on Cloud SQL, the managed password on RDS."""

    def __call__(self, instance: Instance) -> str: ...


class FolderObjects:
    """A folder laid out like the registry bucket."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, prefix: str) -> list[str]:
        files = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return sorted(name for name in files if name.startswith(prefix))

    def read(self, name: str) -> bytes | None:
        path = self._root / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)


class FolderSecrets:
    """A folder per secret, holding one file per version: `{secret}/1`, `{secret}/2` and so on."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def latest(self, name: str) -> str | None:
        versions = self._versions(name)
        return versions[-1].read_text(encoding="utf-8") if versions else None

    def add(self, name: str, value: str) -> None:
        folder = self._folder(name)
        if not folder.is_dir():
            raise JobError(f"{name}: no such secret")
        path = folder / str(len(self._versions(name)) + 1)
        path.touch(mode=0o600)
        path.write_text(value, encoding="utf-8")

    def _folder(self, name: str) -> Path:
        return self._root / name.rpartition("/")[2]

    def _versions(self, name: str) -> list[Path]:
        folder = self._folder(name)
        return sorted(folder.iterdir(), key=lambda path: int(path.name)) if folder.is_dir() else []


class FilePassword:
    """A password read from a file each time, as a mounted secret is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, instance: Instance) -> str:  # noqa: ARG002 - one password for all
        return self._path.read_text(encoding="utf-8").strip()
