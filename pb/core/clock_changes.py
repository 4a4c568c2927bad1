"""Where a zone's clock changes: the gap it skips or the hour it tells twice.

Asks ``tzinfo.utcoffset`` each time and remembers nothing: offsets change with governments, and
cron daemons that cached them ran an hour off (Asia/Almaty 2024). Never a schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from pb.core.lean import dataclass

SECOND = timedelta(seconds=1)
_STRIDE = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """At the instant ``at`` (UTC) the offset goes from ``before`` to ``after``."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        """Clocks go forward: wall times are left out. Otherwise they happen twice."""
        return self.after > self.before

    @property
    def length(self) -> timedelta:
        return abs(self.after - self.before)

    @property
    def wall_start(self) -> datetime:
        """The first wall-clock time (naive) that is left out, or happens twice."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def wall_end(self) -> datetime:
        """The first wall-clock time (naive) after those."""
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def offset_at(instant: datetime, zone: tzinfo) -> timedelta:
    """The zone's offset at an aware instant."""
    offset = instant.astimezone(UTC).astimezone(zone).utcoffset()
    assert offset is not None  # astimezone would have failed
    return offset


def change_at(wall: datetime, zone: tzinfo) -> Change | None:
    """The change that leaves out or doubles the naive time ``wall``; None if it is an ordinary one.

    PEP 495: in a gap ``fold=0`` answers with the offset before the change and ``fold=1`` with the
    one after it; in an overlap likewise. Elsewhere both are equal.
    """
    before = wall.replace(tzinfo=zone, fold=0).utcoffset()
    after = wall.replace(tzinfo=zone, fold=1).utcoffset()
    if before is None or after is None or before == after:
        return None
    instant = wall.replace(tzinfo=UTC, fold=0)
    early, late = sorted((instant - before, instant - after))
    return _bisect(early, late, before, after, zone)


def _bisect(
    early: datetime, late: datetime, before: timedelta, after: timedelta, zone: tzinfo
) -> Change:
    """The change between two instants, to the second."""
    while late - early > SECOND:
        middle = early + (late - early) // 2
        middle = max(early + SECOND, middle.replace(microsecond=0))
        if offset_at(middle, zone) == before:
            early = middle
        else:
            late = middle
    return Change(at=late.replace(microsecond=0), before=before, after=after)


def changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[Change]:
    """Every change after ``start`` up to ``end`` (aware), in order."""
    early = start.astimezone(UTC).replace(microsecond=0)
    before = offset_at(early, zone)
    while early < end:
        late = min(early + _STRIDE, end.astimezone(UTC))
        after = offset_at(late, zone)
        if after != before:
            yield _bisect(early, late, before, after, zone)
        early, before = late, after
