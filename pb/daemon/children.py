"""Collecting the children that runs are: all of this process's, or only those that were started.

A daemon's process is its own and collects whatever ends. A scheduler inside another program must
not touch SIGCHLD, nor collect a child of its host's. What an end means is the executor's affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pb.process.identity import Identity, exit_status, open_pidfd
from pb.process.usage import UNKNOWN, Usage, usage_of

if TYPE_CHECKING:
    from resource import struct_rusage

Ended = Callable[[int, int | None, Callable[[int], Usage]], None]
"""Told of a child's end: its PID, its raw wait status (None where nobody can know it), and what it
used, given the floor of ``usage_of``."""


class Children(Protocol):
    """Who collects. All methods belong to the event loop's thread."""

    def listen(self) -> None:
        """Collect from now on, and those that ended before."""
        ...

    def deafen(self) -> None:
        """Collect nobody any more."""
        ...

    def expect(self, identity: Identity) -> None:
        """This child is ours, and not collected yet."""
        ...

    def look(self) -> None:
        """Collect now what has ended."""
        ...


class AllChildren:
    """Whatever child of this process ends, by SIGCHLD."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    def listen(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.look)
        self.look()

    def deafen(self) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)

    def expect(self, identity: Identity) -> None:
        """SIGCHLD tells of every child; there is nothing to prepare."""

    def look(self) -> None:
        """SIGCHLDs merge, so ask until there is none."""
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, status, used(rusage))


class OwnChildren:
    """Those that are expected and no others, each by a pidfd of its own."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._pidfds: dict[int, int] = {}

    def listen(self) -> None:
        """Each child is listened for from ``expect`` on."""

    def deafen(self) -> None:
        for pid in list(self._pidfds):
            self._let_go(pid)

    def expect(self, identity: Identity) -> None:
        self._let_go(identity.pid)  # it may be expected already, by who has let go of it since
        loop = asyncio.get_running_loop()
        try:
            pidfd = open_pidfd(identity)
        except ProcessLookupError:  # it has ended already
            loop.call_soon(self._collect, identity.pid)
            return
        self._pidfds[identity.pid] = pidfd
        loop.add_reader(pidfd, self._collect, identity.pid)

    def look(self) -> None:
        for pid in list(self._pidfds):
            self._collect(pid)

    def _collect(self, pid: int) -> None:
        try:
            ended, status, rusage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            # Somebody else has collected it; the kernel may still tell (PIDFD_GET_INFO).
            pidfd = self._pidfds.get(pid)
            known = None if pidfd is None else exit_status(pidfd)
            self._let_go(pid)
            self._ended(pid, known, lambda _floor: UNKNOWN)
            return
        if ended:
            self._let_go(pid)
            self._ended(pid, status, used(rusage))

    def _let_go(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)


def used(rusage: struct_rusage) -> Callable[[int], Usage]:
    return lambda floor: usage_of(rusage, floor)
