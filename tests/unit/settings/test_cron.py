"""Schedules as Cloud Scheduler reads them."""

from __future__ import annotations

import datetime as dt

import pytest

from settings import cron


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("0 2 * * *", {0}, {2}),
        ("*/20 0-3 * * *", {0, 20, 40}, {0, 1, 2, 3}),
        ("5/25 1,13 * * *", {5, 30, 55}, {1, 13}),
        ("0-10/5 23 * * *", {0, 5, 10}, {23}),
    ],
)
def test_values(text: str, minutes: set[int], hours: set[int]) -> None:
    schedule = cron.parse(text)
    assert (set(schedule.minutes), set(schedule.hours)) == (minutes, hours)
    assert (schedule.any_day, schedule.any_weekday) == (True, True)


def test_words() -> None:
    schedule = cron.parse("0 0 * jan-MAR mon,fri")
    assert (set(schedule.months), set(schedule.weekdays)) == ({1, 2, 3}, {1, 5})


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 2 * * *", 1),
        ("*/5 * * * *", 1),
        ("0 2 */2 * *", 2),
        ("0 4 * * 0", 7),
        ("0 4 * * MON,THU", 4),
        ("0 4 1 * *", 31),
        ("0 4 1 * 0", 7),  # of two restricted day fields either suffices
        ("0 4 */31 * 0", 427),  # with a star in one of them both must hold: Sundays that are the first of a month
        ("0 4 1 1 *", 366),
        ("0 4 29 2 *", 1461),
        ("0 4 30 2 *", None),
    ],
)
def test_longest_gap(text: str, days: int | None) -> None:
    assert cron.parse(text).longest_gap_days() == days


def test_sunday_is_zero() -> None:
    assert cron.parse("0 0 * * 0").runs_on(dt.date(2026, 1, 4))
    assert not cron.parse("0 0 * * 0").runs_on(dt.date(2026, 1, 5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields where unix-cron has five: minute, hour, day of month, month, day of week"),
        ("@daily", "has 1 fields where unix-cron has five: minute, hour, day of month, month, day of week"),
        ("60 0 * * *", "takes 0-59 as its minute, not '60'"),
        ("0 24 * * *", "takes 0-23 as its hour, not '24'"),
        ("0 0 0 * *", "takes 1-31 as its day of month, not '0'"),
        ("0 0 * 13 *", "takes 1-12 as its month, not '13'"),
        ("0 0 * * 7", "takes 0-6 as its day of week, not '7'"),
        ("0 0 * * SUNDAY", "takes 0-6 as its day of week, not 'SUNDAY'"),
        ("0 0 * * ٣", "takes 0-6 as its day of week, not '٣'"),
        ("5-1 0 * * *", "has a minute field that selects nothing: '5-1'"),
        ("*/0 0 * * *", "has a minute field that selects nothing: '*/0'"),
        ("*-5 0 * * *", "has a minute field that is no number, range, list or step: '*-5'"),
        ("1,,2 0 * * *", "has a minute field that is no number, range, list or step: '1,,2'"),
        ("-1 0 * * *", "has a minute field that is no number, range, list or step: '-1'"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        cron.parse(text)
    assert str(caught.value) == message
