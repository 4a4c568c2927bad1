"""What happened in a day, a week or any other time, in one document: for people who were not there.

How it is written down is in ``digest_text`` and ``digest_html``; here it is collected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pb.api.context import Context
from pb.api.history import moment_ms
from pb.api.service_views import service_list
from pb.api.statistics import Past, by_period, past, summary
from pb.api.views import BUILTIN, Json, job_view, rfc3339
from pb.core.model import ERRORS, State
from pb.core.rollups import ALL, DAY, DAY_MS, HOUR, HOUR_MS, WEEK, Tally, end_of, start_of
from pb.errors import InvalidError
from pb.store import rollups
from pb.store.history import Wanted, own_jobs
from pb.store.rows import JobRow, Run

MOST_RUNS, MOST_SLOW, MOST_EVENTS = 20, 5, 2_000

SLOW_FACTOR, SLOW_MS, SLOW_OF = 2, 5_000, 5
"""A run took long when it took twice its job's median, and five seconds more than that; a median
is one of five runs at least."""

UNWELL = ("failed", "backoff", "orphaned")
"""States of a service that somebody should know of."""


def digest_show(context: Context, *, since: str | None, until: str | None) -> Json:
    """What ran, failed, was skipped or missed and took long, which services are not well, and what
    is different from the same time before."""
    now = context.now()
    end = moment_ms("until", until, now)
    end = now if end is None else end
    start = moment_ms("since", since, now)
    start = end - DAY_MS if start is None else start
    if start >= end:
        raise InvalidError("since: should be before until", hint='Write it like "24h" or "7d".')
    return collected(context, start_of(HOUR, start), end)


def collected(context: Context, start: int, end: int) -> Json:
    """The digest of the time from ``start``, the begin of an hour, to before ``end``. It is set
    against as many whole hours before."""
    hours = max(1, (end - start) // HOUR_MS)
    before = max(0, start - hours * HOUR_MS)
    rows = {row.name: row for row in context.store.jobs()}
    pasts = {name: past(context, name, start, end) for name in active(context, start, end)}
    pasts = {name: one for name, one in pasts.items() if one.tally.records}
    earlier = {name: past(context, name, before, start).tally for name in {*pasts, *rows, ""}}
    people = {name: one for name, one in pasts.items() if not is_own(rows, name)}
    level = level_of(end - start)
    return {
        "since": rfc3339(start),
        "until": rfc3339(end),
        "home": str(context.home.root),
        "by": level,
        "total": {**summed(context, start, end), "spark": spark(context, ALL, level, start, end)},
        "before": summed(context, before, start),
        "jobs": [
            {
                **job_part(name, one, earlier[name], rows.get(name)),
                "spark": spark(context, name, level, start, end),
            }
            for name, one in sorted(people.items(), key=by_trouble)
        ],
        "failures": failures(context, start, end),
        "slow": slow(context, people, start, end),
        "services": services(context, start, end),
        "changes": changes(rows, people, earlier, start),
        "own_failures": [own_failure(row) for row in rows.values() if is_failing(row)],
    }


def active(context: Context, start: int, end: int) -> set[str]:
    """The names of the jobs of which something was recorded, or may have been; '' for none."""
    select = context.store.select
    names = set(rollups.jobs_between(select, start_of(DAY, start), end))
    found = rollups.there(select, ALL, since=start, until=end, most=10_000)
    return names | {row["job"] or "" for row in found} | set(own_jobs(select))


def is_own(rows: Mapping[str, JobRow], name: str) -> bool:
    return name in rows and rows[name].source == BUILTIN


def is_failing(row: JobRow) -> bool:
    return row.source == BUILTIN and row.last_result in ERRORS


def own_failure(row: JobRow) -> Json:
    return {"job": row.name, "at": rfc3339(row.last_run_at), "reason": row.last_error}


def summed(context: Context, start: int, end: int) -> Json:
    whole = past(context, ALL, start, end)
    return summary(whole.tally, whole.rows)


def by_trouble(one: tuple[str, Past]) -> tuple[int, int, str]:
    name, found = one
    return -found.tally.errors, -found.tally.missed - found.tally.skipped, name


def job_part(name: str, one: Past, before: Tally, row: JobRow | None) -> Json:
    view = job_view(row) if row is not None else None
    return {
        "job": name or None,
        "is_there": row is not None,
        **summary(one.tally, one.rows),
        "runs_before": before.runs,
        "errors_before": before.errors,
        "last_error": view["last_error"] if view else None,
        "last_skip_reason": view["last_skip_reason"] if view and one.tally.skipped else None,
    }


# -- what a line is drawn from


def level_of(length_ms: int) -> str:
    if length_ms <= 2 * DAY_MS:
        return HOUR
    return DAY if length_ms <= 62 * DAY_MS else WEEK


def spark(context: Context, name: str, level: str, start: int, end: int) -> list[int]:
    """The runs of each hour, day or week, the empty ones too."""
    found, _ = by_period(context, name, level, start_of(level, start), end)
    counts = []
    at = start_of(level, start)
    while at < end:
        counts.append(found[at].tally.runs if at in found else 0)
        at = end_of(level, at)
    return counts


# -- single runs


def failures(context: Context, start: int, end: int) -> list[Json]:
    """The newest runs that ended with an error, newest first."""
    wanted = Wanted(states=sorted(ERRORS), since_ms=start, until_ms=end - 1, n=MOST_RUNS)
    return [run_part(run) for run in context.store.history(wanted)]


def run_part(run: Run) -> Json:
    return {
        "run_id": run.id,
        "job": run.job,
        "at": rfc3339(run.started_at or run.queued_at),
        "state": str(run.state),
        "reason": run.reason,
    }


def slow(context: Context, pasts: Mapping[str, Past], start: int, end: int) -> list[Json]:
    """The runs that took much longer than their job's median, the worst first."""
    rows = rollups.there(context.store.select, ALL, since=start, until=end, most=10_000)
    usual: dict[str, int | None] = {}
    found = []
    for row in rows:
        name, started = row["job"] or "", row["started_at"]
        if not name or started is None or row["state"] not in (State.SUCCEEDED, State.FAILED):
            continue
        if name not in usual:
            usual[name] = median(context, name, start)
        took, typical = row["finished_at"] - started, usual[name]
        if typical is not None and took > max(SLOW_FACTOR * typical, typical + SLOW_MS):
            found.append(
                {
                    "run_id": row["id"],
                    "job": name,
                    "at": rfc3339(started),
                    "took_ms": took,
                    "usual_ms": typical,
                }
            )
    found.sort(key=lambda one: one["usual_ms"] - one["took_ms"])
    return found[:MOST_SLOW]


