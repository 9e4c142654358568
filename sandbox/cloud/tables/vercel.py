"""Vercel: projects with everything under them, all ids given out by the server.

Source: the schema, the validators, the plan modifiers, the requests and the error texts of Vercel's own provider
(v5.10), and the words of the SDK where its provider is newer. Its defaults are made when it plans, so they are not
among the inputs that policies see. Two of its checks are left out, as it asks Vercel itself for the answer: which
frameworks and which regions there are.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from sandbox.cloud.errors import CloudError, NotSimulatedError, ProviderError, VercelError
from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.values import UNKNOWN, Props, Value, get_path, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sandbox.cloud.rules import Synthesis, World

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
_SKEW_PROTECTIONS: Final = ("30 minutes", "4 hours", "12 hours", "1 day", "7 days")
_NODE_VERSIONS: Final = ("18.x", "20.x", "22.x", "24.x")
_REDIRECTS: Final = (301, 302, 307, 308)
_FIREWALL_ACTIONS: Final = ("bypass", "log", "challenge", "deny")
_FIREWALL_SUBJECTS: Final = (
    *("host", "path", "method", "header", "query", "cookie", "target_path", "ip_address", "region", "protocol"),
    *("scheme", "environment", "user_agent", "geo_continent", "geo_country", "geo_country_region", "geo_city"),
    *("geo_as_number", "ja4_digest", "ja3_digest", "rate_limit_api_id"),
)
_FIREWALL_OPERATORS: Final = (
    *("re", "eq", "neq", "ex", "nex", "inc", "ninc", "pre", "suf", "sub", "gt", "gte", "lt", "lte"),
)
# The provider takes '---' and the API refuses it.
_PROJECT_NAME: Final = re.compile(r"(?!.*---)[a-z0-9-]{1,52}")
_ENVIRONMENT_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_NO_PROJECT: Final = (
    "Could not find project, please make sure both the project_id and team_id match the project and team you wish to"
    " deploy to."
)


# --- what the provider's validators refuse ---------------------------------------------------------------------------


def _one_of(path: str, allowed: Sequence[str | int]) -> Validator:
    """A value, or every value of a list, is one of these."""

    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        for item in values_at(inputs, path):
            if item not in allowed:
                yield path, f"must be one of {', '.join(map(str, allowed))}, got {item!r}"

    return validate


def _length(path: str, least: int, most: int) -> Validator:
    """Characters of a text."""

    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        for item in values_at(inputs, path):
            if isinstance(item, str) and not least <= len(item) <= most:
                yield path, f"must have {least} to {most} characters, got {len(item)}"

    return validate


def _between(path: str, least: int, most: int) -> Validator:
    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        for item in values_at(inputs, path):
            if isinstance(item, int | float) and not least <= item <= most:
                yield path, f"must be between {least} and {most}, got {item}"

    return validate


def _not_empty(*paths: str) -> Validator:
    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        for path in paths:
            if get_path(inputs, path) == []:
                yield path, "must contain at least 1 element"

    return validate


def _not_both(one: str, other: str) -> Validator:
    def validate(inputs: Props) -> Iterator[tuple[str, str]]:
        if inputs.get(one) is not None and inputs.get(other) is not None:
            yield one, f"cannot be set together with {other}"

    return validate


def _all(*validators: Validator) -> Callable[[Props], Iterable[tuple[str, str]]]:
    return lambda inputs: [found for validator in validators for found in validator(inputs)]


def _validate_variable(inputs: Props) -> Iterator[tuple[str, str]]:
    given = [name for name in ("value", "valueWo") if inputs.get(name) is not None]
    if len(given) != 1:
        yield "value", "exactly one of value and valueWo must be set"
    if inputs.get("valueWoVersion") is not None and inputs.get("valueWo") is None:
        yield "valueWoVersion", "needs valueWo"
    yield from _validate_scope(inputs)


def _validate_scope(inputs: Props) -> Iterator[tuple[str, str]]:
    if not inputs.get("targets") and not inputs.get("customEnvironmentIds"):
        yield "targets", "at least one of targets and customEnvironmentIds must be set"
    yield from _one_of("targets", _TARGETS)(inputs)
    yield from _not_empty("customEnvironmentIds")(inputs)
    yield from _one_of("visibility", ("config", "secret"))(inputs)
    yield from _length("comment", 0, 1000)(inputs)
    targets = inputs.get("targets")
    if inputs.get("gitBranch") and isinstance(targets, list) and UNKNOWN not in targets and targets != ["preview"]:
        # the provider leaves this to the API, which refuses it
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
        yield "name", "must be 1 to 52 lowercase letters, digits and hyphens, without '---'"
    resources = inputs.get("resourceConfig")
    if (
        isinstance(resources, dict)
        and resources.get("fluid") is True
        and resources.get("functionDefaultCpuType") == "standard_legacy"
    ):
        yield "resourceConfig.functionDefaultCpuType", "fluid compute needs standard or performance"


def _validate_drain(inputs: Props) -> Iterator[tuple[str, str]]:
    secret, headers = inputs.get("secret"), inputs.get("headers")
    if isinstance(secret, str) and len(secret) < 32:  # noqa: PLR2004 - the provider's
        yield "secret", "must have at least 32 characters"
    if isinstance(headers, dict) and len(headers) > 5:  # noqa: PLR2004 - the provider's
        yield "headers", f"must contain at most 5 elements, got {len(headers)}"


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


def _others(world: World) -> Iterator[tuple[str, Props]]:
    """The variables of the same project that other resources own, each with its id where a resource is one variable."""
    project = world.outputs.get("projectId")
    for token in (VARIABLE, VARIABLES):
        for item in world.store.objects(token):
            if (item.type, item.id) != (world.token, world.id) and item.outputs.get("projectId") == project:
                if token == VARIABLE:
                    yield item.id, item.outputs
                else:
                    yield from (("", variable) for variable in item.outputs["variables"])


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
        for object_id, other in taken:
            if _collide(variable, other):
                raise _conflict(world, str(variable.get("key")), object_id)
        taken.append(("", variable))


def _conflict(world: World, key: str, other: str) -> CloudError:
    """Names the variable in the way, where it is one that an import could take over."""
    message = (
        "Another Environment Variable with the same Name and Environment exists in your project"
        f" ({key}). Remove it or choose a different Name or Environment."
    )
    if other and not world.store.exists(world.token, world.key):
        found = "/".join(filter(None, (_team(world), str(world.outputs["projectId"]), other)))
        message += f" the conflicting environment variable ID is {found}"
    return VercelError(400, message, "ENV_CONFLICT")


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


def _keep_secret(outputs: Props, state: Props) -> None:
    """The state's secret is kept, whatever the drain has; an import takes the drain's."""
    if state.get("secret") is not None:
        outputs["secret"] = state["secret"]


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
            # A create ends with an update that says false for every switch that is unset.
            "automaticallyExposeSystemEnvironmentVariables": False,
            "customerSuccessCodeVisibility": False,
            "directoryListing": False,
            "enableAffectedProjectsDeployments": False,
            "enableProductionFeedback": False,
            "functionFailover": False,
            "gitLfs": False,
            "nodeVersion": "24.x",
            "onDemandConcurrentBuilds": False,
            "previewDeploymentsDisabled": False,
            "prioritiseProductionBuilds": False,
            "protectedSourcemaps": False,
            "resourceConfig": {"fluid": True, "functionDefaultRegions": ["iad1"]},
            "vercelAuthentication": {"deploymentType": "standard_protection_new"},
        },
        computed={"teamId": _team_of},
        id_from=_id("prj_", 28),
        secret_outputs=("passwordProtection",),
        validate=_all(
            _one_of("vercelAuthentication.deploymentType", (*_PROTECTIONS, "none")),
            _one_of("passwordProtection.deploymentType", _PROTECTIONS),
            _length("passwordProtection.password", 1, 72),
            _one_of("skewProtection", _SKEW_PROTECTIONS),
            _one_of("nodeVersion", _NODE_VERSIONS),
            _one_of("trustedIps.deploymentType", (*_PROTECTIONS, "only_production_deployments")),
            _one_of("trustedIps.protectionMode", ("trusted_ip_required", "trusted_ip_optional")),
            _not_empty("trustedIps.addresses", "optionsAllowlist.paths"),
            _one_of("oidcTokenConfig.issuerMode", ("team", "global")),
            _one_of("gitRepository.type", ("github", "gitlab", "bitbucket")),
            _one_of("resourceConfig.functionDefaultCpuType", ("standard_legacy", "standard", "performance")),
            _between("resourceConfig.functionDefaultTimeout", 1, 900),
            _not_both("previewComments", "enablePreviewFeedback"),
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
        validate=_all(_one_of("redirectStatusCode", _REDIRECTS), _not_both("gitBranch", "customEnvironmentId")),
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
        validate=_all(_validate_variable, _between("valueWoVersion", 0, sys.maxsize)),
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
            _not_empty("environments", "sources"),
            _between("samplingRate", 0, 1),
            _validate_drain,
        ),
        check=_check_project_ids("Error creating Log Drain"),
        on_read=_keep_secret,
    ),
    "vercel:index/projectRollingRelease:ProjectRollingRelease": Rule(
        # The provider would move it to the other project in place; its id is the project's.
        immutable=("projectId", "teamId"),
        computed={"teamId": _team_of},
        conflict=_release_exists,
        parents=_UNDER_PROJECT,
        validate=_all(
            _one_of("advancementType", ("automatic", "manual-approval")),
            _between("stages.targetPercentage", 0, 100),
            _between("stages.duration", 1, 10_000),
            _validate_release,
        ),
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
        validate=_all(_not_empty("events")),
        check=_check_project_ids("Error creating webhook"),
    ),
    "vercel:index/firewallConfig:FirewallConfig": Rule(
        immutable=("projectId", "teamId"),
        plan_defaults={"enabled": True, "rules.rules.conditionGroups.conditions.neg": False},
        computed={"teamId": _team_of},
        on_exists="adopt",
        parents=_UNDER_PROJECT,
        validate=_all(
            _one_of("ipRules.rules.action", _FIREWALL_ACTIONS),
            _one_of("rules.rules.action.action", (*_FIREWALL_ACTIONS, "rate_limit", "redirect")),
            _one_of("rules.rules.conditionGroups.conditions.type", _FIREWALL_SUBJECTS),
            _one_of("rules.rules.conditionGroups.conditions.op", _FIREWALL_OPERATORS),
            _length("rules.rules.name", 4, 160),
            _length("rules.rules.description", 0, 260),
        ),
        check=_under("failed to create firewall config"),
    ),
    ENVIRONMENT: Rule(
        immutable=("projectId", "teamId"),
        plan_defaults={"description": ""},
        computed={"teamId": _team_of},
        id_from=_id("env_", 28),
        parents=_UNDER_PROJECT,
        validate=_all(
            _one_of("branchTracking.type", ("startsWith", "endsWith", "equals")),
            _length("branchTracking.pattern", 1, 100),
            _validate_environment,
        ),
        check=_check_environment,
    ),
}
