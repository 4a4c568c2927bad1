"""Who a process is: the living, the dead, the reused, the foreign."""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pb.errors import PermissionDeniedError, UnsupportedError
from pb.process import elsewhere, linux
from pb.process.identity import (
    exit_status,
    identify,
    is_alive,
    is_same_boot,
    is_visible,
    may_signal,
    open_pidfd,
    own,
    send_signal,
    wait_gone,
)
from tests.kit import eventually
from tests.process.daemon_kit import state_of

SYSTEMS = pytest.mark.parametrize("system", [linux, elsewhere], ids=["linux", "elsewhere"])


def ticks_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def zombie() -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    os.waitpid(pid, 0)


def test_this_process_is_alive_and_its_ticks_are_those_of_proc():
    me = own()
    assert me.pid == os.getpid()
    assert me.start_ticks == ticks_of(os.getpid())
    assert me.host == os.uname().nodename
    assert me.pid_namespace == os.stat("/proc/self/ns/pid").st_ino
    assert is_alive(me)
    assert identify(os.getpid()) == me


def test_a_command_with_parentheses_and_spaces_in_its_name_is_read_right(tmp_path):
    tool = tmp_path / "a) Z 1 (b"
    tool.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(tool), "300"])
    try:
        identity = eventually(lambda: identify(process.pid))
        assert abs(identity.start_ticks - own().start_ticks) < 100 * 86_400
        assert is_alive(identity)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("pid", [0, -1, -(2**40), 2**22 + 1, 2**70])
def test_a_pid_that_cannot_be_is_nobody(pid):
    assert identify(pid) is None
    assert not send_signal(replace(own(), pid=pid), signal.SIGTERM)
    assert not is_alive(replace(own(), pid=pid))
    with pytest.raises(ProcessLookupError):
        open_pidfd(replace(own(), pid=pid))


def test_a_zombie_is_dead(zombie):
    ticks = ticks_of(zombie)
    identity = replace(own(), pid=zombie, start_ticks=ticks)
    os.kill(zombie, 0)  # kill(2) says it is there
    assert identify(zombie) is None
    assert not is_alive(identity)
    assert wait_gone(identity, 5)
    with pytest.raises(ProcessLookupError):
        open_pidfd(identity)


def test_a_thread_id_is_not_a_process():
    done, ids = threading.Event(), []
    thread = threading.Thread(target=lambda: (ids.append(threading.get_native_id()), done.wait()))
    thread.start()
    try:
        tid = eventually(lambda: ids and ids[0])
        assert tid != os.getpid()
        assert os.path.exists(f"/proc/{tid}/stat")
        assert identify(tid) is None
        ticks = ticks_of(tid)
        assert not send_signal(replace(own(), pid=tid, start_ticks=ticks), signal.SIGKILL)
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the number of exit(2)")
def test_a_process_whose_first_thread_has_ended_lives_on():
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=lambda: time.sleep(300)).start()\n"
        "ctypes.CDLL(None).syscall(60, 0)\n"
    )
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        eventually(lambda: state_of(process.pid)["State"].startswith("Z"))
        identity = identify(process.pid)
        assert identity is not None
        assert is_alive(identity)
        assert not wait_gone(identity, 0.05)
    finally:
        process.kill()
        process.wait()


def test_a_reused_pid_is_neither_alive_nor_signalled(sleeper):
    true = identify(sleeper.pid)
    forged = replace(true, start_ticks=true.start_ticks - 1)
    assert not is_alive(forged)
    assert not send_signal(forged, signal.SIGKILL)
    assert wait_gone(forged, 0)
    with pytest.raises(ProcessLookupError):
        open_pidfd(forged)
    assert sleeper.poll() is None
    assert is_alive(true)


