"""Runs added up by hour, day, week and month: counting each of them once, and reading the sums.

Hours and days are added to; weeks and months are added up anew from their days whenever one of
those has changed. What is decided from a read is written only if nothing of it has changed since
(``mark``), so the lock is held for the writing alone. When it is done is ``pb.maintenance``'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core import histogram
from pb.core.rollups import (
    ALL,
    DAY,
    HOUR,
    LATEST_MS,
    MONTH,
    WEEK,
    Spread,
    Tally,
    cover,
    end_of,
    start_of,
)
from pb.store import retention
from pb.store.database import queries
from pb.store.history import Select, bounds, own_jobs

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "rollups.sql")

UPTO, LET_GO = "rolled_up_to", "runs_let_go"
"""Facts of the store: the last run that was looked at in turn; how often some were let go."""

PLAIN = (
    *("records", "succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed"),
    *("retries", "cpu_ms", "cpu_ms_max", "memory_max"),
)

Place = tuple[str, str, int]
"""Level, job and begin of a period."""


# -- counting


def mark(store: Store) -> tuple[int, int]:
    """What moves whenever runs are counted or let go."""
    return int(store.meta(UPTO) or 0), int(store.meta(LET_GO) or 0)


def fold_some(store: Store, most: int) -> int:
    """Count up to ``most`` runs that have ended, in one transaction; how many were looked at.

    0: there are no more. Others who count or let go meanwhile make it look again.
    """
    while True:
        seen = mark(store)
        late = store.select(SQL["waiting"], {"n": most})
        fresh = store.select(SQL["fresh"], {"upto": seen[0], "n": most})
        if not late and not fresh:
            return 0
        ended = [*late, *(row for row in fresh if row["finished_at"] is not None)]
        deltas = added_up(ended, own_jobs(store.select))
        with store.transaction(durable=False):
            if mark(store) != seen:
                continue
            write(store, deltas)
            store.write(SQL["wait_no_longer"], ((row["id"],) for row in late))
            still = ((row["id"],) for row in fresh if row["finished_at"] is None)
            store.write(SQL["wait"], still)
            if fresh:
                store.set_meta(UPTO, str(fresh[-1]["id"]))
        return len(late) + len(fresh)


def let_go(store: Store, ids: Sequence[int], *, counts: bool) -> None:
    """Delete runs that have an outcome, inside the running transaction. With ``counts`` those that
    were not counted yet are: what is let go is not lost for statistics."""
    if counts:
        values = {"ids": json.dumps(list(ids)), "upto": mark(store)[0]}
        rows = store.select(SQL["let_go"], values)
        write(store, added_up(rows, own_jobs(store.select)))
    gone = [(run_id,) for run_id in ids]
    store.write(SQL["wait_no_longer"], gone)
    store.write(retention.SQL["delete"], gone)
    store.write(SQL["count_let_go"], [()])


def added_up(rows: Iterable[Any], own: set[str]) -> dict[Place, Tally]:
    """The hours and days of some runs, by job and for all jobs together."""
    found: dict[Place, Tally] = {}
    for row in rows:
        place = (HOUR, row["job"] or "", start_of(HOUR, row["queued_at"]))
        tally = found.get(place)
        if tally is None:
            tally = found[place] = Tally()
        tally.count(row)
    for (_, job, start), tally in list(found.items()):
        places = [(DAY, job, start_of(DAY, start))]
        if job not in own:
            places += [(HOUR, ALL, start), (DAY, ALL, start_of(DAY, start))]
        for place in places:
            found.setdefault(place, Tally()).add(tally)
    return found


def write(store: Store, deltas: Mapping[Place, Tally]) -> None:
    """Add to hours and days, and note which weeks and months follow from them."""
    store.write(SQL["fold"], (parameters(place, tally) for place, tally in deltas.items()))
    due = {
        (level, job, start_of(level, start))
        for kind, job, start in deltas
        if kind == DAY
        for level in (WEEK, MONTH)
    }
    store.write(SQL["due"], due)


def parameters(place: Place, tally: Tally) -> dict[str, Any]:
    level, job, start = place
    values = {"level": level, "job": job, "start_at": start}
    values |= {name: getattr(tally, name) for name in PLAIN}
    for name in ("took", "late"):
        spread: Spread = getattr(tally, name)
        values |= {f"{name}_{key}": getattr(spread, key) for key in ("count", "sum", "low", "high")}
        values[f"{name}_places"] = histogram.write(spread.places)
    return values


def raise_some(store: Store, level: str, most: int) -> int:
    """Add up to ``most`` weeks or months up anew from their days; how many. 0: none is due."""
    while True:
        seen = mark(store)
        due = store.select(SQL["first_due"], (level, most))
        sums = {}
        for row in due:
            job, start = row["job"], row["start_at"]
            days = _rows(store.select, DAY, job, start, end_of(level, start))
            sums[level, job, start] = total(tally_from(day) for day in days)
        with store.transaction(durable=False):
            if mark(store) != seen:
                continue
            store.write(SQL["replace"], (parameters(*one) for one in sums.items()))
            store.write(SQL["done"], sums)
        return len(due)


def forget_hours(store: Store, before_ms: int, most: int) -> int:
    """Delete up to ``most`` hours that are too old to be told apart; their days stay. How many."""
    found = store.select(SQL["old_hours"], (before_ms, most))
    with store.transaction(durable=False):
        store.write(SQL["forget_hour"], ((row["job"], row["start_at"]) for row in found))
    return len(found)


# -- reading


def total(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def tally_from(row: Any) -> Tally:
    def spread(name: str) -> Spread:
        keys = ("count", "sum", "low", "high")
        places = histogram.read(row[f"{name}_places"])
        return Spread(**{key: row[f"{name}_{key}"] for key in keys}, places=places)

    plain = {name: row[name] for name in PLAIN}
    return Tally(**plain, took=spread("took"), late=spread("late"))


def periods(select: Select, level: str, job: str, since: int, until: int) -> dict[int, Tally]:
    """What was counted of ``job`` (or '' or ``ALL``), by the begin of each period from ``since``
    to before ``until``; a period in which nothing was recorded is left out."""
    found = {row["start_at"]: tally_from(row) for row in _rows(select, level, job, since, until)}
    if level in (WEEK, MONTH):
        values = {"level": level, "job": job, "since": since, "until": until}
        for row in select(SQL["due_between"], values):
            start = row["start_at"]
            days = _rows(select, DAY, job, start, end_of(level, start))
            found[start] = total(tally_from(day) for day in days)
    return dict(sorted(found.items()))


def _rows(select: Select, level: str, job: str, since: int, until: int) -> Sequence[Any]:
    values = {"level": level, "job": job, "since": since, "until": until}
    return select(SQL["periods"], values)


def between(select: Select, job: str, since: int, until: int) -> Tally:
    """What was counted from the hour ``since`` to before the hour ``until``."""
    return total(
        tally
        for level, first, end in cover(since, until)
        for tally in periods(select, level, job, first, end).values()
    )


def uncounted(
    select: Select, upto: int, job: str, *, since: int, until: int, most: int
) -> list[Any]:
    """The runs that were not counted yet, the newest ``most`` of them, newest first."""
    return _runs(select, ("is_fresh", "is_waiting"), job, upto, since, until, most)


def there(select: Select, job: str, *, since: int, until: int, most: int) -> list[Any]:
    """The runs that are there, counted or not, the newest ``most`` of them, newest first."""
    return _runs(select, ("is_there",), job, 0, since, until, most)


def _runs(
    select: Select,
    kinds: Sequence[str],
    job: str,
    upto: int,
    since: int,
    until: int,
    most: int,
) -> list[Any]:
    whose = {ALL: "of_all", "": "of_none"}.get(job, "of_job")
    numbers = bounds(select, since, None if until >= LATEST_MS else until)
    if numbers is None:
        return []
    values = {"upto": upto, "job": job, "since": since, "until": until, "n": most, **numbers}
    found: list[Any] = []
    for kind in kinds:
        parts = ("uncounted", kind, whose, "uncounted_tail", "counted_end")
        found += select(" ".join(SQL[part] for part in parts), values)
    return found[:most]


def jobs_between(select: Select, since: int, until: int) -> Iterator[str]:
    """Every name of which a day was counted in that time; '' for runs without one."""
    rows = select(SQL["jobs_between"], (since, until))
    return (row["job"] for row in rows if row["job"] != ALL)


def first_day(select: Select, job: str) -> int | None:
    """The first day of which something was counted."""
    at = select(SQL["first_day"], (job,))[0]["at"]
    return None if at is None else int(at)
