"""Reading a log on and on in pieces that know where they end. Blocking; no HTTP here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pb.api.codec import dumped
from pb.api.views import rfc3339
from pb.core.lean import dataclass
from pb.process.logindex import Times
from pb.process.logread import CHUNK, LogSource, Selection
from pb.process.logtext import LineSplitter, LogLine, RawLine, sanitise


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A line, or some bytes, as they are sent; ``next`` is the offset of what follows."""

    text: bytes
    next: int

    @classmethod
    def of(cls, raw: RawLine) -> Piece:
        """A line made harmless for a terminal."""
        text = sanitise(raw.text()).encode("utf-8", "replace") + b"\n"
        return cls(text=text, next=after(raw))

    @classmethod
    def timed(cls, raw: RawLine, line: LogLine) -> Piece:
        """A line as it is, with its time, as a JSON object."""
        text = dumped({"time": rfc3339(line.time_ms), "text": line.text})
        return cls(text=text.decode("utf-8", "replace").encode() + b"\n", next=after(raw))

    @property
    def event(self) -> bytes:
        """The piece as a server-sent event, whose number is the offset to go on from."""
        lines = self.text.removesuffix(b"\n").replace(b"\r", b"").split(b"\n")
        shown = b"".join(b"data: " + line + b"\n" for line in lines)
        return b"id: " + str(self.next).encode() + b"\n" + shown + b"\n"


def after(raw: RawLine) -> int:
    """The offset of what follows a line."""
    return raw.offset + len(raw.content) + raw.cut + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which lines are wanted, and whether with the time of each; epoch milliseconds."""

    since_ms: int | None = None
    until_ms: int | None = None
    grep: str | None = None
    timed: bool = False

    @property
    def is_any(self) -> bool:
        return (self.since_ms, self.until_ms, self.grep, self.timed) == (None, None, None, False)

    def selection(self, times: Times) -> Selection:
        return Selection(
            times=times, since_ms=self.since_ms, until_ms=self.until_ms, grep=self.grep
        )

    def pieces(self, raws: Iterable[RawLine], times: Callable[[], Times]) -> list[Piece]:
        """The lines that are wanted, as they are sent; of others only where they end."""
        if self.is_any:
            return [Piece.of(raw) for raw in raws]
        selection, found = self.selection(times()), []
        for raw in raws:
            line = selection.line(raw)
            if line is None:
                found.append(Piece(text=b"", next=after(raw)))
            else:
                found.append(Piece.timed(raw, line) if self.timed else Piece.of(raw))
        return found


ANY = Choice()


class Tail:
    """One log, read from where ``begin`` says. A log that is not there yet is waited for."""

    def __init__(
        self, path: Path, begin: Callable[[LogSource], int], *, raw: bool, choice: Choice = ANY
    ) -> None:
        self._path = path
        self._begin = begin
        self._raw = raw
        self._choice = choice
        self._source: LogSource | None = None
        self._splitter = LineSplitter(0)
        self._seen: tuple[int, ...] | None = None

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def has_more(self) -> bool:
        """Whether the file has changed since the last look; cheap."""
        try:
            facts = os.stat(self._path)
        except FileNotFoundError:
            return False
        seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        changed, self._seen = seen != self._seen, seen
        return changed

    def read(self) -> list[Piece]:
        """All that has been written since, a chunk's worth at most; [] at the end."""
        source = self._opened()
        if source is None:
            return []
        offset = self._splitter.next
        place, chunk = source.read(offset, CHUNK)
        if not chunk:
            self._elsewhere(source)
            return []
        self._seen = None  # there may be more
        lines = list(self._splitter.feed(place, chunk))
        if self._raw:
            return [Piece(text=chunk, next=place + len(chunk))]
        return self._choice.pieces(lines, source.times) or [Piece(text=b"", next=place)]

    def rest(self) -> Iterator[Piece]:
        """The last line, when it has no end."""
        if self._raw or self._source is None:
            return iter(())
        return iter(self._choice.pieces(self._splitter.rest(), self._source.times))

    def _opened(self) -> LogSource | None:
        if self._source is None:
            try:
                self._source = LogSource(self._path)
            except FileNotFoundError:
                return None
            self._splitter = LineSplitter(self._begin(self._source))
        return self._source

    def _elsewhere(self, source: LogSource) -> None:
        """At the end: another file has taken the log's place, or it was emptied."""
        if not source.is_named():
            self.close()
            self._begin = LogSource.start
        elif source.end() < self._splitter.next:
            self._splitter = LineSplitter(source.start())
