"""Which runs are over their limits, what would go with them, and removing their logs.

The rows themselves go by ``store.rollups.let_go``, a few at a time.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

from pb.api.context import Context
from pb.api.history import require_known
from pb.api.views import Json, rfc3339
from pb.config.settings import RetentionSettings
from pb.process.logfile import log_files, remove_log
from pb.store import retention
from pb.store.history import Select
from pb.store.retention import Expired, Rule

log = logging.getLogger("retention")

AT_ONCE = 500
"""Runs found by one look: their logs go before the next."""

SHOWN = 20_000
"""Runs that are looked at for `pb retention`, at most."""

Names = tuple[str | None, ...]


def rule_from(settings: RetentionSettings) -> Rule:
    return Rule(settings.keep_runs, settings.keep_days)


def search(
    select: Select, names: Names | None, default: Rule, now_ms: int, most: int = AT_ONCE
) -> tuple[list[Expired], Names, dict[str | None, int]]:
    """What may go; the jobs left to look at; what those keep that have a rule of their own."""
    todo = retention.crowded(select, default, now_ms) if names is None else names
    rows: list[Expired] = []
    keeps: dict[str | None, int] = {}
    for place, job in enumerate(todo):
        rule = retention.rule_of(select, job, default)
        if rule.keep_runs != default.keep_runs:
            keeps[job] = rule.keep_runs
        rows += retention.expired(select, job, rule, now_ms=now_ms, most=most - len(rows))
        if len(rows) >= most:
            return rows, tuple(todo[place:]), keeps
    return rows, (), keeps


def result_path(log: Path) -> Path:
    """Where the run with that log may write its result."""
    return log.with_suffix(".output")


def event_path(log: Path) -> Path:
    """Where the run with that log finds its event's items."""
    return log.with_suffix(".event")


def run_log(row: Expired) -> Path | None:
    """The run's log; a path that is no run's log is left alone."""
    path = Path(row.log_path) if row.log_path is not None else None
    return path if path is not None and path.name == f"{row.id}.log" else None


def drop_log(row: Expired) -> None:
    """Remove a run's log, its result and its event."""
    path = run_log(row)
    if path is None:
        return
    try:
        remove_log(path)
        for beside in (result_path(path), event_path(path)):
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
    except OSError as error:
        log.warning("Cannot remove %s: %s", path, (error.strerror or str(error)).lower())


def log_bytes(row: Expired) -> int:
    """What would be free on disk without the run's log; nothing for one that is gone."""
    path, size = run_log(row), 0
    for one in log_files(path) if path is not None else []:
        with contextlib.suppress(OSError):
            size += one.stat().st_blocks * 512
    return size


def retention_show(context: Context, *, name: str | None) -> Json:
    """What would be let go now, by job: how many runs, and the size of their logs. Nothing is."""
    select, now = context.store.select, context.now()
    default = rule_from(context.settings.retention)
    require_known(context, name)
    with context.store.snapshot():
        todo = [name] if name is not None else retention.crowded(select, default, now)
        found: list[Json] = []
        left = SHOWN
        for job in todo:
            rule = retention.rule_of(select, job, default)
            rows = retention.expired(select, job, rule, now_ms=now, most=left)
            left -= len(rows)
            if rows:
                found.append(_view(select, job, rule, rows))
    return {
        "jobs": found,
        "runs": sum(one["runs"] for one in found),
        "log_bytes": sum(one["log_bytes"] for one in found),
        "is_complete": left > 0,
    }


def _view(select: Select, job: str | None, rule: Rule, rows: list[Expired]) -> Json:
    newest: Any = select(retention.SQL["recorded_at"], (rows[-1].id,))[0]["queued_at"]
    return {
        "job": job,
        "runs": len(rows),
        "log_bytes": sum(map(log_bytes, rows)),
        "until": rfc3339(newest),
        "keep_runs": rule.keep_runs,
        "keep_days": rule.keep_days,
    }
