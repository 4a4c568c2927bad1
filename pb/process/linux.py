"""What Linux alone can tell about processes and locks: ``/proc``, pidfds and their ioctl.

The same small interface as ``elsewhere``; only ``identity`` and ``lock`` may import either.
Tried on Linux 6.18. What needs a later kernel than 5.3 says so and answers None without it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import time
from functools import cache

from pb.errors import PbError, PermissionDeniedError, UnsupportedError

PIDFD_INFO_EXIT = 1 << 3
PIDFD_INFO = struct.Struct("=QQ11Ii")
"""``struct pidfd_info`` as of Linux 6.15 (<linux/pidfd.h>): mask, cgroup, eleven ids, exit code."""

PIDFD_GET_INFO = (3 << 30) | (PIDFD_INFO.size << 16) | (0xFF << 8) | 11
"""``_IOWR(0xFF, 11, struct pidfd_info)``."""

DEAD = frozenset("ZXx")
MAX_PID = 2**22
"""The kernel's own limit (PID_MAX_LIMIT of a 64-bit Linux, proc(5))."""


def started_ms(ticks: int) -> int:
    """When a process with that start time was started: epoch ms, as of today's wall clock."""
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time_ns() // 1_000_000 - round(age * 1000)


@cache
def boot_id() -> str:
    """The kernel's random id of this boot; the host's own, also inside a container."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError as error:
        raise _without_proc(error) from error


@cache
def pid_namespace() -> int:
    """The inode that names the pid namespace in which this process counts."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError as error:
        raise _without_proc(error) from error


def _without_proc(error: OSError) -> UnsupportedError:
    return UnsupportedError(
        f"Cannot read {error.filename}: {error.strerror}",
        hint="pb needs /proc to tell processes apart; mount it.",
    )


def start_ticks(pid: int) -> int | None:
    """Field 22 of ``/proc/PID/stat``: clock ticks from boot to the process's start.

    None when there is no such process, when ``pid`` is a thread's id (``/proc/TID`` opens too,
    proc(5)), and when the process is a zombie. A process whose first thread has ended while
    others go on looks like a zombie, but has more than one thread (field 20): it lives.
    """
    ticks = _ticks(pid)
    return None if ticks is None or is_thread(pid) else ticks


def _ticks(pid: int) -> int | None:
    """The same of a pid that is known to be no thread's."""
    fields = _stat(pid)
    if fields is None or (fields[0] in DEAD and not (fields[0] == "Z" and int(fields[17]) > 1)):
        return None
    return int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """``/proc/PID/stat`` from field 3 on; the command in field 2 may hold spaces and ``)``."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split() or None
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_thread(pid: int) -> bool:
    """Whether ``pid`` is the id of a thread that is not its process's first."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"Tgid:"):
                    return int(line[5:]) != pid
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False


def open_process(pid: int, ticks: int) -> int:
    """A pidfd of exactly that live process; the caller closes it.

    The pidfd is opened first and the start time read afterwards: what the pidfd stands for cannot
    change in between (pidfd_open(2)), and is no thread. Raises ProcessLookupError when it is gone
    or another.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        raise _not_opened(pid, error) from error
    try:
        is_same = _ticks(pid) == ticks
    except BaseException:
        os.close(pidfd)
        raise
    if is_same:
        return pidfd
    os.close(pidfd)
    raise ProcessLookupError(errno.ESRCH, f"process {pid} is gone or another by now")


def _not_opened(pid: int, error: OSError) -> Exception:
    """What a failed ``pidfd_open`` means; a thread's id gives EINVAL, or ENOENT since 6.9."""
    if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
        return ProcessLookupError(errno.ESRCH, f"no process {pid}")
    if error.errno == errno.ENOSYS:
        return UnsupportedError(
            "This kernel has no pidfds", hint="pb needs Linux 5.3 or later to signal safely."
        )
    return PbError(f"Cannot open process {pid}: {error.strerror}", hint="Close some files first.")


