"""Opening the SQLite file: checks before the first write, migrations, transactions, clear errors.

Queries belong to ``store``; nothing here knows a table of ours but ``meta``.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from pb.core.histogram import merged
from pb.errors import PermissionDeniedError, StoreError

APPLICATION_ID = 0x706F6E79
"""``pony`` in the file's header: what tells our database from anybody else's (PRAGMA)."""

BUSY_MS = 3_000
"""How long a writer waits for another one before it gives up."""

MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Open ``path``, migrated and in WAL mode.

    A file that is not ours, is damaged, or was written by a newer ``pb`` is refused with its
    bytes untouched. Raises StoreError and PermissionDeniedError.
    """
    with wrapped(path):
        check_file(path, create=not readonly)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        try:
            prepare(connection, path, readonly=readonly)
        except BaseException:
            connection.close()
            raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path, *, readonly: bool) -> None:
    connection.row_factory = sqlite3.Row
    check_owner(connection, path)
    if readonly:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -1000")
        return
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
        # So that free pages can be given back a few at a time (``compaction``). Said of a file
        # that is no longer empty, it would be a write at each opening.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # A WAL of 4 MB is checkpointed by the writer that fills it; idle costs nothing.
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    connection.execute("PRAGMA journal_size_limit = 8388608")
    connection.execute("PRAGMA cache_size = -1000")
    connection.create_function("merged", 2, merged, deterministic=True)
    migrate(connection)


def check_file(path: Path, *, create: bool) -> None:
    """Refuse what is no regular file; create a missing one private (0600), never later."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        if not create:
            raise StoreError(
                f"There is no database at {path}", hint="Run: pb scheduler start"
            ) from None
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        return
    if not stat.S_ISREG(facts.st_mode):
        raise StoreError(
            f"{path} is not a regular file", hint="Move it aside, or give another --db."
        )


def check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Tell ours from foreign and newer before anything is written."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not (empty and application == 0 and version == 0):
        raise StoreError(
            f"{path} is a database of another program; nothing in it was changed",
            hint="Give another file with --db, or move this one aside.",
        )
    newest = len(migration_files())
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer pb (schema {version}; this one knows {newest})",
            hint="Upgrade pb: pip install --upgrade ponybunny",
        )


def migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("[0-9]*.sql"))


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date in one transaction; killed at any point it is all or nothing."""
    files = migration_files()
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(files):
        return
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        done = connection.execute("PRAGMA user_version").fetchone()[0]
        for file in files[done:]:
            for statement in statements(file.read_text(encoding="utf-8")):
                connection.execute(statement)
        if done == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(
                "INSERT INTO meta (key, value) VALUES ('store_id', ?)", (secrets.token_hex(8),)
            )
        connection.execute(f"PRAGMA user_version = {len(files)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def statements(script: str) -> Iterator[str]:
    """The script's statements, one at a time (``executescript`` would commit behind our back)."""
    text = ""
    for line in script.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


@contextlib.contextmanager
def wrapped(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system raise into one sentence of ours, once."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error
    except PermissionError as error:
        raise PermissionDeniedError(
            f"Cannot open the database {path}: permission denied", hint="Check who owns it."
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"Cannot open the database {path}: {reason}",
            hint="Check the path, the disk and its free space.",
        ) from error


def explained(error: sqlite3.Error, path: Path) -> StoreError | PermissionDeniedError:
    """The sentence and hint for an SQLite error, by its primary result code."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"Cannot write {path}: the disk is full", hint="Free some space; nothing was lost."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return PermissionDeniedError(
                f"Cannot write {path}: it is read-only", hint="Check the file's owner and mode."
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(
                f"{path} is damaged or not a database; its bytes were left as they are",
                hint="Put a backup back: pb backup restore latest. Or begin with an empty one and "
                "keep this one aside: pb backup set-aside",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"{path} is locked by another process", hint="Try again, or see who has it open."
            )
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
            return StoreError(
                f"Cannot read or write {path}: {error}", hint="Check the disk and its free space."
            )
        case _:
            return StoreError(f"The database {path} refused: {error}")


def queries(file: Path) -> dict[str, str]:
    """The named queries of an ``.sql`` file: ``-- name: NAME`` heads each."""
    parts = re.split(r"^-- name: (\w+)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
