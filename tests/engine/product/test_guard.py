"""The deletion guard holds by itself: without a registry to compare with, against replacement, and after a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.product.support import (
    BUCKET,
    DATABASE,
    DEDICATED,
    INSTANCE,
    POOL,
    both,
    changed,
    outputs,
    picture,
    preview,
    unchanged,
    up,
    with_tenant,
    without_tenants,
)

if TYPE_CHECKING:
    from sandbox.operations import Sandbox
    from sandbox.workspace import StackConfig
    from tests.engine.product.support import Upped

HOLDS_DATA = "holds data and is guarded; nothing was deleted."
VANISHED = "existed and has vanished from the cloud. It is not created again empty: restore it first (docs/restore.md)"
DATA = {INSTANCE, DATABASE, BUCKET}


def forget_outputs(sandbox: Sandbox) -> None:
    """Take the published registry out of the state, as if no deployment had ever published one."""
    state = sandbox.export()
    for item in state["deployment"]["resources"]:
        if item["type"] == "pulumi:pulumi:Stack":
            item["outputs"] = {}
    sandbox.import_state(state)


def data(sandbox: Sandbox) -> dict[tuple[str, str], dict[str, object]]:
    return {key: found for key, found in picture(sandbox).objects.items() if key[0] in DATA}


@pytest.mark.parametrize("tenant", ["acme", "cobalt-bank"])
def test_removed_tenant_is_refused_without_a_registry(upped: Upped, tenant: str) -> None:
    sandbox = upped()
    forget_outputs(sandbox)
    before = picture(sandbox)
    sandbox.edit = without_tenants(tenant)
    refused = sandbox.up(packs=False)
    assert not refused.ok
    assert refused.operation == "preview"
    assert f"{tenant}-database {HOLDS_DATA} Offboard its tenants first (docs/adding-a-tenant.md" in refused.errors
    assert picture(sandbox) == before


def test_data_stays_even_when_nobody_looked_at_the_preview(upped: Upped) -> None:
    sandbox = upped()
    forget_outputs(sandbox)
    before = data(sandbox)
    sandbox.edit = without_tenants("acme", "cobalt-bank")
    refused = sandbox.up(preview=False, packs=False)
    assert not refused.ok
    assert f"cobalt-bank-database {HOLDS_DATA}" in refused.errors
    assert data(sandbox) == before


def test_renamed_tenant_is_refused_without_a_registry(upped: Upped) -> None:
    sandbox = upped()
    forget_outputs(sandbox)
    before = data(sandbox)

    def rename(config: StackConfig) -> None:
        config["tenantry:tenants"][0]["id"] = "acme-group"

    sandbox.edit = rename
    planned = preview(sandbox)
    assert not planned.ok
    assert f"acme-database {HOLDS_DATA}" in planned.errors
    assert data(sandbox) == before


def test_replacement_of_an_instance_is_shown_and_stopped(upped: Upped) -> None:
    """An instance that came back under another key: its data is not thrown away to get the declared key again.

    The engine checks its own protection before it runs hooks, so this refusal is in its words.
    """
    sandbox = upped()
    key = "projects/ledgerly-dev/locations/europe-west1/keyRings/tenantry/cryptoKeys/storage"
    with sandbox.cloud() as cloud:
        cloud.drift(INSTANCE, POOL, "encryptionKeyName", key)
    assert sandbox.refresh().ok
    before = picture(sandbox)
    stopped = sandbox.up(packs=False)
    assert not stopped.ok
    assert stopped.operation == "preview"
    assert 'unable to replace resource "urn:' in stopped.errors
    assert "DatabaseInstance::pool-general-instance" in stopped.errors
    assert "as it is currently marked for protection" in stopped.errors
    assert picture(sandbox) == before
    assert outputs(sandbox, INSTANCE, POOL)["encryptionKeyName"] == key


def test_vanished_database_is_not_made_again_empty(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        cloud.remove(DATABASE, "tn_acme")
    refreshed = sandbox.refresh()
    assert refreshed.ok, refreshed.errors
    for result in (preview(sandbox), sandbox.up(preview=False, packs=False), preview(sandbox)):
        assert not result.ok
        assert "acme-database (projects/ledgerly-dev/instances" in result.errors
        assert VANISHED in result.errors
    with sandbox.cloud() as cloud:
        assert {item.outputs["name"] for item in cloud.objects(DATABASE)} == {"tn_birchwood", "tn_cobalt_bank"}

    sandbox.edit = with_tenant("acme", recreate_after_loss=True)
    allowed = up(sandbox)
    assert "acme-database" in changed(allowed)["create"]
    assert outputs(sandbox, DATABASE, "tn_acme")["name"] == "tn_acme"
    sandbox.edit = None
    up(sandbox)
    assert unchanged(preview(sandbox))


def test_vanished_instance_is_not_made_again_empty(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        cloud.remove(INSTANCE, DEDICATED)
    assert sandbox.refresh().ok
    result = sandbox.up(preview=False, packs=False)
    assert not result.ok
    assert f"tenant-cobalt-bank-instance ({DEDICATED}) {VANISHED}" in result.errors
    with sandbox.cloud() as cloud:
        assert [item.id for item in cloud.objects(INSTANCE)] == [POOL]


def test_instance_may_be_made_again_where_the_entry_says_so(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        cloud.remove(INSTANCE, DEDICATED)
    assert sandbox.refresh().ok
    sandbox.edit = both(with_tenant("cobalt-bank", recreate_after_loss=True))
    result = up(sandbox)
    assert {"tenant-cobalt-bank-instance", "cobalt-bank-database"} <= changed(result)["create"]
    assert unchanged(preview(sandbox))
