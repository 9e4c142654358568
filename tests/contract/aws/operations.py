"""Rows for identities, tasks, queues, and what watches them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.contract.aws.tables import Call, Differences
from tests.contract.forms import ON_DELETE, PROVIDER_ONLY, At, Attribute, Outside

# Where the operations of queues, topics and subscriptions describe their attributes.
_ATTRIBUTES = "^attributes"
_ON_OFF = {True: "ENABLED", False: "DISABLED"}.__getitem__


def _dimensions(value: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": text} for name, text in value.items()]


def _instant(value: str) -> str:
    """The provider's `2087-06-15_00:00`."""
    return value.replace("_", "T") + ":00+00:00"


_DIMENSIONS = At("dimensions", via=_dimensions)

_TASK_NETWORK: Differences = {
    "networkConfiguration": At("networkConfiguration.awsvpcConfiguration"),
    "networkConfiguration.assignPublicIp": At("assignPublicIp", via=_ON_OFF),
}


def _under(prefix: str, rows: Differences) -> Differences:
    return {f"{prefix}.{path}": row for path, row in rows.items()}


OPERATIONS: Mapping[str, Call] = {
    "aws:appautoscaling/policy:Policy": Call(
        "application-autoscaling", "PutScalingPolicy", differences={"name": At("policyName")}, tags=""
    ),
    "aws:appautoscaling/target:Target": Call("application-autoscaling", "RegisterScalableTarget"),
    "aws:budgets/budget:Budget": Call(
        "budgets",
        "CreateBudget",
        "budget",
        {
            "name": At("budgetName"),
            "limitAmount": At("budgetLimit.amount"),
            "limitUnit": At("budgetLimit.unit"),
            "timePeriodEnd": At("timePeriod.end", via=_instant),
            "notifications": At("^notificationsWithSubscribers"),
            "notifications[].comparisonOperator": At("notification.comparisonOperator"),
            "notifications[].notificationType": At("notification.notificationType"),
            "notifications[].threshold": At("notification.threshold"),
            "notifications[].thresholdType": At("notification.thresholdType"),
            "notifications[].subscriberSnsTopicArns": At("subscribers.[].address", each=True),
        },
        tags="^resourceTags",
    ),
    "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration": Call(
        "chatbot", "CreateSlackChannelConfiguration"
    ),
    "aws:cloudtrail/trail:Trail": Call(
        "cloudtrail",
        "CreateTrail",
        differences={
            "cloudWatchLogsGroupArn": At("cloudWatchLogsLogGroupArn"),
            "advancedEventSelectors": At("PutEventSelectors:advancedEventSelectors"),
            "enableLogging": Outside("the API has a call for each of its values, without a property"),
        },
        tags="^tagsList",
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": Call("cloudwatch", "PutCompositeAlarm"),
    "aws:cloudwatch/dashboard:Dashboard": Call("cloudwatch", "PutDashboard", tags=""),
    "aws:cloudwatch/eventRule:EventRule": Call("events", "PutRule"),
    "aws:cloudwatch/eventTarget:EventTarget": Call(
        "events", "PutTargets", "targets.[]", {"targetId": At("id")}, tags=""
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": Call("logs", "CreateDelivery"),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": Call("logs", "PutDeliveryDestination"),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": Call("logs", "PutDeliverySource"),
    "aws:cloudwatch/logGroup:LogGroup": Call(
        "logs",
        "CreateLogGroup",
        differences={
            "name": At("logGroupName"),
            "retentionInDays": At("PutRetentionPolicy:retentionInDays", worded="PutRetentionPolicy:retentionInDays"),
        },
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": Call(
        "logs",
        "PutMetricFilter",
        differences={
            "name": At("filterName"),
            "pattern": At("filterPattern"),
            "metricTransformation": At("metricTransformations.[]"),
            "metricTransformation.name": At("metricName"),
            "metricTransformation.namespace": At("metricNamespace"),
            "metricTransformation.value": At("metricValue"),
        },
        tags="",
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Call("logs", "PutResourcePolicy", tags=""),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Call(
        "cloudwatch",
        "PutMetricAlarm",
        differences={
            "name": At("alarmName"),
            "dimensions": _DIMENSIONS,
            "treatMissingData": At("treatMissingData", worded="treatMissingData"),
            "metricQueries": At("metrics"),
            "metricQueries[].metric": At("metricStat"),
            "metricQueries[].metric.metricName": At("metric.metricName"),
            "metricQueries[].metric.namespace": At("metric.namespace"),
            "metricQueries[].metric.dimensions": At("metric.dimensions", via=_dimensions),
        },
    ),
    "aws:ecs/cluster:Cluster": Call(
        "ecs",
        "CreateCluster",
        differences={"name": At("clusterName"), "settings[].value": At("value", worded="value")},
    ),
    "aws:ecs/service:Service": Call(
        "ecs",
        "CreateService",
        differences={
            "name": At("serviceName"),
            "deploymentCircuitBreaker": At("deploymentConfiguration.deploymentCircuitBreaker"),
            "deploymentMaximumPercent": At("deploymentConfiguration.maximumPercent"),
            "deploymentMinimumHealthyPercent": At("deploymentConfiguration.minimumHealthyPercent"),
            "waitForSteadyState": PROVIDER_ONLY,
            **_TASK_NETWORK,
        },
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Call(
        "ecs",
        "RegisterTaskDefinition",
        differences={"containerDefinitions": At("containerDefinitions", via=json.loads), "trackLatest": PROVIDER_ONLY},
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Call("iam", "CreateOpenIDConnectProvider"),
    "aws:iam/role:Role": Call(
        "iam",
        "CreateRole",
        differences={
            "name": At("roleName"),
            "assumeRolePolicy": At("assumeRolePolicyDocument"),
            "forceDetachPolicies": ON_DELETE,
        },
    ),
    "aws:iam/rolePolicy:RolePolicy": Call(
        "iam",
        "PutRolePolicy",
        differences={"name": At("policyName"), "policy": At("policyDocument"), "role": At("roleName")},
        tags="",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Call(
        "iam", "AttachRolePolicy", differences={"role": At("roleName")}, tags=""
    ),
    "aws:scheduler/schedule:Schedule": Call(
        "scheduler", "CreateSchedule", differences=_under("target.ecsParameters", _TASK_NETWORK), tags=""
    ),
    "aws:sns/topic:Topic": Call(
        "sns",
        "CreateTopic",
        differences={
            "contentBasedDeduplication": Attribute("ContentBasedDeduplication", _ATTRIBUTES),
            "displayName": Attribute("DisplayName", _ATTRIBUTES),
            "fifoTopic": Outside("an attribute that the model's list leaves out"),
            "kmsMasterKeyId": Attribute("KmsMasterKeyId", _ATTRIBUTES),
        },
    ),
    "aws:sns/topicPolicy:TopicPolicy": Call(
        "sns",
        "SetTopicAttributes",
        differences={"arn": At("topicArn"), "policy": Attribute("Policy", "^attributeName")},
        tags="",
    ),
    "aws:sns/topicSubscription:TopicSubscription": Call(
        "sns",
        "Subscribe",
        differences={
            "topic": At("topicArn"),
            "protocol": At("protocol", worded="^protocol"),
            "rawMessageDelivery": Attribute("RawMessageDelivery", _ATTRIBUTES),
            "confirmationTimeoutInMinutes": PROVIDER_ONLY,
            "endpointAutoConfirms": PROVIDER_ONLY,
        },
        tags="",
    ),
    "aws:sqs/queue:Queue": Call(
        "sqs",
        "CreateQueue",
        differences={
            "name": At("queueName"),
            "contentBasedDeduplication": Attribute("ContentBasedDeduplication", _ATTRIBUTES),
            "delaySeconds": Attribute("DelaySeconds", _ATTRIBUTES),
            "fifoQueue": Attribute("FifoQueue", _ATTRIBUTES),
            "kmsMasterKeyId": Attribute("KmsMasterKeyId", _ATTRIBUTES),
            "maxMessageSize": Attribute("MaximumMessageSize", _ATTRIBUTES),
            "messageRetentionSeconds": Attribute("MessageRetentionPeriod", _ATTRIBUTES),
            "policy": Attribute("Policy", _ATTRIBUTES),
            "receiveWaitTimeSeconds": Attribute("ReceiveMessageWaitTimeSeconds", _ATTRIBUTES),
            "redrivePolicy": Attribute("RedrivePolicy", _ATTRIBUTES),
            "visibilityTimeoutSeconds": Attribute("VisibilityTimeout", _ATTRIBUTES),
        },
    ),
}
