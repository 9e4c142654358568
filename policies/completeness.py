"""Completeness: every tenant database has all that makes it one (R8.4), and cannot be lost by a slip (R8.2).

Tenants are found by the names that the program gives their parts, and not by the content of the registry: the provider
marks that content secret, so `pulumi policy analyze` sees it redacted and would judge otherwise than the engine does.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.frame import expect
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, read
from policies.tokens import (
    ALERT_POLICY,
    BUCKET,
    BUCKET_OBJECT,
    SCHEDULER_JOB,
    SECRET,
    SQL_DATABASE,
    SQL_INSTANCE,
    TENANT_DATABASE,
    is_replica,
)

_TENANT_OBJECT = re.compile(r"tenants/([a-z][a-z0-9-]*)\.json")
_INSTANCE_OBJECT = re.compile(r"instances/(.+)\.json")
_DATABASE_PREFIX = "tn_"
_SECRET_ROLES = ("credential", "database-url")
_ALERT_TOPICS = {"cloudsql": "the databases themselves", "export": "exports", "drill": "restore drills"}
_KEPT = ("ABANDON", "PREVENT")


def _document(item: Resource) -> dict[str, Any]:
    """A registry object's JSON, or nothing if it is unknown, redacted or no JSON object."""
    content = item.text("content")
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _registry(stack: Index, pattern: re.Pattern[str]) -> dict[str, Resource]:
    """Registry objects by the key in their name."""
    found = {}
    for item in stack.of(BUCKET_OBJECT):
        match = pattern.fullmatch(item.text("name") or "")
        if match:
            found[match[1]] = item
    return found


@dataclass(frozen=True)
class Tenancy:
    """Who is where: registry entries and databases by tenant id, and the instance that each database is on."""

    entries: dict[str, Resource]
    databases: dict[str, Resource]
    homes: dict[str, Resource | None]

    @classmethod
    def of(cls, stack: Index) -> Tenancy:
        databases = {
            name.removeprefix(_DATABASE_PREFIX).replace("_", "-"): database
            for database in stack.of(SQL_DATABASE)
            if (name := database.text("name") or "").startswith(_DATABASE_PREFIX)
        }
        instances = {instance.text("name"): instance for instance in stack.of(SQL_INSTANCE)}
        homes = {}
        for tenant, database in databases.items():
            named = database.text("instance")
            if named is not None:
                homes[tenant] = instances.get(named)
                continue
            origins = [item for item in stack.sources_of(database, "instance") if item.token == SQL_INSTANCE]
            homes[tenant] = origins[0] if len(origins) == 1 else None
        return cls(entries=_registry(stack, _TENANT_OBJECT), databases=databases, homes=homes)

    def residents(self) -> dict[str, set[str]]:
        """Tenant ids by the URN of their instance."""
        found: dict[str, set[str]] = defaultdict(set)
        for tenant, home in self.homes.items():
            if home is not None:
                found[home.urn].add(tenant)
        return found

    def leaving(self) -> set[str]:
        """Tenants whose registry entry says so in so many words."""
        return {tenant for tenant, entry in self.entries.items() if _document(entry).get("state") == "offboarding"}


def _scheduled_instance(job: Resource) -> str | None:
    """The instance named in the argument that a scheduled job hands to its workflow."""
    body = job.text("httpTarget.body")
    if body is None:
        return None
    try:
        call = json.loads(base64.b64decode(body, validate=True))
        argument = json.loads(call["argument"]) if isinstance(call, dict) and "argument" in call else call
    except (ValueError, TypeError):
        return None
    instance = argument.get("instance") if isinstance(argument, dict) else None
    return instance if isinstance(instance, str) else None


def _instance_keys(stack: Index) -> dict[str, set[str]]:
    """The registry keys of instances, by URN: from the name in an entry, or from what an unreadable one is built of."""
    by_name = {name: instance.urn for instance in stack.of(SQL_INSTANCE) if (name := instance.text("name")) is not None}
    keys: dict[str, set[str]] = defaultdict(set)
    for key, item in _registry(stack, _INSTANCE_OBJECT).items():
        named = _document(item).get("name")
        if named is None:
            for source in stack.sources_of(item, "content"):
                keys[source.urn].add(key)
        elif named in by_name:
            keys[by_name[named]].add(key)
    return keys


def _tenants_complete(stack: Index, _: Config) -> Iterator[Finding]:
    tenancy = Tenancy.of(stack)
    secrets = {secret.text("secretId") for secret in stack.of(SECRET)}
    for tenant, database in sorted(tenancy.databases.items()):
        if tenant not in tenancy.entries:
            missing = f"tenants/{tenant}.json"
            yield Finding(f"tenant {tenant} has a database but no registry object {missing}", database.urn)
        if tenancy.homes[tenant] is None:
            yield Finding(f"the database of tenant {tenant} is on an instance outside this stack", database.urn)
    for tenant, entry in sorted(tenancy.entries.items()):
        if tenant not in tenancy.databases and _document(entry).get("kind", "cloudsql") == "cloudsql":
            name = _DATABASE_PREFIX + tenant.replace("-", "_")
            yield Finding(f"tenant {tenant} is in the registry but has no database {name}", entry.urn)
        for role in _SECRET_ROLES:
            if f"tenant-{tenant}-{role}" not in secrets:
                yield Finding(f"tenant {tenant} has no secret tenant-{tenant}-{role}", entry.urn)
    yield from _components_complete(stack)
    if tenancy.residents():
        yield from _surroundings_complete(stack, tenancy)


