import datetime as dt
from typing import Any

from sandbox.cloud import CloudObject
from sandbox.leftovers import leftovers

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
BUCKET = "gcp:storage/bucket:Bucket"
OBJECT = "gcp:storage/bucketObject:BucketObject"


def state(name: str, kind: str = BUCKET, **more: object) -> dict[str, Any]:
    return {"urn": f"urn:{name}", "type": kind, "id": name, "custom": True, **more}


def bucket(name: str, *, locked: bool) -> CloudObject:
    policy = {"retentionPolicy": {"isLocked": locked, "retentionPeriod": "864000"}}  # ten days
    return CloudObject(BUCKET, name, "", {}, {"name": name, **policy}, "2026-01-01T00:00:00Z")


def content(bucket: str, created: str) -> CloudObject:
    return CloudObject(OBJECT, f"{bucket}-{created}", "", {}, {"bucket": bucket}, created)


def test_a_locked_bucket_is_kept_until_its_youngest_object_is_free() -> None:
    objects = [
        bucket("exports", locked=True),
        content("exports", "2026-05-30T12:00:00Z"),
        content("exports", "2026-05-25T12:00:00Z"),
        content("exports", "2026-01-01T12:00:00Z"),
    ]
    [kept] = leftovers([state("exports", protect=True)], objects, {}, NOW)
    assert kept.until == dt.datetime(2026, 6, 9, 12, tzinfo=dt.UTC)
    assert str(kept) == (
        "gcp:storage/bucket:Bucket exports: its retention of 10 days is locked, and holds 2 object(s)"
        " until 2026-06-09 12:00 UTC"
    )


def test_an_unlocked_or_ended_retention_holds_nothing() -> None:
    objects = [bucket("open", locked=False), content("open", "2026-05-30T12:00:00Z"), bucket("old", locked=True)]
    objects.append(content("old", "2026-01-01T12:00:00Z"))
    kept = leftovers([state("open", protect=True), state("old", protect=True)], objects, {}, NOW)
    assert [(item.name, item.until) for item in kept] == [("open", None), ("old", None)]
    assert kept[0].reason.startswith("protected")
    assert kept[1].reason == "its retention of 10 days is locked, and holds 0 object(s)"


def test_reasons_of_what_the_destroy_left() -> None:
    kept = leftovers(
        [
            state("network", "gcp:compute/network:Network"),
            state("sql", "gcp:sql/databaseInstance:DatabaseInstance", protect=True, dependencies=["urn:network"]),
            state("refused"),
            state("skipped"),
            {"urn": "urn:stack", "type": "pulumi:pulumi:Stack", "custom": False},
        ],
        [],
        {"urn:refused": "error: in use\nmore"},
        NOW,
    )
    assert [(item.name, item.reason) for item in kept] == [
        ("network", "a protected resource needs it"),
        ("sql", "protected: it holds data, or the key to data, that is declared as in use"),
        ("refused", "error: in use"),
        ("skipped", "the destroy did not reach it"),
    ]


S3 = "aws:s3/bucket:Bucket"
S3_OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"


def s3_lock(bucket: str, mode: str, **term: int) -> CloudObject:
    rule = {"defaultRetention": {"mode": mode, **term}}
    return CloudObject(LOCK, bucket, "", {}, {"bucket": bucket, "rule": rule}, "2026-01-01T00:00:00Z")


def s3_object(bucket: str, created: str, **more: object) -> CloudObject:
    return CloudObject(S3_OBJECT, f"{bucket}/{created}", "", {}, {"bucket": bucket, **more}, created)


def test_an_object_lock_is_a_lock_with_an_end() -> None:
    objects = [
        s3_lock("exports", "COMPLIANCE", days=10),
        s3_object("exports", "2026-05-30T12:00:00Z"),
        s3_object("exports", "2026-01-01T12:00:00Z"),
        s3_lock("years", "GOVERNANCE", years=1),
        s3_object("years", "2026-01-01T00:00:00Z"),
        s3_object(
            "own", "2020-01-01T00:00:00Z", objectLockMode="COMPLIANCE", objectLockRetainUntilDate="2027-01-01T00:00:00Z"
        ),
        s3_lock("empty", "COMPLIANCE", days=10),
        s3_object("open", "2026-05-30T12:00:00Z"),
    ]
    kept = leftovers([state(name, S3) for name in ("exports", "years", "own", "empty", "open")], objects, {}, NOW)
    assert [str(item) for item in kept] == [
        f"{S3} exports: its object lock (COMPLIANCE) holds 1 object(s) until 2026-06-09 12:00 UTC",
        f"{S3} years: its object lock (GOVERNANCE) holds 1 object(s) until 2027-01-01 00:00 UTC",
        f"{S3} own: its object lock (COMPLIANCE) holds 1 object(s) until 2027-01-01 00:00 UTC",
        f"{S3} empty: its object lock (COMPLIANCE) holds 0 object(s)",
        f"{S3} open: the destroy did not reach it",
    ]
