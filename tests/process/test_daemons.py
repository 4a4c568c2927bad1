"""Everybody else's side: look, launch, stop, and the races between them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pb.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    PbError,
    UnresponsiveError,
    UnsupportedError,
)
from pb.paths import Home
from pb.process.daemons import DaemonStatus, launch, look, stop
from pb.process.identity import Identity, identify, is_alive, own, send_signal, wait_gone
from pb.process.lock import Lock, is_held_by
from pb.process.pidfile import PidRecord, write_pid_file
from tests.kit import eventually
from tests.process.daemon_kit import (
    GUARDIAN,
    TINY,
    environment,
    home,
    launcher,
    run_launcher,
    tiny_processes,
)

__all__ = ["home"]


def launched(home: Home, behave: str = "ready", **options: object) -> PidRecord:
    options = {"mode": "background", "wait": 60.0, "module": TINY} | options
    return launch(home, "scheduler", ["--behave", behave], **options)


def state(home: Home) -> DaemonStatus:
    return look(home, "scheduler")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A live process that is none of ours to signal; at the end it must still live."""
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield process
    assert process.poll() is None
    process.kill()
    process.wait()


# Looking.


def test_nothing_there_is_stopped(home):
    assert state(home) == DaemonStatus(service="scheduler", state="stopped")


def test_a_launched_daemon_runs_and_is_what_its_record_says(home):
    record = launched(home)
    assert state(home) == DaemonStatus(service="scheduler", state="running", record=record)
    assert record.identity == identify(record.pid)
    assert record.address == "127.0.0.1:7"


def test_a_killed_daemon_is_dead(home):
    record = launched(home)
    assert send_signal(record.identity, signal.SIGKILL)
    assert wait_gone(record.identity, 10)
    status = eventually(lambda: state(home).state == "dead" and state(home))
    assert status.record == record
    assert str(record.pid) in (status.reason or "")


def write(home: Home, identity: Identity | None, **more: object) -> PidRecord:
    pid = identity.pid if identity else 4_000_000
    record = PidRecord(pid=pid, identity=identity, service="scheduler", **more)
    write_pid_file(home.pid_file("scheduler"), record)
    return record


def test_a_reused_pid_is_dead_and_says_so(home, stranger):
    identity = identify(stranger.pid)
    write(home, replace(identity, start_ticks=identity.start_ticks - 1))
    assert state(home).state == "dead"
    assert "another process now" in (state(home).reason or "")


def test_a_record_of_another_boot_is_dead(home, stranger):
    write(home, replace(identify(stranger.pid), boot_id="an earlier one"))
    assert state(home).state == "dead"
    assert "last started" in (state(home).reason or "")


def test_a_record_of_another_host_is_unknown(home, stranger):
    write(home, replace(identify(stranger.pid), boot_id="of that host", host="that-host"))
    assert state(home).state == "unknown"
    assert "that-host" in (state(home).reason or "")


def test_a_record_of_another_container_is_unknown_while_the_lock_is_held(home, stranger):
    write(home, replace(identify(stranger.pid), pid_namespace=1))
    assert state(home).state == "dead"
    lock = Lock(home.lock("scheduler"))
    assert lock.acquire()
    assert state(home).state == "unknown"
    lock.release()


def test_a_lock_without_a_pid_file_is_unknown_and_settling(home):
    lock = Lock(home.lock("scheduler"))
    assert lock.acquire()
    status = state(home)
    assert (status.state, status.is_settling, status.record) == ("unknown", True, None)
    lock.release()
    assert state(home).state == "stopped"


@pytest.mark.parametrize("content", ["", "hello", "0", "-1", "1", "true", '{"pid": 1}', "[" * 9999])
def test_a_bad_pid_file_is_unknown_and_never_a_crash(home, content):
    home.pid_file("scheduler").write_text(content)
    status = state(home)
    assert status.state == "unknown"
    assert str(home.pid_file("scheduler")) in (status.reason or "")
    assert stop(home, "scheduler", force=True, timeout=1).stopped  # the lock is free
    assert home.pid_file("scheduler").read_text() == content


