"""Telling people: what is told is decided and queued in the transaction of what it is about.

``decide`` looks at what a step has recorded; the rules are ``core.telling``'s. What is queued is
sent by ``dispatch``. A crash in between loses no notice, since both are rows of the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pb.core.channels import channel_from
from pb.core.model import State
from pb.core.notice import NOBODY, NOTHING, Known, Occasion, Telling
from pb.core.notice_words import run_text, service_text
from pb.core.notify import effective, read_notify
from pb.core.telling import (
    Decision,
    Seen,
    after_crossing,
    after_look,
    after_run,
    seconds_to_look,
    seldom,
    wanted,
)
from pb.store.notices import NoticeRow, NoticeStore

if TYPE_CHECKING:
    from pb.config.settings import NotifySettings
    from pb.daemon.ledger import Crossing, Ledger
    from pb.daemon.parts import Parts
    from pb.daemon.supervisor import Supervisor
    from pb.daemon.timetable import Timetable
    from pb.daemon.units import Instance
    from pb.store.rows import Run

HEARD: Mapping[State, Occasion] = {
    State.SUCCEEDED: Occasion.SUCCESS,
    State.FAILED: Occasion.FAILURE,
    State.TIMED_OUT: Occasion.FAILURE,
    State.LOST: Occasion.FAILURE,
}
"""What a ping hears of the end of every run, whatever others are told of."""

Place = tuple[str, int]
"""An instance of a service."""


class Tellings:
    """What the engine has to tell. Everything happens inside the store's transaction."""

    def __init__(self, parts: Parts, timetable: Timetable, supervisor: Supervisor) -> None:
        self._context = parts.context
        self._now_ms = parts.clock.now_ms
        self._home = parts.context.home
        self._timetable = timetable
        self._supervisor = supervisor
        self._notices = NoticeStore(parts.context.store)
        self._looks: dict[Place, int] = {}
        self._has_looked = False
        self._read: NotifySettings | None = None
        self._usual: Telling | None = None
        self._pings: frozenset[str] = frozenset()

    def clear(self) -> None:
        """What was remembered may not be so: read it from the store again."""
        self._looks.clear()
        self._has_looked = False

    def next_ms(self, latest: int) -> int:
        """When time alone may be a reason to tell something."""
        return min(self._looks.values(), default=latest)

    def decide(self, ledger: Ledger) -> list[NoticeRow]:
        """Queue what is to be told of this step; answers what that is."""
        self._mind_settings()
        rows = [
            *self._of_runs(ledger),
            *self._of_storms(ledger),
            *self._of_crossings(ledger),
            *self._of_services(ledger),
        ]
        if rows:
            self._notices.add(rows)
        return rows

    def _mind_settings(self) -> None:
        found = self._context.settings.notify
        if found is self._read:
            return
        is_new = found != self._read
        self._read, self._usual = found, read_notify(found.default)
        channels = [channel_from(name, table) for name, table in found.channels.items()]
        self._pings = frozenset(one.name for one in channels if one.is_ping)
        if is_new:
            self.clear()

    # -- jobs

    def _of_runs(self, ledger: Ledger) -> Iterator[NoticeRow]:
        for run in ledger.started():
            policy = self._policy_of(run)
            if policy is not None:
                told = wanted(policy, Occasion.START)
                yield from self._rows(policy, RunFacts(run, NOTHING), told, Occasion.START)
        if not ledger.has_finished:
            return
        retried = ledger.retried_occasions()
        for run in ledger.finished():
            policy = self._policy_of(run)
            if policy is not None:
                again = (run.job, run.fire_at, run.attempt + 1) in retried
                yield from self._of_end(run, policy, is_retried=again)

    def _policy_of(self, run: Run) -> Telling | None:
        """Who is told of a run; None is nobody. A `pb run` has somebody before it."""
        return self._policy_of_job(run.job) if run.trigger != "cli" else None

    def _policy_of_job(self, name: str | None) -> Telling | None:
        entry = self._timetable.get(name)
        policy = NOBODY if entry is None else effective(entry.notify, self._usual)
        return policy if policy.to else None

    def _of_end(self, run: Run, policy: Telling, *, is_retried: bool) -> Iterator[NoticeRow]:
        name = str(run.job)
        before = self._notices.known("job", name) or NOTHING
        at_ms = run.finished_at or self._now_ms()
        decision = after_run(policy, before, run.state, at_ms, is_retried=is_retried)
        if decision.known != before:
            self._notices.save_known("job", name, decision.known)
        facts = RunFacts(run, before if decision.occasion is Occasion.RECOVERY else decision.known)
        heard = None if is_retried else HEARD.get(run.state)
        yield from self._rows(policy, facts, decision.occasion, heard)

    def _of_storms(self, ledger: Ledger) -> Iterator[NoticeRow]:
        """Jobs whose triggers fire so often that they are held for a while."""
        for event in ledger.told_as("trigger.storm"):
            decide = partial(seldom, occasion=Occasion.STORM, at_ms=event["at_ms"])
            yield from self._of_job(storm_facts(event), decide)

    def _of_crossings(self, ledger: Ledger) -> Iterator[NoticeRow]:
        """Jobs whose thresholds were crossed, and those for which that is over."""
        for one in ledger.crossings:
            decide = partial(
                after_crossing, at_ms=one.at_ms, since_ms=one.since_ms, is_over=one.is_over
            )
            yield from self._of_job(crossing_facts(one), decide)

    def _of_job(
        self, facts: JobFacts, decide: Callable[[Telling, Known], Decision]
    ) -> Iterator[NoticeRow]:
        """Something about a job itself, which no ping hears of."""
        policy = self._policy_of_job(facts.job)
        if policy is None:
            return
        known = self._notices.known("job", facts.job) or NOTHING
        decision = decide(policy, known)
        if decision.known != known:
            self._notices.save_known("job", facts.job, decision.known)
        yield from self._rows(policy, facts, decision.occasion, None)

    # -- services

    def _of_services(self, ledger: Ledger) -> Iterator[NoticeRow]:
        now = self._now_ms()
        places = set(ledger.changed_instances())
        if not self._has_looked:
            self._has_looked = True
            places.update(self._places([unit.row.name for unit in self._supervisor.units]))
        places.update(self._places(ledger.refreshed))
        places.update(place for place, at in self._looks.items() if at <= now)
        for place in sorted(places):
            self._looks.pop(place, None)
            unit = self._supervisor.units.get(place[0])
            instance = unit.instances.get(place[1]) if unit is not None else None
            policy = None if unit is None else effective(unit.service.notify, self._usual)
            if instance is not None and policy is not None and policy.to:
                yield from self._of_instance(instance, policy, now)

    def _places(self, names: list[str]) -> Iterator[Place]:
        """The instances of some services."""
        for name in names:
            unit = self._supervisor.units.get(name)
            yield from ((name, number) for number in (unit.instances if unit is not None else ()))

    def _of_instance(self, instance: Instance, policy: Telling, now: int) -> Iterator[NoticeRow]:
        seen = self._seen(instance)
        stored = self._notices.known("service", instance.name)
        before = stored or Known(restarts=seen.restarts)
        decision = after_look(policy, before, seen, now)
        if decision.known != stored:
            self._notices.save_known("service", instance.name, decision.known)
        wait = seconds_to_look(policy, decision.known, seen, now)
        if wait is not None:
            self._looks[instance.row.service, instance.row.instance] = now + round(wait * 1000) + 1
        facts = self._facts(instance, decision, before)
        yield from self._rows(policy, facts, decision.occasion, decision.occasion)

    def _seen(self, instance: Instance) -> Seen:
        row = instance.row
        return Seen(
            phase=row.phase,
            health=row.health,
            restarts=row.restarts,
            lived=self._supervisor.lived(instance),
            steady=instance.service.restart.reset_after,
        )

    def _facts(self, instance: Instance, decision: Decision, before: Known) -> ServiceFacts:
        is_over = decision.occasion is Occasion.RECOVERY
        log = str(self._home.log(instance.name))
        return ServiceFacts(instance, before if is_over else decision.known, self._now_ms(), log)

    # -- rows

    def _rows(
        self,
        policy: Telling,
        facts: Facts,
        told: Occasion | None,
        heard: Occasion | None,
    ) -> Iterator[NoticeRow]:
        """A notice for each channel that has something to say: ``told``, or ``heard`` for pings."""
        now = self._now_ms()
        for channel in policy.to or ():
            is_ping = channel in self._pings
            occasion = heard if is_ping else told
            if occasion is not None:
                wait = 0 if is_ping else round(policy.group * 1000)
                yield facts.row(occasion, channel, now, now + wait)


