"""Work in small steps, so that whoever else writes to the store never waits long."""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_SECONDS = 0.03
"""How long one step should take. It holds the store's lock for less than half of that."""

BREATH_SECONDS = 0.004
"""Between two steps: SQLite's lock goes to whoever asks at the right moment, not in turn."""

SMALLEST, LARGEST = 200, 5_000


def in_steps(
    step: Callable[[int], int],
    *,
    first: int = 200,
    clock: Callable[[], float] = time.perf_counter,
    rest: Callable[[float], None] = time.sleep,
) -> int:
    """Call ``step`` with how much it may do until it answers 0; how much it did in all.

    A step that took too long is followed by a smaller one, at once; one that was short by one at
    most twice as large.
    """
    size, done = first, 0
    while True:
        begun = clock()
        count = step(size)
        if count == 0:
            return done
        done += count
        took = max(clock() - begun, 1e-6)
        size = round(size * min(2.0, STEP_SECONDS / took))
        size = min(LARGEST, max(SMALLEST, size))
        rest(BREATH_SECONDS)
