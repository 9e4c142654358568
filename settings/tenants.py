"""Tenants: plan, placement, names, targets; one at a time, so that none depends on its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from settings import names
from settings.clouds import check_kind, has_cloud_of, section_of
from settings.declared import Declared
from settings.defaults import HOME_KINDS, RESERVED_CONNECTIONS
from settings.errors import Findings, Subject, listed
from settings.firestore import firestore_plan
from settings.guests import guest_plan
from settings.instances import home_region, plan_instance
from settings.layers import Layers
from settings.models import PlanSettings, Settings, TenantSettings
from settings.options import check_kind_options, check_no_pool, check_placement_options
from settings.plan import ExternalPlan, FilesPlan, FirestorePlan, InstancePlan, SqlPlan, TenantPlan
from settings.recovery_targets import Achievable, of_firestore, of_guest, of_instance
from settings.types import CLOUD_OF_KIND, CLOUD_TITLES, Cloud, FailureScope, Kind, SqlKind

_LONGEST_BUCKET: Final = 63
_REPLICA_SUFFIX: Final = "-replica"
_EVERY_KIND: Final[tuple[Kind, ...]] = get_args(Kind)


def _where(kind: SqlKind) -> str:
    return f"{kind} on {CLOUD_TITLES[cloud]}" if (cloud := CLOUD_OF_KIND[kind]) else kind


def plan_layers(settings: Settings) -> dict[str, Layers]:
    """Plan → the layers that its tenants start from."""
    defaults = Layers.defaults()
    return {name: defaults.over(plan, f"tenantry:plans.{name}") for name, plan in settings.plans.items()}


def check_plan(name: str, plan: PlanSettings, settings: Settings, home: Cloud | None, findings: Findings) -> None:
    """What is wrong with a plan, whether or not a tenant has it: no option of it may go unheard."""
    path, subject = f"tenantry:plans.{name}", Subject("plan", name)
    if plan.kind is not None:
        check_kind(plan.kind, _EVERY_KIND, f"{path}.kind", subject, settings, findings)
    kind = plan.kind or (None if home is None else HOME_KINDS[home])
    if kind is not None:
        check_kind_options(plan, kind, "" if plan.kind else " by default", path, subject, findings)
    if plan.kind in {"external", "firestore"}:
        return
    if plan.placement == "dedicated":
        check_no_pool(plan, "placement is dedicated", path, subject, findings)
        return
    check_placement_options(plan, "placement is shared", path, subject, findings)
    if plan.pool is not None and plan.pool not in settings.pools:
        findings.add(
            f"{path}.pool",
            "names no pool",
            fix=f"use one of {listed(settings.pools)}, or add it under tenantry:pools",
            value=plan.pool,
            subject=subject,
        )


class TenantResolver:
    """Resolves tenants against the plans and pools of one stack.

    Attributes:
        guests: tenant id → its guest database, also of tenants that could not be resolved otherwise.
    """

    def __init__(
        self, settings: Settings, home: Cloud | None, pools: Mapping[str, InstancePlan], findings: Findings
    ) -> None:
        self._settings = settings
        self._home = home
        self._pools = pools
        self._findings = findings
        self._plans = plan_layers(settings)
        self.guests: dict[str, ExternalPlan] = {}

    def tenant(self, path: str, entry: TenantSettings) -> TenantPlan | None:
        """The tenant's plan; None when a problem leaves it without plan, kind, cloud or instance."""
        plan_name = entry.plan or self._settings.environment.default_plan
        self._check_state(path, entry)
        plan = self._plans.get(plan_name)
        if plan is None:
            if entry.plan is not None:  # a missing default plan is reported once, with the environment
                self._findings.add(
                    f"{path}.plan",
                    "names no plan",
                    fix=f"use one of {listed(self._settings.plans)}, or add it under tenantry:plans",
                    value=plan_name,
                    subject=Subject("tenant", entry.id),
                )
            return None
        return self._placed(path, entry, plan.over(entry, path), plan_name)

    def _check_state(self, path: str, entry: TenantSettings) -> None:
        if entry.legal_hold and entry.state == "offboarding":
            self._findings.add(
                f"{path}.state",
                "is under legal hold and cannot be offboarded (R2.6)",
                fix="keep it active or suspended until legal_hold is lifted",
                value=entry.state,
                subject=Subject("tenant", entry.id),
            )

    def _placed(self, path: str, entry: TenantSettings, layers: Layers, plan_name: str) -> TenantPlan | None:
        subject = Subject("tenant", entry.id)
        kind: Kind | None = layers.values["kind"] or (None if self._home is None else HOME_KINDS[self._home])
        if kind is None:  # the undecided home is reported with the environment
            return None
        by = "" if entry.kind is not None else f" by plan {plan_name!r}" if "kind" in layers.written else " by default"
        check_kind_options(entry, kind, by, path, subject, self._findings)
        if kind == "external":
            self.guests[entry.id] = guest_plan(entry.id, path, layers, self._findings)
        if entry.kind is not None:  # a plan's kind is reported once, with the plan
            check_kind(kind, _EVERY_KIND, f"{path}.kind", subject, self._settings, self._findings)
        cloud = CLOUD_OF_KIND[kind] or self._home
        if cloud is None or not has_cloud_of(kind, self._settings):
            return None
        labels = {"tenant": entry.id}
        if entry.cost_centre is not None:
            labels["cost-centre"] = entry.cost_centre
        found: SqlPlan | FirestorePlan | ExternalPlan | None
        match kind:
            case "cloudsql" | "rds":
                by_plan = "" if entry.placement is not None else f" by plan {plan_name!r}"
                found, region = self._sql(path, entry, layers, kind, labels, by_plan)
            case "firestore":
                found = firestore_plan(entry.id, path, layers, self._settings, self._findings)
                region = found.location
            case _:
                found, region = self.guests[entry.id], section_of(cloud, self._settings).region
        if found is None:
            return None
        self._check_targets(layers, found, subject)
        derived = names.TenantNames(entry.id)
        return TenantPlan(
            id=entry.id,
            display_name=entry.name or entry.id,
            path=path,
            plan=plan_name,
            state=entry.state,
            kind=kind,
            cloud=cloud,
            region=region,
            database=derived.firestore_database if kind == "firestore" else derived.database,
            url_secret=derived.url_secret,
            on_sql=found if isinstance(found, SqlPlan) else None,
            on_firestore=found if isinstance(found, FirestorePlan) else None,
            as_guest=found if isinstance(found, ExternalPlan) else None,
            ring=layers.values["ring"],
            files=self._files(path, entry.id, layers.values["files"], cloud),
            targets=layers.targets,
            labels=labels | {"plan": plan_name},
            legal_hold=entry.legal_hold,
            recreate_after_loss=entry.recreate_after_loss,
        )

    def _sql(  # noqa: PLR0917 - what a tenant is resolved from
        self, path: str, entry: TenantSettings, layers: Layers, kind: SqlKind, labels: Mapping[str, str], by_plan: str
    ) -> tuple[SqlPlan | None, str]:
        dedicated = layers.values["placement"] == "dedicated"
        if dedicated:
            instance: InstancePlan | None = self._dedicated(path, entry, layers, kind, labels, by_plan)
        else:
            instance = self._shared(path, entry, layers, kind, by_plan)
        if instance is None:
            return None, ""
        tenant = names.TenantNames(entry.id)
        # a sum, so that raising either by one turns every login pair by exactly one
        rotation = self._settings.secrets.rotation + entry.extra_rotations
        plan = SqlPlan(
            placement=instance.placement,
            pool=None if dedicated else layers.values["pool"],
            instance_key=instance.key,
            instance=instance if dedicated else None,
            owner_role=tenant.owner_role,
            logins=tenant.logins,
            active_login=tenant.active_login(rotation),
            rotation=rotation,
            credential_secret=tenant.credential_secret,
            connection_limit=layers.values["connection_limit"],
            statement_timeout_seconds=layers.values["statement_timeout_seconds"],
        )
        return plan, instance.region

    def _shared(
        self, path: str, entry: TenantSettings, layers: Layers, kind: SqlKind, by_plan: str
    ) -> InstancePlan | None:
        subject = Subject("tenant", entry.id)
        check_placement_options(entry, f"placement is shared{by_plan}", path, subject, self._findings)
        pool = layers.values["pool"]
        if pool is None:
            self._findings.add(
                f"{path}.pool",
                "is shared, but neither it nor its plan names a pool",
                fix=f"set pool to one of {listed(self._settings.pools)}",
                subject=subject,
            )
            return None
        if pool not in self._settings.pools:
            if entry.pool is not None:  # a plan's unknown pool is reported once, with the plan
                self._findings.add(
                    f"{path}.pool",
                    "names no pool",
                    fix=f"use one of {listed(self._settings.pools)}, or add it under tenantry:pools",
                    value=pool,
                    subject=subject,
                )
            return None
        instance = self._pools.get(pool)
        if instance is None:  # reported with the pool
            return None
        if instance.kind != kind:
            self._findings.add(
                layers.written.get("pool", f"{path}.pool"),
                f"is a pool of kind {_where(instance.kind)}, and the tenant is of kind {_where(kind)}",
                fix=f"name a {kind} pool, or set the tenant's kind to {instance.kind}",
                value=pool,
                subject=subject,
            )
            return None
        return instance

    def _dedicated(  # noqa: PLR0917
        self, path: str, entry: TenantSettings, layers: Layers, kind: SqlKind, labels: Mapping[str, str], by_plan: str
    ) -> InstancePlan:
        subject = Subject("tenant", entry.id)
        check_no_pool(entry, f"placement is dedicated{by_plan}", path, subject, self._findings)
        declared = Declared(
            written=layers.instance,
            places={option.removeprefix("instance."): place for option, place in layers.written.items()},
            path=f"{path}.instance",
            subject=subject,
            key=f"tenant-{entry.id}",
            kind=kind,
            placement="dedicated",
            region=layers.values["region"] or home_region(kind, self._settings),
            region_path=layers.written.get("region", f"{path}.region"),
            labels=labels,
            recreate_after_loss=entry.recreate_after_loss,
        )
        connections, most = layers.values["connection_limit"], declared.options["max_connections"]
        if connections + RESERVED_CONNECTIONS > most:
            self._findings.add(
                layers.written.get("connection_limit", f"{path}.connection_limit"),
                f"with {RESERVED_CONNECTIONS} reserved connections it exceeds the instance's max_connections ({most})",
                fix="lower connection_limit, or raise instance.max_connections",
                value=connections,
                subject=subject,
            )
        return plan_instance(declared, self._settings, self._findings)

    def _files(self, path: str, tenant: str, mode: str, cloud: Cloud) -> FilesPlan:
        environment = self._settings.environment
        if mode == "prefix":
            shared = names.bucket(environment.organization, environment.name, "uploads")
            return FilesPlan(mode="prefix", bucket=shared, folder=f"{tenant}/")
        if mode == "bucket":
            own = names.bucket(environment.organization, environment.name, f"{tenant}-uploads")
            self._check_bucket(path, tenant, own, cloud)
            return FilesPlan(mode="bucket", bucket=own, folder=None)
        return FilesPlan(mode="none", bucket=None, folder=None)

    def _check_bucket(self, path: str, tenant: str, bucket: str, cloud: Cloud) -> None:
        replica = f"{bucket}{_REPLICA_SUFFIX}"
        message = None
        if cloud == "gcp" and ("google" in bucket or "g00gle" in bucket):
            message = f"its bucket {bucket!r} would hold the word google, which Cloud Storage refuses"
        elif cloud == "aws" and len(replica) > _LONGEST_BUCKET:
            message = f"the copy of its bucket, {replica!r}, has {len(replica)} characters of at most {_LONGEST_BUCKET}"
        if message is not None:
            self._findings.add(
                f"{path}.id",
                message,
                fix="set files to prefix, or choose another id",
                value=tenant,
                subject=Subject("tenant", tenant),
            )

    def _check_targets(self, layers: Layers, found: SqlPlan | FirestorePlan | ExternalPlan, subject: Subject) -> None:
        for scope, target in layers.targets.items():
            can = self._achievable(scope, found)
            for figure, improve in (("rpo_minutes", can.improve_rpo), ("rto_minutes", can.improve_rto)):
                wanted, reachable = getattr(target, figure), getattr(can, figure)
                if wanted < reachable:
                    self._findings.add(
                        f"{layers.written[f'targets.{scope}']}.{figure}",
                        f"cannot be met: {can.who} reaches {reachable} minutes when the scope is {scope} (R3.3)",
                        fix=f"accept {reachable}" if improve is None else f"{improve}, or accept {reachable}",
                        value=wanted,
                        subject=subject,
                    )

    def _achievable(self, scope: FailureScope, found: SqlPlan | FirestorePlan | ExternalPlan) -> Achievable:
        match found:
            case FirestorePlan():
                return of_firestore(scope, found)
            case ExternalPlan():
                return of_guest(scope, found)
            case SqlPlan():
                return of_instance(scope, found.instance or self._pools[str(found.pool)])
