"""What `pb top` shows, as one document: what runs now, what it uses, and what comes next.

Looking only. Use is measured between one look and the next, over whole trees.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, session
from pb.cli.service_names import chosen, has_store, own_views
from pb.errors import PbError
from pb.process.survey import TICKS, Process, survey

Json = dict[str, Any]

MOST_RUNS = 500
COMING = 5
HOURS = 24.0
"""What fires later than that is not next."""

ALIVE = ("queued", "starting", "running")
FAILED = ("failed", "backoff", "orphaned")


class Looks:
    """Each call of ``take`` is a look; the processor's use is that since the look before."""

    def __init__(self) -> None:
        self._spent: dict[int, int] = {}
        self._at: float | None = None

    def take(self, *, is_patient: bool = False) -> Json:
        """``is_patient``: a scheduler that does not answer is said, not raised."""
        document = patiently() if is_patient else gathered()
        rows = [*document["services"], *document["runs"]]
        uses = survey(row["pid"] for row in rows if row["pid"] is not None)
        now = time.monotonic()
        passed = None if self._at is None else now - self._at
        before, self._spent, self._at = self._spent, {}, now
        for row in rows:
            processes = uses[row["pid"]].processes if row["pid"] in uses else []
            row |= {"processes": len(processes), "memory_bytes": None, "cpu_percent": None}
            if processes:
                row["memory_bytes"] = sum(one.memory_bytes for one in processes)
                row["cpu_percent"] = percent(processes, before, passed)
                self._spent.update((one.pid, one.cpu_ticks) for one in processes)
        return document


def percent(
    processes: Sequence[Process], before: Mapping[int, int], passed: float | None
) -> float | None:
    """Of one processor, since the look before; None where there was none."""
    if not passed:
        return None
    busy = sum(one.cpu_ticks - before.get(one.pid, one.cpu_ticks) for one in processes)
    return round(100 * busy / TICKS / passed, 1)


def gathered() -> Json:
    """The scheduler, the services, the runs that have not ended, the next to fire."""
    document: Json = {
        "at": facts.rfc3339(time.time() * 1000),
        "scheduler": {"running": False, "notice": None},
        "services": [service_row(one, builtin=True) for one in builtins()],
        "runs": [],
        "next": [],
    }
    if not has_store():
        return document
    document["services"] += [service_row(one, builtin=False) for one in own_views()]
    with session() as talk:
        status = talk.call("scheduler.status", {"jobs": False}, timeout=ANSWER_TIME)
        asked_for = {"n": MOST_RUNS, "states": list(ALIVE)}
        runs = talk.call("job.history", asked_for, timeout=ANSWER_TIME)["runs"]
        coming = talk.call("job.schedule", {"n": COMING, "hours": HOURS}, timeout=ANSWER_TIME)
    document["scheduler"] = {key: status.get(key) for key in SCHEDULER}
    document["runs"] = [run_row(run) for run in runs]
    document["next"] = [{"job": one["name"], "at": one["next_run"]} for one in coming["jobs"]]
    return document


SCHEDULER = ("running", "pid", "started_at", "uptime_seconds", "notice", "counts")


def builtins() -> list[Json]:
    return facts.services_facts(chosen(None).builtins)


def service_row(view: Mapping[str, Any], *, builtin: bool) -> Json:
    keys = ("name", "state", "health", "pid", "uptime_seconds", "restarts", "reason")
    return {"kind": "builtin" if builtin else "service", **{key: view[key] for key in keys}}


def run_row(run: Mapping[str, Any]) -> Json:
    started = run["started_at"]
    lived = time.time() - datetime.fromisoformat(started).timestamp() if started else None
    return {
        "kind": "run",
        "name": run["job"] or " ".join(run["command"] or ()) or "pb run",
        "run_id": run["run_id"],
        "state": run["state"],
        "pid": run["pid"],
        "uptime_seconds": None if lived is None else max(0.0, round(lived, 3)),
    }


def patiently() -> Json:
    """The same, where need be without what only the scheduler knows: it may just be restarting."""
    try:
        return gathered()
    except PbError as error:
        return {
            "at": facts.rfc3339(time.time() * 1000),
            "scheduler": {"running": False, "notice": error.message},
            "services": [service_row(one, builtin=True) for one in builtins()],
            "runs": [],
            "next": [],
        }
