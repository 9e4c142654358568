"""Vercel as its provider and its API answer: ids, collisions, validators and what cannot be read back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.cloud import Cloud, CloudError, NotSimulatedError, ProviderError
from sandbox.cloud.provider import ProviderConfig, parse_config
from sandbox.cloud.values import UNKNOWN
from sandbox.mocks import boot
from tests.unit.sandbox.project import target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud.values import Value

PROJECT = "vercel:index/project:Project"
DOMAIN = "vercel:index/projectDomain:ProjectDomain"
VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
VARIABLES = "vercel:index/projectEnvironmentVariables:ProjectEnvironmentVariables"
DRAIN = "vercel:index/logDrain:LogDrain"
RELEASE = "vercel:index/projectRollingRelease:ProjectRollingRelease"
RETENTION = "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention"
WEBHOOK = "vercel:index/webhook:Webhook"
FIREWALL = "vercel:index/firewallConfig:FirewallConfig"
ENVIRONMENT = "vercel:index/customEnvironment:CustomEnvironment"


_BAD_NAME = "must be 1 to 52 lowercase letters, digits and hyphens, without '---'"
_EMPTY = "must contain at least 1 element"


class Vercel:
    def __init__(self) -> None:
        self.cloud = Cloud.in_memory()
        self.config = ProviderConfig(team="team_1")

    def failures(self, token: str, /, **inputs: Value) -> dict[str, str]:
        _, failures = self.cloud.check(target(token, "it"), inputs)
        return {failure.path: failure.reason for failure in failures}

    def make(self, token: str, label: str = "it", /, **inputs: Value) -> tuple[str, dict[str, Any]]:
        checked, failures = self.cloud.check(target(token, label), inputs)
        assert failures == []
        return self.cloud.create(target(token, label), checked, self.config)

    def change(self, token: str, object_id: str, state: dict[str, Any], /, **inputs: Value) -> dict[str, Any]:
        checked, failures = self.cloud.check(target(token, "it"), inputs)
        assert failures == []
        return self.cloud.update(target(token, "it"), object_id, checked, state, self.config)

    def read(self, token: str, object_id: str, state: dict[str, Any] | None = None) -> dict[str, Any]:
        found = self.cloud.read(target(token, "it"), object_id, state or {}, self.config)
        assert found is not None
        return found[1]

    def replaced_by(self, token: str, state: dict[str, Any], old: dict[str, Any], /, **new: Value) -> dict[str, bool]:
        changes = self.cloud.diff(token, state=state, old_inputs=old, new_inputs={**old, **new}, config=self.config)
        return {change.path: change.replace for change in changes}

    def ids(self, token: str) -> list[str]:
        return [item.id for item in self.cloud.objects(token)]


@pytest.fixture
def vercel() -> Iterator[Vercel]:
    made = Vercel()
    yield made
    made.cloud.close()


@pytest.fixture
def web(vercel: Vercel) -> str:
    return vercel.make(PROJECT, name="web")[0]


def variable(project: str, **more: Value) -> dict[str, Value]:
    return {"projectId": project, "key": "API", "value": "v", "targets": ["production"], "sensitive": True, **more}


def test_the_provider_names_a_team_and_a_resource_may_name_another(vercel: Vercel) -> None:
    assert parse_config({"team": "team_1", "apiToken": "x"}) == ProviderConfig(team="team_1")
    assert vercel.make(PROJECT, name="a")[1]["teamId"] == "team_1"
    assert vercel.make(PROJECT, name="b", teamId="team_2")[1]["teamId"] == "team_2"


def test_a_project_gets_an_id_from_the_server_and_the_defaults_of_provider_and_cloud(vercel: Vercel) -> None:
    object_id, state = vercel.make(PROJECT, name="web")
    assert object_id.startswith("prj_")
    assert len(object_id) == len("prj_") + 28
    assert (state["gitForkProtection"], state["oidcTokenConfig"]) == (True, {"issuerMode": "team"})
    assert state["vercelAuthentication"] == {"deploymentType": "standard_protection_new"}
    planned = vercel.cloud.plan_create(PROJECT, {"name": "web"}, vercel.config)
    assert (planned["gitForkProtection"], planned["oidcTokenConfig"]) == (True, {"issuerMode": "team"})
    assert planned["vercelAuthentication"] is planned["teamId"] is UNKNOWN


def test_a_create_switches_off_what_is_not_asked_for(vercel: Vercel) -> None:
    """It ends with an update that names every switch; the provider's own defaults alone are on."""
    object_id, state = vercel.make(PROJECT, name="web", protectedSourcemaps=True)
    assert sorted(name for name, value in state.items() if value is True) == [
        "autoAssignCustomDomains",
        "gitForkProtection",
        "protectedSourcemaps",
    ]
    assert state["automaticallyExposeSystemEnvironmentVariables"] is state["prioritiseProductionBuilds"] is False
    kept = vercel.change(PROJECT, object_id, state, name="web")
    assert kept["protectedSourcemaps"] is True
    assert "serverlessFunctionRegion" not in state


