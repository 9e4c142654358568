"""S3 buckets, each judged with its settings around it (R8.1, R8.2, R8.3, R4.1).

Since version 7 of the provider every setting of a bucket is a resource of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies.aws.documents import Statement, statements
from policies.aws.tokens import (
    S3_BUCKETS,
    S3_ENCRYPTION,
    S3_LIFECYCLES,
    S3_LOCKS,
    S3_OWNERSHIP,
    S3_POLICIES,
    S3_PUBLIC_ACCESS,
    S3_REPLICATION,
    S3_VERSIONING,
    bucket_name,
    replicas,
    role_of,
)
from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, Setting, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, Missing, items, read

_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_LOCK_MODES = ("COMPLIANCE", "GOVERNANCE")
_LOCKED_ROLES = {"exports": "exportsMinDays", "audit": "auditMinDays"}
"""The bucket roles whose content must be immutable for its retention, and the setting with each one's floor."""
_DAYS_PER_YEAR = 365
_Check = Callable[[Resource], Iterator[str]]


def _each(stack: Index, tokens: tuple[str, ...], setting: str, check: _Check) -> Iterator[Finding]:
    """Every bucket has the setting, and every such setting is right, whosever it is."""
    for bucket in stack.of(*S3_BUCKETS):
        if not _settings(stack, bucket, tokens):
            yield Finding(f"the bucket has no {setting}", bucket.urn)
    for sibling in stack.of(*tokens):
        yield from (Finding(message, sibling.urn) for message in check(sibling))


def _settings(stack: Index, bucket: Resource, tokens: tuple[str, ...]) -> list[Resource]:
    return stack.siblings(bucket, tokens, "bucket", bucket_name(bucket), bucket.text("id"))


def _public_access(stack: Index, _: Config) -> Iterator[Finding]:
    def check(block: Resource) -> Iterator[str]:
        for prop in _BLOCKS:
            yield from expect.equals(block.props, prop, wanted=True)

    yield from _each(stack, S3_PUBLIC_ACCESS, "BucketPublicAccessBlock", check)


def _encryption(stack: Index, _: Config) -> Iterator[Finding]:
    def check(encryption: Resource) -> Iterator[str]:
        rules = encryption.items("rules")
        if isinstance(rules, Missing) or not rules:
            yield f"rules {expect.state(rules) if rules else 'is empty'}; it must be a literal"
            return
        for position, rule in enumerate(rules):
            default = "applyServerSideEncryptionByDefault"
            algorithm = read(rule, f"{default}.sseAlgorithm")
            if algorithm not in ("aws:kms", "aws:kms:dsse"):
                found = expect.state(algorithm)
                yield f"rules[{position}].{default}.sseAlgorithm {found}; it must be literally aws:kms"
            for message in expect.is_set(rule, f"{default}.kmsMasterKeyId"):
                yield f"rules[{position}].{message}"
            # Without a bucket key every object costs a call to KMS, whose rate is limited.
            for message in expect.equals(rule, "bucketKeyEnabled", wanted=True):
                yield f"rules[{position}].{message}"

    yield from _each(stack, S3_ENCRYPTION, "BucketServerSideEncryptionConfiguration", check)


def _versioning(stack: Index, _: Config) -> Iterator[Finding]:
    def check(versioning: Resource) -> Iterator[str]:
        yield from expect.equals(versioning.props, "versioningConfiguration.status", wanted="Enabled")

    yield from _each(stack, S3_VERSIONING, "BucketVersioning", check)


def _ownership(stack: Index, _: Config) -> Iterator[Finding]:
    def check(controls: Resource) -> Iterator[str]:
        yield from expect.equals(controls.props, "rule.objectOwnership", wanted="BucketOwnerEnforced")

    yield from _each(stack, S3_OWNERSHIP, "BucketOwnershipControls", check)


def _denies_plain_http(statement: Statement) -> bool:
    return (
        not statement.allows
        and not statement.by_exclusion
        and any(value == "*" for _, value in statement.principals)
        and bool({"*", "s3:*"} & set(statement.actions))
        and any(resource == "*" or resource.endswith("/*") for resource in statement.resources)
        and any(not resource.endswith("/*") for resource in statement.resources)
        and statement.condition("Bool", "aws:SecureTransport") == ("false",)
        and len(statement.conditions) == 1
    )


