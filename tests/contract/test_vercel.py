"""The checker of Vercel's inputs: what it refuses, and that its description still is what the SDK says."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from pulumi.runtime import rpc

from tests.contract import vercel
from tests.contract.report import Problem, Unchecked

DRAIN: Final = "vercel:index/logDrain:LogDrain"
PROJECT: Final = "vercel:index/project:Project"
DOMAIN: Final = "vercel:index/projectDomain:ProjectDomain"
VARIABLE: Final = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
SAMPLES: Final[Mapping[str, dict[str, Any]]] = {
    DRAIN: {
        "name": "logs",
        "teamId": "team_a",
        "deliveryFormat": "ndjson",
        "endpoint": "https://logs.example/vercel",
        "environments": ["preview", "production"],
        "sources": ["build", "lambda"],
        "projectIds": ["prj_a"],
        "secret": "s" * 32,
    },
    PROJECT: {
        "name": "app",
        "framework": "nextjs",
        "rootDirectory": "web",
        "gitRepository": {"type": "github", "repo": "a/b", "productionBranch": "main"},
        "vercelAuthentication": {"deploymentType": "standard_protection_new"},
        "oidcTokenConfig": {"issuerMode": "team"},
        "gitForkProtection": True,
        "skewProtection": "12 hours",
    },
    DOMAIN: {"projectId": "prj_a", "domain": "www.example", "redirect": "example", "redirectStatusCode": 308},
    VARIABLE: {
        "projectId": "prj_a",
        "key": "API_KEY",
        "value": "v",
        "targets": ["production"],
        "sensitive": True,
        "comment": "why",
    },
}
# Classes of the SDK for what the description has inside a type.
_INNER: Final = {
    "gitRepository": "ProjectGitRepositoryArgs",
    "oidcTokenConfig": "ProjectOidcTokenConfigArgs",
    "vercelAuthentication": "ProjectVercelAuthenticationArgs",
}


@pytest.mark.parametrize("token", SAMPLES)
def test_what_vercel_takes_passes(token: str) -> None:
    report = vercel.check(token, SAMPLES[token])
    assert report.problems == []
    assert report.checked > 0


@pytest.mark.parametrize(
    ("token", "path", "value", "why"),
    [
        (DRAIN, "deliveryFormat", "xml", "is not one of"),
        (DRAIN, "environments", [], "should be non-empty"),
        (DRAIN, "environments[0]", "development", "is not one of"),
        (DRAIN, "sources[1]", "database", "is not one of"),
        (DRAIN, "sources", ["build", "build"], "non-unique"),
        (DRAIN, "secret", "s" * 31, "is too short"),
        (PROJECT, "framework", "next", "is not one of"),
        (PROJECT, "name", "my.app", "does not match"),
        (PROJECT, "name", "a" * 53, "is too long"),
        (PROJECT, "gitRepository.type", "gitea", "is not one of"),
        (PROJECT, "oidcTokenConfig.issuerMode", "project", "is not one of"),
        (PROJECT, "vercelAuthentication.deploymentType", "all", "is not one of"),
        (PROJECT, "skewProtection", "12h", "is not one of"),
        (PROJECT, "gitForkProtection", "true", "is not of type"),
        (DOMAIN, "redirectStatusCode", 303, "is not one of"),
        (VARIABLE, "targets[0]", "prod", "is not one of"),
        (VARIABLE, "sensitive", "true", "is not of type"),
        (VARIABLE, "comment", "c" * 1001, "is too long"),
    ],
)
def test_what_vercel_refuses_is_found_where_it_is(token: str, path: str, value: object, why: str) -> None:
    inputs = copy.deepcopy(SAMPLES[token])
    holder: Any = inputs
    *steps, last = path.replace("[", ".").replace("]", "").split(".")
    for step in steps:
        holder = holder[step]
    holder[int(last) if last.isdigit() else last] = value
    (problem,) = vercel.check(token, inputs).problems
    assert (problem.path, problem.value) == (path, value)
    assert why in problem.why


def test_an_unknown_name_a_missing_one_and_an_unknown_type_are_found() -> None:
    misspelt = {name: value for name, value in SAMPLES[VARIABLE].items() if name != "targets"} | {"target": "preview"}
    whys = sorted(problem.why for problem in vercel.check(VARIABLE, misspelt).problems)
    assert whys == [
        "'targets' is a required property",
        "Additional properties are not allowed ('target' was unexpected)",
    ]
    webhook = "vercel:index/webhook:Webhook"
    assert vercel.check(webhook, {}).problems == [Problem("", webhook, "no entry for this type in vercel.json")]


def test_values_are_looked_into_through_secrets_and_counted_while_unknown() -> None:
    secret = {rpc._special_sig_key: rpc._special_secret_sig, "value": "short"}
    (problem,) = vercel.check(DRAIN, {**SAMPLES[DRAIN], "secret": secret}).problems
    assert (problem.path, problem.value) == ("secret", "short")
    report = vercel.check(DRAIN, {**SAMPLES[DRAIN], "secret": rpc.UNKNOWN, "deliveryFormat": rpc.UNKNOWN})
    assert (report.problems, report.unknown) == ([], 2)


def test_text_without_a_limit_is_reported_and_limited_text_is_not() -> None:
    report = vercel.check(DOMAIN, SAMPLES[DOMAIN])
    reason = "any text, as far as Vercel's provider and client say"
    assert report.unchecked == [Unchecked(name, reason) for name in ("projectId", "domain", "redirect")]
    assert report.checked == 1


def _described() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The SDK's class, the input and the schema of everything that is described."""
    for token, schema in vercel.description().items():
        owner = f"{token.rpartition(':')[2]}Args"
        for name, node in schema["properties"].items():
            yield owner, name, node
            yield from ((_INNER[name], inner, below) for inner, below in node.get("properties", {}).items())


def test_the_sdk_knows_every_input() -> None:
    assert {(owner, name) for owner, name, _ in _described() if name not in vercel.sdk_words()[owner]} == set()


def test_the_sdk_names_the_same_values() -> None:
    """Its provider is newer than the one that was read: a value that came or went shows here."""
    told = {}
    for owner, name, node in _described():
        allowed = node.get("items", node).get("enum")
        words = vercel.sdk_words()[owner][name] - {"iss", "target", "custom_environment_ids"}
        if allowed is not None and words:
            told[owner, name] = words
            assert words == set(allowed), (owner, name)
    assert set(told) == {
        ("LogDrainArgs", "deliveryFormat"),
        ("LogDrainArgs", "sources"),
        ("ProjectEnvironmentVariableArgs", "targets"),
        ("ProjectGitRepositoryArgs", "type"),
        ("ProjectOidcTokenConfigArgs", "issuerMode"),
        ("ProjectVercelAuthenticationArgs", "deploymentType"),
    }
