"""The export and drill workflows, run against a fake of the three services that they call."""

# ruff: noqa: ANN401 - API bodies are whatever they are

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from tests.components.workflow_language import WorkflowError, WorkflowSyntaxError, error, expression_of, parse
from tests.components.workflow_runner import Runner, Validator, load

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC).timestamp()
KEY, NAME = "pool-personal", "acme-prod-pool-personal-1"
ENVIRONMENT = {
    "GOOGLE_CLOUD_PROJECT_ID": "acme-prod",
    "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": "exec-1",
    "EXPORTS_BUCKET": "acme-prod-exports",
    "REGISTRY_BUCKET": "acme-prod-registry",
    "SQL_JOB": "projects/acme-prod/locations/europe-west1/jobs/tenantry-sql",
}


class Cloud:
    """Instances, objects and the SQL job; `fail` holds what goes wrong, in order, by the call and its target."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = lambda: NOW
        self.databases = {NAME: ["postgres", "cloudsqladmin", "tenantry", "tn_elm", "tn_fir_tree", "tn_oak"]}
        self.instances: dict[str, dict[str, Any]] = {NAME: {"name": NAME, "createTime": "2026-01-01T00:00:00Z"}}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.fail: dict[str, list[WorkflowError]] = {}
        self.calls: list[str] = []
        self.jobs: list[Any] = []
        self.exported: list[str] = []
        self.size = "2048"
        self.serial = 0

    def put(self, bucket: str, path: str, content: Any, size: str = "10") -> None:
        self.serial += 1
        self.objects[bucket, path] = {
            "content": content,
            "name": path,
            "generation": str(self.serial),
            "size": size,
            "timeCreated": datetime.fromtimestamp(self.clock(), UTC).isoformat(),
        }

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> Any:
        method = name.rpartition("v1.")[2]
        target = str(arguments.get("instance", arguments.get("url", arguments.get("name", ""))))
        if method == "instances.export":
            target = arguments["body"]["exportContext"]["databases"][0]
        self.calls.append(f"{method} {target}")
        if waiting := self.fail.get(f"{method} {target}"):
            raise waiting.pop(0)
        if name.startswith("http."):
            return {"code": 200, "body": self._storage(name, arguments)}
        if name.endswith("jobs.run"):
            return self._job(arguments)
        return getattr(self, "_" + method.replace(".", "_"))(arguments)

    def _databases_list(self, arguments: Mapping[str, Any]) -> Any:
        return {"items": [{"name": name} for name in self.databases[arguments["instance"]]]}

    def _instances_export(self, arguments: Mapping[str, Any]) -> None:
        context = arguments["body"]["exportContext"]
        assert context["fileType"] == "SQL"
        assert context["offload"] is True
        bucket, path = context["uri"].removeprefix("gs://").split("/", 1)
        assert (bucket, path) not in self.objects
        self.exported.append(context["databases"][0])
        self.put(bucket, path, "dump", self.size)

    def _instances_list(self, _: Mapping[str, Any]) -> Any:
        return {"items": list(self.instances.values())}

    def _instances_get(self, arguments: Mapping[str, Any]) -> Any:
        if arguments["instance"] not in self.instances:
            raise error("HttpError", "not found", code=404)
        return self.instances[arguments["instance"]]

    def _instances_clone(self, arguments: Mapping[str, Any]) -> None:
        context = arguments["body"]["cloneContext"]
        age = self.clock() - datetime.fromisoformat(context["pointInTime"]).timestamp()
        assert 590 < age < 610
        name = context["destinationInstanceName"]
        self.databases[name] = self.databases[arguments["instance"]]
        self.instances[name] = {
            "name": name,
            "createTime": "2026-11-22T02:00:00Z",
            "ipAddresses": [
                {"type": "OUTGOING", "ipAddress": "203.0.113.1"},
                {"type": "PRIVATE", "ipAddress": "10.9.0.7"},
            ],
            "serverCaCert": {"cert": "PEM"},
            "settings": {"deletionProtectionEnabled": True},
        }

    def _instances_patch(self, arguments: Mapping[str, Any]) -> None:
        self.instances[arguments["instance"]]["settings"] = arguments["body"]["settings"]

    def _instances_delete(self, arguments: Mapping[str, Any]) -> None:
        settings = self.instances[arguments["instance"]].get("settings", {})
        assert settings["deletionProtectionEnabled"] is False
        assert settings["finalBackupConfig"] == {"enabled": False}
        assert settings["retainBackupsOnDelete"] is False
        del self.instances[arguments["instance"]]

    def _job(self, arguments: Mapping[str, Any]) -> Any:
        overrides = arguments.get("body", {}).get("overrides")
        self.jobs.append(overrides and overrides["containerOverrides"][0]["args"])
        if overrides is None:
            for _, path in list(self.objects):
                if path.startswith("tenants/"):
                    tenant = path.removeprefix("tenants/").removesuffix(".json")
                    stamp = datetime.fromtimestamp(self.clock(), UTC).isoformat()
                    status = {"id": tenant, "isolated": True, "error": None, "applied_at": stamp}
                    self.put("acme-prod-registry", f"status/{tenant}.json", status)
        return {"succeededCount": 1}

    def _storage(self, name: str, arguments: Mapping[str, Any]) -> Any:
        query = arguments.get("query", {})
        found = re.fullmatch(
            r"https://storage\.googleapis\.com/(upload/)?storage/v1/b/([^/]+)/o/?([^/]*)", arguments["url"]
        )
        assert found is not None
        assert arguments["auth"] == {"type": "OAuth2"}
        bucket, path = found[2], unquote(found[3])
        if name == "http.post":
            assert query["uploadType"] == "media"
            if query.get("ifGenerationMatch") == "0" and (bucket, query["name"]) in self.objects:
                raise error("HttpError", "conditionNotMet", code=412)
            self.put(bucket, query["name"], json.loads(json.dumps(arguments["body"])))
            return {}
        if not path:
            assert query["fields"].startswith("items/name")  # the rest of the metadata is too much for a workflow
            names = sorted(other for owner, other in self.objects if owner == bucket)
            start = query.get("startOffset", "")
            return {
                "items": [{"name": other} for other in names if other.startswith(query["prefix"]) and other >= start]
            }
        if (bucket, path) not in self.objects:
            raise error("HttpError", "not found", code=404)
        stored = self.objects[bucket, path]
        if query.get("alt") == "media":
            assert query.get("generation", stored["generation"]) == stored["generation"]
            return stored["content"]
        return {key: value for key, value in stored.items() if key != "content"}

    def content(self, bucket: str, path: str) -> Any:
        return self.objects[f"acme-prod-{bucket}", path]["content"]

    def has(self, bucket: str, path: str) -> bool:
        return (f"acme-prod-{bucket}", path) in self.objects


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def runner(role: str, cloud: Cloud) -> Runner:
    made = Runner(load(role), cloud, ENVIRONMENT, NOW)
    cloud.clock = lambda: made.now
    return made


def export(cloud: Cloud) -> tuple[Runner, Any]:
    made = runner("export", cloud)
    try:
        return made, made.run({"instance": KEY, "name": NAME})
    except WorkflowError as problem:
        return made, problem


def logged(made: Runner, event: str) -> list[dict[str, Any]]:
    return [line for line in made.logs if line["event"] == event]


@pytest.mark.parametrize("role", ["export", "drill"])
def test_source_is_well_formed(role: str) -> None:
    assert Validator(load(role)).check() == []


@pytest.mark.parametrize(
    "text",
    [
        "a if b else c",
        "[x for x in y]",
        "{'a': 1}",
        "a and",
        "f'x'",
        "'single'",
        "lambda: 1",
        "open(1)",
        "a.b(1)",
        "1 +* 2",
    ],
)
def test_python_is_not_the_language(text: str) -> None:
    with pytest.raises(WorkflowSyntaxError):
        parse(text)


def test_an_expression_is_the_whole_value_and_has_a_limit() -> None:
    assert expression_of("${a + 1}") == "a + 1"
    with pytest.raises(WorkflowSyntaxError, match="whole value"):
        expression_of("x ${a}")
    with pytest.raises(WorkflowSyntaxError, match="at most 400"):
        expression_of("${" + "a" * 400 + "}")


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"call": "nobody"}, "nothing to call"),
        ({"call": "sys.log", "next": "nowhere"}, "no step nowhere"),
        ({"return": "${unset}"}, "unset is not assigned"),
        ({"call": "sys.log", "colour": 1}, "not one kind of step"),
        ({"assign": [{"a.b": 1}]}, "a is not assigned"),
    ],
)
def test_validator_finds_what_the_service_would(step: dict[str, Any], problem: str) -> None:
    (found,) = Validator({"main": {"steps": [{"only": step}]}}).check()
    assert problem in found


def test_exports_every_database_but_the_systems(cloud: Cloud) -> None:
    made, result = export(cloud)
    assert result == {"instance": KEY, "exported": 3}
    assert cloud.exported == ["tn_elm", "tn_fir_tree", "tn_oak"]
    first = logged(made, "export.result")[1]
    assert re.fullmatch(
        rf"gs://acme-prod-exports/sql/{KEY}/tn_fir_tree/2026-11-22T0200\d\dZ-exec-1\.sql\.gz", first.pop("uri")
    )
    assert first == {
        "event": "export.result",
        "severity": "INFO",
        "instance": KEY,
        "database": "tn_fir_tree",
        "tenant": "fir-tree",
        "result": "ok",
        "bytes": 2048,
        "final": "none",
        "error": None,
    }
    assert logged(made, "export.summary")[0]["result"] == "ok"


def test_one_failure_stops_nobody_and_ends_in_failure(cloud: Cloud) -> None:
    cloud.fail["instances.export tn_elm"] = [error("OperationError", "disk full")]
    made, result = export(cloud)
    assert isinstance(result, WorkflowError)
    assert result.value["message"] == f'export of {KEY} failed for ["tn_elm"]'
    assert cloud.exported == ["tn_fir_tree", "tn_oak"]
    line = logged(made, "export.result")[0]
    assert (line["severity"], line["result"], line["error"]) == ("ERROR", "failed", "disk full")
    assert made.slept == []


def test_conflict_is_retried_under_a_new_name(cloud: Cloud) -> None:
    cloud.fail["instances.export tn_elm"] = [error("HttpError", "operationInProgress", code=409)] * 3
    made, result = export(cloud)
    assert result["exported"] == 3
    assert made.slept == [15, 30, 60]
    (path,) = (path for _, path in cloud.objects if "/tn_elm/" in path)
    assert "T020145Z" in path


def test_conflict_that_stays_is_a_failure(cloud: Cloud) -> None:
    cloud.fail["instances.export tn_elm"] = [error("HttpError", "operationInProgress", code=409)] * 9
    made, result = export(cloud)
    assert isinstance(result, WorkflowError)
    assert made.slept == [15, 30, 60, 120, 240, 300, 300, 300]
    assert cloud.exported == ["tn_fir_tree", "tn_oak"]


def test_refused_request_is_not_retried(cloud: Cloud) -> None:
    cloud.fail["instances.export tn_elm"] = [error("HttpError", "forbidden", code=403)]
    made, result = export(cloud)
    assert isinstance(result, WorkflowError)
    assert made.slept == []


def test_empty_export_is_a_failure(cloud: Cloud) -> None:
    cloud.size = "0"
    made, result = export(cloud)
    assert isinstance(result, WorkflowError)
    assert "is empty" in logged(made, "export.result")[0]["error"]


def declare(cloud: Cloud, tenant: str, state: str, instance: str = KEY, *, final_export: str | None = None) -> None:
    entry = {"id": tenant, "state": state, "instance": instance}
    if state == "offboarding":
        entry["final_export"] = final_export or f"final/{tenant}.json"
    cloud.put("acme-prod-registry", f"tenants/{tenant}.json", entry)


def test_final_marker_after_the_logins_are_off(cloud: Cloud) -> None:
    declare(cloud, "fir-tree", "offboarding")
    declare(cloud, "elm", "suspended")
    made, result = export(cloud)
    assert result["exported"] == 3
    started = cloud.calls.index("instances.export tn_fir_tree")
    assert any(call.endswith(ENVIRONMENT["SQL_JOB"]) for call in cloud.calls[:started])
    marker = cloud.content("exports", "final/fir-tree.json")
    uri = logged(made, "export.result")[1]["uri"]
    # that very dump is restored and compared before the marker is there
    proof = ["-m", "jobs.restore", "final", "--instance", KEY, "--tenant", "fir-tree", "--export", uri]
    assert cloud.jobs == [None, proof]
    proved = [at for at, call in enumerate(cloud.calls) if call.endswith(ENVIRONMENT["SQL_JOB"])][1]
    marked = next(at for at, call in enumerate(cloud.calls) if call.startswith("http.post"))
    assert started < proved < marked
    exported = cloud.objects["acme-prod-exports", uri.removeprefix("gs://acme-prod-exports/")]
    assert marker == {
        "schema_version": 1,
        "tenant": "fir-tree",
        "uri": uri,
        "generation": exported["generation"],
        "size": 2048,
        "exported_at": exported["timeCreated"],
        "execution": "exec-1",
    }
    assert not cloud.has("exports", "final/elm.json")


def test_first_marker_stands(cloud: Cloud) -> None:
    declare(cloud, "oak", "offboarding")
    cloud.put("acme-prod-exports", "final/oak.json", "first")
    made, _ = export(cloud)
    assert cloud.content("exports", "final/oak.json") == "first"
    assert logged(made, "export.result")[2]["final"] == "exists"
    assert cloud.jobs == []


def test_marker_of_a_former_offboarding_stands_for_nothing(cloud: Cloud) -> None:
    declare(cloud, "oak", "offboarding", final_export="final/oak.2.json")
    cloud.put("acme-prod-exports", "final/oak.json", "first")
    made, _ = export(cloud)
    assert cloud.content("exports", "final/oak.2.json")["tenant"] == "oak"
    assert cloud.content("exports", "final/oak.json") == "first"
    assert logged(made, "export.result")[2]["final"] == "written"


def test_marker_written_meanwhile_is_not_replaced(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(cloud, "oak", "offboarding")
    run_job = cloud._job

    def job(arguments: Mapping[str, Any]) -> Any:
        cloud.put("acme-prod-exports", "final/oak.json", "first")
        return run_job(arguments)

    monkeypatch.setattr(cloud, "_job", job)
    made, result = export(cloud)
    assert result["exported"] == 3
    assert cloud.content("exports", "final/oak.json") == "first"
    assert logged(made, "export.result")[2]["final"] == "exists"


def test_no_marker_for_a_database_left_behind_by_a_move(cloud: Cloud) -> None:
    declare(cloud, "oak", "offboarding", instance="tenant-oak")
    _, result = export(cloud)
    assert result["exported"] == 3
    assert not cloud.has("exports", "final/oak.json")


@pytest.mark.parametrize(
    "reason",
    [
        "no status",
        "stale status",
        "not isolated",
        "job error",
        "declaration changed",
        "export failed",
        "not restored",
        "restore crashed",
    ],
)
def test_no_marker_without_proof(cloud: Cloud, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(cloud, "oak", "offboarding")
    run_job = cloud._job

    def job(arguments: Mapping[str, Any]) -> Any:
        answer = run_job(arguments)
        if cloud.jobs[-1] is not None:
            if reason == "restore crashed":
                raise error("OperationError", "the container was killed")
            return {"failedCount": 1} if reason == "not restored" else answer
        status = cloud.objects["acme-prod-registry", "status/oak.json"]
        if reason == "no status":
            del cloud.objects["acme-prod-registry", "status/oak.json"]
        elif reason == "stale status":
            status["content"]["applied_at"] = "2026-11-22T01:59:59Z"
        elif reason == "not isolated":
            status["content"]["isolated"] = False
        elif reason == "job error":
            status["content"]["error"] = "no session after 4 attempts"
        elif reason == "declaration changed":
            declare(cloud, "oak", "active")
        return answer

    monkeypatch.setattr(cloud, "_job", job)
    if reason == "export failed":
        cloud.fail["instances.export tn_oak"] = [error("OperationError", "no")]
    _, result = export(cloud)
    assert isinstance(result, WorkflowError)
    assert not cloud.has("exports", "final/oak.json")
    # the nightly export is worth having all the same
    assert ("tn_oak" in cloud.exported) is (reason != "export failed")


def drill(cloud: Cloud, argument: dict[str, Any] | None = None) -> tuple[Runner, Any]:
    cloud.put("acme-prod-registry", f"instances/{KEY}.json", {"key": KEY, "name": NAME})
    made = runner("drill", cloud)
    try:
        return made, made.run(argument or {})
    except WorkflowError as problem:
        return made, problem


def put_export(cloud: Cloud, database: str, stamp: str = "2026-11-21T020000Z") -> str:
    path = f"sql/{KEY}/{database}/{stamp}-e.sql.gz"
    cloud.put("acme-prod-exports", path, "dump")
    return f"gs://acme-prod-exports/{path}"


SCRATCH = f"drill-{KEY}-202611220200"


def test_drill_checks_a_clone_and_an_export_and_deletes_it(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["postgres", "tn_oak"]
    put_export(cloud, "tn_oak", "2026-11-20T020000Z")
    newest = put_export(cloud, "tn_oak")
    made, result = drill(cloud)
    assert result == {"instances": 1}
    common = ["--instance", KEY, "--host", "10.9.0.7"]
    assert cloud.jobs == [
        ["-m", "jobs.sql", "verify", *common],
        ["-m", "jobs.restore", "check", *common, "--export", newest],
    ]
    assert list(cloud.instances) == [NAME]
    recorded = cloud.content("registry", f"drills/{KEY}.json")
    assert (recorded["result"], recorded["scratch"], recorded["export"]) == ("ok", SCRATCH, newest)
    assert recorded["succeeded_at"] == recorded["finished_at"]
    assert logged(made, "drill.result")[0]["severity"] == "INFO"


@pytest.mark.parametrize("failing", ["clone", "get", "verify", "restore", "no export"])
def test_drill_always_deletes_its_scratch_instance(cloud: Cloud, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.databases[NAME] = ["tn_oak"]
    if failing != "no export":
        put_export(cloud, "tn_oak")
    cloud.put("acme-prod-registry", f"drills/{KEY}.json", {"succeeded_at": "2026-11-15T04:30:00Z"})
    if failing == "clone":
        cloud.fail[f"instances.clone {NAME}"] = [error("OperationError", "no quota")]
    if failing == "get":
        cloud.fail[f"instances.get {SCRATCH}"] = [error("HttpError", "forbidden", code=403)]
    run_job = cloud._job

    def job(arguments: Mapping[str, Any]) -> Any:
        answer = run_job(arguments)
        return {"failedCount": 1} if failing in " ".join(cloud.jobs[-1]) else answer

    monkeypatch.setattr(cloud, "_job", job)
    made, result = drill(cloud)
    assert isinstance(result, WorkflowError)
    assert result.value["message"] == f'restore drill failed for ["{KEY}"]'
    assert list(cloud.instances) == [NAME]
    recorded = cloud.content("registry", f"drills/{KEY}.json")
    assert recorded["result"] == "failed"
    assert recorded["succeeded_at"] == "2026-11-15T04:30:00Z"
    assert logged(made, "drill.result")[0]["severity"] == "ERROR"


def test_scratch_that_cannot_be_deleted_is_a_failure(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["postgres"]
    cloud.fail[f"instances.delete {SCRATCH}"] = [error("HttpError", "forbidden", code=403)]
    made, result = drill(cloud)
    assert isinstance(result, WorkflowError)
    assert logged(made, "drill.result")[0]["error"] == " scratch instance not deleted, forbidden"


def test_deletion_waits_for_other_operations(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["postgres"]
    cloud.fail[f"instances.delete {SCRATCH}"] = [error("HttpError", "operationInProgress", code=409)] * 2
    made, result = drill(cloud)
    assert result == {"instances": 1}
    assert made.slept == [30, 60]
    assert list(cloud.instances) == [NAME]


def test_one_failed_drill_stops_no_other(cloud: Cloud) -> None:
    cloud.databases = {NAME: ["postgres"], "other-1": ["postgres"]}
    cloud.instances["other-1"] = {"name": "other-1", "createTime": "2026-01-01T00:00:00Z"}
    cloud.put("acme-prod-registry", "instances/a-first.json", {"key": "a-first", "name": "other-1"})
    cloud.fail["instances.clone other-1"] = [error("OperationError", "no quota")]
    made, result = drill(cloud)
    assert isinstance(result, WorkflowError)
    assert [line["result"] for line in logged(made, "drill.result")] == ["failed", "ok"]


def test_tenant_of_today_does_not_fail_the_drill(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["tn_elm", "tn_oak"]
    only = put_export(cloud, "tn_oak")
    _, result = drill(cloud)
    assert result == {"instances": 1}
    assert cloud.jobs[1][-1] == only


def test_drill_sweeps_old_leftovers_only(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["postgres"]
    for name, created in (("drill-old", "2026-11-15T04:00:00Z"), ("drill-new", "2026-11-22T01:00:00Z")):
        cloud.instances[name] = {"name": name, "createTime": created}
    _, result = drill(cloud)
    assert result == {"instances": 1}
    assert list(cloud.instances) == [NAME, "drill-new"]


def test_drill_of_named_instances(cloud: Cloud) -> None:
    cloud.databases[NAME] = ["postgres"]
    _, result = drill(cloud, {"instances": []})
    assert result == {"instances": 0}
    assert not any(call.startswith("instances.clone") for call in cloud.calls)
