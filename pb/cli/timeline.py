"""A timeline of the coming hours as text: a row for each job, a column for each stretch of time.

Draws only: fire times come in, lines go out. Nothing here asks anybody, prints, or knows a colour;
what a column says is told by its character alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from pb.core.clock_changes import Change
from pb.core.lean import dataclass

MINUTES = (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 10080)
"""How long a column may stand for."""

NAME_SHARE = 4
"""A name takes at most a quarter of the screen, but ten columns if it needs them."""

LABEL = 5
"""Columns of a time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters of one picture, each one column wide."""

    none: str
    once: str
    many: str
    change: str
    ellipsis: str


PLAIN = Glyphs(none=".", once="o", many="#", change="!", ellipsis="~")
RICH = Glyphs(none="·", once="●", many="#", change="↕", ellipsis="…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The columns: ``count`` of them, each ``step`` long, the first from ``start`` (aware)."""

    start: datetime
    step: timedelta
    count: int

    def column(self, at: datetime) -> int:
        return (at - self.start) // self.step

    def begin(self, column: int) -> datetime:
        return self.start + self.step * column

    @property
    def end(self) -> datetime:
        return self.begin(self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One job: how often it fires in each column; ``is_complete`` unless counting was given up."""

    name: str
    counts: Sequence[int]
    first: datetime
    is_complete: bool = True


def name_width(names: Sequence[str], columns: int) -> int:
    return min(max(map(len, names), default=0), max(10, columns // NAME_SHARE))


def grid(start: datetime, end: datetime, room: int, zone: tzinfo) -> Grid:
    """The finest columns with which everything from ``start`` to ``end`` fits into ``room``.

    They begin at a round time of the zone's clock at ``start``.
    """
    wall = start.astimezone(zone)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    since_midnight = wall.replace(tzinfo=None) - midnight.replace(tzinfo=None)
    for minutes in MINUTES:
        step = timedelta(minutes=minutes)
        first = start - since_midnight % min(step, timedelta(days=1))
        count = -(-(end - first) // step)
        if count <= room:
            break
    return Grid(start=first, step=step, count=min(count, room))


def cell(count: int, glyphs: Glyphs) -> str:
    if count == 0:
        return glyphs.none
    if count == 1:
        return glyphs.once
    return str(count) if count < 10 else glyphs.many


def ruler(columns: Grid, zone: tzinfo) -> str:
    """Times of day above the columns that begin then, as close as they can be read."""
    hours = columns.step.total_seconds() / 3600
    interval = next((one for one in (1, 2, 3, 4, 6, 12) if one / hours > LABEL), 24)
    line, seen = "", None
    for column in range(columns.count):
        at = columns.begin(column).astimezone(zone)
        part = (at.date(), at.hour // interval)
        label = f"{at:%a}" if at.hour == 0 and at.minute == 0 else f"{at:%H:%M}"
        if interval == 24 and columns.step.days:
            label = f"{at:%d %b}"
        begins = part != seen and (column > 0 or at.hour % interval == at.minute == 0)
        if begins and (len(line) < column or column == 0) and column + len(label) <= columns.count:
            line = line.ljust(column) + label
        seen = part
    return line


def change_row(columns: Grid, changes: Sequence[Change], glyphs: Glyphs) -> str:
    """A mark under the columns in which the clock changes; empty when it does not."""
    marked = {columns.column(change.at) for change in changes}
    return "".join(
        glyphs.change if column in marked else " " for column in range(columns.count)
    ).rstrip()


def change_words(change: Change, zone: tzinfo) -> str:
    """``Sun 2026-10-25 03:00 CEST becomes 02:00 CET``: what the clock on the wall does."""
    after = change.at.astimezone(zone)
    before = (change.at - timedelta(microseconds=1)).astimezone(zone)
    wall = change.at.replace(tzinfo=None) + change.before
    way = "forward" if change.is_gap else "back"
    minutes = round(change.length.total_seconds() / 60)
    length = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return (
        f"{wall:%a %Y-%m-%d %H:%M} {before:%Z} becomes {after:%H:%M} {after:%Z}: "
        f"the clock goes {way} {length}"
    )


def rows(
    lines: Sequence[Line], columns: Grid, width: int, zone: tzinfo, glyphs: Glyphs
) -> list[str]:
    """One line of text for each job: name, columns, how often, and when first."""
    totals = [total(line) for line in lines]
    size = max(map(len, totals), default=0)
    drawn = []
    for line, often in zip(lines, totals, strict=True):
        name = line.name if len(line.name) <= width else line.name[: width - 1] + glyphs.ellipsis
        cells = "".join(cell(count, glyphs) for count in line.counts)
        when = first_words(line.first, columns, zone)
        drawn.append(f"{name.ljust(width)}  {cells}  {often.rjust(size)}  {when}")
    return drawn


def total(line: Line) -> str:
    return f"{sum(line.counts)}{'' if line.is_complete else '+'}"


def first_words(first: datetime, columns: Grid, zone: tzinfo) -> str:
    """The next time of a job; with its day, where the picture has more than one."""
    at = first.astimezone(zone)
    return f"{at:%a %H:%M}" if has_days(columns.end - columns.start) else f"{at:%H:%M}"


def has_days(length: timedelta) -> bool:
    """Whether a picture of so long has more than one day to tell apart."""
    return length > timedelta(hours=23)


def step_words(step: timedelta) -> str:
    minutes = int(step.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 1440 else f"{minutes // 1440} d"
