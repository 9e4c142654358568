"""The application's queues on AWS: SQS, which a service polls, and what it could not digest (R7.2)."""

from __future__ import annotations

import json
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.platform import AwsPlatform, Workload
from components.aws.policy_document import Statement, allow, document, use_key
from components.aws.queue_names import queue_arn, queue_name
from components.guard import Guard
from settings.models import QueueSettings
from settings.plan import EnvironmentPlan

_RETENTION_SECONDS: Final = 7 * 86400
DEAD_LETTER_SECONDS: Final = 14 * 86400
"""Two weeks to look at a message that nobody could digest; SQS keeps none longer."""
_LONG_POLL_SECONDS: Final = 20
_DEAD: Final = "-dead"


def create_queue(
    name: str,
    settings: QueueSettings,
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.sqs.Queue:
    """Create a queue and its dead letters, both encrypted and for TLS only."""
    key = platform.keys["storage", environment.aws.region].arn
    dead = aws.sqs.Queue(
        f"queue-{name}{_DEAD}",
        name=queue_name(environment, f"{name}{_DEAD}"),
        kms_master_key_id=key,
        message_retention_seconds=DEAD_LETTER_SECONDS,
        policy=_tls_only(queue_arn(environment, f"{name}{_DEAD}")),
        opts=guard.retrying(parent),
    )
    return aws.sqs.Queue(
        f"queue-{name}",
        name=queue_name(environment, name),
        kms_master_key_id=key,
        message_retention_seconds=_RETENTION_SECONDS,
        visibility_timeout_seconds=settings.ack_seconds,
        receive_wait_time_seconds=_LONG_POLL_SECONDS,
        redrive_policy=json.dumps(
            {
                "deadLetterTargetArn": queue_arn(environment, f"{name}{_DEAD}"),
                "maxReceiveCount": settings.max_attempts,
            },
            sort_keys=True,
        ),
        policy=_tls_only(queue_arn(environment, name)),
        opts=guard.retrying(parent, depends_on=[dead]),
    )


def grant_queues(
    environment: EnvironmentPlan, platform: AwsPlatform, *, parent: pulumi.Resource
) -> list[aws.iam.RolePolicy]:
    """Let gateway and worker publish to every queue, and each service take from its own."""
    accounts: tuple[Workload, ...] = ("gateway", "worker")
    return [
        aws.iam.RolePolicy(
            f"{account}-queues",
            name="queues",
            role=platform.roles[account].name,
            policy=document(_rights(account, environment)),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[platform.roles[account].resource]),
        )
        for account in accounts
    ]


def _rights(account: Workload, environment: EnvironmentPlan) -> list[Statement]:
    own = [
        queue_arn(environment, name)
        for name, queue in sorted(environment.queues.items())
        if environment.services[queue.service].account == account
    ]
    statements = [
        allow("Publish", "sqs:SendMessage", [queue_arn(environment, name) for name in sorted(environment.queues)]),
        use_key(environment, "storage", environment.aws.region, "sqs", sid="EncryptMessages", encrypt=True),
    ]
    if own:
        actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        statements.append(allow("Consume", actions, own))
    return statements


def _tls_only(arn: str) -> str:
    return document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )
