"""Finding what a crash has left, among objects that have the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cloud.tables.gcp_firestore import DATABASE, SCHEDULE
from sandbox.operations import look_up
from tests.unit.sandbox.project import REGION, Google

if TYPE_CHECKING:
    from sandbox.cloud.values import Value

URN = "urn:pulumi:dev::tenantry::x::y"
DAILY: dict[str, Value] = {"database": "tn-acme", "retention": "604800s", "dailyRecurrence": {}}


def test_the_rest_of_the_inputs_tells_objects_of_one_name_apart(google: Google) -> None:
    google.apis("firestore")
    google.make(DATABASE, name="tn-acme", locationId=REGION, type="FIRESTORE_NATIVE")
    daily, _ = google.make(SCHEDULE, "daily", **DAILY)
    weekly = {"database": "tn-acme", "retention": "604800s", "weeklyRecurrence": {"day": "SUNDAY"}}
    other, _ = google.make(SCHEDULE, "weekly", **weekly)
    assert look_up(google.cloud, SCHEDULE, URN, DAILY) == [daily]
    assert look_up(google.cloud, SCHEDULE, URN, weekly) == [other]
    assert look_up(google.cloud, SCHEDULE, URN, {**weekly, "weeklyRecurrence": {"day": "MONDAY"}}) == []
    assert look_up(google.cloud, SCHEDULE, URN, {"retention": "604800s"}) == [], "nothing to look for"


def test_a_secret_that_the_state_hides_is_no_difference(google: Google) -> None:
    token = "gcp:monitoring/notificationChannel:NotificationChannel"
    facts = {"type": "slack", "displayName": "ops", "labels": {"channel": "#ops"}}
    made, _ = google.make(token, **facts, sensitiveLabels={"authToken": "hidden"})
    for hidden in (None, {"authToken": None}):
        assert look_up(google.cloud, token, URN, {**facts, "sensitiveLabels": hidden, "__defaults": ["x"]}) == [made]
    assert look_up(google.cloud, token, URN, {**facts, "labels": {"channel": "#dev"}}) == []
