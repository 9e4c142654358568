"""Tenants: plan, placement, names, targets; one at a time, so that none depends on its neighbours."""

from __future__ import annotations

from collections.abc import Mapping

from settings import names
from settings.defaults import HOME_KINDS, NOT_ENFORCED_ON_GUESTS, RESERVED_CONNECTIONS
from settings.environments import listed
from settings.errors import Findings, Subject
from settings.instances import Declared, instance_region, tenant_instance
from settings.layers import Layers, complete_instance
from settings.models import PlanSettings, Settings, TenantSettings
from settings.plan import ExternalPlan, FilesPlan, FirestorePlan, InstancePlan, SqlPlan, TenantPlan
from settings.recovery_targets import achievable
from settings.types import CLOUD_OF_KIND, Cloud, Kind, SqlKind


def plan_layers(settings: Settings) -> dict[str, Layers]:
    """Plan → the layers that its tenants start from."""
    defaults = Layers.defaults()
    return {name: defaults.over(plan, f"tenantry:plans.{name}") for name, plan in settings.plans.items()}


def check_plan(name: str, plan: PlanSettings, pools: Mapping[str, InstancePlan], findings: Findings) -> None:
    """What is wrong with a plan, whether or not a tenant has it: no option of it may go unheard."""
    path, subject = f"tenantry:plans.{name}", Subject("plan", name)
    if plan.placement == "dedicated":
        if plan.pool is not None:
            findings.add(
                f"{path}.pool",
                "placement is dedicated, so there is no pool",
                fix="remove pool, or set placement to shared",
                value=plan.pool,
                subject=subject,
            )
        return
    _refuse_instance_options(plan, path, subject, "placement is shared", findings)
    if plan.pool is not None and plan.pool not in pools:
        findings.add(
            f"{path}.pool",
            "names no pool",
            fix=f"use one of {listed(pools)}, or add it under tenantry:pools",
            value=plan.pool,
            subject=subject,
        )


def _refuse_instance_options(
    options: PlanSettings | TenantSettings, path: str, subject: Subject, why: str, findings: Findings
) -> None:
    for field in ("instance", "region"):
        if getattr(options, field) is not None:
            findings.add(
                f"{path}.{field}",
                f"{why}, so the pool decides the {field}",
                fix=f"remove {field}, or set placement to dedicated",
                subject=subject,
            )


