"""What somebody changes behind Pulumi's back is shown by a refresh and put right by the next `up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.product.support import BUCKET, INSTANCE, POOL, changed, outputs, preview, unchanged, up

if TYPE_CHECKING:
    from tests.engine.product.support import Upped

SINK = "gcp:logging/projectSink:ProjectSink"
READERS = "gcp:secretmanager/secretIamBinding:SecretIamBinding"
ACME_READERS = "projects/ledgerly-dev/secrets/tenant-acme-database-url/roles/secretmanager.secretAccessor"

DRIFTS = {
    "public address": (INSTANCE, POOL, "settings.ipConfiguration.ipv4Enabled", True, "pool-general-instance"),
    "backups off": (INSTANCE, POOL, "settings.backupConfiguration.enabled", False, "pool-general-instance"),
    "plain connections": (
        INSTANCE,
        POOL,
        "settings.ipConfiguration.sslMode",
        "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        "pool-general-instance",
    ),
    "public bucket": (BUCKET, "ledgerly-dev-uploads", "publicAccessPrevention", "inherited", "uploads"),
    "another reader": (
        READERS,
        ACME_READERS,
        "members",
        ["serviceAccount:mallory@elsewhere.iam.gserviceaccount.com"],
        "acme-database-url-readers",
    ),
}


@pytest.mark.parametrize("case", DRIFTS)
def test_drift_is_shown_and_repaired(upped: Upped, case: str) -> None:
    kind, name, path, value, resource = DRIFTS[case]
    sandbox = upped()
    before: dict[str, Any] = outputs(sandbox, kind, name)
    with sandbox.cloud() as cloud:
        cloud.drift(kind, name, path, value)
    assert outputs(sandbox, kind, name) != before

    refreshed = sandbox.refresh()
    assert refreshed.ok, refreshed.errors
    assert refreshed.changes["update"] == 1
    planned = preview(sandbox)
    assert changed(planned) == {"update": {resource}}
    assert changed(up(sandbox)) == {"update": {resource}}
    assert outputs(sandbox, kind, name) == before
    assert unchanged(preview(sandbox))


def test_a_deleted_grant_comes_back(upped: Upped) -> None:
    sandbox = upped()
    with sandbox.cloud() as cloud:
        grant = cloud.find(READERS, ACME_READERS)
        cloud.remove(READERS, grant.id)
    refreshed = sandbox.refresh()
    assert refreshed.changes["delete"] == 1
    assert changed(up(sandbox)) == {"create": {"acme-database-url-readers"}}
    assert outputs(sandbox, READERS, grant.id)["members"] == grant.outputs["members"]
    assert unchanged(preview(sandbox))
