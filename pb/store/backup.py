"""Copying a database while others write to it, looking into a copy, and readying one to be used.

Which files these are, and how they are packed, is for ``pb.api``.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.store.database import check_file, check_owner, queries, wrapped

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "backup.sql")

MAGIC = b"SQLite format 3\0"
"""The first bytes of every SQLite database (its file format, section 1.3.1)."""

MOST = 10
"""Faults after which SQLite stops looking."""

BESIDE = ("-wal", "-shm")
"""What belongs to a database in WAL mode, and must never meet another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a database. ``schema``: how many migrations it has had; ``counts`` are rows by
    table; ``numbers`` the last ones given out, by table (AUTOINCREMENT)."""

    schema: int
    store_id: str
    counts: Mapping[str, int]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """A definition as it is stored, and whether it is enabled and paused now."""

    name: str
    definition: str
    source: str
    enabled: bool
    paused: bool = False


Halted = Callable[[], bool]
"""Whether work of many seconds is to be given up."""

STEPS = 20_000
"""Of SQLite's machine between two looks at that: some milliseconds."""


def never() -> bool:
    return False


@contextlib.contextmanager
def opened(path: Path, halted: Halted = never) -> Iterator[sqlite3.Connection]:
    """A database of ours, of any schema that we know. Raises StoreError for any other, and when
    it is ``halted``."""
    with wrapped(path):
        check_file(path, create=False)
        connection = sqlite3.connect(path, timeout=3.0, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            check_owner(connection, path)
            connection.execute("PRAGMA cache_size = -1000")
            connection.set_progress_handler(halted, STEPS)
            yield connection
        finally:
            connection.close()


def copy_to(source: Path, target: Path, halted: Halted = never) -> None:
    """Write a compact copy of ``source`` as it is at one moment to ``target``, a new private file.

    It reads one snapshot (WAL), so whoever writes meanwhile waits for nothing, and copies no pages
    that deleted rows were on (VACUUM INTO). Raises StoreError, also for a damaged source.
    """
    with wrapped(target):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with opened(source, halted) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def faults_of(path: Path, halted: Halted = never) -> list[str]:
    """What is wrong in a database: its structure, then its references. Raises StoreError."""
    with opened(path, halted) as connection:
        rows = connection.execute(f"PRAGMA integrity_check({MOST})").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        strays = connection.execute("PRAGMA foreign_key_check").fetchmany(MOST)
        return found + [f"a row of {row[0]} belongs to no {row[2]}" for row in strays]


def contents_of(path: Path) -> Contents:
    """What is in a database. Raises StoreError when it cannot be read, or is not ours."""
    with opened(path) as connection:
        tables = [row["name"] for row in connection.execute(SQL["tables"])]
        counts = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
            for name in tables
        }
        found = connection.execute(SQL["store_id"]).fetchone() if "meta" in tables else None
        return Contents(
            schema=connection.execute("PRAGMA user_version").fetchone()[0],
            store_id=str(found["value"]) if found else "",
            counts=counts,
            numbers={row["name"]: row["seq"] for row in connection.execute(SQL["numbers"])},
        )


def definitions_in(path: Path) -> tuple[list[Defined], list[Defined]]:
    """The jobs and the services in a database, by name. Raises StoreError."""
    with opened(path) as connection:
        tables = {row["name"] for row in connection.execute(SQL["tables"])}
        jobs = [
            Defined(
                name=row["name"],
                definition=row["definition"],
                source=row["source"],
                enabled=bool(row["enabled"]),
                paused=bool(row["paused"]),
            )
            for row in connection.execute(SQL["jobs"])
        ]
        rows = connection.execute(SQL["services"]) if "service" in tables else ()
        services = [
            Defined(
                name=row["name"],
                definition=row["definition"],
                source=row["source"],
                enabled=bool(row["enabled"]),
            )
            for row in rows
        ]
        return jobs, services


def settle(store: Store, numbers: Mapping[str, int]) -> None:
    """Make a restored database one that nobody works on yet, inside a transaction of its own store.

    No number is given out again that was given out since the copy was made (``numbers``), and no
    scheduler is on it.
    """
    store.write(SQL["forget_schedulers"], [()])
    for name, number in numbers.items():
        store.write(SQL["first_number"], [{"name": name, "seq": number}])
        store.write(SQL["raise_number"], [{"name": name, "seq": number}])
