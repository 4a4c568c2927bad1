"""Becoming a daemon, from every bad place to start one, and what is left of the caller."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pb.errors import ConflictError, PbError
from pb.paths import Home
from pb.process.daemons import AlreadyRunningError, look, stop
from pb.process.identity import identify, own, send_signal
from pb.process.lifecycle import DaemonSpec, become
from pb.process.lock import Lock, holder_alive, is_held_by
from pb.process.pidfile import PidRecord, read_pid_file
from tests.kit import eventually
from tests.process.daemon_kit import TINY, environment, home, run_launcher, state_of

__all__ = ["home"]


def start(home: Home, *arguments: str, mode: str = "background", **options: object) -> PidRecord:
    """Run the tiny daemon directly, without launch, and wait until it is ready."""
    argv = [sys.executable, "-m", TINY, "--home", str(home.root), "--mode", mode, *arguments]
    options.setdefault("env", environment())
    subprocess.run(argv, check=True, timeout=60, **options)
    return eventually(lambda: ready_record(home))


def ready_record(home: Home) -> PidRecord | None:
    status = look(home, "scheduler")
    running = status.state == "running" and status.record is not None
    return status.record if running and status.record.address else None


def assert_detached(home: Home, record: PidRecord) -> None:
    """A daemon of its own: session, terminal, directory, umask, signals, streams, descriptors."""
    pid = record.pid
    assert os.getsid(pid) not in (pid, os.getsid(0))
    assert os.readlink(f"/proc/{pid}/cwd") == str(home.root)
    facts = state_of(pid)
    assert facts["Umask"] == "0077"
    assert ignored(facts) == {signal.SIGPIPE, signal.SIGXFSZ}
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4] == "0"  # no tty
    log, lock = str(home.log("scheduler")), str(home.lock("scheduler"))
    only = {0: os.devnull, 1: log, 2: log, "more": [lock]}
    eventually(lambda: open_files(pid) == only)  # it may still be flushing its PID file
    assert is_held_by(home.lock("scheduler"), pid)
    assert stat.S_IMODE(home.log("scheduler").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.pid_file("scheduler").stat().st_mode) == 0o600
    assert stat.S_IMODE((home.root / "umask").stat().st_mode) == 0o600


def ignored(facts: dict[str, str]) -> set[int]:
    """The ignored signals; the C library's own two (32, 33) are ignored by posix_spawn itself."""
    mask = int(facts["SigIgn"], 16)
    return {number for number in signal.valid_signals() if mask & 1 << (number - 1)}


