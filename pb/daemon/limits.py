"""Watching what the kernel does not keep: memory and processes of a whole tree, and its output.

One timer for all of them, and none at all while none has such a limit. What goes too far is told
to the engine, which stops it; what goes on growing meanwhile is given no more time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import field, replace
from pathlib import Path
from typing import Generic, TypeVar

from pb.core.lean import dataclass
from pb.core.limits import WATCHED, exceeded
from pb.core.model import Limits
from pb.core.service import Service
from pb.process.identity import Identity
from pb.process.limits import memory_of, written
from pb.process.table import Table, take_table
from pb.process.tree import members

EVERY = 1.0
"""Seconds between two looks at a run that is far from its limits."""

SOONEST = 0.05
"""Seconds until the first look, and between two at a run that will soon be at its limit."""

SLOWER = 2
"""How many times longer than the last a pause between two looks may be: how fast a run grows is
not known before it has begun to."""

TOO_FAR = 1.5
"""How many times its limit a run that is being stopped may reach until it is killed."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True, kw_only=True)
class Watched(Generic[K]):
    """A run, or a life of a service, with such limits.

    ``last`` is what it had used of each at ``looked`` (monotonic); ``pause`` is the time in
    seconds that it was last left alone.
    """

    key: K
    leader: Identity
    marker: str
    limits: Limits
    log: Path
    looked: float
    pause: float = SOONEST
    last: dict[str, int] = field(default_factory=dict)
    is_told: bool = False

    def measure(self, table: Table | None) -> dict[str, int]:
        """What the run uses now of everything that is limited."""
        found: dict[str, int] = {}
        limits = self.limits
        if table is not None:
            run = members(self.leader, self.marker, table)
            found["processes"] = len(run)
            if limits.memory is not None:
                found["memory"] = memory_of(run, limits.memory)
        if limits.output is not None:
            found["output"] = max(written(self.log), self.last.get("output", 0))
        return found

    @property
    def needs_table(self) -> bool:
        return self.limits.memory is not None or self.limits.processes is not None


def limits_of(service: Service) -> Limits:
    """What a service's tree may use: ``max_memory`` is a limit of its memory.

    Its output has no such limit: its log is rotated.
    """
    most = [one for one in (service.max_memory, service.limits.memory) if one is not None]
    return replace(service.limits, memory=min(most, default=None), output=None)


class LimitWatch(Generic[K]):
    """All that are watched. Methods belong to the event loop's thread.

    ``tell`` is called once with the key of what has gone too far, and why; ``hurry`` with that of
    what grows on while it is being stopped.
    """

    def __init__(self, tell: Callable[[K, str], None], hurry: Callable[[K], None]) -> None:
        self._tell_of = tell
        self._hurry = hurry
        self._runs: dict[K, Watched[K]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, key: K, leader: Identity, marker: str, limits: Limits, log: Path) -> None:
        self._runs[key] = Watched(
            key=key,
            leader=leader,
            marker=marker,
            limits=limits,
            log=log,
            looked=time.monotonic(),
        )
        self._look_in(SOONEST)

    def forget(self, key: K) -> None:
        if self._runs.pop(key, None) is not None and not self._runs and self._timer:
            self._timer.cancel()
            self._timer = None

    def _look_in(self, seconds: float) -> None:
        """Look then, or when it was planned already if that is sooner."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        runs = list(self._runs.values())
        table = take_table() if any(run.needs_table for run in runs) else None
        delays = [self._judge(run, table if run.needs_table else None) for run in runs]
        if delays:
            self._look_in(min(delays))

    def _judge(self, run: Watched[K], table: Table | None) -> float:
        """Tell of a run that has gone too far; the answer is how soon to look again."""
        used, now = run.measure(table), time.monotonic()
        delay = min(EVERY, run.pause * SLOWER)
        for name in WATCHED:
            limit = getattr(run.limits, name)
            if limit is None:
                continue
            growth = (used[name] - run.last.get(name, 0)) / max(now - run.looked, 1e-3)
            if used[name] > limit:
                self._tell(run, name, limit, used[name])
                delay = SOONEST
            elif growth > 0:
                delay = min(delay, (limit - used[name]) / growth / 2)
        run.last, run.looked, run.pause = used, now, max(SOONEST, delay)
        return run.pause

    def _tell(self, run: Watched[K], name: str, limit: int, used: int) -> None:
        if not run.is_told:
            run.is_told = True
            self._tell_of(run.key, exceeded(name, limit, used))
        elif used > limit * TOO_FAR:
            self._hurry(run.key)
