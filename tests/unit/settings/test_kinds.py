"""Each kind resolved: its plan, its cloud, its names, its keys; and what its recovery can promise."""

from __future__ import annotations

from typing import Any

import pytest

from settings.defaults import NOT_ENFORCED_ON_GUESTS
from settings.plan import ExternalPlan, FirestorePlan, TenantPlan, ZonePlan
from tests.unit.settings.documents import SERVICE, aws, aws_prod, both, dev, plan, problems, prod, staging, web, web_aws

ATTESTED: dict[str, Any] = {"rpo_minutes": 5, "rto_minutes": 30, "verified_on": "2026-01-31"}


def only(document: dict[str, Any], entry: dict[str, Any]) -> TenantPlan:
    document["tenants"] = [entry]
    return plan(document).tenants[0]


def test_kind_of_a_tenant_is_the_home_clouds_when_nobody_says_otherwise() -> None:
    assert [(tenant.kind, tenant.cloud, tenant.region) for tenant in plan(dev()).tenants[:1]] == [
        ("cloudsql", "gcp", "europe-west1")
    ]
    assert [(tenant.kind, tenant.cloud, tenant.region) for tenant in plan(aws()).tenants[:1]] == [
        ("rds", "aws", "eu-central-1")
    ]
    amazon = both({"environment.home": "aws"})
    assert [tenant.kind for tenant in plan(amazon).tenants] == ["rds", "rds", "rds"]
    assert plan(amazon).environment.home == "aws"


def test_rds() -> None:
    found = plan(aws())
    [pool] = found.pools
    assert (pool.kind, pool.name, pool.tier, pool.edition) == (
        "rds",
        "ledgerly-dev-pool-general-1",
        "db.m7g.large",
        None,
    )
    assert (pool.region, pool.backup_location, pool.major_version) == ("eu-central-1", "eu-west-1", "17")
    cobalt = found.tenants[2]
    assert (cobalt.kind, cobalt.sql.instance_key, cobalt.sql.placement) == ("rds", "tenant-cobalt", "dedicated")
    environment = found.environment
    assert (environment.clouds, environment.on_gcp) == (("aws",), None)
    assert environment.aws.zones == (
        ZonePlan(name="eu-central-1a", private_range="10.96.0.0/19", public_range="10.96.128.0/21"),
        ZonePlan(name="eu-central-1b", private_range="10.96.32.0/19", public_range="10.96.136.0/21"),
    )
    with pytest.raises(LookupError, match="has no Google Cloud project"):
        _ = environment.gcp


def test_firestore() -> None:
    firn = only(dev(), {"id": "firn", "kind": "firestore"})
    assert (firn.cloud, firn.region, firn.database, firn.url_secret) == (
        "gcp",
        "europe-west1",
        "tn-firn",
        "tenant-firn-database-url",
    )
    assert firn.firestore == FirestorePlan(
        location="europe-west1",
        cmek=False,
        daily_retention_days=7,
        weekly_retention_weeks=14,
        service_account="tn-firn",
    )
    assert (firn.on_sql, firn.as_guest, firn.instance) == (None, None, None)
    with pytest.raises(LookupError, match="tenant firn is of kind firestore, which has no SQL instance"):
        _ = firn.sql


@pytest.mark.parametrize(
    ("quota", "location", "keys"),
    [
        (0, "europe-west3", ("europe-west1", "europe-west4")),
        (0, "eur3", ("europe-west1", "europe-west4")),
        (2, "europe-west3", ("europe-west1", "europe-west3", "europe-west4")),
    ],
)
def test_a_firestore_database_with_a_key_needs_one_where_it_is(
    quota: int, location: str, keys: tuple[str, ...]
) -> None:
    document = dev({"gcp.firestore_cmek_databases": quota})
    document["tenants"] = [{"id": "firn", "kind": "firestore", "firestore": {"location": location}}]
    found = plan(document)
    assert found.tenants[0].firestore.cmek is (quota > 0)
    assert found.environment.gcp.key_regions == keys


def test_firestore_is_layered_option_by_option() -> None:
    document = dev(
        {"plans.documents": {"kind": "firestore", "firestore": {"location": "eur3", "daily_retention_days": 14}}}
    )
    firn = only(document, {"id": "firn", "plan": "documents", "firestore": {"daily_retention_days": 21}})
    assert (firn.firestore.location, firn.firestore.daily_retention_days, firn.region) == ("eur3", 21, "eur3")


@pytest.mark.parametrize(
    ("document", "cloud", "region"), [(dev(), "gcp", "europe-west1"), (aws(), "aws", "eu-central-1")]
)
def test_external(document: dict[str, Any], cloud: str, region: str) -> None:
    glade = only(document, {"id": "glade-co", "kind": "external"})
    assert (glade.cloud, glade.region, glade.database) == (cloud, region, "tn_glade_co")
    assert glade.external == ExternalPlan(
        provider="postgres",
        dsn="GLADE_CO_DATABASE_URL",
        backup_dsn=None,
        backup_url_secret=None,
        schemas=None,
        attested=None,
        not_enforced=NOT_ENFORCED_ON_GUESTS,
    )


