"""Where databases are: the home region's private subnets, and a network of its own for replicas elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import DatabaseNetwork, Key, KeyUse, Role
from components.aws.vpc import create_vpc
from components.guard import Guard
from settings.clouds import default_zones
from settings.plan import EnvironmentPlan


def create_database_network(
    environment: EnvironmentPlan,
    subnets: Sequence[aws.ec2.Subnet],
    group: aws.ec2.SecurityGroup,
    *,
    parent: pulumi.Resource,
) -> DatabaseNetwork:
    """The home region's: in the private subnets of the environment's network."""
    return DatabaseNetwork(
        subnet_group=_subnet_group("database-subnets", environment, environment.aws.region, subnets, parent),
        security_group=group,
    )


def create_replica_network(
    environment: EnvironmentPlan,
    region: str,
    *,
    flow_role: Role,
    keys: Mapping[tuple[KeyUse, str], Key],
    guard: Guard,
    parent: pulumi.Resource,
) -> DatabaseNetwork:
    """A network without a way in or out: a replica waits there for the day on which the home region is gone.

    It has the same ranges as home, so that what is rebuilt around it on that day is configured as it was. That rules
    out a peering between the two, which would have nothing to connect on that day either.
    """
    name = f"network-{region}"
    vpc = create_vpc(name, environment, region, flow_role=flow_role, keys=keys, guard=guard, parent=parent)
    subnets = [
        aws.ec2.Subnet(
            f"{name}-{zone}",
            region=region,
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=planned.private_range,
            map_public_ip_on_launch=False,
            tags={"Name": f"{prefix(environment)}-private-{zone}"},
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for zone, planned in zip(default_zones(region), environment.aws.zones, strict=False)
    ]
    full_name = f"{prefix(environment)}-database"
    group = aws.ec2.SecurityGroup(
        f"{name}-group",
        region=region,
        name=full_name,
        description="Replicas; nothing comes in before one is promoted",
        vpc_id=vpc.id,
        tags={"Name": full_name},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return DatabaseNetwork(
        subnet_group=_subnet_group(f"{name}-subnets", environment, region, subnets, parent), security_group=group
    )


def _subnet_group(
    name: str,
    environment: EnvironmentPlan,
    region: str,
    subnets: Sequence[aws.ec2.Subnet],
    parent: pulumi.Resource,
) -> aws.rds.SubnetGroup:
    return aws.rds.SubnetGroup(
        name,
        region=region,
        name=prefix(environment),
        description="Private subnets of the databases",
        subnet_ids=[subnet.id for subnet in subnets],
        opts=pulumi.ResourceOptions(parent=parent),
    )
