"""Rotation by age: what is old goes into an archive, whether or not the log is written to."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pb.errors import InvalidError
from pb.process.logage import LONGEST_S
from pb.process.logfile import LogKeeper, LogWatch, Removal, RotationPolicy, open_append, read_log
from pb.process.loghole import probe
from tests.kit import eventually
from tests.process.logkit import archive_files, keeper_process, kept, numbers, outsider, writer

DAY_MS = 86_400_000
DAILY = RotationPolicy(max_age=86_400, keep=9)
STEPS = ("shifted", "created", "copied", "recorded", "punched", "removed", "done")
DEATHS = [
    *(("collapse", step) for step in (*STEPS, "removal recorded")),
    *(("punch", step) for step in STEPS),
]


@pytest.fixture(params=["collapse", "punch", "truncate"])
def removal(request: pytest.FixtureRequest, tmp_path: Path) -> Removal:
    wanted = Removal(request.param)
    if wanted is Removal.COLLAPSE and probe(tmp_path) is not Removal.COLLAPSE:
        pytest.skip("this file system cannot collapse a range")
    return wanted


def write(log: Path, text: str) -> None:
    fd = open_append(log)
    os.write(fd, text.encode())
    os.close(fd)


def now() -> int:
    return time.time_ns() // 1_000_000


def texts(log: Path) -> list[str]:
    return [line.text for line in read_log(log, lines=None)]


def aged(log: Path, removal: Removal, days: int, policy: RotationPolicy = DAILY) -> LogKeeper:
    """A keeper that saw the log's content that many days ago."""
    keeper = LogKeeper(log, policy, removal=removal)
    keeper.recover()
    keeper.check(now() - days * DAY_MS)
    return keeper


@pytest.mark.parametrize("size", [0, 3_000, 4_096, 8_192, 20_000])
def test_all_old_lines_go_into_an_archive_of_their_own(
    tmp_path: Path, removal: Removal, size: int
) -> None:
    log = tmp_path / "web.log"
    old = "x" * max(0, size - 5) + "\nold\n"
    write(log, old)
    keeper = aged(log, removal, days=2)

    keeper.tend(now())
    write(log, "new\n")
    keeper.tend(now())

    assert [path.name for path in archive_files(log)] == ["web.log.1"]
    assert archive_files(log)[0].read_text() == old
    assert texts(log) == [*old.split("\n")[:-1], "new"]
    assert outsider(log) == old.encode() + b"new\n"
    assert os.stat(log).st_blocks * 512 <= 8_192


def test_each_day_has_its_archive_and_old_ones_go(tmp_path: Path, removal: Removal) -> None:
    log = tmp_path / "web.log"
    policy = RotationPolicy(max_age=86_400, keep=3)
    for day in range(5, 0, -1):
        write(log, f"{day} days ago\n")
        keeper = aged(log, removal, day, policy)
        keeper.tend(now())
        keeper.close()
    assert texts(log) == ["3 days ago", "2 days ago", "1 days ago"]
    names = [path.name.removesuffix(".gz") for path in archive_files(log)]
    assert names == ["web.log.3", "web.log.2", "web.log.1"]


def test_what_is_young_stays_and_the_keeper_comes_back_in_time(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    write(log, "young\n")
    watch = LogWatch()
    keeper = LogKeeper(log, RotationPolicy(max_age=600), watch=watch)
    at_ms = now()

    keeper.tend(at_ms - 300_000)
    assert 200 < keeper.tend(at_ms) <= 300
    assert archive_files(log) == []

    keeper.policy = RotationPolicy(max_age=250)
    keeper.tend(at_ms)
    assert keeper.tend(now()) == float("inf")
    assert [path.read_text() for path in archive_files(log)] == ["young\n"]
    keeper.close()
    watch.close()


def test_nobody_sleeps_for_days(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    write(log, "young\n")
    watch = LogWatch()
    keeper = LogKeeper(log, RotationPolicy(max_age=30 * 86_400), watch=watch)
    at_ms = now()

    keeper.tend(at_ms)
    assert keeper.tend(at_ms + 100) == LONGEST_S
    keeper.policy = RotationPolicy()
    assert keeper.tend(at_ms + 200) == float("inf")
    keeper.close()
    watch.close()


def test_a_line_without_an_end_stays_until_it_has_one(tmp_path: Path, removal: Removal) -> None:
    if removal is Removal.TRUNCATE:
        pytest.skip("what cannot be cut is truncated as a whole")
    log = tmp_path / "web.log"
    write(log, "one\nhalf a ")
    keeper = aged(log, removal, days=2)
    keeper.tend(now())
    assert archive_files(log)[0].read_text() == "one\n"

    keeper.check(now() + 2 * DAY_MS)
    keeper.rotate()
    write(log, "line\n")

    assert len(archive_files(log)) == 1
    assert texts(log) == ["one", "half a line"]


def test_a_log_that_is_full_first_is_cut_as_ever(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    policy = RotationPolicy(max_size=64 * 1024, max_age=0.05, keep=2_000)
    with writer(log, 30_000, flush=50) as process, kept(LogKeeper(log, policy)):
        assert process.wait(60) == 0
    assert numbers(outsider(log)) == list(range(30_000))
    assert len(archive_files(log)) > 5


@pytest.mark.parametrize(("how", "step"), DEATHS)
def test_a_keeper_killed_at_any_step_neither_doubles_nor_loses(
    tmp_path: Path, how: str, step: str
) -> None:
    if Removal(how) is Removal.COLLAPSE and probe(tmp_path) is not Removal.COLLAPSE:
        pytest.skip("this file system cannot collapse a range")
    log = tmp_path / "web.log"
    policy = RotationPolicy(max_age=0.05, keep=2_000)
    with writer(log, 10_000_000, flush=3, pause=0.0004) as process:
        for after in (3, 1):
            with keeper_process(log, policy, removal=how, die_at=step, die_after=after) as keeper:
                assert keeper.wait(30) == -9
            *seen, _ = texts(log)
            assert numbers("\n".join(seen).encode()) == list(range(len(seen)))
        with keeper_process(log, policy, removal=how):
            before = len(archive_files(log))
            eventually(lambda: len(archive_files(log)) > before + 1, timeout=60)
            process.kill()
            process.wait()
    last = LogKeeper(log, policy)
    last.recover()
    last.tend(now())
    found = numbers(outsider(log))
    assert found == list(range(len(found)))
    assert numbers("\n".join(texts(log)).encode()) == found


@pytest.mark.parametrize("age", [0, -1, float("nan")])
def test_an_age_that_cannot_be_meant_is_refused(age: float) -> None:
    with pytest.raises(InvalidError, match="max_age"):
        RotationPolicy(max_age=age)
