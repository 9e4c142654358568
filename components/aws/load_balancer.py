"""The one way in from the internet on AWS: a load balancer for every public host, behind a firewall that counts.

Plain HTTP only to be sent to HTTPS. A load balancer writes its own access log to buckets without a customer-managed key
only, so the firewall's log, which has every request too, is kept instead, encrypted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.certificates import certificate_arn, point_host
from components.aws.firewall import create_firewall, rate_rule
from components.aws.naming import prefix
from components.aws.platform import AwsPlatform
from components.guard import Guard
from settings.models import ServiceSettings
from settings.plan import EnvironmentPlan
from settings.types import TlsVersion

TLS_POLICIES: Final[Mapping[TlsVersion, str]] = {
    "1.2": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "1.3": "ELBSecurityPolicy-TLS13-1-3-2021-06",
}
TRANSPORT_SECURITY: Final = "max-age=63072000; includeSubDomains"
_ANYWHERE: Final = "0.0.0.0/0"
_WEB_PORTS: Final = (80, 443)
_LEAST_IDLE_SECONDS: Final = 60
_RULE_PRIORITIES: Final = 49_000


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """Where target groups are hung in, and who must let it in.

    Attributes:
        listener: that of HTTPS.
        opened: what lets it reach the services.
    """

    resource: aws.lb.LoadBalancer
    listener: aws.lb.Listener
    opened: tuple[pulumi.Resource, ...]


def create_load_balancer(
    name: str,
    public: Mapping[str, ServiceSettings],
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    guard: Guard,
    parent: pulumi.Resource,
) -> LoadBalancer:
    """Create the load balancer of `public`, the services that have a host, by name; a stranger's host gets a 404."""
    group = _group(name, environment, platform, guard=guard, parent=parent)
    balancer = aws.lb.LoadBalancer(
        name,
        name=f"{prefix(environment)}-web",
        internal=False,
        load_balancer_type="application",
        security_groups=[group.id],
        subnets=[subnet.id for subnet in platform.public_subnets],
        drop_invalid_header_fields=True,
        enable_deletion_protection=False,
        idle_timeout=max(_LEAST_IDLE_SECONDS, *(service.timeout_seconds for service in public.values())),
        opts=guard.retrying(parent, depends_on=platform.egress),
    )
    firewall = create_firewall(
        name,
        scope="REGIONAL",
        region=environment.aws.region,
        rules=[
            rate_rule(key, service.rate_limit_per_minute, priority=100 + position, host=str(service.host))
            for position, (key, service) in enumerate(sorted(public.items()))
        ],
        environment=environment,
        platform=platform,
        guard=guard,
        parent=parent,
    )
    aws.wafv2.WebAclAssociation(
        f"{name}-firewall-association",
        resource_arn=balancer.arn,
        web_acl_arn=firewall.arn,
        opts=guard.retrying(parent),
    )
    certificates = {
        # a certificate that is given may serve several services
        key if service.certificate is None else service.certificate.rpartition("/")[2]: certificate_arn(
            f"service-{key}",
            str(service.host),
            given=service.certificate,
            zone=service.zone,
            region=environment.aws.region,
            guard=guard,
            parent=parent,
        )
        for key, service in sorted(public.items())
    }
    return LoadBalancer(
        resource=balancer,
        opened=tuple(_open(name, public, group, platform, guard=guard, parent=parent)),
        listener=_listeners(
            name, balancer, certificates, TLS_POLICIES[environment.minimum_tls], guard=guard, parent=parent
        ),
    )


