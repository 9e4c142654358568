"""A refused operation leaves everything as it was, the published registry too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import SandboxFactory

pytestmark = pytest.mark.engine


def test_a_refused_up_keeps_the_registry_that_the_next_refusal_needs(sandbox_factory: SandboxFactory) -> None:
    sandbox = sandbox_factory("dev", fast=True, packs=())
    sandbox.up(preview=False).require()
    published = sandbox.outputs()

    def without_acme(config: dict[str, Any]) -> None:
        config["tenantry:tenants"] = [entry for entry in config["tenantry:tenants"] if entry["id"] != "acme"]

    sandbox.edit = without_acme
    for _ in range(2):
        refused = sandbox.up(preview=False)
        assert not refused.ok
        assert "tenant 'acme' is active and its entry is gone" in refused.stdout + refused.stderr
        assert sandbox.outputs() == published

    sandbox.edit = None
    assert set(sandbox.preview().require().changes) == {"same"}
