"""RDS and AWS Backup with what stands around them: parameters, copies in another region, locks, selections (R8, R3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from policies.aws.tokens import (
    BACKUP_PLAN,
    BACKUP_SELECTION,
    BACKUP_VAULT,
    BACKUP_VAULT_LOCK,
    RDS_BACKUP_REPLICATION,
    RDS_CLUSTER,
    RDS_CLUSTER_PARAMETER_GROUP,
    RDS_INSTANCE,
    RDS_PARAMETER_GROUP,
    is_replica,
)
from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, Setting, Severity, StackRule
from policies.frame.values import Missing, items, read

_GROUPS = {
    RDS_INSTANCE: ("parameterGroupName", RDS_PARAMETER_GROUP),
    RDS_CLUSTER: ("dbClusterParameterGroupName", RDS_CLUSTER_PARAMETER_GROUP),
}
TLS_PARAMETERS = {"rds.force_ssl": ("1",)}
LOG_PARAMETERS = {
    "log_connections": ("1", "on"),
    "log_disconnections": ("1", "on"),
    "log_lock_waits": ("1", "on"),
    "log_statement": ("ddl", "mod", "all"),
}
"""The log settings that CIS asks of PostgreSQL, under their names in a parameter group."""
_ARN_REGION = re.compile(r"arn:aws[\w-]*:(?:rds|backup):([a-z0-9-]+):")


def _parameters(stack: Index, wanted: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    for database in stack.of(*_GROUPS):
        prop, token = _GROUPS[database.token]
        named = database.text(prop)
        groups = [group for group in stack.of(token) if named is not None and group.text("name") == named]
        groups = groups or [source for source in stack.sources_of(database, prop) if source.token == token]
        if not groups:
            yield Finding(f"{prop} names no parameter group of this stack", database.urn)
        for group in groups:
            yield from (Finding(message, group.urn) for message in _parameter_faults(group, wanted))


def _parameter_faults(group: Resource, wanted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    parameters = items(group.props, "parameters")
    listed = [] if isinstance(parameters, Missing) else parameters
    for name, allowed in wanted.items():
        values = [read(parameter, "value") for parameter in listed if read(parameter, "name") == name]
        if not values:
            yield f"the parameter {name} is not set; it must be {' or '.join(allowed)}"
        elif any(value not in allowed for value in values):
            (first, *_) = [value for value in values if value not in allowed]
            yield f"the parameter {name} {expect.state(first)}; it must be {' or '.join(allowed)}"


def _forces_tls(stack: Index, _: Config) -> Iterator[Finding]:
    yield from _parameters(stack, TLS_PARAMETERS)


def _logs_statements(stack: Index, _: Config) -> Iterator[Finding]:
    yield from _parameters(stack, LOG_PARAMETERS)


def _primaries(stack: Index) -> Iterator[Resource]:
    return (instance for instance in stack.of(RDS_INSTANCE) if not is_replica(instance))


def _copies(stack: Index, instance: Resource) -> list[Resource]:
    """Copies of an instance's backups. An ARN that is written out ends in the instance's name."""
    ending = f":db:{instance.text('identifier')}"
    written = [
        copy for copy in stack.of(RDS_BACKUP_REPLICATION) if (copy.text("sourceDbInstanceArn") or "").endswith(ending)
    ]
    return written or stack.siblings(instance, (RDS_BACKUP_REPLICATION,), "sourceDbInstanceArn", instance.text("arn"))


def _copied(stack: Index, config: Config) -> Iterator[Finding]:
    """Automated backups leave the region (R1.5): a region's own backups do not survive it."""
    if not config.flag("requireCopy"):
        return
    for instance in _primaries(stack):
        copies = _copies(stack, instance)
        if not copies:
            yield Finding("no InstanceAutomatedBackupsReplication copies the instance's backups", instance.urn)
        for copy in copies:
            source = _ARN_REGION.match(copy.text("sourceDbInstanceArn") or "")
            home = source[1] if source else instance.read("region")
            there = copy.read("region")
            if not isinstance(there, str) or there == home:
                yield Finding("region is not set to another one than the instance's, as a literal", copy.urn)


def _vault_locks(stack: Index, config: Config) -> Iterator[Finding]:
    if not config.flag("requireLock"):
        return
    floor = config.number("minDays")
    for vault in stack.of(BACKUP_VAULT):
        locks = stack.siblings(vault, (BACKUP_VAULT_LOCK,), "backupVaultName", vault.text("name"), vault.text("id"))
        if not locks:
            yield Finding("the vault has no VaultLockConfiguration", vault.urn)
        for lock in locks:
            for message in expect.at_least(lock.props, "minRetentionDays", floor):
                yield Finding(message, lock.urn)


