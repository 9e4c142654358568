"""What may change between two deployments: the previous registry against the new plan (R2.6).

Everything refused here is refused before a single resource is registered. The deletion guard on the resources
themselves (components/guard.py) is the second line: it holds even when the previous registry cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from settings.errors import Problem
from settings.names import TenantNames
from settings.plan import Plan, TenantPlan
from settings.types import Cloud

OFFBOARDING_GUIDE: Final = "docs/adding-a-tenant.md, section Removing a tenant"
MOVING_GUIDE: Final = "docs/restore.md, section Moving a tenant"

_GOOGLE_KEY: Final = "Google's key"
_CUSTOMER_KEY: Final = "the environment's key"

_BUCKETS: Final = "the guarded buckets with exports, files and audit logs would be replaced"
_REPLACED: Final = {
    "organization": "every bucket and every SQL instance is named by it, and would be replaced",
    "project": _BUCKETS,
    "account_id": _BUCKETS,
    "region": _BUCKETS,
    "backup_region": _BUCKETS,
    "network": "the network that databases are in would be replaced",
    "zones": "the subnets that databases are in would be replaced",
}
"""What an edit of each fact of a place would do."""
_OF_NETWORK: Final = {"network", "zones"}
_ANEW: Final = ". After a first `up` that failed there is nothing to keep: `pulumi destroy`, then `up`"

# Where the retention of each locked bucket is set.
_LOCKED: Final = {"exports": "backups.export_retention_days", "audit": "environment.sox"}

# How the engine writes an output that it does not know: here the id of a resource whose creation failed.
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

# Editing one of these would make the engine build an empty database elsewhere and delete the one with the data.
_IMMUTABLE: Final = ("kind", "cloud", "placement", "pool", "region", "database", "encryption")


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The registry that the last deployment published; empty on the first one.

    Attributes:
        tenants: tenant id → what `describe` returned for it.
        instances: instance key → its cloud name and region.
        created: Pulumi names of the guarded resources that existed, with their cloud ids.
        revisions: revision of each Cloud Run service that took all traffic after the last `up` without a canary.
        keys: cloud → `use/region` of each key; one that was made once stays, whatever the configuration says.
        places: section of the settings → what the data is named by and lies in; see `describe_places`.
        generations: instance key → the highest generation it ever had, also of instances that are gone.
        locked: role of each bucket of Google Cloud whose retention is locked → its days.
    """

    tenants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    instances: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    created: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)
    locked: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any]) -> Previous:
        registry = outputs.get("registry") or {}
        return cls(
            tenants=registry.get("tenants") or {},
            instances=registry.get("instances") or {},
            created=_known(outputs.get("guarded")),
            revisions=_known(outputs.get("revisions")),
            keys={cloud: tuple(found) for cloud, found in (outputs.get("keys") or {}).items()},
            places=registry.get("places") or {},
            # the engine reads every number back as a float
            generations={key: int(number) for key, number in (registry.get("generations") or {}).items()},
            locked={role: int(days) for role, days in (registry.get("locked") or {}).items()},
        )


def _known(texts: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: text for name, text in (texts or {}).items() if isinstance(text, str) and text != _UNKNOWN}


def describe(tenant: TenantPlan) -> dict[str, Any]:
    """What the stack's registry output says of a tenant; never a secret, only the names of secrets (R2.4)."""
    facts = {
        "kind": tenant.kind,
        "cloud": tenant.cloud,
        "region": tenant.region,
        "database": tenant.database,
        "state": tenant.state,
        "plan": tenant.plan,
        "ring": tenant.ring,
        "url_secret": tenant.url_secret,
        "files": tenant.files.mode,
        "guarded": tenant.guarded,
        "final_export": tenant.final_export,
    }
    if tenant.on_sql is not None:
        facts |= {
            "placement": tenant.sql.placement,
            "pool": tenant.sql.pool,
            "instance": tenant.sql.instance_key,
            "rotation": tenant.sql.rotation,
        }
    if tenant.on_firestore is not None:
        facts["encryption"] = _CUSTOMER_KEY if tenant.firestore.cmek else _GOOGLE_KEY
    if tenant.as_guest is not None:
        facts["not_enforced"] = list(tenant.external.not_enforced)
    # the engine drops nulls when it reads outputs back
    return {name: value for name, value in facts.items() if value is not None}


