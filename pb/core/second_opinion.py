"""croniter's opinion on the wall-clock times of an expression, to check ours against.

The only place that names croniter, imported at first use: it costs 100 ms and 4 MB, and the
scheduler never needs it (docs/decisions/0004). It is given naive times only and never a zone:
what it does with one is not Debian's rule.
"""

from __future__ import annotations

from datetime import datetime

from pb.core.cron import CronExpr
from pb.core.cron_fields import FIRST_YEAR, DayRule, FromEnd, Nth
from pb.core.cron_parse import Schedule
from pb.core.cron_words import values_of

_LAST_YEAR = 2099


def disagreement(expr: CronExpr, start: datetime, count: int = 20) -> str | None:
    """Where croniter's next ``count`` wall-clock times after ``start`` (naive) differ from ours.

    A sentence, or None when both agree or croniter has no opinion (``W``, ``L-n``, mixed lists and
    other forms it cannot express).
    """
    theirs = croniter_times(expr, start, count)
    wall: datetime | None = start
    for expected in theirs:
        wall = expr.clock.after(wall) if wall is not None else None
        if wall != expected:
            return f"{expr.text}: croniter says {expected} where pb says {wall}"
    return None


def croniter_times(expr: CronExpr, start: datetime, count: int) -> list[datetime]:
    """What croniter enumerates after ``start``; fewer, or none, where it has no opinion."""
    text = croniter_text(expr.schedule)
    if text is None:
        return []
    from croniter import CroniterBadDateError, croniter

    times = croniter(
        text,
        start.replace(tzinfo=None),
        ret_type=datetime,
        day_or=expr.schedule.either_day,
        second_at_beginning=True,
    )
    found = list[datetime]()
    try:
        while len(found) < count:
            found.append(times.get_next())
    except CroniterBadDateError:
        pass  # It gives up after fewer years than we do.
    return found


def croniter_text(schedule: Schedule) -> str | None:
    """The schedule in croniter's dialect, names and steps written out; None where it has no way."""
    days = _field(schedule.days, 31, schedule.rules)
    weekdays = _field(schedule.weekdays, 7, schedule.weekday_rules)
    if schedule.either_day and "*" in (days, weekdays):
        days = weekdays = "*"  # Either, and one of them is every day (1-31 counts as restricted).
    years = values_of(schedule.years, FIRST_YEAR)
    is_special = bool(schedule.rules or schedule.weekday_rules)
    if days is None or weekdays is None or (is_special and "*" not in (days, weekdays)):
        return None
    if len(years) < 230 and years[-1] > _LAST_YEAR:
        return None
    fields = (
        _field(schedule.seconds, 60),
        _field(schedule.minutes, 60),
        _field(schedule.hours, 24),
        days,
        _field(schedule.months, 12),
        weekdays,
        "*" if len(years) == 230 else ",".join(map(str, years)),
    )
    return " ".join(field for field in fields if field)


def _field(mask: int, size: int, rules: tuple[DayRule, ...] = ()) -> str | None:
    values = values_of(mask)
    if not rules:
        return "*" if len(values) == size else ",".join(map(str, values))
    kinds = {(type(rule), isinstance(rule, Nth) and rule.n > 0) for rule in rules}
    if values or len(kinds) > 1:
        return None
    match rules:
        case (FromEnd(days=0),):
            return "L"
        case (Nth(), *_):
            nths = [rule for rule in rules if isinstance(rule, Nth)]
            return ",".join(f"L{r.weekday}" if r.n < 0 else f"{r.weekday}#{r.n}" for r in nths)
    return None
