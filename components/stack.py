"""Reading what an operation starts from: the stack's configuration, the last registry, the final-export markers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws
import pulumi_gcp as gcp
import pulumi_random as random
import pulumiverse_vercel as vercel

from settings.errors import ConfigError
from settings.guests import stale_attestations, today
from settings.lifecycle import Previous, check, lift_guards
from settings.load import EXTERNAL_SECRETS, NAMESPACE
from settings.plan import EnvironmentPlan, Plan
from settings.resolve import load
from settings.types import Cloud

_FINAL_PREFIX: Final = "final/"
_MOST_MARKERS: Final = 1_000_000
_NO_BUCKET: Final = ("The specified bucket does not exist", "NoSuchBucket")
"""What Cloud Storage and S3 say; a bucket that may not be listed, or is somebody else's, is refused in other words."""
_TORN_READ: Final = "failed to load checkpoint"
_READ_ATTEMPTS: Final = 20
_READ_WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Providers:
    """One provider per cloud of the stack."""

    gcp: gcp.Provider | None
    aws: aws.Provider | None
    vercel: vercel.Provider | None
    random: random.Provider

    @property
    def opts(self) -> pulumi.ResourceOptions:
        """Options of a component at the root."""
        every = (self.gcp, self.aws, self.vercel, self.random)
        return pulumi.ResourceOptions(providers=[provider for provider in every if provider is not None])


def load_plan(previous: Previous) -> Plan:
    """Load, resolve and compare with the last deployment.

    Raises:
        pulumi.RunError: every problem at once, without a trace; nothing has been registered then.
    """
    raw = _raw_config()
    encrypted = pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:{EXTERNAL_SECRETS}")
    try:
        plan = load(raw, pulumi.get_stack(), encrypted=encrypted)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    problems = check(previous, plan)
    if problems:
        raise pulumi.RunError(str(ConfigError(problems)))
    for warning in stale_attestations(plan.tenants, today()):
        pulumi.log.warn(warning)
    return plan


def _raw_config() -> dict[str, Any]:
    """Every `tenantry:` key of the stack as parsed JSON; a value that is no JSON stays text, for a clear error."""
    prefix = f"{NAMESPACE}:"
    raw: dict[str, Any] = {}
    for key, value in {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}.items():
        if key.startswith(prefix):
            try:
                raw[key.removeprefix(prefix)] = json.loads(value)
            except json.JSONDecodeError:
                raw[key.removeprefix(prefix)] = value
    return raw


def external_secrets(plan: Plan) -> dict[str, pulumi.Output[str]]:
    """The values of all external secrets by name, as secret outputs; they are never looked at here."""
    values = pulumi.Config(NAMESPACE).get_secret_object(EXTERNAL_SECRETS)
    return {} if values is None else {name: _secret(values, name) for name in plan.external_secrets}


def _secret(values: pulumi.Output[Any], name: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(values.apply(lambda by_name: str(by_name[name])))


def read_previous() -> Previous:
    """What the last deployment of this stack published; empty on the first.

    A synchronous look-up through the engine's own provider, so that a refusal comes before any resource is registered.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    outputs = _read_outputs(name)
    for key in ("registry", "guarded", "keys", "revisions"):
        if key in outputs:
            # a program that stops early still publishes its outputs: without these a refusal would erase the registry
            pulumi.export(key, outputs[key])
    return Previous.from_outputs(outputs)


def _read_outputs(stack: str, attempts: int = _READ_ATTEMPTS) -> Mapping[str, Any]:
    try:
        result = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack})
    except Exception as error:
        # a file backend is not atomic: the engine may be writing its first checkpoint of this very operation
        if _TORN_READ not in str(error) or attempts == 1:
            raise
        time.sleep(_READ_WAIT_SECONDS)
        return _read_outputs(stack, attempts - 1)
    return (result.value or {}).get("outputs") or {}


def create_providers(plan: EnvironmentPlan) -> Providers:
    """The explicit providers of the stack: one a cloud, with the labels that every resource carries (R1.4).

    Default providers are disabled in the stack files, so a resource that is given none fails instead of landing in
    whatever project the machine at hand is logged in to.
    """
    google = None
    if plan.on_gcp is not None:
        google = gcp.Provider(
            "gcp",
            project=plan.gcp.project,
            region=plan.gcp.region,
            default_labels=dict(plan.labels),
            # the budgets API bills its quota to a project, and with a person's credentials it must be told which
            user_project_override=True,
            billing_project=plan.gcp.project,
        )
    amazon = None
    if plan.on_aws is not None:
        amazon = aws.Provider(
            "aws",
            region=plan.aws.region,
            allowed_account_ids=[plan.aws.account_id],
            default_tags={"tags": dict(plan.labels)},
        )
    # the API token comes from VERCEL_API_TOKEN of the deployer
    web = None if plan.vercel is None else vercel.Provider("vercel", team=plan.vercel.team_id)
    return Providers(gcp=google, aws=amazon, vercel=web, random=random.Provider("random"))


def lift_proved_guards(plan: Plan, previous: Previous, providers: Providers) -> Plan:
    """Lift the guard of offboarding tenants whose final export is proved by its marker, and of empty pools.

    Also of one that no last deployment knows: after a lost state, the markers of its former offboardings are there.
    """
    clouds = {tenant.cloud for tenant in plan.tenants if tenant.state == "offboarding"}
    bucket = plan.environment.buckets.exports
    markers: dict[Cloud, list[str]] = {}
    if "gcp" in clouds:
        markers["gcp"] = _none_without_bucket(lambda: _google_markers(bucket, providers.gcp))
    if "aws" in clouds:
        away = plan.environment.aws.backup_region
        markers["aws"] = _none_without_bucket(lambda: _amazon_markers(bucket, away, providers.aws))
    return lift_guards(plan, previous, markers)


def _google_markers(bucket: str, provider: gcp.Provider | None) -> list[str]:
    found = gcp.storage.get_bucket_objects(
        bucket=bucket, prefix=_FINAL_PREFIX, opts=pulumi.InvokeOptions(provider=provider)
    )
    return [str(marker.name) for marker in found.bucket_objects]


def _amazon_markers(bucket: str, region: str, provider: aws.Provider | None) -> list[str]:
    # S3 answers for a bucket in the bucket's own region only; the provider ends at a thousand unless told otherwise
    found = aws.s3.get_objects(
        bucket=bucket,
        prefix=_FINAL_PREFIX,
        max_keys=_MOST_MARKERS,
        region=region,
        opts=pulumi.InvokeOptions(provider=provider),
    )
    return list(found.keys)


def _none_without_bucket(markers: Callable[[], list[str]]) -> list[str]:
    """A bucket that is not there holds no marker: a first `up` may have failed before it was made."""
    try:
        return markers()
    except Exception as error:
        if any(text in str(error) for text in _NO_BUCKET):
            return []
        raise
