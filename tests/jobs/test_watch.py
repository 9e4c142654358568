"""The watch job over folders: every age is told, absence included."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.sql.errors import JobError
from jobs.sql.log import Log
from jobs.sql.stores import FolderObjects
from jobs.watch import Watch, main

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Ages:
    def __init__(self) -> None:
        self.problem = False

    def created(self, name: str) -> datetime | None:
        return None if "gone" in name else NOW - timedelta(days=3)

    def secrets(self) -> list[tuple[str, datetime]]:
        if self.problem:
            raise JobError("cannot list secrets: HTTP 403")
        return [("JWT_SECRET", NOW - timedelta(days=89.5))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def declare(folder: Path, tenant: str, **changes: str) -> None:
    declared = {"id": tenant, "kind": "cloudsql", "state": "active", "instance": "pool-a", "database": f"tn_{tenant}"}
    put(folder / "registry" / "tenants" / f"{tenant}.json", json.dumps({**declared, **changes}))


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def look(folder: Path, ages: Ages | None = None) -> tuple[bool, list[dict[str, Any]]]:
    stream = io.StringIO()
    watch = Watch(
        registry=FolderObjects(folder / "registry"),
        exports=FolderObjects(folder / "exports"),
        ages=ages or Ages(),
        log=Log(stream),
        now=NOW,
    )
    done = watch.run()
    return done, [json.loads(line) for line in stream.getvalue().splitlines()]


def of(lines: list[dict[str, Any]], event: str, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in fields) for line in lines if line["event"] == event]


EXPORT = ("tenant", "instance", "age_hours", "missing", "muted")


def test_age_of_the_newest_export(folder: Path) -> None:
    declare(folder, "elm")
    for stamp in ("2026-11-22T023000Z-x", "2026-11-21T023000Z-y"):
        put(folder / "exports" / "sql" / "pool-a" / "tn_elm" / f"{stamp}.sql.gz")
    # another tenant's and a stray object are not its exports
    put(folder / "exports" / "sql" / "pool-a" / "tn_elm_2" / "2026-11-22T110000Z-x.sql.gz")
    put(folder / "exports" / "sql" / "pool-a" / "tn_elm" / "note.txt")
    done, lines = look(folder)
    assert done
    assert of(lines, "freshness.export", *EXPORT) == [("elm", "pool-a", 9.5, False, False)]


def test_never_exported_is_as_old_as_the_tenant(folder: Path) -> None:
    declare(folder, "elm")
    _, lines = look(folder)
    assert of(lines, "freshness.export", *EXPORT) == [("elm", "pool-a", 72.0, True, False)]


def test_suspended_tenant_is_told_but_muted(folder: Path) -> None:
    declare(folder, "elm", state="suspended")
    declare(folder, "fir", state="offboarding")
    _, lines = look(folder)
    assert of(lines, "freshness.export", "tenant", "muted") == [("elm", True), ("fir", False)]


@pytest.mark.parametrize("kind", ["rds", "external"])
def test_age_of_the_newest_manifest(folder: Path, kind: str) -> None:
    declare(folder, "elm", kind=kind)
    dumps = folder / "exports" / "dump" / "elm"
    for name in ("2026-11-22T023000Z-0123456789ab.manifest.json", "2026-11-21T023000Z-0123456789ab.manifest.json"):
        put(dumps / name)
    # a dump whose upload was not confirmed has no manifest
    put(dumps / "2026-11-22T113000Z-0123456789ab.dump")
    put(folder / "exports" / "dump" / "elm-2" / "2026-11-22T113000Z-0123456789ab.manifest.json")
    _, lines = look(folder)
    assert of(lines, "freshness.export", *EXPORT) == [("elm", "pool-a", 9.5, False, False)]


def test_firestore_is_exported_and_drilled_tenant_by_tenant(folder: Path) -> None:
    put(folder / "registry" / "tenants" / "elm.json", '{"id": "elm", "kind": "firestore", "state": "active"}')
    exports = folder / "exports" / "firestore" / "elm"
    done = "2026-11-22T023000Z-x"
    put(exports / done / f"{done}.overall_export_metadata")
    put(exports / "2026-11-22T113000Z-y" / "all_namespaces" / "all_kinds" / "output-0")  # cut off
    put(folder / "registry" / "drills" / "firestore-elm.json", '{"succeeded_at": "2026-11-20T12:00:00Z"}')
    _, lines = look(folder)
    assert of(lines, "freshness.export", *EXPORT) == [("elm", "firestore", 9.5, False, False)]
    assert of(lines, "freshness.drill", "tenant", "instance", "age_days", "missing") == [
        ("elm", "firestore-elm", 2.0, False)
    ]


def test_a_guest_needs_no_instance(folder: Path) -> None:
    put(folder / "registry" / "tenants" / "elm.json", '{"id": "elm", "kind": "external", "state": "active"}')
    done, lines = look(folder)
    assert done
    assert of(lines, "freshness.export", *EXPORT) == [("elm", "external", 72.0, True, False)]
    assert of(lines, "freshness.drill", "tenant", "instance", "age_days", "missing") == [("elm", "external", 3.0, True)]


def test_dumped_tenants_are_drilled_one_by_one(folder: Path) -> None:
    put(folder / "registry" / "instances" / "pool-a.json", '{"kind": "rds"}')
    declare(folder, "elm", kind="rds")
    put(folder / "registry" / "drills" / "tenants" / "elm.json", '{"succeeded_at": "2026-11-20T12:00:00+00:00"}')
    put(folder / "registry" / "drills" / "pool-a.json", '{"succeeded_at": null}')
    done, lines = look(folder)
    assert done
    assert of(lines, "freshness.drill", "tenant", "instance", "age_days", "missing") == [("elm", "pool-a", 2.0, False)]


def test_removed_and_foreign_tenants_are_left_out(folder: Path) -> None:
    declare(folder, "gone")
    declare(folder, "other", kind="unheard-of")
    done, lines = look(folder)
    assert done
    assert of(lines, "freshness.export", "tenant") == []


@pytest.mark.parametrize("content", ["{", "[" * 200_000, '{"id": "bad", "kind": ["rds"], "state": "active"}'])
def test_damaged_object_hides_nobody_else(folder: Path, content: str) -> None:
    put(folder / "registry" / "tenants" / "bad.json", content)
    declare(folder, "elm")
    done, lines = look(folder)
    assert not done
    assert of(lines, "freshness.problem", "object") == [("tenants/bad.json",)]
    assert of(lines, "freshness.export", "tenant") == [("elm",)]
    assert of(lines, "freshness.summary", "severity", "result", "failed") == [("ERROR", "failed", 1)]


def test_an_object_that_cannot_be_read_hides_nobody_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = FolderObjects.read

    def refuse(self: FolderObjects, name: str) -> bytes | None:
        if name == "tenants/bad.json":
            raise OSError("connection reset")
        return read(self, name)

    monkeypatch.setattr(FolderObjects, "read", refuse)
    for tenant in ("bad", "elm"):
        declare(folder, tenant)
    done, lines = look(folder)
    assert not done
    assert of(lines, "freshness.problem", "object", "error") == [("tenants/bad.json", "connection reset")]
    assert of(lines, "freshness.export", "tenant") == [("elm",)]


@pytest.mark.parametrize(
    ("result", "age", "missing"),
    [
        ({"succeeded_at": "2026-11-15T12:00:00.000000Z", "result": "failed"}, 7.0, False),
        ({"succeeded_at": None, "result": "failed"}, 3.0, True),
        (None, 3.0, True),
    ],
)
def test_age_of_the_last_successful_drill(folder: Path, result: Any, age: float, missing: bool) -> None:  # noqa: ANN401
    put(folder / "registry" / "instances" / "pool-a.json", '{"kind": "cloudsql"}')
    if result is not None:
        put(folder / "registry" / "drills" / "pool-a.json", json.dumps(result))
    _, lines = look(folder)
    assert of(lines, "freshness.drill", "instance", "age_days", "missing") == [("pool-a", age, missing)]


def test_age_of_secrets(folder: Path) -> None:
    done, lines = look(folder)
    assert done
    assert of(lines, "freshness.secret", "secret", "age_days") == [("JWT_SECRET", 89.5)]


def test_unreadable_secrets_fail_the_run_and_hide_nothing(folder: Path) -> None:
    declare(folder, "elm")
    ages = Ages()
    ages.problem = True
    done, lines = look(folder, ages)
    assert not done
    assert of(lines, "freshness.export", "tenant") == [("elm",)]
    assert of(lines, "freshness.problem", "error") == [("cannot list secrets: HTTP 403",)]


def test_missing_variables_are_named() -> None:
    stream = io.StringIO()
    assert main({"PROJECT": "p", "EXPORTS_BUCKET": ""}, Log(stream)) == 1
    assert json.loads(stream.getvalue())["error"] == "environment variables: REGISTRY_BUCKET: Field required"
