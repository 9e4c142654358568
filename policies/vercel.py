"""Vercel: secrets that nobody can read back, each environment's own, no cloud keys, no open deployments (R5, R8.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.frame import expect
from policies.frame.names import holds_cloud_key, looks_like_cloud_key, looks_secret
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, ResourceRule, Severity
from policies.frame.values import ABSENT, UNKNOWN, Missing, read

PROJECT = "vercel:index/project:Project"
VARIABLE = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
VARIABLES = "vercel:index/projectEnvironmentVariables:ProjectEnvironmentVariables"
SHARED_VARIABLE = "vercel:index/sharedEnvironmentVariable:SharedEnvironmentVariable"

_VARIABLE_TOKENS = (PROJECT, VARIABLE, VARIABLES, SHARED_VARIABLE)
_LISTS = {PROJECT: "environments", VARIABLES: "variables"}
_PROTECTED = ("all_deployments", "only_preview_deployments", "standard_protection", "standard_protection_new")


def _variables(resource: Resource) -> Iterator[tuple[str, Any]]:
    """The variables that a resource holds, each with how a message speaks of it; an unknown list is one unknown."""
    path = _LISTS.get(resource.token)
    if path is None:
        yield "", resource.props
        return
    listed = resource.items(path)
    if listed is UNKNOWN:
        yield f"{path}: ", UNKNOWN
    elif listed is not ABSENT:
        for position, variable in enumerate(listed):
            yield f"{path}[{position}]: ", variable


def _secrets(resource: Resource) -> Iterator[tuple[str, Any]]:
    """Those of them that hold a secret, by their name or because they say so; an unknown name might."""
    for place, variable in _variables(resource):
        key = read(variable, "key")
        if not isinstance(key, str) or looks_secret(key) or read(variable, "visibility") == "secret":
            yield place, variable


def _sensitive(resource: Resource, _: Config) -> Iterator[str]:
    for place, variable in _secrets(resource):
        for message in expect.equals(variable, "sensitive", wanted=True):
            yield f"{place}the name says secret and {message}"


def _targets(resource: Resource, _: Config) -> Iterator[str]:
    for place, variable in _secrets(resource):
        targets = read(variable, "targets")
        if targets is UNKNOWN or (isinstance(targets, list) and UNKNOWN in targets):
            yield f"{place}targets is not known during preview; it must be a literal"
            continue
        listed = set() if isinstance(targets, Missing) else set(targets)
        if "development" in listed:
            yield f"{place}a secret has the target development, which cannot keep it from being read back"
        others = listed - {"production"} or read(variable, "customEnvironmentIds") not in (ABSENT, [])
        if "production" in listed and others:
            yield f"{place}a secret has the target production together with another"


def _cloud_keys(resource: Resource, _: Config) -> Iterator[str]:
    for place, variable in _variables(resource):
        key = read(variable, "key")
        if isinstance(key, str) and looks_like_cloud_key(key):
            yield f"{place}the name says that it holds a long-lived key of a cloud"
        for prop in ("value", "valueWo"):
            value = read(variable, prop)
            if isinstance(value, str) and holds_cloud_key(value):
                yield f"{place}{prop} holds a long-lived key of a cloud"


def _protection(project: Resource, _: Config) -> Iterator[str]:
    kind = project.read("vercelAuthentication.deploymentType")
    if kind not in _PROTECTED:
        yield f"vercelAuthentication.deploymentType {expect.state(kind)}; it must be one of {', '.join(_PROTECTED)}"


def _forks(project: Resource, _: Config) -> Iterator[str]:
    yield from expect.absent_or(project.props, "gitForkProtection", allowed=True)
    yield from expect.absent_or(project.props, "publicSource", allowed=False)


def _issuer(project: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(project.props, "oidcTokenConfig.issuerMode", wanted="team")


RULES = (
    ResourceRule(
        name="vercel-secret-sensitive",
        family=Family.ENCRYPTION,
        refuses="A secret variable whose value anyone in the team can read back.",
        severity=Severity.CRITICAL,
        remediation="Set sensitive=True, as a literal, or call the variable for what it holds.",
        requirements=("R5.1", "R5.2", "R8.3"),
        tokens=_VARIABLE_TOKENS,
        check=_sensitive,
    ),
    ResourceRule(
        name="vercel-secret-target",
        family=Family.EXPOSURE,
        refuses="A secret variable that production shares with another target, or that developers' machines receive.",
        severity=Severity.HIGH,
        remediation="Give production a variable of its own; name only preview for the rest.",
        requirements=("R5.2", "R1.1", "R8.3"),
        tokens=_VARIABLE_TOKENS,
        check=_targets,
    ),
    ResourceRule(
        name="vercel-cloud-key",
        family=Family.IDENTITY,
        refuses="A variable with a long-lived key of a cloud.",
        severity=Severity.CRITICAL,
        remediation="Remove it: functions reach the clouds by the project's OIDC token.",
        requirements=("R5.4", "R8.3"),
        tokens=_VARIABLE_TOKENS,
        check=_cloud_keys,
    ),
    ResourceRule(
        name="vercel-protection",
        family=Family.EXPOSURE,
        refuses="A project whose preview deployments answer to anyone.",
        severity=Severity.HIGH,
        remediation='Set vercel_authentication.deployment_type to "standard_protection_new", as a literal.',
        requirements=("R7.1", "R8.3"),
        tokens=(PROJECT,),
        check=_protection,
    ),
    ResourceRule(
        name="vercel-forks",
        family=Family.EXPOSURE,
        refuses="A project that builds strangers' forks with its variables, or shows its source.",
        severity=Severity.HIGH,
        remediation="Leave git_fork_protection on and public_source off.",
        requirements=("R8.3",),
        tokens=(PROJECT,),
        check=_forks,
    ),
    ResourceRule(
        name="vercel-issuer",
        family=Family.IDENTITY,
        refuses="A project whose tokens come from the issuer that all teams share.",
        severity=Severity.HIGH,
        remediation='Set oidc_token_config.issuer_mode to "team", as a literal, so that clouds trust one team only.',
        requirements=("R5.4", "R8.3"),
        tokens=(PROJECT,),
        check=_issuer,
    ),
)
