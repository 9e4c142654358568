"""Layering, boundaries and names: unset, false and zero apart; exactly at a limit accepted, one beyond it refused."""

from __future__ import annotations

from typing import Any

import pytest

from settings.plan import FilesPlan
from tests.unit.settings.documents import aws, dev, plan, problems, prod, staging, tenants, web

ENTERPRISE_PLAN = {
    "placement": "dedicated",
    "connection_limit": 50,
    "instance": {"disk_gb": 100, "tier": "db-g1-small"},
}


def test_one_id_is_a_complete_tenant() -> None:
    acme = tenants(dev({"tenants": [{"id": "acme-co"}]}))["acme-co"]
    assert (acme.display_name, acme.plan, acme.state, acme.kind) == ("acme-co", "standard", "active", "cloudsql")
    sql = acme.sql
    assert (sql.placement, sql.pool, sql.instance_key, sql.instance) == ("shared", "general", "pool-general", None)
    assert (acme.cloud, acme.instance, acme.on_firestore, acme.as_guest) == ("gcp", None, None, None)
    assert (acme.region, acme.ring, acme.targets, sql.rotation) == ("europe-west1", "all", {}, 1)
    assert (sql.connection_limit, sql.statement_timeout_seconds) == (10, 30)
    assert (acme.database, sql.owner_role) == ("tn_acme_co", "tn_acme_co_owner")
    assert (sql.logins, sql.active_login) == (("tn_acme_co_a", "tn_acme_co_b"), "tn_acme_co_a")
    assert (sql.credential_secret, acme.url_secret) == ("tenant-acme-co-credential", "tenant-acme-co-database-url")
    assert acme.files == FilesPlan(mode="prefix", bucket="ledgerly-dev-uploads", folder="acme-co/")
    assert acme.labels == {"tenant": "acme-co", "plan": "standard"}
    assert (acme.guarded, acme.legal_hold, acme.recreate_after_loss) == (True, False, False)


@pytest.mark.parametrize(
    ("by_plan", "by_tenant", "expected"),
    [
        ({}, {}, 10),  # the built-in default
        ({"connection_limit": 5}, {}, 5),
        ({"connection_limit": 5}, {"connection_limit": 7}, 7),
        ({}, {"connection_limit": 7}, 7),
        ({"connection_limit": 5}, {"connection_limit": None}, 5),  # `connection_limit:` without a value is unset
        ({"connection_limit": None}, {}, 10),
    ],
)
def test_layers_of_an_option(by_plan: dict[str, Any], by_tenant: dict[str, Any], expected: int) -> None:
    document = dev({"plans.standard": {"pool": "general", **by_plan}, "tenants.0": {"id": "acme", **by_tenant}})
    assert tenants(document)["acme"].sql.connection_limit == expected


@pytest.mark.parametrize(
    ("by_plan", "by_tenant", "expected"),
    [
        ({}, {}, 500),
        ({"disk_limit_gb": 900}, {}, 900),
        ({"disk_limit_gb": 900}, {"disk_limit_gb": 0}, 0),
        ({}, {"disk_limit_gb": 0}, 0),
    ],
)
def test_zero_is_a_value(by_plan: dict[str, Any], by_tenant: dict[str, Any], expected: int) -> None:
    document = dev({"plans.enterprise.instance": {"max_connections": 100, **by_plan}, "tenants.2.instance": by_tenant})
    instance = tenants(document)["cobalt"].instance
    assert instance is not None
    assert instance.disk_limit_gb == expected


@pytest.mark.parametrize(("written", "expected"), [({}, True), ({"lock": True}, True), ({"lock": False}, False)])
def test_false_is_a_value(written: dict[str, Any], expected: bool) -> None:
    assert plan(dev({"backups": written})).environment.lock is expected


def test_instance_is_layered_option_by_option() -> None:
    document = dev(
        {"plans.enterprise": ENTERPRISE_PLAN, "tenants.2.instance": {"disk_gb": 30, "availability": "REGIONAL"}}
    )
    instance = tenants(document)["cobalt"].instance
    assert instance is not None
    assert (instance.tier, instance.disk_gb, instance.availability, instance.edition) == (
        "db-g1-small",
        30,
        "REGIONAL",
        "ENTERPRISE",
    )
    assert (instance.key, instance.name) == ("tenant-cobalt", "ledgerly-dev-t-cobalt-1")
    assert (instance.region, instance.backup_location) == ("europe-west1", "europe-west4")


def test_targets_are_layered_scope_by_scope() -> None:
    document = dev(
        {
            "plans.standard.targets": {
                "region": {"rpo_minutes": 1500, "rto_minutes": 500},
                "instance": {"rpo_minutes": 5, "rto_minutes": 60},
            },
            "tenants.0.targets": {"region": {"rpo_minutes": 1440, "rto_minutes": 600}},
        }
    )
    acme = {
        scope: (target.rpo_minutes, target.rto_minutes) for scope, target in tenants(document)["acme"].targets.items()
    }
    assert acme == {"region": (1440, 600), "instance": (5, 60)}


