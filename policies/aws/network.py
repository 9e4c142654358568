"""The network on AWS: who may open a connection to what (R8.3, R2.3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from policies.aws.tokens import (
    DEFAULT_SECURITY_GROUP,
    FLOW_LOG,
    INGRESS_RULE,
    LOAD_BALANCERS,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    VPC,
)
from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, Missing, items, read

DATABASE_PORT = 5432
_WEB_PORTS = (80, 443)
_RULE_TOKENS = (INGRESS_RULE, SECURITY_GROUP_RULE)
_WIDEST_PREFIX = {4: 8, 6: 16}
"""The largest block that can be one organization's; anything above it is the internet in pieces."""
_Entry = tuple[str, Any]


def _entries(resource: Resource) -> Iterator[_Entry]:
    """What a group or rule lets in, as one data tree per entry, with how a message speaks of it."""
    if resource.token == SECURITY_GROUP:
        listed = resource.items("ingress")
        if listed is UNKNOWN:
            yield "ingress: ", UNKNOWN
        elif not isinstance(listed, Missing):
            yield from ((f"ingress[{position}]: ", entry) for position, entry in enumerate(listed))
    elif resource.token == INGRESS_RULE or resource.read("type") != "egress":
        yield "", resource.props


def _ranges(entry: Any) -> list[Any]:  # noqa: ANN401
    """Address ranges of an entry, under any of the names that the types give them; an unknown list is one unknown."""
    found = [value for single in ("cidrIpv4", "cidrIpv6") if (value := read(entry, single)) is not ABSENT]
    for several in ("cidrBlocks", "ipv6CidrBlocks"):
        listed = items(entry, several)
        found += [UNKNOWN] if listed is UNKNOWN else [] if isinstance(listed, Missing) else listed
    return found


def _ports(entry: Any) -> tuple[int, int] | None:  # noqa: ANN401
    """The first and last port let in; None if they are not known. Every protocol is every port."""
    if read(entry, "ipProtocol") in ("-1", "all") or read(entry, "protocol") in ("-1", "all"):
        return 0, 65_535
    first, last = read(entry, "fromPort"), read(entry, "toPort")
    return (first, last) if isinstance(first, int) and isinstance(last, int) else None


def _is_internet(address: Any) -> bool:  # noqa: ANN401
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        return True
    return network.prefixlen < _WIDEST_PREFIX[network.version]


def _database_port(resource: Resource, _: Config) -> Iterator[str]:
    for place, entry in _entries(resource):
        ports = _ports(entry)
        if ports is not None and not ports[0] <= DATABASE_PORT <= ports[1]:
            continue
        lists = [read(entry, path) for path in ("prefixListId", "prefixListIds")]
        if _ranges(entry) or any(listed not in (ABSENT, []) for listed in lists):
            yield f"{place}the database port {DATABASE_PORT} is open to addresses, or may be"


def _open_ingress(stack: Index, _: Config) -> Iterator[Finding]:
    balanced: set[str] = set()
    for group in stack.of(SECURITY_GROUP):
        if stack.siblings(group, LOAD_BALANCERS, "securityGroups", group.text("id")):
            balanced.add(group.urn)
            balanced |= {rule.urn for rule in stack.siblings(group, _RULE_TOKENS, "securityGroupId", group.text("id"))}
    for resource in stack.of(SECURITY_GROUP, *_RULE_TOKENS):
        # what a stack's rules see are outputs: until a group is there, so is the list of what rules beside it let in;
        # a list that the program itself leaves unknown is `sg-database-port`'s business, which sees inputs
        if resource.token == SECURITY_GROUP and resource.items("ingress") is UNKNOWN:
            continue
        for place, entry in _entries(resource):
            ranges = _ranges(entry)
            if UNKNOWN in ranges or entry is UNKNOWN:
                yield Finding(f"{place}the addresses let in are not known during preview", resource.urn)
                continue
            ports = _ports(entry)
            web = resource.urn in balanced and ports is not None and ports[0] == ports[1] and ports[0] in _WEB_PORTS
            if not web and any(_is_internet(address) for address in ranges):
                message = f"{place}the internet is let in to more than a load balancer's ports 80 and 443"
                yield Finding(message, resource.urn)


def _default_group(group: Resource, _: Config) -> Iterator[str]:
    for prop in ("ingress", "egress"):
        if group.read(prop) not in (ABSENT, []):
            yield f"{prop} is set; the default security group must let nothing through"


def _networks(stack: Index, _: Config) -> Iterator[Finding]:
    for network in stack.of(VPC):
        if not stack.siblings(network, (DEFAULT_SECURITY_GROUP,), "vpcId", network.text("id")):
            yield Finding("the network's default security group is left as it comes, open within itself", network.urn)


def _flow_logs(stack: Index, _: Config) -> Iterator[Finding]:
    for network in stack.of(VPC):
        logs = stack.siblings(network, (FLOW_LOG,), "vpcId", network.text("id"))
        if not logs:
            yield Finding("the network has no flow log", network.urn)
        for log in logs:
            for message in expect.equals(log.props, "trafficType", wanted="ALL"):
                yield Finding(message, log.urn)


RULES = (
    ResourceRule(
        name="sg-database-port",
        family=Family.EXPOSURE,
        refuses="A security group that opens the database port to addresses.",
        severity=Severity.CRITICAL,
        remediation="Let in the workloads' security groups (referenced_security_group_id), never an address range.",
        requirements=("R8.3", "R2.3"),
        tokens=(SECURITY_GROUP, *_RULE_TOKENS),
        check=_database_port,
    ),
    ResourceRule(
        name="sg-default",
        family=Family.EXPOSURE,
        refuses="A default security group that lets anything through.",
        severity=Severity.MEDIUM,
        remediation="Declare it without ingress and egress.",
        requirements=("R8.3",),
        tokens=(DEFAULT_SECURITY_GROUP,),
        check=_default_group,
    ),
)

STACK_RULES = (
    StackRule(
        name="sg-open-ingress",
        family=Family.EXPOSURE,
        refuses="A security group that lets the internet in to anything but a load balancer's web ports.",
        severity=Severity.CRITICAL,
        remediation="Let in security groups or the network's own ranges, as literals.",
        requirements=("R8.3",),
        check=_open_ingress,
    ),
    StackRule(
        name="vpc-default-group",
        family=Family.EXPOSURE,
        refuses="A network whose default security group is not emptied.",
        severity=Severity.MEDIUM,
        remediation="Declare an ec2.DefaultSecurityGroup for the network, without rules.",
        requirements=("R8.3",),
        check=_networks,
    ),
    StackRule(
        name="vpc-flow-logs",
        family=Family.AUDIT,
        refuses="A network without flow logs of all its traffic.",
        severity=Severity.MEDIUM,
        remediation='Declare an ec2.FlowLog for the network with traffic_type="ALL".',
        requirements=("R8.2", "R6.6"),
        check=_flow_logs,
    ),
)
