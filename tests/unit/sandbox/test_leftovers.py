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
