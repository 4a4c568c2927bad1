"""The storm guard: a job whose reactive triggers start it too often is held for a while.

The usual reason is a job that does what it waits for: writes into the directory that it watches.
No clock, no store: times come in as arguments, in monotonic seconds.
"""

from __future__ import annotations

from collections import deque

MOST, WINDOW, HOLD = 20, 60.0, 300.0
"""More starts than this within so many seconds hold the job's triggers for so many."""


class Storms:
    """Starts by job."""

    def __init__(self) -> None:
        self._starts: dict[str, deque[float]] = {}
        self._held: dict[str, float] = {}

    def held_for(self, job: str, now: float) -> float:
        """Seconds that are left of a hold; 0 for none."""
        left = self._held.get(job, now) - now
        if left <= 0:
            self._held.pop(job, None)
        return max(0.0, left)

    def begins(self, job: str, now: float) -> bool:
        """Another start is wanted; True when it is one too many, and a hold begins."""
        starts = self._starts.setdefault(job, deque(maxlen=MOST))
        if len(starts) == MOST and now - starts[0] < WINDOW:
            del self._starts[job]
            self._held[job] = now + HOLD
            return True
        starts.append(now)
        return False

    def forget(self, job: str) -> None:
        self._starts.pop(job, None)
        self._held.pop(job, None)
