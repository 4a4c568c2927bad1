"""A run's log that is capped: its first and its newest part stay, and what is gone is counted."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from pb.errors import InvalidError
from pb.process.logfile import (
    LogKeeper,
    Removal,
    RotationPolicy,
    archives,
    follow_log,
    log_files,
    open_append,
    read_log,
    remove_log,
    run_policy,
)

BASE = RotationPolicy()
CAP = 256 * 1024
LINE = 64


def line(number: int) -> bytes:
    return b"line %08d " % number + b"." * (LINE - 15) + b"\n"


def fill(log: Path, keeper: LogKeeper, count: int, *, each: int = 200, first: int = 0) -> int:
    """Write numbered lines, keeping the log after every ``each``; the largest that it was."""
    largest, out = 0, open_append(log)
    try:
        for begin in range(first, first + count, each):
            os.write(out, b"".join(line(number) for number in range(begin, begin + each)))
            largest = max(largest, on_disk(log))
            keeper.tend(time.time_ns() // 1_000_000)
    finally:
        os.close(out)
    return largest


def on_disk(log: Path) -> int:
    return sum(path.stat().st_size for path in log_files(log) if not path.name.startswith("."))


def numbers(texts: list[str]) -> list[int]:
    return [int(text[5:13]) for text in texts if text.startswith("line ")]


@pytest.mark.parametrize("removal", [None, Removal.PUNCH])
def test_the_first_and_the_newest_part_stay_and_the_rest_is_counted(
    tmp_path: Path, removal: Removal | None
) -> None:
    log = tmp_path / "7.log"
    largest = fill(log, LogKeeper(log, run_policy(BASE, CAP), removal=removal), 40_000)
    texts = [one.text for one in read_log(log, lines=None)]
    shown = numbers(texts)
    marks = [place for place, text in enumerate(texts) if "left out" in text]

    assert len(marks) == 1
    before, after = numbers(texts[: marks[0]]), numbers(texts[marks[0] + 1 :])
    assert before[:800] == list(range(800))
    assert before == list(range(len(before)))
    assert after == list(range(after[0], 40_000))
    assert len(after) > 800
    gone = int(re.sub(r"\D", "", texts[marks[0]]))
    # Besides what is gone, at most a line is torn on either side of the gap.
    assert 0 <= (40_000 - len(shown)) * LINE - gone <= 2 * LINE
    assert removal is not None or largest <= CAP + 200 * LINE


def test_a_log_below_its_cap_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    fill(log, LogKeeper(log, run_policy(BASE, CAP)), 2_000)

    assert [one.text for one in read_log(log, lines=None)] == [
        line(number).decode().rstrip() for number in range(2_000)
    ]


@pytest.mark.parametrize("burst", [5_000, 40_000])
def test_a_burst_that_nobody_could_keep_up_with_loses_its_middle_only(
    tmp_path: Path, burst: int
) -> None:
    log = tmp_path / "7.log"
    fill(log, LogKeeper(log, run_policy(BASE, CAP)), burst, each=burst)
    texts = [one.text for one in read_log(log, lines=None)]

    assert numbers(texts)[:800] == list(range(800))
    assert numbers(texts)[-800:] == list(range(burst - 800, burst))
    assert sum("left out" in text for text in texts) == 1
    assert on_disk(log) <= CAP


def test_without_a_bound_of_its_own_a_runs_log_is_like_every_other(tmp_path: Path) -> None:
    assert run_policy(BASE, None) is BASE
    assert not BASE.head


def test_the_last_lines_and_a_search_reach_over_the_gap(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    fill(log, LogKeeper(log, run_policy(BASE, CAP)), 40_000)
    everything = [one.text for one in read_log(log, lines=None)]

    for count in (1, 50, len(everything) - 30, len(everything), 10**6):
        assert [one.text for one in read_log(log, lines=count)] == everything[-count:]
    found = [one.text for one in read_log(log, lines=None, grep="line 00000003 ")]
    assert numbers(found) == [3]


def test_lines_of_the_head_keep_their_times(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    keeper = LogKeeper(log, run_policy(BASE, CAP))
    begun = time.time_ns() // 1_000_000
    fill(log, keeper, 200)
    middle = time.time_ns() // 1_000_000 + 60_000
    keeper.check(middle)
    out = open_append(log)
    try:
        for first in range(200, 40_000, 200):
            os.write(out, b"".join(line(number) for number in range(first, first + 200)))
            middle += 10_000
            keeper.tend(middle)
    finally:
        os.close(out)
    oldest = next(iter(read_log(log, lines=None)))

    assert oldest.time_ms is not None
    assert begun <= oldest.time_ms <= begun + 60_000


def test_a_follower_is_told_of_the_gap(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    fill(log, LogKeeper(log, run_policy(BASE, CAP)), 40_000)
    read = [one.text for one in read_log(log, lines=None)]

    assert [one.text for one in follow_log(log, lines=None, stopped=lambda: True)] == read


def test_a_keeper_that_starts_anew_leaves_the_head_alone(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    for first in range(0, 40_000, 4_000):
        keeper = LogKeeper(log, run_policy(BASE, CAP))
        keeper.recover()
        fill(log, keeper, 4_000, first=first)
    shown = numbers([one.text for one in read_log(log, lines=None)])

    assert shown[:800] == list(range(800))
    assert shown[-1] == 39_999


def test_removing_a_log_takes_its_head_along(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    fill(log, LogKeeper(log, run_policy(BASE, CAP)), 20_000)
    assert log.with_name("7.log.head").exists()
    remove_log(log)

    assert list(tmp_path.iterdir()) == []


def test_other_logs_keep_no_head(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    fill(log, LogKeeper(log, RotationPolicy(max_size=32 * 1024, keep=2)), 20_000)
    texts = [one.text for one in read_log(log, lines=None)]

    assert numbers(texts)[0] > 10_000
    assert not any("left out" in text for text in texts)


def test_a_head_without_room_for_a_tail_is_refused() -> None:
    with pytest.raises(InvalidError, match="needs two archives"):
        RotationPolicy(keep=1, head=True)


def test_what_follows_a_head_without_archives_is_read(tmp_path: Path) -> None:
    log = tmp_path / "7.log"
    keeper = LogKeeper(log, run_policy(BASE, CAP))
    fill(log, keeper, 40_000)
    for one in archives(log):
        one.path.unlink()

    shown = [one.text for one in read_log(log, lines=None)]
    assert shown[-1].split()[-1] == log.read_text(errors="replace").splitlines()[-1].split()[-1]
