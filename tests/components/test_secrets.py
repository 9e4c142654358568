"""Application secrets: generated or passed through, each with its readers, never in the clear."""

from __future__ import annotations

import json

import pytest

from tests.components.program import STACKS, Document, StackName, build, built, external_value
from tests.components.tokens import PASSWORD, SECRET, SECRET_BINDING, SECRET_VERSION

each_stack = pytest.mark.parametrize("stack", STACKS)
GENERATED = ("app-jwt-refresh-secret", "app-jwt-secret", "app-nextauth-secret")
EXTERNAL = {
    "app-logrocket-app-id": "LOGROCKET_APP_ID",
    "app-pagerduty-key": "PAGERDUTY_KEY",
    "app-sentry-dsn": "SENTRY_DSN",
    "app-slack-token": "SLACK_TOKEN",
    "app-smtp-password": "SMTP_PASSWORD",
}


@each_stack
def test_what_is_generated_is_long_and_new_with_each_rotation(stack: StackName) -> None:
    run = built(stack)
    rotation = "3" if stack == "prod" else "1"
    for name in GENERATED:
        password = run.of(PASSWORD)[name]
        assert password.inputs == {"length": 48, "special": False, "keepers": {"rotation": rotation}}
        assert password.secret_outputs == {"result", "bcryptHash"}
        assert run.inputs(SECRET_VERSION, f"{name}-version")["secretData"] == password.outputs["result"]
    values = {run.of(PASSWORD)[name].outputs["result"] for name in GENERATED}
    assert len(values) == len(GENERATED)


def test_what_others_issue_is_passed_through() -> None:
    run = built("prod")
    assert {name: run.inputs(SECRET_VERSION, f"{name}-version")["secretData"] for name in EXTERNAL} == {
        name: external_value(variable) for name, variable in EXTERNAL.items()
    }


@each_stack
def test_every_version_is_secret_on_its_way(stack: StackName) -> None:
    versions = built(stack).of(SECRET_VERSION)
    assert len(versions) >= 6
    assert {name for name, item in versions.items() if item.secret_inputs != {"secretData"}} == set()


@each_stack
def test_no_value_is_in_any_input_that_is_not_secret(stack: StackName) -> None:
    run = built(stack)
    values = [item.outputs["result"] for item in run.of(PASSWORD).values()]
    values += [external_value(name) for name in EXTERNAL.values()]
    for item in run.all:
        plain = json.dumps({key: value for key, value in item.inputs.items() if key not in item.secret_inputs})
        assert [value for value in values if value in plain] == [], item.name


def test_readers_are_exactly_the_application() -> None:
    run = built("prod")
    for name in (*GENERATED, *EXTERNAL):
        binding = run.inputs(SECRET_BINDING, f"{name}-readers")
        assert (binding["secretId"], binding["role"]) == (name, "roles/secretmanager.secretAccessor")
        assert binding["members"] == [
            "serviceAccount:tenantry-gateway@ledgerly-prod.iam.gserviceaccount.com",
            "serviceAccount:tenantry-worker@ledgerly-prod.iam.gserviceaccount.com",
        ]


def test_the_superseded_version_stays_readable() -> None:
    versions = [item for name, item in built("prod").of(SECRET_VERSION).items() if name.startswith("app-")]
    assert len(versions) == len(GENERATED) + len(EXTERNAL)
    assert {item.inputs["deletionPolicy"] for item in versions} == {"ABANDON"}


def test_rotating_all_changes_generated_values_and_no_external_one() -> None:
    def rotate(document: Document) -> None:
        document["secrets"]["rotation"] = 2

    before, after = built("staging"), build("staging", rotate)
    changed = {name for name, item in after.of(PASSWORD).items() if item.inputs != before.of(PASSWORD)[name].inputs}
    assert changed == set(before.of(PASSWORD))
    assert {item.inputs["keepers"]["rotation"] for item in after.of(PASSWORD).values()} == {"2"}
    for name in ("app-sentry-dsn", "app-slack-token", "app-smtp-password"):
        assert after.inputs(SECRET_VERSION, f"{name}-version") == before.inputs(SECRET_VERSION, f"{name}-version")
    assert {name for name, item in after.of(SECRET).items() if item.inputs != before.of(SECRET)[name].inputs} == set()
