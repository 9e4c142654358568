"""What the product's tests share: edits of a stack file, and pictures of state and cloud to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recovery.state import account, provider_defaults
from sandbox.cloud.cloud import Target
from sandbox.cloud.provider import ProviderConfig
from sandbox.operations import Sandbox, look_up
from sandbox.results import Result
from sandbox.workspace import StackConfig

Edit = Callable[[StackConfig], None]
Upped = Callable[..., Sandbox]

INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
DATABASE = "gcp:sql/database:Database"
BUCKET = "gcp:storage/bucket:Bucket"
OBJECT = "gcp:storage/bucketObject:BucketObject"
SECRET = "gcp:secretmanager/secret:Secret"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
PASSWORD = "random:index/randomPassword:RandomPassword"

POOL = "ledgerly-dev-pool-general-1"
DEDICATED = "ledgerly-dev-t-cobalt-bank-1"


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A stack after its first `up`, with what its preview and its `up` said."""

    sandbox: Sandbox
    preview: Result
    up: Result


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything there is: the state's resources by URN, the cloud's objects, and how many calls the cloud has had."""

    resources: dict[str, dict[str, Any]]
    objects: dict[tuple[str, str], dict[str, Any]]
    calls: int


def boot(stack: str, home: Path) -> Boot:
    """Bring a stack up from nothing, judged by the policies at the preview and at the `up`."""
    sandbox = Sandbox(stack=stack, home=home, fast=True)
    preview = sandbox.preview()
    assert preview.ok, (preview.errors, preview.violations)
    up = sandbox.up(preview=False)
    assert up.ok, (up.errors, up.violations)
    return Boot(sandbox=sandbox, preview=preview, up=up)


def preview(sandbox: Sandbox) -> Result:
    """A preview without the policies, which have tests of their own."""
    return sandbox.preview(packs=False)


def up(sandbox: Sandbox) -> Result:
    """An `up` without the policies, required to end well."""
    return sandbox.up(preview=False, packs=False).require()


def picture(sandbox: Sandbox) -> Picture:
    with sandbox.cloud() as cloud:
        objects = {(item.type, item.id): item.outputs for item in cloud.objects()}
        calls = len(cloud.operations())
    # An encrypted value is encrypted anew each time the state is written, so it is compared in the clear.
    found = {item["urn"]: item for item in resources(sandbox, show_secrets=True)}
    for item in found.values():  # in the order of registration, which means nothing
        item["dependencies"] = sorted(item.get("dependencies") or ())
        item["propertyDependencies"] = {
            name: sorted(urns or ()) for name, urns in (item.get("propertyDependencies") or {}).items()
        }
    return Picture(resources=found, objects=objects, calls=calls)


def resources(sandbox: Sandbox, *, show_secrets: bool = False) -> list[dict[str, Any]]:
    """The state's resources, but for the engine's own provider, which it counts nowhere."""
    found: list[dict[str, Any]] = sandbox.export(show_secrets=show_secrets)["deployment"].get("resources") or []
    return [item for item in found if item["type"] != "pulumi:providers:pulumi"]


def in_state(sandbox: Sandbox) -> set[str]:
    """Names of the custom resources in the state, providers aside."""
    return {
        item["urn"].rpartition("::")[2]
        for item in resources(sandbox)
        if item.get("custom") and not item["type"].startswith("pulumi:")
    }


def one(sandbox: Sandbox, kind: str, name: str) -> dict[str, Any]:
    """The state's resource of a type with a Pulumi name."""
    found = [item for item in resources(sandbox) if item["urn"].endswith(f"{kind}::{name}")]
    assert len(found) == 1, (kind, name, found)
    return found[0]


def outputs(sandbox: Sandbox, kind: str, name: str) -> dict[str, Any]:
    """An object as the cloud has it."""
    with sandbox.cloud() as cloud:
        return cloud.find(kind, name).outputs


def changed(result: Result) -> dict[str, set[str]]:
    """Names of what an operation would change or has changed, by the engine's word for it.

    Components and the stack itself are left out: they exist in the state only, as headings.
    """
    found: dict[str, set[str]] = {}
    for step in result.changed:
        if not step.type.startswith(("tenantry:", "pulumi:pulumi:")):
            found.setdefault(step.op, set()).add(step.name)
    return found


def lost_if_interrupted(sandbox: Sandbox) -> list[str]:
    """What a recovery would not find again in the cloud, if the creation of just this resource had been interrupted."""
    state = sandbox.export()["deployment"]["resources"]
    lost = []
    with sandbox.cloud() as cloud:
        for item in state:
            if not item.get("custom") or item["type"].startswith(("pulumi:", "random:")):
                continue
            begun = {key: value for key, value in item.items() if key not in ("id", "outputs")}
            others = [other for other in state if other["urn"] != item["urn"]]
            interrupted = {"resources": others, "pending_operations": [{"resource": begun, "type": "creating"}]}
            recovered, [finding] = account({"deployment": interrupted}, lookup=partial(look_up, cloud))
            added = [new for new in recovered["deployment"]["resources"] if new["urn"] == item["urn"]]
            provider = _provider(item, state)
            target = Target(item["type"], item["urn"].rpartition("::")[2], item["urn"])
            read = cloud.read(target, finding.id, added[0]["outputs"], provider) if added else None
            if read is None or read[0] != item["id"]:
                lost.append(str(finding))
    return lost


def _provider(item: dict[str, Any], state: list[dict[str, Any]]) -> ProviderConfig:
    found = provider_defaults(item["provider"], state)
    return ProviderConfig(
        project=found.get("project", ""),
        region=found.get("region", ""),
        account=found.get("account", ProviderConfig.account),
        team=found.get("team", ""),
    )


def unchanged(result: Result) -> bool:
    return result.ok and set(result.changes) == {"same"}


def tenant(config: StackConfig, tenant_id: str) -> dict[str, Any]:
    """A tenant's entry in a stack's config."""
    found = [entry for entry in config["tenantry:tenants"] if entry["id"] == tenant_id]
    assert len(found) == 1, tenant_id
    entry: dict[str, Any] = found[0]
    return entry


def with_tenant(tenant_id: str, **settings: object) -> Edit:
    """An edit that sets options of one tenant."""

    def edit(config: StackConfig) -> None:
        tenant(config, tenant_id).update(settings)

    return edit


def without_tenants(*gone: str) -> Edit:
    """An edit that takes tenants out of the list."""

    def edit(config: StackConfig) -> None:
        config["tenantry:tenants"] = [entry for entry in config["tenantry:tenants"] if entry["id"] not in gone]

    return edit


def plus_tenant(**entry: object) -> Edit:
    """An edit that adds a tenant, at the head of the list: the place must not matter."""

    def edit(config: StackConfig) -> None:
        config["tenantry:tenants"].insert(0, entry)

    return edit


def both(*edits: Edit) -> Edit:
    def edit(config: StackConfig) -> None:
        for each in edits:
            each(config)

    return edit


def mark_final_export(sandbox: Sandbox, tenants: Iterable[str]) -> None:
    """Write the markers that the last `up` asked for, as the export workflow does after a final export."""
    registry = sandbox.outputs()["registry"]["tenants"]
    with sandbox.cloud() as cloud:
        for tenant_id in tenants:
            name = registry[tenant_id]["final_export"]
            cloud.put_object("ledgerly-dev-exports", name, f'{{"tenant": "{tenant_id}"}}')
