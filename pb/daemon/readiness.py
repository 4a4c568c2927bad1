"""Waiting until one life of a service is ready: it said so, or a check has passed.

The first try comes at once and the next soon after, so that ``start`` returns as soon as it may.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.durations import duration_words
from pb.core.lean import dataclass
from pb.core.service import Delay, Exec, FileExists, Http, LogText, Notify, Probe, Ready, Tcp
from pb.daemon.checks import InconclusiveError, attempt
from pb.daemon.healthwatch import growing
from pb.process.logfile import LogTail, LogWatch

if TYPE_CHECKING:
    from pb.daemon.errands import Errands
    from pb.process.spawn import Spawn

FIRST_DELAY, FIRST_EXEC_DELAY = 0.01, 0.05
"""Seconds between the first two tries; a command costs more than a connection."""

GATHER = 0.01
"""Seconds in which lines of a log that grows are let come together."""

LOOK = 1.0
"""Seconds between looks at a log that nothing has told of: it may have been replaced."""

LINE_LIMIT = 8 * 1024
"""Characters of a line that a pattern is looked for in."""

Mark = tuple[int, int, int]


def logs_of(what: Spawn) -> list[Path]:
    """The files that its output goes to."""
    return [what.log_path, *([what.err_path] if what.err_path is not None else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there before the life began: where its logs ended, and the file as it was."""

    logs: Mapping[Path, int] = field(default_factory=dict)
    file: Mark | None = None


class Readiness:
    """One life's wait. ``said`` is set when it says so itself."""

    def __init__(
        self,
        ready: Ready,
        *,
        what: Spawn,
        before: Before,
        said: asyncio.Event,
        errands: Errands,
        growth: Growth,
    ) -> None:
        self._ready = ready
        self._what = what
        self._before = before
        self._said = said
        self._errands = errands
        self._growth = growth
        self._problem = ""

    async def wait(self) -> str | None:
        """Until it is ready: None; or until ``ready.timeout`` is over: why it is not."""
        if isinstance(self._ready.check, Delay):
            await asyncio.sleep(self._ready.check.seconds)
            return None
        try:
            async with asyncio.timeout(self._ready.timeout):
                await self._wait()
        except TimeoutError:
            why = f": {self._problem}" if self._problem else ""
            return f"not ready within {duration_words(self._ready.timeout)}{why}"
        return None

    async def _wait(self) -> None:
        match self._ready.check:
            case Notify():
                self._problem = "it has not said READY=1"
                await self._said.wait()
            case LogText(pattern=pattern):
                self._problem = f"no line of its log matches {pattern}"
                await self._any_log(re.compile(pattern))
            case FileExists(path=path):
                self._problem = f"{path} was neither made nor changed"
                await self._try(lambda: self._file(path), FIRST_DELAY)
            case Tcp() | Http() | Exec() as probe:
                first = FIRST_EXEC_DELAY if isinstance(probe, Exec) else FIRST_DELAY
                await self._try(lambda: self._attempt(probe), first)
            case Delay():
                raise TypeError("a delay needs no timeout")

    async def _attempt(self, probe: Probe) -> str | None:
        return await attempt(probe, self._ready.try_timeout, self._what, self._errands)

    async def _try(self, check: Callable[[], Awaitable[str | None]], first: float) -> None:
        for delay in growing(first, self._ready.interval):
            try:
                problem = await check()
            except InconclusiveError as error:
                problem = f"it cannot be checked ({error})"
            if problem is None:
                return
            self._problem = problem
            await asyncio.sleep(delay)

    async def _file(self, path: str) -> str | None:
        mark = file_mark(path, self._what)
        is_new = mark is not None and mark != self._before.file
        return None if is_new else f"{path} was neither made nor changed"

    async def _any_log(self, pattern: re.Pattern[str]) -> None:
        """Until the line is in one of its logs."""
        loop = asyncio.get_running_loop()
        tails = [
            loop.create_task(self._line(pattern, path, offset))
            for path, offset in self._before.logs.items()
        ]
        try:
            await asyncio.wait(tails, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for tail in tails:
                tail.cancel()
        for tail in tails:
            if tail.done() and not tail.cancelled():
                tail.result()

    async def _line(self, pattern: re.Pattern[str], path: Path, offset: int) -> None:
        tail = LogTail(path, offset)
        try:
            with self._growth.of(path) as grown:
                # Armed first, then read: what comes in between is not missed.
                while (lines := tail.read()) is not None or await grown.wait():
                    if any(pattern.search(line[:LINE_LIMIT]) for line in lines or ()):
                        return
                    await asyncio.sleep(0)
        finally:
            tail.close()


def file_mark(path: str, what: Spawn) -> Mark | None:
    """What tells one version of a file from another; None where there is none."""
    home = what.env.get("HOME", "/")
    path = home + path[1:] if path == "~" or path.startswith("~/") else path
    try:
        facts = os.stat(os.path.join(what.cwd, path))
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


class Growth:
    """Tells of logs that grow; holds one inotify descriptor, and only while somebody waits."""

    def __init__(self) -> None:
        self._watch: LogWatch | None = None
        self._waiting: dict[Path, Grown] = {}

    @contextlib.contextmanager
    def of(self, path: Path) -> Iterator[Grown]:
        """Watch ``path`` while the block lasts; one block for a path at a time."""
        if self._watch is None:
            self._watch = LogWatch()
            if self._watch.fileno() >= 0:
                asyncio.get_running_loop().add_reader(self._watch.fileno(), self._woken)
        grown = self._waiting[path] = Grown(path, self._watch)
        try:
            yield grown
        finally:
            del self._waiting[path]
            self._watch.disarm(path)
            if not self._waiting:
                self._close(self._watch)

    def _woken(self) -> None:
        for path in self._watch.drain() if self._watch is not None else ():
            if path in self._waiting:
                self._waiting[path].event.set()

    def _close(self, watch: LogWatch) -> None:
        if watch.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(watch.fileno())
        watch.close()
        self._watch = None


class Grown:
    """One log's growth."""

    def __init__(self, path: Path, watch: LogWatch) -> None:
        self.event = asyncio.Event()
        self._path = path
        self._watch = watch
        self._is_armed = watch.arm(path)

    async def wait(self) -> bool:
        """Until it has grown since it was armed, or it is time to look anyway. Always True."""
        longest = LOOK if self._is_armed else GATHER * 10
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self.event.wait()
            await asyncio.sleep(GATHER)
        self.event.clear()
        self._is_armed = self._watch.arm(self._path)
        return True
