"""What the page shows at one moment: scheduler, services, jobs, runs and events in one document.

Collected in a worker thread, at most once for all pages that ask at the same time, and cut to what
a page can show. Nothing is decided here that the registry could decide.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Protocol

import anyio

from pb.core.lean import dataclass
from pb.errors import NotFoundError, PbError

Json = dict[str, Any]

FRESH = 1.0
"""Seconds for which an undisturbed snapshot serves everybody who asks."""

BREATH = 3.0
"""After collecting, rest for this many times what it took: 10,000 jobs shall not own a core.

What is cheap needs no more than as long again, so that what just happened is seen at once.
"""

LONGEST_BREATH = 1.0

CHEAP = 0.1
"""Seconds that asking for all jobs may take to be done each time; else only those that changed."""

WHOLE_EVERY = 10.0
"""Seconds after which all jobs are asked for again, changed or not."""

SHARE = 20.0
"""And not sooner than this many times what it took last: at most a twentieth of the time."""

MANY = 50
"""Changed jobs of which asking for one by one costs more than asking for all."""

RUNS = 30
EVENTS = 40
OPEN = ("queued", "starting", "running")
"""States of runs that have not ended."""

MOST_JOBS = 1000

SHOWN: dict[str, Callable[[Json], bool]] = {
    "all": lambda job: True,
    "running": lambda job: bool(job["running"]),
    "failing": lambda job: job["last_result"] in ("failed", "timed_out", "lost"),
    "paused": lambda job: bool(job["paused"]),
}
"""The filters above the job table, in their order on the page."""

SORTS = ("name", "state", "last_run", "next_run", "last_duration_ms", "run_count", "error_count")
"""Keys by which the job table can be sorted; with a ``-`` before them the other way round."""

COMING = 8
"""Jobs that are named as next."""

MOST_ATTENTION = 50
"""Jobs of each kind that are named as in need of attention."""


class Session(Protocol):
    """What the dashboard needs of ``pb.api.session``."""

    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which jobs a page asks for: a part of the name, one of ``SHOWN``, in which order, and from
    which on how many at most."""

    text: str = ""
    show: str = "all"
    sort: str = "name"
    offset: int = 0
    limit: int = 100


class Snapshots:
    """Answers with snapshots that are never older than the last event."""

    def __init__(
        self,
        connect: Callable[[], Session],
        services: Callable[[], list[Json]],
        machine: Callable[[], Json] = dict,
        *,
        cheap: float = CHEAP,
    ) -> None:
        self._connect = connect
        self._services = services
        self._machine = machine
        self._cheap = cheap
        self._lock = asyncio.Lock()
        self._changes = 0
        self._seen = -1
        self._changed: set[str] = set()
        self._whole_due = float("-inf")
        self._whole_cost = 0.0
        self._taken_at = float("-inf")
        self._rest_until = float("-inf")
        self._facts: Json = {}

    def changed(self, event: Json | None) -> None:
        """Something happened: whoever asks from now on gets a newer snapshot.

        Without an event, or for one that names no job, everything may have changed.
        """
        self._changes += 1
        if event and event.get("job"):
            self._changed.add(event["job"])
        elif not (event and str(event.get("type")).startswith(("run.", "service."))):
            self._whole_due = float("-inf")

    async def state(self, selection: Selection) -> Json:
        facts = await self._current()
        return {**facts, "jobs": await anyio.to_thread.run_sync(select, facts["jobs"], selection)}

    async def _current(self) -> Json:
        wanted = self._changes
        async with self._lock:
            if self._seen < wanted or time.monotonic() - self._taken_at > FRESH:
                await asyncio.sleep(max(0.0, self._rest_until - time.monotonic()))
                await self._take()
            return self._facts

    async def _take(self) -> None:
        changes, begun = self._changes, time.monotonic()
        names, self._changed = self._names(begun), set()
        self._facts = await anyio.to_thread.run_sync(self._collect, names)
        ended = time.monotonic()
        if self._facts["problem"]:
            self._whole_due = float("-inf")
        elif names is None:
            self._whole_cost = ended - begun
            self._whole_due = ended + max(WHOLE_EVERY, SHARE * self._whole_cost)
        self._seen, self._taken_at = changes, ended
        cost = ended - begun
        self._rest_until = ended + min(cost * (1.0 if cost < CHEAP else BREATH), LONGEST_BREATH)

    def _names(self, now: float) -> frozenset[str] | None:
        """The jobs that have to be asked for again; None for all of them."""
        whole = now >= self._whole_due or self._whole_cost < self._cheap
        return None if whole or len(self._changed) > MANY else frozenset(self._changed)

    def _collect(self, names: frozenset[str] | None) -> Json:
        facts: Json = {
            "schema": 1,
            "now_ms": time.time_ns() // 1_000_000,
            "builtins": self._services(),
            "services": [],
            "scheduler": None,
            **self._machine(),
            "problem": None,
            "jobs": [],
            "runs": [],
            "open_runs": [],
            "events": [],
        }
        try:
            facts |= self._ask(names)
        except PbError as error:
            facts["problem"] = {"message": error.message, "hint": error.hint, "code": error.code}
        return facts

    def _ask(self, names: frozenset[str] | None) -> Json:
        session = self._connect()
        try:
            status = session.call("scheduler.status", {"jobs": names is None})
            jobs = status.pop("jobs", None)
            if names is not None:
                jobs = renewed(session, self._facts["jobs"], names)
            runs = session.call("job.history", {"n": RUNS})["runs"]
            open_runs = session.call("job.history", {"n": RUNS, "states": list(OPEN)})["runs"]
            events = session.call("events.recent", {"n": EVENTS})["events"]
            services = session.call("service.list")["services"]
        finally:
            session.close()
        return {
            "scheduler": status,
            "services": services,
            "jobs": jobs,
            "runs": runs,
            "open_runs": open_runs,
            "events": sorted(events, key=lambda event: -event["seq"]),
        }