def _components_complete(stack: Index) -> Iterator[Finding]:
    filled = {urn for database in stack.of(SQL_DATABASE) for urn in stack.ancestors(database)}
    for component in stack.of(TENANT_DATABASE):
        if component.urn not in filled:
            yield Finding("the tenant database component has no database in it", component.urn)


def _surroundings_complete(stack: Index, tenancy: Tenancy) -> Iterator[Finding]:
    """What instances with tenants need around them. Their native backups are judged by rules of their own."""
    keys = _instance_keys(stack)
    # a job that does not say is filled in by the provider and unknown until it exists; only a literal pauses it
    running = [job for job in stack.of(SCHEDULER_JOB) if job.read("paused") in (ABSENT, UNKNOWN, False)]
    exported = {_scheduled_instance(job) for job in running}
    for job in running:
        if job.read("httpTarget.body") is UNKNOWN:
            exported |= {source.urn for source in stack.sources_of(job, "httpTarget")}
    used = tenancy.residents()
    for instance in stack.of(SQL_INSTANCE):
        if instance.urn not in used:
            continue
        if not keys[instance.urn]:
            yield Finding("an instance with tenants has no registry object under instances/", instance.urn)
        if not exported & ({instance.urn, instance.text("name"), *keys[instance.urn]} - {None}):
            yield Finding("no running schedule exports the databases of an instance with tenants", instance.urn)
    if not any(bucket.read("labels.role") == "exports" for bucket in stack.of(BUCKET)):
        yield Finding("the stack has tenant databases but no bucket with the role exports")
    for topic, meaning in _ALERT_TOPICS.items():
        if not any(_mentions(policy, topic) for policy in stack.of(ALERT_POLICY)):
            yield Finding(f"no enabled alert policy watches {meaning}")


def _mentions(policy: Resource, topic: str) -> bool:
    """Whether an alert's names or filters speak of a topic. A filter that is not known yet leaves the names."""
    if policy.read("enabled") not in (ABSENT, True):
        return False
    texts = [policy.read("displayName")]
    conditions = policy.read("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        texts.append(read(condition, "displayName"))
        texts += [
            read(condition, f"{kind}.filter")
            for kind in ("conditionThreshold", "conditionAbsent", "conditionMatchedLog")
        ]
        texts.append(read(condition, "conditionPrometheusQueryLanguage.query"))
    return any(topic in text.lower() for text in texts if isinstance(text, str))


def _data_protected(stack: Index, _: Config) -> Iterator[Finding]:
    tenancy = Tenancy.of(stack)
    leaving = tenancy.leaving()
    residents = tenancy.residents()
    lifted = {tenancy.databases[tenant].urn for tenant in leaving & tenancy.databases.keys()}
    lifted |= {urn for urn, tenants in residents.items() if tenants <= leaving}
    if all(home is not None for home in tenancy.homes.values()):
        # an instance without tenants holds nothing; one whose tenants cannot be placed might
        lifted |= {instance.urn for instance in stack.of(SQL_INSTANCE)} - residents.keys()
    for database in stack.of(SQL_DATABASE):
        if database.urn not in lifted:
            yield from _database_faults(database)
    for instance in stack.of(SQL_INSTANCE):
        if instance.urn not in lifted and not is_replica(instance):
            yield from _instance_faults(instance)
    for bucket in stack.of(BUCKET):
        if not bucket.protect and bucket.read("labels.tenant") not in leaving:
            yield Finding("the bucket is not protected", bucket.urn)


def _database_faults(database: Resource) -> Iterator[Finding]:
    if not database.protect:
        yield Finding("the database is not protected", database.urn)
    for message in expect.one_of(database.props, "deletionPolicy", _KEPT):
        yield Finding(message, database.urn)


def _instance_faults(instance: Resource) -> Iterator[Finding]:
    if not instance.protect:
        yield Finding("the instance is not protected", instance.urn)
    for path in ("deletionProtection", "settings.deletionProtectionEnabled"):
        for message in expect.equals(instance.props, path, wanted=True):
            yield Finding(message, instance.urn)


STACK_RULES = (
    StackRule(
        name="tenant-complete",
        family=Family.COMPLETENESS,
        refuses="A tenant database without its registry entry, secrets, instance, export schedule or alerts.",
        severity=Severity.HIGH,
        remediation="Declare tenants through the tenant list only, so that every part is made together.",
        requirements=("R8.4", "R2.4", "R3.2"),
        check=_tenants_complete,
    ),
    StackRule(
        name="data-protected",
        family=Family.RETENTION,
        refuses="A database, instance or bucket that could be deleted although no tenant is offboarding from it.",
        severity=Severity.CRITICAL,
        remediation=(
            "Set protect, and deletion_protection, settings.deletion_protection_enabled or deletion_policy where the "
            "type has them; the guard is lifted only while the tenant's registry entry says offboarding."
        ),
        requirements=("R8.2", "R2.6"),
        check=_data_protected,
    ),
)
