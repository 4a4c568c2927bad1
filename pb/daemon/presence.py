"""This scheduler's row in the store, and those of the others: leases, and who is gone.

What becomes of the runs of who is gone is ``sharing``'s. The store is SQLite's with a write-ahead
log, so all who share it are on one machine and read one wall clock (decision 0009).
"""

from __future__ import annotations

import dataclasses

from pb.core.lean import dataclass
from pb.daemon.clock import Clock
from pb.process.identity import Identity, is_alive, is_same_boot, is_same_host, is_visible
from pb.store.sharing import SchedulerRow
from pb.store.store import Store

LOOK_SECONDS = 0.5
"""Between two looks at the store while others share it: how soon their dead are found, and what
they ask for is done."""

ALONE_SECONDS = 60.0
"""The same while nobody does: how long a newcomer may go unseen by one that has nothing to do. The
engine looks at the clock as often, so it costs no waking up."""

PATIENCE = 4
"""A lease is over when it was found so in this many looks in a row. A machine that wakes from
suspend finds all leases over, and each scheduler renews its own with its first look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look has found: whether this scheduler was taken for dead, and who is gone."""

    is_fenced: bool
    gone: tuple[SchedulerRow, ...]


class Presence:
    """All methods but ``is_sure`` and ``seconds`` belong inside the store's transaction.

    ``lease`` is how long silence is waited for while others share the store, in seconds.
    """

    def __init__(self, *, store: Store, clock: Clock, row: SchedulerRow, lease: float) -> None:
        self.others: dict[str, SchedulerRow] = {}
        self._store = store
        self._clock = clock
        self._row = row
        self._lease_ms = round(lease * 1000)
        self._silent: dict[str, int] = {}
        self._sure_until_at = 0
        self._look_at = 0.0
        self.has_joined = False

    @property
    def id(self) -> str:
        return self._row.id

    def join(self) -> tuple[SchedulerRow, ...]:
        """Write the row; answers who is gone of those that stand there already."""
        self.has_joined = True
        gone = self._see_others(self._store.sharing.schedulers())
        self._row = dataclasses.replace(self._row, lease_until_at=self._lease_until_ms())
        self._store.sharing.join(self._row)
        return gone

    def leave(self) -> None:
        """Take the row away: the others may act for this scheduler at once."""
        self.has_joined = False
        self._store.sharing.leave(self.id)

    def trust(self) -> None:
        """A new transaction has begun: what earlier ones wrote was committed."""
        self._sure_until_at = self._row.lease_until_at

    def doubt(self) -> None:
        """What was last written has been rolled back, a new lease maybe too: look again soon."""
        self._row = dataclasses.replace(self._row, lease_until_at=self._sure_until_at)
        self._look_at = 0.0

    # -- asking; no transaction needed

    def is_sure(self) -> bool:
        """Whether nobody can have taken this scheduler for dead."""
        return not self.has_joined or self._clock.now_ms() < self._row.lease_until_at

    def is_due(self) -> bool:
        return self._clock.monotonic() >= self._look_at or not self.is_sure()

    def seconds(self) -> float:
        """Until the next look."""
        return max(0.0, self._look_at - self._clock.monotonic())

    # -- looking

    def look(self) -> Seen:
        """Read who is there, find who is gone, and renew this scheduler's lease when it is time."""
        rows = self._store.sharing.schedulers()
        if all(row.id != self.id for row in rows):
            return Seen(True, ())
        gone = self._see_others(rows)
        until = self._lease_until_ms()
        is_half_over = self._row.lease_until_at - self._clock.now_ms() < self._span_ms() // 2
        if is_half_over or until < self._row.lease_until_at:
            self._row = dataclasses.replace(self._row, lease_until_at=until)
            self._store.sharing.renew(self.id, until)
        return Seen(False, gone)

    def _see_others(self, rows: list[SchedulerRow]) -> tuple[SchedulerRow, ...]:
        """Keep those that live; forget those that are gone, in the store too."""
        now = self._clock.monotonic()
        counts = now >= self._look_at
        others = [row for row in rows if row.id != self.id]
        gone = tuple(row for row in others if self._is_gone(row, counts))
        left = tuple(row for row in self.others.values() if row.id not in {o.id for o in others})
        for row in gone:
            self._store.sharing.leave(row.id)
        self.others = {row.id: row for row in others if row not in gone}
        self._silent = {i: n for i, n in self._silent.items() if i in self.others}
        next_at = now + (LOOK_SECONDS if self.others else ALONE_SECONDS)
        self._look_at = next_at if counts else min(self._look_at, next_at)
        return gone + left

    def _is_gone(self, row: SchedulerRow, counts: bool) -> bool:
        """Whether nobody can act for ``row`` any more, or it has been silent for too long."""
        if (row.home, row.place) == (self._row.home, self._row.place):
            return True  # a home has one scheduler, and its lock is ours
        who = identity_of(row)
        if is_same_host(who) and not is_same_boot(who):
            return True
        if is_visible(who) and not is_alive(who) and row.mode != "daemon":
            return True  # a guardian starts it again, and knows how its runs have ended
        if row.lease_until_at > self._clock.now_ms():
            self._silent.pop(row.id, None)
        elif counts:
            self._silent[row.id] = self._silent.get(row.id, 0) + 1
        return self._silent.get(row.id, 0) >= PATIENCE

    def _span_ms(self) -> int:
        alone = round(ALONE_SECONDS * 3000)
        return self._lease_ms if self.others else max(self._lease_ms, alone)

    def _lease_until_ms(self) -> int:
        return self._clock.now_ms() + self._span_ms()


def identity_of(row: SchedulerRow) -> Identity:
    return Identity(
        pid=row.pid,
        start_ticks=row.start_ticks,
        boot_id=row.boot_id,
        pid_namespace=row.pid_namespace,
        host=row.host,
    )
