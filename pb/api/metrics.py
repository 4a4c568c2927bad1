"""Numbers to be drawn as curves: counters of jobs and services, queues, how late the scheduler is.

Counters come from the store, so they go on where they were after any restart; a job's or service's
end with it.
"""

from __future__ import annotations

from typing import Any

from pb.api.context import Context
from pb.api.listing import queue_list
from pb.api.service_views import service_list
from pb.api.views import Json
from pb.process.limits import resident
from pb.store.metrics import job_counters, soonest_fire_ms

COUNTERS = ("run", "success", "error", "timeout", "skip", "miss", "retry")
"""What is counted of each job: columns of the store, and keys of the answer, with ``_count``."""

SUMS = ("timed_runs", "duration_ms_sum", "late_runs", "lateness_ms_sum")


def system_metrics(context: Context) -> Json:
    """Everything at once. ``lag_seconds`` is how long the fire time that is due first has been
    due: 0 as long as the scheduler keeps up."""
    facts = context.facts() if context.facts is not None else {}
    pid = facts.get("pid")
    due = soonest_fire_ms(context.store.select)
    return {
        "running": context.facts is not None,
        "memory_bytes": resident(pid) if pid else None,
        "lag_seconds": 0.0 if due is None else max(0, context.now() - due) / 1000,
        "jobs": [job_numbers(row) for row in job_counters(context.store.select)],
        "services": [service_numbers(context, view) for view in services(context)],
        "queues": queue_list(context)["queues"],
    }


def job_numbers(row: Any) -> Json:
    counts = {f"{word}_count": row[f"{word}_count"] for word in COUNTERS}
    return {
        "name": row["name"],
        **counts,
        **{name: row[name] for name in SUMS},
        "running": row["running"],
        "paused": row["paused_at"] is not None,
        "enabled": bool(row["enabled"]),
        "last_run_ms": row["last_run_at"],
        "next_run_ms": row["next_fire_at"],
        "last_failed": row["last_error"] is not None,
    }


def services(context: Context) -> list[Json]:
    views: list[Json] = service_list(context, names=[])["services"]
    return views


def service_numbers(context: Context, view: Json) -> Json:
    rows = context.store.services.instances(view["service"])
    lives = {row.instance: row.life for row in rows}
    return {
        "name": view["name"],
        "service": view["service"],
        "state": view["state"],
        "health": view["health"],
        "starts": lives.get(view["instance"], 0),
        "uptime_seconds": view["uptime_seconds"],
    }
