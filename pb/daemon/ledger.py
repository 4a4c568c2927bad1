"""Record, then tell, then act: what one step of the engine wants to commit, publish and do.

The ledger collects; ``commit`` writes, ``settle`` tells and acts, in that order and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from pb.api.views import rfc3339
from pb.core.event_names import told_as
from pb.core.events import EVENT_TYPES, SERVICE_ENDS
from pb.core.lean import dataclass
from pb.core.model import State
from pb.core.notice_words import threshold_text
from pb.daemon.bus import Bus
from pb.daemon.messages import Reply
from pb.errors import PbError
from pb.store.rows import Run
from pb.store.services import InstanceRow
from pb.store.store import Store

NOTABLE = frozenset(
    {"run.failed", "run.timed_out", "run.cancelled", "run.lost", "run.missed", "run.adopted"}
)
"""Run events that are kept in the event log; the others can be read from the runs themselves."""

LOUD = frozenset({"service.exited", "service.failed", "service.unhealthy", "service.hook_failed"})
"""Events of services that are warnings in the scheduler's log, where all of them are."""

log = logging.getLogger("services")

Order = Callable[[], None]


NO_FACTS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that jobs may react to, by the name that they know it by."""

    name: str
    at_ms: int
    text: str | None = None
    run: Run | None = None
    job: str | None = None
    service: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def event(self) -> dict[str, Any]:
        """Its facts, as filters and runs see them."""
        found = {**self.facts, "event": self.name, "at": rfc3339(self.at_ms)}
        subjects = {"text": self.text, "job": self.job, "service": self.service}
        found |= {key: word for key, word in subjects.items() if word is not None}
        if self.run is not None:
            found |= facts_of(self.run)
        return found


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold of a job was crossed, or (``is_over``) is no longer. ``since_ms``: when what this
    is about began to be told of, at the earliest."""

    job: str
    at_ms: int
    since_ms: int
    is_over: bool
    facts: Mapping[str, Any]

    @property
    def text(self) -> str:
        return threshold_text(self.job, self.facts, is_over=self.is_over)


def instance_facts(kind: str, row: InstanceRow) -> dict[str, object]:
    """What jobs that react are told of an instance; of an end, how it ended."""
    found: dict[str, object] = {"instance": row.instance, "restarts": row.restarts}
    if kind in SERVICE_ENDS:
        found |= {"exit_code": row.exit_code, "signal": row.exit_signal, "reason": row.exit_reason}
    else:
        found["pid"] = row.pid
    return found


def facts_of(run: Run) -> dict[str, Any]:
    """What is known of a run just now."""
    return {
        "run_id": run.id,
        "trigger": run.trigger,
        "attempt": run.attempt,
        "reason": run.reason,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "duration_ms": run.duration_ms,
        "fire_count": run.fire_count,
    }