def test_the_same_history_gives_the_same_ids(vercel: Vercel) -> None:
    other = Vercel()
    assert vercel.make(PROJECT, name="web")[0] == other.make(PROJECT, name="web")[0]
    other.cloud.close()


def test_defaults_are_no_inputs_and_withdrawing_one_is_no_change(vercel: Vercel) -> None:
    inputs = {"name": "web", "gitForkProtection": True}
    checked, _ = vercel.cloud.check(target(PROJECT, "it"), {"name": "web"})
    assert checked == {"name": "web"}
    _, state = vercel.make(PROJECT, **inputs)
    kept = vercel.cloud.diff(PROJECT, state=state, old_inputs=inputs, new_inputs={"name": "web"}, config=vercel.config)
    assert kept == []
    off = vercel.change(PROJECT, vercel.ids(PROJECT)[0], state, name="web", gitForkProtection=False)
    back = vercel.cloud.diff(
        PROJECT,
        state=off,
        old_inputs={"name": "web", "gitForkProtection": False},
        new_inputs={"name": "web"},
        config=vercel.config,
    )
    assert [(change.path, change.kind) for change in back] == [("gitForkProtection", "delete")]


def test_a_project_name_is_unique_in_its_team(vercel: Vercel, web: str) -> None:
    with pytest.raises(CloudError) as caught:
        vercel.make(PROJECT, "two", name="web")
    assert str(caught.value) == 'conflict - Project "web" already exists, please use a new name.'
    assert caught.value.status == 409
    vercel.make(PROJECT, "elsewhere", name="web", teamId="team_2")
    second, state = vercel.make(PROJECT, "three", name="admin")
    with pytest.raises(CloudError, match='Project "web" already exists'):
        vercel.change(PROJECT, second, state, name="web")
    assert vercel.replaced_by(PROJECT, state, {"name": "admin"}, name="admin2") == {"name": False}
    assert web in vercel.ids(PROJECT)


def test_everything_under_a_project_needs_it_and_goes_with_it(vercel: Vercel, web: str) -> None:
    missing = (
        "Could not find project, please make sure both the project_id and team_id match the project and team you wish"
        " to deploy to."
    )
    stages = [{"targetPercentage": 10, "duration": 5}, {"targetPercentage": 100}]
    under: dict[str, dict[str, Value]] = {
        DOMAIN: {"domain": "app.example.com"},
        VARIABLE: variable(web),
        VARIABLES: {"variables": _entries([variable(web, key="OTHER")])},
        RELEASE: {"advancementType": "automatic", "stages": stages},
        RETENTION: {"expirationPreview": "1m"},
        FIREWALL: {},
        ENVIRONMENT: {"name": "staging"},
    }
    for token, facts in under.items():
        inputs = {name: value for name, value in facts.items() if name != "projectId"}
        with pytest.raises(ProviderError) as caught:
            vercel.make(token, **inputs, projectId="prj_none")
        assert str(caught.value).endswith(f": {missing}")
        vercel.make(token, **inputs, projectId=web)
    vercel.cloud.delete(target(PROJECT, "it"), web, {}, vercel.config)
    assert vercel.cloud.objects() == []


def test_a_project_of_another_team_is_not_found(vercel: Vercel, web: str) -> None:
    with pytest.raises(ProviderError, match="make sure both the project_id and team_id match"):
        vercel.make(VARIABLE, **variable(web, teamId="team_2"))


