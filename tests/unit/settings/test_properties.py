"""What holds for any tenants: order and neighbours do not matter, names are one to one, placement is as declared."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settings.errors import ConfigError
from settings.names import TenantNames
from settings.resolve import load
from settings.types import RESERVED_TENANT_IDS
from tests.unit.settings.documents import both, plan, problems, tenants, web

# no deadline: the machine may be busy
modest = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

# A word per prefix, so that no id is another with an ending that its names have already (`acme` and `acme-a`); at least
# three characters, as Firestore's accounts need.
ids = st.from_regex(r"[a-z][a-z0-9]{2,8}(-[0-9][a-z0-9]{0,8})?", fullmatch=True).filter(
    lambda text: text not in RESERVED_TENANT_IDS
)
any_ids = st.from_regex(r"[a-z]([a-z0-9]|-(?!-)){0,28}[a-z0-9]", fullmatch=True).filter(
    lambda text: text not in RESERVED_TENANT_IDS
)
options = st.fixed_dictionaries(
    {},
    optional={
        "files": st.sampled_from(["prefix", "bucket", "none"]),
        "ring": st.sampled_from(["canary", "early", "all"]),
    },
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "connection_limit": st.integers(1, 20),
        "statement_timeout_seconds": st.integers(1, 3600),
        "extra_rotations": st.integers(0, 3),
    },
)
PLACEMENTS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"pool": "general"},
    {"pool": "other"},
    {"plan": "enterprise"},
    {"placement": "dedicated"},
    {"kind": "cloudsql"},
    {"kind": "rds", "pool": "amazon"},
    {"kind": "rds", "placement": "dedicated"},
)
attested = st.fixed_dictionaries(
    {"rpo_minutes": st.integers(0, 60), "rto_minutes": st.integers(1, 60), "verified_on": st.just("2026-01-31")}
)
elsewhere = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("firestore")},
        optional={
            "firestore": st.fixed_dictionaries(
                {},
                optional={
                    "location": st.sampled_from(["eur3", "europe-west3"]),
                    "daily_retention_days": st.integers(7, 98),
                },
            )
        },
    ),
    st.fixed_dictionaries(
        {"kind": st.just("external")},
        optional={
            "external": st.fixed_dictionaries(
                {}, optional={"provider": st.sampled_from(["neon", "supabase"]), "attested": attested}
            )
        },
    ),
)
placements: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda place, limit: place | limit, st.sampled_from(PLACEMENTS), limits), elsewhere
)
extras = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["active", "suspended", "offboarding"]),
        "name": st.text(min_size=1, max_size=20),
    },
)
entries = st.builds(
    lambda tenant, *parts: {"id": tenant} | {k: v for part in parts for k, v in part.items()},
    ids,
    options,
    placements,
    extras,
)
lists = st.lists(entries, max_size=8, unique_by=lambda entry: entry["id"])


def document(tenant_list: list[dict[str, Any]]) -> dict[str, Any]:
    pools: dict[str, Any] = {name: {"capacity": 50, "max_connections": 2000} for name in ("general", "other")}
    pools["amazon"] = {**pools["other"], "kind": "rds"}
    return both({"pools": pools, "tenants": tenant_list})


def without_paths(tenant_list: list[dict[str, Any]]) -> dict[str, str]:
    """Each tenant's plan without the place of its entry, which is all that a position may decide."""
    return {tenant.id: str(tenant).replace(tenant.path, "") for tenant in plan(document(tenant_list)).tenants}


@modest
@given(lists, st.randoms(use_true_random=False))
def test_order_never_matters(tenant_list: list[dict[str, Any]], random: Any) -> None:  # noqa: ANN401 - a Random
    shuffled = list(tenant_list)
    random.shuffle(shuffled)
    assert without_paths(shuffled) == without_paths(tenant_list)
    one, other = plan(document(tenant_list)), plan(document(shuffled))
    assert (one.environment, one.pools) == (other.environment, other.pools)
    assert [instance.name for instance in one.instances] == [instance.name for instance in other.instances]


@modest
@given(lists, entries, st.integers(0, 8))
def test_another_tenant_changes_nobody(tenant_list: list[dict[str, Any]], entry: dict[str, Any], position: int) -> None:
    before = without_paths([old for old in tenant_list if old["id"] != entry["id"]])
    grown = [old for old in tenant_list if old["id"] != entry["id"]]
    grown.insert(position, entry)
    after = without_paths(grown)
    assert after.pop(entry["id"])
    assert after == before


