"""``OnCalendar=`` as a cron trigger, where cron can say it (systemd.time(7), "Calendar events").

Text in, the trigger's table out; what cron cannot say is refused with the reason.
"""

from __future__ import annotations

import re

from pb.errors import InvalidError

WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "biannually": "*-01,07-01 00:00:00",
}
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DATE = re.compile(r"(?:(?P<year>[^-~]+)-)?(?P<month>[^-~]+)(?P<mark>[-~])(?P<day>[^-~]+)")
TIME = re.compile(r"(?P<hour>[^:]+):(?P<minute>[^:]+)(?::(?P<second>[^:]+))?")
LIMITS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12)}


def calendar_trigger(text: str) -> dict[str, str]:
    """The cron trigger that fires when ``OnCalendar=text`` elapses. Raises InvalidError."""
    words = WORDS.get(text.strip().lower(), text).split()
    zone = words.pop() if len(words) > 1 and is_zone(words[-1]) else None
    if zone is not None:
        raise InvalidError(
            f"names the zone {zone}", hint=f'Write timezone = "{zone}" and the time without it.'
        )
    weekday = words.pop(0) if words and words[0][:3].lower() in DAYS else "*"
    date = words.pop(0) if words and DATE.fullmatch(words[0]) else "*-*-*"
    time = words.pop(0) if words and TIME.fullmatch(words[0]) else "00:00:00"
    if words:
        raise InvalidError(f"{text[:60]!r} is not a calendar event that pb can read")
    return cron(weekday, date, time)


def is_zone(word: str) -> bool:
    return word == "UTC" or ("/" in word and word[0].isalpha() and ":" not in word)


def cron(weekday: str, date: str, time: str) -> dict[str, str]:
    on, at = DATE.fullmatch(date), TIME.fullmatch(time)
    if on is None or at is None:
        raise InvalidError(f"{date} {time} is not a calendar event that pb can read")
    second = field("second", at["second"] or "0")
    parts = [field("minute", at["minute"]), field("hour", at["hour"]), day(on)]
    parts += [field("month", on["month"]), weekdays(weekday)]
    year = on["year"] or "*"
    if year != "*" and not re.fullmatch(r"[0-9]{4}(?:(?:,|\.\.)[0-9]{4})*", year):
        raise InvalidError(f"cron has no years like {year}")
    if second != "0" or year != "*":
        parts.insert(0, second)
    if year != "*":
        parts.append(year.replace("..", "-"))
    table = {"type": "cron", "expr": " ".join(parts)}
    # systemd wants both, cron takes either of the two (crontab(5)).
    return {**table, "day_match": "and"} if weekday != "*" and parts[-3] != "*" else table


def day(on: re.Match[str]) -> str:
    """The day of the month; after ``~`` it counts from the month's end."""
    if on["mark"] == "-":
        return field("day", on["day"])
    if not on["day"].isdecimal() or not 1 <= int(on["day"]) <= 31:
        raise InvalidError(f"cron cannot say ~{on['day']}")
    back = int(on["day"]) - 1
    return f"L-{back}" if back else "L"


def weekdays(text: str) -> str:
    """``Mon..Fri`` and ``Sat,Sun`` as cron writes them."""
    if text == "*":
        return "*"
    parts = []
    for part in text.split(","):
        names = [name[:3].lower() for name in part.split("..")]
        if any(name not in DAYS for name in names) or len(names) > 2:
            raise InvalidError(f"{part[:20]!r} is not a day of the week")
        parts.append("-".join(str(DAYS.index(name)) for name in names))
    return ",".join(parts)


def field(name: str, text: str) -> str:
    """One field: lists, ``a..b``, and ``a/b`` from ``a`` in steps of ``b``."""
    return ",".join(part_of(name, part) for part in text.split(","))


def part_of(name: str, part: str) -> str:
    low, high = LIMITS[name]
    base, slash, step = part.partition("/")
    if slash and not step.isdecimal():
        raise InvalidError(f"cron cannot say {part[:20]!r}")
    if base == "*":
        return f"*/{int(step)}" if slash and int(step) > 1 else "*"
    ends = base.split("..")
    if len(ends) > 2 or not all(end.isdecimal() and low <= int(end) <= high for end in ends):
        raise InvalidError(f"cron cannot say {part[:20]!r}")
    numbers = [int(end) for end in ends]
    if not slash:
        return "-".join(map(str, numbers))
    span = numbers if len(numbers) == 2 else [numbers[0], high]
    if span == [low, high]:
        return f"*/{int(step)}" if int(step) > 1 else "*"
    return f"{span[0]}-{span[1]}/{int(step)}"
