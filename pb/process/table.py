"""One look at all processes: who is whose parent, in which group and session, with which marker.

Facts only, read once; what belongs together and what is to be done about it is ``tree``'s work.
Linux reads /proc itself, other systems ask psutil.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache

from pb.core.lean import dataclass
from pb.process.identity import Identity, own

MARKER_VARIABLE = "PB_MARKER"
"""The environment variable that every run carries, and its descendants inherit."""


WATCH = 0.005
"""Seconds of watching who is newly born: of this thread's own time, since being kept from
running is no watching."""

SHARED = 0.05
"""Seconds for which a look may be shared; nobody is given the same one twice."""

YOUNGEST = 32
"""How many of the pids given out last are looked at, at the most, at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One process. ``start_ticks`` is clock ticks since boot, as in an Identity."""

    pid: int
    parent: int
    group: int
    session: int
    start_ticks: int
    name: str
    state: str
    threads: int

    @property
    def is_dead(self) -> bool:
        """A zombie; not one whose main thread alone has ended while others still run."""
        return self.state in "ZX" and self.threads <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Newborn:
    """A process seen right after its birth, and the markers that it carries."""

    row: Row
    markers: frozenset[bytes]


class Table:
    """The processes of one moment. Their environments are read when first asked for.

    ``taken_at`` (monotonic seconds) and ``newest``, the pid given out last, are of when the look
    began.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.taken_at = time.monotonic()
        self.newest = newest_pid()
        self.rows = {row.pid: row for row in rows}
        self._by_parent: dict[int, list[Row]] | None = None
        self._by_group: dict[int, list[Row]] = {}
        self._by_session: dict[int, list[Row]] = {}
        self._markers: dict[int, frozenset[bytes]] = {}
        self._by_marker: dict[bytes, list[Row]] = {}
        self._unread: list[Row] | None = None
        self._newborn: tuple[Newborn, ...] | None = None
        self._above: tuple[int, frozenset[int]] | None = None

    def children(self, pid: int) -> list[Row]:
        return self._indexed().get(pid, [])

    def group(self, pid: int) -> list[Row]:
        """The processes of the group that ``pid`` leads, or led."""
        self._indexed()
        return self._by_group.get(pid, [])

    def session(self, pid: int) -> list[Row]:
        """The processes of the session that ``pid`` leads, or led."""
        self._indexed()
        return self._by_session.get(pid, [])

    def _indexed(self) -> dict[int, list[Row]]:
        """Many stops look at one table: what each of them needs must not cost a walk over all."""
        if self._by_parent is None:
            self._by_parent = {}
            for row in self.rows.values():
                self._by_parent.setdefault(row.parent, []).append(row)
                self._by_group.setdefault(row.group, []).append(row)
                self._by_session.setdefault(row.session, []).append(row)
        return self._by_parent

    def marked(self, entry: bytes, since: int) -> list[Row]:
        """This user's processes, started at ``since`` ticks or later, with exactly ``entry``
        (NAME=value) in their environment. Those of older ones are not read."""
        if self._unread is None:
            self._unread = sorted(self.rows.values(), key=lambda row: row.start_ticks)
        while self._unread and self._unread[-1].start_ticks >= since:
            row = self._unread.pop()
            for one in self.markers(row):
                self._by_marker.setdefault(one, []).append(row)
        return [row for row in self._by_marker.get(entry, ()) if row.start_ticks >= since]

    def carries(self, row: Row, entry: bytes) -> bool:
        """Whether this user's process has exactly ``entry`` (NAME=value) in its environment."""
        return entry in self.markers(row)

    def markers(self, row: Row) -> frozenset[bytes]:
        """The marker entries (NAME=value) of this user's process; none of anybody else's."""
        if row.pid not in self._markers:
            self._markers[row.pid] = _markers(row.pid)
        return self._markers[row.pid]

    def newborn(self) -> tuple[Newborn, ...]:
        """Who is born within ``WATCH`` seconds of the first call; the same for all who ask."""
        if self._newborn is None:
            self._newborn = tuple(newly_born())
        return self._newborn

    def ancestors(self, pid: int) -> frozenset[int]:
        """The pids of the parents of ``pid``, up to the first that is not in the table."""
        if self._above is not None and self._above[0] == pid:
            return self._above[1]
        found: set[int] = set()
        row = self.rows.get(pid)
        while row is not None and row.parent not in found:
            found.add(row.parent)
            row = self.rows.get(row.parent)
        self._above = (pid, frozenset(found))
        return self._above[1]


def take_table() -> Table:
    """Look now. About 7 µs for each process of the machine on Linux."""
    return Table(_linux_rows() if sys.platform.startswith("linux") else _psutil_rows())


def shared_table(last: Table | None) -> Table:
    """A table other than ``last``, at most ``SHARED`` seconds old: many stops share their looks."""
    latest = _latest[0] if _latest else None
    if latest is None or latest is last or time.monotonic() - latest.taken_at > SHARED:
        latest = take_table()
        _latest[:] = [latest]
    return latest


