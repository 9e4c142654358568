"""Where a sandboxed stack lives, and what its engine and its program may see.

Everything is under one git-ignored folder per stack: the file backend, the simulated cloud, the engine's home, and a
scratch work folder with copies of the project and stack files, because the engine writes into them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import runpy
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PASSPHRASE: Final = "tenantry-sandbox"  # noqa: S105 - public on purpose
"""Encrypts the sandbox's synthetic secrets; nothing real is ever behind it."""

_ALLOWED_VARIABLES: Final = frozenset(
    {"COLUMNS", "LANG", "LINES", "LOGNAME", "NO_COLOR", "PATH", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}
)
_ALLOWED_PREFIXES: Final = ("COVERAGE_", "LC_", "PYTHON", "TENANTRY_")
_ENCRYPTION_KEYS: Final = ("encryptedkey", "encryptionsalt", "secretsprovider")

_DATABASE_URL: Final = re.compile(r"(.*?)database_?url")

StackConfig = dict[str, Any]


class WorkspaceError(Exception):
    """The project's files cannot be used; the message names the file and the fix."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of one sandboxed stack. `source` holds the project's own files, which are only read."""

    source: Path
    home: Path
    stack: str

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def cloud(self) -> Path:
        return self.home / "cloud.db"

    @property
    def engine_home(self) -> Path:
        return self.home / "engine"

    @property
    def binaries(self) -> Path:
        return self.home / "bin"

    @property
    def config_file(self) -> Path:
        return self.work / f"Pulumi.{self.stack}.yaml"

    @property
    def locks(self) -> Path:
        return self.state / ".pulumi" / "locks" / "organization" / project_name(self.source) / self.stack

    def exists(self) -> bool:
        """Whether this stack has a state: it has been previewed or brought up before."""
        return (self.state / ".pulumi" / "stacks" / project_name(self.source) / f"{self.stack}.json").is_file()


def project_name(source: Path) -> str:
    """The `name` in the project's Pulumi.yaml."""
    name = _read_yaml(source / "Pulumi.yaml").get("name")
    if not isinstance(name, str):
        raise WorkspaceError(f"{source / 'Pulumi.yaml'}: `name` is missing")
    return name


def prepare(layout: Layout, *, config: Path, edit: Callable[[StackConfig], None] | None = None) -> Mapping[str, str]:
    """Lay out the folders and the scratch copies; returns the synthetic secrets still to be encrypted, by config path.

    Args:
        layout: where to.
        config: the stack's own config file; never written.
        edit: changes the copy's config before it is used, for experiments and tests.

    Raises:
        WorkspaceError: a file is missing or is no YAML mapping.
    """
    if not config.is_file():
        known = sorted(path.name for path in layout.source.glob("Pulumi.*.yaml"))
        there = ", ".join(known) or "none"
        raise WorkspaceError(f"stack {layout.stack!r}: {config} does not exist (there are: {there})")
    for folder in (layout.work, layout.state, layout.engine_home, layout.binaries):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(layout.source / "Pulumi.yaml", layout.work / "Pulumi.yaml")
    document = _read_yaml(config)
    for key in _ENCRYPTION_KEYS:
        document.pop(key, None)
    values = document.setdefault("config", {})
    if edit is not None:
        edit(values)
    plain, secrets = without_secrets(values)
    document["config"] = plain
    # The salt belongs to the state's secrets: it outlives the copy.
    if layout.config_file.is_file() and layout.exists():
        salt = _read_yaml(layout.config_file).get("encryptionsalt")
        if salt is not None:
            document["encryptionsalt"] = salt
    layout.config_file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    _write_analyzer(layout)
    return secrets


def example(source: Path, name: str, stack: str) -> tuple[Path, Path]:
    """The config file of an example's stack, and the folder where its state and its cloud live: nobody else's.

    Raises:
        WorkspaceError: there is no such example, or it has no such stack; the message lists those that exist.
    """
    folder = source / "examples"
    known = {
        found.name: _stacks_of(found) for found in sorted(folder.glob("*")) if found.is_dir() and _stacks_of(found)
    }
    if name not in known:
        there = ", ".join(known) or f"none, as {folder} has no folder with a stack file"
        raise WorkspaceError(f"example {name!r} does not exist (there are: {there})")
    if stack not in known[name]:
        raise WorkspaceError(f"example {name!r} has no stack {stack!r} (there are: {', '.join(known[name])})")
    return folder / name / f"Pulumi.{stack}.yaml", source / ".sandbox" / "examples" / name / stack


