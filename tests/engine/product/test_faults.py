"""A cloud that answers 429 or 500 for one tenant: retried, or said with the tenant's name; the others finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import FaultRule
from tests.engine.product.support import (
    DATABASE,
    SECRET,
    both,
    changed,
    in_state,
    picture,
    plus_tenant,
    preview,
    unchanged,
    up,
)

if TYPE_CHECKING:
    from tests.engine.product.support import Upped

DELTA = plus_tenant(id="delta-9")
ECHO = plus_tenant(id="echo-1")


def test_too_many_requests_are_waited_out(upped: Upped) -> None:
    sandbox = upped(edit=DELTA)
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=SECRET, name="delta-9-credential", error="429", times=3))
    up(sandbox)
    with sandbox.cloud() as cloud:
        tried = [call.result for call in cloud.operations() if call.name == "delta-9-credential"]
    assert tried == ["fault: 429 before commit"] * 3 + ["ok"]
    assert unchanged(preview(sandbox))


@pytest.mark.parametrize("error", ["500", "timeout"])
def test_a_lasting_error_stops_one_tenant_only(upped: Upped, error: str) -> None:
    sandbox = upped(edit=both(DELTA, ECHO))
    with sandbox.cloud() as cloud:
        cloud.faults.add(
            FaultRule(op="create", type=DATABASE, name="delta-9-database", error=error, times=1)  # type: ignore[arg-type]
        )
    failed = sandbox.up(preview=False, packs=False)
    assert not failed.ok
    about = [
        found for found in failed.diagnostics if found.severity == "error" and "delta-9-database" in str(found.urn)
    ]
    assert about, failed.errors
    assert "delta-9-database" not in in_state(sandbox)
    assert {"echo-1-database", "echo-1-registry", "echo-1-credential-version"} <= in_state(sandbox)

    assert "delta-9-database" in changed(up(sandbox))["create"]
    with sandbox.cloud() as cloud:
        assert [str(item.outputs["name"]) for item in cloud.objects(DATABASE)].count("tn_delta_9") == 1
    assert unchanged(preview(sandbox))


def test_a_tenant_that_never_got_its_database_may_be_taken_out(upped: Upped) -> None:
    sandbox = upped()
    before = picture(sandbox)
    sandbox.edit = DELTA
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="create", type=DATABASE, name="delta-9-database", error="500"))
    assert not sandbox.up(preview=False, packs=False).ok
    sandbox.edit = None
    up(sandbox)
    assert picture(sandbox).objects.keys() == before.objects.keys()
    assert unchanged(preview(sandbox))


def test_a_failed_update_is_done_by_the_next_up(upped: Upped) -> None:
    from tests.engine.product.support import with_tenant

    sandbox = upped(edit=both(with_tenant("acme", ring="canary"), with_tenant("birchwood", ring="canary")))
    with sandbox.cloud() as cloud:
        cloud.faults.add(FaultRule(op="update", name="acme-registry", error="500"))
    failed = sandbox.up(preview=False, packs=False)
    assert not failed.ok
    assert any("acme-registry" in str(found.urn) for found in failed.diagnostics if found.severity == "error")
    with sandbox.cloud() as cloud:
        assert '"ring": "canary"' in (cloud.object_content("ledgerly-dev-registry", "tenants/birchwood.json") or "")
        assert '"ring": "canary"' not in (cloud.object_content("ledgerly-dev-registry", "tenants/acme.json") or "")
    assert changed(up(sandbox)) == {"update": {"acme-registry"}}
    assert unchanged(preview(sandbox))
