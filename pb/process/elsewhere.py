"""The same interface as ``linux`` for every other system, through psutil.

Written for macOS and the BSDs, and tried only by running it on Linux: no other system was at
hand. Windows is not supported (no flock, no fork). There is a moment between psutil's own check
of the start time and its signal; only Linux's pidfds close it.
"""

from __future__ import annotations

import os

import psutil

from pb.errors import PermissionDeniedError, UnsupportedError

MAX_PID = 2**31 - 1


def boot_id() -> str:
    """Empty: the start time below is wall-clock time, and tells boots apart by itself."""
    return ""


def started_ms(ticks: int) -> int:
    """When a process with that start time was started: epoch ms."""
    return ticks // 1000


def pid_namespace() -> int:
    """Zero: there is only one."""
    return 0


def start_ticks(pid: int) -> int | None:
    """The start time in microseconds since 1970 (psutil's ``create_time``), None if not alive.

    On macOS and the BSDs the kernel stores it once, at the start; it does not move afterwards.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        microseconds: int = round(process.create_time() * 1_000_000)
        return microseconds
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None
    except psutil.AccessDenied as error:
        raise PermissionDeniedError(
            f"Process {pid} cannot be examined", hint="Ask its owner, or root."
        ) from error


def is_thread(pid: int) -> bool:
    """False: only Linux numbers threads and processes together."""
    return False


def open_process(pid: int, ticks: int) -> int:
    """Raises UnsupportedError: there are no pidfds."""
    raise UnsupportedError("Only Linux has pidfds", hint="Wait for the process instead.")


def send(pid: int, ticks: int, *signums: int) -> bool:
    """Send that process these signals, the first of which counts: False when it was gone.

    Raises PermissionDeniedError.
    """
    has_sent = False
    try:
        process = psutil.Process(pid)
        if start_ticks(pid) != ticks:
            return False
        for signum in signums:
            process.send_signal(signum)
            has_sent = True
    except psutil.NoSuchProcess:
        return has_sent
    except psutil.AccessDenied as error:
        raise PermissionDeniedError(
            f"Process {pid} belongs to another user", hint="Ask its owner, or root, to stop it."
        ) from error
    return True


def wait_gone(pid: int, ticks: int, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds; True once the process is dead (or a zombie)."""
    from time import monotonic, sleep

    deadline = monotonic() + timeout
    while start_ticks(pid) == ticks:
        left = deadline - monotonic()
        if left <= 0:
            return False
        sleep(min(left, 0.05))
    return True


def exit_status(pidfd: int) -> int | None:
    """None: the exit status of a process that is not a child is not known here."""
    return None


def exit_of_zombie(pid: int, ticks: int) -> int | None:
    """None: a zombie's status is its parent's alone here."""
    return None


def is_write_locked(facts: os.stat_result) -> bool:
    """False, which means "not known": there is no table of locks."""
    return False


def holds_lock(pid: int, facts: os.stat_result) -> bool:
    """Whether that process has the file open; whether it also locked it is not known here."""
    try:
        paths = [file.path for file in psutil.Process(pid).open_files()]
    except psutil.Error:
        return False
    return any(_is_file(path, facts) for path in paths)


def _is_file(path: str, facts: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), facts)
    except OSError:
        return False


def has_open(pid: int, path: str) -> bool:
    """Whether that process had opened ``path`` is not known here: yes, to be on the safe side."""
    return True