def test_ids_of_what_a_project_has_once_follow_from_it(vercel: Vercel, web: str) -> None:
    stages = [{"targetPercentage": 10}, {"targetPercentage": 100}]
    assert vercel.make(DOMAIN, projectId=web, domain="a.example.com")[0] == "a.example.com"
    assert vercel.make(RELEASE, projectId=web, advancementType="manual-approval", stages=stages)[0] == web
    retention, state = vercel.make(RETENTION, projectId=web)
    assert (retention, state["expirationProduction"], state["expirationPreview"]) == (f"team_1/{web}", "1y", "6m")
    assert vercel.make(FIREWALL, projectId=web)[0] == f"team_1/{web}"
    assert vercel.make(FIREWALL, projectId=web, enabled=False)[1]["enabled"] is False
    with pytest.raises(CloudError, match=f"A rolling release is already configured for project {web}"):
        vercel.make(RELEASE, projectId=web, advancementType="manual-approval", stages=stages)


def test_a_domain_belongs_to_one_project(vercel: Vercel, web: str) -> None:
    other, _ = vercel.make(PROJECT, "admin", name="admin")
    _, state = vercel.make(DOMAIN, projectId=web, domain="app.example.com")
    assert (state["verified"], state["misconfigured"]) == (True, False)
    with pytest.raises(CloudError) as caught:
        vercel.make(DOMAIN, projectId=other, domain="app.example.com")
    assert str(caught.value) == (
        "domain_already_in_use - Cannot add app.example.com since it's already assigned to another project."
    )
    old = {"projectId": web, "domain": "app.example.com"}
    assert vercel.replaced_by(DOMAIN, state, old, domain="b.example.com", redirect="c.example.com") == {
        "domain": True,
        "redirect": False,
    }


def test_a_domain_of_the_production_branch_is_refused(vercel: Vercel) -> None:
    repository = {"type": "github", "repo": "a/b", "productionBranch": "main"}
    project, _ = vercel.make(PROJECT, name="git", gitRepository=repository)
    with pytest.raises(ProviderError, match="the git_branch specified is the production branch"):
        vercel.make(DOMAIN, projectId=project, domain="a.example.com", gitBranch="main")
    vercel.make(DOMAIN, projectId=project, domain="a.example.com", gitBranch="next")


def test_a_second_variable_of_the_same_key_and_target_is_refused(vercel: Vercel, web: str) -> None:
    first, state = vercel.make(VARIABLE, **variable(web, targets=["production", "preview"]))
    with pytest.raises(CloudError) as caught:
        vercel.make(VARIABLE, "again", **variable(web, targets=["preview"]))
    assert str(caught.value) == (
        "ENV_CONFLICT - Another Environment Variable with the same Name and Environment exists in your project"
        f" (API). Remove it or choose a different Name or Environment. the conflicting environment variable ID is"
        f" team_1/{web}/{first}"
    )
    assert vercel.ids(VARIABLE) == [first]
    vercel.make(VARIABLE, "development", **variable(web, targets=["development"]))
    vercel.make(VARIABLE, "branch", **variable(web, targets=["preview"], gitBranch="next"))
    vercel.make(VARIABLE, "key", **variable(web, key="OTHER"))
    other, _ = vercel.make(PROJECT, "admin", name="admin")
    vercel.make(VARIABLE, "project", **variable(other))
    with pytest.raises(CloudError, match=r"ENV_CONFLICT .* Environment\.$"):
        vercel.change(VARIABLE, first, state, **variable(web, targets=["development"]))


def test_a_replaced_variable_must_be_deleted_first(vercel: Vercel, web: str) -> None:
    object_id, state = vercel.make(VARIABLE, **variable(web))
    assert vercel.replaced_by(VARIABLE, state, variable(web), sensitive=False) == {"sensitive": True}
    assert vercel.replaced_by(VARIABLE, state, variable(web), value="w", targets=["preview"]) == {
        "value": False,
        "targets": False,
    }
    with pytest.raises(CloudError, match="ENV_CONFLICT"):
        vercel.make(VARIABLE, **variable(web, sensitive=False))
    vercel.cloud.delete(target(VARIABLE, "it"), object_id, state, vercel.config)
    vercel.make(VARIABLE, **variable(web, sensitive=False))


