"""The Firestore workflows, run against a fake of the services that they call."""

# ruff: noqa: ANN401 - API bodies are whatever they are

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.components.test_workflows import ENVIRONMENT, NOW, Cloud, logged
from tests.components.workflow_language import WorkflowError, error
from tests.components.workflow_runner import Runner, Validator, load

HOUR = 3600


class Firestore(Cloud):
    """Databases with documents, their backups, the tenants' accounts, and operations that end on the second look."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, dict[str, int]] = {}
        self.backups: list[dict[str, Any]] = []
        self.disabled: set[str] = set()
        self.lost: dict[str, int] = {}
        self.looks = 0
        self.deleted: list[str] = []
        self.snapshots: list[str] = []
        self.writes_metadata = True
        self.declared_at = NOW - 2 * HOUR
        self.born = "2026-01-01T00:00:00Z"

    def declare(
        self,
        tenant: str,
        state: str = "active",
        kind: str = "firestore",
        *,
        final_export: str = "final/fir.json",
    ) -> None:
        content = {
            "id": tenant,
            "kind": kind,
            "state": state,
            "database": f"tn-{tenant}",
            "location": "europe-west1",
            "service_account": f"tn-{tenant}@acme-prod.iam.gserviceaccount.com",
        }
        if state == "offboarding":
            content["final_export"] = final_export
        self.put("acme-prod-registry", f"tenants/{tenant}.json", content)
        stamp = datetime.fromtimestamp(self.declared_at, UTC).isoformat()
        self.objects["acme-prod-registry", f"tenants/{tenant}.json"]["timeCreated"] = stamp
        self.documents[f"tn-{tenant}"] = {"invoices": 40, "users": 3}
        self.backups.append(
            {
                "name": f"projects/acme-prod/locations/europe-west1/backups/{tenant}-1",
                "database": f"projects/acme-prod/databases/tn-{tenant}",
                "state": "READY",
                "snapshotTime": "2026-11-21T01:12:13.5Z",
            }
        )

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> Any:
        url = str(arguments.get("url", ""))
        if name.endswith("exportDocuments"):
            return self._export(arguments)
        if url.startswith("https://iam."):
            email = url.rpartition("/")[2]
            return {"code": 200, "body": {"email": email, **({"disabled": True} if email in self.disabled else {})}}
        if url.startswith("https://firestore."):
            self.calls.append(f"{name} {url}")
            if waiting := self.fail.get(url.rpartition("/")[2]):
                raise waiting.pop(0)
            return {
                "code": 200,
                "body": self._answer(name, url.removeprefix("https://firestore.googleapis.com/v1/"), arguments),
            }
        return super().__call__(name, arguments)

    def _export(self, arguments: Mapping[str, Any]) -> None:
        database = arguments["name"].rpartition("/")[2]
        self.calls.append(f"export {database}")
        if waiting := self.fail.get(f"export {database}"):
            raise waiting.pop(0)
        bucket, path = arguments["body"]["outputUriPrefix"].removeprefix("gs://").split("/", 1)
        self.snapshots.append(arguments["body"]["snapshotTime"])
        if self.writes_metadata:
            self.put(bucket, f"{path}/{path.rpartition('/')[2]}.overall_export_metadata", "metadata", self.size)

    def _answer(self, name: str, path: str, arguments: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one per method
        last = path.rpartition("/")[2]
        if name == "http.delete":
            if last not in self.documents:
                raise error("HttpError", "not found", code=404)
            del self.documents[last]
            self.deleted.append(last)
            return {"name": "projects/acme-prod/operations/delete"}
        if path.endswith("/backups"):
            wanted = arguments["query"]["filter"]
            return {"backups": [item for item in self.backups if wanted == f'database_uid="uid-{item["database"]}"']}
        if path.endswith("databases:restore"):
            body = arguments["body"]
            origin = next(item for item in self.backups if item["name"] == body["backup"])["database"].rpartition("/")[
                2
            ]
            self.documents[body["databaseId"]] = {
                collection: number - self.lost.get(collection, 0)
                for collection, number in self.documents[origin].items()
            }
            return {"name": "projects/acme-prod/operations/restore"}
        if "/operations/" in path:
            self.looks += 1
            return {"name": path, "done": self.looks % 2 == 0}
        if path.endswith("documents:listCollectionIds"):
            assert arguments["body"]["readTime"] == "2026-11-21T01:12:00Z"
            return {"collectionIds": sorted(self.documents[path.split("/")[3]])}
        if path.endswith("documents:runAggregationQuery"):
            query = arguments["body"]["structuredAggregationQuery"]["structuredQuery"]
            count = self.documents[path.split("/")[3]][query["from"][0]["collectionId"]]
            return [{"result": {"aggregateFields": {"documents": {"integerValue": str(count)}}}}]
        assert path.startswith("projects/acme-prod/databases/")
        return {"name": path, "uid": f"uid-{path}", "createTime": self.born}


@pytest.fixture
def cloud() -> Firestore:
    made = Firestore()
    made.declare("elm")
    made.declare("fir")
    made.declare("oak", kind="cloudsql")
    return made


def run(role: str, cloud: Firestore) -> tuple[Runner, Any]:
    made = Runner(load(role), cloud, ENVIRONMENT, NOW)
    cloud.clock = lambda: made.now
    try:
        return made, made.run({})
    except WorkflowError as problem:
        return made, problem


@pytest.mark.parametrize("role", ["firestore-export", "firestore-drill"])
def test_source_is_well_formed(role: str) -> None:
    assert Validator(load(role)).check() == []


def test_exports_every_firestore_tenant_and_nobody_else(cloud: Firestore) -> None:
    made, answer = run("firestore-export", cloud)
    assert answer == {"exported": 2}
    lines = logged(made, "export.result")
    assert [(line["tenant"], line["database"], line["result"], line["bytes"], line["final"]) for line in lines] == [
        ("elm", "tn-elm", "ok", 2048, "none"),
        ("fir", "tn-fir", "ok", 2048, "none"),
    ]
    uri = "gs://acme-prod-exports/firestore/elm/2026-11-22T020000Z-exec-1/2026-11-22T020000Z-exec-1"
    assert lines[0]["uri"] == f"{uri}.overall_export_metadata"
    assert cloud.snapshots[0] == "2026-11-22T01:59:00Z"
    assert logged(made, "export.summary") == [
        {
            "severity": "INFO",
            "event": "export.summary",
            "instance": "firestore",
            "result": "ok",
            "exported": 2,
            "failed": [],
        }
    ]


def test_one_failure_stops_nobody_and_ends_in_failure(cloud: Firestore) -> None:
    cloud.fail["export tn-elm"] = [error("HttpError", "denied", code=403)]
    made, answer = run("firestore-export", cloud)
    assert isinstance(answer, WorkflowError)
    assert answer.value["message"] == 'export of Firestore failed for ["elm"]'
    assert [line["result"] for line in logged(made, "export.result")] == ["failed", "ok"]


def test_a_busy_database_is_tried_again(cloud: Firestore) -> None:
    cloud.fail["export tn-elm"] = [error("HttpError", "busy", code=429)]
    made, answer = run("firestore-export", cloud)
    assert answer == {"exported": 2}
    assert made.slept == [15]


def test_an_export_without_its_last_object_is_a_failure(cloud: Firestore) -> None:
    cloud.writes_metadata = False
    made, answer = run("firestore-export", cloud)
    assert isinstance(answer, WorkflowError)
    assert "does not exist" in logged(made, "export.result")[0]["error"]


def leaving(cloud: Firestore, *, off: bool = True) -> None:
    cloud.declare("fir", state="offboarding")
    if off:
        cloud.disabled.add("tn-fir@acme-prod.iam.gserviceaccount.com")


def test_final_marker_an_hour_after_the_account_was_switched_off(cloud: Firestore) -> None:
    leaving(cloud)
    made, _ = run("firestore-export", cloud)
    assert logged(made, "export.result")[1]["final"] == "written"
    marker = cloud.content("exports", "final/fir.json")
    assert (marker["tenant"], marker["size"], marker["execution"]) == ("fir", 2048, "exec-1")
    assert not cloud.has("exports", "final/elm.json")


def test_no_marker_while_a_token_may_be_alive(cloud: Firestore) -> None:
    cloud.declared_at = NOW - HOUR
    leaving(cloud)
    made, answer = run("firestore-export", cloud)
    assert answer == {"exported": 2}
    assert logged(made, "export.result")[1]["final"] == "waiting"
    assert not cloud.has("exports", "final/fir.json")


def test_no_marker_while_the_account_is_on(cloud: Firestore) -> None:
    leaving(cloud, off=False)
    made, answer = run("firestore-export", cloud)
    assert isinstance(answer, WorkflowError)
    line = logged(made, "export.result")[1]
    assert (line["final"], line["result"]) == ("failed", "failed")
    assert "is not switched off" in line["error"]
    assert not cloud.has("exports", "final/fir.json")


def test_the_first_marker_stands(cloud: Firestore) -> None:
    leaving(cloud)
    cloud.put("acme-prod-exports", "final/fir.json", {"tenant": "fir", "execution": "first"})
    made, _ = run("firestore-export", cloud)
    assert logged(made, "export.result")[1]["final"] == "exists"
    assert cloud.content("exports", "final/fir.json")["execution"] == "first"


def test_the_marker_of_a_former_offboarding_stands_for_nothing(cloud: Firestore) -> None:
    leaving(cloud)
    cloud.declare("fir", state="offboarding", final_export="final/fir.2.json")
    cloud.put("acme-prod-exports", "final/fir.json", {"tenant": "fir", "execution": "first"})
    made, _ = run("firestore-export", cloud)
    assert logged(made, "export.result")[1]["final"] == "written"
    assert cloud.content("exports", "final/fir.2.json")["execution"] == "exec-1"
    assert cloud.content("exports", "final/fir.json")["execution"] == "first"


def test_no_marker_when_the_entry_changes_meanwhile(cloud: Firestore, monkeypatch: pytest.MonkeyPatch) -> None:
    leaving(cloud)
    export: Callable[[Mapping[str, Any]], None] = cloud._export

    def reopened(arguments: Mapping[str, Any]) -> None:
        export(arguments)
        if arguments["name"].endswith("/tn-fir"):
            cloud.declare("fir", state="active")

    monkeypatch.setattr(cloud, "_export", reopened)
    made, _ = run("firestore-export", cloud)
    assert "changed during the export" in logged(made, "export.result")[1]["error"]
    assert not cloud.has("exports", "final/fir.json")


def test_drill_restores_compares_and_deletes(cloud: Firestore) -> None:
    made, answer = run("firestore-drill", cloud)
    assert answer == {"instances": 2}
    assert cloud.deleted == ["drill-elm-20261122", "drill-fir-20261122"]
    result = cloud.content("registry", "drills/firestore-elm.json")
    assert (result["result"], result["backup"]) == ("ok", "projects/acme-prod/locations/europe-west1/backups/elm-1")
    assert result["succeeded_at"] == result["finished_at"]
    assert [line["instance"] for line in logged(made, "drill.result")] == ["firestore-elm", "firestore-fir"]


def test_a_lost_document_fails_the_drill_and_stops_no_other(cloud: Firestore) -> None:
    cloud.lost = {"users": 1}
    made, answer = run("firestore-drill", cloud)
    assert isinstance(answer, WorkflowError)
    assert [line["error"] for line in logged(made, "drill.result")] == ["users lost documents in the restored copy"] * 2
    assert cloud.deleted == ["drill-elm-20261122", "drill-fir-20261122"]
    assert cloud.content("registry", "drills/firestore-elm.json")["succeeded_at"] is None


def test_a_failed_restore_keeps_the_last_success(cloud: Firestore) -> None:
    cloud.put("acme-prod-registry", "drills/firestore-elm.json", {"succeeded_at": "2026-11-15T04:10:00Z"})
    cloud.fail["databases:restore"] = [error("HttpError", "quota", code=400)]
    made, _ = run("firestore-drill", cloud)
    assert [line["result"] for line in logged(made, "drill.result")] == ["failed", "ok"]
    assert cloud.content("registry", "drills/firestore-elm.json")["succeeded_at"] == "2026-11-15T04:10:00Z"


@pytest.mark.parametrize(("born", "fine"), [("2026-11-21T20:00:00Z", True), ("2026-11-20T02:00:00Z", False)])
def test_only_a_young_database_may_be_without_backup(cloud: Firestore, born: str, *, fine: bool) -> None:
    cloud.backups, cloud.born = [], born
    made, _ = run("firestore-drill", cloud)
    assert {line["result"] for line in logged(made, "drill.result")} == {"ok" if fine else "failed"}
