"""What a clock change does to a cron expression, in one sentence.

Words only; which times are left out or doubled is found by ``core.cron``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pb.core.clock_changes import Change
from pb.core.cron_words import join

_MOST_TIMES = 4
_PASS = {
    "first": "runs once, the first time",
    "second": "runs once, the second time",
    "both": "runs both times",
}


def gap_note(change: Change, walls: Sequence[datetime], runs_after: bool) -> str:
    """``2026-03-29 02:30 does not exist (clocks go forward): runs at 03:00``."""
    if runs_after:
        end = change.wall_end
        moment = _clock(end) if end.date() == walls[0].date() else f"{end:%Y-%m-%d} {_clock(end)}"
        outcome = f"runs at {moment}" if len(walls) == 1 else f"runs once, at {moment}"
    else:
        outcome = "does not run" if len(walls) == 1 else "does not run then"
    return f"{_times(walls, 'does', 'do')} not exist ({_forward(change.length)}): {outcome}"


def overlap_note(walls: Sequence[datetime], mode: str) -> str:
    """``2026-10-25 02:30 happens twice: runs once, the first time``."""
    outcome = _PASS[mode] if len(walls) == 1 else _PASS[mode].replace("once", "once each")
    return f"{_times(walls, 'happens', 'happen')} twice: {outcome}"


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _times(walls: Sequence[datetime], one: str, many: str) -> str:
    times = [_clock(wall) for wall in walls]
    few = len(times) <= _MOST_TIMES
    listed = join(times) if few else f"{times[0]}, {times[1]}, … {times[-1]}"
    return f"{walls[0]:%Y-%m-%d} {listed} {one if len(walls) == 1 else many}"


def _forward(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return "clocks go forward" if hours < 3 else f"clocks go forward {hours:g} hours"
