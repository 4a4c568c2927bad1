"""The past as a calendar of text, a character for each outcome: days by hours, weeks by weekdays.

Draws only: counts come in, lines go out. Each character tells how it went without any colour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo

from pb.core.lean import dataclass

BAD = frozenset({"failed", "timed_out", "lost"})
GOOD = frozenset({"succeeded"})
OPEN = frozenset({"queued", "starting", "running"})

LONGEST_BY_HOURS = 35
"""Days up to which the hours are drawn; a longer time is drawn in weeks."""

ROOMY = 72
"""Columns from which on the hours stand apart and days have their whole names."""

Runs = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters of one picture, each one column wide."""

    good: str
    mixed: str
    bad: str
    unrun: str
    open: str
    none: str


RICH = Glyphs(good="■", mixed="▲", bad="✗", unrun="○", open="▸", none="·")
PLAIN = Glyphs(good="#", mixed="%", bad="X", unrun="o", open=">", none=".")

MEANINGS = (
    ("good", "succeeded"),
    ("mixed", "some failed"),
    ("bad", "failed"),
    ("unrun", "skipped or cancelled"),
    ("open", "running"),
    ("none", "none"),
)

COLOURS = {"good": "green", "mixed": "yellow", "bad": "red", "open": "cyan"}


def outcome(runs: Runs) -> str:
    """What a stretch of time is drawn as: the name of a glyph."""
    good = any(runs.get(state) for state in GOOD)
    if any(runs.get(state) for state in BAD):
        return "mixed" if good else "bad"
    if good:
        return "good"
    if any(runs.get(state) for state in OPEN):
        return "open"
    return "unrun" if any(runs.values()) else "none"


@dataclass(slots=True, kw_only=True)
class Calendar:
    """Runs by the day and the hour in which they began, on the clock of ``zone``.

    ``since`` and ``until`` (aware) bound what is known: outside of them nothing is drawn.
    """

    since: datetime
    until: datetime
    zone: tzinfo
    cells: dict[tuple[date, int], Counter[str]]

    @property
    def first_day(self) -> date:
        return self.since.astimezone(self.zone).date()

    @property
    def last_day(self) -> date:
        return self.until.astimezone(self.zone).date()

    def day(self, day: date) -> Counter[str]:
        found: Counter[str] = Counter()
        for hour in range(24):
            found.update(self.cells.get((day, hour), Counter()))
        return found

    def is_known(self, day: date, hour: int) -> bool:
        """Whether any of that hour lies between ``since`` and ``until``."""
        first, last = (at.astimezone(self.zone) for at in (self.since, self.until))
        place = (day, hour)
        return (first.date(), first.hour) <= place <= (last.date(), last.hour)


def calendar(
    stretches: Iterable[tuple[datetime, Runs]], since: datetime, until: datetime, zone: tzinfo
) -> Calendar:
    cells: dict[tuple[date, int], Counter[str]] = {}
    for at, runs in stretches:
        wall = at.astimezone(zone)
        cells.setdefault((wall.date(), wall.hour), Counter()).update(runs)
    return Calendar(since=since, until=until, zone=zone, cells=cells)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a label, a glyph's name for each place (empty for none), and what is counted."""

    label: str
    cells: tuple[str, ...]
    runs: Runs


def by_hours(whole: Calendar, *, roomy: bool) -> tuple[list[Row], str]:
    """A row for each day and a place for each hour; and what stands above the places."""
    rows, day = [], whole.first_day
    while day <= whole.last_day:
        cells = tuple(
            outcome(whole.cells.get((day, hour), {})) if whole.is_known(day, hour) else ""
            for hour in range(24)
        )
        rows.append(Row(f"{day:%a %m-%d}" if roomy else f"{day:%m-%d}", cells, whole.day(day)))
        day += timedelta(days=1)
    gap = 2 if roomy else 1
    return rows, "".join(f"{hour:02d}".ljust(6 * gap) for hour in range(0, 24, 6)).rstrip()


def by_weeks(whole: Calendar, most: int) -> tuple[list[Row], str]:
    """A row for each weekday and a place for each week, the newest last; and the months above."""
    monday = whole.last_day - timedelta(days=whole.last_day.weekday())
    count = min(most, (monday - whole.first_day).days // 7 + 2)
    mondays = [monday - timedelta(weeks=back) for back in reversed(range(count))]
    rows = []
    for weekday in range(7):
        days = [week + timedelta(days=weekday) for week in mondays]
        known = [day if whole.first_day <= day <= whole.last_day else None for day in days]
        runs: Counter[str] = Counter()
        for day in filter(None, known):
            runs.update(whole.day(day))
        cells = tuple(outcome(whole.day(day)) if day else "" for day in known)
        rows.append(Row(f"{days[0]:%a}", cells, runs))
    return rows, months(mondays)


def months(mondays: list[date]) -> str:
    """The name of each month above its first week, where there is room for it."""
    sundays = [monday + timedelta(days=6) for monday in mondays]
    starts = [
        place
        for place, sunday in enumerate(sundays)
        if place == 0 or sunday.month != sundays[place - 1].month
    ]
    line = ""
    for place, after in zip(starts, [*starts[1:], len(mondays) + 1], strict=True):
        if after - place > len("Nov"):
            line = line.ljust(place) + f"{sundays[place]:%b}"
    return line


def counted(runs: Runs) -> tuple[int, int]:
    """How many ran (or run), and how many of them went wrong."""
    ran = GOOD | BAD | OPEN | {"cancelled"}
    return sum(n for state, n in runs.items() if state in ran), sum(
        n for state, n in runs.items() if state in BAD
    )
