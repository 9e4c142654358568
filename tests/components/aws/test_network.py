"""The network on AWS: who can reach whom, and by which way."""

from __future__ import annotations

import json

import pytest

from tests.components.aws.account import ACCOUNT, AWAY, HOME, build, built, role_statements
from tests.components.program import Built, Document

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
NAT = "aws:ec2/natGateway:NatGateway"
ROUTE = "aws:ec2/route:Route"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"


def _guest(document: Document) -> None:
    document["tenants"].append({"id": "visitor", "kind": "external"})
    document["external_secrets"]["VISITOR_DATABASE_URL"] = "postgresql://u:p@db.example:5432/app?sslmode=verify-full"


def test_the_vpc_names_its_hosts_and_has_the_configured_range() -> None:
    vpc = built("dev").inputs(VPC, "network")
    assert vpc["cidrBlock"] == "10.96.0.0/16"
    assert vpc["enableDnsHostnames"] is True
    assert vpc["enableDnsSupport"] is True


def test_subnets_share_the_range_by_zone_and_give_no_public_address() -> None:
    subnets = built("dev").of(SUBNET)
    assert {name: (item.inputs["availabilityZone"], item.inputs["cidrBlock"]) for name, item in subnets.items()} == {
        f"private-{HOME}a": (f"{HOME}a", "10.96.0.0/19"),
        f"private-{HOME}b": (f"{HOME}b", "10.96.32.0/19"),
        f"public-{HOME}a": (f"{HOME}a", "10.96.128.0/21"),
        f"public-{HOME}b": (f"{HOME}b", "10.96.136.0/21"),
    }
    assert {item.inputs["mapPublicIpOnLaunch"] for item in subnets.values()} == {False}


@pytest.mark.parametrize(
    ("stack", "ways"),
    [
        ("dev", {f"private-{HOME}a": f"nat-{HOME}a", f"private-{HOME}b": f"nat-{HOME}a"}),
        ("staging", {f"private-{HOME}a": f"nat-{HOME}a", f"private-{HOME}b": f"nat-{HOME}b"}),
        ("prod", {f"private-{HOME}a": f"nat-{HOME}a", f"private-{HOME}b": f"nat-{HOME}b"}),
    ],
)
def test_private_subnets_go_out_through_nat_of_their_own_zone_but_in_dev(stack: str, ways: dict[str, str]) -> None:
    run = built(stack)
    nat = {item.id: name for name, item in run.of(NAT).items()}
    routes = {name: item.inputs for name, item in run.of(ROUTE).items() if name.startswith("private-")}
    assert {name.removesuffix("-internet"): nat[route["natGatewayId"]] for name, route in routes.items()} == ways
    assert {route["destinationCidrBlock"] for route in routes.values()} == {"0.0.0.0/0"}


def test_nat_waits_for_the_way_out_of_its_own_subnet() -> None:
    waits = built("dev").waits_for(NAT, f"nat-{HOME}a")
    assert {"internet", "public-internet", f"public-{HOME}a-routes", f"public-{HOME}a"} <= waits


