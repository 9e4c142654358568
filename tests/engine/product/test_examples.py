"""The examples' stacks: from nothing to nothing left to do, and in production to the end, which only locks outlive."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.leftovers import Leftover
from sandbox.operations import Sandbox
from sandbox.results import Result
from sandbox.workspace import StackConfig, example
from tests.engine.product.support import Edit, changed, lost_if_interrupted, preview, resources, unchanged, up

ROOT = Path(__file__).resolve().parents[3]
OTHERS = tuple(
    (file.parent.name, file.name.removeprefix("Pulumi.").removesuffix(".yaml"))
    for file in sorted((ROOT / "examples").glob("*/Pulumi.*.yaml"))
    if file.name != "Pulumi.prod.yaml"
)

# Families that the systems' documents speak of; a type that an example does not list has none there.
FAMILIES = (
    "aws:cloudfront/distribution:Distribution",
    "aws:ecs/service:Service",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
    "gcp:cloudrunv2/service:Service",
    "gcp:firestore/backupSchedule:BackupSchedule",
    "gcp:firestore/database:Database",
    "gcp:pubsub/topic:Topic",
    "gcp:secretmanager/secret:Secret",
    "gcp:sql/database:Database",
    "gcp:sql/databaseInstance:DatabaseInstance",
    "gcp:storage/bucket:Bucket",
    "vercel:index/logDrain:LogDrain",
    "vercel:index/project:Project",
    "vercel:index/projectDomain:ProjectDomain",
)
SHARED = {
    "gcp": ["assets", "audit", "exports", "registry", "uploads"],
    "aws": ["assets", "audit", "exports", "registry", "uploads", "uploads-replica"],
}
BUCKETS = {"gcp": "gcp:storage/bucket:Bucket", "aws": "aws:s3/bucket:Bucket"}
# What a destroy keeps because it is protected, or needed by what is: never a tenant's.
KEPT = {
    "gcp": {
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:kms/keyRing:KeyRing",
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        "gcp:projects/service:Service",
        "gcp:storage/bucket:Bucket",
    },
    "aws": {
        "aws:backup/vault:Vault",
        "aws:cloudtrail/trail:Trail",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:kms/key:Key",
        "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
    },
}
OBJECTS = {"gcp:storage/bucketObject:BucketObject", "aws:s3/bucketObjectv2:BucketObjectv2"}


@dataclass(frozen=True, kw_only=True)
class System:
    """What production of a reference system amounts to.

    Attributes:
        tenants: kind of every tenant in the registry.
        counts: how many resources of each of FAMILIES.
        instances: cloud names of the SQL instances in the registry.
        hosts: what the environment itself answers for.
        export_days: for how long an export is locked.
        audit_days: for how long the audit archive is.
        section: a section with a key of its own, which can be taken out.
    """

    name: str
    cloud: str
    prefix: str
    tenants: Mapping[str, str]
    counts: Mapping[str, int]
    instances: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    export_days: int = 35
    audit_days: int = 365
    section: str | None = None

    @property
    def exports(self) -> str:
        return f"{self.prefix}-exports"


SYSTEMS = (
    System(
        name="S0",
        cloud="gcp",
        prefix="finsight-prod",
        tenants={
            "abacus": "firestore",
            "beacon-wealth": "firestore",
            "corner-books": "firestore",
            "dora-m": "cloudsql",
            "everly-k": "cloudsql",
            "foundry-bank": "cloudsql",
        },
        counts={
            "gcp:cloudrunv2/service:Service": 1,
            "gcp:firestore/backupSchedule:BackupSchedule": 6,
            "gcp:firestore/database:Database": 3,
            # three generated, five issued elsewhere, two for each SQL tenant
            "gcp:secretmanager/secret:Secret": 14,
            "gcp:sql/database:Database": 3,
            "gcp:sql/databaseInstance:DatabaseInstance": 2,
            "gcp:storage/bucket:Bucket": 6,
            "vercel:index/logDrain:LogDrain": 1,
            "vercel:index/project:Project": 1,
            "vercel:index/projectDomain:ProjectDomain": 2,
        },
        instances=frozenset({"finsight-prod-pool-personal-1", "finsight-prod-t-foundry-bank-1"}),
        hosts=frozenset({"gateway.finsight.example"}),
        export_days=90,
        audit_days=2555,
    ),
    System(
        name="S0-rds",
        cloud="aws",
        prefix="finsightaws-prod",
        tenants={"abacus": "rds", "beacon-wealth": "rds", "foundry-bank": "rds"},
        counts={
            "aws:ecs/service:Service": 1,
            "aws:rds/instance:Instance": 2,
            # six shared ones, and two of the tenant with a bucket of its own
            "aws:s3/bucket:Bucket": 8,
            "aws:secretsmanager/secret:Secret": 11,
            "vercel:index/project:Project": 1,
            "vercel:index/projectDomain:ProjectDomain": 1,
        },
        instances=frozenset({"finsightaws-prod-pool-business-1", "finsightaws-prod-t-foundry-bank-1"}),
        hosts=frozenset({"gateway.aws.finsight.example"}),
        export_days=90,
        audit_days=2555,
    ),
    System(
        name="S1",
        cloud="gcp",
        prefix="fintrack-prod",
        tenants={"fintrack": "external"},
        counts={
            # three generated, five issued elsewhere, two URLs
            "gcp:secretmanager/secret:Secret": 10,
            "gcp:storage/bucket:Bucket": 5,
            "vercel:index/project:Project": 1,
            "vercel:index/projectDomain:ProjectDomain": 1,
        },
    ),
    System(
        name="S2",
        cloud="aws",
        prefix="journal-prod",
        tenants={"journal": "external"},
        counts={
            "aws:cloudfront/distribution:Distribution": 1,
            "aws:s3/bucket:Bucket": 6,
            # one generated, eight issued elsewhere, two URLs
            "aws:secretsmanager/secret:Secret": 11,
            "vercel:index/project:Project": 1,
            "vercel:index/projectDomain:ProjectDomain": 2,
        },
        hosts=frozenset({"cdn.tradingjournal.example"}),
        export_days=30,
        section="tenantry:delivery",
    ),
    System(
        name="S3",
        cloud="gcp",
        prefix="estate-prod",
        tenants={"harbor": "external", "maple-homes": "external", "stonebridge": "external"},
        counts={
            # two generated, eight issued elsewhere, two URLs of each tenant
            "gcp:secretmanager/secret:Secret": 16,
            "gcp:storage/bucket:Bucket": 5,
            "vercel:index/project:Project": 1,
            "vercel:index/projectDomain:ProjectDomain": 1,
        },
    ),
    System(
        name="S4",
        cloud="gcp",
        prefix="vinsight-prod",
        tenants={"vinsight": "cloudsql"},
        counts={
            "gcp:cloudrunv2/service:Service": 2,
            "gcp:pubsub/topic:Topic": 2,
            "gcp:secretmanager/secret:Secret": 8,
            "gcp:sql/database:Database": 1,
            # the pool and its replica
            "gcp:sql/databaseInstance:DatabaseInstance": 2,
            "gcp:storage/bucket:Bucket": 5,
        },
        instances=frozenset({"vinsight-prod-pool-general-1"}),
        hosts=frozenset({"api.vinsight.example", "static.vinsight.example", "vinsight.example"}),
        section="tenantry:queues",
    ),
)


def sandbox_of(name: str, stack: str, home: Path) -> Sandbox:
    return Sandbox(stack=stack, config=example(ROOT, name, stack)[0], home=home, fast=True)


def raised(sandbox: Sandbox) -> tuple[Result, int]:
    """Bring a stack up from nothing, judged first, and see that nothing is left to do; the preview, and how many."""
    judged = sandbox.preview()
    assert judged.ok, (judged.errors, judged.violations)
    made = up(sandbox)
    count = len(resources(sandbox))
    assert judged.changes == made.changes == {"create": count}
    again = preview(sandbox)
    assert unchanged(again), changed(again)
    assert again.changes == {"same": count}
    assert lost_if_interrupted(sandbox) == []
    return judged, count


def everybody_leaves(config: StackConfig) -> None:
    for tenant in config["tenantry:tenants"]:
        tenant.update(state="offboarding", legal_hold=False)


def nobody_is_left(config: StackConfig) -> None:
    """Tenants go with what else the file says of them: the URLs of guests, and the variables that hold those."""
    ids = [tenant["id"].upper().replace("-", "_") for tenant in config["tenantry:tenants"]]
    urls = {f"{each}_{login}DATABASE_URL" for each in ids for login in ("", "BACKUP_")}
    config["tenantry:tenants"] = []
    values = config.get("tenantry:external_secrets", {})
    for name in urls & values.keys():
        del values[name]
    for chosen in config.get("tenantry:vercel", {}).get("secrets", {}).values():
        for variable in [variable for variable, secret in chosen.items() if secret in urls]:
            del chosen[variable]


def operated(sandbox: Sandbox, edit: Edit) -> Result:
    sandbox.edit = edit
    return up(sandbox)


def taken_out(sandbox: Sandbox, section: str) -> None:
    """A section can go: what it had is planned to be deleted, but for its keys."""

    def edit(config: StackConfig) -> None:
        del config[section]

    sandbox.edit = edit
    plan = preview(sandbox)
    assert plan.ok, plan.errors
    deleted = {step.type for step in plan.changed if step.op == "delete"}
    assert deleted
    assert not deleted & {"aws:kms/key:Key", "gcp:kms/cryptoKey:CryptoKey", "gcp:kms/keyRing:KeyRing"}


def outlived(system: System, kept: list[Leftover], now: dt.datetime) -> None:
    """Exactly the locks hold what they hold, and what else is kept is protected or needed by what is."""
    buckets = [found.name for found in kept if found.type == BUCKETS[system.cloud]]
    assert sorted(buckets) == [f"{system.prefix}-{role}" for role in SHARED[system.cloud]]
    assert {found.type for found in kept} == KEPT[system.cloud]
    locked = {found.name: found for found in kept if not found.reason.startswith(("protected: ", "a protected "))}
    days = {"exports": system.export_days, "audit": system.audit_days}
    markers = len(system.tenants)
    held = {f"{system.prefix}-{role}": markers if role == "exports" else 0 for role in days}
    reasons = {name: found.reason for name, found in locked.items() if name in held}
    if system.cloud == "gcp":
        assert reasons == {
            name: f"its retention of {days[name.rpartition('-')[2]]} days is locked, and holds {count} object(s)"
            for name, count in held.items()
        }
        (logs,) = [found for name, found in locked.items() if name not in held]
        assert logs.name.endswith("/buckets/audit")
        assert logs.reason == f"its retention of {system.audit_days} days is locked, it is kept at least"
    else:
        assert reasons == {
            name: f"its object lock (COMPLIANCE) holds {count} object(s)" for name, count in held.items()
        }
        assert locked.keys() == held.keys()
    until = locked[system.exports].until
    assert until is not None
    assert abs(until - now - dt.timedelta(days=system.export_days)) < dt.timedelta(minutes=30)


def whose(system: System, sandbox: Sandbox) -> list[tuple[str, str]]:
    """Objects of the cloud that are a tenant's by their name, but for the proofs of the final exports."""
    ids = "|".join(f"{tenant}|{tenant.replace('-', '_')}" for tenant in system.tenants)
    pattern = re.compile(rf"\b(?:t|tn|tenant)[-_](?:{ids})(?:\b|[-_])|\btenants/(?:{ids})\.json")
    with sandbox.cloud() as cloud:
        return [(item.type, item.id) for item in cloud.objects() if pattern.search(item.id)]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_production_from_nothing_to_its_end(system: System, tmp_path: Path) -> None:
    sandbox = sandbox_of(system.name, "prod", tmp_path / "home")
    judged, count = raised(sandbox)
    assert judged.violations == ()

    refreshed = sandbox.refresh()
    assert refreshed.ok, refreshed.errors
    assert refreshed.changes == {"same": count}, changed(refreshed)

    found = Counter(item["type"] for item in resources(sandbox))
    assert {family: found[family] for family in FAMILIES if found[family]} == system.counts
    outputs: dict[str, Any] = sandbox.outputs()
    registry = outputs["registry"]
    assert {tenant: entry["kind"] for tenant, entry in registry["tenants"].items()} == system.tenants
    assert {entry["name"] for entry in registry["instances"].values()} == system.instances
    assert outputs["endpoints"].keys() == system.hosts
    assert all(entry["guarded"] for entry in registry["tenants"].values())
    assert whose(system, sandbox)

    if system.section is not None:
        taken_out(sandbox, system.section)
    operated(sandbox, everybody_leaves)
    with sandbox.cloud() as cloud:
        for tenant in system.tenants:
            cloud.put_object(system.exports, f"final/{tenant}.json", f'{{"tenant": "{tenant}"}}')
        now = cloud.clock.now()
    lifted = operated(sandbox, everybody_leaves)
    assert not {op for op in changed(lifted) if "replace" in op}
    assert not any(entry["guarded"] for entry in sandbox.outputs()["registry"]["tenants"].values())

    removed = operated(sandbox, nobody_is_left)
    assert "delete" in changed(removed)
    assert sandbox.outputs()["registry"]["tenants"] == {}
    assert whose(system, sandbox) == []
    assert unchanged(preview(sandbox))

    destroyed = sandbox.destroy()
    assert destroyed.ok, destroyed.errors
    outlived(system, sandbox.leftovers(destroyed), now)
    with sandbox.cloud() as cloud:
        proofs = [item.id for item in cloud.objects() if item.type in OBJECTS]
    assert len(proofs) == len(system.tenants)
    assert all("final/" in proof for proof in proofs)


@pytest.mark.parametrize(("name", "stack"), OTHERS)
def test_other_stacks_from_nothing(name: str, stack: str, tmp_path: Path) -> None:
    judged, _ = raised(sandbox_of(name, stack, tmp_path / "home"))
    assert {found.level for found in judged.violations} <= ({"advisory"} if stack == "dev" else set())