def _tls_only(stack: Index, _: Config) -> Iterator[Finding]:
    def check(policy: Resource) -> Iterator[str]:
        found = statements(policy.read("policy"))
        if isinstance(found, Missing):
            yield f"policy {expect.state(found)}; it must be a literal"
        elif not any(_denies_plain_http(statement) for statement in found):
            yield "policy does not deny everyone s3:* on the bucket and its objects where aws:SecureTransport is false"

    yield from _each(stack, S3_POLICIES, "BucketPolicy", check)


def _lifecycle(stack: Index, _: Config) -> Iterator[Finding]:
    def check(lifecycle: Resource) -> Iterator[str]:
        rules = lifecycle.items("rules")
        listed = [] if isinstance(rules, Missing) else rules
        if not any(read(rule, "status") == "Enabled" for rule in listed):
            yield "rules has none whose status is literally Enabled"

    yield from _each(stack, S3_LIFECYCLES, "BucketLifecycleConfiguration", check)


def _lock_days(lock: Resource) -> object:
    """Days of a lock's default retention, which may be written in years; `ABSENT`, `UNKNOWN` or no number as found."""
    years = lock.read("rule.defaultRetention.years")
    return years * _DAYS_PER_YEAR if type(years) is int else lock.read("rule.defaultRetention.days")


def _locked(stack: Index, config: Config) -> Iterator[Finding]:
    required = config.flag("requireLock")
    for bucket in stack.of(*S3_BUCKETS):
        role = role_of(bucket)
        if role is UNKNOWN:
            yield Finding("tags.role is not known during preview; it must be a literal", bucket.urn)
            continue
        if not isinstance(role, str) or role not in _LOCKED_ROLES:
            continue
        floor = config.number(_LOCKED_ROLES[role])
        if required:
            yield from _lock_faults(stack, bucket, floor)
        for lifecycle in _settings(stack, bucket, S3_LIFECYCLES):
            rules = items(lifecycle.props, "rules")
            for position, rule in enumerate([] if isinstance(rules, Missing) else rules):
                if read(rule, "expiration.days") is not ABSENT:
                    for message in expect.at_least(rule, "expiration.days", floor):
                        yield Finding(f"rules[{position}].{message}", lifecycle.urn)


def _lock_faults(stack: Index, bucket: Resource, floor: int) -> Iterator[Finding]:
    """What keeps a bucket's objects from being locked for at least so many days."""
    for message in expect.equals(bucket.props, "objectLockEnabled", wanted=True):
        yield Finding(message, bucket.urn)
    locks = _settings(stack, bucket, S3_LOCKS)
    if not locks:
        yield Finding("the bucket has no BucketObjectLockConfiguration", bucket.urn)
    for lock in locks:
        for message in expect.one_of(lock.props, "rule.defaultRetention.mode", _LOCK_MODES):
            yield Finding(message, lock.urn)
        days = _lock_days(lock)
        if isinstance(days, bool) or not isinstance(days, int) or days < floor:
            message = f"rule.defaultRetention {expect.state(days)} days; it must be a literal of at least {floor}"
            yield Finding(message, lock.urn)


def _replicated(stack: Index, config: Config) -> Iterator[Finding]:
    roles = config.words("roles")
    copies = replicas(stack)
    regions = {f"arn:aws:s3:::{bucket_name(bucket)}": bucket.read("region") for bucket in stack.of(*S3_BUCKETS)}
    for bucket in stack.of(*S3_BUCKETS):
        if role_of(bucket) not in roles or bucket.urn in copies:
            continue
        found = _settings(stack, bucket, S3_REPLICATION)
        if not found:
            yield Finding("the bucket has no BucketReplicationConfig", bucket.urn)
        for replication in found:
            rules = replication.items("rules")
            listed = [] if isinstance(rules, Missing) else rules
            if not any(_leaves_region(rule, bucket, regions) for rule in listed):
                message = "rules has none that is Enabled and copies to a bucket of this stack in another region"
                yield Finding(message, replication.urn)
            for position, rule in enumerate(listed):
                yield from (Finding(f"rules[{position}].{fault}", replication.urn) for fault in _unkeyed(rule))


