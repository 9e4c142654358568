"""Starts that the scheduler could not make: kept for two weeks, and alarmed on."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import AwsPlatform
from components.aws.policy_document import allow, document, use_key
from components.guard import Guard
from settings.plan import EnvironmentPlan

_DEAD_LETTER_SECONDS: Final = 1_209_600  # 14 days, the longest


def dead_letters_name(environment: EnvironmentPlan) -> str:
    """Name of the queue of starts that the scheduler could not make."""
    return f"{prefix(environment)}-schedules-dead-letters"


def dead_letters_arn(environment: EnvironmentPlan) -> str:
    return f"arn:aws:sqs:{environment.aws.region}:{environment.aws.account_id}:{dead_letters_name(environment)}"


def create_dead_letters(
    environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> tuple[aws.sqs.Queue, pulumi.Resource]:
    """Create the queue of starts that failed; returns it and the scheduler's right to write to it."""
    home = environment.aws.region
    queue = aws.sqs.Queue(
        "schedules-dead-letters",
        name=dead_letters_name(environment),
        kms_master_key_id=platform.keys["logs", home].arn,
        message_retention_seconds=_DEAD_LETTER_SECONDS,
        policy=document(
            [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": dead_letters_arn(environment),
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ]
        ),
        opts=guard.retrying(parent),
    )
    right = aws.iam.RolePolicy(
        "scheduler-dead-letters",
        name="dead-letters",
        role=platform.roles["scheduler"].name,
        policy=document(
            [
                allow("KeepFailedStarts", "sqs:SendMessage", dead_letters_arn(environment)),
                use_key(environment, "logs", home, "sqs", sid="EncryptFailedStarts", encrypt=True),
            ]
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(platform.roles["scheduler"].ready)),
    )
    return queue, right