_latest: list[Table] = []


def look_up(pid: int) -> Row | None:
    """The row of one process, also of a zombie (whose start time ``identify`` would not tell).

    Only a caller who knows that ``pid`` cannot be another's by now may ask: its parent.
    """
    if not sys.platform.startswith("linux"):
        return next((row for row in _psutil_rows() if row.pid == pid), None)
    text = _read(f"/proc/{pid}/stat")
    return _row(pid, text) if text else None


def newest_pid() -> int:
    """The pid that was given out last (proc_loadavg(5)); always 0 where that cannot be known.

    As long as it stays the same nobody has forked, so a look has missed nobody.
    """
    if not sys.platform.startswith("linux"):
        return 0
    return int(_read("/proc/loadavg").rpartition(b" ")[2] or 0)


def newly_born() -> Iterator[Newborn]:
    """Whoever was born last, and then everybody who is born within ``WATCH`` seconds, at once.

    For those who fork and exit faster than a look takes: it sees none of them.
    """
    end = time.thread_time() + WATCH
    last = max(0, newest_pid() - YOUNGEST)
    while time.thread_time() < end:
        newest = newest_pid()
        # All that were given out since; after a wrap of the pids just the newest.
        since = last if newest - YOUNGEST <= last <= newest else newest - YOUNGEST
        for row in filter(None, map(look_up, range(newest, max(1, since), -1))):
            yield Newborn(row=row, markers=_markers(row.pid))
        last = newest


def identity_of(row: Row) -> Identity:
    """Who that row is, as others record it."""
    boot_id, pid_namespace, host = _here()
    return Identity(
        pid=row.pid,
        start_ticks=row.start_ticks,
        boot_id=boot_id,
        pid_namespace=pid_namespace,
        host=host,
    )


@cache
def _here() -> tuple[str, int, str]:
    """What all identities of this process's life share."""
    mine = own()
    return mine.boot_id, mine.pid_namespace, mine.host


def _linux_rows() -> Iterator[Row]:
    for name in reversed(os.listdir("/proc")):  # the youngest first: they may not live long
        if name.isdigit():
            text = _read(f"/proc/{name}/stat")
            if text:
                yield _row(int(name), text)


def _row(pid: int, text: bytes) -> Row:
    """Read a line of /proc/PID/stat (proc_pid_stat(5)); a name may hold spaces and brackets."""
    opened, closed = text.index(b"("), text.rindex(b")")
    # After the name: 3 state, 4 ppid, 5 pgrp, 6 session ... 20 num_threads, 22 starttime.
    fields = text[closed + 2 :].split(None, 20)
    return Row(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        name=text[opened + 1 : closed].decode(errors="backslashreplace"),
        state=fields[0].decode(),
        threads=int(fields[17]),
    )


def _markers(pid: int) -> frozenset[bytes]:
    """The marker entries in the environment of ``pid``; none when it is not this user's."""
    if not sys.platform.startswith("linux"):
        return _psutil_markers(pid)
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return frozenset()
    except OSError:
        return frozenset()
    prefix = f"{MARKER_VARIABLE}=".encode()
    text = _read(f"/proc/{pid}/environ")
    if prefix not in text:
        return frozenset()
    return frozenset(entry for entry in text.split(b"\0") if entry.startswith(prefix))


def _read(path: str) -> bytes:
    """All of a file of /proc; empty when the process is gone or forbids it.

    Lack of descriptors is no absence: EMFILE and the like are raised as OSError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        text = part = os.read(fd, 65536)
        while part:
            part = os.read(fd, 65536) if len(part) >= 4096 else b""
            text += part
        return text
    except (ProcessLookupError, PermissionError):
        return b""
    finally:
        os.close(fd)


def _psutil_rows() -> Iterator[Row]:
    import psutil

    for process in psutil.process_iter(["ppid", "name", "status"]):
        facts = process.info
        try:
            # The same unit as identity's start_ticks has outside Linux.
            ticks = round(process.create_time() * 1_000_000)
            group, session = os.getpgid(process.pid), os.getsid(process.pid)
        except (psutil.Error, OSError):
            continue
        yield Row(
            pid=process.pid,
            parent=facts["ppid"] or 0,
            group=group,
            session=session,
            start_ticks=ticks,
            name=facts["name"] or "?",
            state="Z" if facts["status"] == psutil.STATUS_ZOMBIE else "S",
            threads=1,
        )


def _psutil_markers(pid: int) -> frozenset[bytes]:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.uids().effective != os.geteuid():
            return frozenset()
        value = process.environ().get(MARKER_VARIABLE)
    except (psutil.Error, OSError):
        return frozenset()
    return frozenset() if value is None else frozenset({os.fsencode(f"{MARKER_VARIABLE}={value}")})
