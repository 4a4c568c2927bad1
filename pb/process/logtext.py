"""Bytes of a log into lines, and lines into what a terminal may be shown. Pure.

Nothing here touches a file. A line is cut at one mebibyte with a marker; what was cut is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pb.core.lean import dataclass

LINE_LIMIT = 1 << 20
"""Bytes of one line that are kept; what follows is cut off and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line without its line end. Not yet safe for a terminal: see ``sanitise``.

    ``time_ms`` is the epoch ms by which it was written, as sampled; None when nothing is known.
    """

    text: str
    time_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLine:
    """One line's bytes: its logical offset, what is kept of it, and how much was cut off."""

    offset: int
    content: bytes
    cut: int = 0

    def text(self) -> str:
        """The line decoded: invalid UTF-8 replaced, a final CR and leading NULs gone.

        Leading NULs are what a file without its head reads as (a hole's last, partial block).
        """
        content = self.content.lstrip(b"\0") if self.content[:1] == b"\0" else self.content
        if self.cut:
            return f"{content.decode('utf-8', 'replace')}… [{self.cut} bytes cut]"
        return content.removesuffix(b"\r").decode("utf-8", "replace")


def left_out(begin: int, end: int) -> RawLine:
    """What stands where a part of the log is gone; ``begin`` and ``end`` are its offsets."""
    return RawLine(offset=begin, content=f"… {end - begin:,} bytes left out …".encode())


class LineSplitter:
    """Cuts a stream of (logical offset, bytes) into lines, holding at most one limit's worth.

    A jump in the offsets ends the line before it: the rest of that is gone.
    """

    def __init__(self, offset: int, *, torn: bool = False) -> None:
        self._begin = offset
        self._next = offset
        self._held = bytearray()
        self._cut = 0
        self._skip = torn

    @property
    def next(self) -> int:
        """The logical offset that is expected next."""
        return self._next

    @property
    def begin(self) -> int:
        """The logical offset at which the line begins that has no end yet."""
        return self._begin

    def feed(self, offset: int, chunk: bytes, *, torn: bool = False) -> Iterator[RawLine]:
        """The lines that ``chunk`` completes; ``torn``: it begins in the middle of one."""
        if offset != self._next:
            yield from self.rest()
            self._begin = self._next = offset
            self._skip = torn
        place = 0
        while (end := chunk.find(b"\n", place)) >= 0:
            self._hold(chunk[place:end])
            place = end + 1
            self._next = offset + place
            yield from self._line()
        self._hold(chunk[place:])
        self._next = offset + len(chunk)

    def rest(self) -> Iterator[RawLine]:
        """What has come of a line that has no end yet, even if its beginning is gone: there may
        be nothing else to show."""
        if self._held or self._cut:
            self._skip = False
            yield from self._line()

    def _hold(self, piece: bytes) -> None:
        room = LINE_LIMIT - len(self._held)
        self._held += piece[:room]
        self._cut += max(0, len(piece) - room)

    def _line(self) -> Iterator[RawLine]:
        line = RawLine(offset=self._begin, content=bytes(self._held), cut=self._cut)
        skip, self._skip = self._skip, False
        self._held.clear()
        self._cut = 0
        self._begin = self._next
        if not skip:
            yield line


def sanitise(text: str) -> str:
    """``text`` with everything that could act on a terminal made visible.

    C0 but line feed and tab, DEL, C1, line separators, bidirectional and zero-width controls,
    tags and lone surrogates become ``\\x1b``, ``\\u202e`` or ``\\U000e0001``. The number of lines
    stays (security promise S11).
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_escapes())


HIDDEN = (
    (0x00, 0x08),
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x61C, 0x61C),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xE0000, 0xE007F),
)
"""Code points that a terminal obeys or hides, first and last of each range (UTR 36, UAX 9)."""


@cache
def _escapes() -> dict[int, str]:
    return {code: _escape(code) for first, last in HIDDEN for code in range(first, last + 1)}


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
