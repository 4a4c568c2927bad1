"""What of the past may go: the runs of a job that are over its limits, oldest first.

Always kept: a job's newest record, its newest run, its last success and its last failure, each
whatever the limits say. Nothing is deleted here; that is ``rollups.let_go``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pb.core.lean import dataclass
from pb.core.model import ERRORS
from pb.store.database import queries
from pb.store.history import Select

SQL = queries(Path(__file__).parent / "retention.sql")

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept: so many runs (and as many skips, and as many misses), for so many days."""

    keep_runs: int
    keep_days: int


@dataclass(frozen=True, slots=True)
class Expired:
    """A run that may go, with its log."""

    id: int
    log_path: str | None


def rule_of(select: Select, job: str | None, default: Rule) -> Rule:
    """The rule of one job; runs without a job, or of one that was removed, have the default."""
    found = select(SQL["rule"], (job,)) if job is not None else ()
    if not found:
        return default
    runs, days = found[0]["keep_runs"], found[0]["keep_days"]
    return Rule(runs or default.keep_runs, days or default.keep_days)


def crowded(select: Select, default: Rule, now_ms: int) -> list[str | None]:
    """The jobs (None: runs without one) that may be over their limits."""
    values = {
        "keep_runs": default.keep_runs,
        "keep_days": default.keep_days,
        "now": now_ms,
        "day": DAY_MS,
    }
    return [row["job"] for row in select(SQL["crowded"], values)]


def expired(
    select: Select, job: str | None, rule: Rule, *, now_ms: int, most: int
) -> list[Expired]:
    """Up to ``most`` runs of ``job`` that may go, oldest first."""

    def place(name: str, place: int, state: str = "") -> int:
        found = select(SQL[name], {"job": job, "place": place, "state": state})
        return found[0]["id"] if found else -1

    kept = {
        place("newest", 0),
        place("executed_at", 0),
        place("last_success", 0),
        max(place("unlucky_at", 0, state) for state in ERRORS),
    }
    values = {
        "job": job,
        "before": now_ms - rule.keep_days * DAY_MS,
        "executed": place("executed_at", rule.keep_runs),
        "skipped": place("unlucky_at", rule.keep_runs, "skipped"),
        "missed": place("unlucky_at", rule.keep_runs, "missed"),
        "kept": json.dumps(sorted(kept)),
        "n": most,
    }
    return [Expired(row["id"], row["log_path"]) for row in select(SQL["expired"], values)]
