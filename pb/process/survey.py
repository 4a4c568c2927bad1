"""What the processes of services use just now: one pass over /proc for all of them together.

Looking only, for people's eyes; who is to be stopped is ``kin``'s question, which asks further.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import field

from pb.core.lean import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

LISTENING = b"0A"
"""TCP_LISTEN (include/net/tcp_states.h), as /proc/net/tcp writes it."""


@dataclass(slots=True)
class Process:
    """One process. ``memory_bytes`` is resident; ``cpu_ticks`` are its own, not its children's."""

    pid: int
    parent: int
    name: str
    memory_bytes: int
    threads: int
    cpu_ticks: int
    start_ticks: int


@dataclass(slots=True)
class Use:
    """The processes of one service: its leader first, then by age."""

    processes: list[Process] = field(default_factory=list)

    @property
    def memory_bytes(self) -> int:
        return sum(one.memory_bytes for one in self.processes)


def survey(leaders: Iterable[int]) -> dict[int, Use]:
    """By each leader's pid: the processes of its session and their descendants.

    Whoever has left both the session and the family is not found. About 12 µs for each process of
    the machine on Linux.
    """
    wanted = {pid: Use() for pid in leaders}
    if not wanted:
        return wanted
    rows = everybody()
    owners: dict[int, int | None] = {pid: pid for pid in wanted}
    for process, session in rows.values():
        owner = session if session in wanted else _owner(process.parent, rows, owners)
        if process.pid in wanted:
            owner = process.pid
        if owner is not None:
            wanted[owner].processes.append(process)
    for pid, use in wanted.items():
        use.processes.sort(key=lambda one, pid=pid: (one.pid != pid, one.start_ticks, one.pid))  # type: ignore[misc]
    return wanted


def everybody() -> dict[int, tuple[Process, int]]:
    """Every process that lives, and its session, by its pid."""
    return _linux_rows() if sys.platform.startswith("linux") else _psutil_rows()


def _owner(
    pid: int, rows: Mapping[int, tuple[Process, int]], owners: dict[int, int | None]
) -> int | None:
    """Which leader the process descends from; remembered, as many share their ancestors."""
    path = []
    while pid not in owners and pid in rows and pid not in path:
        path.append(pid)
        pid = rows[pid][0].parent
    found = owners.get(pid)
    owners.update((one, found) for one in path)
    return found


def _linux_rows() -> dict[int, tuple[Process, int]]:
    """By proc_pid_stat(5)."""
    rows = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            text = _read(f"/proc/{name}/stat")
            closed = text.rfind(b")")
            # After the name: 0 state, 1 parent, 3 session, 11 user time, 12 system time,
            # 17 threads, 19 start time, 21 resident pages.
            fields = text[closed + 2 :].split(None, 22)
            if len(fields) > 21 and fields[0] not in b"ZX":
                pid = int(name)
                process = Process(
                    pid,
                    int(fields[1]),
                    text[text.find(b"(") + 1 : closed].decode(errors="backslashreplace"),
                    int(fields[21]) * PAGE,
                    int(fields[17]),
                    int(fields[11]) + int(fields[12]),
                    int(fields[19]),
                )
                rows[pid] = process, int(fields[3])
    return rows


def _psutil_rows() -> dict[int, tuple[Process, int]]:
    import psutil

    rows = {}
    for one in psutil.process_iter():
        try:
            with one.oneshot():
                times = one.cpu_times()
                process = Process(
                    one.pid,
                    one.ppid(),
                    one.name(),
                    one.memory_info().rss,
                    one.num_threads(),
                    int((times.user + times.system) * TICKS),
                    round(one.create_time() * 1_000_000),
                )
                rows[one.pid] = process, os.getsid(one.pid)
        except (psutil.Error, OSError):
            continue  # It ended between the two looks, or is not ours to look at.
    return rows


def resident(pid: int) -> int | None:
    """Bytes of memory that one process holds; None when it is gone, or cannot be looked at."""
    if not sys.platform.startswith("linux"):
        use = survey([pid])[pid]
        return use.processes[0].memory_bytes if use.processes else None
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if fields else None


def listening_ports(pids: Iterable[int]) -> dict[int, list[int]]:
    """The TCP ports on which each process listens; none where that cannot be seen."""
    if not sys.platform.startswith("linux"):
        return {}
    ports = _listeners()
    found: dict[int, list[int]] = {}
    for pid in pids if ports else ():
        mine = {ports[inode] for inode in _sockets(pid) if inode in ports}
        if mine:
            found[pid] = sorted(mine)
    return found


def _listeners() -> dict[int, int]:
    """Inode and port of each listening TCP socket of this network namespace (proc_net(5))."""
    found = {}
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for line in _read(path).splitlines()[1:]:
            parts = line.split(None, 10)
            if parts[3] == LISTENING:
                found[int(parts[9])] = int(parts[1].rpartition(b":")[2], 16)
    return found


def _sockets(pid: int) -> list[int]:
    """The inodes of a process's open sockets; none when it is gone, or not ours to look at."""
    folder = f"/proc/{pid}/fd"
    found = []
    try:
        for name in os.listdir(folder):
            target = os.readlink(f"{folder}/{name}")
            if target.startswith("socket:["):
                found.append(int(target[8:-1]))
    except OSError:
        return found
    return found


def open_files(pid: int) -> int | None:
    """How many descriptors a process has open; None when that cannot be seen."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def command_line(pid: int) -> str:
    """Its words as it was started; empty when it is gone."""
    return _read(f"/proc/{pid}/cmdline").rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def _read(path: str) -> bytes:
    """All of a file of /proc; empty when it is gone or not ours to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = part = os.read(fd, 65536)
        while part:
            part = os.read(fd, 65536) if len(part) >= 4096 else b""
            text += part
        return text
    except OSError:
        return b""
    finally:
        os.close(fd)
