"""Following a log: what is there, then what comes, through rotation, truncation and renaming.

A follower polls ten times a second and holds nothing in between; reading is ``logread``'s work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pb.process.logread import CHUNK, LogSource, Selection, starting_point
from pb.process.logtext import LINE_LIMIT, LineSplitter, LogLine, RawLine, left_out

POLL_S = 0.1


def follow_log(
    path: Path,
    *,
    lines: int | None,
    since_ms: int | None = None,
    grep: str | None = None,
    stopped: Callable[[], bool],
) -> Iterator[LogLine]:
    """The last ``lines`` lines (None: all) that match, then each new one that does, at once.

    A log that is not there yet is waited for. A line is handed out when it is complete, or when
    ``stopped`` says so: then what had been written until that moment is still delivered, and the
    iterator ends. Raises InvalidError when something else than a file stands in the log's place.
    """
    source, waited = _opened(path, stopped)
    if source is None:
        return
    follower = _Follower(source, since_ms, grep)
    try:
        follower.begin(None if waited else lines)
        until: int | None = None
        while until is None or follower.offset < until:
            if until is None and stopped():
                until = follower.source.end()
            moved = False
            for line in follower.step(until):
                moved = True
                if line is not None:
                    yield line
            if not moved and until is not None:
                break
            if not moved:
                time.sleep(POLL_S)
        yield from follower.rest()
    finally:
        follower.source.close()


class LogTail:
    """The lines that are written to a log from a logical offset on, as far as they are complete.

    For those who cannot wait in an iterator; ``follow_log`` is for everybody else.
    """

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._follower: _Follower | None = None

    @property
    def offset(self) -> int:
        """The logical offset up to which its lines were handed out."""
        return self._offset if self._follower is None else self._follower.begun

    def read(self) -> list[str] | None:
        """Read once, up to a chunk: the lines that this completes. None: there was nothing new."""
        if self._follower is None:
            try:
                self._follower = _Follower(LogSource(self._path), None, None)
            except FileNotFoundError:
                return None
            self._follower.begin_at(self._offset)
        lines = list(self._follower.step(None))
        return [line.text for line in lines if line is not None] if lines else None

    def rest(self) -> list[str]:
        """The end of what has been read, where it is no complete line; call it last."""
        if self._follower is None:
            return []
        return [line.text for line in self._follower.rest() if line is not None]

    def close(self) -> None:
        if self._follower is not None:
            self._follower.source.close()
            self._follower = None


def log_end(path: Path) -> int:
    """The logical offset of what is written next; 0 without a log."""
    try:
        source = LogSource(path)
    except FileNotFoundError:
        return 0
    try:
        return source.end()
    finally:
        source.close()


def offset_at(path: Path, at_ms: int) -> int:
    """A logical offset before which nothing was written at ``at_ms`` or later; 0 without a log."""
    try:
        source = LogSource(path)
    except FileNotFoundError:
        return 0
    try:
        extent = source.extent()
        return max(extent.first, min(extent.times.first_since(at_ms), extent.end))
    finally:
        source.close()


def _opened(path: Path, stopped: Callable[[], bool]) -> tuple[LogSource | None, bool]:
    """The log as soon as there is one, and whether it had to be waited for."""
    waited = False
    while True:
        last = stopped()
        try:
            return LogSource(path), waited
        except FileNotFoundError:
            if last:
                return None, waited
        waited = True
        time.sleep(POLL_S)


class _Follower:
    """Where the following has come to; swaps its source when the log's name leads elsewhere."""

    def __init__(self, source: LogSource, since_ms: int | None, grep: str | None) -> None:
        self.source = source
        self._since_ms = since_ms
        self._grep = grep
        self._splitter = LineSplitter(0)
        self._selection = self._select()

    @property
    def offset(self) -> int:
        return self._splitter.next

    @property
    def begun(self) -> int:
        return self._splitter.begin

    def begin(self, lines: int | None) -> None:
        """Stand where the last ``lines`` wanted lines begin."""
        extent = self.source.extent()
        begin = starting_point(self.source, extent, lines, self._selection)
        torn = begin == extent.first and extent.torn
        if begin == extent.end:
            # A line that is being written is a new one: without its beginning it would be torn.
            furthest = max(extent.first, begin - LINE_LIMIT)
            begin = self.source.line_start(begin, furthest)
            torn = torn or begin == furthest > extent.first
        self._splitter = LineSplitter(begin, torn=torn)

    def begin_at(self, offset: int) -> None:
        self._splitter = LineSplitter(offset)

    def step(self, until: int | None) -> Iterator[LogLine | None]:
        """Read once. Yields the wanted lines, None for progress without one, nothing at rest."""
        size = CHUNK if until is None else min(CHUNK, until - self.offset)
        place, chunk = self.source.read(self.offset, size)
        if not chunk:
            yield from self._elsewhere()
            return
        yield None
        gap = place != self.offset
        self._refresh()
        torn = gap and self.source.is_torn(place)
        if gap:
            yield from self._wanted(self._splitter.rest())
            yield self._selection.line(left_out(self._splitter.next, place))
        yield from map(self._selection.line, self._splitter.feed(place, chunk, torn=torn))

    def rest(self) -> Iterator[LogLine]:
        """The last line, when it has no end."""
        yield from self._wanted(self._splitter.rest())

    def _wanted(self, raws: Iterator[RawLine]) -> Iterator[LogLine]:
        for raw in raws:
            line = self._selection.line(raw)
            if line is not None:
                yield line

    def _elsewhere(self) -> Iterator[LogLine | None]:
        """At the end: has somebody truncated the log, or put another file in its place?"""
        if not self.source.is_named():
            yield None
            yield from self.rest()
            self._reopen()
        elif self.source.end() < self.offset:
            yield None
            yield from self.rest()
            self._restart()

    def _reopen(self) -> None:
        try:
            fresh = LogSource(self.source.log)
        except FileNotFoundError:
            return  # Gone again already: the next look decides.
        self.source.close()
        self.source = fresh
        self._restart()

    def _restart(self) -> None:
        start = self.source.start()
        self._splitter = LineSplitter(start)

    def _refresh(self) -> None:
        """Take a new look at the times, now and then: a hot log would be all looking."""
        if time.monotonic() - self._selected > POLL_S:
            self._selection = self._select()

    def _select(self) -> Selection:
        self._selected = time.monotonic()
        return Selection(times=self.source.times(), since_ms=self._since_ms, grep=self._grep)
