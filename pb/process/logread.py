"""Reading a log and its archives as one stream of lines, in logical offsets.

Reads are short and made under the side file's shared lock; nothing is held while lines are handed
out. Waiting for more is ``logfollow``'s business, repairing the keeper's: readers change nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar

from pb.core.lean import dataclass
from pb.errors import InvalidError, PbError
from pb.process.logarchive import Archive, archives, head, unpacked
from pb.process.logindex import Index, Phase, State, Times, load_times, resolved, shared
from pb.process.logrotate import open_regular
from pb.process.logtext import LineSplitter, LogLine, RawLine, left_out

CHUNK = 256 * 1024
WINDOW, LARGEST_WINDOW = 64 * 1024, 8 * 1024 * 1024
"""How far back the last lines are looked for at first, and at most in one go."""
IN_MEMORY = 16 * 1024 * 1024
"""An unpacked archive of up to this many bytes stays in memory, a larger one in a nameless file."""
ATTEMPTS = 100
NO_TIMES = Times()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What can be read: from ``first`` (the oldest archive's) to ``end``, logical offsets.

    ``torn`` says that ``first`` lies in the middle of a line whose beginning is gone.
    """

    first: int
    end: int
    torn: bool
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenArchive:
    first: int
    last: int
    content: IO[bytes]

    def read(self, offset: int, size: int) -> bytes:
        self.content.seek(offset - self.first)
        return self.content.read(min(size, self.last - offset))


