"""Who ends, and how: our own children, and processes that an earlier scheduler has started.

Shared by runs, services, hooks and probes. What an end means is for whoever asked to be told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pb.daemon.children import AllChildren, Children, OwnChildren
from pb.errors import PbError
from pb.process.exits import taking_exits
from pb.process.identity import Identity, exit_of_zombie, exit_status, is_possible, open_pidfd
from pb.process.usage import Usage, own_peak, usage_of_zombie

if TYPE_CHECKING:
    from pb.daemon.clock import Clock

STATUS_WAIT = 2.0
"""Seconds for an adopted process's parent to collect its exit status, after which nobody can know.

The kernel keeps a status for pidfd holders from the moment the parent has reaped the process
(Linux 6.15, PIDFD_INFO_EXIT); the guardian writes it down just before it does.
"""

EXITS_KEPT = 10_000

Ended = Callable[[int | None, int, Usage], None]
"""Told once: the raw wait status (None where nobody can know it), epoch ms, and what was used."""


class Watching:
    """All processes whose end somebody waits for. Belongs to the event loop's thread.

    ``exits`` is the guardian's file. ``is_guest``: this process is another program's.
    """

    def __init__(self, *, exits: Path, clock: Clock, is_guest: bool = False) -> None:
        self._exits_file = exits
        self._clock = clock
        self._children: dict[int, tuple[Identity, int, Ended]] = {}
        self._collector: Children = (OwnChildren if is_guest else AllChildren)(self._child_ended)
        self._adopted: dict[int, tuple[Identity, Ended]] = {}
        self._exits: dict[tuple[int, int], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """Collect children from now on, and those that ended before."""
        self._collector.listen()

    def deafen(self) -> None:
        """Collect nobody any more: who ends now is collected by our successor."""
        self._collector.deafen()
        for pidfd in self._adopted:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
        self._adopted.clear()

    def left(self) -> list[Identity]:
        """The children that nobody has collected yet."""
        return [identity for identity, _, _ in self._children.values()]

    def expect(self, identity: Identity, ended: Ended) -> None:
        """Tell of the end of a child that was just started, or that is still ours to collect."""
        self._children[identity.pid] = (identity, own_peak(), ended)
        self._collector.expect(identity)

    def look(self) -> None:
        """Collect now what has ended."""
        self._collector.look()

    def _child_ended(self, pid: int, status: int | None, used: Callable[[int], Usage]) -> None:
        child = self._children.pop(pid, None)
        if child is not None:
            _, floor, ended = child
            ended(status, self._clock.now_ms(), used(floor))

    # -- processes of an earlier scheduler

    def adopt(self, identity: Identity, ended: Ended) -> bool:
        """Tell of the end of a process that an earlier scheduler started; False when it is gone."""
        if is_own_child(identity):
            # We replaced ourselves in place (restart): it is still ours to collect.
            self.expect(identity, ended)
            return True
        try:
            pidfd = open_pidfd(identity)
        except (ProcessLookupError, PbError):
            if (status := exit_of_zombie(identity)) is not None:
                # Its parent is another scheduler, which is frozen and has not collected it.
                self._exits[identity.pid, identity.start_ticks] = status
            return False
        self._adopted[pidfd] = (identity, ended)
        asyncio.get_running_loop().add_reader(pidfd, self._adopted_ended, pidfd)
        return True

    def _adopted_ended(self, pidfd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(pidfd)
        identity, _ = self._adopted[pidfd]
        used = usage_of_zombie(identity.pid, identity.start_ticks)  # at once: it is gone soon
        task = loop.create_task(self._collect(pidfd, used))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self, pidfd: int, used: Usage) -> None:
        """Learn how an adopted process ended, as soon as its parent has collected it."""
        identity, ended = self._adopted[pidfd]
        at_ms = self._clock.now_ms()
        status = None
        deadline = time.monotonic() + STATUS_WAIT
        while time.monotonic() < deadline:
            status = exit_status(pidfd)
            if status is not None or is_reaped(pidfd):
                break
            await asyncio.sleep(0.02)
        if status is None:
            with self.collecting():
                status = self._exits.get((identity.pid, identity.start_ticks))
        if self._adopted.pop(pidfd, None) is not None:
            os.close(pidfd)
        ended(status, at_ms, used)

    # -- what the guardian has seen

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Read what the guardian kept; it forgets it when the block ends well (has committed)."""
        with taking_exits(self._exits_file) as exits:
            self._exits.update(exits)
            while len(self._exits) > EXITS_KEPT:
                self._exits.pop(next(iter(self._exits)))
            yield

    def collected(self) -> dict[tuple[int, int], int]:
        """Exit statuses that were read: raw wait status by (pid, start ticks)."""
        return self._exits


def is_own_child(identity: Identity) -> bool:
    """Whether this very process is the parent: the child may have ended, but is not collected."""
    if not is_possible(identity.pid):
        return False
    try:
        os.waitid(os.P_PID, identity.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def is_reaped(pidfd: int) -> bool:
    """Whether the process has been collected by its parent (POLLHUP; pidfd_open(2))."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
