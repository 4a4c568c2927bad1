"""Which job fires when: one small entry a job, and a heap of fire times.

No store, no process, no clock: times come in as arguments. Ten thousand entries are a few MB,
because a definition's other keys stay in the store until a run needs them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from datetime import tzinfo
from sys import intern

from pb.config.zones import zone
from pb.core.definition import job_from
from pb.core.lean import dataclass
from pb.core.model import (
    DEFAULT_MISFIRE,
    NO_CONDITIONS,
    Conditions,
    Dependency,
    JitterMode,
    Job,
    Misfire,
    Overlap,
    Startup,
    Trigger,
)
from pb.core.notice import Telling
from pb.core.reactive import Reactive
from pb.core.scheduling import first_ms, upcoming_ms
from pb.core.triggers import pause_of
from pb.store.rows import PlanRow


@dataclass(slots=True)
class Entry:
    """What planning needs of one job. Instants are epoch ms.

    ``planned_ms``: every fire time up to it has its record. ``is_on``: enabled and not paused.
    ``updated_ms`` grows with each change of the definition or of the pause.
    """

    name: str
    triggers: tuple[Trigger, ...]
    zone: tzinfo
    zone_name: str
    overlap: Overlap
    queue_limit: int
    max_instances: int
    jitter: float
    jitter_mode: JitterMode
    priority: int
    queue: str
    locks: tuple[str, ...]
    depends_on: tuple[Dependency, ...]
    conditions: Conditions
    misfire: Misfire
    is_enabled: bool
    notify: Telling | None
    is_on: bool
    resume_ms: int | None
    planned_ms: int
    next_ms: int | None
    boot_id: str | None
    updated_ms: int

    @property
    def reactions(self) -> list[Reactive]:
        """Its triggers that react to something."""
        return [trigger for trigger in self.triggers if isinstance(trigger, Reactive)]

    @property
    def startups(self) -> list[Startup]:
        return [trigger for trigger in self.triggers if isinstance(trigger, Startup)]

    def jitter_ms(self, luck: float) -> int:
        """One fire time's part of the jitter; ``luck`` is from 0 to 1.

        ``fixed`` takes the name's hash instead, so that a job keeps its place in the spread.
        """
        if self.jitter_mode is JitterMode.FIXED:
            from hashlib import sha256

            luck = int.from_bytes(sha256(self.name.encode()).digest()[:8]) / 2**64
        return round(self.jitter * luck * 1000)

    def delay_ms(self, late_ms: int, luck: float) -> int:
        """How long after its fire time a run that fires so late may start: the jitter, or when it
        makes up for a missed one, its part of the spread from now on."""
        if late_ms > self.misfire.grace * 1000:
            return late_ms + round(self.misfire.spread * luck * 1000)
        return self.jitter_ms(luck)

    def plan(self, after_ms: int) -> None:
        """Count from ``after_ms`` on."""
        self.planned_ms = after_ms
        self.next_ms = self.first_after(after_ms) if self.is_on else None

    @property
    def counts_from_ends(self) -> bool:
        """Whether the end of a run says when the next one fires."""
        return pause_of(self.triggers) is not None

    def first_after(self, end_ms: int) -> int | None:
        """The next fire time, when its last run has ended then and nothing of it runs."""
        return first_ms(self.triggers, end_ms, self.zone, self.name)

    def next_beat(self) -> int | None:
        """The next fire time that does not wait for the end of a run."""
        return upcoming_ms(self.triggers, self.planned_ms, self.zone, self.name)


def entry_from(row: PlanRow, zones: dict[str, tzinfo]) -> Entry:
    """An entry from the store. Raises InvalidError when the definition cannot be used.

    ``zones`` are those that were looked up already, for as long as one reading of the store lasts.
    """
    job: Job = job_from(json.loads(row.definition))
    if job.timezone not in zones:
        zones[job.timezone] = zone(job.timezone)
    return Entry(
        name=intern(row.name),
        triggers=job.triggers,
        zone=zones[job.timezone],
        zone_name=intern(job.timezone),
        overlap=job.overlap,
        queue_limit=job.queue_limit,
        max_instances=job.max_instances,
        jitter=job.jitter,
        jitter_mode=job.jitter_mode,
        priority=job.priority,
        queue=intern(job.queue),
        locks=job.locks,
        depends_on=job.depends_on,
        conditions=NO_CONDITIONS if job.conditions == NO_CONDITIONS else job.conditions,
        misfire=DEFAULT_MISFIRE if job.misfire == DEFAULT_MISFIRE else job.misfire,
        is_enabled=row.enabled,
        notify=job.notify,
        is_on=row.enabled and row.paused_at is None,
        resume_ms=row.paused_until if row.paused_at is not None else None,
        planned_ms=row.planned_until,
        next_ms=row.next_fire_at,
        boot_id=row.boot_id,
        updated_ms=row.updated_at,
    )


class Timetable:
    """All entries by name, and the order in which they fire.

    ``reactive``: the names of jobs that react to something; ``changed``: those of them that were
    put or removed since somebody has looked and emptied it.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._heap: list[tuple[int, str]] = []
        self._following: dict[str, set[str]] = {}
        self._resumes: list[tuple[int, str]] = []
        self.reactive: set[str] = set()
        self.changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, name: str | None) -> Entry | None:
        return self._entries.get(name) if name is not None else None

    def put(self, entry: Entry) -> None:
        """Add or replace an entry."""
        self._forget_dependencies(entry.name)
        for dependency in entry.depends_on:
            self._following.setdefault(dependency.job, set()).add(entry.name)
        self._entries[entry.name] = entry
        self._note(entry.name, is_reactive=bool(entry.reactions))
        self.schedule(entry)
        if entry.resume_ms is not None:
            heapq.heappush(self._resumes, (entry.resume_ms, entry.name))

    def followers(self, name: str | None) -> list[Entry]:
        """The jobs that depend on ``name``, by name."""
        names = sorted(self._following.get(name or "", ()))
        return [self._entries[one] for one in names]

    def _forget_dependencies(self, name: str) -> None:
        before = self._entries.get(name)
        for dependency in before.depends_on if before is not None else ():
            self._following[dependency.job].discard(name)

    def _note(self, name: str, *, is_reactive: bool) -> None:
        if is_reactive or name in self.reactive:
            self.changed.add(name)
            (self.reactive.add if is_reactive else self.reactive.discard)(name)

    def remove(self, name: str) -> Entry | None:
        self._forget_dependencies(name)
        self._note(name, is_reactive=False)
        return self._entries.pop(name, None)

    def clear(self) -> None:
        self._entries.clear()
        self.changed |= self.reactive
        self.reactive.clear()
        self._heap.clear()
        self._following.clear()
        self._resumes.clear()

    def schedule(self, entry: Entry) -> None:
        """Put the entry's next fire time into the order; an earlier one of its becomes void."""
        if entry.next_ms is not None:
            heapq.heappush(self._heap, (entry.next_ms, entry.name))

    def next_ms(self) -> int | None:
        """The earliest fire time of all, or end of a pause."""
        moments = [at for at in (self._next_fire_ms(), self._next_resume_ms()) if at is not None]
        return min(moments, default=None)

    def _next_fire_ms(self) -> int | None:
        while self._heap and not self._is_valid(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _next_resume_ms(self) -> int | None:
        while self._resumes:
            at_ms, name = self._resumes[0]
            entry = self._entries.get(name)
            if entry is not None and entry.resume_ms == at_ms:
                return at_ms
            heapq.heappop(self._resumes)
        return None

    def pop_resumed(self, now_ms: int) -> list[Entry]:
        """The entries whose pause is over."""
        found = []
        while (at_ms := self._next_resume_ms()) is not None and at_ms <= now_ms:
            found.append(self._entries[heapq.heappop(self._resumes)[1]])
        return found

    def pop_due(self, now_ms: int) -> list[tuple[Entry, int]]:
        """The entries whose fire time has come, with it, earliest first; plan each anew."""
        due: list[tuple[Entry, int]] = []
        while (at_ms := self._next_fire_ms()) is not None and at_ms <= now_ms:
            entry = self._entries[heapq.heappop(self._heap)[1]]
            entry.next_ms = None
            due.append((entry, at_ms))
        return due

    def _is_valid(self, at_ms: int, name: str) -> bool:
        entry = self._entries.get(name)
        return entry is not None and entry.next_ms == at_ms