def _listeners(
    name: str,
    balancer: aws.lb.LoadBalancer,
    certificates: Mapping[str, pulumi.Input[str]],
    tls_policy: str,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.lb.Listener:
    aws.lb.Listener(
        f"{name}-http",
        load_balancer_arn=balancer.arn,
        port=80,
        protocol="HTTP",
        default_actions=[
            {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"}}
        ],
        opts=guard.retrying(parent),
    )
    listener = aws.lb.Listener(
        f"{name}-https",
        load_balancer_arn=balancer.arn,
        port=443,
        protocol="HTTPS",
        ssl_policy=tls_policy,
        certificate_arn=next(iter(certificates.values())),
        routing_http_response_strict_transport_security_header_value=TRANSPORT_SECURITY,
        default_actions=[
            {
                "type": "fixed-response",
                "fixed_response": {"content_type": "text/plain", "message_body": "Not found", "status_code": "404"},
            }
        ],
        opts=guard.retrying(parent),
    )
    # The default is shown by name too, and none is called by its place: another service may change the default, and a
    # certificate that moved in a list would be added again before it is removed, so that it would be gone.
    for key, certificate in certificates.items():
        aws.lb.ListenerCertificate(
            f"{name}-https-certificate-{key}",
            listener_arn=listener.arn,
            certificate_arn=certificate,
            opts=guard.retrying(parent),
        )
    return listener


def route_host(
    key: str,
    host: str,
    shares: Mapping[str, tuple[aws.lb.TargetGroup, int]],
    *,
    balancer: LoadBalancer,
    guard: Guard,
    parent: pulumi.Resource,
) -> aws.lb.ListenerRule:
    """Send a host's requests to target groups, each with its share in percent.

    The priority follows from the host, so that a new service changes nobody else's.
    """
    priority = 1 + int(hashlib.sha256(host.encode()).hexdigest(), 16) % _RULE_PRIORITIES
    return aws.lb.ListenerRule(
        f"service-{key}-route",
        listener_arn=balancer.listener.arn,
        priority=priority,
        conditions=[{"host_header": {"values": [host]}}],
        actions=[
            {
                "type": "forward",
                "forward": {
                    "target_groups": [{"arn": group.arn, "weight": share} for group, share in shares.values()],
                    # a browser that met the new version stays with it
                    "stickiness": {"enabled": len(shares) > 1, "duration": 3600},
                },
            }
        ],
        opts=guard.retrying(parent),
    )


def name_host(
    key: str, service: ServiceSettings, balancer: LoadBalancer, *, guard: Guard, parent: pulumi.Resource
) -> None:
    """Create the host's record where its zone is ours to change."""
    if service.host is not None and service.zone is not None:
        point_host(
            f"service-{key}-record",
            service.host,
            service.zone,
            target=balancer.resource.dns_name,
            target_zone=balancer.resource.zone_id,
            types=("A",),
            guard=guard,
            parent=parent,
        )


def _group(
    name: str, environment: EnvironmentPlan, platform: AwsPlatform, *, guard: Guard, parent: pulumi.Resource
) -> aws.ec2.SecurityGroup:
    full_name = f"{prefix(environment)}-load-balancer"
    group = aws.ec2.SecurityGroup(
        f"{name}-group",
        name=full_name,
        description="Load balancer: the internet comes in, services are gone out to",
        vpc_id=platform.vpc.id,
        tags={"Name": full_name},
        opts=guard.retrying(parent),
    )
    for port in _WEB_PORTS:
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-internet-{port}",
            security_group_id=group.id,
            description=f"From the internet, port {port}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=_ANYWHERE,
            opts=guard.retrying(parent),
        )
    return group


def _open(
    name: str,
    public: Mapping[str, ServiceSettings],
    group: aws.ec2.SecurityGroup,
    platform: AwsPlatform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> Iterator[pulumi.Resource]:
    """The load balancer alone reaches the services' ports; services of one account and one port share a rule."""
    for account, port in sorted({(service.account, service.port) for service in public.values()}):
        tasks = platform.security_groups[account]
        yield aws.vpc.SecurityGroupIngressRule(
            f"{account}-from-{name}-{port}",
            security_group_id=tasks.id,
            description=f"From the load balancer, port {port}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            referenced_security_group_id=group.id,
            opts=guard.retrying(parent),
        )
        yield aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-{account}-{port}",
            security_group_id=group.id,
            description=f"To the {account}, port {port}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            referenced_security_group_id=tasks.id,
            opts=guard.retrying(parent),
        )
