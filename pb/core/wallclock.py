"""The wall-clock times of a schedule, one after the other, in a calendar without time zones.

Naive ``datetime``s in and out, whole seconds, from bit masks (docs/decisions/0004 says why not
from croniter). Never an offset or an instant: a clock that changes is ``core.cron``'s concern.
"""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import assert_never

from pb.core.cron_fields import FIRST_YEAR, LAST_YEAR, DayRule, FromEnd, NearestWorkday, Nth
from pb.core.cron_parse import Schedule

YEARS_AHEAD = 50
"""How far a search goes when the expression names no year; what is later is never."""

_ALL_YEARS = (1 << (LAST_YEAR - FIRST_YEAR + 1)) - 1
_ANY_DAY = (1 << 32) - 2
_EVERY_WEEKDAY = 0b111_1111
_SEVENTHS = sum(1 << n for n in range(1, 32, 7))
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

NONE = -1
Table = tuple[int, ...]


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


@lru_cache(maxsize=512)
def _ahead(mask: int, size: int) -> Table:
    """For each value up to ``size``: the smallest member that is not smaller, or NONE."""
    return tuple(v + _lowest(mask >> v) if mask >> v else NONE for v in range(size + 1))


@lru_cache(maxsize=512)
def _behind(mask: int, size: int) -> Table:
    """For each value up to ``size``, and for -1 at the end: the largest member not larger."""
    return (*((mask & ((2 << v) - 1)).bit_length() - 1 for v in range(size + 1)), NONE)


def days_in(year: int, month: int) -> int:
    """The length of a month, Gregorian."""
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap else _LENGTHS[month]


def _rule_day(rule: DayRule, first: int, length: int) -> int:
    """The day a rule names in a month of ``length`` whose 1st is weekday ``first``; 0 for none."""
    match rule:
        case FromEnd(days=days):
            return max(0, length - days)
        case NearestWorkday(day=named):
            day = length if named is None else named
            return _workday(day, first, length) if day <= length else 0
        case Nth(weekday=weekday, n=-1):
            return length - (first + length - 1 - weekday) % 7
        case Nth(weekday=weekday, n=n):
            day = 1 + (weekday - first) % 7 + 7 * (n - 1)
            return day if day <= length else 0
        case _:
            assert_never(rule)


def _workday(day: int, first: int, length: int) -> int:
    """Monday to Friday nearest to ``day`` without leaving the month, as in Quartz."""
    match (first + day - 1) % 7:
        case 6:
            return day - 1 if day > 1 else day + 2
        case 0:
            return day + 1 if day < length else day - 2
    return day


