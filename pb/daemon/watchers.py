"""Who notices that reactive triggers fire: the seam, and the registry behind it.

A watcher lives outside of the engine's thinking: it posts ``Occurred`` (or ``Noticed``, and the
engine finds out whom that concerns). One for a kind is imported with the first trigger that needs
it, and closed with the last: a scheduler without such jobs pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from pb.api.context import Context
from pb.core.lean import dataclass
from pb.core.reactive import Event, Pattern, Reactive
from pb.daemon.clock import Clock
from pb.daemon.errands import Errands
from pb.daemon.messages import Message


@dataclass(frozen=True, slots=True)
class Watched:
    """One trigger to be watched. ``key`` is its name in messages; ``state`` what it remembers."""

    key: str
    trigger: Reactive
    state: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a watcher is given. ``post`` puts a message into the engine's mailbox; ``errands`` runs
    commands, in the environment ``environ``. ``is_guest``: this process is another program's."""

    context: Context
    clock: Clock
    post: Callable[[Message], None]
    errands: Errands | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    is_guest: bool = False


class Watchers(Protocol):
    """What the engine needs; tests hand in a fake. All methods belong to the loop's thread."""

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        """Watch these triggers of a job, and no others of it. What is the same goes on."""
        ...

    def drop(self, name: str) -> None:
        """Watch nothing of a job any more."""
        ...

    def close(self) -> None:
        """Watch nothing any more."""
        ...


class KindWatchers:
    """A watcher for each kind that any job needs just now; ``make`` makes one."""

    def __init__(self, make: Callable[[str], Watchers]) -> None:
        self._make = make
        self._watchers: dict[str, Watchers] = {}
        self._jobs: dict[str, dict[str, tuple[Watched, ...]]] = {}

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        wanted: dict[str, tuple[Watched, ...]] = {}
        for one in watched:
            kind = kind_of_watcher(one.trigger)
            if kind is not None:
                wanted[kind] = (*wanted.get(kind, ()), one)
        for kind in [kind for kind, jobs in self._jobs.items() if name in jobs]:
            if kind not in wanted:
                self._drop(kind, name)
        for kind, triggers in wanted.items():
            self._sync(kind, name, triggers)

    def _sync(self, kind: str, name: str, triggers: tuple[Watched, ...]) -> None:
        jobs = self._jobs.setdefault(kind, {})
        before = jobs.get(name, ())
        if [one.key for one in before] == [one.key for one in triggers]:
            return  # what it remembers by now is more than what was read
        jobs[name] = triggers
        if kind not in self._watchers:
            self._watchers[kind] = self._make(kind)
        self._watchers[kind].sync(name, triggers)

    def drop(self, name: str) -> None:
        self.sync(name, ())

    def _drop(self, kind: str, name: str) -> None:
        jobs = self._jobs[kind]
        del jobs[name]
        self._watchers[kind].drop(name)
        if not jobs:
            del self._jobs[kind]
            self._watchers.pop(kind).close()

    def close(self) -> None:
        self._jobs.clear()
        while self._watchers:
            self._watchers.popitem()[1].close()


def kind_of_watcher(trigger: Reactive) -> str | None:
    """Which watcher a trigger needs; None for one that the engine and the gateway see to."""
    if isinstance(trigger, Event):
        return "system" if trigger.name.startswith("system.") else None
    if isinstance(trigger, Pattern):
        if (trigger.event or "").startswith("system."):
            return "system"
        return {"idle": "threshold", "rate": "threshold", "log": "pattern"}.get(trigger.kind)
    return None if trigger.WORD == "webhook" else trigger.WORD


def watcher_of(kind: str, scene: Scene) -> Watchers:
    """The watcher of one kind, imported now."""
    match kind:
        case "file":
            from pb.daemon.filewatcher import FileWatcher

            return FileWatcher(scene)
        case "system":
            from pb.daemon.systemwatch import system_watch

            return system_watch(scene)
        case "pattern":
            from pb.daemon.logwatcher import LogWatcher

            return LogWatcher(scene)
        case "threshold":
            from pb.daemon.metric_watch import MetricWatch

            return MetricWatch(scene)
    raise LookupError(kind)