def send(pid: int, ticks: int, *signums: int) -> bool:
    """Send exactly that process these signals, the first of which counts: False when it was gone.

    Raises PermissionDeniedError.
    """
    try:
        pidfd = open_process(pid, ticks)
    except ProcessLookupError:
        return False
    has_sent = False
    try:
        for signum in signums:
            signal.pidfd_send_signal(pidfd, signum)
            has_sent = True
    except ProcessLookupError:
        return has_sent
    except PermissionError as error:
        raise PermissionDeniedError(
            f"Process {pid} belongs to another user", hint="Ask its owner, or root, to stop it."
        ) from error
    finally:
        os.close(pidfd)
    return True


def wait_gone(pid: int, ticks: int, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds on a pidfd; True once the process is dead (or a zombie)."""
    try:
        pidfd = open_process(pid, ticks)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, min(timeout, 86_400.0)) * 1000))
    finally:
        os.close(pidfd)


def exit_status(pidfd: int) -> int | None:
    """The raw wait status of a process that has ended, also of one that is not our child.

    From PIDFD_GET_INFO (Linux 6.15) once the process has been reaped, if the pidfd was held
    before that; while it is a zombie, from field 52 of its ``stat`` where the kernel shows it to
    us. None: still running, or this kernel cannot tell.
    """
    status = _recorded_exit(pidfd)
    if status is not None:
        return status
    pid = _pid_of(pidfd)
    status = None if pid is None else _zombie_exit(pid)
    if pid is not None and _pid_of(pidfd) == pid:
        return status
    return _recorded_exit(pidfd)


def _recorded_exit(pidfd: int) -> int | None:
    answer = bytearray(PIDFD_INFO.size)
    struct.pack_into("=Q", answer, 0, PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, answer)
    except OSError as error:
        # ENOTTY, EINVAL: before 6.13 and 6.15. ESRCH: reaped, and nobody kept its status.
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.ESRCH):
            return None
        raise
    fields = PIDFD_INFO.unpack(answer)
    return int(fields[-1]) if fields[0] & PIDFD_INFO_EXIT else None


def _pid_of(pidfd: int) -> int | None:
    """The PID behind a pidfd (``Pid:`` of its fdinfo, pidfd_open(2)), None once it is reaped."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pid:"):
                pid = int(line[4:])
                return pid if pid > 0 else None
    return None


def _zombie_exit(pid: int) -> int | None:
    """Field 52 of a zombie's ``stat``. It reads 0 for those who may not know, so ask that first.

    The link ``ns/user`` is readable under the same condition as the field (ptrace(2), read mode).
    """
    try:
        os.readlink(f"/proc/{pid}/ns/user")
    except OSError:
        return None
    fields = _stat(pid)
    if fields is None or fields[0] != "Z" or int(fields[17]) > 1:
        return None
    return int(fields[49])


def exit_of_zombie(pid: int, ticks: int) -> int | None:
    """The wait status of exactly that process while it is a zombie and we may know."""
    fields = _stat(pid)
    return _zombie_exit(pid) if fields is not None and int(fields[19]) == ticks else None


def is_write_locked(facts: os.stat_result) -> bool:
    """Whether ``/proc/locks`` shows an exclusive flock on that file. True is certain.

    False is not: a lock that was taken by a process which has ended since (a daemon's first
    parent) is hidden inside a pid namespace, and on btrfs and overlayfs the device differs.
    """
    name = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as table:
            lines = [line.split() for line in table]
    except OSError:
        return False
    return any(words[1] == "FLOCK" and words[3] == "WRITE" and words[5] == name for words in lines)


def holds_lock(pid: int, facts: os.stat_result) -> bool:
    """Whether that process has the file open through a description that holds a flock on it.

    ``fdinfo`` names the locks of the open file description (proc(5)), whoever took them: the
    daemon inherits the one that its parent took before detaching.
    """
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_is_locked_fd(pid, number, facts) for number in numbers)


def _is_locked_fd(pid: int, number: str, facts: os.stat_result) -> bool:
    try:
        if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{number}"), facts):
            return False
        with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
            return any(line.startswith("lock:") and "FLOCK" in line for line in file)
    except OSError:
        return False


def has_open(pid: int, path: str) -> bool:
    """Whether that process has a file open that was opened at ``path``, removed since or not."""
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
        targets = {os.readlink(f"/proc/{pid}/fd/{number}") for number in numbers}
    except OSError:
        return True  # it cannot be looked at: do not start a second one beside it
    return bool(targets & {path, f"{path} (deleted)"})
