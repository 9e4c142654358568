"""Buckets on AWS: every setting of every bucket, the uploads' copy, and tenants' own buckets."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from tests.components.aws.account import ACCOUNT, AWAY, HOME, build, built, role_statements, statements
from tests.components.program import Built, Document

BUCKET = "aws:s3/bucket:Bucket"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
ACCOUNT_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
KEY = "aws:kms/key:Key"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
COMPONENT = "tenantry:storage_bucket:StorageBucket"

SHARED = {
    "uploads": HOME,
    "assets": HOME,
    "registry": HOME,
    "uploads-replica": AWAY,
    "exports": AWAY,
    "audit": AWAY,
}
ALL_FOUR = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@functools.cache
def with_own_bucket() -> Built:
    return build("dev", lambda document: document["tenants"].append({"id": "big-bank", "plan": "enterprise"}))


def _rules(run: Built, name: str) -> dict[str, dict[str, Any]]:
    return {rule["id"]: rule for rule in run.inputs(LIFECYCLE, f"{name}-lifecycle")["rules"]}


def test_every_role_has_its_bucket_where_it_belongs() -> None:
    buckets = built("dev").of(BUCKET)
    assert {name: (item.inputs["bucket"], item.inputs["region"]) for name, item in buckets.items()} == {
        name: (f"ledgerly-dev-{name}", region) for name, region in SHARED.items()
    }
    assert all(item.protect for item in buckets.values())
    assert not any(item.inputs["forceDestroy"] for item in buckets.values())
    assert set(built("dev").of(COMPONENT)) == {f"aws-{name}" for name in SHARED}


@pytest.mark.parametrize("name", [*SHARED, "big-bank-uploads", "big-bank-uploads-replica"])
def test_every_bucket_is_private_encrypted_versioned_and_owned(name: str) -> None:
    run = with_own_bucket()
    bucket = run.inputs(BUCKET, name)
    keys = {item.outputs["arn"]: key for key, item in run.of(KEY).items()}
    settings = {
        "ownership": run.inputs(OWNERSHIP, f"{name}-ownership"),
        "block": run.inputs(BLOCK, f"{name}-public-access"),
        "encryption": run.inputs(ENCRYPTION, f"{name}-encryption"),
        "versioning": run.inputs(VERSIONING, f"{name}-versioning"),
        "policy": run.inputs(POLICY, f"{name}-policy"),
        "lifecycle": run.inputs(LIFECYCLE, f"{name}-lifecycle"),
    }
    assert {item["bucket"] for item in settings.values()} == {bucket["bucket"]}
    assert {item["region"] for item in settings.values()} == {bucket["region"]}
    assert settings["ownership"]["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert [settings["block"][switch] for switch in ALL_FOUR] == [True] * 4
    (rule,) = settings["encryption"]["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert keys[rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"]] == f"key-storage-{bucket['region']}"
    assert rule["bucketKeyEnabled"] is True
    assert settings["versioning"]["versioningConfiguration"] == {"status": "Enabled"}


def test_what_destroy_leaves_of_a_bucket_keeps_its_settings() -> None:
    settings = [
        item for item in built("dev").resources if item.type.startswith("aws:s3/bucket") and item.type != OBJECT
    ]
    assert len(settings) == 6 * 7 + 2 + 1  # seven of each bucket, two locks, one replication
    assert all(item.protect for item in settings)
    assert built("dev").mocks.one(ACCOUNT_BLOCK, "account-public-access").protect


def big_bank_leaves(document: dict[str, Any]) -> None:
    document["tenants"].append({"id": "big-bank", "plan": "enterprise", "state": "offboarding"})


def test_an_offboarded_tenants_own_bucket_goes_with_its_settings() -> None:
    asked = build("dev", big_bank_leaves, previous=with_own_bucket().outputs)
    run = build("dev", big_bank_leaves, previous=asked.outputs, final_exports=["big-bank"])
    mine = [item for item in run.resources if item.name.startswith("big-bank-uploads")]
    assert len(mine) == 15
    assert not any(item.protect for item in mine)


def test_a_marker_among_thousands_is_seen() -> None:
    former = [f"alder-{number}" for number in range(1000)]
    run = build("dev", big_bank_leaves, previous=with_own_bucket().outputs, final_exports=[*former, "big-bank"])
    assert run.outputs["registry"]["tenants"]["big-bank"]["final_export"] == "final/big-bank.2.json"


def test_an_exports_bucket_that_was_never_made_holds_no_marker() -> None:
    run = build("dev", big_bank_leaves, previous=with_own_bucket().outputs, final_exports=None)
    assert run.outputs["registry"]["tenants"]["big-bank"]["final_export"] == "final/big-bank.json"
    assert run.outputs["registry"]["tenants"]["big-bank"]["guarded"] is True


@pytest.mark.parametrize("name", [*SHARED, "big-bank-uploads", "big-bank-uploads-replica"])
def test_every_bucket_refuses_plaintext_old_tls_and_other_keys(name: str) -> None:
    run = with_own_bucket()
    bucket = run.inputs(BUCKET, name)
    arn = f"arn:aws:s3:::{bucket['bucket']}"
    refusals = {
        sid: statement
        for sid, statement in statements(run.inputs(POLICY, f"{name}-policy")["policy"]).items()
        if statement["Effect"] == "Deny"
    }
    assert {sid: (each["Action"], each["Resource"], each["Condition"]) for sid, each in refusals.items()} == {
        "RefusePlaintext": ("s3:*", [arn, f"{arn}/*"], {"Bool": {"aws:SecureTransport": "false"}}),
        "RefuseOldTls": ("s3:*", [arn, f"{arn}/*"], {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        "RefuseOtherEncryption": (
            "s3:PutObject",
            f"{arn}/*",
            {
                "Null": {"s3:x-amz-server-side-encryption": "false"},
                "StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"},
                # CloudTrail's digests are encrypted with S3's keys
                "Bool": {"aws:PrincipalIsAWSService": "false"},
            },
        ),
        "RefuseForeignKeys": (
            "s3:PutObject",
            f"{arn}/*",
            {
                "Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
                "ArnNotLike": {
                    "s3:x-amz-server-side-encryption-aws-kms-key-id": f"arn:aws:kms:{bucket['region']}:{ACCOUNT}:*"
                },
            },
        ),
    }
    assert {each["Principal"] for each in refusals.values()} == {"*"}


def test_nobody_is_allowed_by_a_bucket_but_the_trail() -> None:
    allowed = {
        name: sorted(sid for sid, each in statements(item.inputs["policy"]).items() if each["Effect"] == "Allow")
        for name, item in built("dev").of(POLICY).items()
    }
    assert {name: sids for name, sids in allowed.items() if sids} == {"audit-policy": ["TrailReadsAcl", "TrailWrites"]}


@pytest.mark.parametrize("bucket", ["assets", "uploads"])
def test_cloudfront_reads_what_is_delivered_and_nothing_else(bucket: str) -> None:
    def deliver(document: Document) -> None:
        document["delivery"] = {"host": "files.ledgerly.example", "zone": "Z0123456789ABC", "bucket": bucket}
        if bucket == "uploads":
            document["delivery"]["signing_key"] = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"

    run = build("dev", deliver)
    other = {"assets": "uploads", "uploads": "assets"}[bucket]
    found = statements(run.inputs(POLICY, f"{bucket}-policy")["policy"])["Delivery"]
    assert found["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert (found["Action"], found["Resource"]) == ("s3:GetObject", f"arn:aws:s3:::ledgerly-dev-{bucket}/*")
    assert "Delivery" not in statements(run.inputs(POLICY, f"{other}-policy")["policy"])


def test_the_account_blocks_public_access_as_a_whole() -> None:
    block = built("dev").inputs(ACCOUNT_BLOCK, "account-public-access")
    assert block["accountId"] == ACCOUNT
    assert [block[switch] for switch in ALL_FOUR] == [True] * 4


@pytest.mark.parametrize(("stack", "mode"), [("dev", "GOVERNANCE"), ("staging", "COMPLIANCE"), ("prod", "COMPLIANCE")])
def test_exports_and_audit_are_kept_and_locked_where_the_environment_locks(stack: str, mode: str) -> None:
    run = built(stack)
    locks = {name: item.inputs["rule"]["defaultRetention"] for name, item in run.of(LOCK).items()}
    assert locks == {"exports-lock": {"mode": mode, "days": 35}, "audit-lock": {"mode": mode, "days": 365}}
    enabled = {name for name, item in run.of(BUCKET).items() if item.inputs["objectLockEnabled"]}
    assert enabled == {"exports", "audit"}
    assert "exports-versioning" in run.waits_for(LOCK, "exports-lock")


def test_kept_buckets_end_a_week_after_their_retention() -> None:
    exports, audit = _rules(built("dev"), "exports")["age"], _rules(built("dev"), "audit")["age"]
    assert exports["expiration"] == {"days": 42}
    assert audit["expiration"] == {"days": 372}
    assert exports["noncurrentVersionExpiration"] == audit["noncurrentVersionExpiration"] == {"noncurrentDays": 7}


def test_exports_move_to_a_class_only_where_its_minimum_stay_pays() -> None:
    def keep(document: Document) -> None:
        document["backups"]["export_retention_days"] = 173  # with the week after it, 90 + 90 days

    assert "transitions" not in _rules(built("dev"), "exports")["age"]
    assert _rules(build("dev", keep), "exports")["age"]["transitions"] == [
        {"days": 30, "storageClass": "STANDARD_IA"},
        {"days": 90, "storageClass": "GLACIER_IR"},
    ]


def test_audit_logs_end_in_the_deep_archive() -> None:
    assert _rules(built("dev"), "audit")["age"]["transitions"] == [
        {"days": 30, "storageClass": "STANDARD_IA"},
        {"days": 90, "storageClass": "GLACIER_IR"},
        {"days": 180, "storageClass": "DEEP_ARCHIVE"},
    ]


def test_uploads_age_and_their_versions_end_after_a_year() -> None:
    rule = _rules(built("dev"), "uploads")["age"]
    assert [step["storageClass"] for step in rule["transitions"]] == ["STANDARD_IA", "GLACIER_IR"]
    assert "expiration" not in rule
    for name in ("uploads", "assets", "registry", "uploads-replica"):
        rule = _rules(built("dev"), name)["age"]
        assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 365}
        assert rule["noncurrentVersionTransitions"] == [
            {"noncurrentDays": 30, "storageClass": "STANDARD_IA"},
            {"noncurrentDays": 90, "storageClass": "GLACIER_IR"},
        ]
        assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert "transitions" not in _rules(built("dev"), "registry")["age"]


def test_delete_markers_go_when_nothing_is_behind_them() -> None:
    assert _rules(built("dev"), "registry")["delete-markers"]["expiration"] == {"expiredObjectDeleteMarker": True}


@pytest.mark.parametrize(
    ("source", "copy"),
    [
        ("uploads", "ledgerly-dev-uploads-replica"),
        ("big-bank-uploads", "ledgerly-dev-big-bank-uploads-dr"),
    ],
)
def test_uploads_are_copied_to_the_backup_region_under_its_key(source: str, copy: str) -> None:
    run = with_own_bucket()
    keys = {item.outputs["arn"]: key for key, item in run.of(KEY).items()}
    replication = run.inputs(REPLICATION, f"{source}-replication")
    assert replication["role"] == f"arn:aws:iam::{ACCOUNT}:role/ledgerly-dev-replication"
    (rule,) = replication["rules"]
    assert rule["status"] == "Enabled"
    assert rule["destination"]["bucket"] == f"arn:aws:s3:::{copy}"
    assert keys[rule["destination"]["encryptionConfiguration"]["replicaKmsKeyId"]] == f"key-storage-{AWAY}"
    assert rule["destination"]["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}
    waits = run.waits_for(REPLICATION, f"{source}-replication")
    assert {f"{source}-versioning", f"{source}-replica-versioning", "role-replication-rights"} <= waits


def test_the_copying_role_reads_sources_and_writes_copies() -> None:
    rights = role_statements(built("dev"), "replication")
    assert rights["ReadVersions"]["Resource"] == "arn:aws:s3:::ledgerly-dev-*uploads/*"
    assert rights["WriteCopies"]["Resource"] == [
        "arn:aws:s3:::ledgerly-dev-*uploads-dr/*",
        "arn:aws:s3:::ledgerly-dev-*uploads-replica/*",
    ]
    trust = json.loads(built("dev").inputs("aws:iam/role:Role", "role-replication")["assumeRolePolicy"])
    assert trust["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}}
    ]
    assert rights["DecryptSource"]["Action"] == "kms:Decrypt"
    assert rights["EncryptCopy"]["Action"] == ["kms:Encrypt", "kms:GenerateDataKey"]
    assert rights["EncryptCopy"]["Condition"]["StringEquals"] == {"kms:ViaService": f"s3.{AWAY}.amazonaws.com"}


def test_a_tenants_own_bucket_is_guarded_and_tagged_with_it() -> None:
    run = with_own_bucket()
    bucket = run.mocks.one(BUCKET, "big-bank-uploads")
    assert bucket.protect
    assert bucket.inputs["tags"] == {"role": "uploads", "tenant": "big-bank", "plan": "enterprise"}
    assert run.outputs["guarded"]["big-bank-uploads"] == "ledgerly-dev-big-bank-uploads"


def test_the_longest_name_of_a_copy_is_one_that_s3_takes() -> None:
    longest = f"{'o' * 12}-staging-{'t' * 30}-uploads-dr"
    assert len(longest) <= 63
