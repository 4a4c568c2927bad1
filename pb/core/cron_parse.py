"""Reading a cron expression: how many fields, macros, which days count, is it a wildcard.

What comes out is a ``Schedule``: sets of numbers as bit masks, and rules for days that are not
numbers. Never a date or a time zone: ``core.wallclock`` counts days, ``core.cron`` knows zones.
"""

from __future__ import annotations

import re

from pb.core.cron_fields import (
    DAY,
    FIRST_YEAR,
    HOUR,
    LAST_YEAR,
    LONGEST,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAY,
    YEAR,
    CronError,
    DayRule,
    Field,
    read_field,
    span,
)
from pb.core.lean import dataclass
from pb.errors import did_you_mean

MACROS: dict[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""crontab(5)'s nicknames. ``@reboot`` is a startup trigger, not a cron expression."""

_BY_COUNT = {
    5: (MINUTE, HOUR, DAY, MONTH, WEEKDAY),
    6: (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY),
    7: (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR),
}
_COUNTS_HINT = (
    "5 fields: minute hour day month weekday; 6: second first; 7: second first and year last."
)
_QUOTES_HINT = "On a command line the whole expression stands in quotes."
_WORD = re.compile(r"[^ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An expression, understood. Masks have bit n set for the value n (years: n - 1970)."""

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    years: int
    rules: tuple[DayRule, ...] = ()
    weekday_rules: tuple[DayRule, ...] = ()
    either_day: bool = False
    is_wildcard: bool = False
    hashed: tuple[str, ...] = ()


def words(expression: str) -> list[re.Match[str]]:
    """The fields of ``expression`` with their places."""
    return list(_WORD.finditer(expression))


def read(expression: str, *, name: str = "", day_match: str | None = None) -> Schedule:
    """Understand ``expression``; ``name`` is what ``H`` is hashed on. Raises CronError."""
    _check_text(expression)
    expanded = _expanded(expression)
    found = words(expanded)
    kinds = _BY_COUNT.get(len(found))
    if kinds is None:
        raise CronError(
            f"a cron expression has 5, 6 or 7 fields, this one has {len(found)}",
            hint=_COUNTS_HINT if len(found) > 1 else f"{_COUNTS_HINT} {_QUOTES_HINT}",
            expression=expression,
            at=found[7].start() if len(found) > 7 else len(expression.rstrip()),
        )
    fields = {
        kind.name: read_field(
            Field(kind=kind, text=word[0].upper(), at=word.start(), expression=expanded, name=name)
        )
        for kind, word in zip(kinds, found, strict=True)
    }
    return _schedule(fields, day_match)


def _check_text(expression: str) -> None:
    if not expression.strip():
        raise CronError("the cron expression is empty", hint=_COUNTS_HINT, expression=expression)
    if len(expression) > LONGEST:
        raise CronError(
            f"a cron expression has at most {LONGEST} characters, this one has {len(expression)}",
            hint="Several triggers on one job do the same, and can be read.",
            expression=expression,
            at=LONGEST,
        )
    for at, character in enumerate(expression):
        if not (" " <= character <= "~" or character == "\t"):
            raise CronError(
                f"the character {character!a} cannot be in a cron expression",
                hint="Type plain digits, letters and spaces.",
                expression=expression,
                at=at,
            )


def _expanded(expression: str) -> str:
    word = expression.strip()
    if not word.startswith("@"):
        return expression
    known = MACROS.get(word.lower())
    if known is not None:
        return known
    at = expression.index("@")
    if word.lower() == "@reboot":
        message, hint = "@reboot is not a time", 'Use a startup trigger: "startup".'
    elif word.lower().startswith("@every"):
        message, hint = "@every is not a cron expression", 'Use an every trigger: "every: 5m".'
    else:
        message = f"there is no macro {word}"
        near = did_you_mean(word.lower(), (*MACROS, "@reboot"))
        hint = near or f"Known are {', '.join(MACROS)}."
    raise CronError(message, hint=hint, expression=expression, at=at, length=len(word))


def _schedule(fields: dict[str, Field], day_match: str | None) -> Schedule:
    day, weekday = fields[DAY.name], fields[WEEKDAY.name]
    clock = [fields[kind.name] for kind in (SECOND, MINUTE, HOUR) if kind.name in fields]
    year = fields.get(YEAR.name)
    return Schedule(
        seconds=fields[SECOND.name].mask if SECOND.name in fields else 1,
        minutes=fields[MINUTE.name].mask,
        hours=fields[HOUR.name].mask,
        days=day.mask,
        months=fields[MONTH.name].mask,
        weekdays=weekday.mask,
        years=year.mask if year else span(0, LAST_YEAR - FIRST_YEAR),
        rules=day.rules,
        weekday_rules=weekday.rules,
        either_day=_either_day(day, weekday, day_match),
        # cron(8): the flag is textual, the first character of the field decides.
        is_wildcard=any(field.is_starred for field in clock),
        hashed=tuple(field.kind.name for field in fields.values() if _is_hashed(field)),
    )


def _is_hashed(field: Field) -> bool:
    """No name of a month or a day begins with H, so an item that does is a hash."""
    return any(item.startswith("H") for item in field.text.lstrip("+").split(","))


def _either_day(day: Field, weekday: Field, day_match: str | None) -> bool:
    """Debian cron: OR when both day fields are restricted, AND when either starts with ``*``."""
    wants_and = weekday.text.startswith("+")
    if wants_and and day_match == "or":
        raise weekday.fault(
            "+ asks for both days, day_match for either", "+", weekday.at, hint="Drop one of them."
        )
    if wants_and or day_match == "and":
        return False
    if day_match == "or":
        # A bare * restricts nothing, so there is nothing to be either of.
        unrestricted = (f.is_starred and f.is_everything for f in (day, weekday))
        return not any(unrestricted)
    return not (day.is_starred or weekday.is_starred)
