"""Patterns over events: so many in a time, none for a time, runs that take too long.

What is counted is heard in the transaction that commits it, and what a pattern remembers is written
in the same one: a crash neither loses nor doubles anything. When one fires is
``core.usage_patterns``' thinking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pb.api.views import rfc3339
from pb.core.event_names import is_match
from pb.core.lean import dataclass
from pb.core.reactive import Event, Pattern
from pb.core.triggers import key_of
from pb.core.usage_patterns import (
    absent_at,
    began,
    counted,
    heard,
    is_cool,
    is_known_slow,
    slow_after_ms,
    slow_told,
    told,
)
from pb.daemon.ledger import Happened
from pb.daemon.listeners import concerns, word_of
from pb.daemon.runs import Runs
from pb.daemon.timetable import Entry
from pb.store.gauges import durations_ms
from pb.store.rows import Run
from pb.store.store import Store

State = dict[str, Any]
KINDS = ("count", "absence", "slow")

ENDS = ("succeeded", "failed", "timed_out", "cancelled", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One pattern of a job. ``event``: what it waits for; None for ``slow``, which waits for all
    that becomes of runs."""

    job: str
    key: str
    rule: Pattern
    event: Event | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A pattern of ``job`` fires, with its facts."""

    job: str
    at_ms: int
    facts: State


class EventPatterns:
    """The patterns of all jobs that are enabled."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs
        self._jobs: dict[str, list[Listening]] = {}
        self._words: dict[str, dict[str, list[Listening]]] = {}
        self._absent: dict[tuple[str, str], int] = {}
        self._slow: dict[tuple[str, str, int], int] = {}
        self._is_keeper = False

    def __bool__(self) -> bool:
        return bool(self._jobs)

    # -- who waits for what

    def put(self, name: str, entry: Entry | None, now_ms: int, *, is_keeper: bool) -> None:
        """The job has these patterns from now on. The clocks of absences that are new begin; one
        that was disabled meanwhile begins anew, since nobody has listened."""
        self._is_keeper = is_keeper
        self._forget(name)
        found = [] if entry is None else [one for one in entry.reactions if is_meant_here(one)]
        if entry is None or not found:
            return
        if not entry.is_enabled:
            kept = [key_of(one) for one in entry.reactions if not is_meant_here(one)]
            self._store.occasions.forget_states(name, but=kept)
            return
        states = self._store.occasions.states(name)
        for rule in found:
            self._add(listening_of(name, rule), states, now_ms)

    def _add(self, one: Listening, states: Mapping[str, State], now_ms: int) -> None:
        self._jobs.setdefault(one.job, []).append(one)
        for word in ("started", *ENDS) if one.event is None else (word_of(one.event.name),):
            self._words.setdefault(word, {}).setdefault(one.job, []).append(one)
        if one.rule.kind == "absence" and self._is_keeper:
            state = states.get(one.key)
            if state is None:
                state = dict(began(now_ms))
                self._store.occasions.set_state(one.job, one.key, state)
            self._await(one, state)
        if one.rule.kind == "slow":
            for run in list(self._runs.alive()):
                self._time(one, run.row)

    def _forget(self, name: str) -> None:
        if self._jobs.pop(name, None) is not None:
            for jobs in self._words.values():
                jobs.pop(name, None)
            self._absent = {key: at for key, at in self._absent.items() if key[0] != name}
            self._slow = {key: at for key, at in self._slow.items() if key[0] != name}

    # -- what happens

    def hear(self, happened: Happened) -> Iterator[Fired]:
        """Note what happened; the patterns that this completes."""
        if not self._jobs:
            return
        own = self._words.get(word_of(happened.name), {})
        any_ = self._words.get("*", {})
        for job in sorted({*own, *any_}):
            for one in (*own.get(job, ()), *any_.get(job, ())):
                fired = self._hear(one, happened)
                if fired is not None:
                    yield fired

    def _hear(self, one: Listening, happened: Happened) -> Fired | None:
        if one.event is None:
            return self._run_moves(one, happened)
        if not concerns(one.event, happened, one.job):
            return None
        state, at_ms = self._state(one), happened.at_ms
        if one.rule.kind == "absence":
            after = dict(heard(state or began(at_ms), at_ms))
            self._write(one, after)
            self._await(one, after)
            return None
        counts, fires = counted(one.rule, state, at_ms)
        self._write(one, counts)
        facts = {**named(one.rule), "value": one.rule.count, "last": happened.event()}
        return Fired(job=one.job, at_ms=at_ms, facts=facts) if fires else None

    # -- what does not happen

    def next_ms(self) -> int | None:
        """When something will have been absent, or running, for too long."""
        return min((*self._absent.values(), *self._slow.values()), default=None)

    def due(self, now_ms: int) -> Iterator[Fired]:
        """What has been for too long by now; each once."""
        for (job, key), at_ms in list(self._absent.items()):
            if at_ms <= now_ms:
                yield from self._is_absent(self._listening(job, key), now_ms)
        for (job, key, run_id), at_ms in list(self._slow.items()):
            if at_ms <= now_ms:
                del self._slow[job, key, run_id]
                yield from self._still_runs(self._listening(job, key), run_id, now_ms)

    def _listening(self, job: str, key: str) -> Listening:
        return next(one for one in self._jobs[job] if one.key == key)

    def _is_absent(self, one: Listening, now_ms: int) -> Iterator[Fired]:
        """Another scheduler on the store may have heard of it meanwhile."""
        state = self._state(one) or dict(began(now_ms))
        due_ms = absent_at(one.rule, state)
        if due_ms is None or due_ms > now_ms:
            self._await(one, state)
            return
        after = dict(told(state, now_ms))
        self._write(one, after)
        self._await(one, after)
        since = state["since_ms"]
        facts = {"value": round((now_ms - since) / 1000, 3), "since": rfc3339(since)}
        yield Fired(job=one.job, at_ms=now_ms, facts={**named(one.rule), **facts})

    def _await(self, one: Listening, state: Mapping[str, Any]) -> None:
        """Only one of the schedulers on a store tells of an absence."""
        due_ms = absent_at(one.rule, state)
        self._absent.pop((one.job, one.key), None)
        if due_ms is not None and self._is_keeper:
            self._absent[one.job, one.key] = due_ms

    # -- runs that take long

    def _run_moves(self, one: Listening, happened: Happened) -> Fired | None:
        run = happened.run
        if run is None or not self._times(one, run):
            return None
        if run.finished_at is None:
            self._time(one, run)
            return None
        self._slow.pop((one.job, one.key, run.id), None)
        limit = self._limit(one.rule, run)
        if limit is None or run.duration_ms is None or run.duration_ms < limit:
            return None
        return self._too_slow(one, run, limit, happened.at_ms)

    def _times(self, one: Listening, run: Run) -> bool:
        """Whether the pattern is about that run: its job's own only if it says so by its name."""
        wanted = one.rule.job or ""
        if run.job is None or not is_match(wanted, run.job):
            return False
        return run.job != one.job or wanted == run.job

    def _limit(self, rule: Pattern, run: Run) -> int | None:
        select = self._store.select
        durations = durations_ms(select, run.job or "", before=run.id, most=rule.windows)
        return slow_after_ms(rule, durations)

    def _time(self, one: Listening, run: Run) -> None:
        if run.started_at is not None and self._times(one, run):
            limit = self._limit(one.rule, run)
            if limit is not None and not is_known_slow(self._state(one), run.id):
                self._slow[one.job, one.key, run.id] = run.started_at + limit

    def _still_runs(self, one: Listening, run_id: int, now_ms: int) -> Iterator[Fired]:
        for open_ in list(self._runs.alive()):
            row = open_.row
            if row.id == run_id and row.started_at is not None:
                fired = self._too_slow(one, row, now_ms - row.started_at, now_ms)
                yield from [] if fired is None else [fired]

    def _too_slow(self, one: Listening, run: Run, limit_ms: int, at_ms: int) -> Fired | None:
        state = self._state(one)
        if is_known_slow(state, run.id) or not is_cool(one.rule, state or {}, at_ms):
            return None
        self._write(one, dict(slow_told(state, run.id, at_ms)))
        ended = run.duration_ms
        taken = limit_ms if ended is None else ended
        facts = {"pattern": "slow", "job": run.job, "run_id": run.id, "factor": one.rule.factor}
        facts |= {"value": round(taken / 1000, 3), "is_over": ended is not None}
        return Fired(job=one.job, at_ms=at_ms, facts=facts)

    # -- remembering

    def _state(self, one: Listening) -> State | None:
        return self._store.occasions.states(one.job).get(one.key)

    def _write(self, one: Listening, state: Mapping[str, Any]) -> None:
        self._store.occasions.set_state(one.job, one.key, dict(state))


def is_meant_here(trigger: object) -> bool:
    return isinstance(trigger, Pattern) and trigger.kind in KINDS


def listening_of(job: str, rule: Any) -> Listening:
    event = None if rule.event is None else Event(name=rule.event, filter=rule.filter)
    return Listening(job=job, key=key_of(rule), rule=rule, event=event)


def named(rule: Pattern) -> State:
    """What an occasion's facts begin with."""
    return {"pattern": rule.kind, "name": rule.event, "within": rule.within}
