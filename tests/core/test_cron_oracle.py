"""``next`` and ``prev`` against brute force: every minute around about 200 clock changes.

The oracle is written from cron(8) alone ("if time was moved forward by less than three hours,
those jobs that would have run in the interval that has been skipped will be run immediately;
if time has moved backward by less than three hours, those jobs that fall into the repeated time
will not be re-run; only jobs that run at a particular time are affected"), with the boundaries
that Debian's own code has. It walks UTC minute by minute with zoneinfo and shares nothing with
``pb``: no parser (it makes texts and their meaning together), no fold, no day masks.
"""

from __future__ import annotations

import calendar
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from pb.core.cron import CronError, parse_cron

ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/Windhoek", "America/Argentina/San_Luis",
    "America/Asuncion", "America/Bahia", "America/Caracas", "America/Havana", "America/Los_Angeles",
    "America/New_York", "America/Nuuk", "America/Santiago", "America/Sao_Paulo",
    "America/St_Johns", "Antarctica/Casey", "Antarctica/Davis", "Antarctica/Troll", "Asia/Almaty",
    "Asia/Amman", "Asia/Beirut", "Asia/Dhaka", "Asia/Gaza", "Asia/Kathmandu", "Asia/Pyongyang",
    "Asia/Tehran", "Asia/Ulaanbaatar", "Asia/Vladivostok", "Australia/Adelaide",
    "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Europe/Istanbul", "Europe/London",
    "Europe/Moscow", "Europe/Volgograd", "Pacific/Apia", "Pacific/Chatham", "Pacific/Easter",
    "Pacific/Kwajalein", "Pacific/Tongatapu",
)  # fmt: skip
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AROUND = 36 * HOUR
SEED = 20_260_329


@dataclass(frozen=True, slots=True)
class Window:
    """Every minute around one change: instants with their wall time, and each jump within."""

    zone: ZoneInfo
    end: datetime
    minutes: list[tuple[datetime, datetime]]
    jumps: list[tuple[datetime, timedelta, timedelta]]


@dataclass(frozen=True, slots=True)
class Case:
    """An expression as text, and what it means as sets and a predicate."""

    text: str
    seconds: tuple[int, ...]
    minutes: frozenset[int]
    hours: frozenset[int]
    day: Callable[[date], bool]
    wildcard: bool
    options: dict[str, str]

    def matches(self, wall: datetime) -> bool:
        return wall.minute in self.minutes and wall.hour in self.hours and self.day(wall.date())


def offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    found = instant.astimezone(zone).utcoffset()
    assert found is not None
    return found


@cache
def changes_of(name: str) -> list[datetime]:
    """The instants since 1970 at which a zone's offset changes, to the minute."""
    zone, found = ZoneInfo(name), list[datetime]()
    at, day = datetime(1970, 1, 2, tzinfo=UTC), timedelta(days=1)
    before = offset(zone, at)
    while at.year < 2038:
        after = offset(zone, at + day)
        if after != before:
            minutes = (at + MINUTE * n for n in range(1, 1441))
            found.append(next(minute for minute in minutes if offset(zone, minute) != before))
        at, before = at + day, after
    return found


def window(name: str, change: datetime) -> Window:
    zone, minutes, jumps = ZoneInfo(name), [], []
    at, before = change - AROUND, offset(ZoneInfo(name), change - AROUND)
    while at < change + AROUND:
        now = offset(zone, at)
        if now != before:
            jumps.append((at, before, now))
        minutes.append((at, at.replace(tzinfo=None) + now))
        at, before = at + MINUTE, now
    return Window(zone=zone, end=at, minutes=minutes, jumps=jumps)


def fire_times(case: Case, window: Window) -> Iterator[datetime]:
    """cron(8)'s rule, instant by instant, in order."""
    jumps = {at: (before, after) for at, before, after in window.jumps}
    for at, wall in window.minutes:
        caught_up = at in jumps and catches_up(case, at, *jumps[at])
        if caught_up:
            yield at
        if case.matches(wall) and not suppressed(case, window, at, wall):
            yield from (
                at + timedelta(seconds=second)
                for second in case.seconds
                if not (caught_up and second == 0)
            )


