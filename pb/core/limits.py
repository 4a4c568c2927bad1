"""What a run may use at most: the ``limits`` of a definition, and what is said when one ends a run.

Pure: setting limits is ``process.limits``' work, watching them the daemon's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pb.core.durations import format_duration, format_size, parse_size, shown_size
from pb.core.fields import (
    Field,
    mismatch,
    read_integer,
    read_positive_duration,
    refusal,
    write_duration,
)
from pb.core.model import NO_LIMITS, Limits
from pb.core.policies import read_policy, write_policy

HARD = ("cpu_time", "open_files", "file_size")
"""Set in the run before its program starts (setrlimit(2)): the kernel keeps them, nobody looks."""

WATCHED = ("memory", "processes", "output")
"""Of the whole run: pb looks each second, and stops the run that has gone beyond."""

KEPT: Mapping[str, str] = MappingProxyType(
    {
        "cpu_time": "hard, each process",
        "open_files": "hard, each process",
        "file_size": "hard, each file",
        "memory": "watched",
        "processes": "watched",
        "output": "watched",
        "nice": "set at the start",
    }
)
"""How each limit is kept, in words. None is called hard that is only watched."""

XCPU, XFSZ = ("SIGXCPU", 24), ("SIGXFSZ", 25)
"""Name and number of the signals that tell of such a limit (setrlimit(2)); a shell reports them
as exit codes, 128 more."""


def read_size(value: object) -> int:
    """Bytes from ``1048576`` or ``"64MiB"``; at least 1."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mismatch("a size", value, 'Write it like 1048576 or "64MiB".')
    size = parse_size(value)
    if size == 0:
        raise refusal("should be more than 0", "Leave the key out for no limit.")
    return size


def write_size(size: int) -> str | int:
    text = format_size(size)
    return text if parse_size(text) == size else size


def read_whole_seconds(value: object) -> float:
    """RLIMIT_CPU counts whole seconds (getrlimit(2))."""
    seconds = read_positive_duration(value)
    if seconds != int(seconds):
        raise refusal("should be whole seconds", "The kernel counts processor time in seconds.")
    return seconds


SIZE = Field(read_size, write_size)

LIMITS: Mapping[str, Field] = {
    "cpu_time": Field(read_whole_seconds, write_duration),
    "memory": SIZE,
    "open_files": Field(read_integer(8, 1_048_576)),
    "processes": Field(read_integer(1, 4_194_304)),
    "file_size": SIZE,
    "nice": Field(read_integer(-20, 19)),
    "output": SIZE,
}

LIMITS_FIELD = Field(
    read_policy(LIMITS, Limits, '{"memory": "512MiB", "cpu_time": "10m"}'),
    write_policy(LIMITS, NO_LIMITS),
)


def is_watched(limits: Limits) -> bool:
    """Whether somebody has to look now and then for these to be kept."""
    return any(getattr(limits, name) is not None for name in WATCHED)


def is_hard(limits: Limits) -> bool:
    """Whether some of these have to be set before the program starts."""
    return any(getattr(limits, name) is not None for name in HARD)


def exceeded(name: str, limit: int, peak: int) -> str:
    """The reason of a run that was stopped: ``memory limit 64 MiB exceeded (peak 71 MiB)``."""
    if name == "processes":
        return f"process limit {limit} exceeded (peak {peak})"
    what = "wrote" if name == "output" else "peak"
    return f"{name} limit {shown_size(limit)} exceeded ({what} {shown_size(peak)})"


def kernel_reason(
    limits: Limits, exit_code: int | None, signal: str | None, cpu_seconds: float | None
) -> str | None:
    """What ended a run, if it was one of the limits that the kernel keeps.

    Beyond the hard limit, one second more, the kernel sends SIGKILL (setrlimit(2)).
    """
    ended = (signal, None if exit_code is None else exit_code - 128)
    cpu, size = limits.cpu_time, limits.file_size
    if cpu is not None:
        killed = signal == "SIGKILL" and cpu_seconds is not None and cpu_seconds >= cpu
        if killed or is_told_by(XCPU, ended):
            # The kernel counts ticks for the limit and the exact time for getrusage(2): the two
            # differ on a busy machine, and a use below the limit would only puzzle.
            is_beyond = cpu_seconds is not None and cpu_seconds >= cpu
            used = f" (used {cpu_seconds:.1f} s)" if is_beyond else ""
            return f"cpu time limit {format_duration(cpu)} exceeded{used}"
    if size is not None and is_told_by(XFSZ, ended):
        return f"file size limit {shown_size(size)} exceeded"
    return None


def is_told_by(one: tuple[str, int], ended: tuple[str | None, int | None]) -> bool:
    return ended[0] == one[0] or ended[1] == one[1]
