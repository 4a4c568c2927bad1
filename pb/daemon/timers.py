"""Messages to come: what the engine wants to be told after some seconds of monotonic time."""

from __future__ import annotations

import heapq

from pb.daemon.messages import Message


class Timers:
    """A heap of moments. Nothing is cancelled: a message about what is over is simply void."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Message]] = []
        self._number = 0

    def add(self, at: float, message: Message) -> None:
        """Ring at ``at`` (monotonic seconds)."""
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, message))

    def next_at(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def rung(self, now: float) -> list[Message]:
        """Take out what has rung by ``now``."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found
