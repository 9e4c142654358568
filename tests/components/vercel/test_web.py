"""The web application on Vercel, value by value: the project, its variables by target, and who trusts it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import pytest

from tests.components.program import Built, Document, build, external_value

PROJECT = "vercel:index/project:Project"
DOMAIN = "vercel:index/projectDomain:ProjectDomain"
VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
DRAIN = "vercel:index/logDrain:LogDrain"
POOL = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
TRUST = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
IMPERSONATION = "gcp:serviceaccount/iAMMember:IAMMember"

DRAIN_SECRET = "LOG_DRAIN_SIGNING_SECRET"
TEAM = "team_a1B2c3D4e5F6"
POOL_ID = "vercel-" + hashlib.sha256(f"{TEAM}/ledgerly-prod".encode()).hexdigest()[:10]
SUBJECT = "owner:ledgerly:project:ledgerly-prod:environment:production"
WEB = "tenantry-web@ledgerly-prod.iam.gserviceaccount.com"


def with_vercel(document: Document, **more: object) -> None:
    document["vercel"] = {"team": "ledgerly", "team_id": TEAM, "project": "ledgerly-prod", **more}
    image = f"europe-docker.pkg.dev/images/ledgerly/gateway@sha256:{'a' * 64}"
    document["services"] = {"gateway": {"image": image, "host": "api.ledgerly.example"}}


@functools.cache
def plain() -> Built:
    """The least that a Vercel section says."""
    return build("prod", with_vercel)


@functools.cache
def full() -> Built:
    def edit(document: Document) -> None:
        with_vercel(
            document,
            framework="remix",
            repository="ledgerly/web",
            production_branch="release",
            root_directory="apps/web",
            protection="all",
            domains=[
                {"name": "www.ledgerly.example", "redirect": "app.ledgerly.example"},
                {"name": "app.ledgerly.example"},
                {"name": "next.ledgerly.example", "branch": "next"},
            ],
            variables={"production": {"FEATURES": "all"}, "development": {"FEATURES": "none", "API": "local"}},
            secrets={"production": {"JWT": "JWT_SECRET"}, "preview": {"JWT": "JWT_REFRESH_SECRET"}},
            log_drain={"endpoint": "https://logs.ledgerly.example/vercel", "format": "json", "secret": DRAIN_SECRET},
        )
        document["secrets"]["external"].append(DRAIN_SECRET)
        document["external_secrets"][DRAIN_SECRET] = external_value(DRAIN_SECRET)

    return build("prod", edit)


def variables(run: Built, target: str) -> dict[str, dict[str, Any]]:
    return {
        item.inputs["key"]: {"sensitive": item.inputs["sensitive"], "value": item.inputs["value"]}
        for item in run.of(VARIABLE).values()
        if item.inputs["targets"] == [target]
    }


def test_the_least_project() -> None:
    assert plain().inputs(PROJECT, "web") == {
        "name": "ledgerly-prod",
        "teamId": TEAM,
        "framework": "nextjs",
        "vercelAuthentication": {"deploymentType": "standard_protection_new"},
        "oidcTokenConfig": {"issuerMode": "team"},
        "gitForkProtection": True,
        "protectedSourcemaps": True,
        "skewProtection": "12 hours",
        "automaticallyExposeSystemEnvironmentVariables": True,
    }
    assert plain().of(DOMAIN) == {}
    assert plain().of(DRAIN) == {}


def test_a_project_with_everything() -> None:
    project = full().inputs(PROJECT, "web")
    assert project["framework"] == "remix"
    assert project["rootDirectory"] == "apps/web"
    assert project["gitRepository"] == {"type": "github", "repo": "ledgerly/web", "productionBranch": "release"}
    assert project["vercelAuthentication"] == {"deploymentType": "all_deployments"}


@pytest.mark.parametrize(
    ("protection", "deployment_type"),
    [
        ("standard", "standard_protection_new"),
        ("all", "all_deployments"),
        ("previews", "only_preview_deployments"),
        ("none", "none"),
    ],
)
def test_protection(protection: str, deployment_type: str) -> None:
    from components.vercel.project import _PROTECTION

    assert _PROTECTION[protection] == deployment_type  # type: ignore[index]


def test_domains() -> None:
    run = full()
    project = run.of(PROJECT)["web"].id
    common = {"projectId": project, "teamId": TEAM}
    assert {name: item.inputs for name, item in run.of(DOMAIN).items()} == {
        "web-app.ledgerly.example": {**common, "domain": "app.ledgerly.example"},
        "web-next.ledgerly.example": {**common, "domain": "next.ledgerly.example", "gitBranch": "next"},
        "web-www.ledgerly.example": {
            **common,
            "domain": "www.ledgerly.example",
            "redirect": "app.ledgerly.example",
            "redirectStatusCode": 308,
        },
    }
    assert "web-app.ledgerly.example" in run.waits_for(DOMAIN, "web-www.ledgerly.example")


def test_wiring_is_production_s_alone_and_holds_no_key() -> None:
    found = variables(plain(), "production")
    wiring = {key: item["value"] for key, item in found.items() if not item["sensitive"]}
    assert wiring == {
        "TENANTRY_CLOUD": "gcp",
        "TENANTRY_ENVIRONMENT": "prod",
        "TENANTRY_REGION": "europe-west1",
        "TENANTRY_REGISTRY": "ledgerly-prod-registry",
        "TENANTRY_GATEWAY_URL": "https://api.ledgerly.example",
        "GCP_PROJECT_ID": "ledgerly-prod",
        "GCP_PROJECT_NUMBER": plain().inputs(IMPERSONATION, "web-impersonation")["member"].split("/")[4],
        "GCP_SERVICE_ACCOUNT_EMAIL": WEB,
        "GCP_WORKLOAD_IDENTITY_POOL_ID": POOL_ID,
        "GCP_WORKLOAD_IDENTITY_POOL_PROVIDER_ID": "vercel",
    }
    assert variables(plain(), "preview") == {}
    assert variables(plain(), "development") == {}
    assert plain().of("gcp:serviceaccount/key:Key") == {}


def test_every_application_secret_is_on_production_by_default_and_no_channel_s_token() -> None:
    run = plain()
    sensitive = {key: item["value"] for key, item in variables(run, "production").items() if item["sensitive"]}
    made = run.of("random:index/randomPassword:RandomPassword")
    generated = {
        "JWT_SECRET": made["app-jwt-secret"].outputs["result"],
        "JWT_REFRESH_SECRET": made["app-jwt-refresh-secret"].outputs["result"],
        "NEXTAUTH_SECRET": made["app-nextauth-secret"].outputs["result"],
    }
    issued = {key: external_value(key) for key in ("LOGROCKET_APP_ID", "SENTRY_DSN", "SMTP_PASSWORD")}
    assert sensitive == {**generated, **issued}


def test_chosen_secrets_differ_by_target_and_never_reach_development() -> None:
    run = full()
    assert {key for key, item in variables(run, "production").items() if item["sensitive"]} == {"JWT"}
    preview, production = variables(run, "preview"), variables(run, "production")
    assert preview["JWT"]["value"] != production["JWT"]["value"]
    assert variables(run, "development") == {
        "API": {"sensitive": False, "value": "local"},
        "FEATURES": {"sensitive": False, "value": "none"},
    }
    assert production["FEATURES"] == {"sensitive": False, "value": "all"}


def test_every_variable_has_one_target_and_secrets_travel_as_secrets() -> None:
    for run in (plain(), full()):
        found = run.of(VARIABLE)
        assert found
        for name, item in found.items():
            assert len(item.inputs["targets"]) == 1, name
            assert name == f"web-{item.inputs['targets'][0]}-{item.inputs['key']}"
            assert item.secret_inputs == {"value"}
            assert item.inputs["projectId"] == run.of(PROJECT)["web"].id


def test_log_drain() -> None:
    run = full()
    drain = run.of(DRAIN)["web-logs"]
    assert drain.inputs == {
        "name": "tenantry-ledgerly-prod",
        "teamId": TEAM,
        "projectIds": [run.of(PROJECT)["web"].id],
        "environments": ["preview", "production"],
        "sources": ["build", "edge", "external", "firewall", "lambda", "redirect", "static"],
        "deliveryFormat": "json",
        "endpoint": "https://logs.ledgerly.example/vercel",
        "secret": external_value(DRAIN_SECRET),
    }
    assert drain.secret_inputs == {"secret"}


def test_google_trusts_production_deployments_of_this_project_alone() -> None:
    run = plain()
    assert run.inputs(POOL, "web-pool")["workloadIdentityPoolId"] == POOL_ID
    trust = run.inputs(TRUST, "web-pool-provider")
    assert trust["oidc"] == {
        "issuerUri": "https://oidc.vercel.com/ledgerly",
        "allowedAudiences": ["https://vercel.com/ledgerly"],
    }
    assert trust["attributeMapping"] == {"google.subject": "assertion.sub"}
    assert trust["attributeCondition"] == (
        f'assertion.owner_id == "{TEAM}" && assertion.project == "ledgerly-prod"'
        ' && assertion.environment == "production"'
    )
    grant = run.inputs(IMPERSONATION, "web-impersonation")
    number = grant["member"].split("/")[4]
    assert grant == {
        "serviceAccountId": f"projects/ledgerly-prod/serviceAccounts/{WEB}",
        "role": "roles/iam.workloadIdentityUser",
        "member": (
            f"principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{POOL_ID}"
            f"/subject/{SUBJECT}"
        ),
    }


def test_the_web_account_reads_the_registry_and_tenants_files_and_no_database_url() -> None:
    run = plain()
    holders = {
        item.name
        for item in run.resources
        if f"serviceAccount:{WEB}" in (item.inputs.get("member"), *item.inputs.get("members", ()))
    }
    assert "registry-read-web" in holders
    assert {name for name in holders if "url" in name or "credential" in name or name.startswith("grant-")} == set()
    assert {name for name in holders if not name.endswith(("-files-users", "-uploads-users"))} == {"registry-read-web"}


def test_an_environment_without_vercel_has_no_such_identity() -> None:
    from tests.components.program import built

    run = built("prod")
    assert run.of(POOL) == {}
    assert "account-web" not in run.of("gcp:serviceaccount/account:Account")
    assert "registry-read-web" not in run.of("gcp:storage/bucketIAMMember:BucketIAMMember")


def test_the_web_account_works_for_tenants_whose_databases_are_no_private_ones() -> None:
    def edit(document: Document) -> None:
        with_vercel(document)
        document["tenants"] += [
            {"id": "dune", "kind": "external", "external": {"provider": "neon"}},
            {"id": "ember", "kind": "firestore"},
        ]
        document["external_secrets"] = {"DUNE_DATABASE_URL": "postgres://u:p@db.example/dune?sslmode=verify-full"}

    run = build("dev", edit)
    web = "serviceAccount:tenantry-web@ledgerly-dev.iam.gserviceaccount.com"
    readers = run.inputs("gcp:secretmanager/secretIamBinding:SecretIamBinding", "dune-database-url-readers")["members"]
    assert web in readers
    users = run.inputs("gcp:serviceaccount/iAMBinding:IAMBinding", "ember-account-users")["members"]
    assert web in users
