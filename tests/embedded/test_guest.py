"""A scheduler inside another program is its guest: what belongs to the program stays as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pb import Scheduler
from tests.kit import eventually
from tests.kit.command import command
from tests.test_architecture import imported_by

SLEEP = ["sleep", "60"]

PROGRAM = """
import os, signal, subprocess, sys
from pb import Scheduler
{before}
with Scheduler() as s:
    {inside}
"""


def program(
    home: Path, inside: str, *, before: str = "", is_measured: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program with a scheduler in it; without coverage unless it ``is_measured``."""
    kept = {k: v for k, v in os.environ.items() if is_measured or not k.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(before=before, inside=inside)],
        env={**kept, "PB_HOME": str(home)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def pb(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(), *words], env={**os.environ, "PB_HOME": str(home)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_importing_pb_costs_nothing() -> None:
    # What the interpreter, an editable install and coverage bring along is not pb's doing.
    imported = imported_by("import pb") - imported_by("pass")

    assert {name for name in imported if name.startswith("pb")} == {"pb"}
    assert not imported & {"asyncio", "sqlite3", "threading", "typing", "importlib"}


def test_pb_has_no_names_but_its_own() -> None:
    with pytest.raises(ImportError, match="Schedular"):
        exec("from pb import Schedular")


def test_children_of_the_program_are_its_own_to_collect(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("x", "true")
        child = subprocess.Popen(["sh", "-c", "exit 7"])
        s.run("x")
        with subprocess.Popen(["sh", "-c", "exit 8"]) as other:
            s.run("x")
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert s.run("x")["state"] == "succeeded"
        assert (child.wait(), other.returncode) == (7, 8)


def test_signals_directory_and_umask_stay_as_they_are(home: Path) -> None:
    numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    mask = os.umask(0o022)
    try:
        before = [signal.getsignal(n) for n in numbers], os.getcwd(), signal.set_wakeup_fd(-1)
        with Scheduler() as s:
            s.add_job("x", "umask; pwd", shell=True, cwd="/usr", umask="027")
            s.add_job("y", "umask; pwd", shell=True, cwd="/usr/bin")
            logs = [Path(s.run(name)["log_path"]).read_text() for name in "xy"]
            inside = [signal.getsignal(n) for n in numbers], os.getcwd(), signal.set_wakeup_fd(-1)
            now = os.umask(0o022)
    finally:
        os.umask(mask)

    assert logs == ["0027\n/usr\n", "0077\n/usr/bin\n"]
    assert (inside, now) == (before, 0o022)
    assert [p for p in home.rglob("*") if p.is_file() and p.stat().st_mode & 0o077] == []


def test_the_directory_never_moves_while_many_runs_start(home: Path) -> None:
    """posix_spawn cannot enter a directory: whoever does it for the child does it for all."""
    here, seen, over = os.getcwd(), set[str](), threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(os.readlink("/proc/self/cwd"))

    looker = threading.Thread(target=look)
    with Scheduler() as s:
        s.add_job("x", "true", cwd="/usr", overlap="allow")
        looker.start()
        for _ in range(30):
            s.run("x")
        over.set()
        looker.join()

    assert seen == {here}


def test_a_run_gets_no_descriptor_and_no_ignored_signal_of_the_program(home: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Scheduler() as s:
            s.add_job("x", "ls /proc/self/fd; grep SigIgn /proc/self/status", shell=True)
            words = Path(s.run("x")["log_path"]).read_text().split()
            assert os.get_inheritable(writer)
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(reader)
        os.close(writer)

    assert [word for word in words if word.isdigit() and len(word) < 16] == ["0", "1", "2", "3"]
    assert int(words[-1], 16) & 1 << (signal.SIGHUP - 1) == 0


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"command": ["nothing-of-that-name"]}, "Command not found"),
        ({"command": ["true"], "cwd": "/no/such/place"}, "Working directory not found"),
        ({"command": ["true"], "cwd": "/etc/passwd"}, "is not a directory"),
        ({"command": ["./passwd"], "cwd": "/etc"}, "Not an executable"),
    ],
)
def test_what_cannot_be_started_says_why(
    home: Path, definition: dict[str, object], said: str
) -> None:
    with Scheduler() as s:
        s.add_job("x", **definition)  # type: ignore[arg-type]

        run = s.run("x")

        assert run["state"] == "failed"
        assert said in run["reason"]


