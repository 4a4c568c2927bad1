"""The line of queued runs: who waits for a moment, for a slot, for a lock, and who is next.

First comes the higher priority; a run gains one point for each minute that it has waited, so none
waits for ever. No store, no process.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Set

from pb.daemon.open_run import Open

STARTING_LIMIT = 32
"""Runs between their claim and their process: what a crash can leave in doubt at most."""

MINUTE_MS = 60_000

Place = tuple[float, int, int, Open]


class Line:
    """Queued runs in their order, the slots of each queue, and the named locks.

    ``max_running`` bounds all runs that have a process. ``slots`` are the queues' own bounds:
    ``default`` has none unless it is named there, any other queue has one slot.
    """

    def __init__(self, max_running: int, slots: Mapping[str, int]) -> None:
        self._max_running = max_running
        self._slots = slots
        self._ready: dict[str, list[Place]] = {}
        self._blocked: dict[str, list[Place]] = {}
        self._delayed: list[tuple[int, int, Open]] = []
        self._used: dict[str, int] = {}
        self._locked: dict[str, int] = {}
        self._holding: set[int] = set()
        self._used_elsewhere: Mapping[str, int] = {}
        self._locked_elsewhere: Set[str] = frozenset()
        self.starting = 0

    def resize(self, max_running: int, slots: Mapping[str, int]) -> None:
        """Have other bounds from now on. What runs beyond them runs on."""
        self._max_running, self._slots = max_running, slots

    def emptied(self) -> Line:
        """A new line of the same size."""
        return Line(self._max_running, self._slots)

    # -- lining up

    def put(self, run: Open, now_ms: int) -> None:
        """Line up: at once, or when the run's own moment has come."""
        at_ms = run.row.not_before_at
        if at_ms is not None and at_ms > now_ms:
            heapq.heappush(self._delayed, (at_ms, run.row.id, run))
        else:
            self._push(run)

    def _push(self, run: Open) -> None:
        # Ageing by one point a minute is the same as ordering by priority minus arrival.
        rank = run.row.queued_at / MINUTE_MS - run.priority
        place = (rank, run.row.fire_at, run.row.id, run)
        heapq.heappush(self._ready.setdefault(run.queue, []), place)

    def next_ms(self) -> int | None:
        """When the first delayed run wants to start."""
        return self._delayed[0][0] if self._delayed else None

    def ripe(self, now_ms: int) -> list[Open]:
        """Take out the delayed runs whose moment has come."""
        found = []
        while self._delayed and self._delayed[0][0] <= now_ms:
            found.append(heapq.heappop(self._delayed)[2])
        return found

    # -- being next

    @property
    def may_start(self) -> bool:
        """Whether somebody is ready in a queue that has room."""
        return self._has_room and any(map(self._is_open, self._ready))

    @property
    def is_waited_in(self) -> bool:
        """Whether somebody is ready, and waits for a slot or a lock."""
        return bool(self._ready or self._blocked)

    @property
    def _has_room(self) -> bool:
        return len(self._holding) < self._max_running and self.starting < STARTING_LIMIT

    def _is_open(self, queue: str) -> bool:
        slots = self._slots.get(queue, None if queue == "default" else 1)
        used = self._used.get(queue, 0) + self._used_elsewhere.get(queue, 0)
        return bool(self._ready[queue]) and (slots is None or used < slots)

    def _is_locked(self, lock: str) -> bool:
        return lock in self._locked or lock in self._locked_elsewhere

    def take(self) -> Open | None:
        """Take out the next run that gets a slot and all of its locks; it holds them then."""
        while self.may_start:
            queue = min(filter(self._is_open, self._ready), key=lambda name: self._ready[name][0])
            place = heapq.heappop(self._ready[queue])
            if not self._ready[queue]:
                del self._ready[queue]
            lock = next(filter(self._is_locked, place[3].locks), None)
            if lock is None:
                self.hold(place[3])
                return place[3]
            self._blocked.setdefault(lock, []).append(place)
        return None

    def hold(self, run: Open) -> None:
        """Give the run its slot and locks, all or none."""
        self._holding.add(run.row.id)
        self._used[run.queue] = self._used.get(run.queue, 0) + 1
        for lock in run.locks:
            self._locked[lock] = run.row.id

    def release(self, run: Open) -> None:
        """Take them back; who waited for a lock lines up again."""
        if run.row.id not in self._holding:
            return
        self._holding.discard(run.row.id)
        self._used[run.queue] -= 1
        for lock in run.locks:
            if self._locked.get(lock) == run.row.id:
                del self._locked[lock]
                self._unblock(lock)

    def _unblock(self, lock: str) -> None:
        for place in self._blocked.pop(lock, []):
            heapq.heappush(self._ready.setdefault(place[3].queue, []), place)

    def see_elsewhere(self, used: Mapping[str, int], locked: Set[str]) -> None:
        """The slots and locks that runs of other schedulers hold now."""
        self._used_elsewhere, self._locked_elsewhere = used, locked
        for lock in [lock for lock in self._blocked if not self._is_locked(lock)]:
            self._unblock(lock)
