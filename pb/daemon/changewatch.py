"""Restarting on change: telling when the files that a service watches have changed, and rest.

Costs nothing while nothing changes, and nothing at all for a service that watches no files. Files
are looked at in a thread, because there may be many.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pb.api.surroundings import from_home
from pb.core.lean import dataclass
from pb.core.service import Watch, instance_name
from pb.daemon.messages import FilesChanged, InstanceKey, Message
from pb.process.treewatch import Seen, TreeWatch

log = logging.getLogger("services")

PATIENCE = 10.0
"""Seconds after which a change is told although there are more and more of them."""

LOOK = 3.0
"""Seconds between looks where nothing wakes us."""


class Aside(Protocol):
    """Does slow work in a thread, and calls ``then`` in the event loop's with the answer."""

    def __call__(self, work: Callable[[], Seen], then: Callable[[Seen], None]) -> None: ...


@dataclass(slots=True)
class Watched:
    """One life's files. ``seen`` None: not looked at yet. ``signs``: when the first change since
    then was noticed (monotonic)."""

    key: InstanceKey
    watch: Watch
    folder: Path
    tree: TreeWatch
    seen: Seen | None = None
    timer: asyncio.TimerHandle | None = None
    first_sign: float | None = None
    is_looking: bool = False
    is_listening: bool = False
    is_over: bool = False


class ChangeWatch:
    """All lives that watch files. Methods belong to the event loop's thread.

    ``look`` is seconds between looks where nothing wakes us; ``tree`` makes what watches.
    """

    def __init__(
        self,
        *,
        post: Callable[[Message], None],
        aside: Aside,
        look: float = LOOK,
        tree: Callable[[Sequence[Path], str], TreeWatch] = TreeWatch,
    ) -> None:
        self._post = post
        self._aside = aside
        self._look_every = look
        self._new_tree = tree
        self._lives: dict[InstanceKey, Watched] = {}

    def begin(self, key: InstanceKey, watch: Watch | None, cwd: str, user_home: str) -> None:
        """Watch from now on; what is there when it is first looked at counts as known."""
        self.end(key)  # the engine has read its store again, and begins afresh
        if watch is None or not watch.paths:
            return
        paths = [Path(os.path.join(cwd, from_home(path, user_home))) for path in watch.paths]
        tree = self._new_tree([Path(os.path.normpath(path)) for path in paths], watch.pattern)
        life = self._lives[key] = Watched(key, watch, Path(cwd), tree)
        self._look(life)

    def end(self, key: InstanceKey) -> None:
        """This life is over."""
        life = self._lives.pop(key, None)
        if life is not None:
            self._stop(life)

    def close(self) -> None:
        for key in list(self._lives):
            self.end(key)

    def is_idle(self, key: InstanceKey) -> bool:
        """Whether nothing but a change will wake it."""
        life = self._lives[key]
        return life.seen is not None and life.timer is None and not life.is_looking

    def _stop(self, life: Watched) -> None:
        life.is_over = True
        if life.timer is not None:
            life.timer.cancel()
        if life.is_listening:
            life.is_listening = False
            asyncio.get_running_loop().remove_reader(life.tree.fileno())
        if not life.is_looking:
            life.tree.close()

    def _woken(self, life: Watched) -> None:
        if life.tree.drain():
            life.first_sign = life.first_sign or time.monotonic()
            self._look_in(life, life.watch.settle)

    def _look_in(self, life: Watched, seconds: float) -> None:
        if life.timer is not None:
            if self._is_overdue(life):
                return
            life.timer.cancel()
        life.timer = asyncio.get_running_loop().call_later(seconds, self._look, life)

    def _is_overdue(self, life: Watched) -> bool:
        return life.first_sign is not None and time.monotonic() - life.first_sign > PATIENCE

    def _look(self, life: Watched) -> None:
        life.timer = None
        if life.is_looking:
            self._look_in(life, life.watch.settle)
            return
        life.is_looking = True
        self._aside(life.tree.scan, lambda seen: self._looked(life, seen))

    def _looked(self, life: Watched, seen: Seen) -> None:
        life.is_looking = False
        if life.is_over:
            life.tree.close()
            return
        if life.seen is None:
            self._begun(life, seen)
        changed = sorted(set(dict(seen.items() ^ (life.seen or {}).items())))
        if not changed:
            life.first_sign = None
            if not life.tree.is_complete:
                self._look_in(life, self._look_every)
        elif self._is_young(seen, changed, life) and not self._is_overdue(life):
            life.first_sign = life.first_sign or time.monotonic()
            self._look_in(life, life.watch.settle)
        else:
            self._tell(life, changed)

    def _begun(self, life: Watched, seen: Seen) -> None:
        life.seen = seen
        if life.tree.fileno() >= 0:
            life.is_listening = True
            asyncio.get_running_loop().add_reader(life.tree.fileno(), self._woken, life)
        if not life.tree.is_complete:
            name = instance_name(life.key.service, life.key.instance)
            log.warning(
                "Service %s: the system does not tell of all changes, so its files are looked at"
                " every %g seconds (is fs.inotify.max_user_watches used up, or is a path missing?)",
                name,
                self._look_every,
            )

    def _is_young(self, seen: Seen, changed: list[str], life: Watched) -> bool:
        """Whether somebody may still be writing one of the files that changed."""
        ages = (time.time_ns() - seen[path][1] for path in changed if path in seen)
        return any(0 <= age < life.watch.settle * 1e9 for age in ages)

    def _tell(self, life: Watched, changed: list[str]) -> None:
        """Once in a life is enough: the next one looks afresh."""
        name = os.path.relpath(changed[0], life.folder)
        name = changed[0] if name.startswith("..") else name
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        self._stop(life)
        self._post(FilesChanged(life.key, f"{name}{more} changed"))