def _leaves_region(rule: object, bucket: Resource, regions: dict[str, object]) -> bool:
    destination = read(rule, "destination.bucket")
    if read(rule, "status") != "Enabled" or not isinstance(destination, str) or destination not in regions:
        return False
    there, here = regions[destination], bucket.read("region")
    # The home region is the provider's and may not be written on the bucket; the copy's must be, or it is home as well.
    return isinstance(there, str) and there != here


def _unkeyed(rule: object) -> Iterator[str]:
    """Objects under KMS are left out of a replication that does not say so, and names no key for the copies."""
    yield from expect.equals(rule, "sourceSelectionCriteria.sseKmsEncryptedObjects.status", wanted="Enabled")
    yield from expect.is_set(rule, "destination.encryptionConfiguration.replicaKmsKeyId")


STACK_RULES = (
    StackRule(
        name="s3-public-access",
        family=Family.EXPOSURE,
        refuses="A bucket that could be opened to the public.",
        severity=Severity.CRITICAL,
        remediation="Give the bucket a BucketPublicAccessBlock with all four settings True, as literals.",
        requirements=("R8.3", "R4.1"),
        check=_public_access,
    ),
    StackRule(
        name="s3-encryption",
        family=Family.ENCRYPTION,
        refuses="A bucket without a customer-managed default key.",
        severity=Severity.HIGH,
        remediation="Give the bucket a server-side encryption configuration with aws:kms, its key and a bucket key.",
        requirements=("R8.1", "R3.5", "R4.1"),
        check=_encryption,
    ),
    StackRule(
        name="s3-versioning",
        family=Family.RETENTION,
        refuses="A bucket that forgets what is overwritten or deleted.",
        severity=Severity.HIGH,
        remediation='Give the bucket a BucketVersioning with the status "Enabled".',
        requirements=("R8.2", "R4.1"),
        check=_versioning,
    ),
    StackRule(
        name="s3-ownership",
        family=Family.EXPOSURE,
        refuses="A bucket whose objects may carry access lists or owners of their own.",
        severity=Severity.HIGH,
        remediation='Give the bucket ownership controls with "BucketOwnerEnforced".',
        requirements=("R8.3", "R4.1"),
        check=_ownership,
    ),
    StackRule(
        name="s3-tls-only",
        family=Family.ENCRYPTION,
        refuses="A bucket that answers without TLS.",
        severity=Severity.HIGH,
        remediation="Give the bucket a policy, as a literal, that denies what does not come over TLS.",
        requirements=("R8.1", "R4.1"),
        check=_tls_only,
    ),
    StackRule(
        name="s3-lifecycle",
        family=Family.RETENTION,
        refuses="A bucket that keeps every version and every broken upload for ever.",
        severity=Severity.LOW,
        remediation="Give the bucket a lifecycle configuration with a rule that is enabled.",
        requirements=("R4.1",),
        check=_lifecycle,
    ),
    StackRule(
        name="s3-locked-retention",
        family=Family.RETENTION,
        refuses="A bucket with the role exports or audit that is not locked, or not for long enough.",
        severity=Severity.CRITICAL,
        remediation="Set object_lock_enabled, and a default retention of at least the floor as a literal.",
        requirements=("R8.2", "R3.2", "R3.5", "R6.6"),
        settings=(
            Setting(name="exportsMinDays", default=30, description="Days for which exports are kept (R3.2)."),
            Setting(name="auditMinDays", default=365, description="Days for which audit logs are kept (R6.6)."),
            Setting(name="requireLock", default=True, description="Whether Object Lock must keep them."),
        ),
        check=_locked,
    ),
    StackRule(
        name="s3-replication",
        family=Family.RETENTION,
        refuses="A bucket of uploads that exists in one region only.",
        severity=Severity.HIGH,
        remediation="Replicate it, with its KMS objects and a key of the other region, to a bucket there.",
        requirements=("R8.2", "R1.5", "R4.1"),
        settings=(
            Setting(
                name="roles",
                default=("uploads",),
                description="Roles of buckets that must be replicated to another region.",
            ),
        ),
        check=_replicated,
    ),
)