@pytest.mark.parametrize(
    "change",
    [{"boot_id": "00000000-0000-0000-0000-000000000000"}, {"pid_namespace": 1}],
    ids=["another boot", "another container"],
)
def test_an_identity_from_elsewhere_is_never_signalled(sleeper, change):
    foreign = replace(identify(sleeper.pid), **change)
    assert not is_visible(foreign)
    assert not is_alive(foreign)
    assert not send_signal(foreign, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_machine_that_changed_its_name_is_still_the_same_machine(sleeper):
    renamed = replace(identify(sleeper.pid), host="another-name")
    assert is_same_boot(renamed)
    assert is_alive(renamed)


def test_a_signal_arrives_and_its_end_is_seen(sleeper):
    identity = identify(sleeper.pid)
    assert not wait_gone(identity, 0)
    assert send_signal(identity, signal.SIGTERM)
    assert wait_gone(identity, 10)
    assert sleeper.wait() == -signal.SIGTERM
    assert not send_signal(identity, signal.SIGTERM)


def test_init_ourselves_and_our_group_are_never_signalled():
    assert not may_signal(1)
    assert not may_signal(os.getpid())
    assert not may_signal(os.getpgrp())
    init = identify(1)
    assert init is not None
    assert not send_signal(init, 0)
    assert not send_signal(own(), signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_is_alive_but_not_ours_to_signal(sleeper):
    identity = identify(sleeper.pid)
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            alive = is_alive(identity)
            send_signal(identity, signal.SIGKILL)
            os._exit(1)
        except PermissionDeniedError:
            os._exit(0 if alive else 2)
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sleeper.poll() is None


def grandchild(ends: str) -> tuple[int, int, int]:
    """Fork a child that forks a grandchild; the pid of each, and a pipe that lets it end."""
    told, tell = os.pipe()
    gate, open_gate = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(open_gate)
        inner = os.fork()
        if inner == 0:
            os.read(gate, 1)
            if ends == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(7)
        os.write(tell, str(inner).encode())
        os.waitpid(inner, 0)
        os._exit(0)
    os.close(gate)
    os.close(tell)
    pid = int(os.read(told, 20))
    os.close(told)
    return child, pid, open_gate


def kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


@pytest.mark.skipif(kernel() < (6, 15), reason="PIDFD_INFO_EXIT came with Linux 6.15")
@pytest.mark.parametrize(("ends", "code"), [("exit", 7), ("killed", -signal.SIGKILL)])
def test_the_exit_status_of_a_process_that_is_not_our_child_is_known(ends, code):
    child, pid, gate = grandchild(ends)
    pidfd = open_pidfd(identify(pid))
    try:
        assert exit_status(pidfd) is None
        os.close(gate)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # it has reaped its child
        status = exit_status(pidfd)
        assert status is not None
        assert os.waitstatus_to_exitcode(status) == code
    finally:
        os.close(pidfd)


def test_the_exit_status_of_a_zombie_is_known_before_anybody_reaps_it():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    pidfd = os.pidfd_open(pid)
    try:
        assert exit_status(pidfd) is None
        os.kill(pid, signal.SIGTERM)
        select.select([pidfd], [], [])
        assert os.waitstatus_to_exitcode(exit_status(pidfd)) == -signal.SIGTERM
        os.waitpid(pid, 0)
        if kernel() >= (6, 15):
            assert os.waitstatus_to_exitcode(exit_status(pidfd)) == -signal.SIGTERM
    finally:
        os.close(pidfd)


@SYSTEMS
def test_every_system_tells_the_living_from_the_dead(system, sleeper, zombie):
    ticks = system.start_ticks(sleeper.pid)
    assert ticks
    assert system.start_ticks(zombie) is None
    assert not system.wait_gone(sleeper.pid, ticks, 0.05)
    assert not system.send(sleeper.pid, ticks - 1, signal.SIGKILL)
    assert system.send(sleeper.pid, ticks, signal.SIGTERM)
    assert system.wait_gone(sleeper.pid, ticks, 10)
    assert sleeper.wait() == -signal.SIGTERM
    assert system.start_ticks(sleeper.pid) is None
    assert not system.send(sleeper.pid, ticks, signal.SIGTERM)


@SYSTEMS
def test_every_system_sees_who_holds_a_lock_file(system, tmp_path):
    import fcntl

    path = tmp_path / "a.lock"
    path.touch()
    facts = os.stat(path)
    assert not system.holds_lock(os.getpid(), facts)
    with open(path, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert system.holds_lock(os.getpid(), facts)
        assert not system.holds_lock(2**22, facts)


def test_elsewhere_there_are_no_pidfds_and_no_statuses():
    with pytest.raises(UnsupportedError):
        elsewhere.open_process(os.getpid(), 0)
    assert elsewhere.exit_status(0) is None
    assert elsewhere.boot_id() == ""
    assert elsewhere.pid_namespace() == 0
