"""What is counted over all time, for whoever draws curves of it. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pb.store.database import queries
from pb.store.history import Select

SQL = queries(Path(__file__).parent / "metrics.sql")


def job_counters(select: Select) -> Sequence[Any]:
    """Every job's state and counters, by name."""
    return select(SQL["jobs"], ())


def soonest_fire_ms(select: Select) -> int | None:
    """The fire time that is due first, of all jobs that run by themselves; None without one."""
    at = select(SQL["soonest"], ())[0]["at"]
    return None if at is None else int(at)
