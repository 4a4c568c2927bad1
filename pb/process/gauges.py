"""What the machine measures of itself: processors, memory, network, disks, files, sensors.

Linux is read from /proc and /sys, without psutil, which would cost a daemon megabytes; elsewhere
psutil is asked, where it knows. None is what cannot be told just now. Nothing is judged here.
"""

from __future__ import annotations

import contextlib
import glob
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from pathlib import Path

from pb.core.lean import dataclass
from pb.process.machine import PROC, SYS, free_space, text_of
from pb.process.table import Table, take_table

IS_LINUX = sys.platform == "linux"


class Moment:
    """One look at the machine: each file of /proc is read once, whatever is asked of it."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._texts: dict[str, str] = {}
        self._table: Table | None = None
        self.at = time.monotonic()

    def text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = text_of(self._proc / name)
        return self._texts[name]

    def table(self) -> Table:
        """All processes."""
        if self._table is None:
            self._table = take_table()
        return self._table

    def memory(self) -> dict[str, int]:
        """Bytes by name (proc_meminfo(5))."""
        lines = (line.split() for line in self.text("meminfo").splitlines())
        return {words[0][:-1]: int(words[1]) * 1024 for words in lines if len(words) > 1}


Gauge = Callable[[Moment], float | None]


@dataclass(slots=True)
class Share:
    """How much of what has passed since the last look was of one kind, in percent."""

    counters: Callable[[Moment], tuple[float, float] | None]
    last: tuple[float, float] | None = None

    def __call__(self, moment: Moment) -> float | None:
        before, self.last = self.last, self.counters(moment)
        if before is None or self.last is None or self.last[1] <= before[1]:
            return None
        part, whole = (now - then for now, then in zip(self.last, before, strict=True))
        return min(100.0, max(0.0, 100 * part / whole))


@dataclass(slots=True)
class Speed:
    """By how much a counter has grown a second since the last look."""

    counter: Callable[[Moment], float | None]
    factor: float = 1.0
    last: tuple[float, float] | None = field(default=None)

    def __call__(self, moment: Moment) -> float | None:
        before, count = self.last, self.counter(moment)
        self.last = None if count is None else (moment.at, count)
        if before is None or count is None or count < before[1] or moment.at <= before[0]:
            return None
        return self.factor * (count - before[1]) / (moment.at - before[0])


def busy_and_all(moment: Moment) -> tuple[float, float] | None:
    """Processor time: busy, and all of it. Waiting for input is idle; guests are in user
    (proc_stat(5))."""
    if not IS_LINUX:
        import psutil

        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return sum(times) - idle, sum(times)
    words = moment.text("stat").partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    ticks = [int(word) for word in words[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def load(place: int) -> Gauge:
    """The load of the last 1, 5 or 15 minutes."""

    def look(moment: Moment) -> float | None:
        with contextlib.suppress(OSError):
            return os.getloadavg()[place]
        return None

    return look


def memory_percent(moment: Moment) -> float | None:
    """What programs cannot have, of all; as free(1) counts it."""
    if not IS_LINUX:
        import psutil

        return float(psutil.virtual_memory().percent)
    found = moment.memory()
    whole, left = found.get("MemTotal"), found.get("MemAvailable")
    return None if not whole or left is None else 100 * (whole - left) / whole


def memory_available(moment: Moment) -> float | None:
    if not IS_LINUX:
        import psutil

        return float(psutil.virtual_memory().available)
    return moment.memory().get("MemAvailable")


def swap_percent(moment: Moment) -> float | None:
    if not IS_LINUX:
        import psutil

        return float(psutil.swap_memory().percent)
    found = moment.memory()
    whole, left = found.get("SwapTotal"), found.get("SwapFree")
    if whole is None or left is None:
        return None
    return 100 * (whole - left) / whole if whole else 0.0


def network(place: int) -> Callable[[Moment], float | None]:
    """Bytes on all interfaces but lo since the machine was started: 0 received, 8 sent
    (proc_pid_net(5): /proc/net/dev)."""

    def count(moment: Moment) -> float | None:
        if not IS_LINUX:
            import psutil

            found = psutil.net_io_counters(pernic=False)
            return None if found is None else float(found.bytes_sent if place else found.bytes_recv)
        lines = (line.partition(":") for line in moment.text("net/dev").splitlines())
        numbers = [rest.split() for name, colon, rest in lines if colon and name.strip() != "lo"]
        return float(sum(int(words[place]) for words in numbers if len(words) > place))

    return count


# -- what may make us wait: disks and sensors


def disk_percent(path: str) -> float | None:
    """Of what this user may use where ``path`` is, how much is used; as df(1) counts it."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    used = found.f_blocks - found.f_bfree
    whole = used + found.f_bavail
    return 100 * used / whole if whole else None


