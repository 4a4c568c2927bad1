"""What the history says of jobs and queues, as numbers for triggers. Part of a ``Store``; it
decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pb.store.database import queries

SQL = queries(Path(__file__).parent / "gauges.sql")

MOST = 1000
"""Runs that are looked back at."""

Select = Callable[..., list[Any]]


def consecutive_failures(select: Select, job: str) -> int:
    """Runs that failed since the last that went well, ``MOST`` at most."""
    return int(select(SQL["recent_failures"], {"job": job, "most": MOST})[0]["n"])


def last_success_ms(select: Select, job: str) -> int | None:
    rows = select(SQL["last_success"], (job,))
    return rows[0]["finished_at"] if rows else None


def waiting_since_ms(select: Select, job: str) -> int | None:
    """Since when the oldest of its runs that wait could have been started."""
    at = select(SQL["waiting_since"], (job,))[0]["at"]
    return None if at is None else int(at)


def last_wait_ms(select: Select, job: str) -> int | None:
    """How long its newest run that was started has waited for that."""
    rows = select(SQL["last_wait"], (job,))
    return rows[0]["ms"] if rows else None


def durations_ms(select: Select, job: str, *, before: int, most: int) -> list[int]:
    """How long the last runs took that went well, of those before the run ``before``."""
    rows = select(SQL["durations"], {"job": job, "before": before, "most": most})
    return [row["ms"] for row in rows]
