"""How old the oldest line of a live log is. Reads the side file only when the log has been cut."""

from __future__ import annotations

import math
from pathlib import Path

from pb.process.logindex import load_times, shared

LONGEST_S = 600.0
"""Nobody sleeps for longer: laptops suspend, and people change the time."""


class Age:
    """Of one log. ``left`` is asked at every look, so it remembers."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start = -1
        self._since_ms = 0

    def left(self, max_age: float | None, start: int, end: int, now_ms: int) -> float:
        """Seconds until the oldest line is ``max_age`` old (0: it is); infinite without such.

        ``start`` and ``end`` are the logical offsets of the live file's own content.
        """
        if max_age is None or end <= start:
            return math.inf
        if start != self._start:
            with shared(self._log) as index:
                at = load_times(index, None).at(start)
            self._start, self._since_ms = start, now_ms if at is None else at
        self._since_ms = min(self._since_ms, now_ms)  # the clock may have been set back
        return min(max(0.0, max_age - (now_ms - self._since_ms) / 1000), LONGEST_S)

    def begin_anew(self, now_ms: int) -> None:
        """It could not be cut (a line without an end): as if its oldest line were of now."""
        self._since_ms = now_ms
