"""Measuring: the clock, the process table and medians. Nothing here knows pb or a peer."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

pause = threading.Event().wait
"""Let a stretch of time pass that is itself the thing measured (an idle minute)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of one process, in MiB, which the report calls MB as ps and top do."""

    rss: float
    pss: float


def timed(words: Sequence[str], environment: Mapping[str, str], *, fails: bool = False) -> float:
    """Milliseconds that one command takes; ``fails`` allows a non-zero exit."""
    began = time.perf_counter()
    ended = subprocess.run(
        words, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    took = (time.perf_counter() - began) * 1000
    if ended.returncode and not fails:
        raise RuntimeError(f"{' '.join(words)} ended {ended.returncode}: {ended.stderr[-500:]}")
    return took


def output(words: Sequence[str], environment: Mapping[str, str]) -> str:
    return subprocess.run(
        words, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=180, check=False,
    ).stdout  # fmt: skip


def until(check: Callable[[], bool], *, timeout: float = 60, interval: float = 0.01) -> float:
    """Milliseconds until ``check`` holds."""
    began = time.perf_counter()
    while not check():
        if time.perf_counter() - began > timeout:
            raise RuntimeError(f"not within {timeout} s")
        pause(interval)
    return (time.perf_counter() - began) * 1000


def memory(pid: int) -> Memory:
    """RSS and PSS of a process (Linux: smaps_rollup)."""
    rows = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, rest = line.partition(":")
        rows[key] = int(rest.split()[0]) / 1024
    return Memory(rss=rows["Rss"], pss=rows["Pss"])


def cpu_ms(pid: int) -> float:
    """CPU time that all threads of a process have had, in milliseconds (schedstat, in ns)."""
    tasks = Path(f"/proc/{pid}/task")
    return (
        sum(int((tasks / t / "schedstat").read_text().split()[0]) for t in os.listdir(tasks)) / 1e6
    )


def wakeups(pid: int) -> int:
    """Voluntary context switches of all threads of a process."""
    tasks, found = Path(f"/proc/{pid}/task"), 0
    for task in os.listdir(tasks):
        for line in (tasks / task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found += int(line.split()[1])
    return found


def calibration() -> float:
    """Milliseconds that a fixed piece of Python takes: how busy the machine is just now."""
    began = time.perf_counter()
    sum(n * n for n in range(100_000))
    return (time.perf_counter() - began) * 1000


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
