"""Opening the database: ours, nobody else's, and never with a byte changed that is not ours."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pb.errors import Exit, PermissionDeniedError, StoreError
from pb.store import database
from pb.store.database import APPLICATION_ID, migration_files
from pb.store.store import Store
from tests.kit.users import unprivileged


def test_a_new_database_is_private_ours_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "pony.db"
    with Store(path) as store:
        assert len(store.store_id) == 16
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert raw.execute("PRAGMA user_version").fetchone()[0] == len(migration_files())
    raw.close()


def test_the_store_id_stays_the_same(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as first:
        number = first.store_id
    with Store(tmp_path / "a.db") as again, Store(tmp_path / "b.db") as other:
        assert again.store_id == number != other.store_id


def write(store: Store, text: str, then: Callable[[], object] = lambda: None) -> None:
    with store.transaction():
        store.add_event(at=1, kind="x", text=text)
        then()


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE photos (id INTEGER PRIMARY KEY)")
    raw.close()


def newer(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 999")
    raw.close()


def truncated(path: Path) -> None:
    Store(path).close()
    with path.open("r+b") as file:
        file.truncate(5000)
        file.seek(100)
        file.write(b"\xff" * 200)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign, "a database of another program"),
        (newer, "written by a newer pb"),
        (truncated, "damaged or not a database"),
        (lambda path: path.write_bytes(b"hello, not a database at all" * 50), "not a database"),
        (lambda path: path.mkdir(), "not a regular file"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_what_is_not_our_database_is_refused_and_left_as_it_is(
    tmp_path: Path, make: object, words: str
) -> None:
    path = tmp_path / "pony.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=words) as caught:
        Store(path)
    assert caught.value.hint
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_read_only_directory_is_a_permission_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    denied = pytest.raises(PermissionDeniedError, match="permission denied")
    with unprivileged(), denied as caught:
        Store(tmp_path / "pony.db")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("place", "words"), [("none/pony.db", "no such file"), ("file/pony.db", "not a directory")]
)
def test_a_database_that_has_no_place_to_be_is_a_sentence(
    tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=words) as caught:
        Store(tmp_path / place)
    assert "path" in (caught.value.hint or "")


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    store._db.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the size that there is
    try:
        yield
    finally:
        store._db.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def failing_writes(store: Store) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond 1 MB (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("trouble", "words"), [(full_disk, "the disk is full"), (failing_writes, "disk I/O error")]
)
def test_a_write_that_fails_is_undone_told_and_may_be_tried_again(
    tmp_path: Path, trouble: Callable[[Store], AbstractContextManager[None]], words: str
) -> None:
    with Store(tmp_path / "pony.db") as store:
        write(store, "before")
        with trouble(store), pytest.raises(StoreError, match=words) as caught:
            write(store, "x" * 2_000_000)
        assert "space" in (caught.value.hint or "")
        write(store, "after")
        assert [event.text for event in store.events(5)] == ["after", "before"]


def test_a_missing_database_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database"):
        Store(tmp_path / "pony.db", readonly=True)
    assert not (tmp_path / "pony.db").exists()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    Store(tmp_path / "pony.db").close()
    with Store(tmp_path / "pony.db", readonly=True) as reader:
        with pytest.raises(PermissionDeniedError, match="read-only"):
            write(reader, "y")
        with pytest.raises(PermissionDeniedError, match="read-only"):
            reader.set_plan("job", 1, None)


def test_a_writer_that_is_waited_for_too_long_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "pony.db"
    with Store(path) as ours, Store(path) as other:
        ours._db.execute("PRAGMA busy_timeout = 10")
        locked = pytest.raises(StoreError, match="locked by another process")
        with other.transaction(), locked as caught:
            write(ours, "too late")
        assert caught.value.exit_code == Exit.FAILED


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "pony.db") as store:
        with pytest.raises(ZeroDivisionError):
            write(store, "gone", then=lambda: 1 / 0)
        assert store.events(5) == []


def test_a_change_by_another_process_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "pony.db"
    with Store(path) as ours, Store(path) as other:
        before = ours.changes_elsewhere()
        with ours.transaction():
            ours.add_event(at=1, kind="x", text="ours")
        assert ours.changes_elsewhere() == before
        with other.transaction():
            other.add_event(at=1, kind="x", text="theirs")
        assert ours.changes_elsewhere() != before


def test_a_database_of_an_older_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in migration_files():
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(database, "MIGRATIONS", tmp_path)
    with Store(tmp_path / "pony.db") as old:
        number = old.store_id
        write(old, "before")
    (tmp_path / "9999_later.sql").write_text("CREATE TABLE later (id INTEGER PRIMARY KEY);\n")
    with Store(tmp_path / "pony.db") as new:
        assert new.store_id == number
        assert [event.text for event in new.events(5)] == ["before"]
        assert new._db.execute("SELECT count(*) FROM later").fetchone()[0] == 0
        assert new._db.execute("PRAGMA user_version").fetchone()[0] == len(migration_files())


@pytest.mark.parametrize("step", range(1, 12))
def test_a_migration_that_dies_at_any_statement_changes_nothing(tmp_path: Path, step: int) -> None:
    path = tmp_path / "pony.db"
    count = 0

    def stop(*_: object) -> int:
        nonlocal count
        count += 1
        return sqlite3.SQLITE_DENY if count == step * 40 else sqlite3.SQLITE_OK

    raw = sqlite3.connect(path, isolation_level=None)
    raw.row_factory = sqlite3.Row
    raw.set_authorizer(stop)
    try:
        database.migrate(raw)
        done = True
    except sqlite3.DatabaseError:
        done = False
    raw.set_authorizer(None)
    tables = raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    raw.close()
    assert (tables > 0) is done
    Store(path).close()


def test_opening_a_database_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pony.db"
    Store(path).close()
    before = path.read_bytes()

    with Store(path) as store:
        assert store.select("PRAGMA auto_vacuum")[0][0] == 2
    assert path.read_bytes() == before
