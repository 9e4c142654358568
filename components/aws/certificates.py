"""Certificates and names of public hosts: given, or made and validated in the host's own Route 53 zone."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.guard import Guard

_RECORD_SECONDS = 60


def certificate_arn(
    name: str,
    host: str,
    *,
    given: str | None,
    zone: str | None,
    region: str,
    guard: Guard,
    parent: pulumi.Resource,
) -> pulumi.Input[str]:
    """ARN of an issued certificate of `host` in `region`.

    A new one is used only after its validation: CloudFront and load balancers refuse one that is not issued yet.

    Raises:
        LookupError: neither `given` nor `zone`; `settings` refuses that before.
    """
    if given is not None:
        return given
    if zone is None:
        raise LookupError(f"{host} has neither a certificate nor a zone to make one in")
    certificate = aws.acm.Certificate(
        f"{name}-certificate",
        region=region,
        domain_name=host,
        validation_method="DNS",
        key_algorithm="EC_prime256v1",
        opts=guard.retrying(parent),
    )
    option = certificate.domain_validation_options[0]
    record = aws.route53.Record(
        f"{name}-validation-record",
        zone_id=zone,
        name=option.resource_record_name,
        type=option.resource_record_type,
        records=[option.resource_record_value],
        ttl=_RECORD_SECONDS,
        # a certificate of the same host in another region is proved by the same record
        allow_overwrite=True,
        opts=guard.retrying(parent),
    )
    return aws.acm.CertificateValidation(
        f"{name}-validation",
        region=region,
        certificate_arn=certificate.arn,
        validation_record_fqdns=[record.fqdn],
        opts=guard.retrying(parent),
    ).certificate_arn


def point_host(
    name: str,
    host: str,
    zone: str,
    *,
    target: pulumi.Output[str],
    target_zone: pulumi.Output[str],
    types: tuple[str, ...],
    guard: Guard,
    parent: pulumi.Resource,
) -> None:
    """Create the host's alias records."""
    for kind in types:
        aws.route53.Record(
            f"{name}-{kind.lower()}",
            zone_id=zone,
            name=host,
            type=kind,
            aliases=[{"name": target, "zone_id": target_zone, "evaluate_target_health": False}],
            opts=guard.retrying(parent),
        )
