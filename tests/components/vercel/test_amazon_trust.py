"""AWS trusts production deployments of one Vercel project, and gives them what a function outside can use."""

from __future__ import annotations

import functools
import json
from typing import Any

from tests.components.program import Built, Document, build
from tests.components.web.amazon import ACCOUNT, HOME, image, on_aws

ROLE = "aws:iam/role:Role"
RIGHTS = "aws:iam/rolePolicy:RolePolicy"
ISSUER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
WEB = f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-web"


def with_vercel(document: Document) -> None:
    on_aws(document)
    document["vercel"] = {"team": "ledgerly", "team_id": "team_a1B2c3D4e5F6", "project": "ledgerly-dev"}
    document["services"] = {
        "gateway": {
            "image": image("gateway", "a"),
            "host": "api.ledgerly.example",
            "zone": "Z0123456789ABC",
            "memory_mb": 2048,
        }
    }
    document["queues"] = {"imports": {"service": "gateway"}}


@functools.cache
def full() -> Built:
    return build("dev", with_vercel)


def statements(policy: str) -> dict[str, dict[str, Any]]:
    return {each.get("Sid", ""): each for each in json.loads(policy)["Statement"]}


def test_the_issuer_is_the_team_s() -> None:
    issuer = full().inputs(ISSUER, "web-issuer")
    assert (issuer["url"], issuer["clientIdLists"]) == (
        "https://oidc.vercel.com/ledgerly",
        ["https://vercel.com/ledgerly"],
    )
    assert "thumbprintLists" not in issuer


def test_only_this_project_in_production_becomes_the_role() -> None:
    role = full().inputs(ROLE, "role-web")
    assert role["name"] == "ledgerly-dev-web"
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/ledgerly"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    "oidc.vercel.com/ledgerly:aud": "https://vercel.com/ledgerly",
                    "oidc.vercel.com/ledgerly:sub": "owner:ledgerly:project:ledgerly-dev:environment:production",
                }
            },
        }
    ]
    assert "web-issuer" in full().waits_for(ROLE, "role-web")


def test_it_reads_the_registry_and_guests_urls_and_no_private_database_s() -> None:
    run = full()
    rights = statements(run.inputs(RIGHTS, "role-web-rights")["policy"])
    assert sorted(rights) == [
        "DecryptRegistry",
        "DecryptSecrets",
        "EncryptMessages",
        "ListRegistry",
        "Publish",
        "ReadGuestUrls",
        "ReadRegistry",
        "TakeFilesRole",
    ]
    urls = rights["ReadGuestUrls"]
    assert urls["Action"] == "secretsmanager:GetSecretValue"
    assert urls["Resource"] == f"arn:aws:secretsmanager:{HOME}:{ACCOUNT}:secret:tenant-*-database-url-??????"
    assert urls["Condition"] == {"StringEquals": {"secretsmanager:ResourceTag/kind": "external"}}
    secrets = run.of("aws:secretsmanager/secret:Secret")
    assert {name for name, item in secrets.items() if item.inputs["tags"].get("kind") == "external"} == {
        "dune-database-url"
    }
    assert rights["Publish"]["Resource"] == [f"arn:aws:sqs:{HOME}:{ACCOUNT}:ledgerly-dev-imports"]


def test_secrets_that_are_not_its_business_refuse_it() -> None:
    run = full()
    refused = {
        name.removesuffix("-policy")
        for name, item in run.of(SECRET_POLICY).items()
        if WEB in json.loads(item.inputs["policy"])["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    }
    every = {name.removesuffix("-policy") for name in run.of(SECRET_POLICY)}
    assert every - refused == {"dune-database-url"}
    assert {"acme-database-url", "acme-credential", "app-jwt-secret"} <= refused


def test_files_are_reached_through_the_tenant_s_session() -> None:
    trust = json.loads(full().inputs(ROLE, "role-files")["assumeRolePolicy"])["Statement"][0]
    assert WEB in trust["Condition"]["ArnEquals"]["aws:PrincipalArn"]


def test_wiring() -> None:
    found = {item.inputs["key"]: item.inputs for item in full().of(VARIABLE).values() if not item.inputs["sensitive"]}
    assert {key: item["value"] for key, item in found.items()} == {
        "TENANTRY_CLOUD": "aws",
        "TENANTRY_ENVIRONMENT": "dev",
        "TENANTRY_REGION": HOME,
        "TENANTRY_REGISTRY": "ledgerly-dev-registry",
        "TENANTRY_GATEWAY_URL": "https://api.ledgerly.example",
        "TENANTRY_AWS_FILES_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-files",
        "TENANTRY_AWS_REGION": HOME,
        "TENANTRY_AWS_ROLE_ARN": WEB,
        "TENANTRY_QUEUE_IMPORTS": f"https://sqs.{HOME}.amazonaws.com/{ACCOUNT}/ledgerly-dev-imports",
    }
    # Vercel keeps the names that begin with AWS_ for itself
    assert not any(key.startswith("AWS_") for key in found)
    assert {tuple(item["targets"]) for item in found.values()} == {("production",)}


def test_without_vercel_nobody_is_trusted() -> None:
    def edit(document: Document) -> None:
        with_vercel(document)
        del document["vercel"]

    run = build("dev", edit)
    assert run.of(ISSUER) == {}
    assert "role-web" not in run.of(ROLE)
    assert not any("role/ledgerly-dev-web" in json.dumps(item.inputs) for item in run.resources)
