"""The registry as the job sees it: tenants grouped by the instance that they live on, damaged entries apart."""

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.sql.errors import JobError
from jobs.sql.registry import Instance, Scope, Tenant, parse_instance, parse_tenant
from jobs.sql.stores import Objects

KINDS: Final = frozenset({"cloudsql", "rds", "firestore", "external"})
"""What a tenant's database may run on; anything else is an object that nobody understands."""


class _Kind(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    kind: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """An instance and the tenants on it, sorted by id."""

    instance: Instance
    tenants: tuple[Tenant, ...]


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Everything that the registry declares for this job.

    Attributes:
        groups: the instances that have tenants, sorted by key.
        homeless: valid tenants whose instance is missing or damaged, each with the reason.
        damaged: names of tenant objects that cannot be used, each with the reason.
        idle: the instances that have no tenant, sorted by key.
        unusable: keys of such instances whose object is damaged, each with the reason.
        other_kinds: how many tenants live elsewhere (Firestore, external) and are none of this job's business.
    """

    groups: tuple[Group, ...]
    homeless: tuple[tuple[Tenant, str], ...]
    damaged: tuple[tuple[str, str], ...]
    idle: tuple[Instance, ...]
    unusable: tuple[tuple[str, str], ...]
    other_kinds: int

    @property
    def count(self) -> int:
        return sum(len(group.tenants) for group in self.groups) + len(self.homeless) + len(self.damaged)


def load(objects: Objects, scope: Scope) -> Catalog:
    """Read the registry. A damaged object costs its own tenant or instance, never the run."""
    tenants: dict[str, list[Tenant]] = defaultdict(list)
    damaged: list[tuple[str, str]] = []
    other_kinds = 0
    for name in objects.names("tenants/"):
        try:
            content = objects.read(name)
            if content is None:  # removed between the listing and the reading
                continue
            if kind_of(content) in KINDS - {scope.kind}:
                other_kinds += 1
                continue
            tenant = parse_tenant(name, content, scope.kind)
        except (JobError, OSError) as error:
            damaged.append((name, str(error)))
        else:
            tenants[tenant.instance].append(tenant)
    groups: list[Group] = []
    homeless: list[tuple[Tenant, str]] = []
    for key in sorted(tenants):
        name = f"instances/{key}.json"
        try:
            found = objects.read(name)
            if found is None:
                raise JobError(f"{name}: no such object, but tenants name it; run the program's `up` to the end")
            groups.append(Group(instance=parse_instance(name, found, scope), tenants=tuple(tenants[key])))
        except (JobError, OSError) as error:
            homeless += [(tenant, str(error)) for tenant in tenants[key]]
    idle, unusable = _without_tenants(objects, scope, tenants)
    return Catalog(
        groups=tuple(groups),
        homeless=tuple(homeless),
        damaged=tuple(damaged),
        idle=idle,
        unusable=unusable,
        other_kinds=other_kinds,
    )


def _without_tenants(
    objects: Objects, scope: Scope, taken: Container[str]
) -> tuple[tuple[Instance, ...], tuple[tuple[str, str], ...]]:
    idle: list[Instance] = []
    unusable: list[tuple[str, str]] = []
    for name in objects.names("instances/"):
        key = name.removeprefix("instances/").removesuffix(".json")
        if key in taken:
            continue
        try:
            content = objects.read(name)
            if content is None:
                continue
            idle.append(parse_instance(name, content, scope))
        except (JobError, OSError) as error:
            unusable.append((key, str(error)))
    return tuple(idle), tuple(unusable)


def kind_of(content: bytes) -> str | None:
    """The declared kind, or None when the object is too damaged to say."""
    try:
        return _Kind.model_validate_json(content).kind
    except ValidationError:
        return None
