"""Where databases are: the home region's private subnets."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import DatabaseNetwork
from settings.plan import EnvironmentPlan


def create_database_network(
    environment: EnvironmentPlan,
    subnets: Sequence[aws.ec2.Subnet],
    group: aws.ec2.SecurityGroup,
    *,
    parent: pulumi.Resource,
) -> DatabaseNetwork:
    """Create the subnet group of every instance."""
    return DatabaseNetwork(
        subnet_group=aws.rds.SubnetGroup(
            "database-subnets",
            region=environment.aws.region,
            name=prefix(environment),
            description="Private subnets of the databases",
            subnet_ids=[subnet.id for subnet in subnets],
            opts=pulumi.ResourceOptions(parent=parent),
        ),
        security_group=group,
    )
