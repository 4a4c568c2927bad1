"""Times in words, as people say them: ``daily at 18:00``, ``every 15 minutes between 9 and 17``.

What is done may be said too, in one word: ``weekly summary on Sundays``.

Each phrase becomes a cron expression, and only a phrase that is wholly understood does. Never a
date relative to now: that needs a clock.
"""

from __future__ import annotations

import re

from pb.errors import InvalidError

_WEEKDAY = r"(?:sun|mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?)(?:days?)?"
_WEEKDAYS = rf"{_WEEKDAY}(?:(?:\s*,\s*|\s+and\s+){_WEEKDAY})*"
_TIME = r"(?P<time>noon|midnight|[0-9]{1,2}(?::[0-9]{2})?(?:\s*[ap]m)?)"
_AT = rf"(?:\s+at\s+{_TIME})?"
_WHAT = r"(?:\s+(?!at\b|on\b)[a-z]+(?=\s+(?:at|on)\s))?"
_PHRASES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?:daily{_WHAT}|every\s+day){_AT}",
        rf"(?:(?:weekly{_WHAT}\s+on|every|on)\s+)?(?P<weekdays>{_WEEKDAYS}|weekdays?|weekends?){_AT}",
        r"hourly|every\s+hour",
        rf"weekly{_WHAT}{_AT}",
        rf"monthly{_WHAT}(?:\s+on\s+(?:day\s+|the\s+)?(?P<day>[0-9]+|last\s+day)(?:st|nd|rd|th)?)?{_AT}",
        r"every\s+(?:(?P<step>[0-9]+)\s+)?(?P<unit>minutes?|hours?)"
        r"(?:\s+between\s+(?P<from>[0-9]{1,2})(?::00)?\s+and\s+(?P<to>[0-9]{1,2})(?::00)?)?"
        rf"(?:\s+on\s+(?P<weekdays>{_WEEKDAYS}|weekdays?|weekends?))?",
    )
)


def cron_of_phrase(text: str) -> str | None:
    """The cron expression of a phrase, or None if it is none.

    ``between 9 and 17`` is from 09:00 to before 17:00. Without a time of day it is midnight.
    Raises InvalidError for a phrase that is understood and impossible, such as ``daily at 25:00``.
    """
    words = " ".join(text.lower().split())
    for phrase in _PHRASES:
        found = phrase.fullmatch(words)
        if found is not None:
            return _cron(words, found.groupdict())
    return None


def _cron(words: str, part: dict[str, str | None]) -> str:
    weekdays = _weekdays(part.get("weekdays"))
    if part.get("unit"):
        return _repeated(words, part, weekdays)
    if words in ("hourly", "every hour"):
        return "0 * * * *"
    minute, hour = clock_time(words, part.get("time"))
    day = part.get("day")
    if words.startswith("weekly") and weekdays == "*":
        weekdays = "0"
    if words.startswith("monthly"):
        day = "L" if day and day.startswith("last") else day or "1"
    return f"{minute} {hour} {day or '*'} * {weekdays}"


def _weekdays(text: str | None) -> str:
    if text is None:
        return "*"
    if text.startswith("weekday"):
        return "MON-FRI"
    if text.startswith("weekend"):
        return "SAT,SUN"
    return ",".join(day[:3].upper() for day in re.split(r"\s*,\s*|\s+and\s+", text))


def clock_time(words: str, text: str | None) -> tuple[int, int]:
    """Minute and hour of a time of day; None is midnight. Raises InvalidError, about ``words``."""
    if text is None or text in ("noon", "midnight"):
        return 0, 12 if text == "noon" else 0
    clock, half = text.rstrip("apm "), text[-2:] if text.endswith("m") else ""
    hour_text, _, minute_text = clock.partition(":")
    hour, minute = int(hour_text), int(minute_text or 0)
    if minute > 59 or hour > (12 if half else 23) or (half and hour == 0):
        raise InvalidError(f"{words!r}: there is no {text} on a clock", hint="Such as 18:00.")
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return minute, hour


def _repeated(words: str, part: dict[str, str | None], weekdays: str) -> str:
    step, size = int(part["step"] or 1), 60 if (part["unit"] or "").startswith("minute") else 24
    if step == 0 or size % step or step == size:
        raise InvalidError(
            f"{words!r}: {step} does not divide {size} evenly",
            hint=f'Use "every: {step}{"m" if size == 60 else "h"}" for elapsed time.',
        )
    hours = _hours(words, part)
    if size == 60:
        return f"{'*' if step == 1 else f'*/{step}'} {hours} * * {weekdays}"
    return f"0 {hours if step == 1 else f'{hours}/{step}'} * * {weekdays}"


def _hours(words: str, part: dict[str, str | None]) -> str:
    if part["from"] is None or part["to"] is None:
        return "*"
    first, end = int(part["from"]), int(part["to"])
    if first > 23 or end > 24 or first == end:
        raise InvalidError(f"{words!r}: no such hours", hint="Such as between 9 and 17.")
    return f"{first}-{(end - 1) % 24}"