class WallClock:
    """Enumerates the wall-clock times of one schedule. Holds no position: ask, and ask again."""

    __slots__ = (
        "_all_days",
        "_first",
        "_hours",
        "_last",
        "_minutes",
        "_schedule",
        "_seconds",
    )

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._hours = _ahead(schedule.hours, 24)
        self._minutes = _ahead(schedule.minutes, 60)
        self._seconds = _ahead(schedule.seconds, 60)
        self._first = (self._hours[0], self._minutes[0], self._seconds[0])
        self._last = (
            schedule.hours.bit_length() - 1,
            schedule.minutes.bit_length() - 1,
            schedule.seconds.bit_length() - 1,
        )
        self._all_days = (
            schedule.days == _ANY_DAY
            and schedule.weekdays == _EVERY_WEEKDAY
            and schedule.months == (1 << 13) - 2
            and schedule.years == _ALL_YEARS
        )

    def after(self, wall: datetime, zone: tzinfo | None = None) -> datetime | None:
        """The first time strictly later than ``wall``, or None within 50 years.

        ``zone`` is only hung onto the result, to save the caller a copy; it is never asked.
        """
        year, month, day, hour = wall.year, wall.month, wall.day, wall.hour
        if self._all_days or self.days_of(year, month) >> day & 1:
            if self._hours[hour] == hour:
                minute = wall.minute
                if self._minutes[minute] == minute:
                    second = self._seconds[wall.second + 1]
                    if second >= 0:
                        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
                minute = self._minutes[minute + 1]
                if minute >= 0:
                    return datetime(year, month, day, hour, minute, self._first[2], tzinfo=zone)
            hour = self._hours[hour + 1]
            if hour >= 0:
                return datetime(year, month, day, hour, *self._first[1:], tzinfo=zone)
        found = self._day_after(year, month, day)
        return datetime(*found, *self._first, tzinfo=zone) if found else None

    def before(self, wall: datetime, zone: tzinfo | None = None) -> datetime | None:
        """The last time strictly earlier than ``wall``, or None within 50 years."""
        year, month, day = wall.year, wall.month, wall.day
        if self.days_of(year, month) >> day & 1:
            clock = self._clock_before(wall)
            if clock is not None:
                return datetime(year, month, day, *clock, tzinfo=zone)
        found = self._day_before(year, month, day)
        return datetime(*found, *self._last, tzinfo=zone) if found else None

    def _clock_before(self, wall: datetime) -> tuple[int, int, int] | None:
        schedule = self._schedule
        hours = _behind(schedule.hours, 24)
        minutes = _behind(schedule.minutes, 60)
        seconds = _behind(schedule.seconds, 60)
        hour, minute = wall.hour, wall.minute
        if hours[hour] == hour:
            if minutes[minute] == minute:
                # A fraction of a second has passed: the whole second itself is earlier.
                second = seconds[wall.second if wall.microsecond else wall.second - 1]
                if second >= 0:
                    return hour, minute, second
            minute = minutes[minute - 1]
            if minute >= 0:
                return hour, minute, self._last[2]
        hour = hours[hour - 1]
        return (hour, self._last[1], self._last[2]) if hour >= 0 else None

    def days_of(self, year: int, month: int) -> int:
        """The days of a month that match, as a mask with bit d set for day d."""
        schedule, offset = self._schedule, year - FIRST_YEAR
        if offset < 0 or not (schedule.years >> offset & 1 and schedule.months >> month & 1):
            return 0
        length = days_in(year, month)
        within = (2 << length) - 2
        days, weekdays = schedule.days & within, schedule.weekdays
        if weekdays == _EVERY_WEEKDAY and not schedule.rules:
            return within if schedule.either_day else days
        first = (date(year, month, 1).weekday() + 1) % 7
        for rule in schedule.rules:
            days |= 1 << _rule_day(rule, first, length)
        turned = (weekdays >> first | weekdays << (7 - first)) & _EVERY_WEEKDAY
        by_weekday = turned * _SEVENTHS
        for rule in schedule.weekday_rules:
            by_weekday |= 1 << _rule_day(rule, first, length)
        # A rule that names no day in this month has set bit 0.
        return (days | by_weekday if schedule.either_day else days & by_weekday) & within

    def _day_after(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        left = self.days_of(year, month) >> (day + 1)
        if left:
            return year, month, day + 1 + _lowest(left)
        last_year = self._last_year(year)
        while True:
            month += 1
            ahead = self._schedule.months >> month
            if ahead:
                month += _lowest(ahead)
            else:
                year, month = max(year + 1, FIRST_YEAR), _lowest(self._schedule.months)
                years = self._schedule.years >> (year - FIRST_YEAR)
                year += _lowest(years)
                if not years or year > last_year:
                    return None
            days = self.days_of(year, month)
            if days:
                return year, month, _lowest(days)

    def _last_year(self, year: int) -> int:
        """Years that were named are few and are all looked at; otherwise 50 years ahead."""
        years = self._schedule.years
        if years != _ALL_YEARS:
            return FIRST_YEAR + years.bit_length() - 1
        return min(year + YEARS_AHEAD, LAST_YEAR)

    def _day_before(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        left = self.days_of(year, month) & ((1 << day) - 1)
        earliest = FIRST_YEAR
        if self._schedule.years == _ALL_YEARS:
            earliest = max(year - YEARS_AHEAD, FIRST_YEAR)
        while not left:
            month -= 1
            if month == 0:
                year, month = year - 1, 12
            if year < earliest:
                return None
            left = self.days_of(year, month)
        return year, month, left.bit_length() - 1

    def is_possible(self) -> bool:
        """Whether any day of the calendar matches at all."""
        schedule = self._schedule
        if schedule.days & ((1 << 29) - 2) and schedule.weekdays == _EVERY_WEEKDAY:
            return True
        first_year = FIRST_YEAR + _lowest(schedule.years)
        return self._day_after(first_year - 1, 12, 31) is not None
