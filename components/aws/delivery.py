"""CloudFront in front of a bucket that stays private: it signs its own requests, and the bucket lets nobody else in.

What the bucket and its key allow CloudFront is in their own policies (`shared_buckets`, `keys`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws.certificates import certificate_arn, point_host
from components.aws.firewall import create_firewall, rate_rule
from components.aws.naming import GLOBAL_REGION, log_group_arn, log_group_name, prefix
from components.aws.platform import AwsPlatform
from components.aws.policy_document import document
from components.guard import Guard
from settings.models import DeliverySettings
from settings.plan import EnvironmentPlan
from settings.types import TlsVersion

CACHING_OPTIMIZED: Final = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""CloudFront's managed policy for files: no cookie, no query, compressed (CloudFront, managed cache policies)."""
TLS_POLICIES: Final[Mapping[TlsVersion, str]] = {"1.2": "TLSv1.2_2021", "1.3": "TLSv1.3_2025"}
RATE_LIMIT: Final = 6000
"""Requests a minute of one address: a page asks for dozens of files, an office shares an address."""
LOG_DAYS: Final = 90
_TRANSPORT_SECONDS: Final = 63_072_000


def create_delivery(
    name: str,
    settings: DeliverySettings,
    *,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    guard: Guard,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """Create the distribution and what belongs to it; returns the name that the host's record points to."""
    bucket = platform.buckets[settings.bucket]
    access = aws.cloudfront.OriginAccessControl(
        f"{name}-access",
        name=f"{prefix(environment)}-{settings.bucket}",
        description=f"Reads {bucket.name}",
        origin_access_control_origin_type="s3",
        signing_behavior="always",
        signing_protocol="sigv4",
        opts=guard.retrying(parent),
    )
    firewall = None
    if settings.waf:
        firewall = create_firewall(
            name,
            scope="CLOUDFRONT",
            region=GLOBAL_REGION,
            rules=[rate_rule("files", RATE_LIMIT, priority=100)],
            environment=environment,
            platform=platform,
            guard=guard,
            parent=parent,
        )
    distribution = aws.cloudfront.Distribution(
        name,
        comment=f"{prefix(environment)} {settings.bucket}",
        enabled=True,
        is_ipv6_enabled=True,
        http_version="http2and3",
        price_class="PriceClass_All",
        aliases=[settings.host],
        default_root_object="index.html",
        origins=[
            {
                "origin_id": settings.bucket,
                "domain_name": f"{bucket.name}.s3.{environment.aws.region}.amazonaws.com",
                "origin_access_control_id": access.id,
            }
        ],
        default_cache_behavior={
            "target_origin_id": settings.bucket,
            "viewer_protocol_policy": "redirect-to-https",
            "allowed_methods": ["GET", "HEAD", "OPTIONS"],
            "cached_methods": ["GET", "HEAD"],
            "compress": True,
            "cache_policy_id": CACHING_OPTIMIZED,
            "response_headers_policy_id": _headers(name, environment, guard=guard, parent=parent).id,
            "trusted_key_groups": _signers(name, settings, environment, guard=guard, parent=parent),
        },
        restrictions={"geo_restriction": {"restriction_type": "none", "locations": []}},
        viewer_certificate={
            "acm_certificate_arn": certificate_arn(
                name,
                settings.host,
                given=settings.certificate,
                zone=settings.zone,
                region=GLOBAL_REGION,
                guard=guard,
                parent=parent,
            ),
            "cloudfront_default_certificate": False,
            "minimum_protocol_version": TLS_POLICIES[environment.minimum_tls],
            "ssl_support_method": "sni-only",
        },
        web_acl_id=None if firewall is None else firewall.arn,
        opts=guard.retrying(parent, depends_on=bucket.ready),
    )
    _keep_log(name, distribution, environment, platform, guard=guard, parent=parent)
    if settings.zone is not None:
        point_host(
            f"{name}-record",
            settings.host,
            settings.zone,
            target=distribution.domain_name,
            target_zone=distribution.hosted_zone_id,
            types=("A", "AAAA"),
            guard=guard,
            parent=parent,
        )
    return distribution.domain_name


def _headers(
    name: str, environment: EnvironmentPlan, *, guard: Guard, parent: pulumi.Resource
) -> aws.cloudfront.ResponseHeadersPolicy:
    """What a browser is told about files: over TLS only, as what they say they are, in no frame, running nothing."""
    return aws.cloudfront.ResponseHeadersPolicy(
        f"{name}-headers",
        name=f"{prefix(environment)}-{name}",
        comment="Security headers of delivered files",
        security_headers_config={
            "strict_transport_security": {
                "access_control_max_age_sec": _TRANSPORT_SECONDS,
                "include_subdomains": True,
                "preload": False,
                "override": True,
            },
            "content_type_options": {"override": True},
            "frame_options": {"frame_option": "DENY", "override": True},
            "referrer_policy": {"referrer_policy": "strict-origin-when-cross-origin", "override": True},
            "content_security_policy": {
                "content_security_policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
                "override": True,
            },
        },
        opts=guard.retrying(parent),
    )


def _signers(
    name: str, settings: DeliverySettings, environment: EnvironmentPlan, *, guard: Guard, parent: pulumi.Resource
) -> list[pulumi.Output[str]] | None:
    """The group of keys that open private files; another key is another resource, hung in before the old one goes."""
    if settings.signing_key is None:
        return None
    pem = f"{settings.signing_key.strip()}\n"
    key = aws.cloudfront.PublicKey(
        f"{name}-signing-key",
        name=f"{prefix(environment)}-{hashlib.sha256(pem.encode()).hexdigest()[:10]}",
        comment="Signs the addresses of uploads",
        encoded_key=pem,
        opts=guard.retrying(parent),
    )
    group = aws.cloudfront.KeyGroup(
        f"{name}-signers",
        name=f"{prefix(environment)}-{name}",
        comment="Who signs the addresses of uploads",
        items=[key.id],
        opts=guard.retrying(parent),
    )
    return [group.id]


def _keep_log(
    name: str,
    distribution: aws.cloudfront.Distribution,
    environment: EnvironmentPlan,
    platform: AwsPlatform,
    *,
    guard: Guard,
    parent: pulumi.Resource,
) -> None:
    """Keep the access log, encrypted; the distribution's own `logging_config` needs a bucket that grants by ACL."""
    full_name = f"{prefix(environment)}-{name}"
    group_name = log_group_name(environment, name)
    group = aws.cloudwatch.LogGroup(
        f"{name}-logs",
        region=GLOBAL_REGION,
        name=group_name,
        retention_in_days=LOG_DAYS,
        kms_key_id=platform.keys["logs", GLOBAL_REGION].arn,
        opts=guard.retrying(parent),
    )
    arn = log_group_arn(environment, group_name, GLOBAL_REGION)
    allowed = aws.cloudwatch.LogResourcePolicy(
        f"{name}-logs-policy",
        region=GLOBAL_REGION,
        policy_name=full_name,
        policy_document=document(
            [
                {
                    "Sid": "Delivery",
                    "Effect": "Allow",
                    "Principal": {"Service": "delivery.logs.amazonaws.com"},
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": f"{arn}:log-stream:*",
                    "Condition": {"StringEquals": {"aws:SourceAccount": environment.aws.account_id}},
                }
            ]
        ),
        opts=guard.retrying(parent),
    )
    source = aws.cloudwatch.LogDeliverySource(
        f"{name}-logs-source",
        region=GLOBAL_REGION,
        name=full_name,
        log_type="ACCESS_LOGS",
        resource_arn=distribution.arn,
        opts=guard.retrying(parent),
    )
    destination = aws.cloudwatch.LogDeliveryDestination(
        f"{name}-logs-destination",
        region=GLOBAL_REGION,
        name=full_name,
        output_format="json",
        delivery_destination_configuration={"destination_resource_arn": arn},
        opts=guard.retrying(parent, depends_on=[group]),
    )
    aws.cloudwatch.LogDelivery(
        f"{name}-logs-delivery",
        region=GLOBAL_REGION,
        delivery_source_name=source.name,
        delivery_destination_arn=destination.arn,
        opts=guard.retrying(parent, depends_on=[allowed]),
    )
