"""Vercel: projects with everything under them, all ids given out by the server.

Source: the schema, the validators, the plan modifiers and the error texts of Vercel's own provider. Its defaults are
made when it plans, so they are not among the inputs that policies see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sandbox.cloud.errors import CloudError, NotSimulatedError, ProviderError, VercelError
from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.values import UNKNOWN, Props, Value, get_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sandbox.cloud.checks import World
    from sandbox.cloud.synthesis import Synthesis

    Validator = Callable[[Props], Iterator[tuple[str, str]]]

PROJECT: Final = "vercel:index/project:Project"
DOMAIN: Final = "vercel:index/projectDomain:ProjectDomain"
VARIABLE: Final = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"
VARIABLES: Final = "vercel:index/projectEnvironmentVariables:ProjectEnvironmentVariables"
ENVIRONMENT: Final = "vercel:index/customEnvironment:CustomEnvironment"
_UNDER_PROJECT: Final = (Parent(PROJECT, "{projectId}"),)
_PROTECTIONS: Final = ("standard_protection_new", "standard_protection", "all_deployments", "only_preview_deployments")
_PERIODS: Final = ("1d", "1w", "1m", "2m", "3m", "6m", "1y")
_TARGETS: Final = ("production", "preview", "development")
_SOURCES: Final = ("static", "edge", "external", "build", "lambda", "firewall", "redirect")
_PROJECT_NAME: Final = re.compile(r"(?!.*---)[a-z0-9._-]{1,52}")
_SHORTEST_SECRET: Final = 32
_ENVIRONMENT_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_NO_PROJECT: Final = (
    "Could not find project, please make sure both the project_id and team_id match the project and team you wish to"
    " deploy to."
)


# --- what the provider's validators refuse ---------------------------------------------------------------------------


def _one_of(path: str, allowed: Sequence[str]) -> Validator:
    """A text, or every text of a list, is one of these."""

    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        value = get_path(inputs, path)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and item not in allowed:
                yield path, f"must be one of {', '.join(allowed)}, got {item!r}"

    return validate


def _not_empty(*paths: str) -> Validator:
    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        for path in paths:
            if get_path(inputs, path) == []:
                yield path, "must contain at least 1 element"

    return validate


def _all(*validators: Validator) -> Callable[[Props], Iterable[tuple[str, str]]]:
    return lambda inputs: [found for validator in validators for found in validator(inputs)]


def _validate_variable(inputs: Props) -> Iterator[tuple[str, str]]:
    given = [name for name in ("value", "valueWo") if inputs.get(name) is not None]
    if len(given) != 1:
        yield "value", "exactly one of value and valueWo must be set"
    yield from _validate_scope(inputs)


def _validate_scope(inputs: Props) -> Iterator[tuple[str, str]]:
    if not inputs.get("targets") and not inputs.get("customEnvironmentIds"):
        yield "targets", "at least one of targets and customEnvironmentIds must be set"
    yield from _one_of("targets", _TARGETS)(inputs)
    yield from _one_of("visibility", ("config", "secret"))(inputs)
    targets = inputs.get("targets")
    if inputs.get("gitBranch") and isinstance(targets, list) and UNKNOWN not in targets and targets != ["preview"]:
        yield "gitBranch", "a branch can be set only for the target preview alone"


def _validate_variables(inputs: Props) -> Iterator[tuple[str, str]]:
    variables = inputs.get("variables")
    for index, variable in enumerate(variables if isinstance(variables, list) else []):
        if isinstance(variable, dict):
            yield from ((f"variables[{index}].{path}", reason) for path, reason in _validate_scope(variable))


def _validate_release(inputs: Props) -> Iterator[tuple[str, str]]:
    stages, kind = inputs.get("stages"), inputs.get("advancementType")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        return
    if not 2 <= len(stages) <= 10:  # noqa: PLR2004 - the SDK's own text
        yield "stages", f"two to ten stages are supported, got {len(stages)}"
    if stages and stages[-1].get("targetPercentage") not in (100, UNKNOWN):
        yield "stages", "the last stage must have a targetPercentage of 100"
    if any(stage.get("targetPercentage") == 100 for stage in stages[:-1]):  # noqa: PLR2004 - percent
        yield "stages", "only the last stage can have a targetPercentage of 100"
    for index, stage in enumerate(stages):
        duration = stage.get("duration")
        if kind == "automatic" and duration is None and stage.get("targetPercentage") != 100:  # noqa: PLR2004
            yield f"stages[{index}].duration", "must be set when advancementType is automatic"
        if kind == "manual-approval" and duration is not None:
            yield f"stages[{index}].duration", "can only be set when advancementType is automatic"


def _validate_environment(inputs: Props) -> Iterator[tuple[str, str]]:
    name = inputs.get("name")
    if isinstance(name, str) and not _ENVIRONMENT_NAME.fullmatch(name):
        yield "name", "must be 1 to 32 lowercase letters, digits and hyphens"


def _validate_project(inputs: Props) -> Iterator[tuple[str, str]]:
    name = inputs.get("name")
    if isinstance(name, str) and not _PROJECT_NAME.fullmatch(name):
        yield "name", "must be 1 to 52 lowercase letters, digits, '.', '_' and '-', without '---'"


def _validate_drain(inputs: Props) -> Iterator[tuple[str, str]]:
    secret, rate = inputs.get("secret"), inputs.get("samplingRate")
    if isinstance(secret, str) and len(secret) < _SHORTEST_SECRET:
        yield "secret", f"must have at least {_SHORTEST_SECRET} characters"
    if isinstance(rate, int | float) and not 0 <= rate <= 1:
        yield "samplingRate", f"must be between 0 and 1, got {rate}"


# --- what the API refuses --------------------------------------------------------------------------------------------


def _team(world: World) -> str:
    return str(world.outputs.get("teamId") or "")


def _need_project(world: World, title: str) -> None:
    project = world.store.get(PROJECT, str(world.outputs.get("projectId")))
    if project is None or str(project.outputs.get("teamId") or "") != _team(world):
        raise ProviderError(f"{title}: {_NO_PROJECT}")


def _check_project(world: World) -> None:
    name = world.outputs.get("name")
    for item in world.store.objects(PROJECT):
        same_team = str(item.outputs.get("teamId") or "") == _team(world)
        if item.id != world.id and same_team and item.outputs.get("name") == name:
            raise VercelError(409, f'Project "{name}" already exists, please use a new name.', "conflict")


def _check_domain(world: World) -> None:
    _need_project(world, "Error creating project domain")
    project = world.store.get(PROJECT, str(world.outputs["projectId"]))
    production = get_path(project.outputs, "gitRepository.productionBranch") if project else None
    if production and world.outputs.get("gitBranch") == production:
        raise ProviderError(
            f"Error adding domain to project: Could not add domain {world.outputs['domain']} to project"
            f" {world.outputs['projectId']}, the git_branch specified is the production branch. If you want to use this"
            " domain as a production domain, please omit the git_branch field."
        )


def _domain_taken(domain: str) -> CloudError:
    return VercelError(
        409, f"Cannot add {domain} since it's already assigned to another project.", "domain_already_in_use"
    )


def _variables_of(world: World) -> list[Props]:
    found: Props = world.outputs
    return list(found["variables"]) if world.token == VARIABLES else [found]


def _others(world: World) -> Iterator[Props]:
    """The variables of the same project that other resources own."""
    project = world.outputs.get("projectId")
    for token in (VARIABLE, VARIABLES):
        for item in world.store.objects(token):
            if (item.type, item.id) != (world.token, world.id) and item.outputs.get("projectId") == project:
                yield from item.outputs["variables"] if token == VARIABLES else [item.outputs]


def _collide(one: Props, other: Props) -> bool:
    if one.get("key") != other.get("key") or (one.get("gitBranch") or None) != (other.get("gitBranch") or None):
        return False
    return any(set(one.get(name) or ()) & set(other.get(name) or ()) for name in ("targets", "customEnvironmentIds"))


def _check_variables(world: World) -> None:
    title = "Error creating project environment variable" + ("s" if world.token == VARIABLES else "")
    _need_project(world, title)
    taken = list(_others(world))
    for variable in _variables_of(world):
        for environment in variable.get("customEnvironmentIds") or []:
            if not world.store.exists(ENVIRONMENT, environment):
                raise VercelError(404, f"Custom environment {environment} was not found.", "not_found")
        if any(_collide(variable, other) for other in taken):
            raise VercelError(
                400,
                f"Another Environment Variable with the same Name and Environment exists in your project"
                f" ({variable.get('key')}). Remove it or choose a different Name or Environment.",
                "ENV_ALREADY_EXISTS",
            )
        taken.append(variable)


def _second_set(project: str) -> CloudError:
    raise NotSimulatedError(f"a second set of environment variables of project {project} is not simulated: use one")


def _check_environment(world: World) -> None:
    _need_project(world, "Error creating custom environment")
    name, project = world.outputs.get("name"), world.outputs.get("projectId")
    for item in world.store.objects(ENVIRONMENT):
        if item.id != world.id and (item.outputs.get("name"), item.outputs.get("projectId")) == (name, project):
            raise VercelError(409, f"A custom environment named {name} already exists.", "conflict")


def _check_project_ids(title: str) -> Callable[[World], None]:
    def check(world: World) -> None:
        for project in world.outputs.get("projectIds") or []:
            if not world.store.exists(PROJECT, project):
                raise ProviderError(f"{title}: project {project} was not found")

    return check


def _under(title: str) -> Callable[[World], None]:
    return lambda world: _need_project(world, title)


def _release_exists(project: str) -> CloudError:
    return VercelError(
        409,
        f"A rolling release is already configured for project {project}. To change an existing configuration, you must"
        " import the rolling release or remove the existing configuration.",
        "Project rolling release already exists",
    )


# --- what a read cannot see ------------------------------------------------------------------------------------------


def _hide_value(outputs: Props, state: Props) -> None:
    """A sensitive value cannot be read back: a read leaves what the state has, an import has none."""
    if outputs.get("sensitive"):
        _put(outputs, "value", state.get("value"))
    _put(outputs, "valueWo", state.get("valueWo"))


def _hide_values(outputs: Props, state: Props) -> None:
    known = state.get("variables") or []
    for variable in outputs.get("variables") or []:
        if variable.get("sensitive"):
            values = [other.get("value") for other in known if _collide(variable, other)]
            _put(variable, "value", values[0] if values else None)


def _hide(*paths: str) -> Callable[[Props, Props], None]:
    def hide(outputs: Props, state: Props) -> None:
        for path in paths:
            block, _, name = path.rpartition(".")
            target = get_path(outputs, block) if block else outputs
            if isinstance(target, dict):
                _put(target, name, get_path(state, path))

    return hide


def _put(props: Props, name: str, value: Value) -> None:
    if value is None:
        props.pop(name, None)
    else:
        props[name] = value


# --- the table -------------------------------------------------------------------------------------------------------


def _id(prefix: str, length: int) -> Callable[[Synthesis], str]:
    return lambda made: f"{prefix}{made.hex(length, 'id')}"


def _team_of(made: Synthesis) -> str | None:
    return made.config.team or None


RULES: Final[Mapping[str, Rule]] = {
    PROJECT: Rule(
        immutable=("teamId",),
        unordered=("environments", "trustedIps.addresses", "optionsAllowlist.paths"),
        plan_defaults={
            "autoAssignCustomDomains": True,
            "gitForkProtection": True,
            "oidcTokenConfig": {"issuerMode": "team"},
            "oidcTokenConfig.issuerMode": "team",
            "trustedIps.protectionMode": "trusted_ip_required",
        },
        server_defaults={
            "automaticallyExposeSystemEnvironmentVariables": True,
            "customerSuccessCodeVisibility": False,
            "directoryListing": False,
            "functionFailover": False,
            "gitLfs": False,
            "nodeVersion": "24.x",
            "prioritiseProductionBuilds": True,
            "protectedSourcemaps": False,
            "resourceConfig": {"fluid": True, "functionDefaultRegions": ["iad1"]},
            "serverlessFunctionRegion": "iad1",
            "vercelAuthentication": {"deploymentType": "standard_protection_new"},
        },
        computed={"teamId": _team_of},
        id_from=_id("prj_", 28),
        secret_outputs=("passwordProtection",),
        validate=_all(
            _one_of("vercelAuthentication.deploymentType", (*_PROTECTIONS, "none")),
            _one_of("passwordProtection.deploymentType", _PROTECTIONS),
            _one_of("trustedIps.deploymentType", (*_PROTECTIONS, "only_production_deployments")),
            _one_of("oidcTokenConfig.issuerMode", ("team", "global")),
            _one_of("gitRepository.type", ("github", "gitlab", "bitbucket")),
            _one_of("resourceConfig.functionDefaultCpuType", ("standard_legacy", "standard", "performance")),
            _one_of("buildMachineType", ("basic", "standard", "enhanced", "turbo", "elastic")),
            _validate_project,
        ),
        check=_check_project,
        on_read=_hide("passwordProtection.password"),
    ),
    DOMAIN: Rule(
        immutable=("domain", "projectId", "teamId"),
        computed={
            "misconfigured": lambda _made: False,
            "teamId": _team_of,
            "verifications": lambda _made: [],
            "verified": lambda _made: True,
        },
        virtual={"waitForReady": None},
        conflict=_domain_taken,
        parents=_UNDER_PROJECT,
        check=_check_domain,
    ),
    VARIABLE: Rule(
        immutable=("customEnvironmentIds", "key", "projectId", "sensitive", "teamId"),
        unordered=("customEnvironmentIds", "targets"),
        server_defaults={"comment": "", "customEnvironmentIds": [], "targets": []},
        computed={"teamId": _team_of},
        id_from=_id("", 16),
        secret_outputs=("value", "valueWo"),
        parents=_UNDER_PROJECT,
        validate=_all(_validate_variable),
        check=_check_variables,
        on_read=_hide_value,
    ),
    VARIABLES: Rule(
        immutable=("projectId", "teamId"),
        unordered=("variables",),
        computed={"teamId": _team_of},
        secret_outputs=("variables",),
        conflict=_second_set,
        parents=_UNDER_PROJECT,
        validate=_all(_validate_variables),
        check=_check_variables,
        on_read=_hide_values,
    ),
    "vercel:index/logDrain:LogDrain": Rule(
        immutable=(
            "deliveryFormat",
            "endpoint",
            "environments",
            "headers",
            "name",
            "projectIds",
            "samplingRate",
            "secret",
            "sources",
            "teamId",
        ),
        unordered=("environments", "projectIds", "sources"),
        computed={"secret": lambda made: made.hex(32, "secret"), "teamId": _team_of},
        id_from=_id("ld_", 16),
        secret_outputs=("headers", "secret"),
        validate=_all(
            _one_of("deliveryFormat", ("json", "ndjson")),
            _one_of("environments", ("production", "preview")),
            _one_of("sources", _SOURCES),
            _not_empty("environments", "sources", "projectIds"),
            _validate_drain,
        ),
        check=_check_project_ids("Error creating Log Drain"),
    ),
    "vercel:index/projectRollingRelease:ProjectRollingRelease": Rule(
        # The provider would move it to the other project in place; its id is the project's.
        immutable=("projectId", "teamId"),
        computed={"teamId": _team_of},
        conflict=_release_exists,
        parents=_UNDER_PROJECT,
        validate=_all(_one_of("advancementType", ("automatic", "manual-approval")), _validate_release),
        check=_under("Error creating project rolling release"),
    ),
    "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention": Rule(
        immutable=("projectId", "teamId"),
        plan_defaults={
            "expirationCanceled": "1m",
            "expirationErrored": "3m",
            "expirationPreview": "6m",
            "expirationProduction": "1y",
        },
        computed={"teamId": _team_of},
        on_exists="adopt",
        parents=_UNDER_PROJECT,
        validate=_all(
            *(_one_of(f"expiration{kind}", _PERIODS) for kind in ("Canceled", "Errored", "Preview", "Production"))
        ),
        check=_under("Error creating project deployment retention"),
    ),
    "vercel:index/webhook:Webhook": Rule(
        immutable=("endpoint", "events", "projectIds", "teamId"),
        unordered=("events", "projectIds"),
        computed={"secret": lambda made: made.hex(32, "secret"), "teamId": _team_of},
        id_from=_id("account_hook_", 24),
        secret_outputs=("secret",),
        validate=_all(_not_empty("events", "projectIds")),
        check=_check_project_ids("Error creating webhook"),
    ),
    "vercel:index/firewallConfig:FirewallConfig": Rule(
        immutable=("projectId", "teamId"),
        plan_defaults={"enabled": True, "rules.rules.conditionGroups.conditions.neg": False},
        computed={"teamId": _team_of},
        on_exists="adopt",
        parents=_UNDER_PROJECT,
        check=_under("failed to create firewall config"),
    ),
    ENVIRONMENT: Rule(
        immutable=("projectId", "teamId"),
        plan_defaults={"description": ""},
        computed={"teamId": _team_of},
        id_from=_id("env_", 28),
        parents=_UNDER_PROJECT,
        validate=_all(_one_of("branchTracking.type", ("startsWith", "endsWith", "equals")), _validate_environment),
        check=_check_environment,
    ),
}
