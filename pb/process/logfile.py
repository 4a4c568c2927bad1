"""Log files, as the rest of the program sees them: append, keep bounded, read, follow, clean up.

A child writes straight to its log and no pipe lies between (decision: nothing it runs depends on
the daemon). The parts: ``logkeeper`` decides, ``logrotate`` moves, ``logarchive`` names,
``logindex`` remembers, ``logread`` and ``logfollow`` read, ``logtext`` cuts lines and makes them
safe to show, ``loghole`` and ``logwatch`` hold the system calls.
"""

from __future__ import annotations

import os
from pathlib import Path

from pb.process.logarchive import Archive, archives, head, log_files, remove_log
from pb.process.logfollow import LogTail, follow_log, log_end, offset_at
from pb.process.loghole import Removal
from pb.process.logkeeper import LogKeeper
from pb.process.logpolicy import RotationPolicy, run_policy
from pb.process.logread import read_log
from pb.process.logrotate import open_regular
from pb.process.logtext import LogLine, sanitise
from pb.process.logwatch import LogWatch


def open_append(path: Path) -> int:
    """Open ``path`` for appending, creating it with mode 0600; close-on-exec.

    Appending is what makes rotation in place safe: each write goes to the end the file has then.
    Raises InvalidError when a symbolic link, FIFO, directory or device stands there, and OSError.
    """
    return open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


__all__ = [
    "Archive",
    "LogKeeper",
    "LogLine",
    "LogTail",
    "LogWatch",
    "Removal",
    "RotationPolicy",
    "archives",
    "follow_log",
    "head",
    "log_end",
    "log_files",
    "offset_at",
    "open_append",
    "read_log",
    "remove_log",
    "run_policy",
    "sanitise",
]