def catches_up(case: Case, at: datetime, before: timedelta, after: timedelta) -> bool:
    jump = after - before
    default = "skip" if case.wildcard or jump >= 3 * HOUR else "run_after"
    if jump <= timedelta(0) or case.options.get("dst_gap", default) == "skip":
        return False
    start = at.replace(tzinfo=None) + before
    return any(case.matches(start + MINUTE * n) for n in range(jump // MINUTE))


def suppressed(case: Case, window: Window, at: datetime, wall: datetime) -> bool:
    for jump_at, before, after in window.jumps:
        start, end = jump_at.replace(tzinfo=None) + after, jump_at.replace(tzinfo=None) + before
        if not start <= wall < end or abs(at - jump_at) > end - start:
            continue
        default = "both" if case.wildcard or before - after > 3 * HOUR else "first"
        mode = case.options.get("dst_overlap", default)
        if mode != "both" and (mode == "first") != (at < jump_at):
            return True
    return False


# --- random expressions, each made together with its meaning -------------------------------------


def some(rng: random.Random, low: int, high: int, near: int | None = None) -> tuple[str, set[int]]:
    """A field without specials: text and values. ``near`` draws values close to a clock change."""

    def value() -> int:
        if near is not None and rng.random() < 0.7:
            return low + (near + rng.randint(-2, 2) - low) % (high - low + 1)
        return rng.randint(low, high)

    match rng.randrange(7):
        case 0:
            return "*", set(range(low, high + 1))
        case 1:
            step = rng.randint(1, max(2, (high - low) // 2))
            return f"*/{step}", set(range(low, high + 1, step))
        case 2:
            first, last = sorted((value(), value()))
            return f"{first}-{last}", set(range(first, last + 1))
        case 3:
            first, last = sorted((value(), value()))
            step = rng.randint(1, 7 if high > 12 else 3)
            return f"{first}-{last}/{step}", set(range(first, last + 1, step))
        case 4:
            values = [value() for _ in range(rng.randint(2, 4))]
            return ",".join(map(str, values)), set(values)
    only = value()
    return f"{only:02}" if rng.random() < 0.2 else str(only), {only}


def month_day(rng: random.Random, near: int) -> tuple[str, Callable[[date], bool]]:
    def length(day: date) -> int:
        return calendar.monthrange(day.year, day.month)[1]

    def workday(day: date, wanted: int) -> bool:
        month = (date(day.year, day.month, n) for n in range(1, length(day) + 1))
        working = [candidate for candidate in month if candidate.isoweekday() <= 5]
        nearest = min(working, key=lambda candidate: abs(candidate.day - wanted))
        return wanted <= length(day) and nearest == day

    n = max(1, min(31, near + rng.randint(-2, 2)))
    match rng.randrange(10):
        case 0:
            return "L", lambda day: day.day == length(day)
        case 1:
            return "LW", lambda day: workday(day, length(day))
        case 2:
            return f"L-{n % 9 + 1}", lambda day: day.day == length(day) - (n % 9 + 1)
        case 3:
            return f"{n}W", lambda day: workday(day, n)
        case 4:
            return "?", lambda day: True
    text, values = some(rng, 1, 31, near)
    return text, lambda day: day.day in values


def week_day(rng: random.Random) -> tuple[str, Callable[[date], bool]]:
    names = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
    n, k = rng.randrange(7), rng.randint(1, 5)
    match rng.randrange(8):
        case 0:
            return f"{n}#{k}", lambda day: day.isoweekday() % 7 == n and (day.day - 1) // 7 == k - 1
        case 1:
            return (
                f"{names[n]}L",
                lambda day: (
                    day.isoweekday() % 7 == n and (day + timedelta(days=7)).month != day.month
                ),
            )
        case 2:
            run = {(n + more) % 7 for more in range(k)}
            return f"{names[n].lower()}-{(n + k - 1) % 7}", lambda day: day.isoweekday() % 7 in run
    text, values = some(rng, 0, 7)
    # A week has seven days: 0 and 7 are the same one, and * and steps run over 0-6.
    if text.startswith("*"):
        values.discard(7)
    return text, lambda day: day.isoweekday() % 7 in {value % 7 for value in values}


def case(rng: random.Random, change: datetime, zone: ZoneInfo) -> Case:
    wall = (change - MINUTE * rng.choice((0, 1))).astimezone(zone)
    minute, minutes = some(rng, 0, 59)
    hour, hours = some(rng, 0, 23, wall.hour)
    fields, starred = [minute, hour], {minute[0], hour[0]}
    seconds = {0}
    if rng.random() < 0.35:
        second, seconds = some(rng, 0, 59)
        fields, starred = [second, *fields], {second[0], *starred}
    dom, on_dom = month_day(rng, wall.day) if rng.random() < 0.35 else ("*", lambda day: True)
    dow, on_dow = week_day(rng) if rng.random() < 0.35 else ("*", lambda day: True)
    both = dom[0] in "*?" or dow[0] == "*"
    options = {}
    if rng.random() < 0.15:
        options["dst_gap"] = rng.choice(("run_after", "skip"))
    if rng.random() < 0.15:
        options["dst_overlap"] = rng.choice(("first", "second", "both"))
    if rng.random() < 0.1:
        options["day_match"], both = "and", True
    elif rng.random() < 0.1:
        dow, both = f"+{dow}", True
    return Case(
        text=" ".join([*fields, dom, "*", dow]),
        seconds=tuple(sorted(seconds)),
        minutes=frozenset(minutes),
        hours=frozenset(hours),
        day=lambda day: on_dom(day) and on_dow(day) if both else on_dom(day) or on_dow(day),
        wildcard="*" in starred,
        options=options,
    )


def moment(rng: random.Random, around: Window) -> datetime:
    """Mostly shortly before a change or right at one; any fraction of a second."""
    draw, jump = rng.random(), rng.choice(around.jumps)[0]
    if draw < 0.3:
        return jump + timedelta(seconds=rng.choice((-1, 0, 1)))
    fraction = timedelta(seconds=rng.randrange(60), microseconds=rng.choice((0, 0, 1, 999_999)))
    if draw < 0.8:
        return jump + MINUTE * rng.randint(-360, 150) + fraction
    return around.minutes[rng.randrange(len(around.minutes) - 60)][0] + fraction


def difference(rng: random.Random, made: Case, around: Window) -> str | None:
    """Where ``pb`` and the oracle part, from a random moment on, forwards and back; or None."""
    start = moment(rng, around)
    times = fire_times(made, around)
    expected = list[datetime]()
    earlier: datetime | None = None
    for at in times:
        if at > start:
            expected.append(at)
        else:
            earlier = at if at < start else earlier
        if len(expected) == 5:
            break
    try:
        expr = parse_cron(made.text, **made.options)
    except CronError as error:
        return f"{made.text}: {error}" if expected or earlier else None
    at = start
    for wanted in expected:
        found = expr.next(at, around.zone)
        if found != wanted:
            return f"{made} {around.zone} next({at}) = {found}, not {wanted}"
        back = expr.prev(wanted, around.zone)
        last = earlier if wanted == expected[0] else at
        if last is not None and at != start and back != last:
            return f"{made} {around.zone} prev({wanted}) = {back}, not {last}"
        at = found
    if len(expected) < 5:
        found = expr.next(at, around.zone)
        if found is not None and found < around.end:
            return f"{made} {around.zone} next({at}) = {found}, which the oracle does not have"
    if earlier is not None and expr.prev(start, around.zone) != earlier:
        return f"{made} {around.zone} prev({start}) is not {earlier}"
    return None


def differences(cases_per_change: int, seed: int) -> tuple[int, list[str]]:
    rng, count, found = random.Random(seed), 0, list[str]()
    for name in ZONES:
        known = changes_of(name)
        for change in rng.sample(known, min(6, len(known))):
            around = window(name, change)
            for _ in range(cases_per_change):
                count += 1
                part = difference(rng, case(rng, change, around.zone), around)
                if part:
                    found.append(part)
    return count, found


def test_random_expressions_around_clock_changes_agree_with_brute_force() -> None:
    count, found = differences(cases_per_change=15, seed=SEED)
    assert found == []
    assert count >= 3_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_thousand_random_cases_agree_with_brute_force() -> None:
    count, found = differences(cases_per_change=94, seed=SEED + 1)
    assert found == []
    assert count >= 20_000
