"""Keeping logs bounded while they are written: the loop's side of ``process.logfile``.

An idle log costs nothing (inotify wakes us); a growing one is looked at as often as its speed
asks for; rotating happens in a thread, because it copies.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pb.core.service import ServiceLog
from pb.errors import PbError
from pb.process.logfile import LogKeeper, LogWatch, RotationPolicy, run_policy

log = logging.getLogger("logs")

T = TypeVar("T")

Bounds = Callable[[RotationPolicy], RotationPolicy]
"""What a log's bounds are, given the settings'."""

LOOK_AGAIN = 60.0
"""Seconds between looks for a log that is not there yet: nothing can wake us for that."""

TROUBLE_SECONDS = 5.0

PATIENCE = 0.02
"""Seconds that a run has to live before its log gets a keeper."""


class LogKeeping:
    """All logs of live writers. Methods belong to the event loop's thread."""

    def __init__(self, policy: RotationPolicy) -> None:
        self._policy = policy
        self._watch = LogWatch()
        self._bounds: dict[Path, Bounds] = {}
        self._keepers: dict[Path, LogKeeper] = {}
        self._timers: dict[Path, asyncio.TimerHandle] = {}
        self._rotating: set[Path] = set()
        self._troubled: set[Path] = set()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="rotate")

    def listen(self) -> None:
        """Let the file system wake the loop from now on."""
        fd = self._watch.fileno()
        if fd is not None and fd >= 0:
            asyncio.get_running_loop().add_reader(fd, self._woken)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
        fd = self._watch.fileno()
        if fd is not None and fd >= 0:
            asyncio.get_running_loop().remove_reader(fd)
        self._watch.close()

    def watch_soon(self, path: Path, max_size: int | None = None) -> None:
        """Keep the log of a run bounded, unless its writer ends at once, as most do.

        A keeper has an index file of its own; the fastest writer cannot fill a segment before.
        """
        loop = asyncio.get_running_loop()
        self.bound(path, max_size)
        self._timers[path] = loop.call_later(PATIENCE, self.watch, path)

    def keep(self, path: Path, log: ServiceLog) -> None:
        """Keep the log of a service bounded, by its own rules where it has some."""
        self._bounds[path] = functools.partial(service_policy, log=log)
        if path in self._keepers:
            self._keepers[path].policy = self._policy_of(path)
            asyncio.get_running_loop().call_soon(self._look, path)
        else:
            loop = asyncio.get_running_loop()
            self._timers[path] = loop.call_later(PATIENCE, self.watch, path)

    def bound(self, path: Path, max_size: int | None) -> None:
        """This is a run's log, whose head stays; ``max_size`` None is the settings'."""
        self._bounds[path] = functools.partial(run_policy, max_size=max_size)
        if path in self._keepers:
            self._keepers[path].policy = self._policy_of(path)

    def keep_to(self, policy: RotationPolicy) -> None:
        """Other settings: each log has the bounds from now on that follow from them."""
        if policy == self._policy:
            return
        self._policy = policy
        for path, keeper in self._keepers.items():
            keeper.policy = self._policy_of(path)
            asyncio.get_running_loop().call_soon(self._look, path)

    def _policy_of(self, path: Path) -> RotationPolicy:
        bounds = self._bounds.get(path)
        return self._policy if bounds is None else bounds(self._policy)

    def watch(self, path: Path) -> None:
        """Keep this log bounded as long as somebody may write to it."""
        self._timers.pop(path, None)
        if path in self._keepers:
            return
        keeper = LogKeeper(path, self._policy_of(path), watch=self._watch)
        self._keepers[path] = keeper
        try:
            keeper.recover()
        except PbError as error:
            self._report(path, error)
        self._look(path)

    def unwatch(self, path: Path) -> None:
        """Its last writer is gone: one last look, and what is left to do is done in a thread."""
        keeper = self._keepers.pop(path, None)
        timer = self._timers.pop(path, None)
        if timer is not None:
            timer.cancel()
        self._troubled.discard(path)
        policy = self._policy_of(path)
        self._bounds.pop(path, None)
        if keeper is not None:
            self._finish(keeper)
        elif is_larger(path, policy.max_size):
            self._in_thread(path, lambda: settled(path, policy))

    def settle(self, path: Path) -> None:
        """Bring a run's log into order that nobody writes to any more, after a crash."""
        policy = self._bounds.pop(path, functools.partial(run_policy, max_size=None))(self._policy)
        self._in_thread(path, lambda: settled(path, policy))

    def _finish(self, keeper: LogKeeper) -> None:
        try:
            keeper.check(now_ms())
        except PbError as error:
            self._report(keeper.path, error)
        keeper.close()
        if keeper.due:
            self._in_thread(keeper.path, keeper.rotate)

    def _woken(self) -> None:
        for path in self._watch.drain():
            if path in self._keepers:
                self._look(path)

    def _look(self, path: Path) -> None:
        keeper = self._keepers.get(path)
        if keeper is None or path in self._rotating:
            return
        try:
            delay = keeper.check(now_ms())
        except PbError as error:
            self._report(path, error)
            delay = TROUBLE_SECONDS
        if keeper.due:
            self._rotate(path, keeper)
        else:
            self._look_in(path, delay)

    def _look_in(self, path: Path, delay: float) -> None:
        timer = self._timers.pop(path, None)
        if timer is not None:
            timer.cancel()
        if math.isinf(delay) and not path.exists():
            delay = LOOK_AGAIN
        if not math.isinf(delay):
            loop = asyncio.get_running_loop()
            self._timers[path] = loop.call_later(delay, self._look, path)

    def _rotate(self, path: Path, keeper: LogKeeper) -> None:
        self._rotating.add(path)
        self._in_thread(path, keeper.rotate)

    def aside(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do other slow work with files in the thread, and ``then`` with what it answered."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)

        def done(ended: asyncio.Future[T]) -> None:
            if not ended.cancelled():
                then(ended.result())

        future.add_done_callback(done)

    def _in_thread(self, path: Path, work: Callable[[], int]) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(lambda done: self._rotated(path, done))

    def _rotated(self, path: Path, done: asyncio.Future[int]) -> None:
        self._rotating.discard(path)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, PbError):
            self._report(path, error)
        elif error is not None:
            log.error("Cannot rotate %s: %r", path, error)
        elif path in self._troubled:
            self._troubled.discard(path)
            log.info("%s is kept bounded again", path)
        if path in self._keepers:
            self._look(path)

    def _report(self, path: Path, error: PbError) -> None:
        """Say what is wrong with a log once, not at every look."""
        if path not in self._troubled:
            self._troubled.add(path)
            log.warning("%s", error.message)


def service_policy(usual: RotationPolicy, *, log: ServiceLog) -> RotationPolicy:
    """A service's own rules, and the usual ones where it has none."""
    return RotationPolicy(
        max_size=usual.max_size if log.max_size is None else log.max_size,
        keep=usual.keep if log.keep is None else log.keep,
        compress=usual.compress if log.compress is None else log.compress,
        max_age=log.max_age,
    )


def settled(path: Path, policy: RotationPolicy) -> int:
    keeper = LogKeeper(path, policy)
    keeper.recover()
    keeper.tend(now_ms())
    keeper.close()
    return 0


def is_larger(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size >= size
    except OSError:
        return False


def now_ms() -> int:
    return time.time_ns() // 1_000_000
