"""A tenant is its own: adding one touches nobody, its place in the list means nothing, no edit moves it."""

from __future__ import annotations

import json

import pytest

from sandbox.workspace import StackConfig
from tests.engine.product.support import (
    ALERT,
    DATABASE,
    DEDICATED,
    Upped,
    changed,
    outputs,
    picture,
    plus_tenant,
    preview,
    resources,
    tenant,
    unchanged,
    up,
    with_tenant,
    without_tenants,
)

SHARED = {
    "{id}-credential",
    "{id}-credential-version",
    "{id}-database",
    "{id}-database-url",
    "{id}-database-url-readers",
    "{id}-files",
    "{id}-files-users",
    "{id}-password",
    "{id}-registry",
}
ON_ITS_OWN = {
    "{id}-credential",
    "{id}-credential-version",
    "{id}-database",
    "{id}-database-url",
    "{id}-database-url-readers",
    "{id}-password",
    "{id}-registry",
    "{id}-uploads",
    "{id}-uploads-users",
    "monitoring-alert-database-tenant-{id}",
    "tenant-{id}-export-schedule",
    "tenant-{id}-exports",
    "tenant-{id}-instance",
    "tenant-{id}-registry",
    "tenant-{id}-user-migrator",
    "tenant-{id}-user-sqljob",
    "tenant-{id}-user-worker",
}


def names(template: set[str], tenant_id: str) -> set[str]:
    return {name.format(id=tenant_id) for name in template}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [({"id": "delta-9"}, SHARED), ({"id": "delta-9", "plan": "enterprise"}, ON_ITS_OWN)],
    ids=["shared", "dedicated"],
)
def test_adding_a_tenant_creates_only_its_own(upped: Upped, entry: dict[str, str], expected: set[str]) -> None:
    sandbox = upped()
    before = picture(sandbox)
    sandbox.edit = plus_tenant(**entry)

    result = up(sandbox)

    assert changed(result) == {"create": names(expected, "delta-9")}
    after = picture(sandbox)
    assert {key: after.objects[key] for key in before.objects} == before.objects
    assert unchanged(preview(sandbox))


def test_order_of_the_list_means_nothing(upped: Upped) -> None:
    def backwards(config: StackConfig) -> None:
        config["tenantry:tenants"].reverse()
        config["tenantry:plans"] = dict(reversed(config["tenantry:plans"].items()))

    sandbox = upped(edit=backwards)
    before = picture(sandbox)
    result = up(sandbox)
    assert unchanged(result), changed(result)
    assert picture(sandbox) == before


def renamed(config: StackConfig) -> None:
    tenant(config, "acme")["id"] = "acme-group"


def second_pool(config: StackConfig) -> None:
    config["tenantry:pools"]["other"] = dict(config["tenantry:pools"]["general"])
    tenant(config, "acme")["pool"] = "other"


def home_region(config: StackConfig) -> None:
    config["tenantry:gcp"]["region"] = "europe-west3"


def no_pool(config: StackConfig) -> None:
    second_pool(config)
    config["tenantry:plans"]["standard"]["pool"] = "other"
    tenant(config, "birchwood")["pool"] = "other"
    del config["tenantry:pools"]["general"]


