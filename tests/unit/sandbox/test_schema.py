from __future__ import annotations

import pytest

from sandbox.cloud import NotSimulatedError, schema
from sandbox.cloud.schema import Failure, check_inputs
from sandbox.cloud.tables import RULES, rule_for
from sandbox.cloud.values import SIGNATURE_KEY, UNKNOWN

SQL = "gcp:sql/databaseInstance:DatabaseInstance"


def reasons(token: str, inputs: dict[str, object]) -> dict[str, str]:
    return {failure.path: failure.reason for failure in check_inputs(token, inputs)}


def test_a_correct_nested_input_has_no_failure() -> None:
    inputs = {
        "databaseVersion": "POSTGRES_17",
        "settings": {"tier": "t", "databaseFlags": [{"name": "a", "value": "on"}], "userLabels": {"a": "b"}},
    }
    assert check_inputs(SQL, inputs) == []


def test_every_mistake_is_reported_with_its_path() -> None:
    inputs = {
        "databaseVersion": 17,
        "settings": {"teir": "t", "ipConfiguration": {"ipv4Enabled": "no"}, "databaseFlags": [{"name": "a"}]},
    }
    assert reasons(SQL, inputs) == {
        "databaseVersion": "expected a string, got an integer",
        "settings.tier": "missing required property of DatabaseInstanceSettingsArgs",
        "settings.teir": "unknown property; DatabaseInstanceSettingsArgs has tier",
        "settings.ipConfiguration.ipv4Enabled": "expected a boolean, got a string",
        "settings.databaseFlags[0].value": "missing required property of DatabaseInstanceSettingsDatabaseFlagArgs",
    }


def test_unknown_values_pass_and_null_counts_as_unset() -> None:
    assert check_inputs(SQL, {"databaseVersion": UNKNOWN, "settings": UNKNOWN}) == []
    assert [failure.path for failure in check_inputs(SQL, {"databaseVersion": None})] == ["databaseVersion"]


def test_a_boolean_is_no_integer_and_an_integer_is_a_number() -> None:
    assert reasons(
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        {
            "project": "p",
            "location": "l",
            "bucketId": "b",
            "retentionDays": True,
        },
    ) == {"retentionDays": "expected an integer, got a boolean"}
    assert check_inputs("gcp:monitoring/slo:Slo", {"service": "s", "goal": 1}) == []


def test_lists_maps_and_objects_are_told_apart() -> None:
    found = reasons(
        "gcp:storage/bucket:Bucket",
        {
            "location": "EU",
            "labels": ["a"],
            "lifecycleRules": {"action": {}},
            "versioning": True,
        },
    )
    assert found == {
        "labels": "expected a map, got a list",
        "lifecycleRules": "expected a list, got an object",
        "versioning": "expected an object BucketVersioningArgs, got a boolean",
    }


def test_an_asset_is_taken_only_where_one_belongs() -> None:
    token = "gcp:storage/bucketObject:BucketObject"
    asset = {SIGNATURE_KEY: "c44067f5952c0a294b673a41bacd8c17", "text": "x"}
    assert check_inputs(token, {"bucket": "b", "source": asset}) == []
    assert reasons(token, {"bucket": "b", "source": "x"}) == {"source": "expected an asset, got a string"}
    assert reasons(token, {"bucket": asset}) == {"bucket": "expected a string, got an asset"}


def test_a_failure_never_shows_the_value() -> None:
    secret = "hunter2-hunter2"
    assert check_inputs("gcp:sql/user:User", {"instance": "i", "passwordWoVersion": secret}) == [
        Failure("passwordWoVersion", "expected an integer, got a string")
    ]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("gcp:sql/databaseInstnce:DatabaseInstnce", "pulumi_gcp has no such resource type"),
        ("azure:storage/account:Account", "no package 'azure' is simulated"),
        ("aws:ecr/repository:Repository", "is not simulated"),
        ("gcp:bigtable/instance:Instance", "is not simulated"),
    ],
)
def test_what_is_not_simulated_is_an_error(token: str, message: str) -> None:
    with pytest.raises(NotSimulatedError, match=message):
        rule_for(token)


def test_function_arguments_have_wire_names() -> None:
    assert schema.function_arguments("gcp:storage/getBucketObjects:getBucketObjects") == {
        "bucket",
        "matchGlob",
        "prefix",
    }
    with pytest.raises(NotSimulatedError, match="no such function"):
        schema.function_arguments("gcp:storage/getBuckets2:getBuckets2")


@pytest.mark.parametrize("token", sorted(RULES))
def test_tables_name_only_properties_that_the_sdk_has(token: str) -> None:
    declared, rule = schema.resource_type(token), RULES[token]
    inputs = {
        *rule.immutable,
        *rule.replace_when,
        *rule.check_defaults,
        *rule.server_defaults,
        *rule.unordered,
        *rule.json_text,
    }
    assert {path.split(".")[0] for path in inputs} <= {*declared.inputs.properties} | {"members", "host"}
    assert {*rule.virtual, *rule.secret_outputs, *rule.computed, *rule.planned, *rule.recomputed} <= {*declared.outputs}
    defaults = {path.split(".")[0]: value for path, value in rule.check_defaults.items() if "." not in path}
    assert [failure for failure in check_inputs(token, defaults) if "missing" not in failure.reason] == []


@pytest.mark.parametrize("token", sorted(token for token in RULES if token.startswith("gcp:")))
def test_falsy_defaults_of_google_are_planned_and_not_checked(token: str) -> None:
    assert [path for path, value in RULES[token].check_defaults.items() if not value] == []