class Facts(Protocol):
    """What is known of something, for whoever is told of it."""

    def row(self, occasion: Occasion, channel: str, now: int, due_at: int) -> NoticeRow: ...


class JobFacts:
    """What is known of a job itself: ``thing`` is what makes two notices of it the same one."""

    def __init__(self, job: str, thing: str, text: str, details: Mapping[str, Any]) -> None:
        self.job = job
        self._thing = thing
        self._text = text
        self._details = details

    def row(self, occasion: Occasion, channel: str, now: int, due_at: int) -> NoticeRow:
        return NoticeRow(
            thing=self._thing,
            channel=channel,
            occasion=str(occasion),
            at=now,
            job=self.job,
            text=self._text,
            details=json.dumps(self._details),
            due_at=due_at,
        )


def storm_facts(event: Mapping[str, Any]) -> JobFacts:
    """From the event that tells of it."""
    name = str(event["job"])
    text = run_text(Occasion.STORM, name, "", event["text"], NOTHING)
    return JobFacts(name, f"storm:{name}:{event['at_ms']}", text, {})


def crossing_facts(one: Crossing) -> JobFacts:
    words = {key: one.facts[key] for key in ("metric", "op", "threshold", "value")}
    return JobFacts(
        one.job,
        f"threshold:{one.job}:{words['metric']}:{one.at_ms}:{one.is_over}",
        one.text,
        {**words, "state": "over" if one.is_over else "crossed"},
    )


