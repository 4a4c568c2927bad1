"""Slow looks for several who ask, one after another in one thread, so that none of them can hold up
the event loop, and one that hangs the others only for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

Apart = Callable[[Callable[[], None], Callable[[], None]], None]
"""Does slow work somewhere, and calls the second one in the event loop's thread after it."""


def in_thread(work: Callable[[], None], then: Callable[[], None]) -> None:
    """In a thread that nobody waits for at the end."""
    loop = asyncio.get_running_loop()

    def live() -> None:
        try:
            work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(then)

    threading.Thread(target=live, name="look", daemon=True).start()


class Trip(Generic[T]):
    """Visits to ``stops`` in their order. Nobody else may touch a stop while it is one.

    ``begun`` is when it set out, in the event loop's seconds; ``errors`` by place are what a visit
    has raised.
    """

    def __init__(self, stops: Sequence[T], visit: Callable[[T], None], begun: float) -> None:
        self.stops = stops
        self.begun = begun
        self.errors: dict[int, Exception] = {}
        self._visit = visit
        self._at = -1
        self._is_cut = False
        self._lock = threading.Lock()

    def go(self) -> None:
        """In a thread: every visit, until it is cut short."""
        for place, stop in enumerate(self.stops):
            with self._lock:
                if self._is_cut:
                    return
                self._at = place
            try:
                self._visit(stop)
            except Exception as error:
                self.errors[place] = error

    def cut(self) -> int:
        """End it with the visit that it is at, whose place this is (-1: it has not begun). Later
        ones are free again."""
        with self._lock:
            self._is_cut = True
            return self._at
