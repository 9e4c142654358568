"""Who a Vercel function is to a cloud that is asked to trust it.

Vercel signs a token for each deployment; its claims name the team, the project and the environment. A cloud that trusts
the team's issuer exchanges it for credentials of an hour at most, so no cloud key is stored in Vercel (R5.4).
Source: Vercel, OpenID Connect federation reference (issuer mode `team`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from settings.models import VercelSettings

ENVIRONMENT: Final = "production"
"""The one Vercel environment that is trusted: a preview runs whatever a pull request brings."""


@dataclass(frozen=True)
class VercelIdentity:
    """The claims of the tokens that the project's production deployments get."""

    settings: VercelSettings

    @property
    def issuer_host(self) -> str:
        """Issuer without its scheme, as AWS names a provider."""
        return f"oidc.vercel.com/{self.settings.team}"

    @property
    def issuer(self) -> str:
        return f"https://{self.issuer_host}"

    @property
    def audience(self) -> str:
        return f"https://vercel.com/{self.settings.team}"

    @property
    def subject(self) -> str:
        return f"owner:{self.settings.team}:project:{self.settings.project}:environment:{ENVIRONMENT}"
