"""Runs added up: what is remembered of them by hour, day, week and month, whatever is let go. Pure.

Periods are those of UTC; a run belongs to the one in which it was recorded. Weeks begin on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pb.core import histogram
from pb.core.lean import dataclass
from pb.core.model import EXECUTED, State

HOUR, DAY, WEEK, MONTH = LEVELS = ("hour", "day", "week", "month")

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

MONDAY_MS = 4 * DAY_MS
"""The first Monday of the epoch, which began on a Thursday."""

LATEST_MS = 253_399_622_400_000
"""Later than anything that is recorded: the begin of the last month of the year 9999."""

UNPLANNED = ("manual", "cli")
"""Triggers of runs that nothing had planned, so they cannot be late."""

ALL = "*"
"""Stands for all jobs together, but for those that pb itself has."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start_of(level: str, at_ms: int) -> int:
    """When the period began in which ``at_ms`` lies (epoch milliseconds)."""
    if level == HOUR:
        return at_ms - at_ms % HOUR_MS
    if level == DAY:
        return at_ms - at_ms % DAY_MS
    if level == WEEK:
        return at_ms - (at_ms - MONDAY_MS) % (7 * DAY_MS)
    moment = EPOCH + timedelta(milliseconds=at_ms)
    return _ms(datetime(moment.year, moment.month, 1, tzinfo=UTC))


def end_of(level: str, start_ms: int) -> int:
    """When the period ends that begins at ``start_ms``; that moment is not in it any more."""
    match level:
        case "hour":
            return start_ms + HOUR_MS
        case "day":
            return start_ms + DAY_MS
        case "week":
            return start_ms + 7 * DAY_MS
        case _:
            return start_of(MONTH, start_ms + 31 * DAY_MS)


def _ms(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)


def cover(since_ms: int, until_ms: int) -> Iterator[tuple[str, int, int]]:
    """The fewest periods that make up the hours between two: level, begin and end of each stretch.

    ``until_ms`` itself is not in it; both should be the begin of an hour.
    """
    at = since_ms
    for level, coarser in ((HOUR, DAY), (DAY, MONTH)):
        edge = at if start_of(coarser, at) == at else end_of(coarser, start_of(coarser, at))
        if edge >= until_ms:
            break
        yield from _stretch(level, at, edge)
        at = edge
    for level in (MONTH, DAY, HOUR):
        edge = start_of(level, until_ms)
        yield from _stretch(level, at, edge)
        at = max(at, edge)


def _stretch(level: str, since_ms: int, until_ms: int) -> Iterator[tuple[str, int, int]]:
    if since_ms < until_ms:
        yield level, since_ms, until_ms


@dataclass(slots=True)
class Spread:
    """Values of one kind: how many, their sum, the smallest, the largest, and about where they
    lie. ``low`` and ``high`` mean nothing while ``count`` is 0."""

    count: int = 0
    sum: int = 0
    low: int = 0
    high: int = 0
    places: dict[int, int] = field(default_factory=dict)

    def take(self, value: int) -> None:
        value = max(0, value)
        position = histogram.place(value)
        self.places[position] = self.places.get(position, 0) + 1
        self._widen(value, value)
        self.count += 1
        self.sum += value

    def _widen(self, low: int, high: int) -> None:
        self.low = low if self.count == 0 else min(self.low, low)
        self.high = max(self.high, high)

    def add(self, other: Spread) -> None:
        if other.count:
            self._widen(other.low, other.high)
            self.count += other.count
            self.sum += other.sum
            histogram.add(self.places, other.places.items())

    def percentile(self, part: int) -> int:
        """By nearest rank, off by one percent at most."""
        return histogram.percentile(self.places, part, self.low, self.high)


@dataclass(slots=True)
class Tally:
    """Runs added up. ``records`` are rows, ``missed`` counts fire times, and one row may stand for
    many; ``retries`` are attempts after the first. ``took`` (milliseconds) is of those that ended
    by themselves, ``late`` from the fire time to the start, of first attempts that were planned.
    """

    records: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    lost: int = 0
    skipped: int = 0
    missed: int = 0
    retries: int = 0
    cpu_ms: int = 0
    cpu_ms_max: int = 0
    memory_max: int = 0
    took: Spread = field(default_factory=Spread)
    late: Spread = field(default_factory=Spread)

    def count(self, run: Mapping[str, Any] | Any) -> None:
        """Add one run that has its outcome; a row of the store or anything like it."""
        state = State(run["state"])
        self.records += 1
        number = run["fire_count"] if state is State.MISSED else 1
        setattr(self, state, getattr(self, state) + number)
        if state not in EXECUTED:
            return
        self.retries += run["attempt"] > 1
        cpu_ms = round((run["cpu_seconds"] or 0) * 1000)
        self.cpu_ms += cpu_ms
        self.cpu_ms_max = max(self.cpu_ms_max, cpu_ms)
        self.memory_max = max(self.memory_max, run["max_rss_bytes"] or 0)
        started = run["started_at"]
        if started is None:
            return
        if state in (State.SUCCEEDED, State.FAILED):
            self.took.take(run["finished_at"] - started)
        if run["attempt"] == 1 and run["trigger"] not in UNPLANNED:
            self.late.take(started - run["fire_at"])

    def add(self, other: Tally) -> None:
        """Add what was added up elsewhere."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in PEAKS:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.took.add(other.took)
        self.late.add(other.late)

    @property
    def errors(self) -> int:
        return self.failed + self.timed_out + self.lost

    @property
    def runs(self) -> int:
        """Those that were executed: a skip or a miss is none."""
        return self.succeeded + self.errors + self.cancelled


PEAKS = ("cpu_ms_max", "memory_max")

SUMS = tuple(one.name for one in fields(Tally) if one.name not in (*PEAKS, "took", "late"))