def disk_free(path: str) -> float | None:
    found = free_space(path)
    return None if isinstance(found, str) else float(found)


def found_by(path: str) -> Iterator[os.stat_result]:
    """The regular files that a path with wildcards stands for; of one without, whatever it is."""
    has_wildcards = glob.has_magic(path)
    for name in glob.iglob(path, recursive=True) if has_wildcards else (path,):
        with contextlib.suppress(OSError):
            facts = os.stat(name)
            if not has_wildcards or os.path.isfile(name):
                yield facts


def file_size(path: str) -> float | None:
    """None where there is no such file."""
    sizes = [facts.st_size for facts in found_by(path)]
    return float(sum(sizes)) if sizes or glob.has_magic(path) else None


def file_age(path: str) -> float | None:
    newest = max((facts.st_mtime for facts in found_by(path)), default=None)
    return None if newest is None else max(0.0, time.time() - newest)


def file_count(path: str) -> float | None:
    """Files in a directory, or that match; 0 where there is none."""
    if glob.has_magic(path):
        return float(sum(1 for _ in found_by(path)))
    try:
        with os.scandir(path) as entries:
            return float(sum(1 for _ in entries))
    except FileNotFoundError:
        return 0.0
    except NotADirectoryError:
        return 1.0
    except OSError:
        return None


def battery_percent(sys_: Path = SYS) -> float | None:
    """The fullest battery of the machine; those of mice and the like do not count."""
    if not IS_LINUX:
        import psutil

        found = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        return None if found is None else float(found.percent)
    return max(whole_numbers(charges(sys_)), default=None)


def charges(sys_: Path) -> Iterator[str]:
    for supply in (sys_ / "class/power_supply").glob("*"):
        if text_of(supply / "type") == "Battery" and text_of(supply / "scope") != "Device":
            yield text_of(supply / "capacity")


def hottest(sys_: Path = SYS) -> float | None:
    """Degrees of the hottest sensor (sysfs-class-hwmon, sysfs-class-thermal: thousandths)."""
    if not IS_LINUX:
        import psutil

        if not hasattr(psutil, "sensors_temperatures"):
            return None
        sensors = psutil.sensors_temperatures().values()
        return max((one.current for each in sensors for one in each), default=None)
    places = [*(sys_ / "class/hwmon").glob("hwmon*/temp*_input")]
    places = places or [*(sys_ / "class/thermal").glob("thermal_zone*/temp")]
    found = max(whole_numbers(map(text_of, places)), default=None)
    return None if found is None else found / 1000


def whole_numbers(texts: Iterable[str]) -> Iterator[float]:
    return (float(text) for text in texts if text.removeprefix("-").isdecimal())


def quick_gauge(kind: str) -> Gauge | None:
    """What can be read at once, anew for each who looks; None for what is no such metric."""
    match kind:
        case "cpu.percent":
            return Share(busy_and_all)
        case "load1" | "load5" | "load15":
            return load(("load1", "load5", "load15").index(kind))
        case "mem.percent":
            return memory_percent
        case "mem.available":
            return memory_available
        case "swap.percent":
            return swap_percent
        case "net.rx_rate":
            return Speed(network(0))
        case "net.tx_rate":
            return Speed(network(8))
    return None


PATHS: dict[str, Callable[[str], float | None]] = {
    "disk.percent": disk_percent,
    "disk.free": disk_free,
    "file.size": file_size,
    "file.age": file_age,
    "file.count": file_count,
}


def slow_gauge(kind: str, subject: str) -> Callable[[], float | None] | None:
    """What may make us wait, for a thread of its own; None for what is no such metric.

    ``subject`` is a path without ``~``.
    """
    if kind in PATHS:
        look = PATHS[kind]
        return lambda: look(subject)
    return {"battery.percent": battery_percent, "temp.max": hottest}.get(kind)