class LogSource:
    """One log, opened for reading at logical offsets; close it when done.

    Raises InvalidError when something else than a regular file stands in the log's place, and
    FileNotFoundError when nothing does.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._live = open_regular(log, os.O_RDONLY)
        self._archive: OpenArchive | None = None
        self._known: State | None = None

    def close(self) -> None:
        self._drop_archive()
        os.close(self._live)

    def facts(self) -> os.stat_result:
        return os.fstat(self._live)

    def is_named(self) -> bool:
        """Whether the log's name still leads to the file that is open (or to nothing at all)."""
        try:
            return os.path.samestat(os.stat(self.log), self.facts())
        except FileNotFoundError:
            return True

    def extent(self) -> Extent:
        """What can be read now, archives included, with the times of it."""

        def look(state: State, times: Times) -> Extent:
            spans = _spans(self.log, state)
            first = spans[-1][1] if spans else state.start
            end = state.base + self.facts().st_size
            return Extent(first=first, end=end, torn=first in times.cuts, times=times)

        return self._consistent(look)

    def start(self) -> int:
        """The logical offset at which the live file's own content begins."""
        return self._consistent(lambda state, _: state.start, timed=False)

    def times(self) -> Times:
        """When what can be read was written."""
        return self._consistent(lambda _, times: times)

    def end(self) -> int:
        """The logical offset after the last byte."""
        return self._consistent(lambda state, _: state.base + self.facts().st_size, timed=False)

    def read(self, offset: int, size: int) -> tuple[int, bytes]:
        """Up to ``size`` bytes from ``offset`` on: where they begin, and they; none at the end.

        They begin later than asked when what was asked for is gone.
        """
        held = self._archive
        if held is not None and held.first <= offset < held.last:
            return offset, held.read(offset, size)
        return self._consistent(lambda state, _: self._read(state, offset, size), timed=False)

    def is_torn(self, offset: int) -> bool:
        """Whether the log was cut in the middle of a line at ``offset``."""
        return self._consistent(lambda _, times: offset in times.cuts)

    def line_start(self, offset: int, first: int) -> int:
        """Where the line that holds the byte before ``offset`` begins; not before ``first``."""
        while offset > first:
            begin = max(first, offset - WINDOW)
            place, chunk = self._span(begin, offset)
            found = chunk.rfind(b"\n")
            if found >= 0:
                return place + found + 1
            if place > begin:
                return place
            offset = begin
        return first

    def next_line(self, offset: int, end: int) -> int | None:
        """Where the first line after ``offset`` begins, if it does before ``end``."""
        while offset < end:
            place, chunk = self.read(offset, min(WINDOW, end - offset))
            found = chunk.find(b"\n")
            if found >= 0:
                return place + found + 1 if place + found + 1 < end else None
            if not chunk:
                return None
            offset = place + len(chunk)
        return None

    def lines(self, begin: int, end: int, *, torn: bool = False) -> Iterator[RawLine]:
        """The lines from ``begin`` to ``end``; the last may be without its end."""
        splitter = LineSplitter(begin, torn=torn)
        offset = begin
        while offset < end:
            place, chunk = self.read(offset, min(CHUNK, end - offset))
            if not chunk or place >= end:
                break
            gap = place != offset
            if gap:
                yield from splitter.rest()
                yield left_out(offset, place)
            yield from splitter.feed(place, chunk[: end - place], torn=gap and self.is_torn(place))
            offset = place + len(chunk)
        yield from splitter.rest()

    def _span(self, begin: int, end: int) -> tuple[int, bytes]:
        """All bytes between two offsets (a window's worth), or the later part that is left."""
        place, chunk = self.read(begin, end - begin)
        pieces, offset = [chunk], place + len(chunk)
        while chunk and offset < end:
            where, chunk = self.read(offset, end - offset)
            if where != offset:
                place, pieces = where, []
            pieces.append(chunk)
            offset = where + len(chunk)
        return place, b"".join(pieces)

    def _consistent(self, look: Callable[[State, Times], T], *, timed: bool = True) -> T:
        """What ``look`` makes of the log while its head stays where it is."""
        for _ in range(ATTEMPTS):
            with shared(self.log) as index:
                facts = self.facts()
                state = self._now(index)
                modified = facts.st_mtime_ns // 1_000_000
                times = load_times(index, modified) if timed else NO_TIMES
                with suppress(FileNotFoundError):
                    answer = look(state, times)
                    if index.is_current():
                        return answer
        raise PbError(f"{self.log} changes faster than it can be read", hint="Try again.")

    def _now(self, index: Index) -> State:
        """Where the open file stands; when the index speaks of another file, where it stood."""
        stored = index.state()
        mine = stored is None or stored.inode in (0, self.facts().st_ino)
        if mine or self._known is None:
            self._known = resolved(stored, index.seen(), self._live)
        return self._known

    def _read(self, state: State, offset: int, size: int) -> tuple[int, bytes]:
        if offset < state.start and self._open_archive(state, offset):
            held = self._archive
            assert held is not None
            offset = max(offset, held.first)
            return offset, held.read(offset, size)
        offset = max(offset, state.start)
        return offset, os.pread(self._live, size, offset - state.base)

    def _open_archive(self, state: State, offset: int) -> bool:
        """Open the archive with ``offset``, or the oldest one that begins after it."""
        # The oldest that ends behind the offset: it may begin behind it, where a middle is gone.
        spans = reversed(_spans(self.log, state))
        found = next((one for one in spans if one[2] > offset), None)
        if found is None:
            return False  # a head is all there is, and what followed it is gone
        archive, first, last = found
        self._drop_archive()
        self._archive = OpenArchive(first=first, last=last, content=_content(archive))
        return True

    def _drop_archive(self) -> None:
        if self._archive is not None:
            self._archive.content.close()
            self._archive = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which lines are wanted, and what time each has."""

    times: Times
    since_ms: int | None = None
    until_ms: int | None = None
    grep: str | None = None

    def line(self, raw: RawLine) -> LogLine | None:
        """``raw`` as a line when it is wanted.

        Without an index the log's last modification stands for every time: what was written
        before ``since_ms`` as a whole is left out, and nothing else.
        """
        at = self.times.at(raw.offset)
        if self.since_ms is not None and (at or self.times.tail_ms or 0) < self.since_ms:
            return None
        if self.is_past(raw):
            return None
        text = raw.text()
        if self.grep is not None and self.grep not in text:
            return None
        return LogLine(text=text, time_ms=at)

    def is_past(self, raw: RawLine) -> bool:
        """Whether ``raw`` was written after all that is wanted, and all that follows it too."""
        at = self.times.at(raw.offset)
        return self.until_ms is not None and at is not None and at > self.until_ms


def _spans(log: Path, state: State) -> list[tuple[Archive, int, int]]:
    """The archives that hold something, newest first, each with its first and last offset."""
    spans, last = [], state.start
    for one in archives(log):
        filling = state.phase is Phase.MOVING and one.number == 1
        first = state.cut if filling else last - one.length()
        if first < last:
            spans.append((one, first, last))
        last = first
    kept = head(log)
    if kept is not None and last > 0:
        spans.append((kept, 0, min(kept.length(), last)))
    return spans


def read_log(
    path: Path,
    *,
    lines: int | None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    grep: str | None = None,
) -> Iterator[LogLine]:
    """The last ``lines`` lines (None: all) of the log and its archives that match, oldest first.

    ``since_ms`` and ``until_ms`` are epoch milliseconds, inclusive; ``grep`` is a substring. The
    end is where it was at the call. Without a log: nothing. Raises InvalidError when something
    else than a regular file stands in its place.
    """
    try:
        source = LogSource(path)
    except FileNotFoundError:
        return
    try:
        extent = source.extent()
        selection = Selection(times=extent.times, since_ms=since_ms, until_ms=until_ms, grep=grep)
        begin = starting_point(source, extent, lines, selection)
        torn = begin == extent.first and extent.torn
        for raw in source.lines(begin, extent.end, torn=torn):
            if selection.is_past(raw):
                return
            line = selection.line(raw)
            if line is not None:
                yield line
    finally:
        source.close()


def starting_point(
    source: LogSource, extent: Extent, lines: int | None, selection: Selection
) -> int:
    """The logical offset from which on the last ``lines`` wanted lines are found.

    Looks from the end backwards, in windows that grow, so that a large log is not read whole.
    """
    if lines is not None and lines < 0:
        raise InvalidError(f"Cannot show {lines} lines", hint="Give a number from 0 on.")
    floor = extent.first
    if selection.since_ms is not None:
        earliest = min(extent.times.first_since(selection.since_ms), extent.end)
        floor = source.line_start(max(floor, earliest), floor)
    if lines is None:
        return floor
    stop, window, missing = extent.end, WINDOW, lines
    while missing > 0 and stop > floor:
        begin = max(floor, stop - window)
        line = floor if begin == floor else source.next_line(begin, stop)
        window *= 2
        if line is None:
            continue
        torn = line == extent.first and extent.torn
        found = [
            raw.offset
            for raw in source.lines(line, stop, torn=torn)
            if selection.line(raw) is not None
        ]
        if len(found) >= missing:
            return found[-missing]
        missing, stop, window = missing - len(found), line, min(window, LARGEST_WINDOW)
    return stop


def _content(archive: Archive) -> IO[bytes]:
    """What the archive holds, seekable; a compressed one is unpacked first."""
    if not archive.compressed:
        return open(archive.path, "rb")
    from tempfile import SpooledTemporaryFile

    content = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        for piece in unpacked(archive.path):
            content.write(piece)
    except BaseException:
        content.close()
        raise
    return content
