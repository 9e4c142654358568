"""Google Cloud trusts the Vercel project: its production deployments become the workload `web`, without a key."""

from __future__ import annotations

import hashlib
from typing import Final

import pulumi
import pulumi_gcp as gcp

from components.gcp.platform import Platform
from components.guard import Guard
from components.vercel.trust import ENVIRONMENT, VercelIdentity
from settings.models import VercelSettings
from settings.plan import GcpPlan

PROVIDER: Final = "vercel"


def pool_id(settings: VercelSettings) -> str:
    """Id of the pool: another team or project is another pool, never a new tenant of an old one.

    Google keeps the id of a deleted pool for 30 days, in which the pool can be undeleted but not created.
    """
    trusted = f"{settings.team_id}/{settings.project}"
    return f"vercel-{hashlib.sha256(trusted.encode()).hexdigest()[:10]}"


def trust_vercel(
    name: str, settings: VercelSettings, plan: GcpPlan, platform: Platform, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, str]:
    """Create the trust and return the variables, none of them secret, with which a function makes use of it.

    The condition stands on the provider: a token of another project, of a preview, or of a team that took over the
    slug later is refused before any grant is looked at. The account's grant names the same subject once more.
    """
    identity, account, pool = VercelIdentity(settings), platform.accounts["web"], pool_id(settings)
    created = gcp.iam.WorkloadIdentityPool(
        f"{name}-pool",
        project=plan.project,
        workload_identity_pool_id=pool,
        display_name="Vercel",
        description=f"Deployments of the Vercel project {settings.project}",
        disabled=False,
        opts=guard.retrying(parent, depends_on=platform.ready("iam.googleapis.com", "sts.googleapis.com")),
    )
    gcp.iam.WorkloadIdentityPoolProvider(
        f"{name}-pool-provider",
        project=plan.project,
        workload_identity_pool_id=created.workload_identity_pool_id,
        workload_identity_pool_provider_id=PROVIDER,
        display_name="Vercel",
        disabled=False,
        attribute_mapping={"google.subject": "assertion.sub"},
        attribute_condition=(
            f'assertion.owner_id == "{settings.team_id}" && assertion.project == "{settings.project}"'
            f' && assertion.environment == "{ENVIRONMENT}"'
        ),
        oidc={"issuer_uri": identity.issuer, "allowed_audiences": [identity.audience]},
        opts=guard.retrying(parent),
    )
    gcp.serviceaccount.IAMMember(
        f"{name}-impersonation",
        service_account_id=f"projects/{plan.project}/serviceAccounts/{account.email}",
        role="roles/iam.workloadIdentityUser",
        member=(
            f"principal://iam.googleapis.com/projects/{plan.project_number}/locations/global/"
            f"workloadIdentityPools/{pool}/subject/{identity.subject}"
        ),
        opts=guard.retrying(parent, depends_on=[created, account.resource]),
    )
    return {
        "GCP_PROJECT_ID": plan.project,
        "GCP_PROJECT_NUMBER": plan.project_number,
        "GCP_SERVICE_ACCOUNT_EMAIL": account.email,
        "GCP_WORKLOAD_IDENTITY_POOL_ID": pool,
        "GCP_WORKLOAD_IDENTITY_POOL_PROVIDER_ID": PROVIDER,
    }
