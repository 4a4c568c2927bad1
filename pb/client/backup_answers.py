"""What the gateway answers about backups, as types; like ``answers``."""

from __future__ import annotations

from typing import TypedDict


class Backup(TypedDict):
    """A backup; ``problem`` says why it cannot be used, as far as that is seen from outside."""

    name: str
    path: str
    size_bytes: int
    problem: str | None
    created_at: str | None
    pb_version: str | None
    db_schema: int | None
    counts: dict[str, int]


class BackupMade(TypedDict):
    """A backup that was just made, and the names of those that were let go for it."""

    backup: Backup
    removed: list[str]


BackupList = list[Backup]
"""For a class in which ``list`` is a method."""
