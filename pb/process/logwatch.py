"""Waking up when a log grows: one inotify descriptor for all keepers; idle logs cost nothing.

Where there is no inotify (macOS), or the user's watches are used up, ``arm`` says no and the
keeper looks once a second instead.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

IN_MODIFY = 0x00000002
IN_IGNORED = 0x00008000
IN_DONT_FOLLOW = 0x02000000
IN_ONESHOT = 0x80000000
"""Event and watch flags of inotify(7)."""

EVENT = struct.Struct("iIII")
BUFFER = 64 * 1024


class LogWatch:
    """One-shot wake-ups: ``arm`` a path, and ``drain`` names it once after its next change.

    Register ``fileno()`` with the event loop and call ``drain`` when it is readable.
    """

    def __init__(self) -> None:
        self._armed: dict[int, Path] = {}
        self._numbers: dict[Path, int] = {}
        library = libc()
        self._fd = -1 if library is None else library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor to wait on; -1 where there is no inotify."""
        return self._fd

    def arm(self, path: Path) -> bool:
        """Ask for one wake-up at the next change of ``path``; False: it cannot be had."""
        library = libc()
        if library is None or self._fd < 0:
            return False
        if path in self._numbers:
            return True
        mask = IN_MODIFY | IN_ONESHOT | IN_DONT_FOLLOW
        number = library.inotify_add_watch(self._fd, os.fsencode(path), mask)
        if number < 0:
            return False
        self._armed[number] = path
        self._numbers[path] = number
        return True

    def disarm(self, path: Path) -> None:
        """Forget ``path``: nobody wants to know any more."""
        library = libc()
        number = self._numbers.pop(path, None)
        if number is not None and library is not None:
            self._armed.pop(number, None)
            library.inotify_rm_watch(self._fd, number)

    def drain(self) -> list[Path]:
        """The paths that changed since they were armed; each must be armed anew."""
        woke: list[Path] = []
        for number, _mask, _name in changes_at(self._fd):
            path = self._armed.pop(number, None)
            if path is not None:
                self._numbers.pop(path, None)
                woke.append(path)
        return woke

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def changes_at(fd: int) -> Iterator[tuple[int, int, bytes]]:
    """What an inotify descriptor (-1: none) has to tell just now: of which watch, which flags, and
    which name in that directory."""
    while raw := _read(fd):
        place = 0
        while place < len(raw):
            number, mask, _cookie, length = EVENT.unpack_from(raw, place)
            place += EVENT.size + length
            yield number, mask, raw[place - length : place].rstrip(b"\0")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, BUFFER) if fd >= 0 else b""
    except (BlockingIOError, InterruptedError):
        return b""


@cache
def libc() -> ctypes.CDLL | None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "inotify_init1") else None