def describe_instances(plan: Plan) -> dict[str, Any]:
    """What the stack's registry output says of the SQL instances."""
    return {
        instance.key: {
            "name": instance.name,
            "region": instance.region,
            "placement": instance.placement,
            "guarded": instance.guarded,
        }
        for instance in plan.instances
    }


def describe_places(plan: Plan) -> dict[str, dict[str, str]]:
    """What guarded buckets, keys and databases are named by and lie in, by the section of the settings that says it."""
    google, amazon = plan.environment.on_gcp, plan.environment.on_aws
    places = {"environment": {"organization": plan.environment.organization}}
    if google is not None:
        places["gcp"] = {
            "project": google.project,
            "region": google.region,
            "backup_region": google.backup_region,
            "network": google.network,
        }
    if amazon is not None:
        places["aws"] = {
            "account_id": amazon.account_id,
            "region": amazon.region,
            "backup_region": amazon.backup_region,
            "network": amazon.network,
            "zones": ", ".join(zone.name for zone in amazon.zones),
        }
    return places


def describe_locked(plan: Plan) -> dict[str, int]:
    """Days of each locked retention that Google Cloud would never shorten; AWS locks what is there, not what comes."""
    environment = plan.environment
    if environment.on_gcp is None or not environment.lock:
        return {}
    return {"exports": environment.backups.export_retention_days, "audit": environment.audit_retention_days}


def describe_generations(previous: Previous, plan: Plan) -> dict[str, int]:
    """The highest generation that each instance ever had: what is gone stays listed, for its name stays taken."""
    now = {instance.key: instance.generation for instance in plan.instances}
    return {
        key: max(previous.generations.get(key, 0), now.get(key, 0)) for key in sorted(previous.generations.keys() | now)
    }


def check(previous: Previous, plan: Plan) -> list[Problem]:
    """Every change that is refused, with the way to do it."""
    current = {tenant.id: tenant for tenant in plan.tenants}
    added = sorted(set(current) - set(previous.tenants))
    problems = [
        _removed(tenant_id, before, added)
        for tenant_id, before in sorted(previous.tenants.items())
        if tenant_id not in current
        and before.get("guarded", True)
        # a guest's data is elsewhere, but its URL, its exports and its drills go with the entry
        and (before.get("kind") == "external" or f"{tenant_id}-database" in previous.created)
    ]
    for tenant_id, tenant in current.items():
        before = previous.tenants.get(tenant_id)
        if before is not None:
            problems += _changed(tenant, before)
    problems += _moved(previous, plan)
    problems += _unlocked(previous, plan)
    problems += _instances(previous, plan)
    problems += _names_taken(previous, plan)
    problems += _canaries(previous, plan)
    return problems


def _moved(previous: Previous, plan: Plan) -> list[Problem]:
    """An environment's buckets hold exports under a lock: they stay where they are, whatever the tenants do.

    So does the network of a cloud, once a SQL instance is in it: a range that turned out to be taken can be changed.
    """
    problems = []
    for section, now in describe_places(plan).items():
        movable = set() if _in_network(previous, plan, section) else _OF_NETWORK
        problems += [
            Problem(
                path=f"tenantry:{section}.{name}",
                message=f"cannot change from {before!r} by an edit; {_REPLACED[name]}",
                fix=f"set it back; a stack of its own with the new value can take the tenants over ({MOVING_GUIDE})"
                + ("" if name in _OF_NETWORK else _ANEW),
                value=now[name],
            )
            for name, before in previous.places.get(section, {}).items()
            if name in now and before != now[name] and name not in movable and not _grown(name, before, now[name])
        ]
    return problems


def _in_network(previous: Previous, plan: Plan, cloud: str) -> bool:
    """Whether a SQL instance of a cloud was made; one that is not in the plan any more had lost its guard before."""
    instances = plan.instances_of("rds" if cloud == "aws" else "cloudsql")
    return any(f"{instance.key}-instance" in previous.created for instance in instances)


def _unlocked(previous: Previous, plan: Plan) -> list[Problem]:
    """A lock is one-way (R3.5): Cloud Storage refuses to take it back, and to shorten what it holds."""
    if previous.locked and plan.environment.on_gcp is not None and not plan.environment.lock:
        return [
            Problem(
                path="tenantry:backups.lock",
                message="cannot be taken back: the buckets' retention is locked for good (R3.5)",
                fix="set it back to true",
                value="false",
            )
        ]
    now = describe_locked(plan)
    return [
        Problem(
            path=f"tenantry:{_LOCKED[role]}",
            message=f"would shorten the locked retention of the {role} bucket from {days} days to {now[role]} (R3.5)",
            fix="set it back; a locked retention only grows",
        )
        for role, days in sorted(previous.locked.items())
        if role in now and now[role] < days
    ]


