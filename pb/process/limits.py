"""Setting what the kernel keeps (setrlimit, nice), and measuring what somebody has to watch.

Nothing here decides that a run has gone too far, or stops it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pb.core.model import Limits
from pb.process.identity import Identity
from pb.process.logindex import Index, Phase, State, index_path
from pb.process.program import SpawnError

SHELL = "/bin/sh"

ROOM = 1
"""Seconds of processor time between SIGXCPU, which a program may handle, and SIGKILL."""

FSIZE_UNIT = 512
"""What ``ulimit -f`` counts in (POSIX, ulimit)."""


def limiting(
    limits: Limits, program: str, argv: Sequence[str], *, before: Sequence[str] = ()
) -> list[str]:
    """The words that set the hard limits and then become ``program``, in the same process.

    posix_spawn cannot set them, and setting our own would hurt us: the smallest thing that can is
    a shell, for half a millisecond. It keeps ``argv[0]``, unless that looks like an option.
    ``before`` is what it does first.
    """
    words = [program if argv[0].startswith("-") else argv[0], *argv[1:]]
    return [SHELL, "-c", " && ".join([*before, *settings(limits), 'exec "$@"']), "pb", *words]


def entering(cwd: str, umask: int | None) -> list[str]:
    """The shell's words for what posix_spawn cannot set either: working directory and umask."""
    from shlex import quote

    enter = f"cd {quote(cwd)}"
    return [enter] if umask is None else [f"umask {umask:03o}", enter]


def settings(limits: Limits) -> list[str]:
    """ulimit's words. A limit above our own is ours: nobody but root may go beyond it."""
    import resource

    found = []
    if limits.cpu_time is not None:
        seconds = allowed(resource.RLIMIT_CPU, int(limits.cpu_time))
        most = allowed(resource.RLIMIT_CPU, seconds + ROOM)
        found += [f"ulimit -S -t {seconds}", f"ulimit -H -t {most}"]
    if limits.open_files is not None:
        found.append(f"ulimit -n {allowed(resource.RLIMIT_NOFILE, limits.open_files)}")
    if limits.file_size is not None:
        size = allowed(resource.RLIMIT_FSIZE, limits.file_size)
        found.append(f"ulimit -f {-(-size // FSIZE_UNIT)}")
    return found


def allowed(which: int, wanted: int) -> int:
    import resource

    _, ours = resource.getrlimit(which)
    return wanted if ours == resource.RLIM_INFINITY else min(wanted, ours)


def check_nice(nice: int) -> None:
    """Raise SpawnError where this user may not run anything that eagerly (setpriority(2))."""
    import resource

    if nice >= os.getpriority(os.PRIO_PROCESS, 0) or os.geteuid() == 0:
        return
    if sys.platform == "linux" and 20 - resource.getrlimit(resource.RLIMIT_NICE)[0] <= nice:
        return
    raise refused_nice(nice)


def set_nice(pid: int, nice: int) -> None:
    """Give the new run's process group its niceness, before it can have done much.

    Of the whole group, so that a child forked meanwhile has it too. Gone already is fine.
    """
    try:
        os.setpriority(os.PRIO_PGRP, pid, nice)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise refused_nice(nice) from error


def refused_nice(nice: int) -> SpawnError:
    return SpawnError(
        f"This user may not run anything with nice {nice}",
        hint="Use a number that is not below the scheduler's own, 0 as a rule.",
    )


def memory_of(run: Iterable[Identity], limit: int) -> int:
    """Bytes of memory that the processes hold together.

    What they share counts for each of them (RSS) as long as that stays within ``limit``; beyond,
    each page is counted once (PSS), which takes the kernel longer.
    """
    sizes = {one.pid: resident(one.pid) for one in run}
    total = sum(sizes.values())
    if total <= limit or len(sizes) == 1:
        return total
    return sum(proportional(pid, size) for pid, size in sizes.items())


def resident(pid: int) -> int:
    """A process's resident memory; 0 when it is gone."""
    if sys.platform == "linux":
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
        return 0
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


PAGE = os.sysconf("SC_PAGE_SIZE")


def proportional(pid: int, otherwise: int) -> int:
    """The same with shared pages divided among those who share them (smaps_rollup, proc(5))."""
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return otherwise


def written(log: Path) -> int:
    """Bytes that were ever written to ``log``, whatever of it has been moved to its archives.

    While some of it is being moved the answer may be too small, never too large: no lock is
    waited for.
    """
    before = state_of(log)
    try:
        size = os.stat(log).st_size
    except OSError:
        return 0
    if before is None:
        return size
    if before.phase is not Phase.IDLE or state_of(log) != before:
        return max(before.base, size)
    return before.base + size


def state_of(log: Path) -> State | None:
    """The log's side file's header, read without its lock."""
    try:
        fd = os.open(index_path(log), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    index = Index(log, fd)
    try:
        return index.state()
    finally:
        index.close()
