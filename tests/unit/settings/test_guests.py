"""What was attested of guest databases grows old, which is said and stops nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from settings.guests import stale_attestations
from tests.unit.settings.documents import dev, plan

SEEN = dt.date(2025, 3, 1)
ATTESTED: dict[str, Any] = {
    "scopes": ["corruption"],
    "rpo_minutes": 5,
    "rto_minutes": 30,
    "verified_on": SEEN.isoformat(),
}


def guests(**external: object) -> list[dict[str, Any]]:
    return [
        {"id": "acme"},
        {"id": "glade", "kind": "external", "external": external},
        {"id": "grove", "kind": "external"},
    ]


@pytest.mark.parametrize(("days", "said"), [(0, 0), (400, 0), (401, 1), (4000, 1)])
def test_a_recovery_that_nobody_has_seen_for_long_is_named(days: int, said: int) -> None:
    tenants = plan(dev({"tenants": guests(attested=ATTESTED)})).tenants
    stale = stale_attestations(tenants, SEEN + dt.timedelta(days=days))
    assert len(stale) == said
    for text in stale:
        assert text == (
            f"tenant 'glade': the recovery at its provider was last seen to work on 2025-03-01, {days} days ago, and "
            "its targets rest on it; restore there again and set external.attested.verified_on to that day, or remove "
            "external.attested"
        )


def test_without_an_attestation_nothing_grows_old() -> None:
    tenants = plan(dev({"tenants": guests(provider="neon")})).tenants
    assert stale_attestations(tenants, dt.date(2099, 1, 1)) == []
