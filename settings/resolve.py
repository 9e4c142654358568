"""From `Settings` to `Plan`: layering, placement, names, ranges, capacity, floors and targets, as pure functions."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from settings import names
from settings.defaults import (
    AUDIT_RETENTION_DAYS,
    AUDIT_RETENTION_DAYS_SOX,
    FLOORS,
    INSTANCE_DEFAULTS,
    RESERVED_CONNECTIONS,
    TENANT_DEFAULTS,
)
from settings.errors import ConfigError, Problem
from settings.load import parse
from settings.models import (
    InstanceOptions,
    PlanSettings,
    PoolSettings,
    RecoveryTarget,
    Settings,
    TenantOptions,
    TenantSettings,
)
from settings.plan import BucketNames, EnvironmentPlan, FilesPlan, GcpPlan, InstancePlan, Plan, TenantPlan
from settings.recovery_targets import achievable
from settings.types import FailureScope, Placement

# Cloud SQL: transaction logs per edition, in days (backupConfiguration.transactionLogRetentionDays).
_PITR_LIMIT: Final = {"ENTERPRISE": 7, "ENTERPRISE_PLUS": 35}
# Fields of a pool that are not those of an instance.
_POOL_ONLY: Final = {"capacity", "region", "recreate_after_loss"}


def load(raw: Mapping[str, Any], stack: str) -> Plan:
    """Validate and resolve the raw configuration of `stack`.

    Raises:
        ConfigError: every problem found, of form and of meaning.
    """
    settings, positions, problems = parse(raw)
    if settings is None:
        raise ConfigError(problems)
    plan, more = resolve(settings, stack=stack, positions=positions)
    problems += more
    if problems or plan is None:
        raise ConfigError(problems)
    return plan


def resolve(
    settings: Settings, *, stack: str, positions: tuple[int, ...] | None = None
) -> tuple[Plan | None, list[Problem]]:
    """Decide everything that can be decided without a cloud.

    Args:
        settings: validated settings.
        stack: name of the Pulumi stack, which must be the environment's.
        positions: position of each tenant in the file, where it differs from its position in `settings`.

    Returns:
        The plan and the problems; the plan is None when a problem leaves it incomplete.
    """
    return _Resolver(settings, stack, positions or tuple(range(len(settings.tenants)))).run()


class _Resolver:
    def __init__(self, settings: Settings, stack: str, positions: tuple[int, ...]) -> None:
        self.settings = settings
        self.stack = stack
        self.positions = positions
        self.problems: list[Problem] = []
        self.floor = FLOORS[settings.environment.name]

    def run(self) -> tuple[Plan | None, list[Problem]]:
        self._check_environment()
        pools = {name: self._pool(name, pool) for name, pool in self.settings.pools.items()}
        tenants = [
            tenant
            for position, entry in zip(self.positions, self.settings.tenants, strict=True)
            if (tenant := self._tenant(f"tenantry:tenants[{position}]", entry, pools)) is not None
        ]
        self._check_unique_ids()
        self._check_unique_names(pools.values(), tenants)
        self._check_capacity(tenants)
        if self.problems:
            return None, self.problems
        ordered = tuple(sorted(tenants, key=lambda tenant: tenant.id))
        used_pools = tuple(pools[name] for name in sorted(pools))
        instances = [*used_pools, *(tenant.instance for tenant in ordered if tenant.instance is not None)]
        return Plan(environment=self._environment(instances), pools=used_pools, tenants=ordered), []

    def _problem(self, path: str, message: str, fix: str, value: object = None) -> None:
        self.problems.append(Problem(path=path, message=message, fix=fix, value=None if value is None else str(value)))

    # -- environment --------------------------------------------------------------------------------------------------

    def _check_environment(self) -> None:
        environment, gcp, backups = self.settings.environment, self.settings.gcp, self.settings.backups
        if environment.name != self.stack:
            self._problem(
                "tenantry:environment.name",
                f"is not the stack's name {self.stack!r}",
                "name the environment after its stack; each stack has a cloud project of its own",
                environment.name,
            )
        if gcp.backup_region == gcp.region:
            self._problem(
                "tenantry:gcp.backup_region",
                "is the home region: backups must leave it (R3.2)",
                "choose another region",
                gcp.backup_region,
            )
        if environment.default_plan not in self.settings.plans:
            self._problem(
                "tenantry:environment.default_plan",
                "names no plan",
                f"use one of {_listed(self.settings.plans)}, or add it under tenantry:plans",
                environment.default_plan,
            )
        if backups.export_retention_days < self.floor.export_retention_days:
            self._below_floor(
                "tenantry:backups.export_retention_days",
                "export_retention_days",
                backups.export_retention_days,
                self.floor.export_retention_days,
            )
        if self.floor.lock and not backups.lock:
            self._below_floor("tenantry:backups.lock", "lock", "false", "true")
        self._check_monitoring()

    def _check_monitoring(self) -> None:
        monitoring, secrets = self.settings.monitoring, self.settings.secrets
        channels = monitoring.channels
        if not channels.email and channels.slack is None and not channels.pagerduty:
            self._problem(
                "tenantry:monitoring.channels", "has no channel: nobody would be told", "add email, slack or pagerduty"
            )
        needed = {
            "SLACK_TOKEN": (channels.slack is not None, "monitoring.channels.slack"),
            "PAGERDUTY_KEY": (channels.pagerduty, "monitoring.channels.pagerduty"),
        }
        for name, (wanted, reason) in needed.items():
            if wanted and name not in secrets.external:
                self._problem(
                    "tenantry:secrets.external",
                    f"lacks {name}, which {reason} needs",
                    f"add {name} to the list and set its value with "
                    f"`pulumi config set --secret --path tenantry:external_secrets.{name}`",
                )
        for name in sorted(set(secrets.generated) & set(secrets.external)):
            self._problem(
                "tenantry:secrets.external", "is also in `generated`", "a secret has one source: list it once", name
            )
        thresholds = monitoring.thresholds
        if thresholds.error_rate_warning >= thresholds.error_rate_critical:
            self._problem(
                "tenantry:monitoring.thresholds.error_rate_warning",
                f"is not below error_rate_critical ({thresholds.error_rate_critical})",
                "warn before it is critical",
                thresholds.error_rate_warning,
            )
        if monitoring.budget is not None and self.settings.gcp.billing_account is None:
            self._problem(
                "tenantry:gcp.billing_account",
                "is missing, and monitoring.budget needs it",
                "add the billing account (012345-6789AB-CDEF01), or remove the budget",
            )

    def _below_floor(self, path: str, field: str, value: object, floor: object, subject: str = "") -> None:
        name = self.settings.environment.name
        self._problem(
            path,
            f"{subject}{field} is below the floor of {name}, which is {floor} (R8.2)",
            f"set {field} to at least {floor}" if field != "lock" else "set it to true",
            value,
        )

    def _environment(self, instances: Iterable[InstancePlan]) -> EnvironmentPlan:
        environment, gcp = self.settings.environment, self.settings.gcp
        workload_range, services_range = ipaddress.ip_network(gcp.network).subnets(prefixlen_diff=1)
        regions = {gcp.region, gcp.backup_region}
        for instance in instances:
            regions |= {instance.region} | ({instance.replica_region} if instance.replica_region else set())

        def bucket(role: str) -> str:
            return names.bucket(environment.organization, environment.name, role)

        return EnvironmentPlan(
            name=environment.name,
            organization=environment.organization,
            labels={
                "environment": environment.name,
                "service": environment.service,
                "cost-centre": environment.cost_centre,
                "managed-by": "tenantry",
            },
            gcp=GcpPlan(
                project=gcp.project,
                project_number=gcp.project_number,
                region=gcp.region,
                backup_region=gcp.backup_region,
                key_regions=tuple(sorted(regions)),
                workload_range=str(workload_range),
                services_range_address=str(services_range.network_address),
                services_range_prefix=services_range.prefixlen,
                billing_account=gcp.billing_account,
                jobs_image=gcp.jobs_image,
            ),
            buckets=BucketNames(
                uploads=bucket("uploads"),
                exports=bucket("exports"),
                audit=bucket("audit"),
                assets=bucket("assets"),
                registry=bucket("registry"),
            ),
            audit_retention_days=AUDIT_RETENTION_DAYS_SOX if environment.sox else AUDIT_RETENTION_DAYS,
            lock=self.settings.backups.lock,
            backups=self.settings.backups,
            secrets=self.settings.secrets,
            monitoring=self.settings.monitoring,
        )

    # -- instances ----------------------------------------------------------------------------------------------------

    def _pool(self, name: str, pool: PoolSettings) -> InstancePlan:
        environment = self.settings.environment
        options = _layered_instance(InstanceOptions.model_validate(pool.model_dump(exclude=_POOL_ONLY)))
        return self._instance(
            options,
            path=f"tenantry:pools.{name}",
            subject=f"pool {name!r}: ",
            key=f"pool-{name}",
            name=names.pool_instance(environment.organization, environment.name, name, options["generation"]),
            placement="shared",
            region=pool.region or self.settings.gcp.region,
            labels={"pool": name},
            recreate_after_loss=pool.recreate_after_loss,
        )

    def _instance(
        self,
        options: Mapping[str, Any],
        *,
        path: str,
        subject: str,
        key: str,
        name: str,
        placement: Placement,
        region: str,
        labels: Mapping[str, str],
        recreate_after_loss: bool,
    ) -> InstancePlan:
        gcp = self.settings.gcp
        for field in ("pitr_days", "retained_backups"):
            floor = getattr(self.floor, field)
            if options[field] < floor:
                self._below_floor(f"{path}.{field}", field, options[field], floor, subject)
        if self.floor.availability == "REGIONAL" and options["availability"] != "REGIONAL":
            self._below_floor(f"{path}.availability", "availability", options["availability"], "REGIONAL", subject)
        limit = _PITR_LIMIT[options["edition"]]
        if options["pitr_days"] > limit:
            self._problem(
                f"{path}.pitr_days",
                f"{subject}edition {options['edition']} keeps transaction logs for at most {limit} days",
                f"set pitr_days to {limit} or less, or edition to ENTERPRISE_PLUS",
                options["pitr_days"],
            )
        plus_tier = options["tier"].startswith(("db-perf-optimized", "db-c4a"))
        if plus_tier != (options["edition"] == "ENTERPRISE_PLUS"):
            self._problem(
                f"{path}.tier",
                f"{subject}does not exist in edition {options['edition']}",
                "use db-perf-optimized-N-* with ENTERPRISE_PLUS, db-custom-* or shared-core with ENTERPRISE",
                options["tier"],
            )
        if 0 < options["disk_limit_gb"] < options["disk_gb"]:
            self._problem(
                f"{path}.disk_limit_gb",
                f"{subject}is below disk_gb ({options['disk_gb']})",
                "raise it, or set 0 for no bound",
                options["disk_limit_gb"],
            )
        if options["replica_region"] == region:
            self._problem(
                f"{path}.replica_region",
                f"{subject}is the instance's own region, so the replica would be lost with it",
                "choose another region",
                options["replica_region"],
            )
        return InstancePlan(
            key=key,
            name=name,
            path=path,
            placement=placement,
            region=region,
            backup_location=gcp.backup_region if region != gcp.backup_region else gcp.region,
            labels=labels,
            recreate_after_loss=recreate_after_loss,
            **options,
        )

    # -- tenants ------------------------------------------------------------------------------------------------------

    def _tenant(self, path: str, entry: TenantSettings, pools: Mapping[str, InstancePlan]) -> TenantPlan | None:
        environment = self.settings.environment
        plan_name = entry.plan or environment.default_plan
        plan = self.settings.plans.get(plan_name)
        if plan is None:
            if entry.plan is not None:  # a missing default plan is reported once, with the environment
                self._problem(
                    f"{path}.plan",
                    f"tenant {entry.id!r}: names no plan",
                    f"use one of {_listed(self.settings.plans)}, or add it under tenantry:plans",
                    plan_name,
                )
            return None
        options = _layered_tenant(plan, entry)
        if entry.legal_hold and entry.state == "offboarding":
            self._problem(
                f"{path}.state",
                f"tenant {entry.id!r}: is under legal hold and cannot be offboarded (R2.6)",
                "keep it active or suspended until legal_hold is lifted",
                entry.state,
            )
        instance = self._placement(path, entry, options, pools)
        if instance is None:
            return None
        self._check_targets(path, entry.id, options, instance)
        tenant = names.TenantNames(entry.id)
        rotation = entry.rotation or self.settings.secrets.rotation
        dedicated = options["placement"] == "dedicated"
        labels = {"tenant": entry.id, "plan": plan_name}
        if entry.cost_centre is not None:
            labels["cost-centre"] = entry.cost_centre
        return TenantPlan(
            id=entry.id,
            display_name=entry.name or entry.id,
            path=path,
            plan=plan_name,
            state=entry.state,
            kind=options["kind"],
            placement=options["placement"],
            pool=None if dedicated else options["pool"],
            region=instance.region,
            instance_key=instance.key,
            instance=instance if dedicated else None,
            database=tenant.database,
            owner_role=tenant.owner_role,
            logins=tenant.logins,
            active_login=tenant.active_login(rotation),
            rotation=rotation,
            credential_secret=tenant.credential_secret,
            url_secret=tenant.url_secret,
            connection_limit=options["connection_limit"],
            statement_timeout_seconds=options["statement_timeout_seconds"],
            ring=options["ring"],
            files=self._files(options["files"], entry.id),
            targets=options["targets"],
            labels=labels,
            legal_hold=entry.legal_hold,
            recreate_after_loss=entry.recreate_after_loss,
        )

    def _placement(
        self, path: str, entry: TenantSettings, options: Mapping[str, Any], pools: Mapping[str, InstancePlan]
    ) -> InstancePlan | None:
        if options["placement"] == "dedicated":
            return self._dedicated(path, entry, options)
        for field in ("instance", "region"):
            if getattr(entry, field) is not None:
                self._problem(
                    f"{path}.{field}",
                    f"tenant {entry.id!r}: is shared, so its pool decides the {field}",
                    f"remove {field}, or set placement to dedicated",
                )
        pool = options["pool"]
        if pool is None:
            self._problem(
                f"{path}.pool",
                f"tenant {entry.id!r}: is shared but neither it nor its plan names a pool",
                f"set pool to one of {_listed(pools)}",
            )
            return None
        if pool not in pools:
            self._problem(
                f"{path}.pool",
                f"tenant {entry.id!r}: names no pool",
                f"use one of {_listed(pools)}, or add it under tenantry:pools",
                pool,
            )
            return None
        return pools[pool]

    def _dedicated(self, path: str, entry: TenantSettings, options: Mapping[str, Any]) -> InstancePlan:
        environment = self.settings.environment
        if entry.pool is not None:
            self._problem(
                f"{path}.pool",
                f"tenant {entry.id!r}: is dedicated and has no pool",
                "remove pool, or set placement to shared",
                entry.pool,
            )
        instance = _layered_instance(options["instance"])
        if options["connection_limit"] + RESERVED_CONNECTIONS > instance["max_connections"]:
            self._problem(
                f"{path}.connection_limit",
                f"tenant {entry.id!r}: with {RESERVED_CONNECTIONS} reserved connections exceeds max_connections "
                f"({instance['max_connections']})",
                "lower connection_limit, or raise instance.max_connections",
                options["connection_limit"],
            )
        labels = {"tenant": entry.id}
        if entry.cost_centre is not None:
            labels["cost-centre"] = entry.cost_centre
        return self._instance(
            instance,
            path=f"{path}.instance",
            subject=f"tenant {entry.id!r}: ",
            key=f"tenant-{entry.id}",
            name=names.tenant_instance(environment.organization, environment.name, entry.id, instance["generation"]),
            placement="dedicated",
            region=options["region"] or self.settings.gcp.region,
            labels=labels,
            recreate_after_loss=entry.recreate_after_loss,
        )

    def _files(self, mode: str, tenant: str) -> FilesPlan:
        environment = self.settings.environment
        if mode == "prefix":
            shared = names.bucket(environment.organization, environment.name, "uploads")
            return FilesPlan(mode="prefix", bucket=shared, folder=f"{tenant}/")
        if mode == "bucket":
            own = names.bucket(environment.organization, environment.name, f"{tenant}-uploads")
            return FilesPlan(mode="bucket", bucket=own, folder=None)
        return FilesPlan(mode="none", bucket=None, folder=None)

    def _check_targets(self, path: str, tenant: str, options: Mapping[str, Any], instance: InstancePlan) -> None:
        for scope, target in options["targets"].items():
            can = achievable(scope, instance)
            for figure in ("rpo_minutes", "rto_minutes"):
                wanted, reachable = getattr(target, figure), getattr(can, figure)
                if wanted < reachable:
                    self._problem(
                        f"{path}.targets.{scope}.{figure}",
                        f"tenant {tenant!r}: cannot be met, {instance.key} reaches {reachable} minutes "
                        f"when the scope is {scope} (R3.3)",
                        f"change {can.improve}; or accept {reachable}",
                        wanted,
                    )

    # -- across tenants -----------------------------------------------------------------------------------------------

    def _check_unique_ids(self) -> None:
        first: dict[str, int] = {}
        for position, entry in zip(self.positions, self.settings.tenants, strict=True):
            if entry.id in first:
                self._problem(
                    f"tenantry:tenants[{position}].id",
                    f"is taken by tenantry:tenants[{first[entry.id]}]",
                    "remove one of the two entries",
                    entry.id,
                )
            else:
                first[entry.id] = position

    def _check_unique_names(self, pools: Iterable[InstancePlan], tenants: Iterable[TenantPlan]) -> None:
        """Two ids may differ and still derive one name, say of a bucket: the cloud would refuse the second."""
        organization, environment = self.settings.environment.organization, self.settings.environment.name
        owners: dict[tuple[str, str], str] = {
            ("bucket", names.bucket(organization, environment, role)): f"the environment's {role} bucket"
            for role in ("uploads", "exports", "audit", "assets", "registry")
        }
        for pool in pools:
            owners["instance", pool.name] = f"pool instance {pool.key}"
        seen: set[str] = set()
        for tenant in tenants:
            if tenant.id in seen:
                continue  # reported as a duplicate id
            seen.add(tenant.id)
            derived = [("name", name) for name in names.TenantNames(tenant.id).all()]
            if tenant.files.mode == "bucket":
                derived.append(("bucket", str(tenant.files.bucket)))
            if tenant.instance is not None:
                derived.append(("instance", tenant.instance.name))
            for key in derived:
                other = owners.setdefault(key, f"tenant {tenant.id!r}")
                if other != f"tenant {tenant.id!r}":
                    self._problem(
                        f"{tenant.path}.id",
                        f"tenant {tenant.id!r}: derives the {key[0]} {key[1]!r}, which belongs to {other}",
                        "choose another id",
                        tenant.id,
                    )

    def _check_capacity(self, tenants: Iterable[TenantPlan]) -> None:
        count: Counter[str] = Counter()
        connections: defaultdict[str, int] = defaultdict(int)
        for tenant in tenants:
            if tenant.pool is not None:
                count[tenant.pool] += 1
                connections[tenant.pool] += tenant.connection_limit
        for name, used in sorted(count.items()):
            pool = self.settings.pools[name]
            if used > pool.capacity:
                self._problem(
                    f"tenantry:pools.{name}.capacity",
                    f"pool {name!r} is full: {used} tenants are placed on it",
                    "add a pool and place the new tenants there, or raise the capacity",
                    pool.capacity,
                )
            limit = pool.max_connections or int(str(INSTANCE_DEFAULTS.max_connections))
            if connections[name] + RESERVED_CONNECTIONS > limit:
                self._problem(
                    f"tenantry:pools.{name}.max_connections",
                    f"pool {name!r} promises its tenants {connections[name]} connections and reserves "
                    f"{RESERVED_CONNECTIONS}",
                    "raise max_connections (and the tier), or lower the tenants' connection_limit",
                    limit,
                )


def _layered_instance(options: InstanceOptions) -> dict[str, Any]:
    """Defaults < what was written; every field of an instance, set."""
    return INSTANCE_DEFAULTS.model_dump() | options.model_dump(exclude_none=True)


def _layered_tenant(plan: PlanSettings, entry: TenantSettings) -> dict[str, Any]:
    """Defaults < plan < tenant, field by field; `instance` and `targets` are layered inside as well."""
    layers: tuple[TenantOptions, ...] = (TENANT_DEFAULTS, plan, entry)
    merged: dict[str, Any] = {}
    for field in TenantOptions.model_fields:
        written = [value for layer in layers if (value := getattr(layer, field)) is not None]
        merged[field] = written[-1] if written else None
    instance: dict[str, Any] = {}
    targets: dict[FailureScope, RecoveryTarget] = {}
    for layer in layers:
        if layer.instance is not None:
            instance |= layer.instance.model_dump(exclude_none=True)
        targets.update(layer.targets or {})
    if entry.placement == "dedicated" and entry.pool is None:
        merged["pool"] = None  # the plan's pool is for its shared tenants
    return merged | {"instance": InstanceOptions(**instance), "targets": targets}


def _listed(known: Iterable[str]) -> str:
    return ", ".join(sorted(known)) or "(none is defined)"


__all__ = ["ConfigError", "load", "resolve"]