def test_variables_of_a_set_collide_with_single_ones(vercel: Vercel, web: str) -> None:
    vercel.make(VARIABLE, **variable(web))
    twice = [variable(web, key="A"), variable(web, key="A")]
    for variables in ([variable(web)], twice):
        with pytest.raises(CloudError, match="ENV_CONFLICT"):
            vercel.make(VARIABLES, projectId=web, variables=_entries(variables))
    vercel.make(VARIABLES, projectId=web, variables=_entries([variable(web, key="B")]))
    with pytest.raises(NotSimulatedError, match=f"a second set of environment variables of project {web}"):
        vercel.make(VARIABLES, projectId=web, variables=_entries([variable(web, key="C")]))


def _entries(variables: list[dict[str, Value]]) -> list[dict[str, Value]]:
    return [{name: value for name, value in entry.items() if name != "projectId"} for entry in variables]


def test_a_sensitive_value_cannot_be_read_back(vercel: Vercel, web: str) -> None:
    secret, state = vercel.make(VARIABLE, **variable(web))
    plain, shown = vercel.make(VARIABLE, "plain", **variable(web, key="PLAIN", sensitive=False))
    for object_id in (secret, plain):
        vercel.cloud.drift(VARIABLE, object_id, "value", "changed")
    assert vercel.read(VARIABLE, secret, state)["value"] == "v"
    assert "value" not in vercel.read(VARIABLE, f"{web}/{secret}")
    assert vercel.read(VARIABLE, plain, shown)["value"] == "changed"
    variables = _entries([variable(web, key="A"), variable(web, key="B", sensitive=False)])
    object_id, state = vercel.make(VARIABLES, projectId=web, variables=variables)
    vercel.cloud.drift(VARIABLES, object_id, "variables[0].value", "changed")
    vercel.cloud.drift(VARIABLES, object_id, "variables[1].value", "changed")
    assert [entry["value"] for entry in vercel.read(VARIABLES, object_id, state)["variables"]] == ["v", "changed"]


def test_the_password_of_a_project_cannot_be_read_back(vercel: Vercel) -> None:
    protection = {"deploymentType": "all_deployments", "password": "p"}
    object_id, state = vercel.make(PROJECT, name="web", passwordProtection=protection)
    vercel.cloud.drift(PROJECT, object_id, "passwordProtection.password", "changed")
    assert vercel.read(PROJECT, object_id, state)["passwordProtection"] == protection
    assert vercel.read(PROJECT, object_id)["passwordProtection"] == {"deploymentType": "all_deployments"}


def test_a_custom_environment_has_a_name_of_its_own_and_must_exist(vercel: Vercel, web: str) -> None:
    environment, _ = vercel.make(ENVIRONMENT, projectId=web, name="staging")
    with pytest.raises(CloudError, match="conflict - A custom environment named staging already exists"):
        vercel.make(ENVIRONMENT, projectId=web, name="staging")
    facts = variable(web, targets=None)
    with pytest.raises(CloudError, match="not_found - Custom environment env_none was not found"):
        vercel.make(VARIABLE, **{**facts, "customEnvironmentIds": ["env_none"]})
    vercel.make(VARIABLE, **{**facts, "customEnvironmentIds": [environment]})
    with pytest.raises(CloudError, match="ENV_CONFLICT"):
        vercel.make(VARIABLE, "two", **{**facts, "customEnvironmentIds": [environment]})


def test_drains_and_webhooks_are_duplicates_and_keep_a_secret(vercel: Vercel, web: str) -> None:
    drain = {
        "name": "siem",
        "deliveryFormat": "json",
        "endpoint": "https://logs.example.com",
        "environments": ["production"],
        "sources": ["lambda"],
        "projectIds": [web],
    }
    hook = {"endpoint": "https://hook.example.com", "events": ["deployment.error"], "projectIds": [web]}
    for token, facts in ((DRAIN, drain), (WEBHOOK, hook)):
        one, state = vercel.make(token, **facts)
        two, _ = vercel.make(token, **facts)
        assert vercel.ids(token) == [one, two]
        assert len(state["secret"]) == 32
        changed = vercel.replaced_by(token, state, facts, endpoint="https://other.example.com")
        assert changed == {"endpoint": True}
        with pytest.raises(ProviderError, match="project prj_none was not found"):
            vercel.make(token, **{**facts, "projectIds": ["prj_none"]})


