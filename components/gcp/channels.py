"""Notification channels and who is told what (R6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_gcp as gcp

from settings.plan import EnvironmentPlan

Severity = Literal["critical", "warning"]

SLACK_TOKEN: Final = "SLACK_TOKEN"  # noqa: S105 (a secret's name)
PAGERDUTY_KEY: Final = "PAGERDUTY_KEY"


@dataclass(frozen=True, kw_only=True)
class Channels:
    """The environment's channels by kind."""

    email: tuple[gcp.monitoring.NotificationChannel, ...]
    slack: gcp.monitoring.NotificationChannel | None
    pagerduty: gcp.monitoring.NotificationChannel | None

    def told(self, severity: Severity) -> list[pulumi.Output[str]]:
        """Resource names of the channels that an alert of this severity goes to: a warning wakes nobody."""
        channels = [*self.email, self.slack, self.pagerduty if severity == "critical" else None]
        return [channel.name for channel in channels if channel is not None]


def create_channels(
    name: str,
    environment: EnvironmentPlan,
    secrets: Mapping[str, pulumi.Output[str]],
    *,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> Channels:
    """Create one channel per address or service; a channel's identity is what it leads to, not its place in the list.

    The tokens go into `sensitive_labels`, which the provider never reads back, so a rotation in the cloud is no drift.
    """
    settings = environment.monitoring.channels
    labels = dict(environment.labels)
    opts = pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))
    return Channels(
        email=tuple(
            gcp.monitoring.NotificationChannel(
                f"{name}-email-{address}",
                project=environment.gcp.project,
                display_name=f"Tenantry {environment.name}: {address}",
                type="email",
                labels={"email_address": address},
                user_labels=labels,
                opts=opts,
            )
            for address in settings.email
        ),
        slack=None
        if settings.slack is None
        else gcp.monitoring.NotificationChannel(
            f"{name}-slack",
            project=environment.gcp.project,
            display_name=f"Tenantry {environment.name}: Slack {settings.slack.channel}",
            type="slack",
            labels={"channel_name": settings.slack.channel},
            sensitive_labels={"auth_token": secrets[SLACK_TOKEN]},
            user_labels=labels,
            opts=opts,
        ),
        pagerduty=None
        if not settings.pagerduty
        else gcp.monitoring.NotificationChannel(
            f"{name}-pagerduty",
            project=environment.gcp.project,
            display_name=f"Tenantry {environment.name}: PagerDuty",
            type="pagerduty",
            sensitive_labels={"service_key": secrets[PAGERDUTY_KEY]},
            user_labels=labels,
            opts=opts,
        ),
    )
