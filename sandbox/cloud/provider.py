"""The configured provider, and what a resource takes over from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.cloud.digests import digest_number
from sandbox.cloud.values import UNKNOWN, Props, Value, contains_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ProviderConfig:
    """The configured provider: the defaults that a resource takes over."""

    project: str = ""
    region: str = ""
    default_labels: Mapping[str, str] = field(default_factory=dict)
    project_number: str = ""
    account: str = "123456789012"
    """The AWS account: the first of the provider's `allowedAccountIds`, as there are no credentials to ask."""
    default_tags: Mapping[str, str] = field(default_factory=dict)
    team: str = ""
    """The Vercel team that resources belong to when they name none."""

    def defaults(self) -> dict[str, str]:
        found = {
            "project": self.project,
            "region": self.region,
            "projectNumber": self.project_number,
            "account": self.account,
            "team": self.team,
        }
        return {key: value for key, value in found.items() if value}


def parse_config(config: Props) -> ProviderConfig:
    """The settings of an explicit provider; nested ones travel as JSON texts."""
    labels, tags = _nested(config, "defaultLabels", {}), _nested(config, "defaultTags", {}).get("tags") or {}
    accounts = _nested(config, "allowedAccountIds", [])
    known = {name: value for name in ("project", "region", "team") if isinstance(value := config.get(name), str)}
    return ProviderConfig(
        **known,
        default_labels=labels,
        account=str(accounts[0]) if accounts else ProviderConfig.account,
        default_tags={} if tags is UNKNOWN else tags,
    )


def _nested(config: Props, name: str, empty: Value) -> Value:
    value = config.get(name)
    if isinstance(value, str):
        value = json.loads(value)
    return empty if value is None or value is UNKNOWN else value


def project_number(project: str) -> str:
    """A twelve-digit number, as real projects have, made from the project id."""
    return str(100_000_000_000 + digest_number(f"project/{project}", 900_000_000_000))


def defaults_for(inputs: Props, config: ProviderConfig) -> dict[str, str]:
    """The provider's defaults as seen by one resource: its own project has its own number."""
    found = config.defaults()
    own = inputs.get("project")
    if isinstance(own, str) and own != config.project:
        found["projectNumber"] = project_number(own)
    elif "project" in found and "projectNumber" not in found:
        found["projectNumber"] = project_number(found["project"])
    return found


def merged_tags(inputs: Props, config: ProviderConfig) -> Value:
    """The tags that end up on an AWS object: the provider's defaults under the resource's own."""
    own = inputs.get("tags") or {}
    if contains_unknown(own):
        return UNKNOWN
    return {**config.default_tags, **own}


def merged_labels(inputs: Props, config: ProviderConfig) -> Value:
    """The labels that end up on the object: the provider's defaults under the resource's own."""
    own = inputs.get("labels") or {}
    if own is UNKNOWN:
        return UNKNOWN
    return {"goog-pulumi-provisioned": "true", **config.default_labels, **own}
