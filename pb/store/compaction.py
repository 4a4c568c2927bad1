"""Keeping the database file small and quick, and knowing that it is whole. It deletes nothing.

Each step is short or blocks nobody; how they follow one another is ``pb.maintenance``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pb.core.lean import dataclass

if TYPE_CHECKING:
    from pb.store.store import Store

MOST = 10
"""Faults after which SQLite stops looking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The database's size in bytes, and how many of them are free."""

    bytes: int
    free_bytes: int


def size_of(store: Store) -> Size:
    page, pages, free = (
        int(store.select(f"PRAGMA {name}")[0][0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Size(bytes=page * pages, free_bytes=page * free)


def checkpoint(store: Store) -> None:
    """Bring what stands in the log into the database. First as far as it goes without holding
    anybody up, then the little that is left, after which the log is empty (SQLite, "WAL")."""
    store.select("PRAGMA wal_checkpoint(PASSIVE)")
    store.select("PRAGMA wal_checkpoint(TRUNCATE)")


def optimise(store: Store) -> None:
    """Renew the statistics that SQLite plans queries with, from samples (its manual, "ANALYZE")."""
    store.select("PRAGMA analysis_limit = 400")
    store.select("PRAGMA optimize")


def shrink_some(store: Store, pages: int) -> int:
    """Give up to so many free pages at the end of the file back; how many. 0: there are none, or
    the database was made before pb asked for this (PRAGMA auto_vacuum)."""
    before = int(store.select("PRAGMA freelist_count")[0][0])
    if before == 0:
        return 0
    store.select(f"PRAGMA incremental_vacuum({int(pages)})")
    return before - int(store.select("PRAGMA freelist_count")[0][0])


def faults(store: Store) -> list[str]:
    """What is wrong with the whole database; nothing when all is well. It reads every page, and
    holds nobody up."""
    rows = store.select(f"PRAGMA integrity_check({MOST})")
    return [str(row[0]) for row in rows if row[0] != "ok"]
