"""When to read the definition files again: soon after they change, and not before they rest.

Costs nothing while nothing changes. What the files say is ``files``' work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from pb.config.folders import definition_files
from pb.daemon.files import mark_of
from pb.daemon.filing import Mark
from pb.process.dirwatch import DirWatch

REST = 0.3
"""Seconds without a change before files are read: editors and copies write in several steps."""

PATIENCE = 3.0
"""Seconds after which they are read although they still change."""

LOOK = 60.0
"""Seconds between looks where nothing wakes us: no inotify, or links to files elsewhere."""

AGAIN = 5.0

State = tuple[tuple[Path, Mark | None], ...]


class FilesWatch:
    """Calls ``changed`` when the files of ``folder`` have; again later while it answers False.

    ``look`` and ``again`` are seconds: between looks where nothing wakes us, and between tries.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], bool],
        *,
        watch: DirWatch | None = None,
        look: float = LOOK,
        again: float = AGAIN,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._watch = watch or DirWatch(folder)
        self._look_every, self._again = look, again
        self._seen: State = ()
        self._timer: asyncio.TimerHandle | None = None
        self._minute: asyncio.TimerHandle | None = None
        self._first_sign: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing but a change will wake it."""
        return self._timer is None and self._minute is None

    def listen(self) -> None:
        """Watch from now on. What is there now counts as known."""
        if self._watch.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._woken)
        is_armed = self._watch.arm()
        self._seen = self._state()
        self._look_now_and_then(is_armed)

    def close(self) -> None:
        for timer in (self._timer, self._minute):
            if timer is not None:
                timer.cancel()
        if self._watch.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
        self._watch.close()

    def _state(self) -> State:
        try:
            return tuple((path, mark_of(path)) for path in definition_files(self._folder))
        except OSError:
            return ()

    def _woken(self) -> None:
        if self._watch.drain():
            self._in(REST)

    def _in(self, seconds: float) -> None:
        """Look once that long after the last sign of a change."""
        if self._timer is not None:
            if self._first_sign is not None and time.monotonic() - self._first_sign > PATIENCE:
                return
            self._timer.cancel()
        self._first_sign = self._first_sign or time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        state = self._state()
        if state == self._seen:
            self._first_sign = None
            return
        if self._is_young(state) and not self._is_overdue():
            self._in(REST)
            return
        self._first_sign = None
        if self._changed():
            self._seen = state
            self._look_now_and_then(self._watch.arm())
        else:
            self._in(self._again)

    def _is_overdue(self) -> bool:
        return self._first_sign is not None and time.monotonic() - self._first_sign > PATIENCE

    def _is_young(self, state: State) -> bool:
        """Whether somebody may still be writing one of the files that changed."""
        now, known = time.time_ns(), set(self._seen)
        ages = (now - mark[2] for path, mark in state if mark and (path, mark) not in known)
        return any(0 <= age < REST * 1e9 for age in ages)

    def _look_now_and_then(self, is_armed: bool) -> None:
        """Once a minute, where the system does not tell of every change."""
        if self._minute is not None:
            self._minute.cancel()
            self._minute = None
        if not is_armed or any(path.is_symlink() for path, _ in self._seen):
            loop = asyncio.get_running_loop()
            self._minute = loop.call_later(self._look_every, self._each_minute)

    def _each_minute(self) -> None:
        self._minute = None
        self._look()
        if self._minute is None:
            self._look_now_and_then(self._watch.arm())
