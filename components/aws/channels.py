"""Topics that alarms go to, and who listens (R6.4).

An alarm acts only on a topic of its own region, so each region that has alarms has the two topics: `critical` and
`warning`. The topics have a key of their own, because publishers encrypt with it and must be named in its policy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components.aws.keys import DELETION_WINDOW_DAYS, ROTATION_DAYS
from components.aws.naming import account_root, key_alias, prefix, role_name
from components.aws.policy_document import allow, document, trust_caller
from components.guard import Guard
from settings.plan import EnvironmentPlan

Severity = Literal["critical", "warning"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning")

PAGERDUTY_KEY: Final = "PAGERDUTY_KEY"

# The services that publish: alarms, the budget, and events of instances.
_PUBLISHERS: Final = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.rds.amazonaws.com")
# AWS Chatbot is one service for the whole account; its API answers in these regions only.
_CHATBOT_REGIONS: Final = ("us-east-2", "us-west-2", "eu-west-1", "ap-southeast-1")
# What the channel's members may ask for at most; without it the service's default is everything.
_CHATBOT_GUARDRAIL: Final = "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"


@dataclass(frozen=True, kw_only=True)
class Channels:
    """The environment's topics by region and severity."""

    topics: Mapping[tuple[str, Severity], aws.sns.Topic]
    ready: tuple[pulumi.Resource, ...]
    """The topics' policies: before them nobody may publish."""

    def told(self, severity: Severity, region: str) -> list[pulumi.Output[str]]:
        """ARNs that an alarm of this severity in this region acts on; a warning wakes nobody."""
        return [self.topics[region, severity].arn]


def topic_name(environment: EnvironmentPlan, severity: Severity) -> str:
    return f"{prefix(environment)}-{severity}"


def topic_arn(environment: EnvironmentPlan, severity: Severity, region: str) -> str:
    """A topic's ARN as a literal, for policies that are judged in a preview."""
    return f"arn:aws:sns:{region}:{environment.aws.account_id}:{topic_name(environment, severity)}"


def create_channels(
    name: str,
    environment: EnvironmentPlan,
    secrets: Mapping[str, pulumi.Output[str]],
    *,
    regions: Collection[str],
    guard: Guard,
    parent: pulumi.Resource,
) -> Channels:
    """Create the topics of each region and their subscriptions; one is named after what it leads to.

    Each address gets one mail per topic that asks to confirm it; until then it is told nothing. PagerDuty confirms by
    itself, and only critical alarms reach it. Slack needs the app authorised in the workspace once, by hand.

    Args:
        name: prefix of the Pulumi names.
        environment: the environment's plan.
        secrets: PagerDuty's integration key by name, as a secret output.
        regions: where there are alarms.
        guard: the deletion guard, on the keys.
        parent: the component that owns them.
    """
    settings = environment.monitoring.channels
    opts = pulumi.ResourceOptions(parent=parent)
    topics: dict[tuple[str, Severity], aws.sns.Topic] = {}
    policies = []
    for region in sorted(regions):
        key = _create_key(name, environment, region, guard=guard, parent=parent)
        for severity in SEVERITIES:
            where = f"{severity}-{region}"
            topic = aws.sns.Topic(
                f"{name}-{where}",
                name=topic_name(environment, severity),
                display_name=f"Tenantry {environment.name}: {severity}",
                kms_master_key_id=key.arn,
                region=region,
                opts=opts,
            )
            topics[region, severity] = topic
            policies.append(
                aws.sns.TopicPolicy(
                    f"{name}-{where}-policy",
                    arn=topic.arn,
                    policy=_topic_policy(environment, topic_arn(environment, severity, region)),
                    region=region,
                    opts=opts,
                )
            )
            for address in settings.email:
                aws.sns.TopicSubscription(
                    f"{name}-{where}-email-{address}",
                    topic=topic.arn,
                    protocol="email",
                    endpoint=address,
                    region=region,
                    opts=opts,
                )
        if settings.pagerduty:
            aws.sns.TopicSubscription(
                f"{name}-critical-{region}-pagerduty",
                topic=topics[region, "critical"].arn,
                protocol="https",
                # secret as the key itself is
                endpoint=secrets[PAGERDUTY_KEY].apply(_pagerduty_url),
                endpoint_auto_confirms=True,
                region=region,
                opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["endpoint"]),
            )
    _create_slack(name, environment, list(topics.values()), parent=parent)
    return Channels(topics=topics, ready=tuple(policies))


def _pagerduty_url(key: str) -> str:
    return f"https://events.pagerduty.com/integration/{key}/enqueue"


def _create_key(
    name: str, environment: EnvironmentPlan, region: str, *, guard: Guard, parent: pulumi.Resource
) -> aws.kms.Key:
    account = environment.aws.account_id
    key = aws.kms.Key(
        f"{name}-key-{region}",
        description=f"Tenantry {environment.name}: topics of alarms",
        enable_key_rotation=True,
        rotation_period_in_days=ROTATION_DAYS,
        deletion_window_in_days=DELETION_WINDOW_DAYS,
        policy=document(
            [
                {
                    "Sid": "Account",
                    "Effect": "Allow",
                    "Principal": {"AWS": account_root(environment)},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "Publishers",
                    "Effect": "Allow",
                    "Principal": {"Service": list(_PUBLISHERS)},
                    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                },
            ]
        ),
        region=region,
        opts=guard.options(parent, guarded=True),
    )
    aws.kms.Alias(
        f"{name}-key-{region}-alias",
        name=key_alias(environment, "alarms"),
        target_key_id=key.key_id,
        region=region,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return key


def _topic_policy(environment: EnvironmentPlan, arn: str) -> str:
    account = environment.aws.account_id
    return document(
        [
            {
                "Sid": "Publishers",
                "Effect": "Allow",
                "Principal": {"Service": list(_PUBLISHERS)},
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def _create_slack(
    name: str, environment: EnvironmentPlan, topics: Sequence[aws.sns.Topic], *, parent: pulumi.Resource
) -> None:
    """Post into the channel, if it is named by its ids: a name alone is Google Cloud's way."""
    slack = environment.monitoring.channels.slack
    if slack is None or slack.workspace_id is None or slack.channel_id is None:
        return
    home = environment.aws.region
    role = aws.iam.Role(
        f"{name}-slack-role",
        name=role_name(environment, "slack"),
        description="Charts of alarms in Slack",
        assume_role_policy=trust_caller("chatbot.amazonaws.com"),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    rights = aws.iam.RolePolicy(
        f"{name}-slack-rights",
        name="read-metrics",
        role=role.name,
        policy=document(
            [
                allow(
                    "ReadMetrics",
                    ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricWidgetImage"],
                    "*",
                )
            ]
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.chatbot.SlackChannelConfiguration(
        f"{name}-slack",
        configuration_name=prefix(environment),
        slack_team_id=slack.workspace_id,
        slack_channel_id=slack.channel_id,
        sns_topic_arns=[topic.arn for topic in topics],
        iam_role_arn=role.arn,
        guardrail_policy_arns=[_CHATBOT_GUARDRAIL],
        logging_level="ERROR",
        user_authorization_required=True,
        region=home if home in _CHATBOT_REGIONS else _CHATBOT_REGIONS[0],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[rights]),
    )
