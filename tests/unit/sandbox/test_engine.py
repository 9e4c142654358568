from pathlib import Path

import pytest
from semver import VersionInfo

from sandbox import engine


def fake(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "pulumi"
    executable.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    executable.chmod(0o755)
    return executable


@pytest.mark.parametrize(
    ("version", "good"),
    [("3.257.9", False), ("3.258.0", True), ("3.300.1", True), ("4.0.0", False), ("3.258.0-alpha.1", False)],
)
def test_accepts_the_pinned_version_and_later_ones_of_its_major(version: str, good: bool) -> None:
    assert engine.accepts(VersionInfo.parse(version)) is good


def test_an_old_one_on_the_path_gives_way_to_the_own_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "path", "v3.100.0")
    own = fake(tmp_path / "tools" / "bin", "v3.258.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    assert engine.find(tmp_path / "tools") == own


def test_a_good_one_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = fake(tmp_path / "path", "v3.260.0")
    fake(tmp_path / "tools" / "bin", "v3.258.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    assert engine.find(tmp_path / "tools") == good


def test_what_does_not_run_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fake(tmp_path / "tools" / "bin", "hello")
    assert engine.find(tmp_path / "tools") is None


def test_the_error_tells_every_way_that_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise engine.EngineError("no network")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engine, "install", fails)
    monkeypatch.setattr(engine, "build", fails)
    with pytest.raises(
        engine.EngineError, match=r"(?s)Install pulumi 3.258.0.*vendor's installer: no network.*source: no"
    ):
        engine.ensure(tmp_path / "tools", say=lambda _: None)


def test_an_engine_that_was_just_built_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"

    def fails(*_: object, **__: object) -> None:
        raise engine.EngineError("no network")

    def builds(*_: object, **__: object) -> None:
        fake(tools / "bin", "v3.258.0")

    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setattr(engine, "install", fails)
    monkeypatch.setattr(engine, "build", builds)

    assert engine.ensure(tools, say=lambda _: None) == tools / "bin" / "pulumi"
