"""The past, asked for: pages of runs by what is wanted of them, outcomes, activity, what is coming.

Reads only, each bounded and answered from an index; what is deleted is ``retention``'s. No
decisions: states and times come from the caller.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pb.core.lean import dataclass
from pb.core.model import OPEN, State
from pb.store import rows
from pb.store.database import queries

SQL = queries(Path(__file__).parent / "history.sql")

LAST_ID = 2**63 - 1

Select = Callable[[str, Any], Sequence[Any]]
"""Carries out one query; the store's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs: every condition that is given holds. Instants are epoch milliseconds.

    ``states`` empty is any state. ``reason`` is a part of the reason, in any case (of ASCII).
    ``since_ms`` and ``until_ms`` bound, inclusively, when a run was recorded (``queued_at``).
    ``before`` is the number below which to look: the last one of the page before. ``n`` is how
    many at most, newest first.
    """

    job: str | None = None
    states: Sequence[str] = ()
    trigger: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before: int | None = None
    n: int = 20


def page(select: Select, wanted: Wanted) -> list[rows.Run]:
    """The newest runs that are wanted, newest first.

    States are asked for one by one and merged, because an index is in order within one only.
    """
    values = parameters(select, wanted)
    if values is None:
        return []
    if not wanted.states:
        return [rows.run_from(row) for row in select(statement(wanted, None), values)]
    found: list[Iterable[Any]] = [
        select(statement(wanted, State(state)), {**values, "state": state})
        for state in dict.fromkeys(wanted.states)
    ]
    newest = heapq.merge(*found, key=lambda row: int(row["id"]), reverse=True)
    return [rows.run_from(row) for row in islice(newest, wanted.n)]


def statement(wanted: Wanted, state: State | None) -> str:
    """The query for one state, or for any."""
    parts = ["page_head"]
    if wanted.job is not None:
        # Open runs are few, and all of them in one small index.
        parts.append("besides_of_job" if state in OPEN else "of_job")
    else:
        parts.append("of_people")
    if state is not None:
        parts.append(condition_of(state, of_one_job=wanted.job is not None))
    if wanted.trigger is not None:
        # Only one index can be used: that of a job's runs, or of a state, is the narrower one.
        alone = wanted.job is None and state is None
        parts.append("by_trigger" if alone else "with_trigger")
    parts += ["with_reason"] if wanted.reason is not None else []
    parts += ["recorded_since"] if wanted.since_ms is not None else []
    parts += ["recorded_until"] if wanted.until_ms is not None else []
    return " ".join(SQL[part] for part in [*parts, "page_tail"])


def condition_of(state: State, *, of_one_job: bool) -> str:
    if state in OPEN:
        return "is_still"
    if not of_one_job:
        return "ended_so"
    return "in_state" if state is State.SUCCEEDED else "ended_so_unluckily"


def parameters(select: Select, wanted: Wanted) -> dict[str, Any] | None:
    """The values of the query; None when no run can match.

    Runs are numbered in the order they are recorded in, so times become numbers first; the times
    themselves are compared too, because a clock may have been set back.
    """
    numbers = bounds(select, wanted.since_ms, wanted.until_ms)
    if numbers is None:
        return None
    before = LAST_ID if wanted.before is None else wanted.before
    return {
        "job": wanted.job,
        "trigger": wanted.trigger,
        "reason": wanted.reason,
        "since": wanted.since_ms,
        "until": wanted.until_ms,
        "first": numbers["first"],
        "before": min(before, numbers["last"] + 1),
        "n": wanted.n,
    }


def bounds(select: Select, since: int | None, until: int | None) -> dict[str, int] | None:
    """The numbers between which the runs lie that were recorded from then until then; None when
    there is none."""
    first = select(SQL["first_since"], (since,))[0]["id"] if since else 0
    last = LAST_ID - 1 if until is None else select(SQL["last_until"], (until,))[0]["id"]
    return None if first is None or last is None else {"first": first, "last": last}


def own_jobs(select: Select) -> set[str]:
    """The jobs that pb itself has: they are in no list and no sum of all jobs."""
    return {row["name"] for row in select(SQL["own_jobs"], ())}


def has_runs(select: Select, job: str) -> bool:
    return bool(select(SQL["has_runs"], (job,)))


def activity(
    select: Select, job: str | None, *, since_ms: int, bucket_ms: int, most: int
) -> list[tuple[int, str, int]]:
    """How many runs began, by (bucket's epoch ms, state); of the newest ``most`` runs only."""
    first = select(SQL["first_since"], (since_ms,))[0]["id"]
    if first is None:
        return []
    name = "activity" if job is None else "activity_of_job"
    values = {"job": job, "first": first, "since": since_ms, "bucket": bucket_ms, "most": most}
    return [(row["at"], row["state"], row["n"]) for row in select(SQL[name], values)]


def coming(
    select: Select, job: str | None, *, until_ms: int, most: int
) -> tuple[list[rows.JobRow], int]:
    """The jobs that fire until then, the soonest first; and how many there are in all."""
    values = {"job": job, "until": until_ms, "n": most}
    total = select(SQL["coming_count"], values)[0]["n"]
    return [rows.job_from_row(row) for row in select(SQL["coming"], values)], total