def test_a_bare_number_is_the_daemon_only_if_that_process_holds_the_lock(home, stranger):
    path = home.pid_file("scheduler")
    record = launched(home)
    path.write_text(f"{record.pid}\n")
    assert state(home).state == "running"
    assert state(home).record == PidRecord(pid=record.pid, identity=record.identity)
    path.write_text(str(stranger.pid))
    assert state(home).state == "unknown"
    result = stop(home, "scheduler", force=True, timeout=1)
    assert not result.stopped
    assert is_alive(record.identity)
    write_pid_file(path, record)


def test_a_bare_number_of_a_stranger_is_stale_when_the_lock_is_free(home, stranger):
    home.pid_file("scheduler").write_text(str(stranger.pid))
    assert state(home).state == "dead"
    result = stop(home, "scheduler", force=True, timeout=5)
    assert (result.stopped, result.was_running) == (True, False)
    assert not home.pid_file("scheduler").exists()


def test_a_bare_number_of_the_daemon_is_stopped_like_any(home):
    record = launched(home)
    home.pid_file("scheduler").write_text(str(record.pid))
    result = stop(home, "scheduler", timeout=10)
    assert (result.stopped, result.was_running, result.pid) == (True, True, record.pid)
    assert state(home).state == "stopped"


# Launching.


def test_a_second_launch_is_told_who_runs(home):
    record = launched(home)
    with pytest.raises(ConflictError) as caught:
        launched(home)
    assert caught.value.record == record
    assert caught.value.pid == record.pid
    assert str(record.pid) in caught.value.message
    assert caught.value.hint


def test_its_environment_belongs_to_no_run(home, monkeypatch):
    of_a_run = ("PB_MARKER", "PB_RUN_ID", "PB_JOB", "PB_ATTEMPT", "PB_FIRE_TIME", "PB_OUTPUT")
    of_its_event = ("PB_EVENT", "PB_EVENT_COUNT", "PB_EVENT_PATH", "PB_EVENT_VALUE")
    for name in (*of_a_run, *of_its_event, "PB_URL", "PB_TOKEN", "PB_TOKEN_FILE", "PB_TRUST"):
        monkeypatch.setenv(name, "of a run")
    monkeypatch.setenv("PB_OTHER", "kept")
    record = launched(home)
    entries = Path(f"/proc/{record.pid}/environ").read_bytes().split(b"\0")
    assert b"PONY_SCHEDULER_BACKGROUND=1" in entries
    assert b"PB_OTHER=kept" in entries
    assert not [entry for entry in entries if entry.endswith(b"=of a run")]


def test_the_daemons_own_error_comes_back_as_itself(home):
    with pytest.raises(InvalidError) as caught:
        launched(home, "fail")
    assert caught.value.message == "The tiny setting is wrong"
    assert caught.value.hint == "Set it right."
    assert eventually(lambda: state(home).state == "stopped")


def test_a_conflict_of_the_daemons_own_is_not_taken_for_a_lost_race(home):
    began = time.monotonic()
    with pytest.raises(ConflictError) as caught:
        launched(home, "port")
    assert caught.value.message == "Port 1 is taken by somebody"
    assert not hasattr(caught.value, "pid")
    assert time.monotonic() - began < 30


def test_a_death_before_it_detached_shows_the_exit_code_and_the_last_lines(home):
    home.log("scheduler").write_text("a line of long ago\n")
    with pytest.raises(PbError) as caught:
        launched(home, "die")
    assert "exit code 1" in caught.value.message
    hint = caught.value.hint or ""
    assert "the tiny daemon dies early" in hint
    assert str(home.log("scheduler")) in hint
    assert "long ago" not in hint
    assert state(home).state == "stopped"


