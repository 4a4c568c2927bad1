"""The clock seam: wall time decides when, monotonic time how long. Tests hand in their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall time, epoch milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that no change of the wall clock moves."""
        ...


class SystemClock:
    """The machine's own clocks. Monotonic time counts suspend where the system can (Linux)."""

    def __init__(self) -> None:
        self._boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(self._boot)
