"""Networks: VPCs, subnets, routes, security groups and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.cloud.errors import AwsError
from sandbox.cloud.rules import Parent, Rule
from sandbox.cloud.tables.aws.common import (
    DEFAULT_GROUP,
    MANAGED,
    SECURITY_GROUP,
    SUBNET,
    VPC,
    groups_used,
    regional_rule,
    server_id,
    subnets_used,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.cloud.rules import Synthesis

EIP: Final = "aws:ec2/eip:Eip"
GATEWAY: Final = "aws:ec2/internetGateway:InternetGateway"
NAT: Final = "aws:ec2/natGateway:NatGateway"
TABLE: Final = "aws:ec2/routeTable:RouteTable"
_EC2: Final = "arn:aws:ec2:{region}:{account}:"
_IN_VPC: Final = Parent(VPC, "{vpcId}", "block")


def _public_ip(made: Synthesis) -> str:
    return f"203.0.113.{made.digits('public', 254) + 1}"


def _private_ip(made: Synthesis) -> str:
    return f"10.0.{made.digits('private', 256)}.{made.digits('host', 254) + 1}"


def _public_dns(made: Synthesis) -> str:
    return f"ec2-{_public_ip(made).replace('.', '-')}.{made.region}.compute.amazonaws.com"


def default_group_id(made: Synthesis) -> str:
    """The group that came into being with the network."""
    return f"sg-{made.hex(17, 'default-sg')}"


def _duplicate_rule(existing: str) -> AwsError:
    return AwsError(400, f"the specified rule already exists: {existing}", "InvalidPermission.Duplicate")


def _security_group_rule(direction: str) -> Rule:
    return regional_rule(
        "securityGroupId",
        id_from=server_id("sgr-0", 16),
        # Two rules of a group that say the same are InvalidPermission.Duplicate.
        unique=(
            f"{direction} {{securityGroupId}} {{ipProtocol}} {{fromPort?}}-{{toPort?}}"
            " {cidrIpv4?}{cidrIpv6?}{prefixListId?}{referencedSecurityGroupId?}"
        ),
        conflict=_duplicate_rule,
        computed={
            "arn": _EC2 + "security-group-rule/{id}",
            "securityGroupRuleId": "{id}",
        },
        parents=(
            Parent(SECURITY_GROUP, "{securityGroupId}", "cascade"),
            Parent(SECURITY_GROUP, "{referencedSecurityGroupId}", "block"),
        ),
    )


def _service_dns(made: Synthesis) -> list[dict[str, str]]:
    if made.inputs.get("vpcEndpointType") != "Interface":
        return []
    service = str(made.inputs.get("serviceName")).rsplit(".", 1)[-1]
    return [{"dnsName": f"{made.id}.{service}.{made.region}.vpce.amazonaws.com", "hostedZoneId": "Z1HUB23UULQXV"}]


RULES: Final[Mapping[str, Rule]] = {
    VPC: regional_rule(
        "cidrBlock",
        "ipv4IpamPoolId",
        "ipv4NetmaskLength",
        check_defaults={"enableDnsSupport": True, "instanceTenancy": "default"},
        server_defaults={"enableDnsHostnames": False, "enableNetworkAddressUsageMetrics": False},
        id_from=server_id("vpc-0", 16),
        computed={
            "arn": _EC2 + "vpc/{id}",
            "defaultNetworkAclId": lambda made: f"acl-{made.hex(17, 'acl')}",
            "defaultRouteTableId": lambda made: f"rtb-{made.hex(17, 'rtb')}",
            "defaultSecurityGroupId": default_group_id,
            "dhcpOptionsId": lambda made: f"dopt-{made.hex(17, 'dhcp')}",
            "mainRouteTableId": lambda made: f"rtb-{made.hex(17, 'rtb')}",
            "ownerId": "{account}",
        },
    ),
    SUBNET: regional_rule(
        "availabilityZone",
        "availabilityZoneId",
        "cidrBlock",
        "ipv6Native",
        "outpostArn",
        "vpcId",
        check_defaults={
            "assignIpv6AddressOnCreation": False,
            "enableDns64": False,
            "enableResourceNameDnsARecordOnLaunch": False,
            "enableResourceNameDnsAaaaRecordOnLaunch": False,
            "ipv6Native": False,
            "mapPublicIpOnLaunch": False,
        },
        server_defaults={"privateDnsHostnameTypeOnLaunch": "ip-name"},
        id_from=server_id("subnet-0", 16),
        unique="{vpcId} {cidrBlock}",
        exists_code="InvalidSubnet.Conflict",
        computed={
            "arn": _EC2 + "subnet/{id}",
            "availabilityZone": "{region}a",
            "availabilityZoneId": lambda made: f"az{ord(str(made.outputs.get('availabilityZone') or 'a')[-1]) - 96}",
            "ownerId": "{account}",
        },
        parents=(_IN_VPC,),
    ),
    GATEWAY: regional_rule(
        id_from=server_id("igw-0", 16),
        computed={"arn": _EC2 + "internet-gateway/{id}", "ownerId": "{account}"},
        parents=(_IN_VPC,),
    ),
    EIP: regional_rule(
        "address",
        "customerOwnedIpv4Pool",
        "domain",
        "ipamPoolId",
        "networkBorderGroup",
        "publicIpv4Pool",
        server_defaults={"domain": "vpc", "publicIpv4Pool": "amazon"},
        id_from=server_id("eipalloc-0", 16),
        computed={
            "allocationId": "{id}",
            "arn": _EC2 + "elastic-ip/{id}",
            "networkBorderGroup": "{region}",
            "publicDns": _public_dns,
            "publicIp": _public_ip,
        },
    ),
    NAT: regional_rule(
        "allocationId",
        "connectivityType",
        "privateIp",
        "subnetId",
        check_defaults={"connectivityType": "public"},
        id_from=server_id("nat-0", 16),
        computed={
            "associationId": lambda made: f"eipassoc-{made.hex(17, 'assoc')}",
            "networkInterfaceId": lambda made: f"eni-{made.hex(17, 'eni')}",
            "privateIp": _private_ip,
            "publicIp": lambda made: _public_ip(made) if made.inputs.get("allocationId") else "",
        },
        parents=(Parent(SUBNET, "{subnetId}", "block"), Parent(EIP, "{allocationId}", "block")),
    ),
    TABLE: regional_rule(
        "vpcId",
        id_from=server_id("rtb-0", 16),
        unordered=("routes", "propagatingVgws"),
        server_defaults={"routes": [], "propagatingVgws": []},
        computed={"arn": _EC2 + "route-table/{id}", "ownerId": "{account}"},
        parents=(
            _IN_VPC,
            Parent(GATEWAY, "{each}", "block", each="routes.gatewayId", pattern="^igw-"),
            Parent(NAT, "{each}", "ignore", each="routes.natGatewayId"),
        ),
    ),
    "aws:ec2/route:Route": regional_rule(
        "destinationCidrBlock",
        "destinationIpv6CidrBlock",
        "destinationPrefixListId",
        "routeTableId",
        exists_code="RouteAlreadyExists",
        computed={"origin": lambda _made: "CreateRoute", "state": lambda _made: "active"},
        parents=(
            Parent(TABLE, "{routeTableId}"),
            Parent(GATEWAY, "{gatewayId}", "ignore", pattern="^igw-"),
            Parent(NAT, "{natGatewayId}", "ignore"),
        ),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": regional_rule(
        "gatewayId",
        "subnetId",
        id_from=server_id("rtbassoc-0", 16),
        unique="{subnetId?}{gatewayId?}",
        exists_code="Resource.AlreadyAssociated",
        parents=(Parent(TABLE, "{routeTableId}", "block"), Parent(SUBNET, "{subnetId}")),
    ),
    SECURITY_GROUP: regional_rule(
        "description",
        "name",
        "namePrefix",
        "vpcId",
        check_defaults={"description": MANAGED, "revokeRulesOnDelete": False},
        unordered=("egress", "ingress"),
        server_defaults={"egress": [], "ingress": []},
        id_from=server_id("sg-0", 16),
        unique="{vpcId?} {name}",
        exists_code="InvalidGroup.Duplicate",
        computed={"arn": _EC2 + "security-group/{id}", "ownerId": "{account}"},
        virtual={"revokeRulesOnDelete": False},
        parents=(_IN_VPC,),
    ),
    # Takes over the group that every network has; deleting it only forgets it.
    DEFAULT_GROUP: regional_rule(
        "vpcId",
        check_defaults={"revokeRulesOnDelete": False},
        unordered=("egress", "ingress"),
        server_defaults={"egress": [], "ingress": []},
        id_from=lambda made: f"sg-{made.inputs.get('vpcId')}".replace("vpc-", ""),
        computed={
            "arn": _EC2 + "security-group/{id}",
            "description": lambda _made: "default VPC security group",
            "name": lambda _made: "default",
            "ownerId": "{account}",
        },
        virtual={"revokeRulesOnDelete": False},
        on_exists="adopt",
        parents=(Parent(VPC, "{vpcId}"),),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _security_group_rule("ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _security_group_rule("egress"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": regional_rule(
        "resourceConfigurationArn",
        "serviceName",
        "serviceNetworkArn",
        "serviceRegion",
        "vpcEndpointType",
        "vpcId",
        check_defaults={"vpcEndpointType": "Gateway"},
        unordered=("routeTableIds", "securityGroupIds", "subnetIds"),
        json_text=("policy",),
        server_defaults={"ipAddressType": "ipv4", "privateDnsEnabled": False},
        id_from=server_id("vpce-0", 16),
        computed={
            "arn": _EC2 + "vpc-endpoint/{id}",
            "dnsEntries": _service_dns,
            "networkInterfaceIds": lambda made: [
                f"eni-{made.hex(17, str(subnet))}" for subnet in made.inputs.get("subnetIds") or []
            ],
            "ownerId": "{account}",
            "policy": lambda _made: '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}',
            "prefixListId": lambda made: f"pl-{made.hex(8)}" if made.inputs.get("vpcEndpointType") == "Gateway" else "",
            "state": lambda _made: "available",
        },
        parents=(
            _IN_VPC,
            Parent(TABLE, "{each}", "ignore", each="routeTableIds"),
            groups_used("securityGroupIds"),
            subnets_used("subnetIds"),
        ),
    ),
    "aws:ec2/flowLog:FlowLog": regional_rule(
        "deliverCrossAccountRole",
        "destinationOptions",
        "eniId",
        "iamRoleArn",
        "logDestination",
        "logDestinationType",
        "logFormat",
        "maxAggregationInterval",
        "subnetId",
        "trafficType",
        "vpcId",
        check_defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        id_from=server_id("fl-0", 16),
        computed={
            "arn": _EC2 + "vpc-flow-log/{id}",
            "logFormat": lambda _made: (
                "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
                "${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
            ),
        },
        parents=(Parent(VPC, "{vpcId}"), Parent(SUBNET, "{subnetId}")),
    ),
}
