"""Errands: short commands that are run for a service. Its exec probes, hooks, stop and reload.

An errand leads a session of its own and carries its service's marker, so that whatever it leaves
behind belongs to the service's tree. At its timeout everything it has become is killed. What an
end means is for whoever asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from pb.core.durations import duration_words
from pb.core.lean import dataclass
from pb.daemon.outcomes import printable
from pb.errors import PbError
from pb.process.identity import Identity, send_signal
from pb.process.kin import find
from pb.process.signals import signal_name
from pb.process.spawn import Spawn, SpawnError, spawn
from pb.process.table import identity_of, take_table
from pb.process.usage import Usage

AT_ONCE = 8
"""Exec probes that run at the same time; the others wait, and that is not counted against them."""

KILL_ROUNDS = 5
"""Looks for what an errand has forked while it was being killed."""

WORDS_KEPT = 1024
"""Bytes of a probe's output that are kept, the last ones."""

WORDS_READ = 1 << 24
"""Bytes after which nobody listens to it any more, so that it has to wait until its timeout."""

PROBE = "PB_PROBE"
"""Set in the environment of an exec probe, which otherwise is its service's own."""

EVENT = "PB_EVENT"
"""What a command is run for, as a JSON object: ``event`` and what else is known of it."""

Told = Callable[[int | None, int, Usage], None]
Expect = Callable[[Identity, Told], None]
"""Asks to be told of a child's end: raw wait status, epoch ms, what it used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an errand ended. ``reason`` None: with 0. ``words``: its last line of output.

    ``is_passing``: it could not be started because the machine is short of something just now.
    """

    exit_code: int | None = None
    reason: str | None = None
    words: str = ""
    is_passing: bool = False


class Errands:
    """All that run now. Methods belong to the event loop's thread."""

    def __init__(self, expect: Expect) -> None:
        self._expect = expect
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def run(
        self, what: Spawn, timeout: float, done: Callable[[Outcome], None]
    ) -> asyncio.Task[None]:
        """Run it, its output in ``what.log_path``, and call ``done``; not if it is cancelled."""

        async def perform() -> None:
            try:
                outcome = await self.perform(what, timeout)
            except OSError as error:  # somebody waits for the answer, whatever is short
                outcome = Outcome(reason=f"cannot be watched: {error.strerror or error}")
            done(outcome)

        return self._keep(perform())

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """Kill those that run; nobody is told."""
        for task in self._tasks:
            task.cancel()

    async def probe(self, what: Spawn, timeout: float) -> Outcome:
        """Run it with its output in no log; only the end of that is kept."""
        async with self._places:
            try:
                output = Words()
            except OSError as error:
                return Outcome(reason=(error.strerror or str(error)).lower(), is_passing=True)
            try:
                outcome = await self.perform(replace(what, output=output.fd), timeout)
            finally:
                words = output.close()
        return replace(outcome, words=words)

    async def perform(self, what: Spawn, timeout: float) -> Outcome:
        """Run it and wait. Cancelled, it kills it at once."""
        try:
            leader = spawn(what)
        except SpawnError as error:
            return Outcome(reason=error.message, is_passing=error.transient)
        except PbError as error:
            return Outcome(reason=error.message)
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

        def told(status: int | None, at_ms: int, used: Usage) -> None:
            if not ended.done():
                ended.set_result(status)

        self._expect(leader, told)
        try:
            await asyncio.wait({ended}, timeout=timeout)
        finally:
            if not ended.done():
                kill_errand(leader)
        if not ended.done():
            return Outcome(reason=f"took more than {duration_words(timeout)}")
        return outcome_of(ended.result())


def outcome_of(status: int | None) -> Outcome:
    """What a raw wait status means; None is one that nobody can know."""
    if status is None:
        return Outcome(reason="ended, and nobody knows how")
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Outcome(reason=f"was killed by {signal_name(-code)}")
    return Outcome(exit_code=code, reason=None if code == 0 else f"exit code {code}")


def is_errand(pid: int) -> bool:
    """Whether a process that carries a service's marker is one of its errands, or comes from one.

    Told by the environment, as far as it may be read.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            names = {entry.partition(b"=")[0].decode() for entry in file.read().split(b"\0")}
    except (OSError, UnicodeDecodeError):
        return False
    return bool(names & {PROBE, EVENT})


def kill_errand(leader: Identity) -> None:
    """Kill the leader's group, session and descendants, in one go.

    The event loop gets no turn meanwhile, so the leader cannot be reaped, and its number cannot
    become somebody else's. What has left all three carries the service's marker, and goes with it.
    """
    for _ in range(KILL_ROUNDS):
        rows = find(leader, "", take_table()).rows
        for row in rows:
            send_signal(identity_of(row), signal.SIGKILL)
        if not rows:
            return


class Words:
    """A pipe for the output of a probe, which is read on and thrown away but for its end."""

    def __init__(self) -> None:
        self._reader, self.fd = os.pipe()
        os.set_blocking(self._reader, False)
        self._kept, self._count = b"", 0
        asyncio.get_running_loop().add_reader(self._reader, self._read)

    def _read(self) -> None:
        try:
            piece = os.read(self._reader, 1 << 16)
        except BlockingIOError:
            return
        self._kept = (self._kept + piece)[-WORDS_KEPT:]
        self._count += len(piece)
        if self._count > WORDS_READ:
            asyncio.get_running_loop().remove_reader(self._reader)

    def close(self) -> str:
        """The last line that it wrote, made safe."""
        self._read()
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)
        os.close(self.fd)
        lines = self._kept.decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1].strip()) if lines else ""
