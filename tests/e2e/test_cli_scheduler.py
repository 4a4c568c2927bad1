"""``pb scheduler`` and ``pb job`` against a scheduler that really runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.process.identity import identify
from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


@pytest.fixture
def running(pb: Cli) -> Cli:
    ran = pb("scheduler", "start")
    assert ran.code == 0, ran
    return pb


def instance(pb: Cli, service: str) -> str:
    """The life of a daemon: a restart in place keeps its PID, but not this."""
    return str(json.loads((pb.home / f"{service}.pid").read_text())["instanceId"])


def add(pb: Cli, name: str, script: str, *more: str) -> None:
    words = ("job", "add", name, "--at", "2099-01-01T00:00:00Z", *more)
    assert pb(*words, "--", "sh", "-c", script).code == 0


def test_start_says_what_runs_where_and_status_agrees(pb: Cli) -> None:
    ran = pb("scheduler", "start")
    assert ran.code == 0, ran
    pid = pb.pid()
    lines = ran.out.splitlines()
    assert lines[0] == "✓ Scheduler started in background"
    assert f"  PID: {pid}" in lines
    assert f"  Database: {pb.home}/pony.db" in lines
    assert ran.err.startswith("Starting Scheduler Daemon in background...\n")
    status = pb("scheduler", "status", "--no-jobs")
    assert status.code == 0
    labels = [line.split(":")[0].strip() for line in status.out.splitlines()[2:]]
    assert labels == [
        *("Status", "PID", "Mode", "Database", "Socket", "Started", "Uptime", "Log file")
    ]
    assert f"  PID: {pid}\n  Mode: background\n" in status.out
    assert re.search(r"\n  Started: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n", status.out)
    assert re.search(r"\n  Uptime: \d+s\n", status.out)
    document = pb("scheduler", "status", "--json").json
    assert (document["running"], document["pid"], document["schema"]) == (True, pid, 1)


def test_starting_twice_has_the_fixed_words_and_exit_code_1(running: Cli) -> None:
    ran = running("scheduler", "start")
    assert ran.code == 1
    started = json.loads((running.home / "scheduler.pid").read_text())["startedAt"]
    lines = ran.out.splitlines()
    assert lines[:2] == ["⚠ Scheduler is already running", f"  PID: {running.pid()}"]
    assert lines[2].startswith("  Started: ")
    assert lines[2].endswith(f".{started % 1000:03d}Z")
    assert ran.err == "Use --force to start anyway, or run `pb scheduler stop` first\n"
    error = running("scheduler", "start", "--json")
    assert (error.code, error.json["error"]["code"]) == (1, "conflict")
    assert str(running.pid()) in error.json["error"]["message"]


def test_force_stops_the_old_one_first(running: Cli) -> None:
    old = running.pid()
    ran = running("scheduler", "start", "--force")
    assert ran.code == 0, ran
    assert running.pid() != old
    assert identify(old) is None


def test_stop_says_what_it_waits_for_and_force_does_not_wait(running: Cli) -> None:
    go = running.cwd / "go"
    add(running, "slow", f"while ! test -e {go}; do sleep 0.05; done")
    assert running("job", "run", "slow").code == 0
    stopping = running.start("scheduler", "stop", stderr=subprocess.PIPE)
    try:
        assert stopping.stderr is not None
        assert stopping.stderr.readline().startswith(b"Stopping Scheduler (PID: ")
        said = stopping.stderr.readline().decode()
        assert said == "Waiting for 1 running job: slow (--force kills at once)\n"
        go.touch()
        _, _ = stopping.communicate(timeout=30)
        assert stopping.returncode == 0
    finally:
        stopping.kill()
        stopping.wait(10)
    (run,) = running("job", "history", "--json").json["runs"]
    assert run["state"] == "succeeded"
    assert running("scheduler", "status").code == 3


def test_a_stopped_process_is_reported_within_five_seconds(running: Cli) -> None:
    pid = running.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        for words, code in (
            (("scheduler", "status"), 150),
            (("job", "list"), 1),
            (("service", "status", "scheduler"), 150),
        ):
            before = time.monotonic()
            ran = running(*words)
            assert ran.code == code, ran
            assert time.monotonic() - before < 5.0
        assert "  Status: Not responding" in running("scheduler", "status", "--no-jobs").out
    finally:
        os.kill(pid, signal.SIGCONT)
    assert eventually(lambda: running("scheduler", "status").code == 0)


def test_a_killed_scheduler_is_dead_and_starts_again(running: Cli) -> None:
    pid = running.pid()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: identify(pid) is None)
    assert running("scheduler", "status").code == 1
    assert running("scheduler", "start").code == 0


def test_restart_keeps_a_run_alive(running: Cli) -> None:
    add(running, "slow", "exec sleep 100")
    run = running("job", "run", "slow", "--json").json["run"]
    old = instance(running, "scheduler")
    ran = running("scheduler", "restart")
    assert ran.code == 0, ran
    assert instance(running, "scheduler") != old
    assert identify(run["pid"]) is not None
    (job,) = running("job", "list", "--json").json["jobs"]
    assert job["running"] is True
    cancelled = running("job", "cancel", "slow")
    assert cancelled.out == f"✓ Run {run['run_id']} cancelled\n"
    assert identify(run["pid"]) is None


def test_the_foreground_ends_with_ctrl_c(pb: Cli) -> None:
    process = pb.start("scheduler", "start", "--foreground", stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: pb("scheduler", "status").code == 0)
        assert pb.pid() == process.pid
        assert pb("scheduler", "status", "--json").json["mode"] == "foreground"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) in (0, 130)
    finally:
        process.kill()
        process.wait(10)
    assert pb("scheduler", "status").code == 3


def test_a_guardian_is_told_of(pb: Cli) -> None:
    ran = pb("scheduler", "start", "--daemon")
    assert ran.code == 0, ran
    assert "✓ Scheduler started with a guardian" in ran.out
    assert "  Guardian PID: " in ran.out
    assert pb("scheduler", "status", "--json").json["mode"] == "daemon"


def test_db_and_socket_flags_are_used_and_survive_a_restart(pb: Cli) -> None:
    db, socket = pb.cwd / "other.db", pb.cwd / "s"
    assert pb("scheduler", "start", "--db", str(db), "--socket", str(socket)).code == 0
    assert pb("scheduler", "restart").code == 0
    document = pb("scheduler", "status", "--json").json
    assert (document["db_path"], document["socket_path"]) == (str(db), str(socket))
    assert db.exists()
    assert not (pb.home / "pony.db").exists()


def test_reload_says_what_changed(running: Cli) -> None:
    (running.home / "config.toml").write_text("broken [")
    ran = running("scheduler", "reload")
    assert ran.code != 0
    assert "config.toml" in ran.all
    assert running("scheduler", "status").code == 0
    (running.home / "config.toml").unlink()
    assert running("scheduler", "reload").code == 0


def test_a_job_runs_by_itself_and_its_log_is_read(running: Cli) -> None:
    words = ("--every", "1s", "--", "echo", "tick")
    assert running("job", "add", "clock", *words).code == 0
    runs = eventually(
        lambda: [
            run
            for run in running("job", "history", "clock", "--json").json["runs"]
            if run["state"] == "succeeded"
        ]
    )
    assert runs[0]["trigger"] == "every"
    logged = running("job", "logs", str(runs[0]["run_id"]))
    assert logged.out == "tick\n"
    assert logged.err.startswith(f"Run {runs[0]['run_id']} of clock, succeeded")


def test_run_returns_when_started_and_wait_passes_the_exit_code_on(running: Cli) -> None:
    add(running, "seven", "echo out; exit 7")
    ran = running("scheduler", "run", "seven")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"✓ Run \d+ of 'seven' started \(PID \d+\)\n", ran.out)
    waited = running("job", "run", "seven", "--wait")
    assert (waited.code, waited.out) == (7, "")
    assert "failed after" in waited.err
    followed = running("job", "run", "seven", "--follow")
    assert (followed.code, followed.out) == (7, "out\n")
    document = running("job", "run", "seven", "--wait", "--json")
    assert document.code == 7
    assert document.json["run"]["exit_code"] == 7


def test_a_failed_job_shows_its_last_error_below_its_row_made_harmless(running: Cli) -> None:
    add(running, "bad", "printf '\\033[31m[bold]red\\n'; exit 3")
    assert running("job", "run", "bad", "--wait").code == 3
    lines = running("job", "list").out.splitlines()
    assert lines[2].split()[0] == "bad"
    assert lines[2].split()[-2:] == ["1", "1"]
    assert lines[3].startswith("  Last error: exit code 3")
    assert "\x1b" not in running("job", "list").all
    assert running("job", "logs", "bad").out == "\\x1b[31m[bold]red\n"
    assert running("job", "logs", "bad", "--raw").out == "\x1b[31m[bold]red\n"


def test_following_a_run_that_goes_on_ends_with_it(running: Cli) -> None:
    go = running.cwd / "go"
    add(running, "slow", f"echo one; while ! test -e {go}; do sleep 0.05; done; echo two")
    assert running("job", "run", "slow").code == 0
    seen = running.cwd / "seen"
    with seen.open("wb") as out:
        process = running.start("job", "logs", "slow", "-f", stdout=out, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: seen.read_bytes() == b"one\n")
            go.touch()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait(10)
    assert seen.read_bytes() == b"one\ntwo\n"


def test_a_running_job_says_so(running: Cli) -> None:
    add(running, "slow", "exec sleep 100")
    assert running("job", "run", "slow").code == 0
    assert " RUNNING " in running("job", "list").out
    assert running("job", "pause", "slow").code == 0
    assert " PAUSED " in running("job", "list").out
    assert running("job", "cancel", "slow").code == 0
    assert running("job", "cancel", "slow").out == "Nothing of 'slow' is running\n"


def test_waiting_for_a_run_outlives_a_restart_of_the_scheduler(running: Cli) -> None:
    go = running.cwd / "go"
    add(running, "slow", f"echo one; while ! test -e {go}; do sleep 0.05; done; exit 5")
    seen = running.cwd / "seen"
    with seen.open("wb") as out:
        process = running.start("job", "run", "slow", "-f", stdout=out, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: seen.read_bytes() == b"one\n")
            assert running("scheduler", "restart").code == 0
            go.touch()
            assert process.wait(30) == 5
        finally:
            process.kill()
            process.wait(10)


def test_a_run_that_is_skipped_fails_and_says_why(running: Cli) -> None:
    add(running, "slow", "exec sleep 100")
    assert running("job", "run", "slow").code == 0
    again = running("job", "run", "slow")
    assert (again.code, again.out) == (1, "")
    assert "was skipped: overlap" in again.err
    assert running("job", "run", "slow", "--json").json["run"]["state"] == "skipped"


def test_pb_run_is_recorded_by_a_running_scheduler_too(running: Cli) -> None:
    assert running("run", "--", "sh", "-c", "exit 4").code == 4
    (run,) = running("job", "history", "--json").json["runs"]
    assert (run["state"], run["exit_code"]) == ("failed", 4)