def test_the_s3_endpoint_serves_the_accounts_buckets_and_image_layers_only() -> None:
    run = built("dev")
    endpoint = run.inputs(ENDPOINT, "storage-endpoint")
    assert endpoint["serviceName"] == f"com.amazonaws.{HOME}.s3"
    assert endpoint["vpcEndpointType"] == "Gateway"
    assert len(endpoint["routeTableIds"]) == 2
    own, layers = json.loads(endpoint["policy"])["Statement"]
    assert own["Condition"] == {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    assert (layers["Action"], layers["Resource"]) == (
        "s3:GetObject",
        f"arn:aws:s3:::prod-{HOME}-starport-layer-bucket/*",
    )


def test_the_default_group_is_emptied() -> None:
    group = built("dev").inputs(DEFAULT_GROUP, "network-default-group")
    assert group["ingress"] == []
    assert group["egress"] == []


def test_databases_let_in_groups_on_one_port_and_no_address() -> None:
    run = built("dev")
    database = run.mocks.one(GROUP, "group-database").id
    groups = {item.id: name for name, item in run.of(GROUP).items()}
    rules = [item.inputs for item in run.of(INGRESS).values()]
    assert {rule["securityGroupId"] for rule in rules} == {database}
    assert {groups[rule["referencedSecurityGroupId"]] for rule in rules} == {
        "group-gateway",
        "group-worker",
        "group-migrator",
        "group-sqljob",
        "group-backup",
    }
    assert {(rule["ipProtocol"], rule["fromPort"], rule["toPort"]) for rule in rules} == {("tcp", 5432, 5432)}
    assert not any("cidrIpv4" in rule or "cidrIpv6" in rule for rule in rules)


def test_no_group_carries_rules_of_its_own_beside_the_rule_resources() -> None:
    for group in built("dev").of(GROUP).values():
        assert "ingress" not in group.inputs
        assert "egress" not in group.inputs


def _ways_out(run: Built) -> dict[str, set[int]]:
    """Group → ports that it may reach on the internet."""
    groups = {item.id: name.removeprefix("group-") for name, item in run.of(GROUP).items()}
    found: dict[str, set[int]] = {name: set() for name in groups.values()}
    for rule in run.of(EGRESS).values():
        if rule.inputs.get("cidrIpv4") == "0.0.0.0/0":
            assert rule.inputs["fromPort"] == rule.inputs["toPort"]
            found[groups[rule.inputs["securityGroupId"]]].add(rule.inputs["fromPort"])
    return found


def test_each_workload_goes_out_to_what_it_needs() -> None:
    application = {443, 465, 587, 6379}
    assert _ways_out(built("dev")) == {
        "gateway": application,
        "worker": application,
        "migrator": {443},
        "backup": {443},
        "sqljob": {443},
        "watch": {443},
        "database": set(),
    }


def test_guest_databases_open_their_ports_to_those_who_use_them() -> None:
    ways = _ways_out(build("dev", _guest))
    assert {name for name, ports in ways.items() if {5432, 6543} <= ports} == {"gateway", "worker", "backup"}
    assert ways["migrator"] == ways["sqljob"] == {443}


def test_clients_of_databases_reach_their_group_and_the_watch_does_not() -> None:
    run = built("dev")
    database = run.mocks.one(GROUP, "group-database").id
    groups = {item.id: name for name, item in run.of(GROUP).items()}
    found = {
        groups[rule.inputs["securityGroupId"]]
        for rule in run.of(EGRESS).values()
        if rule.inputs.get("referencedSecurityGroupId") == database
    }
    assert found == {"group-gateway", "group-worker", "group-migrator", "group-sqljob", "group-backup"}


def test_the_vpc_records_its_connections_under_a_key_of_its_own_region() -> None:
    run = built("dev")
    key = {item.outputs["arn"]: name for name, item in run.of("aws:kms/key:Key").items()}
    flow = run.inputs(FLOW_LOG, "network-flow")
    assert flow["vpcId"] == run.mocks.one(VPC, "network").id
    assert flow["trafficType"] == "ALL"
    assert flow["logDestination"] == f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/tenantry/dev/flow"
    assert flow["iamRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-flow-logs"
    assert role_statements(run, "flow-logs")["Write"]["Resource"] == f"{flow['logDestination']}:*"
    group = run.inputs(LOG_GROUP, "network-flow-logs")
    assert (group["name"], group["retentionInDays"]) == ("/tenantry/dev/flow", 365)
    assert key[group["kmsKeyId"]] == f"key-logs-{HOME}"
    waits = run.waits_for(FLOW_LOG, "network-flow")
    assert {"network-flow-logs", "role-flow-logs", "role-flow-logs-rights"} <= waits


def test_databases_are_in_the_private_subnets() -> None:
    run = built("dev")
    subnets = {item.id: name for name, item in run.of(SUBNET).items()}
    group = run.inputs(SUBNET_GROUP, "database-subnets")
    assert [subnets[subnet] for subnet in group["subnetIds"]] == [f"private-{HOME}a", f"private-{HOME}b"]
    assert AWAY not in {item.inputs.get("region") for item in run.of(VPC).values()}