def _plan_copies(stack: Index, config: Config) -> Iterator[Finding]:
    if not config.flag("requireCopy"):
        return
    for plan in stack.of(BACKUP_PLAN):
        rules = items(plan.props, "rules")
        listed = [] if isinstance(rules, Missing) else rules
        if not any(_leaves_region(rule, plan) for rule in listed):
            yield Finding("no rule copies to a vault in another region, named by a literal ARN", plan.urn)


def _leaves_region(rule: object, plan: Resource) -> bool:
    copies = items(rule, "copyActions")
    for copy in [] if isinstance(copies, Missing) else copies:
        match = _ARN_REGION.match(str(read(copy, "destinationVaultArn")))
        if match and match[1] != plan.read("region"):
            return True
    return False


def _selected(stack: Index, config: Config) -> Iterator[Finding]:
    if not config.flag("requireSelection"):
        return
    selections = stack.of(BACKUP_SELECTION)
    for instance in _primaries(stack):
        if not any(_selects(stack, selection, instance) for selection in selections):
            yield Finding("no backup selection covers the instance, by its ARN or its tags", instance.urn)


def _selects(stack: Index, selection: Resource, instance: Resource) -> bool:
    if instance.urn in {source.urn for source in stack.sources_of(selection, "resources")}:
        return True
    patterns = items(selection.props, "resources")
    arn = instance.text("arn") or f"arn:aws:rds:*:*:db:{instance.text('identifier')}"
    for pattern in [] if isinstance(patterns, Missing) else patterns:
        # Without an ARN of its own yet, the instance is compared by the part that the program gives it.
        if isinstance(pattern, str) and (fnmatchcase(arn, pattern) or fnmatchcase(pattern, arn)):
            return True
    tags = items(selection.props, "selectionTags")
    return any(
        read(tag, "type") == "STRINGEQUALS"
        and isinstance(key := read(tag, "key"), str)
        and isinstance(value := read(tag, "value"), str)
        and value in (_tag(instance, "tags", key), _tag(instance, "tagsAll", key))
        for tag in ([] if isinstance(tags, Missing) else tags)
    )


def _tag(resource: Resource, prop: str, key: str) -> object:
    """A tag's value; the key may have dots in it, so that it is no path."""
    tags = resource.read(prop)
    return tags.get(key) if isinstance(tags, dict) else None


STACK_RULES = (
    StackRule(
        name="rds-tls",
        family=Family.ENCRYPTION,
        refuses="A database that accepts connections without TLS.",
        severity=Severity.CRITICAL,
        remediation='Name a parameter group of the stack with rds.force_ssl set to "1", as a literal.',
        requirements=("R8.1", "R2.3"),
        check=_forces_tls,
    ),
    StackRule(
        name="rds-log-parameters",
        family=Family.AUDIT,
        refuses="A database that does not log connections, lock waits and changes of structure.",
        severity=Severity.MEDIUM,
        remediation="Set the parameter in the database's parameter group, as a literal.",
        requirements=("R8.2", "R6.6"),
        check=_logs_statements,
    ),
    StackRule(
        name="rds-copied",
        family=Family.RETENTION,
        refuses="A database whose automated backups stay in its region.",
        severity=Severity.HIGH,
        remediation="Declare an InstanceAutomatedBackupsReplication for it with region and a key of the other region.",
        requirements=("R8.2", "R1.5", "R3.3"),
        settings=(
            Setting(
                name="requireCopy", default=True, description="Whether automated backups must be copied elsewhere."
            ),
        ),
        check=_copied,
    ),
    StackRule(
        name="backup-vault-lock",
        family=Family.RETENTION,
        refuses="A backup vault from which backups can be deleted before their time.",
        severity=Severity.HIGH,
        remediation=(
            "Give the vault a VaultLockConfiguration with min_retention_days; without changeable_for_days it is the "
            "governance mode, which can be undone."
        ),
        requirements=("R8.2", "R3.5"),
        settings=(
            Setting(name="minDays", default=30, description="Least days that a vault's lock may ask for."),
            Setting(name="requireLock", default=True, description="Whether vaults must be locked."),
        ),
        check=_vault_locks,
    ),
    StackRule(
        name="backup-copied",
        family=Family.RETENTION,
        refuses="A backup plan whose backups stay in their region.",
        severity=Severity.HIGH,
        remediation="Give a rule a copy action with destination_vault_arn of another region, as a literal.",
        requirements=("R8.2", "R1.5", "R3.5"),
        settings=(
            Setting(name="requireCopy", default=True, description="Whether AWS Backup must copy to another region."),
        ),
        check=_plan_copies,
    ),
    StackRule(
        name="backup-selected",
        family=Family.RETENTION,
        refuses="A database that no backup selection covers.",
        severity=Severity.HIGH,
        remediation="Give the instance the tag that the selection asks for, or list its ARN there.",
        requirements=("R8.2", "R8.4", "R3.1"),
        settings=(
            Setting(name="requireSelection", default=True, description="Whether AWS Backup must cover every database."),
        ),
        check=_selected,
    ),
)
