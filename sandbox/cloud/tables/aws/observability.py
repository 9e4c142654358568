"""Logs, metrics, events, notifications, budgets and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.aws.common import BUCKET, TOPIC, regional_rule, role_used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis

LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
EVENT_RULE: Final = "aws:cloudwatch/eventRule:EventRule"
TRAIL: Final = "aws:cloudtrail/trail:Trail"


def _event_rule_arn(made: Synthesis) -> str:
    bus = str(made.outputs.get("eventBusName") or "default")
    where = "" if bus == "default" else f"{bus}/"
    return f"arn:aws:events:{made.region}:{made.account}:rule/{where}{made.inputs['name']}"


def _target_id(made: Synthesis) -> str:
    return str(made.inputs.get("targetId") or f"terraform-{made.hex(26)}")


RULES: Final[Mapping[str, Rule]] = {
    LOG_GROUP: regional_rule(
        "logGroupClass",
        "name",
        "namePrefix",
        regional=True,
        check_defaults={"retentionInDays": 0, "skipDestroy": False},
        server_defaults={"deletionProtectionEnabled": False, "logGroupClass": "STANDARD"},
        exists_code="ResourceAlreadyExistsException",
        computed={"arn": "arn:aws:logs:{region}:{account}:log-group:{name}"},
        virtual={"skipDestroy": False},
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": regional_rule(
        "logGroupName",
        "name",
        regional=True,
        check_defaults={"metricTransformation.unit": "None"},
        on_exists="adopt",
        parents=(Parent(LOG_GROUP, "{logGroupName}@{region}"),),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": regional_rule(
        "name",
        regional=True,
        check_defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        server_defaults={"evaluateLowSampleCountPercentiles": ""},
        unordered=("alarmActions", "insufficientDataActions", "metricQueries", "okActions"),
        computed={"arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
        on_exists="adopt",
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": regional_rule(
        "actionsEnabled",
        "alarmName",
        regional=True,
        check_defaults={"actionsEnabled": True},
        unordered=("alarmActions", "insufficientDataActions", "okActions"),
        computed={"arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{alarmName}"},
        on_exists="adopt",
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": regional_rule(
        "policyName",
        regional=True,
        json_text=("policyDocument",),
        on_exists="adopt",
    ),
    # Dashboards belong to the account: every region shows them.
    "aws:cloudwatch/dashboard:Dashboard": regional_rule(
        "dashboardName",
        json_text=("dashboardBody",),
        computed={"dashboardArn": "arn:aws:cloudwatch::{account}:dashboard/{dashboardName}"},
        on_exists="adopt",
    ),
    EVENT_RULE: regional_rule(
        "eventBusName",
        "name",
        "namePrefix",
        regional=True,
        check_defaults={"eventBusName": "default", "forceDestroy": False},
        json_text=("eventPattern",),
        server_defaults={"state": "ENABLED"},
        computed={"arn": _event_rule_arn},
        virtual={"forceDestroy": False},
        on_exists="adopt",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": regional_rule(
        "eventBusName",
        "rule",
        "targetId",
        regional=True,
        check_defaults={"eventBusName": "default", "forceDestroy": False},
        json_text=("input",),
        id_from=lambda made: f"{made.inputs['rule']}-{_target_id(made)}",
        computed={"targetId": _target_id},
        virtual={"forceDestroy": False},
        on_exists="adopt",
        parents=(Parent(EVENT_RULE, "{rule}@{region}", "block"), role_used("roleArn")),
    ),
    TOPIC: regional_rule(
        "fifoTopic",
        "name",
        "namePrefix",
        check_defaults={"contentBasedDeduplication": False, "fifoTopic": False},
        json_text=("deliveryPolicy", "policy"),
        server_defaults={"signatureVersion": 0, "tracingConfig": ""},
        computed={
            "arn": "{id}",
            "beginningArchiveTime": lambda _made: "",
            "owner": "{account}",
            "policy": lambda made: (
                '{"Statement":[{"Action":["SNS:Publish"],"Condition":{"StringEquals":{"AWS:SourceOwner":"'
                f'{made.account}"}}}},"Effect":"Allow","Principal":{{"AWS":"*"}},"Resource":"{made.id}"}}]}}'
            ),
        },
        on_exists="adopt",
    ),
    "aws:sns/topicPolicy:TopicPolicy": regional_rule(
        "arn",
        json_text=("policy",),
        computed={"owner": "{account}"},
        on_exists="adopt",
        parents=(Parent(TOPIC, "{arn}"),),
    ),
    "aws:sns/topicSubscription:TopicSubscription": regional_rule(
        "endpoint",
        "protocol",
        "topic",
        check_defaults={
            "confirmationTimeoutInMinutes": 1,
            "endpointAutoConfirms": False,
            "rawMessageDelivery": False,
        },
        json_text=("deliveryPolicy", "filterPolicy", "redrivePolicy"),
        id_from=lambda made: f"{made.inputs['topic']}:{made.uuid()}",
        computed={
            "arn": "{id}",
            "confirmationWasAuthenticated": lambda _made: False,
            "filterPolicyScope": lambda made: "MessageAttributes" if made.inputs.get("filterPolicy") else "",
            "ownerId": "{account}",
            # A person confirms a mail, an endpoint confirms itself.
            "pendingConfirmation": lambda made: str(made.inputs["protocol"]).startswith(("email", "http")),
        },
        virtual={"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False},
        parents=(Parent(TOPIC, "{topic}"),),
    ),
    "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration": regional_rule(
        "configurationName",
        exists_code="ConflictException",
        server_defaults={
            "guardrailPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            "loggingLevel": "NONE",
            "userAuthorizationRequired": False,
        },
        unordered=("guardrailPolicyArns", "snsTopicArns"),
        computed={
            "chatConfigurationArn": "arn:aws:chatbot::{account}:chat-configuration/slack-channel/{configurationName}",
            "slackChannelName": lambda _made: "channel",
            "slackTeamName": lambda _made: "team",
        },
        parents=(role_used("iamRoleArn"),),
    ),
    "aws:budgets/budget:Budget": Rule(
        immutable=("accountId", "name", "namePrefix"),
        check_defaults={"timePeriodEnd": "2087-06-15_00:00"},
        server_defaults={"costFilters": [], "timePeriodStart": "2026-01-01_00:00"},
        unordered=("costFilters", "notifications", "plannedLimits"),
        exists_code="DuplicateRecordException",
        computed={"accountId": "{account}", "arn": "arn:aws:budgets::{account}:budget/{name}"},
    ),
    TRAIL: regional_rule(
        "name",
        check_defaults={
            "enableLogFileValidation": False,
            "enableLogging": True,
            "includeGlobalServiceEvents": True,
            "isMultiRegionTrail": False,
            "isOrganizationTrail": False,
        },
        unordered=("advancedEventSelectors", "insightSelectors"),
        exists_code="TrailAlreadyExistsException",
        computed={
            "arn": "{id}",
            "homeRegion": "{region}",
            "snsTopicArn": lambda _made: "",
        },
        parents=(
            Parent(BUCKET, "{s3BucketName}", "ignore"),
            Parent(LOG_GROUP, "{cloudWatchLogsGroupArn|log_group}@{region}", "ignore"),
            role_used("cloudWatchLogsRoleArn"),
        ),
    ),
}
