"""What holds data cannot be deleted by a slip (R8.2), until its tenants are leaving (R2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.aws import tokens as aws
from policies.completeness.tenancy import SQL_KINDS, Tenant, residents, tenants
from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, Severity, StackRule
from policies.frame.values import ABSENT
from policies.gcp import tokens as gcp

_KEPT = ("ABANDON", "PREVENT")
_GUARDS = {
    gcp.SQL_INSTANCE: ("deletionProtection", "settings.deletionProtectionEnabled"),
    aws.RDS_INSTANCE: ("deletionProtection",),
    aws.RDS_CLUSTER: ("deletionProtection",),
}
"""The types' own guards, which must be literally on."""
_BUCKET_TENANTS = {gcp.BUCKET: "labels.tenant", **dict.fromkeys(aws.S3_BUCKETS, "tags.tenant")}


def _data_protected(stack: Index, _: Config) -> Iterator[Finding]:
    everyone = tenants(stack)
    lifted = _lifted(stack, everyone)
    for database in stack.of(gcp.SQL_DATABASE, gcp.FIRESTORE_DATABASE):
        if database.urn not in lifted:
            yield from _database_faults(database)
    for instance in stack.of(*_GUARDS):
        if instance.urn not in lifted and not _is_replica(instance):
            yield from _instance_faults(instance)
    yield from _store_faults(stack, {tenant.id for tenant in everyone if tenant.leaving})


def _lifted(stack: Index, everyone: list[Tenant]) -> set[str]:
    """URNs of databases and instances whose every tenant is leaving."""
    homes = residents(everyone)
    lifted = {tenant.database.urn for tenant in everyone if tenant.leaving and tenant.database is not None}
    lifted |= {urn for urn, here in homes.items() if all(tenant.leaving for tenant in here)}
    if all(tenant.home is not None for tenant in everyone if tenant.kind in SQL_KINDS):
        # an instance without tenants holds nothing; one whose tenants cannot be placed might
        lifted |= {instance.urn for instance in stack.of(gcp.SQL_INSTANCE, aws.RDS_INSTANCE)} - homes.keys()
    return lifted


def _store_faults(stack: Index, leaving: set[str]) -> Iterator[Finding]:
    for token, path in _BUCKET_TENANTS.items():
        for bucket in stack.of(token):
            if not bucket.protect and bucket.read(path) not in leaving:
                yield Finding("the bucket is not protected", bucket.urn)
    for vault in stack.of(aws.BACKUP_VAULT):
        if not vault.protect:
            yield Finding("the vault is not protected", vault.urn)


def _is_replica(instance: Resource) -> bool:
    return gcp.is_replica(instance) if instance.token == gcp.SQL_INSTANCE else aws.is_replica(instance)


def _database_faults(database: Resource) -> Iterator[Finding]:
    if not database.protect:
        yield Finding("the database is not protected", database.urn)
    faults: list[str] = []
    if database.token == gcp.FIRESTORE_DATABASE:
        faults += expect.equals(database.props, "deleteProtectionState", wanted="DELETE_PROTECTION_ENABLED")
    # a Firestore database that does not say is abandoned, and so kept (provider default)
    if database.token != gcp.FIRESTORE_DATABASE or database.read("deletionPolicy") is not ABSENT:
        faults += expect.one_of(database.props, "deletionPolicy", _KEPT)
    yield from (Finding(fault, database.urn) for fault in faults)


def _instance_faults(instance: Resource) -> Iterator[Finding]:
    if not instance.protect:
        yield Finding("the instance is not protected", instance.urn)
    for path in _GUARDS[instance.token]:
        for message in expect.equals(instance.props, path, wanted=True):
            yield Finding(message, instance.urn)


RULES = (
    StackRule(
        name="data-protected",
        family=Family.RETENTION,
        refuses="A database, instance, bucket or vault that could be deleted although no tenant is leaving it.",
        severity=Severity.CRITICAL,
        remediation=(
            "Set protect, and deletion_protection, settings.deletion_protection_enabled, delete_protection_state or "
            "deletion_policy where the type has them; the guard is lifted only while the tenant's registry entry says "
            "offboarding."
        ),
        requirements=("R8.2", "R2.6"),
        check=_data_protected,
    ),
)
