"""Rotation while somebody writes: nothing lost, doubled, torn or out of order, and the bound."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.errors import InvalidError, PbError
from pb.process.logfile import (
    LogKeeper,
    Removal,
    RotationPolicy,
    log_files,
    open_append,
    read_log,
    remove_log,
)
from pb.process.loghole import probe
from tests.kit import eventually
from tests.process.logkit import (
    LINES,
    POLICY,
    archive_files,
    disk,
    keeper_process,
    kept,
    live_content,
    numbers,
    outsider,
    writer,
)

STEPS = ("shifted", "created", "copied", "recorded", "punched", "removed", "done")
DEATHS = [
    *(("collapse", step) for step in (*STEPS, "removal recorded")),
    *(("punch", step) for step in STEPS),
]


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory on the disk's file system, and one on tmpfs."""
    if request.param == "disk":
        yield tmp_path
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here, so no tmpfs to try")
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


def settled(log: Path, policy: RotationPolicy = POLICY) -> None:
    """What the scheduler's next start does, and its first look."""
    keeper = LogKeeper(log, policy)
    keeper.recover()
    keeper.tend(time.time_ns() // 1_000_000)


@pytest.mark.parametrize("flush", [1, 97])
def test_every_line_of_a_writer_at_full_speed_is_there_once_whole_and_in_order(
    place: Path, flush: int
) -> None:
    log = place / "service.log"
    with writer(log, flush=flush) as process, kept(LogKeeper(log, POLICY)):
        assert process.wait(60) == 0
    assert numbers(outsider(log)) == list(range(LINES))
    assert [int(line.text.split()[1]) for line in read_log(log, lines=None)] == list(range(LINES))
    assert len(archive_files(log)) > 10


@pytest.mark.parametrize(("removal", "step"), DEATHS)
def test_a_keeper_killed_at_any_step_neither_doubles_nor_loses(
    tmp_path: Path, removal: str, step: str
) -> None:
    if Removal(removal) is Removal.COLLAPSE and probe(tmp_path) is not Removal.COLLAPSE:
        pytest.skip("this file system cannot collapse a range")
    log = tmp_path / "service.log"
    policy = RotationPolicy(max_size=256 * 1024, keep=200)
    count = 40_000
    with writer(log, count, flush=20, pause=0.0005) as process:
        for after in (2, 1):
            with keeper_process(
                log, policy, removal=removal, die_at=step, die_after=after
            ) as keeper:
                assert keeper.wait(30) == -9
            # Whoever reads before anybody has repaired sees the same.
            *seen, _ = [line.text for line in read_log(log, lines=None)]
            assert numbers("\n".join(seen).encode()) == list(range(len(seen)))
        with keeper_process(log, policy, removal=removal):
            assert process.wait(60) == 0
    settled(log, policy)
    assert numbers(outsider(log)) == list(range(count))
    assert set(log_files(log)) == {log, log.with_name(".service.log.idx"), *archive_files(log)}


@pytest.mark.slow
def test_a_keeper_killed_again_and_again_at_random_neither_doubles_nor_loses(
    place: Path,
) -> None:
    log = place / "service.log"
    policy = RotationPolicy(max_size=512 * 1024, keep=100)
    kills = 0
    with writer(log, flush=100, pause=0.0005) as process:
        while process.poll() is None:
            with keeper_process(log, policy) as keeper:
                before = len(archive_files(log))

                def is_further(before: int = before) -> bool:
                    return process.poll() is not None or len(archive_files(log)) > before + 1

                eventually(is_further, interval=0.0007 * (kills % 7 + 1))
                keeper.kill()
                kills += 1
    assert process.returncode == 0
    settled(log, policy)
    assert numbers(outsider(log)) == list(range(LINES))
    assert kills > 5


@pytest.mark.parametrize("keep", [0, 1, 4])
def test_the_disk_never_holds_more_than_the_total_plus_one_segment(place: Path, keep: int) -> None:
    log = place / "service.log"
    policy = RotationPolicy(max_size=4 << 20, keep=keep)
    os.close(open_append(log))
    count, most = 600_000, 0
    with keeper_process(log, policy), writer(log, count, flush=1) as process:
        while process.poll() is None:
            most = max(most, disk(log))
            eventually(lambda: True)
    assert process.returncode == 0
    assert policy.max_size < most <= policy.bound
    settled(log, policy)
    found = numbers(outsider(log).partition(b"\n")[2])
    assert found == list(range(found[0], count))


def grow(keeper: LogKeeper, count: int, first: int = 0) -> None:
    """Write numbered lines, and keep the log every now and then."""
    with open(open_append(keeper.path), "wb", buffering=0) as out:
        for begin in range(first, first + count, 2000):
            lines = [
                b"line %08d of a log that is written at full speed %s\n" % (n, b"." * (n % 60))
                for n in range(begin, min(begin + 2000, first + count))
            ]
            out.write(b"".join(lines))
            keeper.tend(time.time_ns() // 1_000_000)


def test_archives_are_plain_first_and_compressed_from_the_second_on(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=1 << 20, keep=4))
    grow(keeper, 100_000)
    eventually(lambda: keeper.tend(time.time_ns() // 1_000_000) and not keeper.due)
    names = {path.name for path in archive_files(log)}
    assert names == {f"service.log.{n}" for n in ("1", "2.gz", "3.gz", "4.gz")}
    assert {path.stat().st_mode & 0o777 for path in log_files(log)} == {0o600}
    shown = numbers(outsider(log).partition(b"\n")[2])
    assert shown == list(range(shown[0], 100_000))


def test_without_archives_the_head_is_cut_off_and_the_rest_stays(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    policy = RotationPolicy(max_size=128 * 1024, keep=0)
    keeper = LogKeeper(log, policy)
    with writer(log, 20_000, flush=20) as process, kept(keeper):
        assert process.wait(30) == 0
    keeper.tend(1)
    assert archive_files(log) == []
    assert log.stat().st_size <= policy.max_size
    shown = [int(line.text.split()[1]) for line in read_log(log, lines=None)]
    assert shown == list(range(shown[0], 20_000))


def test_a_file_system_that_can_do_neither_gets_copy_and_truncate(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    keeper = LogKeeper(log, POLICY, removal=Removal.TRUNCATE)
    expected = 0
    with open(open_append(log), "wb") as out:
        for _ in range(3):
            for number in range(expected, expected + 15_000):
                dots = b"." * (number % 60)
                line = b"line %08d of a log that is written at full speed %s\n" % (number, dots)
                out.write(line)
            expected += 15_000
            out.flush()
            keeper.tend(1)
    assert numbers(outsider(log)) == list(range(expected))
    assert len(archive_files(log)) == 3
    assert [int(line.text.split()[1]) for line in read_log(log, lines=None)] == list(
        range(expected)
    )


def test_fewer_archives_are_kept_once_the_policy_says_so(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    grow(LogKeeper(log, RotationPolicy(max_size=512 * 1024, keep=6)), 60_000)
    assert len(archive_files(log)) == 6
    grow(LogKeeper(log, RotationPolicy(max_size=512 * 1024, keep=2)), 20_000, first=60_000)
    assert len(archive_files(log)) == 2
    shown = numbers(outsider(log).partition(b"\n")[2])
    assert shown == list(range(shown[0], 80_000))


def test_crashes_do_not_use_up_the_number_of_archives(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    policy = RotationPolicy(max_size=1 << 20, keep=9)
    grow(LogKeeper(log, RotationPolicy(max_size=1 << 30)), 60_000)
    while len(live_content(log)) >= policy.max_size:
        with keeper_process(log, policy, die_at="punched", die_after=1) as keeper:
            assert keeper.wait(20) == -9
    settled(log, policy)
    assert numbers(outsider(log)) == list(range(60_000))
    assert len(archive_files(log)) < 6


def test_a_second_keeper_of_the_same_log_stands_back(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    policy = RotationPolicy(max_size=256 * 1024, keep=200)
    with (
        writer(log, 100_000, flush=5) as process,
        keeper_process(log, policy),
        keeper_process(log, policy),
    ):
        assert process.wait(60) == 0
    settled(log, policy)
    assert numbers(outsider(log)) == list(range(100_000))


def test_a_log_that_somebody_truncates_or_replaces_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    keeper = LogKeeper(log, POLICY)
    for content in ("first\n" * 1000, "second\n", "third\n"):
        if content == "third\n":
            log.rename(tmp_path / "moved")
        log.write_text(content)
        keeper.tend(1)
    assert [line.text for line in read_log(log, lines=None)] == ["third"]


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_something_else_in_place_of_the_log_is_refused(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "service.log"
    (tmp_path / "target").write_text("foreign\n")
    match kind:
        case "link":
            log.symlink_to(tmp_path / "target")
        case "fifo":
            os.mkfifo(log)
        case _:
            log.mkdir()
    for attempt in (
        lambda: open_append(log),
        lambda: list(read_log(log, lines=1)),
        lambda: LogKeeper(log, POLICY).recover(),
        lambda: LogKeeper(log, POLICY).check(1),
    ):
        with pytest.raises(InvalidError, match="not a") as caught:
            attempt()
        assert caught.value.hint
    assert (tmp_path / "target").read_text() == "foreign\n"


@pytest.mark.parametrize("bad", [{"max_size": 0}, {"max_size": 1 << 33}, {"keep": -1}])
def test_a_policy_that_cannot_be_meant_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InvalidError):
        RotationPolicy(**bad)  # type: ignore[arg-type]


def test_a_garbled_side_file_is_replaced_and_the_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with writer(log, 30_000, flush=5) as process, kept(LogKeeper(log, POLICY)):
        assert process.wait(30) == 0
    (tmp_path / ".service.log.idx").write_bytes(b"rubbish" * 99)
    assert len(list(read_log(log, lines=None))) == 30_000
    settled(log)
    assert [line.text[:13] for line in read_log(log, lines=1)] == ["line 00029999"]
    assert numbers(outsider(log)) == list(range(30_000))


@pytest.mark.parametrize("kind", ["link", "directory"])
def test_something_else_in_place_of_the_side_file_is_refused(tmp_path: Path, kind: str) -> None:
    log, side = tmp_path / "service.log", tmp_path / ".service.log.idx"
    log.write_text("one\n")
    (tmp_path / "target").write_text("foreign\n")
    if kind == "link":
        side.symlink_to(tmp_path / "target")
    else:
        side.mkdir()
    for attempt in (
        lambda: list(read_log(log, lines=1)),
        lambda: LogKeeper(log, POLICY).recover(),
        lambda: LogKeeper(log, POLICY).check(1),
    ):
        with pytest.raises(InvalidError, match="side file"):
            attempt()
    assert (tmp_path / "target").read_text() == "foreign\n"


def test_a_full_disk_stops_rotation_with_a_reason_and_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=1 << 20))
    grow(LogKeeper(log, RotationPolicy(max_size=1 << 30)), 30_000)
    keeper.check(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(PbError, match="bounded") as caught:
            keeper.rotate()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.hint
    assert numbers("\n".join(line.text for line in read_log(log, lines=None)).encode()) == list(
        range(30_000)
    )
    settled(log, RotationPolicy(max_size=1 << 20))
    assert numbers(outsider(log)) == list(range(30_000))
    assert len(archive_files(log)) == 2


def test_removing_a_log_leaves_nothing_of_it_and_everything_else(tmp_path: Path) -> None:
    log = tmp_path / "4.log"
    (tmp_path / "42.log").write_text("another\n")
    (tmp_path / "4.log.backup").write_text("the user's own\n")
    keeper = LogKeeper(log, POLICY)
    for _ in range(3):
        with log.open("ab") as file:
            file.write(b"x" * 1023 * 1024 + b"\n" * 2048)
        keeper.tend(int(time.time() * 1000))
    keeper.close()
    assert len(log_files(log)) > 3
    remove_log(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4.log.backup", "42.log"]
