"""Offboarding in its steps, what a destroy keeps, and rotation: each changes what it says and nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.product.support import (
    BUCKET,
    DATABASE,
    DEDICATED,
    INSTANCE,
    POOL,
    SECRET,
    VERSION,
    both,
    changed,
    in_state,
    mark_final_export,
    one,
    outputs,
    picture,
    preview,
    resources,
    unchanged,
    up,
    with_tenant,
    without_tenants,
)

if TYPE_CHECKING:
    from sandbox.operations import Sandbox
    from sandbox.workspace import StackConfig
    from tests.engine.product.support import Upped

RING = "gcp:kms/keyRing:KeyRing"
KEY = "gcp:kms/cryptoKey:CryptoKey"


def owned_by(sandbox: Sandbox, *tenants: str) -> set[str]:
    """Names of everything under the tenants' components, and of what the environment has for their instances."""
    found = set()
    parents = {item["urn"]: item.get("parent", "") for item in resources(sandbox)}
    for item in resources(sandbox):
        urn, name = item["urn"], item["urn"].rpartition("::")[2]
        above = urn
        while above in parents and not above.endswith(tuple(f"tenantry:tenant:Tenant::{tenant}" for tenant in tenants)):
            above = parents[above]
        if above in parents or any(f"tenant-{tenant}" in name for tenant in tenants):
            found.add(name)
    return found & in_state(sandbox)