def _grown(name: str, before: str, now: str) -> bool:
    """Whether zones were added behind those that there are, whose subnets keep their ranges then."""
    return name == "zones" and now.startswith(f"{before}, ")


def _canaries(previous: Previous, plan: Plan) -> list[Problem]:
    """A canary shares traffic with the revision that took all of it: Cloud Run must have that one already."""
    environment = plan.environment
    if environment.home != "gcp":
        return []
    return [
        Problem(
            path=f"tenantry:services.{name}.canary",
            message="has nothing to be compared with: no revision of the service takes all traffic yet",
            fix="run `up` once without the canary, then add it",
        )
        for name, service in sorted(environment.services.items())
        if service.canary is not None and name not in previous.revisions
    ]


def _removed(tenant_id: str, before: Mapping[str, Any], added: Collection[str]) -> Problem:
    state = before.get("state", "active")
    renamed = (
        f" If this is a rename to {' or '.join(repr(name) for name in added)}: an id cannot change." if added else ""
    )
    step = (
        "wait until its final export is proved (marker in the exports bucket) and run `up` once with the entry present"
        if state == "offboarding"
        else "put it back as `state: offboarding`, run `up`, wait for its final export, `up` again, then remove it"
    )
    return Problem(
        path="tenantry:tenants",
        message=f"tenant {tenant_id!r} is {state} and its entry is gone; its data would be deleted.{renamed}",
        fix=f"{step} ({OFFBOARDING_GUIDE})",
        value=tenant_id,
    )


def _changed(tenant: TenantPlan, before: Mapping[str, Any]) -> list[Problem]:
    now = describe(tenant)
    problems = [
        Problem(
            path=_place(tenant, key),
            message=f"tenant {tenant.id!r}: {key} cannot change from {before[key]!r} by an edit; {_loss(tenant)}",
            fix=f"set it back to {_former(key, before[key])}; to move the tenant follow {MOVING_GUIDE}",
            value=str(now.get(key)),
        )
        for key in _IMMUTABLE
        if key in before and before[key] != now.get(key) and not _follows(key, before, now)
    ]
    files = before.get("files", "none")
    if files not in {"none", now["files"]} and before.get("kind") == now["kind"]:
        problems.append(
            Problem(
                path=f"{tenant.path}.files",
                message=f"tenant {tenant.id!r}: files cannot change from {files!r} by an edit; its uploads would be "
                "deleted or stay where nobody reaches them",
                fix=f"set it back to {files!r}",
                value=now["files"],
            )
        )
    rotation = now.get("rotation")
    if rotation is None:
        return problems
    if before.get("rotation", 1) > rotation:
        problems.append(
            Problem(
                path=f"{tenant.path}.extra_rotations",
                message=f"tenant {tenant.id!r}: the rotation went back from {before['rotation']}; "
                "the credential in use would be overwritten",
                fix=f"make secrets.rotation + extra_rotations {before['rotation']} again, or one more to rotate",
                value=str(rotation),
            )
        )
    elif rotation - before.get("rotation", rotation) > 1:
        problems.append(
            Problem(
                path=f"{tenant.path}.extra_rotations",
                message=f"tenant {tenant.id!r}: the rotation jumps from {before['rotation']}; "
                "two logins alternate, so a jump could overwrite the one in use",
                fix=f"make secrets.rotation + extra_rotations {before['rotation'] + 1}, then run `up` and the SQL job",
                value=str(rotation),
            )
        )
    return problems


def _former(key: str, before: object) -> str:
    """What to write to have the former value of a fact."""
    if key != "encryption":
        return repr(before)
    return "0" if before == _GOOGLE_KEY else "the quota that was granted"


