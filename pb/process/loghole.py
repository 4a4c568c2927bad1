"""Removing the head of a file in place: fallocate(2), which Python's os module does not offer.

Only the system calls live here; what may be removed, and when, is ``logrotate``'s business.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

KEEP_SIZE = 0x01
PUNCH_HOLE = 0x02
COLLAPSE_RANGE = 0x08
"""Flags of fallocate(2), from linux/falloc.h."""

PROBE_BLOCKS = 3


class Removal(StrEnum):
    """How the head of a log is taken away while others append to it."""

    COLLAPSE = "collapse"
    """The rest of the file moves to the front (ext4, XFS): whole blocks only, nothing is lost."""
    PUNCH = "punch"
    """The head becomes a hole, offsets stay (tmpfs, btrfs, overlay, f2fs): nothing is lost."""
    TRUNCATE = "truncate"
    """Copy, then truncate: what is written between the two is lost. The last resort."""


def collapse(fd: int, length: int) -> None:
    """Take the first ``length`` bytes (a multiple of the block size, less than all) out of it.

    Raises OSError: EOPNOTSUPP where the file system cannot, EINVAL for a bad alignment.
    """
    _fallocate(fd, COLLAPSE_RANGE, 0, length)


def punch(fd: int, offset: int, length: int) -> None:
    """Free ``length`` bytes from ``offset`` on; they read as NUL and the size stays.

    Raises OSError: EOPNOTSUPP where the file system cannot.
    """
    _fallocate(fd, PUNCH_HOLE | KEEP_SIZE, offset, length)


def first_data(fd: int, offset: int) -> int:
    """The first position at or after ``offset`` that is no hole; the file's size if none is."""
    size = os.fstat(fd).st_size
    if offset >= size or not hasattr(os, "SEEK_DATA"):
        return min(offset, size)
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else offset


def probe(directory: Path) -> Removal:
    """Which removal the file system of ``directory`` can do, tried on a file without a name."""
    fd = _scratch(directory)
    try:
        block = os.fstat(fd).st_blksize
        os.ftruncate(fd, PROBE_BLOCKS * block)
        os.pwrite(fd, b"\n", (PROBE_BLOCKS - 1) * block)
        if not _works(punch, fd, 0, block):
            return Removal.TRUNCATE
        return Removal.COLLAPSE if _works(collapse, fd, block) else Removal.PUNCH
    finally:
        os.close(fd)


def _scratch(directory: Path) -> int:
    flag = getattr(os, "O_TMPFILE", None)
    if flag is not None:
        try:
            return os.open(directory, flag | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}:
                raise
    name = directory / f".probe-{os.getpid()}"
    fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.unlink(name)
    return fd


def _works(attempt: Callable[..., None], *arguments: int) -> bool:
    try:
        attempt(*arguments)
    except OSError:
        return False
    return True


@cache
def _libc() -> ctypes.CDLL | None:
    """The C library, or None where it has no fallocate (macOS)."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "fallocate") else None


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    import ctypes

    library = _libc()
    if library is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    # off_t has 64 bits in fallocate64 everywhere; a 32-bit glibc needs that name.
    call = getattr(library, "fallocate64", library.fallocate)
    while call(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
