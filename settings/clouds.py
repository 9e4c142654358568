"""The clouds of a stack: which one is home, what is wrong with their sections, and the plans of their networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from settings.errors import Findings, Subject, either, repeated
from settings.models import AwsSettings, GcpSettings, Settings
from settings.plan import AwsPlan, GcpPlan, ZonePlan
from settings.types import CLOUD_OF_KIND, CLOUD_TITLES, CLOUDS, EXAMPLE_REGIONS, Cloud, Kind, cloud_of_region

# Regions whose zone b new accounts do not have.
_ZONE_LETTERS: Final = {"ap-northeast-1": "ac", "us-west-1": "ac"}


def declared_clouds(settings: Settings) -> tuple[Cloud, ...]:
    """The clouds that the stack has a section for."""
    return tuple(cloud for cloud in CLOUDS if getattr(settings, cloud) is not None)


def home_cloud(settings: Settings) -> Cloud | None:
    """The cloud of application secrets, services and guests; None when the stack names no cloud or does not choose."""
    declared = declared_clouds(settings)
    home = settings.environment.home
    if home is None:
        return declared[0] if len(declared) == 1 else None
    return home if home in declared else None


def section_of(cloud: Cloud, settings: Settings) -> GcpSettings | AwsSettings:
    """The section of a cloud that the stack is known to have."""
    section = settings.gcp if cloud == "gcp" else settings.aws
    if section is None:
        raise LookupError(f"cloud {cloud} without its section")
    return section


def has_cloud_of(kind: Kind, settings: Settings) -> bool:
    """Whether the stack has the cloud that `kind` runs on; a guest runs on none."""
    cloud = CLOUD_OF_KIND[kind]
    return cloud is None or cloud in declared_clouds(settings)


def check_kind(  # noqa: PLR0917
    kind: Kind, choices: Iterable[Kind], path: str, subject: Subject, settings: Settings, findings: Findings
) -> None:
    """Add a kind whose cloud has no section; `choices` are those that the place takes."""
    cloud, declared = CLOUD_OF_KIND[kind], declared_clouds(settings)
    # a stack without any cloud is one problem, and reported as such
    if declared and cloud is not None and cloud not in declared:
        others = either(choice for choice in choices if has_cloud_of(choice, settings))
        findings.add(
            path,
            f"is {kind}, which runs on {CLOUD_TITLES[cloud]}, and the stack has no section tenantry:{cloud}",
            fix=f"add the section, or set kind to {others}",
            value=kind,
            subject=subject,
        )


def check_region(region: str, kind: Kind, path: str, subject: Subject, findings: Findings) -> None:
    """Add a region that is not of the kind's cloud."""
    cloud, found = CLOUD_OF_KIND[kind], cloud_of_region(region)
    if cloud is not None and found != cloud and found is not None:
        findings.add(
            path,
            f"is a region of {CLOUD_TITLES[found]}, and {kind} runs on {CLOUD_TITLES[cloud]}",
            fix=f"choose a region of {CLOUD_TITLES[cloud]}, such as {EXAMPLE_REGIONS[cloud]}",
            value=region,
            subject=subject,
        )


def check_clouds(settings: Settings, findings: Findings) -> None:
    """Add what is wrong with the clouds' sections and the choice between them."""
    declared = declared_clouds(settings)
    home = settings.environment.home
    if not declared:
        findings.add(
            "tenantry:gcp",
            "is missing, and so is tenantry:aws: there is no cloud to build in",
            fix="add one of the two sections (docs/configuration.md)",
        )
    elif home is None and len(declared) > 1:
        findings.add(
            "tenantry:environment.home",
            "is missing, and the stack has two clouds",
            fix="say which one holds application secrets, services and external tenants: gcp or aws",
        )
    elif home is not None and home not in declared:
        findings.add(
            "tenantry:environment.home",
            f"has no section tenantry:{home}",
            fix=f"add the section, or set home to {declared[0]}",
            value=home,
        )
    for cloud in declared:
        section = getattr(settings, cloud)
        if section.backup_region == section.region:
            findings.add(
                f"tenantry:{cloud}.backup_region",
                "is the home region: backups must leave it (R3.2)",
                fix="choose another region",
                value=section.backup_region,
            )
    if settings.aws is not None:
        _check_zones(settings.aws, findings)


def _check_zones(aws: AwsSettings, findings: Findings) -> None:
    zones = aws.zones or ()
    for position, zone in enumerate(zones):
        if zone[:-1] != aws.region:
            findings.add(
                f"tenantry:aws.zones[{position}]",
                f"is not a zone of aws.region ({aws.region})",
                fix=f"use zones such as {', '.join(default_zones(aws.region))}",
                value=zone,
            )
    for position in repeated(zones):
        findings.add(
            f"tenantry:aws.zones[{position}]",
            "is in the list already",
            fix="name another zone",
            value=zones[position],
        )


def gcp_plan(gcp: GcpSettings, data_regions: Iterable[str]) -> GcpPlan:
    """The project, with keys at home, in the backup region and in `data_regions`."""
    workload_range, services_range = ipaddress.ip_network(gcp.network).subnets(prefixlen_diff=1)
    return GcpPlan(
        project=gcp.project,
        project_number=gcp.project_number,
        region=gcp.region,
        backup_region=gcp.backup_region,
        key_regions=tuple(sorted({gcp.region, gcp.backup_region, *data_regions})),
        network=gcp.network,
        workload_range=str(workload_range),
        services_range_address=str(services_range.network_address),
        services_range_prefix=services_range.prefixlen,
        billing_account=gcp.billing_account,
        jobs_image=gcp.jobs_image,
    )


def aws_plan(aws: AwsSettings) -> AwsPlan:
    """The account.

    Its range in two halves: private subnets share the lower one, each public one is a sixteenth of the upper one.
    """
    private, public = ipaddress.ip_network(aws.network).subnets(prefixlen_diff=1)
    private_ranges = list(private.subnets(prefixlen_diff=2))
    public_ranges = list(public.subnets(prefixlen_diff=4))
    return AwsPlan(
        account_id=aws.account_id,
        region=aws.region,
        backup_region=aws.backup_region,
        network=aws.network,
        zones=tuple(
            ZonePlan(name=zone, private_range=str(private_ranges[index]), public_range=str(public_ranges[index]))
            for index, zone in enumerate(aws.zones or default_zones(aws.region))
        ),
        jobs_image=aws.jobs_image,
    )


def default_zones(region: str) -> tuple[str, str]:
    """Two zones that every account of the region has: a and b, but where b is closed to new accounts."""
    letters = _ZONE_LETTERS.get(region, "ab")
    return f"{region}{letters[0]}", f"{region}{letters[1]}"