def _follows(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a fact changed only because one that is reported did: another kind brings its own cloud and places."""
    if key == "kind":
        return False
    if before.get("kind") != now["kind"]:
        return True
    return key == "region" and before.get("cloud", now["cloud"]) != now["cloud"]


def _place(tenant: TenantPlan, key: str) -> str:
    """Where the setting is that decides a fact."""
    if tenant.as_guest is not None and key in {"cloud", "region"}:
        return "tenantry:environment.home" if key == "cloud" else f"tenantry:{tenant.cloud}.region"
    if tenant.on_firestore is not None and key == "region":
        return f"{tenant.path}.firestore.location"
    if key == "encryption":
        return "tenantry:gcp.firestore_cmek_databases"
    return f"{tenant.path}.{key}"


def _loss(tenant: TenantPlan) -> str:
    if tenant.as_guest is not None:
        return "its exports, secrets and files would stay behind"
    return "a new, empty database would replace the one with the data"


def _instances(previous: Previous, plan: Plan) -> list[Problem]:
    current = {instance.key: instance for instance in plan.instances}
    problems = []
    for key, before in sorted(previous.instances.items()):
        instance = current.get(key)
        if instance is None:
            if before.get("placement") == "shared" and before.get("guarded", True):
                problems.append(
                    Problem(
                        path="tenantry:pools",
                        message=f"pool {key.removeprefix('pool-')!r} still has tenants and its entry is gone",
                        fix="put it back; offboard its tenants first, then run `up` once, then remove the pool",
                        value=key.removeprefix("pool-"),
                    )
                )
            continue
        changed = [name for name in ("name", "region") if before.get(name) != getattr(instance, name)]
        if changed and before.get("guarded", True) and not instance.recreate_after_loss:
            problems.append(
                Problem(
                    path=instance.path,
                    message=f"instance {before['name']!r} would be replaced by an empty {instance.name!r} "
                    f"in {instance.region} ({' and '.join(changed)} changed)",
                    fix=f"undo the change; to rebuild or move it follow {MOVING_GUIDE}",
                    value=f"{instance.name}, {instance.region}",
                )
            )
    return problems


def _names_taken(previous: Previous, plan: Plan) -> list[Problem]:
    """A name is not given twice: Cloud SQL reserves it for a week, and RDS keeps a final snapshot that is named so."""
    problems = []
    for instance in plan.instances:
        latest = previous.generations.get(instance.key, 0)
        stays = previous.instances.get(instance.key, {}).get("name") == instance.name
        if latest >= instance.generation and not stays:
            problems.append(
                Problem(
                    path=f"{instance.path}.generation",
                    message=f"instance {instance.name!r} existed before and was deleted; its name, or that of its "
                    "final snapshot, may still be taken",
                    fix=f"set generation to {latest + 1}",
                    value=str(instance.generation),
                )
            )
    return problems


def lift_guards(plan: Plan, previous: Previous, markers: Mapping[Cloud, Collection[str]]) -> Plan:
    """Take the deletion guard off what may go: offboarding tenants with a proved final export, and empty pools.

    A marker is never deleted before its retention ends, so each offboarding of an id is to be proved by one of its own:
    the first name that is free when it begins. Its registry entry says that name to whoever makes the final export, and
    only a marker that an earlier deployment asked for so lifts the guard: that of a former offboarding does not.

    Args:
        plan: the plan as resolved.
        previous: what the last deployment left.
        markers: names of the markers in each cloud's exports bucket.
    """
    tenants = tuple(
        _leaving(tenant, previous.tenants.get(tenant.id, {}), markers.get(tenant.cloud, ()))
        if tenant.state == "offboarding"
        else tenant
        for tenant in plan.tenants
    )
    holding = {tenant.sql.instance_key for tenant in tenants if tenant.guarded and tenant.on_sql is not None}
    pools = tuple(replace(pool, guarded=pool.key in holding) for pool in plan.pools)
    return replace(plan, tenants=tenants, pools=pools)


def _leaving(tenant: TenantPlan, before: Mapping[str, Any], markers: Collection[str]) -> TenantPlan:
    asked = before.get("final_export")
    if asked is not None:
        tenant = replace(tenant, final_export=asked)
        return _unguarded(tenant) if asked in markers else tenant
    free = (name for name in TenantNames(tenant.id).final_export_objects() if name not in markers)
    return replace(tenant, final_export=next(free))


def _unguarded(tenant: TenantPlan) -> TenantPlan:
    sql = tenant.on_sql
    if sql is not None and sql.instance is not None:
        sql = replace(sql, instance=replace(sql.instance, guarded=False))
    return replace(tenant, guarded=False, on_sql=sql)
