"""Literal ARNs of what the environment itself makes, so that policies which name them can be judged in a preview."""

from __future__ import annotations

from typing import Final

from settings.names import app_secret
from settings.plan import EnvironmentPlan

GLOBAL_REGION: Final = "us-east-1"
"""Where Route 53 and CloudFront are run from and report their metrics, whatever the home region is."""


def prefix(environment: EnvironmentPlan) -> str:
    """What every name of the environment begins with."""
    return f"{environment.organization}-{environment.name}"


def _arn(environment: EnvironmentPlan, service: str, resource: str, region: str | None = None) -> str:
    return f"arn:aws:{service}:{region or environment.aws.region}:{environment.aws.account_id}:{resource}"


def account_root(environment: EnvironmentPlan) -> str:
    """The account as a principal: whoever its own IAM policies allow."""
    return f"arn:aws:iam::{environment.aws.account_id}:root"


def role_name(environment: EnvironmentPlan, role: str) -> str:
    return f"{prefix(environment)}-{role}"


def role_arn(environment: EnvironmentPlan, role: str) -> str:
    return f"arn:aws:iam::{environment.aws.account_id}:role/{role_name(environment, role)}"


def bucket_arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def key_alias(environment: EnvironmentPlan, use: str) -> str:
    """A key's alias: the same in every region."""
    return f"alias/{prefix(environment)}-{use}"


def keys_arn(environment: EnvironmentPlan, region: str) -> str:
    """Every key of a region: AWS gives out key ids, so a policy tells keys apart by their alias."""
    return _arn(environment, "kms", "key/*", region)


def log_group_name(environment: EnvironmentPlan, group: str) -> str:
    return f"/tenantry/{environment.name}/{group}"


def log_group_arn(environment: EnvironmentPlan, name: str, region: str | None = None) -> str:
    return _arn(environment, "logs", f"log-group:{name}", region)


def app_secret_name(key: str) -> str:
    """An application secret's name, with an end of its own.

    AWS adds a hyphen and six characters to the ARN, and takes an ARN without them; not so where the name itself ends
    like that, as app-jwt-secret does (Secrets Manager, names of secrets).
    """
    return f"{app_secret(key)}-value"


def app_secret_arn(environment: EnvironmentPlan, key: str) -> str:
    """An application secret's ARN without the characters that AWS adds: a literal, which GetSecretValue takes."""
    return _arn(environment, "secretsmanager", f"secret:{app_secret_name(key)}")


def secret_arn(environment: EnvironmentPlan, name: str) -> str:
    """A secret's ARN as a pattern: Secrets Manager adds a hyphen and six characters to the name."""
    return _arn(environment, "secretsmanager", f"secret:{name}-??????")


def cluster_name(environment: EnvironmentPlan) -> str:
    return prefix(environment)


def cluster_arn(environment: EnvironmentPlan) -> str:
    return _arn(environment, "ecs", f"cluster/{cluster_name(environment)}")


def task_arns(environment: EnvironmentPlan) -> str:
    """Every running task of the cluster, as a pattern."""
    return _arn(environment, "ecs", f"task/{cluster_name(environment)}/*")


def task_family(environment: EnvironmentPlan, task: str) -> str:
    return f"{prefix(environment)}-{task}"


def task_definition_arn(environment: EnvironmentPlan, task: str) -> str:
    """A family of task definitions without a revision, which stands for the newest; `*` for all of them."""
    return _arn(environment, "ecs", f"task-definition/{task_family(environment, task)}")


def database_arn(environment: EnvironmentPlan, identifier: str) -> str:
    return _arn(environment, "rds", f"db:{identifier}")


def database_user_arn(environment: EnvironmentPlan, user: str) -> str:
    """A database user on every instance: the instance's resource id exists only once it does."""
    return _arn(environment, "rds-db", f"dbuser:*/{user}")


def master_secrets_arn(environment: EnvironmentPlan) -> str:
    """The secrets in which RDS keeps the master passwords it manages, as a pattern."""
    return _arn(environment, "secretsmanager", "secret:rds!db-*")
