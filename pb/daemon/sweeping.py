"""What services that ended by themselves have left behind in sessions of their own, and its end.

Found by the marker alone, in a few looks at the process table that all lives share: two hundred
crash loops must not mean two hundred looks.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from pb.core.lean import dataclass
from pb.core.service import Service, instance_name
from pb.daemon.errands import is_errand
from pb.daemon.messages import InstanceKey
from pb.process.signals import signal_number
from pb.process.table import MARKER_VARIABLE, Row, Table, newest_pid, take_table
from pb.process.tree import TreeStop

log = logging.getLogger("services")

FIRST_DELAY = 0.2
"""Seconds after an end until the first look: it must not hold up the successor."""

NEXT_DELAY = 1.0
"""Seconds between looks when one life after the other ends."""

LOOKS = 2
"""A look may fall between a fork and an exec; so many empty ones in a row are the end."""


@dataclass(slots=True)
class Over:
    """A life that is over. ``since``: clock ticks at its start; nothing of it is older.
    ``until``: monotonic seconds; its last hooks have ended by then."""

    key: InstanceKey
    service: Service
    marker: str
    since: int
    until: float
    looks: int = 0

    @property
    def entry(self) -> bytes:
        return f"{MARKER_VARIABLE}={self.marker}".encode()


class Sweeping:
    """Belongs to the event loop's thread. ``marker_of`` answers a life's marker, ``end`` carries
    a stop out."""

    def __init__(
        self,
        marker_of: Callable[[InstanceKey], str],
        end: Callable[[TreeStop], Awaitable[None]],
    ) -> None:
        self._marker_of = marker_of
        self._end = end
        self._pending: dict[InstanceKey, Over] = {}
        self._looking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, key: InstanceKey, service: Service, since: int) -> None:
        """This life is over: whatever it has left is stopped soon."""
        until = time.monotonic() + FIRST_DELAY + service.hooks.timeout
        self._pending[key] = Over(key, service, self._marker_of(key), since, until)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_around())

    async def _look_around(self) -> None:
        await asyncio.sleep(FIRST_DELAY)
        while self._pending:
            try:
                self._look()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    raise
            await asyncio.sleep(NEXT_DELAY)

    def _look(self) -> None:
        since = min(over.since for over in self._pending.values())
        table = take_table()
        marked = by_marker(table, (row for row in table.rows.values() if row.start_ticks >= since))
        for over in list(self._pending.values()):
            self._judge(over, marked.get(over.entry, []))

    def _judge(self, over: Over, left: list[Row]) -> None:
        over.looks = over.looks + 1 if not left else 0
        if over.looks < LOOKS and (not left or is_busy(over, left)):
            return
        del self._pending[over.key]
        if left:
            task = asyncio.get_running_loop().create_task(self._stop(over))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _stop(self, over: Over) -> None:
        policy = over.service.stop
        number = signal_number(policy.signal)
        stop = TreeStop(None, over.marker, signum=number, grace=policy.timeout)
        await self._end(stop)
        name = instance_name(over.key.service, over.key.instance)
        for one in stop.survivors:
            log.warning(
                "%s left process %d (%s) behind, which will not die: %s",
                name,
                one.pid,
                one.command,
                one.reason,
            )


def is_busy(over: Over, left: list[Row]) -> bool:
    """Whether a hook that runs after the end is part of what is left; it has its own timeout."""
    return time.monotonic() < over.until and any(is_errand(row.pid) for row in left)


def by_marker(table: Table, rows: Iterable[Row]) -> dict[bytes, list[Row]]:
    """The live ones among ``rows``, and whoever is born just now, by the markers they carry."""
    found: dict[bytes, list[Row]] = {}
    for row in rows:
        for entry in () if row.is_dead else table.markers(row):
            found.setdefault(entry, []).append(row)
    if table.newest != newest_pid():
        for born in table.newborn():
            for entry in () if born.row.is_dead else born.markers:
                found.setdefault(entry, []).append(born.row)
    return found
