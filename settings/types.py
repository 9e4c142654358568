"""The vocabulary of the configuration: one named type per kind of value, each with its one validator."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import zoneinfo
from functools import cache
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field

from settings import cron

EnvironmentName = Literal["dev", "staging", "prod"]
Cloud = Literal["gcp", "aws"]
Kind = Literal["cloudsql", "firestore", "rds", "external"]
SqlKind = Literal["cloudsql", "rds"]
Placement = Literal["shared", "dedicated"]
TenantState = Literal["active", "suspended", "offboarding"]
Ring = Literal["canary", "early", "all"]
Availability = Literal["ZONAL", "REGIONAL"]
Edition = Literal["ENTERPRISE", "ENTERPRISE_PLUS"]
FilesMode = Literal["prefix", "bucket", "none"]
FailureScope = Literal["corruption", "instance", "region"]
GuestProvider = Literal["neon", "supabase", "postgres"]
ServiceAccount = Literal["gateway", "worker"]
VercelTarget = Literal["production", "preview", "development"]
VercelProtection = Literal["standard", "all", "previews", "none"]
CanaryPercent = Literal[10, 50, 100]
TlsVersion = Literal["1.2", "1.3"]

CLOUDS: Final[tuple[Cloud, ...]] = get_args(Cloud)
CLOUD_TITLES: Final[dict[Cloud, str]] = {"gcp": "Google Cloud", "aws": "AWS"}
EXAMPLE_REGIONS: Final[dict[Cloud, str]] = {"gcp": "europe-west1", "aws": "eu-central-1"}

# Where a kind of database runs; an external one is a guest of the home cloud.
CLOUD_OF_KIND: Final[dict[Kind, Cloud | None]] = {
    "cloudsql": "gcp",
    "firestore": "gcp",
    "rds": "aws",
    "external": None,
}

# Names that derived cloud names, prefixes or paths already use for something else, and words that YAML readers take for
# a boolean or for nothing.
RESERVED_TENANT_IDS: Final = frozenset(
    {
        "admin", "all", "assets", "audit", "default", "dev", "environment", "exports", "false", "final", "instances",
        "no", "none", "null", "off", "on", "platform", "pool", "postgres", "prod", "public", "registry", "root",
        "shared", "staging", "status", "system", "template0", "template1", "tenant", "tenants", "true", "uploads",
        "yes",
    }
)  # fmt: skip

# Variables that Tenantry, Cloud Run, Vercel or the language's own start-up set or obey: a secret of that name would be
# refused or, worse, obeyed. The AWS ones are long-lived keys, which workload identity replaces (R5.4).
RESERVED_SECRET_NAMES: Final = frozenset(
    {
        "CI", "GCP_PROJECT_ID", "GCP_PROJECT_NUMBER", "GCP_SERVICE_ACCOUNT_EMAIL", "GCP_WORKLOAD_IDENTITY_POOL_ID",
        "GCP_WORKLOAD_IDENTITY_POOL_PROVIDER_ID", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "HOME",
        "HOSTNAME", "LD_LIBRARY_PATH", "LD_PRELOAD", "NODE_ENV", "NODE_OPTIONS", "PATH", "PORT", "PYTHONPATH", "TZ",
    }
)  # fmt: skip
RESERVED_SECRET_PREFIXES: Final = ("AWS_", "CLOUD_RUN_", "K_", "TENANTRY_", "VERCEL_", "X_GOOGLE_")

LABEL_PATTERN: Final = r"^[a-z](?:[a-z0-9]|-(?!-))*[a-z0-9]$"

_SMALLEST_NETWORK: Final = 18
_RFC_1918: Final = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# Cloud SQL cannot be reached from or placed in Docker's bridge range (Cloud SQL, private IP requirements).
_DOCKER_BRIDGE: Final = ipaddress.IPv4Network("172.17.0.0/16")
_PRIVATE_DOMAINS: Final = (".internal", ".invalid", ".local", ".localhost")
# Firestore takes them beside regions (Firestore locations).
FIRESTORE_MULTI_REGIONS: Final = ("eur3", "nam5", "nam7")
# What needs no more than double quotes in SQL; 63 bytes is PostgreSQL's limit.
_SCHEMA: Final = r"[A-Za-z_][A-Za-z0-9_$-]{0,62}"
_SYSTEM_SCHEMAS: Final = r"(pg_.*|information_schema)"
# A role that somebody made on a SQL instance; the clouds', PostgreSQL's and the program's own are declared already.
_DATABASE_ROLE: Final = r"[a-z_][a-z0-9_.@-]{0,62}"
_KNOWN_ROLES: Final = r"(pg_|rds|cloudsql|tenantry|tn_).*"
_LABEL = re.compile(LABEL_PATTERN)
# Regions of Google Cloud look like europe-west1, those of AWS's commercial partition like eu-central-1.
_GCP_REGION: Final = r"(africa|asia|australia|europe|me|northamerica|southamerica|us)-[a-z]+[1-9][0-9]?"
_AWS_REGION: Final = r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[1-9]"
_REGIONS: Final[dict[Cloud, re.Pattern[str]]] = {"gcp": re.compile(_GCP_REGION), "aws": re.compile(_AWS_REGION)}


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


def _organization(value: str) -> str:
    _dns_label(value)
    if value.startswith("goog") or "google" in value or "g00gle" in value:
        msg = "begins every bucket's name, and Cloud Storage refuses names that begin with goog or hold google"
        raise ValueError(msg)
    return value


def _private_network(value: str) -> str:
    network = ipaddress.ip_network(value)  # its own message says what is wrong with the notation
    if not isinstance(network, ipaddress.IPv4Network) or not any(network.subnet_of(range_) for range_ in _RFC_1918):
        msg = "must be an RFC 1918 IPv4 network (in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16)"
        raise ValueError(msg)
    if network.overlaps(_DOCKER_BRIDGE):
        msg = f"overlaps {_DOCKER_BRIDGE}, which Cloud SQL keeps for itself"
        raise ValueError(msg)
    if network.prefixlen > _SMALLEST_NETWORK:
        msg = "must be /18 or larger: half of it is reserved for private database addresses"
        raise ValueError(msg)
    return value


def cloud_of_region(region: str) -> Cloud | None:
    """The cloud whose regions look like `region`; no list of regions is kept, for both clouds open new ones."""
    return next((cloud for cloud, pattern in _REGIONS.items() if pattern.fullmatch(region)), None)


def _region_of(cloud: Cloud, value: str) -> str:
    found = cloud_of_region(value)
    if found != cloud:
        what = "is not the name of a region" if found is None else f"is a region of {CLOUD_TITLES[found]}"
        raise ValueError(f"{what}; those of {CLOUD_TITLES[cloud]} look like {EXAMPLE_REGIONS[cloud]}")
    return value


def _gcp_region(value: str) -> str:
    return _region_of("gcp", value)


def _firestore_location(value: str) -> str:
    return value if value in FIRESTORE_MULTI_REGIONS else _region_of("gcp", value)


def _aws_region(value: str) -> str:
    return _region_of("aws", value)


def _region(value: str) -> str:
    if cloud_of_region(value) is None:
        examples = " or ".join(EXAMPLE_REGIONS.values())
        raise ValueError(f"is not the name of a region, such as {examples}")
    return value


def _day(value: str) -> str:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        msg = "is not a day of the calendar, written as in 2026-01-31"
        raise ValueError(msg) from None
    return value


def _public_host(value: str) -> str:
    if value.endswith(_PRIVATE_DOMAINS):
        msg = "is no public name, so nothing outside could check it"
        raise ValueError(msg)
    return value


def _secret_name(value: str) -> str:
    if value in RESERVED_SECRET_NAMES or value.startswith(RESERVED_SECRET_PREFIXES):
        msg = "is an environment variable that the platform itself sets or obeys"
        raise ValueError(msg)
    return value


def _schema_name(value: str) -> str:
    if re.fullmatch(_SCHEMA, value) is None:
        msg = "must be a letter or _, then letters, digits, _, $ and -; 63 characters at most"
        raise ValueError(msg)
    if re.fullmatch(_SYSTEM_SCHEMAS, value):
        msg = "is PostgreSQL's own schema, of which nothing is exported"
        raise ValueError(msg)
    return value


def _database_role(value: str) -> str:
    if re.fullmatch(_DATABASE_ROLE, value) is None:
        msg = "must be a lower-case letter or _, then letters, digits, _, ., @ and -; 63 characters at most"
        raise ValueError(msg)
    if re.fullmatch(_KNOWN_ROLES, value):
        msg = "is named like a role of PostgreSQL, of the cloud or of this program, which need no declaration"
        raise ValueError(msg)
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return values


def _cron(value: str) -> str:
    cron.parse(value)
    return value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _time_zone(value: str) -> str:
    # a machine without a time zone database cannot judge; Cloud Scheduler still does
    if _time_zones() and value not in _time_zones():
        msg = "is not a time zone of the IANA database"
        raise ValueError(msg)
    return value


# 30 characters keep `{organization}-{environment}-{tenant}-uploads` within a bucket's 63 (12 + 7 + 30 + 10).
TenantId = Annotated[
    str,
    Field(
        min_length=2,
        max_length=30,
        json_schema_extra={"pattern": LABEL_PATTERN, "not": {"enum": [*sorted(RESERVED_TENANT_IDS)]}},
    ),
    AfterValidator(_tenant_id),
]
PoolName = Annotated[
    str, Field(min_length=2, max_length=20, json_schema_extra={"pattern": LABEL_PATTERN}), AfterValidator(_dns_label)
]
PlanName = Annotated[
    str, Field(min_length=2, max_length=20, json_schema_extra={"pattern": LABEL_PATTERN}), AfterValidator(_dns_label)
]
OrganizationName = Annotated[
    str,
    Field(
        min_length=2, max_length=12, json_schema_extra={"pattern": LABEL_PATTERN, "not": {"pattern": "^goog|google"}}
    ),
    AfterValidator(_organization),
]
PrivateNetwork = Annotated[
    str,
    Field(json_schema_extra={"pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"}),
    AfterValidator(_private_network),
]
# Google's rule: project ids are 6-30 characters.
GcpProjectId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
GcpProjectNumber = Annotated[str, Field(pattern=r"^[0-9]{6,15}$")]
GcpRegion = Annotated[str, Field(json_schema_extra={"pattern": f"^{_GCP_REGION}$"}), AfterValidator(_gcp_region)]
# AWS's rule: twelve digits.
AwsAccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
AwsRegion = Annotated[str, Field(json_schema_extra={"pattern": f"^{_AWS_REGION}$"}), AfterValidator(_aws_region)]
AwsZone = Annotated[str, Field(pattern=rf"^{_AWS_REGION}[a-f]$")]
# A region of either cloud; `resolve` refuses one that is not of the cloud it is used on.
Region = Annotated[
    str, Field(json_schema_extra={"pattern": f"^({_GCP_REGION}|{_AWS_REGION})$"}), AfterValidator(_region)
]
FirestoreLocation = Annotated[
    str,
    Field(json_schema_extra={"pattern": rf"^({'|'.join(FIRESTORE_MULTI_REGIONS)}|{_GCP_REGION})$"}),
    AfterValidator(_firestore_location),
]
AcmCertificate = Annotated[str, Field(pattern=r"^arn:aws:acm:us-east-1:[0-9]{12}:certificate/[0-9a-f-]{36}$")]
# A load balancer takes certificates of its own region, which `resolve` compares.
RegionalCertificate = Annotated[
    str, Field(pattern=r"^arn:aws:acm:[a-z]{2}-[a-z]+-[1-9]:[0-9]{12}:certificate/[0-9a-f-]{36}$")
]
HostedZone = Annotated[str, Field(pattern=r"^Z[0-9A-Z]{1,31}$")]
PublicKeyPem = Annotated[
    str, Field(pattern=r"^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$")
]
VercelTeamSlug = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
VercelTeamId = Annotated[str, Field(pattern=r"^team_[A-Za-z0-9]{8,40}$")]
# The provider takes 52 lower-case letters, digits and hyphens (vercel_project, name); Vercel no three hyphens in a row.
VercelProjectName = Annotated[str, Field(min_length=1, max_length=52, pattern=r"^[a-z0-9]+(--?[a-z0-9]+)*$")]
GitRepository = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
HttpsUrl = Annotated[str, Field(max_length=2048, pattern=r"^https://[^\s@]+$")]
UrlPath = Annotated[str, Field(max_length=200, pattern=r"^/\S*$")]
# A day as ISO 8601 writes it, in quotes: YAML reads the bare text as a date.
Day = Annotated[
    str, Field(json_schema_extra={"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "format": "date"}), AfterValidator(_day)
]
BillingAccount = Annotated[str, Field(pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")]
# A tag moves; only a digest names one image for good.
ContainerImage = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$")]
LabelValue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Hostname = Annotated[
    str,
    Field(max_length=253, pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{2,59})$"),
    AfterValidator(_public_host),
]
EmailAddress = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
# Cloud SQL's machine types (shared-core, custom, performance-optimised) or RDS's instance classes; `resolve` refuses
# one that is not of the kind.
MachineType = Annotated[
    str,
    Field(
        pattern=r"^(db\.[a-z0-9]+\.[a-z0-9]+|db-(f1-micro|g1-small|custom-[0-9]+-[0-9]+|perf-optimized-N-[0-9]+|c4a-highmem-[0-9]+))$"
    ),
]
PostgresVersion = Literal["POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"]
# Names are compared as they are written: no folding to lower case, no wildcards.
SchemaNames = Annotated[
    tuple[
        Annotated[
            str,
            Field(json_schema_extra={"pattern": f"^{_SCHEMA}$", "not": {"pattern": f"^{_SYSTEM_SCHEMAS}$"}}),
            AfterValidator(_schema_name),
        ],
        ...,
    ],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
DatabaseRoles = Annotated[
    tuple[
        Annotated[
            str,
            Field(json_schema_extra={"pattern": f"^{_DATABASE_ROLE}$", "not": {"pattern": f"^{_KNOWN_ROLES}$"}}),
            AfterValidator(_database_role),
        ],
        ...,
    ],
    Field(json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
# Five fields of unix-cron, as Cloud Scheduler takes them.
CronSchedule = Annotated[str, Field(json_schema_extra={"pattern": r"^(\S+\s+){4}\S+$"}), AfterValidator(_cron)]
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_time_zone)]
WorkloadName = Annotated[
    str, Field(min_length=2, max_length=24, json_schema_extra={"pattern": LABEL_PATTERN}), AfterValidator(_dns_label)
]
VariableName = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_secret_name)
]
SecretName = Annotated[
    str, Field(min_length=2, max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$"), AfterValidator(_secret_name)
]
