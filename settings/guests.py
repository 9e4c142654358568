"""External databases: what their providers attest, and the names of the secrets that hold their URLs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

from settings.defaults import NOT_ENFORCED_ON_GUESTS
from settings.errors import Findings, Subject
from settings.layers import Layers
from settings.models import AttestedRecovery, SecretSettings
from settings.names import TenantNames
from settings.plan import ExternalPlan, TenantPlan

# Somewhere on earth it is tomorrow already.
_AHEAD: Final = dt.timedelta(days=1)
ATTESTATION_DAYS: Final = 400
"""A restore at the provider is shown once a year, and a month is left to do it in; no requirement says less (R3.3)."""


def guest_plan(tenant: str, path: str, layers: Layers, findings: Findings) -> ExternalPlan:
    """The guest database of a tenant."""
    derived = TenantNames(tenant)
    separate = layers.external["separate_backup_login"]
    attested: AttestedRecovery | None = layers.external.get("attested")
    if attested is not None and dt.date.fromisoformat(attested.verified_on) > today() + _AHEAD:
        place = layers.written.get("external.attested", f"{path}.external.attested")
        findings.add(
            f"{place}.verified_on",
            "is in the future; a recovery counts once somebody has seen it work (R3.3)",
            fix="set the day of the last successful restore at the provider",
            value=attested.verified_on,
            subject=Subject("tenant", tenant),
        )
    return ExternalPlan(
        provider=layers.external["provider"],
        dsn=derived.external_dsn,
        backup_dsn=derived.external_backup_dsn if separate else None,
        backup_url_secret=derived.backup_url_secret if separate else None,
        schemas=layers.external.get("schemas"),
        attested=attested,
        not_enforced=NOT_ENFORCED_ON_GUESTS,
    )


def stale_attestations(tenants: Iterable[TenantPlan], now: dt.date) -> list[str]:
    """What to say of recoveries that nobody has seen work for long.

    They are said and not refused: what was sound yesterday is not to stop a deployment because a night has passed.
    """
    stale = []
    for tenant in tenants:
        attested = None if tenant.as_guest is None else tenant.external.attested
        age = None if attested is None else (now - dt.date.fromisoformat(attested.verified_on)).days
        if attested is not None and age is not None and age > ATTESTATION_DAYS:
            stale.append(
                f"tenant {tenant.id!r}: the recovery at its provider was last seen to work on {attested.verified_on}, "
                f"{age} days ago, and its targets rest on it; restore there again and set "
                "external.attested.verified_on to that day, or remove external.attested"
            )
    return stale


def today() -> dt.date:
    """In UTC."""
    return dt.datetime.now(dt.UTC).date()


def check_url_secrets(guests: Mapping[str, ExternalPlan], secrets: SecretSettings, findings: Findings) -> None:
    """Add names of URL secrets that something else has: each holds the URL of one database of one tenant.

    `guests` are by tenant, in the order of ids, so that whom to blame does not depend on the order of the file.
    """
    owners: dict[str, str] = {}
    for tenant, guest in guests.items():
        for name in (guest.dsn, guest.backup_dsn):
            if name is None:
                continue
            owner = owners.setdefault(name, tenant)
            if owner != tenant:
                findings.add(
                    "tenantry:tenants",
                    f"derives the external secret {name}, which holds a URL of tenant {owner!r}",
                    fix="choose another id for one of the two",
                    value=tenant,
                    subject=Subject("tenant", tenant),
                )
    for field, listed in (("external", secrets.external), ("generated", secrets.generated)):
        for position, name in enumerate(listed):
            if name in owners:
                findings.add(
                    f"tenantry:secrets.{field}[{position}]",
                    f"is the URL of the guest database of tenant {owners[name]!r}, which its kind declares already",
                    fix="take the name off the list",
                    value=name,
                )