def not_made_by(sandbox: Sandbox, names: set[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The cloud's objects that none of these resources has made."""
    with sandbox.cloud() as cloud:
        return {
            (item.type, item.id): item.outputs for item in cloud.objects() if item.urn.rpartition("::")[2] not in names
        }


@pytest.mark.parametrize("tenant", ["acme", "cobalt-bank"])
def test_offboarding_deletes_exactly_the_tenant(upped: Upped, tenant: str) -> None:
    sandbox = upped(edit=with_tenant(tenant, state="offboarding"))
    database = f"tn_{tenant.replace('-', '_')}"
    owned = owned_by(sandbox, tenant)
    assert f"{tenant}-database" in owned

    # Offboarding is said, and nothing is proved: the guard stands, with the entry and without it.
    assert "delete" not in changed(up(sandbox))
    assert one(sandbox, DATABASE, f"{tenant}-database")["protect"] is True
    sandbox.edit = without_tenants(tenant)
    before = picture(sandbox)
    early = sandbox.up(preview=False, packs=False)
    assert not early.ok
    assert f"tenant {tenant!r} is offboarding and its entry is gone; its data would be deleted." in early.errors
    assert "wait until its final export is proved (marker in the exports bucket)" in early.errors
    assert picture(sandbox) == before

    # Proved, but no `up` has seen it: still refused.
    mark_final_export(sandbox, [tenant])
    before = picture(sandbox)
    assert not sandbox.up(preview=False, packs=False).ok
    assert picture(sandbox) == before

    # Proved and seen: the guard is gone, the data is not.
    sandbox.edit = with_tenant(tenant, state="offboarding")
    lifted = up(sandbox)
    assert "delete" not in changed(lifted)
    assert not one(sandbox, DATABASE, f"{tenant}-database").get("protect")
    assert outputs(sandbox, DATABASE, database)["deletionPolicy"] == "DELETE"
    assert sandbox.outputs()["registry"]["tenants"][tenant]["guarded"] is False
    assert one(sandbox, DATABASE, "birchwood-database")["protect"] is True
    assert one(sandbox, INSTANCE, "pool-general-instance")["protect"] is True
    if tenant == "cobalt-bank":
        settings = outputs(sandbox, INSTANCE, DEDICATED)["settings"]
        assert settings["deletionProtectionEnabled"] is False
        assert outputs(sandbox, INSTANCE, DEDICATED)["deletionProtection"] is False
    assert outputs(sandbox, INSTANCE, POOL)["deletionProtection"] is True

    # The entry goes, and exactly its resources with it.
    others = not_made_by(sandbox, owned)
    sandbox.edit = without_tenants(tenant)
    removed = up(sandbox)
    assert changed(removed) == {"delete": owned}
    assert picture(sandbox).objects == others
    assert unchanged(preview(sandbox))
    with sandbox.cloud() as cloud:
        assert cloud.object_content("ledgerly-dev-exports", f"final/{tenant}.json") is not None

    # The id may return; an instance of its own under the next name alone.
    sandbox.edit = None
    returned = sandbox.preview()
    assert returned.ok is (tenant != "cobalt-bank")
    if tenant == "cobalt-bank":
        assert "instance 'ledgerly-dev-t-cobalt-bank-1' existed before and was deleted" in returned.errors
        assert "set generation to 2" in returned.errors


def test_an_offboarding_tenant_may_come_back(upped: Upped) -> None:
    sandbox = upped(edit=with_tenant("acme", state="offboarding"))
    up(sandbox)
    mark_final_export(sandbox, ["acme"])
    up(sandbox)
    assert not one(sandbox, DATABASE, "acme-database").get("protect")
    sandbox.edit = None
    up(sandbox)
    assert one(sandbox, DATABASE, "acme-database")["protect"] is True
    assert outputs(sandbox, DATABASE, "tn_acme")["deletionPolicy"] == "ABANDON"

    # It leaves again: the marker of the first time is still there, and proves nothing of what was written since.
    sandbox.edit = with_tenant("acme", state="offboarding")
    up(sandbox)
    assert sandbox.outputs()["registry"]["tenants"]["acme"]["final_export"] == "final/acme.2.json"
    assert unchanged(up(sandbox))
    assert one(sandbox, DATABASE, "acme-database")["protect"] is True
    mark_final_export(sandbox, ["acme"])
    up(sandbox)
    assert not one(sandbox, DATABASE, "acme-database").get("protect")
    assert unchanged(preview(sandbox))


def test_marker_of_an_active_tenant_lifts_nothing(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        cloud.put_object("ledgerly-dev-exports", "final/acme.json", "{}")
    assert unchanged(up(sandbox))
    assert one(sandbox, DATABASE, "acme-database")["protect"] is True


def test_pool_can_go_when_its_tenants_have_gone(upped: Upped) -> None:
    leaving = both(with_tenant("acme", state="offboarding"), with_tenant("birchwood", state="offboarding"))
    sandbox = upped(edit=leaving)
    up(sandbox)
    mark_final_export(sandbox, ["acme", "birchwood"])
    up(sandbox)
    assert not one(sandbox, INSTANCE, "pool-general-instance").get("protect")
    sandbox.edit = without_tenants("acme", "birchwood")
    up(sandbox)
    assert outputs(sandbox, INSTANCE, POOL)["deletionProtection"] is False

    def no_pool(config: StackConfig) -> None:
        without_tenants("acme", "birchwood")(config)
        config["tenantry:pools"] = {}
        del config["tenantry:plans"]["standard"]["pool"]

    sandbox.edit = no_pool
    gone = up(sandbox)
    assert "pool-general-instance" in changed(gone)["delete"]
    with sandbox.cloud() as cloud:
        assert [item.id for item in cloud.objects(INSTANCE)] == [DEDICATED]
    assert unchanged(preview(sandbox))


def test_destroy_keeps_what_holds_data_and_says_so(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        databases = [item.id for item in cloud.objects(DATABASE)]
    destroyed = sandbox.destroy()
    assert destroyed.ok, destroyed.errors
    kept = {found.name: found for found in sandbox.leftovers(destroyed)}
    with sandbox.cloud() as cloud:
        assert [item.id for item in cloud.objects(DATABASE)] == databases
        assert {item.id for item in cloud.objects(INSTANCE)} == {POOL, DEDICATED}
        assert {item.id for item in cloud.objects(BUCKET)} <= set(kept)
    assert kept[POOL].reason.startswith("protected")
    assert kept["ledgerly-dev-exports"].reason.startswith("protected")


def test_destroy_after_offboarding_leaves_keys_and_guarded_buckets(upped: Upped) -> None:
    everyone = ("acme", "birchwood", "cobalt-bank")
    sandbox = upped(edit=both(*(with_tenant(tenant, state="offboarding") for tenant in everyone)))
    up(sandbox)
    mark_final_export(sandbox, everyone)
    up(sandbox)
    destroyed = sandbox.destroy()
    assert destroyed.ok, destroyed.errors
    with sandbox.cloud() as cloud:
        assert cloud.objects(INSTANCE) == []
        assert cloud.objects(DATABASE) == []
        assert cloud.objects(SECRET) == []
        kept_types = {item.type for item in cloud.objects()}
    kept = sandbox.leftovers(destroyed)
    assert {found.type for found in kept} >= {RING, KEY, BUCKET}
    assert kept_types >= {RING, KEY, BUCKET}
    assert "cobalt-bank-uploads" not in in_state(sandbox)
    assert {found.name for found in kept if found.type == BUCKET} == {
        "ledgerly-dev-assets",
        "ledgerly-dev-audit",
        "ledgerly-dev-exports",
        "ledgerly-dev-registry",
        "ledgerly-dev-uploads",
    }


def test_locked_retention_is_listed_with_its_end(upped: Upped) -> None:
    """Staging locks: what a destroy keeps is named with the time at which its lock ends."""
    sandbox = upped("staging")
    with sandbox.cloud() as cloud:
        cloud.put_object("ledgerly-staging-exports", "sql/x/y/1.sql.gz", "dump")
        now = cloud.clock.now()
        days = int(cloud.find(BUCKET, "ledgerly-staging-exports").outputs["retentionPolicy"]["retentionPeriod"]) / 86400
    destroyed = sandbox.destroy()
    kept = {found.name: found for found in sandbox.leftovers(destroyed)}
    exports = kept["ledgerly-staging-exports"]
    assert exports.reason == "its retention of 35 days is locked, and holds 1 object(s)"
    assert exports.until is not None
    assert abs(exports.until - now - dt.timedelta(days=days)) < dt.timedelta(seconds=5)
    assert f"until {exports.until:%Y-%m-%d %H:%M} UTC" in str(exports)
    logs = next(found for found in kept.values() if found.name.endswith("/buckets/audit"))
    assert logs.until is not None
    assert logs.until - now > dt.timedelta(days=364)


def test_rotation_touches_credentials_only(upped: Upped) -> None:
    def rotate(config: StackConfig) -> None:
        config.setdefault("tenantry:secrets", {})["rotation"] = 2

    sandbox = upped(edit=rotate)
    before = picture(sandbox)
    result = up(sandbox)
    tenants = ("acme", "birchwood", "cobalt-bank")
    apps = ("app-jwt-refresh-secret", "app-jwt-secret", "app-nextauth-secret")
    replaced = {
        *(f"{tenant}-password" for tenant in tenants),
        *(f"{tenant}-credential-version" for tenant in tenants),
        *apps,
        *(f"{app}-version" for app in apps),
    }
    found = changed(result)
    assert found["replace"] == replaced
    assert found["update"] == {*(f"{tenant}-registry" for tenant in tenants)}
    assert {"create", "delete"}.isdisjoint(found)
    after = picture(sandbox)
    touched = {
        key for key in before.objects.keys() | after.objects.keys() if before.objects.get(key) != after.objects.get(key)
    }
    assert {kind for kind, _ in touched} == {VERSION, "gcp:storage/bucketObject:BucketObject"}

    with sandbox.cloud() as cloud:
        versions = [item.id.partition("/secrets/")[2] for item in cloud.objects(VERSION)]
        entry = json.loads(cloud.object_content("ledgerly-dev-registry", "tenants/acme.json") or "")
        # The engine works in parallel: a version is found by its id, never by its place in the list.
        credentials = [
            json.loads(item.outputs["secretData"])
            for item in cloud.objects(VERSION)
            if "/secrets/tenant-acme-credential/" in item.id
        ]
    # The superseded values of application secrets stay readable.
    assert {f"{app}/versions/{number}" for app in apps for number in (1, 2)} <= set(versions)
    assert (entry["rotation"], entry["active_login"], entry["logins"]) == (2, "tn_acme_b", ["tn_acme_a", "tn_acme_b"])
    assert [credential["rotation"] for credential in credentials] == [2]
    assert credentials[0]["login"] == "tn_acme_b"
    assert unchanged(preview(sandbox))


def test_one_tenant_rotates_alone(upped: Upped) -> None:
    sandbox = upped(edit=with_tenant("acme", extra_rotations=1))
    found = changed(up(sandbox))
    assert found["replace"] == {"acme-password", "acme-credential-version"}
    assert found["update"] == {"acme-registry"}
