"""What a process has used, as the kernel tells at its end. Nothing is guessed: None is unknown."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pb.core.lean import dataclass

if TYPE_CHECKING:
    from resource import struct_rusage

UNIT = 1 if sys.platform == "darwin" else 1024
"""What ``ru_maxrss`` counts in (getrusage(2))."""

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """``max_rss_bytes``: the most that any one process had in memory; ``cpu_seconds``: of the
    leader and of all processes that were waited for."""

    max_rss_bytes: int | None = None
    cpu_seconds: float | None = None


UNKNOWN = Usage()


def own_peak() -> int:
    """Our own ``ru_maxrss``, to be asked for right after a start: see ``usage_of``."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def usage_of(rusage: struct_rusage, floor: int) -> Usage:
    """What a child has used, by what wait4(2) tells of it.

    Linux counts the memory that a process shares with its parent between vfork and exec as its own
    (exec_mmap() in fs/exec.c), so a child's peak is never below its parent's at that time, the
    ``floor``. Only what is above is the child's beyond doubt; below, nobody knows.
    """
    peak = rusage.ru_maxrss
    is_its_own = peak > floor or sys.platform != "linux"
    return Usage(
        max_rss_bytes=peak * UNIT if is_its_own else None,
        cpu_seconds=round(rusage.ru_utime + rusage.ru_stime, 6),
    )


def usage_of_zombie(pid: int, start_ticks: int) -> Usage:
    """What is told of another's child that has ended and is not collected yet: processor time
    (proc_pid_stat(5), fields 14 to 17). Nothing once it is gone."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
        if int(fields[19]) == start_ticks and fields[0] == b"Z":
            return Usage(cpu_seconds=sum(map(int, fields[11:15])) / TICKS)
    return UNKNOWN
