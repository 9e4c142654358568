"""Completeness: every tenant database, of any kind, has all that makes it one (R8.4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from policies.aws import tokens as aws
from policies.completeness.tenancy import DATABASE_PREFIX, Tenant, document, instance_keys, residents, tenants
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.frame.rules import Config, Family, Finding, Severity, StackRule
from policies.frame.values import ABSENT, UNKNOWN, read
from policies.gcp import tokens as gcp

_SECRET_ROLES = {
    "cloudsql": ("credential", "database-url"),
    "rds": ("credential", "database-url"),
    "external": ("database-url",),
    "firestore": (),
}
_SQL_INSTANCES = {gcp.SQL_INSTANCE: "cloudsql", aws.RDS_INSTANCE: "rds"}
_ALERT_TOPICS = {"cloudsql": "the databases themselves", "rds": "the databases themselves", "firestore": "Firestore"}
_DRILLED = ("cloudsql", "rds", "external")


def _tenants_complete(stack: Index, _: Config) -> Iterator[Finding]:
    everyone = tenants(stack)
    secrets = {secret.text("secretId") for secret in stack.of(gcp.SECRET)}
    secrets |= {secret.text("name") for secret in stack.of(aws.SECRET)}
    for tenant in everyone:
        yield from _tenant_complete(tenant, secrets)
    yield from _instances_complete(stack, everyone)
    for on_aws in (False, True):
        here = [tenant for tenant in everyone if tenant.on_aws is on_aws and _is_placed(tenant)]
        if here:
            yield from _exports_complete(stack, here, on_aws=on_aws)
            yield from _alerts_complete(stack, here, on_aws=on_aws)


def _is_placed(tenant: Tenant) -> bool:
    return tenant.home is not None or tenant.kind not in _SQL_INSTANCES.values()


def _tenant_complete(tenant: Tenant, secrets: set[str | None]) -> Iterator[Finding]:
    if tenant.entry is None:
        held = "a database" if tenant.database is not None else "a component"
        urn = tenant.database.urn if tenant.database is not None else tenant.urn
        yield Finding(f"tenant {tenant.id} has {held} but no registry object tenants/{tenant.id}.json", urn)
    yield from _database_complete(tenant)
    for role in _SECRET_ROLES[tenant.kind]:
        name = f"tenant-{tenant.id}-{role}"
        if name not in secrets:
            yield Finding(f"tenant {tenant.id} has no secret {name}", tenant.urn)


def _database_complete(tenant: Tenant) -> Iterator[Finding]:
    if tenant.kind == "external":
        # What a guest's server does by itself nobody here can see; the registry must say what is left to it.
        entry = document(tenant.entry)
        if entry and not isinstance(entry.get("not_enforced"), list):
            yield Finding(
                f"the entry of tenant {tenant.id} does not say what is not_enforced on its server", tenant.urn
            )
    elif tenant.kind == "rds":
        if tenant.home is None:
            yield Finding(f"tenant {tenant.id} is on no RDS instance of this stack", tenant.urn)
    elif tenant.database is None:
        if tenant.entry is not None:
            name = f" {DATABASE_PREFIX}{tenant.id.replace('-', '_')}" if tenant.kind == "cloudsql" else ""
            yield Finding(f"tenant {tenant.id} is in the registry but has no database{name}", tenant.entry.urn)
        if tenant.component is not None:
            yield Finding("the tenant database component has no database in it", tenant.component.urn)
    elif tenant.kind == "cloudsql" and tenant.home is None:
        yield Finding(f"the database of tenant {tenant.id} is on an instance outside this stack", tenant.database.urn)


def _instances_complete(stack: Index, everyone: list[Tenant]) -> Iterator[Finding]:
    """What instances with tenants need. Their native backups are judged by rules of their own."""
    keys = instance_keys(stack)
    exported = _exported_instances(stack)
    used = residents(everyone)
    for token in _SQL_INSTANCES:
        for instance in (one for one in stack.of(token) if one.urn in used):
            if not keys.get(instance.urn):
                yield Finding("an instance with tenants has no registry object under instances/", instance.urn)
            names = {instance.urn, instance.text("name"), *keys.get(instance.urn, ())} - {None}
            if token == gcp.SQL_INSTANCE and not exported & names:
                yield Finding("no running schedule exports the databases of an instance with tenants", instance.urn)


def _running_jobs(stack: Index) -> list[Resource]:
    # a job that does not say is filled in by the provider and unknown until it exists; only a literal pauses it
    return [job for job in stack.of(gcp.SCHEDULER_JOB) if job.read("paused") in (ABSENT, UNKNOWN, False)]


def _exported_instances(stack: Index) -> set[str | None]:
    """Instances that a running schedule names in the argument for its workflow, by key, name or URN."""
    running = _running_jobs(stack)
    exported = {_scheduled_instance(job) for job in running}
    for job in running:
        if job.read("httpTarget.body") is UNKNOWN:
            exported |= {source.urn for source in stack.sources_of(job, "httpTarget")}
    return exported


def _scheduled_instance(job: Resource) -> str | None:
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


def _exports_complete(stack: Index, here: list[Tenant], *, on_aws: bool) -> Iterator[Finding]:
    """A bucket for exports on the tenants' cloud, and a schedule for those that are not exported by instance."""
    kinds = {tenant.kind for tenant in here}
    if on_aws:
        if not any(aws.role_of(bucket) == "exports" for bucket in stack.of(*aws.S3_BUCKETS)):
            yield Finding("the stack has tenant databases on AWS but no bucket with the role exports")
        running = [one for one in stack.of(aws.SCHEDULE) if one.read("state") in (ABSENT, UNKNOWN, "ENABLED")]
        if not any(_speaks_of(schedule, ("export",)) for schedule in running):
            yield Finding("no running schedule exports the databases of the tenants on AWS")
        return
    if not any(bucket.read("labels.role") == "exports" for bucket in stack.of(gcp.BUCKET)):
        yield Finding("the stack has tenant databases but no bucket with the role exports")
    # The schedules of instances are told apart by the instance that they name.
    others = [job for job in _running_jobs(stack) if _scheduled_instance(job) is None]
    if "firestore" in kinds and not any(_speaks_of(job, ("firestore", "export")) for job in others):
        yield Finding("no running schedule exports the Firestore databases")
    guests = [job for job in others if not _speaks_of(job, ("firestore",))]
    if "external" in kinds and not any(_speaks_of(job, ("export",)) for job in guests):
        yield Finding("no running schedule exports the external databases")


