"""From an occasion to a run: what becomes of a reactive trigger that fires.

An occasion is never lost: while it cannot start a run, it joins one that waits. What notices
occasions is ``watchers``'; events are matched here, in the transaction that commits them, so that
no crash loses or doubles one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pb.api.views import rfc3339
from pb.core.model import Overlap, State
from pb.core.reactive import File, Reactive
from pb.core.scheduling import Admission, Refused, Replaces, Waits
from pb.core.triggers import key_of
from pb.daemon.event_patterns import EventPatterns, Fired
from pb.daemon.ledger import Crossing, Happened, Ledger
from pb.daemon.listeners import Listeners
from pb.daemon.messages import Noticed, OccasionMessage, Occurred, Remembered
from pb.daemon.open_run import Open
from pb.daemon.parts import Parts
from pb.daemon.planner import Planner
from pb.daemon.runs import Runs
from pb.daemon.services import Services
from pb.daemon.storms import HOLD, MOST, WINDOW, Storms
from pb.daemon.timetable import Entry
from pb.daemon.watchers import Watched

PAUSED = "paused"

SEEN_BOOT = "seen_boot"
"""The store's own fact: the machine's boot that jobs have been told of."""

SAME_MS = 60_000
"""Occasions that are refused for one reason within so many milliseconds are one record."""

AT_ONCE = 1_000
"""Emitted events that are acted on in one step."""

Facts = dict[str, Any]


class Occasions:
    """Acts on occasions. Of the schedulers on a store, the one that keeps the services watches."""

    def __init__(self, parts: Parts, runs: Runs, planner: Planner, services: Services) -> None:
        self._store = parts.context.store
        self._context = parts.context
        self._clock = parts.clock
        self._watchers = parts.watchers
        self._runs = runs
        self._timetable = planner.timetable
        self._followers = planner.followers
        self._services = services
        self._was_keeper = False
        self._listeners = Listeners()
        self._patterns = EventPatterns(parts.context.store, runs)
        self._storms = Storms()
        self._boot = (parts.boot_id, parts.booted_ms)
        self._must_look = True
        self._has_begun = False

    @property
    def is_curious(self) -> bool:
        """Whether any job may wait for what happens now."""
        waits = self._listeners or self._patterns or self._timetable.changed
        return bool(waits or self._must_look)

    def next_ms(self) -> int | None:
        """When something will have been absent, or running, for too long."""
        return self._patterns.next_ms()

    def handle(self, message: OccasionMessage, ledger: Ledger) -> None:
        match message:
            case Occurred():
                self._occurred(message, ledger)
            case Remembered():
                self._remember(message.job, message.trigger, message.state)
                if message.over is not None:
                    self._subsided(message.job, message.over, ledger)
            case Noticed():
                noticed = Happened(message.name, message.at_ms, facts=message.facts)
                ledger.happened.append(noticed)

    def begin(self, ledger: Ledger) -> None:
        """All jobs have been read: from now on it is known who waits for what."""
        self._has_begun = True
        known = self._store.meta(SEEN_BOOT)
        if known != self._boot[0]:
            self._store.set_meta(SEEN_BOOT, self._boot[0])
            if known is not None:
                ledger.happened.append(Happened("system.boot", self._boot[1]))

    def settle(self, ledger: Ledger) -> None:
        """At the end of each step: tell the watchers what is on, and match what has happened."""
        if not self._has_begun:
            return
        self._mind_changes(ledger)
        if self._must_look or ledger.is_news or self._context.emitted:
            self._take_emitted(ledger)
        self._match_all(ledger)
        if ledger.is_durable and not self._must_look:
            while self._fire_patterns(self._patterns.due(self._clock.now_ms()), ledger):
                self._match_all(ledger)

    def _match_all(self, ledger: Ledger) -> None:
        while ledger.happened:
            happened, ledger.happened = ledger.happened, []
            happened = [one for one in happened if self._is_mine(one)]
            self._match(happened, ledger)
            for one in happened:
                self._fire_patterns(self._patterns.hear(one), ledger)

    def _is_mine(self, happened: Happened) -> bool:
        """What happens to the machine is noticed by all schedulers on the store; one acts on it."""
        is_everybodys = happened.name.startswith("system.") and happened.name != "system.boot"
        return self._was_keeper or not is_everybodys

    def _fire_patterns(self, fired: Iterable[Fired], ledger: Ledger) -> int:
        """Act on patterns that are complete; how many there were."""
        count = 0
        for one in fired:
            count += 1
            entry = self._timetable.get(one.job)
            if entry is not None:
                event = {"event": "pattern", "at": rfc3339(one.at_ms), **one.facts}
                self._occur(entry, "pattern", one.at_ms, event, (), ledger)
        return count

    # -- who waits for what

    def _mind_changes(self, ledger: Ledger) -> None:
        changed, self._timetable.changed = self._timetable.changed, set()
        is_keeper = self._services.keeper is None
        if is_keeper != self._was_keeper:
            self._was_keeper = is_keeper
            changed |= self._timetable.reactive
        for name in sorted(changed):
            entry = self._timetable.get(name)
            self._listeners.put(name, entry)
            now_ms = self._clock.now_ms()
            self._patterns.put(name, entry, now_ms, is_keeper=is_keeper)
            watched = self._watched(name, entry)
            self._tell_watchers(name, watched if is_keeper else [], ledger)

    def _watched(self, name: str, entry: Entry | None) -> list[Watched]:
        """The job's triggers with what they remember; what others have remembered is forgotten."""
        states = self._store.occasions.states(name)
        if entry is None:
            if states and self._store.definition(name) is None:
                self._store.occasions.forget_states(name)
                self._storms.forget(name)
            return []
        keyed = {key_of(trigger): trigger for trigger in entry.reactions}
        if states.keys() - keyed.keys():
            self._store.occasions.forget_states(name, but=keyed)
        if not entry.is_enabled:
            self._begin_anew(name, keyed, states)
            return []
        return [Watched(key, trigger, states.get(key)) for key, trigger in keyed.items()]

    def _begin_anew(
        self, name: str, keyed: Mapping[str, Reactive], states: Mapping[str, Facts]
    ) -> None:
        """Of a job that is disabled: once it is enabled, what happened meanwhile is no news. Files
        that were there when it was added are none a second time either."""
        files = {key for key, trigger in keyed.items() if isinstance(trigger, File)}
        for key in files & states.keys():
            self._store.occasions.set_state(name, key, {})
        if states.keys() - files:
            self._store.occasions.forget_states(name, but=files)

    def _tell_watchers(self, name: str, watched: list[Watched], ledger: Ledger) -> None:
        if watched:
            ledger.order(lambda: self._watchers.sync(name, watched))
        else:
            ledger.order(lambda: self._watchers.drop(name))

    def _remember(self, job: str, trigger: str, state: Facts) -> None:
        """Keep what a trigger remembers, unless it is gone or was changed meanwhile."""
        entry = self._timetable.get(job)
        if entry is not None and entry.is_enabled and trigger in map(key_of, entry.reactions):
            self._store.occasions.set_state(job, trigger, state)

    # -- events

    def _take_emitted(self, ledger: Ledger) -> None:
        """Act on what somebody has emitted, with or without a scheduler."""
        found = self._store.occasions.emitted(AT_ONCE)
        self._must_look = self._context.emitted = False
        for one in found:
            family, _, name = one.name.partition(".")
            if family == "hook":
                self._occurred(Occurred(name, "webhook", one.at, one.facts), ledger)
            else:
                facts = {**one.facts, "by": one.actor}
                ledger.happened.append(Happened(one.name, one.at, facts=facts))
        if found:
            self._store.occasions.take_emitted(found[-1])
        self._must_look = len(found) == AT_ONCE

    def _match(self, happened: Sequence[Happened], ledger: Ledger) -> None:
        """Fire the jobs that wait for it. What happens at one moment is one occasion of a job,
        unless it is to run for each."""
        found: dict[str, list[Happened]] = {}
        for one in happened:
            for job in self._listeners.waiting_for(one):
                found.setdefault(job, []).append(one)
        for job, events in found.items():
            entry = self._timetable.get(job)
            if entry is None:
                continue
            each = entry.overlap is Overlap.ALLOW
            for group in [[one] for one in events] if each else [events]:
                facts = [one.event() for one in group]
                self._occur(entry, "event", group[0].at_ms, facts[0], facts, ledger)

    # -- occasions

    def _occurred(self, message: Occurred, ledger: Ledger) -> None:
        entry = self._timetable.get(message.job)
        if message.trigger is not None and message.state is not None:
            self._remember(message.job, message.trigger, message.state)
        if entry is None or all(message.kind != one.WORD for one in entry.reactions):
            return  # it was removed or changed meanwhile
        if message.kind == "threshold" and entry.is_on:
            at_ms = message.at_ms
            ledger.cross(Crossing(entry.name, at_ms, at_ms, False, message.event))
        event = {**message.event, "event": message.kind, "at": rfc3339(message.at_ms)}
        self._occur(entry, message.kind, message.at_ms, event, message.items, ledger)

    def _subsided(self, name: str, facts: Facts, ledger: Ledger) -> None:
        """What a threshold had fired for is over."""
        entry = self._timetable.get(name)
        if entry is not None and entry.is_on:
            now_ms = self._clock.now_ms()
            ledger.cross(Crossing(name, now_ms, facts["since_ms"], True, facts))

    def _occur(
        self,
        entry: Entry,
        kind: str,
        at_ms: int,
        event: Facts,
        items: Sequence[Facts],
        ledger: Ledger,
    ) -> None:
        """Start a run, or have one that waits know of it too. What has no items is one itself."""
        items = items or [event]
        if not entry.is_on:
            if entry.is_enabled:
                self._refuse(entry, kind, at_ms, PAUSED, entry.updated_ms, ledger)
            return
        now = self._clock.now_ms()
        reason = self._followers.why_not(entry) if entry.depends_on else None
        admission = self._runs.admission(entry)
        held = self._storms.held_for(entry.name, self._clock.monotonic())
        waiting = self._waiting(entry, kind)
        if reason is not None:
            self._refuse(entry, kind, at_ms, reason, now - SAME_MS, ledger)
        elif waiting is not None and may_join(entry.overlap, admission, is_held=held > 0):
            self._store.occasions.add(waiting.row.id, event, items)
        elif isinstance(admission, Refused) and entry.overlap is Overlap.QUEUE:
            self._refuse(entry, kind, at_ms, admission.reason, now - SAME_MS, ledger)
        else:
            run_id = self._fire(entry, kind, at_ms, admission, ledger)
            self._store.occasions.add(run_id, event, items)

    def _waiting(self, entry: Entry, kind: str) -> Open | None:
        """The newest run of the same kind that has not begun."""
        found = [
            run
            for run in self._runs.of_job(entry.name)
            if run.row.state is State.QUEUED and run.row.trigger == kind and run.row.attempt == 1
        ]
        return max(found, key=lambda run: run.row.id, default=None)

    def _fire(
        self, entry: Entry, kind: str, at_ms: int, admission: Admission, ledger: Ledger
    ) -> int:
        """Claim a run; answers its number."""
        row = self._runs.row(entry.name, self._free(entry.name, at_ms), kind)
        row.not_before_at = row.queued_at + entry.jitter_ms(random.random())  # noqa: S311
        if held := self._hold(entry, ledger):
            row.not_before_at = row.queued_at + round(held * 1000)
            row.reason = f"held: its triggers fired more than {MOST} times within {WINDOW:.0f} s"
        self._runs.take_in(entry, row, patient(admission, is_held=held > 0), ledger)
        return row.id

    def _hold(self, entry: Entry, ledger: Ledger) -> float:
        """Seconds for which the job's triggers are held; one start too many begins that."""
        now = self._clock.monotonic()
        held = self._storms.held_for(entry.name, now)
        if held == 0 and self._storms.begins(entry.name, now):
            held = HOLD
            text = (
                f"Job {entry.name} was started more than {MOST} times within {WINDOW:.0f} s: what "
                f"its triggers notice in the next {HOLD / 60:.0f} minutes becomes one run"
            )
            ledger.tell("trigger.storm", text, at_ms=self._clock.now_ms(), job=entry.name)
        return held

    def _free(self, job: str, at_ms: int) -> int:
        """A moment that has no record of the job yet, and is no fire time of a clock."""
        at_ms += at_ms % 1000 == 0
        taken = self._store.recorded(job, at_ms, at_ms + 10_000)
        later = (at for at in range(at_ms, at_ms + 10_000) if at not in taken and at % 1000)
        return next(later, at_ms + 10_001)

    def _refuse(
        self, entry: Entry, kind: str, at_ms: int, reason: str, since: int, ledger: Ledger
    ) -> None:
        """Record that an occasion is not acted on; many of one reason are one record."""
        row = self._runs.row(entry.name, self._free(entry.name, at_ms), kind)
        if self._store.occasions.count_skipped(
            job=entry.name, trigger=kind, reason=reason, since=since
        ):
            row.state, row.reason = State.SKIPPED, reason
            self._store.count(row)
        else:
            self._runs.skip(row, reason, ledger)


def may_join(overlap: Overlap, admission: Admission, *, is_held: bool) -> bool:
    """Whether an occasion joins a run that waits, instead of asking for one of its own."""
    return is_held or overlap is Overlap.SKIP or isinstance(admission, Refused)


def patient(admission: Admission, *, is_held: bool) -> Admission:
    """An occasion that may not start now waits, and stops nothing while its job is held."""
    waits = isinstance(admission, Refused) or (is_held and isinstance(admission, Replaces))
    return Waits() if waits else admission
