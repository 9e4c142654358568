"""A project on Vercel: who may open it, where it answers, what it knows, where its logs go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumiverse_vercel as vercel

from settings.models import LogDrainSettings, VercelDomain, VercelSettings
from settings.types import VercelProtection, VercelTarget

# Vercel's own names of what `vercel.protection` offers (API, ssoProtection.deploymentType).
_PROTECTION: Final[Mapping[VercelProtection, str]] = {
    "standard": "standard_protection_new",
    "all": "all_deployments",
    "previews": "only_preview_deployments",
    "none": "none",
}
SKEW_PROTECTION: Final = "12 hours"
"""How long a browser that has loaded a deployment keeps being served by it after the next one went live."""
_LOG_SOURCES: Final = ("build", "edge", "external", "firewall", "lambda", "redirect", "static")
_PERMANENT_REDIRECT: Final = 308


def create_project(name: str, settings: VercelSettings, *, parent: pulumi.Resource) -> vercel.Project:
    """Create the project, without domains and variables."""
    return vercel.Project(
        name,
        name=settings.project,
        team_id=settings.team_id,
        framework=settings.framework,
        root_directory=settings.root_directory,
        git_repository=None
        if settings.repository is None
        else {
            "type": settings.repository_host,
            "repo": settings.repository,
            "production_branch": settings.production_branch,
        },
        vercel_authentication={"deployment_type": _PROTECTION[settings.protection]},
        oidc_token_config={"issuer_mode": "team"},
        # a fork's pull request would be built with the preview's variables
        git_fork_protection=True,
        protected_sourcemaps=True,
        skew_protection=SKEW_PROTECTION,
        automatically_expose_system_environment_variables=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def create_domains(
    name: str, settings: VercelSettings, project: vercel.Project, *, parent: pulumi.Resource
) -> dict[str, vercel.ProjectDomain]:
    """Attach the domains; one that redirects comes after the one it redirects to."""
    made: dict[str, vercel.ProjectDomain] = {}

    def attach(domain: VercelDomain) -> None:
        target = made.get(domain.redirect or "")
        made[domain.name] = vercel.ProjectDomain(
            f"{name}-{domain.name}",
            project_id=project.id,
            team_id=settings.team_id,
            domain=domain.name,
            git_branch=domain.branch,
            redirect=domain.redirect,
            redirect_status_code=None if domain.redirect is None else _PERMANENT_REDIRECT,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[] if target is None else [target]),
        )

    for domain in sorted(settings.domains, key=lambda each: (each.redirect is not None, each.name)):
        attach(domain)
    return made


def create_variable(
    name: str,
    *,
    settings: VercelSettings,
    project: vercel.Project,
    key: str,
    target: VercelTarget,
    value: pulumi.Input[str],
    sensitive: bool,
    comment: str,
    parent: pulumi.Resource,
) -> vercel.ProjectEnvironmentVariable:
    """Set a variable for one target alone, so that a value of production is never a preview's too.

    Vercel refuses a second variable of the same name and target, so a replaced one goes before the new one comes: a
    deployment in that second would lack it. A deployment keeps the values that it was made with, old ones included.
    """
    return vercel.ProjectEnvironmentVariable(
        name,
        project_id=project.id,
        team_id=settings.team_id,
        key=key,
        value=value,
        targets=[target],
        sensitive=sensitive,
        comment=comment,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )


def create_log_drain(
    name: str,
    settings: VercelSettings,
    drain: LogDrainSettings,
    project: vercel.Project,
    *,
    external: Mapping[str, pulumi.Output[str]],
    parent: pulumi.Resource,
) -> vercel.LogDrain:
    """Send all logs of production and previews; the endpoint must answer Vercel's verification request by then."""
    return vercel.LogDrain(
        name,
        name=f"tenantry-{settings.project}",
        team_id=settings.team_id,
        project_ids=[project.id],
        environments=["preview", "production"],
        sources=list(_LOG_SOURCES),
        delivery_format=drain.format,
        endpoint=drain.endpoint,
        secret=None if drain.secret is None else external[drain.secret],
        opts=pulumi.ResourceOptions(parent=parent),
    )
