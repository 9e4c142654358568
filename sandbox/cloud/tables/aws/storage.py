"""S3: a bucket, and its settings as resources beside it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from sandbox.cloud.rules import Parent, Rule, Synthesis
from sandbox.cloud.synthesis import object_bytes
from sandbox.cloud.tables.aws.common import BUCKET, OBJECT, regional_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_BUCKET: Final = Parent(BUCKET, "{bucket}")
_WEBSITE_ZONE: Final = "Z3AQBSTGFYJSTF"
_BLOCKS: Final = {
    "blockPublicAcls": False,
    "blockPublicPolicy": False,
    "ignorePublicAcls": False,
    "restrictPublicBuckets": False,
}


def _settings(*immutable: str, **more: object) -> Rule:
    """Settings of a bucket: writing them sets a value, and they go with their bucket."""
    return regional_rule("bucket", *immutable, on_exists="adopt", parents=(_IN_BUCKET,), **more)


def _etag(made: Synthesis) -> str:
    """The MD5 of the content, which a KMS key makes a value that says nothing of it."""
    if made.inputs.get("kmsKeyId") or made.inputs.get("serverSideEncryption") == "aws:kms":
        return made.hex(32, "etag")
    return hashlib.md5(object_bytes(made.inputs), usedforsecurity=False).hexdigest()


RULES: Final[Mapping[str, Rule]] = {
    BUCKET: regional_rule(
        "bucket",
        "bucketPrefix",
        "objectLockEnabled",
        check_defaults={"forceDestroy": False},
        server_defaults={"objectLockEnabled": False, "requestPayer": "BucketOwner"},
        exists_code="BucketAlreadyOwnedByYou",
        computed={
            "arn": "arn:aws:s3:::{bucket}",
            "bucketDomainName": "{bucket}.s3.amazonaws.com",
            "bucketRegion": "{region}",
            "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com",
            "hostedZoneId": lambda _made: _WEBSITE_ZONE,
        },
        virtual={"forceDestroy": False},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _settings(),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _settings(
        unordered=("rules",)
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _settings(
        check_defaults=_BLOCKS, virtual={"skipDestroy": None}
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _settings(
        server_defaults={"transitionDefaultMinimumObjectSize": "all_storage_classes_128K"}
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _settings(
        "objectLockEnabled", check_defaults={"objectLockEnabled": "Enabled"}, secret_outputs=("token",)
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _settings(secret_outputs=("token",)),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _settings(),
    "aws:s3/bucketPolicy:BucketPolicy": _settings(json_text=("policy",)),
    "aws:s3/bucketLogging:BucketLogging": _settings(),
    OBJECT: regional_rule(
        "bucket",
        "key",
        check_defaults={"forceDestroy": False},
        server_defaults={
            "contentType": "application/octet-stream",
            "serverSideEncryption": "AES256",
            "storageClass": "STANDARD",
        },
        computed={
            "arn": "arn:aws:s3:::{bucket}/{key}",
            "etag": _etag,
            "versionId": lambda made: made.hex(32, "version"),
        },
        recomputed=("etag", "versionId"),
        virtual={"content": None, "contentBase64": None, "forceDestroy": False, "source": None, "sourceHash": None},
        on_exists="adopt",
        parents=(Parent(BUCKET, "{bucket}", "block"),),
    ),
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock": Rule(
        immutable=("accountId",),
        check_defaults=_BLOCKS,
        computed={"accountId": "{account}"},
        on_exists="adopt",
    ),
}
