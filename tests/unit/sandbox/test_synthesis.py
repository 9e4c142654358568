from __future__ import annotations

import string

import pytest

from tests.unit.sandbox.project import INSTANCE_TYPE, NUMBER, PROJECT, REGION, Google, instance

PASSWORD = "random:index/randomPassword:RandomPassword"


def test_an_instance_answers_with_its_addresses(google: Google) -> None:
    google.ready_for_sql()
    _, state = google.make(INSTANCE_TYPE, **instance())
    assert state["connectionName"] == f"{PROJECT}:{REGION}:main"
    assert state["privateIpAddress"] == state["firstIpAddress"]
    assert state["privateIpAddress"].startswith("10.")
    assert state["publicIpAddress"] == ""
    assert [entry["type"] for entry in state["ipAddresses"]] == ["PRIVATE"]
    assert state["serviceAccountEmailAddress"].startswith(f"p{NUMBER}-")
    assert state["serverCaCerts"][0]["cert"].startswith("-----BEGIN CERTIFICATE-----\n")


def test_a_password_has_the_length_and_the_letters_asked_for(google: Google) -> None:
    _, state = google.make(PASSWORD, length=40, special=False, minNumeric=5, upper=False)
    result = state["result"]
    assert len(result) == 40
    assert set(result) <= {*string.ascii_lowercase, *string.digits}
    assert sum(letter in string.digits for letter in result) >= 5
    assert state["bcryptHash"].startswith("$2a$10$")
    assert google.cloud.objects() == []


def test_two_passwords_differ_and_an_id_tells_nothing(google: Google) -> None:
    first_id, first = google.make(PASSWORD, "a", length=24)
    second_id, second = google.make(PASSWORD, "b", length=24)
    _, again = google.make(PASSWORD, "a", length=24)
    assert len({first["result"], second["result"], again["result"]}) == 3
    assert first_id == second_id == "none"


def test_random_id_forms_agree(google: Google) -> None:
    object_id, state = google.make("random:index/randomId:RandomId", byteLength=4, prefix="x-")
    assert state["hex"].startswith("x-")
    assert int(state["hex"].removeprefix("x-"), 16) == int(state["dec"].removeprefix("x-"))
    assert state["b64Url"] == f"x-{object_id}"


def test_the_same_cloud_history_gives_the_same_values() -> None:
    made = []
    for _ in range(2):
        google = Google()
        made.append(
            [
                google.make(PASSWORD, length=16)[1]["result"],
                google.make("gcp:storage/bucket:Bucket", name="b", location="EU")[1]["url"],
            ]
        )
        google.cloud.close()
    assert made[0] == made[1]
    assert made[0][1] == "gs://b"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("final/*.json", ["final/a.json"]),
        ("final/**", ["final/a.json", "final/x/b.json"]),
        (None, ["final/a.json", "final/x/b.json", "sql/c"]),
    ],
)
def test_listing_objects(google: Google, pattern: str | None, expected: list[str]) -> None:
    google.make("gcp:storage/bucket:Bucket", name="exports", location="EU")
    for name in ("final/a.json", "final/x/b.json", "sql/c"):
        google.cloud.put_object("exports", name, name)
    arguments = {"bucket": "exports", "matchGlob": pattern} if pattern else {"bucket": "exports"}
    answer = google.cloud.invoke("gcp:storage/getBucketObjects:getBucketObjects", arguments, google.config)
    assert [entry["name"] for entry in answer["bucketObjects"]] == expected
    content = google.cloud.invoke(
        "gcp:storage/getBucketObjectContent:getBucketObjectContent",
        {"bucket": "exports", "name": "sql/c"},
        google.config,
    )
    assert content["content"] == "sql/c"


@pytest.mark.parametrize(
    ("token", "arguments", "message"),
    [
        ("gcp:storage/getBucketObjects:getBucketObjects", {"bucket": "none"}, "bucket does not exist"),
        ("gcp:storage/getBucketObjects:getBucketObjects", {"bucket": "b", "glob": "*"}, "unknown argument 'glob'"),
        ("gcp:storage/getBucket:getBucket", {"name": "b"}, "is not simulated"),
    ],
)
def test_functions_refuse(google: Google, token: str, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(Exception, match=message):
        google.cloud.invoke(token, arguments, google.config)
