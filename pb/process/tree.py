"""Stopping everything that a run has become, and saying what would not stop.

Who belongs to the run is ``kin``'s answer; who may ask for a stop is not decided here. Signals go
to identities through pidfds, never to bare pids.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from pb.core.lean import dataclass
from pb.core.service import StopScope
from pb.errors import PbError, PermissionDeniedError
from pb.process.identity import Identity, is_visible, send_signal
from pb.process.kin import Found, find, is_kin, is_same, members
from pb.process.table import (
    Row,
    Table,
    identity_of,
    look_up,
    newest_pid,
    newly_born,
    shared_table,
    take_table,
)

__all__ = [
    "Survivor",
    "TreeStop",
    "in_scope",
    "leader_of",
    "look_around",
    "members",
    "stop_all",
    "stop_tree",
]

KILL_TIME = 2.0
"""Seconds that killed processes have to be gone; what is left then will not die (SPEC 3)."""

FIRST_DELAY, LAST_DELAY, AGAIN = 0.02, 0.2, 0.005
"""Seconds between looks: growing while something lives, short to confirm that nothing does."""

SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Nobody can be seen just now."""

_SIGNAL_GROUP = 4
"""PIDFD_SIGNAL_PROCESS_GROUP (pidfd_send_signal(2), Linux 6.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A process that a stop could not end, and why, in words."""

    pid: int
    command: str
    reason: str