def test_external_with_a_login_for_backups() -> None:
    document = dev(
        {"plans.guests": {"kind": "external", "external": {"provider": "neon", "separate_backup_login": True}}}
    )
    document["tenants"] = [
        {"id": "glade", "plan": "guests"},
        {"id": "heath", "plan": "guests", "external": {"separate_backup_login": False}},
    ]
    found = plan(document)
    glade, heath = (tenant.external for tenant in found.tenants)
    assert (glade.provider, glade.backup_dsn, glade.backup_url_secret) == (
        "neon",
        "GLADE_BACKUP_DATABASE_URL",
        "tenant-glade-backup-url",
    )
    assert (heath.provider, heath.backup_dsn, heath.backup_url_secret) == ("neon", None, None)
    assert found.external_secrets == ("GLADE_BACKUP_DATABASE_URL", "GLADE_DATABASE_URL", "HEATH_DATABASE_URL")


def test_schemas_of_a_guest() -> None:
    """A tenant's list takes the place of its plan's."""
    document = dev({"plans.guests": {"kind": "external", "external": {"schemas": ["public"]}}})
    document["tenants"] = [
        {"id": "glade", "plan": "guests"},
        {"id": "heath", "plan": "guests", "external": {"schemas": ["Books", "public"]}},
    ]
    glade, heath = (tenant.external for tenant in plan(document).tenants)
    assert (glade.schemas, heath.schemas) == (("public",), ("Books", "public"))


def test_kinds_side_by_side() -> None:
    document = both({"pools.amazon": {"capacity": 5, "kind": "rds"}})
    document["tenants"] = [
        {"id": "acme"},
        {"id": "birchwood", "kind": "rds", "pool": "amazon"},
        {"id": "cobalt", "kind": "firestore"},
        {"id": "dune", "kind": "external"},
    ]
    found = plan(document)
    assert [(tenant.id, tenant.kind, tenant.cloud) for tenant in found.tenants] == [
        ("acme", "cloudsql", "gcp"),
        ("birchwood", "rds", "aws"),
        ("cobalt", "firestore", "gcp"),
        ("dune", "external", "gcp"),
    ]
    assert [pool.key for pool in found.pools_of("rds")] == ["pool-amazon"]
    assert [tenant.id for tenant in found.tenants_of("rds", "external")] == ["birchwood", "dune"]
    assert found.environment.clouds == ("gcp", "aws")


def test_a_tenant_may_leave_the_kind_of_its_plan() -> None:
    """What the plan says for its own kind does not follow the tenant, and is no mistake of the tenant."""
    document = dev({"plans.standard.connection_limit": 5})
    assert only(document, {"id": "glade", "kind": "external"}).as_guest is not None
    assert only(document, {"id": "firn", "kind": "firestore"}).on_firestore is not None


@pytest.mark.parametrize(
    "document",
    [
        aws_prod(),
        aws({"pools.general": {"capacity": 3, "disk_gb": 100, "disk_limit_gb": 110}}),
        aws({"pools.general": {"capacity": 3, "disk_gb": 100, "disk_limit_gb": 0}}),
        aws({"pools.general.tier": "db.t4g.micro"}),
        aws({"pools.general.pitr_days": 35}),  # AWS Backup keeps its own days, whatever the point-in-time recovery
        aws({"pools.general.backup_hour": 2}),
        aws({"pools.general.region": "eu-central-1"}),
        aws({"aws.zones": ["eu-central-1a", "eu-central-1b", "eu-central-1c"]}),
        aws({"monitoring.budget": {"amount": 100, "currency": "USD"}}),
        aws(
            {
                "monitoring.channels.slack": {
                    "channel": "#ops",
                    "workspace_id": "T01234567",
                    "channel_id": "C01234567",
                }
            }
        ),
        aws({"backups.compliance_vault": True}),
        aws({"tenants.0": {"id": "google-fan", "files": "bucket"}}),
        aws({"environment.organization": "o" * 12, "tenants.0": {"id": "t" * 30, "files": "bucket"}}),
        dev({"gcp.firestore_databases": 2, "tenants.0": {"id": "f" * 27, "kind": "firestore"}}),
        dev({"gcp.firestore_databases": 2, "tenants.0": {"id": "fff", "kind": "firestore"}}),
        dev({"gcp.firestore_databases": 0}),
        staging({"gcp.firestore_cmek_databases": 2, "tenants.0": {"id": "firn", "kind": "firestore"}}),
        prod({"gcp.firestore_cmek_databases": 2, "tenants.0": {"id": "firn", "kind": "firestore"}}),
        both({"tenants.0": {"id": "acme", "kind": "external"}}),
        web({"tasks.quotes.schedule": "0 0 1 * MON", "backups.drill_schedule": "0 4 1 * 0"}),  # cron's own rule
        web({"services.worker.min_instances": 0, "services.worker.memory_mb": 512}),
        web({"services.worker.min_instances": 10}),
        web({"queues.orders.path": "/orders", "delivery.zone": None, "delivery.waf": False}),
        web({"vercel.secrets": {"production": {"A": "SENTRY_DSN", "B": "SENTRY_DSN"}}}),
        web({"vercel.protection": "none"}),
        web({"vercel.team": "t" * 48, "vercel.project": "p" * 41}),
        web({"tenants": [{"id": "glade", "kind": "external"}], "services": {}, "queues": {}}),
        web(
            {
                "tenants.0": {"id": "glade", "kind": "external"},
                "vercel.secrets": {"production": {"DATABASE_URL": "GLADE_DATABASE_URL"}},
            }
        ),
        web_aws({"services.worker": {**SERVICE, "cpu": 4, "memory_mb": 8192}}),
    ],
)
def test_exactly_at_the_limit(document: dict[str, Any]) -> None:
    assert problems(document) == ()


