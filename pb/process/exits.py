"""The guardian's file of exit statuses: one JSON line for each process that ended unwatched.

The guardian appends, the next scheduler takes. Both do so under a ``flock`` on the file itself,
so that nothing falls between reading and emptying it. No decision is taken here about runs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from pb.process.identity import Identity

SIZE_LIMIT = 1024 * 1024
"""Bytes above which the older half of the file is dropped: a scheduler that never comes back
must not fill the disk. About 8,000 statuses."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def record_exit(path: Path, identity: Identity, status: int) -> None:
    """Append how ``identity`` ended; on disk when this returns.

    ``status`` is the raw wait status (as of ``os.waitpid``). Raises OSError (a full disk, say):
    the caller then still has to remember it.
    """
    entry = {
        "pid": identity.pid,
        "start_ticks": identity.start_ticks,
        "boot_id": identity.boot_id,
        "status": status,
        "at_ms": time.time_ns() // 1_000_000,
    }
    line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
    with _locked(path) as fd:
        size = os.fstat(fd).st_size
        if size > SIZE_LIMIT:
            size = _drop_older_half(fd, size)
        if size and os.pread(fd, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(fd, line) != len(line):
            raise OSError(errno.ENOSPC, "Written in part only", str(path))
        os.fsync(fd)


def take_exits(path: Path) -> dict[tuple[int, int], int]:
    """All statuses so far by (pid, start ticks); the file is empty afterwards.

    A line that was torn by a crash is left out. See :func:`taking_exits` for a caller who first
    has to write them down elsewhere.
    """
    with taking_exits(path) as exits:
        return exits


@contextlib.contextmanager
def taking_exits(path: Path) -> Iterator[dict[tuple[int, int], int]]:
    """The same, but the file is emptied only when the block ends without an exception.

    The guardian cannot append meanwhile, so keep the block short: one commit.
    """
    if not os.path.lexists(path):
        yield {}
        return
    with _locked(path) as fd:
        size = os.fstat(fd).st_size
        yield _parse(_read_all(fd, size))
        os.ftruncate(fd, 0)
        os.fsync(fd)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    fd = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _drop_older_half(fd: int, size: int) -> int:
    """Keep the newer half of the lines; answer the file's new size."""
    kept = _read_all(fd, size)[size // 2 :].partition(b"\n")[2]
    os.ftruncate(fd, 0)
    return os.write(fd, kept)


def _read_all(fd: int, size: int) -> bytes:
    parts, at = [], 0
    while at < size and (part := os.pread(fd, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _parse(text: bytes) -> dict[tuple[int, int], int]:
    exits: dict[tuple[int, int], int] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            exits[int(entry["pid"]), int(entry["start_ticks"])] = int(entry["status"])
        except (ValueError, TypeError, KeyError):
            continue  # torn by a crash or a full disk: that status is not known
    return exits