class RunFacts:
    """What is known of a run, for whoever is told of it."""

    def __init__(self, run: Run, known: Known) -> None:
        self._run = run
        self._known = known

    def row(self, occasion: Occasion, channel: str, now: int, due_at: int) -> NoticeRow:
        run = self._run
        return NoticeRow(
            thing=f"run:{run.id}:{occasion}",
            channel=channel,
            occasion=str(occasion),
            at=now,
            job=run.job,
            run_id=run.id,
            text=run_text(occasion, str(run.job), str(run.state), run.reason, self._known),
            details=json.dumps(self._details()),
            due_at=due_at,
        )

    def _details(self) -> Mapping[str, Any]:
        run = self._run
        return {
            "state": str(run.state),
            "reason": run.reason,
            "exit_code": run.exit_code,
            "signal": run.signal,
            "attempt": run.attempt,
            "fire_at": run.fire_at,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "duration_ms": run.duration_ms,
            "failures": self._known.count,
            "since_at": self._known.since_ms or None,
            "log_path": run.log_path,
        }


class ServiceFacts:
    """What is known of an instance of a service, for whoever is told of it."""

    def __init__(self, instance: Instance, known: Known, now_ms: int, log_path: str) -> None:
        self._instance = instance
        self._known = known
        self._now_ms = now_ms
        self._log_path = log_path

    def row(self, occasion: Occasion, channel: str, now: int, due_at: int) -> NoticeRow:
        row, name = self._instance.row, self._instance.name
        return NoticeRow(
            thing=f"service:{name}:{row.life}:{occasion}:{now}",
            channel=channel,
            occasion=str(occasion),
            at=now,
            service=name,
            text=service_text(occasion, name, self._known, self._why(), now),
            details=json.dumps(self._details()),
            due_at=due_at,
        )

    def _why(self) -> str | None:
        row = self._instance.row
        if row.health_reason is not None and str(row.health) == "unhealthy":
            return f"unhealthy: {row.health_reason}"
        return row.exit_reason or row.reason

    def _details(self) -> Mapping[str, Any]:
        row = self._instance.row
        return {
            "state": str(row.phase),
            "reason": self._why(),
            "exit_code": row.exit_code,
            "signal": row.exit_signal,
            "restarts": row.restarts,
            "failures": self._known.count,
            "since_at": self._known.since_ms or None,
            "log_path": self._log_path,
        }
