"""The jobs that pb itself has: what keeps the past small, added up and safe, mostly at night.

They are jobs like all others: they can be paused, disabled, run by hand, and overridden by one of
the same name. What they do is in ``pb.maintenance``, in a process of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pb.api.context import Context, next_fire_ms
from pb.api.views import BUILTIN
from pb.core.definition import job_dump, job_from
from pb.core.model import Job
from pb.errors import ConflictError, InvalidError

if TYPE_CHECKING:
    from pb.config.settings import Settings

WEEK, MONTH = "7d", "28d"
"""How long after its time one that comes rarely is still made up for."""


def _table(text: str, python: str, cron: str, **keys: Any) -> dict[str, Any]:
    usual = {"jitter": "5m", "timeout": "30m", "timezone": "UTC"}
    return {
        "description": text,
        "python": f"pb.maintenance.targets:{python}",
        "cwd": "/",
        "triggers": [f"cron: {cron}"],
        "overlap": "skip",
        "misfire": {"spread": "5m"},
        "retention": {"keep_runs": 30},
        **usual,
        **keys,
    }


ROLLUP = {"locks": ["pb-rollup"]}
LONG: dict[str, Any] = {
    "timeout": "1h",
    "jitter": "10m",
    "misfire": {"spread": "5m", "window": WEEK},
}
HERE: dict[str, Any] = {"timezone": "local", "jitter": 0}

TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "rollup_day": (
        "rollups",
        _table("Adds the runs up by hour and day.", "rollup_day", "0 0 1 * * *", **ROLLUP),
    ),
    "rollup_week": (
        "rollups",
        _table(
            "Adds the days up to weeks.",
            "rollup_week",
            "0 0 2 * * 0",
            **ROLLUP,
            misfire={"spread": "5m", "window": WEEK},
        ),
    ),
    "rollup_month": (
        "rollups",
        _table(
            "Adds the days up to months.",
            "rollup_month",
            "0 0 3 1 * *",
            **ROLLUP,
            misfire={"spread": "5m", "window": MONTH},
        ),
    ),
    "compaction": (
        "compaction",
        _table("Tidies the database and checks it.", "compaction", "0 0 4 * * 0", **LONG),
    ),
    "retention": (
        "retention",
        _table("Lets go of what is too old.", "retention", "0 30 3 * * *"),
    ),
    "backup_weekly": (
        "backup",
        _table("Makes a backup and verifies it.", "backup", "0 30 4 * * 0", **LONG),
    ),
    "digest_daily": (
        "digests",
        _table("Writes down what happened in a day.", "digest_daily", "0 0 18 * * *", **HERE),
    ),
    "digest_weekly": (
        "digests",
        _table("Writes down what happened in a week.", "digest_weekly", "0 0 18 * * SUN", **HERE),
    ),
}
"""Each job's setting (``maintenance.SETTING``), and its definition."""


def wanted(settings: Settings) -> Iterator[Job]:
    """The built-in jobs that the settings ask for."""
    zone = settings.scheduler.timezone
    for name, (setting, table) in TABLES.items():
        if getattr(settings.maintenance, setting):
            job = job_from({"name": name, **table})
            yield dataclasses.replace(job, timezone=zone) if job.timezone == "local" else job


def install(context: Context) -> list[str]:
    """Bring the store's built-in jobs in line, in one transaction if anything has to change; which.

    A job of somebody's own that has such a name stays as it is. Pauses and switches stay.
    """
    jobs = {job.name: job for job in wanted(context.settings)}
    if all(_is_settled(context, name, jobs.get(name)) for name in TABLES):
        return []
    with context.store.transaction():
        changed = [n for n in TABLES if not _is_settled(context, n, jobs.get(n))]
        for name in changed:
            _settle(context, name, jobs.get(name))
    return changed


def _is_settled(context: Context, name: str, job: Job | None) -> bool:
    row = context.store.job(name)
    if row is None or row.source != BUILTIN:
        return row is not None or job is None
    return job is not None and row.definition == _text(job)


def _settle(context: Context, name: str, job: Job | None) -> None:
    now, row = context.now(), context.store.job(name)
    if job is None:
        context.store.remove_job(name)
        return
    next_ms = next_fire_ms(job, now)
    if row is None:
        context.store.add_job(
            name=name,
            definition=_text(job),
            source=BUILTIN,
            enabled=True,
            paused_at=None,
            now=now,
            next_fire_at=next_ms,
        )
        return
    context.store.replace_job(
        name=name, definition=_text(job), source=BUILTIN, enabled=row.enabled, now=now
    )
    is_on = row.enabled and row.paused_at is None
    context.store.set_plan(name, now, next_ms if is_on else None)


def _text(job: Job) -> str:
    return json.dumps(job_dump(job), ensure_ascii=False, separators=(",", ":"))


def refuse_reserved(context: Context, name: str, *, replace: bool) -> None:
    """Raises ConflictError for a new job that has the name of a built-in one, unless that is meant:
    with ``replace``."""
    if name not in TABLES or replace:
        return
    row = context.store.job(name)
    if row is None or row.source == BUILTIN:
        raise ConflictError(
            f"{name!r} is the name of a job that pb itself has",
            hint="Choose another name, or add --replace to do it your own way.",
        )


def refuse_removal(name: str, source: str) -> None:
    """Raises InvalidError for a job that is pb's own: it would come back at the next start."""
    if source == BUILTIN:
        raise InvalidError(
            f"Job {name} is pb's own and cannot be removed",
            hint=f"Run: pb job disable {name}, or set maintenance.{TABLES[name][0]} = false.",
        )
