"""Bad storage: a clear error, the original bytes untouched, and everything works again after."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, command

MEGABYTE = 1024 * 1024


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_refused(pb: Pb, *words: str, naming: str) -> None:
    ran = pb(*words)
    assert ran.code in (1, 4, 6), (words, ran.code, ran.text)
    assert naming in ran.text, ran.text
    assert "Traceback" not in ran.text
    assert len(ran.err.strip().splitlines()) <= 20


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
        db.execute("INSERT INTO customers (name) VALUES ('somebody')")
    db.close()


def newer(path: Path) -> None:
    """A database of a pb that does not exist yet."""
    home = Pb(path.parent)
    home.ok("job", "add", "old", *BY_HAND, "--", "/bin/true")
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA user_version = 99999")
    db.commit()
    db.close()


def damaged(path: Path) -> None:
    """A real database of ours with its pages overwritten from the middle of the first one on."""
    home = Pb(path.parent)
    for n in range(3):
        home.ok("job", "add", f"job{n}", "--cron", "0 3 * * *", "--", "/bin/true")
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 100))


BAD_DATABASES: dict[str, Callable[[Path], object]] = {
    "no database at all": lambda path: path.write_bytes(b"this is a shopping list\n" * 200),
    "somebody else's database": foreign,
    "a damaged database": damaged,
    "a newer database": newer,
}


@pytest.mark.parametrize("what", BAD_DATABASES)
def test_a_bad_database_is_refused_and_its_bytes_stay(pb: Pb, what: str) -> None:
    pb.home.mkdir(mode=0o700)
    db = pb.home / "pony.db"
    BAD_DATABASES[what](db)
    before = digest(db)

    check_refused(pb, "scheduler", "start", naming="pony.db")
    check_refused(pb, "job", "list", naming="pony.db")

    assert digest(db) == before
    assert pb.daemons() == []


def test_a_directory_in_place_of_the_database_is_a_sentence(pb: Pb) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "pony.db").mkdir()

    check_refused(pb, "scheduler", "start", naming="pony.db")


def test_no_room_for_a_single_byte_is_a_sentence(pb: Pb) -> None:
    """``ulimit -f 0``: every write to a file fails, as on a full disk, without being root."""
    shell = f"ulimit -f 0; trap '' XFSZ; exec {' '.join(command())} scheduler start"
    if len(command()) > 1:
        pytest.skip("needs the installed command")
    ran = subprocess.run(
        ["/bin/sh", "-c", shell],
        env=pb.unmeasured().environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode not in (0, 2)
    assert "Traceback" not in ran.stdout + ran.stderr
    assert ran.stderr.strip()
    pb.ok("scheduler", "start")


@pytest.fixture
def small(pb: Pb) -> Iterator[Pb]:
    """The home on a file system of its own, eight megabytes large."""
    pb.home.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(pb.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield pb
    pb.close()
    subprocess.run(["umount", str(pb.home)], check=True)


def fill(home: Path) -> Path:
    """Leave not one free byte; the file that takes them all."""
    ballast = home / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return ballast


@pytest.mark.slow
def test_a_full_disk_is_said_and_survived_and_ends_by_itself(small: Pb) -> None:
    pb = small
    pb.ok("job", "add", "quick", *BY_HAND, "--", "/bin/true")
    pb.ok("scheduler", "start")
    pb.ok("job", "run", "quick", "--wait")
    pid = pb.pid()
    ballast = fill(pb.home)

    refused = pb("job", "run", "quick")
    added = pb("job", "add", "other", *BY_HAND, "--", "/bin/true")
    status = pb("scheduler", "status")

    assert refused.code != 0, refused.text
    assert added.code != 0, added.text
    assert "Traceback" not in refused.text + added.text + status.text
    assert "other" not in pb("job", "list").out
    assert pb.pid() == pid
    ballast.unlink()
    eventually(lambda: pb("job", "run", "quick", "--wait").code == 0, timeout=30, interval=0.5)
    assert pb.pid() == pid
    assert pb.ok("scheduler", "status").out.startswith("Scheduler Daemon Status")


@pytest.mark.slow
def test_a_scheduler_does_not_start_on_a_full_disk_and_says_why(small: Pb) -> None:
    ballast = fill(small.home)

    ran = small("scheduler", "start")

    assert ran.code != 0
    assert "Traceback" not in ran.text
    ballast.unlink()
    small.ok("scheduler", "start")


def test_a_read_only_home_is_a_sentence(small: Pb) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small.home)], check=True)
    try:
        ran = small("scheduler", "start")
        added = small("job", "add", "quick", *BY_HAND, "--", "/bin/true")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small.home)], check=True)

    assert ran.code in (1, 4), ran.text
    assert added.code in (1, 4), added.text
    assert "Traceback" not in ran.text + added.text
    assert str(small.home) in ran.text


@pytest.mark.slow
def test_a_backup_on_a_full_disk_is_a_sentence_and_leaves_nothing_behind(small: Pb) -> None:
    pb = small
    pb.ok("job", "add", "quick", *BY_HAND, "--", "/bin/true")
    pb.ok("scheduler", "start")
    pb.ok("backup", "create")
    ballast = fill(pb.home)

    refused = pb("backup", "create")

    assert refused.code == 1, refused.text
    assert "disk is full" in refused.text or "no space left" in refused.text
    ballast.unlink()
    assert [path.suffix for path in (pb.home / "backups").iterdir()] == [".gz"]
    eventually(lambda: pb("backup", "create").code == 0, timeout=30, interval=0.5)
