"""Memory and processor time of services over the last minutes, for the page's small curves.

Sampled by a thread of its own while somebody looks, and not a moment longer; what it saw is kept
for as long as the debug server lives.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psutil

from pb.errors import PbError
from pb.process.table import Table, take_table

logger = logging.getLogger("pb.debug")

EVERY = 2.0
"""Seconds between samples."""

KEPT = 150
"""Samples of each service: five minutes."""

PATIENCE = 10.0
"""Seconds after the last question until sampling stops."""

Leaders = Callable[[], Mapping[str, int]]


class Usage:
    """``leaders`` answers the pid of each service's leader by name; it is asked at each sample."""

    def __init__(
        self, leaders: Leaders, *, every: float = EVERY, patience: float = PATIENCE
    ) -> None:
        self._leaders = leaders
        self._every = every
        self._patience = patience
        self._curves: dict[str, deque[dict[str, Any]]] = {}
        self._last: dict[tuple[int, float], float] = {}
        self._taken_at: float | None = None
        self._asked_at = float("-inf")
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_sampling(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def curves(self) -> dict[str, list[dict[str, Any]]]:
        """What is known of each service that lives: ``at_ms``, ``rss_bytes``, ``cpu_percent``."""
        self._asked_at = time.monotonic()
        with self._lock:
            if not self.is_sampling:
                self._taken_at = None
                self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
                self._thread.start()
            return {name: list(curve) for name, curve in self._curves.items()}

    def forget(self) -> None:
        """Nobody looks any more."""
        self._asked_at = float("-inf")

    def _run(self) -> None:
        pause = threading.Event()
        while time.monotonic() - self._asked_at < self._patience:
            try:
                self.sample()
            except PbError as error:
                logger.debug("%s", error.message)  # the scheduler is away; it is asked again
            pause.wait(self._every)

    def sample(self) -> None:
        """Look once at all of them."""
        leaders, table, now = self._leaders(), take_table(), time.monotonic()
        passed = None if self._taken_at is None else now - self._taken_at
        spent, samples = {}, {}
        for name, pid in leaders.items():
            rss, busy = 0, 0.0
            for process, memory, cpu in looks(pid, table):
                rss += memory
                busy += max(0.0, cpu - self._last.get(process, cpu))
                spent[process] = cpu
            percent = None if not passed else round(100 * busy / passed, 1)
            samples[name] = {"rss_bytes": rss, "cpu_percent": percent}
        self._last, self._taken_at = spent, now
        self._keep(samples)

    def _keep(self, samples: Mapping[str, dict[str, Any]]) -> None:
        at = time.time_ns() // 1_000_000
        with self._lock:
            kept = {name: self._curves.get(name, deque(maxlen=KEPT)) for name in samples}
            for name, sample in samples.items():
                kept[name].append({"at_ms": at, **sample})
            self._curves = kept


def looks(leader: int, table: Table) -> Iterator[tuple[tuple[int, float], int, float]]:
    """Each process of a tree: which it is, its resident bytes, its processor seconds so far."""
    for pid in tree_of(leader, table):
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                key = (pid, process.create_time())
                yield key, process.memory_info().rss, times.user + times.system
        except psutil.Error:
            continue  # it ended meanwhile


def tree_of(leader: int, table: Table) -> list[int]:
    """The leader and all its descendants."""
    found, rest = [], [leader] if leader in table.rows else []
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += [row.pid for row in table.children(pid)]
    return found
