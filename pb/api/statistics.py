"""What runs add up to: rates, durations, lateness, for a job or all, for stretches of time.

Counts are exact, also of runs that were let go long ago. Percentiles are of the runs themselves
where all of them are still there (``is_exact``), else off by one percent at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from pb.api.context import Context
from pb.api.history import moment_ms, require_known
from pb.api.views import Json, rfc3339
from pb.core.lean import dataclass
from pb.core.model import State
from pb.core.rollups import (
    ALL,
    DAY,
    DAY_MS,
    HOUR,
    HOUR_MS,
    LATEST_MS,
    LEVELS,
    MONTH,
    UNPLANNED,
    WEEK,
    Spread,
    Tally,
    end_of,
    start_of,
)
from pb.errors import InvalidError, did_you_mean
from pb.store import rollups

STATISTICS_OF = 10_000
"""How many runs are read one by one, at most; what was added up before counts in full."""

LOOKS = {HOUR: DAY_MS, DAY: 14 * DAY_MS, WEEK: 84 * DAY_MS, MONTH: 365 * DAY_MS}
"""How far back each kind of period is shown unless somebody says otherwise."""

MOST_PERIODS = 5_000

TOOK, LATE = (50, 90, 99), (50, 95)
"""The percentiles that are told of durations, and of lateness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What became of some runs: ``rows`` are all of them where all are still there, else None."""

    tally: Tally
    rows: Sequence[Any] | None
    is_complete: bool = True


def past(context: Context, job: str, since: int, until: int) -> Past:
    """The runs of ``job`` (or ``ALL``) that were recorded from ``since`` to before ``until``.

    Where not all of them are still there, whole hours count: those in which the two lie.
    """
    select = context.store.select
    first, end = start_of(HOUR, since), start_of(HOUR, until + HOUR_MS - 1)
    with context.store.snapshot():
        upto, _ = rollups.mark(context.store)
        stretch = {"since": first, "until": end, "most": STATISTICS_OF}
        fresh = rollups.uncounted(select, upto, job, **stretch)
        tally = rollups.between(select, job, first, end)
        rows = rollups.there(select, job, **stretch)
    for row in fresh:
        tally.count(row)
    if len(rows) == tally.records:
        rows = [row for row in rows if since <= row["queued_at"] < until]
        return Past(tally=counted(rows), rows=rows, is_complete=len(fresh) < STATISTICS_OF)
    return Past(tally=tally, rows=None, is_complete=len(fresh) < STATISTICS_OF)


def counted(rows: Iterable[Any]) -> Tally:
    tally = Tally()
    for row in rows:
        tally.count(row)
    return tally


# -- a job's past in three columns


def job_stats(context: Context, *, name: str | None) -> Json:
    """How runs went: those of the last 7 days, those before, and all of them."""
    now, job = context.now(), name or ALL
    week_ago = now - 7 * DAY_MS
    whole = past(context, job, 0, LATEST_MS)
    if not whole.tally.records:
        require_known(context, name)
    recent, older = split(context, job, whole, week_ago)
    return {
        "name": name,
        "records": whole.tally.records,
        "is_complete": whole.is_complete,
        "since": rfc3339(beginning(context, job, whole)),
        "all": summary(whole.tally, whole.rows),
        "last_7_days": summary(recent.tally, recent.rows),
        "before": summary(older.tally, older.rows),
    }


def split(context: Context, job: str, whole: Past, at_ms: int) -> tuple[Past, Past]:
    """The runs from ``at_ms`` on, and those before; each run is in one of them."""
    if whole.rows is not None:
        after = [row for row in whole.rows if row["queued_at"] >= at_ms]
        before = [row for row in whole.rows if row["queued_at"] < at_ms]
        return Past(tally=counted(after), rows=after), Past(tally=counted(before), rows=before)
    hour = start_of(HOUR, at_ms)
    return past(context, job, hour, LATEST_MS), past(context, job, 0, hour)


def beginning(context: Context, job: str, whole: Past) -> int | None:
    """When the first run was recorded; its day, when it is not there any more."""
    if whole.rows is not None:
        return min((row["queued_at"] for row in whole.rows), default=None)
    return rollups.first_day(context.store.select, job)


# -- periods


def stats_periods(
    context: Context, *, name: str | None, since: str | None, until: str | None, by: str
) -> Json:
    """How runs went, by hour, day, week or month; a period without records is left out."""
    if by not in LEVELS:
        hint = did_you_mean(by, LEVELS) or f"One of: {', '.join(LEVELS)}."
        raise InvalidError(f"by: there is no period {by!r}", hint=hint)
    now = context.now()
    last = moment_ms("until", until, now)
    end = now + 1 if last is None else last
    first = moment_ms("since", since, now)
    start = start_of(by, end - LOOKS[by] if first is None else first)
    refuse_too_many(by, end - start)
    found, is_complete = by_period(context, name or ALL, by, start, end)
    if not found:
        require_known(context, name)
    return {
        "name": name,
        "by": by,
        "since": rfc3339(start),
        "until": rfc3339(end),
        "is_complete": is_complete,
        "periods": [
            {"start": rfc3339(at), "end": rfc3339(end_of(by, at)), **summary(one.tally, one.rows)}
            for at, one in found.items()
        ],
        "total": summary(*added(found.values())),
    }


def refuse_too_many(by: str, length_ms: int) -> None:
    periods = length_ms // (end_of(by, 0) or 1)
    if periods > MOST_PERIODS:
        raise InvalidError(
            f"That would be {periods} {by}s; an answer has {MOST_PERIODS} at most",
            hint="Give a shorter --since, or longer periods with --by.",
        )


def by_period(
    context: Context, job: str, by: str, since: int, until: int
) -> tuple[dict[int, Past], bool]:
    """The periods in which something was recorded, by their begin; and whether that is all."""
    select = context.store.select
    stretch = {"since": since, "until": until, "most": STATISTICS_OF}
    with context.store.snapshot():
        upto, _ = rollups.mark(context.store)
        found = rollups.periods(select, by, job, since, until)
        fresh = rollups.uncounted(select, upto, job, **stretch)
        rows = rollups.there(select, job, **stretch)
    for row in fresh:
        found.setdefault(start_of(by, row["queued_at"]), Tally()).count(row)
    there = {
        at: list(some)
        for at, some in groupby(
            sorted(rows, key=lambda row: int(row["queued_at"])),
            key=lambda row: start_of(by, row["queued_at"]),
        )
    }
    pasts = {at: judged(found[at], there.get(at, [])) for at in sorted(found)}
    return pasts, len(fresh) < STATISTICS_OF


def judged(tally: Tally, rows: list[Any]) -> Past:
    return Past(tally=tally, rows=rows if len(rows) == tally.records else None)


def added(pasts: Iterable[Past]) -> tuple[Tally, list[Any] | None]:
    """Several as one: with all rows, if each of them has its own."""
    tally, rows = Tally(), list[Any]()
    is_exact = True
    for one in pasts:
        tally.add(one.tally)
        rows += one.rows or []
        is_exact = is_exact and one.rows is not None
    return tally, rows if is_exact else None


# -- in numbers


def summary(tally: Tally, rows: Sequence[Any] | None) -> Json:
    """Counts and spreads of some records. A miss may stand for many fire times.

    ``success_rate`` is successes over successes and errors: who cancels a run says nothing about
    it. Lateness is from the fire time to the start, of first attempts that were planned.
    """
    ended = tally.succeeded + tally.errors
    return {
        "runs": tally.runs,
        "succeeded": tally.succeeded,
        "errors": tally.errors,
        "timeouts": tally.timed_out,
        "cancelled": tally.cancelled,
        "skips": tally.skipped,
        "misses": tally.missed,
        "retries": tally.retries,
        "success_rate": round(tally.succeeded / ended, 4) if ended else None,
        "busy_ms": tally.took.sum,
        "cpu_seconds": tally.cpu_ms / 1000,
        "max_rss_bytes": tally.memory_max or None,
        "duration_ms": spread(tally.took, TOOK, None if rows is None else durations(rows)),
        "lateness_ms": spread(tally.late, LATE, None if rows is None else latenesses(rows)),
        "is_exact": rows is not None,
    }


def durations(rows: Iterable[Any]) -> list[int]:
    """How long those took that ended by themselves."""
    own = (State.SUCCEEDED, State.FAILED)
    return [
        max(0, row["finished_at"] - row["started_at"])
        for row in rows
        if row["state"] in own and row["started_at"] is not None
    ]


def latenesses(rows: Iterable[Any]) -> list[int]:
    return [
        max(0, row["started_at"] - row["fire_at"])
        for row in rows
        if row["started_at"] is not None and row["attempt"] == 1 and row["trigger"] not in UNPLANNED
    ]


def spread(known: Spread, percents: tuple[int, ...], values: list[int] | None) -> Json | None:
    """Percentiles by nearest rank, and the largest; None of none. Of the ``values`` themselves
    where those are there: then each is one of them."""
    if not known.count:
        return None
    if values is None:
        found = {f"p{part}": known.percentile(part) for part in percents}
    else:
        values.sort()
        found = {f"p{part}": values[-(-part * len(values) // 100) - 1] for part in percents}
    return {**found, "max": known.high, "count": known.count}
