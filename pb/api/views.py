"""Rows as the JSON that everybody sees (SPEC section 2): names frozen, instants RFC 3339.

Nothing here asks or changes anything.
"""

from __future__ import annotations

import json
import time
from typing import Any

from pb.core.secrets import hidden
from pb.store.rows import EventRow, JobRow, Run
from pb.store.sharing import SchedulerRow

Json = dict[str, Any]


BUILTIN = "builtin"
"""The source of a job that pb itself has."""

LATEST_MS = 253_402_300_799_999
"""The last instant that can be written so: the end of the year 9999."""


def rfc3339(ms: int | None) -> str | None:
    """Epoch milliseconds as RFC 3339 UTC with milliseconds and a Z."""
    if ms is None:
        return None
    seconds, rest = divmod(ms, 1000)
    year, month, day, hour, minute, second, *_ = time.gmtime(seconds)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z"


def job_state(row: JobRow) -> str:
    """``paused`` before ``running`` before ``disabled`` before ``idle``."""
    if row.paused_at is not None:
        return "paused"
    if row.running:
        return "running"
    return "idle" if row.enabled else "disabled"


def job_view(row: JobRow) -> Json:
    definition = json.loads(row.definition)
    return {
        "name": row.name,
        "state": job_state(row),
        "enabled": row.enabled,
        "paused": row.paused_at is not None,
        "paused_at": rfc3339(row.paused_at),
        "pause_note": row.pause_note,
        "paused_until": rfc3339(row.paused_until),
        "description": definition.get("description", ""),
        "triggers": triggers_shown(definition.get("triggers", [])),
        "timezone": definition.get("timezone", "local"),
        "next_run": rfc3339(row.next_fire_at),
        "last_run": rfc3339(row.last_run_at),
        "last_result": row.last_result,
        "last_error": row.last_error,
        "last_duration_ms": row.last_duration_ms,
        "last_skip": rfc3339(row.last_skip_at),
        "last_skip_reason": row.last_skip_reason,
        "run_count": row.run_count,
        "success_count": row.success_count,
        "error_count": row.error_count,
        "skip_count": row.skip_count,
        "miss_count": row.miss_count,
        "timeout_count": row.timeout_count,
        "retry_count": row.retry_count,
        "running": row.running > 0,
        "tags": definition.get("tags", []),
        "source": row.source,
        "builtin": row.source == BUILTIN,
    }


def triggers_shown(triggers: list[Json]) -> list[Json]:
    """Without the tokens and secrets of web hooks."""
    return [
        {key: hidden(part, key) for key, part in one.items()} if one["type"] == "webhook" else one
        for one in triggers
    ]


def run_view(run: Run) -> Json:
    return {
        "run_id": run.id,
        "job": run.job,
        "fire_time": rfc3339(run.fire_at),
        "fire_count": run.fire_count,
        "trigger": run.trigger,
        "queued_at": rfc3339(run.queued_at),
        "started_at": rfc3339(run.started_at),
        "finished_at": rfc3339(run.finished_at),
        "state": str(run.state),
        "reason": run.reason,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "pid": run.pid,
        "attempt": run.attempt,
        "log_path": run.log_path,
        "max_rss_bytes": run.max_rss_bytes,
        "cpu_seconds": run.cpu_seconds,
        "command": json.loads(run.command) if run.command else None,
        "by": run.requested_by,
        "duration_ms": run.duration_ms,
        "lateness_ms": None if run.started_at is None else run.started_at - run.fire_at,
    }


def whole_run_view(run: Run) -> Json:
    """The same with the run's result, which may be long."""
    return {**run_view(run), "output": json.loads(run.output) if run.output else None}


def event_view(row: EventRow) -> Json:
    return {
        "seq": row.seq,
        "at": rfc3339(row.at),
        "type": row.type,
        "job": row.job,
        "run_id": row.run_id,
        "service": row.service,
        "by": row.actor,
        "text": row.text,
    }


def scheduler_view(row: SchedulerRow) -> Json:
    """One of the schedulers that share the store."""
    return {
        "home": row.home,
        "pid": row.pid,
        "mode": row.mode,
        "started_at": rfc3339(row.started_at),
        "lease_until": rfc3339(row.lease_until_at),
    }
