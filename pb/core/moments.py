"""Moments as people say them: ``tomorrow 18:00``, ``monday at 9am``, ``in 2h``, ``noon``. Pure.

Now is an argument: what such words mean is settled once, when they are read. A file that is read
again and again has instants instead.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from pb.core.durations import parse_duration
from pb.core.phrases import clock_time
from pb.errors import InvalidError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME = r"(noon|midnight|[0-9]{1,2}:[0-9]{2}(?:\s*[ap]m)?|[0-9]{1,2}\s*[ap]m)"
DAY = r"(today|tomorrow|mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
MOMENTS = (re.compile(rf"{DAY}(?:\s+(?:at\s+)?{TIME})?"), re.compile(rf"()(?:at\s+)?{TIME}"))
WEEK = 7


def moment_of_words(text: str, now: datetime) -> datetime | None:
    """The instant (aware, UTC) that ``text`` means at ``now``, an aware time of the wanted zone.

    None when these are no such words. A time of day alone, and a weekday, are the next ones to
    come; a day without a time is its midnight, and ``in 5m`` ends at a whole second. Raises
    InvalidError for what has passed, and for a time that no clock shows.
    """
    words = " ".join(text.lower().split())
    if words.startswith("in "):
        moment = now.astimezone(UTC) + timedelta(seconds=parse_duration(words[3:]))
        is_whole = moment.microsecond == 0
        return moment if is_whole else moment.replace(microsecond=0) + timedelta(seconds=1)
    found = next((match for moment in MOMENTS if (match := moment.fullmatch(words))), None)
    if found is None:
        return None
    day_word, time = found.groups()
    minute, hour = clock_time(words, time)
    moments = (at_wall(day, hour, minute, now) for day in days_of(day_word, now.date()))
    coming = next((moment for moment in moments if moment > now), None)
    if coming is None:
        raise InvalidError(f"{text!r} has passed", hint="Such as: tomorrow 18:00.")
    return coming


def days_of(word: str, today: date) -> list[date]:
    """The days that a word may mean, soonest first."""
    if word == "today":
        return [today]
    tomorrow = today + timedelta(days=1)
    if word == "tomorrow":
        return [tomorrow]
    if not word:
        return [today, tomorrow]
    ahead = (DAYS.index(word[:3]) - today.weekday()) % WEEK
    first = today + timedelta(days=ahead)
    return [first, first + timedelta(days=WEEK)]


def at_wall(day: date, hour: int, minute: int, now: datetime) -> datetime:
    """That time of day in the zone of ``now``; one that a clock change skips is as much later."""
    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=now.tzinfo)
    return wall.astimezone(UTC)
