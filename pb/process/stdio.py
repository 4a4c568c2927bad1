"""The three standard streams and stray descriptors of a process that becomes a daemon.

Logs are only opened here, and their last lines read for an error message; rotating, indexing and
following them is ``logfile``'s.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from pb.errors import PbError

LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""O_NONBLOCK: opening a FIFO must fail instead of hanging; it means nothing to a regular file."""

FD_DIR = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
TAIL_BYTES = 64 * 1024


def open_log(path: Path) -> int:
    """Open a log for appending, created 0600; a descriptor of at least 3, close-on-exec.

    Raises PbError for a symbolic link, a FIFO, a directory, and what the system refuses.
    """
    try:
        fd = os.open(path, LOG_FLAGS, 0o600)
    except OSError as error:
        raise PbError(
            f"Cannot write the log {path}: {(error.strerror or str(error)).lower()}",
            hint="Move it aside, or make it a plain file of yours.",
        ) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PbError(f"The log {path} is not a plain file", hint="Move it aside.")
    return raise_fd(fd)


def raise_fd(fd: int, above: int = 2) -> int:
    """The same file on a descriptor beyond the standard streams, for a caller who closed those."""
    if fd > above:
        return fd
    raised = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return raised


def fill_standard_streams() -> None:
    """Open /dev/null on each of the descriptors 0, 1, 2 that is closed.

    Otherwise the next file opened would land there and be taken for a stream. Python has None
    for a stream that was closed at its start; python-daemon needs an object with that number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if not _is_open(number):
            fd = os.open(os.devnull, os.O_RDWR)  # the lowest free number, hence this one
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def open_fds() -> Iterator[int]:
    """Every open descriptor of this process beyond the standard streams."""
    for name in os.listdir(FD_DIR):
        fd = int(name)
        if fd > 2 and _is_open(fd):
            yield fd


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor beyond the standard streams that is not in ``keep``.

    Read from the system's own list, since a caller may have lowered the limit on open files
    after opening one beyond it.
    """
    for fd in list(open_fds()):
        if fd not in keep:
            os.close(fd)


def log_size(path: Path) -> int:
    """The log's size in bytes, 0 when there is none."""
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except OSError:
        return 0


def last_lines(path: Path, count: int, *, since: int = 0) -> list[str]:
    """The last lines written after the byte ``since``, made safe for a terminal.

    A log that was rotated meanwhile, and so is shorter, is read from wherever it now begins.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    with open(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            return []
        start = since if since <= facts.st_size else 0
        file.seek(max(start, facts.st_size - TAIL_BYTES))
        text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    return [_printable(line) for line in text.split("\n") if line.strip()][-count:]


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " if char == "\t" else "?" for char in line)