def test_the_secret_of_a_drain_is_what_the_state_has(vercel: Vercel, web: str) -> None:
    drain = {
        "name": "siem",
        "deliveryFormat": "json",
        "endpoint": "https://logs.example.com",
        "environments": ["production"],
        "sources": ["lambda"],
        "projectIds": [web],
        "secret": "s" * 32,
    }
    object_id, state = vercel.make(DRAIN, **drain)
    vercel.cloud.drift(DRAIN, object_id, "secret", "changed")
    assert vercel.read(DRAIN, object_id, state)["secret"] == "s" * 32
    assert vercel.read(DRAIN, object_id)["secret"] == "changed"


@pytest.mark.parametrize(
    ("token", "inputs", "failures"),
    [
        (
            VARIABLE,
            {"targets": ["prod"]},
            {"targets": "must be one of production, preview, development, got 'prod'"},
        ),
        (VARIABLE, {"targets": None}, {"targets": "at least one of targets and customEnvironmentIds must be set"}),
        (VARIABLE, {"value": None}, {"value": "exactly one of value and valueWo must be set"}),
        (VARIABLE, {"valueWo": "x"}, {"value": "exactly one of value and valueWo must be set"}),
        (VARIABLE, {"gitBranch": "next"}, {"gitBranch": "a branch can be set only for the target preview alone"}),
        (VARIABLE, {"value": UNKNOWN, "targets": UNKNOWN}, {}),
        (VARIABLE, {"comment": "c" * 1001}, {"comment": "must have 0 to 1000 characters, got 1001"}),
        (VARIABLE, {"customEnvironmentIds": []}, {"customEnvironmentIds": "must contain at least 1 element"}),
        (VARIABLE, {"valueWoVersion": 1}, {"valueWoVersion": "needs valueWo"}),
        (
            VARIABLE,
            {"value": None, "valueWo": "x", "valueWoVersion": -1},
            {"valueWoVersion": f"must be between 0 and {sys.maxsize}, got -1"},
        ),
        (VARIABLE, {"value": None, "valueWo": "x", "valueWoVersion": 0}, {}),
        (VARIABLE, {"sensitive": None}, {"sensitive": "missing required property of ProjectEnvironmentVariableArgs"}),
    ],
)
def test_the_validators_of_a_variable(
    vercel: Vercel, token: str, inputs: dict[str, Value], failures: dict[str, str]
) -> None:
    assert vercel.failures(token, **variable("prj_x", **inputs)) == failures