def test_tenant_may_leave_the_placement_of_its_plan() -> None:
    document = dev(
        {
            "tenants.0": {"id": "acme", "placement": "dedicated", "region": "europe-west3"},
            "tenants.2": {"id": "cobalt", "plan": "enterprise", "placement": "shared", "pool": "general"},
        }
    )
    found = tenants(document)
    acme, cobalt = found["acme"], found["cobalt"]
    assert (acme.sql.placement, acme.sql.pool, acme.region, acme.sql.instance_key) == (
        "dedicated",
        None,
        "europe-west3",
        "tenant-acme",
    )
    assert (cobalt.sql.placement, cobalt.sql.pool, cobalt.instance, cobalt.sql.instance_key) == (
        "shared",
        "general",
        None,
        "pool-general",
    )


@pytest.mark.parametrize(
    ("everyone", "extra", "rotation", "login"), [(1, 0, 1, "a"), (2, 0, 2, "b"), (1, 1, 2, "b"), (2, 1, 3, "a")]
)
def test_rotations_add_up_and_logins_alternate(everyone: int, extra: int, rotation: int, login: str) -> None:
    acme = tenants(dev({"secrets.rotation": everyone, "tenants.0.extra_rotations": extra}))["acme"]
    assert (acme.sql.rotation, acme.sql.active_login) == (rotation, f"tn_acme_{login}")


def test_files() -> None:
    document = dev({"tenants.0.files": "bucket", "tenants.1.files": "none"})
    assert [tenant.files for tenant in plan(document).tenants[:2]] == [
        FilesPlan(mode="bucket", bucket="ledgerly-dev-acme-uploads", folder=None),
        FilesPlan(mode="none", bucket=None, folder=None),
    ]


def test_cost_centre_of_a_tenant_is_on_it_and_on_its_instance() -> None:
    cobalt = tenants(dev({"tenants.2.cost_centre": "cc-7"}))["cobalt"]
    assert cobalt.labels == {"tenant": "cobalt", "plan": "enterprise", "cost-centre": "cc-7"}
    assert cobalt.instance is not None
    assert cobalt.instance.labels == {"tenant": "cobalt", "cost-centre": "cc-7"}


def test_environment() -> None:
    document = dev({"gcp.network": "10.64.0.0/16", "pools.general.replica_region": "europe-north1"})
    environment = plan(document).environment
    assert environment.gcp.workload_range == "10.64.0.0/17"
    assert (environment.gcp.services_range_address, environment.gcp.services_range_prefix) == ("10.64.128.0", 17)
    assert environment.gcp.key_regions == ("europe-north1", "europe-west1", "europe-west4")
    assert environment.buckets.exports == "ledgerly-dev-exports"
    assert environment.labels == {
        "environment": "dev",
        "service": "tenantry",
        "cost-centre": "cc-1",
        "managed-by": "tenantry",
    }


@pytest.mark.parametrize(("sox", "days"), [(True, 2555), (False, 365)])
def test_audit_retention(sox: bool, days: int) -> None:
    assert plan(dev({"environment.sox": sox})).environment.audit_retention_days == days


@pytest.mark.parametrize(
    "changes",
    [
        {"pools.general.capacity": 2},
        {"pools.general.max_connections": 60},
        {"pools.spare": {"capacity": 1, "max_connections": 40}},
        {"tenants.2.connection_limit": 60},
        {"pools.general.pitr_days": 7, "pools.general.retained_backups": 7},
        {"pools.general": {"capacity": 3, "disk_gb": 100, "disk_limit_gb": 100}},
        {"pools.general.tier": "db-custom-8-7424"},
        {"pools.general.tier": "db-custom-2-13312"},
        {"pools.general.tier": "db-custom-1-3840"},
        {"pools.general.tier": "db-f1-micro"},
        {"pools.general.replica_region": "europe-west4"},
        {"backups.export_retention_days": 30},
        {"backups.export_max_age_hours": 25},
        {"backups": {"drill_schedule": "0 4 * * MON,THU", "drill_max_age_days": 5}},
        {"monitoring.thresholds": {"error_rate_warning": 0.049}},
        {"tenants.0.legal_hold": True, "tenants.0.state": "suspended"},
        {"tenants.0.state": "offboarding"},
        {"tenants.0.id": "google-fan"},
        {"tenants.0.id": "a" * 30},
        {"tenants.0.id": "ab"},
        {"tenants.0.targets": {"corruption": {"rpo_minutes": 5, "rto_minutes": 180}}},
        {"tenants.2.targets": {"corruption": {"rpo_minutes": 5, "rto_minutes": 60}}},
        {"tenants.0.targets": {"instance": {"rpo_minutes": 5, "rto_minutes": 60}}},
        {
            "pools.general.availability": "REGIONAL",
            "tenants.0.targets": {"instance": {"rpo_minutes": 0, "rto_minutes": 5}},
        },
        {"tenants.0.targets": {"region": {"rpo_minutes": 1440, "rto_minutes": 480}}},
        {
            "pools.general.replica_region": "europe-west3",
            "tenants.0.targets": {"region": {"rpo_minutes": 5, "rto_minutes": 30}},
        },
        {"gcp.network": "192.168.0.0/18"},
        {"monitoring.app_host": "app.xn--p1ai"},
    ],
    ids=str,
)
def test_exactly_at_the_limit(changes: dict[str, Any]) -> None:
    assert problems(dev(changes)) == ()


