"""What a cron expression means, in plain words that stay the same for the same times.

Words only: from a ``Schedule`` that is already understood. Never a time zone (``core.cron_notes``
tells of clock changes) and never a fire time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import assert_never

from pb.core.cron_fields import FIRST_YEAR, LAST_YEAR, DayRule, FromEnd, NearestWorkday, Nth
from pb.core.cron_parse import Schedule

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_MOST_POINTS = 4
_HOURLY = " of every hour"

Values = Sequence[int]


def explain(schedule: Schedule) -> str:
    """Such as ``At 02:30 every day`` or ``Every 15 minutes from 09:00 to 17:59, on Mondays``."""
    when, is_points = _clock(schedule)
    days = _days(schedule)
    gap = " " if is_points else ", "
    parts = [when]
    if days:
        parts.append(days if days.startswith(",") else gap + days)
    elif is_points:
        parts.append(" every day")
    sentence = "".join(parts)
    for phrase in (None if _is_dated(schedule) else _months(schedule), _years(schedule)):
        if phrase:
            sentence += (", " if days.startswith(",") else gap) + phrase
    if schedule.hashed:
        sentence += f" ({join(schedule.hashed)} chosen by the job's name)"
    return sentence


def join(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def values_of(mask: int, base: int = 0) -> list[int]:
    """The members of a bit mask, in order."""
    return [n + base for n in range(mask.bit_length()) if mask >> n & 1]


def _stride(values: Values) -> int | None:
    """The step between values that are evenly spread, or None."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    return steps.pop() if len(steps) == 1 else None


def _runs(values: Values) -> list[tuple[int, int]]:
    """Values as ranges: 1, 2, 3, 7 are (1, 3), (7, 7)."""
    runs = list[tuple[int, int]]()
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _circle(values: Values, low: int, size: int) -> tuple[int, int] | None:
    """The ends of one run of at least three that may wrap, such as Friday to Monday."""
    members = set(values)
    starts = [v for v in values if (v - low - 1) % size + low not in members]
    if len(starts) != 1 or len(values) < 3:
        return None
    return starts[0], (starts[0] - low + len(values) - 1) % size + low


def _ordinal(number: int) -> str:
    tail = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"


# --- the time of day ---------------------------------------------------------------------------


def _clock(schedule: Schedule) -> tuple[str, bool]:
    """The time of day, and whether it is a list of points in time."""
    hours, minutes = values_of(schedule.hours), values_of(schedule.minutes)
    seconds = values_of(schedule.seconds)
    if len(hours) * len(minutes) * len(seconds) <= _MOST_POINTS:
        return f"At {join(_points(hours, minutes, seconds))}", True
    if len(seconds) > 1 and _even(seconds, 60) is not None:
        return _seconds(seconds, minutes, hours), False
    at_second = "" if seconds == [0] else f", at {_named('second', seconds)}"
    if len(minutes) == 1:
        return _one_minute(minutes[0], hours) + at_second, False
    return _within(_minutes(minutes), hours) + at_second, False


def _points(hours: Values, minutes: Values, seconds: Values) -> list[str]:
    tail = any(seconds)
    return [
        f"{hour:02}:{minute:02}" + (f":{second:02}" if tail else "")
        for hour in hours
        for minute in minutes
        for second in seconds
    ]


def _named(unit: str, values: Values) -> str:
    runs = _runs(values)
    if len(values) > 2 and len(runs) == 1:
        return f"{unit}s {values[0]} to {values[-1]}"
    return f"{unit}{'s' if len(values) > 1 else ''} {join([str(v) for v in values])}"


def _even(values: Values, size: int) -> int | None:
    """The step of values that begin at 0 and divide ``size`` evenly, or None."""
    step = _stride(values)
    return step if step and values[0] == 0 and step * len(values) == size else None


def _each(step: int, unit: str) -> str:
    return f"Every {unit}" if step == 1 else f"Every {step} {unit}s"


def _seconds(seconds: Values, minutes: Values, hours: Values) -> str:
    every = _each(_even(seconds, 60) or 1, "second")
    if len(minutes) == 60:
        return every + _hours(hours)
    if len(minutes) * len(hours) <= _MOST_POINTS:
        return f"{every} of {join(_points(hours, minutes, [0]))}"
    return _within(f"{every} of {_named('minute', minutes)}{_HOURLY}", hours)


def _one_minute(minute: int, hours: Values) -> str:
    first, last = f"{hours[0]:02}:{minute:02}", f"{hours[-1]:02}:{minute:02}"
    step = _stride(hours)
    if len(hours) == 24:
        return "Every hour" if minute == 0 else f"At minute {minute} of every hour"
    if minute == 0 and (even := _even(hours, 24)):
        return _each(even, "hour")
    if step:
        return f"{_each(step, 'hour')} from {first} to {last}"
    run = _circle(hours, 0, 24)
    if run:
        return f"Every hour from {run[0]:02}:{minute:02} to {run[1]:02}:{minute:02}"
    return f"At {join(_points(hours, [minute], [0]))}"


def _minutes(minutes: Values) -> str:
    even, step = _even(minutes, 60), _stride(minutes)
    if even:
        return _each(even, "minute")
    if step and len(minutes) > 2:
        ends = f"from minute {minutes[0]} to {minutes[-1]}"
        return f"{_each(step, 'minute')} {ends}{_HOURLY}"
    return f"At {_named('minute', minutes)}{_HOURLY}"


