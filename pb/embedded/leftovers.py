"""Runs that an embedded scheduler has left alive: somebody must collect them when they end.

They are children of this process, which lives on; the scheduler that adopts them cannot collect
another's children. As the guardian does, their exit status is written down for it first. One
thread, and only while there is such a run.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterable
from pathlib import Path

from pb.process.exits import record_exit
from pb.process.identity import Identity, open_pidfd


class Leftovers:
    """The runs of one home that nobody here watches any more."""

    def __init__(self, exits: Path, left: Iterable[Identity]) -> None:
        self._exits = exits
        self._poll = select.poll()
        self._children: dict[int, Identity] = {}
        for identity in left:
            try:
                self._children[open_pidfd(identity)] = identity
            except ProcessLookupError:
                self._collect(identity)
        self._told, self._tell = os.pipe()
        self._poll.register(self._told, select.POLLIN)
        for pidfd in self._children:
            self._poll.register(pidfd, select.POLLIN)
        self._thread = threading.Thread(target=self._watch, name="pb-leftovers", daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """Stop watching: a scheduler of this process takes them back."""
        os.close(self._tell)
        self._thread.join()

    def _watch(self) -> None:
        is_told = False
        while self._children and not is_told:
            for fd, _ in self._poll.poll():
                if fd == self._told:
                    is_told = True
                else:
                    self._poll.unregister(fd)
                    os.close(fd)
                    self._collect(self._children.pop(fd))
        for fd in (self._told, *self._children):
            os.close(fd)

    def _collect(self, identity: Identity) -> None:
        """Write down how a child ended, then collect it: whoever adopted it waits for that."""
        with contextlib.suppress(ChildProcessError):
            ended = os.waitid(os.P_PID, identity.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            with contextlib.suppress(OSError):  # the kernel may still tell (PIDFD_GET_INFO)
                record_exit(self._exits, identity, raw_status(ended.si_code, ended.si_status))
            os.waitpid(identity.pid, 0)


def raw_status(code: int, status: int) -> int:
    """What waitpid(2) would say, from what waitid(2) says."""
    if code == os.CLD_EXITED:
        return status << 8
    return status | (0x80 if code == os.CLD_DUMPED else 0)
