"""Schedules in AWS's notation, from the five fields of unix-cron that the configuration has."""

from __future__ import annotations

import calendar
from typing import Final

from settings.cron import parse

_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_EVERY_WEEKDAY: Final = frozenset(range(7))
_MONTHS: Final = tuple(name.upper() for name in calendar.month_abbr)
_EVERY_MONTH: Final = frozenset(range(1, 13))
_DAYS: Final = frozenset(range(1, 32))
_HOURS: Final = frozenset(range(24))
_MINUTES: Final = frozenset(range(60))


def to_aws(schedule: str) -> str:
    """`cron(minutes hours day-of-month month day-of-week year)`, as EventBridge Scheduler and AWS Backup read it.

    AWS numbers weekdays from 1, Sunday, where unix-cron has 0, so they are written by name; and one of its two day
    fields is always a `?`. Every field is written as its values: ranges and steps need no translation then.

    Raises:
        ValueError: it is no unix-cron, or it restricts both day fields, for which AWS has no notation.
    """
    read = parse(schedule)
    all_days, all_weekdays = read.days == _DAYS, read.weekdays == _EVERY_WEEKDAY
    if not read.any_day and not read.any_weekday and (all_days or all_weekdays):
        # cron runs on either of two restricted fields, and one of them is every day
        all_days = all_weekdays = True
    if not all_days and not all_weekdays:
        raise ValueError("restricts day of month and day of week; AWS schedules take only one of them, so leave one *")
    days = _listed(read.days, _DAYS) if all_weekdays and not all_days else "*" if all_weekdays else "?"
    weekdays = "?" if all_weekdays else ",".join(_WEEKDAYS[day] for day in sorted(read.weekdays))
    months = "*" if read.months == _EVERY_MONTH else ",".join(_MONTHS[month] for month in sorted(read.months))
    return f"cron({_listed(read.minutes, _MINUTES)} {_listed(read.hours, _HOURS)} {days} {months} {weekdays} *)"


def _listed(values: frozenset[int], every: frozenset[int]) -> str:
    return "*" if values == every else ",".join(str(value) for value in sorted(values))