def open_files(pid: int) -> dict[object, object]:
    links = {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    standard: dict[object, object] = {fd: links.pop(fd) for fd in (0, 1, 2)}
    return standard | {"more": sorted(links.values())}


def test_a_background_daemon_leaves_everything_of_its_caller_behind(home):
    with socket.socket() as stray:
        os.set_inheritable(stray.fileno(), True)
        record = start(home, pass_fds=(stray.fileno(),))
        assert_detached(home, record)


def test_its_record_tells_the_whole_truth(home):
    record = start(home)
    assert record == read_pid_file(home.pid_file("scheduler"))
    assert record.identity == identify(record.pid)
    assert (record.service, record.mode) == ("scheduler", "background")
    assert record.db_path == str(home.db)
    assert record.log_path == str(home.log("scheduler"))
    assert (record.address, dict(record.ports)) == ("127.0.0.1:7", {"http": 7})
    assert record.supervisor_pid is None
    assert len(record.instance_id or "") == 16
    started = state_of(record.pid)["Name"] and record.started_at_ms
    assert abs(started / 1000 - home.lock("scheduler").stat().st_ctime) < 60


def test_a_graceful_end_removes_the_pid_file_and_frees_the_lock(home):
    record = start(home)
    assert send_signal(record.identity, signal.SIGTERM)
    eventually(lambda: look(home, "scheduler").state == "stopped")
    assert not home.pid_file("scheduler").exists()
    assert home.lock("scheduler").exists()
    assert "ended in order" in home.log("scheduler").read_text()


def start_under_nohup(home: Home) -> PidRecord:
    argv = ["sh", "-c", 'trap "" HUP TERM INT; umask 000; unset HOME; exec "$@"', "sh"]
    argv += [sys.executable, "-m", TINY, "--home", str(home.root), "--mode", "background"]
    subprocess.run(argv, check=True, timeout=60, env=environment())
    return eventually(lambda: ready_record(home))


def test_ignored_signals_an_open_umask_and_no_home_do_not_reach_it(home):
    record = start_under_nohup(home)
    assert_detached(home, record)
    assert stop(home, "scheduler", timeout=10).stopped


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"])
def test_it_starts_with_standard_streams_closed(home, closed):
    argv = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", TINY]
    argv += ["--home", str(home.root), "--mode", "background"]
    subprocess.run(argv, check=True, timeout=60, env=environment())
    assert_detached(home, eventually(lambda: ready_record(home)))


def test_it_starts_with_sockets_as_standard_streams(home):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert_detached(home, start(home, stdin=theirs, stdout=theirs))
        theirs.close()
        ours.settimeout(10)
        assert ours.recv(100) == b""  # nobody else holds the other end


def test_it_starts_from_a_directory_that_is_gone(home, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    argv = ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", str(gone)]
    argv += [sys.executable, "-P", "-m", TINY, "--home", str(home.root), "--mode", "background"]
    subprocess.run(argv, check=True, timeout=60, env=environment())
    assert_detached(home, eventually(lambda: ready_record(home)))


def test_it_closes_descriptors_beyond_a_limit_that_was_lowered_later(home):
    script = "import os, resource, sys; os.dup2(1, 900); "
    script += "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
    script += "os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", script, sys.executable, "-m", TINY]
    argv += ["--home", str(home.root), "--mode", "background"]
    subprocess.run(argv, check=True, timeout=60, env=environment())
    assert_detached(home, eventually(lambda: ready_record(home)))


INSIDE = """
import os, subprocess, sys, time
from pathlib import Path
from pb.paths import Home
from pb.process.daemons import look, stop
from pb.process.lock import holder_alive
home = Home(Path(sys.argv[1]))
while look(home, "scheduler").state != "running":
    time.sleep(0.02)
pid = look(home, "scheduler").record.pid
# Who has forked it may have a moment to live, such as one that still writes its coverage.
while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1] != "1":
    time.sleep(0.02)
print("1", os.getsid(pid) != pid)
print(holder_alive(home.lock("scheduler")), stop(home, "scheduler", timeout=10).stopped)
print(look(home, "scheduler").state)
"""


def unshare() -> list[str]:
    """The command that makes a pid namespace here, or the test is skipped."""
    for words in (["unshare"], ["unshare", "--user", "--map-root-user"]):
        argv = [*words, "--pid", "--fork", "--mount-proc"]
        try:
            subprocess.run([*argv, "true"], capture_output=True, timeout=20, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            continue
        return argv
    pytest.skip("no pid namespaces here")


def test_it_detaches_from_process_one_and_is_seen_in_a_container(home):
    script = '"$1" -m "$2" --home "$3" --mode background; "$1" -c "$4" "$3"'
    argv = [*unshare(), "sh", "-c", script, "sh", sys.executable, TINY, str(home.root), INSIDE]
    said = subprocess.check_output(argv, env=environment(), text=True, timeout=60)
    assert said.split("\n")[:3] == ["1 True", "True True", "stopped"]


def test_a_record_from_a_container_is_dead_once_its_lock_is_free(home):
    script = '"$1" -m "$2" --home "$3" --mode background; "$1" -c "$4" "$3"'
    wait = INSIDE[: INSIDE.index("pid = look")] + "os.kill(look(home, 'scheduler').record.pid, 9)"
    argv = [*unshare(), "sh", "-c", script, "sh", sys.executable, TINY, str(home.root), wait]
    subprocess.run(argv, env=environment(), check=True, timeout=60)
    status = look(home, "scheduler")
    assert status.state == "dead"
    assert "container" in (status.reason or "")


def test_an_orphan_can_start_it(home):
    script = f'("{sys.executable}" -m {TINY} --home "{home.root}" --mode background &)'
    subprocess.run(["sh", "-c", script], check=True, timeout=60, env=environment())
    assert_detached(home, eventually(lambda: ready_record(home)))


def test_in_the_foreground_it_keeps_its_streams_and_its_process(home, tmp_path):
    argv = [sys.executable, "-m", TINY, "--home", str(home.root), "--mode", "foreground"]
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        record = eventually(lambda: ready_record(home))
        assert record.pid == process.pid
        assert record.mode == "foreground"
        assert state_of(record.pid)["Umask"] == "0077"
        process.send_signal(signal.SIGINT)
        assert "ended in order" in process.communicate()[0]
    assert process.returncode == 0
    assert look(home, "scheduler").state == "stopped"


def test_in_the_foreground_closed_streams_are_filled_before_anything_lands_there(home):
    argv = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", TINY]
    argv += ["--home", str(home.root), "--mode", "foreground"]
    with subprocess.Popen(argv, env=environment()) as process:
        record = eventually(lambda: ready_record(home))
        found = open_files(record.pid)
        assert [found[fd] for fd in (0, 1, 2)] == [os.devnull] * 3
        assert str(home.lock("scheduler")) in found["more"]
        process.terminate()
    assert process.returncode == 0


def spec(home: Home, **more: object) -> DaemonSpec:
    return DaemonSpec(service="scheduler", home=home, mode="foreground", **more)


def told(script: str, home: Home) -> tuple[dict[str, object], int]:
    """Run ``script`` with a home and the write end of a pipe; what it wrote, and its exit code."""
    read, write = os.pipe()
    argv = [sys.executable, "-c", script, str(home.root), str(write)]
    done = subprocess.Popen(argv, env=environment(), pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    with open(read, "rb") as pipe:
        line = pipe.read()
    return json.loads(line) if line else {}, done.wait()


BECOME = """
import sys
from pathlib import Path
from pb.errors import InvalidError
from pb.paths import Home
from pb.process.lifecycle import DaemonSpec, become
home = Home(Path(sys.argv[1]))
spec = DaemonSpec(service="scheduler", home=home, mode="foreground", ready_fd=int(sys.argv[2]))
"""


def test_the_loser_of_the_lock_reports_the_winner(home):
    record = start(home)
    answer, code = told(BECOME + "become(spec)", home)
    assert code == 1
    assert answer["error"]["code"] == "conflict"
    assert answer["error"]["pid"] == record.pid
    assert look(home, "scheduler").record == record


def test_no_second_daemon_starts_beside_one_whose_lock_file_was_removed(home):
    record = start(home)
    home.lock("scheduler").unlink()
    answer, code = told(BECOME + "become(spec)", home)
    assert code == 1
    assert answer["error"]["pid"] == record.pid
    assert look(home, "scheduler").record == record
    assert not holder_alive(home.lock("scheduler"))


def test_readiness_is_one_line_and_only_after_the_pid_file(home):
    script = BECOME + (
        "with become(spec) as running:\n"
        "    running.ready('here', {'http': 1})\n"
        "    running.close()\n"
    )
    answer, code = told(script, home)
    assert code == 0
    assert answer["ok"] is True
    assert isinstance(answer["pid"], int)


def test_an_error_while_starting_is_reported_and_cleans_up(home):
    script = BECOME + "with become(spec):\n    raise InvalidError('It is wrong', hint='Right it.')"
    answer, code = told(script, home)
    assert code == 1
    assert answer == {"error": {"code": "invalid", "message": "It is wrong", "hint": "Right it."}}
    assert look(home, "scheduler").state == "stopped"


def test_a_death_before_readiness_is_the_pipes_end(home):
    assert told(BECOME + "become(spec)\nraise SystemExit(9)", home) == ({}, 9)
    assert look(home, "scheduler").state == "dead"


def test_a_pid_file_that_cannot_be_written_is_reported_and_frees_the_lock(home):
    home.pid_file("scheduler").mkdir()
    answer, code = told(BECOME + "become(spec)", home)
    assert code == 1
    assert "Cannot write" in answer["error"]["message"]
    assert not holder_alive(home.lock("scheduler"))
    home.pid_file("scheduler").rmdir()


def test_a_log_that_is_a_link_is_reported_before_anything_is_detached(home):
    home.log("scheduler").symlink_to("elsewhere")
    script = BECOME.replace('"foreground"', '"background"') + "become(spec)"
    answer, code = told(script, home)
    assert code == 1
    assert "Cannot write the log" in answer["error"]["message"]
    assert not (home.root / "elsewhere").exists()


def test_nobody_listening_for_readiness_is_no_error(home):
    script = BECOME + (
        "import os\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "from dataclasses import replace\n"
        "running = become(replace(spec, ready_fd=write))\n"
        "running.ready()\n"
        "running.close()\n"
    )
    assert told(script, home) == ({}, 0)


def test_a_readiness_descriptor_that_is_closed_is_refused(home):
    with pytest.raises(PbError, match="not open"):
        become(spec(home, ready_fd=99_999))


def test_a_guardians_lock_is_adopted_and_its_pid_recorded(home):
    lock = Lock(home.lock("scheduler"))
    assert lock.acquire()
    argv = [sys.executable, "-m", TINY, "--home", str(home.root), "--mode", "daemon"]
    argv += ["--lock-fd", str(lock.fd), "--supervisor-pid", str(os.getpid())]
    process = subprocess.Popen(argv, env=environment(), pass_fds=(lock.fd,))
    try:
        record = eventually(lambda: ready_record(home))
        assert (record.pid, record.mode) == (process.pid, "daemon")
        assert record.supervisor_pid == os.getpid()
        lock.release()
        assert holder_alive(home.lock("scheduler"))
    finally:
        process.terminate()
        process.wait()
    assert look(home, "scheduler").state == "stopped"


def test_in_this_process_it_refuses_a_lock_that_another_holds(home):
    record = start(home)
    with pytest.raises(AlreadyRunningError) as caught:
        become(spec(home))
    assert caught.value.pid == record.pid
    assert caught.value.record == record
    assert isinstance(caught.value, ConflictError)
    assert own().pid != record.pid


def test_a_launched_daemon_is_as_detached_as_one_started_by_hand(home):
    with socket.socket() as stray:
        os.set_inheritable(stray.fileno(), True)
        won = run_launcher(home, pass_fds=(stray.fileno(),))
        record = look(home, "scheduler").record
        assert record is not None
        assert won == {"won": record.pid}
        assert_detached(home, record)
