"""Files below some paths: which there are, and being woken up when they change (inotify(7)).

One inotify descriptor for everybody, because a user has few (128 by default). Where there is none
(macOS), where the user's watches are used up, and on network file systems, which tell only of
what this machine does, ``scan`` says so, and the owner looks now and then instead. What a change
means is not known here.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from pb.core.file_changes import Mark
from pb.core.lean import dataclass
from pb.paths import is_network_file_system
from pb.process.dirwatch import COMES_AND_GOES, IN_CLOSE_WRITE, IN_CREATE, IN_ONLYDIR, IN_Q_OVERFLOW
from pb.process.logwatch import IN_IGNORED, changes_at, libc
from pb.process.treewatch import IN_DELETE_SELF, IN_ISDIR, IN_MOVE_SELF

MASK = (COMES_AND_GOES | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF) & ~IN_ONLYDIR
"""One for all: a directory that several watch has one number, and one mask."""


MOST_BRACES = 4
"""Alternatives in one pattern that are looked at as such: each multiplies the patterns."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something may have happened for ``owner``. ``path`` is the file, where one is known;
    ``is_open``: somebody has just made it, and may still write."""

    owner: object
    path: str | None = None
    is_open: bool = False


class FileWatch:
    """Directories that are watched, each for one owner or several.

    Register ``fileno()`` with the event loop and call ``drain`` when it is readable. ``add`` stands
    for inotify_add_watch(2) of a path: its number, negative when it cannot be had.
    """

    def __init__(self, add: Callable[[int, str, int], int] | None = None) -> None:
        self._wanted: dict[int, dict[object, frozenset[str] | None]] = {}
        self._folders: dict[int, str] = {}
        self._lock = threading.Lock()  # looks watch from threads of their own
        library = libc()
        self._fd = -1 if library is None else library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._add = add or add_watch

    def fileno(self) -> int:
        """The descriptor to wait on; -1 where there is no inotify."""
        return self._fd

    def watch(self, folder: str, owner: object, name: str | None = None) -> bool:
        """Wake ``owner`` when something happens in ``folder``, or to ``name`` in it only."""
        with self._lock:
            number = self._add(self._fd, folder, MASK) if self._fd >= 0 else -1
            if number < 0:
                return False
            owners = self._wanted.setdefault(number, {})
            self._folders[number] = folder
            known = owners.get(owner, frozenset())
            owners[owner] = None if name is None or known is None else known | {name}
        return True

    def forget(self, owner: object) -> None:
        """Wake ``owner`` no more."""
        library = libc()
        with self._lock:
            for number in [one for one, owners in self._wanted.items() if owner in owners]:
                del self._wanted[number][owner]
                if not self._wanted[number]:
                    self._drop(number)
                    if library is not None and self._fd >= 0:
                        library.inotify_rm_watch(self._fd, number)

    def drain(self) -> list[Sign]:
        """What has happened since the last call."""
        signs: list[Sign] = []
        for number, mask, name in changes_at(self._fd):
            with self._lock:
                signs += self._signs(number, mask, os.fsdecode(name))
        return signs

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _signs(self, number: int, mask: int, name: str) -> Iterator[Sign]:
        if mask & IN_Q_OVERFLOW:
            for owner in {owner for owners in self._wanted.values() for owner in owners}:
                yield Sign(owner)
            return
        folder, owners = self._folders.get(number, ""), dict(self._wanted.get(number, {}))
        if mask & IN_IGNORED:
            self._drop(number)
        is_open = bool(mask & IN_CREATE) and not mask & IN_ISDIR
        for owner, names in owners.items():
            if not name or names is None or name in names:
                yield Sign(owner, os.path.join(folder, name) if name else None, is_open)

    def _drop(self, number: int) -> None:
        self._wanted.pop(number, None)
        self._folders.pop(number, None)


def add_watch(fd: int, folder: str, mask: int) -> int:
    library = libc()
    return -1 if library is None else int(library.inotify_add_watch(fd, os.fsencode(folder), mask))


@dataclass(slots=True)
class Look:
    """What was seen. ``is_told``: every change of it will wake; ``at_ns``: when it began.
    ``whole``: links, which nobody opens to make them, and so nobody closes. ``closed``:
    directories that may not be read."""

    at_ns: int
    seen: dict[str, Mark]
    is_told: bool = True
    whole: set[str] = field(default_factory=set)
    closed: list[str] = field(default_factory=list)


def scan(
    paths: tuple[str, ...],
    pattern: str | None,
    *,
    recursive: bool,
    arm: Callable[[str, str | None], bool],
) -> Look:
    """Look at all files of ``paths``; slow, so done in a thread.

    ``arm`` is called for each directory before it is read, so that nothing is missed; it answers
    whether changes in it wake. A path that is missing is waited for in its nearest parent.
    """
    found = Look(time.time_ns(), {})

    def watch(folder: str, name: str | None = None) -> None:
        found.is_told = arm(folder, name) and found.is_told

    for path in paths:
        for folder, name in ways_to(path):
            watch(folder, name)
        if os.path.isdir(path):
            found.is_told = found.is_told and not is_network_file_system(Path(path))
            for file in files_in(path, pattern, found, recursive=recursive, watch=watch):
                note(file, found)
        else:
            note(path, found)
    return found


def ways_to(path: str) -> Iterator[tuple[str, str]]:
    """The directories that say so when ``path`` comes, goes or is replaced, and by which name."""
    folder, name = os.path.split(path)
    while folder != "/" and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    if name:
        yield folder, name


def files_in(
    folder: str,
    pattern: str | None,
    look: Look,
    *,
    recursive: bool,
    watch: Callable[[str], None],
) -> Iterator[str]:
    """The files that fit. Hidden directories are passed over, unless the pattern is of such
    names; links to directories are not followed."""
    watch(folder)
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        look.closed.append(folder)
        return
    except OSError:
        return  # gone again
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            if fits(entry.name, pattern):
                yield entry.path
        elif recursive and (not entry.name.startswith(".") or (pattern or "").startswith(".")):
            yield from files_in(entry.path, pattern, look, recursive=True, watch=watch)


def fits(name: str, pattern: str | None) -> bool:
    """Hidden files, and the copies that editors make, only when the pattern asks for them."""
    return any(fits_one(name, wanted) for wanted in alternatives(pattern or "*"))


def fits_one(name: str, wanted: str) -> bool:
    if name.startswith(".") and not wanted.startswith("."):
        return False
    return not (name.endswith("~") and not wanted.endswith("~")) and fnmatchcase(name, wanted)


@lru_cache(maxsize=256)
def alternatives(pattern: str) -> tuple[str, ...]:
    """The patterns that ``*.{jpg,png}`` stands for, as in a shell; braces do not nest."""
    before, brace, rest = pattern.partition("{")
    inside, end, after = rest.partition("}")
    if not brace or not end or "," not in inside or pattern.count("{") > MOST_BRACES:
        return (pattern,)
    return tuple(
        f"{before}{one}{more}" for one in inside.split(",") for more in alternatives(after)
    )


def note(path: str, look: Look) -> None:
    try:
        own = os.lstat(path)
        facts = os.stat(path) if stat.S_ISLNK(own.st_mode) else own
    except OSError:
        return
    if stat.S_ISDIR(facts.st_mode):
        return
    look.seen[path] = Mark(facts.st_ino, facts.st_mtime_ns, facts.st_size, facts.st_ctime_ns)
    if not stat.S_ISREG(own.st_mode) or own.st_nlink > 1:
        look.whole.add(path)
