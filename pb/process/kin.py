"""Who belongs to a run: its leader's group and session, their descendants, the marked.

Pure reading of one table of processes; nothing here signals or waits (``tree`` does).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pb.core.lean import dataclass
from pb.process.identity import Identity, is_visible
from pb.process.table import MARKER_VARIABLE, Newborn, Row, Table, identity_of, take_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The processes of a run at one moment, leader and group first.

    ``spared`` are part of it and never signalled: the asking process itself and its ancestors.
    """

    rows: tuple[Row, ...]
    spared: tuple[Row, ...]


def members(leader: Identity | None, marker: str, table: Table | None = None) -> list[Identity]:
    """The live processes of a run, leader first; ``marker`` is the value of its PB_MARKER.

    Never among them: this process, its ancestors and pid 1. A process that is its own session
    and group, no descendant, and has dropped its environment, cannot be found.
    """
    return [identity_of(row) for row in find(leader, marker, table or take_table()).rows]


def find(
    leader: Identity | None,
    marker: str,
    table: Table,
    known: Iterable[Identity] = (),
    log: Path | None = None,
) -> Found:
    """Which rows of ``table`` belong to the run; ``known`` were found to do so earlier.

    ``log``: the file that nobody but this run writes to.
    """
    entry = _entry(marker)
    since = leader.start_ticks if leader is not None and is_visible(leader) else 0
    mine = os.getpid()
    above = table.ancestors(mine) | {mine}
    marked = {row.pid for row in table.marked(entry, since)} if entry else set()
    # A scheduler started from inside a run carries the marker, and is no part of the run.
    marked -= above
    marked |= {one.pid for one in known if is_same(table.rows.get(one.pid), one)} - above
    seeds = marked | _led(leader, marked, entry, table, log)
    rows = [table.rows[pid] for pid in _closure(seeds, mine, table, since) if pid in table.rows]
    # Nothing of a run started before its leader did.
    alive = [row for row in rows if row.start_ticks >= since and row.pid > 1 and not row.is_dead]
    alive.sort(key=lambda row: (_rank(row, leader), row.start_ticks, row.pid))
    return Found(
        rows=tuple(row for row in alive if row.pid not in above),
        spared=tuple(row for row in alive if row.pid in above),
    )


def is_kin(born: Newborn, leader: Identity | None, marker: str, table: Table) -> bool:
    """Whether somebody who has appeared since ``table`` was taken belongs to the run.

    By the marker, or by the group or session of a leader who is still in the table.
    """
    row, mine = born.row, os.getpid()
    is_led = leader is not None and leader.pid in (row.group, row.session) and is_visible(leader)
    if not is_led and _entry(marker) not in born.markers:
        return False
    if row.is_dead or row.pid == mine or row.pid in table.ancestors(mine):
        return False
    if _entry(marker) in born.markers or leader is None:
        return True
    return is_same(table.rows.get(leader.pid), leader)


def _entry(marker: str) -> bytes:
    """The whole entry in the environment, so that ``x/1`` never matches ``x/12``."""
    value = marker.removeprefix(f"{MARKER_VARIABLE}=")
    return f"{MARKER_VARIABLE}={value}".encode() if value else b""


def is_same(row: Row | None, identity: Identity) -> bool:
    """Whether that row is still the process that was recorded."""
    return row is not None and row.start_ticks == identity.start_ticks


def _led(
    leader: Identity | None,
    marked: set[int],
    entry: bytes,
    table: Table,
    log: Path | None,
) -> set[int]:
    """The leader, its group and its session, as far as those numbers still mean the same.

    A pid is not given out again while it names a group or session (POSIX, XBD 4.13 and fork()):
    with the leader there, dead or alive, its numbers are its own. Once it has been reaped they
    are its own as long as somebody of the run still uses them; without such a witness they may
    name a stranger's group, and are left alone (there is none to ask for without a marker). Who
    has no marker is a witness by what it writes to: programs like nginx and PostgreSQL overwrite
    their environment with the title that ps(1) shows.
    """
    if leader is None or not is_visible(leader):
        return set()
    row = table.rows.get(leader.pid)
    if row is not None and not is_same(row, leader):
        return set()
    together = (*table.group(leader.pid), *table.session(leader.pid))
    led = {row.pid for row in together if row.start_ticks >= leader.start_ticks and row.pid > 1}
    if row is not None:
        return led | {leader.pid}
    if not entry or led & marked or (log is not None and any(writes_to(pid, log) for pid in led)):
        return led
    return set()


def writes_to(pid: int, log: Path) -> bool:
    """Whether standard output or error of ``pid`` is that file (Linux only)."""
    try:
        facts = os.stat(log)
    except OSError:
        return False
    for fd in (1, 2):
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), facts):
                return True
        except OSError:
            continue
    return False


def _closure(seeds: set[int], mine: int, table: Table, since: int) -> set[int]:
    """The seeds, the descendants of each, and whoever is in a session that one of them leads.

    The children of the asking process are its own affair, also when it is part of the run.
    """
    together: set[int] = set()
    todo = list(seeds)
    while todo:
        pid = todo.pop()
        if pid in together:
            continue
        together.add(pid)
        found = table.rows.get(pid)
        if pid == mine or found is None:
            continue
        todo += [child.pid for child in table.children(pid)]
        if found.session == pid:
            todo += [row.pid for row in table.session(pid) if row.start_ticks >= since]
    return together


def _rank(row: Row, leader: Identity | None) -> int:
    if leader is None or leader.pid not in (row.pid, row.group, row.session):
        return 3
    return 0 if row.pid == leader.pid else 1 if row.group == leader.pid else 2
