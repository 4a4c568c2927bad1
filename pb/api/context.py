"""Whom a method works for, and what the methods share: finding, planning, telling.

Nothing here can be asked for by itself; that is ``methods``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from pb.api.views import BUILTIN, Json, rfc3339
from pb.config.zones import zone
from pb.core.definition import job_from
from pb.core.lean import dataclass
from pb.core.model import Job
from pb.core.scheduling import first_ms, upcoming_ms
from pb.core.triggers import describe, pause_of
from pb.errors import NotFoundError, did_you_mean
from pb.paths import Home
from pb.store.rows import JobRow, Run
from pb.store.store import Store

if TYPE_CHECKING:
    from pb.config.settings import Settings


@dataclass(slots=True, kw_only=True)
class Context:
    """Whom a method works for, and on what.

    ``now`` answers epoch milliseconds. ``changed`` collects the names of jobs whose plan has to
    be read again, ``services_changed`` those of services; ``told`` collects the events to publish
    once the change is committed. ``emitted``: there are events for the scheduler to act on.
    ``refusal``: why the store
    cannot be written just now, so what it says may be out of date.
    ``readings``: what the live scheduler has measured last for triggers, by job and trigger.
    ``facts`` answers the live scheduler's own, None when none runs. ``actor`` is who asks, as
    ``FACE:NAME``; ``peer`` is where he sits, as far as that is known.
    """

    store: Store
    home: Home
    settings: Settings
    now: Callable[[], int]
    actor: str
    peer: str | None = None
    facts: Callable[[], Json] | None = None
    refusal: str | None = None
    changed: list[str] = field(default_factory=list)
    services_changed: list[str] = field(default_factory=list)
    told: list[Json] = field(default_factory=list)
    emitted: bool = False
    readings: dict[str, dict[str, Json]] = field(default_factory=dict)

    def tell(
        self, kind: str, text: str, *, job: str | None = None, service: str | None = None
    ) -> None:
        """Record an event with this actor, and keep it to be published after the commit."""
        at = self.now()
        seq = self.store.add_event(
            at=at, kind=kind, text=text, job=job, service=service, actor=self.actor
        )
        self.told.append(
            {
                "seq": seq,
                "at": rfc3339(at),
                "type": kind,
                "job": job,
                "run_id": None,
                "service": service,
                "by": self.actor,
                "text": text,
            }
        )


# -- finding


def require(context: Context, name: str) -> JobRow:
    row = context.store.job(name)
    if row is None:
        raise unknown_job(name, context.store.job_names())
    return row


def jobs_of_people(context: Context, *, after: str = "") -> Iterator[JobRow]:
    """Every job by name, but those that pb itself has; those after a name only."""
    return (row for row in context.store.jobs(after=after) if row.source != BUILTIN)


def unknown_job(name: str, known: list[str]) -> NotFoundError:
    hint = did_you_mean(name, known) or "Run `pb job list` to see the jobs there are."
    return NotFoundError(f"There is no job named {name!r}", hint=hint)


def job_of(row: JobRow) -> Job:
    return job_from(json.loads(row.definition))


def fire_times(job: Job, after_ms: int, n: int, *, row: JobRow | None = None) -> list[str]:
    """The next ``n`` fire times strictly after ``after_ms``, RFC 3339 UTC.

    Of those that count from the end of a run only the first is known, and while one runs none:
    what is planned for the job of ``row``, or would be for a new one.
    """
    tz = zone(job.timezone)
    found: list[int] = []
    if pause_of(job.triggers) is not None:
        new = first_ms(job.triggers, after_ms, tz, job.name)
        first = new if row is None else row.next_fire_at
        found += [first] if first is not None else []
    at = upcoming_ms(job.triggers, after_ms, tz, job.name)
    while at is not None and len(found) <= n:
        found.append(at)
        at = upcoming_ms(job.triggers, at, tz, job.name)
    return [str(rfc3339(at)) for at in sorted(set(found))[:n]]


def next_fire_ms(job: Job, after_ms: int) -> int | None:
    """When ``job`` fires next, strictly after ``after_ms``; None for never."""
    return first_ms(job.triggers, after_ms, zone(job.timezone), job.name)


def explained(job: Job) -> list[str]:
    """What the job's triggers mean, in words."""
    return [describe(trigger, job.name) for trigger in job.triggers]


def replan(context: Context, job: Job, row: JobRow, *, afresh: bool) -> None:
    """Store the job's next fire time. ``afresh`` counts from now: the past is not caught up."""
    until = context.now() if afresh else row.planned_until
    runs = row.enabled and row.paused_at is None
    context.store.set_plan(job.name, until, next_fire_ms(job, until) if runs else None)
    context.changed.append(job.name)


def require_run(context: Context, run_id: int) -> Run:
    run = context.store.run(run_id) if 0 < run_id < 2**63 else None
    if run is None:
        raise NotFoundError(
            f"There is no run {run_id}", hint="Run `pb job history` to see the runs there are."
        )
    return run