def renewed(session: Session, jobs: list[Json], names: frozenset[str]) -> list[Json]:
    """``jobs`` with those of ``names`` as they are now: changed, new or gone; sorted by name."""
    if not names:
        return jobs
    known = {job["name"]: job for job in jobs}
    for name in names:
        known.pop(name, None)
        try:
            job = session.call("job.show", {"name": name})["job"]
        except NotFoundError:
            continue  # removed since
        if not job.get("builtin"):
            known[name] = job
    return [known[name] for name in sorted(known)]


def select(jobs: list[Json], selection: Selection) -> Json:
    """The jobs to show, with how many there are in all and under each filter."""
    needle = selection.text.casefold()
    matching = [job for job in jobs if needle in job["name"].casefold()]
    chosen = ordered([job for job in matching if SHOWN[selection.show](job)], selection.sort)
    return {
        "total": len(jobs),
        "counts": {name: count(matching, test) for name, test in SHOWN.items()},
        "coming": coming(jobs),
        "failing": list(islice(filter(SHOWN["failing"], jobs), MOST_ATTENTION)),
        "paused": list(islice(filter(SHOWN["paused"], jobs), MOST_ATTENTION)),
        "matching": len(chosen),
        "offset": selection.offset,
        "shown": chosen[selection.offset : selection.offset + selection.limit],
    }


def ordered(jobs: list[Json], sort: str) -> list[Json]:
    """Sorted by one of ``SORTS``; what a job does not have (yet) comes last either way."""
    key = sort.removeprefix("-")
    known = [job for job in jobs if job[key] is not None]
    known.sort(key=lambda job: job[key], reverse=sort.startswith("-"))
    return known + [job for job in jobs if job[key] is None]


def coming(jobs: Iterable[Json]) -> list[Json]:
    """Which jobs run next, and when; RFC 3339 with one form and one zone sorts as text."""
    planned = (job for job in jobs if job["next_run"] and not job["paused"])
    soonest = heapq.nsmallest(COMING, planned, key=lambda job: str(job["next_run"]))
    return [{"name": job["name"], "next_run": job["next_run"]} for job in soonest]


def count(jobs: Iterable[Json], test: Callable[[Json], bool]) -> int:
    return sum(1 for job in jobs if test(job))
