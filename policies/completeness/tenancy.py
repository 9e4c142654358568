"""Who is where: tenants by id, of every kind and on both clouds.

Tenants are found by the names that the program gives their parts, and not by the content of the registry alone: the
provider marks that content secret, so that `pulumi policy analyze` sees it redacted and would judge otherwise.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from policies.aws import tokens as aws
from policies.frame.index import Index
from policies.frame.resources import Resource
from policies.gcp import tokens as gcp
from policies.tokens import TENANT_DATABASE

DATABASE_PREFIX = "tn_"
SQL_KINDS = ("cloudsql", "rds")
KINDS = (*SQL_KINDS, "external", "firestore")
_TENANT_OBJECT = re.compile(r"tenants/([a-z][a-z0-9-]*)\.json")
_INSTANCE_OBJECT = re.compile(r"instances/(.+)\.json")
_OBJECT_NAMES = {gcp.BUCKET_OBJECT: "name", **dict.fromkeys(aws.S3_OBJECTS, "key")}


def document(item: Resource | None) -> dict[str, Any]:
    """A registry object's JSON, or nothing if there is none or it is unknown, redacted or no JSON object."""
    content = item.text("content") if item is not None else None
    if content is None:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _registry(stack: Index, pattern: re.Pattern[str]) -> list[tuple[str, Resource]]:
    """Registry objects with the key in their name."""
    found = []
    for token, prop in _OBJECT_NAMES.items():
        for item in stack.of(token):
            match = pattern.fullmatch(item.text(prop) or "")
            if match:
                found.append((match[1], item))
    return found


def instance_keys(stack: Index) -> dict[str, set[str]]:
    """The registry keys of instances, by URN: from the name in an entry, or from what an unreadable one is built of."""
    names = {
        **{instance.text("name"): instance.urn for instance in stack.of(gcp.SQL_INSTANCE)},
        **{instance.text("identifier"): instance.urn for instance in stack.of(aws.RDS_INSTANCE)},
    }
    keys: dict[str, set[str]] = defaultdict(set)
    for key, item in _registry(stack, _INSTANCE_OBJECT):
        named = document(item).get("name")
        if named is None:
            for source in stack.sources_of(item, "content"):
                keys[source.urn].add(key)
        elif named in names:
            keys[names[named]].add(key)
    return keys


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """What the stack has of one tenant."""

    id: str
    kind: str
    component: Resource | None
    entry: Resource | None
    database: Resource | None
    """On RDS and on a guest's server the database is no resource."""
    home: Resource | None
    """The SQL instance that it lives on."""

    @property
    def leaving(self) -> bool:
        """Whether the registry entry says so in so many words."""
        return document(self.entry).get("state") == "offboarding"

    @property
    def on_aws(self) -> bool:
        """Whether its entry, and so its exports and alarms, are on AWS."""
        return self.kind == "rds" or (self.entry is not None and self.entry.token in aws.S3_OBJECTS)

    @property
    def urn(self) -> str | None:
        """The resource that stands for the tenant in a finding."""
        found = self.entry or self.component or self.database
        return found.urn if found is not None else None


def _databases(stack: Index, components: dict[str, Resource]) -> dict[str, Resource]:
    """Databases that are resources, by tenant: Cloud SQL's are named for it, Firestore's are in its component."""
    found = {}
    for database in stack.of(gcp.SQL_DATABASE):
        name = database.text("name") or ""
        if name.startswith(DATABASE_PREFIX):
            found[name.removeprefix(DATABASE_PREFIX).replace("_", "-")] = database
    within = {component.urn: tenant for tenant, component in components.items()}
    for database in stack.of(gcp.FIRESTORE_DATABASE):
        owners = [within[urn] for urn in stack.ancestors(database) if urn in within]
        found[owners[0] if owners else database.name] = database
    return found


def tenants(stack: Index) -> list[Tenant]:
    """Every tenant that has a component, a registry entry or a database, by id."""
    entries = dict(_registry(stack, _TENANT_OBJECT))
    components = {component.text("tenant") or component.name: component for component in stack.of(TENANT_DATABASE)}
    databases = _databases(stack, components)
    keys = instance_keys(stack)
    found = []
    for tenant in sorted(components.keys() | entries.keys() | databases.keys()):
        component, entry, database = components.get(tenant), entries.get(tenant), databases.get(tenant)
        kind, home = _kind(component, entry, database), None
        if kind == "cloudsql":
            home = _cloudsql_home(stack, database)
        elif kind == "rds":
            home = _rds_home(stack, component, entry, keys)
        found.append(Tenant(id=tenant, kind=kind, component=component, entry=entry, database=database, home=home))
    return found


def _kind(component: Resource | None, entry: Resource | None, database: Resource | None) -> str:
    """What the component says, else the registry, else what there is. None of them: the kind that asks for most."""
    said = (component.text("kind") if component is not None else None) or document(entry).get("kind")
    if said in KINDS:
        return str(said)
    if database is not None and database.token == gcp.FIRESTORE_DATABASE:
        return "firestore"
    return "rds" if database is None and entry is not None and entry.token in aws.S3_OBJECTS else "cloudsql"


def _cloudsql_home(stack: Index, database: Resource | None) -> Resource | None:
    if database is None:
        return None
    named = database.text("instance")
    if named is not None:
        return next((one for one in stack.of(gcp.SQL_INSTANCE) if one.text("name") == named), None)
    origins = [item for item in stack.sources_of(database, "instance") if item.token == gcp.SQL_INSTANCE]
    return origins[0] if len(origins) == 1 else None


def _rds_home(
    stack: Index, component: Resource | None, entry: Resource | None, keys: dict[str, set[str]]
) -> Resource | None:
    """The instance whose registry key the tenant's entry names, else the one that its component has to itself."""
    instances = [one for one in stack.of(aws.RDS_INSTANCE) if not aws.is_replica(one)]
    key = document(entry).get("instance") or (component.text("instance") if component is not None else None)
    if key is not None:
        return next((one for one in instances if key in keys.get(one.urn, ())), None)
    own = [one for one in instances if component is not None and component.urn in stack.ancestors(one)]
    return own[0] if len(own) == 1 else None


def residents(everyone: list[Tenant]) -> dict[str, list[Tenant]]:
    """Tenants by the URN of their instance."""
    found: dict[str, list[Tenant]] = defaultdict(list)
    for tenant in everyone:
        if tenant.home is not None:
            found[tenant.home.urn].append(tenant)
    return found
