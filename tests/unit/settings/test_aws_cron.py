"""Schedules in AWS's notation mean what they meant in unix-cron."""

from __future__ import annotations

import pytest

from settings.aws_cron import to_aws


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # the defaults: nightly at two, Sundays at four
        ("0 2 * * *", "cron(0 2 * * ? *)"),
        ("0 4 * * 0", "cron(0 4 ? * SUN *)"),
        # numbers of weekdays differ, so they become names
        ("30 1 * * 1-5", "cron(30 1 ? * MON,TUE,WED,THU,FRI *)"),
        ("0 4 * * SAT", "cron(0 4 ? * SAT *)"),
        ("15 3 1,15 * *", "cron(15 3 1,15 * ? *)"),
        ("*/20 * * * *", "cron(0,20,40 * * * ? *)"),
        ("0 */8 * * *", "cron(0 0,8,16 * * ? *)"),
        ("0 0 1 JAN,7 *", "cron(0 0 1 JAN,JUL ? *)"),
        ("0 2 */10 * *", "cron(0 2 1,11,21,31 * ? *)"),
        # either of two restricted fields suffices, and one of them is every day
        ("0 2 1-31 * 1", "cron(0 2 * * ? *)"),
        ("0 2 5 * 0-6", "cron(0 2 * * ? *)"),
        # a starred field joins the other instead
        ("0 2 */1 * 1", "cron(0 2 ? * MON *)"),
    ],
)
def test_translation(schedule: str, expected: str) -> None:
    assert to_aws(schedule) == expected


@pytest.mark.parametrize("schedule", ["0 2 1 * 1", "0 2 */2 * 1", "0 2 13 * FRI"])
def test_two_restricted_day_fields_cannot_be_told(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"restricts day of month and day of week.*leave one \*"):
        to_aws(schedule)


def test_no_cron_at_all() -> None:
    with pytest.raises(ValueError, match="has 4 fields where unix-cron has five"):
        to_aws("0 2 * *")
