"""Schedules in five fields of unix-cron, as Cloud Scheduler reads them: checked, and how far apart their days are.

A library would bring seconds, years and nicknames that Cloud Scheduler refuses; the five fields are quickly read.
"""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

_MONTHS: Final = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS: Final = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
# Name, least, most and words of each field (Cloud Scheduler, "cron job format").
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _WEEKDAYS),
)
_ITEM: Final = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>[0-9]+))?")
# Nine years hold at least two of any day that ever comes, 29 February among them.
_FIRST_DAY: Final = dt.date(2024, 1, 1)
_DAYS: Final = 9 * 365
_DAYS_OF_MONTH: Final = 31
_DAYS_OF_WEEK: Final = 7


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The values that each field allows; `any_*` tells an unrestricted day field from a full one."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def runs_on(self, date: dt.date) -> bool:
        """Whether it runs on `date`; of two restricted day fields, either suffices (cron's own rule)."""
        if date.month not in self.months:
            return False
        day, weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday

    @property
    def restricts_both_days(self) -> bool:
        """Whether it leaves out days of the month as well as days of the week."""
        return len(self.days) < _DAYS_OF_MONTH and len(self.weekdays) < _DAYS_OF_WEEK

    @cache  # noqa: B019 - frozen, and a stack has few schedules
    def longest_gap_days(self) -> int | None:
        """Most days between two days on which it runs; None when it never does (30 February)."""
        runs = [number for number in range(_DAYS) if self.runs_on(_FIRST_DAY + dt.timedelta(days=number))]
        if not runs:
            return None
        return max(later - earlier for earlier, later in itertools.pairwise(runs))


def parse(text: str) -> Schedule:
    """Read five fields separated by white space.

    Raises:
        ValueError: naming the field that is wrong and what it takes.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"has {len(fields)} fields where unix-cron has five: minute, hour, day of month, month, day of week"
        )
    minutes, hours, days, months, weekdays = (
        _values(field, *rule) for field, rule in zip(fields, _FIELDS, strict=True)
    )
    return Schedule(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        any_day=fields[2].startswith("*"),
        any_weekday=fields[4].startswith("*"),
    )


def _values(field: str, name: str, least: int, most: int, words: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (match["first"] == "*" and match["last"]):
            raise ValueError(f"has a {name} field that is no number, range, list or step: {field!r}")
        if match["first"] == "*":
            first, last = least, most
        else:
            first = _number(match["first"], name, least, most, words)
            # `5/10` counts on from 5
            last = most if match["step"] and not match["last"] else first
            if match["last"]:
                last = _number(match["last"], name, least, most, words)
        step = int(match["step"] or 1)
        if first > last or step < 1:
            raise ValueError(f"has a {name} field that selects nothing: {field!r}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, least: int, most: int, words: dict[str, int]) -> int:
    number = words.get(text.upper())
    if number is None:
        number = int(text) if text.isascii() and text.isdigit() else -1
    if not least <= number <= most:
        raise ValueError(f"takes {least}-{most} as its {name}, not {text!r}")
    return number