@pytest.mark.parametrize(
    ("token", "inputs", "failures"),
    [
        (
            PROJECT,
            {"name": "Web"},
            {"name": "must be 1 to 52 lowercase letters, digits and hyphens, without '---'"},
        ),
        (PROJECT, {"name": "web", "nmae": "x"}, {"nmae": "unknown property; ProjectArgs has name"}),
        (
            PROJECT,
            {"name": "web", "oidcTokenConfig": {"issuerMode": "mine"}},
            {"oidcTokenConfig.issuerMode": "must be one of team, global, got 'mine'"},
        ),
        (PROJECT, {"name": "web", "vercelAuthentication": {"deploymentType": "none"}}, {}),
        *((PROJECT, {"name": name}, {"name": _BAD_NAME}) for name in ("", "w" * 53, "we.b", "we_b", "we---b")),
        (PROJECT, {"name": "w" * 52, "skewProtection": "7 days", "nodeVersion": "18.x"}, {}),
        (
            PROJECT,
            {
                "name": "web",
                "skewProtection": "2 days",
                "nodeVersion": "16.x",
                "previewComments": True,
                "enablePreviewFeedback": False,
                "passwordProtection": {"deploymentType": "all_deployments", "password": ""},
                "trustedIps": {"deploymentType": "all_deployments", "protectionMode": "maybe", "addresses": []},
                "resourceConfig": {"fluid": True, "functionDefaultCpuType": "standard_legacy"},
            },
            {
                "skewProtection": "must be one of 30 minutes, 4 hours, 12 hours, 1 day, 7 days, got '2 days'",
                "nodeVersion": "must be one of 18.x, 20.x, 22.x, 24.x, got '16.x'",
                "previewComments": "cannot be set together with enablePreviewFeedback",
                "passwordProtection.password": "must have 1 to 72 characters, got 0",
                "trustedIps.protectionMode": "must be one of trusted_ip_required, trusted_ip_optional, got 'maybe'",
                "trustedIps.addresses": "must contain at least 1 element",
                "resourceConfig.functionDefaultCpuType": "fluid compute needs standard or performance",
            },
        ),
        (
            PROJECT,
            {"name": "web", "resourceConfig": {"fluid": False, "functionDefaultTimeout": 901}},
            {"resourceConfig.functionDefaultTimeout": "must be between 1 and 900, got 901"},
        ),
        (
            DOMAIN,
            {"projectId": "p", "domain": "a.example", "redirect": "b.example", "redirectStatusCode": 300},
            {"redirectStatusCode": "must be one of 301, 302, 307, 308, got 300"},
        ),
        (DOMAIN, {"projectId": "p", "domain": "a.example", "redirect": "b.example", "redirectStatusCode": 301}, {}),
        (
            DOMAIN,
            {"projectId": "p", "domain": "a.example", "gitBranch": "next", "customEnvironmentId": "env_1"},
            {"gitBranch": "cannot be set together with customEnvironmentId"},
        ),
        (
            RELEASE,
            {
                "projectId": "p",
                "advancementType": "automatic",
                "stages": [{"targetPercentage": -1, "duration": 0}, {"targetPercentage": 100}],
            },
            {
                "stages.targetPercentage": "must be between 0 and 100, got -1",
                "stages.duration": "must be between 1 and 10000, got 0",
            },
        ),
        (
            FIREWALL,
            {
                "projectId": "p",
                "ipRules": {"rules": [{"action": "drop", "hostname": "*", "ip": "192.0.2.1"}]},
                "rules": {
                    "rules": [
                        {
                            "name": "abc",
                            "description": "d" * 261,
                            "action": {"action": "drop"},
                            "conditionGroups": [{"conditions": [{"type": "colour", "op": "is", "value": "x"}]}],
                        }
                    ]
                },
            },
            {
                "ipRules.rules.action": "must be one of bypass, log, challenge, deny, got 'drop'",
                "rules.rules.action.action": (
                    "must be one of bypass, log, challenge, deny, rate_limit, redirect, got 'drop'"
                ),
                "rules.rules.conditionGroups.conditions.type": (
                    "must be one of host, path, method, header, query, cookie, target_path, ip_address, region,"
                    " protocol, scheme, environment, user_agent, geo_continent, geo_country, geo_country_region,"
                    " geo_city, geo_as_number, ja4_digest, ja3_digest, rate_limit_api_id, got 'colour'"
                ),
                "rules.rules.conditionGroups.conditions.op": (
                    "must be one of re, eq, neq, ex, nex, inc, ninc, pre, suf, sub, gt, gte, lt, lte, got 'is'"
                ),
                "rules.rules.name": "must have 4 to 160 characters, got 3",
                "rules.rules.description": "must have 0 to 260 characters, got 261",
            },
        ),
        (WEBHOOK, {"endpoint": "https://x", "events": [], "projectIds": []}, {"events": _EMPTY}),
        (
            DRAIN,
            {
                "name": "d",
                "deliveryFormat": "json",
                "endpoint": "https://x",
                "environments": ["production"],
                "sources": ["lambda"],
                "projectIds": [],
                "headers": dict.fromkeys("abcdef", "x"),
            },
            {"headers": "must contain at most 5 elements, got 6"},
        ),
        (
            ENVIRONMENT,
            {"projectId": "p", "name": "stage", "branchTracking": {"type": "equals", "pattern": ""}},
            {"branchTracking.pattern": "must have 1 to 100 characters, got 0"},
        ),
        (
            RELEASE,
            {"projectId": "p", "advancementType": "automatic", "stages": [{"targetPercentage": 50}]},
            {
                "stages": "the last stage must have a targetPercentage of 100",
                "stages[0].duration": "must be set when advancementType is automatic",
            },
        ),
        (
            RELEASE,
            {
                "projectId": "p",
                "advancementType": "manual-approval",
                "stages": [{"targetPercentage": 100, "duration": 5}, {"targetPercentage": 100}],
            },
            {
                "stages": "only the last stage can have a targetPercentage of 100",
                "stages[0].duration": "can only be set when advancementType is automatic",
            },
        ),
        (
            RELEASE,
            {"projectId": "p", "advancementType": "manual-approval", "stages": [{"targetPercentage": 100}]},
            {"stages": "two to ten stages are supported, got 1"},
        ),
        (
            RETENTION,
            {"projectId": "p", "expirationPreview": "30d"},
            {"expirationPreview": "must be one of 1d, 1w, 1m, 2m, 3m, 6m, 1y, got '30d'"},
        ),
        (
            DRAIN,
            {
                "name": "d",
                "deliveryFormat": "xml",
                "endpoint": "https://x",
                "environments": [],
                "sources": ["lambda", "db"],
                "samplingRate": 1.5,
                "secret": "short",
            },
            {
                "deliveryFormat": "must be one of json, ndjson, got 'xml'",
                "environments": "must contain at least 1 element",
                "sources": "must be one of static, edge, external, build, lambda, firewall, redirect, got 'db'",
                "samplingRate": "must be between 0 and 1, got 1.5",
                "secret": "must have at least 32 characters",
            },
        ),
        (
            ENVIRONMENT,
            {"projectId": "p", "name": "Stage", "branchTracking": {"type": "like", "pattern": "x"}},
            {
                "name": "must be 1 to 32 lowercase letters, digits and hyphens",
                "branchTracking.type": "must be one of startsWith, endsWith, equals, got 'like'",
            },
        ),
        (
            VARIABLES,
            {"projectId": "p", "variables": [{"key": "A", "value": "v", "sensitive": True}]},
            {"variables[0].targets": "at least one of targets and customEnvironmentIds must be set"},
        ),
    ],
)
def test_other_validators(vercel: Vercel, token: str, inputs: dict[str, Value], failures: dict[str, str]) -> None:
    assert vercel.failures(token, **inputs) == failures


