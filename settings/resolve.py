"""From `Settings` to `Plan`: layering, placement, names, ranges, capacity, floors and targets, as pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from settings import names
from settings.clouds import home_cloud
from settings.defaults import RESERVED_CONNECTIONS
from settings.environments import check_environment, environment_buckets, environment_plan
from settings.errors import ConfigError, Findings, Problem, Subject
from settings.external import check_external
from settings.firestore import check_quotas
from settings.guests import check_url_secrets
from settings.instances import pool_instance
from settings.load import parse
from settings.models import Settings
from settings.plan import ExternalPlan, InstancePlan, Plan, TenantPlan
from settings.rds import check_backup_copies
from settings.tenants import TenantResolver, check_plan
from settings.web import check_web


def load(raw: Mapping[str, Any], stack: str, *, encrypted: bool | None = None) -> Plan:
    """Validate and resolve the raw configuration of `stack`.

    Args:
        raw: raw configuration, keys without their namespace.
        stack: name of the Pulumi stack.
        encrypted: whether the stack file holds the values of the external secrets encrypted; None leaves the values
            unjudged, for whoever has none at hand.

    Raises:
        ConfigError: every problem found, of form, of meaning and of external secrets.
    """
    parsed = parse(raw)
    problems = [*parsed.problems]
    resolved = Resolved(plan=None)
    if parsed.settings is not None:
        resolved = resolve(parsed.settings, stack=stack, positions=parsed.positions)
        problems += filter(parsed.counts, resolved.problems)
    if encrypted is not None:
        problems += check_external(raw, resolved.guests, encrypted=encrypted, complete=not problems)
    if problems or resolved.plan is None:
        raise ConfigError(problems)
    return resolved.plan


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What settings amount to.

    Attributes:
        plan: the plan; None when there is any problem.
        guests: tenant id → its guest database, problems or not.
    """

    plan: Plan | None
    problems: tuple[Problem, ...] = ()
    guests: Mapping[str, ExternalPlan] = field(default_factory=dict)


def resolve(settings: Settings, *, stack: str, positions: tuple[int, ...] | None = None) -> Resolved:
    """Decide everything that can be decided without a cloud.

    Args:
        settings: validated settings.
        stack: name of the Pulumi stack, which must be the environment's.
        positions: position of each tenant in the file, where it differs from its position in `settings`.
    """
    if positions is None:
        positions = tuple(range(len(settings.tenants)))
    findings = Findings()
    check_environment(settings, stack, findings)
    home = home_cloud(
        settings
    )  # None is reported with the environment; what does not lean on it is judged all the same
    placed = {
        name: pool_instance(name, pool, settings, home, findings) for name, pool in sorted(settings.pools.items())
    }
    pools = {name: pool for name, pool in placed.items() if pool is not None}
    for name, options in settings.plans.items():
        check_plan(name, options, settings, home, findings)
    resolver = TenantResolver(settings, home, pools, findings)
    entries = [
        (f"tenantry:tenants[{position}]", entry) for position, entry in zip(positions, settings.tenants, strict=True)
    ]
    _check_unique_ids(((path, entry.id) for path, entry in entries), findings)
    tenants = [tenant for path, entry in entries if (tenant := resolver.tenant(path, entry)) is not None]
    tenants.sort(key=lambda tenant: tenant.id)
    guests = dict(sorted(resolver.guests.items()))
    _check_unique_names(settings, pools.values(), tenants, findings)
    _check_capacity(settings, pools, tenants, findings)
    check_url_secrets(guests, settings.secrets, findings)
    if settings.gcp is not None:
        check_quotas(tenants, settings.gcp, settings.environment.name, findings)
    check_web(settings, home, tenants, guests, findings)
    instances = [*pools.values(), *(tenant.instance for tenant in tenants if tenant.instance is not None)]
    if settings.aws is not None:
        check_backup_copies(instances, settings.aws, findings)
    if findings or home is None:
        return Resolved(plan=None, problems=tuple(findings.problems()), guests=guests)
    environment = environment_plan(settings, home, instances, tenants)
    plan = Plan(environment=environment, pools=tuple(pools.values()), tenants=tuple(tenants))
    return Resolved(plan=plan, guests=guests)


def _check_unique_ids(entries: Iterable[tuple[str, str]], findings: Findings) -> None:
    first: dict[str, str] = {}
    for path, tenant in entries:
        if first.setdefault(tenant, path) != path:
            findings.add(
                f"{path}.id",
                f"is taken by {first[tenant]}",
                fix="remove one of the two entries, or choose another id",
                value=tenant,
            )


def _check_unique_names(
    settings: Settings, pools: Iterable[InstancePlan], tenants: Iterable[TenantPlan], findings: Findings
) -> None:
    """Two ids may differ and still derive one name.

    Databases and roles share one namespace here: PostgreSQL connects a login that names no database to the one of its
    own name, so tenant `acme`'s login `tn_acme_a` must never be the name of tenant `acme-a`'s database.
    """
    owners = {name: f"the environment's {role} bucket" for role, name in environment_buckets(settings).items()}
    owners |= {pool.name: f"{pool.key.replace('-', ' ', 1)}" for pool in pools}
    # in the order of ids, so that the entry to blame does not depend on the order of the list
    for tenant in sorted({tenant.id: tenant for tenant in tenants}.values(), key=lambda tenant: tenant.id):
        owner = f"tenant {tenant.id!r}"
        derived = [*names.TenantNames(tenant.id).all()]
        if tenant.files.mode == "bucket":
            derived.append(str(tenant.files.bucket))
        if tenant.instance is not None:
            derived.append(tenant.instance.name)
        for name in derived:
            other = owners.setdefault(name, owner)
            if other != owner:
                findings.add(
                    f"{tenant.path}.id",
                    f"derives the name {name!r}, which belongs to {other}",
                    fix="choose another id",
                    value=tenant.id,
                    subject=Subject("tenant", tenant.id),
                )


def _check_capacity(
    settings: Settings, pools: Mapping[str, InstancePlan], tenants: Iterable[TenantPlan], findings: Findings
) -> None:
    count: Counter[str] = Counter()
    connections: defaultdict[str, int] = defaultdict(int)
    for tenant in tenants:
        if tenant.on_sql is not None and tenant.sql.pool is not None:
            count[tenant.sql.pool] += 1
            connections[tenant.sql.pool] += tenant.sql.connection_limit
    for name, pool in pools.items():
        path, subject = f"tenantry:pools.{name}", Subject("pool", name)
        capacity = settings.pools[name].capacity
        if count[name] > capacity:
            findings.add(
                f"{path}.capacity",
                f"is full: {count[name]} tenants are placed on it",
                fix="add a pool and place the new tenants there, or raise the capacity",
                value=capacity,
                subject=subject,
            )
        if connections[name] + RESERVED_CONNECTIONS > pool.max_connections:
            findings.add(
                f"{path}.max_connections",
                f"its tenants are promised {connections[name]} connections and {RESERVED_CONNECTIONS} are reserved",
                fix="raise max_connections (and the tier), or lower the tenants' connection_limit",
                value=pool.max_connections,
                subject=subject,
            )


__all__ = ["ConfigError", "Resolved", "load", "resolve"]