@pytest.mark.parametrize(
    ("document", "entry", "scope", "rpo", "rto"),
    [
        (aws(), {"id": "acme"}, "corruption", 5, 180),
        (aws(), {"id": "acme", "plan": "enterprise"}, "corruption", 5, 60),
        (aws(), {"id": "acme", "plan": "enterprise"}, "instance", 5, 60),
        (aws({"pools.general.availability": "REGIONAL"}), {"id": "acme"}, "instance", 0, 5),
        (aws(), {"id": "acme"}, "region", 30, 120),
        (dev({"pools.general.replica_region": "europe-west3"}), {"id": "acme"}, "region", 5, 30),
        (dev(), {"id": "firn", "kind": "firestore"}, "corruption", 1, 120),
        (dev(), {"id": "firn", "kind": "firestore"}, "instance", 0, 5),
        (dev(), {"id": "firn", "kind": "firestore"}, "region", 1440, 480),
        (dev(), {"id": "firn", "kind": "firestore", "firestore": {"location": "eur3"}}, "region", 0, 5),
        (dev(), {"id": "glade", "kind": "external"}, "corruption", 1440, 120),
        (dev(), {"id": "glade", "kind": "external"}, "region", 1440, 120),
        (dev(), {"id": "glade", "kind": "external", "external": {"attested": ATTESTED}}, "instance", 5, 30),
        (dev(), {"id": "glade", "kind": "external", "external": {"attested": ATTESTED}}, "region", 1440, 120),
    ],
)
def test_targets_are_met_exactly_up_to_what_is_reachable(
    document: dict[str, Any], entry: dict[str, Any], scope: str, rpo: int, rto: int
) -> None:
    """`recovery_targets` says why for each figure; one minute less is refused."""

    def found(rpo_minutes: int, rto_minutes: int) -> list[str]:
        targets = {scope: {"rpo_minutes": rpo_minutes, "rto_minutes": rto_minutes}}
        document["tenants"] = [entry | {"targets": targets}]
        return [problem.path.rpartition(".")[2] for problem in problems(document)]

    assert found(rpo, rto) == []
    assert found(rpo, rto - 1) == ["rto_minutes"]
    assert found(max(rpo - 1, 0), rto) == (["rpo_minutes"] if rpo else [])


def test_targets_of_a_managed_postgres_elsewhere() -> None:
    """S2 asks for 5 and 30 minutes, S3 for 1 and 4 hours: the nightly export meets neither, attested recovery does."""
    for rpo, rto in ((5, 30), (60, 240)):
        targets = {scope: {"rpo_minutes": rpo, "rto_minutes": rto} for scope in ("corruption", "instance")}
        entry = {"id": "glade", "kind": "external", "targets": targets}
        attested = {**ATTESTED, "rpo_minutes": rpo, "rto_minutes": rto}
        assert problems(dev({"tenants": [entry]}))
        assert problems(dev({"tenants": [entry | {"external": {"attested": attested}}]})) == ()


def test_ten_thousand_tenants_of_every_kind() -> None:
    pools = {
        **{f"pool-{number}": {"capacity": 400, "max_connections": 4040} for number in range(10)},
        **{f"rds-{number}": {"capacity": 400, "max_connections": 4040, "kind": "rds"} for number in range(10)},
    }
    kinds: list[dict[str, Any]] = [
        {"kind": "cloudsql"},
        {"kind": "rds"},
        {"kind": "firestore"},
        {"kind": "external", "external": {"attested": ATTESTED}},
    ]
    entries: list[dict[str, Any]] = []
    for number in range(10_000):
        entry = {"id": f"tenant-{number}", **kinds[number % 4]}
        if entry["kind"] in {"cloudsql", "rds"}:
            entry["pool"] = f"{'pool' if entry['kind'] == 'cloudsql' else 'rds'}-{number // 4 % 10}"
        entries.append(entry)
    # more Firestore databases than any project has: all the rest resolves
    document = both({"plans": {"standard": {}}, "pools": pools, "tenants": entries})
    assert [(problem.path, problem.value) for problem in problems(document)] == [
        ("tenantry:gcp.firestore_databases", "100")
    ]
