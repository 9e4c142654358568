"""A VPC in which nothing is open by default and every connection is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.naming import log_group_arn, log_group_name, prefix
from components.aws.platform import Key, KeyUse, Role
from components.aws.policy_document import allow, trust_service
from components.aws.roles import create_role
from components.guard import Guard
from settings.plan import EnvironmentPlan

FLOW_LOG_DAYS: Final = 365
"""R6.6 asks audit logs to be kept for a year; who spoke to whom is one."""


def create_flow_log_role(environment: EnvironmentPlan, *, parent: pulumi.Resource) -> Role:
    """The role with which the VPC writes its flow log."""
    group = log_group_name(environment, "flow")
    return create_role(
        environment,
        "flow-logs",
        description="VPC flow logs into their log groups",
        trust=trust_service(environment, "vpc-flow-logs.amazonaws.com"),
        statements=[
            allow(
                "Write",
                ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                f"{log_group_arn(environment, group)}:*",
            ),
            # a list of names, for which no narrower resource exists
            allow("Find", "logs:DescribeLogGroups", "*"),
        ],
        parent=parent,
    )


def create_vpc(
    environment: EnvironmentPlan,
    *,
    flow_role: Role,
    keys: Mapping[tuple[KeyUse, str], Key],
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.ec2.Vpc:
    """Create a VPC with the environment's range, its default security group emptied and its flow log on."""
    region = environment.aws.region
    vpc = aws.ec2.Vpc(
        "network",
        region=region,
        cidr_block=environment.aws.network,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags={"Name": prefix(environment)},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.ec2.DefaultSecurityGroup(
        "network-default-group",
        region=region,
        vpc_id=vpc.id,
        ingress=[],
        egress=[],
        tags={"Name": f"{prefix(environment)}-default-unused"},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    group_name = log_group_name(environment, "flow")
    group = aws.cloudwatch.LogGroup(
        "network-flow-logs",
        region=region,
        name=group_name,
        retention_in_days=FLOW_LOG_DAYS,
        kms_key_id=keys["logs", region].arn,
        opts=guard.retrying(parent),
    )
    aws.ec2.FlowLog(
        "network-flow",
        region=region,
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=log_group_arn(environment, group_name, region),
        iam_role_arn=flow_role.arn,
        max_aggregation_interval=600,
        tags={"Name": prefix(environment)},
        opts=guard.retrying(parent, depends_on=[group, *flow_role.ready]),
    )
    return vpc
