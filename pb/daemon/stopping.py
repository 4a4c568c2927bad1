"""Stopping many trees at once: in rounds, all of which look at one table of processes together.

Each by itself would read the whole table again and again: with a thousand services to stop, a
thousand tables of a thousand processes.
"""

from __future__ import annotations

import asyncio
import logging
import time

from pb.process.table import Table
from pb.process.tree import TreeStop, look_around

SLICE = 50
"""Stops that take a step before the event loop gets its turn."""

TOGETHER = 0.005
"""Seconds by which a step may come early, to be part of a round."""


TROUBLE_SECONDS = 1.0
"""Seconds until the next step of one whose last was refused."""

log = logging.getLogger("services")


class Stopping:
    """All stops that are under way. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._due: dict[TreeStop, float] = {}
        self._ended: dict[TreeStop, asyncio.Future[None]] = {}
        self._rung = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None

    async def end(self, stop: TreeStop) -> None:
        """Carry out a stop; comes back when it is over."""
        loop = asyncio.get_running_loop()
        self._ended[stop] = loop.create_future()
        self.hurry(stop)
        if self._rounds is None or self._rounds.done():
            self._rounds = loop.create_task(self._go_on())
        try:
            await self._ended[stop]
        finally:
            self._forget(stop)

    def hurry(self, stop: TreeStop) -> None:
        """Take its next step now."""
        if stop in self._ended:
            self._due[stop] = time.monotonic()
            self._rung.set()

    def _forget(self, stop: TreeStop) -> None:
        self._due.pop(stop, None)
        self._ended.pop(stop, None)

    async def _go_on(self) -> None:
        await self._gather()
        while self._due:
            began = time.monotonic()
            await self._round(began)
            self._rung.clear()
            if self._due:
                # As long as the look has taken at the least, so that others get their turn.
                now = time.monotonic()
                await self._pause(max(min(self._due.values()) - now, now - began))

    async def _gather(self) -> None:
        """Who stops many asks a few at a time: the first look is for all of them."""
        known = 0
        while known < len(self._due):
            known = len(self._due)
            await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._rung.wait(), seconds)
        except TimeoutError:
            return

    async def _round(self, now: float) -> None:
        due = [stop for stop, at in self._due.items() if at <= now + TOGETHER]
        table = look_around()
        for number, stop in enumerate(due, 1):
            if stop in self._due:
                self._step(stop, now, table)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _step(self, stop: TreeStop, now: float, table: Table | None) -> None:
        """One step of one stop. Its trouble is its own: the others of the round go on, and it is
        tried again, since somebody waits for it."""
        try:
            delay = stop.step(now, table)
        except OSError as error:
            log.error("A stop is refused by the system, and tried again: %s", error)
            delay = TROUBLE_SECONDS
        if delay is not None:
            self._due[stop] = now + delay
            return
        del self._due[stop]
        if not self._ended[stop].done():
            self._ended[stop].set_result(None)
