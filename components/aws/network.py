"""The home region's network: private subnets for everything that runs or keeps data, public ones for what faces out.

The way out is NAT, whose addresses an outside database can allow. Interface endpoints are left out on purpose: what
they would keep off the internet is encrypted anyway, each costs more per zone than a NAT gateway's share of that
traffic, and NAT stays necessary for guests and for the buckets of the backup region. S3 in the home region is the
exception: its gateway endpoint is free, and image layers, uploads and the registry go through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.naming import prefix
from components.aws.platform import Key, KeyUse, Role
from components.aws.policy_document import document
from components.aws.vpc import create_vpc
from components.guard import Guard
from settings.plan import EnvironmentPlan

_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class Network:
    """What workloads and databases attach to."""

    vpc: aws.ec2.Vpc
    private_subnets: tuple[aws.ec2.Subnet, ...]
    public_subnets: tuple[aws.ec2.Subnet, ...]
    egress: tuple[pulumi.Resource, ...]


def create_network(
    environment: EnvironmentPlan,
    *,
    flow_role: Role,
    keys: Mapping[tuple[KeyUse, str], Key],
    guard: Guard,
    parent: pulumi.Resource,
) -> Network:
    """Create the network; nothing in it accepts a connection until a security group says so."""
    opts = pulumi.ResourceOptions(parent=parent)
    vpc = create_vpc(environment, flow_role=flow_role, keys=keys, guard=guard, parent=parent)
    gateway = aws.ec2.InternetGateway("internet", vpc_id=vpc.id, tags=_named(environment, "internet"), opts=opts)
    public_table = aws.ec2.RouteTable("public-routes", vpc_id=vpc.id, tags=_named(environment, "public"), opts=opts)
    public_route = aws.ec2.Route(
        "public-internet",
        route_table_id=public_table.id,
        destination_cidr_block=_ANYWHERE,
        gateway_id=gateway.id,
        opts=opts,
    )
    public = {
        zone.name: _subnet(
            f"public-{zone.name}", zone.name, zone.public_range, environment=environment, vpc=vpc, parent=parent
        )
        for zone in environment.aws.zones
    }
    attached = [
        aws.ec2.RouteTableAssociation(
            f"public-{zone}-routes", subnet_id=subnet.id, route_table_id=public_table.id, opts=opts
        )
        for zone, subnet in public.items()
    ]
    # one zone's failure must not take the others' way out; dev can wait
    gateways = list(public) if environment.name != "dev" else list(public)[:1]
    nat = {zone: _nat(zone, environment, public[zone], [gateway, public_route, *attached], parent) for zone in gateways}
    private: dict[str, aws.ec2.Subnet] = {}
    egress: list[pulumi.Resource] = []
    tables = []
    for zone in environment.aws.zones:
        subnet = _subnet(
            f"private-{zone.name}", zone.name, zone.private_range, environment=environment, vpc=vpc, parent=parent
        )
        table = aws.ec2.RouteTable(
            f"private-{zone.name}-table", vpc_id=vpc.id, tags=_named(environment, f"private-{zone.name}"), opts=opts
        )
        route = aws.ec2.Route(
            f"private-{zone.name}-internet",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            nat_gateway_id=nat.get(zone.name, nat[gateways[0]]).id,
            opts=opts,
        )
        association = aws.ec2.RouteTableAssociation(
            f"private-{zone.name}-routes", subnet_id=subnet.id, route_table_id=table.id, opts=opts
        )
        private[zone.name] = subnet
        tables.append(table)
        egress += [route, association]
    egress.append(_storage_endpoint(environment, vpc, tables, parent))
    return Network(
        vpc=vpc, private_subnets=tuple(private.values()), public_subnets=tuple(public.values()), egress=tuple(egress)
    )


def _named(environment: EnvironmentPlan, name: str) -> dict[str, str]:
    return {"Name": f"{prefix(environment)}-{name}"}


def _subnet(
    name: str, zone: str, range_: str, *, environment: EnvironmentPlan, vpc: aws.ec2.Vpc, parent: pulumi.Resource
) -> aws.ec2.Subnet:
    return aws.ec2.Subnet(
        name,
        vpc_id=vpc.id,
        availability_zone=zone,
        cidr_block=range_,
        # whatever needs a public address asks for one
        map_public_ip_on_launch=False,
        tags=_named(environment, name),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _nat(
    zone: str,
    environment: EnvironmentPlan,
    subnet: aws.ec2.Subnet,
    depends_on: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> aws.ec2.NatGateway:
    tags = _named(environment, f"nat-{zone}")
    # an address belongs to a VPC's internet gateway, without which it cannot be given out
    opts = pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on))
    address = aws.ec2.Eip(f"nat-{zone}-address", domain="vpc", tags=tags, opts=opts)
    return aws.ec2.NatGateway(
        f"nat-{zone}",
        subnet_id=subnet.id,
        allocation_id=address.id,
        connectivity_type="public",
        tags=tags,
        opts=opts,
    )


def _storage_endpoint(
    environment: EnvironmentPlan, vpc: aws.ec2.Vpc, tables: Sequence[aws.ec2.RouteTable], parent: pulumi.Resource
) -> aws.ec2.VpcEndpoint:
    """S3 without NAT, and only this account's buckets: stolen data cannot leave through it into somebody else's."""
    region = environment.aws.region
    return aws.ec2.VpcEndpoint(
        "storage-endpoint",
        vpc_id=vpc.id,
        service_name=f"com.amazonaws.{region}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=[table.id for table in tables],
        policy=document(
            [
                {
                    "Sid": "OwnBuckets",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:ResourceAccount": environment.aws.account_id}},
                },
                {
                    "Sid": "ImageLayers",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:GetObject",
                    # where ECR keeps the layers of every image (Amazon ECR, interface VPC endpoints)
                    "Resource": f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*",
                },
            ]
        ),
        tags=_named(environment, "s3"),
        opts=pulumi.ResourceOptions(parent=parent),
    )
