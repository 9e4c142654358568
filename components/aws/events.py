"""Events of AWS services that should not happen, each kind in a log group of its own, whose entries are alarmed on.

A topic would be told at once as well, but it keeps nothing: whoever is woken reads here what happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components.aws.alarm_rules import event_alarm
from components.aws.alarms import Alarm
from components.aws.channels import Severity
from components.aws.naming import cluster_arn, log_group_arn, prefix
from components.aws.platform import AwsPlatform
from components.aws.policy_document import document
from components.guard import Guard
from settings.plan import EnvironmentPlan

RETENTION_DAYS: Final = 90
"""R6.6: errors are kept for 90 days."""

_UNSUCCESSFUL: Final = ["ABORTED", "EXPIRED", "FAILED", "PARTIAL"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What to look for, and what to say when it comes.

    Attributes:
        key: identity of the rule, its log group and its alarm.
        pattern: event pattern of EventBridge.
    """

    key: str
    pattern: Mapping[str, Any]
    title: str
    severity: Severity
    meaning: str
    first: str

    def group(self, environment: EnvironmentPlan) -> str:
        """EventBridge writes only below /aws/events/."""
        return f"/aws/events/{prefix(environment)}-{self.key}"

    def alarm(self, environment: EnvironmentPlan) -> Alarm:
        return event_alarm(
            self.key,
            self.group(environment),
            title=self.title,
            severity=self.severity,
            meaning=self.meaning,
            first=self.first,
        )


def unwanted(environment: EnvironmentPlan) -> tuple[Event, ...]:
    """A task that failed or did not start, and jobs of AWS Backup that did not succeed (R6.2, R3.4)."""
    stopped = {"clusterArn": [cluster_arn(environment)], "lastStatus": ["STOPPED"]}
    return (
        Event(
            key="memory-killed",
            pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                # it has failed as well, with an exit code that others have too
                "detail": {**stopped, "containers": {"reason": [{"prefix": "OutOfMemoryError"}]}},
            },
            title="A container ran out of memory",
            severity="critical",
            meaning="A task was killed because it took more memory than it has; what it was doing failed.",
            first="Read the event for the task. Roll a new release back; else raise the task's `memory_mb`.",
        ),
        Event(
            key="task-failed",
            pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {
                    **stopped,
                    "$or": [
                        # and not whatever a deployment or a smaller load has stopped
                        {
                            "containers": {"exitCode": [{"anything-but": 0}]},
                            "stopCode": ["EssentialContainerExited"],
                        },
                        {"stopCode": ["TaskFailedToStart"]},
                    ],
                },
            },
            title="A job or service task failed",
            severity="warning",
            meaning="A task ended with an error, or did not start at all.",
            first="Read `stoppedReason` in the event, then the task's log; every job may be started again at any time.",
        ),
        Event(
            key="snapshot-failed",
            pattern={
                "source": ["aws.backup"],
                "detail-type": ["Backup Job State Change", "Copy Job State Change"],
                "detail": {"state": _UNSUCCESSFUL},
            },
            title="AWS Backup failed",
            severity="warning",
            meaning="A snapshot or its copy into the backup region failed. Older ones still stand.",
            first="Read `statusMessage` in the event; start the backup or the copy by hand.",
        ),
        Event(
            key="restore-failed",
            pattern={
                "source": ["aws.backup"],
                "detail-type": ["Restore Job State Change"],
                "detail": {"status": _UNSUCCESSFUL},
            },
            title="A snapshot could not be restored",
            severity="critical",
            meaning="The weekly restore test, or a restore by hand, failed: take those snapshots as unproved.",
            first="Read `statusMessage` in the event; look at the restore test in AWS Backup and repeat it.",
        ),
    )


def record_events(
    name: str, environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> dict[str, aws.cloudwatch.LogGroup]:
    """Record the unwanted events of the home region; returns the log groups by key."""
    opts = pulumi.ResourceOptions(parent=parent)
    groups: dict[str, aws.cloudwatch.LogGroup] = {}
    for event in unwanted(environment):
        group = aws.cloudwatch.LogGroup(
            f"{name}-events-{event.key}",
            name=event.group(environment),
            retention_in_days=RETENTION_DAYS,
            kms_key_id=platform.keys["logs", environment.aws.region].arn,
            opts=guard.retrying(parent),
        )
        rule = aws.cloudwatch.EventRule(
            f"{name}-rule-{event.key}",
            name=f"{prefix(environment)}-{event.key}",
            description=event.title,
            event_pattern=json.dumps(event.pattern, sort_keys=True, separators=(",", ":")),
            state="ENABLED",
            opts=opts,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-rule-{event.key}-log",
            rule=rule.name,
            target_id="log",
            arn=log_group_arn(environment, event.group(environment)),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[group]),
        )
        groups[event.key] = group
    aws.cloudwatch.LogResourcePolicy(
        f"{name}-events-writers",
        policy_name=f"{prefix(environment)}-events",
        policy_document=_writers(environment),
        opts=opts,
    )
    return groups


def _writers(environment: EnvironmentPlan) -> str:
    """EventBridge may write; which rule it writes for is only told with the entries themselves."""
    region, account = environment.aws.region, environment.aws.account_id
    principal = {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]}
    resource = f"{log_group_arn(environment, f'/aws/events/{prefix(environment)}-*')}:*"
    return document(
        [
            {
                "Sid": "Streams",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "logs:CreateLogStream",
                "Resource": resource,
            },
            {
                "Sid": "Entries",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "logs:PutLogEvents",
                "Resource": resource,
                "Condition": {
                    "ArnLike": {"aws:SourceArn": f"arn:aws:events:{region}:{account}:rule/{prefix(environment)}-*"}
                },
            },
        ]
    )