class Ledger:
    """One step's changes. Runs are claimed at once (their number is needed); the rest waits.

    ``is_durable``: what it commits survives a power cut. ``is_news``: others have changed
    something since the last step. ``refreshed``: services whose definition may be another one
    now. ``happened``: what jobs may react to, where any ``is_curious``. ``crossings``: what became
    of thresholds.
    """

    def __init__(
        self, store: Store, bus: Bus, *, is_curious: bool = False, is_durable: bool = True
    ) -> None:
        self._store = store
        self._bus = bus
        self._is_curious = is_curious
        self.happened: list[Happened] = []
        self._dirty: dict[int, Run] = {}
        self._finished: list[Run] = []
        self._retried: list[Run] = []
        self._plans: dict[str, tuple[int, int | None]] = {}
        self._boots: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []
        self._orders: list[Order] = []
        self._promised: list[Reply] = []
        self._instances: dict[tuple[str, int], InstanceRow] = {}
        self._started: list[Run] = []
        self.refreshed: list[str] = []
        self.crossings: list[Crossing] = []
        self.is_news = False
        self.is_durable = is_durable

    def claim(self, run: Run) -> bool:
        """Take the occasion, inside the running transaction; False when it is taken already."""
        return self._store.claim(run)

    def save(self, run: Run) -> None:
        self._dirty[run.id] = run

    def finish(self, run: Run) -> None:
        """Save a run with its outcome, and count it."""
        self._dirty[run.id] = run
        self._finished.append(run)

    def retried(self, run: Run) -> None:
        """Count that a job is tried again."""
        self._retried.append(run)

    def save_instance(self, row: InstanceRow) -> None:
        self._instances[row.service, row.instance] = row

    def drop_instance(self, service: str, instance: int) -> None:
        """Forget an instance; nothing of it lives."""
        self._instances.pop((service, instance), None)
        self._store.services.delete_instance(service, instance)

    def drop_service(self, name: str) -> None:
        """Forget a service; it has no instances any more."""
        self._store.services.delete(name)

    def plan(self, name: str, until_ms: int, next_ms: int | None) -> None:
        self._plans[name] = (until_ms, next_ms)

    def boot(self, name: str, boot_id: str) -> None:
        self._boots[name] = boot_id

    def tell(
        self,
        kind: str,
        text: str,
        *,
        at_ms: int,
        job: str | None = None,
        run_id: int | None = None,
        service: str | None = None,
        run: Run | None = None,
        is_last: bool = True,
        facts: Mapping[str, Any] = NO_FACTS,
    ) -> None:
        """Something happened. Runs that go well are heard by who listens now, and not kept.

        ``facts`` are for jobs that react to it.
        """
        if kind not in EVENT_TYPES:
            raise ValueError(f"{kind} is no event type")
        hears = self._is_curious and is_last
        name = told_as(kind, job=job, service=service) if hears else None
        if name is not None:
            self.happened.append(Happened(name, at_ms, text, run, job, service, facts))
        if kind.startswith("run.") and kind not in NOTABLE and not self._bus.is_heard:
            return
        self._events.append(
            {
                "at_ms": at_ms,
                "type": kind,
                "job": job,
                "run_id": run_id,
                "service": service,
                "text": text,
            }
        )

    def cross(self, crossing: Crossing) -> None:
        """A threshold was crossed, or that is over."""
        self.crossings.append(crossing)
        kind = "trigger.over" if crossing.is_over else "trigger.crossed"
        self.tell(kind, crossing.text, at_ms=crossing.at_ms, job=crossing.job)

    def tell_run(self, run: Run, text: str, *, is_last: bool = True) -> None:
        """Something happened to a run: it has the state that this is about. Jobs that wait for
        its outcome wait for that of its last attempt."""
        kind = "started" if run.state is State.RUNNING else str(run.state)
        if run.state is State.RUNNING:
            self._started.append(run)
        at_ms = run.finished_at or run.started_at or run.queued_at
        self.tell(
            f"run.{kind}",
            text,
            at_ms=at_ms,
            job=run.job,
            run_id=run.id,
            run=run,
            is_last=is_last or kind == "started",
        )

    def order(self, order: Order) -> None:
        """Do this once everything is committed and told."""
        self._orders.append(order)

    def answer(self, reply: Reply, words: Callable[[], dict[str, Any] | PbError]) -> None:
        """Answer somebody then, who is remembered nowhere else any more."""
        self._promised.append(reply)
        self._orders.append(lambda: reply(words()))

    def dismiss(self, error: PbError) -> None:
        """Nothing of this was committed: whoever was to be answered hears that."""
        for reply in self._promised:
            reply(error)

    def write_runs(self) -> None:
        """Write the changed runs now, inside the running transaction, for queries to see them."""
        if self._dirty:
            self._store.save_runs(list(self._dirty.values()))
            self._dirty.clear()

    def commit(self) -> None:
        """Write everything, inside the running transaction."""
        self.write_runs()
        for run in self._finished:
            self._store.count(run)
        for run in self._retried:
            self._store.count_retry(run)
        if self._plans:
            self._store.set_plans((name, *plan) for name, plan in self._plans.items())
        for name, boot_id in self._boots.items():
            self._store.set_boot(name, boot_id)
        if self._instances:
            self._store.services.save(self._instances.values())
        for event in self._events:
            if not event["type"].startswith("run.") or event["type"] in NOTABLE:
                event["seq"] = self._store.add_event(
                    at=event["at_ms"],
                    kind=event["type"],
                    text=event["text"],
                    job=event["job"],
                    run_id=event["run_id"],
                    service=event["service"],
                    actor="scheduler",
                )

    # -- what a step comes to, for who is told of it

    @property
    def has_finished(self) -> bool:
        return bool(self._finished)

    def started(self) -> list[Run]:
        """The runs that were started, and go on."""
        return [run for run in self._started if run.state is State.RUNNING]

    def finished(self) -> list[Run]:
        """The records that got their outcome."""
        return self._finished

    def retried_occasions(self) -> set[tuple[str | None, int, int]]:
        """Job, fire time and number of the attempts that follow others."""
        return {(run.job, run.fire_at, run.attempt) for run in self._retried}

    def told_as(self, kind: str) -> list[dict[str, Any]]:
        """The events of that type."""
        return [event for event in self._events if event["type"] == kind]

    def changed_instances(self) -> list[tuple[str, int]]:
        """The instances of services that were saved."""
        return list(self._instances)

    def finished_jobs(self) -> Iterator[str | None]:
        """The jobs of the records that got their outcome, once for each."""
        return (run.job for run in self._finished)

    def settle(self) -> list[Order]:
        """Tell what was committed; the answer is what to do about it, in order."""
        for event in self._events:
            if event["service"] is not None:
                level = logging.WARNING if event["type"] in LOUD else logging.INFO
                log.log(level, "%s", event["text"])
        if self._bus.is_heard:
            for event in self._events:
                at = rfc3339(event["at_ms"])
                self._bus.publish({"seq": None, "by": "scheduler", **event, "at": at})
        return self._orders
