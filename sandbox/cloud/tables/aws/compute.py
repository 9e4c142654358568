"""Containers, schedules, scaling and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.aws.common import groups_used, regional_rule, role_used, subnets_used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis

CLUSTER: Final = "aws:ecs/cluster:Cluster"
SCHEDULE_GROUP: Final = "aws:scheduler/scheduleGroup:ScheduleGroup"
SCALING_TARGET: Final = "aws:appautoscaling/target:Target"


def _revision(made: Synthesis) -> int:
    # The seed ends with the number of revisions of this family so far, see Cloud.create.
    return int(made.seed.rpartition("#")[2])


def _queue_url(made: Synthesis) -> str:
    return f"https://sqs.{made.region}.amazonaws.com/{made.account}/{made.inputs['name']}"


RULES: Final[Mapping[str, Rule]] = {
    CLUSTER: regional_rule(
        "name",
        server_defaults={"settings": [{"name": "containerInsights", "value": "disabled"}]},
        unordered=("settings",),
        computed={"arn": "{id}"},
        on_exists="adopt",
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": regional_rule(
        "clusterName",
        regional=True,
        unordered=("capacityProviders", "defaultCapacityProviderStrategies"),
        on_exists="adopt",
        parents=(Parent(CLUSTER, "arn:aws:ecs:{region}:{account}:cluster/{clusterName}"),),
    ),
    # The provider's id is the family; here it is the revision's ARN, so that an old revision and a new one are two.
    "aws:ecs/taskDefinition:TaskDefinition": regional_rule(
        "containerDefinitions",
        "cpu",
        "enableFaultInjection",
        "ephemeralStorage",
        "executionRoleArn",
        "family",
        "ipcMode",
        "memory",
        "networkMode",
        "pidMode",
        "placementConstraints",
        "proxyConfiguration",
        "requiresCompatibilities",
        "runtimePlatform",
        "taskRoleArn",
        "volumes",
        check_defaults={"skipDestroy": False, "trackLatest": False},
        server_defaults={"enableFaultInjection": False, "networkMode": "bridge"},
        json_text=("containerDefinitions",),
        unordered=("placementConstraints", "requiresCompatibilities", "volumes"),
        numbered_by="family",
        id_from=lambda made: (
            f"arn:aws:ecs:{made.region}:{made.account}:task-definition/{made.inputs['family']}:{_revision(made)}"
        ),
        computed={
            "arn": "{id}",
            "arnWithoutRevision": "arn:aws:ecs:{region}:{account}:task-definition/{family}",
            "revision": _revision,
        },
        virtual={"skipDestroy": False, "trackLatest": False},
        parents=(role_used("executionRoleArn"), role_used("taskRoleArn")),
    ),
    "aws:ecs/service:Service": regional_rule(
        "cluster",
        "deploymentController",
        "launchType",
        "name",
        "schedulingStrategy",
        check_defaults={
            "deploymentMaximumPercent": 200,
            "deploymentMinimumHealthyPercent": 100,
            "enableEcsManagedTags": False,
            "enableExecuteCommand": False,
            "schedulingStrategy": "REPLICA",
            "waitForSteadyState": False,
        },
        server_defaults={
            "availabilityZoneRebalancing": "ENABLED",
            "iamRole": "/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            "launchType": "EC2",
            "platformVersion": "LATEST",
        },
        unordered=("capacityProviderStrategies", "loadBalancers"),
        exists_code="InvalidParameterException",
        computed={"arn": "{id}"},
        virtual={"forceDelete": None, "forceNewDeployment": None, "waitForSteadyState": False},
        parents=(
            Parent(CLUSTER, "{cluster}", "block", pattern="^arn:aws:ecs:"),
            Parent("aws:ecs/taskDefinition:TaskDefinition", "{taskDefinition}", "ignore", pattern=r":\d+$"),
            Parent("aws:lb/targetGroup:TargetGroup", "{each}", "ignore", each="loadBalancers.targetGroupArn"),
            groups_used("networkConfiguration.securityGroups"),
            subnets_used("networkConfiguration.subnets"),
        ),
    ),
    SCALING_TARGET: regional_rule(
        "resourceId",
        "scalableDimension",
        "serviceNamespace",
        regional=True,
        computed={
            "arn": lambda made: (
                f"arn:aws:application-autoscaling:{made.region}:{made.account}:scalable-target/{made.hex(32)}"
            ),
            "roleArn": lambda made: (
                f"arn:aws:iam::{made.account}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_ECSService"
            ),
        },
        on_exists="adopt",
    ),
    "aws:appautoscaling/policy:Policy": regional_rule(
        "name",
        "resourceId",
        "scalableDimension",
        "serviceNamespace",
        regional=True,
        check_defaults={"policyType": "StepScaling"},
        computed={
            "alarmArns": lambda _made: [],
            "arn": lambda made: (
                f"arn:aws:autoscaling:{made.region}:{made.account}:scalingPolicy:{made.uuid()}"
                f":resource/{made.inputs['serviceNamespace']}/{made.inputs['resourceId']}"
                f":policyName/{made.inputs['name']}"
            ),
        },
        on_exists="adopt",
        parents=(Parent(SCALING_TARGET, "{resourceId}@{region}"),),
    ),
    # --- schedules -------------------------------------------------------------------------------------------------
    SCHEDULE_GROUP: regional_rule(
        "name",
        "namePrefix",
        regional=True,
        exists_code="ConflictException",
        computed={
            "arn": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
            "creationDate": "{now}",
            "lastModificationDate": "{now}",
            "state": lambda _made: "ACTIVE",
        },
    ),
    "aws:scheduler/schedule:Schedule": regional_rule(
        "groupName",
        "name",
        "namePrefix",
        regional=True,
        check_defaults={
            "scheduleExpressionTimezone": "UTC",
            "state": "ENABLED",
            "target.retryPolicy.maximumEventAgeInSeconds": 86400,
            "target.retryPolicy.maximumRetryAttempts": 185,
        },
        server_defaults={"actionAfterCompletion": "NONE", "groupName": "default"},
        json_text=("target.input",),
        exists_code="ConflictException",
        computed={
            "arn": lambda made: (
                f"arn:aws:scheduler:{made.region}:{made.account}:schedule/{made.outputs['groupName']}"
                f"/{made.inputs['name']}"
            )
        },
        parents=(
            Parent(SCHEDULE_GROUP, "{groupName}@{region}", pattern=r"^(?!default@)"),
            role_used("target.roleArn"),
        ),
    ),
    "aws:sqs/queue:Queue": regional_rule(
        "fifoQueue",
        "name",
        "namePrefix",
        check_defaults={
            "contentBasedDeduplication": False,
            "delaySeconds": 0,
            "fifoQueue": False,
            "maxMessageSize": 262144,
            "messageRetentionSeconds": 345600,
            "receiveWaitTimeSeconds": 0,
            "visibilityTimeoutSeconds": 30,
        },
        json_text=("policy", "redriveAllowPolicy", "redrivePolicy"),
        server_defaults={"kmsDataKeyReusePeriodSeconds": 300},
        id_from=_queue_url,
        exists_code="QueueNameExists",
        computed={
            "arn": "arn:aws:sqs:{region}:{account}:{name}",
            "policy": lambda _made: "",
            "redriveAllowPolicy": lambda _made: "",
            "sqsManagedSseEnabled": lambda made: not made.inputs.get("kmsMasterKeyId"),
            "url": _queue_url,
        },
    ),
}
