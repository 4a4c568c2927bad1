"""Cron expressions in a time zone: the next instant, the one before, and the clock changes.

Pure: no clock, no file, no cache of offsets. Reading an expression is ``core.cron_parse``'s,
counting wall-clock times ``core.wallclock``'s, words are ``core.cron_words``'.

The rule for clock changes is Debian cron's (cron(8), the 3-hour rule), extended to seconds. An
expression whose second, minute or hour field starts with ``*`` is a *wildcard*, any other is
*fixed*. A fixed time in a gap shorter than 3 hours fires once, right after the gap; in an overlap
of up to 3 hours it fires in the first pass only. A wildcard leaves out what does not exist and
fires in both passes. ``dst_gap`` and ``dst_overlap``, where given, hold for any length.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from pb.core.clock_changes import SECOND, Change, change_at, changes
from pb.core.cron_fields import CronError
from pb.core.cron_parse import MACROS, Schedule, read, words
from pb.core.lean import dataclass
from pb.core.wallclock import WallClock

__all__ = ["MACROS", "CronError", "CronExpr", "clock_change_notes", "parse_cron"]

THREE_HOURS = timedelta(hours=3)
_CHOICES: dict[str, tuple[str, ...]] = {
    "day_match": ("and", "or"),
    "dst_gap": ("run_after", "skip"),
    "dst_overlap": ("first", "second", "both"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CronExpr:
    """A cron expression, checked and ready. Make one with ``parse_cron``."""

    text: str
    schedule: Schedule
    dst_gap: str | None = None
    dst_overlap: str | None = None
    clock: WallClock = field(compare=False, repr=False)

    @property
    def is_wildcard(self) -> bool:
        """Whether the second, minute or hour field starts with ``*``."""
        return self.schedule.is_wildcard

    def next(self, after: datetime, tz: tzinfo) -> datetime | None:
        """The first fire time strictly later than ``after``: aware, UTC.

        None if there is none within 50 years (or, when a year field names years, in any of them).
        Raises ValueError for a naive ``after``.
        """
        if after.tzinfo is not UTC:
            after = _as_utc(after)
        local = after.astimezone(tz)
        wall = self.clock.after(local, tz)
        # Neither here nor there does the clock change: the ordinary case, and the fast one.
        if wall is not None and local.utcoffset() == local.replace(fold=1).utcoffset():
            offset = wall.utcoffset()
            if offset is not None and offset == wall.replace(fold=1).utcoffset():
                return wall.replace(tzinfo=UTC) - offset
        return self._next_beside_change(after, local.replace(tzinfo=None), tz)

    def prev(self, before: datetime, tz: tzinfo) -> datetime | None:
        """The last fire time strictly earlier than ``before``: aware, UTC; None as in ``next``."""
        before = _as_utc(before)
        local = before.astimezone(tz).replace(tzinfo=None)
        change = change_at(local, tz) if local.fold else None
        if change is not None:
            found = self._last_in_overlap(local, change)
            if found is not None:
                return found
            local = change.wall_start
        wall = self.clock.before(local)
        while wall is not None:
            change = change_at(wall, tz)
            if change is None:
                return _instant(wall, tz)
            for instant in reversed(self._instants(wall, change)):
                if instant < before:
                    return instant
            wall = self.clock.before(change.wall_start)
        return None

    def explain(self) -> str:
        """The meaning in plain words, such as ``At 02:30, Monday to Friday``."""
        from pb.core.cron_words import explain

        return explain(self.schedule)

    def _next_beside_change(self, after: datetime, local: datetime, tz: tzinfo) -> datetime | None:
        change = change_at(local, tz)
        if change is not None and local.fold == 0:
            found = self._next_in_overlap(local, change)
            if found is not None:
                return found
        wall = self.clock.after(local)
        while wall is not None:
            change = change_at(wall, tz)
            if change is None:
                return _instant(wall, tz)
            for instant in self._instants(wall, change):
                if instant > after:
                    return instant
            wall = self.clock.after(change.wall_end - SECOND)
        return None

    def _next_in_overlap(self, local: datetime, change: Change) -> datetime | None:
        """From within the first pass: what is left of it, then the second pass from its start."""
        mode = self.overlap_mode(change)
        wall = self.clock.after(local)
        if mode != "second" and wall is not None and wall < change.wall_end:
            return (wall - change.before).replace(tzinfo=UTC)
        wall = self.clock.after(change.wall_start - SECOND)
        if mode != "first" and wall is not None and wall < change.wall_end:
            return (wall - change.after).replace(tzinfo=UTC)
        return None

    def _last_in_overlap(self, local: datetime, change: Change) -> datetime | None:
        """From within the second pass: what has passed of it, then the first pass from its end."""
        mode = self.overlap_mode(change)
        wall = self.clock.before(local)
        if mode != "first" and wall is not None and wall >= change.wall_start:
            return (wall - change.after).replace(tzinfo=UTC)
        wall = self.clock.before(change.wall_end)
        if mode != "second" and wall is not None and wall >= change.wall_start:
            return (wall - change.before).replace(tzinfo=UTC)
        return None

    def _instants(self, wall: datetime, change: Change) -> tuple[datetime, ...]:
        """When a wall-clock time that a change leaves out or doubles fires, in order."""
        if change.is_gap:
            return (change.at,) if self.runs_after(change) else ()
        first = (wall - change.before).replace(tzinfo=UTC)
        second = (wall - change.after).replace(tzinfo=UTC)
        return {"first": (first,), "second": (second,), "both": (first, second)}[
            self.overlap_mode(change)
        ]

    def runs_after(self, gap: Change) -> bool:
        """Whether a time that falls into ``gap`` fires right after it."""
        if self.dst_gap is not None:
            return self.dst_gap == "run_after"
        # A gap of exactly three hours is a correction of the clock, not a change to summer time.
        return not self.is_wildcard and gap.length < THREE_HOURS

    def overlap_mode(self, overlap: Change) -> str:
        """Which pass of ``overlap`` a time that happens twice fires in: first, second or both."""
        if self.dst_overlap is not None:
            return self.dst_overlap
        return "both" if self.is_wildcard or overlap.length > THREE_HOURS else "first"


def _as_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant must be aware")
    return instant.astimezone(UTC)


def _instant(wall: datetime, tz: tzinfo) -> datetime:
    return wall.replace(tzinfo=tz).astimezone(UTC)


def parse_cron(
    expr: str,
    *,
    name: str | None = None,
    day_match: str | None = None,
    dst_gap: str | None = None,
    dst_overlap: str | None = None,
) -> CronExpr:
    """Check and compile ``expr`` (5, 6 or 7 fields, or a macro). Raises CronError.

    ``name`` is the job's: ``H`` is hashed on it (the empty name when None). ``day_match`` is
    ``and|or``, ``dst_gap`` ``run_after|skip``, ``dst_overlap`` ``first|second|both``; None leaves
    each to the rule. Results are remembered, and shared between jobs unless ``H`` is used.
    """
    if not isinstance(expr, str):
        raise CronError(f"a cron expression is a text, not {expr!r}", hint='Such as "30 2 * * *".')
    seed = (name or "") if "H" in expr.upper() else ""
    return _compiled(expr, seed, day_match, dst_gap, dst_overlap)


@lru_cache(maxsize=1024)
def _compiled(
    expr: str, seed: str, day_match: str | None, dst_gap: str | None, dst_overlap: str | None
) -> CronExpr:
    options = {"day_match": day_match, "dst_gap": dst_gap, "dst_overlap": dst_overlap}
    for option, value in options.items():
        if value is not None and value not in _CHOICES[option]:
            raise CronError(
                f"{option} cannot be {value!r}",
                hint=f"Choose {' or '.join(_CHOICES[option])}.",
                expression=expr,
            )
    schedule = read(expr, name=seed, day_match=day_match)
    clock = WallClock(schedule)
    if not clock.is_possible():
        raise _never(expr)
    return CronExpr(
        text=expr.strip(),
        schedule=schedule,
        dst_gap=dst_gap,
        dst_overlap=dst_overlap,
        clock=clock,
    )


def _never(expr: str) -> CronError:
    """No macro is impossible, so the fields are the ones that were written."""
    found = words(expr)
    day = found[len(found) - 3 - (len(found) == 7)]
    return CronError(
        f"day of month: {day[0]} never comes in the months, weekdays and years that are asked for",
        hint="No day in the calendar matches; change the day or the month.",
        expression=expr,
        at=day.start(),
        length=len(day[0]),
        field="day of month",
    )


def clock_change_notes(expr: CronExpr, tz: tzinfo, start: datetime, days: float = 366) -> list[str]:
    """What the clock changes within ``days`` after ``start`` do to ``expr``, a sentence each.

    Such as ``2026-03-29 02:30 does not exist (clocks go forward): runs at 03:00``. Nothing is said
    of a wildcard that runs around the clock: it follows each change by itself.
    """
    if expr.is_wildcard and expr.schedule.hours.bit_count() == 24 and not _has_override(expr):
        return []
    found = changes(tz, _as_utc(start), _as_utc(start) + timedelta(days=days))
    return [note for change in found if (note := _note(expr, change)) is not None]


def _has_override(expr: CronExpr) -> bool:
    return expr.dst_gap is not None or expr.dst_overlap is not None


def _note(expr: CronExpr, change: Change) -> str | None:
    from pb.core.cron_notes import gap_note, overlap_note

    walls = list[datetime]()
    wall = expr.clock.after(change.wall_start - SECOND)
    while wall is not None and wall < change.wall_end and len(walls) < 3_601:
        walls.append(wall)
        wall = expr.clock.after(wall)
    if not walls:
        return None
    if change.is_gap:
        return gap_note(change, walls, expr.runs_after(change))
    return overlap_note(walls, expr.overlap_mode(change))
