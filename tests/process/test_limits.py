"""Limits that the kernel keeps, set on real processes; measuring those that it does not."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pb.core.model import Limits
from pb.process.identity import Identity, identify
from pb.process.limits import check_nice, limiting, memory_of, written
from pb.process.logfile import LogKeeper, RotationPolicy
from pb.process.spawn import Spawn, SpawnError, spawn
from pb.process.usage import own_peak, usage_of, usage_of_zombie
from tests.kit import eventually

Start = Callable[..., Identity]
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
TELL = "import os, resource as r; print([r.getrlimit(x) for x in (0, 1, 7)], os.nice(0))"
"""RLIMIT_CPU, RLIMIT_FSIZE and RLIMIT_NOFILE have these numbers on Linux."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program with limits; what is left of it is killed and reaped."""
    pids: list[int] = []

    def begin(*argv: str, **limits: float) -> Identity:
        who = spawn(
            Spawn(
                argv=argv,
                env=ENV,
                cwd=str(tmp_path),
                log_path=tmp_path / "1.log",
                limits=Limits(**limits),  # type: ignore[arg-type]
            )
        )
        pids.append(who.pid)
        return who

    yield begin
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def ended(who: Identity) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(who.pid, 0)[1])


@pytest.mark.skipif(sys.platform != "linux", reason="numbers of limits as on Linux")
def test_a_program_finds_the_limits_that_it_was_given(start: Start, tmp_path: Path) -> None:
    who = start(sys.executable, "-c", TELL, cpu_time=7, file_size=1_000_000, open_files=32, nice=9)

    assert ended(who) == 0
    size = -(-1_000_000 // 512) * 512
    assert (tmp_path / "1.log").read_text() == f"[(7, 8), ({size}, {size}), (32, 32)] 9\n"


def test_a_run_without_limits_starts_without_a_shell(start: Start) -> None:
    program = limiting(Limits(open_files=8), "/bin/true", ("true",))
    assert program[0] == "/bin/sh"

    who = start("/bin/sleep", "60")

    words = Path(f"/proc/{who.pid}/cmdline")
    eventually(lambda: words.read_bytes() == b"/bin/sleep\x0060\x00")


def test_the_program_takes_the_shells_place_in_the_same_process(start: Start) -> None:
    who = start("sleep", "60", open_files=64)

    words = Path(f"/proc/{who.pid}/cmdline")
    eventually(lambda: words.read_bytes() == b"sleep\x0060\x00")
    assert identify(who.pid) == who
    assert os.getsid(who.pid) == who.pid


def test_a_program_beyond_its_processor_time_is_ended_by_the_kernel(start: Start) -> None:
    assert ended(start(sys.executable, "-c", "while True: pass", cpu_time=1)) == -signal.SIGXCPU


def test_a_program_that_ignores_the_signal_is_killed_a_second_later(start: Start) -> None:
    code = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"

    assert ended(start(sys.executable, "-c", code, cpu_time=1)) == -signal.SIGKILL


def test_a_file_cannot_grow_beyond_its_limit(start: Start, tmp_path: Path) -> None:
    who = start("dd", "if=/dev/zero", "of=big", "bs=4096", "count=100", file_size=65536)

    assert ended(who) == -signal.SIGXFSZ
    assert (tmp_path / "big").stat().st_size == 65536


def test_a_missing_program_is_told_before_any_shell_is_started(start: Start) -> None:
    with pytest.raises(SpawnError, match="Command not found: nothing-of-that-name"):
        start("nothing-of-that-name", open_files=64)


def test_an_argument_is_never_read_by_the_shell(start: Start, tmp_path: Path) -> None:
    assert ended(start("echo", "$(id)", "; exit 3", "a  b", open_files=64)) == 0
    assert (tmp_path / "1.log").read_text() == "$(id) ; exit 3 a  b\n"


def test_a_limit_above_our_own_is_ours() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        pytest.skip("there is no bound here")

    assert f"ulimit -n {most} &&" in limiting(Limits(open_files=most + 1), "x", ("x",))[2]


def test_a_nice_below_ours_is_refused_to_others_than_root() -> None:
    check_nice(os.getpriority(os.PRIO_PROCESS, 0) + 1)
    if os.geteuid() == 0:
        pytest.skip("root may")
    with pytest.raises(SpawnError, match="nice -20"):
        check_nice(-20)


def test_memory_is_counted_over_all_processes_and_shared_pages_once(start: Start) -> None:
    code = "import os; b = bytearray(40 << 20); os.fork() and os.fork(); input()"
    who = start("sh", "-c", f"sleep 60 | exec '{sys.executable}' -c '{code}'")

    def family() -> list[Identity]:
        from pb.process.tree import members

        return members(who, "")

    eventually(lambda: len(family()) >= 5)
    eventually(lambda: memory_of(family(), 2**60) > 3 * (40 << 20))
    assert 40 << 20 < memory_of(family(), 1) < 2 * (40 << 20)


def test_what_was_written_counts_also_when_it_has_been_rotated_away(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    keeper = LogKeeper(log, RotationPolicy(max_size=65536, keep=2, compress=False))
    assert written(log) == 0
    total = 0
    for _ in range(30):
        with log.open("ab") as file:
            total += file.write(b"x" * 9999 + b"\n")
        keeper.tend(0)

        assert written(log) == total
    keeper.close()
    assert log.stat().st_size < total


def test_what_a_child_used_is_told_by_the_kernel(start: Start) -> None:
    size = own_peak() * 1024 + (60 << 20)
    who = start(sys.executable, "-c", f"b = bytearray({size})\nfor _ in range(3000000): pass")
    floor = own_peak()

    used = usage_of(os.wait4(who.pid, 0)[2], floor)

    assert used.max_rss_bytes is not None
    assert size < used.max_rss_bytes < 2 * size
    assert used.cpu_seconds is not None
    assert 0.01 < used.cpu_seconds < 60


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts so")
def test_a_peak_that_may_be_our_own_is_not_told(start: Start) -> None:
    who = start("true")
    floor = own_peak()

    assert usage_of(os.wait4(who.pid, 0)[2], floor).max_rss_bytes is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_zombie_tells_its_processor_time_and_a_stranger_nothing(start: Start) -> None:
    who = start(sys.executable, "-c", "for _ in range(3000000): pass")
    os.waitid(os.P_PID, who.pid, os.WEXITED | os.WNOWAIT)

    assert (usage_of_zombie(who.pid, who.start_ticks).cpu_seconds or 0) > 0
    assert usage_of_zombie(who.pid, who.start_ticks + 1).cpu_seconds is None
    os.waitpid(who.pid, 0)
    assert usage_of_zombie(who.pid, who.start_ticks).cpu_seconds is None