def _speaks_of(schedule: Resource, words: tuple[str, ...]) -> bool:
    """Whether what a schedule is called, or what it starts, has all of the words."""
    paths = ("name", "description", "httpTarget.uri", "target.input", "target.ecsParameters.taskDefinitionArn")
    text = " ".join(filter(None, (schedule.text(path) for path in paths))).lower()
    return all(word in text for word in words)


def _alerts_complete(stack: Index, here: list[Tenant], *, on_aws: bool) -> Iterator[Finding]:
    kinds = {tenant.kind for tenant in here}
    topics = {kind: meaning for kind, meaning in _ALERT_TOPICS.items() if kind in kinds}
    topics |= {"export": "exports"}
    if kinds & set(_DRILLED):
        topics |= {"drill": "restore drills"}
    speaking = [_alarm_texts(one) for one in stack.of(aws.ALARM)] if on_aws else []
    speaking += [] if on_aws else [_policy_texts(one) for one in stack.of(gcp.ALERT_POLICY)]
    what = "alarm" if on_aws else "alert policy"
    for topic, meaning in topics.items():
        if not any(topic in text.lower() for texts in speaking for text in texts if isinstance(text, str)):
            yield Finding(f"no enabled {what} watches {meaning}")


def _policy_texts(policy: Resource) -> list[Any]:
    """The names and filters of an enabled alert policy. A filter that is not known yet leaves the names."""
    if policy.read("enabled") not in (ABSENT, True):
        return []
    texts = [policy.read("displayName")]
    conditions = policy.read("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        texts.append(read(condition, "displayName"))
        texts += [
            read(condition, f"{kind}.filter")
            for kind in ("conditionThreshold", "conditionAbsent", "conditionMatchedLog")
        ]
        texts.append(read(condition, "conditionPrometheusQueryLanguage.query"))
    return texts


def _alarm_texts(alarm: Resource) -> list[Any]:
    """The names and metrics of an alarm that acts."""
    if alarm.read("actionsEnabled") not in (ABSENT, True):
        return []
    texts = [alarm.read(path) for path in ("name", "alarmDescription", "namespace", "metricName")]
    queries = alarm.read("metricQueries")
    for query in queries if isinstance(queries, list) else []:
        texts += [read(query, "metric.namespace"), read(query, "metric.metricName")]
    return texts


RULES = (
    StackRule(
        name="tenant-complete",
        family=Family.COMPLETENESS,
        refuses="A tenant database without its registry entry, secrets, instance, export schedule or alerts.",
        severity=Severity.HIGH,
        remediation="Declare tenants through the tenant list only, so that every part is made together.",
        requirements=("R8.4", "R2.4", "R3.2"),
        check=_tenants_complete,
    ),
)
