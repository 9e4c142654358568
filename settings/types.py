"""The vocabulary of the configuration: one named type per kind of value, each with its one validator."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

EnvironmentName = Literal["dev", "staging", "prod"]
Kind = Literal["cloudsql"]
Placement = Literal["shared", "dedicated"]
TenantState = Literal["active", "suspended", "offboarding"]
Ring = Literal["canary", "early", "all"]
Availability = Literal["ZONAL", "REGIONAL"]
Edition = Literal["ENTERPRISE", "ENTERPRISE_PLUS"]
FilesMode = Literal["prefix", "bucket", "none"]
FailureScope = Literal["corruption", "instance", "region"]

# Names that derived cloud names, prefixes or paths already use for something else.
RESERVED_TENANT_IDS: Final = frozenset(
    {
        "admin", "all", "audit", "default", "dev", "environment", "exports", "final", "instances", "none", "null",
        "platform", "pool", "postgres", "prod", "public", "registry", "root", "shared", "staging", "status", "system",
        "template0", "template1", "tenant", "tenants", "true", "false", "uploads",
    }
)  # fmt: skip

_SMALLEST_NETWORK: Final = 18
_LABEL = re.compile(r"[a-z](?:[a-z0-9]|-(?!-))*[a-z0-9]")


def _dns_label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        msg = (
            "must be lower-case letters, digits and single hyphens, start with a letter and end with a letter or digit"
        )
        raise ValueError(msg)
    return value


def _tenant_id(value: str) -> str:
    _dns_label(value)
    if value in RESERVED_TENANT_IDS:
        msg = "is a reserved word"
        raise ValueError(msg)
    return value


def _private_network(value: str) -> str:
    network = ipaddress.ip_network(value)  # its own message says what is wrong with the notation
    if not isinstance(network, ipaddress.IPv4Network) or not network.is_private:
        msg = "must be an RFC 1918 IPv4 network"
        raise ValueError(msg)
    if network.prefixlen > _SMALLEST_NETWORK:
        msg = "must be /18 or larger: half of it is reserved for private database addresses"
        raise ValueError(msg)
    return value


# 30 characters keep `{organization}-{environment}-{tenant}-uploads` within a bucket's 63 (12 + 7 + 30 + 10).
TenantId = Annotated[str, Field(min_length=2, max_length=30), AfterValidator(_tenant_id)]
PoolName = Annotated[str, Field(min_length=2, max_length=20), AfterValidator(_dns_label)]
PlanName = Annotated[str, Field(min_length=2, max_length=20), AfterValidator(_dns_label)]
OrganizationName = Annotated[str, Field(min_length=2, max_length=12), AfterValidator(_dns_label)]
PrivateNetwork = Annotated[str, AfterValidator(_private_network)]
# Google's rules: project ids are 6-30 characters; regions look like europe-west1.
GcpProjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
GcpProjectNumber = Annotated[str, Field(pattern=r"^[0-9]{6,15}$")]
GcpRegion = Annotated[
    str, Field(pattern=r"^(africa|asia|australia|europe|me|northamerica|southamerica|us)-[a-z]+[1-9][0-9]?$")
]
BillingAccount = Annotated[str, Field(pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")]
# A tag moves; only a digest names one image for good.
ContainerImage = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$")]
LabelValue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Hostname = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")]
EmailAddress = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
# Cloud SQL's machine types: shared-core, custom and performance-optimised.
SqlTier = Annotated[
    str, Field(pattern=r"^db-(f1-micro|g1-small|custom-[0-9]+-[0-9]+|perf-optimized-N-[0-9]+|c4a-highmem-[0-9]+)$")
]
PostgresVersion = Literal["POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"]
# Five fields of unix-cron, as Cloud Scheduler takes them.
CronSchedule = Annotated[str, Field(pattern=r"^(\S+\s+){4}\S+$")]
SecretName = Annotated[str, Field(min_length=2, max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$")]