REFUSALS = {
    "rename": (
        renamed,
        [
            "tenant 'acme' is active and its entry is gone; its data would be deleted.",
            "If this is a rename to 'acme-group': an id cannot change.",
            "put it back as `state: offboarding`",
        ],
    ),
    "pool": (
        second_pool,
        [
            "tenantry:tenants[0].pool: tenant 'acme': pool cannot change from 'general' by an edit",
            "set it back to 'general'; to move the tenant follow docs/restore.md, section Moving a tenant",
        ],
    ),
    "placement": (
        with_tenant("acme", placement="dedicated"),
        ["tenant 'acme': placement cannot change from 'shared' by an edit"],
    ),
    "plan that places elsewhere": (
        with_tenant("acme", plan="enterprise"),
        ["tenant 'acme': placement cannot change from 'shared' by an edit"],
    ),
    "region": (
        with_tenant("cobalt-bank", region="europe-west3"),
        [
            "tenant 'cobalt-bank': region cannot change from 'europe-west1' by an edit",
            f"instance '{DEDICATED}' would be replaced by an empty '{DEDICATED}' in europe-west3 (region changed)",
        ],
    ),
    "home region": (
        home_region,
        [
            "tenant 'acme': region cannot change from 'europe-west1' by an edit",
            "tenant 'cobalt-bank': region cannot change from 'europe-west1' by an edit",
            "instance 'ledgerly-dev-pool-general-1' would be replaced by an empty",
        ],
    ),
    "generation": (
        with_tenant("cobalt-bank", instance={"generation": 2}),
        [f"instance '{DEDICATED}' would be replaced by an empty 'ledgerly-dev-t-cobalt-bank-2'"],
    ),
    "pool gone": (no_pool, ["pool 'general' still has tenants and its entry is gone", "offboard its tenants first"]),
    "active tenant gone": (
        without_tenants("birchwood"),
        ["tenant 'birchwood' is active and its entry is gone; its data would be deleted.", "docs/adding-a-tenant.md"],
    ),
    "dedicated tenant gone": (
        without_tenants("cobalt-bank"),
        ["tenant 'cobalt-bank' is active and its entry is gone; its data would be deleted."],
    ),
    "rotation jumps": (
        with_tenant("acme", extra_rotations=2),
        ["tenant 'acme': the rotation jumps from 1", "make secrets.rotation + extra_rotations 2"],
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_before_anything_happens(upped: Upped, case: str) -> None:
    edit, parts = REFUSALS[case]
    sandbox = upped(edit=edit)
    before = picture(sandbox)
    result = sandbox.up(preview=False, packs=False)
    assert not result.ok
    said = result.stdout + result.errors
    assert "in the stack configuration; nothing was changed." in said
    for part in parts:
        assert part in said
    assert changed(result) == {}
    assert "Traceback" not in said
    assert "state unprotect" not in said
    assert picture(sandbox) == before


def test_an_unknown_kind_is_refused_with_what_there_is(upped: Upped) -> None:
    sandbox = upped(edit=with_tenant("acme", kind="neon"))
    before = picture(sandbox)
    result = sandbox.up(preview=False, packs=False)
    assert not result.ok
    assert "tenantry:tenants[0].kind" in result.errors
    assert "cloudsql" in result.errors
    assert picture(sandbox) == before


def test_several_mistakes_are_reported_at_once(upped: Upped) -> None:
    def wrong(config: StackConfig) -> None:
        config["tenantry:tenants"] += [{"id": "Bad_Id"}, {"id": "acme"}, {"id": "zeta", "plan": "platinum"}]
        tenant(config, "birchwood")["conection_limit"] = 5
        tenant(config, "cobalt-bank")["instance"] = {"retained_backups": 1}

    sandbox = upped(edit=wrong)
    before = picture(sandbox)
    result = sandbox.up(preview=False, packs=False)
    assert not result.ok
    for part in (
        "tenantry:tenants[1].conection_limit",
        "tenantry:tenants[3].id",
        "tenantry:tenants[5].plan",
        "platinum",
        "nothing was changed.",
    ):
        assert part in result.errors, part
    assert "Traceback" not in result.errors
    assert picture(sandbox) == before


def test_suspended_dedicated_tenant_is_quiet_and_backed_up(upped: Upped) -> None:
    sandbox = upped(edit=with_tenant("cobalt-bank", state="suspended"))
    result = up(sandbox)
    assert changed(result) == {"update": {"cobalt-bank-registry", "monitoring-alert-database-tenant-cobalt-bank"}}
    with sandbox.cloud() as cloud:
        entry = json.loads(cloud.object_content("ledgerly-dev-registry", "tenants/cobalt-bank.json") or "")
        alerts = {str(item.outputs["displayName"]): item.outputs["enabled"] for item in cloud.objects(ALERT)}
        instance = cloud.find("gcp:sql/databaseInstance:DatabaseInstance", DEDICATED).outputs
        paused = cloud.find("gcp:cloudscheduler/job:Job", "tenantry-export-tenant-cobalt-bank").outputs.get("paused")
    assert entry["state"] == "suspended"
    assert entry["isolated"] is False
    assert [name for name, enabled in alerts.items() if not enabled] == [
        name for name in alerts if "cobalt-bank" in name
    ]
    assert sum("cobalt-bank" in name for name in alerts) == 1
    assert instance["settings"]["backupConfiguration"]["enabled"] is True
    assert not paused
    assert unchanged(preview(sandbox))

    sandbox.edit = None
    assert changed(up(sandbox)) == changed(result)
    with sandbox.cloud() as cloud:
        assert all(item.outputs["enabled"] for item in cloud.objects(ALERT))


def test_suspended_shared_tenant_changes_its_entry_only(upped: Upped) -> None:
    sandbox = upped(edit=with_tenant("acme", state="suspended"))
    assert changed(up(sandbox)) == {"update": {"acme-registry"}}
    assert outputs(sandbox, DATABASE, "tn_acme")["name"] == "tn_acme"
    assert len(resources(sandbox)) > 200
