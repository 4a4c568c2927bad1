"""Jobs that were removed, as they were at last, so that a removal can be undone.

Works in the transactions of a ``Store``; it decides nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "removed.sql")

KEPT = 100
"""Removed jobs that are remembered; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedJob:
    """A job's last definition and switches. Instants are epoch milliseconds."""

    name: str
    definition: str
    source: str
    enabled: bool
    paused_at: int | None
    pause_note: str | None
    paused_until: int | None


def keep(store: Store, name: str, *, now: int) -> None:
    """Remember a job that is about to be removed."""
    store.write(SQL["keep"], [{"name": name, "now": now}])
    store.write(SQL["prune"], [(KEPT,)])


def find(store: Store, name: str) -> RemovedJob | None:
    for row in store.select(SQL["find"], (name,)):
        known = {key: row[key] for key in RemovedJob.__slots__}
        return RemovedJob(**{**known, "enabled": bool(row["enabled"])})
    return None


def names(store: Store) -> list[str]:
    """The names that can be brought back, the one that was removed last first."""
    return [row["name"] for row in store.select(SQL["names"])]


def give_back(store: Store, name: str) -> None:
    """Give a job that is there again its counters; then nothing of it is left here."""
    store.write(SQL["give_back"], [{"name": name}])
    store.write(SQL["forget"], [(name,)])
