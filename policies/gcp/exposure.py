"""Exposure: nothing answers to the public (R8.3, R2.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, Missing, items, read
from policies.gcp.tokens import (
    BUCKET,
    IAM_GRANTS,
    IAM_POLICIES,
    RUN_SERVICE,
    RUN_SERVICE_GRANTS,
    SQL_INSTANCE,
    SUBNETWORK,
    holds_workloads,
)

PUBLIC_MEMBERS = ("allUsers", "allAuthenticatedUsers")
_RUN_INVOKER = "roles/run.invoker"
_ANYWHERE = ("0.0.0.0/0", "::/0")
_IP = "settings.ipConfiguration"
_INTERNAL_INGRESS = ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_INTERNAL_ONLY")


def _sql_public_ip(instance: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(instance.props, f"{_IP}.ipv4Enabled", wanted=False)


def _sql_authorized_networks(instance: Resource, _: Config) -> Iterator[str]:
    networks = instance.items(f"{_IP}.authorizedNetworks")
    if networks is UNKNOWN:
        yield f"{_IP}.authorizedNetworks is not known during preview; it must not be set"
    elif networks is not ABSENT and networks:
        yield f"{_IP}.authorizedNetworks lists {len(networks)}; it must not be set"


def _sql_private_path(instance: Resource, _: Config) -> Iterator[str]:
    if instance.read(f"{_IP}.privateNetwork") not in (ABSENT, ""):
        return
    endpoints = instance.items(f"{_IP}.pscConfigs")
    if isinstance(endpoints, Missing) or not any(read(endpoint, "pscEnabled") is True for endpoint in endpoints):
        yield f"neither {_IP}.privateNetwork nor a pscConfigs entry with pscEnabled is set"


def _sql_data_api(instance: Resource, _: Config) -> Iterator[str]:
    yield from expect.absent_or(instance.props, "settings.dataApiAccess", "DISALLOW_DATA_API")


def _bucket_uniform(bucket: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(bucket.props, "uniformBucketLevelAccess", wanted=True)


def _bucket_prevention(bucket: Resource, _: Config) -> Iterator[str]:
    value = bucket.read("publicAccessPrevention")
    if value != "enforced":
        yield f"publicAccessPrevention {expect.state(value)}; it must be literally enforced"


def _no_acl(_: Resource, __: Config) -> Iterator[str]:
    yield "access control lists bypass uniform access and are not allowed"


def _invokes_service(grant: Resource) -> bool:
    return grant.token in RUN_SERVICE_GRANTS and grant.read("role") == _RUN_INVOKER


def _public_member(grant: Resource, _: Config) -> Iterator[str]:
    # An unknown member is judged by grant-origin, which sees where it comes from, and the right to call a service over
    # HTTP by run-public-invoker, which sees the service's ingress.
    if _invokes_service(grant):
        return
    members = grant.items("members")
    listed = [grant.read("member"), *([] if isinstance(members, Missing) else members)]
    for member in PUBLIC_MEMBERS:
        if member in listed:
            yield f"the grant includes {member}"


def _run_public_invoker(stack: Index, _: Config) -> Iterator[Finding]:
    """Google's own set-up of a load balancer before Cloud Run lets everyone invoke and closes the ingress.

    The load balancer carries no identity, so that its firewall, and not IAM, is what stands before the service.
    """
    behind = set()
    for service in stack.of(RUN_SERVICE):
        if service.read("ingress") == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER":
            behind |= {grant.urn for grant in stack.siblings(service, RUN_SERVICE_GRANTS, "name", service.text("name"))}
    for grant in stack.of(*RUN_SERVICE_GRANTS):
        members = grant.items("members")
        listed = [grant.read("member"), *([] if isinstance(members, Missing) else members)]
        for member in PUBLIC_MEMBERS:
            if _invokes_service(grant) and member in listed and grant.urn not in behind:
                yield Finding(f"{member} may invoke a service whose ingress is not closed to them", grant.urn)


def bindings(policy: Resource) -> list[Any] | Missing:
    """The bindings of an authoritative policy; `UNKNOWN` if its data is.

    Raises:
        ValueError: the data is not JSON.
    """
    data = policy.read("policyData")
    return data if isinstance(data, Missing) else items(json.loads(data), "bindings")


def _public_policy(policy: Resource, _: Config) -> Iterator[str]:
    found = bindings(policy)
    if found is UNKNOWN:
        yield "policyData is not known during preview; an authoritative policy must be a literal"
    elif found is not ABSENT:
        for member in PUBLIC_MEMBERS:
            if any(member in read(binding, "members") for binding in found if read(binding, "members") is not ABSENT):
                yield f"policyData includes {member}"


def _grant_or_policy(resource: Resource, config: Config) -> Iterator[str]:
    yield from (_public_policy if resource.token.endswith("Policy") else _public_member)(resource, config)


def _run_ingress(service: Resource, _: Config) -> Iterator[str]:
    yield from expect.one_of(service.props, "ingress", _INTERNAL_INGRESS)


def _run_invoker(service: Resource, _: Config) -> Iterator[str]:
    yield from expect.absent_or(service.props, "invokerIamDisabled", allowed=False)


def _open_firewall(firewall: Resource, _: Config) -> Iterator[str]:
    if firewall.read("direction") == "EGRESS" or firewall.items("allows") in (ABSENT, []):
        return
    ranges = firewall.items("sourceRanges")
    if ranges is UNKNOWN or (not isinstance(ranges, Missing) and UNKNOWN in ranges):
        yield "sourceRanges is not known during preview; it must be a literal"
    elif isinstance(ranges, Missing) or not ranges:
        # With no source at all the service takes 0.0.0.0/0 (provider documentation).
        sources = ("sourceTags", "sourceServiceAccounts")
        if all(firewall.read(source) in (ABSENT, []) for source in sources):
            yield "no source is set, which means any"
    else:
        for address in _ANYWHERE:
            if address in ranges:
                yield f"sourceRanges includes {address}"


def _auto_subnetworks(network: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(network.props, "autoCreateSubnetworks", wanted=False)


def _private_access(subnetwork: Resource, _: Config) -> Iterator[str]:
    if holds_workloads(subnetwork):
        yield from expect.equals(subnetwork.props, "privateIpGoogleAccess", wanted=True)


def _default_network(project: Resource, _: Config) -> Iterator[str]:
    yield from expect.equals(project.props, "autoCreateNetwork", wanted=False)


RULES = (
    ResourceRule(
        name="sql-public-ip",
        family=Family.EXPOSURE,
        refuses="A Cloud SQL instance with a public address.",
        severity=Severity.CRITICAL,
        remediation="Set settings.ip_configuration.ipv4_enabled to False, as a literal: the default is True.",
        requirements=("R8.3", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_public_ip,
    ),
    ResourceRule(
        name="sql-authorized-networks",
        family=Family.EXPOSURE,
        refuses="A Cloud SQL instance that lets networks in by address.",
        severity=Severity.CRITICAL,
        remediation="Remove authorized_networks: they only serve public addresses.",
        requirements=("R8.3", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_authorized_networks,
    ),
    ResourceRule(
        name="sql-private-path",
        family=Family.EXPOSURE,
        refuses="A Cloud SQL instance with no private way in.",
        severity=Severity.HIGH,
        remediation="Set settings.ip_configuration.private_network, or a psc_configs entry with psc_enabled=True.",
        requirements=("R8.3", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_private_path,
    ),
    ResourceRule(
        name="sql-data-api",
        family=Family.EXPOSURE,
        refuses="A Cloud SQL instance whose Data API reaches it from the public internet.",
        severity=Severity.HIGH,
        remediation='Remove settings.data_api_access, or set it to "DISALLOW_DATA_API".',
        requirements=("R8.3", "R2.3"),
        tokens=(SQL_INSTANCE,),
        check=_sql_data_api,
    ),
    ResourceRule(
        name="bucket-uniform-access",
        family=Family.EXPOSURE,
        refuses="A bucket whose objects may carry access lists of their own.",
        severity=Severity.HIGH,
        remediation="Set uniform_bucket_level_access to True, as a literal.",
        requirements=("R8.3", "R4.1"),
        tokens=(BUCKET,),
        check=_bucket_uniform,
    ),
    ResourceRule(
        name="bucket-public-access",
        family=Family.EXPOSURE,
        refuses="A bucket that could be opened to the public.",
        severity=Severity.CRITICAL,
        remediation='Set public_access_prevention to "enforced", as a literal.',
        requirements=("R8.3", "R4.1"),
        tokens=(BUCKET,),
        check=_bucket_prevention,
    ),
    ResourceRule(
        name="bucket-acl",
        family=Family.EXPOSURE,
        refuses="An access control list on a bucket or object.",
        severity=Severity.HIGH,
        remediation="Grant by IAM on the bucket or a managed folder instead.",
        requirements=("R8.3",),
        tokens=(
            "gcp:storage/bucketACL:BucketACL",
            "gcp:storage/bucketAccessControl:BucketAccessControl",
            "gcp:storage/defaultObjectACL:DefaultObjectACL",
            "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
            "gcp:storage/objectACL:ObjectACL",
            "gcp:storage/objectAccessControl:ObjectAccessControl",
        ),
        check=_no_acl,
    ),
    ResourceRule(
        name="iam-public-member",
        family=Family.EXPOSURE,
        refuses="A grant to everyone, on any kind of resource.",
        severity=Severity.CRITICAL,
        remediation="Name the service account or group that needs the role.",
        requirements=("R8.3",),
        tokens=(*IAM_GRANTS, *IAM_POLICIES),
        check=_grant_or_policy,
    ),
    ResourceRule(
        name="run-ingress",
        family=Family.EXPOSURE,
        refuses="A Cloud Run service that answers the internet past the load balancer and its firewall.",
        severity=Severity.HIGH,
        remediation='Set ingress to "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", as a literal.',
        requirements=("R8.3",),
        tokens=(RUN_SERVICE,),
        check=_run_ingress,
    ),
    ResourceRule(
        name="run-invoker",
        family=Family.EXPOSURE,
        refuses="A Cloud Run service that anyone may invoke.",
        severity=Severity.CRITICAL,
        remediation="Remove invoker_iam_disabled and grant roles/run.invoker to the callers.",
        requirements=("R8.3",),
        tokens=(RUN_SERVICE,),
        check=_run_invoker,
    ),
    ResourceRule(
        name="firewall-open-ingress",
        family=Family.EXPOSURE,
        refuses="A firewall rule that lets anyone in.",
        severity=Severity.CRITICAL,
        remediation="List the source ranges, tags or service accounts that need the way in.",
        requirements=("R8.3",),
        tokens=("gcp:compute/firewall:Firewall",),
        check=_open_firewall,
    ),
    ResourceRule(
        name="network-auto-subnetworks",
        family=Family.EXPOSURE,
        refuses="A network with a subnetwork in every region.",
        severity=Severity.MEDIUM,
        remediation="Set auto_create_subnetworks to False, as a literal: the provider's default is True.",
        requirements=("R8.3",),
        tokens=("gcp:compute/network:Network",),
        check=_auto_subnetworks,
    ),
    ResourceRule(
        name="subnetwork-private-access",
        family=Family.EXPOSURE,
        refuses="A subnetwork that reaches the provider's own services by the public internet.",
        severity=Severity.MEDIUM,
        remediation="Set private_ip_google_access to True, as a literal.",
        requirements=("R8.3",),
        tokens=(SUBNETWORK,),
        check=_private_access,
    ),
    ResourceRule(
        name="project-default-network",
        family=Family.EXPOSURE,
        refuses="A project with the default network, which is open to SSH and RDP.",
        severity=Severity.HIGH,
        remediation="Set auto_create_network to False, as a literal.",
        requirements=("R8.3",),
        tokens=("gcp:organizations/project:Project",),
        check=_default_network,
    ),
)

STACK_RULES = (
    StackRule(
        name="run-public-invoker",
        family=Family.EXPOSURE,
        refuses="A grant that lets everyone invoke a Cloud Run service which is not behind the load balancer alone.",
        severity=Severity.CRITICAL,
        remediation=(
            'Set ingress of the service to "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", as a literal, or name invokers.'
        ),
        requirements=("R8.3", "R7.1"),
        check=_run_public_invoker,
    ),
)
