"""The checker itself: inputs known to be right pass, and every kind of mistake is found at its exact place."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from pulumi.runtime import rpc

from tests.contract.checker import check, check_all, method_of
from tests.contract.differences import REFERENCES, RESOURCES
from tests.contract.discovery import Node, document
from tests.contract.forms import At, Resource
from tests.contract.gaps import LIST, Drift, drift, lines_of
from tests.contract.report import Unchecked
from tests.contract.samples import DASHBOARD, EXECUTIONS, SAMPLES, WORKFLOW
from tests.contract.values import problem_of
from tests.contract.walk import singulars

SQL = "gcp:sql/databaseInstance:DatabaseInstance"
BUCKET = "gcp:storage/bucket:Bucket"
ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
SCHEDULER = "gcp:cloudscheduler/job:Job"
KMS_KEY = "gcp:kms/cryptoKey:CryptoKey"
FLOW = "gcp:workflows/workflow:Workflow"
BOARD = "gcp:monitoring/dashboard:Dashboard"
GRANT = "gcp:storage/bucketIAMMember:BucketIAMMember"


def changed(token: str, path: str, value: object) -> dict[str, Any]:
    """A sample with one value set; a path part in digits is a list position."""
    inputs = copy.deepcopy(SAMPLES[token])
    target: Any = inputs
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        target = target[part]
    target[last] = value
    return inputs


def dashboard(old: str, new: str) -> str:
    text = json.dumps(DASHBOARD)
    assert old in text
    return text.replace(old, new)


def workflow(old: str, new: str) -> str:
    assert old in WORKFLOW
    return WORKFLOW.replace(old, new)


@pytest.mark.parametrize("token", RESOURCES)
def test_right_inputs_pass(token: str) -> None:
    report = check(token, SAMPLES[token])
    assert report.problems == []
    assert report.checked > 0


MISTAKES = [
    pytest.param(
        SQL,
        "settings.ipConfiguration.sslMode",
        "ENCRYPTED",
        "settings.ipConfiguration.sslMode",
        "not one of",
        id="enum",
    ),
    pytest.param(SQL, "settings.tiers", "x", "settings.tiers", "no such property", id="unknown-property"),
    pytest.param(SQL, "settings.requireSsl", True, "settings.requireSsl", "no such property", id="wrong-level"),
    pytest.param(SQL, "settings.tier", 4, "settings.tier", "not a string", id="number-for-string"),
    pytest.param(
        SQL,
        "settings.ipConfiguration.ipv4Enabled",
        "false",
        "settings.ipConfiguration.ipv4Enabled",
        "not a boolean",
        id="string-for-boolean",
    ),
    pytest.param(
        SQL,
        "settings.ipConfiguration.ipv4Enabled",
        0,
        "settings.ipConfiguration.ipv4Enabled",
        "not a boolean",
        id="zero-for-boolean",
    ),
    pytest.param(
        SQL,
        "settings.backupConfiguration.transactionLogRetentionDays",
        7.5,
        "settings.backupConfiguration.transactionLogRetentionDays",
        "not an integer",
        id="fraction-for-integer",
    ),
    pytest.param(
        SQL,
        "settings.backupConfiguration.transactionLogRetentionDays",
        True,
        "settings.backupConfiguration.transactionLogRetentionDays",
        "not an integer",
        id="boolean-for-integer",
    ),
    pytest.param(SQL, "settings.tiers", ["x"], "settings.tiers", "no such property", id="plural-of-a-single-value"),
    pytest.param(
        SQL,
        "settings.maintenanceWindow.day",
        2**31,
        "settings.maintenanceWindow.day",
        "outside -2147483648..2147483647",
        id="int32-range",
    ),
    pytest.param(SQL, "settings.diskSize", "50GB", "settings.diskSize", "not an integer", id="int64-with-unit"),
    pytest.param(SQL, "settings.databaseFlags", {}, "settings.databaseFlags", "not a list", id="object-for-list"),
    pytest.param(SQL, "settings.maintenanceWindow", [], "settings.maintenanceWindow", "not an object", id="list"),
    pytest.param(SQL, "settings.tier", {}, "settings.tier", "an object where the API has string", id="object"),
    pytest.param(
        SQL,
        "settings.databaseFlags.0",
        {"name": "a", "val": "b"},
        "settings.databaseFlags[0].val",
        "no such property",
        id="unknown-property-in-list",
    ),
    pytest.param(SQL, "settings.userLabels.tenant", 1, "settings.userLabels.tenant", "not a string", id="map-value"),
    pytest.param(SQL, "encryptionKeyName", "sql", "encryptionKeyName", "does not match", id="short-key-name"),
    pytest.param(SQL, "selfLink2", "x", "selfLink2", "no such property", id="unknown-at-top"),
    pytest.param(KMS_KEY, "rotationPeriod", "90d", "rotationPeriod", "not a duration", id="duration"),
    pytest.param(KMS_KEY, "rotationPeriod", 7776000, "rotationPeriod", "not a string", id="number-for-duration"),
    pytest.param(KMS_KEY, "keyRing", "data", "keyRing", "parameter parent", id="url-parameter"),
    pytest.param(KMS_KEY, "nextRotationTime", "tomorrow", "nextRotationTime", "RFC 3339", id="instant"),
    pytest.param(KMS_KEY, "createTime", "2026-01-01T00:00:00Z", "createTime", "read-only", id="read-only"),
    pytest.param(BUCKET, "storageClass", "COLD", "storageClass", "description names", id="class-in-prose"),
    pytest.param(
        BUCKET,
        "lifecycleRules.0.action.type",
        "Remove",
        "lifecycleRules[0].action.type",
        "description names",
        id="action-in-prose",
    ),
    pytest.param(
        BUCKET,
        "lifecycleRules.1.condition.createdBefore",
        "01.02.2026",
        "lifecycleRules[1].condition.createdBefore",
        "not a date",
        id="date",
    ),
    pytest.param(
        BUCKET,
        "publicAccessPrevention",
        "enforce",
        "publicAccessPrevention",
        "description names",
        id="prevention-in-prose",
    ),
    pytest.param(
        BUCKET,
        "lifecycleRules.0.condition.withState",
        "OLD",
        "lifecycleRules[0].condition.withState",
        "cannot be put",
        id="state",
    ),
    pytest.param(GRANT, "role", "storage.objectCreator", "role", "not the name of a role", id="role"),
    pytest.param(GRANT, "member", "worker@acme-prod.iam", "member", "no kind of member", id="member"),
    pytest.param(GRANT, "member", "serviceaccount:a@b", "member", "no kind of member", id="member-case"),
    pytest.param(
        "gcp:projects/iAMAuditConfig:IAMAuditConfig",
        "auditLogConfigs.1.logType",
        "DATA_CHANGE",
        "auditLogConfigs[1].logType",
        "not one of",
        id="enum-in-list",
    ),
    pytest.param(
        "gcp:projects/iAMCustomRole:IAMCustomRole",
        "permissions.0",
        "export",
        "permissions[0]",
        "service.resource.verb",
        id="permission",
    ),
    pytest.param(
        "gcp:logging/projectSink:ProjectSink",
        "destination",
        "gs://acme-prod-audit",
        "destination",
        "none of",
        id="sink",
    ),
    pytest.param(
        "gcp:compute/subnetwork:Subnetwork", "region", "Europe-West1", "region", "does not match", id="pattern"
    ),
    pytest.param(
        ALERT, "notificationChannels.0", "oncall", "notificationChannels[0]", "does not match", id="short-channel"
    ),
    pytest.param(
        ALERT,
        "conditions.0.conditionThreshold.aggregations.0.perSeriesAligner",
        "MEAN",
        "conditions[0].conditionThreshold.aggregations[0].perSeriesAligner",
        "not one of",
        id="aligner",
    ),
    pytest.param(
        "gcp:monitoring/slo:Slo", "rollingPeriodDays", "a month", "rollingPeriodDays", "cannot be put", id="conversion"
    ),
    pytest.param(
        "gcp:secretmanager/secret:Secret",
        "replication.userManaged.replicas.0.customerManagedEncryption.keyName",
        "x",
        "replication.userManaged.replicas[0].customerManagedEncryption.keyName",
        "no such property",
        id="replica-key",
    ),
    pytest.param(SCHEDULER, "httpTarget.body", "{}", "httpTarget.body", "not base64", id="body-not-base64"),
    pytest.param(
        SCHEDULER,
        "httpTarget.body",
        base64.b64encode(b'{"arguments": 1}').decode(),
        "httpTarget.body.arguments",
        "no such property",
        id="posted-property",
    ),
    pytest.param(
        SCHEDULER,
        "httpTarget.uri",
        EXECUTIONS.replace("/executions", ":run"),
        "httpTarget.uri",
        "no method of workflowexecutions.googleapis.com has such a path",
        id="path",
    ),
    pytest.param(
        SCHEDULER,
        "httpTarget.uri",
        EXECUTIONS.replace("workflowexecutions", "workflowexecution"),
        "httpTarget.uri",
        "no Google API answers at",
        id="host",
    ),
    pytest.param(
        SCHEDULER,
        "httpTarget.oauthToken.scope",
        "https://www.googleapis.com/auth/devstorage.read_only",
        "httpTarget.oauthToken.scope",
        "the method takes https://www.googleapis.com/auth/cloud-platform",
        id="scope",
    ),
    pytest.param(SCHEDULER, "httpTarget.httpMethod", "PUT", "httpTarget.uri", "takes GET, POST, not PUT", id="verb"),
    pytest.param(
        BOARD,
        "dashboardJson",
        dashboard('"xyChart"', '"lineChart"'),
        "dashboardJson.mosaicLayout.tiles[0].widget.lineChart",
        "no such property",
        id="widget",
    ),
    pytest.param(
        BOARD,
        "dashboardJson",
        dashboard('"ALIGN_MEAN"', '"AVERAGE"'),
        "dashboardJson.mosaicLayout.tiles[0].widget.xyChart.dataSets[0].timeSeriesQuery.timeSeriesFilter"
        ".aggregation.perSeriesAligner",
        "not one of",
        id="widget-enum",
    ),
    pytest.param(BOARD, "dashboardJson", "{", "dashboardJson", "cannot be put", id="not-json"),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("v1.instances.export", "v1.instances.dump"),
        "sourceContents.main.steps[1].export.call",
        "the API has no such method",
        id="method",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("sqladmin.v1.instances", "sqladmin.v2.instances"),
        "sourceContents.main.steps[1].export.call",
        "versions of sqladmin: v1, v1beta4",
        id="version",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("          instance: ${input.instance}\n", ""),
        "sourceContents.main.steps[1].export.args.instance",
        "a required parameter is missing",
        id="missing-parameter",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("{project: acme-prod,", "{projectId: acme-prod,"),
        "sourceContents.main.steps[0].list.args.project",
        "a required parameter is missing",
        id="misnamed-parameter",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("fileType: SQL", "fileType: PG_DUMP"),
        "sourceContents.main.steps[1].export.args.body.exportContext.fileType",
        "not one of",
        id="body-enum",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("offload: true", "offline: true"),
        "sourceContents.main.steps[1].export.args.body.exportContext.offline",
        "no such property",
        id="body-property",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("{timeout: 7200}", "{time_out: 7200}"),
        "sourceContents.main.steps[1].export.args.connector_params.time_out",
        "no such connector setting",
        id="connector-setting",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("call: done", "call: finish"),
        "sourceContents.main.steps[2].check.call",
        "no such subworkflow",
        id="subworkflow",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("acme-prod/instances/", "acme-prod/servers/"),
        "sourceContents.main.steps[3].fetch.args.url",
        "no method of sqladmin.googleapis.com has such a path",
        id="http-path",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("          auth: {type: OAuth2}\n", ""),
        "sourceContents.main.steps[3].fetch.args.auth",
        "no anonymous call",
        id="http-anonymous",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("{fields: state}", "{field: state}"),
        "sourceContents.main.steps[3].fetch.args.query.field",
        "no such parameter",
        id="http-query",
    ),
    pytest.param(
        FLOW,
        "sourceContents",
        workflow("uploadType: media", "uploadType: json"),
        "sourceContents.main.steps[4].mark.args.body.finished",
        "no such property",
        id="upload-of-properties",
    ),
    pytest.param(FLOW, "sourceContents", "main: [", "sourceContents", "not YAML", id="not-yaml"),
]


@pytest.mark.parametrize(("token", "path", "value", "place", "why"), MISTAKES)
def test_a_mistake_is_found_at_its_place(token: str, path: str, value: object, place: str, why: str) -> None:
    problems = check(token, changed(token, path, value)).problems
    assert place in [problem.path for problem in problems]
    assert why in next(problem.why for problem in problems if problem.path == place)


def test_nothing_but_the_mistake_is_reported() -> None:
    inputs = changed(SQL, "settings.ipConfiguration.sslMode", "ENCRYPTED")
    assert [(p.path, p.value) for p in check(SQL, inputs).problems] == [
        ("settings.ipConfiguration.sslMode", "ENCRYPTED")
    ]


def test_a_google_address_needs_an_oauth_token() -> None:
    inputs = copy.deepcopy(SAMPLES[SCHEDULER])
    inputs["httpTarget"]["oidcToken"] = inputs["httpTarget"].pop("oauthToken")
    assert [p.path for p in check(SCHEDULER, inputs).problems] == ["httpTarget.oauthToken"]


def test_a_type_without_an_entry_is_a_problem() -> None:
    (problem,) = check("gcp:redis/instance:Instance", {"tier": "BASIC"}).problems
    assert problem.why == "no entry for this type in differences.RESOURCES"


def test_a_value_that_the_api_has_deprecated_is_a_problem() -> None:
    schema = {"type": "string", "enum": ["OLD", "NEW"], "enumDeprecated": [True, False]}
    node = Node(document("sqladmin.v1"), schema)
    assert problem_of("OLD", node) == "deprecated by the API"
    assert problem_of("NEW", node) is None


def test_unknown_values_are_counted_and_not_judged() -> None:
    inputs = changed(SQL, "settings.ipConfiguration.privateNetwork", rpc.UNKNOWN)
    inputs["encryptionKeyName"] = rpc.UNKNOWN
    inputs["settings"]["databaseFlags"] = [{"name": rpc.UNKNOWN, "value": "on"}]
    report = check(SQL, inputs)
    assert report.problems == []
    assert report.unknown == 3


@pytest.mark.parametrize("signature", [rpc._special_secret_sig, rpc._special_output_value_sig])
def test_a_wrapped_value_is_judged_like_a_plain_one(signature: str) -> None:
    wrapped = {rpc._special_sig_key: signature, "value": "ENCRYPTED"}
    inputs = changed(SQL, "settings.ipConfiguration.sslMode", wrapped)
    assert [p.path for p in check(SQL, inputs).problems] == ["settings.ipConfiguration.sslMode"]


def test_an_output_without_a_value_is_unknown() -> None:
    inputs = changed(SQL, "settings.tier", {rpc._special_sig_key: rpc._special_output_value_sig})
    assert check(SQL, inputs).unknown == 1


def test_unset_is_not_wrong_but_zero_and_false_are_judged() -> None:
    before = check(SQL, changed(SQL, "settings.tier", None))
    assert before.problems == []
    zero = check(SQL, changed(SQL, "settings.maintenanceWindow.hour", 0))
    assert zero.problems == []
    assert zero.checked == before.checked + 1
    assert check(SQL, changed(SQL, "settings.tier", False)).problems[0].path == "settings.tier"


def test_what_nothing_can_judge_is_listed() -> None:
    report = check(BUCKET, changed(BUCKET, "forceDestroy", False))
    assert report.unchecked == [Unchecked("forceDestroy", "steers the provider on delete; the API never sees it")]


def test_an_unset_input_is_no_gap() -> None:
    assert check(BUCKET, changed(BUCKET, "forceDestroy", None)).unchecked == []


def test_a_role_that_no_document_names_is_listed() -> None:
    report = check(GRANT, changed(GRANT, "role", "roles/storage.noSuchRole"))
    assert [u.path for u in report.unchecked] == ["role=roles/storage.noSuchRole"]


def test_own_log_metrics_must_be_defined_by_the_stack() -> None:
    metric = ("gcp:logging/metric:Metric", "exports", SAMPLES["gcp:logging/metric:Metric"])
    text = 'resource.type="global" AND metric.type="logging.googleapis.com/user/{}"'
    path = "conditions.0.conditionThreshold.filter"
    right = changed(ALERT, path, text.format("export-finished"))
    wrong = changed(ALERT, path, text.format("export-done"))
    assert check_all([metric, (ALERT, "a", right)]).problems == []
    (problem,) = check_all([metric, (ALERT, "a", wrong)]).problems
    assert problem.path == f"{ALERT} a: conditions[0].conditionThreshold.filter"
    assert problem.value == "logging.googleapis.com/user/export-done"


def test_a_new_gap_and_a_closed_one_both_show() -> None:
    report = check_all([(BUCKET, name, changed(BUCKET, "forceDestroy", False)) for name in "ab"])
    line = f"{BUCKET} forceDestroy | steers the provider on delete; the API never sees it"
    assert lines_of(report) == {line}
    assert drift(lines_of(report), {"old | why"}) == Drift(new=[line], gone=["old | why"])


def test_the_list_of_gaps_is_about_types_that_are_checked() -> None:
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines))
    assert {line.split()[0] for line in lines} <= RESOURCES.keys()


def test_other_clouds_are_left_alone() -> None:
    assert check_all([("random:index/randomPassword:RandomPassword", "x", {"nonsense": 1})]).checked == 0


@pytest.mark.parametrize(
    ("plural", "singular"), [("envs", "env"), ("matchesPrefixes", "matchesPrefix"), ("strategies", "strategy")]
)
def test_plural_names_of_the_bridge(plural: str, singular: str) -> None:
    assert singular in singulars(plural)


@pytest.mark.parametrize(("token", "resource"), RESOURCES.items())
def test_the_table_names_only_what_the_api_has(token: str, resource: Resource) -> None:
    method = method_of(resource)
    required = {name for name, schema in method.parameters.items() if schema.get("required")}
    assert required <= resource.arguments.keys() <= method.parameters.keys(), token
    if method.request is None:
        return
    for path, difference in resource.differences.items():
        parent = _locate(path.rpartition(".")[0], resource, method.request)
        if isinstance(difference, At):
            _resolve(difference.path, parent, method.request)
            _resolve(difference.worded or "", parent, method.request)


def test_the_references_name_parameters_with_a_pattern() -> None:
    for key, method, parameter in REFERENCES.values():
        found = document(key).method(method)
        assert found is not None
        assert "pattern" in found.parameters[parameter]


def _resolve(path: str, node: Node, body: Node) -> Node:
    return body.at(path.removeprefix("^")) if path.startswith("^") else node.at(path)


def _locate(path: str, resource: Resource, body: Node) -> Node:
    """The API node that a (pattern) path of provider inputs leads to, by way of the table."""
    node, so_far = body.at(resource.root), ""
    for part in filter(None, path.split(".")):
        name = part.removesuffix("[]")
        so_far = f"{so_far}.{name}".removeprefix(".")
        difference = resource.differences.get(so_far)
        each = isinstance(difference, At) and difference.each
        if isinstance(difference, At):
            node = _resolve(difference.path, node, body)
        else:
            found = [node.member(candidate) for candidate in (name, *singulars(name))]
            node = next(one for one in found if one is not None)
        if part.endswith("[]"):
            node = node if each else node.items
            so_far += "[]"
    return node
