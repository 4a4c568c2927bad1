"""The lock that decides who runs: flock on a file that is never unlinked.

flock(2), never lockf: a POSIX lock vanishes when its holder merely closes another descriptor of
the file (fcntl(2)). Nothing is ever written into the file, and nothing here reads PID files.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from pathlib import Path
from time import monotonic, sleep

from pb.errors import PbError, PermissionDeniedError
from pb.process.stdio import raise_fd

if sys.platform == "linux":
    from pb.process import linux as system
else:
    from pb.process import elsewhere as system

OPEN_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
PATIENCE = 0.25
"""Seconds for which ``acquire`` tries again: somebody may be looking, or clearing up."""


class Lock:
    """One daemon's lock. It lives as long as any copy of its open file description does.

    A guardian passes the descriptor on, so releasing only closes it: LOCK_UN would take the lock
    away from every other holder of the same description.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd: int | None = None

    @classmethod
    def adopt(cls, path: Path, fd: int) -> Lock:
        """Take over a descriptor that already holds the lock (from a guardian).

        Raises PbError when ``fd`` is not open, is another file, or does not hold the lock.
        """
        try:
            os.set_inheritable(fd, False)
            if not _is_file_at(fd, path) or not _try_lock(fd, fcntl.LOCK_EX):
                raise PbError(f"Descriptor {fd} does not hold the lock {path}")
        except OSError as error:
            raise PbError(f"Descriptor {fd} is not a lock: {error.strerror}") from error
        lock = cls(path)
        lock.fd = fd
        return lock

    def acquire(self) -> bool:
        """Take the lock; False when somebody else holds it (after trying for a quarter second).

        Raises PbError when the file cannot be a lock, PermissionDeniedError when it is not ours.
        """
        if self.fd is not None:
            return True
        deadline = monotonic() + PATIENCE
        while (fd := _open_and_lock(self.path)) is None:
            if monotonic() >= deadline:
                return False
            sleep(0.01)
        self.fd = raise_fd(fd)
        return True

    def release(self) -> None:
        """Close our descriptor; the file stays."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def holder_alive(path: Path) -> bool:
    """Whether somebody holds the lock.

    Asks ``/proc/locks`` first. Where that shows nothing, a shared lock is tried for a moment;
    ``acquire`` tries for longer than that, so a look never makes a start fail.
    """
    try:
        fd = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        if system.is_write_locked(os.fstat(fd)):
            return True
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def is_held_by(path: Path, pid: int) -> bool:
    """Whether that very process has the lock's file open and locked (on Linux; else just open)."""
    try:
        facts = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and system.holds_lock(pid, facts)


def holder(path: Path) -> int | None:
    """The process that is seen to hold the lock; None where nobody is, or /proc is not there."""
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return None
    return next((pid for pid in numbers if is_held_by(path, pid)), None)


def has_open(path: Path, pid: int) -> bool:
    """Whether that process opened this very lock, even if its file was removed since."""
    return system.has_open(pid, os.path.realpath(path))


def _open_and_lock(path: Path) -> int | None:
    """A locked descriptor of the file that the path names now, None when another holds it."""
    try:
        fd = _open(path, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError as error:
        raise PbError(
            f"Cannot lock {path}: its directory does not exist", hint="Create the home first."
        ) from error
    if _try_lock(fd, fcntl.LOCK_EX) and _is_file_at(fd, path):
        return fd
    os.close(fd)
    return None


def _open(path: Path, flags: int) -> int:
    try:
        fd = os.open(path, OPEN_FLAGS | flags, 0o600)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise PermissionDeniedError(
            f"Cannot open the lock {path}: permission denied", hint="Is this home yours?"
        ) from error
    except OSError as error:
        raise PbError(
            f"Cannot open the lock {path}: {(error.strerror or str(error)).lower()}",
            hint="It must be a plain file in a directory that can be written.",
        ) from error
    facts = os.fstat(fd)
    if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid():
        return fd
    os.close(fd)
    if not stat.S_ISREG(facts.st_mode):
        raise PbError(f"The lock {path} is not a plain file", hint="Move it aside.")
    raise PermissionDeniedError(
        f"The lock {path} belongs to another user (uid {facts.st_uid})", hint="Use your own home."
    )


def _try_lock(fd: int, kind: int) -> bool:
    """flock without waiting; False when another description holds a lock in the way."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise PbError(
            f"This file system cannot lock: {error.strerror}", hint="Put the home on a local disk."
        ) from error
    return True


def _is_file_at(fd: int, path: Path) -> bool:
    """Whether the path still names the file that is open: someone may have removed it."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
