"""File triggers: noticing that files have changed and come to rest, and telling what happened.

Costs nothing while nothing changes. What a change is, and when it rests, is
``core.file_changes``'; looking is done in threads, because there may be many files, or a file
system that does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import field
from typing import Any

from pb.api.surroundings import from_home
from pb.core.file_changes import (
    Change,
    Mark,
    Rest,
    Seen,
    after,
    changes,
    known_since,
    seen_until,
    wanted,
)
from pb.core.lean import dataclass
from pb.core.reactive import File
from pb.daemon.conditions import aside
from pb.daemon.messages import Occurred, Remembered
from pb.daemon.watchers import Scene, Watched
from pb.process.filewatch import FileWatch, Look, Sign, scan

log = logging.getLogger("triggers")

LOOK = 2.0
"""Seconds between looks where nothing wakes us."""

LINK_LOOK = 60.0
"""The same where a path is a link: what is behind it may be exchanged somewhere on the way."""

GATHER = 0.05
"""Seconds for which further signs are left to gather: a burst shall not wake us for each file."""

PATIENCE = 60.0
"""Seconds for a look; a network file system may hang."""

UNTIL = "until_ns"
"""What a trigger remembers: the time up to which all changes were told, ns since the epoch."""


@dataclass(slots=True, kw_only=True, eq=False)
class Spot:
    """One trigger that is watched. ``known`` is what was there and told; None: not looked at yet.

    ``first_sign`` and ``last_sign`` are monotonic seconds. ``unclosed``: files that somebody has
    made and not closed since. ``last``: the look before, and when it was. ``is_new``: it was just
    added, and not only enabled again.
    """

    job: str
    key: str
    trigger: File
    paths: tuple[str, ...]
    pattern: str | None
    until_ns: int | None
    is_new: bool
    known: dict[str, Mark] | None = None
    first_sign: float | None = None
    last_sign: float = 0.0
    unclosed: set[str] = field(default_factory=set)
    last: Look | None = None
    timer: asyncio.TimerHandle | None = None
    is_looking: bool = False
    is_over: bool = False
    is_polled: bool = False
    is_blamed: bool = False


class FileWatcher:
    """The watcher of all file triggers. Methods belong to the event loop's thread.

    ``look`` is seconds between looks where nothing wakes us; ``watch`` is what wakes.
    """

    def __init__(self, scene: Scene, *, look: float = LOOK, watch: FileWatch | None = None) -> None:
        self._post = scene.post
        self._now_ms = scene.clock.now_ms
        self._look_every = look
        self._watch = watch or FileWatch()
        self._spots: dict[str, list[Spot]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.TimerHandle | None = None
        self._listen()

    # -- which triggers there are

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        kept = {spot.key: spot for spot in self._spots.get(name, ())}
        wanted_now = {one.key: one for one in watched}
        for key in kept.keys() - wanted_now.keys():
            self._end(kept.pop(key))
        for key in wanted_now.keys() - kept.keys():
            kept[key] = self._begin(name, wanted_now[key])
        self._spots[name] = list(kept.values())

    def drop(self, name: str) -> None:
        for spot in self._spots.pop(name, ()):
            self._end(spot)

    def close(self) -> None:
        for name in list(self._spots):
            self.drop(name)
        if self._gathering is not None:
            self._gathering.cancel()
        elif self._watch.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
        self._watch.close()

    def _begin(self, name: str, one: Watched) -> Spot:
        trigger = one.trigger
        if not isinstance(trigger, File):
            raise TypeError(f"{trigger!r} is no file trigger")
        paths, pattern = places_of(trigger)
        until = (one.state or {}).get(UNTIL)
        spot = Spot(
            job=name,
            key=one.key,
            trigger=trigger,
            paths=paths,
            pattern=pattern,
            until_ns=until if isinstance(until, int) else None,
            is_new=one.state is None,
        )
        self._look(spot)
        return spot

    def _end(self, spot: Spot) -> None:
        spot.is_over = True
        if spot.timer is not None:
            spot.timer.cancel()
        self._watch.forget(spot)

    # -- being woken

    def _listen(self) -> None:
        self._gathering = None
        if self._watch.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._woken)

    def _woken(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._watch.fileno())
        self._gathering = loop.call_later(GATHER, self._listen)
        self._take(self._watch.drain())

    def _take(self, signs: Sequence[Sign]) -> None:
        now = time.monotonic()
        for sign in signs:
            spot = sign.owner
            if not isinstance(spot, Spot) or spot.is_over:
                continue
            if sign.path is not None:
                (spot.unclosed.add if sign.is_open else spot.unclosed.discard)(sign.path)
            is_first = spot.first_sign is None or spot.timer is None
            spot.last_sign, spot.first_sign = now, spot.first_sign or now
            if is_first:  # else a look is due; who polls or follows a link has a later one
                self._look_in(spot, spot.trigger.settle)

    # -- looking

    def _look_in(self, spot: Spot, seconds: float) -> None:
        if spot.timer is not None:
            spot.timer.cancel()
        spot.timer = asyncio.get_running_loop().call_later(seconds, self._look, spot)

    def _look(self, spot: Spot) -> None:
        spot.timer = None
        left = spot.last_sign + spot.trigger.settle - time.monotonic()
        if spot.is_looking:
            self._look_in(spot, spot.trigger.settle or GATHER)
        elif spot.first_sign is not None and left > 0 and not is_overdue(spot):
            self._look_in(spot, left)
        else:
            spot.is_looking = True
            task = asyncio.get_running_loop().create_task(self._look_aside(spot))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look_aside(self, spot: Spot) -> None:
        def over() -> None:
            spot.is_looking = False

        def look() -> Look:
            trigger = spot.trigger
            return scan(
                spot.paths,
                spot.pattern,
                recursive=trigger.recursive,
                arm=lambda folder, name: self._watch.watch(folder, spot, name),
            )

        self._take(self._watch.drain())  # who has closed what by now
        try:
            found = await aside(look, PATIENCE, over)
        except TimeoutError:
            log.warning(
                "Job %s: the file system of %s does not answer; its files are looked at later",
                spot.job,
                ", ".join(spot.paths),
            )
            self._look_in(spot, LINK_LOOK)
            return
        spot.is_looking = False
        if spot.is_over:
            self._watch.forget(spot)
        else:
            self._looked(spot, found)

    def _looked(self, spot: Spot, look: Look) -> None:
        if look.closed and not spot.is_blamed:
            log.warning("Job %s: cannot read %s: permission denied", spot.job, look.closed[0])
        spot.is_blamed = bool(look.closed)
        if spot.known is None:
            self._begun(spot, look)
        before = spot.known or {}
        different = changes(before, look.seen)
        asked = [change for one in different if (change := wanted(one, spot.trigger.events))]
        if len(asked) != len(different):
            mine = {change.path for change in asked}
            rest = [one for one in different if not {one.path, one.source} & mine]
            spot.known = after(before, rest)
        spot.unclosed &= look.seen.keys() - look.whole
        self._settle(spot, asked, look)
        if not spot.timer:
            self._look_now_and_then(spot)

    def _begun(self, spot: Spot, look: Look) -> None:
        """The first look: what is there is known, but for what changed while nobody watched."""
        trigger = spot.trigger
        if spot.until_ns is not None:
            spot.known = known_since(look.seen, spot.until_ns)
        else:
            is_news = trigger.initial and spot.is_new
            spot.known = {} if is_news else dict(look.seen)
            if not is_news:
                self._post(Remembered(spot.job, spot.key, {UNTIL: look.at_ns}))
        spot.is_polled = trigger.poll or not look.is_told
        if spot.is_polled and not trigger.poll:
            log.warning(
                "Job %s: the system does not tell of all changes in %s, so its files are looked at"
                " every %g s (a network file system, or fs.inotify.max_user_watches is used up)",
                spot.job,
                ", ".join(spot.paths),
                self._look_every,
            )

    def _settle(self, spot: Spot, asked: list[Change], look: Look) -> None:
        """Tell what rests, together; what does not is waited for, though not for ever."""
        if not asked:
            spot.first_sign, spot.last = None, look
            return
        now = time.monotonic()
        spot.first_sign = spot.first_sign or now
        rest = rest_of(spot, look)
        waits = {change.path: rest.wait_ns(change) for change in asked}
        ripe = [change for change in asked if waits[change.path] == 0]
        unripe = [change for change in asked if waits[change.path] > 0]
        if spot.last is None or look.at_ns - spot.last.at_ns >= rest.settle_ns:
            spot.last = look
        if ripe and (not unripe or is_overdue(spot)):
            self._tell(spot, ripe, unripe, look)
        if unripe:
            spot.first_sign = spot.first_sign or now
            self._look_in(spot, max(GATHER, min(waits[one.path] for one in unripe) / 1e9))

    def _tell(
        self, spot: Spot, ripe: Sequence[Change], unripe: Sequence[Change], look: Look
    ) -> None:
        spot.known = after(spot.known or {}, ripe)
        spot.first_sign = None
        until = seen_until(look.at_ns, unripe)
        facts: dict[str, Any] = {"path": ripe[0].path, "change": ripe[0].event}
        items = [change.item() for change in ripe]
        self._post(
            Occurred(spot.job, "file", self._now_ms(), facts, items, spot.key, {UNTIL: until})
        )

    def _look_now_and_then(self, spot: Spot) -> None:
        if spot.is_polled:
            self._look_in(spot, self._look_every)
        elif any(os.path.islink(path) for path in spot.paths):
            self._look_in(spot, LINK_LOOK)


def is_overdue(spot: Spot) -> bool:
    """Whether it has gone on for so long that what rests is told without the others."""
    first = spot.first_sign
    return first is not None and time.monotonic() - first >= spot.trigger.max_wait


def rest_of(spot: Spot, look: Look) -> Rest:
    settle_ns = round(spot.trigger.settle * 1e9)
    last: Seen | None = None
    if spot.last is not None and look.at_ns - spot.last.at_ns >= settle_ns:
        last = spot.last.seen
    return Rest(
        now_ns=look.at_ns,
        settle_ns=settle_ns,
        longest_ns=round(spot.trigger.max_wait * 1e9),
        unclosed=spot.unclosed,
        last=last,
    )


def places_of(trigger: File) -> tuple[tuple[str, ...], str | None]:
    """Absolute paths, and the pattern of names. A relative path is one of the user's home."""
    user_home = os.path.expanduser("~")
    found = [os.path.join(user_home, from_home(path, user_home)) for path in trigger.paths]
    return tuple(os.path.normpath(path) for path in found), trigger.pattern
