"""Watching the system for jobs that wait for its events: only what any of them waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pb.core.event_names import is_meant
from pb.core.reactive import Event, Pattern, Reactive
from pb.daemon.clock import Clock
from pb.daemon.conditions import aside
from pb.daemon.messages import Message, Noticed
from pb.daemon.senses import SENSES, Sense, Signs, sense_called
from pb.daemon.watchers import Scene, Watched

log = logging.getLogger("system")

PATIENCE = 20.0
"""Seconds for a look that may hang; what is late is looked at again the next time."""


class SystemWatch:
    """The senses that are needed just now. Methods belong to the event loop's thread.

    ``make`` makes one by its name; ``patience`` is for looks that may hang.
    """

    def __init__(
        self,
        *,
        make: Callable[[str], Sense],
        post: Callable[[Message], None],
        clock: Clock,
        patience: float = PATIENCE,
    ) -> None:
        self._make = make
        self._post = post
        self._clock = clock
        self._patience = patience
        self._jobs: dict[str, set[str]] = {}
        self._watches: dict[str, Watch] = {}

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        patterns = [event_of(one.trigger) for one in watched]
        self._jobs[name] = {
            sense
            for sense, words in SENSES.items()
            if any(is_meant(pattern, f"system.{word}") for pattern in patterns for word in words)
        }
        self._mind()

    def drop(self, name: str) -> None:
        self._jobs.pop(name, None)
        self._mind()

    def close(self) -> None:
        self._jobs.clear()
        self._mind()

    def _mind(self) -> None:
        wanted = set().union(*self._jobs.values())
        for name in self._watches.keys() - wanted:
            self._watches.pop(name).close()
        for name in sorted(wanted - self._watches.keys()):
            self._watches[name] = Watch(self._make(name), self._tell, self._patience)

    def _tell(self, signs: Signs) -> None:
        for word, facts in signs:
            self._post(Noticed(f"system.{word}", self._clock.now_ms(), facts))


def system_watch(scene: Scene) -> SystemWatch:
    """The watcher with this machine's senses."""
    home = scene.context.home.root
    return SystemWatch(
        make=lambda name: sense_called(name, home), post=scene.post, clock=scene.clock
    )


class Watch:
    """One sense at work: it looks at once, then whenever something wakes it, and now and then."""

    def __init__(self, sense: Sense, tell: Callable[[Signs], None], patience: float) -> None:
        self._sense = sense
        self._patience = patience
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = self._hangs = False
        if sense.fileno() >= 0:
            self._loop.add_reader(sense.fileno(), self._woken)
        self._look()

    def _woken(self) -> None:
        self._sense.drain()
        self._look()

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._sense.every, self._look)
        if not self._sense.is_slow:
            self._tell(self._sense.look())
        elif not self._hangs:
            self._hangs = True
            self._task = self._loop.create_task(self._look_aside())

    async def _look_aside(self) -> None:
        try:
            signs = await aside(self._sense.look, self._patience, self._is_back)
        except TimeoutError:
            log.warning("The disks do not answer: a file system hangs")
            return
        if not self._is_over:
            self._tell(signs)

    def _is_back(self) -> None:
        self._hangs = False

    def close(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._sense.fileno() >= 0:
            self._loop.remove_reader(self._sense.fileno())
        self._sense.close()


def event_of(trigger: Reactive) -> str:
    """What an event trigger waits for, or a pattern counts."""
    if isinstance(trigger, Event):
        return trigger.name
    return (trigger.event or "") if isinstance(trigger, Pattern) else ""