def test_a_relative_program_is_looked_for_where_the_run_is(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "it's here" / "say"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho said $0 $1\n")
    script.chmod(0o700)
    with Scheduler() as s:
        s.add_job("x", ["./say", "a b"], cwd=str(script.parent))

        assert Path(s.run("x")["log_path"]).read_text() == "said ./say a b\n"


def test_limits_are_kept_too(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("x", "ulimit -n", shell=True, limits={"open_files": 64, "nice": 5})

        assert Path(s.run("x")["log_path"]).read_text() == "64\n"


def test_a_program_that_ignores_its_children_is_refused(home: Path) -> None:
    ran = program(home, "pass", before="signal.signal(signal.SIGCHLD, signal.SIG_IGN)")

    assert ran.returncode == 1
    assert "This program ignores SIGCHLD" in ran.stderr


# -- beside the daemon and the command


def test_the_command_sees_it_and_does_not_kill_the_program(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("x", "true", every="1h")
        status = json.loads(pb(home, "scheduler", "status", "--json").stdout)
        ran = pb(home, "scheduler", "run", "x")
        stops = [pb(home, "scheduler", "stop", *flags) for flags in ((), ("--force",))]
        starts = pb(home, "scheduler", "start")

        assert (status["running"], status["pid"], status["mode"]) == (True, os.getpid(), "embedded")
        assert ran.returncode == 0
        assert [stop.returncode for stop in stops] == [1, 1]
        assert all("inside another program" in stop.stderr + stop.stdout for stop in stops)
        assert starts.returncode == 1
        assert eventually(lambda: s.get_job_status("x")["run_count"] == 1)


def test_a_restart_reads_the_settings_anew_and_keeps_the_runs(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("long", SLEEP)
        run = s.run("long", wait=False)
        assert pb(home, "scheduler", "restart").returncode == 0

        [now] = s.history("long")
        assert (now["state"], now["pid"]) == ("running", run["pid"])
        [ended] = s.cancel("long")
        assert (ended["state"], ended["signal"]) == ("cancelled", "SIGTERM")


def test_a_daemon_adopts_what_an_embedded_scheduler_left(home: Path) -> None:
    """And knows how it ended, although it is this program's child."""
    s = Scheduler()
    s.start()
    s.add_job("long", ["sh", "-c", "read -r word < gate; exit 3"], cwd=str(home))
    os.mkfifo(home / "gate")
    run = s.run("long", wait=False)
    s.stop(keep_runs=True)
    try:
        assert pb(home, "scheduler", "start").returncode == 0
        (home / "gate").write_text("go\n")

        def ended() -> list[dict[str, object]]:
            rows = json.loads(pb(home, "job", "history", "long", "--json").stdout)["runs"]
            return [row for row in rows if row["state"] != "running"]

        [row] = eventually(ended)
        assert (row["run_id"], row["state"], row["exit_code"]) == (run["run_id"], "failed", 3)
        assert eventually(lambda: not leftovers())
    finally:
        pb(home, "scheduler", "stop", "--force")


def leftovers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "pb-leftovers"]


def test_the_next_scheduler_of_the_program_takes_its_runs_back(home: Path) -> None:
    s = Scheduler()
    s.start()
    s.add_job("long", SLEEP)
    run = s.run("long", wait=False)
    s.stop(keep_runs=True)
    assert leftovers()

    with s:
        assert not leftovers()
        [now] = s.history("long")
        assert (now["state"], now["pid"]) == ("running", run["pid"])
        os.kill(run["pid"], signal.SIGKILL)
        ended = s.wait(run["run_id"])

        assert (ended["state"], ended["signal"]) == ("failed", "SIGKILL")


def test_it_adopts_what_a_daemon_left(home: Path) -> None:
    assert pb(home, "scheduler", "start").returncode == 0
    pid = json.loads(pb(home, "scheduler", "status", "--json").stdout)["pid"]
    assert (
        pb(home, "job", "add", "long", "--at", "2099-01-01T00:00:00Z", "--", *SLEEP).returncode == 0
    )
    assert pb(home, "job", "run", "long").returncode == 0
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    with Scheduler() as s:
        [run] = s.history("long")
        assert run["state"] == "running"

        assert [r["state"] for r in s.cancel("long")] == ["cancelled"]


def test_a_program_that_ends_without_stopping_it_leaves_its_runs_alive(home: Path) -> None:
    inside = "s.add_job('long', ['sleep', '60']); print(s.run('long', wait=False)['pid']); exit()"
    text = PROGRAM.format(before="", inside=inside).replace(
        "with Scheduler() as s:", "s = Scheduler(); s.start()\nif s:"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], env={**os.environ, "PB_HOME": str(home)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    pid = int(ran.stdout)
    try:
        assert ran.stderr == ""
        assert Path(f"/proc/{pid}").exists()
        assert not (home / "scheduler.pid").exists()
        with Scheduler() as s:
            assert [r["state"] for r in s.cancel("long")] == ["cancelled"]
    finally:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def test_a_forked_child_holds_neither_the_scheduler_nor_its_lock(home: Path) -> None:
    inside = """
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        try:
            s.list_jobs()
        except Exception as error:
            os.write(1, type(error).__name__.encode() + b"\\n")
        os.read(reader, 1)
        os._exit(0)
    s.stop()
    with Scheduler():
        print("again")
    os.close(writer)
    os.wait()
    """
    # Coverage takes a lock when a forked child ends, which another thread may hold at the fork.
    ran = program(home, inside.strip(), is_measured=False)

    assert (ran.stdout, ran.stderr) == ("NeedsDaemonError\nagain\n", "")


def test_functions_of_a_script_are_found_by_its_file(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(
        "from pb import Scheduler, job\n"
        "@job(every='1h')\n"
        "def count():\n    return 7\n"
        "if __name__ == '__main__':\n"
        "    with Scheduler(jobs=[count]) as s:\n        print(s.run('count')['output'])\n"
    )
    env = {**os.environ, "PB_HOME": str(home)}
    ran = [
        subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        for words in ([sys.executable, str(script)], [sys.executable, "-m", "tool"])
    ]
    typed = program(home, "s.add_job('f', python=f)", before="def f():\n    return 1\n")

    assert [(one.stdout, one.stderr) for one in ran] == [("7\n", "")] * 2
    assert "f is defined in no module" in typed.stderr
