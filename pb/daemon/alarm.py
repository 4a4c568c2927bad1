"""Waking the engine: at a wall-clock moment, after some seconds, or because somebody says so."""

from __future__ import annotations

import asyncio

from pb.daemon.clock import Clock
from pb.process.walltimer import WallTimer


class Alarm:
    """Wakes one waiting task. Made inside the event loop that it wakes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()
        self._timer: WallTimer | None = None
        try:
            self._timer = WallTimer()
        except OSError:
            return  # the loop's own timers do: they are a millisecond less exact
        asyncio.get_running_loop().add_reader(self._timer.fileno(), self._ring_timer)

    def ring(self) -> None:
        self._rung.set()

    def _ring_timer(self) -> None:
        if self._timer is not None:
            self._timer.drain()
        self._rung.set()

    async def wait(self, at_ms: int, seconds: float) -> None:
        """Until ``at_ms`` on the wall clock, for ``seconds``, or until ``ring``."""
        if self._timer is not None:
            self._timer.set(at_ms)
        else:
            seconds = min(seconds, (at_ms - self._clock.now_ms()) / 1000)
        loop = asyncio.get_running_loop()
        later = loop.call_later(max(0.0, seconds), self._rung.set)
        try:
            await self._rung.wait()
        finally:
            later.cancel()
            self._rung.clear()

    def close(self) -> None:
        if self._timer is not None:
            asyncio.get_running_loop().remove_reader(self._timer.fileno())
            self._timer.close()