def test_mocks_answer_as_the_cloud_does() -> None:
    import pulumi
    import pulumiverse_vercel as sdk

    mocks = boot()
    seen: dict[str, object] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> pulumi.Output[None]:
        provider = sdk.Provider("vercel", team="team_1", api_token=pulumi.Output.secret("t"))
        opts = pulumi.ResourceOptions(provider=provider)
        web = sdk.Project("web", name="web", opts=opts)
        drain = sdk.Webhook("hook", endpoint="https://x", events=["deployment.error"], project_ids=[web.id], opts=opts)
        facts = (web.id, web.team_id, web.git_fork_protection, drain.secret.is_secret())
        return pulumi.Output.all(*facts).apply(lambda found: seen.update(found=found))

    program()
    assert seen["found"] == [mocks.one(PROJECT).id, "team_1", True, True]
    assert mocks.one(PROJECT).id.startswith("prj_")


def test_mocks_refuse_what_the_validators_refuse() -> None:
    import pulumi
    import pulumiverse_vercel as sdk

    boot()

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        sdk.ProjectDeploymentRetention("kept", project_id="prj_x", expiration_preview="30d")

    with pytest.raises(ValueError, match=r"kept: expirationPreview: must be one of 1d, 1w"):
        program()


def test_an_import_takes_what_the_provider_takes(vercel: Vercel, web: str) -> None:
    vercel.make(DOMAIN, projectId=web, domain="a.example.com")
    assert vercel.read(DOMAIN, f"{web}/a.example.com")["domain"] == "a.example.com"
    assert vercel.read(PROJECT, web)["name"] == "web"
    variable_id, _ = vercel.make(VARIABLE, **variable(web))
    assert vercel.read(VARIABLE, f"{web}/{variable_id}")["key"] == "API"
    with pytest.raises(ProviderError, match=f"'{variable_id}' is the id in the state, not an import id"):
        vercel.read(VARIABLE, variable_id)
    vercel.make(ENVIRONMENT, projectId=web, name="staging")
    assert vercel.read(ENVIRONMENT, f"{web}/staging")["name"] == "staging"
    hook, _ = vercel.make(WEBHOOK, endpoint="https://hook.example.com", events=["deployment.error"])
    for token, object_id in ((VARIABLES, web), (WEBHOOK, hook)):
        with pytest.raises(ProviderError, match="cannot be imported"):
            vercel.read(token, object_id)