def median(context: Context, name: str, until: int) -> int | None:
    """What a run of the job usually took in the month before."""
    known = past(context, name, max(0, until - 30 * DAY_MS), until).tally.took
    return known.percentile(50) if known.count >= SLOW_OF else None


# -- services, and what is different


def services(context: Context, start: int, end: int) -> list[Json]:
    """The services that are not well now, or ended by themselves in that time."""
    exits: Counter[str] = Counter()
    for kind in ("service.exited", "service.failed"):
        for event in context.store.events(MOST_EVENTS, family=kind):
            if start <= event.at < end and event.service is not None:
                exits[event.service] += kind == "service.exited"
                exits.setdefault(event.service, 0)
    return [
        {
            "service": view["name"],
            "state": view["state"],
            "health": view["health"],
            "reason": view["reason"] or view["health_reason"],
            "since": view["since"],
            "exits": exits[view["service"]],
        }
        for view in service_list(context, names=[])["services"]
        if view["service"] in exits or is_unwell(view)
    ]


def is_unwell(view: Json) -> bool:
    is_down = view["desired"] == "running" and view["state"] == "stopped"
    return view["state"] in UNWELL or view["health"] == "unhealthy" or is_down


def changes(
    rows: Mapping[str, JobRow],
    pasts: Mapping[str, Past],
    earlier: Mapping[str, Tally],
    start: int,
) -> Json:
    """What is different from the same time before: jobs by name."""
    people = {name: row for name, row in rows.items() if row.source != BUILTIN}
    errors = {name: one.tally.errors for name, one in pasts.items() if name}
    before = {name: tally.errors for name, tally in earlier.items() if name}
    return {
        "new": named(name for name, row in people.items() if row.created_at >= start),
        "gone": named(name for name in errors if name not in rows),
        "failing": named(n for n, count in errors.items() if count and not before.get(n)),
        "well_again": named(
            n for n, count in errors.items() if not count and before.get(n) and n in people
        ),
        "silent": named(
            n for n, tally in earlier.items() if n in people and tally.runs and n not in pasts
        ),
        "paused": named(name for name, row in people.items() if row.paused_at is not None),
    }


def named(names: Iterable[str]) -> list[str]:
    return sorted(names)