def _within(minutes: str, hours: Values) -> str:
    """Minutes of hours; ``of every hour`` and ``in every 3rd hour`` become one."""
    spread = _hours(hours)
    if minutes.endswith(_HOURLY) and spread.startswith(" in every"):
        return minutes.removesuffix(_HOURLY) + spread.replace(" in", " of", 1)
    return minutes + spread


def _hours(hours: Values) -> str:
    """Which hours something goes on in: `` from 09:00 to 17:59``."""
    if len(hours) == 24:
        return ""
    around = _circle(hours, 0, 24)
    runs, step = ([around] if around else _runs(hours)), _stride(hours)
    if step and step > 1 and len(hours) > 2:
        return f" in every {_ordinal(step)} hour from {hours[0]:02}:00 to {hours[-1]:02}:59"
    return " " + join([f"from {first:02}:00 to {last:02}:59" for first, last in runs])


# --- the day -------------------------------------------------------------------------------------


def _days(schedule: Schedule) -> str:
    """Empty for every day; with a comma in front where it reads better."""
    days, weekdays = values_of(schedule.days), values_of(schedule.weekdays)
    any_day, any_weekday = len(days) == 31, len(weekdays) == 7
    if (any_day and any_weekday) or (schedule.either_day and (any_day or any_weekday)):
        return ""
    if any_day:
        run = None if schedule.weekday_rules else _circle(weekdays, 0, 7)
        if run:
            return f", {WEEKDAYS[run[0]]} to {WEEKDAYS[run[1]]}"
        return _on_weekdays(weekdays, schedule.weekday_rules)
    if _is_dated(schedule):
        months = values_of(schedule.months)
        return "on " + join([f"{day} {MONTHS[m - 1]}" for m in months for day in days])
    of_month = f"on {_of_month(days, schedule.rules)} of the month"
    if any_weekday:
        return of_month
    if schedule.either_day:
        return f"{of_month} and {_on_weekdays(weekdays, schedule.weekday_rules)} (either)"
    return f"{of_month} if it is {_a_weekday(weekdays, schedule.weekday_rules)}"


def _is_dated(schedule: Schedule) -> bool:
    """Whether days and months are few enough to say ``on 25 December``."""
    if schedule.rules or schedule.weekdays.bit_count() != 7 or schedule.either_day:
        return False
    months, days = schedule.months.bit_count(), schedule.days.bit_count()
    return days < 31 and months < 12 and months * days <= _MOST_POINTS


def _monday_first(weekdays: Values) -> list[int]:
    return sorted(weekdays, key=lambda weekday: (weekday - 1) % 7)


def _on_weekdays(weekdays: Values, rules: tuple[DayRule, ...]) -> str:
    run = _circle(weekdays, 0, 7)
    if run:
        names = [f"from {WEEKDAYS[run[0]]} to {WEEKDAYS[run[1]]}"]
    else:
        plural = [f"{WEEKDAYS[n]}s" for n in _monday_first(weekdays)]
        names = [f"on {join(plural)}"] if plural else []
    if rules:
        names.append(f"on {join([_rule(rule) for rule in rules])} of the month")
    return join(names)


def _a_weekday(weekdays: Values, rules: tuple[DayRule, ...]) -> str:
    names = [f"a {WEEKDAYS[n]}" for n in _monday_first(weekdays)]
    names += [f"{_rule(rule)} of the month" for rule in rules]
    return join(names, "or")


def _of_month(days: Values, rules: tuple[DayRule, ...]) -> str:
    names = list[str]()
    step = _stride(days)
    if step and step > 1 and len(days) > _MOST_POINTS:
        names.append(f"every {_ordinal(step)} day from day {days[0]} to {days[-1]}")
    elif days:
        runs = [
            str(first) if first == last else f"{first} to {last}"
            for first, last in (_runs(days) if len(days) > 2 else [(d, d) for d in days])
        ]
        names.append(f"day{'s' if len(days) > 1 else ''} {join(runs)}")
    return join(names + [_rule(rule) for rule in rules])


def _rule(rule: DayRule) -> str:
    match rule:
        case FromEnd(days=0):
            return "the last day"
        case FromEnd(days=days):
            return f"the last day but {days}"
        case NearestWorkday(day=None):
            return "the last working day"
        case NearestWorkday(day=day):
            return f"the working day nearest to day {day}"
        case Nth(weekday=weekday, n=n):
            return f"the {_NTH[n]} {WEEKDAYS[weekday]}"
        case _:
            assert_never(rule)


def _months(schedule: Schedule) -> str | None:
    months = values_of(schedule.months)
    if len(months) == 12:
        return None
    run = _circle(months, 1, 12)
    if run:
        return f"from {MONTHS[run[0] - 1]} to {MONTHS[run[1] - 1]}"
    return f"in {join([MONTHS[month - 1] for month in months])}"


def _years(schedule: Schedule) -> str | None:
    years = values_of(schedule.years, FIRST_YEAR)
    step = _stride(years)
    if len(years) == LAST_YEAR - FIRST_YEAR + 1:
        return None
    if step and years[-1] + step > LAST_YEAR:
        return f"every {step} years from {years[0]}" if step > 1 else f"from {years[0]} on"
    if step == 1 and len(years) > 2:
        return f"from {years[0]} to {years[-1]}"
    return f"in {join([str(year) for year in years])}"
