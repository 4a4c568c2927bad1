"""Reading and following: the last lines, times, filters, and what must never reach a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.errors import InvalidError
from pb.process.logfile import (
    LogKeeper,
    LogLine,
    LogWatch,
    Removal,
    RotationPolicy,
    follow_log,
    open_append,
    read_log,
    sanitise,
)
from pb.process.logtext import LINE_LIMIT, LineSplitter, RawLine
from tests.kit import eventually
from tests.process.logkit import ROOT, environment, keeper_process, kept, numbers, writer

POLICY = RotationPolicy(max_size=256 * 1024, keep=200)


def texts(log: Path, lines: int | None = None, **wanted: object) -> list[str]:
    return [line.text for line in read_log(log, lines=lines, **wanted)]  # type: ignore[arg-type]


def append(log: Path, content: bytes) -> None:
    with open(open_append(log), "wb") as out:
        out.write(content)


def timed_log(log: Path, keeper: LogKeeper, stages: int = 5, size: int = 40) -> None:
    """Stage n writes its lines and is seen at n thousand milliseconds."""
    for stage in range(1, stages + 1):
        append(log, b"".join(b"stage %d line %d\n" % (stage, n) for n in range(size)))
        sampled(keeper, stage * 1000)


def sampled(keeper: LogKeeper, now_ms: int) -> None:
    """Look until the growth is in the index: samples keep a small distance in real time."""

    def is_sampled() -> bool:
        delay = keeper.tend(now_ms)
        return delay > 0.05

    eventually(is_sampled, interval=0.01)


def test_a_log_that_does_not_exist_has_no_lines(tmp_path: Path) -> None:
    assert texts(tmp_path / "none.log") == []


@pytest.mark.parametrize("count", [0, 1, 7, 700, 5000, None])
def test_the_last_lines_are_read_across_plain_and_compressed_archives(
    tmp_path: Path, count: int | None
) -> None:
    log = tmp_path / "service.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=16 * 1024, keep=9))
    for begin in range(0, 1500, 50):
        append(log, b"".join(b"%04d %s\n" % (n, b"." * 40) for n in range(begin, begin + 50)))
        keeper.tend(1)
    assert sorted(tmp_path.glob("service.log.*.gz"))
    wanted = [f"{n:04d} {'.' * 40}" for n in range(1500)]
    assert texts(log, count) == (wanted if count is None else wanted[1500 - min(count, 1500) :])


def test_a_count_below_zero_is_refused(tmp_path: Path) -> None:
    append(tmp_path / "a.log", b"one\n")
    with pytest.raises(InvalidError, match="-1"):
        texts(tmp_path / "a.log", -1)


def test_the_last_lines_of_five_gigabytes_come_at_once(tmp_path: Path) -> None:
    log = tmp_path / "huge.log"
    with open(log, "wb") as out:
        out.write(b"the very first\n")
        out.seek(5 << 30)
        out.write(b"\n" + b"".join(b"line %d\n" % n for n in range(100)))
    begun = time.monotonic()
    assert texts(log, 3) == ["line 97", "line 98", "line 99"]
    assert time.monotonic() - begun < 0.5


def test_bytes_that_are_no_text_are_replaced_and_line_ends_of_windows_go(tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    append(log, b"caf\xc3\xa9 \xff\xfe\r\n\n\0\0\0after a hole\nunfinished")
    assert texts(log) == ["café ��", "", "after a hole", "unfinished"]


def test_a_line_without_end_is_cut_with_a_marker_and_the_next_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    append(log, b"before\n" + b"x" * (3 * LINE_LIMIT) + b"\nafter\n")
    before, long, after = texts(log)
    assert (before, after) == ("before", "after")
    assert long == "x" * LINE_LIMIT + f"… [{2 * LINE_LIMIT} bytes cut]"
    assert texts(log, 2) == [long, after]


def test_only_lines_with_the_substring_count(tmp_path: Path) -> None:
    log = tmp_path / "mixed.log"
    append(log, b"".join(b"%d %s\n" % (n, b"a.c" if n % 100 == 0 else b"abc") for n in range(9000)))
    assert texts(log, 2, grep="a.c") == ["8800 a.c", "8900 a.c"]
    assert len(texts(log, None, grep="a.c")) == 90
    assert texts(log, 5, grep="nowhere") == []


def test_lines_have_the_time_at_which_they_were_seen(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    timed_log(log, LogKeeper(log, RotationPolicy()))
    for line in read_log(log, lines=None):
        assert line.time_ms == int(line.text.split()[1]) * 1000


def test_since_and_until_are_instants_and_inclusive(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    timed_log(log, LogKeeper(log, RotationPolicy()), stages=6, size=3)

    def stages(**wanted: int) -> list[int]:
        return [int(text.split()[1]) for text in texts(log, **wanted)]

    assert stages(since_ms=5000) == [5] * 3 + [6] * 3
    assert stages(since_ms=4001, until_ms=5000) == [5] * 3
    assert stages(until_ms=999) == []
    assert stages(since_ms=6001) == []
    assert texts(log, 2, since_ms=1, until_ms=3000) == ["stage 3 line 1", "stage 3 line 2"]


def test_archived_lines_keep_their_times(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=16 * 1024, keep=20))
    timed_log(log, keeper, stages=12, size=400)
    assert len(list(tmp_path.glob("timed.log.*"))) > 3
    lines = list(read_log(log, lines=None))
    assert len(lines) == 12 * 400
    assert all(line.time_ms == int(line.text.split()[1]) * 1000 for line in lines)
    assert {text.split()[1] for text in texts(log, since_ms=2500, until_ms=4500)} == {"3", "4"}


def test_times_never_fall_and_never_lie_ahead_after_the_clock_was_set_back(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    keeper = LogKeeper(log, RotationPolicy())
    for now in (10_000, 9_000, 9_500, 10_000_000, 500_000):
        append(log, b"%d\n" % now)
        sampled(keeper, now)
    times = [line.time_ms for line in read_log(log, lines=None)]
    assert times == [10_000, 10_000, 10_000, 500_000, 500_000]


def test_what_was_written_before_anybody_looked_has_the_files_own_time(tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    append(log, b"old\n")
    os.utime(log, (1000, 1000))
    keeper = LogKeeper(log, RotationPolicy())
    keeper.recover()
    keeper.check(5_000_000)
    append(log, b"new\n")
    sampled(keeper, 6_000_000)
    assert [line.time_ms for line in read_log(log, lines=None)] == [1_000_000, 6_000_000]


def test_the_index_stays_small_and_right_however_long_a_log_lives(tmp_path: Path) -> None:
    from pb.process import logindex

    log = tmp_path / "old.log"
    append(log, b"x\n" * 20_000)
    with logindex.exclusive(log) as index:
        index.append([(2 * n, n) for n in range(1, 9000)])
        index.replace(index.state() or logindex.State(), logindex.thinned(index.samples(), 0))
    assert (tmp_path / ".old.log.idx").stat().st_size < 66_000
    times = [line.time_ms or 0 for line in read_log(log, lines=None)][:8999]
    assert times == sorted(times)
    assert all(0 <= at - n <= 17 for n, at in enumerate(times, 1))


def test_an_idle_log_is_not_looked_at_until_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "idle.log"
    append(log, b"one\n")
    watch = LogWatch()
    if watch.fileno() < 0:
        pytest.skip("no inotify here")
    try:
        keeper = LogKeeper(log, RotationPolicy(), watch=watch)
        keeper.recover()
        eventually(lambda: keeper.check(1000) == float("inf"))
        assert watch.drain() == []
        append(log, b"two\n")
        assert eventually(watch.drain) == [log]
        assert keeper.check(2000) < 1
        eventually(lambda: keeper.check(2000) == float("inf"))
        keeper.close()
        append(log, b"three\n")
        assert watch.drain() == []
    finally:
        watch.close()


def test_a_growing_log_is_looked_at_sooner_the_fuller_it_is(tmp_path: Path) -> None:
    log = tmp_path / "growing.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=1 << 20))
    append(log, b"x" * 99 + b"\n")
    delays = []
    for _ in range(3):
        append(log, b"x" * 300_000)
        delays.append(keeper.check(1))
    assert all(0.005 <= delay <= 1 for delay in delays)
    assert not keeper.due
    append(log, b"x" * 300_000)
    keeper.check(1)
    assert keeper.due


class Following:
    """A follower on a thread of its own, and what it has been given."""

    def __init__(self, log: Path, lines: int | None, **wanted: str) -> None:
        self.seen: list[LogLine] = []
        self.stop = threading.Event()
        self.asked = 0
        self.trouble: BaseException | None = None
        self._arguments = (log, lines, wanted)
        self.thread = threading.Thread(target=self._follow)

    def _stopped(self) -> bool:
        self.asked += 1
        return self.stop.is_set()

    def _follow(self) -> None:
        log, lines, wanted = self._arguments
        try:
            for line in follow_log(log, lines=lines, stopped=self._stopped, **wanted):  # type: ignore[arg-type]
                self.seen.append(line)
        except BaseException as error:
            self.trouble = error

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.seen]


@contextmanager
def following(log: Path, lines: int | None, **wanted: str) -> Iterator[Following]:
    follower = Following(log, lines, **wanted)
    follower.thread.start()
    try:
        yield follower
    finally:
        follower.stop.set()
        follower.thread.join()
    assert follower.trouble is None


def test_following_shows_the_last_lines_first_and_then_each_new_one(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    append(log, b"one\ntwo\nthree\n")
    with following(log, 2) as follower:
        eventually(lambda: follower.texts == ["two", "three"])
        append(log, b"four\nfi")
        eventually(lambda: follower.texts[2:] == ["four"])
        append(log, b"ve\nsix")
        eventually(lambda: follower.texts[3:] == ["five"])
    assert follower.texts[4:] == ["six"]
    assert all(line.time_ms is None or line.time_ms > 0 for line in follower.seen)


def test_following_from_now_on_shows_the_line_that_is_being_written_whole(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    append(log, b"old\nha")
    with following(log, 0) as follower:

        def shows_new() -> bool:
            append(log, b"lf\nnew\nha")
            return follower.texts[-1:] == ["new"]

        eventually(shows_new)
    assert set(follower.texts) == {"half", "new", "ha"}


def test_following_filters_the_old_and_the_new(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    append(log, b"good 1\nbad 2\n")
    with following(log, 10, grep="good") as follower:
        eventually(lambda: follower.texts == ["good 1"])
        append(log, b"bad 3\ngood 4\n")
        eventually(lambda: follower.texts == ["good 1", "good 4"])


def test_a_log_that_appears_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "later.log"
    with following(log, 0) as follower:
        eventually(lambda: follower.asked > 1)
        append(log, b"first\n")
        eventually(lambda: follower.texts == ["first"])
    with following(tmp_path / "never.log", 5) as follower:
        pass
    assert follower.texts == []


@pytest.mark.parametrize("how", ["truncated", "renamed"])
def test_following_goes_on_when_somebody_else_rotates(tmp_path: Path, how: str) -> None:
    log = tmp_path / "live.log"
    append(log, b"one of many\ntwo of many\n")
    with following(log, 1) as follower:
        eventually(lambda: follower.texts == ["two of many"])
        if how == "truncated":
            os.truncate(log, 0)
        else:
            log.rename(tmp_path / "live.log.old")
            append(tmp_path / "live.log.old", b"last\n")
        append(log, b"new\n")
        eventually(lambda: follower.texts[-1:] == ["new"])
        append(log, b"newer\n")
        eventually(lambda: follower.texts[-1:] == ["newer"])
    between = ["last"] if how == "renamed" else []
    assert follower.texts == ["two of many", *between, "new", "newer"]


@pytest.mark.parametrize("removal", ["", "punch"])
def test_following_a_writer_at_full_speed_through_rotations_shows_each_line_once(
    tmp_path: Path, removal: str
) -> None:
    log = tmp_path / "live.log"
    os.close(open_append(log))
    count = 60_000
    keeper = LogKeeper(log, POLICY, removal=Removal(removal) if removal else None)
    with following(log, None) as follower, kept(keeper):
        with writer(log, count, flush=7) as process:
            assert process.wait(60) == 0
        eventually(lambda: len(follower.seen) >= count, timeout=30)
    assert numbers("\n".join(follower.texts).encode()) == list(range(count))
    times = [line.time_ms for line in follower.seen if line.time_ms is not None]
    assert len(list(tmp_path.glob("live.log.*"))) > 5
    assert times


def until_one_ends(*processes: subprocess.Popen[bytes]) -> None:
    eventually(lambda: any(one.poll() is not None for one in processes))


def test_following_goes_on_while_the_keeper_is_killed_and_started_again(tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    os.close(open_append(log))
    count = 60_000
    with following(log, None) as follower:
        with writer(log, count, flush=20, pause=0.0003) as process:
            while process.poll() is None:
                with keeper_process(log, POLICY, die_at="recorded", die_after=3) as keeper:
                    until_one_ends(keeper, process)
            assert process.wait(60) == 0
        eventually(lambda: len(follower.seen) >= count, timeout=30)
    assert numbers("\n".join(follower.texts).encode()) == list(range(count))


def test_a_reader_stopped_with_the_lock_in_its_hands_does_not_hold_up_rotation(
    tmp_path: Path,
) -> None:
    from pb.process import logindex

    log = tmp_path / "service.log"
    keeper = LogKeeper(log, POLICY)
    append(log, b"x" * 999 + b"\n")
    keeper.tend(1)
    with logindex.shared(log) as index:
        append(log, (b"x" * 999 + b"\n") * 1000)
        begun = time.monotonic()
        keeper.tend(2)
        assert time.monotonic() - begun < 3
        assert not index.is_current()
    assert len(list(tmp_path.glob("service.log.*"))) == 3
    assert texts(log) == ["x" * 999] * 1001


ESCAPES = [
    ("\x1b[31mred", "\\x1b[31mred"),
    ("bell\a\b\r", "bell\\x07\\x08\\x0d"),
    ("\x7f\x9b2J", "\\x7f\\x9b2J"),
    ("a\u202eb\u2066", "a\\u202eb\\u2066"),
    ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
    ("two\u2028lines\u2029", "two\\u2028lines\\u2029"),
    ("tag\U000e0041", "tag\\U000e0041"),
    ("\udc80", "\\udc80"),
    ("tab\tand\nline", "tab\tand\nline"),
    ("plain, żółć, 日本, 🦄", "plain, żółć, 日本, 🦄"),
]


@pytest.mark.parametrize(("raw", "shown"), ESCAPES)
def test_what_could_act_on_a_terminal_is_made_visible(raw: str, shown: str) -> None:
    assert sanitise(raw) == shown


@given(st.text())
def test_one_line_in_is_one_line_out_and_nothing_in_it_acts(text: str) -> None:
    shown = sanitise(text)
    assert shown.count("\n") == text.count("\n")
    assert all(char in "\n\t" or not (ord(char) < 32 or 127 <= ord(char) < 160) for char in shown)
    assert sanitise(shown) == shown


@given(st.lists(st.binary(max_size=9), max_size=9))
def test_lines_do_not_depend_on_how_the_bytes_arrive(chunks: list[bytes]) -> None:
    splitter, offset = LineSplitter(0), 0
    lines: list[RawLine] = []
    for chunk in chunks:
        lines += splitter.feed(offset, chunk)
        offset += len(chunk)
    lines += splitter.rest()
    whole = b"".join(chunks)
    assert [line.content for line in lines] == whole.removesuffix(b"\n").split(b"\n") * bool(whole)
    assert all(whole[line.offset :].startswith(line.content) for line in lines)


def test_importing_the_log_files_room_is_cheap() -> None:
    program = (
        "import sys; import pb.process.logfile; "
        "print([name for name in ('gzip', 'zlib', 'ctypes', 'tempfile', 'subprocess', 'asyncio') "
        "if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "[]\n"


def test_output_without_any_line_end_is_shown_after_rotation_too(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=64 * 1024, keep=1, compress=False))
    for _ in range(20):
        with log.open("ab") as file:
            file.write(b"x" * 40_000)
        keeper.tend(int(time.time() * 1000))
    keeper.close()
    shown = [line.text for line in read_log(log, lines=5)]
    assert len(shown) == 1
    assert shown[0].startswith("xxxx")
