"""AWS trusts the Vercel project: its production deployments become the role `web`, without a key."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws import naming
from components.aws.policy_document import Statement, allow, document, use_key
from components.aws.queue_names import queue_arn
from components.aws.roles import FILES, WEB, create_role, read_registry, take_files_role
from components.aws.tenant_external import KIND_TAG
from components.guard import Guard
from components.vercel.trust import VercelIdentity
from settings.models import VercelSettings
from settings.plan import EnvironmentPlan


def trust_vercel(
    name: str, settings: VercelSettings, environment: EnvironmentPlan, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, str]:
    """Create the trust and return the variables, none of them secret, with which a function makes use of it.

    AWS checks the issuer by its own list of authorities, so no thumbprint is kept here.
    """
    identity = VercelIdentity(settings)
    provider = aws.iam.OpenIdConnectProvider(
        f"{name}-issuer",
        url=identity.issuer,
        client_id_lists=[identity.audience],
        opts=guard.retrying(parent),
    )
    create_role(
        environment,
        WEB,
        description=f"The Vercel project {settings.project} in production",
        trust=_trust(identity, environment),
        statements=_rights(environment),
        parent=parent,
        depends_on=[provider],
    )
    return {
        "TENANTRY_AWS_FILES_ROLE_ARN": naming.role_arn(environment, FILES),
        "TENANTRY_AWS_REGION": environment.aws.region,
        "TENANTRY_AWS_ROLE_ARN": naming.role_arn(environment, WEB),
    }


def _trust(identity: VercelIdentity, environment: EnvironmentPlan) -> str:
    """Tokens of this team's issuer, for this audience, of this project's production deployments: no pattern at all."""
    host = identity.issuer_host
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{environment.aws.account_id}:oidc-provider/{host}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{host}:aud": identity.audience, f"{host}:sub": identity.subject}},
            }
        ]
    )


def _rights(environment: EnvironmentPlan) -> list[Statement]:
    """Registry, URLs of guest databases, one tenant's files at a time, queues; no private database's URL.

    A tag and not a list of tenants: a role's policies hold ten thousand characters.
    """
    statements = [
        *read_registry(environment),
        allow(
            "ReadGuestUrls",
            "secretsmanager:GetSecretValue",
            naming.secret_arn(environment, "tenant-*-database-url"),
            {"StringEquals": {f"secretsmanager:ResourceTag/{KIND_TAG}": "external"}},
        ),
        use_key(environment, "secrets", environment.aws.region, "secretsmanager", sid="DecryptSecrets"),
        take_files_role(environment),
    ]
    if environment.home == "aws" and environment.queues:
        statements.append(
            allow("Publish", "sqs:SendMessage", [queue_arn(environment, queue) for queue in sorted(environment.queues)])
        )
        statements.append(
            use_key(environment, "storage", environment.aws.region, "sqs", sid="EncryptMessages", encrypt=True)
        )
    return statements
