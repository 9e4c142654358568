"""The dev stack moved to an AWS account: a small environment for tests of what is served from there."""

from __future__ import annotations

from tests.components.program import Document

ACCOUNT, HOME, AWAY = "415500388103", "eu-central-1", "eu-west-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{HOME}.amazonaws.com"


def image(name: str, digit: str) -> str:
    """An image by its digest, which is one digit over and over."""
    return f"{REGISTRY}/{name}@sha256:{digit * 64}"


def on_aws(document: Document) -> None:
    """Change the dev stack's sections in place."""
    del document["gcp"]
    document["aws"] = {
        "account_id": ACCOUNT,
        "region": HOME,
        "backup_region": AWAY,
        "jobs_image": image("jobs", "0"),
    }
    document["plans"] = {"standard": {"pool": "general"}}
    document["pools"] = {"general": {"capacity": 20, "tier": "db.t4g.medium"}}
    document["tenants"] = [{"id": "acme"}, {"id": "dune", "kind": "external", "external": {"provider": "neon"}}]
    document["external_secrets"] = {"DUNE_DATABASE_URL": "postgres://u:p@db.example/dune?sslmode=verify-full"}