class TreeStop:
    """Stops a run: signal and CONT, wait for all, KILL what is left, look again, report.

    ``signum`` asks politely, ``grace`` is how many seconds everybody has; with ``force``
    (or SIGKILL) nobody has any. Call :meth:`step` until it answers None: at most ``grace`` + 2 s.
    With a narrower ``scope`` only the leader, or its group, is asked as long as it lives: the
    others are its own to end, and are asked when it is gone.
    ``killed`` are those that SIGKILL was sent to, ``survivors`` those that are left at the end.
    For the leader's own group to be known beyond doubt, stop before you reap the leader, or name
    the ``log`` that only this run writes to.
    """

    def __init__(
        self,
        leader: Identity | None,
        marker: str,
        *,
        signum: int,
        grace: float,
        force: bool = False,
        scope: StopScope = StopScope.TREE,
        log: Path | None = None,
    ) -> None:
        self.survivors: tuple[Survivor, ...] = ()
        self.is_finished = False
        self._leader, self._marker, self._signum = leader, marker, signum
        self._scope, self._log = scope, log
        self._grace = 0.0 if force or signum == signal.SIGKILL else max(0.0, grace)
        self._started: float | None = None
        self._delay = FIRST_DELAY
        self._made_at = time.monotonic()
        self._last: Table | None = None
        self._empty: Table | None = None
        self._known: set[Identity] = set()
        self._asked: set[Identity] = set()
        self._killed: dict[Identity, None] = {}
        self._refusals: dict[int, str] = {}

    @property
    def has_found(self) -> bool:
        """Whether there was anybody to stop."""
        return bool(self._known)

    @property
    def killed(self) -> tuple[Identity, ...]:
        return tuple(self._killed)

    def allow(self, grace: float) -> None:
        """Before the first step: give everybody that many seconds instead, or none any more."""
        self._grace = min(self._grace, max(0.0, grace))

    def hurry(self) -> None:
        """Give nobody any more time: the next step kills."""
        self._grace = 0.0

    def step(self, now: float, table: Table | None = None) -> float | None:
        """Look, signal, and answer in how many seconds to step again; None when it is over.

        ``now`` is monotonic seconds. Many stops at once share a ``table``, given or of their own.
        Without a file descriptor or memory left nobody can be seen: then it tries again later.
        """
        try:
            return self._step(now, table or shared_table(self._last))
        except OSError as error:
            if error.errno not in SHORT:
                raise
            return LAST_DELAY

    def _step(self, now: float, table: Table) -> float | None:
        if self._started is None:
            self._started = now
        late = now - self._started - self._grace
        self._last = table
        found = find(self._leader, self._marker, table, self._known, self._log)
        self._known.update(map(identity_of, found.rows))
        if not found.rows:
            return self._nobody(found, table, late)
        self._empty = None
        if late >= KILL_TIME:
            self._end(found)
            return None
        if late >= 0:
            self._kill(found, table)
            return min(self._grow(), max(0.0, KILL_TIME - late))
        self._ask(found.rows)
        return min(self._grow(), -late)

    def _nobody(self, found: Found, table: Table, late: float) -> float | None:
        """One empty look may have fallen between a fork and an exec; two in a row are the end.

        Unless somebody has forked meanwhile: whoever is replaced by a child all the time is seen
        in no look at all, so then the newly born are watched for a moment.
        """
        before, self._empty = self._empty, table
        if before is None or before is table or before.taken_at < self._made_at:
            return AGAIN
        if before.newest != newest_pid():
            caught = self._caught(table)
            if caught and late < KILL_TIME:
                return self._go_on(caught, table, late)
            found = replace(found, rows=caught)
        self._end(found)
        return None

    def _caught(self, table: Table) -> tuple[Row, ...]:
        born = table.newborn()
        return tuple(one.row for one in born if is_kin(one, self._leader, self._marker, table))

    def _go_on(self, caught: tuple[Row, ...], table: Table, late: float) -> float:
        """They are most likely gone, each replaced by another: that one is what counts."""
        self._empty = None
        if late < 0:
            self._ask(caught)
            return min(self._grow(), -late)
        self._hunt(table)
        return AGAIN

    def _hunt(self, table: Table) -> None:
        """Kill those of the run who are born within a moment, each at its birth."""
        for born in newly_born():
            if is_kin(born, self._leader, self._marker, table):
                self._kill_one(born.row)

    def _end(self, found: Found) -> None:
        left = [_survivor(row, self._reason(row)) for row in found.rows]
        ours = "it is the process that asks, or one of its parents"
        left += [_survivor(row, ours) for row in found.spared]
        self.survivors = tuple(left)
        self.is_finished = True
        self._last = self._empty = None

    def _reason(self, row: Row) -> str:
        if row.pid in self._refusals:
            return self._refusals[row.pid]
        if row.state == "D":
            return "it is stuck in the kernel (state D)"
        return "it, or what it starts, goes on after SIGKILL"

    def _grow(self) -> float:
        delay, self._delay = self._delay, min(self._delay * 1.5, LAST_DELAY)
        return delay

    def _ask(self, rows: tuple[Row, ...]) -> None:
        """The polite signal, once each; CONT, without which a stopped process never hears it."""
        for identity in map(identity_of, self._addressed(rows)):
            if identity not in self._asked and self._send(identity, self._signum, signal.SIGCONT):
                self._asked.add(identity)

    def _addressed(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Those whom the polite signal is for."""
        leader = self._leader
        if leader is None or self._scope is StopScope.TREE:
            return rows
        if self._scope is StopScope.MAIN:
            chosen = tuple(row for row in rows if is_same(row, leader) and row.pid == leader.pid)
        else:
            chosen = tuple(row for row in rows if row.group == leader.pid)
        return chosen or rows

    def _kill(self, found: Found, table: Table) -> None:
        if not self._killed:
            self._delay = FIRST_DELAY
        killed = [self._kill_one(row) for row in found.rows]
        leader = self._leader
        if leader is not None and not found.spared:
            _kill_group(leader)
        if not any(killed):
            self._hunt(table)

    def _kill_one(self, row: Row) -> bool:
        """False when it was gone before the signal came."""
        identity = identity_of(row)
        if self._send(identity, signal.SIGKILL):
            self._killed.setdefault(identity)
            return True
        return row.pid in self._refusals

    def _send(self, identity: Identity, *signums: int) -> bool:
        self._refusals.pop(identity.pid, None)
        try:
            return send_signal(identity, *signums)
        except PermissionDeniedError:
            self._refusals[identity.pid] = "it belongs to another user"
        except PbError as error:  # no descriptor for its pidfd; the next step tries again
            self._refusals[identity.pid] = f"it could not be signalled: {error.message}"
        return False


def stop_tree(
    leader: Identity | None, marker: str, *, signum: int, grace: float, force: bool = False
) -> TreeStop:
    """Stop a run and wait for it, at most ``grace`` + 2 seconds; the answer tells what is left.

    Whoever is the parent of the leader still has to reap it afterwards.
    """
    stop = TreeStop(leader, marker, signum=signum, grace=grace, force=force)
    stop_all([stop])
    return stop


def stop_all(stops: list[TreeStop]) -> None:
    """Stop several runs side by side and wait for all of them."""
    left = list(stops)
    while left:
        now, table = time.monotonic(), look_around()
        delays = [(stop.step(now, table), stop) for stop in left]
        left = [stop for delay, stop in delays if delay is not None]
        time.sleep(min([delay for delay, _ in delays if delay is not None], default=0.0))


def look_around() -> Table | None:
    """A table for many stops to share; None when there is no descriptor or memory for it."""
    try:
        return take_table()
    except OSError as error:
        if error.errno not in SHORT:
            raise
        return None


def in_scope(found: list[Identity], leader: int, scope: StopScope) -> list[Identity]:
    """Those of a tree that a signal of that scope is for."""
    if scope is StopScope.TREE:
        return found
    if scope is StopScope.MAIN:
        return [one for one in found if one.pid == leader]
    return [one for one in found if _group_of(one.pid) == leader]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def leader_of(found: list[Identity]) -> Identity | None:
    """The oldest of them that leads a session: who was started first."""
    leading = (who for who in found if _leads_session(who.pid))
    return min(leading, key=lambda who: who.start_ticks, default=None)


def _leads_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def _kill_group(leader: Identity) -> None:
    """Kill the leader's process group at once, which the kernel does atomically as to forks.

    Never with one to be spared in it. The leader may be a zombie; its pidfd, checked after
    opening, names the group beyond doubt. Before Linux 6.9, and elsewhere, there is no such way:
    everybody has got a signal of his own anyway.
    """
    if not hasattr(os, "pidfd_open") or not is_visible(leader) or leader.pid == os.getpgrp():
        return
    try:
        pidfd = os.pidfd_open(leader.pid)
    except OSError:  # reaped meanwhile, or no descriptor left: everybody got his own signal
        return
    try:
        if is_same(look_up(leader.pid), leader):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL, None, _SIGNAL_GROUP)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ESRCH, errno.EPERM):
            raise
    finally:
        os.close(pidfd)


def _survivor(row: Row, reason: str) -> Survivor:
    return Survivor(pid=row.pid, command=row.name, reason=reason)
