"""Audit: what happened can be found out later, and not be erased (R6.6, R8.2)."""

from __future__ import annotations

from collections.abc import Iterator

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, ResourceRule, Setting, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, Missing, read
from policies.gcp.identity import database_flag
from policies.gcp.tokens import (
    AUDIT_CONFIG,
    BUCKET,
    LOG_BUCKET,
    LOG_SINK,
    SQL_INSTANCE,
    SUBNETWORK,
    holds_workloads,
)

LOG_FLAGS: dict[str, tuple[str, ...]] = {
    "cloudsql.enable_pgaudit": ("on",),
    "log_checkpoints": ("on",),
    "log_connections": ("on",),
    "log_disconnections": ("on",),
    "log_lock_waits": ("on",),
    "log_statement": ("ddl", "mod", "all"),
}
"""Database flags that CIS asks of PostgreSQL (GCP Foundation Benchmark, section 6.2)."""

DATA_ACCESS = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")
_BUCKET_SINK = "storage.googleapis.com/"


def _log_flags(instance: Resource, _: Config) -> Iterator[str]:
    for name, allowed in LOG_FLAGS.items():
        yield from database_flag(instance, name, allowed)


def _log_bucket(bucket: Resource, config: Config) -> Iterator[str]:
    if bucket.read("bucketId") in config.words("applicationBuckets"):
        yield from expect.at_least(bucket.props, "retentionDays", config.number("applicationMinDays"))
        return
    yield from expect.at_least(bucket.props, "retentionDays", config.number("minDays"))
    if config.flag("requireLock"):
        yield from expect.equals(bucket.props, "locked", wanted=True)


def _flow_logs(subnetwork: Resource, _: Config) -> Iterator[str]:
    if holds_workloads(subnetwork) and subnetwork.read("logConfig") is ABSENT:
        yield "logConfig is not set; it must be"


def _audit_trail(stack: Index, config: Config) -> Iterator[Finding]:
    if not any(token.startswith("gcp:") for token in stack.tokens):
        return
    yield from _data_access(stack)
    archived = False
    for sink in stack.of(LOG_SINK):
        fault, archives = _sink(stack, sink, require_lock=config.flag("requireLock"))
        archived |= archives
        if fault:
            yield Finding(fault, sink.urn)
    if not archived:
        yield Finding("no enabled log sink archives the audit logs into a bucket whose retention is locked")
    if not any(bucket.read("locked") is True or not config.flag("requireLock") for bucket in stack.of(LOG_BUCKET)):
        yield Finding("no log bucket is locked")


def _data_access(stack: Index) -> Iterator[Finding]:
    whole = [item for item in stack.of(AUDIT_CONFIG) if item.read("service") == "allServices"]
    if not whole:
        yield Finding("no IAMAuditConfig for allServices turns the data access logs on")
    for item in stack.of(AUDIT_CONFIG):
        configs = item.items("auditLogConfigs")
        listed = [] if isinstance(configs, Missing) else configs
        if item in whole:
            types = {read(one, "logType") for one in listed}
            for missing in (name for name in DATA_ACCESS if name not in types):
                yield Finding(f"auditLogConfigs lacks {missing}", item.urn)
        if any(read(one, "exemptedMembers") not in (ABSENT, []) for one in listed):
            yield Finding("auditLogConfigs exempts members from the data access logs", item.urn)


def _sink(stack: Index, sink: Resource, *, require_lock: bool) -> tuple[str | None, bool]:
    """What is wrong with a sink, and whether it archives the audit logs."""
    destination = sink.read("destination")
    if destination is UNKNOWN:
        buckets = [source for source in stack.sources_of(sink, "destination") if source.token == BUCKET]
    elif str(destination).startswith(_BUCKET_SINK):
        name = str(destination).removeprefix(_BUCKET_SINK)
        buckets = [bucket for bucket in stack.of(BUCKET) if bucket.read("name") == name]
        if not buckets:
            return "destination is a bucket outside this stack, whose lock cannot be seen", False
    else:
        return None, False
    if require_lock and any(bucket.read("retentionPolicy.isLocked") is not True for bucket in buckets):
        return "destination is a bucket whose retention is not locked", False
    query = sink.read("filter")
    audits = query is ABSENT or "cloudaudit.googleapis.com" in str(query)
    return None, bool(buckets) and audits and sink.read("disabled") in (ABSENT, False)


RULES = (
    ResourceRule(
        name="sql-log-flags",
        family=Family.AUDIT,
        refuses="A Cloud SQL instance that does not log connections, changes of structure and audited statements.",
        severity=Severity.MEDIUM,
        remediation="Add the database flag, as a literal.",
        requirements=("R8.2", "R6.6"),
        tokens=(SQL_INSTANCE,),
        check=_log_flags,
    ),
    ResourceRule(
        name="log-bucket-retention",
        family=Family.AUDIT,
        refuses="A log bucket that keeps too few days, or can be shortened.",
        severity=Severity.HIGH,
        remediation="Set retention_days and locked as literals; name buckets of application logs in the policy config.",
        requirements=("R8.2", "R6.6"),
        settings=(
            Setting(name="minDays", default=365, minimum=30, description="Days for which audit logs stay (R6.6)."),
            Setting(name="requireLock", default=True, description="Whether audit log buckets must be locked."),
            Setting(
                name="applicationBuckets",
                default=("errors", "_Default"),
                description="Ids of buckets with application logs only.",
            ),
            Setting(name="applicationMinDays", default=30, description="Days for which application logs are kept."),
        ),
        tokens=(LOG_BUCKET,),
        check=_log_bucket,
    ),
    ResourceRule(
        name="subnetwork-flow-logs",
        family=Family.AUDIT,
        refuses="A subnetwork without flow logs.",
        severity=Severity.MEDIUM,
        remediation="Set log_config.",
        requirements=("R8.2", "R6.6"),
        tokens=(SUBNETWORK,),
        check=_flow_logs,
    ),
)

STACK_RULES = (
    StackRule(
        name="audit-trail",
        family=Family.AUDIT,
        refuses="A stack whose data access is not logged, or whose audit logs are not archived under a lock.",
        severity=Severity.CRITICAL,
        remediation="Keep the environment's IAMAuditConfig, its locked log bucket, and its sink to a locked bucket.",
        requirements=("R8.2", "R6.6"),
        settings=(Setting(name="requireLock", default=True, description="Whether the archive must be locked."),),
        check=_audit_trail,
    ),
)