def test_a_death_after_it_detached_shows_the_last_lines_made_safe(home):
    with pytest.raises(PbError) as caught:
        launched(home, "die-late")
    assert "before it was ready" in caught.value.message
    assert "?[31mlast words" in (caught.value.hint or "")
    assert "\x1b" not in (caught.value.hint or "")


def test_a_module_that_is_not_there_is_a_death_with_its_reason(home):
    with pytest.raises(PbError) as caught:
        launched(home, module="pb.no_such_module")
    assert "No module named" in (caught.value.hint or "")


def test_a_slow_start_says_that_it_goes_on_and_where_to_look(home):
    with pytest.raises(UnresponsiveError) as caught:
        launched(home, "never-ready", wait=0.2)
    assert "still starting" in caught.value.message
    assert str(home.log("scheduler")) in (caught.value.hint or "")
    record = eventually(lambda: state(home).record)
    assert state(home).state == "running"
    assert is_alive(record.identity)


def test_a_stale_pid_file_does_not_stop_a_start(home, stranger):
    identity = identify(stranger.pid)
    write(home, replace(identity, start_ticks=1))
    record = launched(home)
    assert state(home).record == record


def test_a_garbage_pid_file_does_not_stop_a_start(home):
    home.pid_file("scheduler").write_text("hello")
    record = launched(home)
    assert state(home).record == record


def test_a_start_of_something_else_than_a_daemon_is_refused(home):
    with pytest.raises(NotFoundError):
        launch(home, "sausage", [], mode="background")
    with pytest.raises(UnsupportedError):
        launch(home, "gateway", [], mode="daemon")


def children() -> set[str]:
    return {pid for task in Path("/proc/self/task").iterdir() for pid in task_children(task)}


def task_children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def test_launching_leaves_no_zombie_and_no_descriptor(home):
    files, before = len(os.listdir("/proc/self/fd")), children()
    launched(home)
    with pytest.raises(ConflictError):
        launched(home)
    with pytest.raises(InvalidError):
        launch(
            Home(home.root / "b"), "scheduler", ["--behave", "fail"], mode="background", module=TINY
        )
    assert children() <= before
    assert len(os.listdir("/proc/self/fd")) == files


def test_the_log_is_opened_before_anything_starts(home):
    home.log("scheduler").mkdir()
    with pytest.raises(PbError, match="Cannot write the log"):
        launched(home)
    home.log("scheduler").rmdir()


def test_of_twenty_launches_at_once_one_wins_and_all_know_it(home, tmp_path):
    processes = [
        subprocess.Popen(
            launcher(home, "-"), env=environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        for _ in range(20)
    ]
    answers = [json.loads(process.communicate(timeout=110)[0]) for process in processes]
    won = [answer["won"] for answer in answers if "won" in answer]
    lost = [answer["lost"] for answer in answers if "lost" in answer]
    assert len(won) == 1
    assert lost == won * 19
    assert state(home).record.pid == won[0]
    assert {answer["code"] for answer in answers if "lost" in answer} == {"conflict"}
    assert [identity.pid for identity in tiny_processes(home)] == won


def test_a_loser_waits_for_the_record_of_a_winner_that_is_slow_to_write_it(home):
    lock = Lock(home.lock("scheduler"))
    assert lock.acquire()
    with subprocess.Popen(launcher(home, "-"), env=environment(), stdout=subprocess.PIPE) as loser:
        eventually(lambda: "just starting" in home.log("scheduler").read_text(), timeout=60)
        with pytest.raises(subprocess.TimeoutExpired):
            loser.wait(0.7)
        write(home, own())
        answer = json.loads(loser.communicate(timeout=60)[0])
    assert answer["lost"] == os.getpid()
    home.pid_file("scheduler").unlink()
    lock.release()


def test_command_substitution_returns_while_the_daemon_runs_on(home):
    script = 'x=$("$@" 2>&1); echo "got: $x"'
    argv = ["sh", "-c", script, "sh", *launcher(home, "-")]
    done = subprocess.run(
        argv, env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f'got: {{"won": {state(home).record.pid}}}\n'
    assert state(home).state == "running"


def test_a_pipe_that_the_callers_shell_left_open_is_not_kept(home):
    read, held = os.pipe()
    os.set_inheritable(held, True)
    try:
        launched(home)
    finally:
        os.close(held)
    with open(read, "rb") as pipe:
        assert pipe.read() == b""


def test_a_module_that_does_not_detach_gets_nothing_of_the_callers_either(home):
    """What launch itself does to the child, before python-daemon would do it again."""
    read, held = os.pipe()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run_launcher(
            home, pass_fds=(held,), stdin=theirs, env=environment(LAUNCH_MODE="foreground")
        )
    os.close(held)
    pid = state(home).record.pid
    with open(read, "rb") as pipe:
        assert pipe.read() == b""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)]
    assert links == [os.devnull, str(home.log("scheduler")), str(home.log("scheduler"))]
    assert os.getsid(pid) == pid


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_it_launches_with_standard_streams_closed(home, tmp_path, closed):
    out = tmp_path / "answer.json"
    argv = ["sh", "-c", f'exec "$@" {closed}', "sh", *launcher(home, out)]
    subprocess.run(argv, env=environment(), check=True, timeout=60)
    assert json.loads(out.read_text()) == {"won": state(home).record.pid}