@modest
@given(any_ids, any_ids)
def test_names_are_one_to_one(one: str, other: str) -> None:
    mine, theirs = TenantNames(one), TenantNames(other)
    for name, theirs_name in zip(mine.all(), theirs.all(), strict=True):
        assert (name == theirs_name) == (one == other)


@modest
@given(any_ids)
def test_names_of_any_id_fit_and_are_well_formed(tenant: str) -> None:
    [found] = tenants(document([{"id": tenant}])).values()
    for name in (found.database, found.sql.owner_role, *found.sql.logins):
        assert len(name) <= 63
        assert name.isidentifier()
        assert name.islower()
    assert len({found.database, found.sql.owner_role, *found.sql.logins}) == 4
    assert len(found.url_secret) <= 255


@modest
@given(any_ids, any_ids)
def test_two_tenants_share_a_name_only_if_refused(one: str, other: str) -> None:
    found = problems(document([{"id": one}, {"id": other}]))
    shared = set(TenantNames(one).all()) & set(TenantNames(other).all())
    assert bool(found) == bool(shared)


@modest
@given(limits, limits)
def test_tenant_wins_where_it_is_set(by_plan: dict[str, Any], by_tenant: dict[str, Any]) -> None:
    by_plan.pop("extra_rotations", None)  # a tenant's own
    rotation = 1 + by_tenant.pop("extra_rotations", 0)
    raw = document([{"id": "acme", "extra_rotations": rotation - 1, **by_tenant}])
    raw["plans"]["standard"] = {"pool": "general", **by_plan}
    acme = tenants(raw)["acme"]
    assert {
        "connection_limit": acme.sql.connection_limit,
        "statement_timeout_seconds": acme.sql.statement_timeout_seconds,
    } == {"connection_limit": 10, "statement_timeout_seconds": 30} | by_plan | by_tenant
    assert acme.sql.rotation == rotation


@modest
@given(options, options, elsewhere)
def test_tenant_of_any_kind_wins_where_it_is_set(
    by_plan: dict[str, Any], by_tenant: dict[str, Any], kind: dict[str, Any]
) -> None:
    raw = document([{"id": "acme", **kind, **by_tenant}])
    raw["plans"]["standard"] = {"pool": "general", **by_plan}
    acme = tenants(raw)["acme"]
    assert {"files": acme.files.mode, "ring": acme.ring} == {"files": "prefix", "ring": "all"} | by_plan | by_tenant


@modest
@given(lists)
def test_placement_is_as_declared(tenant_list: list[dict[str, Any]]) -> None:
    found = tenants(document(tenant_list))
    assert found.keys() == {entry["id"] for entry in tenant_list}
    for entry in tenant_list:
        tenant = found[entry["id"]]
        assert tenant.kind == entry.get("kind", "cloudsql")
        parts = {"sql": tenant.on_sql, "firestore": tenant.on_firestore, "external": tenant.as_guest}
        own = tenant.kind if tenant.kind in parts else "sql"
        assert {name for name, part in parts.items() if part is not None} == {own}
        assert tenant.cloud == ("aws" if tenant.kind == "rds" else "gcp")
        if own != "sql":
            continue
        if entry.get("placement") == "dedicated" or entry.get("plan") == "enterprise":
            assert (tenant.sql.pool, tenant.sql.instance_key) == (None, f"tenant-{tenant.id}")
        else:
            pool = entry.get("pool", "general")
            assert (tenant.sql.pool, tenant.sql.instance_key, tenant.instance) == (pool, f"pool-{pool}", None)


@modest
@given(lists)
def test_json_changes_nothing(tenant_list: list[dict[str, Any]]) -> None:
    raw = document(tenant_list)
    assert plan(json.loads(json.dumps(raw))) == plan(raw)


@modest
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(
        [
            *("tenants", "plans", "pools", "gcp", "tenants.0", "tenants.0.id", "tenants.0.targets", "secrets", "zzz"),
            *("aws", "environment", "monitoring", "backups", "delivery", "tenants.0.external", "tenants.0.firestore"),
            *("vercel", "vercel.secrets", "vercel.domains", "services", "services.gateway", "tasks", "queues"),
            *("queues.orders", "secrets.external", "plans.standard", "external_secrets"),
        ]
    ),
)
def test_any_value_anywhere_is_a_problem_or_a_plan(value: object, place: str) -> None:
    """Nothing that YAML can hold ends in another exception."""
    with contextlib.suppress(ConfigError):
        load(web({place: value}), "dev", encrypted=True)
