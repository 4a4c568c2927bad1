"""The file of exit statuses: nothing is lost between appending and taking, whatever crashes."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from pb.process.exits import SIZE_LIMIT, record_exit, take_exits, taking_exits
from pb.process.identity import Identity


def identity(pid: int, ticks: int = 7) -> Identity:
    return Identity(pid=pid, start_ticks=ticks, boot_id="b", pid_namespace=1, host="h")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scheduler.exits"


def test_what_was_recorded_is_taken_once(path: Path) -> None:
    record_exit(path, identity(10), 256)
    record_exit(path, identity(11, 8), 9)
    assert take_exits(path) == {(10, 7): 256, (11, 8): 9}
    assert take_exits(path) == {}


def test_no_file_is_no_exits_and_makes_none(path: Path) -> None:
    assert take_exits(path) == {}
    assert not path.exists()


def test_the_file_is_private_lines_of_json(path: Path) -> None:
    record_exit(path, identity(10), 256)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    line = json.loads(path.read_text())
    assert (line["pid"], line["start_ticks"], line["boot_id"], line["status"]) == (10, 7, "b", 256)


def test_a_line_torn_by_a_crash_costs_only_itself(path: Path) -> None:
    record_exit(path, identity(10), 1)
    with path.open("ab") as file:
        file.write(b'{"pid": 11, "start_ti')
    record_exit(path, identity(12), 3)
    assert take_exits(path) == {(10, 7): 1, (12, 7): 3}


@pytest.mark.parametrize("junk", [b"\0\0\0", b"[]", b'{"pid": null}', b"\xff\xfe", b"7"])
def test_junk_is_passed_over(path: Path, junk: bytes) -> None:
    path.write_bytes(junk + b"\n")
    record_exit(path, identity(12), 3)
    assert take_exits(path) == {(12, 7): 3}


def test_a_taker_that_fails_leaves_everything(path: Path) -> None:
    record_exit(path, identity(10), 1)

    def take_and_fail() -> None:
        with taking_exits(path) as exits:
            raise RuntimeError(f"the commit of {len(exits)} failed")

    with pytest.raises(RuntimeError, match="of 1 failed"):
        take_and_fail()
    assert take_exits(path) == {(10, 7): 1}


def test_nothing_is_lost_between_writers_and_a_taker(path: Path) -> None:
    def write(start: int) -> None:
        for pid in range(start, start + 100):
            record_exit(path, identity(pid), pid)

    writers = [threading.Thread(target=write, args=(start,)) for start in (1000, 2000, 3000)]
    taken: dict[tuple[int, int], int] = {}
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        taken |= take_exits(path)
    for writer in writers:
        writer.join()
    taken |= take_exits(path)
    wanted = {(pid, 7): pid for start in (1000, 2000, 3000) for pid in range(start, start + 100)}
    assert taken == wanted


def test_a_scheduler_that_never_comes_back_does_not_fill_the_disk(path: Path) -> None:
    line = b'{"pid":%d,"start_ticks":7,"status":0,"filler":"' + b"x" * 1000 + b'"}\n'
    path.write_bytes(b"".join(line % pid for pid in range(2000)))
    record_exit(path, identity(9999), 5)
    assert path.stat().st_size < SIZE_LIMIT + 200_000
    taken = take_exits(path)
    assert (1999, 7) in taken
    assert (9999, 7) in taken
    assert (0, 7) not in taken


def test_only_a_regular_file_is_used(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        record_exit(path, identity(10), 1)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="regular file"):
        record_exit(path, identity(10), 1)
    assert not (tmp_path / "elsewhere").exists()