def test_it_launches_with_a_socket_as_stdin(home):
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            run_launcher(home, stdin=theirs)
        ours.settimeout(10)
        assert ours.recv(1) == b""
    assert state(home).state == "running"


def test_a_killed_launcher_does_not_take_the_daemon_with_it(home):
    process = subprocess.Popen(
        launcher(home, "-", "--behave", "never-ready"), env=environment(), start_new_session=True
    )
    record = eventually(lambda: state(home).record, timeout=60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert is_alive(record.identity)
    assert state(home).state == "running"


def test_importing_the_callers_side_stays_cheap():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import pb.process.daemons\n"
        "heavy = {'psutil', 'daemon', 'subprocess', 'asyncio', 'sqlite3', 'socket', 'typer'}\n"
        "found = heavy & (set(sys.modules) - before)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, timeout=60)


# Stopping.


def test_what_does_not_run_is_stopped_already(home):
    result = stop(home, "scheduler", timeout=1)
    assert (result.stopped, result.was_running, result.pid) == (True, False, None)
    assert "not running" in result.message


def test_stop_waits_until_the_process_is_gone_and_tidy(home):
    record = launched(home)
    result = stop(home, "scheduler", timeout=10)
    assert (result.stopped, result.was_running, result.forced) == (True, True, False)
    assert result.pid == record.pid
    assert not is_alive(record.identity)
    assert state(home).state == "stopped"
    assert "ended in order" in home.log("scheduler").read_text()


def test_a_stopped_process_obeys_too(home):
    record = launched(home)
    assert send_signal(record.identity, signal.SIGSTOP)
    result = stop(home, "scheduler", timeout=10)
    assert result.stopped
    assert "ended in order" in home.log("scheduler").read_text()


def test_one_that_takes_its_time_is_waited_for_and_told_about(home):
    launched(home, "slow")
    told: list[str] = []
    result = stop(home, "scheduler", timeout=30, progress=told.append)
    assert result.stopped
    assert told
    assert "PID" in told[0]
    assert state(home).state == "stopped"


def test_one_that_does_not_listen_is_not_killed_unless_asked(home):
    record = launched(home, "deaf")
    result = stop(home, "scheduler", timeout=0.3)
    assert (result.stopped, result.was_running, result.pid) == (False, True, record.pid)
    assert "--force" in result.message
    assert is_alive(record.identity)
    forced = stop(home, "scheduler", force=True, timeout=10)
    assert (forced.stopped, forced.forced) == (True, True)
    assert not is_alive(record.identity)
    assert not home.pid_file("scheduler").exists()
    assert "ended in order" not in home.log("scheduler").read_text()


def test_a_dead_daemons_pid_file_is_cleaned_up_with_success(home):
    record = launched(home)
    assert send_signal(record.identity, signal.SIGKILL)
    eventually(lambda: state(home).state == "dead")
    result = stop(home, "scheduler", timeout=5)
    assert (result.stopped, result.was_running) == (True, False)
    assert str(record.pid) in result.message
    assert state(home).state == "stopped"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "forge",
    [
        lambda live: replace(live, start_ticks=live.start_ticks + 1),
        lambda live: replace(live, boot_id="another", host="another"),
        lambda live: replace(live, pid_namespace=1),
        lambda live: None,
    ],
    ids=["reused", "host", "container", "bare"],
)
def test_a_strangers_process_is_never_signalled(home, stranger, forge, force):
    write_pid_file(
        home.pid_file("scheduler"),
        PidRecord(pid=stranger.pid, identity=forge(identify(stranger.pid))),
    )
    stop(home, "scheduler", force=force, timeout=0.5)
    assert stranger.poll() is None


