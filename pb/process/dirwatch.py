"""Waking up when something in a directory changes, also when it is made later (inotify(7)).

Where there is no inotify (macOS), or the user's watches are used up, ``arm`` says no and the owner
looks once in a while instead. What the files mean is not known here.
"""

from __future__ import annotations

import os
from pathlib import Path

from pb.process.logwatch import IN_IGNORED, changes_at, libc

IN_ATTRIB = 0x00000004
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_Q_OVERFLOW = 0x00004000
IN_ONLYDIR = 0x01000000

COMES_AND_GOES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR
CONTENT = COMES_AND_GOES | IN_CLOSE_WRITE | IN_ATTRIB


class DirWatch:
    """Watches ``folder``, and its parent for the day when ``folder`` appears or is replaced.

    Register ``fileno()`` with the event loop and call ``drain`` when it is readable.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent_number = self._number = -1
        library = libc()
        self._fd = -1 if library is None else library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor to wait on; -1 where there is no inotify."""
        return self._fd

    def arm(self) -> bool:
        """Watch what is there now; False: changes cannot be had this way."""
        self._parent_number = self._add(self._folder.parent, COMES_AND_GOES)
        self._number = self._add(self._folder, CONTENT)
        return self._parent_number >= 0 and (self._number >= 0 or not self._folder.exists())

    def drain(self) -> bool:
        """Whether anything in the folder has changed since the last call, or the folder itself."""
        has_changed = is_other = False
        for number, mask, name in changes_at(self._fd):
            if number == self._number and not mask & IN_IGNORED:
                has_changed = True
            elif mask & IN_Q_OVERFLOW or name == os.fsencode(self._folder.name):
                is_other = True
        if is_other:
            self._forget()
            self.arm()
        return has_changed or is_other

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _add(self, path: Path, mask: int) -> int:
        library = libc()
        if library is None or self._fd < 0:
            return -1
        return int(library.inotify_add_watch(self._fd, os.fsencode(path), mask))

    def _forget(self) -> None:
        """The folder's name means another directory now, or none."""
        library = libc()
        if library is not None and self._number >= 0:
            library.inotify_rm_watch(self._fd, self._number)
        self._number = -1
