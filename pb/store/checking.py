"""The database's check of itself, without changing a byte of it."""

from __future__ import annotations

from pathlib import Path

from pb.store.database import open_database, wrapped

MOST = 10
"""Faults after which SQLite stops looking."""


def quick_check(path: Path) -> list[str]:
    """What ``PRAGMA quick_check`` says of the database; nothing when all is well.

    Raises StoreError and PermissionDeniedError for a file that cannot even be opened.
    """
    connection = open_database(path, readonly=True)
    try:
        with wrapped(path):
            rows = connection.execute(f"PRAGMA quick_check({MOST})").fetchall()
    finally:
        connection.close()
    return [str(row[0]) for row in rows if row[0] != "ok"]