class TenantResolver:
    """Resolves tenants against the plans and pools of one stack."""

    def __init__(self, settings: Settings, home: Cloud, pools: Mapping[str, InstancePlan], findings: Findings) -> None:
        self._settings = settings
        self._home = home
        self._pools = pools
        self._findings = findings
        self._plans = plan_layers(settings)

    def tenant(self, path: str, entry: TenantSettings) -> TenantPlan | None:
        """The tenant's plan; None when a problem leaves it without plan or instance."""
        subject = Subject("tenant", entry.id)
        plan_name = entry.plan or self._settings.environment.default_plan
        plan = self._plans.get(plan_name)
        if plan is None:
            if entry.plan is not None:  # a missing default plan is reported once, with the environment
                self._findings.add(
                    f"{path}.plan",
                    "names no plan",
                    fix=f"use one of {listed(self._settings.plans)}, or add it under tenantry:plans",
                    value=plan_name,
                    subject=subject,
                )
            return None
        if entry.legal_hold and entry.state == "offboarding":
            self._findings.add(
                f"{path}.state",
                "is under legal hold and cannot be offboarded (R2.6)",
                fix="keep it active or suspended until legal_hold is lifted",
                value=entry.state,
                subject=subject,
            )
        layers = plan.over(entry, path)
        labels = {"tenant": entry.id}
        if entry.cost_centre is not None:
            labels["cost-centre"] = entry.cost_centre
        by_plan = "" if entry.placement is not None else f" by plan {plan_name!r}"
        labels["plan"] = plan_name
        kind: Kind = layers.values["kind"] or HOME_KINDS[self._home]
        cloud = CLOUD_OF_KIND[kind] or self._home
        if getattr(self._settings, cloud) is None:
            self._findings.add(
                layers.written.get("kind", f"{path}.kind"),
                f"is {kind}, and the stack has no section tenantry:{cloud}",
                fix=f"add the section, or choose a kind that runs on {self._home}",
                value=kind,
                subject=subject,
            )
            return None
        found: SqlPlan | FirestorePlan | ExternalPlan | None = None
        region = ""
        match kind:
            case "cloudsql" | "rds":
                found, region = self._sql(path, entry, layers, kind, labels, by_plan)
            case "firestore":
                found, region = self._firestore(entry, layers)
            case "external":
                found, region = self._external(entry, layers)
        if found is None:
            return None
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
            files=self._files(path, entry.id, layers.values["files"]),
            targets=layers.targets,
            labels=labels,
            legal_hold=entry.legal_hold,
            recreate_after_loss=entry.recreate_after_loss,
        )

    def _sql(  # noqa: PLR0917 - what a tenant is resolved from
        self, path: str, entry: TenantSettings, layers: Layers, kind: SqlKind, labels: Mapping[str, str], by_plan: str
    ) -> tuple[SqlPlan | None, str]:
        dedicated = layers.values["placement"] == "dedicated"
        if dedicated:
            own = {name: value for name, value in labels.items() if name != "plan"}
            instance: InstancePlan | None = self._dedicated(path, entry, layers, kind, own, by_plan)
        else:
            instance = self._shared(path, entry, layers, kind, by_plan)
        if instance is None:
            return None, ""
        self._check_targets(layers, instance, Subject("tenant", entry.id))
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

    def _firestore(self, entry: TenantSettings, layers: Layers) -> tuple[FirestorePlan | None, str]:
        gcp = self._settings.gcp
        if gcp is None:
            return None, ""
        location = layers.firestore.get("location") or gcp.region
        plan = FirestorePlan(
            location=location,
            cmek=gcp.firestore_cmek_databases > 0,
            daily_retention_days=layers.firestore["daily_retention_days"],
            weekly_retention_weeks=layers.firestore["weekly_retention_weeks"],
            service_account=names.TenantNames(entry.id).service_account,
        )
        return plan, location

    def _external(self, entry: TenantSettings, layers: Layers) -> tuple[ExternalPlan | None, str]:
        derived = names.TenantNames(entry.id)
        separate = layers.external["separate_backup_login"]
        attested = layers.external.get("attested")
        plan = ExternalPlan(
            provider=layers.external["provider"],
            dsn=derived.external_dsn,
            backup_dsn=derived.external_backup_dsn if separate else None,
            backup_url_secret=derived.backup_url_secret if separate else None,
            attested=attested,
            not_enforced=NOT_ENFORCED_ON_GUESTS,
        )
        home = self._settings.gcp if self._home == "gcp" else self._settings.aws
        return plan, "" if home is None else home.region

    def _shared(
        self, path: str, entry: TenantSettings, layers: Layers, kind: SqlKind, by_plan: str
    ) -> InstancePlan | None:
        subject = Subject("tenant", entry.id)
        _refuse_instance_options(entry, path, subject, f"placement is shared{by_plan}", self._findings)
        pool = layers.values["pool"]
        if pool is None:
            self._findings.add(
                f"{path}.pool",
                "is shared, but neither it nor its plan names a pool",
                fix=f"set pool to one of {listed(self._pools)}",
                subject=subject,
            )
            return None
        if pool not in self._pools:
            if entry.pool is not None:  # a plan's unknown pool is reported once, with the plan
                self._findings.add(
                    f"{path}.pool",
                    "names no pool",
                    fix=f"use one of {listed(self._pools)}, or add it under tenantry:pools",
                    value=pool,
                    subject=subject,
                )
            return None
        instance = self._pools[pool]
        if instance.kind != kind:
            self._findings.add(
                layers.written.get("pool", f"{path}.pool"),
                f"is a {instance.kind} pool on {CLOUD_OF_KIND[instance.kind]}, and the tenant is of kind {kind}",
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
        if entry.pool is not None:
            self._findings.add(
                f"{path}.pool",
                f"placement is dedicated{by_plan}, so there is no pool",
                fix="remove pool, or set placement to shared",
                value=entry.pool,
                subject=subject,
            )
        connections = layers.values["connection_limit"]
        most = complete_instance(layers.instance, kind)["max_connections"]
        if connections + RESERVED_CONNECTIONS > most:
            self._findings.add(
                layers.written.get("connection_limit", f"{path}.connection_limit"),
                f"with {RESERVED_CONNECTIONS} reserved connections it exceeds the instance's max_connections ({most})",
                fix="lower connection_limit, or raise instance.max_connections",
                value=connections,
                subject=subject,
            )
        declared = Declared(
            options=layers.instance,
            written={option.removeprefix("instance."): place for option, place in layers.written.items()},
            path=f"{path}.instance",
            subject=subject,
            key=f"tenant-{entry.id}",
            kind=kind,
            placement="dedicated",
            region=instance_region(kind, layers.values["region"], self._settings) or "",
            region_path=layers.written.get("region", f"{path}.region"),
            labels=labels,
            recreate_after_loss=entry.recreate_after_loss,
        )
        return tenant_instance(declared, self._settings, self._findings)

    def _files(self, path: str, tenant: str, mode: str) -> FilesPlan:
        environment = self._settings.environment
        if mode == "prefix":
            shared = names.bucket(environment.organization, environment.name, "uploads")
            return FilesPlan(mode="prefix", bucket=shared, folder=f"{tenant}/")
        if mode == "bucket":
            own = names.bucket(environment.organization, environment.name, f"{tenant}-uploads")
            if "google" in own or "g00gle" in own:
                self._findings.add(
                    f"{path}.id",
                    f"its bucket {own!r} would hold the word google, which Cloud Storage refuses",
                    fix="set files to prefix, or choose another id",
                    value=tenant,
                    subject=Subject("tenant", tenant),
                )
            return FilesPlan(mode="bucket", bucket=own, folder=None)
        return FilesPlan(mode="none", bucket=None, folder=None)

    def _check_targets(self, layers: Layers, instance: InstancePlan, subject: Subject) -> None:
        where = "its own instance" if instance.placement == "dedicated" else instance.key.replace("-", " ", 1)
        for scope, target in layers.targets.items():
            can = achievable(scope, instance)
            for figure, improve in (("rpo_minutes", can.improve_rpo), ("rto_minutes", can.improve_rto)):
                wanted, reachable = getattr(target, figure), getattr(can, figure)
                if wanted < reachable:
                    self._findings.add(
                        f"{layers.written[f'targets.{scope}']}.{figure}",
                        f"cannot be met: {where} reaches {reachable} minutes when the scope is {scope} (R3.3)",
                        fix=f"accept {reachable}" if improve is None else f"{improve}, or accept {reachable}",
                        value=wanted,
                        subject=subject,
                    )
