"""Files below some paths: which there are, and waking up when one changes (inotify(7)).

Where there is no inotify (macOS), or the user's watches are used up, ``scan`` says so and the
owner looks now and then instead. What a change means is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pb.process.dirwatch import COMES_AND_GOES, IN_CLOSE_WRITE, IN_ONLYDIR, IN_Q_OVERFLOW
from pb.process.logwatch import IN_IGNORED, changes_at, libc

IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_MASK_ADD = 0x20000000
IN_ISDIR = 0x40000000

INSIDE = COMES_AND_GOES | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF
BESIDE = (COMES_AND_GOES | IN_CLOSE_WRITE) & ~IN_ONLYDIR

PASSED_OVER = frozenset({"__pycache__", "node_modules"})
"""Directories that nobody writes by hand; hidden ones (``.git``, ``.venv``) are passed over too."""

Mark = tuple[int, int, int]
Seen = dict[str, Mark]
"""Inode, time of the last modification (ns) and size, by path."""


class TreeWatch:
    """Watches files and directories, with all that is below them and fits ``pattern``.

    Register ``fileno()`` with the event loop and call ``drain`` when it is readable. ``scan`` is
    slow and may be called in another thread; ``close`` may not be, while it runs.
    """

    def __init__(self, paths: Sequence[Path], pattern: str = "*") -> None:
        self._paths = paths
        self._pattern = pattern
        self._names: dict[int, frozenset[str] | None] = {}
        self.is_complete = False
        """Whether every change wakes: known after a scan."""
        library = libc()
        self._fd = -1 if library is None else library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor to wait on; -1 where there is no inotify."""
        return self._fd

    def scan(self) -> Seen:
        """What is there now. Each directory is watched before it is read, so nothing is missed."""
        self.is_complete = self._fd >= 0
        seen: Seen = {}
        for path in self._paths:
            self._mind_name(path)
            if path.is_dir():
                for entry in self._walk(path):
                    self._note(entry, seen)
            else:
                self._note(path, seen)
        return seen

    def drain(self) -> bool:
        """Whether anything may have changed since the last call: then ``scan`` knows what."""
        has_changed = False
        for number, mask, name in changes_at(self._fd):
            has_changed |= self._counts(number, mask, os.fsdecode(name))
        return has_changed

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _counts(self, number: int, mask: int, name: str) -> bool:
        if mask & IN_Q_OVERFLOW:
            return True
        if mask & IN_IGNORED:
            self._names.pop(number, None)
            return False
        names = self._names.get(number)
        if names is not None:
            return name in names
        return bool(mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF)) or self._fits(name)

    def _mind_name(self, path: Path) -> None:
        """Watch the directory that holds ``path``: it may come, go, and come back."""
        number = self._add(path.parent, BESIDE)
        if number >= 0 and not (number in self._names and self._names[number] is None):
            known = self._names.get(number) or frozenset()
            self._names[number] = known | {path.name}

    def _walk(self, folder: Path) -> Iterator[Path]:
        number = self._add(folder, INSIDE)
        if number >= 0:
            self._names[number] = None
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return  # gone again, or not ours to read
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                if self._fits(entry.name):
                    yield Path(entry.path)
            elif not entry.name.startswith(".") and entry.name not in PASSED_OVER:
                yield from self._walk(Path(entry.path))

    def _fits(self, name: str) -> bool:
        """Hidden files, and the copies that editors make, only when the pattern asks for them."""
        is_odd = name.startswith(".") or name.endswith("~")
        if is_odd and not self._pattern.startswith(".") and not self._pattern.endswith("~"):
            return False
        return fnmatchcase(name, self._pattern)

    def _note(self, path: Path, seen: Seen) -> None:
        try:
            facts = path.stat()
        except OSError:
            return
        seen[str(path)] = (facts.st_ino, facts.st_mtime_ns, facts.st_size)

    def _add(self, path: Path, mask: int) -> int:
        """Watch it; mind that a directory that is watched twice keeps one number and one mask."""
        library = libc()
        if library is None or self._fd < 0:
            return -1
        number = int(library.inotify_add_watch(self._fd, os.fsencode(path), mask | IN_MASK_ADD))
        if number < 0:
            self.is_complete = False
        return number