def test_exactly_at_the_floors() -> None:
    assert problems(staging({"backups.export_retention_days": 30, "pools.general.retained_backups": 14})) == ()
    assert problems(prod({"backups.export_retention_days": 30})) == ()


def test_every_name_of_the_longest_ids_fits() -> None:
    document = staging(
        {
            "environment.organization": "o" * 12,
            "gcp.project": "p" * 30,
            "pools": {"l" * 20: {"capacity": 1, "generation": 999, "replica_region": "europe-west3"}},
            "plans": {"standard": {"pool": "l" * 20}, "e" * 20: {"placement": "dedicated"}},
            "tenants": [
                {"id": "t" * 30, "plan": "e" * 20, "files": "bucket", "instance": {"generation": 999}},
                {"id": "u" * 30},
            ],
        }
    )
    found = plan(document)
    for tenant in found.tenants:
        assert all(
            len(name) <= 63 for name in (tenant.database, tenant.sql.owner_role, *tenant.sql.logins)
        )  # PostgreSQL
        assert all(len(name) <= 255 for name in (tenant.sql.credential_secret, tenant.url_secret))  # Secret Manager
        assert all(len(value) <= 63 for value in tenant.labels.values())
        assert len(str(tenant.files.bucket)) <= 63  # Cloud Storage
    for instance in found.instances:
        assert len(instance.name) <= 63  # RDS, which is named alike
        # Cloud SQL: `project:instance`, also of the replica
        assert len(f"{found.environment.gcp.project}:{instance.replica_name}") <= 98
        assert all(len(value) <= 63 for value in instance.labels.values())


def test_ten_thousand_tenants() -> None:
    pools = {f"pool-{number}": {"capacity": 400, "max_connections": 4040} for number in range(25)}
    entries = [{"id": f"tenant-{number}", "pool": f"pool-{number % 25}"} for number in range(10_000)]
    found = plan(dev({"plans": {"standard": {}}, "pools": pools, "tenants": entries}))
    assert len(found.tenants) == 10_000
    assert [tenant.id for tenant in found.tenants] == sorted(tenant.id for tenant in found.tenants)


def test_a_region_takes_the_backups_of_twenty_rds_instances() -> None:
    def document(dedicated: int) -> dict[str, Any]:
        return aws({"tenants": [{"id": f"t{number}", "plan": "enterprise"} for number in range(dedicated)]})

    assert problems(document(19)) == ()  # and the pool
    [problem] = problems(document(20))
    assert problem.path == "tenantry:aws.backup_region"
    assert problem.message == (
        "would take the automated backups of 21 RDS instances, and RDS replicates those of at most 20 to one region of "
        "an account"
    )
    assert problem.value == '"eu-west-1"'


@pytest.mark.parametrize(("state", "stays"), [("active", True), ("suspended", False), ("offboarding", False)])
def test_vercel_is_not_given_the_url_of_a_guest_that_is_not_active(state: str, stays: bool) -> None:
    document = web(
        {
            "tenants": [{"id": "glade", "kind": "external", "state": state}, {"id": "grove", "kind": "external"}],
            "vercel.secrets": {
                "production": {"GLADE": "GLADE_DATABASE_URL", "GROVE": "GROVE_DATABASE_URL", "DSN": "SENTRY_DSN"}
            },
        }
    )
    vercel = plan(document).environment.vercel
    assert vercel is not None
    assert vercel.secrets == {
        "production": {
            **({"GLADE": "GLADE_DATABASE_URL"} if stays else {}),
            "GROVE": "GROVE_DATABASE_URL",
            "DSN": "SENTRY_DSN",
        }
    }


def test_vercel_has_the_applications_secrets_unless_told() -> None:
    vercel = plan(web({"tenants": [{"id": "glade", "kind": "external", "state": "suspended"}]})).environment.vercel
    assert vercel is not None
    assert vercel.secrets is None
