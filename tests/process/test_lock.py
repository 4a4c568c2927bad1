"""The lock: one holder, whatever happens to the file, and looking that disturbs nobody."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pb.errors import PbError, PermissionDeniedError
from pb.process.lock import Lock, holder_alive, is_held_by
from tests.process.daemon_kit import environment

HOLDER = """
import sys
from pathlib import Path
from pb.process.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that tries for the lock, says how it went, and keeps it until its stdin ends."""
    argv = [sys.executable, "-c", HOLDER, str(path)]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=environment())


def test_one_holds_it_and_the_other_does_not(tmp_path):
    one, other = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    assert one.acquire()
    assert one.acquire()
    assert not other.acquire()
    assert other.fd is None
    one.release()
    one.release()
    assert other.acquire()
    other.release()


def test_the_file_is_private_stays_and_is_not_inherited(tmp_path):
    path = tmp_path / "a.lock"
    old = os.umask(0)
    try:
        lock = Lock(path)
        assert lock.acquire()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not os.get_inheritable(lock.fd)
    lock.release()
    assert path.stat().st_size == 0


def test_a_killed_holder_leaves_the_lock_free(tmp_path):
    path = tmp_path / "a.lock"
    with holder(path) as process:
        assert process.stdout.readline() == "True\n"
        assert holder_alive(path)
        assert is_held_by(path, process.pid)
        assert not is_held_by(path, os.getpid())
        assert not Lock(path).acquire()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not holder_alive(path)
    assert not is_held_by(path, process.pid)
    lock = Lock(path)
    assert lock.acquire()
    lock.release()


def test_a_lock_on_a_file_that_was_removed_is_no_lock(tmp_path):
    path = tmp_path / "a.lock"
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    path.unlink()
    assert second.acquire()
    assert os.fstat(second.fd).st_ino == path.stat().st_ino
    assert not Lock(path).acquire()
    first.release()
    second.release()


def test_a_look_that_is_just_going_on_does_not_make_a_start_fail(tmp_path):
    path = tmp_path / "a.lock"
    with open(path, "w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        timer.start()
        lock = Lock(path)
        assert lock.acquire()
        lock.release()
        timer.join()


def test_a_holder_that_removes_the_file_never_lets_two_in(tmp_path):
    """Who opened the file before its removal, and locks it after, holds a lock on nothing."""
    path, inside, twice = tmp_path / "a.lock", [], []
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            lock = Lock(path)
            if not lock.acquire():
                continue
            inside.append(lock)
            if len(inside) > 1:
                twice.append(len(inside))
            inside.remove(lock)
            path.unlink()  # it still is the file that this one holds
            lock.release()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    done.wait(1)
    done.set()
    for thread in threads:
        thread.join()
    assert not twice


def test_of_many_processes_exactly_one_gets_it(tmp_path):
    path = tmp_path / "a.lock"
    processes = [holder(path) for _ in range(8)]
    answers = [process.stdout.readline().strip() for process in processes]
    for process in processes:
        process.communicate("")
    assert sorted(answers) == ["False"] * 7 + ["True"]


def test_the_lock_passes_to_another_owner_of_the_same_description(tmp_path):
    path = tmp_path / "a.lock"
    first = Lock(path)
    assert first.acquire()
    second = Lock.adopt(path, os.dup(first.fd))
    first.release()
    assert holder_alive(path)
    assert not Lock(path).acquire()
    second.release()
    assert not holder_alive(path)


def test_only_a_descriptor_that_holds_the_lock_is_adopted(tmp_path):
    path, other = tmp_path / "a.lock", tmp_path / "b.lock"
    lock = Lock(path)
    assert lock.acquire()
    other.touch()
    with open(other, "r+") as wrong, open(path, "r+") as unlocked:
        for fd in (wrong.fileno(), unlocked.fileno(), 99_999):
            with pytest.raises(PbError):
                Lock.adopt(path, fd)
    lock.release()


def test_nobody_holds_a_lock_that_was_never_made(tmp_path):
    assert not holder_alive(tmp_path / "a.lock")
    assert not (tmp_path / "a.lock").exists()
    assert not is_held_by(tmp_path / "a.lock", os.getpid())


def test_to_have_the_file_open_is_not_to_hold_the_lock(tmp_path):
    path = tmp_path / "a.lock"
    path.touch()
    with open(path) as file:
        assert not is_held_by(path, os.getpid())
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_held_by(path, os.getpid())


def test_those_who_look_never_make_a_start_fail(tmp_path):
    path, done = tmp_path / "a.lock", threading.Event()
    path.touch()

    def look() -> None:
        while not done.is_set():
            holder_alive(path)

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for thread in lookers:
        thread.start()
    try:
        for _ in range(50):
            lock = Lock(path)
            assert lock.acquire()
            lock.release()
    finally:
        done.set()
        for thread in lookers:
            thread.join()


def make_bad(path: Path, kind: str) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "symlink":
            path.with_name("target").touch()
            path.symlink_to("target")
        case "dangling":
            path.symlink_to("nowhere")
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))


@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink", "dangling", "socket"])
def test_what_is_not_a_plain_file_is_refused_with_a_sentence(tmp_path, kind):
    path = tmp_path / "a.lock"
    make_bad(path, kind)
    for attempt in (Lock(path).acquire, lambda: holder_alive(path)):
        with pytest.raises(PbError) as caught:
            attempt()
        assert str(path) in caught.value.message
        assert caught.value.hint
    assert not is_held_by(path, os.getpid())
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(PbError, match="does not exist"):
        Lock(tmp_path / "gone" / "a.lock").acquire()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_somebody_elses_lock_is_refused(tmp_path):
    path = tmp_path / "a.lock"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(PermissionDeniedError, match="another user"):
        Lock(path).acquire()
