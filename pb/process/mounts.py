"""What is mounted, as /proc/self/mountinfo tells, and waking up when that changes. Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import select
from pathlib import Path

from pb.core.lean import dataclass

MOUNTINFO = Path("/proc/self/mountinfo")

ESCAPED = re.compile(r"\\([0-7]{3})")
"""Blanks and backslashes are written in octal (proc(5))."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One file system in its place. ``number`` is the kernel's own for this mount."""

    number: str
    path: str
    kind: str
    source: str
    is_read_only: bool


def mounts(file: Path = MOUNTINFO) -> dict[str, Mount]:
    """Everything that is mounted, by number; nothing where the system does not tell."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return {}
    found = (mount_of(line) for line in text.splitlines())
    return {one.number: one for one in found if one is not None}


def mount_of(line: str) -> Mount | None:
    """A line: number, parent, device, root, place, options, tags … - kind, source, options."""
    before, dash, after = line.partition(" - ")
    words, more = before.split(" "), after.split(" ")
    if not dash or len(words) < 6 or len(more) < 2:
        return None
    return Mount(
        number=f"{words[0]} {words[2]}",
        path=unescaped(words[4]),
        kind=more[0],
        source=unescaped(more[1]),
        is_read_only="ro" in words[5].split(","),
    )


def unescaped(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


class MountBell:
    """Rings when something is mounted or unmounted. Its ``fileno`` is readable then.

    The file itself is always readable, and an error is reported for each change (proc(5)): so it is
    watched through an epoll of its own, which asks for nothing but that.
    """

    def __init__(self, file: Path = MOUNTINFO) -> None:
        self._fd = -1
        self._bell: select.epoll | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            self._bell = select.epoll()
            self._bell.register(self._fd, select.EPOLLPRI | select.EPOLLERR)

    def fileno(self) -> int:
        """-1 where it cannot be had: look once in a while."""
        return -1 if self._bell is None else self._bell.fileno()

    def drain(self) -> None:
        """It was heard."""
        if self._bell is not None:
            self._bell.poll(0)

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
        if self._fd >= 0:
            os.close(self._fd)