def _stacks_of(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.?*.yaml"))


def without_secrets(config: Mapping[str, Any]) -> tuple[StackConfig, dict[str, str]]:
    """Split a stack config into its plain part and a synthetic value for every encrypted one.

    Returns:
        The config without `secure:` entries, and `{config path: synthetic value}` in the engine's path syntax
        (`tenantry:monitoring.webhook`, `tenantry:hooks[0]`).
    """
    secrets: dict[str, str] = {}

    def strip(value: object, path: str, key: str) -> object:
        if isinstance(value, dict):
            if set(value) == {"secure"}:
                secrets[path] = synthetic_secret(key, path)
                return None
            return {name: strip(item, f"{path}{_path_step(name)}", name) for name, item in value.items()}
        if isinstance(value, list):
            return [strip(item, f"{path}[{index}]", key) for index, item in enumerate(value)]
        return value

    plain = {key: strip(value, key, key.rpartition(":")[2]) for key, value in config.items()}
    # A top-level secret leaves no trace; a nested one leaves a null that the encrypted value will fill.
    return {key: value for key, value in plain.items() if key not in secrets}, secrets


def synthetic_secret(key: str, path: str) -> str:
    """A made-up value in place of an encrypted one: the same for the same path, and shaped like what `key` names."""
    token = hashlib.sha256(path.encode()).hexdigest()[:32]
    lowered = key.lower()
    database = _DATABASE_URL.fullmatch(lowered)
    if database is not None:
        # Every name has a host of its own, so that two databases cannot be taken for one; a second login for exports
        # has its tenant's. The host looks public, as a guest's must, and `.example` never exists.
        owner = database[1].removesuffix("_").removesuffix("_backup")
        login = "app" if owner == database[1].removesuffix("_") else "exports"
        host = re.sub(r"[^a-z0-9]+", "-", owner).strip("-") or "default"
        return f"postgresql://{login}:{token}@{host}.databases.example:5432/sandbox?sslmode=verify-full"
    if lowered.endswith("dsn"):
        return f"https://{token}@errors.sandbox.invalid/1"  # what error trackers call a DSN
    if any(word in lowered for word in ("url", "uri", "webhook", "endpoint")):
        return f"https://hooks.sandbox.invalid/{token}"
    if "email" in lowered:
        return f"{token[:12]}@sandbox.invalid"
    return f"sandbox-{token}"


def environment(layout: Layout, *, fast: bool = False) -> dict[str, str]:
    """The whole environment of the engine and of the program: an allow-list, so that no credential can slip in.

    `fast` saves the state once at the end, not after each step: several times quicker, and unrecoverable after a crash.
    """
    allowed = {
        name: value
        for name, value in os.environ.items()
        if name in _ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIXES)
    }
    path = os.pathsep.join([str(layout.binaries), allowed.get("PATH", os.defpath)])
    settings = {
        "HOME": str(layout.engine_home),  # ~/.aws, ~/.config/gcloud and ~/.pulumi are out of reach
        "PATH": path,
        # No metadata sidecars: the file driver does not write them atomically, and a crash would leave one empty.
        "PULUMI_BACKEND_URL": f"{layout.state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_HOME": str(layout.engine_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "TENANTRY_RETRY_SECONDS": "0.05",  # the simulated clouds are consistent at once
    }
    if fast:
        settings["PULUMI_SKIP_CHECKPOINTS"] = "true"
    return {**allowed, **settings}


@contextlib.contextmanager
def confined(variables: Mapping[str, str]) -> Iterator[None]:
    """Make `variables` this process's whole environment for a while: the program runs in it, and so does the engine."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def program(source: Path) -> Callable[[], None]:
    """The project's root program as an inline program; each call runs it afresh."""

    def run() -> None:
        root = str(source)
        if root not in sys.path:
            sys.path.insert(0, root)
        runpy.run_path(str(source / "__main__.py"), run_name="__main__")

    return run


def _write_analyzer(layout: Layout) -> None:
    """Install the analyzer plugin that the engine starts a Python policy pack with when it has no Python host."""
    folder = layout.engine_home / "plugins" / "analyzer-policy-python-v1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    write_script(folder / "pulumi-analyzer-policy-python", f'exec "{sys.executable}" -u -m pulumi.policy "$@"')


def write_script(path: Path, command: str) -> None:
    """Write an executable shell script, unless it is there already."""
    text = f"#!/bin/sh\n{command}\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)


def _path_step(name: str) -> str:
    return f".{name}" if name.replace("_", "a").replace("-", "a").isalnum() else f'["{name}"]'


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorkspaceError(f"{path} does not exist") from error
    except yaml.YAMLError as error:
        raise WorkspaceError(f"{path} is no valid YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise WorkspaceError(f"{path} holds no mapping")
    return document
