"""Limits with the installed command: what goes too far is ended, and the history says why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, kill


def hog(mebibytes: int) -> str:
    """Grows by that much and no further, however late a busy machine looks at it."""
    grows = f"[bytearray(1 << 20) for _ in range({mebibytes}) if not time.sleep(0.003)]"
    return f"import time\nb = {grows}\ntime.sleep(600)"


HOG = hog(120)
TWO_HOGS = f"import os\nos.fork()\n{hog(45)}"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{HOG}"
BOMB = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); sleep 60 & done; wait"


@pytest.fixture
def running(pb: Pb) -> Pb:
    pb.ok("scheduler", "start")
    return pb


def ran(pb: Pb, *words: str) -> dict[str, Any]:
    """Add a job, run it to its end, and answer the run."""
    pb.ok("job", "add", "j", *BY_HAND, "--cwd", str(pb.home.parent), *words)
    pb("job", "run", "j", "--wait")
    return pb.history("j")[0]


def test_a_job_over_its_memory_limit_is_ended_and_says_so(running: Pb) -> None:
    run = ran(running, "--limit", "memory=64MiB", "--", sys.executable, "-c", HOG)

    assert run["state"] == "failed"
    assert run["signal"] == "SIGTERM"
    words = run["reason"].replace("(", " ").replace(")", " ").split()
    assert words[:5] == ["memory", "limit", "64", "MiB", "exceeded"]
    assert words[5] == "peak"
    assert 64 < float(words[6]) < 200
    assert run["max_rss_bytes"] > 64 << 20
    assert run["cpu_seconds"] > 0


def test_the_memory_of_a_whole_tree_counts(running: Pb) -> None:
    run = ran(running, "--limit", "memory=64MiB", "--", sys.executable, "-c", TWO_HOGS)

    assert run["reason"].startswith("memory limit 64 MiB exceeded (peak ")
    # Neither of the two was ever beyond it alone, or not by much.
    assert (run["max_rss_bytes"] or 0) < 100 << 20


def test_who_grows_on_while_being_stopped_gets_no_more_time(running: Pb) -> None:
    grace = ("--kill-grace", "1h")
    run = ran(running, "--limit", "memory=48MiB", *grace, "--", sys.executable, "-c", STUBBORN)

    assert run["signal"] == "SIGKILL"
    assert run["reason"].endswith("(killed: it did not end within its grace)")


def test_a_fork_bomb_is_bounded_and_nothing_of_it_is_left(running: Pb) -> None:
    run = ran(running, "--limit", "processes=40", "--shell", "--", BOMB)

    assert run["state"] == "failed"
    assert run["reason"].startswith("process limit 40 exceeded (peak ")
    assert not [line for line in running.processes().values() if line.startswith("sleep 60")]


def test_a_run_that_writes_too_much_is_ended(running: Pb) -> None:
    run = ran(running, "--limit", "output=1MiB", "--", "yes")

    assert run["state"] == "failed"
    assert run["reason"].startswith("output limit 1 MiB exceeded (wrote ")


@pytest.mark.parametrize("shell", [False, True], ids=["by the program", "by a child of a shell"])
def test_a_run_beyond_its_processor_time_says_so(running: Pb, shell: bool) -> None:
    code = "while True: pass"
    argv = ["--", sys.executable, "-c", code]
    if shell:
        argv = ["--shell", "--", f"'{sys.executable}' -c '{code}'; exit $?"]

    run = ran(running, "--limit", "cpu_time=1", *argv)

    assert run["state"] == "failed"
    assert run["reason"].startswith("cpu time limit 1s exceeded")


def test_a_file_that_is_too_large_ends_the_run_which_says_so(running: Pb) -> None:
    run = ran(running, "--limit", "file_size=64KiB", "--shell", "--", "exec yes > big")

    assert run["reason"] == "file size limit 64 KiB exceeded"


def test_all_limits_together_leave_a_modest_run_alone(running: Pb) -> None:
    limits = '{"cpu_time": "5s", "memory": "1GiB", "open_files": 64, "processes": 5, '
    limits += '"file_size": "1MiB", "nice": 3, "output": "1MiB"}'

    # The scheduler sets niceness just after the start, so the run may see it a moment later.
    script = 'until [ "$(nice)" = 3 ]; do :; done; nice'
    run = ran(running, "--limits", limits, "--", "/bin/sh", "-c", script)

    assert run["state"] == "succeeded"
    assert running.ok("job", "logs", "j").out.splitlines()[-1] == "3"
    shown = running.ok("job", "show", "j").out
    assert "memory 1GiB (watched)" in shown
    assert "open files 64 (hard, each process)" in shown


def test_a_run_is_watched_by_the_scheduler_that_adopts_it(running: Pb, tmp_path: Path) -> None:
    wait = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)"
    code = f"{wait}\n{HOG}"
    running.ok(
        "job", "add", "j", *BY_HAND, "--limit", "memory=64MiB", "--", sys.executable, "-c", code
    )
    running.ok("job", "run", "j")

    kill(running.pid(), 9)
    running.ok("scheduler", "start")
    (tmp_path / "go").touch()
    [run] = eventually(lambda: [r for r in running.history("j") if r["finished_at"]])

    assert run["reason"].startswith("memory limit 64 MiB exceeded (peak ")


def test_what_a_run_used_is_in_its_record_and_on_wide_screens(running: Pb) -> None:
    size = 200 << 20
    run = ran(running, "--", sys.executable, "-c", f"b = bytearray({size})")

    assert size < run["max_rss_bytes"] < 2 * size
    assert 0 < run["cpu_seconds"] < 60
    table = running.ok("job", "history", "j").out
    assert table.splitlines()[0].split()[-2:] == ["PEAK", "CPU"]
    assert f"{run['max_rss_bytes'] / 2**20:.0f} MiB" in table
    assert "Last run used: " in running.ok("job", "show", "j").out
