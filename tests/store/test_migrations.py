"""Migrations that are killed: whatever the moment, the next start finds all of it or nothing."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pb.store.database import APPLICATION_ID, migration_files, open_database, statements

KILLING = [("pwrite64", 1), ("pwrite64", 2), ("pwrite64", 5), ("fdatasync", 1)]
"""System calls that every migration makes; whether it makes the others is SQLite's affair."""

DIES_AT_A_STATEMENT = """
import os, signal, sys
from pathlib import Path
from pb.store import database

path, limit = Path(sys.argv[1]), int(sys.argv[2])
given, count = database.statements, 0

def statements(script):
    global count
    for text in given(script):
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        yield text

database.statements = statements
database.open_database(path).close()
print("migrated")
"""

DIES_WITHIN_A_STATEMENT = """
import os, signal, sqlite3, sys
from pathlib import Path
from pb.store import database

path, limit = Path(sys.argv[1]), int(sys.argv[2])
given, count = database.migrate, 0

def tick():
    global count
    count += 1
    if count >= limit:
        os.kill(os.getpid(), signal.SIGKILL)

def migrate(connection):
    connection.set_progress_handler(tick, 20)
    given(connection)

database.migrate = migrate
database.open_database(path).close()
print("migrated")
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of an older version, with a thousand jobs in it."""
    path = tmp_path_factory.mktemp("old") / "pony.db"
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("BEGIN")
        for file in migration_files()[:1]:
            for statement in statements(file.read_text()):
                raw.execute(statement)
        raw.execute("INSERT INTO meta (key, value) VALUES ('store_id', 'x')")
        for number in range(1000):
            raw.execute(
                "INSERT INTO job (name, definition, source, enabled, created_at, updated_at)"
                " VALUES (?, '{}', 'cli', 1, 0, 0)",
                (f"job{number}",),
            )
            raw.execute(
                "INSERT INTO job_state (job_id, planned_until) VALUES (?, 0)", (number + 1,)
            )
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("PRAGMA user_version = 1")
        raw.execute("COMMIT")
    raw.close()
    return path


def schema_of(path: Path) -> list[tuple[str, str]]:
    raw = sqlite3.connect(path)
    rows = raw.execute(
        "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
    ).fetchall()
    raw.close()
    return rows


def check(path: Path, tmp_path: Path) -> None:
    """As it was or as it should be; after the next start as it should be, with all its rows."""
    raw = sqlite3.connect(path)
    version = raw.execute("PRAGMA user_version").fetchone()[0]
    assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    raw.close()
    assert version in (1, len(migration_files()))
    open_database(path).close()
    fresh = tmp_path / "fresh.db"
    open_database(fresh).close()
    assert schema_of(path) == schema_of(fresh)
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT count(*) FROM job").fetchone()[0] == 1000
    assert raw.execute("SELECT count(*) FROM job_state WHERE revision = 0").fetchone()[0] == 1000
    raw.close()


def killed(script: str, path: Path, limit: int) -> bool:
    """Whether the migration was killed; False when it had ended before."""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path), str(limit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 8, 12])
def test_a_migration_killed_between_two_statements_starts_anew(
    old: Path, tmp_path: Path, limit: int
) -> None:
    path = shutil.copy(old, tmp_path / "pony.db")
    assert killed(DIES_AT_A_STATEMENT, path, limit)
    check(path, tmp_path)


@pytest.mark.parametrize("limit", [1, 10, 60, 200, 350])
def test_a_migration_killed_within_a_statement_starts_anew(
    old: Path, tmp_path: Path, limit: int
) -> None:
    path = shutil.copy(old, tmp_path / "pony.db")
    assert killed(DIES_WITHIN_A_STATEMENT, path, limit)
    check(path, tmp_path)


@pytest.mark.parametrize("limit", [2, 6, 20])
def test_the_first_migration_of_all_may_be_killed_too(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "pony.db"
    assert killed(DIES_AT_A_STATEMENT, path, limit)
    open_database(path).close()
    fresh = tmp_path / "fresh.db"
    open_database(fresh).close()
    assert schema_of(path) == schema_of(fresh)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to kill at a system call")
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "ftruncate"])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_migration_killed_while_it_writes_to_the_disk_starts_anew(
    old: Path, tmp_path: Path, call: str, number: int
) -> None:
    path = shutil.copy(old, tmp_path / "pony.db")
    script = "import sys; from pathlib import Path; from pb.store.database import open_database"
    script += "; open_database(Path(sys.argv[1])).close()"
    inject = f"inject={call}:signal=KILL:when={number}"
    ran = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", inject,
         sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "ptrace" in ran.stderr:
        pytest.skip(f"strace may not trace here: {ran.stderr.strip()}")
    assert ran.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), ran.stderr
    assert ran.returncode != 0 or (call, number) not in KILLING
    check(path, tmp_path)