def test_a_forged_supervisor_is_never_signalled(home, stranger):
    record = launched(home)
    write_pid_file(home.pid_file("scheduler"), replace(record, supervisor_pid=stranger.pid))
    assert stop(home, "scheduler", force=True, timeout=10).stopped
    assert stranger.poll() is None
    assert not is_alive(record.identity)


def test_another_hosts_daemon_is_left_alone_and_that_is_said(home, stranger):
    write(home, replace(identify(stranger.pid), boot_id="of that host", host="that-host"))
    result = stop(home, "scheduler", force=True, timeout=1)
    assert not result.stopped
    assert "that-host" in result.message
    home.pid_file("scheduler").unlink()


def test_a_daemon_that_is_just_starting_is_waited_for_and_stopped(home):
    with pytest.raises(UnresponsiveError):
        launched(home, "never-ready", wait=0.0)
    eventually(lambda: state(home).state in ("unknown", "running"), timeout=60)
    assert stop(home, "scheduler", timeout=30).stopped
    assert state(home).state == "stopped"


# Under a guardian.


def guarded(home: Home) -> tuple[PidRecord, Identity]:
    record = launched(home, mode="daemon", module=GUARDIAN)
    guardian = identify(record.supervisor_pid)
    assert guardian is not None
    assert is_held_by(home.lock("scheduler"), guardian.pid)
    return record, guardian


def test_a_guarded_daemon_is_recorded_with_its_guardian(home):
    record, guardian = guarded(home)
    assert record.mode == "daemon"
    assert record.pid != guardian.pid
    assert state(home).record == record


@pytest.mark.parametrize("force", [False, True])
def test_a_guardian_is_stopped_with_its_daemon(home, force):
    record, guardian = guarded(home)
    result = stop(home, "scheduler", force=force, timeout=20)
    assert (result.stopped, result.was_running, result.pid) == (True, True, record.pid)
    assert not is_alive(guardian)
    assert not is_alive(record.identity)
    assert state(home).state == "stopped"
    assert ("ended in order" in home.log("scheduler").read_text()) is not force


def test_a_guardian_between_two_lives_is_settling_and_can_be_stopped(home):
    record, guardian = guarded(home)
    assert send_signal(record.identity, signal.SIGKILL)
    assert wait_gone(record.identity, 10)
    status = state(home)
    assert (status.state, status.is_settling) == ("unknown", True)
    assert stop(home, "scheduler", timeout=20).stopped
    assert not is_alive(guardian)
    assert state(home).state == "stopped"


def test_a_daemon_whose_guardian_was_killed_is_still_stopped(home):
    record, guardian = guarded(home)
    assert send_signal(guardian, signal.SIGKILL)
    assert wait_gone(guardian, 10)
    assert state(home).state == "running"
    assert stop(home, "scheduler", timeout=20).stopped
    assert not is_alive(record.identity)
